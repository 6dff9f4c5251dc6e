import asyncio
import time

from ordergate.access.budget import Limit, Published, Scope, Weights, divided
from ordergate.access.limiter import Denied, Freeze, Granted, Limiter
from ordergate.ports.venue import Priority
from ordergate.runtime.clock import SystemClock
from ordergate.trading.errors import WrongLimit
from tests.unit.access.stage import ToldClock

REQUEST: Weights = {Scope.REQUESTS: 1}
ORDER: Weights = {Scope.ORDERS: 1, Scope.REQUESTS: 1}


def limiter(*, requests: int, window_ms: int = 80, orders: int = 1_000, queue_max: int = 100) -> Limiter:
    limits = (
        Limit(scope=Scope.REQUESTS, limit=requests, window_ms=window_ms, contested=True),
        Limit(scope=Scope.ORDERS, limit=orders, window_ms=window_ms),
    )
    began = time.monotonic()
    return Limiter(
        divided(limits, shares={}),
        clock=SystemClock(),
        now_ms=lambda: int((time.monotonic() - began) * 1_000),
        queue_max=queue_max,
    )


async def test_with_room_nobody_waits() -> None:
    assert await limiter(requests=100).take(REQUEST, Priority.POLL, deadline_seconds=0) == Granted(waited_ms=0)


async def test_the_wait_for_the_next_window_is_told() -> None:
    narrow = limiter(requests=2)
    await narrow.take(REQUEST, Priority.PLACE, deadline_seconds=1)
    granted = await narrow.take(REQUEST, Priority.PLACE, deadline_seconds=2)
    assert isinstance(granted, Granted)
    assert 10 <= granted.waited_ms < 1_000


async def test_a_wait_beyond_the_deadline_is_denied_and_leaves_no_trace() -> None:
    narrow = limiter(requests=2, window_ms=3_600_000)
    await narrow.take(REQUEST, Priority.PLACE, deadline_seconds=1)
    denied = await narrow.take(REQUEST, Priority.PLACE, deadline_seconds=0.02)
    assert isinstance(denied, Denied)
    assert denied.reason == "budget_deadline"
    assert narrow.waiting == 0


async def test_a_canceled_waiter_leaves_the_queue() -> None:
    narrow = limiter(requests=2, window_ms=3_600_000)
    await narrow.take(REQUEST, Priority.PLACE, deadline_seconds=1)
    waiting = asyncio.create_task(narrow.take(REQUEST, Priority.PLACE, deadline_seconds=60))
    await asyncio.sleep(0)
    assert narrow.waiting == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert narrow.waiting == 0


async def test_after_a_freeze_the_best_priority_goes_first_whoever_came_first() -> None:
    wide = limiter(requests=1_000)
    wide.freeze(for_ms=60)
    passed: list[Priority] = []

    async def call(priority: Priority) -> None:
        assert isinstance(await wide.take(REQUEST, priority, deadline_seconds=5), Granted)
        passed.append(priority)

    async with asyncio.TaskGroup() as calls:
        for priority in (Priority.POLL, Priority.PLACE, Priority.RESOLVE, Priority.CANCEL):
            calls.create_task(call(priority))
    assert passed == [Priority.CANCEL, Priority.RESOLVE, Priority.PLACE, Priority.POLL]


async def test_cancels_pass_while_a_thousand_orders_wait() -> None:
    busy = limiter(requests=10_000, orders=10, window_ms=3_600_000, queue_max=2_000)
    orders = [asyncio.create_task(busy.take(ORDER, Priority.PLACE, deadline_seconds=60)) for _ in range(1_008)]
    await asyncio.sleep(0)
    assert busy.waiting == 1_000
    assert await busy.take(REQUEST, Priority.CANCEL, deadline_seconds=0.5) == Granted(waited_ms=0)
    for order in orders:
        order.cancel()
    await asyncio.gather(*orders, return_exceptions=True)


async def test_a_full_queue_denies_and_a_better_call_takes_the_place_of_the_worst() -> None:
    full = limiter(requests=2, window_ms=3_600_000, queue_max=2)
    await full.take(REQUEST, Priority.CANCEL, deadline_seconds=1)
    polls = [asyncio.create_task(full.take(REQUEST, Priority.POLL, deadline_seconds=60)) for _ in range(2)]
    await asyncio.sleep(0)
    denied = await full.take(REQUEST, Priority.POLL, deadline_seconds=60)
    assert denied == Denied(reason="budget_queue_full", waited_ms=0)
    cancel = asyncio.create_task(full.take(REQUEST, Priority.CANCEL, deadline_seconds=60))
    displaced = await polls[1]
    assert isinstance(displaced, Denied)
    assert not polls[0].done()
    for task in (polls[0], cancel):
        task.cancel()
    await asyncio.gather(polls[0], cancel, return_exceptions=True)


def test_who_comes_back_and_is_sent_away_again_waits_longer_than_he_is_told() -> None:
    clock, told = ToldClock(), list[int]()
    limits = (Limit(scope=Scope.REQUESTS, limit=10, window_ms=60_000),)
    sent_away = Limiter(
        divided(limits, shares={}),
        clock=clock,
        now_ms=clock.now_ms,
        when_frozen=lambda freeze: told.append(freeze.for_ms),
    )

    def throttle() -> int:
        sent_away.throttled(Freeze(for_ms=2_000, weights=REQUEST, banned=False))
        return told[-1]

    assert [throttle() for _ in range(3)] == [2_000, 2_000, 2_000], "three that were on the wire together"
    waited = []
    for _ in range(6):
        clock.pass_seconds(told[-1] / 1_000 + 0.1)
        waited.append(throttle())
    assert waited == [3_000, 4_000, 6_000, 10_000, 10_000, 10_000]
    sent_away.rain(True)
    clock.pass_seconds(11)
    assert throttle() == 18_000
    clock.pass_seconds(18 + 10)
    assert throttle() == 2_000, "after a rest it is the first again"


async def test_of_published_limits_the_good_are_taken_and_passed_on_and_the_others_are_named() -> None:
    passed_on: list[Published] = []
    narrow = Limiter(
        divided((Limit(scope=Scope.ORDERS, limit=30, window_ms=60_000),), shares={}),
        clock=SystemClock(),
        now_ms=lambda: 30_000,
        when_published=passed_on.extend,
    )
    good = Published(scope=Scope.ORDERS, limit=20, window_ms=60_000, at_ms=30_000)
    zero = Published(scope=Scope.ORDERS, limit=0, window_ms=60_000, at_ms=30_000)
    foreign = Published(scope=Scope.BATCH, limit=5, window_ms=60_000, at_ms=30_000)
    refused = narrow.publish([zero, good, foreign])
    assert [type(each) for each in refused] == [WrongLimit, WrongLimit]
    assert passed_on == [good]
    assert narrow.used(Scope.ORDERS) == (0, 20)
