"""Binance USD-M futures: the perpetual engine of the simulator in the dialect of `/fapi`.

The law of this room: the engine (`exchange` and what it is made of) thinks in ticks and lots and knows no spelling; `intake` reads what clients send,
`rows` and `events` spell what they are shown, `refusals` holds every way to say no. Conditional orders live in `algo` and never in a book: what triggers is
a new, ordinary order. Facts are those of the venue's documents of 2026; what they leave open is marked as our assumption where it is decided.
"""
