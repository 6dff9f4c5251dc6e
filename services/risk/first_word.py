"""What status_polling says of a symbol, waited for at a start: before it has said anything nobody can tell whether the venue has it."""

from ordergate.ports.market import MarketData
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import Symbol, VenueName
from ordergate.trading.instrument import Instrument, ReferencePrice

PATIENCE_MS = 10_000
"""Filters and prices come by separate reads, and a venue's symbols one by one; a symbol of which nothing has come after so long, while others
can be judged, holds these up no more: risk decides one intent at a time.
"""


class FirstWord:
    """The market data of one venue, with "not yet" told from "no" by an exception: whoever asks tries again, for as long as the intent lives."""

    def __init__(self, venue: VenueName, market: MarketData) -> None:
        self._venue = venue
        self._market = market
        self._filters_until_ms: dict[Symbol, int] = {}
        self._price_until_ms: dict[Symbol, int] = {}

    def instrument(self, symbol: Symbol, now_ms: int) -> Instrument | None:
        """None: the venue does not have it, or nobody has said so for too long. Raises Unavailable for as long as the word may just be on its way.

        While no symbol of the venue is known there is nothing that could be held up.
        """
        instrument = self._market.instrument(self._venue, symbol)
        if instrument is None and self._market.awaits(self._venue, symbol):
            others = self._market.knows_any(self._venue)
            if not others or _is_early(self._filters_until_ms, symbol, now_ms):
                raise Unavailable(f"nobody has said yet whether the venue has {symbol}")
        return instrument

    def why_unknown(self, symbol: Symbol) -> str:
        if self._market.awaits(self._venue, symbol):
            return f"nobody has said within {PATIENCE_MS} ms whether the venue has {symbol}, while its other symbols are known"
        return f"{symbol} is not traded in this account"

    def price(self, instrument: Instrument, now_ms: int) -> ReferencePrice | None:
        """Raises Unavailable for as long as the first one may just be on its way."""
        symbol = instrument.symbol
        price = self._market.reference_price(self._venue, symbol)
        is_awaited = price is None and instrument.trading and self._market.awaits_price(self._venue, symbol)
        if is_awaited and _is_early(self._price_until_ms, symbol, now_ms):
            raise Unavailable(f"no price of {symbol} has come yet")
        return price


def _is_early(until_ms: dict[Symbol, int], symbol: Symbol, now_ms: int) -> bool:
    """Whether it was first asked for lately. A clock that is set back makes nobody wait longer."""
    latest_ms = now_ms + PATIENCE_MS
    until_ms[symbol] = min(until_ms.get(symbol, latest_ms), latest_ms)
    return now_ms < until_ms[symbol]
