"""Sound examples of everything that a gate takes, from which the damaged ones are made."""

import asyncio
import hmac
import json
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import orjson

from ordergate.client.connection import Connection
from ordergate.runtime import connection as runtime_connection
from ordergate.simulator.app import _build
from ordergate.simulator.config import SimulatorConfig
from ordergate.simulator.served import Request, Response
from ordergate.simulator.signing import read_query
from ordergate.trading.errors import BusUnavailable
from ordergate.trading.events import (
    CancelRequested,
    Event,
    OutcomeLost,
    ProvenNotPlaced,
    Restated,
    Source,
    SubmissionBegan,
    VenueReported,
)
from ordergate.trading.ids import ErrorId, KeyId
from ordergate.trading.lifecycle import apply
from ordergate.trading.order import Attempt, Order
from ordergate.trading.position import Position, apply_fill
from ordergate.wire import codec
from ordergate.wire.facts import order_document
from tests.fuzz import world
from tests.fuzz.damage import Choices
from tests.integration import orders_at_hand
from tests.unit.simulator.desk import BTC, NOW

AT_MS = 1_790_000_000_000
WHO: dict[str, Any] = {"schema": 1, "intentId": "a-17", "venue": "zetarium", "account": "main", "strategy": "alpha"}
PLACE = WHO | {
    "kind": "place",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "64250.5",
    "clientOrderId": "alpha-17",
    "validForMs": 5_000,
    "createdAtMs": AT_MS,
}
MARKET = {name: value for name, value in PLACE.items() if name not in {"price", "timeInForce"}} | {"type": "MARKET"}
STOP = PLACE | {"type": "STOP", "stopPrice": "64300", "positionSide": "LONG", "reduceOnly": True, "rounding": "adjust"}
TIMES = {"createdAtMs": AT_MS, "validForMs": 5_000}
INTENTS: tuple[dict[str, Any], ...] = (
    PLACE,
    MARKET,
    STOP,
    PLACE | {"postOnly": True, "resubmit": True, "validate": True},
    WHO | TIMES | {"kind": "cancel", "symbol": "BTCUSDT", "clientOrderId": "alpha-17"},
    WHO | {"kind": "cancel", "symbol": "BTCUSDT", "orderIntentId": "a-16"},
    WHO | {"kind": "cancel_all", "scope": "account"},
    WHO | TIMES | {"kind": "cancel_all", "symbol": "BTCUSDT"},
    PLACE | {"kind": "replace", "replaces": "alpha-16"},
    WHO | TIMES | {"kind": "close", "symbol": "BTCUSDT", "positionSide": "BOTH", "quantity": "0.01"},
)
INTENT_KINDS = ("place", "place", "cancel", "cancel_all", "replace", "close")
PLACED = tuple(
    json.dumps(body).encode() for body in (PLACE, MARKET, STOP, PLACE | {"rounding": "adjust", "quantity": "0.0101"})
)


@cache
def orders() -> tuple[dict[str, Any], ...]:
    """One message of most kinds of event."""
    order, event = orders_at_hand.approved(17)
    found: list[tuple[Order, Event]] = [(order, event)]
    began = SubmissionBegan(attempt=Attempt(number=1, timestamp_ms=AT_MS, key_id=KeyId("k")), at_ms=AT_MS)
    sent = apply(order, began)
    lost = OutcomeLost(attempt=1, reason="timeout", error_id=ErrorId("e-1"), at_ms=AT_MS)
    unknown = apply(sent, lost)
    absent = ProvenNotPlaced(
        attempt=1, fence_ms=AT_MS + 5_000, asked_at_ms=(AT_MS + 10_000, AT_MS + 20_000), at_ms=AT_MS
    )
    shown = VenueReported(view=world.VIEW, source=Source.LOOKUP, at_ms=AT_MS)
    at_venue = apply(unknown, shown)
    asked = CancelRequested(at_ms=AT_MS, reason="requested")
    found += [(sent, began), (unknown, lost), (apply(unknown, absent), absent), (at_venue, shown)]
    found += [(apply(at_venue, asked), asked), (at_venue, Restated(at_ms=AT_MS))]
    return tuple(order_document(*each, append_id="a-1") for each in found)


