"""The gate for events of a stream, field by field. As strict as `fields`, without a model: ten thousand of them come in a second.

Decimals come as strings and may come as integers; ids and times come as integers and may come as strings; a JSON float has lost digits and is refused. What is
not relied on is not looked at. Raises Unreadable, naming the field and never its value.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from ordergate.trading.errors import Unreadable
from ordergate.trading.order import PositionSide, Side

Event = Mapping[str, Any]

_DECIMAL = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_NUMBER = re.compile(r"[0-9]{1,30}")
_NAME_LENGTH_MAX = 128
_TIME_MS_MAX = 253_402_300_800_000  # the year 10,000
_SIDES = {member.value: member for member in Side}
_POSITION_SIDES = {member.value: member for member in PositionSide}


def decode(data: bytes) -> Event:
    """The JSON object of a message. Raises Unreadable."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Unreadable("not JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("not an object")
    return found


def part(event: Event, name: str) -> Event:
    """An object within."""
    found = event.get(name)
    if not isinstance(found, dict):
        raise Unreadable(f"{name}: not an object")
    return found


def amount(event: Event, name: str) -> Decimal:
    """Not negative."""
    value = event.get(name)
    if type(value) is int:
        value = str(value)
    if type(value) is not str or _DECIMAL.fullmatch(value) is None or value[0] == "-":
        raise Unreadable(f"{name}: not an amount")
    return Decimal(value)


def positive(event: Event, name: str) -> Decimal:
    found = amount(event, name)
    if found == 0:
        raise Unreadable(f"{name}: zero")
    return found


def maybe_positive(event: Event, name: str) -> Decimal | None:
    """Zero, null, an empty text and absence all mean none."""
    value = event.get(name)
    return None if value is None or (type(value) is str and not value) else amount(event, name) or None


def signed(event: Event, name: str) -> Decimal:
    """A rebate is a negative fee. Absent or null: zero."""
    value = event.get(name)
    if value is None:
        return Decimal(0)
    if type(value) is int:
        value = str(value)
    if type(value) is not str or _DECIMAL.fullmatch(value) is None:
        raise Unreadable(f"{name}: not a number")
    return Decimal(value)


def number(event: Event, name: str) -> str:
    """An id of the venue's, as text: it becomes a token of a subject."""
    found = maybe_number(event, name)
    if found is None:
        raise Unreadable(f"{name}: not an id")
    return found


def maybe_number(event: Event, name: str) -> str | None:
    """None for -1, null and absence: the venue says "none" so."""
    value = event.get(name)
    if type(value) is int:
        value = str(value)
    if value is None or value == "-1":
        return None
    if type(value) is not str or _NUMBER.fullmatch(value) is None:
        raise Unreadable(f"{name}: not an id")
    return value


def time_ms(event: Event, name: str) -> int:
    value = event.get(name)
    if type(value) is str and _NUMBER.fullmatch(value) is not None:
        value = int(value)
    if type(value) is not int or not 0 <= value < _TIME_MS_MAX:
        raise Unreadable(f"{name}: not a time")
    return value


def flag(event: Event, name: str, *, absent: bool | None = None) -> bool:
    """absent: what a missing one means; None: it must be there."""
    value = event.get(name, absent)
    if type(value) is str and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if type(value) is not bool:
        raise Unreadable(f"{name}: neither true nor false")
    return value


def word(event: Event, name: str) -> str:
    value = event.get(name)
    if type(value) is not str or not 0 < len(value) <= _NAME_LENGTH_MAX:
        raise Unreadable(f"{name}: not a name")
    return value


def maybe_word(event: Event, name: str) -> str | None:
    """None for an empty text, null and absence."""
    return word(event, name) if event.get(name) else None


def side(event: Event, name: str) -> Side:
    found = _SIDES.get(word(event, name))
    if found is None:
        raise Unreadable(f"{name}: no side")
    return found


def position_side(event: Event, name: str) -> PositionSide:
    """Absent: BOTH, as in accounts that hold one position a symbol."""
    found = _POSITION_SIDES.get(maybe_word(event, name) or "BOTH")
    if found is None:
        raise Unreadable(f"{name}: no position side")
    return found


def error_code(event: Event) -> int | None:
    """Of an answer on the WebSocket API: `{"error": {"code": -2015, "msg": ...}}`."""
    error = event.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if type(code) is int else None
