"""What goes wrong between a node and the simulated bus: lost frames, late ones, restarts, black holes, deaths. And what survives it."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256

import pytest

from ordergate.ports.bus import Delivery
from ordergate.ports.ledger import Lost, Won
from ordergate.runtime.connection import Bus
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.jetstream import Limits
from ordergate.runtime.lane import Concurrent, Lane
from ordergate.runtime.lean import header_block
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.errors import BusUnavailable
from ordergate.wire import streams
from tests.integration.orders_at_hand import ACCOUNT, VENUE, approved, fill
from tests.simulation.bus import BusFaults, SimBus
from tests.simulation.connection import connect
from tests.simulation.loop import Node, Scheduler
from tests.simulation.stream import Acked, Refused
from tests.simulation.test_same_claims import RESOURCES

SPEC = replace(streams.submission_consumer(VENUE, ACCOUNT), ack_wait_seconds=2)
BESIDE = Concurrent(key=lambda subject: subject, in_flight_max=16)
ROUGH = BusFaults(lose_request=0.1, lose_answer=0.1, lose_ack=0.1, lose_delivery=0.1, slow=0.02, undecided=0.3)


class World:
    """A provisioned bus and nodes that use it."""

    def __init__(self, seed: int = 1, *, cluster: bool = False) -> None:
        self.scheduler = Scheduler(seed)
        self.server = SimBus(self.scheduler, resources=RESOURCES, cluster=cluster)

    def node(self, name: str) -> Node:
        return self.scheduler.node(name)

    async def ledger(self, node: Node, *, limits: Limits | None = None) -> StreamLedger:
        bus = await connect(self.server, node, service=node.name, limits=limits)
        return StreamLedger(bus.jetstream, clock=node.clock, draw=bus.draw)

    def orders(self) -> list[int]:
        return sorted(self.server.streams[streams.ORDERS].messages)

    def deliveries(self, node: Node, *, handle: Callable[[Delivery], Awaitable[None]] | None = None) -> list[int]:
        """Runs a lane on the node that acknowledges what comes, and notes it."""
        seen: list[int] = []

        async def acknowledge(delivery: Delivery) -> None:
            seen.append(delivery.sequence)
            await delivery.ack()

        async def work() -> None:
            bus = await connect(self.server, node, service=node.name)
            graveyard = Graveyard(bus, service=node.name)
            await Lane(bus, SPEC, handle or acknowledge, mode=BESIDE, graveyard=graveyard).start()

        node.spawn(work(), name="lane")
        return seen

    def read(self, node: Node) -> list[int]:
        """Runs a feed of the ledger on the node and notes the sequences."""
        seen: list[int] = []

        async def work() -> None:
            bus = await connect(self.server, node, service=node.name)
            async with aclosing(BusFeed(bus).orders(VENUE, ACCOUNT, after=0)) as entries:
                async for entry in entries:
                    if entry is not None:
                        seen.append(entry.sequence)  # noqa: PERF401 - it never ends, and is looked at meanwhile

        node.spawn(work(), name="feed")
        return seen


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.scheduler.close()
    assert not made.scheduler.failures


async def write(ledger: StreamLedger, first: int, count: int) -> None:
    for number in range(first, first + count):
        assert isinstance(await ledger.append(*approved(number), after=0), Won)


async def written(world: World, node: Node, first: int, count: int) -> None:
    await write(await world.ledger(node), first, count)


@pytest.mark.parametrize("lost", [1, 3])
def test_a_write_whose_answers_are_lost_is_known_as_ours_by_its_append_id(world: World, lost: int) -> None:
    node = world.node("writer")

    async def append() -> Won | Lost:
        ledger = await world.ledger(node)
        world.server.lose_answers(lost)
        return await ledger.append(*approved(1), after=0)

    answer = world.scheduler.complete(node, append(), seconds=20)
    assert isinstance(answer, Won)
    assert world.orders() == [1]
    assert world.scheduler.now > 2.0 * lost


def test_a_lost_request_is_made_again(world: World) -> None:
    node = world.node("writer")

    async def append() -> Won | Lost:
        ledger = await world.ledger(node)
        world.server.lose_requests(2)
        return await ledger.append(*approved(1), after=0)

    assert isinstance(world.scheduler.complete(node, append(), seconds=20), Won)
    assert world.orders() == [1]


def test_without_any_answer_nobody_claims_to_know(world: World) -> None:
    node = world.node("writer")

    async def append() -> None:
        ledger = await world.ledger(node)
        world.server.lose_answers(100)
        await ledger.append(*approved(1), after=0)

    with pytest.raises(BusUnavailable):
        world.scheduler.complete(node, append(), seconds=60)
    assert world.orders() == [1]


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [(False, Refused(400, 10071, "wrong last sequence: 1")), (True, Acked(1, duplicate=True, ttl_seconds=0))],
)
def test_one_node_checks_the_expectation_first_and_three_the_message_id(cluster: bool, expected: object) -> None:  # noqa: FBT001
    world = World(cluster=cluster)
    headers = header_block({"Nats-Msg-Id": "one", "Nats-Expected-Last-Subject-Sequence": "0"})
    subject = "positions.v.a.BTC"
    assert world.server.append(subject, b"one", headers=headers) == Acked(1, duplicate=False, ttl_seconds=0)
    assert world.server.append(subject, b"other body", headers=headers) == expected


def test_what_a_dead_node_held_comes_to_another_after_the_ack_wait(world: World) -> None:
    writer, first, second = (world.node(name) for name in ("writer", "first", "second"))
    held: list[int] = []

    async def hold(delivery: Delivery) -> None:
        held.append(delivery.sequence)
        await asyncio.sleep(3600)

    world.deliveries(first, handle=hold)
    world.scheduler.complete(writer, written(world, writer, 0, 3), seconds=10)
    world.scheduler.run(seconds=10, until=lambda: len(held) == 3)
    first.crash()
    died_at = world.scheduler.now
    seen = world.deliveries(second)
    world.scheduler.run(seconds=10, until=lambda: len(seen) == 3)
    assert sorted(seen) == sorted(held) == [1, 2, 3]
    assert 1.0 < world.scheduler.now - died_at < 2.5


def test_a_frozen_node_keeps_nothing_from_others_and_hears_late_what_it_was_sent(world: World) -> None:
    writer, first, second = (world.node(name) for name in ("writer", "first", "second"))
    slow = world.deliveries(first)
    world.scheduler.run(seconds=1.3)
    first.freeze()
    world.scheduler.complete(writer, written(world, writer, 0, 3), seconds=10)
    quick = world.deliveries(second)
    world.scheduler.run(seconds=10)
    assert sorted(quick) == [1, 2, 3]
    assert not slow
    first.thaw()
    world.scheduler.run(seconds=1)
    assert sorted(slow) == [1, 2, 3]


def test_a_crash_while_appending_leaves_the_write_there_or_not_never_half(world: World) -> None:
    outcomes = set()
    for effect in range(1, 8):
        node, other = world.node(f"dies at {effect}"), world.node("looks")
        node.dies_at_effect = effect
        node.spawn(written(world, node, effect * 10, 3), name="write")
        world.scheduler.run(seconds=5)
        assert node.is_alive == (effect > 3)

        async def look(other: Node = other, effect: int = effect) -> int:
            ledger = await world.ledger(other)
            ids = [approved(number)[0].key.client_order_id for number in range(effect * 10, effect * 10 + 3)]
            return sum([await ledger.last(VENUE, ACCOUNT, one) is not None for one in ids])

        outcomes.add(world.scheduler.complete(other, look(), seconds=10))
    assert outcomes == {0, 1, 2, 3}


def test_a_restart_of_the_bus_loses_nothing_acknowledged_and_feeds_and_lanes_go_on(world: World) -> None:
    writer, reader, worker = (world.node(name) for name in ("writer", "reader", "worker"))
    seen, handled = world.read(reader), world.deliveries(worker)
    world.scheduler.complete(writer, written(world, writer, 0, 5), seconds=10)
    writing = writer.spawn(written(world, writer, 5, 20), name="write")
    world.scheduler.at(0.01, lambda: world.server.restart(down_seconds=0.5))
    assert world.scheduler.run(seconds=30, until=lambda: writing.done() and len(seen) == 25 and len(set(handled)) == 25)
    assert seen == world.orders() == list(range(1, 26))
    assert world.scheduler.now < 10


def test_only_what_is_written_asynchronously_can_lose_its_tail(world: World) -> None:
    node = world.node("writer")

    async def work() -> Bus:
        bus = await connect(world.server, node, service="writer")
        publisher = BusPublisher(bus, clock=node.clock)
        for number in range(20):
            await publisher.store_fill(fill(number))
            await publisher.answer(f"answers.v.a.s.{number}", b"{}", message_id=str(number))
        return bus

    world.scheduler.complete(node, work(), seconds=10)
    world.server.restart(down_seconds=0.1)
    world.scheduler.run(seconds=1)
    assert len(world.server.streams[streams.FILLS].messages) == 20
    assert len(world.server.streams[streams.AUDIT].messages) < 20


def test_acks_that_the_bus_had_not_written_down_when_it_died_mean_another_delivery(world: World) -> None:
    writer, worker = world.node("writer"), world.node("worker")
    handled = world.deliveries(worker)
    world.scheduler.complete(writer, written(world, writer, 0, 20), seconds=10)
    world.scheduler.run(seconds=10, until=lambda: len(handled) == 20)
    world.scheduler.run(seconds=0.2)
    world.server.restart(down_seconds=0.1)
    world.scheduler.run(seconds=10)
    assert set(handled) == set(range(1, 21))
    assert 20 < len(handled) < 40


def test_a_short_black_hole_only_delays_and_a_long_one_is_noticed(world: World) -> None:
    node = world.node("writer")

    async def work() -> tuple[float, float, bool]:
        ledger = await world.ledger(node)
        loop = asyncio.get_running_loop()
        wire = world.server.connections[0]
        began = loop.time()
        wire.cut()
        world.scheduler.at(1.0, wire.mend)
        await write(ledger, 0, 1)
        short = loop.time() - began
        wire.cut()
        world.scheduler.at(17.0, wire.mend)
        await asyncio.sleep(16.0)
        was_told = not wire.is_connected
        await write(ledger, 1, 1)
        return short, loop.time() - began, was_told

    short, whole, was_told = world.scheduler.complete(node, work(), seconds=60)
    assert 1.0 < short < 1.1
    assert was_told
    assert 18.0 < whole < 19.0
    assert world.orders() == [1, 2]


def test_a_bus_without_a_leader_is_waited_for(world: World) -> None:
    node = world.node("writer")

    async def work() -> None:
        ledger = await world.ledger(node)
        world.server.lose_leader(seconds=6.0)
        await write(ledger, 0, 1)

    world.scheduler.complete(node, work(), seconds=60)
    assert 6.0 < world.scheduler.now < 9.0
    assert world.orders() == [1]


def test_a_key_with_a_time_to_live_is_gone_after_it_and_can_be_made_again(world: World) -> None:
    node = world.node("holder")

    async def work() -> list[bytes | None]:
        bus = await connect(world.server, node, service="holder")
        shelf = BusShelf(bus, bucket=streams.LEASES)
        await shelf.put("a", b"mine", ttl_seconds=2)
        seen = [await shelf.get("a")]
        await asyncio.sleep(2.0)
        seen.append(await shelf.get("a"))
        first = header_block({"Nats-Expected-Last-Subject-Sequence": "0"})
        await bus.jetstream.publish(f"$KV.{streams.LEASES}.a", b"theirs", headers=first)
        return [*seen, await shelf.get("a")]

    assert world.scheduler.complete(node, work(), seconds=10) == [b"mine", None, b"theirs"]


def history(seed: int) -> str:
    """Three writers race for the same orders over a rough bus that restarts, a lane and a feed follow; everything stored, as a hash."""
    world = World(seed, cluster=bool(seed % 2))
    world.server.faults = ROUGH
    draws = world.scheduler.draws("history")
    winners: list[tuple[int, str]] = []

    async def race(node: Node) -> None:
        ledger = await world.ledger(node, limits=Limits(try_seconds=1.0, total_seconds=60.0))
        for number in range(6):
            answer = await ledger.append(*approved(number), after=0)
            winners.extend([(number, node.name)] if isinstance(answer, Won) else [])

    seen, handled = world.read(world.node("reader")), world.deliveries(world.node("worker"))
    racing = [node.spawn(race(node), name="race") for node in map(world.node, ("one", "two", "three"))]
    world.scheduler.at(draws.random() * 5, lambda: world.server.restart(down_seconds=draws.random()))
    done = world.scheduler.run(
        seconds=300,
        until=lambda: all(one.done() for one in racing) and len(seen) == 6 and set(handled) == set(seen),
    )
    assert done, (seed, winners, seen, handled, world.scheduler.failures)
    assert not world.scheduler.failures, (seed, world.scheduler.failures)
    assert sorted(number for number, _ in winners) == list(range(6)), (seed, winners)
    assert seen == list(range(1, 7)), seed
    world.scheduler.close()
    told = [*world.server.streams[streams.ORDERS].messages.values(), winners, handled, world.scheduler.steps]
    return sha256(repr(told).encode()).hexdigest()


def test_one_winner_an_order_and_every_message_delivered_on_a_rough_bus() -> None:
    assert len({history(seed) for seed in range(40)}) == 40


def test_a_seed_is_the_same_history_again_also_in_another_process_with_another_hash_seed() -> None:
    program = "from tests.simulation.test_bus import history; print(*map(history, range(3)))"
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(path for path in sys.path if path)},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert told[0] == told[1] == [history(seed) for seed in range(3)]
