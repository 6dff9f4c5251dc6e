"""What may come on INTENTS instead of an intent, by name: each spoils a good one in its own way, and none of them may be carried out."""

import json
from collections.abc import Callable
from typing import Any

Intent = dict[str, Any]
Spoilt = tuple[str, bytes]
"""Subject and body."""
INTENT_BYTES_MAX = 16_384
HEADER_ROOM_BYTES = 64
"""The stream counts subject and header too."""


def subject_of(intent: Intent) -> str:
    return "intents.{venue}.{account}.{strategy}.{kind}.{symbol}".format(**intent)


def _bytes(spoil: Callable[[bytes], bytes]) -> Callable[[Intent], Spoilt]:
    return lambda intent: (subject_of(intent), spoil(json.dumps(intent).encode()))


def _with(**fields: Any) -> Callable[[Intent], Spoilt]:
    return lambda intent: (subject_of(intent), json.dumps({**intent, **fields}).encode())


def _moved(**fields: Any) -> Callable[[Intent], Spoilt]:
    """Subject and body agree, and are about somebody or something else."""
    return lambda intent: (subject_of({**intent, **fields}), json.dumps({**intent, **fields}).encode())


def _without(name: str) -> Callable[[Intent], Spoilt]:
    return lambda intent: (subject_of(intent), json.dumps({key: intent[key] for key in intent if key != name}).encode())


def _twice(intent: Intent) -> Spoilt:
    """A name given twice: the second is what counts, here and in the body's checks."""
    return subject_of(intent), json.dumps(intent).encode()[:-1] + b',"quantity":"-1"}'


def _to_the_border(intent: Intent) -> Spoilt:
    """As large as the stream takes: what nobody asked for fills it up."""
    subject, body = subject_of(intent), json.dumps({**intent, "note": ""}).encode()
    room = INTENT_BYTES_MAX - len(subject) - len(body) - HEADER_ROOM_BYTES
    return subject, body[:-2] + b"x" * room + b'"}'


KINDS: dict[str, Callable[[Intent], Spoilt]] = {
    "cut in the middle": _bytes(lambda data: data[:-7]),
    "empty": _bytes(lambda _data: b""),
    "bytes that are no UTF-8": _bytes(
        lambda data: data.replace(b'"BUY"', b'"\xc3\x28"').replace(b'"SELL"', b'"\xc3\x28"')
    ),
    "byte order mark of UTF-16": _bytes(lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le")),
    "brackets without end": _bytes(lambda _data: b"[" * 15_000),
    "a list of intents": _bytes(lambda data: b"[" + data + b"]"),
    "a null byte": _bytes(lambda data: data.replace(b'"side"', b'"si\x00de"')),
    "a name given twice": _twice,
    "an endless integer": _with(createdAtMs=10**400),
    "a bare NaN": _with(quantity=float("nan")),
    "a bare Infinity": _with(quantity=float("inf")),
    "a float for an amount": _with(quantity=0.002),
    "an absurdly long amount": _with(quantity="1" * 5_000),
    "a negative amount": _with(quantity="-1"),
    "an object for a text": _with(side={"is": "BUY"}),
    "an unknown field": _with(surprise=True),
    "a missing field": _without("createdAtMs"),
    "an unknown kind": _with(kind="teleport"),
    "another schema": _with(schema=2),
    "a lone surrogate": _with(side="\ud800"),
    "another account in the body": _with(account="somebody-else"),
    "an account that nobody serves": _moved(account="nobody"),
    "a symbol that does not exist": _moved(symbol="NOSUCHUSDT"),
    "a subject token that is none": lambda intent: (
        subject_of({**intent, "symbol": "BTC=zz"}),
        json.dumps(intent).encode(),
    ),
    "stale": _with(createdAtMs=1_000_000_000_000),
    "from the future": _with(createdAtMs=9_000_000_000_000),
    "as large as the stream takes": _to_the_border,
}
