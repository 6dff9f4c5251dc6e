"""What status_polling says of a symbol, waited for at a start: before it has said anything nobody can tell whether the venue has it."""

from ordergate.ports.market import MarketData
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import Symbol, VenueName
from ordergate.trading.instrument import Instrument, ReferencePrice

FIRST_PRICE_PATIENCE_MS = 10_000
"""Filters and prices come by separate reads; a symbol that has filters and no price after so long holds nobody up any more."""


class FirstWord:
    """The market data of one venue, with "not yet" told from "no" by an exception: whoever asks tries again, for as long as the intent lives."""

    def __init__(self, venue: VenueName, market: MarketData) -> None:
        self._venue = venue
        self._market = market
        self._price_until_ms: dict[Symbol, int] = {}

    def instrument(self, symbol: Symbol) -> Instrument | None:
        """None: the venue does not have it. Raises Unavailable for as long as that is not known."""
        instrument = self._market.instrument(self._venue, symbol)
        if instrument is None and self._market.awaits(self._venue, symbol):
            raise Unavailable(f"nobody has said yet whether the venue has {symbol}")
        return instrument

    def price(self, instrument: Instrument, now_ms: int) -> ReferencePrice | None:
        """Raises Unavailable for as long as the first one may just be on its way."""
        symbol = instrument.symbol
        price = self._market.reference_price(self._venue, symbol)
        if price is None and instrument.trading and self._market.awaits_price(self._venue, symbol):
            until_ms = self._price_until_ms.setdefault(symbol, now_ms + FIRST_PRICE_PATIENCE_MS)
            if now_ms < until_ms:
                raise Unavailable(f"no price of {symbol} has come yet")
        return price
