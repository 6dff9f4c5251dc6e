"""Binance Spot, as its documents have it: balances, filters, every order type, order lists, cancel-replace, amendments, user events.

The law of this room: `floor` holds the books and does one thing to one order at a time, telling every execution report as it happens; `lists`, `cancels` and
`exchange` say what a request means; `operations` is the table of calls. Prices count in ticks, quantities in lots (both int), money is Decimal. Nothing
here knows of connections, signatures or limits, reads a clock or draws from anything but the seed.
"""
