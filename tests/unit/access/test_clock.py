import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.clock import SLOTS_MAX, LastTimestamp, Slot, Timestamps, VenueClock, slots
from ordergate.trading.errors import ClockUnknown, Misconfigured, VenueUnavailable
from tests.unit.access.stage import ToldClock


class Venue:
    """Answers with its own time after the round trips it is told, half of each on the way there."""

    def __init__(self, clock: ToldClock, *, ahead_ms: int, round_trips: list[float]) -> None:
        self.clock, self.ahead_ms, self.round_trips = clock, ahead_ms, round_trips

    def true_ms(self) -> int:
        return int(self.clock.seconds * 1_000) + self.ahead_ms

    async def ask(self) -> int:
        half = self.round_trips.pop(0) / 2
        self.clock.pass_seconds(half)
        told = self.true_ms()
        self.clock.pass_seconds(half)
        return told


async def known_clock(clock: ToldClock, *, ahead_ms: int = 5_000_000) -> tuple[VenueClock, Venue]:
    venue = Venue(clock, ahead_ms=ahead_ms, round_trips=[0.002])
    venue_clock = VenueClock(clock)
    await venue_clock.measure(venue.ask, samples=1)
    return venue_clock, venue


async def test_an_answer_belongs_to_the_middle_of_the_round_trip_and_the_fastest_counts() -> None:
    clock = ToldClock()
    venue = Venue(clock, ahead_ms=7_000_000, round_trips=[0.4, 0.02, 0.9])
    venue_clock = VenueClock(clock)
    found = await venue_clock.measure(venue.ask, samples=3)
    assert found.uncertainty_ms == pytest.approx(10)
    assert abs(venue_clock.now_ms() - venue.true_ms()) <= 1


async def test_nothing_is_known_before_the_first_measurement_or_after_distrust() -> None:
    clock = ToldClock()
    venue_clock = VenueClock(clock)
    with pytest.raises(ClockUnknown):
        venue_clock.now_ms()
    await venue_clock.measure(Venue(clock, ahead_ms=0, round_trips=[0.01]).ask, samples=1)
    assert venue_clock.is_known
    venue_clock.distrust()
    with pytest.raises(ClockUnknown):
        venue_clock.now_ms()


async def test_an_old_measurement_is_no_knowledge() -> None:
    clock = ToldClock()
    venue_clock, _ = await known_clock(clock)
    clock.pass_seconds(299)
    assert venue_clock.is_known
    clock.pass_seconds(2)
    with pytest.raises(ClockUnknown):
        venue_clock.now_ms()


async def test_a_step_of_the_wall_clock_changes_nothing_but_the_drift() -> None:
    clock = ToldClock()
    venue_clock, venue = await known_clock(clock)
    before = venue_clock.drift_ms()
    clock.step(-3_600_000)
    assert abs(venue_clock.now_ms() - venue.true_ms()) <= 1
    assert before is not None
    assert venue_clock.drift_ms() == before - 3_600_000


async def test_the_rate_at_which_the_clocks_drift_apart_is_told_between_readings_that_are_far_enough_apart() -> None:
    clock = ToldClock()
    venue = VenueClock(clock)
    gained_ms = 0

    async def ask() -> int:
        return round(clock.monotonic() * 1_000) + gained_ms

    await venue.measure(ask, samples=1)
    clock.pass_seconds(1)
    await venue.measure(ask, samples=1)
    assert venue.rate_ppm is None
    clock.pass_seconds(59)
    gained_ms = 60
    await venue.measure(ask, samples=1)
    assert venue.rate_ppm == pytest.approx(1_000)
    clock.pass_seconds(60)
    await venue.measure(ask, samples=1)
    assert venue.rate_ppm == pytest.approx(0)


async def test_a_slow_or_failed_measurement_leaves_the_old_one() -> None:
    clock = ToldClock()
    venue_clock, venue = await known_clock(clock)
    venue.round_trips = [5.0]
    with pytest.raises(ClockUnknown):
        await venue_clock.measure(venue.ask, samples=1)

    async def fail() -> int:
        raise VenueUnavailable

    with pytest.raises(VenueUnavailable):
        await venue_clock.measure(fail, samples=1)
    assert abs(venue_clock.now_ms() - venue.true_ms()) <= 1


@given(st.lists(st.floats(0, 0.01), min_size=1, max_size=60))
def test_timestamps_strictly_increase_and_are_never_far_ahead(pauses: list[float]) -> None:
    async def run() -> None:
        clock = ToldClock()
        venue_clock, _ = await known_clock(clock)
        timestamps = Timestamps(clock, venue_clock, lead_ms_max=5)
        given_out = []
        for pause in pauses:
            clock.pass_seconds(pause)
            given_out.append(await timestamps.next())
            assert given_out[-1] - venue_clock.now_ms() <= 5
        assert all(later > earlier for earlier, later in pairwise(given_out))

    asyncio.run(run())


