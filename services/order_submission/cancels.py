"""One account's cancels, on a lane of their own: they ask nobody's leave and wait behind no order.

A cancel is a request; its answer speaks of the cancel, never of the order. What the venue shows of the order in that answer is
evidence like any other. A cancel may be repeated, so an unanswered one simply comes again.
"""

import asyncio
from dataclasses import dataclass

from ordergate.ports.bus import Delivery, Progress, Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Entry, Ledger, Lost, Won, append_evidence
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
from ordergate.trading.errors import TransitionRefused
from ordergate.trading.events import CancelRequested, EndedUnsent, Source, VenueReported
from ordergate.trading.ids import (
    AccountName,
    ErrorId,
    IntentId,
    StrategyName,
    VenueName,
    derive_client_order_id,
    derive_error_id,
)
from ordergate.trading.lifecycle import apply, mismatch, unsent_proof
from ordergate.trading.lists import is_waiting
from ordergate.trading.order import Order, State, VenueView
from ordergate.wire import subjects
from ordergate.wire.gate import CancelAllRequest, CancelRequest, Refusal, read_intent
from ordergate.wire.messages import AnswerMessage, AnswerOutcome, CancelScope
from ordergate.wire.subjects import IntentKind
from services.order_submission.live import LiveOrders

RESOLVE_WAIT_SECONDS = 0.5
"""How often a cancel looks again at an order whose fate at the venue is not known yet."""
REPEAT_SECONDS = 0.5
OVERTAKEN_AGAIN_SECONDS = 0.05
OVERTAKEN_AGAIN_SECONDS_MAX = 0.5
"""A cancel may overtake the decision about its own order, whose intent stands before it in the stream: it looks again until risk has
decided everything that does, however long risk may be away.
"""
CANCELS_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What became of one cancel. outcome None: not known yet, ask again after `again_seconds`."""

    outcome: AnswerOutcome | None
    reason: str
    error_id: ErrorId | None = None
    again_seconds: float = REPEAT_SECONDS


class CancelDesk:
    """Answers cancel and cancel_all intents of one account."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        trading: Trading,
        ledger: Ledger,
        live: LiveOrders,
        decided: Progress,
        publisher: Publisher,
        clock: Clock,
        trace: Trace,
    ) -> None:
        """decided: how far risk has come in INTENTS."""
        self._venue = venue
        self._account = account
        self._trading = trading
        self._ledger = ledger
        self._live = live
        self._decided = decided
        self._publisher = publisher
        self._clock = clock
        self._trace = trace

    async def hear(self, delivery: Delivery) -> None:
        """One intent of the cancels lane."""
        request = read_intent(delivery.subject, delivery.data)
        match request:
            case CancelRequest():
                await self._hear_cancel(delivery, request)
            case CancelAllRequest():
                await self._hear_cancel_all(delivery, request)
            case Refusal():
                await self._refuse_unreadable(delivery, request)
            case _:
                await delivery.bury(reason="wrong_kind", error_id=self._error_id(delivery, "wrong_kind"))

    async def cancel_order(self, entry: Entry, reason: str) -> Cancellation:
        """Try once to end an order, wherever it stands. Used by the kill switch too."""
        order = entry.order
        if order.state.is_terminal:
            return Cancellation(outcome=AnswerOutcome.TOO_LATE, reason=f"already_{order.state}")
        if order.state is State.APPROVED or order.unexecuted is not None:
            return await self._end_unsent(entry, reason)
        if order.cancel_requested_at_ms is None:
            entry = await append_evidence(
                self._ledger, entry, CancelRequested(at_ms=self._clock.now_ms(), reason=reason)
            )
        if entry.order.venue_order_id is None or not entry.order.state.is_at_venue:
            # It may be at the venue under an id we do not know yet; status_polling finds out.
            return Cancellation(outcome=None, reason=f"order_{entry.order.state}", again_seconds=RESOLVE_WAIT_SECONDS)
        began_ns = self._trace.now_ns()
        outcome = await self._trading.cancel(order.key.symbol, venue_order_id=entry.order.venue_order_id)
        result = await self._settle(entry, outcome)
        self._trace.span(
            "order_submission.cancel",
            order.key.client_order_id,
            began_ns,
            attributes={
                "account": order.key.account,
                "venue_order_id": entry.order.venue_order_id,
                "outcome": result.reason,
            },
            error_id=result.error_id,
        )
        return result

    async def _hear_cancel(self, delivery: Delivery, request: CancelRequest) -> None:
        order_id = request.client_order_id
        if order_id is None and request.order_intent_id is not None:
            order_id = derive_client_order_id(request.account, request.strategy, request.order_intent_id)
        entry = None if order_id is None else await self._ledger.last(self._venue, self._account, order_id)
        if entry is None and order_id is not None:
            if not await self._decided.has_passed(delivery.sequence):
                await delivery.retry(after_seconds=_overtaken_again_seconds(delivery))
                return
            # What was decided before we asked stands there now.
            entry = await self._ledger.last(self._venue, self._account, order_id)
        refusal = self._refusal_of(request, entry)
        if refusal is not None or entry is None:
            reason, message = refusal or ("unknown_order", "the ledger has no such order")
            await self._refuse(delivery, request.strategy, request.intent_id, IntentKind.CANCEL, reason, message)
            return
        result = await self.cancel_order(entry, "requested")
        if result.outcome is None:
            await delivery.retry(after_seconds=result.again_seconds)
            return
        await self._answer(
            delivery,
            AnswerMessage(
                venue=self._venue,
                account=self._account,
                strategy=request.strategy,
                intent_id=request.intent_id,
                kind=IntentKind.CANCEL,
                client_order_id=entry.order.key.client_order_id,
                outcome=result.outcome,
                reason=result.reason,
                error_id=result.error_id,
                intent_sequence=delivery.sequence,
                at_ms=self._clock.now_ms(),
            ),
        )
        await delivery.ack()

    def _refusal_of(self, request: CancelRequest, entry: Entry | None) -> tuple[str, str] | None:
        if request.expires_at_ms is not None and self._clock.now_ms() >= request.expires_at_ms:
            return "expired", "the cancel's time to live has passed"
        if entry is None:
            return "unknown_order", "the ledger has no such order, and everything asked for before is decided"
        if entry.order.request.strategy != request.strategy:
            return (
                "not_your_order",
                "a strategy cancels its own orders; cancel_all with scope account reaches the others",
            )
        return None

    async def _hear_cancel_all(self, delivery: Delivery, request: CancelAllRequest) -> None:
        """Every order in scope whose intent stands before this one. Those whose fate is not known yet are waited for; later ones are not touched."""
        if request.expires_at_ms is not None and self._clock.now_ms() >= request.expires_at_ms:
            await self._refuse(
                delivery,
                request.strategy,
                request.intent_id,
                IntentKind.CANCEL_ALL,
                "expired",
                "the cancel's time to live has passed",
            )
            return
        is_decided = await self._decided.has_passed(delivery.sequence)  # before the orders are read: see _hear_cancel
        in_scope = [
            entry
            for entry in await self._live.read()
            if request.symbol in {None, entry.order.key.symbol}
            and (request.scope is CancelScope.ACCOUNT or entry.order.request.strategy == request.strategy)
            and _was_asked_for_before(delivery, entry)
        ]
        results = await self.cancel_orders(in_scope, "requested")
        pending = [result for result in results if result.outcome is None]
        if pending:
            await delivery.retry(after_seconds=max(result.again_seconds for result in pending))
            return
        if not is_decided:
            # An order that was asked for before may be approved yet: what is there is canceled, but "nothing open" must wait.
            await delivery.retry(after_seconds=_overtaken_again_seconds(delivery))
            return
        await self._answer(
            delivery,
            AnswerMessage(
                venue=self._venue,
                account=self._account,
                strategy=request.strategy,
                intent_id=request.intent_id,
                kind=IntentKind.CANCEL_ALL,
                outcome=AnswerOutcome.DONE,
                reason="nothing_open",
                message="nothing of that scope is open any more",
                intent_sequence=delivery.sequence,
                at_ms=self._clock.now_ms(),
            ),
        )
        await delivery.ack()

    async def cancel_orders(self, entries: list[Entry], reason: str) -> list[Cancellation]:
        """Try each once, a few at a time."""
        slots = asyncio.Semaphore(CANCELS_AT_ONCE)

        async def cancel(entry: Entry) -> Cancellation:
            async with slots:
                return await self.cancel_order(entry, reason)

        return await asyncio.gather(*(cancel(entry) for entry in entries))

    async def _end_unsent(self, entry: Entry, reason: str) -> Cancellation:
        answer = await self._append_end(entry, reason)
        if not isinstance(answer, Won):
            return Cancellation(outcome=None, reason="order_moved", again_seconds=0.05)
        await self._end_list(entry.order)
        return Cancellation(outcome=AnswerOutcome.DONE, reason=unsent_proof(entry.order)[0].value)

    async def _end_list(self, ended: Order) -> None:
        """The others of its list are not sent without it. Where this is overtaken, or dies here, the order desk finds the same."""
        listed, key = ended.request.order_list, ended.key
        for name in () if listed is None else listed.legs:
            other = await self._ledger.last(key.venue, key.account, name)
            is_of_it = other is not None and (other.order.request.strategy, other.order.request.intent_id) == (
                ended.request.strategy,
                ended.request.intent_id,
            )
            if other is not None and is_of_it and is_waiting(other.order):
                await self._append_end(other, f"list_canceled: {key.client_order_id} of the same list was canceled")

    async def _append_end(self, entry: Entry, reason: str) -> Won | Lost:
        order = entry.order
        proof, attempt = unsent_proof(order)
        event = EndedUnsent(
            state=State.CANCELED,
            reason=reason,
            at_ms=self._clock.now_ms(),
            error_id=derive_error_id("cancel", order.key.venue, order.key.account, order.key.client_order_id),
            proof=proof,
            attempt=attempt,
        )
        return await self._ledger.append(apply(order, event), event, after=entry.sequence)

    async def _settle(self, entry: Entry, outcome: Outcome) -> Cancellation:
        match outcome:
            case Executed():
                await fold_view(self._ledger, entry, outcome.view, at_ms=self._clock.now_ms())
                return Cancellation(outcome=AnswerOutcome.DONE, reason="canceled")
            case NotExecuted(too_late=True):
                await fold_view(self._ledger, entry, outcome.view, at_ms=self._clock.now_ms())
                return Cancellation(outcome=AnswerOutcome.TOO_LATE, reason=outcome.reason, error_id=outcome.error_id)
            case NotExecuted(not_found=True):
                return Cancellation(outcome=AnswerOutcome.NOT_FOUND, reason=outcome.reason, error_id=outcome.error_id)
            case NotExecuted():
                return Cancellation(outcome=AnswerOutcome.FAILED, reason=outcome.reason, error_id=outcome.error_id)
            case Throttled():
                return Cancellation(
                    outcome=None,
                    reason="throttled",
                    error_id=outcome.error_id,
                    again_seconds=outcome.retry_after_ms / 1000,
                )
            case Unknown() | ClockRefused():
                return Cancellation(outcome=None, reason="unanswered", error_id=outcome.error_id)
            case NotSent():
                return Cancellation(outcome=None, reason=outcome.reason)

    async def _refuse(  # noqa: PLR0917
        self,
        delivery: Delivery,
        strategy: StrategyName,
        intent_id: IntentId | None,
        kind: IntentKind,
        reason: str,
        message: str,
    ) -> None:
        await self._answer(
            delivery,
            AnswerMessage(
                venue=self._venue,
                account=self._account,
                strategy=strategy,
                intent_id=intent_id,
                kind=kind,
                outcome=AnswerOutcome.REFUSED,
                reason=reason,
                message=message,
                error_id=self._error_id(delivery, reason),
                intent_sequence=delivery.sequence,
                at_ms=self._clock.now_ms(),
            ),
        )
        await delivery.ack()

    async def _refuse_unreadable(self, delivery: Delivery, refusal: Refusal) -> None:
        error_id = self._error_id(delivery, refusal.reason)
        if refusal.address is not None:
            await self._answer(
                delivery,
                AnswerMessage(
                    venue=self._venue,
                    account=self._account,
                    strategy=refusal.address.strategy,
                    intent_id=refusal.intent_id,
                    kind=refusal.address.kind,
                    client_order_id=refusal.client_order_id,
                    outcome=AnswerOutcome.REFUSED,
                    reason=refusal.reason,
                    message=refusal.message,
                    error_id=error_id,
                    intent_sequence=delivery.sequence,
                    at_ms=self._clock.now_ms(),
                ),
            )
        await delivery.bury(reason=refusal.reason, error_id=error_id)

    async def _answer(self, delivery: Delivery, answer: AnswerMessage) -> None:
        intent_id = None if answer.intent_id is None else IntentId(answer.intent_id)
        await self._publisher.answer(
            subjects.answer(self._venue, self._account, StrategyName(answer.strategy), intent_id),
            answer.to_bytes(),
            message_id=f"answer:{delivery.sequence}",
        )

    def _error_id(self, delivery: Delivery, reason: str) -> ErrorId:
        return derive_error_id("intents", str(delivery.sequence), reason)


async def fold_view(ledger: Ledger, entry: Entry, view: VenueView | None, *, at_ms: int) -> None:
    """What the answer to a cancel shows of the order, into the ledger. Raises BusUnavailable."""
    if view is None or mismatch(entry.order, view) is not None:
        return  # polling reads the order itself
    try:
        await append_evidence(ledger, entry, VenueReported(view=view, source=Source.CANCEL, at_ms=at_ms))
    except TransitionRefused:
        return


def _was_asked_for_before(delivery: Delivery, entry: Entry) -> bool:
    """Orders that came after the intent are not meant by it, also when the intent is delivered again."""
    request = entry.order.request
    if request.intent_sequence is None:
        return (
            request.created_at_ms <= delivery.stored_at_ms
        )  # no intent made it: a stranger's, or one that closes a position
    return request.intent_sequence < delivery.sequence


def _overtaken_again_seconds(delivery: Delivery) -> float:
    """Soon at first: the decision is a millisecond away. Ever later while risk is down."""
    return min(OVERTAKEN_AGAIN_SECONDS * 2.0 ** min(delivery.delivery_count - 1, 5), OVERTAKEN_AGAIN_SECONDS_MAX)
