"""Small state in buckets on a real nats-server: shelves, checkpoints, cursors, presence, positions."""

import asyncio
from contextlib import aclosing

import pytest
import structlog

from ordergate.ports.checkpoint import Mark
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Limits
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.presence import TTL_SECONDS, Presence, present
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.errors import Misuse
from ordergate.trading.position import Position
from ordergate.wire import keys
from ordergate.wire.streams import CHECKPOINTS, CONTROL, LEASES
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, BTC, ETH, VENUE, eventually


def checkpoint_of(bus: Bus) -> BusCheckpoint:
    shelf = BusShelf(bus, bucket=CHECKPOINTS)
    return BusCheckpoint(shelf, service="test", venue=VENUE, account=ACCOUNT, clock=SystemClock())


async def test_what_was_put_is_read_until_it_is_deleted(bus: Bus) -> None:
    shelf = BusShelf(bus, bucket=CONTROL)
    assert await shelf.get("a.b") is None
    await shelf.put("a.b", b"one")
    await shelf.put("a.b", b"two")
    assert await shelf.get("a.b") == b"two"
    await shelf.delete("a.b")
    assert await shelf.get("a.b") is None


async def test_a_value_that_is_too_large_is_refused(bus: Bus) -> None:
    with pytest.raises(Misuse):
        await BusShelf(bus, bucket=CONTROL).put("a", b"x" * 20_000)


async def test_a_watch_shows_what_is_there_then_none_then_changes(bus: Bus) -> None:
    shelf = BusShelf(bus, bucket=CONTROL)
    await shelf.put("kill.a", b"1")
    await shelf.put("kill.b", b"1")
    await shelf.put("kill.b", b"2")
    await shelf.put("other", b"9")
    async with aclosing(shelf.watch("kill.>")) as changes, asyncio.timeout(5):
        assert await anext(changes) == ("kill.a", b"1")
        assert await anext(changes) == ("kill.b", b"2")
        assert await anext(changes) is None
        await shelf.put("kill.a", b"3")
        assert await anext(changes) == ("kill.a", b"3")
        assert await anext(changes) is None
        await shelf.delete("kill.a")
        assert await anext(changes) == ("kill.a", None)


async def test_a_checkpoint_comes_back(bus: Bus) -> None:
    assert await checkpoint_of(bus).load() is None
    mark = Mark(sequence=7, live={"alpha-1": 3}, state={"a": [1, "b"]})
    await checkpoint_of(bus).save(mark)
    assert await checkpoint_of(bus).load() == mark


async def test_too_many_live_orders_move_the_beginning_before_the_oldest(bus: Bus) -> None:
    live = {f"a-rather-long-client-order-id-{number:06d}": 1_000 + number for number in range(5_000)}
    await checkpoint_of(bus).save(Mark(sequence=9_000, live=live, live_can_be_read_again=True))
    assert await checkpoint_of(bus).load() == Mark(sequence=999)


async def test_a_mark_that_is_too_large_leaves_the_one_before(bus: Bus) -> None:
    before = Mark(sequence=5, live={"alpha-1": 3})
    await checkpoint_of(bus).save(before)
    live = {f"a-rather-long-client-order-id-{number:06d}": 1_000 + number for number in range(5_000)}
    await checkpoint_of(bus).save(Mark(sequence=9_000, live=live))
    assert await checkpoint_of(bus).load() == before


async def test_a_checkpoint_that_cannot_be_read_means_the_beginning(bus: Bus) -> None:
    await BusShelf(bus, bucket=CHECKPOINTS).put(keys.checkpoint("test", VENUE, ACCOUNT), b"{}")
    assert await checkpoint_of(bus).load() is None


async def test_a_kept_checkpoint_is_saved_when_the_service_stops(bus: Bus) -> None:
    keeping = asyncio.create_task(checkpoint_of(bus).keep(lambda: Mark(sequence=12)))
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert await checkpoint_of(bus).load() == Mark(sequence=12)


async def test_who_is_present_and_who_has_left(bus: Bus, connected: Connect) -> None:
    clock = SystemClock()
    one = Presence(bus, service="order_submission", instance="one", clock=clock)
    two = Presence(await connected(), service="order_submission", instance="two", clock=clock)
    await one.announce()
    await two.announce()
    await Presence(bus, service="risk", instance="three", clock=clock).announce()
    assert await present(bus, service="order_submission") == {"one", "two"}
    await two.withdraw()
    assert await present(bus, service="order_submission") == {"one"}


async def test_a_bus_that_takes_no_writes_is_said_once_with_what_to_look_at(bus: Bus, connected: Connect) -> None:
    """Whatever it is, a full disk or another: nothing is sent meanwhile, and the log has one line of it, not one a second."""
    looks: list[float] = []

    class Counting(SystemClock):
        async def sleep(self, seconds: float) -> None:
            looks.append(seconds)
            await super().sleep(0.01)

    impatient = await connected(limits=Limits(try_seconds=0.05, total_seconds=0.05))
    keeping = asyncio.create_task(Presence(impatient, service="risk", instance="one", clock=Counting()).keep())
    with structlog.testing.capture_logs() as lines:
        await bus.jetstream.api(f"STREAM.DELETE.KV_{LEASES}")
        await eventually(lambda: any(line["log_level"] == "error" for line in lines))
        seen = len(looks)
        await eventually(lambda: len(looks) > seen + 2)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    [said] = [line for line in lines if line["event"].startswith("the bus takes no writes")]
    assert "room on its disk" in said["advice"]


async def test_a_process_that_died_is_forgotten_after_its_lease(bus: Bus) -> None:
    await Presence(bus, service="risk", instance="dead", clock=SystemClock()).announce()
    assert await BusShelf(bus, bucket=LEASES).get(keys.presence("risk", "dead")) is not None
    loop = asyncio.get_running_loop()
    began = loop.time()
    while await present(bus, service="risk"):
        assert loop.time() - began < TTL_SECONDS + 2
    assert loop.time() - began > TTL_SECONDS - 1.5


async def test_positions_are_replaced_only_by_who_knows_the_last(bus: Bus) -> None:
    positions = BusPositions(bus)
    first = Position(venue=VENUE, account=ACCOUNT, symbol=BTC)
    other = Position(venue=VENUE, account=ACCOUNT, symbol=ETH)
    sequence = await positions.store(first, mark_price=None, after=0)
    assert sequence == 1
    assert await positions.store(other, mark_price=None, after=0) == 2
    assert await positions.store(first, mark_price=None, after=0) == 1, "its own, whose answer was lost"
    changed = Position(venue=VENUE, account=ACCOUNT, symbol=BTC, up_to_sequence=5)
    assert await positions.store(changed, mark_price=None, after=0) is None
    assert await positions.store(changed, mark_price=None, after=1) == 3
    loaded = {stored.position.symbol: stored.sequence for stored in await positions.load(VENUE, ACCOUNT)}
    assert loaded == {BTC: 3, ETH: 2}


async def test_no_positions_yet_is_an_empty_answer(bus: Bus) -> None:
    async with asyncio.timeout(2):
        assert await BusPositions(bus).load(VENUE, ACCOUNT) == ()
