from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.budget import (
    CANCEL_EXTRA,
    GUARD_MS,
    PLAN,
    PUBLISHED_TIMES_MAX,
    Budget,
    Limit,
    Published,
    Scope,
    Usage,
    Weights,
    divided,
)
from ordergate.ports.venue import Priority
from ordergate.trading.errors import Misconfigured, WrongLimit

MINUTE = 60_000
REQUEST: Weights = {Scope.REQUESTS: 1}
ORDER: Weights = {Scope.ORDERS: 1, Scope.REQUESTS: 1}


def budget(*, share: float = 1.0, requests: int = 100, orders: int = 30) -> Budget:
    limits = (
        Limit(scope=Scope.REQUESTS, limit=requests, window_ms=MINUTE, contested=True),
        Limit(scope=Scope.ORDERS, limit=orders, window_ms=MINUTE),
    )
    return divided(limits, shares={Scope.REQUESTS: share})


def spend(of: Budget, weights: Weights, priority: Priority, now_ms: int = 0) -> int:
    """How many calls pass before one must wait."""
    passed = 0
    while not of.take(weights, priority, now_ms):
        passed += 1
    return passed


def test_orders_may_use_four_fifths_of_their_limit_and_then_wait_for_the_window() -> None:
    full = budget(requests=1_000)
    assert spend(full, ORDER, Priority.PLACE, 59_000) == 24
    assert full.take(ORDER, Priority.PLACE, 59_000) == 1_000 + GUARD_MS
    assert full.take(ORDER, Priority.PLACE, MINUTE) == GUARD_MS
    assert full.take(ORDER, Priority.PLACE, MINUTE + GUARD_MS) == 0


def test_a_call_that_must_wait_is_counted_nowhere() -> None:
    full = budget(requests=1_000)
    spend(full, ORDER, Priority.PLACE)
    assert full.used(Scope.REQUESTS, 0) == (24, 1_000)


def test_cancels_find_room_when_everybody_else_has_spent_theirs() -> None:
    spent = budget()
    for priority in (Priority.POLL, Priority.RECONCILE, Priority.PLACE, Priority.RESOLVE):
        spend(spent, REQUEST, priority)
    assert spent.take(REQUEST, Priority.RESOLVE, 0) > 0
    assert spend(spent, REQUEST, Priority.CANCEL) >= 6


def test_cancels_take_what_is_theirs_alone_before_they_take_from_lookups() -> None:
    busy = budget(requests=1_000)
    assert spend(busy, REQUEST, Priority.PLACE) == 736
    for _ in range(50):
        assert busy.take(REQUEST, Priority.CANCEL, 0) == 0
    assert busy.take(REQUEST, Priority.PLACE, 0) > 0
    assert spend(busy, REQUEST, Priority.RESOLVE) == 56, "what is kept for them, as if there had been no cancel"
    assert busy.used(Scope.REQUESTS, 0)[0] + spend(busy, REQUEST, Priority.CANCEL) == 850


def test_polls_leave_room_for_lookups() -> None:
    spent = budget()
    spend(spent, REQUEST, Priority.POLL)
    assert spend(spent, REQUEST, Priority.RESOLVE) >= 20


def test_what_the_venue_counted_raises_the_count_and_never_lowers_it() -> None:
    seen = budget()
    seen.observe(Usage(scope=Scope.REQUESTS, limit=100, used=78), sent_at_ms=0, now_ms=10)
    assert seen.used(Scope.REQUESTS, 10) == (78, 100)
    seen.observe(Usage(scope=Scope.REQUESTS, limit=100, used=3), sent_at_ms=0, now_ms=20)
    assert seen.used(Scope.REQUESTS, 20) == (78, 100)
    assert spend(seen, REQUEST, Priority.PLACE, 20) == 2


def test_an_answer_from_another_window_says_nothing_about_this_one() -> None:
    seen = budget()
    seen.observe(Usage(scope=Scope.REQUESTS, limit=100, used=80), sent_at_ms=59_990, now_ms=60_010)
    assert seen.used(Scope.REQUESTS, 60_010) == (0, 100)


def test_a_lower_limit_of_the_venue_holds_and_a_higher_one_does_not() -> None:
    seen = budget()
    seen.observe(Usage(scope=Scope.ORDERS, limit=10, used=0), sent_at_ms=0, now_ms=0)
    assert spend(seen, ORDER, Priority.PLACE) == 8
    seen.observe(Usage(scope=Scope.ORDERS, limit=5_000, used=0), sent_at_ms=90_000, now_ms=90_000)
    assert spend(seen, ORDER, Priority.PLACE, 90_000) == 24


def test_an_unnamed_header_scope_changes_nothing() -> None:
    seen = budget()
    seen.observe(Usage(scope=Scope.BATCH, limit=1, used=1), sent_at_ms=0, now_ms=0)
    assert spend(seen, ORDER, Priority.PLACE) == 24


