"""Private streams and the answers of the WebSocket API, damaged: each message is an event, or set aside with a reason that shows none of its values."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from ordergate.access.session import Call
from ordergate.access.sockets import Reply
from ordergate.access.streaming import StreamManners, Turn
from ordergate.ports.stream import OrderSeen, SetAside, TradeSeen
from ordergate.ports.venue import Priority, VenueTrade
from ordergate.trading.errors import Unreadable
from ordergate.trading.events import Adopted
from ordergate.trading.fills import Fill
from ordergate.trading.ids import ErrorId
from ordergate.trading.lifecycle import begin, mismatch
from ordergate.trading.order import OrderKey, VenueView
from ordergate.trading.position import Position, apply_fill
from ordergate.venues.binance.websocket_api import Frames
from ordergate.venues.binance_futures.stream import FuturesStreamManners
from ordergate.venues.binance_spot import limits
from ordergate.venues.binance_spot.errors import Purpose, classify
from ordergate.venues.binance_spot.stream import SpotStreamManners
from ordergate.wire import codec, subjects
from services.status_polling.handlers import _adopted_request
from tests.fuzz import world
from tests.integration import orders_at_hand
from tests.unit.venues import futures_rows, spot_rows
from tests.unit.venues.binance_events import algo_update, execution_report, order_update

MOMENT_MS = 1_767_323_045_678
_SPOT: tuple[dict[str, Any], ...] = (
    execution_report(),
    execution_report(x="CANCELED", X="CANCELED", c="cancel-9", C="alpha-1", t=-1, l="0.00000000", N=None, n="0"),
    execution_report(x="NEW", X="NEW", t=-1, l="0.00000000", z="0.00000000", N=None, n="0"),
    {"e": "outboundAccountPosition", "E": MOMENT_MS, "B": [{"a": "BTC", "f": "1", "l": "0"}]},
    {"e": "eventStreamTerminated", "E": MOMENT_MS},
    {"e": "serverShutdown", "E": MOMENT_MS},
)
EVENTS: Mapping[str, Sequence[Any]] = MappingProxyType(
    {
        "binance-spot": (
            *({"subscriptionId": 0, "event": event} for event in _SPOT),
            {"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}},
        ),
        "binance-futures": (
            order_update(),
            order_update(x="NEW", X="NEW", t=0, l="0", z="0", L="0", n=None, N=None),
            algo_update(),
            futures_rows.TRIGGERED_ALGO_EVENT,
            futures_rows.child_event(),
            {"stream": "x", "data": order_update()},
            {"e": "TRADE_LITE", "s": "BTCUSDT", "t": 91},
            {"e": "ACCOUNT_UPDATE", "a": {"m": "ORDER", "B": [], "P": []}},
            {"e": "listenKeyExpired", "E": MOMENT_MS, "listenKey": "x"},
        ),
    }
)
_LIMITS = [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 7}]
FRAMES: tuple[Any, ...] = (
    {"id": "1-1", "status": 200, "result": spot_rows.placed(), "rateLimits": _LIMITS},
    {"id": "1-1", "status": 400, "error": {"code": -2010, "msg": "Duplicate order sent."}, "rateLimits": _LIMITS},
    {
        "id": "1-1",
        "status": 429,
        "error": {"code": -1003, "msg": "x", "data": {"serverTime": MOMENT_MS, "retryAfter": MOMENT_MS + 7_200}},
    },
    {"event": {"e": "serverShutdown", "E": MOMENT_MS}},
    {"event": execution_report()},
)
_FOUND = {OrderSeen: "an order", TradeSeen: "a trade", SetAside: "set aside", Turn: "a turn"}
_DIGITS = "9" * 40


def try_stream(venue: str, data: bytes) -> str:
    """Read by one who has heard of conditional orders before."""
    manners = _manners(venue)
    for before in EVENTS[venue]:
        list(manners.read(orjson.dumps(before)))
    words = []
    for fact in manners.read(data):
        if isinstance(fact, SetAside):
            assert fact.reason
            assert _DIGITS not in fact.reason, "a value is shown"
        elif isinstance(fact, TradeSeen):
            check_trade(fact.trade)
        elif isinstance(fact, OrderSeen):
            check_view(fact.view)
        words.append(_FOUND[type(fact)])
    return " and ".join(words) or "passed over"


def try_frame(_: str, data: bytes) -> str:
    """An answer to a request of ours, or a reason to end the connection; what it says is judged by the table that REST has."""
    try:
        found = Frames(lambda: MOMENT_MS).read(data)
    except Unreadable:
        return "ends the connection"
    if not isinstance(found, Reply):
        return "a turn" if found else "passed over"
    words = set()
    for purpose in Purpose:
        call = Call(method="WS", path="x", purpose=purpose, priority=Priority.PLACE, weights=limits.LIGHT)
        words.add(type(classify(call, found.response, lambda: ErrorId("ours"))).__name__)
        limits.read_usage(call, found.response)
    return " or ".join(sorted(words))


def check_trade(trade: VenueTrade) -> None:
    """It can be stored, read again and folded."""
    fill = Fill(
        venue=world.VENUE,
        account=world.ACCOUNT,
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        venue_order_id=trade.venue_order_id,
        client_order_id=trade.client_order_id,
        strategy=None,
        side=trade.side,
        position_side=trade.position_side,
        price=trade.price,
        quantity=trade.quantity,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        liquidity=trade.liquidity,
        venue_time_ms=trade.venue_time_ms,
        received_time_ms=world.NOW_MS,
    )
    assert codec.decode_fill(codec.encode_fill(fill), subject=subjects.fill(fill)) == fill
    position = Position(venue=world.VENUE, account=world.ACCOUNT, symbol=fill.symbol)
    codec.encode_position(apply_fill(position, fill, 1))


def check_view(view: VenueView) -> None:
    """It can be held against an order of ours, and adopted as a stranger's."""
    mismatch(orders_at_hand.approved(17)[0], view)
    if view.client_order_id is None or view.status.is_terminal:
        return
    key = OrderKey(venue=world.VENUE, account=world.ACCOUNT, symbol=view.symbol, client_order_id=view.client_order_id)
    event = Adopted(request=_adopted_request(key, view), view=view, at_ms=world.NOW_MS)
    order = begin(event)
    subject = subjects.order_address(order).subject
    read = codec.decode_order(codec.encode_order(order, event, "a"), sequence=1, stored_at_ms=0, subject=subject)
    assert read.order == order


def _manners(venue: str) -> StreamManners:
    if venue == "binance-spot":
        return SpotStreamManners(session=None, recv_window_ms=5_000)  # type: ignore[arg-type]  # reading needs none
    return FuturesStreamManners(session=None)  # type: ignore[arg-type]  # reading needs none
