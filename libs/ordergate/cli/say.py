"""How things are said: one JSON document or line for programs, tables and short texts for people."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ordergate.cli.exits import WrongUsage

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH_OF_A_PIPE = 200
GAP = 3
"""Between two columns."""
_WIDE = Context(prec=400)
_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_UNITS = {"ms": 1, "s": _SECOND, "m": _MINUTE, "min": _MINUTE, "h": _HOUR, "d": _DAY}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|m|h|d)")
_MS_DIGITS = 12


def document(value: Any) -> None:
    """One JSON document, or one of many, on a line of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def line(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def error_line(text: str) -> None:
    sys.stderr.write(f"ordergate: {text}\n")
    sys.stderr.flush()


def console() -> "Console":
    from rich.console import Console  # noqa: PLC0415 - see the law of this room

    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> "Table":
    """A column whose name begins with `>` holds numbers and is set to the right."""
    from rich.box import SIMPLE  # noqa: PLC0415 - see the law of this room
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = Table(box=SIMPLE, title=title, title_justify="left", pad_edge=False, show_edge=False)
    for column in columns:
        right = column.startswith(">")
        made.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))  # Text: what stands on the bus is no markup
    return made


def fitted(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, dispensable: Sequence[str]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows without as many of the dispensable columns, the first named first, as it takes to fit the width."""
    kept = list(range(len(columns)))
    for name in dispensable:
        if _width(columns, rows, kept) <= width:
            break
        kept = [index for index in kept if columns[index].removeprefix(">") != name]
    return tuple(columns[index] for index in kept), [tuple(row[index] for index in kept) for row in rows]


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]], kept: Sequence[int]) -> int:
    widest = (max(len(columns[index].removeprefix(">")), *(len(row[index]) for row in rows), 0) for index in kept)
    return sum(widest) + GAP * (len(kept) - 1)


def amount(value: Decimal) -> str:
    """Without exponent and without zeros that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_places(value: Decimal, places: int) -> Decimal:
    """Rounded, however long it is: `round` knows 28 digits, and what a stranger wrote may have more."""
    return value.quantize(Decimal(1).scaleb(-places), context=_WIDE)


def duration(milliseconds: float) -> str:
    """In the unit that fits: 12 ms, 3.2 s, 4 min 05 s, 2 h 10 min, 3 d 4 h."""
    if milliseconds < _SECOND:
        return f"{milliseconds:.0f} ms"
    if milliseconds < _MINUTE:
        return f"{milliseconds / _SECOND:.1f} s"
    whole = int(milliseconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE // _SECOND:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def clock(at_ms: int) -> str:
    """UTC, to the millisecond: 2026-01-31 12:00:00.123."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{at_ms % 1000:03d}"


def read_duration(text: str) -> int:
    """Milliseconds of `5s`, `250ms`, `2h`. Raises WrongUsage."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise WrongUsage(f"{text!r} is no length of time; say for example 250ms, 5s, 10m, 2h or 1d")
    return int(Decimal(found[1]) * _UNITS[found[2]])


def read_moment(text: str, now_ms: int) -> int:
    """UTC milliseconds of `10m` (that long ago), of an ISO time (UTC unless it says otherwise) or of milliseconds. Raises WrongUsage."""
    if _DURATION.fullmatch(text.strip()):
        return now_ms - read_duration(text)
    if text.isdigit() and len(text) >= _MS_DIGITS:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongUsage(
            f"{text!r} is no time; say for example 10m (ago), 2026-01-31T12:00:00 or milliseconds"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def read_amount(text: str | None, name: str) -> Decimal | None:
    """Raises WrongUsage."""
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise WrongUsage(f"{name}: {text!r} is no decimal number") from error
    if not value.is_finite() or value <= 0:
        raise WrongUsage(f"{name} must be above zero")
    return value