def published(limit: Any, *, at_ms: int = 0, scope: Scope = Scope.ORDERS, window_ms: int = MINUTE) -> Published:
    return Published(scope=scope, limit=limit, window_ms=window_ms, at_ms=at_ms)


def test_a_higher_limit_that_the_venue_publishes_holds_from_the_next_window_on() -> None:
    told = budget(requests=1_000)
    told.adopt(published(60, at_ms=30_000), 30_000)
    assert told.used(Scope.ORDERS, 30_000) == (0, 30)
    assert spend(told, ORDER, Priority.PLACE, 30_000) == 24
    assert told.take(ORDER, Priority.PLACE, MINUTE + GUARD_MS - 1) > 0, (
        "the venue may still count it in the window before"
    )
    assert spend(told, ORDER, Priority.PLACE, MINUTE + GUARD_MS) == 48


def test_a_limit_that_was_published_in_a_window_before_holds_at_once() -> None:
    started = budget(requests=1_000)
    started.adopt(published(60, at_ms=30_000), MINUTE + 5_000)
    assert spend(started, ORDER, Priority.PLACE, MINUTE + 5_000) == 48


def test_a_lower_limit_that_the_venue_publishes_in_mid_window_holds_at_once() -> None:
    told = budget(requests=1_000)
    for _ in range(10):
        assert told.take(ORDER, Priority.PLACE, 30_000) == 0
    told.adopt(published(10, at_ms=30_000), 30_000)
    assert told.take(ORDER, Priority.PLACE, 30_001) > 0
    assert spend(told, ORDER, Priority.PLACE, 90_000) == 8
    told.observe(Usage(scope=Scope.ORDERS, limit=30, used=0), sent_at_ms=90_000, now_ms=90_000)
    assert told.take(ORDER, Priority.PLACE, 90_000) > 0, "a header does not undo what was published"


def test_a_higher_limit_that_is_taken_back_before_its_window_never_holds() -> None:
    told = budget(requests=1_000)
    told.adopt(published(60), 0)
    told.adopt(published(30), 10)
    assert spend(told, ORDER, Priority.PLACE, 90_000) == 24


@pytest.mark.parametrize(
    "nonsense",
    [
        published(0),
        published(-5),
        published(True),
        published(1.5),
        published(float("nan")),
        published("30"),
        published(None),
        published(30 * PUBLISHED_TIMES_MAX + 1),
        published(20, window_ms=1_000),
        published(20, scope=Scope.BATCH),
    ],
    ids=repr,
)
def test_a_published_limit_that_is_none_is_refused_by_type_and_the_declared_one_stands(nonsense: Published) -> None:
    told = budget(requests=1_000)
    with pytest.raises(WrongLimit, match=r"stands|declare it"):
        told.adopt(nonsense, 0)
    assert told.used(Scope.ORDERS, 0) == (0, 30)
    assert spend(told, ORDER, Priority.PLACE, 90_000) == 24


@pytest.mark.parametrize("limit", [0, -1])
def test_a_header_with_a_limit_of_nothing_says_nothing(limit: int) -> None:
    seen = budget(requests=1_000)
    seen.observe(Usage(scope=Scope.ORDERS, limit=limit, used=0), sent_at_ms=0, now_ms=0)
    assert spend(seen, ORDER, Priority.PLACE) == 24


@pytest.mark.parametrize(("limit", "window_ms"), [(0, MINUTE), (-1, MINUTE), (10, 0), (10, -1)])
def test_a_declared_limit_of_nothing_is_refused(limit: int, window_ms: int) -> None:
    with pytest.raises(Misconfigured, match="at least 1"):
        Limit(scope=Scope.ORDERS, limit=limit, window_ms=window_ms)


shares = st.lists(st.floats(0.01, 1), min_size=1, max_size=6).map(lambda parts: [part / sum(parts) for part in parts])
calls = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(Priority), st.integers(0, 3_000)), max_size=400)


@given(shares, calls)
def test_all_processes_together_never_pass_the_limit(parts: list[float], made: list[tuple[int, Priority, int]]) -> None:
    # Only the first process cancels, as in the services.
    processes = [budget(share=part, requests=200, orders=1_000) for part in parts]
    used: dict[int, int] = {}
    now_ms = 0
    for number, wish, pause in made:
        now_ms += pause
        who = number % len(processes)
        priority = Priority.PLACE if wish is Priority.CANCEL and who else wish
        if not processes[who].take(REQUEST, priority, now_ms):
            used[now_ms // MINUTE] = used.get(now_ms // MINUTE, 0) + 1
    assert all(count <= 200 * (PLAN + CANCEL_EXTRA) + len(parts) for count in used.values())
