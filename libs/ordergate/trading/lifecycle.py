"""How an order moves.

Rule 1: everything that moves an order lives in this file, and the table below is the whole of it.
Rule 2: `apply` never guesses. An event that is old news returns the very same snapshot; one that cannot happen is refused by name.
Rule 3: executed quantity never falls, and a terminal state is left only by venue evidence of an open order or of more executed
quantity (a *correction*).

    first event           approved | refused | adopted
"""

from dataclasses import replace
from decimal import Decimal
from typing import assert_never

from ordergate.trading.errors import TransitionRefused
from ordergate.trading.events import (
    Adopted,
    Approved,
    CancelRequested,
    EndedUnsent,
    FirstEvent,
    LaterEvent,
    OutcomeLost,
    ProvenAbsent,
    ProvenNotPlaced,
    ProvenUnexecuted,
    Reapproved,
    Refused,
    Restated,
    Source,
    SubmissionBegan,
    VenueRejected,
    VenueReported,
)
from ordergate.trading.order import AT_VENUE, Absence, Attempt, NonExecution, Order, State, Unexecuted, VenueView

S = State
VENUE_SHOWS = frozenset({S.PENDING, S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED})
_STAY: frozenset[State] = frozenset()  # the state stays what it is, the snapshot may still say more
_LATE = VENUE_SHOWS  # reached by correction only

# fmt: off
TRANSITIONS: dict[State, dict[type[LaterEvent], frozenset[State]]] = {
    S.APPROVED:         {SubmissionBegan: frozenset({S.SUBMITTING}),
                         EndedUnsent:     frozenset({S.CANCELED, S.EXPIRED}),
                         VenueReported:   VENUE_SHOWS,                           # approved again, and there after all
                         CancelRequested: _STAY, Restated: _STAY},
    S.SUBMITTING:       {SubmissionBegan: frozenset({S.SUBMITTING}),             # k + 1, with proof about k
                         EndedUnsent:     frozenset({S.CANCELED, S.EXPIRED}),    # with proof about k
                         VenueReported:   VENUE_SHOWS,
                         VenueRejected:   frozenset({S.REJECTED}),
                         OutcomeLost:     frozenset({S.UNKNOWN}),
                         ProvenUnexecuted: _STAY,                                # 429, 418, clock: k + 1 may follow
                         ProvenNotPlaced: frozenset({S.NOT_PLACED}),
                         CancelRequested: _STAY, Restated: _STAY},
    S.UNKNOWN:          {SubmissionBegan: frozenset({S.SUBMITTING}),             # the owner still holds a proof
                         ProvenAbsent:    _STAY,                                 # resubmit flag and fence: risk is asked
                         Reapproved:      frozenset({S.APPROVED}),               # risk let it pass again
                         EndedUnsent:     frozenset({S.CANCELED, S.EXPIRED}),    # the owner still holds the proof
                         VenueReported:   VENUE_SHOWS,
                         VenueRejected:   frozenset({S.REJECTED}),               # the answer came after all
                         OutcomeLost:     _STAY,
                         ProvenUnexecuted: _STAY,                                # the answer came after all
                         ProvenNotPlaced: frozenset({S.NOT_PLACED}),
                         CancelRequested: _STAY, Restated: _STAY},
    S.ADOPTED:          {VenueReported: VENUE_SHOWS, OutcomeLost: _STAY, CancelRequested: _STAY, Restated: _STAY},
    S.PENDING:          {VenueReported: VENUE_SHOWS, OutcomeLost: _STAY, CancelRequested: _STAY, Restated: _STAY},
    S.ACCEPTED:         {VenueReported: VENUE_SHOWS, OutcomeLost: _STAY, CancelRequested: _STAY, Restated: _STAY},
    S.PARTIALLY_FILLED: {VenueReported: VENUE_SHOWS, OutcomeLost: _STAY, CancelRequested: _STAY, Restated: _STAY},
    S.FILLED:           {VenueReported: _LATE, OutcomeLost: _STAY, CancelRequested: _STAY},
    S.CANCELED:         {VenueReported: _LATE, OutcomeLost: _STAY, CancelRequested: _STAY,   # real: a fill after a cancel
                         EndedUnsent: _STAY},                                    # the same ending, said again
    S.EXPIRED:          {VenueReported: _LATE, OutcomeLost: _STAY, CancelRequested: _STAY, EndedUnsent: _STAY},
    S.REJECTED:         {VenueReported: _LATE, OutcomeLost: _STAY, CancelRequested: _STAY, VenueRejected: _STAY},
    S.NOT_PLACED:       {VenueReported: _LATE, OutcomeLost: _STAY, CancelRequested: _STAY, ProvenNotPlaced: _STAY},
    S.REFUSED:          {CancelRequested: _STAY},
}
# fmt: on

