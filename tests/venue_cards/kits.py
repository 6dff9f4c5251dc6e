"""The venues that the cards are played at: how each is simulated, opened and spoken to, and its own words for what all of them say."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ordergate.access.budget import Scope
from ordergate.ports.venue import OrderEntry
from ordergate.trading.ids import VenueName
from ordergate.trading.order import TimeInForce
from ordergate.venues.registry import Venue, find_venue
from tests.unit.access.stage import answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """calls: as the simulator's fault rules name them. words: reasons of refusals. lacks: terms that the venue would ignore.

    refused_jump_ms: a jump of the venue's clock while it works on a request, after which it refuses it. walls: answers with which nothing is proven, for an order of ours. limits: other than the venue's, told to the simulator and to the clients.
    """

    name: VenueName
    simulator: Mapping[str, Any]
    limits: Mapping[Scope, int] = field(default_factory=dict)
    calls: Mapping[str, str]
    words: Mapping[str, str]
    public_paths: frozenset[str]
    time_path: bytes
    lacks: tuple[Mapping[str, Any], ...]
    refused_jump_ms: int = -8_000
    walls: tuple[bytes, ...] = ()
    order_entry: OrderEntry = OrderEntry.REST

    @property
    def venue(self) -> Venue:
        return find_venue(self.name)


HTML = answer(b"<html>Forbidden</html>", status="403 Forbidden", headers="Content-Type: text/html\r\n")
REDIRECT = answer(status="302 Found", headers="Location: http://127.0.0.1:1/\r\n")
WELCOME = answer(b"<html>Welcome</html>")

ZETARIUM = Kit(
    name=VenueName("zetarium"),
    simulator={},
    calls={
        "place": "POST /v2/orders",
        "cancel": "DELETE /v2/orders/:id",
        "lookup": "GET /v2/orders",
        "trades": "GET /v2/futures/myTrades",
        "balances": "GET /v2/futures/balance",
    },
    words={
        "revoked": "INVALID_API_KEY",
        "expired": "API_KEY_EXPIRED",
        "elsewhere": "IP_NOT_ALLOWED",
        "main_read": "PERMISSION_DENIED",
        "halted": "SYMBOL_HALTED",
        "PERCENT_PRICE": "PERCENT_PRICE",
    },
    public_paths=frozenset({"/v2/symbols", "/v2/tickers"}),
    time_path=b"/v2/platform/status",
    lacks=(
        {"time_in_force": TimeInForce.IOC},
        {"post_only": True},
        {"quantity": None, "quote_quantity": 100},
        {"iceberg_quantity": 1},
    ),
    walls=(
        answer(b'{"ok":true}'),
        answer(b'{"ok":true,"order":{"id":"1"}}'),
        answer(b'{"ok":false}', status="404 Not Found"),
        answer(b'{"error":"no envelope"}', status="400 Bad Request"),
    ),
)
SPOT = Kit(
    name=VenueName("binance-spot"),
    simulator={"dialect": "binance-spot", "binanceLimits": {"orders10S": 1_000}},
    limits={Scope.ORDERS: 1_000},
    calls={
        "place": "POST /api/v3/order",
        "cancel": "DELETE /api/v3/order",
        "lookup": "GET /api/v3/order",
        "trades": "GET /api/v3/myTrades",
        "balances": "GET /api/v3/account",
    },
    words={
        "revoked": "rejected_mbx_key",
        "expired": "rejected_mbx_key",
        "elsewhere": "rejected_mbx_key",
        "main_read": "rejected_mbx_key",
        "halted": "market_closed",
        "PERCENT_PRICE": "PERCENT_PRICE_BY_SIDE",
    },
    public_paths=frozenset({"/api/v3/exchangeInfo", "/api/v3/ticker/price"}),
    time_path=b"/api/v3/time",
    refused_jump_ms=8_000,  # its second look at the timestamp is for age alone
    lacks=({"time_in_force": TimeInForce.GTD, "good_till_ms": 9}, {"reduce_only": True}),
    walls=(
        answer(b"{}"),
        answer(b'{"code":-1006,"msg":"Execution status unknown."}'),
        answer(b'{"code":-2010,"msg":"Duplicate order sent."}', status="400 Bad Request"),
        answer(b'{"code":-9999,"msg":"new"}', status="400 Bad Request"),
        answer(b'{"code":-1121,"msg":"Invalid symbol."}', status="500 Internal Server Error"),
        answer(b'{"code":-2021,"msg":"partially"}', status="409 Conflict"),
    ),
)
SPOT_SOCKET = replace(
    SPOT, order_entry=OrderEntry.SOCKET, calls={**SPOT.calls, "place": "WS order.place", "cancel": "WS order.cancel"}
)
FUTURES = Kit(
    name=VenueName("binance-futures"),
    simulator={"dialect": "binance-futures", "binanceLimits": {"orders10S": 1_000}},
    limits={Scope.ORDERS: 1_000},
    calls={
        "place": "POST /fapi/v1/order",
        "cancel": "DELETE /fapi/v1/order",
        "lookup": "GET /fapi/v1/order",
        "trades": "GET /fapi/v1/userTrades",
        "balances": "GET /fapi/v3/balance",
    },
    words={
        "revoked": "REJECTED_MBX_KEY",
        "expired": "REJECTED_MBX_KEY",
        "elsewhere": "REJECTED_MBX_KEY",
        "main_read": "REJECTED_MBX_KEY",
        "halted": "SYMBOL_STATUS",
        "LOT_SIZE": "BAD_PRECISION",  # more digits than the step has
        "MARKET_LOT_SIZE": "LOT_SIZE",  # one code for both
    },
    public_paths=frozenset({"/fapi/v1/exchangeInfo", "/fapi/v1/premiumIndex"}),
    time_path=b"/fapi/v1/time",
    refused_jump_ms=8_000,
    lacks=(
        {"quantity": None, "quote_quantity": 100},
        {"iceberg_quantity": 1},
        {"time_in_force": TimeInForce.GTD, "good_till_ms": 9},
    ),
    walls=(
        answer(b"{}"),
        answer(b'{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
        answer(b'{"code":-4116,"msg":"ClientOrderId is duplicated."}', status="400 Bad Request"),
        answer(b'{"code":-9999,"msg":"new"}', status="400 Bad Request"),
        answer(b'{"code":-1121,"msg":"Invalid symbol."}', status="500 Internal Server Error"),
        answer(b'{"code":-1121,"msg":"Invalid symbol."}', status="408 Request Timeout"),
        answer(
            b'{"code":-1000,"msg":"Unknown error, please check your request or try again later."}',
            status="503 Service Unavailable",
        ),
    ),
)
BY_REST = ("zetarium", "binance-spot", "binance-futures")
"""For cards about HTTP itself, and where many answers are lost one after the other: after a WebSocket that was lost the next order goes by REST until there is another."""
KITS: Mapping[str, Kit] = {
    **{kit.name: kit for kit in (ZETARIUM, SPOT, FUTURES)},
    "binance-spot-socket": SPOT_SOCKET,
}
