"""Orders that take another's place: the venue ends the old order and places the new one, asked by one request.

The new order is sent like any other, with a write-ahead, check and fence of its own. The old one is asked to end in the ledger before the request
leaves; what the answer shows of it is evidence like any other. Where no answer tells, status_polling finds out about both: the fence that proves
that the new order was not placed is about the whole request.
"""

from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Entry, Ledger, append_evidence
from ordergate.ports.trace import Trace
from ordergate.ports.venue import Executed, NotExecuted, NotSent, Outcome, Replaces, Trading, WriteAhead
from ordergate.trading.errors import Unavailable
from ordergate.trading.events import CancelRequested
from ordergate.trading.ids import ClientOrderId, KeyId, VenueOrderId
from ordergate.trading.order import Order, OrderRequest
from services.order_submission.cancels import fold_view

REPLACED = "replaced"
"""Why the end of the old order was asked for."""

LOOK_AGAIN_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0)
"""Between looks at an old order that may be at the venue under an id that nobody knows yet: soon known, as a rule. Where it is not, hundreds may
wait, and each look reads the ledger twice.
"""


class Replacing:
    """Trading.place for the orders of one account that replace another."""

    def __init__(self, *, trading: Trading, ledger: Ledger, clock: Clock, trace: Trace) -> None:
        self._trading = trading
        self._ledger = ledger
        self._clock = clock
        self._trace = trace

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        """As Trading.place. NotSent also where the old order has ended, and (retriable) while nobody knows whether it is at the venue."""
        if request.replaces is None or not isinstance(self._trading, Replaces):
            return NotSent(reason="unsupported_by_venue", retriable=False)
        found = await self._find(request, request.replaces, deadline_seconds=deadline_seconds)
        if isinstance(found, NotSent):
            return found
        old, canceled = found
        ended: Order | None = None

        async def written(timestamp_ms: int, key_id: KeyId) -> bool:
            nonlocal ended
            asked = await self._ask_for_end(old)
            if asked.order.state.is_terminal:
                ended = asked.order
                return False
            return await write_ahead(timestamp_ms, key_id)  # last, for in its end is the check

        began_ns = self._trace.now_ns()
        answer = await self._trading.replace(
            request, canceled=canceled, write_ahead=written, deadline_seconds=deadline_seconds
        )
        if ended is not None:
            return _ended(ended)
        await self._fold(old, answer.canceled)
        self._trace.span(
            "order_submission.replace",
            old.order.key.client_order_id,
            began_ns,
            attributes={
                "account": request.key.account,
                "venue_order_id": canceled,
                "replaced_by": request.key.client_order_id,
                "outcome": type(answer.canceled).__name__,
            },
            error_id=getattr(answer.canceled, "error_id", None),
        )
        return answer.placed

    async def _find(
        self, request: OrderRequest, replaced: ClientOrderId, *, deadline_seconds: float
    ) -> tuple[Entry, VenueOrderId] | NotSent:
        """The old order and its number at the venue, once it is known to be there."""
        key, over_at = request.key, self._clock.monotonic() + deadline_seconds
        for seconds in LOOK_AGAIN_SECONDS:
            old = await self._ledger.last(key.venue, key.account, replaced)
            if old is None:
                return NotSent(reason="replaced_order_unknown", retriable=False)
            if old.order.state.is_terminal:
                return _ended(old.order)
            if old.order.state.is_at_venue and old.order.venue_order_id is not None:
                return old, old.order.venue_order_id
            own = await self._ledger.last(key.venue, key.account, key.client_order_id)
            if own is None or own.order.state.is_terminal:  # somebody asked for its end while it waited
                return NotSent(reason="replaced_order_unresolved", retriable=False)
            left = over_at - self._clock.monotonic()
            if left <= 0:
                break
            await self._clock.sleep(min(seconds, left))
        return NotSent(reason="replaced_order_unresolved", retriable=True)

    async def _ask_for_end(self, old: Entry) -> Entry:
        """The old order as it stands now, the time that was waited for budget later."""
        key = old.order.key
        now = await self._ledger.last(key.venue, key.account, key.client_order_id)
        event = CancelRequested(at_ms=self._clock.now_ms(), reason=REPLACED)
        return await append_evidence(self._ledger, now or old, event)

    async def _fold(self, old: Entry, canceled: Outcome) -> None:
        view = canceled.view if isinstance(canceled, Executed | NotExecuted) else None
        try:
            await fold_view(self._ledger, old, view, at_ms=self._clock.now_ms())
        except Unavailable:
            return  # polling reads the old order itself; what the answer says of the new one must not be lost for it


def _ended(old: Order) -> NotSent:
    return NotSent(reason=f"replaced_order_ended: {old.state}", retriable=False)
