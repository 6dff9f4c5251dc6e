"""`python -m bench.streams`: from a fill on the private stream to its `fills.*` message at a subscriber, and how many one process takes a second.

One process makes the venue's events and hears the fills, so both ends are told by one clock; another is fill_streaming's desk; the third is the bus. The last
line is the result as JSON. docs/benchmarks.md says what it means.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import nats
import orjson
import uvloop
from nats.aio.msg import Msg
from websockets.asyncio.server import ServerConnection, serve

from bench.figures import NS_PER_MS, Figures, now_ns, spread
from bench.installation import ROOT
from bench.stream_worker import ACCOUNT, SYMBOL
from ordergate.access.streaming import StreamManners
from ordergate.ports.stream import OrderSeen, TradeSeen
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import connect
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.provision import provision, resources
from ordergate.runtime.server import EmbeddedServer
from ordergate.trading.events import Approved, SubmissionBegan
from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, KeyId, StrategyName, Symbol, VenueName
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import Attempt, OrderKey, OrderRequest, OrderType, Side, Terms
from ordergate.venues.binance_futures.stream import FuturesStreamManners
from ordergate.venues.binance_spot.stream import SpotStreamManners
from ordergate.wire import streams, subjects

VENUE = VenueName("binance-spot")
ORDERS = 20
STEADY_PER_SECOND = 200
STEADY_EVENTS = 2_000
BURST_EVENTS = 20_000
PARSED_EVENTS = 20_000
READY_SECONDS = 20.0
HEARD_SECONDS = 40.0
WARM_UP_EVENTS = 200

# Of an executionReport as user-data-stream.md prints it, a trade of a large order.
EVENT: dict[str, Any] = {
    "e": "executionReport", "E": 1_790_000_000_000, "s": SYMBOL, "c": "bench-0", "S": "BUY", "o": "LIMIT", "f": "GTC",
    "q": "1000000.00000000", "p": "64250.50000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "TRADE",
    "X": "PARTIALLY_FILLED", "r": "NONE", "i": 1_000, "l": "0.00100000", "z": "0.00100000", "L": "64250.50000000",
    "n": "0.06425050", "N": "USDT", "T": 1_790_000_000_000, "t": 1, "I": 8_641_984, "w": True, "m": True, "M": True,
    "O": 1_790_000_000_000, "Z": "64.25050000", "Y": "64.25050000", "Q": "0.00000000", "W": 1_790_000_000_000, "V": "NONE",
}  # fmt: skip
UPDATE: dict[str, Any] = {
    "s": SYMBOL, "c": "bench-0", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "1000000", "p": "64250.5", "ap": "64250.5",
    "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 1_000, "l": "0.001", "z": "0.001", "L": "64250.5", "N": "USDT",
    "n": "0.0642505", "T": 1_790_000_000_000, "t": 1, "b": "0", "a": "0", "m": True, "R": False, "wt": "CONTRACT_PRICE",
    "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0", "pP": False, "si": 0, "ss": 0, "V": "NONE", "pm": "NONE", "gtd": 0,
}  # fmt: skip


class Unfinished(RuntimeError):
    """Not every fill was heard."""


@dataclass(slots=True)
class Feed:
    """The venue's end of the stream, and the subscriber's end of the fills."""

    connection: ServerConnection | None = None
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    sent_ns: dict[int, int] = field(default_factory=dict)
    heard_ns: dict[int, int] = field(default_factory=dict)
    twice: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)
    last: int = 0

    async def accept(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.connected.set()
        await connection.wait_closed()

    def _next(self) -> bytes:
        self.last += 1
        order = self.last % ORDERS
        event = EVENT | {"t": self.last, "c": f"bench-{order}", "i": 1_000 + order}
        return orjson.dumps({"subscriptionId": 0, "event": event})

    async def send(self, count: int, per_second: float | None) -> None:
        """One after the other at a pace, or as fast as they are taken."""
        if self.connection is None:
            raise Unfinished("nobody listens to the stream")
        began = time.perf_counter()
        messages = [self._next() for _ in range(count)]
        first = self.last - count + 1
        for place, message in enumerate(messages):
            if per_second is not None:
                early = began + place / per_second - time.perf_counter()
                if early > 0:
                    await asyncio.sleep(early)
            self.sent_ns[first + place] = now_ns()
            await self.connection.send(message, text=True)

    async def hear(self, message: Msg) -> None:
        trade = int(message.subject.rpartition(".")[2].partition("-")[0])
        self.twice += trade in self.heard_ns
        self.heard_ns.setdefault(trade, now_ns())
        self.more.set()

    async def heard_all(self) -> None:
        try:
            async with asyncio.timeout(HEARD_SECONDS):
                while len(self.heard_ns) < self.last:
                    self.more.clear()
                    await self.more.wait()
        except TimeoutError:
            raise Unfinished(f"{len(self.heard_ns)} of {self.last} fills") from None

    def latencies_ms(self, first: int, last: int) -> list[float]:
        return [(self.heard_ns[trade] - self.sent_ns[trade]) / NS_PER_MS for trade in range(first, last + 1)]


async def stream_figures(*, durable: bool) -> dict[str, Figures]:
    """latency at a steady pace, and a burst."""
    (ROOT / "build").mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-streams-", dir=ROOT / "build"))
    server = EmbeddedServer(home / "bus", sync_always=durable)
    server.start()
    feed = Feed()
    client = None
    try:
        await _prepare(server.url)
        client = await nats.connect(server.url)
        await client.subscribe(subjects.fills_of(VENUE, AccountName(ACCOUNT)), cb=feed.hear)
        async with serve(feed.accept, "127.0.0.1", 0, ping_interval=None, compression=None) as venue:
            port = venue.sockets[0].getsockname()[1]
            return await _measure(server.url, port, feed)
    finally:
        if client is not None:
            await client.close()
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


async def _measure(nats_url: str, port: int, feed: Feed) -> dict[str, Figures]:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.stream_worker", nats_url, str(port), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    output, instructions = cast("asyncio.StreamReader", worker.stdout), cast("asyncio.StreamWriter", worker.stdin)
    try:
        async with asyncio.timeout(READY_SECONDS):
            await _line(output, b"ready")
            await feed.connected.wait()
        await feed.send(WARM_UP_EVENTS, STEADY_PER_SECOND)
        await feed.heard_all()
        first = feed.last + 1
        await feed.send(STEADY_EVENTS, STEADY_PER_SECOND)
        await feed.heard_all()
        latency = spread(feed.latencies_ms(first, feed.last))
        first = feed.last + 1
        await feed.send(BURST_EVENTS, None)
        await feed.heard_all()
        seconds = (max(feed.heard_ns[each] for each in range(first, feed.last + 1)) - feed.sent_ns[first]) / 1e9
        instructions.write(b"\n")
        said = json.loads(await _line(output, b"{"))
        await worker.wait()
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    events = WARM_UP_EVENTS + STEADY_EVENTS + BURST_EVENTS
    burst = {
        "perSecond": BURST_EVENTS / seconds,
        "cpuUs": said["cpuSeconds"] / events * 1e6,
        "overflows": said["overflows"],
    }
    return {
        "latencyMs": latency,
        "burst": burst,
        "fills": {"heard": len(feed.heard_ns), "twice": feed.twice, "sent": feed.last},
    }


async def _line(output: asyncio.StreamReader, beginning: bytes) -> bytes:
    """The next line that begins so; whatever else is said goes to the terminal."""
    while line := await output.readline():
        if line.startswith(beginning):
            return line
        sys.stderr.write(line.decode())
    raise Unfinished("the worker ended")


async def _prepare(nats_url: str) -> None:
    """The bus as it should be, and orders that the events are about."""
    bus = await connect(nats_url, service="bench")
    account = AccountName(ACCOUNT)
    wanted = resources(
        streams=streams.streams(),
        buckets=streams.buckets(),
        consumers=(*streams.consumers(VENUE, account), streams.strangers_consumer()),
    )
    await provision(bus.jetstream, wanted)
    ledger = StreamLedger(bus.jetstream, clock=SystemClock())
    now_ms = SystemClock().now_ms()
    for number in range(ORDERS):
        request = OrderRequest(
            key=OrderKey(
                venue=VENUE, account=account, symbol=Symbol(SYMBOL), client_order_id=ClientOrderId(f"bench-{number}")
            ),
            strategy=StrategyName("bench"),
            intent_id=IntentId(f"bench-{number}"),
            request_hash="",
            terms=Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal(1_000_000), price=Decimal("64250.5")),
            created_at_ms=now_ms,
            valid_for_ms=60_000,
        )
        approved = Approved(request=request, at_ms=now_ms)
        answer = await ledger.append(begin(approved), approved, after=0)
        sent = SubmissionBegan(attempt=Attempt(number=1, timestamp_ms=now_ms, key_id=KeyId("bench")), at_ms=now_ms)
        if answer.entry is not None:
            await ledger.append(apply(answer.entry.order, sent), sent, after=answer.entry.sequence)
    await bus.close()


def reading_figures() -> Figures:
    """CPU of one event from its bytes to our facts, and so how many one process reads a second when it does nothing else."""
    spot = SpotStreamManners(session=None, recv_window_ms=1_000)  # type: ignore[arg-type] # reading needs none
    futures = FuturesStreamManners(session=None)  # type: ignore[arg-type] # reading needs none
    told: dict[str, tuple[StreamManners, bytes]] = {
        "spot": (spot, orjson.dumps({"subscriptionId": 0, "event": EVENT})),
        "futures": (futures, orjson.dumps({"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 1, "o": UPDATE})),
    }
    figures: Figures = {}
    for name, (manners, data) in told.items():
        if [type(each) for each in manners.read(data)] != [TradeSeen, OrderSeen]:
            raise Unfinished(f"the event of {name} is not read")
        began = time.process_time()
        for _ in range(PARSED_EVENTS):
            for _ in manners.read(data):
                pass
        microseconds = (time.process_time() - began) / PARSED_EVENTS * 1e6
        figures |= {f"{name}Us": microseconds, f"{name}PerSecond": 1e6 / microseconds}
    return figures


async def measure() -> None:
    result: dict[str, Any] = {"reading": reading_figures()}
    for name, durable in (("durable", True), ("notSynced", False)):
        result[name] = await stream_figures(durable=durable)
    print(json.dumps(_rounded(result)))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return round(value, 2) if isinstance(value, float) else value


if __name__ == "__main__":
    uvloop.run(measure())
