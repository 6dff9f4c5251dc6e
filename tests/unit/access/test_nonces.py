import asyncio
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.access.clock import MARK_BLOCK_MS, Timestamps, VenueClock
from ordergate.access.nonces import NONCE_MAX, Mark, Nonces
from ordergate.trading.errors import ClockUnknown, Misconfigured
from ordergate.trading.ids import KeyId
from tests.unit.access.stage import ToldClock

KEY = KeyId("0123456789")
START = 1_790_000_000_000


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(-10_000, 10_000)), max_size=40))
def test_nonces_grow_across_crashes_and_whatever_the_clock_does(turns: list[tuple[bool, int]]) -> None:
    clock = ToldClock(wall_ms=START)
    given_out: list[int] = []
    with TemporaryDirectory() as folder:
        mark = Mark(Path(folder), KEY)
        nonces = Nonces(mark, clock.now_ms, block=50)
        for restart, step in turns:
            if restart:
                mark.close()
                mark = Mark(Path(folder), KEY)
                nonces = Nonces(mark, clock.now_ms, block=50)
            clock.step(step)
            given_out += [nonces.next(), nonces.next()]
        mark.close()
    assert all(earlier < later for earlier, later in pairwise(given_out))
    highest_clock = START + sum(max(0, step) for _, step in turns)
    assert all(nonce <= highest_clock + 53 * (len(turns) + 1) for nonce in given_out)


def test_the_clock_is_followed_where_it_moved_on(tmp_path: Path) -> None:
    now = START
    with Mark(tmp_path, KEY) as mark:
        nonces = Nonces(mark, lambda: now)
        assert [nonces.next(), nonces.next()] == [START, START + 1]
        now += 5_000
        assert nonces.next() == START + 5_000


def test_the_disk_is_written_once_a_block(tmp_path: Path) -> None:
    with Mark(tmp_path, KEY) as mark:
        nonces = Nonces(mark, lambda: START, block=10)
        written = []
        for _ in range(25):
            nonces.next()
            written.append(mark.value)
    assert len(set(written)) == 3


def test_a_second_process_on_the_same_key_is_refused(tmp_path: Path) -> None:
    with Mark(tmp_path, KEY):
        with pytest.raises(Misconfigured, match="key of its own"):
            Mark(tmp_path, KEY)
        Mark(tmp_path, KeyId("another")).close()
    Mark(tmp_path, KEY).close()


@pytest.mark.parametrize("content", ["", "abc", "-1", "1.5", str(2**64), "\x00\x00"])
def test_a_damaged_mark_is_refused_and_lets_the_key_go(tmp_path: Path, content: str) -> None:
    path = tmp_path / f"{KEY}.mark"
    path.write_text(content)
    with pytest.raises(Misconfigured, match="last number"):
        Mark(tmp_path, KEY)
    path.write_text("17\n")
    with Mark(tmp_path, KEY) as mark:
        assert mark.value == 17


def test_without_a_place_for_the_mark_nothing_is_given_out(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be kept"):
        Mark(tmp_path / "nowhere", KEY)
    mark = Mark(tmp_path, KEY)
    (tmp_path / f"{KEY}.new").mkdir()
    with pytest.raises(ClockUnknown, match="cannot be kept"):
        Nonces(mark, lambda: START).next()
    mark.close()


def test_the_numbers_have_an_end_and_it_is_said(tmp_path: Path) -> None:
    (tmp_path / f"{KEY}.mark").write_text(str(NONCE_MAX))
    with Mark(tmp_path, KEY) as mark, pytest.raises(Misconfigured, match="another key"):
        Nonces(mark, lambda: START).next()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=30))
def test_timestamps_never_repeat_across_restarts_nor_run_ahead(turns: list[tuple[bool, int]]) -> None:
    async def live(folder: Path) -> None:
        clock = ToldClock()
        venue_clock = VenueClock(clock, age_seconds_max=1e9)

        async def ask() -> int:
            return int(clock.seconds * 1_000) + 7_000_000

        await venue_clock.measure(ask, samples=1)
        mark = Mark(folder, KEY)
        timestamps = Timestamps(clock, venue_clock, mark=mark)
        last = 0
        for restart, burst in turns:
            if restart:
                mark.close()
                mark = Mark(folder, KEY)
                timestamps = Timestamps(clock, venue_clock, mark=mark)
            for _ in range(burst):
                timestamp = await timestamps.next()
                assert last < timestamp <= venue_clock.now_ms() + 501
                last = timestamp
            assert mark.value <= last + MARK_BLOCK_MS or not last
        mark.close()

    with TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder)))
