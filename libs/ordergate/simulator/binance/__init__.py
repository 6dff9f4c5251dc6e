"""Binance's two dialects of the simulated venue, Spot and USD-M futures, behind one front.

The law of this room: a dialect is a table of `Operation`s and an engine, nothing else. What both dialects share (signatures, limits, errors, WebSocket API,
streams, doors) stands here and knows neither; `spot` and `futures` know nothing of connections. As everywhere in the simulator, time is an argument and
nothing of the adapters, the access library or official clients is imported: the room is written against the venue's documents, to catch our mistakes.
"""
