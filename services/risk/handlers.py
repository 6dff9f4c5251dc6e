"""One account's gate: every `place`, `replace` and `close` intent becomes `approved` or `refused`, one at a time.

A decision is made on a book that holds every decision before it, also those that another replica made (services.risk.turns). The guard of
the first append (no earlier message of that clientOrderId) is what refuses a repeated intent, so a redelivery after any crash meets its
own decision and is acknowledged.
"""

from dataclasses import replace
from typing import Protocol

from ordergate.ports.bus import Delivery, IntentLog, Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.control import KillSwitch
from ordergate.ports.ledger import Entry, Ledger, Won
from ordergate.ports.market import MarketData
from ordergate.ports.trace import Trace
from ordergate.ports.venue import Declaration
from ordergate.trading.errors import Unavailable, Unreadable
from ordergate.trading.events import Approved, ProvenNotPlaced, Reapproved, Refused
from ordergate.trading.ids import AccountName, ClientOrderId, ErrorId, IntentId, VenueName, derive_error_id
from ordergate.trading.instrument import FilterRefusal, check_terms, incoherent, unsupported
from ordergate.trading.lifecycle import apply, begin, may_resubmit
from ordergate.trading.order import OrderRequest, Rounding, State, Terms
from ordergate.trading.risk import RiskLimits, RiskRefusal, check
from ordergate.wire import subjects
from ordergate.wire.gate import CloseRequest, ListRequest, Refusal, intent_id_of, read_intent
from ordergate.wire.messages import AnswerMessage, AnswerOutcome
from ordergate.wire.subjects import IntentAddress
from services.risk.closing import Closings, NoOrder
from services.risk.first_word import FirstWord
from services.risk.fold import AccountFold
from services.risk.lists import ListDecisions
from services.risk.turns import Missed, Turns

AGAIN_SECONDS = 0.5
"""Between two tries to decide about a resubmission while the bus is away."""

RECOVERING_AGAIN_SECONDS = 1.0

CREATED_AHEAD_MAX_MS = 60_000
"""An intent from further in the future than a strategy's clock may be off would outlive its time to live."""


