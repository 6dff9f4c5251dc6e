"""One account's order desk: the only sender of orders, and the one place where "send" is decided.

The call is `budget -> timestamp -> append submitting(k) -> check -> sign -> send`. The venue session runs it and asks
this desk for the two middle steps (`Attempting.write_ahead`). A request is sent by the very call that wrote its `submitting`, once;
a redelivered `approved` that meets `submitting` never sends.
"""

import asyncio

from ordergate.ports.bus import Delivery, Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.control import KillSwitch
from ordergate.ports.ledger import Entry, Ledger, Won, append_evidence
from ordergate.ports.trace import Trace
from ordergate.ports.venue import (
    ClockRefused,
    Executed,
    NotExecuted,
    NotSent,
    Outcome,
    Throttled,
    Trading,
    Unknown,
)
from ordergate.trading.errors import TransitionRefused, Unavailable
from ordergate.trading.events import (
    EndedUnsent,
    LaterEvent,
    OutcomeLost,
    ProvenNotPlaced,
    ProvenUnexecuted,
    Source,
    SubmissionBegan,
    VenueRejected,
    VenueReported,
)
from ordergate.trading.ids import ClientOrderId, ErrorId, KeyId, derive_error_id
from ordergate.trading.lifecycle import apply, mismatch, unsent_proof
from ordergate.trading.order import IN_FLIGHT, Attempt, NonExecution, Order, State
from ordergate.trading.scope import Scope
from ordergate.wire.codec import decode_order
from services.order_submission.attempting import (
    APPENDS_MAX,
    CLOCK_WRONG,
    RESTORED,
    RESTORING_AGAIN_SECONDS,
    RETRY_PAUSE_SECONDS,
    UNCONFIRMED,
    Attempting,
    is_clock_wrong,
    proof_of,
)
from services.order_submission.lists import ListDesk
from services.order_submission.replacing import Replacing

CLOCK_REFUSALS_MAX = 1
"""A request whose timestamp the venue refused is signed again once; twice says that the clock cannot be trusted."""

CANCEL_REQUESTED = "cancel_requested"
"""Its strategy asked for its end while a proven non-execution waited for the next attempt."""

TRADES_TOLD_MAX = 60
"""Of one answer, in one message of the ledger, which has a size; the others come as all trades do."""


