"""Processes that share a budget over a real bus, each with a connection of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bench.budget import STOPS, Shape, measure
from ordergate.access.budget import Limit, Published, Scope, Weights
from ordergate.access.clock import VenueClock
from ordergate.access.limiter import Denied, Freeze, Granted, Limiter
from ordergate.access.opening import BudgetTerms
from ordergate.cli.app import run
from ordergate.ports.venue import Priority
from ordergate.runtime.budget import Member, Pool, Standing
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.metrics import Metrics
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.shared_budgets import SharedBudgets
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import keys, streams, subjects
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import eventually

REQUEST: Weights = {Scope.REQUESTS: 1}
ORDER: Weights = {Scope.ORDERS: 1, Scope.REQUESTS: 1}
PUBLIC: Weights = {Scope.ADDRESS: 1}
DAY = 86_400_000
RUNS_ON_A_BUSY_MACHINE = 3
LIMITS = (
    Limit(scope=Scope.REQUESTS, limit=1_000, window_ms=DAY, contested=True),
    Limit(scope=Scope.ORDERS, limit=400, window_ms=DAY),
    Limit(scope=Scope.ADDRESS, limit=200, window_ms=DAY, per_address=True),
)
VENUE, ACCOUNT = VenueName("zetarium"), AccountName("main")
SHARES = {Scope.REQUESTS: 0.25, Scope.ADDRESS: 0.2}


@dataclass(slots=True)
class Process:
    bus: Bus
    limiter: Limiter
    pools: tuple[Pool, ...]
    running: asyncio.Task[None]
    budgets: SharedBudgets

    async def die(self) -> None:
        """As a killed process: nothing is withdrawn."""
        await self.bus.client.close()
        await self.stop()

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


Start = Callable[..., Awaitable[Process]]


@pytest_asyncio.fixture
async def start(bus: Bus, connected: Connect) -> AsyncIterator[Start]:
    """Starts processes of one account (or of another, at the same address)."""
    started: list[Process] = []

    async def one(service: str, *, account: AccountName = ACCOUNT, order_weights: Weights = ORDER) -> Process:
        own, clock = await connected(service), SystemClock()
        member = Member(service=service, instance=f"i{len(started)}", may_own=service == "order_submission")
        budgets = SharedBudgets(own, member=member, address="here", clock=clock)
        terms = BudgetTerms(limits=LIMITS, shares=SHARES, order_weights=order_weights)
        limiter = budgets.of(VENUE, account)(terms, VenueClock(clock))
        process = Process(own, limiter, budgets.pools, asyncio.create_task(budgets.run()), budgets)
        started.append(process)
        return process

    assert bus.client.is_connected
    yield one
    for process in started:
        await process.stop()


def owns(process: Process) -> bool:
    return all(pool.is_owner for pool in process.pools)


async def spend(process: Process, weights: Weights, priority: Priority, *, seconds: float = 0.4) -> int:
    """How many calls go out before one must wait longer than that."""
    passed = 0
    while isinstance(await process.limiter.take(weights, priority, deadline_seconds=seconds), Granted):
        passed += 1
    return passed


async def test_what_one_process_uses_is_not_there_for_the_other(start: Start) -> None:
    owner, other = await start("order_submission"), await start("status_polling")
    await eventually(lambda: owns(owner))
    first = await spend(owner, ORDER, Priority.PLACE)
    assert first == 320
    assert await spend(other, REQUEST, Priority.RESOLVE) == 792 - first
    assert await owner.limiter.take(REQUEST, Priority.CANCEL, deadline_seconds=0) == Granted(waited_ms=0)


async def test_two_accounts_behind_one_address_share_what_is_counted_by_address(start: Start) -> None:
    one, two = await start("order_submission"), await start("order_submission", account=AccountName("second"))
    await eventually(lambda: one.pools[1].is_owner and two.pools[1].is_owner)
    await eventually(lambda: one.pools[0].is_owner or two.pools[0].is_owner)
    assert [one.pools[0].is_owner, two.pools[0].is_owner].count(True) == 1
    assert await spend(one, PUBLIC, Priority.POLL) + await spend(two, PUBLIC, Priority.POLL) == 160


async def test_without_an_owner_each_has_its_part_of_the_fall_back(start: Start) -> None:
    alone = await start("status_polling")
    assert await spend(alone, REQUEST, Priority.RESOLVE, seconds=0.1) == 17


async def test_a_fresh_owner_counts_what_was_used_before_it(start: Start) -> None:
    owner, other = await start("order_submission"), await start("status_polling")
    await eventually(lambda: owns(owner))
    for _ in range(100):
        assert isinstance(await other.limiter.take(REQUEST, Priority.RESOLVE, deadline_seconds=1), Granted)
    for _ in range(50):
        # What it used itself, only the records know after its death.
        assert isinstance(await owner.limiter.take(ORDER, Priority.PLACE, deadline_seconds=1), Granted)
        at_ms = SystemClock().now_ms()
        record = b'{"service":"order_submission","outcome":"answered","atMs":%d,"latencyMs":1,"weights":{"orders":1,"requests":1}}'
        owner.bus.client.post(subjects.requests(VENUE, ACCOUNT, "order_submission"), record % at_ms)
    await owner.bus.client.flush()
    await owner.die()
    successor = await start("order_submission")
    await eventually(lambda: owns(successor))
    assert successor.limiter.used(Scope.ORDERS)[0] == 50
    assert successor.limiter.used(Scope.REQUESTS)[0] >= 150


async def test_a_fresh_owner_counts_orders_that_were_written_ahead_and_never_recorded(start: Start, bus: Bus) -> None:
    for account in ("main", "second"):
        for number in range(10):
            order = b'{"attempt":{"timestampMs":%d}}' % SystemClock().now_ms()
            await bus.jetstream.publish(f"orders.zetarium.{account}.BTCUSDT.o-{number}.submitting", order, headers=b"")
    await bus.jetstream.publish("orders.zetarium.main.BTCUSDT.damaged.submitting", b"{}", headers=b"")
    owner = await start("order_submission", order_weights={**ORDER, Scope.ADDRESS: 2})
    await eventually(lambda: owns(owner))
    assert owner.limiter.used(Scope.ORDERS)[0] == 10
    assert owner.limiter.used(Scope.ADDRESS)[0] == 40, "of both accounts behind the address"


async def test_a_freeze_is_heard_by_every_process_within_50_ms(start: Start) -> None:
    owner, other = await start("order_submission"), await start("status_polling")
    await eventually(lambda: owns(owner))
    assert isinstance(await other.limiter.take(REQUEST, Priority.POLL, deadline_seconds=1), Granted)
    other.limiter.throttled(Freeze(for_ms=60_000, weights=REQUEST, banned=False))
    assert await eventually(lambda: owner.limiter.is_frozen) < 0.05
    denied = await owner.limiter.take(REQUEST, Priority.CANCEL, deadline_seconds=0.05)
    assert isinstance(denied, Denied)


async def test_a_process_that_starts_during_a_ban_calls_nobody(start: Start) -> None:
    first = await start("status_polling")
    first.limiter.throttled(Freeze(for_ms=60_000, weights=PUBLIC, banned=True))
    late = await start("fill_streaming", account=AccountName("second"))
    await eventually(lambda: late.limiter.is_frozen)
    assert isinstance(await late.limiter.take(REQUEST, Priority.CANCEL, deadline_seconds=0.05), Denied)


async def test_a_process_in_a_ban_does_not_make_even_its_first_call(start: Start) -> None:
    first = await start("status_polling")
    first.limiter.throttled(Freeze(for_ms=60_000, weights=PUBLIC, banned=True))
    assert {pool.standing for pool in first.pools} <= {Standing.FROZEN, Standing.STARTING}
    await eventually(lambda: not any(pool.is_writing for pool in first.pools))
    late = await start("fill_streaming")
    assert isinstance(await late.limiter.take(REQUEST, Priority.CANCEL, deadline_seconds=0.6), Denied)


async def some(process: Process, count: int) -> int:
    """So many calls."""
    granted = [await process.limiter.take(REQUEST, Priority.RESOLVE, deadline_seconds=1) for _ in range(count)]
    return sum(isinstance(each, Granted) for each in granted)


async def test_a_crash_loop_without_an_owner_spends_one_fall_back_and_not_one_a_start(start: Start) -> None:
    passed: list[int] = []
    for _ in range(4):
        crashing = await start("status_polling")
        passed.append(
            await spend(crashing, REQUEST, Priority.RESOLVE, seconds=0.1) if passed else await some(crashing, 5)
        )
        await eventually(lambda: not any(pool.is_writing for pool in crashing.pools))  # noqa: B023 - awaited at once
        await crashing.die()
    assert passed == [5, 12, 0, 0]
    other = await start("fill_streaming")
    assert await spend(other, REQUEST, Priority.RESOLVE, seconds=0.1) == 17, "another service has its own part"


async def test_limits_that_the_venue_publishes_hold_for_every_process_and_for_those_that_start_later(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    owner, other = await start("order_submission"), await start("status_polling")
    await eventually(lambda: owns(owner))
    now_ms = SystemClock().now_ms()
    lower = Published(scope=Scope.ORDERS, limit=100, window_ms=DAY, at_ms=now_ms)
    yesterday = Published(scope=Scope.REQUESTS, limit=2_000, window_ms=DAY, at_ms=now_ms - DAY)
    nonsense = Published(scope=Scope.ADDRESS, limit=0, window_ms=DAY, at_ms=now_ms)
    (refused,) = other.limiter.publish([lower, yesterday, nonsense])
    assert "above zero" in str(refused)
    other.limiter.publish([nonsense])
    assert capsys.readouterr().out.count("a published limit is refused") == 1
    await eventually(lambda: owner.limiter.used(Scope.ORDERS)[1] == 100)
    assert owner.limiter.used(Scope.REQUESTS)[1] == 2_000
    assert await spend(owner, ORDER, Priority.PLACE, seconds=0.05) == 80
    stored = [keys.budget_limits(pool.budget) for pool in owner.pools]
    assert [await BusShelf(owner.bus, bucket=streams.CONTROL).get(key) is None for key in stored] == [True, False]
    await owner.die()
    successor = await start("order_submission")
    await eventually(lambda: owns(successor))
    assert successor.limiter.used(Scope.ORDERS)[1] == 100


@pytest.mark.parametrize(
    "nonsense", [b"", b"{", b'{"schema":1,"limits":[{"scope":"x","limit":1,"windowMs":1,"atMs":1}]}', b"\xff"]
)
async def test_what_cannot_be_read_about_a_budget_stops_nobody(start: Start, bus: Bus, nonsense: bytes) -> None:
    subject = subjects.account_budget(VENUE, ACCOUNT)
    leases, control = BusShelf(bus, bucket=streams.LEASES), BusShelf(bus, bucket=streams.CONTROL)
    await leases.put(keys.budget_freeze(subject), nonsense)
    await leases.put(keys.budget_alone(subject, "order_submission", "i9"), nonsense)
    await control.put(keys.budget_limits(subject), nonsense)
    await control.put(keys.RAIN, nonsense)
    owner = await start("order_submission")
    await eventually(lambda: owns(owner))
    await control.put(keys.budget_limits(subject), nonsense)
    assert isinstance(await owner.limiter.take(ORDER, Priority.PLACE, deadline_seconds=1), Granted)
    assert not owner.running.done()


async def test_who_owns_the_budget_is_a_metric(start: Start) -> None:
    owner, other = await start("order_submission"), await start("status_polling")
    await eventually(lambda: owns(owner))
    assert isinstance(await other.limiter.take(REQUEST, Priority.RESOLVE, deadline_seconds=1), Granted)
    subject = subjects.account_budget(VENUE, ACCOUNT)

    def shown(process: Process) -> dict[str, float | None]:
        metrics = Metrics("any")
        process.budgets.sample(metrics)
        find = metrics.registry.get_sample_value
        labels = [{"budget": subject, "standing": each.value} for each in Standing]
        return {each["standing"]: find("ordergate_budget_standing", each) for each in labels}

    nothing = dict.fromkeys(Standing, 0.0)
    assert shown(owner) == nothing | {Standing.OWNER: 1}
    assert shown(other) == nothing | {Standing.LEASING: 1}
    await owner.die()
    assert isinstance(await other.limiter.take(REQUEST, Priority.RESOLVE, deadline_seconds=1), Granted)
    assert shown(other) == nothing | {Standing.ALONE: 1}
    other.limiter.throttled(Freeze(for_ms=60_000, weights=REQUEST, banned=False))
    assert shown(other) == nothing | {Standing.FROZEN: 1}


async def test_four_processes_at_three_times_the_limit_are_never_refused() -> None:
    shared = await measure("shared", Shape(limit=150, window_ms=1_500, windows=2))
    assert shared["refused"] == 0
    assert shared["used_of_planned"] >= 0.8
    assert shared["resolves_denied"] == shared["cancels_denied"] == 0


async def test_while_owners_die_nobody_is_refused_and_cancels_and_lookups_find_room() -> None:
    killed = await measure("shared", Shape(limit=300, window_ms=3_000, windows=2), kills=(0.4,))
    assert killed["refused"] == 0
    assert killed["cancel_wait_p99_ms"] <= 50
    assert killed["cancels_denied"] == killed["resolves_denied"] == 0
    assert killed["resolve_wait_max_ms"] < 3_000, "no lookup waits a window long"


async def test_without_sharing_the_venue_refuses() -> None:
    assert (await measure("unshared", Shape(limit=150, window_ms=1_500, windows=2)))["refused"] > 0


@pytest.mark.parametrize("stop", STOPS)
async def test_when_one_process_is_told_to_stop_no_call_of_any_comes_later_than_50_ms_after(stop: str) -> None:
    """A busy machine may hold a process back for longer than that, so up to three runs are asked: who does not stop is late in each."""
    late: list[float] = []
    while 0 not in late and len(late) < RUNS_ON_A_BUSY_MACHINE:
        stopped = await measure("shared", Shape(limit=250, window_ms=2_500, windows=2), stop=stop)
        assert stopped["calls_before"] > 10
        assert stopped["calls_afterwards"] > 0, "and then they go on"
        late.append(stopped["calls_later_than_50_ms"])
    assert 0 in late


async def test_a_budget_survives_a_bus_that_is_killed(start: Start, server: EmbeddedServer) -> None:
    owner, other = await start("order_submission"), await start("status_polling")
    await eventually(lambda: owns(owner))
    server.kill()
    assert isinstance(await owner.limiter.take(REQUEST, Priority.CANCEL, deadline_seconds=0.05), Granted)
    assert await spend(other, REQUEST, Priority.RESOLVE) == 17
    server.start()
    await eventually(lambda: owns(owner))
    assert isinstance(await other.limiter.take(REQUEST, Priority.RESOLVE, deadline_seconds=5), Granted)
    assert not owner.running.done()
    assert not other.running.done()


def rains(process: Process) -> bool:
    """In every one of its budgets."""
    return process.limiter.raining and all(pool.is_raining for pool in process.pools)


async def command(server: EmbeddedServer, *arguments: str) -> int:
    return await asyncio.to_thread(run, ["--json", "--url", server.url, *arguments])


async def test_rain_is_one_switch_for_every_process_and_for_those_that_start_later(
    start: Start, server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    owner, other = await start("order_submission"), await start("status_polling")
    await eventually(lambda: owns(owner))
    assert await command(server, "rain") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"falling": False, "sinceMs": None}
    assert await command(server, "rain", "on") == 0
    since_ms = json.loads(capsys.readouterr().out.splitlines()[-1])["sinceMs"]
    assert abs(since_ms - SystemClock().now_ms()) < 10_000
    await eventually(lambda: rains(owner) and rains(other))
    late = await start("fill_streaming")
    await eventually(lambda: rains(late))
    assert await command(server, "rain", "on") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["sinceMs"] == since_ms, "it rains since then"
    await command(server, "status")
    status = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status["rain"] == {"falling": True, "sinceMs": since_ms}
    account = status["budgets"][subjects.account_budget(VENUE, ACCOUNT)]
    assert account["owner"].startswith("i0.")
    assert await spend(owner, ORDER, Priority.PLACE, seconds=0.05) == 160
    assert await command(server, "rain", "off") == 0
    await eventually(lambda: not any(pool.is_raining for each in (owner, other, late) for pool in each.pools))
    assert await spend(owner, ORDER, Priority.PLACE, seconds=0.05) == 160


async def test_status_names_a_budget_that_nobody_owns_and_a_freeze(
    start: Start, server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = await start("status_polling")
    alone.limiter.throttled(Freeze(for_ms=60_000, weights=PUBLIC, banned=True))
    await eventually(lambda: not any(pool.is_writing for pool in alone.pools))
    assert await command(server, "status") == 1
    problems = " ".join(json.loads(capsys.readouterr().out.splitlines()[-1])["problems"])
    assert f"nobody owns {subjects.account_budget(VENUE, ACCOUNT)}" in problems
    assert f"(418): {subjects.address_budget(VENUE, 'here')} is frozen for" in problems
