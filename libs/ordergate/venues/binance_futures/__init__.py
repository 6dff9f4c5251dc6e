"""Binance USD-M futures, as docs/venues/binance-futures.md tells it.

Law of this room, beside that of all venues: a conditional order and the plain order that its trigger makes are one order of ours. Its name at the venue is
`algo-<algoId>` for its whole life; `children` knows which plain orders belong to which, and no view of such a plain order leaves this folder by itself.
"""
