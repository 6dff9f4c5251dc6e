"""The simulator's Binance dialects over real HTTP and real WebSockets."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from ordergate.simulator.app import Simulator, running_simulator

LIMIT_SECONDS = 10
SECRET = "of-this-test"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
}
API = {"binance-spot": "/ws-api/v3", "binance-futures": "/ws-fapi/v1"}


class Client:
    """Signs on its own, knows nothing of our libraries."""

    def __init__(self, session: aiohttp.ClientSession, simulator: Simulator, dialect: str) -> None:
        self.session = session
        self.url = simulator.url
        self.prefix = "/api/v3" if dialect == "binance-spot" else "/fapi/v1"
        self.api = API[dialect]

    async def call(self, method: str, path: str, **parameters: Any) -> tuple[int, Any]:
        text = urlencode({**parameters, "timestamp": int(time.time() * 1000)})
        signed = f"{text}&signature={hmac.digest(SECRET.encode(), text.encode(), 'sha256').hex()}"
        url = f"{self.url}{self.prefix}/{path}?{signed}"
        async with self.session.request(method, url, headers={"X-MBX-APIKEY": "trader"}) as response:
            return response.status, await response.json()

    async def door(self, name: str, document: Any = None) -> Any:
        method = "GET" if document is None else "POST"
        async with self.session.request(method, f"{self.url}/simulator/{name}", json=document) as response:
            assert response.status == 200
            return await response.json()

    async def connect(self, path: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        stream: aiohttp.ClientWebSocketResponse = await self.session.ws_connect(
            self.url.replace("http", "ws") + path, **options
        )
        return stream

    async def user_stream(self, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Of the trader's account, in the way of the dialect."""
        if self.prefix == "/fapi/v1":
            _, made = await self.call("POST", "listenKey")
            return await self.connect(f"/private/ws/{made['listenKey']}", **options)
        stream = await self.connect(self.api, **options)
        await stream.send_json({"id": 1, "method": "userDataStream.subscribe.signature", "params": signed_parameters()})
        assert (await receive(stream))["status"] == 200
        return stream


def signed_parameters(**parameters: Any) -> dict[str, Any]:
    given = {**parameters, "apiKey": "trader", "timestamp": int(time.time() * 1000)}
    text = "&".join(f"{name}={given[name]}" for name in sorted(given))
    return {**given, "signature": hmac.digest(SECRET.encode(), text.encode(), "sha256").hex()}


async def receive(stream: aiohttp.ClientWebSocketResponse) -> Any:
    return await stream.receive_json(timeout=LIMIT_SECONDS)


async def ended(stream: aiohttp.ClientWebSocketResponse) -> int | None:
    """The close code once the stream is over; 1006: it broke."""
    async with asyncio.timeout(LIMIT_SECONDS):
        async for _ in stream:
            pass
    return stream.close_code


@asynccontextmanager
async def connected(dialect: str, **changes: Any) -> AsyncIterator[Client]:
    accounts = [{"account": "main", "keys": [{"key": "trader", "secret": SECRET}]}]
    document = {"dialect": dialect, "accounts": accounts, "flow": {"enabled": False}, **changes}
    async with (
        running_simulator(document) as simulator,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS)) as session,
    ):
        yield Client(session, simulator, dialect)


