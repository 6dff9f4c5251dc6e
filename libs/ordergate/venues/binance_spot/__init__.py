"""Binance Spot, as docs/venues/binance-spot.md tells it: holdings instead of positions, a client id that is free again once its order has ended."""