# Of two reports of the same venue millisecond and quantity, the one further along is the newer.
_PROGRESS = {S.ADOPTED: 0, S.SUBMITTING: 0, S.UNKNOWN: 0, S.PENDING: 1, S.ACCEPTED: 2, S.PARTIALLY_FILLED: 3}
_ENDED = 4


def begin(event: FirstEvent) -> Order:
    """The snapshot that the first event of an order makes."""
    match event:
        case Approved():
            return Order(request=event.request, state=S.APPROVED, revised_at_ms=event.at_ms)
        case Refused():
            return Order(
                request=event.request,
                state=S.REFUSED,
                revised_at_ms=event.at_ms,
                reason=event.reason,
                error_id=event.error_id,
            )
        case Adopted():
            return Order(
                request=event.request,
                state=S.ADOPTED,
                revised_at_ms=event.at_ms,
                venue_order_id=event.view.venue_order_id,
                executed_quantity=event.view.executed_quantity,
                venue_updated_at_ms=event.view.updated_at_ms,
            )
        case _:
            assert_never(event)


def apply(order: Order, event: LaterEvent) -> Order:
    """The snapshot after `event`; the same object when the event says nothing new.

    Raises TransitionRefused, with state and event named, for everything the table does not hold.
    """
    allowed = TRANSITIONS[order.state].get(type(event))
    if allowed is None:
        raise _refusal(order, event, "the table has no such row")
    match event:
        case SubmissionBegan():
            return _begin_attempt(order, event)
        case EndedUnsent():
            return _end_unsent(order, event, allowed)
        case VenueReported():
            return _report(order, event)
        case VenueRejected():
            return _reject(order, event)
        case OutcomeLost():
            return _lose_outcome(order, event)
        case ProvenNotPlaced() | ProvenAbsent():
            return _fence(order, event)
        case ProvenUnexecuted():
            return _prove_unexecuted(order, event)
        case Reapproved():
            return _approve_again(order, event)
        case CancelRequested():
            return _ask_for_end(order, event)
        case Restated():
            return replace(order, revised_at_ms=event.at_ms)
        case _:
            assert_never(event)


def is_correction(before: Order, after: Order) -> bool:
    """Whether the step left a terminal state: consumers that acted on the ending must know."""
    return before.state.is_terminal and after is not before


def mismatch(order: Order, view: VenueView) -> str | None:
    """Why `view` is not this order (so it is drift), or None. A venue answer counts only if the terms agree and it is not too old."""
    terms = order.terms
    same = {
        "clientOrderId": order.attempt is None or view.client_order_id in {None, order.key.client_order_id},
        "symbol": view.symbol == order.key.symbol,
        "side": view.side is terms.side,
        "type": view.type is terms.type,
        "quantity": terms.quantity is None or view.quantity == terms.quantity,
        "price": terms.price is None or view.price == terms.price,
        "stopPrice": terms.stop_price is None or view.stop_price == terms.stop_price,
        "positionSide": view.position_side is terms.position_side,
        "venueOrderId": order.venue_order_id in {None, view.venue_order_id},
        "createdAt": order.first_attempt_ms is None or view.created_at_ms >= order.first_attempt_ms - CLOCK_SLACK_MS,
    }
    return next((name for name, agrees in same.items() if not agrees), None)


CLOCK_SLACK_MS = 5_000
"""The venue's clock may have gone back since we read it, and a request is taken that is signed this much ahead of it (the widest rule of a
venue of ours, Zetarium's): an order made by that request bears a venue time this far before the write-ahead, and is still ours.
"""


def _begin_attempt(order: Order, event: SubmissionBegan) -> Order:
    number, before = event.attempt.number, _attempt_number(order)
    if number <= before:
        raise _refusal(order, event, f"attempt {before} was begun already")
    if number != before + 1:
        raise _refusal(order, event, f"attempt {number} does not follow")
    if before > 0 and event.proof is None:
        raise _refusal(order, event, f"no proof that attempt {before} cannot execute")
    if (event.proof is NonExecution.FENCED) is not is_approved_again(order):
        raise _refusal(order, event, "a fence begins an attempt only where risk let the order pass again")
    if event.proof is NonExecution.FENCED:
        _require_resubmission(order, event)
    return replace(
        order,
        state=S.SUBMITTING,
        attempt=event.attempt,
        first_attempt_ms=event.attempt.timestamp_ms if order.first_attempt_ms is None else order.first_attempt_ms,
        unknown_since_ms=None,
        reason=None,
        error_id=None,
        absence=None,
        unexecuted=None,
        revised_at_ms=event.at_ms,
    )


