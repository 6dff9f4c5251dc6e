"""`python -m bench.stream_worker NATS_URL PORT`: fill_streaming's desk of one account with the private stream of Spot, upon a feed that bench.streams makes.

Everything between the socket and FILLS is the product's; only the subscription is left out, and the trade list is empty. Says `ready`, and when told to end
(a line on standard input) how much CPU it used, as JSON.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from ordergate.access.http import parse_origin
from ordergate.access.streaming import KeptStream, Line, StreamOpening, Turn
from ordergate.ports.bus import Handler
from ordergate.ports.venue import Reading, VenueTrade
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus, connect
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.ids import ClientOrderId
from ordergate.venues.binance_spot.declaration import DECLARATION
from ordergate.venues.binance_spot.stream import SpotStreamManners
from services.fill_streaming.app import serve
from services.fill_streaming.handlers import Pace

ACCOUNT = "bench"
SYMBOL = "BTCUSDT"


class NoTrace:
    """ports.trace that keeps nothing."""

    def now_ns(self) -> int:
        return 0

    def span(self, name: str, order: ClientOrderId, began_ns: int, **_: object) -> None:
        """Nobody looks."""


@dataclass(slots=True)
class BenchStage:
    """runtime.stage.Stage of a process without a frame."""

    bus: Bus
    name: str = "fill_streaming"
    replicas: int = 1
    clock: SystemClock = field(default_factory=SystemClock)
    tasks: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    conditions: list[Callable[[], bool]] = field(default_factory=list)

    @property
    def trace(self) -> NoTrace:
        return NoTrace()

    @property
    def ledger(self) -> StreamLedger:
        return StreamLedger(self.bus.jetstream, clock=self.clock)

    @property
    def publisher(self) -> BusPublisher:
        return BusPublisher(self.bus, clock=self.clock)

    @property
    def feed(self) -> BusFeed:
        return BusFeed(self.bus)

    def shelf(self, bucket: str) -> BusShelf:
        return BusShelf(self.bus, bucket=bucket)

    def task(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        del name
        self.tasks.append(work)

    def lane(self, spec: object, handler: Handler, *, mode: object) -> object:
        raise AssertionError((spec, handler, mode))

    def answer(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], *, queue: str = "") -> None:
        """Nobody asks."""

    def ready_when(self, name: str, condition: Callable[[], bool]) -> None:
        del name
        self.conditions.append(condition)


class NothingListed:
    """A trade list without trades: what is stored came by the stream."""

    declaration = DECLARATION

    async def trades(self, symbol: str, *, from_id: str | None, limit: int) -> Sequence[VenueTrade]:
        del symbol, from_id, limit
        return ()


class Unsigned(SpotStreamManners):
    """The events are the venue's, the subscription is left out."""

    __slots__ = ()

    async def subscribe(self, line: Line) -> None:
        """Connected is subscribed."""

    async def tend(self, demand: Callable[[Turn], None]) -> None:
        del demand
        await asyncio.Event().wait()


async def work(nats_url: str, port: int) -> None:
    bus = await connect(nats_url, service="bench-fills")
    stage = BenchStage(bus)
    manners = Unsigned(session=cast("Any", None), recv_window_ms=1_000, orders=False)
    origin = parse_origin(f"ws://127.0.0.1:{port}", plain="ws", encrypted="wss")
    stream = KeptStream(manners, StreamOpening(origin=origin, clock=stage.clock, draw=lambda: 0.5))
    account = AccountSettings(venue="binance-spot", account=ACCOUNT, base_url="http://127.0.0.1:1", symbols=(SYMBOL,))
    reading = cast("Reading", NothingListed())
    serve(stage, account, reading=reading, pace=Pace(read_seconds=1.0), stream=stream)
    running = [asyncio.create_task(task()) for task in stage.tasks]
    while not all(condition() for condition in stage.conditions):  # noqa: ASYNC110 - readiness is asked, as a probe asks
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    began = time.process_time()
    await asyncio.to_thread(sys.stdin.readline)
    counts = stream.counts
    print(
        json.dumps(
            {"cpuSeconds": time.process_time() - began, "messages": counts.messages, "overflows": counts.overflows}
        ),
        flush=True,
    )
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await stream.close()
    await bus.close()


if __name__ == "__main__":
    uvloop.run(work(sys.argv[1], int(sys.argv[2])))
