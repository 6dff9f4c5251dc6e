"""The virtual loop: order from the seed, time that jumps, nodes that freeze and die."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from tests.simulation.loop import EPOCH_MS, Livelock, Node, RealWorld, Scheduler


def interleaving(seed: int) -> list[str]:
    """Three tasks on two nodes, four steps each."""
    scheduler = Scheduler(seed)
    seen: list[str] = []

    async def work(name: str) -> None:
        for step in range(4):
            seen.append(f"{name}{step}")
            await asyncio.sleep(0)

    one, other = scheduler.node("one"), scheduler.node("other")
    for node, name in ((one, "a"), (one, "b"), (other, "c")):
        node.spawn(work(name), name=name)
    scheduler.run(seconds=1.0)
    scheduler.close()
    return seen


def test_one_seed_is_one_order_and_seeds_differ() -> None:
    assert interleaving(7) == interleaving(7)
    assert len({tuple(interleaving(seed)) for seed in range(20)}) > 15


def test_a_tasks_own_steps_stay_in_order_under_every_seed() -> None:
    for seed in range(50):
        seen = interleaving(seed)
        assert all([one for one in seen if one[0] == name] == [f"{name}{step}" for step in range(4)] for name in "abc")


def test_time_passes_only_when_nothing_is_ready_and_then_at_once() -> None:
    scheduler = Scheduler(1)
    node = scheduler.node("one")

    async def work() -> tuple[float, int, float]:
        await asyncio.sleep(3600.0)
        return asyncio.get_running_loop().time(), node.clock.now_ms(), node.clock.monotonic()

    assert scheduler.complete(node, work(), seconds=4000.0) == (3600.0, EPOCH_MS + 3_600_000, 3600.0)
    assert not scheduler.run(seconds=10.0)
    assert scheduler.now == 3610.0
    scheduler.close()


def test_timers_go_off_in_the_order_of_their_time() -> None:
    scheduler = Scheduler(3)
    seen: list[float] = []
    for seconds in (0.3, 0.1, 0.2, 0.15):
        scheduler.at(seconds, seen.append, seconds)
    scheduler.at(0.12, seen.append, -1.0).cancel()
    scheduler.run(seconds=1.0)
    assert seen == [0.1, 0.15, 0.2, 0.3]


def test_the_primitives_of_asyncio_work() -> None:
    scheduler = Scheduler(5)
    node = scheduler.node("one")

    async def work() -> str:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        lock, gate = asyncio.Semaphore(1), asyncio.Event()

        async def feed() -> None:
            async with lock:
                for number in range(3):
                    await queue.put(number)
            gate.set()

        feeding = asyncio.create_task(feed())
        assert [await queue.get() for _ in range(3)] == [0, 1, 2]
        await gate.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.sleep(2, "late")), 0.1)
        done, waiting = await asyncio.wait({asyncio.create_task(asyncio.sleep(9)), feeding}, timeout=1)
        assert feeding in done
        waiting.pop().cancel()
        async with asyncio.TaskGroup() as group:
            one = group.create_task(asyncio.sleep(0.1, "in"))
        return one.result() + "".join(await asyncio.gather(asyncio.sleep(0.2, " "), asyncio.sleep(0.1, "time")))

    assert scheduler.complete(node, work(), seconds=60.0) == "in time"
    assert not scheduler.failures
    scheduler.close()


def test_clocks_of_two_nodes_are_their_own() -> None:
    scheduler = Scheduler(1)
    late, fast = scheduler.node("late", wall_offset_ms=-5_000), scheduler.node("fast", rate=2.0)
    scheduler.run(seconds=10.0)
    assert (late.clock.now_ms(), fast.clock.now_ms()) == (EPOCH_MS + 5_000, EPOCH_MS + 10_000)
    assert (late.clock.monotonic(), fast.clock.monotonic()) == (10.0, 20.0)
    late.clock.step(60_000)
    assert late.clock.now_ms() == EPOCH_MS + 65_000
    assert late.clock.monotonic() == 10.0
    began = scheduler.now
    scheduler.complete(fast, fast.clock.sleep(4.0), seconds=60.0)
    assert scheduler.now - began == pytest.approx(2.0)
    scheduler.close()


def beating(scheduler: Scheduler, node: Node) -> list[float]:
    """A task of the node that notes the world's time once a second."""
    beats: list[float] = []

    async def beat() -> None:
        while True:
            await node.clock.sleep(1.0)
            beats.append(scheduler.now)

    node.spawn(beat(), name="beat")
    return beats


