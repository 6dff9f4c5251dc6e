"""The three clients of Binance Spot: what may trade, what may only read, and what needs no key."""

import re
from collections.abc import Sequence
from dataclasses import replace

from ordergate.access.opening import Opening, open_session
from ordergate.access.session import Answer, Session, VenueManners
from ordergate.access.upkeep import Upkeep
from ordergate.ports.venue import Balance, OrderEntry, Priority, VenuePosition, VenuePrice, VenueTrade
from ordergate.trading.errors import Misuse
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import VenueView
from ordergate.venues.binance import limits as binance
from ordergate.venues.binance.signing import QuerySigning, check_key
from ordergate.venues.binance_spot import limits, parse
from ordergate.venues.binance_spot.calls import ACCOUNT, SpotClient, get, public, read_time
from ordergate.venues.binance_spot.declaration import DECLARATION
from ordergate.venues.binance_spot.entry import open_entry
from ordergate.venues.binance_spot.errors import classify
from ordergate.venues.binance_spot.trading import BinanceSpotTrading

__all__ = [
    "BinanceSpotMarket",
    "BinanceSpotReading",
    "BinanceSpotTrading",
    "open_market",
    "open_reading",
    "open_trading",
]

TRADES_PAGE_MAX = 1_000
_NUMBER = re.compile(r"[0-9]{1,30}")


class BinanceSpotReading(SpotClient):
    """Signed reads, repeated while that may help; ports.venue.Reading."""

    __slots__ = ()

    async def lookup(
        self, symbol: Symbol, client_order_id: ClientOrderId, *, priority: Priority = Priority.RESOLVE
    ) -> VenueView | None:
        """`GET /api/v3/order?origClientOrderId=`: the newest order of that id, whatever became of it; None: the exchange has none (-2013).

        It reads from memory, then from a database, so what was just sent may be missing for a moment: "none" counts only after the fence.
        """
        named = ("origClientOrderId", client_order_id)
        return await self.one_view(symbol, named, priority, client_order_id=client_order_id)

    async def order(self, symbol: Symbol, venue_order_id: VenueOrderId) -> VenueView | None:
        """`GET /api/v3/order?orderId=`. None: the exchange says that it has no such order."""
        return await self.one_view(symbol, ("orderId", venue_order_id), Priority.RESOLVE)

    async def open_orders(self, symbol: Symbol | None = None) -> Sequence[VenueView]:
        """`GET /api/v3/openOrders`: all kinds, also those that wait in a list. Without a symbol it weighs as much as thirteen symbols."""
        return await self.open_views(symbol, Priority.POLL)

    async def trades(self, symbol: Symbol, *, from_id: TradeId | None, limit: int) -> Sequence[VenueTrade]:
        """`GET /api/v3/myTrades?fromId=`: maker and taker trades. Raises Misuse for a limit outside 1..1000."""
        if not 1 <= limit <= TRADES_PAGE_MAX:
            raise Misuse(f"limit must be 1..{TRADES_PAGE_MAX}")
        if from_id is not None and _NUMBER.fullmatch(from_id) is None:
            from_id = (
                None  # no id of this exchange, so a damaged cursor: from the oldest on, which stores nothing twice
            )
        query = (("symbol", symbol), ("fromId", from_id or "0"), ("limit", str(limit)))
        call = get("/api/v3/myTrades", Priority.RECONCILE, limits.HEAVY, query)
        return await self.read(call, lambda answer: parse.trades_answer(answer, symbol=symbol, from_id=from_id))

    async def positions(self) -> Sequence[VenuePosition]:
        """None: Spot has holdings, which deposits, withdrawals and fees change too (see the declaration)."""
        return ()

    async def balances(self) -> Sequence[Balance]:
        """`GET /api/v3/account`, without assets of which nothing is held."""
        return await self.read(ACCOUNT, parse.balances_answer)


class BinanceSpotMarket(SpotClient):
    """Public facts; ports.venue.Market."""

    __slots__ = ()

    async def instruments(self) -> Sequence[Instrument]:
        """`GET /api/v3/exchangeInfo`, whose limits hold from now on for everybody who shares the budget."""
        call = public("/api/v3/exchangeInfo", limits.HEAVY, (("showPermissionSets", "false"),))
        return await self.read(call, self._learn)

    async def prices(self) -> Sequence[VenuePrice]:
        """`GET /api/v3/ticker/price`: the last trade of each symbol, as of when this was called. Raises ClockUnknown too."""
        asked_ms = self.venue_now_ms()
        call = public("/api/v3/ticker/price", limits.PRICES)
        return await self.read(call, lambda answer: parse.prices_answer(answer, venue_time_ms=asked_ms))

    def _learn(self, answer: Answer) -> list[Instrument]:
        self.session.limiter.publish(binance.published(answer, limits.SCOPES))
        return parse.instruments_answer(answer)


def open_trading(opening: Opening) -> BinanceSpotTrading:
    """Raises WrongKey for a key of a kind that Binance does not take, Misconfigured."""
    session, upkeep = _open(opening)
    entry = open_entry(session, opening) if opening.order_entry is OrderEntry.SOCKET else None
    return BinanceSpotTrading(
        session=session, upkeep=upkeep, declaration=opening.deviation.of(DECLARATION), entry=entry
    )


def open_reading(opening: Opening) -> BinanceSpotReading:
    """Raises WrongKey, Misconfigured."""
    session, upkeep = _open(opening)
    return BinanceSpotReading(session=session, upkeep=upkeep, declaration=opening.deviation.of(DECLARATION))


def open_market(opening: Opening) -> BinanceSpotMarket:
    """Raises Misconfigured."""
    session, upkeep = _open(replace(opening, key=None, keychain=None))
    return BinanceSpotMarket(session=session, upkeep=upkeep, declaration=DECLARATION)


def _open(opening: Opening) -> tuple[Session, Upkeep]:
    if opening.key is not None:
        check_key(opening.key)
    return open_session(
        opening,
        manners=VenueManners(
            key_header="X-MBX-APIKEY",
            sign=QuerySigning(window_ms=DECLARATION.window_ms),
            classify=classify,
            read_usage=limits.read_usage,
            window_ms=DECLARATION.window_ms,
            send_margin_ms=DECLARATION.send_margin_ms,
        ),
        limits=limits.LIMITS,
        shares=limits.shares(requests=opening.request_share),
        order_weights=limits.PLACE,
        ask=read_time,
        # The exchange remembers no signature: a timestamp may come again, so nothing has to rest.
        rest_ms=0,
        replay_memory_ms=0,
    )