class RiskDesk:
    """Decides the intents of one account."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        declaration: Declaration,
        limits: RiskLimits,
        fold: AccountFold,
        intents: IntentLog,
        ledger: Ledger,
        publisher: Publisher,
        market: MarketData,
        kill: KillSwitch,
        clock: Clock,
        trace: Trace,
    ) -> None:
        self._venue = venue
        self._account = account
        self._declaration = declaration
        self._limits = limits
        self._fold = fold
        self._turns = Turns(intents=intents, fold=fold)
        self._ledger = ledger
        self._publisher = publisher
        self._first_word = FirstWord(venue, market)
        self._closings = Closings(declaration=declaration, book=fold.book, first_word=self._first_word)
        self._kill = kill
        self._clock = clock
        self._trace = trace
        self._lists = ListDecisions(weigh=self._weigh, fold=fold, ledger=ledger, publisher=publisher, clock=clock)

    async def decide(self, delivery: Delivery) -> None:
        """One intent of the risk lane, to its decision."""
        await self._fold.caught_up()
        if self._kill.is_recovering():
            await delivery.retry(after_seconds=RECOVERING_AGAIN_SECONDS)
            return
        for missed in await self._turns.before(delivery):
            await self._make_up_for(missed)
        self._turns.take(delivery)
        began_ns = self._trace.now_ns()
        request = read_intent(delivery.subject, delivery.data)
        match request:
            case Refusal():
                await self._refuse_unreadable(delivery, request)
                return
            case OrderRequest():
                placed = request
            case ListRequest():
                await self._decide_list(delivery, request)
                return
            case CloseRequest():
                closing = self._closings.order_for(request, self._clock.now_ms())
                if isinstance(closing, NoOrder):
                    await self._decline(delivery, request, closing)
                    return
                placed = closing
            case _:
                await delivery.bury(reason="wrong_kind", error_id=_error_id(delivery.sequence, "wrong_kind"))
                return
        error_id = await self._decide_order(delivery, replace(placed, intent_sequence=delivery.sequence))
        self._trace.span(
            "risk.decide",
            placed.key.client_order_id,
            began_ns,
            attributes={"account": self._account, "strategy": placed.strategy, "deliveries": delivery.delivery_count},
            error_id=error_id,
            parent=delivery.headers.get("traceparent"),
        )
        await delivery.ack()

    async def _decide_list(self, delivery: Delivery, request: ListRequest) -> None:
        began_ns, first = self._trace.now_ns(), replace(request.first, intent_sequence=delivery.sequence)
        if first.validate_only:
            await self._answer_validated(delivery, first, self._lists.weigh(request))
        elif (standing := await self._lists.decide(request, delivery.sequence)) is not None:
            await self._answer_repeated(delivery, first, standing)
        for leg in request.legs:
            self._trace.span(
                "risk.decide",
                leg.key.client_order_id,
                began_ns,
                attributes={"account": self._account, "strategy": leg.strategy, "deliveries": delivery.delivery_count},
                parent=delivery.headers.get("traceparent"),
            )
        await delivery.ack()

    async def _make_up_for(self, missed: Missed) -> None:
        """Learn or decide what another replica was handed. Who holds it answers for it, and buries what cannot be read."""
        intent = missed.intent
        request = read_intent(intent.subject, intent.data)
        if isinstance(request, ListRequest):
            if missed.is_answered:
                await self._lists.learn(request)
            elif not request.first.validate_only:
                await self._lists.decide(request, intent.sequence)
            return
        if missed.is_answered and isinstance(request, OrderRequest | CloseRequest):
            entry = await self._ledger.last(self._venue, self._account, request.key.client_order_id)
            if entry is not None:
                self._fold.note(entry)
            return
        if isinstance(request, CloseRequest):
            placed: object = self._closings.order_for(request, self._clock.now_ms())
        else:
            placed = request
        if not isinstance(placed, OrderRequest) or placed.validate_only:
            return
        event = await self._decision(replace(placed, intent_sequence=intent.sequence), intent.sequence)
        answer = await self._ledger.append(begin(event), event, after=0)
        if answer.entry is not None:
            self._fold.note(answer.entry)
        if isinstance(answer, Won) and isinstance(event, Refused):
            self._publisher.note_error(event.error_id, placed.key)

    async def decide_again(self) -> None:
        """Let orders pass once more that asked for it and whose last attempt is proven not to have executed, or end them. For ever."""
        await self._fold.caught_up()
        while True:
            for entry in await self._fold.awaiting():
                try:
                    await self._decide_again(entry)
                except Unavailable:
                    await self._clock.sleep(AGAIN_SECONDS)

    async def _decide_again(self, entry: Entry) -> None:
        order, now_ms = entry.order, self._clock.now_ms()
        absence = order.absence
        if absence is None:
            return
        began_ns = self._trace.now_ns()
        refusal = self._weigh_again(entry)
        event: Reapproved | ProvenNotPlaced = Reapproved(at_ms=now_ms)
        if refusal is not None or not may_resubmit(order, now_ms):
            reason, message = refusal or ("not_placed", "its end was asked for")
            error_id = derive_error_id(
                "resubmission", self._venue, self._account, order.key.client_order_id, str(absence.attempt)
            )
            self._publisher.note_error(error_id, order.key)
            event = ProvenNotPlaced(
                attempt=absence.attempt,
                fence_ms=absence.fence_ms,
                asked_at_ms=absence.asked_at_ms,
                at_ms=now_ms,
                error_id=error_id,
                reason=f"not sent again, {reason}: {message}",
            )
        # Whoever else writes meanwhile (the venue showed it after all, its end was asked for) wins, and is looked at again.
        answer = await self._ledger.append(apply(order, event), event, after=entry.sequence)
        if isinstance(answer, Won) and isinstance(event, Reapproved):
            self._fold.book.note_approval(now_ms)
        if answer.entry is None:
            raise Unavailable("the ledger no longer holds an order that waits to pass again")
        self._fold.note(answer.entry)
        self._trace.span(
            "risk.decide_again",
            order.key.client_order_id,
            began_ns,
            attributes={"account": self._account, "attempt": absence.attempt, "refused": refusal and refusal[0]},
            error_id=getattr(event, "error_id", None),
        )

    def _weigh_again(self, entry: Entry) -> tuple[str, str] | None:
        """Why the order must not be sent once more, None if it may. It counts in the book already, so it is taken out to be weighed."""
        order, book = entry.order, self._fold.book
        book.note_order(replace(order, state=State.NOT_PLACED))
        try:
            verdict = self._weigh(order.request)
        finally:
            book.note_order(order)
        return None if isinstance(verdict, Terms) else verdict

    async def _decide_order(self, delivery: Delivery, request: OrderRequest) -> ErrorId | None:
        """Append the decision; the errorId if it is a refusal."""
        if not request.validate_only:
            return await self._append(delivery, request, await self._decision(request, delivery.sequence))
        terms = await self._weigh_with_replaced(request)
        return await self._answer_validated(delivery, request, None if isinstance(terms, Terms) else terms)

    async def _answer_validated(
        self, delivery: Delivery, request: OrderRequest, refusal: tuple[str, str] | None
    ) -> ErrorId | None:
        if refusal is None:
            await self._answer(delivery, request, AnswerOutcome.DONE, "valid", "it would have been approved")
            return None
        reason, message = refusal
        error_id = _error_id(delivery.sequence, reason)
        await self._answer(delivery, request, AnswerOutcome.REFUSED, reason, message, error_id)
        return error_id

    async def _decision(self, request: OrderRequest, sequence: int) -> Approved | Refused:
        """What becomes of the order as the book stands now. sequence: of its intent."""
        terms = await self._weigh_with_replaced(request)
        if isinstance(terms, Terms):
            return Approved(request=replace(request, terms=terms), at_ms=self._clock.now_ms())
        reason, message = terms
        return Refused(
            request=request,
            at_ms=self._clock.now_ms(),
            reason=f"{reason}: {message}",
            error_id=_error_id(sequence, reason),
        )

    async def _weigh_with_replaced(self, request: OrderRequest) -> Terms | tuple[str, str]:
        """The order that it replaces is read first: nothing may come between the book and the decision."""
        fault = None if request.replaces is None else await self._fault_of_replaced(request, request.replaces)
        verdict = self._weigh(request)
        return verdict if fault is None or not isinstance(verdict, Terms) else fault

    async def _fault_of_replaced(self, request: OrderRequest, replaced: ClientOrderId) -> tuple[str, str] | None:
        """Whatever was asked for before is decided, so an old order that is not in the ledger is none. One that has ended stops the sender, not us."""
        entry = await self._ledger.last(self._venue, self._account, replaced)
        if entry is None:
            return "unknown_order", f"the ledger has no order {replaced} to be replaced"
        if entry.order.request.strategy != request.strategy:
            return "not_your_order", f"a strategy replaces its own orders; {replaced} is not one of them"
        if entry.order.key.symbol != request.key.symbol:
            return "other_symbol", f"{replaced} is an order of {entry.order.key.symbol}"
        if entry.order.request.order_list is not None:
            return "part_of_a_list", f"to end {replaced} is to end the whole list that it belongs to"
        return None

    def _weigh(self, request: OrderRequest) -> Terms | tuple[str, str]:
        """The terms as they will be sent, or why they will not: a stable reason and a sentence."""
        now_ms = self._clock.now_ms()
        kill = self._kill.thrown(request)
        if kill is not None and kill.restoring:
            return "restored", f"{kill.reason}; what was asked for before or meanwhile is not sent: ask again after it"
        if kill is not None:
            return "killed", f"the kill switch is thrown for {kill.scope}: {kill.reason}"
        if now_ms >= request.expires_at_ms:
            return "expired", f"its time to live ended {now_ms - request.expires_at_ms} ms ago"
        if request.created_at_ms > now_ms + CREATED_AHEAD_MAX_MS:
            return "created_in_the_future", f"createdAtMs is {request.created_at_ms - now_ms} ms ahead of our clock"
        problem = incoherent(request.terms)
        if problem is not None:
            return "invalid_terms", problem
        lacking = self._lacking(request)
        if lacking is not None:
            return "unsupported_by_venue", lacking
        return self._weigh_against_limits(request, now_ms)

    def _lacking(self, request: OrderRequest) -> str | None:
        declaration = self._declaration
        if request.replaces is not None and not declaration.native_replace:
            return "this venue has no replace; cancel the order, then place the new one"
        listed = request.order_list
        if listed is not None and listed.kind not in declaration.order_lists:
            return f"this venue has no order list of the kind {listed.kind}"
        if request.resubmit and not declaration.lookup_is_witness:
            return "nothing at this venue can prove that a request did not execute, so none can be sent again"
        return unsupported(
            request.terms,
            order_types=declaration.order_types,
            times_in_force=declaration.times_in_force,
            post_only=declaration.post_only,
            quote_quantity=declaration.quote_quantity,
            position_sides=declaration.position_sides,
            reduce_only=declaration.reduce_only,
            iceberg=declaration.iceberg,
            trailing=declaration.trailing,
            self_trade_prevention=declaration.self_trade_prevention,
        )

    def _weigh_against_limits(self, request: OrderRequest, now_ms: int) -> Terms | tuple[str, str]:
        instrument = self._first_word.instrument(request.key.symbol, now_ms)
        if instrument is None:
            return "unknown_symbol", self._first_word.why_unknown(request.key.symbol)
        reference = self._first_word.price(instrument, now_ms)
        is_fresh = (
            reference is not None and now_ms - reference.observed_at_ms <= self._limits.reference_price_age_max_ms
        )
        terms = check_terms(
            request.terms,
            instrument,
            reference_price=reference.price if reference is not None and is_fresh else None,
            adjust=request.rounding is Rounding.ADJUST,
        )
        if isinstance(terms, FilterRefusal):
            nearest = "" if terms.nearest is None else f"; nearest legal value {terms.nearest}"
            return f"filter_{terms.filter.lower()}", f"{terms.message}{nearest}"
        verdict = check(
            replace(request, terms=terms),
            self._limits,
            self._fold.book,
            reference,
            instrument,
            now_ms,
            has_reduce_only=self._declaration.reduce_only,
        )
        if isinstance(verdict, RiskRefusal):
            return verdict.limit, (
                f"{verdict.message} (limit {verdict.limit}={verdict.value}, would be {verdict.would_be})"
            )
        return terms

    async def _append(self, delivery: Delivery, request: OrderRequest, event: Approved | Refused) -> ErrorId | None:
        order = begin(event)
        answer = await self._ledger.append(order, event, after=0)
        if isinstance(answer, Won):
            self._fold.note(answer.entry)
            if order.error_id is not None:
                self._publisher.note_error(order.error_id, order.key)
            return order.error_id
        if answer.entry is None:
            return None
        self._fold.note(answer.entry)
        return await self._answer_repeated(delivery, request, answer.entry)

    async def _answer_repeated(self, delivery: Delivery, request: OrderRequest, entry: Entry) -> ErrorId | None:
        """The ledger knows this clientOrderId: the same intent again, or another body under its name."""
        first = entry.order.request
        if first.request_hash == request.request_hash:
            if _is_another_intent(first, request, delivery):
                await self._answer(
                    delivery,
                    request,
                    AnswerOutcome.DONE,
                    "repeated",
                    f"the order stands in the ledger already; it is {entry.order.state}",
                )
            return None
        same_intent = (first.strategy, first.intent_id) == (request.strategy, request.intent_id)
        reason = "intent_id_reused" if same_intent else "client_order_id_in_use"
        error_id = _error_id(delivery.sequence, reason)
        self._publisher.note_error(error_id, entry.order.key)
        message = "the ledger has this id with another body; the first one counts"
        await self._answer(delivery, request, AnswerOutcome.REFUSED, reason, message, error_id)
        return error_id

    async def _decline(self, delivery: Delivery, request: CloseRequest, none: NoOrder) -> None:
        """Nothing is placed. What this intent placed before, in a delivery that died before its end, is answer enough."""
        if await self._ledger.last(self._venue, self._account, request.key.client_order_id) is None:
            is_refused = none.outcome is AnswerOutcome.REFUSED
            error_id = _error_id(delivery.sequence, none.reason) if is_refused else None
            await self._answer(delivery, request, none.outcome, none.reason, none.message, error_id)
        await delivery.ack()

    async def _answer(  # noqa: PLR0917
        self,
        delivery: Delivery,
        request: OrderRequest | CloseRequest,
        outcome: AnswerOutcome,
        reason: str,
        message: str,
        error_id: ErrorId | None = None,
    ) -> None:
        address = subjects.parse_intent(delivery.subject)
        await self._publisher.answer(
            subjects.answer(self._venue, self._account, request.strategy, request.intent_id),
            answer_to(
                address,
                intent_id=request.intent_id,
                client_order_id=request.key.client_order_id,
                outcome=outcome,
                reason=reason,
                message=message,
                error_id=error_id,
                sequence=delivery.sequence,
                at_ms=self._clock.now_ms(),
            ).to_bytes(),
            message_id=f"answer:{delivery.sequence}",
        )

    async def _refuse_unreadable(self, delivery: Delivery, refusal: Refusal) -> None:
        """Answer where an address could be read, and keep what could not be read in DEAD with the reason."""
        error_id = _error_id(delivery.sequence, refusal.reason)
        if refusal.address is not None:
            await self._publisher.answer(
                subjects.answer(self._venue, self._account, refusal.address.strategy, refusal.intent_id),
                answer_to(
                    refusal.address,
                    intent_id=refusal.intent_id,
                    client_order_id=refusal.client_order_id,
                    outcome=AnswerOutcome.REFUSED,
                    reason=refusal.reason,
                    message=refusal.message,
                    error_id=error_id,
                    sequence=delivery.sequence,
                    at_ms=self._clock.now_ms(),
                ).to_bytes(),
                message_id=f"answer:{delivery.sequence}",
            )
        self._note_refused(delivery, refusal, error_id)
        await delivery.bury(reason=refusal.reason, error_id=error_id)

    def _note_refused(self, delivery: Delivery, refusal: Refusal, error_id: ErrorId) -> None:
        if refusal.client_order_id is not None:
            self._trace.span(
                "risk.refuse",
                refusal.client_order_id,
                self._trace.now_ns(),
                attributes={"account": self._account, "reason": refusal.reason},
                error_id=error_id,
                parent=delivery.headers.get("traceparent"),
            )


class Bodies(Protocol):
    """The bodies of intents: the strangers' lane hears subjects only."""

    async def read(self, sequence: int) -> bytes | None: ...