def _read(data: bytes) -> Any:
    return orjson.loads(data)


FILLS = (
    _read(codec.encode_fill(world.FILL)),
    {
        **_read(codec.encode_fill(world.FILL)),
        "tradeId": "inferred-555-1-reversed",
        "quantity": "-0.004",
        "inferred": True,
    },
)
_POSITION = apply_fill(Position(venue=world.VENUE, account=world.ACCOUNT, symbol=orders_at_hand.BTC), world.FILL, 5)
POSITIONS = (_read(codec.encode_position(_POSITION)),)
HUGE_POSITION = codec.encode_position(_POSITION).replace(b'"quantity":"0.004"', b'"quantity":"' + b"9" * 60 + b'"')
_STATEMENT = {
    "schema": 1, "venue": "-", "account": "-", "upToSequence": 9, "count": 1,
    "symbols": {"BTCUSDT": {"count": 1, "quantity": "0.004", "fees": {"USDT": "0.1"}}}, "atMs": 0,
}  # fmt: skip
_CHECKPOINT = {
    "schema": 1, "service": "risk", "venue": "zetarium", "account": "main", "sequence": 9, "live": {"alpha-17": 8}, "atMs": AT_MS,
}  # fmt: skip
BUCKETS: dict[str, tuple[Any, ...]] = {
    "kill": (
        {
            "schema": 1,
            "epoch": 3,
            "thrown": True,
            "venue": "zetarium",
            "account": "main",
            "reason": "drill",
            "flatten": True,
            "atMs": AT_MS,
        },
        {"schema": 1, "epoch": 3, "thrown": False, "reason": "over", "atMs": AT_MS},
    ),
    "rules": (_read(world.INSTRUMENT),),
    "price": (_read(world.PRICE),),
    "cursor": ({"schema": 1, "fromId": "918273", "venueTimeMs": AT_MS, "atMs": AT_MS},),
    "checkpoint risk": (
        {
            **_CHECKPOINT,
            "state": {
                "fillsSequence": 9,
                "positions": [["BTCUSDT", "BOTH", "0.004"]],
                "folded": {"alpha-17": ["0.004", "257.0"]},
                "day": [20_700, "100.5", "101", "102", AT_MS],
            },
        },
    ),
    "checkpoint fills": (
        {
            **_CHECKPOINT,
            "state": {
                "sums": _STATEMENT,
                "counted": {"alpha-17": {"ids": ["5"], "stored": "0.004", "inferred": [], "inferredCount": 0}},
                "orphans": ["alpha-18"],
            },
        },
    ),
    "KillAcknowledgement": (
        {"schema": 1, "service": "order_submission", "instance": "i", "epoch": 3, "inFlight": 0, "atMs": AT_MS},
    ),
    "KeyStatement": (
        {
            "schema": 1,
            "service": "order_submission",
            "instance": "i",
            "keys": [{"id": "0123456789", "state": "active", "sinceMs": AT_MS, "inFlight": 2, "readyToRevoke": False}],
            "problem": "",
            "atMs": AT_MS,
        },
    ),
    "KeyRevocation": ({"schema": 1, "keyId": "0123456789", "reason": "leaked", "atMs": AT_MS},),
    "KeyRevocationAcknowledgement": (
        {
            "schema": 1,
            "service": "order_submission",
            "instance": "i",
            "keyId": "0123456789",
            "held": True,
            "inFlight": 0,
            "atMs": AT_MS,
        },
    ),
    "KeySighting": ({"schema": 1, "keyId": "0123456789", "createdAtMs": AT_MS},),
    "LeaseDocument": ({"schema": 1, "owner": "i", "takenAtMs": AT_MS},),
    "ErrorDocument": (
        {
            "schema": 1,
            "venue": "zetarium",
            "account": "main",
            "symbol": "BTCUSDT",
            "clientOrderId": "alpha-17",
            "atMs": AT_MS,
        },
    ),
    "FillsStatement": (_STATEMENT,),
    "AnswerMessage": (
        {
            **WHO,
            "kind": "place",
            "clientOrderId": "alpha-17",
            "outcome": "refused",
            "reason": "expired",
            "intentSequence": 4,
            "atMs": AT_MS,
        },
    ),
}