class OrderDesk:
    """Submits the approved orders of one account."""

    def __init__(
        self,
        *,
        trading: Trading,
        ledger: Ledger,
        publisher: Publisher,
        kill: KillSwitch,
        halt: "Halt",
        clock: Clock,
        trace: Trace,
    ) -> None:
        self._trading = trading
        self._replacing = Replacing(trading=trading, ledger=ledger, clock=clock, trace=trace)
        self._ledger = ledger
        self._publisher = publisher
        self._kill = kill
        self._halt = halt
        self._clock = clock
        self._trace = trace
        self.held: dict[ClientOrderId, Attempting] = {}
        self._lists = ListDesk(self, trading=trading, ledger=ledger, clock=clock, trace=trace)

    async def submit(self, delivery: Delivery) -> None:
        """Take one `approved` message to an outcome in the ledger, then acknowledge it."""
        record = decode_order(
            delivery.data, sequence=delivery.sequence, stored_at_ms=delivery.stored_at_ms, subject=delivery.subject
        )
        entry = Entry(
            order=record.order,
            sequence=delivery.sequence,
            append_id=record.append_id,
            event_kind=record.event_kind,
            stored_at_ms=delivery.stored_at_ms,
        )
        if entry.order.request.order_list is not None:
            await self._lists.submit(delivery, entry)
            return
        order_id = entry.order.key.client_order_id
        if order_id in self.held:
            # The ack wait ran out while the first delivery still waits for budget. Not acknowledged: that one may die yet.
            await delivery.retry(after_seconds=1.0)
            return
        if await self.is_left_to_recovery(entry.order):
            await delivery.retry(after_seconds=RESTORING_AGAIN_SECONDS)
            return
        attempting = Attempting(entry=entry, proof=proof_of(entry.order))
        self.held[order_id] = attempting
        began_ns = self._trace.now_ns()
        try:
            if delivery.delivery_count == 1 or await self._may_go_on(attempting):
                await self._work(attempting)
        finally:
            del self.held[order_id]
        if attempting.left:
            await delivery.retry(after_seconds=RESTORING_AGAIN_SECONDS)
            return
        order = attempting.order
        self._trace.span(
            "order_submission.submit",
            order_id,
            began_ns,
            attributes={
                "account": order.key.account,
                "attempt": order.attempt.number if order.attempt else None,
                "venue_order_id": order.venue_order_id,
                "state": order.state,
                "deliveries": delivery.delivery_count,
            },
            error_id=order.error_id,
            parent=delivery.headers.get("traceparent"),
        )
        await delivery.ack()

    async def is_left_to_recovery(self, order: Order) -> bool:
        """Whether the bus was restored since the order was asked for, and status_polling has not read at the venue yet what became of it.

        Another history of it, which this ledger has forgotten, may have sent it: so it is neither sent here nor said to be unsent.
        """
        stopped = self._kill.stops(order.request)
        if stopped is None or not stopped.restoring:
            return False
        key = order.key
        last = await self._ledger.last(key.venue, key.account, key.client_order_id)
        return last is None or not last.order.state.is_terminal

    async def end_unsent_in_hand(self, scope: Scope, reason: str) -> int:
        """End every order in scope that still waits here for its turn; how many. The append also shuts out its own late write-ahead."""
        waiting = [
            held.entry
            for held in self.held.values()
            if held.order.state is State.APPROVED and scope.covers(held.order.request)
        ]
        for entry in waiting:
            event = self._unsent(entry.order, State.CANCELED, reason, unsent_proof(entry.order)[0])
            # If this wins, the write-ahead of the waiting call loses and sends nothing; if it loses, `submitting` stands.
            await self._ledger.append(apply(entry.order, event), event, after=entry.sequence)
        return len(waiting)

    def in_hand(self) -> list[Order]:
        return [held.order for held in self.held.values()]

    async def _may_go_on(self, attempting: Attempting) -> bool:
        """A redelivery: whoever had it before may have gone on, or left it with the proof that its last request never executes."""
        key = attempting.order.key
        last = await self._ledger.last(key.venue, key.account, key.client_order_id)
        if last is not None:
            attempting.entry, attempting.proof = last, proof_of(last.order)
        order = attempting.order
        if order.state not in IN_FLIGHT or order.unexecuted is None:
            return order.state is State.APPROVED
        # This process's budget need not know what the venue told the one before it.
        until_ms = min(order.unexecuted.retry_at_ms or 0, order.request.expires_at_ms)
        await self._clock.sleep(max(0, until_ms - self._clock.now_ms()) / 1000)
        return True

    async def _work(self, attempting: Attempting) -> None:
        while True:
            reason = self.stopped(attempting.order)
            if reason == RESTORED and attempting.proof is None:
                attempting.left = True
                return
            if reason is not None and reason != UNCONFIRMED:
                await self.end_unsent(attempting, reason)
                return
            if reason is None and not await self._attempt(attempting):
                return
            await self._clock.sleep(RETRY_PAUSE_SECONDS)

    async def _attempt(self, attempting: Attempting) -> bool:
        """One call of the venue; True when another attempt may follow because this one is proven not to execute."""
        attempting.began, attempting.stopped = False, None

        async def write_ahead(timestamp_ms: int, key_id: KeyId) -> bool:
            return await self.write_ahead(attempting, timestamp_ms, key_id)

        remaining_ms = attempting.order.request.expires_at_ms - self._clock.now_ms()
        request = attempting.order.request
        place = self._trading.place if request.replaces is None else self._replacing.place
        outcome = await place(request, write_ahead=write_ahead, deadline_seconds=remaining_ms / 1000)
        return await self.settle(attempting, outcome)

    async def write_ahead(self, attempting: Attempting, timestamp_ms: int, key_id: KeyId) -> bool:
        order = attempting.order
        now_ms = self._clock.now_ms()
        if is_clock_wrong(venue_ms=timestamp_ms, now_ms=now_ms):
            attempting.stopped = CLOCK_WRONG
            return False
        number = (order.attempt.number if order.attempt else 0) + 1
        attempt = Attempt(number=number, timestamp_ms=timestamp_ms, key_id=key_id, began_at_ms=now_ms)
        fence = _fence_of(order) if attempting.proof is NonExecution.FENCED else None
        event = SubmissionBegan(attempt=attempt, at_ms=now_ms, proof=attempting.proof, fence=fence)
        if not await self.advance(attempting, event):
            return False
        attempting.began = True
        attempting.proof = None
        # Only now: a switch thrown before this line is seen here, one thrown after it finds `submitting` in the ledger.
        attempting.stopped = self.stopped(attempting.order)
        return attempting.stopped is None

    async def advance(self, attempting: Attempting, event: SubmissionBegan | EndedUnsent | ProvenUnexecuted) -> bool:
        """Append to the entry in hand; False if somebody else moved the order, which then is no longer ours.

        While an attempt that is proven not to execute waits for its successor, polling may have called it unknown and a strategy may
        have asked for its end. Neither says that it executed, so the proof holds for what they wrote as well.
        """
        for _ in range(APPENDS_MAX):
            held = attempting.order
            try:
                moved = apply(held, event)
            except TransitionRefused:
                break  # ended meanwhile
            if moved is held:
                return True  # said before
            answer = await self._ledger.append(moved, event, after=attempting.entry.sequence)
            if answer.entry is not None:
                attempting.entry = answer.entry
            if isinstance(answer, Won):
                return True
            now = attempting.order
            if attempting.proof is None or now.state not in IN_FLIGHT or now.attempt != held.attempt:
                break
            if isinstance(event, SubmissionBegan) and now.cancel_requested_at_ms is not None:
                attempting.stopped = CANCEL_REQUESTED
                return False
        attempting.lost = True
        return False

    def stopped(self, order: Order) -> str | None:
        """Why this order must not be sent at this moment, None if it may."""
        stopped = self._kill.stops(order.request)
        if stopped is not None:
            return RESTORED if stopped.restoring else "killed"
        if self._halt.reason is not None:
            return "halted"
        if self._clock.now_ms() >= order.request.expires_at_ms:
            return "expired"
        return None if self._kill.is_confirmed() else UNCONFIRMED

    async def settle(self, attempting: Attempting, outcome: Outcome) -> bool:
        if attempting.lost:
            return False
        match outcome:
            case NotSent():
                return await self._settle_not_sent(attempting, outcome)
            case Throttled() | ClockRefused():
                return await self._settle_proven(attempting, outcome)
            case Executed() | NotExecuted() | Unknown():
                await self.fold(attempting, self.evidence(attempting, outcome))
                if isinstance(outcome, NotExecuted) and outcome.credentials:
                    self._halt.throw(f"credentials refused: {outcome.reason}", outcome.error_id)
                return False

    async def _settle_not_sent(self, attempting: Attempting, outcome: NotSent) -> bool:
        if attempting.began:
            attempting.proof = NonExecution.NEVER_SENT
        if attempting.stopped == UNCONFIRMED or (attempting.stopped is None and outcome.retriable):
            return True
        await self.end_unsent(attempting, attempting.stopped or outcome.reason)
        return False

    async def _settle_proven(self, attempting: Attempting, outcome: Throttled | ClockRefused) -> bool:
        if isinstance(outcome, Throttled):
            attempting.proof = NonExecution.THROTTLED
            return await self.tell_unexecuted(attempting, outcome.error_id, retry_after_ms=outcome.retry_after_ms)
        attempting.proof = NonExecution.CLOCK_REFUSED
        attempting.clock_refusals += 1
        if attempting.clock_refusals <= CLOCK_REFUSALS_MAX:
            return await self.tell_unexecuted(attempting, outcome.error_id)
        order, now_ms = attempting.order, self._clock.now_ms()
        self._publisher.note_error(outcome.error_id, order.key)
        number = order.attempt.number if order.attempt else 0
        event = VenueRejected(attempt=number, reason="clock_refused", error_id=outcome.error_id, at_ms=now_ms)
        await self.fold(attempting, event)
        return False

    async def tell_unexecuted(
        self, attempting: Attempting, error_id: ErrorId, *, retry_after_ms: int | None = None
    ) -> bool:
        """Put the proof into the ledger, for whoever goes on if this process does not. False: the order is no longer ours."""
        order, proof, now_ms = attempting.order, attempting.proof, self._clock.now_ms()
        if proof is None or order.attempt is None:
            return True
        self._publisher.note_error(error_id, order.key)
        event = ProvenUnexecuted(
            attempt=order.attempt.number,
            proof=proof,
            at_ms=now_ms,
            error_id=error_id,
            retry_at_ms=None if retry_after_ms is None else now_ms + retry_after_ms,
        )
        try:
            return await self.advance(attempting, event)
        except Unavailable:
            return True  # we have the proof all the same, and go on with it

    def evidence(self, attempting: Attempting, outcome: Executed | NotExecuted | Unknown) -> LaterEvent:
        order, now_ms = attempting.order, self._clock.now_ms()
        number = order.attempt.number if order.attempt else 0
        if isinstance(outcome, NotExecuted):
            self._publisher.note_error(outcome.error_id, order.key)
            return VenueRejected(attempt=number, reason=outcome.reason, error_id=outcome.error_id, at_ms=now_ms)
        if isinstance(outcome, Executed) and outcome.view is not None:
            differing = mismatch(order, outcome.view)
            if differing is None:
                trades = outcome.trades[:TRADES_TOLD_MAX]
                return VenueReported(view=outcome.view, source=Source.SUBMISSION, at_ms=now_ms, trades=trades)
            reason, error_id = f"answer_disagrees_on_{differing}", _own_error_id(order, "mismatch")
        elif isinstance(outcome, Unknown):
            reason, error_id = outcome.reason, outcome.error_id
        else:
            reason, error_id = "answer_without_order", _own_error_id(order, "no_view")
        self._publisher.note_error(error_id, order.key)
        return OutcomeLost(attempt=number, reason=reason, error_id=error_id, at_ms=now_ms)

    async def end_unsent(self, attempting: Attempting, reason: str) -> None:
        """End an order of which nothing can be at the venue. Counts only against the very entry it was decided on."""
        # A budget that does not come in time is the order's time to live running out.
        state = State.EXPIRED if reason in {"expired", "budget_deadline"} else State.CANCELED
        event = self._unsent(attempting.order, state, reason, attempting.proof or NonExecution.NEVER_SENT)
        await self.advance(attempting, event)

    def _unsent(self, order: Order, state: State, reason: str, proof: NonExecution) -> EndedUnsent:
        error_id = _own_error_id(order, reason)
        self._publisher.note_error(error_id, order.key)
        return EndedUnsent(
            state=state,
            reason=reason,
            at_ms=self._clock.now_ms(),
            error_id=error_id,
            proof=proof,
            attempt=order.attempt.number if order.attempt else 0,
        )

    async def fold(self, attempting: Attempting, event: LaterEvent) -> None:
        try:
            attempting.entry = await append_evidence(self._ledger, attempting.entry, event)
        except TransitionRefused:
            attempting.lost = True  # the venue's word came first by another way; ours is old


class Halt:
    """An account whose key the venue refuses sends nothing more until an operator restarts it with a good key."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.error_id: ErrorId | None = None
        self._thrown = asyncio.Event()

    def throw(self, reason: str, error_id: ErrorId) -> None:
        self.reason, self.error_id = reason, error_id
        self._thrown.set()

    async def wait(self) -> None:
        await self._thrown.wait()


def _fence_of(order: Order) -> ProvenNotPlaced | None:
    """The evidence that a write-ahead after a resubmission's approval carries."""
    absence = order.absence
    if absence is None:
        return None
    return ProvenNotPlaced(
        attempt=absence.attempt, fence_ms=absence.fence_ms, asked_at_ms=absence.asked_at_ms, at_ms=order.revised_at_ms
    )


def _own_error_id(order: Order, reason: str) -> ErrorId:
    attempt = order.attempt.number if order.attempt else 0
    return derive_error_id(
        "order_submission", order.key.venue, order.key.account, order.key.client_order_id, str(attempt), reason
    )
