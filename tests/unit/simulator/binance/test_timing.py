"""When a request is in time."""

from __future__ import annotations

import pytest

from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.timing import Timing, read_timing

NOW = 1_790_000_000_000


def timing(**parameters: str) -> Timing:
    found = read_timing({"timestamp": str(NOW), **parameters})
    assert isinstance(found, Timing)
    return found


def code(failure: Failure | Timing | None) -> int | None:
    return failure.code if isinstance(failure, Failure) else None


@pytest.mark.parametrize(
    ("age_ms", "expected"), [(0, None), (5000, None), (5001, -1021), (-999, None), (-1000, -1021), (-60_000, -1021)]
)
def test_default_window_is_five_seconds_and_the_future_ends_after_one(age_ms: int, expected: int | None) -> None:
    assert code(timing().refuse_arrival(NOW + age_ms)) == expected


def test_second_check_is_of_age_alone() -> None:
    assert timing().refuse_late(NOW - 60_000) is None
    assert code(timing(recvWindow="100").refuse_late(NOW + 101)) == -1021


def test_microseconds_are_told_by_their_size() -> None:
    exact = timing(timestamp=f"{NOW}250")
    assert exact.made_us == NOW * 1000 + 250
    assert timing().made_us == NOW * 1000


def test_window_has_up_to_three_decimals() -> None:
    short = timing(timestamp=f"{NOW}001", recvWindow="0.999")
    assert short.window_us == 999
    assert short.refuse_arrival(NOW + 1) is None
    assert code(timing(recvWindow="0.999").refuse_arrival(NOW + 1)) == -1021


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"timestamp": ""}, -1102),
        ({"timestamp": "now"}, -1100),
        ({"timestamp": "-5"}, -1100),
        ({"timestamp": "1" * 21}, -1100),
        ({"recvWindow": "5s"}, -1100),
        ({"recvWindow": ""}, -1100),
        ({"recvWindow": "1.2345"}, -1100),
        ({"recvWindow": "60000.001"}, -1131),
    ],
)
def test_malformed_time_is_named(parameters: dict[str, str], expected: int) -> None:
    assert code(read_timing({"timestamp": str(NOW), **parameters})) == expected


def test_both_are_taken_out_of_the_parameters() -> None:
    parameters = {"timestamp": str(NOW), "recvWindow": "60000", "symbol": "BTCUSDT"}
    read_timing(parameters)
    assert parameters == {"symbol": "BTCUSDT"}
