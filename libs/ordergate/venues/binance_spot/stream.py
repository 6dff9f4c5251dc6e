"""The private stream of Binance Spot: a subscription on the WebSocket API (docs/venues/binance-spot.md; the listen keys of old are gone since 2026-02-20).

HMAC and RSA keys sign the subscription itself; an Ed25519 key logs the session on and subscribes then, so that its revocation is told on the connection.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

import orjson

from ordergate.access.budget import Scope, Weights
from ordergate.access.keys.keychain import Wielded
from ordergate.access.keys.material import Ed25519Key
from ordergate.access.limiter import Denied
from ordergate.access.session import Session
from ordergate.access.signing.binance import sign_bytes, websocket_payload
from ordergate.access.streaming import KeptStream, Line, StreamOpening, StreamRefused, Turn, Wish
from ordergate.ports.stream import OrderSeen, SetAside, StreamEvent, TradeSeen
from ordergate.ports.venue import Priority, VenueTrade
from ordergate.trading.errors import Unreadable, VenueUnavailable, WrongKey
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import ClientOrderId, KeyId, Symbol, TradeId, VenueOrderId
from ordergate.trading.order import OrderType, PositionSide, State, VenueView
from ordergate.venues.binance import events
from ordergate.venues.binance.events import Event
from ordergate.venues.binance.signing import check_key
from ordergate.venues.binance_spot import parse

WEIGHTS: Weights = MappingProxyType({Scope.REQUESTS: 4})
"""A connection (2) and a subscription (2)."""
LOOK_AT_KEY_SECONDS = 2.0
NO_FEE_ASSET = "NONE"
"""Where a trade bears no fee the asset is null."""

# fmt: off
HOSTS: Mapping[str, str] = MappingProxyType({
    "api.binance.com":          "wss://ws-api.binance.com:443/ws-api/v3",
    "api-gcp.binance.com":      "wss://ws-api.binance.com:443/ws-api/v3",
    "api1.binance.com":         "wss://ws-api.binance.com:443/ws-api/v3",
    "api2.binance.com":         "wss://ws-api.binance.com:443/ws-api/v3",
    "api3.binance.com":         "wss://ws-api.binance.com:443/ws-api/v3",
    "api4.binance.com":         "wss://ws-api.binance.com:443/ws-api/v3",
    "testnet.binance.vision":   "wss://ws-api.testnet.binance.vision/ws-api/v3",
    "demo-api.binance.com":     "wss://demo-ws-api.binance.com/ws-api/v3",
})
# fmt: on
TYPES: Mapping[str, OrderType] = MappingProxyType(
    {**{theirs: ours for ours, theirs in parse.TYPES.items()}, parse.LIMIT_MAKER: OrderType.LIMIT}
)
TRADE = "TRADE"
EXECUTIONS = frozenset(
    {"NEW", "CANCELED", "REPLACED", "REJECTED", TRADE, "EXPIRED", "TRADE_PREVENTION", "PENDING_NEW", "PENDING_CANCEL"}
)
IGNORED = frozenset({"outboundAccountPosition", "balanceUpdate", "externalLockUpdate", "listStatus"})
"""Balances are read where they are needed; the orders of a list are told one by one."""
CREDENTIALS = frozenset({-1002, -1022, -1099, -2014, -2015, -2017})
CLOCK = -1021
UNAUTHORIZED = 401


@dataclass(slots=True, kw_only=True)
class SpotStreamManners:
    """access.streaming.StreamManners. trades, orders: what of an executionReport is wanted."""

    session: Session
    recv_window_ms: int
    trades: bool = True
    orders: bool = True
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1), init=False)
    _key_id: KeyId | None = field(default=None, init=False)

    async def target(self) -> str:
        return ""

    async def subscribe(self, line: Line) -> None:
        """`session.logon` and `userDataStream.subscribe`, or `userDataStream.subscribe.signature`."""
        granted = await self.session.limiter.take(WEIGHTS, Priority.RECONCILE, deadline_seconds=ANSWER_SECONDS)
        if isinstance(granted, Denied):
            raise StreamRefused(granted.reason)
        wielded = self._key()
        timestamp_ms = 0
        try:
            timestamp_ms = await self.session.timestamps.next()
            signed = self._signed(wielded, timestamp_ms)
            if isinstance(check_key(wielded.key), Ed25519Key):
                await self._ask(line, "session.logon", signed)
                await self._ask(line, "userDataStream.subscribe", {})
            else:
                await self._ask(line, "userDataStream.subscribe.signature", signed)
        except WrongKey as wrong:
            raise StreamRefused("key_of_wrong_kind", credentials=True) from wrong
        finally:
            wielded.end(timestamp_ms)
        self._key_id = wielded.key.id

    def read(self, data: bytes) -> Iterable[StreamEvent | Turn]:
        try:
            message = events.decode(data)
            if "event" not in message:
                return self._answer_to_nobody(message)
            return self._event(events.part(message, "event"))
        except Unreadable as why:
            return (SetAside(reason=str(why)),)

    async def tend(self, demand: Callable[[Turn], None]) -> None:
        """A key that took over signs a subscription of its own, before the old one is deleted at the venue."""
        while True:
            await self.session.clock.sleep(LOOK_AT_KEY_SECONDS)
            signing = None if self.session.keychain is None else self.session.keychain.signing
            if signing is not None and self._key_id is not None and signing.key.id != self._key_id:
                demand(Turn(wish=Wish.RENEW, reason="key_changed"))

    # Subscribing.

    def _key(self) -> Wielded:
        wielded = None if self.session.keychain is None else self.session.keychain.begin()
        if wielded is None:
            raise StreamRefused("no_key")
        return wielded

    def _signed(self, wielded: Wielded, timestamp_ms: int) -> dict[str, str | int]:
        parameters: dict[str, str | int] = {
            "apiKey": wielded.key.public,
            "recvWindow": self.recv_window_ms,
            "timestamp": timestamp_ms,
        }
        signature = sign_bytes(check_key(wielded.key), websocket_payload(parameters))
        return {**parameters, "signature": signature}

    async def _ask(self, line: Line, method: str, parameters: Mapping[str, str | int]) -> None:
        """Raises StreamRefused, VenueUnavailable (no answer)."""
        name = f"{line.number}-{next(iter(self._numbers))}"
        request = orjson.dumps({"id": name, "method": method, "params": parameters})
        answer = await line.ask(request, lambda data: _answer_of(data, name), seconds=ANSWER_SECONDS)
        if answer.get("status") == _OK:
            return
        code = events.error_code(answer)
        if code == CLOCK:
            self.session.venue_clock.distrust()
            if self.session.upkeep is not None:
                self.session.upkeep.read_clock_again()
            raise VenueUnavailable("the venue refused the timestamp of a subscription")
        raise StreamRefused(
            "subscription_refused" if code is None else f"code_{code}",
            credentials=code in CREDENTIALS,
            retry_after_ms=self._wait_ms(answer.get("error")),
        )

    def _wait_ms(self, error: object) -> int | None:
        """`data.retryAfter`, epoch ms by the venue's clock."""
        data = error.get("data") if isinstance(error, dict) else None
        until = data.get("retryAfter") if isinstance(data, dict) else None
        if type(until) is not int:
            return None
        venue = self.session.venue_clock
        return max(0, until - (venue.now_ms() if venue.is_known else self.session.clock.now_ms()))

    # Reading.

    def _answer_to_nobody(self, message: Event) -> Iterable[StreamEvent | Turn]:
        """Nothing was asked any more: the end of a session whose key was revoked, or an answer that came too late."""
        code = events.error_code(message)
        if message.get("id") is None and (code in CREDENTIALS or message.get("status") == UNAUTHORIZED):
            return (Turn(wish=Wish.END, reason=f"code_{code}"),)
        return () if "id" in message else (SetAside(reason="neither event nor answer"),)

    def _event(self, event: Event) -> Iterable[StreamEvent | Turn]:
        match event.get("e"):
            case "executionReport":
                return self._execution(event)
            case "eventStreamTerminated":
                return (Turn(wish=Wish.REOPEN, reason="event_stream_terminated"),)
            case "serverShutdown":
                return (Turn(wish=Wish.RENEW, reason="server_shutdown"),)
            case str(name) if name in IGNORED:
                return ()
            case _:
                return (SetAside(reason="an event that we do not know"),)

    def _execution(self, event: Event) -> list[StreamEvent | Turn]:
        """A trade and an order, each by itself: that one cannot be read says nothing of the other."""
        found: list[StreamEvent | Turn] = []
        if self.trades:
            try:
                if (trade := trade_of(event)) is not None:
                    found.append(TradeSeen(trade=trade))
            except Unreadable as why:
                found.append(SetAside(reason=f"executionReport: {why}"))
        if self.orders:
            try:
                found.append(OrderSeen(view=view_of(event)))
            except Unreadable as why:
                found.append(SetAside(reason=f"executionReport: {why}"))
        return found