def is_approved_again(order: Order) -> bool:
    """Whether the approval is for one more attempt, after the last was proven not to have executed."""
    return order.state is S.APPROVED and order.absence is not None


def may_resubmit(order: Order, at_ms: int) -> bool:
    """Whether one more attempt may follow the proof that the last cannot execute: the intent's flag, its time to live, and nobody asked for its end."""
    return order.request.resubmit and order.cancel_requested_at_ms is None and at_ms < order.request.expires_at_ms


def unsent_proof(order: Order) -> tuple[NonExecution, int]:
    """Why nothing of an order can be at the venue that is approved, or whose last request the venue would not take; and the attempt that

    this is about: 0 where none had begun.
    """
    if order.unexecuted is not None:
        return order.unexecuted.proof, order.unexecuted.attempt
    if order.absence is not None:
        return NonExecution.FENCED, order.absence.attempt
    return NonExecution.NEVER_SENT, _attempt_number(order)


def _prove_absent(order: Order, event: ProvenAbsent) -> Order:
    if not may_resubmit(order, event.at_ms):
        raise _refusal(order, event, "no resubmission may follow")
    if order.absence is not None:
        return order
    absence = Absence(attempt=event.attempt, fence_ms=event.fence_ms, asked_at_ms=event.asked_at_ms)
    return replace(order, absence=absence, revised_at_ms=event.at_ms)


_REFUSALS = frozenset({NonExecution.THROTTLED, NonExecution.CLOCK_REFUSED})


def _prove_unexecuted(order: Order, event: ProvenUnexecuted) -> Order:
    _require_attempt(order, event, event.attempt)
    if event.proof not in _REFUSALS:
        raise _refusal(order, event, f"{event.proof} is no answer of a venue")
    if order.unexecuted is not None:
        return order
    unexecuted = Unexecuted(attempt=event.attempt, proof=event.proof, retry_at_ms=event.retry_at_ms)
    return replace(order, unexecuted=unexecuted, error_id=event.error_id, revised_at_ms=event.at_ms)


def _approve_again(order: Order, event: Reapproved) -> Order:
    if order.absence is None:
        raise _refusal(order, event, "nothing proves that its last attempt cannot execute")
    if not may_resubmit(order, event.at_ms):
        raise _refusal(order, event, "no resubmission may follow")
    return replace(
        order,
        state=S.APPROVED,
        unexecuted=None,
        unknown_since_ms=None,
        reason=None,
        error_id=None,
        revised_at_ms=event.at_ms,
    )


def _require_resubmission(order: Order, event: SubmissionBegan) -> None:
    if not order.request.resubmit:
        raise _refusal(order, event, "the intent does not allow a resubmission")
    if event.fence is None:
        raise _refusal(order, event, "it does not say what was asked after the fence")
    _require_fence(order, event, event.fence)


def _end_unsent(order: Order, event: EndedUnsent, allowed: frozenset[State]) -> Order:
    if event.attempt != _attempt_number(order):
        raise _refusal(order, event, f"its proof is about attempt {event.attempt}, not {_attempt_number(order)}")
    if order.state.is_terminal:
        if order.venue_order_id is not None:
            raise _refusal(order, event, "it was at the venue")
        return order  # the same ending, said twice
    if event.state not in allowed:
        raise _refusal(order, event, f"it cannot end as {event.state}")
    if (event.proof is NonExecution.FENCED) is not is_approved_again(order):
        raise _refusal(order, event, "what a fence proves is not_placed, unless risk let the order pass again")
    return replace(
        order,
        state=event.state,
        reason=event.reason,
        error_id=event.error_id,
        unknown_since_ms=None,
        revised_at_ms=event.at_ms,
    )


def _reject(order: Order, event: VenueRejected) -> Order:
    _require_attempt(order, event, event.attempt)
    if order.state is S.REJECTED:
        return order
    return replace(
        order,
        state=S.REJECTED,
        reason=event.reason,
        error_id=event.error_id,
        unknown_since_ms=None,
        revised_at_ms=event.at_ms,
    )


def _lose_outcome(order: Order, event: OutcomeLost) -> Order:
    if order.state is not S.SUBMITTING or event.attempt < _attempt_number(order):
        return order  # the venue's word, the same news, or a proof about that attempt came first
    _require_attempt(order, event, event.attempt)
    return replace(
        order,
        state=S.UNKNOWN,
        unknown_since_ms=event.at_ms,
        reason=event.reason,
        error_id=event.error_id,
        revised_at_ms=event.at_ms,
    )


