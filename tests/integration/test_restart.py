"""kill -9 of the nats-server under load: nothing acknowledged is lost, and everything works again within a second of its return."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

from ordergate.ports.bus import Delivery
from ordergate.ports.ledger import Lost, Won
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.lane import Concurrent, Lane
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.shelf import BusShelf
from ordergate.wire import streams
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, VENUE, approved, eventually, fill

ROUNDS = 3
BACK_SECONDS = 1.0


class Load:
    """Writers and readers that never stop, and what each of them was told."""

    def __init__(self, bus: Bus) -> None:
        clock = SystemClock()
        self.won: dict[str, int] = {}
        self.lost = 0
        self.handled: set[int] = set()
        self.read: list[int] = []
        self.stored = 0
        self.shelved = 0
        self.watched = 0
        self._number = 0
        self._bus = bus
        self._ledger = StreamLedger(bus.jetstream, clock=clock)
        self._publisher = BusPublisher(bus, clock=clock)
        self._shelf = BusShelf(bus, bucket=streams.CONTROL)
        self._tasks: list[asyncio.Task[None]] = []
        spec = streams.submission_consumer(VENUE, ACCOUNT)
        mode = Concurrent(key=lambda subject: subject, in_flight_max=16)
        self._lane = Lane(bus, spec, self._handle, mode=mode, graveyard=Graveyard(bus, service="test"))

    async def start(self) -> None:
        await self._lane.start()
        parts: list[Coroutine[Any, Any, None]] = [self._append() for _ in range(8)]
        parts += [self._store(), self._put(), self._follow(), self._watch()]
        self._tasks = [asyncio.create_task(part) for part in parts]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lane.stop(limit_seconds=2)
        assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []

    def counts(self) -> tuple[int, ...]:
        """One figure for each part: appended, handled, read, stored, put, watched."""
        return len(self.won), len(self.handled), len(self.read), self.stored, self.shelved, self.watched

    async def _append(self) -> None:
        while True:
            self._number += 1
            order, event = approved(self._number)
            answer = await self._ledger.append(order, event, after=0)
            match answer:
                case Won(entry=entry):
                    self.won[order.key.client_order_id] = entry.sequence
                case Lost():
                    self.lost += 1

    async def _handle(self, delivery: Delivery) -> None:
        self.handled.add(delivery.sequence)
        await delivery.ack()

    async def _follow(self) -> None:
        async with aclosing(BusFeed(self._bus).orders(VENUE, ACCOUNT, after=0)) as orders:
            async for entry in orders:
                if entry is not None:
                    self.read.append(entry.sequence)

    async def _store(self) -> None:
        while True:
            await self._publisher.store_fill(fill(self.stored))
            self.stored += 1

    async def _put(self) -> None:
        while True:
            await self._shelf.put("busy", str(self.shelved).encode())
            self.shelved += 1
            await asyncio.sleep(0)

    async def _watch(self) -> None:
        async with aclosing(self._shelf.watch("busy")) as changes:
            async for change in changes:
                self.watched += change is not None


async def test_the_bus_is_killed_under_load_and_nothing_acknowledged_is_lost(
    bus: Bus, connected: Connect, server: EmbeddedServer
) -> None:
    load = Load(await connected("load"))
    await load.start()
    await eventually(lambda: min(load.counts()) > 20)
    for _ in range(ROUNDS):
        server.kill()
        await eventually(lambda: not bus.client.is_connected)
        server.start()
        before = load.counts()
        back = await eventually(
            lambda before=before: all(now > then for now, then in zip(load.counts(), before, strict=True))  # type: ignore[misc]
        )
        assert back < BACK_SECONDS
    await load.stop()
    assert load.lost == 0, "each order had one writer, who must learn that it won"
    ledger = StreamLedger(bus.jetstream, clock=SystemClock())
    sequences = await replayed(bus)
    assert set(load.won.values()) <= set(sequences)
    assert load.read == sorted(set(load.read)), "in order, none twice"
    assert load.read == sequences[: len(load.read)], "and none left out"
    some = next(reversed(load.won))
    last = await ledger.last(VENUE, ACCOUNT, approved(int(some.rpartition("-")[2]))[0].key.client_order_id)
    assert last is not None
    assert last.sequence == load.won[some]


async def replayed(bus: Bus) -> list[int]:
    found: list[int] = []
    async with aclosing(BusFeed(bus).orders(VENUE, ACCOUNT, after=0)) as orders:
        while (entry := await anext(orders)) is not None:
            found.append(entry.sequence)
    return found


async def test_an_append_begun_without_the_bus_is_answered_when_it_is_back(bus: Bus, server: EmbeddedServer) -> None:
    server.kill()
    await eventually(lambda: not bus.client.is_connected)
    appending = asyncio.create_task(StreamLedger(bus.jetstream, clock=SystemClock()).append(*approved(1), after=0))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await eventually(lambda: loop.time() - began > 3, seconds=5)  # longer than one try may take
    assert not appending.done()
    server.start()
    back = loop.time()
    assert isinstance(await asyncio.wait_for(appending, 2), Won)
    assert loop.time() - back < BACK_SECONDS