async def test_a_thousand_callers_at_once_get_a_thousand_timestamps() -> None:
    clock = ToldClock()
    venue_clock, _ = await known_clock(clock)
    timestamps = Timestamps(clock, venue_clock)
    given_out = await asyncio.gather(*(timestamps.next() for _ in range(1_000)))
    assert len(set(given_out)) == 1_000
    assert sum(clock.slept) >= 0.4, "beyond the lead it must have waited"


async def test_a_clock_measured_slower_never_repeats_a_timestamp() -> None:
    clock = ToldClock()
    venue_clock, venue = await known_clock(clock)
    timestamps = Timestamps(clock, venue_clock)
    first = await timestamps.next()
    venue.ahead_ms -= 300
    venue.round_trips = [0.002]
    await venue_clock.measure(venue.ask, samples=1)
    assert await timestamps.next() > first


@pytest.mark.parametrize(("back_ms", "followed"), [(30_000, False), (90_000, True)])
async def test_a_venue_clock_that_jumps_back_is_followed_only_beyond_the_replay_memory(
    back_ms: int, *, followed: bool
) -> None:
    clock = ToldClock()
    venue_clock, venue = await known_clock(clock)
    careful, reading = Timestamps(clock, venue_clock, replay_memory_ms=65_000), Timestamps(clock, venue_clock)
    for timestamps in (careful, reading):
        await timestamps.next()
    venue.ahead_ms -= back_ms
    venue.round_trips = [0.002]
    await venue_clock.measure(venue.ask, samples=1)
    assert abs(await reading.next() - venue.true_ms()) <= 2
    if followed:
        assert abs(await careful.next() - venue.true_ms()) <= 2
    else:
        with pytest.raises(ClockUnknown):
            await careful.next()


async def test_a_trading_key_rests_before_its_first_signature() -> None:
    clock = ToldClock()
    venue_clock, _ = await known_clock(clock)
    timestamps = Timestamps(clock, venue_clock, rest_ms=500)
    predecessor_may_have_used = venue_clock.now_ms() + 499
    assert await timestamps.next() > predecessor_may_have_used


async def test_two_sessions_of_one_key_never_use_the_same_timestamp() -> None:
    clock = ToldClock()
    venue_clock, _ = await known_clock(clock)
    last = LastTimestamp()
    trading = Timestamps(clock, venue_clock, replay_memory_ms=65_000, last=last)
    reading = Timestamps(clock, venue_clock, last=last)
    used = [await each.next() for _ in range(50) for each in (trading, reading)]
    assert len(set(used)) == 100


async def test_a_reader_beside_a_trading_client_does_not_make_its_timestamps_come_again() -> None:
    clock = ToldClock()
    venue_clock, venue = await known_clock(clock)
    last = LastTimestamp()
    reading = Timestamps(clock, venue_clock, last=last)
    trading = Timestamps(clock, venue_clock, replay_memory_ms=65_000, last=last)
    await trading.next()
    venue.ahead_ms -= 30_000
    venue.round_trips = [0.002]
    await venue_clock.measure(venue.ask, samples=1)
    with pytest.raises(ClockUnknown):
        await reading.next()


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), max_size=60))
def test_processes_that_share_a_key_never_sign_the_same_millisecond(
    processes: int, turns: list[tuple[int, int]]
) -> None:
    async def share() -> None:
        clock = ToldClock()
        venue_clock, venue = await known_clock(clock)
        signers = [
            Timestamps(clock, venue_clock, slot=slot) for slot in slots(processes, orders_requests_by_nonce=False)
        ]
        used: list[list[int]] = [[] for _ in signers]
        for turn, passing_ms in turns:
            clock.pass_seconds(passing_ms / 1_000)
            timestamp = await signers[turn % processes].next()
            assert venue.true_ms() - 1 <= timestamp <= venue.true_ms() + 500 + processes
            used[turn % processes].append(timestamp)
        assert all(earlier < later for each in used for earlier, later in pairwise(each))
        together = [timestamp for each in used for timestamp in each]
        assert len(set(together)) == len(together)

    asyncio.run(share())


def test_a_key_is_not_shared_where_the_venue_orders_requests_by_nonce() -> None:
    assert slots(1, orders_requests_by_nonce=True) == (Slot(0, 1),)
    with pytest.raises(Misconfigured, match="a key of its own"):
        slots(2, orders_requests_by_nonce=True)


@pytest.mark.parametrize(("number", "of"), [(1, 1), (-1, 2), (0, 0), (0, SLOTS_MAX + 1)])
def test_a_slot_that_does_not_exist_is_refused(number: int, of: int) -> None:
    with pytest.raises(Misconfigured):
        Slot(number, of)
