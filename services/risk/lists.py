"""Orders that are asked for together are decided together: all pass, each weighed with those before it counted, or none does.

Every leg has a decision of its own in the ledger, written in leg order; the sender acts upon the last one's. So a decision that died half way
sends nothing, and the redelivered intent finishes it: by approving what is left, or, where a leg ended meanwhile or the rest no longer passes,
by refusing that and ending what was approved.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ordergate.ports.bus import Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Entry, Ledger, Won
from ordergate.trading.errors import Unavailable
from ordergate.trading.events import Approved, EndedUnsent, Refused
from ordergate.trading.ids import ErrorId, derive_error_id
from ordergate.trading.lifecycle import apply, begin, unsent_proof
from ordergate.trading.order import ListKind, Order, OrderRequest, State, Terms, TimeInForce
from ordergate.wire.gate import ListRequest
from services.risk.fold import AccountFold

Weigh = Callable[[OrderRequest], Terms | tuple[str, str]]
"""The terms as they will be sent, or why they will not: a stable reason and a sentence."""

LOOKS_MAX = 8
"""How often others may write to the legs while they are decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """Why no leg goes out; `reason` is stable, `leg` the one it is about."""

    leg: int
    reason: str
    message: str

    @property
    def sentence(self) -> str:
        return f"{self.reason}: order {self.leg} of the list: {self.message}"


class ListDecisions:
    """The lists of one account."""

    def __init__(self, *, weigh: Weigh, fold: AccountFold, ledger: Ledger, publisher: Publisher, clock: Clock) -> None:
        self._weigh = weigh
        self._fold = fold
        self._ledger = ledger
        self._publisher = publisher
        self._clock = clock

    async def decide(self, request: ListRequest, sequence: int) -> Entry | None:
        """Append what is not decided yet; an order that stood there already, of this list or of another, of which the strategy is to be told.

        sequence: of the intent. Raises Unavailable while it cannot be known what is decided.
        """
        legs = [replace(leg, intent_sequence=sequence) for leg in request.legs]
        for look in range(LOOKS_MAX):
            standing = [await self._read(leg) for leg in legs]
            stranger = next((entry for entry in standing if entry is not None and not _is_of(entry, legs)), None)
            if stranger is None and all(entry is not None for entry in standing):
                return standing[0] if look == 0 else None
            if await self._go_on(legs, standing, sequence, has_stranger=stranger is not None):
                return stranger
        raise Unavailable("others write to the orders of a list while it is decided")

    def weigh(self, request: ListRequest) -> tuple[str, str] | None:
        """Why the list would be refused now, None if it would pass."""
        verdict = self._weigh_all(request.legs, [None] * len(request.legs))
        return (
            (verdict.reason, f"order {verdict.leg} of the list: {verdict.message}")
            if isinstance(verdict, _Refusal)
            else None
        )

    async def learn(self, request: ListRequest) -> None:
        """Another replica has decided it: count what it decided."""
        for leg in request.legs:
            await self._read(leg)

    async def _read(self, leg: OrderRequest) -> Entry | None:
        entry = await self._ledger.last(leg.key.venue, leg.key.account, leg.key.client_order_id)
        if entry is not None:
            self._fold.note(entry)
        return entry

    async def _go_on(
        self, legs: Sequence[OrderRequest], standing: Sequence[Entry | None], sequence: int, *, has_stranger: bool
    ) -> bool:
        """One round of appends, in leg order; False if somebody else wrote meanwhile."""
        if has_stranger:
            return await self._end_standing(
                legs, standing, "client_order_id_in_use: another order of the list has it", sequence
            )
        verdict = _ended(standing) or self._weigh_all(legs, standing)
        if not isinstance(verdict, _Refusal):
            return await self._approve(verdict)
        is_ended = await self._end_standing(legs, standing, verdict.sentence, sequence)
        return is_ended and await self._refuse(legs, standing, verdict, sequence)

    def _weigh_all(self, legs: Sequence[OrderRequest], standing: Sequence[Entry | None]) -> list[Approved] | _Refusal:
        """The approvals that are left, each weighed upon a book that holds the ones before it. Nothing is awaited meanwhile."""
        book, approvals = self._fold.book, list[Approved]()
        try:
            for place, (leg, entry) in enumerate(zip(legs, standing, strict=True), 1):
                if entry is not None:
                    continue  # in the book already
                terms = self._weigh(leg)
                if not isinstance(terms, Terms):
                    reason, message = terms
                    return _Refusal(leg=place, reason=reason, message=message)
                approvals.append(Approved(request=replace(leg, terms=terms), at_ms=self._clock.now_ms()))
                book.note_order(_reserved(begin(approvals[-1])))
        finally:
            for approval in reversed(approvals):
                book.withdraw(approval.request.key.client_order_id)
        return approvals

    async def _approve(self, approvals: Sequence[Approved]) -> bool:
        for event in approvals:
            answer = await self._ledger.append(begin(event), event, after=0)
            if not isinstance(answer, Won):
                return False
            self._fold.note(answer.entry)
        return True

    async def _refuse(
        self, legs: Sequence[OrderRequest], standing: Sequence[Entry | None], verdict: _Refusal, sequence: int
    ) -> bool:
        for leg, entry in zip(legs, standing, strict=True):
            if entry is not None:
                continue
            error_id = _error_id(leg, sequence, verdict.reason)
            event = Refused(request=leg, at_ms=self._clock.now_ms(), reason=verdict.sentence, error_id=error_id)
            answer = await self._ledger.append(begin(event), event, after=0)
            if not isinstance(answer, Won):
                return False
            self._publisher.note_error(error_id, leg.key)
            self._fold.note(answer.entry)
        return True

    async def _end_standing(
        self, legs: Sequence[OrderRequest], standing: Sequence[Entry | None], reason: str, sequence: int
    ) -> bool:
        for leg, entry in zip(legs, standing, strict=True):
            if entry is None or not _is_of(entry, legs) or entry.order.state is not State.APPROVED:
                continue
            proof, attempt = unsent_proof(entry.order)
            error_id = _error_id(leg, sequence, "list_refused")
            event = EndedUnsent(
                state=State.CANCELED,
                reason=reason,
                at_ms=self._clock.now_ms(),
                error_id=error_id,
                proof=proof,
                attempt=attempt,
            )
            answer = await self._ledger.append(apply(entry.order, event), event, after=entry.sequence)
            if not isinstance(answer, Won):
                return False
            self._publisher.note_error(error_id, leg.key)
            self._fold.note(answer.entry)
        return True


