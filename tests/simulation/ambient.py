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

from ordergate.access import sockets, streaming
from ordergate.runtime import control, feed, lane, lean, ordered, pull
from ordergate.wire import codec, gate
from services.fill_streaming import handlers as fill_handlers
from services.order_submission import cancels
from services.order_submission import handlers as submission_handlers
from services.risk import fold
from services.risk import handlers as risk_handlers
from services.status_polling import handlers as polling_handlers
from tests.simulation.pipes import open_socket


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
    (ordered, "_TICK_SECONDS", 2.0),
    (pull, "EXPIRY_SECONDS", 5.0),
    (pull, "SILENCE_SECONDS", 5.6),
    (pull, "GULPS_IN_VAIN", 0),
    (lane, "_TICK_SECONDS", 1.0),
    (lean, "_SWEEP_SECONDS", 0.2),
    (fold, "EQUITY_SECONDS", 8.0),
    (control, "CONFIRM_SECONDS", 0.8),
    # Small pages, so that there are page boundaries.
    (fill_handlers, "PAGE_LIMIT", 4),
    (polling_handlers, "TRADES_PAGE", 4),
)


def _refusing(what: str) -> Callable[..., Never]:
    def refuse(*_: object, **__: object) -> Never:
        raise AmbientUse(what)

    return refuse


_REFUSALS = tuple((module, name, _refusing(f"{module.__name__}.{name}")) for module, names in _REAL for name in names)


# What is read of bytes, by one of these and always alike, and who calls it by its own name for it.
_READERS: tuple[tuple[str, tuple[ModuleType, ...]], ...] = (
    ("decode_order", (codec, submission_handlers)),
    ("decode_fill", (codec,)),
    ("read_intent", (gate, risk_handlers, cancels)),
)


@contextmanager
def simulated(*, feed_pace_seconds: float = 0.05) -> Iterator[None]:
    """Everything inside is of the seed. Raises AmbientUse where it is not. feed_pace_seconds: how far behind followers may be."""
    changes: list[tuple[ModuleType, str, object]] = [
        *_REFUSALS,
        *_PACES,
        (feed, "PACE_SECONDS", feed_pace_seconds),
        (streaming, "connect", open_socket),
        (sockets, "connect", open_socket),
        *(
            (reader, name, known)
            for name, readers in _READERS
            for known in (_remembering(readers[0], name),)
            for reader in readers
        ),
    ]
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


def _remembering(owner: ModuleType, name: str) -> Callable[..., object]:
    """What is stored never changes and what is read of it is frozen: the readers of one history share it."""
    read: Callable[..., object] = getattr(owner, name)
    known: dict[tuple[object, ...], object] = {}

    def remember(*what: object, **where: object) -> object:
        key = (*what, *where.values())
        found = known.get(key)
        if found is None:
            found = known[key] = read(*what, **where)
        return found

    return remember
