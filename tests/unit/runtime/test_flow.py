"""Stages, refusals and resolved unknowns are read off the ledger's own messages."""

from dataclasses import replace

from ordergate.runtime.flow import OrderFlow
from ordergate.runtime.metrics import Metrics
from ordergate.trading.events import Event, OutcomeLost, Refused, Source, SubmissionBegan, VenueReported
from ordergate.trading.ids import ErrorId, KeyId
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import Attempt, Order
from ordergate.wire import codec
from ordergate.wire.facts import OrderRecord
from tests.fuzz import world
from tests.integration import orders_at_hand

AT_MS = 1_790_000_000_000


def _record(order: Order, event: Event, *, stored_at_ms: int) -> OrderRecord:
    return codec.decode_order(codec.encode_order(order, event, "a"), sequence=stored_at_ms, stored_at_ms=stored_at_ms)


def _way() -> list[OrderRecord]:
    """Approved 5 ms after its making, sent 10 ms later, unknown after 1 s, found after 2 s more."""
    order, approved = orders_at_hand.approved(17)
    began = SubmissionBegan(attempt=Attempt(number=1, timestamp_ms=AT_MS, key_id=KeyId("k")), at_ms=AT_MS)
    sent = apply(order, began)
    lost = OutcomeLost(attempt=1, reason="timeout", error_id=ErrorId("e"), at_ms=AT_MS + 1_015)
    unknown = apply(sent, lost)
    shown = VenueReported(view=world.VIEW, source=Source.LOOKUP, at_ms=AT_MS + 3_015)
    return [
        _record(order, approved, stored_at_ms=AT_MS + 5),
        _record(sent, began, stored_at_ms=AT_MS + 15),
        _record(unknown, lost, stored_at_ms=AT_MS + 1_015),
        _record(apply(unknown, shown), shown, stored_at_ms=AT_MS + 3_015),
    ]


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"ordergate_{name}", labels)


def _stage(metrics: Metrics, stage: str) -> tuple[float | None, float | None]:
    labels = {"service": "status_polling", "stage": stage}
    return _value(metrics, "stage_seconds_count", **labels), _value(metrics, "stage_seconds_sum", **labels)


def test_each_stage_is_the_time_between_two_messages() -> None:
    metrics = Metrics("status_polling")
    flow = OrderFlow(metrics)
    for record in _way():
        flow.note_order(record, live=True)
    assert _stage(metrics, "intent_to_decision") == (1, 0.005)
    assert _stage(metrics, "approved_to_wire") == (1, 0.010)
    assert _stage(metrics, "wire_to_answer") == (1, 1.0)
    assert _value(metrics, "unknown_resolved_seconds_sum", venue="zetarium", account="main") == 2.0
    assert _value(metrics, "venue_orders_total", venue="zetarium", client_order_id="yes") == 1
    assert _value(metrics, "venue_orders_total", venue="zetarium", client_order_id="no") is None


def test_what_was_stored_before_is_remembered_but_not_counted() -> None:
    """A restart in the middle of an order's way counts what follows, and nothing twice."""
    metrics = Metrics("status_polling")
    flow = OrderFlow(metrics)
    for number, record in enumerate(_way()):
        flow.note_order(record, live=number > 1)
    assert _stage(metrics, "approved_to_wire") == (None, None)
    assert _stage(metrics, "wire_to_answer") == (1, 1.0)


def test_a_refusal_is_counted_by_its_code_alone() -> None:
    metrics = Metrics("status_polling")
    event = Refused(request=orders_at_hand.request(1), at_ms=AT_MS, reason="killed: by alpha-1", error_id=ErrorId("e"))
    OrderFlow(metrics).note_order(_record(begin(event), event, stored_at_ms=AT_MS), live=True)
    assert _value(metrics, "rejects_total", by="risk", code="killed") == 1


def test_an_inferred_fill_has_no_time_to_measure() -> None:
    metrics = Metrics("position_tracking")
    flow = OrderFlow(metrics)
    flow.note_fill(world.FILL, stored_at_ms=world.FILL.venue_time_ms + 250)
    flow.note_fill(replace(world.FILL, inferred=True), stored_at_ms=world.FILL.venue_time_ms + 9_000)
    labels = {"service": "position_tracking", "stage": "fill_to_stored"}
    assert _value(metrics, "stage_seconds_count", **labels) == 1
    assert _value(metrics, "stage_seconds_sum", **labels) == 0.25