ANSWER_SECONDS = 5.0
_OK = 200


def trade_of(event: Event) -> VenueTrade | None:
    """The trade that an executionReport tells, None where it tells none. Raises Unreadable."""
    execution, trade_id = events.word(event, "x"), events.maybe_number(event, "t")
    if trade_id is None:
        if execution == TRADE:
            raise Unreadable("t: a trade without an id")
        return None
    if execution not in EXECUTIONS:
        raise Unreadable("x: a kind of execution that we do not know")
    if execution != TRADE:
        return None
    fee, fee_asset = events.signed(event, "n"), events.maybe_word(event, "N")
    if fee and fee_asset is None:
        raise Unreadable("N: a fee without an asset")
    return VenueTrade(
        trade_id=TradeId(trade_id),
        venue_order_id=VenueOrderId(events.number(event, "i")),
        client_order_id=client_order_id_of(event),
        symbol=Symbol(events.word(event, "s")),
        side=events.side(event, "S"),
        position_side=PositionSide.BOTH,
        price=events.positive(event, "L"),
        quantity=events.positive(event, "l"),
        fee=fee,
        fee_asset=fee_asset or NO_FEE_ASSET,
        liquidity=Liquidity.MAKER if events.flag(event, "m") else Liquidity.TAKER,
        venue_time_ms=events.time_ms(event, "T"),
    )


