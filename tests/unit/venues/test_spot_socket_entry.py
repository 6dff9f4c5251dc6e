"""Orders of Binance Spot over the WebSocket API: what is sent, what an answer there proves, and that the fence stands as over REST."""

import asyncio
import contextlib
import hmac
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ordergate.access.budget import Scope
from ordergate.access.keys import make_key
from ordergate.access.opening import Opening
from ordergate.access.session import Patience, RequestRecord
from ordergate.access.streaming import Turn, Wish
from ordergate.ports.venue import (
    ClockRefused,
    Executed,
    NotExecuted,
    NotSent,
    OrderEntry,
    Outcome,
    Throttled,
    Unknown,
)
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.settings import AccountSettings
from ordergate.trading.errors import Misconfigured, Unreadable
from ordergate.trading.ids import KeyId, VenueName, VenueOrderId
from ordergate.venues.binance.websocket_api import Frames
from ordergate.venues.binance_spot.client import BinanceSpotTrading, open_trading
from ordergate.venues.registry import open_trading as open_by_name
from tests.unit.access.stage import Peer, answer, say, serving, until
from tests.unit.venues.spot_rows import BTC, canceled, placed, request

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEY = "an-api-key-of-sixty-four"
LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 7},
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 321},
]
Refuse = Callable[[ServerConnection, Request], Response]
Reply = Callable[[dict[str, Any], ServerConnection], Awaitable[None]]


@dataclass(slots=True)
class Stage:
    trading: BinanceSpotTrading
    rest: Peer
    asked: list[dict[str, Any]] = field(default_factory=list)
    records: list[RequestRecord] = field(default_factory=list)
    wrote: list[int] = field(default_factory=list)

    async def write_ahead(self, timestamp_ms: int, _: KeyId) -> bool:
        self.wrote.append(timestamp_ms)
        return True

    async def place(self, *, deadline_seconds: float = 1.0) -> Outcome:
        return await self.trading.place(request(), write_ahead=self.write_ahead, deadline_seconds=deadline_seconds)

    @property
    def rest_calls(self) -> list[bytes]:
        return [each.split(b"?")[0] for each in self.rest.requests if b"/time" not in each]


