"""Orders that go to the venue in one request or not at all: the call of one order with a write-ahead of every leg.

`budget -> timestamp -> append submitting(k) of leg 1, of leg 2, ... -> check -> sign -> send`. Risk approves the legs in order; this desk acts
upon the last one's `approved` and reads the others in the ledger. The request leaves only after each leg holds its write-ahead, so a leg that
ended without it proves that the request of all the others was never sent. What the answer says, or polling finds, is said leg by leg.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ordergate.ports.bus import Delivery
from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Entry, Ledger
from ordergate.ports.trace import Trace
from ordergate.ports.venue import NotSent, Outcome, PlacesLists, Trading
from ordergate.trading.events import ProvenUnexecuted
from ordergate.trading.ids import KeyId
from ordergate.trading.lists import Standing, is_waiting, standing, told_of, was_never_sent
from ordergate.trading.order import IN_FLIGHT, NonExecution, OrderListMembership
from services.order_submission.attempting import (
    APPENDS_MAX,
    RESTORED,
    RESTORING_AGAIN_SECONDS,
    RETRY_PAUSE_SECONDS,
    UNCONFIRMED,
    Attempting,
    proof_of,
)

if TYPE_CHECKING:
    from services.order_submission.handlers import OrderDesk

BROKEN = "list_broken: another order of the list ended, or its sender died, before all were written ahead"
HELD_AGAIN_SECONDS = 1.0
"""Between two looks at a list that somebody else has in hand: he may die yet."""


class ListDesk:
    """Submits the lists of one account; what concerns one leg alone is the order desk's."""

    def __init__(self, desk: "OrderDesk", *, trading: Trading, ledger: Ledger, clock: Clock, trace: Trace) -> None:
        self._desk = desk
        self._trading = trading
        self._ledger = ledger
        self._clock = clock
        self._trace = trace

    async def submit(self, delivery: Delivery, entry: Entry) -> None:
        """Take a list to an outcome of each leg in the ledger, then acknowledge."""
        listed = entry.order.request.order_list
        if listed is None or not listed.is_last:
            await delivery.ack()  # the last leg's message carries them all
            return
        if any(leg in self._desk.held for leg in listed.legs):
            await delivery.retry(after_seconds=HELD_AGAIN_SECONDS)
            return
        if await self._desk.is_left_to_recovery(entry.order):
            await delivery.retry(after_seconds=RESTORING_AGAIN_SECONDS)
            return
        began_ns = self._trace.now_ns()
        legs = await self._read(entry, listed)
        held = {leg.order.key.client_order_id: leg for leg in legs}
        self._desk.held.update(held)
        try:
            is_done = await self._work(legs, is_whole=len(legs) == len(listed.legs))
        finally:
            for name in held:
                del self._desk.held[name]
        if not is_done:
            await delivery.retry(after_seconds=HELD_AGAIN_SECONDS)
            return
        for leg in legs:
            self._tell(leg, delivery, began_ns)
        await delivery.ack()

    async def _read(self, entry: Entry, listed: OrderListMembership) -> list[Attempting]:
        """The legs as the ledger has them, in leg order, without those that it does not have."""
        key, legs = entry.order.key, list[Attempting]()
        for place, name in enumerate(listed.legs, 1):
            found = await self._ledger.last(key.venue, key.account, name)
            its = None if found is None else found.order.request.order_list
            if found is not None and its == _at(listed, place):
                legs.append(Attempting(entry=found, proof=proof_of(found.order)))
        return legs

    async def _work(self, legs: Sequence[Attempting], *, is_whole: bool) -> bool:
        """False: somebody else has the list, who may die yet; look at it again."""
        await self._share_proofs(legs)
        stands = standing([leg.order for leg in legs]) if is_whole else Standing.BROKEN
        if stands is not Standing.SENDABLE:
            await self._end(legs, BROKEN)
            return True
        await self._wait_as_asked(legs)
        while True:
            reason = self._desk.stopped(legs[0].order)
            if reason == RESTORED and legs[0].proof is None:
                return False
            if reason is not None and reason != UNCONFIRMED:
                await self._end(legs, reason)
                return True
            if reason is None and not await self._attempt(legs):
                return not _has_rival(legs)
            await self._clock.sleep(RETRY_PAUSE_SECONDS)

    async def _attempt(self, legs: Sequence[Attempting]) -> bool:
        """One call of the venue; True when another attempt may follow because this one is proven not to execute."""
        if not isinstance(self._trading, PlacesLists):
            await self._end(legs, "unsupported_by_venue")
            return False
        for leg in legs:
            leg.began, leg.stopped = False, None

        async def write_ahead(timestamp_ms: int, key_id: KeyId) -> bool:
            return await self.write_ahead(legs, timestamp_ms, key_id)

        remaining_ms = legs[0].order.request.expires_at_ms - self._clock.now_ms()
        outcomes = await self._trading.place_legs(
            [leg.order.request for leg in legs], write_ahead=write_ahead, deadline_seconds=remaining_ms / 1000
        )
        return await self._settle(legs, outcomes)

    async def write_ahead(self, legs: Sequence[Attempting], timestamp_ms: int, key_id: KeyId) -> bool:
        """Of every leg, in order. All are written also where the first was stopped, so that all go on with the same attempt."""
        for leg in legs:
            await self._desk.write_ahead(leg, timestamp_ms, key_id)
            if not leg.began:
                return False
        return legs[-1].stopped is None  # the last one's check is after all appends

    async def _settle(self, legs: Sequence[Attempting], outcomes: Sequence[Outcome]) -> bool:
        first = outcomes[0]
        if isinstance(first, NotSent):
            return await self._settle_not_sent(legs, first)
        may_go_on = [await self._desk.settle(leg, outcome) for leg, outcome in zip(legs, outcomes, strict=True)]
        if any(may_go_on) and not all(may_go_on):
            await self._end(legs, BROKEN)  # nothing executed, and one of them ended meanwhile
        return all(may_go_on)

    async def _settle_not_sent(self, legs: Sequence[Attempting], outcome: NotSent) -> bool:
        for leg in legs:
            if leg.began:
                leg.proof = NonExecution.NEVER_SENT
        if _has_rival(legs):
            return False
        if any(leg.lost for leg in legs):
            await self._end(legs, BROKEN)
            return False
        stopped = next((leg.stopped for leg in reversed(legs) if leg.stopped is not None), None)
        if stopped == UNCONFIRMED or (stopped is None and outcome.retriable):
            return True
        await self._end(legs, stopped or outcome.reason)
        return False

    async def _end(self, legs: Sequence[Attempting], reason: str) -> None:
        """End every leg of which nothing can be at the venue. First those that wait: what ends without a write-ahead proves that of the others unsent."""
        for _ in range(APPENDS_MAX):
            ended = [await self._end_one(leg, reason) for leg in legs if is_waiting(leg.order) or leg.proof is not None]
            orders = [leg.order for leg in legs]
            proven = [leg for leg in legs if leg.proof is None and was_never_sent(leg.order, orders)]
            for leg in proven:
                leg.proof = NonExecution.NEVER_SENT
            if all(ended) and not proven:
                return

    async def _end_one(self, leg: Attempting, reason: str) -> bool:
        """False: somebody else wrote; it is looked at again."""
        if leg.order.state.is_terminal or not (is_waiting(leg.order) or leg.order.state in IN_FLIGHT):
            leg.proof = None
            return True
        leg.lost = False
        attempt = leg.order.attempt
        await self._desk.end_unsent(leg, reason)
        if leg.order.attempt != attempt:
            leg.proof = None  # of an attempt that is not the last any more
        return not leg.lost

    async def _share_proofs(self, legs: Sequence[Attempting]) -> None:
        """One request was refused for all, and its sender died before he had said so of each."""
        orders = [leg.order for leg in legs]
        for leg in legs:
            teller = told_of(leg.order, orders)
            if teller is None or teller.unexecuted is None or teller.error_id is None:
                continue
            leg.proof = teller.unexecuted.proof
            event = ProvenUnexecuted(
                attempt=teller.unexecuted.attempt,
                proof=teller.unexecuted.proof,
                at_ms=self._clock.now_ms(),
                error_id=teller.error_id,
                retry_at_ms=teller.unexecuted.retry_at_ms,
            )
            await self._desk.advance(leg, event)

    async def _wait_as_asked(self, legs: Sequence[Attempting]) -> None:
        """This process's budget need not know what the venue told the one before it."""
        first = legs[0].order
        asked_ms = max((leg.order.unexecuted.retry_at_ms or 0 for leg in legs if leg.order.unexecuted), default=0)
        until_ms = min(asked_ms, first.request.expires_at_ms)
        if until_ms > self._clock.now_ms():
            await self._clock.sleep((until_ms - self._clock.now_ms()) / 1000)

    def _tell(self, leg: Attempting, delivery: Delivery, began_ns: int) -> None:
        order = leg.order
        self._trace.span(
            "order_submission.submit",
            order.key.client_order_id,
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


def _at(listed: OrderListMembership, place: int) -> OrderListMembership:
    return OrderListMembership(
        list_client_order_id=listed.list_client_order_id, kind=listed.kind, leg=place, legs=listed.legs
    )


def _has_rival(legs: Sequence[Attempting]) -> bool:
    """Whether another sender began the request before us: the first leg is written first, so the loser of it has written nothing."""
    return legs[0].lost and legs[0].order.state in IN_FLIGHT and not any(leg.began for leg in legs)
