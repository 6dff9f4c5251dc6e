"""What surrounds a simulated run: nothing real may be asked, and pauses that only cost steps are longer than in production."""

import gc
import os
import random
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Never

from ordergate.runtime import control, feed, lane, lean, ordered, pull
from ordergate.wire import codec
from ordergate.wire.facts import OrderRecord
from services.fill_streaming import handlers as fill_handlers
from services.order_submission import handlers as submission_handlers
from services.risk import fold
from services.status_polling import handlers as polling_handlers


class AmbientUse(AssertionError):
    """Simulated code asked the real clock or real chance: the seed no longer says what happens."""


_REAL: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (time, ("time", "time_ns", "monotonic", "monotonic_ns", "sleep")),
    (random, ("random", "randint", "uniform", "choice", "shuffle", "randrange", "getrandbits")),
    (secrets, ("token_hex", "token_bytes", "token_urlsafe", "randbelow", "choice")),
    (uuid, ("uuid1", "uuid4")),
    (os, ("urandom",)),
)

# Heartbeats, idle pulls and samples: they make no decision, and a history would be full of them.
_PACES: tuple[tuple[ModuleType, str, float], ...] = (
    (ordered, "_TICK_SECONDS", 1.0),
    (pull, "EXPIRY_SECONDS", 5.0),
    (pull, "SILENCE_SECONDS", 5.6),
    (pull, "GULPS_IN_VAIN", 1),
    (feed, "PACE_SECONDS", 0.05),
    (lane, "_TICK_SECONDS", 0.5),
    (lean, "_SWEEP_SECONDS", 0.5),
    (fold, "EQUITY_SECONDS", 8.0),
    (control, "CONFIRM_SECONDS", 0.6),
    # Small pages, so that there are page boundaries.
    (fill_handlers, "PAGE_LIMIT", 4),
    (polling_handlers, "TRADES_PAGE", 4),
)


def _refusing(what: str) -> Callable[..., Never]:
    def refuse(*_: object, **__: object) -> Never:
        raise AmbientUse(what)

    return refuse


_REFUSALS = tuple((module, name, _refusing(f"{module.__name__}.{name}")) for module, names in _REAL for name in names)


@contextmanager
def simulated() -> Iterator[None]:
    """Everything inside is of the seed. Raises AmbientUse where it is not."""
    decode = _remembering(codec.decode_order)
    reads = ((reader, "decode_order", decode) for reader in (codec, submission_handlers))
    changes: list[tuple[ModuleType, str, object]] = [*_REFUSALS, *_PACES, *reads]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


@contextmanager
def quiet_graves() -> Iterator[None]:
    """What a killed process leaves half done is thrown away here; its coroutines complain, and nobody is to hear it."""
    heard, sys.unraisablehook = sys.unraisablehook, lambda _said: None
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = heard


def _remembering(decode: Callable[..., OrderRecord]) -> Callable[..., OrderRecord]:
    """What is stored never changes and what is read of it is frozen: the readers of one history share it."""
    known: dict[tuple[bytes, tuple[tuple[str, object], ...]], OrderRecord] = {}

    def remember(data: bytes, **where: object) -> OrderRecord:
        key = data, tuple(where.items())
        found = known.get(key)
        if found is None:
            found = known[key] = decode(data, **where)
        return found

    return remember