# A venue.

_ORDER = {
    "id": "555", "accountId": "main", "venue": "ZETARIUM", "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.010",
    "price": "64250.5", "stopPrice": None, "positionSide": "BOTH", "reduceOnly": False, "clientOrderId": "alpha-17", "venueOrderId": "Z-555",
    "status": "NEW", "executedQuantity": "0", "avgPrice": "0", "source": "API", "createdAt": "2026-01-02T03:04:05.678Z", "updatedAt": AT_MS,
}  # fmt: skip
_TRADE = {
    "id": "918273", "orderId": "555", "clientOrderId": "alpha-17", "symbol": "BTCUSDT", "side": "BUY", "positionSide": "BOTH",
    "price": "64250.5", "quantity": "0.004", "fee": "0.1285", "feeAsset": "USDT", "liquidity": "TAKER", "time": "2026-01-02T03:04:05.678Z",
}  # fmt: skip
_HELD = {
    "id": "1", "symbol": "BTCUSDT", "quantity": "0.004", "avgEntryPrice": "64250.5", "markPrice": "64250.5", "unrealizedPnl": "0",
    "realizedPnl": "-1.5", "positionSide": "BOTH", "status": "OPEN", "closedAt": None,
}  # fmt: skip
_SYMBOL = {
    "symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "tickSize": "0.1", "minPrice": "0.1",
    "maxPrice": "1000000", "stepSize": "0.001", "minQuantity": "0.001", "maxQuantity": "1000", "marketMaxQuantity": "120", "minNotional": "5",
    "maxOpenOrders": 200, "priceBandUp": "1.1", "priceBandDown": "0.9",
}  # fmt: skip
VENUE_ANSWERS: dict[str, tuple[Any, ...]] = {
    "order": ({"ok": True, "order": _ORDER, "venue": {}, "idempotent": True},),
    "orders": ({"ok": True, "orders": [_ORDER, {**_ORDER, "id": "556"}]},),
    "trades": ({"ok": True, "trades": [_TRADE, {**_TRADE, "id": "918274"}]},),
    "positions": ({"ok": True, "positions": [_HELD]},),
    "balances": (
        {"ok": True, "balances": {"assets": [{"asset": "USDT", "walletBalance": "1", "availableBalance": "1"}]}},
    ),
    "symbols": ({"ok": True, "symbols": [_SYMBOL]},),
    "tickers": (
        {
            "ok": True,
            "tickers": [{"symbol": "BTCUSDT", "lastPrice": "1", "markPrice": "1", "time": "2026-01-02T03:04:05Z"}],
        },
    ),
}
VENUE_REFUSALS: tuple[Any, ...] = (
    {"ok": False, "error": "no", "errorId": "z-1", "code": "FILTER_FAILURE", "reason": "PRICE_FILTER"},
    {"ok": False, "error": "no", "errorId": "z-2", "code": "ORDER_NOT_CANCELABLE", "order": _ORDER},
    {"ok": False, "error": "Invalid or expired timestamp"},
)
HTTP_ANSWERS = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nx-ratelimit-limit: 300\r\n\r\n{"ok":true}',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"ok"\r\n6;x=y\r\n:true}\r\n0\r\nx: y\r\n\r\n',
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 503 Gone\r\nretry-after: 60\r\n\r\n<html>until the end",
)
HTTP_REQUESTS = (
    b"GET /v2/tickers HTTP/1.1\r\nHost: x\r\n\r\n",
    b'POST /v2/orders?timestamp=1&signature=2 HTTP/1.1\r\nHost: x\r\nX-API-KEY: zd_1\r\nContent-Length: 13\r\n\r\n{"symbol":"B"}',
    b"DELETE /v2/orders/5?timestamp=1&signature=%32 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /health HTTP/1.1\r\n\r\n",
)
_PLACED = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "99"}
_TRIGGERED = _PLACED | {
    "type": "TAKE_PROFIT",
    "stopPrice": "98",
    "reduceOnly": True,
    "positionSide": "LONG",
    "clientOrderId": "c-1",
}
ROUTES: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("GET", "/v2/platform/status", ()),
    ("GET", "/v2/tickers", ()),
    ("POST", "/v2/orders", (_PLACED, _TRIGGERED, _PLACED | {"type": "MARKET"})),
    ("POST", "/v2/orders/batch", ({"orders": [_PLACED, _TRIGGERED]},)),
    ("GET", "/v2/orders", ()),
    ("GET", "/v2/orders/5", ()),
    ("DELETE", "/v2/orders/5", ()),
    ("DELETE", "/v2/orders", ()),
    ("GET", "/v2/futures/myTrades", ()),
    ("GET", "/v2/positions", ()),
    ("POST", "/v2/positions/close", ({"positionId": "1"},)),
    ("GET", "/v2/futures/balance", ()),
    ("GET", "/simulator/ledger", ()),
    ("GET", "/simulator/arrivals", ()),
    (
        "POST",
        "/simulator/faults",
        (
            {
                "seed": 7,
                "rules": [{"kind": "slow", "call": "GET /v2/orders", "delayMs": 5, "rate": 0.5, "nth": 2, "times": 3}],
            },
        ),
    ),
    ("POST", "/simulator/clock", ({"offsetMs": 5},)),
    ("POST", "/simulator/price", ({"symbol": "BTCUSDT", "price": "100.5"},)),
)
QUERIES = (
    "",
    "symbol=BTCUSDT",
    "status=OPEN&limit=5&afterId=0",
    "clientOrderId=c-1",
    "symbol=BTCUSDT&fromId=0&limit=10",
    "account=main&afterSequence=0",
)


