"""Claims about the one table: nothing is lost, guessed or taken back, whatever arrives in whatever order."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ordergate.trading.errors import TransitionRefused
from ordergate.trading.events import (
    Adopted,
    Approved,
    CancelRequested,
    EndedUnsent,
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
from ordergate.trading.ids import ClientOrderId, ErrorId, VenueOrderId
from ordergate.trading.lifecycle import (
    TRANSITIONS,
    VENUE_SHOWS,
    apply,
    begin,
    is_correction,
    mismatch,
    unsent_proof,
)
from ordergate.trading.order import AT_VENUE, IN_FLIGHT, TERMINAL, NonExecution, Order, Side, State, VenueView
from tests.unit.trading.making import SENT_AT, attempt, order, request, view

ERROR = ErrorId("oge-1")
FENCE = SENT_AT + 7_000


def reported(status: State, executed: int = 0, *, at_ms: int = SENT_AT + 50) -> VenueReported:
    return VenueReported(view=view(status, executed, at_ms=at_ms), source=Source.LOOKUP, at_ms=at_ms)


def began(number: int, proof: NonExecution | None = None, fence: ProvenNotPlaced | None = None) -> SubmissionBegan:
    return SubmissionBegan(attempt=attempt(number), at_ms=SENT_AT, proof=proof, fence=fence)


def lost(number: int = 1) -> OutcomeLost:
    return OutcomeLost(attempt=number, reason="timeout", error_id=ERROR, at_ms=SENT_AT + 9)


def rejected(number: int = 1) -> VenueRejected:
    return VenueRejected(attempt=number, reason="filter", error_id=ERROR, at_ms=SENT_AT + 9)


def fenced(number: int = 1, *, asked: tuple[int, ...] = (FENCE + 1, FENCE + 2)) -> ProvenNotPlaced:
    return ProvenNotPlaced(attempt=number, fence_ms=FENCE, asked_at_ms=asked, at_ms=FENCE + 3)


def absent(number: int = 1, *, asked: tuple[int, ...] = (FENCE + 1, FENCE + 2)) -> ProvenAbsent:
    return ProvenAbsent(attempt=number, fence_ms=FENCE, asked_at_ms=asked, at_ms=FENCE + 3)


def unexecuted(number: int = 1, proof: NonExecution = NonExecution.THROTTLED) -> ProvenUnexecuted:
    return ProvenUnexecuted(
        attempt=number, proof=proof, at_ms=SENT_AT + 9, error_id=ERROR, retry_at_ms=SENT_AT + 60_000
    )


def ended(number: int = 0, state: State = State.EXPIRED) -> EndedUnsent:
    return EndedUnsent(state=state, reason="expired", at_ms=SENT_AT, attempt=number)


PASSED_AGAIN = (began(1), lost(), absent(), Reapproved(at_ms=FENCE + 4))


def follow(*events: LaterEvent, resubmit: bool = False) -> Order:
    found = begin(Approved(request=request(resubmit=resubmit), at_ms=2_000))
    for event in events:
        found = apply(found, event)
    return found


# What must not happen is refused by name.


def test_an_ending_decided_before_the_attempt_began_never_ends_what_is_on_its_way() -> None:
    under_way = follow(began(1))
    with pytest.raises(TransitionRefused, match="attempt 0, not 1"):
        apply(under_way, ended(0))
    with pytest.raises(TransitionRefused, match="attempt 1, not 2"):
        apply(follow(began(1), began(2, NonExecution.THROTTLED)), ended(1))
    assert apply(under_way, ended(1)).state is State.EXPIRED


def test_no_second_attempt_without_a_proof_about_the_first() -> None:
    with pytest.raises(TransitionRefused, match="no proof"):
        follow(began(1), lost(), began(2))
    assert follow(began(1), began(2, NonExecution.THROTTLED)).state is State.SUBMITTING


def test_a_proof_that_the_venue_took_nothing_stands_until_the_next_request_or_the_venues_word() -> None:
    for before in ((began(1),), (began(1), lost())):
        told = follow(*before, unexecuted())
        assert told.state is follow(*before).state
        assert told.unexecuted is not None
        assert apply(told, unexecuted()) is told, "said twice"
        assert apply(told, began(2, NonExecution.THROTTLED)).unexecuted is None
        assert apply(told, reported(State.ACCEPTED)).unexecuted is None
        proof, number = unsent_proof(told)
        ending = replace(ended(number, State.CANCELED), proof=proof)
        assert apply(told, ending).state is State.CANCELED


def test_only_the_venues_answer_to_this_very_attempt_is_such_a_proof() -> None:
    with pytest.raises(TransitionRefused, match="about attempt 1"):
        follow(began(1), began(2, NonExecution.THROTTLED), unexecuted(1))
    for proof in (NonExecution.FENCED, NonExecution.NEVER_SENT):
        with pytest.raises(TransitionRefused, match="no answer of a venue"):
            follow(began(1), unexecuted(1, proof))
    with pytest.raises(TransitionRefused, match="no such row"):
        follow(unexecuted(1))
    with pytest.raises(TransitionRefused, match="no such row"):
        follow(began(1), reported(State.ACCEPTED), unexecuted(1))


def test_a_write_ahead_that_comes_twice_is_refused_so_that_nobody_sends_twice() -> None:
    with pytest.raises(TransitionRefused, match="begun already"):
        follow(began(1), began(1))


def test_a_fenced_resubmission_needs_the_flag_and_the_lookups() -> None:
    for events, resubmit, why in (
        ((began(1), lost(), absent()), False, "no resubmission"),
        ((began(1), lost(), absent(asked=(FENCE, FENCE + 1))), True, "two lookups"),
        ((*PASSED_AGAIN, began(2, NonExecution.FENCED)), True, "what was asked"),
        ((*PASSED_AGAIN, began(2, NonExecution.FENCED, fenced(asked=(FENCE, FENCE + 1)))), True, "two lookups"),
    ):
        with pytest.raises(TransitionRefused, match=why):
            follow(*events, resubmit=resubmit)
    again = follow(*PASSED_AGAIN, began(2, NonExecution.FENCED, fenced()), resubmit=True)
    assert (again.state, again.attempt, again.absence) == (State.SUBMITTING, attempt(2), None)


def test_nothing_is_sent_again_before_risk_has_let_it_pass_again() -> None:
    for events in (
        (began(1), lost(), began(2, NonExecution.FENCED, fenced())),
        (began(1), lost(), absent(), began(2, NonExecution.FENCED, fenced())),
        (*PASSED_AGAIN, began(2, NonExecution.THROTTLED)),
        (*PASSED_AGAIN, began(2, NonExecution.NEVER_SENT)),
    ):
        with pytest.raises(TransitionRefused, match="let the order pass again"):
            follow(*events, resubmit=True)


def test_risk_lets_nothing_pass_again_without_the_proof_the_time_and_the_wish() -> None:
    unknown = follow(began(1), lost(), resubmit=True)
    with pytest.raises(TransitionRefused, match="nothing proves"):
        apply(unknown, Reapproved(at_ms=2_000))
    proven = apply(unknown, absent())
    assert proven.state is State.UNKNOWN
    with pytest.raises(TransitionRefused, match="no resubmission"):
        apply(proven, Reapproved(at_ms=proven.request.expires_at_ms))
    with pytest.raises(TransitionRefused, match="no resubmission"):
        apply(apply(proven, CancelRequested(at_ms=2_000)), Reapproved(at_ms=2_001))
    assert apply(proven, Reapproved(at_ms=2_000)).state is State.APPROVED


def test_an_order_approved_again_ends_unsent_only_by_its_proof() -> None:
    again = follow(*PASSED_AGAIN, resubmit=True)
    with pytest.raises(TransitionRefused):
        apply(again, ended(0))
    with pytest.raises(TransitionRefused):
        apply(again, ended(1))
    proof, number = unsent_proof(again)
    by_fence = EndedUnsent(state=State.CANCELED, reason="requested", at_ms=1, proof=proof, attempt=number)
    assert apply(again, by_fence).state is State.CANCELED


def test_an_order_approved_again_that_the_venue_shows_after_all_is_there() -> None:
    again = follow(*PASSED_AGAIN, resubmit=True)
    shown = apply(again, reported(State.ACCEPTED))
    assert (shown.state, shown.absence) == (State.ACCEPTED, None)


def test_a_lookup_asked_before_the_fence_proves_nothing() -> None:
    for asked in ((), (FENCE + 1,), (FENCE, FENCE + 1), (FENCE - 9, FENCE - 8, FENCE - 7)):
        with pytest.raises(TransitionRefused, match="two lookups"):
            apply(follow(began(1), lost()), fenced(asked=asked))
    assert apply(follow(began(1), lost()), fenced()).state is State.NOT_PLACED


def test_what_a_fence_proves_is_not_placed_and_nothing_else() -> None:
    by_fence = EndedUnsent(state=State.CANCELED, reason="x", at_ms=1, proof=NonExecution.FENCED, attempt=1)
    with pytest.raises(TransitionRefused, match="not_placed"):
        apply(follow(began(1), lost()), by_fence)


def test_an_order_that_was_never_sent_cannot_be_seen_at_the_venue() -> None:
    for unsent in (follow(), follow(ended(0))):
        with pytest.raises(TransitionRefused):
            apply(unsent, reported(State.ACCEPTED))


def test_after_a_restore_an_order_of_which_the_ledger_has_forgotten_that_it_was_sent_takes_the_venues_word() -> None:
    approved = order(State.APPROVED)
    found = apply(approved, VenueReported(view=view(State.FILLED, 10), source=Source.RECOVERY, at_ms=SENT_AT + 60))
    assert (found.state, found.executed_quantity) == (State.FILLED, Decimal(10))


def test_another_order_under_our_id_is_never_taken_for_ours() -> None:
    sent = follow(began(1))
    for changes in (
        {"quantity": Decimal(9)},
        {"side": Side.SELL},
        {"price": Decimal(101)},
        {"client_order_id": ClientOrderId("beta-1")},
        {"created_at_ms": SENT_AT - 5_000},
    ):
        strange = view(State.ACCEPTED, **changes)
        assert mismatch(sent, strange) is not None
        with pytest.raises(TransitionRefused, match="another order"):
            apply(sent, VenueReported(view=strange, source=Source.LOOKUP, at_ms=1))
    seen = apply(sent, reported(State.ACCEPTED))
    assert mismatch(seen, view(State.ACCEPTED, venue_order_id=VenueOrderId("999"))) == "venueOrderId"


# What may happen late does.


def test_a_fill_after_a_cancel_still_counts_and_is_a_correction() -> None:
    canceled = follow(began(1), reported(State.CANCELED, 3, at_ms=SENT_AT + 60))
    after = apply(canceled, reported(State.CANCELED, 5, at_ms=SENT_AT + 70))
    assert (after.state, after.executed_quantity) == (State.CANCELED, Decimal(5))
    assert is_correction(canceled, after)
    assert (canceled.settled_quantity, after.settled_quantity) == (None, Decimal(3))


def test_an_order_given_up_for_lost_comes_back_when_the_venue_shows_it_open() -> None:
    given_up = follow(began(1), lost(), fenced())
    after = apply(given_up, reported(State.ACCEPTED))
    assert after.state is State.ACCEPTED
    assert is_correction(given_up, after)
    filled = apply(after, reported(State.FILLED, 10, at_ms=SENT_AT + 9_000))
    assert (after.settled_quantity, filled.settled_quantity) == (Decimal(0), Decimal(0))
    assert not is_correction(after, filled)


def test_less_is_never_a_correction() -> None:
    filled = follow(began(1), reported(State.FILLED, 10, at_ms=SENT_AT + 60))
    for late in (
        reported(State.ACCEPTED, 0, at_ms=SENT_AT + 90),
        reported(State.PARTIALLY_FILLED, 10, at_ms=SENT_AT + 90),
    ):
        assert apply(filled, late) is filled


def test_evidence_said_twice_changes_nothing() -> None:
    for events in (
        (ended(0),),
        (began(1), ended(1)),
        (began(1), rejected()),
        (began(1), lost()),
        (began(1), lost(), fenced()),
        (began(1), reported(State.PARTIALLY_FILLED, 4)),
        (began(1), CancelRequested(at_ms=5)),
    ):
        once = follow(*events)
        assert apply(once, events[-1]) is once


def test_a_lost_outcome_of_a_disproved_attempt_is_old_news() -> None:
    second = follow(began(1), began(2, NonExecution.THROTTLED))
    assert apply(second, lost(1)) is second


def test_a_lost_answer_never_hides_what_the_venue_said() -> None:
    accepted = follow(began(1), reported(State.ACCEPTED))
    assert apply(accepted, lost()) is accepted


def test_a_poll_that_shows_the_same_writes_nothing() -> None:
    accepted = follow(began(1), reported(State.ACCEPTED))
    assert apply(accepted, reported(State.ACCEPTED, at_ms=SENT_AT + 5_000)) is accepted


def test_an_answer_older_than_what_is_known_is_ignored() -> None:
    accepted = follow(began(1), reported(State.ACCEPTED, at_ms=SENT_AT + 60))
    assert apply(accepted, reported(State.CANCELED, at_ms=SENT_AT + 59)) is accepted
    assert apply(accepted, reported(State.CANCELED, at_ms=SENT_AT + 61)).state is State.CANCELED


def test_more_executed_counts_although_its_venue_time_is_earlier() -> None:
    accepted = follow(began(1), reported(State.ACCEPTED, at_ms=SENT_AT + 60))
    filled = apply(accepted, reported(State.FILLED, 10, at_ms=SENT_AT + 59))
    assert filled.executed_quantity == 10
    assert filled.venue_updated_at_ms == SENT_AT + 60


def test_of_two_answers_of_one_millisecond_the_one_further_along_stands() -> None:
    early, late = reported(State.ACCEPTED), reported(State.CANCELED)
    assert follow(began(1), early, late).state is State.CANCELED
    assert follow(began(1), late, early).state is State.CANCELED
    assert follow(began(1), reported(State.PENDING), early).state is State.ACCEPTED
    assert follow(began(1), early, reported(State.PENDING)).state is State.ACCEPTED


def test_first_events_make_first_states() -> None:
    refused = begin(Refused(request=request(), at_ms=1, reason="max_order_notional", error_id=ERROR))
    assert (refused.state, refused.reason, refused.error_id) == (State.REFUSED, "max_order_notional", ERROR)
    adopted = begin(Adopted(request=request(), view=view(State.PARTIALLY_FILLED, 2), at_ms=1))
    assert (adopted.state, adopted.executed_quantity) == (State.ADOPTED, Decimal(2))
    assert apply(adopted, reported(State.FILLED, 10)).state is State.FILLED


# Anything at all, in any order.

statuses = st.sampled_from(sorted(VENUE_SHOWS))
numbers = st.integers(1, 3)
proofs = st.none() | st.sampled_from(NonExecution)
starts = st.sampled_from([(), (began(1),), (began(1), reported(State.CANCELED, 3))])
"""Nothing yet, sent, and ended: drawn event by event an order hardly ever gets that far."""
events = st.one_of(
    st.builds(reported, statuses, st.integers(0, 10), at_ms=st.integers(SENT_AT + 20, SENT_AT + 40)),
    st.builds(began, numbers, proofs, st.none() | st.builds(fenced, numbers)),
    st.builds(lost, numbers),
    st.builds(rejected, numbers),
    st.builds(fenced, numbers, asked=st.lists(st.integers(FENCE - 1, FENCE + 2), max_size=3).map(tuple)),
    st.builds(absent, numbers, asked=st.lists(st.integers(FENCE - 1, FENCE + 2), max_size=3).map(tuple)),
    st.builds(unexecuted, numbers, st.sampled_from(NonExecution)),
    st.builds(Reapproved, at_ms=st.sampled_from([FENCE + 4, 61_000])),
    st.builds(ended, st.integers(0, 3), st.sampled_from([State.CANCELED, State.EXPIRED, State.FILLED])),
    st.just(CancelRequested(at_ms=7)),
    st.just(Restated(at_ms=8)),
)


@settings(max_examples=400)
@given(start=starts, history=st.lists(events, max_size=12), resubmit=st.booleans())
def test_whatever_happens_no_rule_is_broken(
    start: tuple[LaterEvent, ...],
    history: list[LaterEvent],
    resubmit: bool,  # noqa: FBT001
) -> None:
    before = follow(*start, resubmit=resubmit)
    for event in history:
        try:
            after = apply(before, event)
        except TransitionRefused:
            continue
        assert after.executed_quantity >= before.executed_quantity
        assert after.state is before.state or after.state in TRANSITIONS[before.state][type(event)]
        if before.state.is_terminal and after is not before:
            assert isinstance(event, VenueReported)
            assert event.view.executed_quantity > before.executed_quantity or event.view.status in AT_VENUE
        assert (after.unknown_since_ms is not None) == (after.state is State.UNKNOWN)
        assert (after.absence is None) or after.request.resubmit
        if after.unexecuted is not None:
            assert after.attempt is not None
            assert after.unexecuted.attempt == after.attempt.number
        if not isinstance(event, Restated):
            with suppress(TransitionRefused):  # a write-ahead is refused the second time: nobody sends twice
                assert apply(after, event) is after
        before = after


@st.composite
def told_badly(draw: st.DrawFn) -> tuple[list[VenueView], list[VenueView]]:
    """The true life of an order at the venue, and what of it is heard: some of it twice, late, never; but its end."""
    amounts = sorted(draw(st.lists(st.integers(0, 9), max_size=5)))
    truth = [
        view(State.PARTIALLY_FILLED if amount else State.ACCEPTED, amount, at_ms=SENT_AT + 30 + place)
        for place, amount in enumerate(amounts)
    ]
    last = amounts[-1] if amounts else 0
    end = draw(st.sampled_from([State.FILLED, State.CANCELED, State.EXPIRED]))
    truth.append(view(end, 10 if end is State.FILLED else last, at_ms=SENT_AT + 100))
    heard = draw(st.lists(st.sampled_from(truth), max_size=8))
    return truth, draw(st.permutations([*heard, truth[-1]]))


@settings(max_examples=300)
@given(told=told_badly(), with_loss=st.booleans())
def test_who_heard_the_end_knows_the_end_however_badly_the_rest_was_told(
    told: tuple[list[VenueView], list[VenueView]],
    with_loss: bool,  # noqa: FBT001
) -> None:
    truth, heard = told
    found = follow(began(1), lost()) if with_loss else follow(began(1))
    for shown in heard:
        found = apply(found, VenueReported(view=shown, source=Source.LOOKUP, at_ms=1))
    assert (found.state, found.executed_quantity) == (truth[-1].status, truth[-1].executed_quantity)


class OrderAtVenue(RuleBasedStateMachine):
    """A venue, a network that loses and delays, and a model of what may be known: three facts and a precedence."""

    def __init__(self) -> None:
        super().__init__()
        self.order = follow(resubmit=True)
        self.attempts = 0
        self.lost = False
        self.absent = False  # proven, and risk is asked
        self.passed_again = False
        self.cancel_asked = False
        self.ending: State | None = None  # ours, with proof
        self.shown: list[VenueView] = []  # the order's true life at the venue, if it got there
        self.heard: VenueView | None = None  # the newest of it that counted
        self.time = SENT_AT + 30

    @property
    def expected(self) -> State:
        if self.heard is not None:
            return self.heard.status
        if self.ending is not None:
            return self.ending
        if self.attempts == 0 or self.passed_again:
            return State.APPROVED
        return State.UNKNOWN if self.lost else State.SUBMITTING

    @property
    def in_flight(self) -> bool:
        return self.expected in IN_FLIGHT

    def _refused(self, event: LaterEvent) -> None:
        with pytest.raises(TransitionRefused):
            apply(self.order, event)

    @rule(proof=st.sampled_from([None, NonExecution.THROTTLED, NonExecution.NEVER_SENT, NonExecution.FENCED]))
    def send(self, proof: NonExecution | None) -> None:
        fence = fenced(self.attempts) if proof is NonExecution.FENCED else None
        event = began(self.attempts + 1, proof, fence)
        first = self.attempts == 0 and self.expected is State.APPROVED and proof is not NonExecution.FENCED
        again = self.expected is State.APPROVED and self.passed_again and proof is NonExecution.FENCED
        if first or again or (self.in_flight and proof not in {None, NonExecution.FENCED}):
            self.order = apply(self.order, event)
            self.attempts += 1
            self.lost = self.absent = self.passed_again = False
        else:
            self._refused(event)

    @rule(back=st.integers(0, 2))
    def lose_the_answer(self, back: int) -> None:
        number = self.attempts - back
        if self.expected is State.APPROVED or (self.expected is State.SUBMITTING and number > self.attempts):
            self._refused(lost(number))
            return
        self.order = apply(self.order, lost(number))
        if self.expected is State.SUBMITTING and back == 0:
            self.lost = True

    @rule(back=st.integers(0, 1))
    def be_throttled(self, back: int) -> None:
        event = unexecuted(self.attempts - back)
        if self.in_flight and back == 0:
            self.order = apply(self.order, event)
            assert self.order.unexecuted is not None
        else:
            self._refused(event)

    @rule(back=st.integers(0, 1))
    def hear_a_rejection(self, back: int) -> None:
        event = rejected(self.attempts - back)
        if self.in_flight and back == 0:
            self.order = apply(self.order, event)
            self.ending = State.REJECTED
        elif self.ending is State.REJECTED and self.heard is None and back == 0:
            assert apply(self.order, event) is self.order
        else:
            self._refused(event)

    @rule(back=st.integers(0, 1), state=st.sampled_from([State.CANCELED, State.EXPIRED]))
    def end_unsent(self, back: int, state: State) -> None:
        event = ended(self.attempts - back, state)
        if back == 0 and (self.in_flight or (self.expected is State.APPROVED and not self.passed_again)):
            self.order = apply(self.order, event)
            self.ending = state
        elif back == 0 and self.expected is State.APPROVED:
            self._refused(event)
            proof, number = unsent_proof(self.order)
            self.order = apply(self.order, replace(event, proof=proof, attempt=number))
            self.ending = state
        elif back == 0 and self.heard is None and self.ending in {State.CANCELED, State.EXPIRED}:
            assert apply(self.order, event) is self.order
        else:
            self._refused(event)

    @rule(count=st.integers(1, 3))
    def find_nothing_after_the_fence(self, count: int) -> None:
        event = fenced(self.attempts, asked=tuple(FENCE + 1 + place for place in range(count)))
        if count > 1 and self.in_flight:
            self.order = apply(self.order, event)
            self.ending = State.NOT_PLACED
        elif count > 1 and self.expected is State.NOT_PLACED:
            assert apply(self.order, event) is self.order
        else:
            self._refused(event)

    @rule()
    def find_nothing_and_ask_risk(self) -> None:
        event = absent(self.attempts)
        if self.expected is State.UNKNOWN and not self.cancel_asked:
            self.order = apply(self.order, event)
            self.absent = True
        else:
            self._refused(event)

    @rule(late=st.booleans())
    def risk_lets_it_pass_again(self, late: bool) -> None:  # noqa: FBT001
        event = Reapproved(at_ms=61_000 if late else FENCE + 4)
        if self.expected is State.UNKNOWN and self.absent and not late and not self.cancel_asked:
            self.order = apply(self.order, event)
            self.passed_again = True
            self.lost = False
        else:
            self._refused(event)

    @precondition(lambda self: self.attempts > 0)
    @rule(more=st.integers(0, 4), cancel=st.booleans())
    def something_happens_at_the_venue(self, more: int, cancel: bool) -> None:  # noqa: FBT001
        executed = int(self.shown[-1].executed_quantity) if self.shown else 0
        if self.shown and self.shown[-1].status in TERMINAL:
            return
        executed = min(10, executed + more)
        open_state = State.PARTIALLY_FILLED if executed else State.ACCEPTED
        status = State.FILLED if executed == 10 else State.CANCELED if cancel else open_state
        self.time += 1
        self.shown.append(view(status, executed, at_ms=self.time))

    @precondition(lambda self: self.shown)
    @rule(age=st.integers(0, 3))
    def read(self, age: int) -> None:
        seen = self.shown[max(0, len(self.shown) - 1 - age)]
        self.order = apply(self.order, VenueReported(view=seen, source=Source.LOOKUP, at_ms=self.time))
        if self.heard is None:
            counts = self.ending is None or seen.status in AT_VENUE or seen.executed_quantity > 0
        else:
            counts = seen.updated_at_ms > self.heard.updated_at_ms
        if counts:
            self.heard = seen

    @rule()
    def ask_for_a_cancel(self) -> None:
        self.order = apply(self.order, CancelRequested(at_ms=self.time))
        self.cancel_asked = self.cancel_asked or not self.expected.is_terminal

    @invariant()
    def the_ledger_knows_what_may_be_known(self) -> None:
        assert self.order.state is self.expected
        assert self.order.executed_quantity == (self.heard.executed_quantity if self.heard else 0)
        assert (self.order.attempt.number if self.order.attempt else 0) == self.attempts


OrderAtVenue.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestOrderAtVenue = OrderAtVenue.TestCase


def test_remaining_quantity_is_what_may_still_execute() -> None:
    assert order(State.PARTIALLY_FILLED, executed_quantity=Decimal(4)).remaining_quantity == 6
    assert order(State.CANCELED, executed_quantity=Decimal(4)).remaining_quantity == 0
