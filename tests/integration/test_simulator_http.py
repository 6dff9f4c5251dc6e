"""The simulator over real sockets: keep-alive, every fault, its doors, and the service that runs it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ordergate.simulator.app import Simulator, running_simulator

LIMIT_SECONDS = 10
ROOT = Path(__file__).parents[2]


class Client:
    """A bare client of the venue, which knows nothing of ours: one session, one key, one timestamp a call."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str, secret: str) -> None:
        self.session, self.url = session, url
        self._key, self._secret = key, secret
        self._last_ms = 0
        self.clock_offset_ms = 0

    async def call(
        self, method: str, path: str, query: str = "", body: object = None, **options: Any
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a signed call."""
        async with self.send(method, path, query, body, **options) as response:
            return response.status, await response.json()

    def send(self, method: str, path: str, query: str = "", body: object = None, **options: Any) -> Any:
        """The bare call."""
        self._last_ms = max(self._last_ms + 1, time.time_ns() // 1_000_000 + self.clock_offset_ms)
        text = "&".join(sorted([*filter(None, query.split("&")), f"timestamp={self._last_ms}"]))
        signature = hmac.new(self._secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return self.session.request(
            method,
            f"{self.url}{path}?{text}&signature={signature}",
            data=None if body is None else json.dumps(body),
            headers={"X-API-KEY": self._key, "Content-Type": "application/json"},
            **options,
        )

    async def place(self, client_order_id: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        return await self.call("POST", "/v2/orders", body=order(client_order_id, **fields))

    async def door(self, path: str, body: object = None) -> dict[str, Any]:
        """One of the simulator's own doors, which is expected to open."""
        method = "GET" if body is None else "POST"
        async with self.session.request(method, f"{self.url}/simulator/{path}", json=body) as response:
            assert response.status == 200, await response.text()
            value = await response.json()
            assert isinstance(value, dict)
            return value

    async def break_with(self, **rule: Any) -> None:
        """Put one rule in force."""
        await self.door("faults", {"seed": 7, "rules": [rule]})

    async def placed(self) -> list[str]:
        """Which orders the venue's books hold."""
        return [row["clientOrderId"] for row in (await self.door("ledger"))["orders"]]

    async def wait_for_order(self, client_order_id: str) -> None:
        """Until the books hold the order."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while client_order_id not in await self.placed():
                pass


def order(client_order_id: str, **fields: Any) -> dict[str, Any]:
    body = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.010", "price": "60000"}
    return {name: value for name, value in {**body, "clientOrderId": client_order_id, **fields}.items() if value}


def config(key: str, secret: str, **changes: Any) -> dict[str, Any]:
    accounts = [{"account": "main", "keys": [{"key": key, "secret": secret}]}, {"account": "other"}]
    return {"accounts": accounts, "flow": {"enabled": False}, **changes}


@asynccontextmanager
async def connected(**changes: Any) -> AsyncIterator[tuple[Client, Simulator]]:
    key, secret = f"zd_{secrets.token_hex(20)}", secrets.token_hex(32)
    async with (
        running_simulator(config(key, secret, **changes)) as simulator,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS)) as session,
    ):
        yield Client(session, simulator.url, key, secret), simulator


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with connected() as (client, _):
        yield client


async def test_order_is_placed_read_and_canceled_over_one_connection() -> None:
    async with connected() as (client, simulator):
        status, placed = await client.place("one")
        assert (status, placed["order"]["status"]) == (200, "NEW")
        _, listed = await client.call("GET", "/v2/orders", "clientOrderId=one")
        assert listed["orders"] == [placed["order"]]
        _, canceled = await client.call("DELETE", f"/v2/orders/{placed['order']['id']}")
        assert canceled["order"]["status"] == "CANCELED"
        connector = client.session.connector
        assert connector is not None
        assert sum(len(idle) for idle in connector._conns.values()) == 1
        assert simulator.arrivals.last_sequence == 3


async def test_limit_headers_are_on_the_answer(client: Client) -> None:
    async with client.send("GET", "/v2/futures/balance") as response:
        assert response.headers["x-ratelimit-limit"] == "1000"
        assert response.headers["x-ratelimit-remaining"] == "999"
        assert 0 < int(response.headers["x-ratelimit-reset"]) <= 60


async def test_limit_is_refused_with_retry_after_and_shown_at_the_door() -> None:
    async with connected(limits={"orders": 2}) as (client, _):
        refusals = []
        for number in range(6):  # a minute may begin in between, not twice
            async with client.send("POST", "/v2/orders", body=order(f"o{number}")) as response:
                if response.status == 429:
                    refusals.append(int(response.headers["retry-after"]))
                    break
        assert len(refusals) == 1
        assert 0 < refusals[0] <= 60
        windows = (await client.door("requests"))["windows"]
        orders = [window for window in windows if window["bucket"] == "orders"]
        assert (orders[-1]["scope"], orders[-1]["subject"], orders[-1]["limit"]) == ("account", "main", 2)
        assert (orders[-1]["used"], orders[-1]["refused"]) == (3, 1)


async def test_resting_order_is_filled_by_the_flow() -> None:
    async with connected(flow={"enabled": True, "intervalMs": 5}) as (client, _):
        _, tickers = await client.call("GET", "/v2/tickers")
        price = next(row["bidPrice"] for row in tickers["tickers"] if row["symbol"] == "BTCUSDT")
        await client.place("rests", price=price)
        async with asyncio.timeout(LIMIT_SECONDS):
            while (await client.door("ledger"))["orders"][0]["status"] != "FILLED":
                pass  # asked at a door, which counts in no limit
        _, trades = await client.call("GET", "/v2/futures/myTrades", "symbol=BTCUSDT")
        assert trades["trades"] == []
        assert {row["liquidity"] for row in (await client.door("ledger"))["trades"]} == {"MAKER"}


# --- faults


async def test_lost_answer_is_executed_once_and_a_repeat_finds_the_order(client: Client) -> None:
    await client.break_with(kind="answer_lost", call="POST /v2/orders", clientOrderId="lost", times=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.place("lost")
    assert await client.placed() == ["lost"]
    status, again = await client.place("lost")
    assert (status, again["idempotent"]) == (200, True)
    assert await client.placed() == ["lost"]


async def test_exact_plan_spares_other_orders_and_other_calls(client: Client) -> None:
    await client.break_with(kind="answer_lost", call="DELETE /v2/orders/:id", clientOrderId="b")
    ids = {name: (await client.place(name))[1]["order"]["id"] for name in "ab"}
    assert (await client.call("DELETE", f"/v2/orders/{ids['a']}"))[0] == 200
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.call("DELETE", f"/v2/orders/{ids['b']}")
    rows = (await client.door("ledger"))["orders"]
    assert [row["status"] for row in rows] == ["CANCELED", "CANCELED"]


@pytest.mark.parametrize(("body", "kind"), [("json", "application/json"), ("html", "text/html")])
async def test_error_comes_after_execution(client: Client, body: str, kind: str) -> None:
    await client.break_with(kind="error_after_execution", call="POST /v2/orders", status=502, body=body)
    async with client.send("POST", "/v2/orders", body=order("failed")) as response:
        assert (response.status, response.content_type) == (502, kind)
        content = await response.text()
    assert ("errorId" in content) is (body == "json")
    assert await client.placed() == ["failed"]


async def test_slow_answer_is_executed_at_once_and_answered_late(client: Client) -> None:
    await client.break_with(kind="slow", call="POST /v2/orders", delayMs=150)
    started = time.monotonic()
    waiting = asyncio.create_task(client.place("slow"))
    await client.wait_for_order("slow")
    assert not waiting.done()
    assert (await waiting)[0] == 200
    assert time.monotonic() - started >= 0.15


async def test_slow_request_executes_after_the_client_gave_up(client: Client) -> None:
    await client.break_with(kind="slow", call="POST /v2/orders", phase="before", delayMs=200)
    with pytest.raises(TimeoutError):
        await client.call("POST", "/v2/orders", body=order("late"), timeout=aiohttp.ClientTimeout(total=0.05))
    assert await client.placed() == []
    await client.wait_for_order("late")
    last = (await client.door("arrivals"))["arrivals"][-1]
    assert last[2:] == ["POST /v2/orders", "late", 0]


async def test_slow_request_that_outlives_its_window_is_refused() -> None:
    async with connected() as (client, _):
        client.clock_offset_ms = -4900
        await client.break_with(kind="slow", call="POST /v2/orders", phase="before", delayMs=300)
        status, answer = await client.place("too-late")
        assert (status, answer["code"]) == (401, "INVALID_TIMESTAMP")
        assert await client.placed() == []


@pytest.mark.parametrize(("phase", "executed"), [("before", []), ("after", ["cut"])])
async def test_reset_cuts_the_connection_on_its_side_of_the_execution(
    client: Client, phase: str, executed: list[str]
) -> None:
    await client.break_with(kind="reset", call="POST /v2/orders", phase=phase)
    with pytest.raises(aiohttp.ClientOSError) as raised:
        await client.place("cut")
    assert raised.value.errno == errno.ECONNRESET
    assert await client.placed() == executed


async def test_rate_limited_is_not_executed_and_not_counted(client: Client) -> None:
    await client.break_with(kind="rate_limited", call="POST /v2/orders", retryAfterSeconds=17, times=1)
    async with client.send("POST", "/v2/orders", body=order("later")) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "17")
    assert await client.placed() == []
    assert (await client.door("requests"))["windows"] == []
    assert (await client.place("later"))[0] == 200


async def test_clock_offset_refuses_until_the_client_follows(client: Client) -> None:
    await client.break_with(kind="clock_offset", call="POST /v2/orders", offsetMs=60_000, times=1)
    status, answer = await client.place("early")
    assert (status, answer["code"]) == (401, "INVALID_TIMESTAMP")
    _, venue = await client.call("GET", "/v2/platform/status")
    client.clock_offset_ms = venue["serverTime"] - time.time_ns() // 1_000_000
    assert (await client.place("early"))[0] == 200


async def test_seeded_rate_strikes_the_same_calls_each_time(client: Client) -> None:
    struck = []
    for turn in range(2):
        await client.break_with(kind="error_after_execution", call="POST /v2/orders", rate=0.4)
        struck.append([(await client.place(f"{turn}-{number}"))[0] == 503 for number in range(40)])
    assert struck[0] == struck[1]
    assert 0 < sum(struck[0]) < 40
    assert len(await client.placed()) == 80


async def test_plan_reports_its_hits_and_empty_rules_heal(client: Client) -> None:
    await client.break_with(kind="error_after_execution", call="POST /v2/orders", nth=2, times=1)
    assert [(await client.place(name))[0] for name in "abc"] == [200, 503, 200]
    assert await client.door("faults") == {
        "ok": True,
        "seed": 7,
        "rules": [
            {
                "kind": "error_after_execution",
                "call": "POST /v2/orders",
                "nth": 2,
                "times": 1,
                "matched": 3,
                "hits": 1,
            }
        ],
    }
    assert (await client.door("faults", {"rules": []}))["rules"] == []
    assert (await client.place("d"))[0] == 200


# --- doors


async def test_ledger_holds_every_order_and_both_kinds_of_trades() -> None:
    key, secret = f"zd_{secrets.token_hex(20)}", secrets.token_hex(32)
    rows = [{"account": "main", "keys": [{"key": key, "secret": secret}]}]
    async with connected(accounts=rows) as (_, simulator), aiohttp.ClientSession() as session:
        client = Client(session, simulator.url, key, secret)
        await client.place("maker", side="SELL", price="64250", quantity="0.020")
        await client.place("taker", type="MARKET", price=None)
        await client.place("refused", price="1")
        ledger = await client.door("ledger?account=main")
        assert await client.door("ledger?account=nobody") == {
            "orders": [],
            "trades": [],
            "positions": [],
            "balances": [],
        }
    times = {row.pop("createdAtMs") for row in ledger["orders"]} | {row.pop("updatedAtMs") for row in ledger["orders"]}
    assert all(isinstance(moment, int) for moment in times)
    shared = {"account": "main", "symbol": "BTCUSDT", "positionSide": "BOTH"}
    assert ledger["orders"] == [
        {
            **shared,
            "clientOrderId": "maker",
            "id": "1",
            "side": "SELL",
            "type": "LIMIT",
            "quantity": "0.020",
            "price": "64250.0",
            "stopPrice": None,
            "executedQuantity": "0.010",
            "status": "PARTIALLY_FILLED",
        },
        {
            **shared,
            "clientOrderId": "taker",
            "id": "2",
            "side": "BUY",
            "type": "MARKET",
            "quantity": "0.010",
            "price": None,
            "stopPrice": None,
            "executedQuantity": "0.010",
            "status": "FILLED",
        },
    ]
    assert [
        (row["id"], row["orderId"], row["liquidity"], row["fee"], row["feeAsset"], row["price"], row["quantity"])
        for row in ledger["trades"]
    ] == [
        ("1", "2", "TAKER", "0.32125", "USDT", "64250.0", "0.010"),
        ("2", "1", "MAKER", "0.1285", "USDT", "64250.0", "0.010"),
    ]
    [position] = ledger["positions"]
    assert (position["quantity"], position["fees"].rstrip("0")) == ("0.000", "0.44975")
    assert float(ledger["balances"][0]["walletBalance"]) == pytest.approx(1000000 - 0.44975)


async def test_price_door_moves_the_market_and_fills_what_it_crosses(client: Client) -> None:
    await client.place("dip", price="63000")
    assert (await client.door("price", {"symbol": "BTCUSDT", "price": "62500"}))["price"] == "62500.0"
    [row] = (await client.door("ledger"))["orders"]
    assert (row["status"], row["executedQuantity"]) == ("FILLED", "0.010")


async def test_clock_door_moves_the_venues_clock(client: Client) -> None:
    answer = await client.door("clock", {"offsetMs": -120_000})
    assert answer["offsetMs"] == -120_000
    assert (await client.place("ahead"))[1]["code"] == "INVALID_TIMESTAMP"
    await client.door("clock", {"offsetMs": 0})
    assert (await client.place("ahead"))[0] == 200


async def test_arrivals_are_stamped_with_the_monotonic_clock_of_this_machine(client: Client) -> None:
    before = time.monotonic_ns()
    await client.place("one")
    await client.call("GET", "/v2/orders/1")
    after = time.monotonic_ns()
    answer = await client.door("arrivals?afterSequence=0")
    first, second = answer["arrivals"]
    assert (first[0], *first[2:]) == (1, "POST /v2/orders", "one", 200)
    assert (second[0], *second[2:]) == (2, "GET /v2/orders/:id", "one", 200)
    assert before < first[1] < second[1] < after
    assert (await client.door("arrivals?afterSequence=1"))["arrivals"] == [second]
    assert (await client.door("arrivals?afterSequence=2"))["arrivals"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", b"{", 400),
        ("POST", "faults", b'{"rules":[{"kind":"meteor"}]}', 400),
        ("POST", "clock", b'{"offsetMs":"soon"}', 400),
        ("POST", "price", b'{"symbol":"NOPE","price":"1"}', 400),
        ("POST", "price", b'{"symbol":"BTCUSDT","price":"NaN"}', 400),
        ("GET", "arrivals?afterSequence=x", None, 400),
        ("GET", "attic", None, 404),
    ],
)
async def test_door_that_is_knocked_at_wrongly_says_so(
    client: Client, method: str, path: str, body: bytes | None, status: int
) -> None:
    async with client.session.request(method, f"{client.url}/simulator/{path}", data=body) as response:
        assert response.status == status
        assert (await response.json())["ok"] is False


# --- the connection itself


async def test_requests_sent_together_are_answered_in_order(client: Client) -> None:
    await client.break_with(kind="slow", call="GET /health", delayMs=30, times=1)
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health HTTP/1.1\r\n\r\nGET /v2/platform/status HTTP/1.1\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(LIMIT_SECONDS):
        received = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b'{"ok":true}') < received.index(b'"status":"ONLINE"')


async def test_request_in_single_bytes_is_still_one_request(client: Client) -> None:
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for byte in b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
    async with asyncio.timeout(LIMIT_SECONDS):
        assert (await reader.read()).endswith(b'{"ok":true}')
    writer.close()
    await writer.wait_closed()


async def test_nonsense_is_refused_and_the_next_connection_served(client: Client) -> None:
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x16\x03\x01 not http\r\n\r\n")
    async with asyncio.timeout(LIMIT_SECONDS):
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()
    assert (await client.place("after"))[0] == 200


# --- the service


async def test_service_says_where_it_listens_serves_resets_and_stops_when_told(tmp_path: Path) -> None:
    key, secret = f"zd_{secrets.token_hex(20)}", secrets.token_hex(32)
    document = tmp_path / "simulator.json"
    document.write_text(json.dumps(config(key, secret)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.venue_simulator",
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'libs'}{os.pathsep}{ROOT}",
            "ORDERGATE_SIMULATOR_CONFIG": str(document),
            "ORDERGATE_SIMULATOR_PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS), aiohttp.ClientSession() as session:
            assert process.stdout is not None
            line = (await process.stdout.readline()).decode()
            assert line.startswith("simulator listening on http://127.0.0.1:")
            client = Client(session, line.split()[-1], key, secret)
            assert (await client.place("one"))[0] == 200
            # Its event loop is another than the tests', and so is its way to a TCP reset.
            await client.break_with(kind="reset", call="POST /v2/orders")
            with pytest.raises(aiohttp.ClientOSError) as raised:
                await client.place("cut")
            assert raised.value.errno == errno.ECONNRESET
            assert await client.placed() == ["one", "cut"]
            process.send_signal(signal.SIGTERM)
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, errors) == (0, b"")
