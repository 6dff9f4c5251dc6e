"""The private stream of Binance USD-M futures: `/private/ws/<listenKey>`, the key asked for by REST and kept alive (docs/venues/binance-futures.md).

TRADE_LITE comes first but bears no fee; what is stored comes from ORDER_TRADE_UPDATE. Balances and positions are read where they are needed. The order that a
trigger made is told as the conditional order that it belongs to (see the law of this room); where that is not known it is not told at all: a read will.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from ordergate.access.session import Answered, Call, Session
from ordergate.access.streaming import KeptStream, Line, StreamOpening, StreamRefused, Turn, Wish
from ordergate.ports.stream import OrderSeen, SetAside, StreamEvent, TradeSeen
from ordergate.ports.venue import NotExecuted, Priority, Throttled, VenueTrade
from ordergate.trading.errors import Unreadable, VenueUnavailable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import ClientOrderId, KeyId, Symbol, TradeId, VenueOrderId
from ordergate.trading.order import VenueView
from ordergate.venues.binance import events
from ordergate.venues.binance.events import Event
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_futures import limits, models, parse
from ordergate.venues.binance_futures.children import Children
from ordergate.venues.binance_futures.errors import Purpose

# fmt: off
HOSTS: Mapping[str, str] = MappingProxyType({
    "fapi.binance.com":          "wss://fstream.binance.com",
    "demo-fapi.binance.com":     "wss://fstream.binancefuture.com",
    "testnet.binancefuture.com": "wss://fstream.binancefuture.com",
})
# fmt: on
EXTEND_SECONDS = 30 * 60.0
"""A listen key lives for 60 minutes."""
AGAIN_SECONDS = 30.0
LOOK_AT_KEY_SECONDS = 2.0
ANSWER_SECONDS = 5.0

TRADES = frozenset({"TRADE", "CALCULATED"})
"""CALCULATED: the execution of a liquidation."""
EXECUTIONS = TRADES | {"NEW", "CANCELED", "EXPIRED", "AMENDMENT"}
IGNORED = frozenset(
    {
        "TRADE_LITE",
        "ACCOUNT_UPDATE",
        "ACCOUNT_CONFIG_UPDATE",
        "MARGIN_CALL",
        "STRATEGY_UPDATE",
        "GRID_UPDATE",
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
    }
)


@dataclass(slots=True, kw_only=True)
class FuturesStreamManners:
    """access.streaming.StreamManners. trades, orders: what of an ORDER_TRADE_UPDATE is wanted. children: what triggers made, as far as this stream told."""

    session: Session
    trades: bool = True
    orders: bool = True
    children: Children = field(default_factory=Children)
    _key_id: KeyId | None = field(default=None, init=False)

    async def target(self) -> str:
        """With a listen key: the one that lives, its life extended, or a new one. It opens the account's stream, so it stands in no log."""
        signing = None if self.session.keychain is None else self.session.keychain.signing
        answer = await self._listen("POST")
        try:
            listen_key = check(models.ListenKeyAnswer, answer).listenKey
        except Unreadable as why:
            raise VenueUnavailable(f"POST /fapi/v1/listenKey: {why}") from why
        self._key_id = None if signing is None else signing.key.id
        return f"/private/ws/{listen_key}"

    async def subscribe(self, line: Line) -> None:
        """The listen key in the address is the subscription."""

    def read(self, data: bytes) -> Iterable[StreamEvent | Turn]:
        try:
            message = events.decode(data)
            return self._event(events.part(message, "data") if "e" not in message and "data" in message else message)
        except Unreadable as why:
            return (SetAside(reason=str(why)),)

    async def tend(self, demand: Callable[[Turn], None]) -> None:
        """Extend the listen key; one that is gone, or belongs to a key that was replaced, means another connection."""
        clock = self.session.clock
        extended_at = clock.monotonic()
        pause = EXTEND_SECONDS
        while True:
            await clock.sleep(LOOK_AT_KEY_SECONDS)
            signing = None if self.session.keychain is None else self.session.keychain.signing
            if signing is not None and self._key_id is not None and signing.key.id != self._key_id:
                demand(Turn(wish=Wish.RENEW, reason="key_changed"))
            if self._key_id is not None and clock.monotonic() - extended_at >= pause:
                extended_at = clock.monotonic()
                pause = EXTEND_SECONDS if await self._extend(demand) else AGAIN_SECONDS

    async def _extend(self, demand: Callable[[Turn], None]) -> bool:
        try:
            answer = await self._listen("PUT")
        except StreamRefused as refused:
            wish = Wish.END if refused.credentials else Wish.REOPEN
            demand(Turn(wish=wish, reason="listen_key_lost" if wish is Wish.REOPEN else refused.reason))
            return True
        except VenueUnavailable:
            return False
        # An account's key is made anew where the old one is gone; then the connection of the old one says nothing any more.
        return answer is not None

    async def _listen(self, method: str) -> object:
        """Raises StreamRefused, VenueUnavailable (nothing is known)."""
        call = Call(
            method=method,
            path="/fapi/v1/listenKey",
            purpose=Purpose.LISTEN,
            priority=Priority.RECONCILE,
            weights=limits.LIGHT,
            signed=False,
            keyed=True,
        )
        match await self.session.change(call, deadline_seconds=ANSWER_SECONDS):
            case Answered() as answered:
                return answered.document
            case NotExecuted() as refused:
                raise StreamRefused(refused.reason, credentials=refused.credentials)
            case Throttled() as throttled:
                # Nothing is known of the listen key, so a keep-alive is tried again.
                raise VenueUnavailable(f"throttled for {throttled.retry_after_ms} ms")
            case other:
                raise VenueUnavailable(f"{method} /fapi/v1/listenKey: {getattr(other, 'reason', 'refused')}")

    # Reading.

    def _event(self, event: Event) -> Iterable[StreamEvent | Turn]:
        match event.get("e"):
            case "ORDER_TRADE_UPDATE":
                return self._order(events.part(event, "o"))
            case "ALGO_UPDATE":
                return self._algo(event)
            case "listenKeyExpired":
                return (Turn(wish=Wish.REOPEN, reason="listen_key_expired"),)
            case "serverShutdown":
                return (Turn(wish=Wish.RENEW, reason="server_shutdown"),)
            case str(name) if name in IGNORED:
                return ()
            case _:
                return (SetAside(reason="an event that we do not know"),)

    def _order(self, order: Event) -> list[StreamEvent | Turn]:
        """A trade and an order, each by itself: that one cannot be read says nothing of the other."""
        found: list[StreamEvent | Turn] = []
        if self.trades:
            try:
                if (trade := self._trade(order)) is not None:
                    found.append(TradeSeen(trade=trade))
            except Unreadable as why:
                found.append(SetAside(reason=f"ORDER_TRADE_UPDATE: {why}"))
        if self.orders:
            try:
                if (view := self._view(order)) is not None:
                    found.append(OrderSeen(view=view))
            except Unreadable as why:
                found.append(SetAside(reason=f"ORDER_TRADE_UPDATE: {why}"))
        return found

    def _trade(self, order: Event) -> VenueTrade | None:
        trade = trade_of(order)
        parent = None if trade is None else self.children.parent(trade.symbol, trade.venue_order_id)
        if trade is None or parent is None or parent.clientAlgoId is None:
            return trade
        return replace(trade, client_order_id=ClientOrderId(parent.clientAlgoId))

    def _view(self, order: Event) -> VenueView | None:
        """None: made by a trigger that this stream was not told of."""
        row = row_of(order)
        parent = self.children.parent(row.symbol, row.orderId)
        if parent is not None:
            return parse.algo_view(parent, row)
        is_conditional = {row.type, row.origType} & CONDITIONAL_NAMES or self.children.expects(row)
        return None if is_conditional else parse.view(row)

    def _algo(self, event: Event) -> list[StreamEvent | Turn]:
        try:
            row = algo_row_of(events.part(event, "o"), at_ms=events.time_ms(event, "T" if "T" in event else "E"))
        except Unreadable as why:
            return [SetAside(reason=f"ALGO_UPDATE: {why}")]
        self.children.note(row)
        if not self.orders:
            return []
        try:
            return [OrderSeen(view=parse.algo_view(row, None))]
        except Unreadable:
            return []  # FINISHED, or ended after its trigger: the ordinary order tells how


