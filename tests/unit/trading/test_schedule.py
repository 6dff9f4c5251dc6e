"""Claims about when the venue is asked: early enough, no more than needed, and nothing declared before the fence."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.order import AT_VENUE, State
from ordergate.trading.schedule import (
    PollPolicy,
    Watch,
    due_lookups,
    fence_ms,
    is_missing,
    next_lookup_ms,
    next_wake_ms,
    proof_of_absence,
)
from tests.unit.trading.making import SENT_AT, attempt

POLICY = PollPolicy(owner_hold_ms=6_000)
START = 100_000


def lookups(watch: Watch, count: int) -> list[int]:
    """When the first lookups happen, each made when it is due and finding nothing; relative to START."""
    times = []
    for _ in range(count):
        at_ms = next_lookup_ms(watch, POLICY)
        assert at_ms is not None
        times.append(at_ms - START)
        watch = replace(watch, lookups=watch.lookups + 1, last_lookup_ms=at_ms)
    return times


def test_an_unknown_order_is_looked_up_at_once_then_after_growing_pauses() -> None:
    assert lookups(Watch(state=State.UNKNOWN, since_ms=START), 6) == [0, 500, 1_500, 3_500, 5_500, 7_500]


def test_a_submitting_order_is_its_owners_while_the_request_may_be_under_way() -> None:
    held = Watch(state=State.SUBMITTING, since_ms=START)
    assert lookups(held, 3) == [6_000, 6_500, 7_500]
    assert lookups(replace(held, owner_gone=True), 3) == [0, 500, 1_500]


def test_an_order_that_the_list_shows_needs_no_lookup() -> None:
    for state in AT_VENUE:
        assert next_lookup_ms(Watch(state=state, since_ms=START, seen_ms=START), POLICY) is None


def test_a_young_order_no_list_has_shown_yet_is_looked_up() -> None:
    young = Watch(state=State.ACCEPTED, since_ms=START, seen_ms=START - 1)
    assert lookups(young, 2) == [1_500, 2_000]


def test_an_order_missing_from_the_list_is_looked_up_at_once() -> None:
    missing = Watch(state=State.ACCEPTED, since_ms=START - 9_000, seen_ms=START - 1_000, missing_since_ms=START)
    assert lookups(missing, 3) == [0, 500, 1_500]


def test_a_list_asked_too_soon_after_the_order_says_nothing_about_it() -> None:
    young = Watch(state=State.ACCEPTED, since_ms=START)
    assert not is_missing(young, list_asked_ms=START + 1_499, policy=POLICY)
    assert is_missing(young, list_asked_ms=START + 1_500, policy=POLICY)
    assert not is_missing(replace(young, state=State.UNKNOWN), list_asked_ms=START + 9_000, policy=POLICY)


@pytest.mark.parametrize("state", [State.APPROVED, *(state for state in State if state.is_terminal)])
def test_nothing_is_asked_about_an_order_that_was_never_sent_or_is_over(state: State) -> None:
    watch = Watch(state=state, since_ms=START)
    assert next_lookup_ms(watch, POLICY) is None
    assert next_wake_ms([watch], POLICY, last_list_ms=None, now_ms=START) is None


def test_the_longest_overdue_is_asked_first() -> None:
    watches = [
        Watch(state=State.UNKNOWN, since_ms=START - 10),
        Watch(state=State.ACCEPTED, since_ms=START, seen_ms=START),
        Watch(state=State.UNKNOWN, since_ms=START - 30),
        Watch(state=State.UNKNOWN, since_ms=START + 1),
    ]
    assert due_lookups(watches, POLICY, START) == [2, 0]


def test_the_poller_wakes_for_the_list_or_the_next_lookup_whichever_comes_first() -> None:
    resting = Watch(state=State.ACCEPTED, since_ms=START, seen_ms=START)
    unknown = Watch(state=State.UNKNOWN, since_ms=START, lookups=1, last_lookup_ms=START)
    assert next_wake_ms([resting], POLICY, last_list_ms=None, now_ms=START) == START
    assert next_wake_ms([resting], POLICY, last_list_ms=START, now_ms=START) == START + 1_000
    assert next_wake_ms([resting, unknown], POLICY, last_list_ms=START, now_ms=START) == START + 500
    assert next_wake_ms([resting], POLICY, last_list_ms=START, now_ms=START + 5_000) == START + 5_000


def test_the_fence_is_the_window_and_the_settling_after_the_timestamp() -> None:
    assert fence_ms(attempt(1), window_ms=5_000, settle_ms=1_000) == SENT_AT + 1 + 6_000


def test_only_two_lookups_asked_after_the_fence_prove_absence() -> None:
    assert proof_of_absence(10, (1, 2, 10, 11)) is None
    assert proof_of_absence(10, (9, 11, 12)) == (11, 12)


watches = st.builds(
    Watch,
    state=st.sampled_from(State),
    since_ms=st.integers(START - 10_000, START),
    seen_ms=st.none() | st.integers(START - 10_000, START),
    missing_since_ms=st.none() | st.integers(START - 10_000, START),
    lookups=st.integers(0, 9),
    last_lookup_ms=st.none() | st.integers(START - 10_000, START),
    owner_gone=st.booleans(),
)


@given(watched=st.lists(watches, max_size=6), last_list=st.none() | st.integers(START - 5_000, START))
def test_nothing_that_is_due_is_slept_over(watched: list[Watch], last_list: int | None) -> None:
    wake = next_wake_ms(watched, POLICY, last_list_ms=last_list, now_ms=START)
    if due_lookups(watched, POLICY, START):
        assert wake == START
    elif wake is not None:
        assert not due_lookups(watched, POLICY, wake - 1) or wake == START
        assert START <= wake <= START + POLICY.list_period_ms


def test_the_two_lookups_that_may_prove_absence_come_right_behind_the_fence() -> None:
    """Unknown at 0, fence at 6,000: without it the pauses of two seconds would end at 9,500."""
    asked = [0]
    watch = Watch(state=State.UNKNOWN, since_ms=0, lookups=1, last_lookup_ms=0, fence_ms=6_000)
    while len([at_ms for at_ms in asked if at_ms > 6_000]) < 2:
        at_ms = next_lookup_ms(watch, POLICY)
        assert at_ms is not None
        asked.append(at_ms)
        watch = replace(watch, lookups=watch.lookups + 1, last_lookup_ms=at_ms)
    assert asked[-1] <= 6_500
    assert len(asked) <= 8


def test_long_after_the_fence_an_order_that_stays_unknown_is_asked_about_at_the_usual_pace() -> None:
    watch = Watch(state=State.UNKNOWN, since_ms=0, lookups=9, last_lookup_ms=20_000, fence_ms=6_000)
    assert next_lookup_ms(watch, POLICY) == 20_000 + POLICY.lookup_delays_ms[-1]