@contextlib.asynccontextmanager
async def trading(
    reply: Reply, *, request_seconds: float = 1.0, there: bool = True, refuse: Refuse | None = None
) -> AsyncIterator[Stage]:
    """there: whether anything listens where the orders go; refuse: how it answers the handshake, where it takes none."""

    async def handle(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                asked.append(orjson.loads(message))
                await reply(asked[-1], connection)

    async def rest(at: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/api/v3/time" in peer.requests[at - 1]:
            await say(writer, answer(orjson.dumps({"serverTime": SystemClock().now_ms()})))
        else:
            await say(writer, answer(orjson.dumps(placed()), headers="Content-Type: application/json\r\n"))

    asked: list[dict[str, Any]] = []
    records: list[RequestRecord] = []
    async with (
        serving(rest) as peer,
        serve(
            handle, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2, compression=None, process_request=refuse
        ) as server,
    ):
        port = server.sockets[0].getsockname()[1]
        client = open_trading(
            Opening(
                url=f"http://127.0.0.1:{peer.origin.port}",
                socket_url=f"ws://127.0.0.1:{port if there else 1}/ws-api/v3",
                order_entry=OrderEntry.SOCKET,
                clock=SystemClock(),
                record=records.append,
                draw=random.Random(1).random,  # noqa: S311 - seeded on purpose
                key=make_key(public=KEY, secret=SECRET),
                patience=Patience(request_seconds=request_seconds),
            )
        )
        try:
            assert await client.start(timeout_seconds=5.0 if there else 1.0)
            yield Stage(client, peer, asked, records)
        finally:
            await client.close()


def said(status: int, body: object, **more: object) -> Reply:
    """An answer to each request, as the exchange makes them."""

    async def reply(asked: dict[str, Any], connection: ServerConnection) -> None:
        name = "result" if status == 200 else "error"
        await connection.send(
            orjson.dumps({"id": asked["id"], "status": status, name: body, "rateLimits": LIMITS, **more}), text=True
        )

    return reply


def failed(status: int, code: int, msg: str, **data: object) -> Reply:
    return said(status, {"code": code, "msg": msg, **({"data": data} if data else {})})


async def test_order_is_signed_over_its_sorted_parameters_and_sent_once_after_the_write_ahead() -> None:
    async with trading(said(200, placed())) as stage:
        outcome = await stage.place()
        assert isinstance(outcome, Executed)
        assert outcome.view is not None
        assert outcome.view.client_order_id == "alpha-1"
        (asked,) = stage.asked
        parameters = asked["params"]
        assert asked["method"] == "order.place"
        assert stage.wrote == [parameters["timestamp"]]
        assert (parameters["apiKey"], parameters["recvWindow"], parameters["newOrderRespType"]) == (KEY, 5_000, "FULL")
        text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "signature")
        assert parameters["signature"] == hmac.digest(SECRET.encode(), text.encode(), "sha256").hex()
        assert stage.rest_calls == []
        record = stage.records[-1]
        assert (record.method, record.path, record.status, record.outcome) == ("WS", "order.place", 200, "answered")
        assert record.client_order_id == "alpha-1"


async def test_counts_of_the_answer_reach_the_budget_that_rest_uses_too() -> None:
    async with trading(said(200, placed())) as stage:
        await stage.place()
        limiter = stage.trading.session.limiter
        assert (limiter.used(Scope.REQUESTS)[0], limiter.used(Scope.ORDERS)[0]) == (321, 7)


async def test_cancels_go_the_same_way_and_name_the_order_by_number() -> None:
    async def reply(asked: dict[str, Any], connection: ServerConnection) -> None:
        shown = canceled()
        await said(200, shown if asked["method"] == "order.cancel" else [shown])(asked, connection)

    async with trading(reply) as stage:
        assert isinstance(await stage.trading.cancel(BTC, venue_order_id=VenueOrderId("28")), Executed)
        assert await stage.trading.cancel_all(BTC) == Executed(view=None)
        assert [each["method"] for each in stage.asked] == ["order.cancel", "openOrders.cancelAll"]
        assert stage.asked[0]["params"]["orderId"] == 28


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (failed(400, -2010, "Account has insufficient balance for requested action."), NotExecuted),
        (failed(400, -1013, "Filter failure: PRICE_FILTER"), NotExecuted),
        (failed(400, -1021, "Timestamp for this request is outside of the recvWindow."), ClockRefused),
        (failed(400, -2010, "Duplicate order sent."), Unknown),
        (failed(400, -9999, "new"), Unknown),
        (failed(400, -1007, "Timeout waiting for response from backend server."), Unknown),
        (failed(500, -1121, "Invalid symbol."), Unknown),
        (said(200, None), Unknown),
        (said(200, {}), Unknown),
        (said(200, "text"), Unknown),
        (said(200, {"code": -2010, "msg": "in a result"}), Unknown),
        (said(200, placed(), error={"code": -1000, "msg": "both"}), Unknown),
        (said(400, {"code": -2010, "msg": "x"}, result={"orderId": 1}), Unknown),
        (said(403, {"code": -1000, "msg": "Request blocked."}), Unknown),
        (said(200, placed(clientOrderId="another")), Unknown),
    ],
)
async def test_answer_proves_what_it_proves_over_rest(reply: Reply, expected: type) -> None:
    async with trading(reply) as stage:
        assert isinstance(await stage.place(), expected)
        assert len(stage.asked) == 1