class StrangersDesk:
    """Answers the intents of accounts that nobody serves here, so that no strategy waits for a decision that will not come."""

    def __init__(
        self,
        *,
        served: frozenset[tuple[VenueName, AccountName]],
        bodies: Bodies,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._served = served
        self._venues = frozenset(venue for venue, _ in served)
        self._bodies = bodies
        self._publisher = publisher
        self._clock = clock

    async def hear(self, delivery: Delivery) -> None:
        try:
            address = subjects.parse_intent(delivery.subject)
        except Unreadable:
            await delivery.bury(
                reason="unreadable_subject", error_id=_error_id(delivery.sequence, "unreadable_subject")
            )
            return
        if (address.venue, address.account) not in self._served:
            await self._refuse(delivery, address)
        await delivery.ack()

    async def _refuse(self, delivery: Delivery, address: IntentAddress) -> None:
        reason = "unknown_account" if address.venue in self._venues else "unknown_venue"
        body = await self._bodies.read(delivery.sequence)
        intent_id = None if body is None else intent_id_of(delivery.subject, body)
        await self._publisher.answer(
            subjects.answer(address.venue, address.account, address.strategy, intent_id),
            answer_to(
                address,
                intent_id=intent_id,
                client_order_id=None,
                outcome=AnswerOutcome.REFUSED,
                reason=reason,
                message=f"no service here serves {address.venue}/{address.account}",
                error_id=_error_id(delivery.sequence, reason),
                sequence=delivery.sequence,
                at_ms=self._clock.now_ms(),
            ).to_bytes(),
            message_id=f"answer:{delivery.sequence}",
        )


def answer_to(
    address: IntentAddress,
    *,
    intent_id: IntentId | None,
    client_order_id: str | None,
    outcome: AnswerOutcome,
    reason: str,
    message: str,
    error_id: ErrorId | None,
    sequence: int,
    at_ms: int,
) -> AnswerMessage:
    return AnswerMessage(
        venue=address.venue,
        account=address.account,
        strategy=address.strategy,
        intent_id=intent_id,
        kind=address.kind,
        client_order_id=client_order_id,
        outcome=outcome,
        reason=reason,
        message=message,
        error_id=error_id,
        intent_sequence=sequence,
        at_ms=at_ms,
    )


def _is_another_intent(first: OrderRequest, request: OrderRequest, delivery: Delivery) -> bool:
    """Whether this message is not the one that the order was made by, but says the same once more."""
    if first.intent_sequence is None:
        return delivery.delivery_count == 1
    return first.intent_sequence != request.intent_sequence


def _error_id(sequence: int, reason: str) -> ErrorId:
    """sequence: of the intent, so that whoever refuses it, and however often, does so under one errorId."""
    return derive_error_id("intents", str(sequence), reason)
