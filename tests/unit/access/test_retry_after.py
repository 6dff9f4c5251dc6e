import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.retry_after import (
    RETRY_AFTER_MS_DEFAULT,
    RETRY_AFTER_MS_MAX,
    RETRY_AFTER_MS_MIN,
    retry_after_ms,
)

NOON = "Sat, 21 Nov 2026 12:00:00 GMT"


def test_seconds_are_seconds() -> None:
    assert retry_after_ms({"retry-after": " 17 "}) == 17_000


def test_a_date_counts_from_the_venues_own_clock() -> None:
    assert retry_after_ms({"retry-after": "Sat, 21 Nov 2026 12:02:30 GMT", "date": NOON}) == 150_000


def test_a_date_in_the_past_is_a_short_wait() -> None:
    assert retry_after_ms({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT", "date": NOON}) == RETRY_AFTER_MS_MIN


def test_zero_is_no_reason_to_call_in_a_loop() -> None:
    assert retry_after_ms({"retry-after": "0"}) == RETRY_AFTER_MS_MIN


@pytest.mark.parametrize("year", ["31536000", "9" * 40, "Sun, 21 Nov 2027 12:00:00 GMT"])
def test_a_year_is_bounded(year: str) -> None:
    assert retry_after_ms({"retry-after": year, "date": NOON}) == RETRY_AFTER_MS_MAX


@pytest.mark.parametrize(
    "nonsense", ["", "-5", "NaN", "inf", "1e3", "12.5", "soon", "\u0663", "<html>", "21 Nov", NOON]
)
def test_nonsense_and_a_date_without_a_clock_is_the_default(nonsense: str) -> None:
    assert retry_after_ms({"retry-after": nonsense}) == RETRY_AFTER_MS_DEFAULT


def test_a_missing_header_is_the_default() -> None:
    assert retry_after_ms({}, default_ms=5_000) == 5_000


@given(st.text(), st.text())
def test_whatever_stands_there_the_wait_is_bounded(text: str, date: str) -> None:
    assert RETRY_AFTER_MS_MIN <= retry_after_ms({"retry-after": text, "date": date}) <= RETRY_AFTER_MS_MAX