def _ask_for_end(order: Order, event: CancelRequested) -> Order:
    if order.cancel_requested_at_ms is not None or order.state.is_terminal:
        return order
    return replace(order, cancel_requested_at_ms=event.at_ms, revised_at_ms=event.at_ms)


def _fence(order: Order, event: ProvenNotPlaced | ProvenAbsent) -> Order:
    _require_fence(order, event, event)
    if isinstance(event, ProvenAbsent):
        return _prove_absent(order, event)
    if order.state is S.NOT_PLACED:
        return order
    return replace(
        order,
        state=S.NOT_PLACED,
        reason=event.reason,
        error_id=event.error_id or order.error_id,
        unknown_since_ms=None,
        revised_at_ms=event.at_ms,
    )


def _require_fence(order: Order, event: LaterEvent, proof: ProvenNotPlaced | ProvenAbsent) -> None:
    attempt = _require_attempt(order, event, proof.attempt)
    asked_after = [asked for asked in proof.asked_at_ms if asked > proof.fence_ms]
    if proof.fence_ms <= attempt.timestamp_ms or len(asked_after) < LOOKUPS_FOR_PROOF:
        raise _refusal(order, event, "the fence needs two lookups asked after it")


LOOKUPS_FOR_PROOF = 2


def _report(order: Order, event: VenueReported) -> Order:
    view = event.view
    if view.status not in VENUE_SHOWS:
        raise _refusal(order, event, f"a venue does not show {view.status}")
    has_no_trace = order.attempt is None and order.venue_order_id is None
    if has_no_trace and event.source is not Source.RECOVERY:
        raise _refusal(order, event, "it was never sent: the venue shows somebody else's order")
    strange = mismatch(order, view)
    if strange is not None:
        raise _refusal(order, event, f"the venue's order differs in {strange}: it is another order")
    if _is_old_news(order, view):
        return order
    return replace(
        order,
        state=view.status,
        venue_order_id=view.venue_order_id,
        executed_quantity=view.executed_quantity,
        venue_updated_at_ms=max(view.updated_at_ms, order.venue_updated_at_ms or 0),
        absence=None,
        unexecuted=None,
        unknown_since_ms=None,
        reason=None if view.status not in {S.REJECTED, S.EXPIRED} else f"venue_{view.status}",
        error_id=view.error_id,
        settled_quantity=order.executed_quantity if order.state.is_terminal else order.settled_quantity,
        revised_at_ms=event.at_ms,
    )


def _is_old_news(order: Order, view: VenueView) -> bool:
    if view.executed_quantity < order.executed_quantity:
        return True
    more_executed = view.executed_quantity > order.executed_quantity
    # More executed is newer whatever the clock beside it says (docs/decisions/0004): venues stamp fills by more than one clock.
    is_earlier = order.venue_updated_at_ms is not None and view.updated_at_ms < order.venue_updated_at_ms
    if is_earlier and not more_executed:
        return True
    if order.state.is_terminal:
        return not (more_executed or _is_reopened(order, view))
    if more_executed or order.venue_updated_at_ms is None or view.updated_at_ms > order.venue_updated_at_ms:
        return _says_the_same(order, view)
    return _PROGRESS.get(view.status, _ENDED) <= _PROGRESS.get(order.state, _ENDED)


def _is_reopened(order: Order, view: VenueView) -> bool:
    # Nothing can be open of an order that has executed in full, whatever an answer that was long under way says.
    newer = order.venue_updated_at_ms is None or view.updated_at_ms > order.venue_updated_at_ms
    return newer and view.status in AT_VENUE and view.executed_quantity < view.quantity


def _says_the_same(order: Order, view: VenueView) -> bool:
    # A newer venue time alone is not news: polling would restate every resting order each second.
    seen: tuple[State, Decimal, object] = (view.status, view.executed_quantity, view.venue_order_id)
    return seen == (order.state, order.executed_quantity, order.venue_order_id)


def _require_attempt(order: Order, event: LaterEvent, number: int) -> Attempt:
    if order.attempt is None or number != order.attempt.number:
        raise _refusal(order, event, f"it is about attempt {number}")
    return order.attempt


def _attempt_number(order: Order) -> int:
    return 0 if order.attempt is None else order.attempt.number


def _refusal(order: Order, event: LaterEvent, why: str) -> TransitionRefused:
    return TransitionRefused(order.state, type(event).__name__, why)