def view_of(event: Event) -> VenueView:
    """Raises Unreadable."""
    kind, status = TYPES.get(events.word(event, "o")), parse.STATES.get(events.word(event, "X"))
    if kind is None or status is None:
        raise Unreadable(f"{'o' if kind is None else 'X'}: one that we do not know")
    quantity, executed = events.amount(event, "q"), events.amount(event, "z")
    if quantity and executed > quantity:
        raise Unreadable("z: more executed than ordered")
    if status is State.ACCEPTED and executed > 0:
        status = State.FILLED if executed == quantity else State.PARTIALLY_FILLED
    created_ms = events.time_ms(event, "O")
    return VenueView(
        venue_order_id=VenueOrderId(events.number(event, "i")),
        client_order_id=client_order_id_of(event),
        symbol=Symbol(events.word(event, "s")),
        side=events.side(event, "S"),
        type=kind,
        quantity=quantity,
        price=events.maybe_positive(event, "p"),
        stop_price=events.maybe_positive(event, "P"),
        position_side=PositionSide.BOTH,
        reduce_only=False,
        status=status,
        executed_quantity=executed,
        created_at_ms=created_ms,
        updated_at_ms=max(events.time_ms(event, "T"), created_ms),
    )


def client_order_id_of(event: Event) -> ClientOrderId | None:
    """In the event of a cancel `c` is the id of the cancel and `C` that of the order; in all others `C` is empty."""
    found = events.maybe_word(event, "C") or events.maybe_word(event, "c")
    return None if found is None else ClientOrderId(found)


def stream_url(base_url: str) -> str:
    """Where the WebSocket API of a REST address is; of one that we do not know (a simulator), at the same authority."""
    parts = urlsplit(base_url)
    known = HOSTS.get(parts.hostname or "")
    return known or f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws-api/v3"


def open_stream(session: Session, opening: StreamOpening, *, trades: bool = True, orders: bool = True) -> KeptStream:
    """Nothing is connected before it is read. The session's key, clock and budget are used."""
    manners = SpotStreamManners(session=session, recv_window_ms=session.manners.window_ms, trades=trades, orders=orders)
    return KeptStream(manners, opening)


def _answer_of(data: bytes, name: str) -> Event | None:
    try:
        message = events.decode(data)
    except Unreadable:
        return None
    return message if message.get("id") == name else None
