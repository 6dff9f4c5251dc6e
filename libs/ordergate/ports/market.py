"""Filters and reference prices, as status_polling last read them from the venue."""

from typing import Protocol

from ordergate.ports.venue import VenuePrice
from ordergate.trading.ids import Symbol, VenueName
from ordergate.trading.instrument import Instrument, ReferencePrice


class MarketData(Protocol):
    def instrument(self, venue: VenueName, symbol: Symbol) -> Instrument | None: ...

    def reference_price(self, venue: VenueName, symbol: Symbol) -> ReferencePrice | None: ...


class MarketBoard(Protocol):
    """The writing side."""

    async def post_instruments(self, venue: VenueName, instruments: list[Instrument]) -> None: ...

    async def post_prices(self, venue: VenueName, prices: list[VenuePrice]) -> None:
        """A price is as old as the moment when its venue time was last seen to move, so a venue that repeats itself is noticed."""