@pytest.mark.parametrize(
    ("status", "code", "data", "least", "most"),
    [
        (429, -1003, {"serverTime": 1_790_000_000_000, "retryAfter": 1_790_000_007_200}, 8_000, 8_000),
        (418, -1003, {"serverTime": 1_790_000_000_000, "retryAfter": 1_790_000_300_000}, 300_000, 300_000),
        (429, -1015, {}, 60_000, 60_000),
        (418, -1003, {"retryAfter": "soon"}, 120_000, 120_000),
        (429, -1003, {"retryAfter": 1}, 1_000, 1_000),
    ],
)
async def test_limit_that_is_exceeded_stops_both_ways_until_the_instant_it_names(
    status: int, code: int, data: dict[str, object], least: int, most: int
) -> None:
    async with trading(failed(status, code, "Too many requests.", **data)) as stage:
        outcome = await stage.place()
        assert isinstance(outcome, Throttled)
        assert least <= outcome.retry_after_ms <= most
        assert stage.trading.session.limiter.is_frozen
        assert isinstance(await stage.place(deadline_seconds=0.1), NotSent)
        assert len(stage.asked) == 1
        assert stage.rest_calls == []


async def test_instant_counts_from_our_idea_of_the_venues_clock_where_the_answer_shows_none() -> None:
    async def reply(asked: dict[str, Any], connection: ServerConnection) -> None:
        until_ms = SystemClock().now_ms() + 20_000
        await failed(429, -1003, "Too many requests.", retryAfter=until_ms)(asked, connection)

    async with trading(reply) as stage:
        outcome = await stage.place()
        assert isinstance(outcome, Throttled)
        assert 18_000 <= outcome.retry_after_ms <= 22_000


async def test_answer_that_is_lost_with_the_connection_is_unknown_and_is_not_asked_again() -> None:
    async def cut(_: dict[str, Any], connection: ServerConnection) -> None:
        connection.transport.abort()

    async with trading(cut) as stage:
        outcome = await stage.place()
        assert isinstance(outcome, Unknown)
        assert outcome.reason in {"reset", "closed"}
        assert (len(stage.asked), len(stage.wrote), stage.rest_calls) == (1, 1, [])


async def test_answer_that_does_not_come_is_unknown_and_its_late_answer_moves_nobody() -> None:
    first: list[dict[str, Any]] = []

    async def late(asked: dict[str, Any], connection: ServerConnection) -> None:
        if not first:
            first.append(asked)
            return
        await said(200, placed())(asked, connection)

    async with trading(late, request_seconds=0.1) as stage:
        outcome = await stage.place()
        assert isinstance(outcome, Unknown)
        assert outcome.reason == "timeout"
        assert stage.trading.entry is not None
        await until(lambda: stage.trading.entry is not None and stage.trading.entry.engine.is_ready)
        assert isinstance(await stage.place(), Executed)
        assert len(stage.asked) == 2


async def test_connection_that_dies_during_the_write_ahead_sends_nothing() -> None:
    async with trading(said(200, placed())) as stage:
        entry = stage.trading.entry
        assert entry is not None

        async def cutting(_: int, __: KeyId) -> bool:
            line = entry.engine._line
            assert line is not None
            line.drop("cut")
            return True

        outcome = await stage.trading.place(request(), write_ahead=cutting, deadline_seconds=1)
        assert outcome == NotSent(reason="connection_closed", retriable=True)
        assert stage.asked == []
        assert stage.rest_calls == []


@pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT])
async def test_handshake_that_is_throttled_freezes_rest_too(status: HTTPStatus) -> None:
    def refuse(connection: ServerConnection, _: Request) -> Response:
        response = connection.respond(status, "")
        response.headers["Retry-After"] = "7"
        return response

    async with trading(said(200, placed()), refuse=refuse) as stage:
        limiter = stage.trading.session.limiter
        await until(lambda: limiter.is_frozen)
        assert limiter._frozen_until - SystemClock().monotonic() >= 6.0
        assert isinstance(await stage.place(deadline_seconds=0.05), NotSent)
        assert (stage.asked, stage.rest_calls) == ([], [])


