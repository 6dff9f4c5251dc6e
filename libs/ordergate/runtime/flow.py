"""How long each stage of an order's way takes, and how it ends: read off the ledger by the one service that follows it anyway.

The ledger is the common clock of all services: a stage is the time between two of its messages. What was stored before this process had
caught up is not counted, so a restart counts nothing twice.
"""

from collections import OrderedDict
from dataclasses import dataclass

from ordergate.runtime.metrics import Metrics
from ordergate.trading.fills import Fill
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.order import State
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import EventKind

ORDERS_REMEMBERED = 20_000
INTENT_TO_DECISION = "intent_to_decision"
APPROVED_TO_WIRE = "approved_to_wire"
WIRE_TO_ANSWER = "wire_to_answer"
FILL_TO_STORED = "fill_to_stored"
_DECISIONS = frozenset({EventKind.APPROVED, EventKind.REFUSED})
_ANSWERS = frozenset({EventKind.VENUE_REPORTED, EventKind.VENUE_REJECTED, EventKind.OUTCOME_LOST})


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last message of an order. at_venue: it has been counted as an order of the venue."""

    sequence: int
    state: State
    stored_at_ms: int
    unknown_since_ms: int | None
    at_venue: bool


class OrderFlow:
    """Give it each message once, in the order of the stream."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._orders: OrderedDict[ClientOrderId, _Seen] = OrderedDict()

    def note_order(self, record: OrderRecord, *, live: bool) -> None:
        """live: it was stored after the follower had caught up. What came before is only remembered."""
        order = record.order
        name = order.key.client_order_id
        before = self._orders.pop(name, None)
        if live:
            self._count(record, before)
        self._orders[name] = _Seen(
            record.sequence, order.state, record.stored_at_ms, order.unknown_since_ms, order.venue_order_id is not None
        )
        if len(self._orders) > ORDERS_REMEMBERED:
            self._orders.popitem(last=False)

    def note_fill(self, fill: Fill, *, stored_at_ms: int) -> None:
        """An inferred fill has no time of the venue's own."""
        if not fill.inferred:
            self._metrics.stage_took(FILL_TO_STORED, _seconds(fill.venue_time_ms, stored_at_ms))

    def _count(self, record: OrderRecord, before: _Seen | None) -> None:
        order, kind, now_ms = record.order, record.event_kind, record.stored_at_ms
        metrics, key = self._metrics, order.key
        if kind in _DECISIONS:
            metrics.stage_took(INTENT_TO_DECISION, _seconds(order.request.created_at_ms, now_ms))
        if kind is EventKind.REFUSED:
            metrics.rejected("risk", (order.reason or "none").partition(":")[0])
        if before is not None:
            if kind is EventKind.SUBMISSION_BEGAN and before.state is State.APPROVED:
                metrics.stage_took(APPROVED_TO_WIRE, _seconds(before.stored_at_ms, now_ms))
            if kind in _ANSWERS and before.state is State.SUBMITTING:
                metrics.stage_took(WIRE_TO_ANSWER, _seconds(before.stored_at_ms, now_ms))
            if before.state is State.UNKNOWN and order.state is not State.UNKNOWN:
                seconds = _seconds(before.unknown_since_ms or before.stored_at_ms, now_ms)
                metrics.unknown_resolved(key.venue, key.account, seconds=seconds)
        if order.venue_order_id is not None and (before is None or not before.at_venue):
            view = record.evidence.get("view")
            has_id = kind is not EventKind.ADOPTED or (isinstance(view, dict) and bool(view.get("clientOrderId")))
            metrics.order_seen(key.venue, has_client_order_id=has_id)


def _seconds(from_ms: int, to_ms: int) -> float:
    """The clocks of a strategy and of a venue may be ahead of the bus's."""
    return max(0, to_ms - from_ms) / 1_000
