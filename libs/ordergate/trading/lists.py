"""Orders that go to a venue together or not at all: what may be a list, and what may become of one whose legs stand apart.

Each leg is an order of its own in the ledger. One request places them all, and it leaves only after *every* leg holds its write-ahead. So a
leg that ended without that write-ahead proves of all the others that theirs was never sent (docs/decisions/0010).
"""

from collections.abc import Sequence
from enum import Enum

from ordergate.trading.order import IN_FLIGHT, ListKind, Order, OrderType, State, Terms

_STOPS = frozenset({OrderType.STOP, OrderType.STOP_MARKET})


def incoherent_list(kind: ListKind, legs: Sequence[Terms]) -> str | None:
    """Why these terms, each coherent by itself, are no list of that kind, or None. The first of an OTO or OTOCO is the one that works at once."""
    if len(legs) != kind.legs:
        return f"an {kind} has {kind.legs} orders, not {len(legs)}"
    if any(leg.quantity is None for leg in legs):
        return "an order of a list has a quantity"
    if len({leg.self_trade_prevention for leg in legs}) != 1:
        return "self-trade prevention is chosen for the list as a whole"
    if kind is not ListKind.OCO and legs[0].type is not OrderType.LIMIT:
        return "the first order of a list that triggers others is a LIMIT order"
    return None if kind is ListKind.OTO else _incoherent_pair(*legs[-2:])


def above_and_below(pair: Sequence[Terms]) -> tuple[int, int]:
    """Which of the two of an OCO has its price or trigger over the market, and which under it: a SELL takes its profit over it."""
    first_is_stop = pair[0].type in _STOPS
    first_is_above = first_is_stop is (pair[0].side.sign > 0)
    return (0, 1) if first_is_above else (1, 0)


def _incoherent_pair(one: Terms, other: Terms) -> str | None:
    if (one.side, one.quantity) != (other.side, other.quantity):
        return "the two orders of an OCO have the same side and quantity"
    if (one.type in _STOPS) is (other.type in _STOPS):
        return "one of the two orders of an OCO stops a loss and the other takes a profit"
    for each in (one, other):
        if each.type is OrderType.MARKET or (each.type is OrderType.LIMIT and not each.post_only):
            return "an order of an OCO is conditional, or a LIMIT order that is post-only"
    return None


class Standing(Enum):
    """What the ledger says of a list as a whole."""

    SENDABLE = "sendable"  # nothing of any leg can be at the venue, and all wait for the same request
    BROKEN = "broken"  # some wait for a request that can never be: others ended, or were begun by one that did not begin them all
    SETTLING = "settling"  # no leg waits: what becomes of each is found out as of any order


def standing(legs: Sequence[Order]) -> Standing:
    waiting = [leg for leg in legs if is_waiting(leg)]
    if not waiting:
        return Standing.SETTLING
    is_whole = len(waiting) == len(legs) and len({attempt_number(leg) for leg in legs}) == 1
    return Standing.SENDABLE if is_whole else Standing.BROKEN


def is_waiting(leg: Order) -> bool:
    """Whether nothing of it can be at the venue, and it has not ended."""
    return leg.state is State.APPROVED or (leg.state in IN_FLIGHT and leg.unexecuted is not None)


def told_of(leg: Order, legs: Sequence[Order]) -> Order | None:
    """Another leg of the same request, which has been told what this one has not: that the venue would not take it."""
    if leg.attempt is None or leg.state not in IN_FLIGHT or leg.unexecuted is not None:
        return None
    return next((each for each in legs if each.unexecuted is not None and _request(each) == _request(leg)), None)


def _request(leg: Order) -> tuple[int, int, str] | None:
    """Which request its last write-ahead was for: a key never gives a timestamp twice."""
    attempt = leg.attempt
    return None if attempt is None else (attempt.number, attempt.timestamp_ms, attempt.key_id)


def was_never_sent(leg: Order, legs: Sequence[Order]) -> bool:
    """Whether the request that this leg was written ahead for cannot have left: another leg ended without its write-ahead for it."""
    number = attempt_number(leg)
    return leg.state in IN_FLIGHT and any(
        each.state in {State.CANCELED, State.EXPIRED, State.REFUSED}
        and each.venue_order_id is None
        and attempt_number(each) < number
        for each in legs
    )


def attempt_number(leg: Order) -> int:
    return 0 if leg.attempt is None else leg.attempt.number