CONDITIONAL_NAMES = frozenset({each.value for each in parse.CONDITIONAL} | {"TRAILING_STOP_MARKET"})


def trade_of(order: Event) -> VenueTrade | None:
    """The trade that an ORDER_TRADE_UPDATE tells, None where it tells none. Raises Unreadable."""
    execution, trade_id = events.word(order, "x"), events.maybe_number(order, "t")
    has_trade = trade_id not in {None, "0"}
    if execution not in EXECUTIONS:
        if has_trade:
            raise Unreadable("x: a kind of execution that we do not know")
        return None
    if execution not in TRADES or not has_trade or trade_id is None:
        if execution == "TRADE":
            raise Unreadable("t: a trade without an id")
        return None
    fee, fee_asset = events.signed(order, "n"), events.maybe_word(order, "N")
    if fee and fee_asset is None:
        raise Unreadable("N: a fee without an asset")
    client_order_id = events.maybe_word(order, "c")
    return VenueTrade(
        trade_id=TradeId(trade_id),
        venue_order_id=VenueOrderId(events.number(order, "i")),
        client_order_id=None if client_order_id is None else ClientOrderId(client_order_id),
        symbol=Symbol(events.word(order, "s")),
        side=events.side(order, "S"),
        position_side=events.position_side(order, "ps"),
        price=events.positive(order, "L"),
        quantity=events.positive(order, "l"),
        fee=fee,
        fee_asset=fee_asset or NO_FEE_ASSET,
        liquidity=Liquidity.MAKER if events.flag(order, "m", absent=False) else Liquidity.TAKER,
        venue_time_ms=events.time_ms(order, "T"),
    )