def _is_of(entry: Entry, legs: Sequence[OrderRequest]) -> bool:
    """Whether the order in the ledger is a leg of this very intent's list."""
    first = entry.order.request
    return any(first.key == leg.key and first.request_hash == leg.request_hash for leg in legs)


def _reserved(leg: Order) -> Order:
    """As it counts while the others of its list are weighed. What an order triggers never rests beside it, so cannot meet it."""
    listed = leg.request.order_list
    if listed is None or listed.kind is ListKind.OCO or listed.leg > 1:
        return leg
    return replace(leg, request=replace(leg.request, terms=replace(leg.terms, time_in_force=TimeInForce.IOC)))


def _ended(standing: Sequence[Entry | None]) -> _Refusal | None:
    """A leg that was decided before and has ended since: the others shall not go out without it."""
    ended: Order | None = next(
        (each.order for each in standing if each is not None and each.order.state.is_terminal), None
    )
    if ended is None or ended.request.order_list is None:
        return None
    why = "" if ended.reason is None else f", {ended.reason}"
    return _Refusal(
        leg=ended.request.order_list.leg,
        reason="list_ended",
        message=f"it is {ended.state} before all were approved{why}",
    )


def _error_id(leg: OrderRequest, sequence: int, reason: str) -> ErrorId:
    """sequence: of the intent, as of every refusal; each order has one of its own, so that it is found by it."""
    place = 1 if leg.order_list is None else leg.order_list.leg
    return derive_error_id("intents", str(sequence), reason, *([] if place == 1 else [str(place)]))