KEY, SECRET = "zd_" + "1" * 40, "2" * 64
REQUESTS_OF_ONE_VENUE = 300


class Front:
    """A simulator without sockets, and a client that signs whatever it is told to. Its time moves by STEP_MS a request."""

    STEP_MS = 250

    def __init__(self) -> None:
        account = {"account": "main", "balance": "100000", "leverage": 10, "keys": [{"key": KEY, "secret": SECRET}]}
        config = SimulatorConfig.model_validate({"symbols": [BTC], "flow": {"enabled": False}, "accounts": [account]})
        self._wire = _build(config)
        self._now_ms = NOW
        self._left = REQUESTS_OF_ONE_VENUE

    @property
    def is_used_up(self) -> bool:
        self._left -= 1
        return self._left < 0

    def answer(self, request: Request) -> Response:
        """By the venue itself: `Wire.answer` would make a 500 of what it raises."""
        if request.path.startswith("/simulator/"):
            return self._wire.answer_door(request)
        self._now_ms += self.STEP_MS
        return self._wire.venue.handle(request, self._now_ms)

    def signed(self, method: str, path: str, query: str, body: bytes) -> Request:
        query = f"{query}&timestamp={self._now_ms}".removeprefix("&")
        read = read_query(query)
        if read is not None:
            query += f"&signature={hmac.digest(SECRET.encode(), read.text.encode(), 'sha256').hex()}"
        return Request(method, path, query, {"x-api-key": KEY}, body, "127.0.0.1")


class _Fronts:
    """A fresh one now and then: books that grow without end would make the last cases slower than the first."""

    def __init__(self) -> None:
        self._front: Front | None = None

    def __call__(self) -> Front:
        if self._front is None or self._front.is_used_up:
            self._front = Front()
        return self._front


