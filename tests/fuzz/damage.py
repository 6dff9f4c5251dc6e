"""From a string of bytes that hypothesis draws to a damaged message: what is chosen is chosen by those bytes, so it shrinks with them."""

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

T = TypeVar("T")
Json = Any

DEEP = 3_000
LONG = "9" * 5_000
JUNK: tuple[Json, ...] = (
    None, True, False, 0, 1, -1, 7, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    "", " ", "\0", "\n", "a.b", ">", "*", "_", "=5F", "=", "-", "é", "\ud800", "\u202e", "\U0001f4a3", "NaN", "Infinity",
    "-1", "0", "1e5", "1.", ".5", "+1", "0x10", "\u0661", "9" * 60, "9" * 61, "0." + "0" * 59 + "1", "BUY", "approved", "x" * 64, "x" * 65,
    "x" * 2_000, LONG, [], {}, [[]], [None], {"a": 1}, {"schema": 1}, {"": ""}, [1, "2", {}],
)  # fmt: skip
SPLICES = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xc3", b"\xed\xa0\x80", b"\r\n", b"\r\n\r\n", b"\\ud800", b"NaN", b"-Infinity", b"1e999", b",", b":",
    b'"', b"{", b"}", b"[", b"[" * DEEP, b'{"a":' * DEEP, b"9" * 400, LONG.encode(), b'"schema":1,', b'"intentId":"again",', b"//", b"/*",
)  # fmt: skip


def be_quiet() -> None:
    """What is refused is also logged, and here everything is refused."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class Choices:
    """Decisions read off the drawn bytes, two at a time; when they are used up every decision is the first one."""

    def __init__(self, drawn: bytes) -> None:
        self._drawn = drawn
        self._at = 0

    def below(self, limit: int) -> int:
        number = int.from_bytes(self._drawn[self._at : self._at + 2], "big")
        self._at += 2
        return number % limit

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def rest(self) -> bytes:
        return self._drawn[self._at :]


def damaged_json(choices: Choices, sound: Sequence[Json]) -> bytes:
    """One of the sound documents with up to three faults in its structure, and perhaps some in its bytes."""
    document = _copy(choices.one_of(sound))
    for _ in range(choices.one_of((1, 0, 1, 1, 2, 3))):
        document = _damaged(choices, document, sound)
    text = json.dumps(
        document, ensure_ascii=choices.below(2) == 0, separators=choices.one_of([(",", ":"), (", ", ": ")])
    )
    data = text.encode("utf-8", "surrogatepass")
    return damaged_bytes(choices, data) if choices.below(5) == 4 else data


def damaged_text(choices: Choices, sound: Sequence[str]) -> str:
    """As it should be half of the time; else one with a fault."""
    text = choices.one_of(sound)
    if choices.below(2) == 0:
        return text
    raw = damaged_bytes(choices, text.encode())
    return raw.decode("utf-8", "replace")


def damaged_bytes(choices: Choices, data: bytes) -> bytes:
    for _ in range(1 + choices.below(3)):
        data = choices.one_of(_BYTE_FAULTS)(choices, data)
    return data


def _damaged(choices: Choices, document: Json, sound: Sequence[Json]) -> Json:
    """Walk to some place and do something there."""
    if isinstance(document, dict) and document:
        name = choices.one_of(list(document))
        action = choices.below(8)
        if action < 3 and isinstance(document[name], dict | list):
            document[name] = _damaged(choices, document[name], sound)
        elif action == 3:
            del document[name]
        elif action == 4:
            document[choices.one_of(_NAMES)] = choices.one_of(JUNK)
        elif action == 5:
            document[name] = _stretched(choices, document[name])
        elif action == 6:
            document[name] = _copy(choices.one_of(sound))
        else:
            document[name] = _copy(choices.one_of(JUNK))
        return document
    if isinstance(document, list) and document:
        place = choices.below(len(document))
        document[place] = _damaged(choices, document[place], sound)
        return document if choices.below(3) else document * 2
    return _copy(choices.one_of(JUNK))


_NAMES = ("surprise", "", "schema", "__proto__", "Schema", "price", "quantity", "é", "x" * 300, "\0")


def _stretched(choices: Choices, value: Json) -> Json:
    """The same, of another kind or size."""
    if isinstance(value, str):
        return choices.one_of(
            [[value], {"is": value}, value * 40, value + "0", "-" + value, value.lower(), " " + value, f"{value}\0"]
        )
    if isinstance(value, bool):
        return choices.one_of(["true", int(value), not value])
    if isinstance(value, int):
        return choices.one_of([str(value), float(value), -value, value * 10**9, value + 0.5, [value], 0])
    return [value]


def _copy(document: Json) -> Json:
    if isinstance(document, dict):
        return {name: _copy(value) for name, value in document.items()}
    return [_copy(value) for value in document] if isinstance(document, list) else document


# Faults in bytes.


def _cut(choices: Choices, data: bytes) -> bytes:
    return data[: choices.below(len(data) + 1)]


def _flip(choices: Choices, data: bytes) -> bytes:
    if not data:
        return data
    place = choices.below(len(data))
    return data[:place] + bytes((data[place] ^ (1 << choices.below(8)),)) + data[place + 1 :]


def _splice(choices: Choices, data: bytes) -> bytes:
    place = choices.below(len(data) + 1)
    return data[:place] + choices.one_of(SPLICES) + data[place:]


def _prefix(choices: Choices, data: bytes) -> bytes:
    return choices.one_of(SPLICES) + data


def _repeat(choices: Choices, data: bytes) -> bytes:
    start = choices.below(len(data) + 1)
    end = start + choices.below(40)
    return data[:end] + data[start:end] * (1 + choices.below(3)) + data[end:]


def _drop(choices: Choices, data: bytes) -> bytes:
    start = choices.below(len(data) + 1)
    return data[:start] + data[start + 1 + choices.below(20) :]


def _noise(choices: Choices, data: bytes) -> bytes:
    place = choices.below(len(data) + 1)
    return data[:place] + choices.rest() + data[place:]


_BYTE_FAULTS: tuple[Callable[[Choices, bytes], bytes], ...] = (_cut, _flip, _splice, _prefix, _repeat, _drop, _noise)