async def test_while_the_connection_is_not_there_orders_go_over_rest() -> None:
    async with trading(said(200, placed()), there=False) as stage:
        assert isinstance(await stage.place(), Executed)
        assert stage.asked == []
        assert stage.rest_calls == [b"POST /api/v3/order"]


@pytest.mark.parametrize(
    "message",
    [
        b"{", b"[]", b"null", b'{"id":null,"status":400,"error":{"code":-1135,"msg":"x"}}', b'{"status":200,"result":{}}',
        b'{"id":"1-1"}', b'{"id":"1-1","status":"200"}', b'{"id":"1-1","status":true}', b'{"id":7,"status":200}', b'{"id":"1-1","status":7}',
    ],
)  # fmt: skip
def test_frame_that_is_no_answer_to_a_request_of_ours_is_unreadable(message: bytes) -> None:
    with pytest.raises(Unreadable):
        Frames(lambda: 0).read(message)


def test_events_are_no_answers_and_a_shutdown_is_a_renewal() -> None:
    frames = Frames(lambda: 0)
    assert frames.read(b'{"event":{"e":"executionReport"}}') is None
    assert frames.read(b'{"event":[]}') is None
    assert frames.read(b'{"event":{"e":"serverShutdown"}}') == Turn(wish=Wish.RENEW, reason="server_shutdown")


@pytest.mark.parametrize(
    "limits",
    [None, 7, [7, None], [{}], [{"rateLimitType": ["ORDERS"], "interval": "DAY", "intervalNum": 1, "count": 1}],
     [{"rateLimitType": "ORDERS", "interval": 7, "intervalNum": 1, "count": 1}], [{"rateLimitType": "ORDERS", "interval": "", "intervalNum": 1, "count": 1}],
     [{"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": "1", "count": 1}], [{"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "count": "1"}]],
)  # fmt: skip
def test_limits_that_cannot_be_read_cost_no_answer(limits: object) -> None:
    found = Frames(lambda: 0).read(orjson.dumps({"id": "1-1", "status": 200, "result": {}, "rateLimits": limits}))
    assert found is not None
    assert not isinstance(found, Turn)
    assert (found.response.body, dict(found.response.headers)) == (b"{}", {})


@pytest.mark.parametrize("venue", ["zetarium", "binance-futures"])
def test_venue_that_declares_no_socket_refuses_it(venue: str) -> None:
    opening = Opening(
        url="http://127.0.0.1:1",
        clock=SystemClock(),
        record=lambda _: None,
        draw=random.random,
        order_entry=OrderEntry.SOCKET,
    )
    with pytest.raises(Misconfigured, match="order_entry"):
        open_by_name(VenueName(venue), opening)


@pytest.mark.parametrize(("wish", "is_socket"), [(None, False), (OrderEntry.REST, False), (OrderEntry.SOCKET, True)])
def test_without_a_wish_the_first_declared_way_is_taken(wish: OrderEntry | None, is_socket: object) -> None:
    client = open_by_name(
        VenueName("binance-spot"),
        Opening(
            url="http://127.0.0.1:1",
            clock=SystemClock(),
            record=lambda _: None,
            draw=random.random,
            key=make_key(public=KEY, secret=SECRET),
            order_entry=wish,
        ),
    )
    assert isinstance(client, BinanceSpotTrading)
    assert (client.entry is not None) is is_socket


def test_an_account_names_the_way_of_its_orders() -> None:
    given = {"venue": "binance-spot", "account": "main", "base_url": "https://venue.example", "symbols": ["BTCUSDT"]}
    assert AccountSettings.model_validate({**given, "order_entry": "socket"}).order_entry is OrderEntry.SOCKET
    assert AccountSettings.model_validate(given).order_entry is None
    with pytest.raises(ValidationError):
        AccountSettings.model_validate({**given, "order_entry": "pigeon"})
