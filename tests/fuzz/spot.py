"""The gate of Binance Spot: every answer that its adapter reads, damaged, under any status and for any call."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ordergate.access.response import Response
from ordergate.access.session import Answered, Call
from ordergate.ports.venue import Priority
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import ErrorId, Symbol, TradeId, VenueOrderId
from ordergate.venues.binance import limits as binance
from ordergate.venues.binance_spot import limits, parse
from ordergate.venues.binance_spot.errors import Purpose, classify, judge_leg
from tests.unit.venues import spot_rows

STATUSES = (200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 409, 418, 429, 500, 503)
ANSWERS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "order": (spot_rows.placed(), spot_rows.filled(), spot_rows.looked_up(), spot_rows.canceled()),
        "orders": ([spot_rows.looked_up(), spot_rows.looked_up(orderId=29)],),
        "list": (spot_rows.order_list(spot_rows.placed(), spot_rows.placed(orderId=29)),),
        "trades": ([spot_rows.trade(7), spot_rows.trade(9)],),
        "account": ({"balances": [{"asset": "BTC", "free": "1", "locked": "0"}]},),
        "info": (spot_rows.exchange_info(spot_rows.symbol(), spot_rows.symbol(symbol="ETHUSDT")),),
        "prices": ([{"symbol": "BTCUSDT", "price": "64000.1"}],),
        "amended": ({"transactTime": 5, "amendedOrder": {**spot_rows.placed(), "qty": "0.005"}},),
    }
)
REFUSALS: tuple[Any, ...] = (
    {"code": -1013, "msg": "Filter failure: LOT_SIZE"},
    {"code": -2010, "msg": "Duplicate order sent."},
    {"code": -2021, "msg": "partially", "data": {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE"}},
)
_PARSERS: Mapping[str, Callable[[Any], object]] = MappingProxyType(
    {
        "order": parse.order_answer,
        "orders": parse.orders_answer,
        "list": lambda document: parse.canceled_order(document, VenueOrderId("28")),
        "trades": lambda document: parse.trades_answer(document, symbol=Symbol("BTCUSDT"), from_id=TradeId("5")),
        "account": parse.balances_answer,
        "info": lambda document: (binance.published(document, limits.SCOPES), parse.instruments_answer(document)),
        "prices": lambda document: parse.prices_answer(document, venue_time_ms=1),
        "amended": parse.amended_order,
    }
)


def try_spot(name: str, data: bytes) -> str:
    """name: status and answer. Raises only for what is a find."""
    status, _, what = name.partition(" ")
    headers = {"retry-after": data[:12].decode("latin-1"), "x-mbx-used-weight-1m": data[:9].decode("latin-1")}
    response = Response(status=int(status), headers=headers, body=data)
    verdict = None
    for purpose in Purpose:
        call = Call(method="GET", path="/x", purpose=purpose, priority=Priority.POLL, weights=limits.LIGHT)
        verdict = classify(call, response, lambda: ErrorId("ours"))
        limits.read_usage(call, response)
    if not isinstance(verdict, Answered):
        return type(verdict).__name__
    judge_leg(Purpose.PLACE, verdict.document, ErrorId("leg"))
    parse.placed_trades(verdict.document)
    try:
        _PARSERS[what](verdict.document)
    except Unreadable:
        return "unreadable"
    return "read"
