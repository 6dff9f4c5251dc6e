"""Nothing that an event says is lost on the bus: from the message of any event the whole event can be built again."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.trading.events import (
    Adopted,
    Approved,
    CancelRequested,
    EndedUnsent,
    Event,
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
from ordergate.trading.ids import ErrorId
from ordergate.trading.order import NonExecution, Order
from ordergate.wire import codec, facts
from ordergate.wire.facts import OrderRecord
from tests.unit.wire import facts_of_life as life

KINDS: tuple[type[Event], ...] = get_args(Event)


def test_every_kind_of_event_has_a_name_on_the_wire_of_its_own() -> None:
    assert set(facts.EVENT_KINDS) == set(KINDS)
    assert len(set(facts.EVENT_KINDS.values())) == len(KINDS)


@pytest.mark.parametrize("events", life.each_event)
@settings(max_examples=20)
@given(order=life.orders, data=st.data())
def test_every_field_of_every_event_is_in_its_message(
    events: st.SearchStrategy[Event], order: Order, data: st.DataObject
) -> None:
    """The snapshot is part of the message: what the lifecycle copies into it (request, attempt, the state an order ends in) is not said twice."""
    event = data.draw(events)
    after = _snapshot_after(order, event)
    record = codec.decode_order(codec.encode_order(after, event, "a-1"), sequence=1, stored_at_ms=1)
    assert _event_of(record, type(event)) == event


@given(life.orders, life.attempts, life.proofs_of_the_fence, st.integers(0, 9))
def test_a_resend_keeps_the_proof_of_the_fence_and_an_ending_the_attempt_it_is_about(
    order: Order, attempt: Any, proof: ProvenNotPlaced, number: int
) -> None:
    resend = SubmissionBegan(attempt=attempt, at_ms=5, proof=NonExecution.FENCED, fence=proof)
    evidence = facts.order_document(order, resend, append_id="a")["evidence"]
    assert evidence["fence"]["askedAtMs"] == list(proof.asked_at_ms)
    assert evidence["fence"]["fenceMs"] == proof.fence_ms
    ending = EndedUnsent(state=order.state, reason="expired", at_ms=5, attempt=number)
    assert facts.order_document(order, ending, append_id="a")["evidence"]["attempt"] == number


def _snapshot_after(order: Order, event: Event) -> Order:
    match event:
        case Approved() | Refused() | Adopted():
            return replace(order, request=event.request)
        case SubmissionBegan():
            return replace(order, attempt=event.attempt)
        case EndedUnsent():
            return replace(order, state=event.state)
        case _:
            return order


def _event_of(record: OrderRecord, kind: type[Event]) -> Event:
    order, said, seen = record.order, record.event, record.evidence
    at_ms, reason = said["atMs"], said.get("reason")
    error_id = None if said.get("errorId") is None else ErrorId(said["errorId"])
    match kind.__name__:
        case "Approved":
            return Approved(request=order.request, at_ms=at_ms)
        case "Refused":
            assert error_id is not None
            return Refused(request=order.request, at_ms=at_ms, reason=str(reason), error_id=error_id)
        case "Adopted":
            return Adopted(request=order.request, view=facts.view_from(seen["view"]), at_ms=at_ms)
        case "SubmissionBegan":
            assert order.attempt is not None
            assert order.attempt.number == seen["attempt"]
            fence = None if "fence" not in seen else _fence(seen["fence"])
            return SubmissionBegan(attempt=order.attempt, at_ms=at_ms, proof=_proof(seen), fence=fence)
        case "EndedUnsent":
            proof = _proof(seen)
            assert proof is not None
            return EndedUnsent(
                state=order.state,
                reason=str(reason),
                at_ms=at_ms,
                error_id=error_id,
                proof=proof,
                attempt=seen["attempt"],
            )
        case "VenueReported":
            return VenueReported(
                view=facts.view_from(seen["view"]),
                source=Source(said["source"]),
                at_ms=at_ms,
                trades=facts.trades_from(seen),
            )
        case "VenueRejected" | "OutcomeLost":
            assert error_id is not None
            made = OutcomeLost if kind is OutcomeLost else VenueRejected
            return made(attempt=seen["attempt"], reason=str(reason), error_id=error_id, at_ms=at_ms)
        case "ProvenNotPlaced" | "ProvenAbsent" | "ProvenUnexecuted":
            return _proven_of(kind, said, seen)
        case "Reapproved":
            return Reapproved(at_ms=at_ms)
        case "CancelRequested":
            return CancelRequested(at_ms=at_ms, reason=str(reason))
        case _:
            return Restated(at_ms=at_ms)


def _proven_of(kind: type[Event], said: Any, seen: Any) -> Event:
    at_ms, error_id = said["atMs"], None if said.get("errorId") is None else ErrorId(said["errorId"])
    if kind is ProvenUnexecuted:
        proof = _proof(seen)
        assert proof is not None
        assert error_id is not None
        return ProvenUnexecuted(
            attempt=seen["attempt"], proof=proof, at_ms=at_ms, error_id=error_id, retry_at_ms=seen.get("retryAtMs")
        )
    found = _fence({**seen, "atMs": at_ms, "errorId": error_id})
    if kind is ProvenNotPlaced:
        return replace(found, reason=str(said["reason"]))
    return ProvenAbsent(attempt=found.attempt, fence_ms=found.fence_ms, asked_at_ms=found.asked_at_ms, at_ms=at_ms)


def _proof(seen: Any) -> NonExecution | None:
    return None if seen.get("proof") is None else NonExecution(seen["proof"])


def _fence(seen: Any) -> ProvenNotPlaced:
    error_id = seen.get("errorId")
    return ProvenNotPlaced(
        attempt=seen["attempt"],
        fence_ms=seen["fenceMs"],
        asked_at_ms=tuple(seen["askedAtMs"]),
        at_ms=seen["atMs"],
        error_id=None if error_id is None else ErrorId(error_id),
    )
