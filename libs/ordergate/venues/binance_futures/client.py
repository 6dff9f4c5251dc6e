"""The three clients of Binance USD-M futures: what may trade, what may only read, and what needs no key."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from ordergate.access.opening import Opening, open_session
from ordergate.access.session import Answer, Session, VenueManners
from ordergate.access.upkeep import Upkeep
from ordergate.ports.venue import VenuePrice
from ordergate.trading.errors import Unreadable
from ordergate.trading.instrument import Instrument
from ordergate.venues.binance.limits import published
from ordergate.venues.binance.signing import QuerySigning, check_key
from ordergate.venues.binance_futures import limits, parse
from ordergate.venues.binance_futures.calls import public, read_time
from ordergate.venues.binance_futures.declaration import DECLARATION
from ordergate.venues.binance_futures.errors import classify
from ordergate.venues.binance_futures.finding import FuturesClient
from ordergate.venues.binance_futures.reading import BinanceFuturesReading
from ordergate.venues.binance_futures.trading import BinanceFuturesTrading

__all__ = [
    "BinanceFuturesMarket",
    "BinanceFuturesReading",
    "BinanceFuturesTrading",
    "open_market",
    "open_reading",
    "open_trading",
]


class BinanceFuturesMarket(FuturesClient):
    """Public facts; ports.venue.Market."""

    __slots__ = ()

    async def instruments(self) -> Sequence[Instrument]:
        """`GET /fapi/v1/exchangeInfo`, which names the limits too: those hold from then on, for all that share the budget."""
        return await self.read(public("/fapi/v1/exchangeInfo", limits.LIGHT), self._read_exchange)

    def _read_exchange(self, answer: Answer) -> Sequence[Instrument]:
        with contextlib.suppress(Unreadable):  # the declared limits stand then
            self.session.limiter.publish(published(answer, limits.SCOPES))
        return parse.instruments_answer(answer)

    async def prices(self) -> Sequence[VenuePrice]:
        """`GET /fapi/v1/premiumIndex`: the mark prices, which price band and notional refer to."""
        return await self.read(public("/fapi/v1/premiumIndex", limits.HEAVY), parse.prices_answer)


def open_trading(opening: Opening) -> BinanceFuturesTrading:
    session, upkeep = _open(opening)
    return BinanceFuturesTrading(session=session, upkeep=upkeep, declaration=opening.deviation.of(DECLARATION))


def open_reading(opening: Opening) -> BinanceFuturesReading:
    session, upkeep = _open(opening)
    return BinanceFuturesReading(session=session, upkeep=upkeep, declaration=opening.deviation.of(DECLARATION))


def open_market(opening: Opening) -> BinanceFuturesMarket:
    session, upkeep = _open(replace(opening, key=None, keychain=None))
    return BinanceFuturesMarket(session=session, upkeep=upkeep, declaration=DECLARATION)


MANNERS = VenueManners(
    key_header="X-MBX-APIKEY",
    sign=QuerySigning(window_ms=DECLARATION.window_ms),
    classify=classify,
    read_usage=limits.read_usage,
    window_ms=DECLARATION.window_ms,
    send_margin_ms=DECLARATION.send_margin_ms,
)


def _open(opening: Opening) -> tuple[Session, Upkeep]:
    """Raises WrongKey for a key of a kind that Binance does not take, Misconfigured."""
    if opening.key is not None:
        check_key(opening.key)
    # The exchange remembers no signature: a timestamp may come again, so nothing has to rest.
    return open_session(
        opening,
        manners=MANNERS,
        limits=limits.LIMITS,
        shares=limits.shares(requests=opening.request_share),
        order_weights=limits.PLACE,
        ask=read_time,
        rest_ms=0,
        replay_memory_ms=0,
    )