@pytest.fixture(params=["binance-spot", "binance-futures"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with connected(request.param) as client:
        yield client


async def test_order_lives_over_http_and_its_events_over_a_websocket(client: Client) -> None:
    stream = await client.user_stream()
    status, placed = await client.call("POST", "order", **ORDER, newClientOrderId="mine")
    assert (status, placed["status"]) == (200, "NEW")
    event = await receive(stream)
    body = event.get("event") or event
    assert (body.get("c") or body["o"]["c"]) == "mine"
    status, canceled = await client.call("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine")
    assert (status, canceled["status"]) == (200, "CANCELED")


async def test_order_may_be_sent_over_the_websocket_api(client: Client) -> None:
    stream = await client.connect(client.api)
    await stream.send_json({"id": "a", "method": "order.place", "params": signed_parameters(**ORDER)})
    answer = await receive(stream)
    assert (answer["id"], answer["status"], answer["result"]["status"]) == ("a", 200, "NEW")
    arrived = (await client.door("arrivals"))["arrivals"]
    assert arrived[-1][2] == "WS order.place"


async def test_message_may_come_in_fragments(client: Client) -> None:
    stream = await client.connect(client.api)
    text = b'{"id":7,"method":"time"}'
    writer: Any = stream._writer
    transport = writer.transport
    for opcode, part in ((0x01, text[:5]), (0x80, text[5:])):
        mask = b"\x01\x02\x03\x04"
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(part))
        transport.write(bytes([opcode, 0x80 | len(part)]) + mask + masked)
    assert (await receive(stream))["id"] == 7


async def test_handshake_and_first_message_may_come_together(client: Client) -> None:
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    text = b'{"id":7,"method":"ping"}'
    frame = bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text
    head = (
        f"GET {client.api} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    writer.write(head.encode() + frame)
    async with asyncio.timeout(LIMIT_SECONDS):
        answered = await reader.readuntil(b"\r\n\r\n")
        assert b"101" in answered.split(b"\r\n")[0]
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answered
        header = await reader.readexactly(2)
        assert header[0] == 0x81
    writer.close()
    await writer.wait_closed()


async def test_what_is_no_websocket_there_is_an_ordinary_404(client: Client) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.connect("/nowhere")
    assert refused.value.status == 404


async def test_banned_address_gets_no_connection() -> None:
    async with connected("binance-spot", binanceLimits={"weight1M": 1, "strikes": 1}) as client:
        for _ in range(4):
            await client.call("GET", "ping")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.connect(client.api)
        assert refused.value.status == 418


# --- pings and life


async def test_server_pings_and_a_pong_keeps_the_connection() -> None:
    async with connected("binance-spot", streams={"pingMs": 20, "pongMs": 200}) as client:
        stream = await client.connect("/ws/btcusdt@trade", autoping=False)
        payloads = set()
        for _ in range(5):
            message = await stream.receive(timeout=LIMIT_SECONDS)
            assert message.type is aiohttp.WSMsgType.PING
            payloads.add(message.data)
            await stream.pong(message.data)
        assert len(payloads) == 5


@pytest.mark.parametrize("pong", [None, b"unsolicited"])
async def test_without_the_right_pong_the_server_hangs_up(pong: bytes | None) -> None:
    async with connected("binance-spot", streams={"pingMs": 20, "pongMs": 50}) as client:
        stream = await client.connect("/ws/btcusdt@trade", autoping=False)
        async with asyncio.timeout(LIMIT_SECONDS):
            async for message in stream:
                if pong is not None and message.type is aiohttp.WSMsgType.PING:
                    await stream.pong(pong)
        assert stream.close_code == 1001


async def test_connection_has_a_life() -> None:
    async with connected("binance-spot", streams={"lifeMs": 50}) as client:
        assert await ended(await client.connect("/ws/btcusdt@trade")) == 1001


# --- what is done to streams


async def test_cut_stream_breaks_in_mid_order(client: Client) -> None:
    stream = await client.user_stream()
    await client.door("faults", {"rules": [{"kind": "stream_cut", "clientOrderId": "b"}]})
    await client.call("POST", "order", **ORDER, newClientOrderId="a")
    await client.call("POST", "order", **ORDER, newClientOrderId="b")
    assert await ended(stream) == 1006
    _, orders = await client.call("GET", "openOrders", symbol="BTCUSDT")
    assert sorted(row["clientOrderId"] for row in orders) == ["a", "b"]


async def test_silent_stream_sends_not_even_a_ping() -> None:
    async with connected("binance-futures", streams={"pingMs": 20, "pongMs": 10_000}) as client:
        stream = await client.user_stream(autoping=False)
        assert (await client.door("streams", {"action": "silence", "account": "main"}))["connections"] == 1
        while True:  # pings that were on their way
            try:
                await stream.receive(timeout=0.3)
            except TimeoutError:
                break
        await client.call("POST", "order", **ORDER)
        with pytest.raises(TimeoutError):
            await stream.receive(timeout=0.3)


async def test_silent_stream_may_go_on_pinging() -> None:
    async with connected("binance-futures", streams={"pingMs": 20, "pongMs": 10_000}) as client:
        stream = await client.user_stream(autoping=False)
        await client.door("streams", {"action": "silence", "pings": True})
        await client.call("POST", "order", **ORDER)
        for _ in range(5):
            message = await stream.receive(timeout=LIMIT_SECONDS)
            assert message.type is aiohttp.WSMsgType.PING
            await stream.pong(message.data)


async def test_late_event_comes_late_and_in_order(client: Client) -> None:
    stream = await client.user_stream()
    await client.door("faults", {"rules": [{"kind": "stream_late", "delayMs": 150, "times": 1}]})
    started = time.monotonic()
    await client.call("POST", "order", **ORDER, newClientOrderId="a")
    await receive(stream)
    assert time.monotonic() - started >= 0.149


async def test_shutdown_is_announced_at_the_door_and_follows(client: Client) -> None:
    stream = await client.user_stream()
    change = {"action": "shutdown", "account": "main", "delayMs": 20}
    assert (await client.door("streams", change))["connections"] == 1
    notice = await receive(stream)
    assert (notice.get("event") or notice)["e"] == "serverShutdown"
    assert await ended(stream) == 1001


async def test_door_shows_the_open_streams(client: Client) -> None:
    stream = await client.user_stream()
    rows = (await client.door("streams"))["streams"]
    assert [(row["accounts"], row["kind"]) for row in rows] in ([(["main"], "ws-api")], [(["main"], "streams")])
    await stream.close()
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await client.door("streams"))["streams"]:
            pass  # asked at a door, which counts in no limit
    assert (await client.door("streams", {"action": "cut"}))["connections"] == 0


async def test_key_taken_away_ends_the_stream() -> None:
    async with connected("binance-spot") as client:
        stream = await client.user_stream()
        await client.door("keys", {"key": "trader", "revoked": True})
        assert (await receive(stream))["event"]["e"] == "eventStreamTerminated"
        assert (await client.call("GET", "openOrders"))[0] == 401


async def test_market_streams_follow_the_crowd(client: Client) -> None:
    stream = await client.connect("/stream?streams=btcusdt@bookTicker")
    await client.door("price", {"symbol": "BTCUSDT", "price": "61000"})
    await client.call("POST", "order", **ORDER)
    assert (await receive(stream))["stream"] == "btcusdt@bookTicker"


async def test_slow_request_is_too_late_at_the_engine() -> None:
    async with connected("binance-spot") as client:
        rule = {"kind": "slow", "phase": "before", "delayMs": 200, "call": "POST /api/v3/order"}
        await client.door("faults", {"rules": [rule]})
        status, answer = await client.call("POST", "order", **ORDER, recvWindow="50")
        assert (status, answer["code"]) == (400, -1021)
