"""How a question is put, and how an answer becomes a fact."""

from collections.abc import Callable
from typing import TypeVar

from ordergate.access.budget import Weights
from ordergate.access.session import Answer, Call, Session
from ordergate.ports.venue import Priority
from ordergate.trading.errors import Unreadable, VenueUnavailable
from ordergate.trading.order import VenueView
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_futures import limits, models
from ordergate.venues.binance_futures.errors import Purpose
from ordergate.venues.binance_futures.parse import Fields

Fact = TypeVar("Fact")


def get(path: str, priority: Priority, weights: Weights, parameters: Fields = ()) -> Call:
    return Call(
        method="GET", path=path, purpose=Purpose.READ, priority=priority, weights=weights, parameters=tuple(parameters)
    )


def public(path: str, weights: Weights) -> Call:
    return Call(
        method="GET", path=path, purpose=Purpose.READ, priority=Priority.RECONCILE, weights=weights, signed=False
    )


async def read_time(session: Session) -> int:
    call = public("/fapi/v1/time", limits.LIGHT)
    return parsed(call, await session.read(call), lambda answer: check(models.TimeAnswer, answer).serverTime)


def parsed(call: Call, answer: Answer, parse_answer: Callable[[Answer], Fact]) -> Fact:
    try:
        return parse_answer(answer)
    except Unreadable as error:
        raise VenueUnavailable(f"{call.method} {call.path}: {error}") from error


def seen(view: Callable[[], VenueView]) -> VenueView:
    try:
        return view()
    except Unreadable as error:
        raise VenueUnavailable(str(error)) from error