def test_a_frozen_node_does_nothing_and_goes_on_when_thawed() -> None:
    scheduler = Scheduler(1)
    node = scheduler.node("one")
    beats = beating(scheduler, node)
    scheduler.at(2.5, node.freeze)
    scheduler.at(7.5, node.thaw)
    scheduler.run(seconds=9.0)
    assert beats == [1.0, 2.0, 7.5, 8.5]
    scheduler.close()


def test_a_crashed_node_runs_no_finally_block_before_the_world_ends_and_nothing_leaves_it_then() -> None:
    scheduler = Scheduler(1)
    node = scheduler.node("one")
    sent: list[str] = []

    def send(word: str) -> None:
        if node.effect():
            sent.append(word)

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(1.0)
        finally:
            send("generator closed")
            await asyncio.sleep(0)

    async def work() -> None:
        try:
            async with aclosing(numbers()) as stream:  # type: ignore[type-var]
                async for _ in stream:
                    send("beat")
        finally:
            await asyncio.shield(asyncio.ensure_future(asyncio.sleep(1.0)))
            send("last word")

    node.spawn(work(), name="work")
    node.spawn(work(), name="other")
    scheduler.at(1.5, node.crash)
    scheduler.run(seconds=10.0)
    assert sent == ["beat"] * 4
    scheduler.close()
    assert sent == ["beat"] * 4
    assert not scheduler.failures


def test_a_node_dies_at_the_step_or_just_before_the_effect_that_was_chosen() -> None:
    def effects(*, step: int = 0, effect: int = 0) -> int:
        scheduler = Scheduler(1)
        node = scheduler.node("one")
        node.dies_at_step, node.dies_at_effect = step, effect
        count = 0

        async def work() -> None:
            nonlocal count
            for _ in range(5):
                count += node.effect() + node.effect()
                await asyncio.sleep(0)

        node.spawn(work(), name="work")
        scheduler.run(seconds=1.0)
        scheduler.close()
        return count

    assert [effects(step=step) for step in (1, 2, 4)] == [0, 2, 6]
    assert [effects(effect=effect) for effect in (1, 2, 4, 0)] == [0, 1, 3, 10]


def test_what_nobody_caught_is_the_nodes_failure() -> None:
    scheduler = Scheduler(1)
    node = scheduler.node("one")
    told: list[str] = []
    node.when_failed.append(lambda failure: told.append(failure.what))

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError("broken")

    node.spawn(fail(), name="fragile")
    scheduler.run(seconds=2.0)
    assert told == ["task fragile"]
    assert [str(failure.error) for failure in scheduler.failures] == ["broken"]
    scheduler.close()


def test_awaiting_what_belongs_to_another_node_is_an_error() -> None:
    scheduler = Scheduler(1)
    one, other = scheduler.node("one"), scheduler.node("other")
    sleeping = other.spawn(asyncio.sleep(1), name="sleeping")

    async def wait() -> None:
        await sleeping

    with pytest.raises(RuntimeError, match="different loop"):
        scheduler.complete(one, wait(), seconds=5)
    scheduler.close()


def test_the_real_world_is_out_of_reach() -> None:
    scheduler = Scheduler(1)
    node = scheduler.node("one")

    async def dial() -> None:
        await asyncio.open_connection("127.0.0.1", 1)

    async def think() -> None:
        await asyncio.to_thread(socket.gethostname)

    for work in (dial, think):
        with pytest.raises(RealWorld):
            scheduler.complete(node, work(), seconds=5)
    scheduler.close()


def test_work_that_goes_on_for_ever_without_time_passing_is_found() -> None:
    scheduler = Scheduler(1)
    node = scheduler.node("one")

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - it waits for nothing
            await asyncio.sleep(0)

    node.spawn(spin(), name="spin")
    with pytest.raises(Livelock, match="one"):
        scheduler.run(seconds=1.0)
    scheduler.close()
