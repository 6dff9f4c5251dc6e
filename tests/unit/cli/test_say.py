"""Claims about how the command line says and reads things."""

from decimal import Decimal

import pytest

from ordergate.cli import say
from ordergate.cli.exits import WrongUsage


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(12, "12 ms"), (3_200, "3.2 s"), (245_000, "4 min 05 s"), (7_800_000, "2 h 10 min"), (273_600_000, "3 d 4 h")],
)
def test_a_duration_is_said_in_the_unit_that_fits(milliseconds: int, text: str) -> None:
    assert say.duration(milliseconds) == text


@pytest.mark.parametrize(("text", "value"), [("0.0100", "0.01"), ("1E+3", "1000"), ("100", "100"), ("0.000", "0")])
def test_an_amount_has_no_exponent_and_no_idle_zeros(text: str, value: str) -> None:
    assert say.amount(Decimal(text)) == value


@pytest.mark.parametrize(("text", "value"), [("250ms", 250), ("5s", 5_000), ("1.5h", 5_400_000), ("10min", 600_000)])
def test_a_duration_is_read(text: str, value: int) -> None:
    assert say.read_duration(text) == value


@pytest.mark.parametrize("text", ["", "5", "-5s", "5 weeks", "s"])
def test_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(WrongUsage, match="say for example"):
        say.read_duration(text)


def test_a_moment_is_a_time_ago_an_iso_time_or_milliseconds() -> None:
    assert say.read_moment("10m", 1_790_000_600_000) == 1_790_000_000_000
    assert say.read_moment("1970-01-01T00:00:01", 0) == 1_000
    assert say.read_moment("1970-01-01T01:00:01+01:00", 0) == 1_000
    assert say.read_moment("1790000000000", 0) == 1_790_000_000_000
    with pytest.raises(WrongUsage, match="is no time"):
        say.read_moment("yesterday", 0)


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "Infinity", "ten"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="quantity"):
        say.read_amount(text, "quantity")


def test_a_narrow_terminal_does_without_columns_in_the_order_named() -> None:
    columns, rows = ("order", ">price", "why"), [("demo-1", "64250.5", "a long reason that takes its room")]
    assert say.fitted(columns, rows, width=80, dispensable=("why", "price")) == (columns, rows)
    narrow = say.fitted(columns, rows, width=20, dispensable=("why", "price"))
    assert narrow == (("order", ">price"), [("demo-1", "64250.5")])
    assert say.fitted(columns, [], width=1, dispensable=("why", "price")) == (("order",), [])