NO_FEE_ASSET = "NONE"
"""Where a trade bears no fee the asset may be missing."""


def row_of(order: Event) -> models.OrderRow:
    """As a read shows it. There is no time of creation in an event: the order is at least as old as the event, which is all that is asked of it."""
    return check(
        models.OrderRow,
        {
            "orderId": order.get("i"),
            "symbol": order.get("s"),
            "side": order.get("S"),
            "type": order.get("o"),
            "origType": order.get("ot"),
            "origQty": order.get("q"),
            "price": order.get("p"),
            "stopPrice": order.get("sp"),
            "positionSide": order.get("ps") or "BOTH",
            "reduceOnly": order.get("R") or False,
            "clientOrderId": order.get("c") or None,
            "timeInForce": order.get("f"),
            "status": order.get("X"),
            "executedQty": order.get("z"),
            "updateTime": order.get("T"),
        },
    )


def algo_row_of(order: Event, *, at_ms: int) -> models.AlgoRow:
    """As a read shows it, with the event's time for both of its times."""
    return check(
        models.AlgoRow,
        {
            "algoId": order.get("aid"),
            "clientAlgoId": order.get("caid") or None,
            "algoType": order.get("at"),
            "orderType": order.get("o"),
            "symbol": order.get("s"),
            "side": order.get("S"),
            "positionSide": order.get("ps") or "BOTH",
            "timeInForce": order.get("f"),
            "quantity": order.get("q"),
            "algoStatus": order.get("X"),
            "actualOrderId": order.get("ai"),
            "triggerPrice": order.get("tp"),
            "price": order.get("p"),
            "closePosition": order.get("cp") or False,
            "reduceOnly": order.get("R") or False,
            "createTime": at_ms,
            "updateTime": at_ms,
        },
    )


def stream_url(base_url: str) -> str:
    """Where the streams of a REST address are; of one that we do not know (a simulator), at the same authority."""
    parts = urlsplit(base_url)
    known = HOSTS.get(parts.hostname or "")
    return known or f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"


def open_stream(session: Session, opening: StreamOpening, *, trades: bool = True, orders: bool = True) -> KeptStream:
    """Nothing is connected before it is read. The session's key and budget are used."""
    return KeptStream(FuturesStreamManners(session=session, trades=trades, orders=orders), opening)
