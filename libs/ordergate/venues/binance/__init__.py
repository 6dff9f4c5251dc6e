"""What Binance Spot and USD-M futures share: how they sign, count and refuse. Sources: docs/venues/binance-spot.md.

Law of this room: it knows both exchanges' common rules and neither's orders. What differs (rows of the error table, declared limits, the texts of a 503)
is handed in by the venue's own folder.
"""
