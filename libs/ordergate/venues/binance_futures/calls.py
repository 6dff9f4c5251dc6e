"""How a question is put, and how an answer becomes a fact."""

from collections.abc import Callable

from ordergate.access.budget import Weights
from ordergate.access.session import Call, Session
from ordergate.ports.venue import Priority
from ordergate.trading.errors import Unreadable, VenueUnavailable
from ordergate.trading.order import VenueView
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_futures import limits, models
from ordergate.venues.binance_futures.errors import Purpose
from ordergate.venues.binance_futures.parse import Fields
from ordergate.venues.client import parsed


def get(path: str, priority: Priority, weights: Weights, parameters: Fields = ()) -> Call:
    return Call(
        method="GET", path=path, purpose=Purpose.READ, priority=priority, weights=weights, parameters=tuple(parameters)
    )


def public(path: str, weights: Weights) -> Call:
    return Call(
        method="GET", path=path, purpose=Purpose.READ, priority=Priority.RECONCILE, weights=weights, signed=False
    )


BALANCES = get("/fapi/v3/balance", Priority.RECONCILE, limits.MEDIUM)


async def read_time(session: Session) -> int:
    call = public("/fapi/v1/time", limits.LIGHT)
    return parsed(call, await session.read(call), lambda answer: check(models.TimeAnswer, answer).serverTime)


def seen(view: Callable[[], VenueView]) -> VenueView:
    try:
        return view()
    except Unreadable as error:
        raise VenueUnavailable(str(error)) from error
