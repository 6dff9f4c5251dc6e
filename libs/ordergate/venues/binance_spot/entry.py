"""Orders over the WebSocket API: the calls that have a method there, sent by the session of REST in everything but the bytes and the connection.

Budget, clock, timestamps, key and journal are one. While the connection is not there, calls go over REST: nothing was sent by then, so nothing can happen twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ordergate.access.budget import Scope, Weights
from ordergate.access.http import parse_origin
from ordergate.access.limiter import Freeze, Granted
from ordergate.access.opening import Opening, Vitals
from ordergate.access.session import Call, Session
from ordergate.access.sockets import SocketEngine, SocketOpening
from ordergate.access.websocket import HandshakeRefused
from ordergate.ports.venue import Priority
from ordergate.venues.binance.websocket_api import Frames, FrameSigning
from ordergate.venues.binance_spot.calls import ORDER_PATH
from ordergate.venues.binance_spot.stream import stream_url

CONNECTION: Weights = MappingProxyType({Scope.REQUESTS: 2})
ADMITTED_SECONDS = 5.0
BANNED = "handshake_418"
METHODS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("POST", ORDER_PATH): "order.place",
        ("DELETE", ORDER_PATH): "order.cancel",
        ("DELETE", "/api/v3/openOrders"): "openOrders.cancelAll",
        ("POST", "/api/v3/order/test"): "order.test",
        ("POST", "/api/v3/order/cancelReplace"): "order.cancelReplace",
        ("PUT", "/api/v3/order/amend/keepPriority"): "order.amend.keepPriority",
        ("POST", "/api/v3/orderList/oco"): "orderList.place.oco",
        ("POST", "/api/v3/orderList/oto"): "orderList.place.oto",
        ("POST", "/api/v3/orderList/otoco"): "orderList.place.otoco",
        ("DELETE", "/api/v3/orderList"): "orderList.cancel",
    }
)
"""What changes something, by its REST call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketEntry:
    """session: as that of REST, over the connection of `engine`."""

    session: Session
    engine: SocketEngine

    def way(self, rest: Session, call: Call) -> tuple[Session, Call]:
        """By which session a call goes now, and how it is called there."""
        method = METHODS.get((call.method, call.path)) if self.engine.is_ready else None
        return (rest, call) if method is None else (self.session, replace(call, method="WS", path=method))


def open_entry(rest: Session, opening: Opening) -> SocketEntry:
    """Nothing is connected before the engine is warmed. Raises Misconfigured."""
    limiter, venue_clock, clock = rest.limiter, rest.venue_clock, opening.clock

    async def admit() -> bool:
        granted = await limiter.take(CONNECTION, Priority.PLACE, deadline_seconds=ADMITTED_SECONDS)
        return isinstance(granted, Granted)

    def refused(why: HandshakeRefused) -> None:
        if why.retry_after_ms is not None:
            limiter.throttled(Freeze(for_ms=why.retry_after_ms, weights=CONNECTION, banned=why.reason == BANNED))

    engine = SocketEngine(
        SocketOpening(
            origin=parse_origin(opening.socket_url or stream_url(opening.url), plain="ws", encrypted="wss"),
            clock=clock,
            draw=opening.draw,
            admit=admit,
            refused=refused,
            ssl_context=opening.ssl_context,
        ),
        Frames(lambda: venue_clock.now_ms() if venue_clock.is_known else clock.now_ms()),
    )
    if opening.watched is not None:
        opening.watched(Vitals(counts=engine.counts, venue_clock=venue_clock, limiter=limiter, scopes=()))
    manners = replace(rest.manners, compose=FrameSigning(window_ms=rest.manners.window_ms))
    return SocketEntry(session=replace(rest, engine=engine, manners=manners), engine=engine)