simulator = _Fronts()


def check_envelope(response: Response) -> None:
    document = orjson.loads(response.body)
    assert isinstance(document, dict)
    assert response.status < 500, document
    if response.status != 200:
        assert document["ok"] is False
        assert document["errorId"]


# People and files.

COMMANDS = (
    ["place", "BTCUSDT", "buy", "0.01", "--price", "64250.5", "--id", "alpha-17"],
    ["place", "BTCUSDT", "sell", "1", "--type", "stop", "--stop", "5", "--until", "filled", "--no-wait"],
    ["cancel", "alpha-17"],
    ["cancel", "--all"],
    ["orders", "--all", "--json"],
    ["fills", "--since", "1h", "--symbol", "BTCUSDT"],
    ["positions", "--by-strategy"],
    ["explain", "alpha-17", "--json"],
    ["explain", "z-1", "--account", "other"],
    ["kill", "--symbol", "BTCUSDT", "--reason", "drill"],
    ["resume", "--strategy", "alpha"],
    ["status"],
)


@contextmanager
def no_bus() -> Iterator[None]:
    """Nobody listens, and one need not wait to learn it."""

    async def away(*_arguments: object, **_options: object) -> None:
        raise BusUnavailable("no bus in this test")

    def run_apart(work: Coroutine[Any, Any, Any]) -> Any:
        """asyncio.run takes away the loop that the test runner has set."""
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(work)

    with (
        patch.object(Connection, "open", away),
        patch.object(runtime_connection, "connect", away),
        patch.object(asyncio, "run", run_apart),
    ):
        yield


ENVIRONMENT_NAMES = ("nats_url", "health_port", "log_level", "stop_seconds", "instance", "nats_seed_file", "surprise")
ENVIRONMENT_VALUES = ("nats://127.0.0.1:4222", "8720", "0", "INFO", "10.0", "risk-1", "/nowhere/seed", "-1", "inf")
_INSTALLATION = """[bus]
replicas = 3
audit_bytes_max = 1073741824

[[accounts]]
venue = "zetarium"
account = "main"
base_url = "https://api.example.test"
symbols = ["BTCUSDT", "ETHUSDT"]
[accounts.keys]
order_submission = "/run/secrets/trade.json"
[accounts.risk]
max_order_notional = "1000000"
max_position_quantity = { BTCUSDT = "5" }
max_open_orders = 100
price_band = 0.05
self_trade = false
[accounts.shares]
order_submission = 0.4
[accounts.limits]
orders = 300
[accounts.deviation]
id_scope = "forever"
settle_ms = 1000
"""
_VALUES = (
    "nan", "inf", "-1", "0", "1e400", '""', '"nan"', '"Infinity"', '"1e999999999"', "true", "[]", "{}", '"http://10.0.0.1"', '"http://[::1"',
    '"https://"', '"https://user:pw@x"', "1979-05-27T07:32:00Z", "99999999999999999999", "0x10", '"\\u0000"', '"open_only"', '["", ""]',
)  # fmt: skip


def installation_text(choices: Choices) -> bytes:
    """The file, with up to three of its values exchanged."""
    lines = _INSTALLATION.splitlines()
    for _ in range(choices.below(4)):
        place = choices.below(len(lines))
        name, equals, _value = lines[place].partition(" = ")
        if equals:
            lines[place] = f"{name} = {choices.one_of(_VALUES)}"
    return "\n".join(lines).encode()


SECRETS = ("s3cr3t-of-the-fuzzer-0123456789", "p4ss-of-the-fuzzer-0123456789")
KEY_FILES = (
    json.dumps({"key": "zd_public", "secret": SECRETS[0], "passphrase": SECRETS[1]}).encode(),
    f"zd_public {SECRETS[0]}".encode(),
    SECRETS[0].encode() + b"\n",
    b"ed25519:" + b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    bytes(range(32)),
)
