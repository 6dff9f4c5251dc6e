"""Our facts survive the bus, and what the fast codec writes is what the schemas promise."""

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.amounts import total
from ordergate.trading.errors import Unreadable
from ordergate.trading.events import Event, Source, VenueReported
from ordergate.trading.fills import Fill
from ordergate.trading.order import Order
from ordergate.trading.position import Position, unrealised
from ordergate.wire import codec, documents, facts
from ordergate.wire.messages import FillMessage, OrderMessage, PositionMessage
from tests.unit.wire import facts_of_life as life


@cache
def schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(documents.schemas()[name])


@given(life.orders, life.events, st.booleans())
def test_an_order_survives_the_bus(order: Order, event: Event, correction: bool) -> None:  # noqa: FBT001  hypothesis gives it
    data = codec.encode_order(order, event, "a-1", correction=correction)
    record = codec.decode_order(data, sequence=7, stored_at_ms=9)
    assert record.order == order
    assert (record.sequence, record.stored_at_ms, record.append_id) == (7, 9, "a-1")
    assert record.event_kind is facts.EVENT_KINDS[type(event)]
    assert record.event["atMs"] == event.at_ms
    assert record.correction is correction


@given(life.orders, life.views)
def test_the_evidence_is_the_venues_view_as_it_was_seen(order: Order, view: Any) -> None:
    event = VenueReported(view=view, source=Source.LOOKUP, at_ms=1)
    record = codec.decode_order(codec.encode_order(order, event, "a"), sequence=1, stored_at_ms=1)
    assert facts.view_from(dict(record.evidence)["view"]) == view


@given(life.orders, life.events)
def test_what_is_written_of_an_order_is_what_the_schema_says(order: Order, event: Event) -> None:
    data = codec.encode_order(order, event, "a-1", correction=True)
    message = OrderMessage.of(data)
    assert message.state is order.state
    assert message.correction
    schema("OrderMessage").validate(json.loads(data))


@given(life.fills)
def test_a_fill_survives_the_bus_and_keeps_to_its_schema(fill: Fill) -> None:
    data = codec.encode_fill(fill)
    assert codec.decode_fill(data) == fill
    assert FillMessage.of(data).trade_id == fill.trade_id
    schema("FillMessage").validate(json.loads(data))


@given(life.positions)
def test_a_position_survives_the_bus_and_keeps_to_its_schema(position: Position) -> None:
    data = codec.encode_position(position)
    assert codec.decode_position(data) == position
    assert PositionMessage.of(data).up_to_sequence == position.up_to_sequence
    schema("PositionMessage").validate(json.loads(data))


@given(life.positions, life.amounts)
def test_with_the_venues_mark_goes_what_closing_would_bring_and_the_parts_add_up_to_it(
    position: Position, mark: Decimal
) -> None:
    data = codec.encode_position(position, mark_price=mark)
    schema("PositionMessage").validate(json.loads(data))
    message = PositionMessage.of(data)
    assert codec.decode_position(data) == position
    assert message.mark_price is not None
    assert message.unrealised_pnl is not None
    assert Decimal(message.mark_price) == mark
    assert Decimal(message.unrealised_pnl) == unrealised(position, mark)
    legs = [Decimal(leg.unrealised_pnl or "NaN") for leg in message.legs.values()]
    assert total(legs) == unrealised(position, mark)
    for strategy, parts in position.by_strategy.items():
        told = message.by_strategy[strategy]
        assert {side: Decimal(leg.unrealised_pnl or "NaN") for side, leg in told.items()} == {
            side: leg.unrealised(mark) for side, leg in parts.items()
        }


@given(life.fills)
def test_a_number_is_never_written_with_an_exponent(fill: Fill) -> None:
    tiny = replace(fill, quantity=Decimal("1E-18"), fee=Decimal("0E+5"))
    document = json.loads(codec.encode_fill(tiny))
    assert (document["quantity"], document["fee"]) == ("0.000000000000000001", "0")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "sNaN"])
@given(fill=life.fills)
def test_what_is_no_amount_is_never_written(amount: str, fill: Fill) -> None:
    with pytest.raises(ValueError, match="finite"):
        codec.encode_fill(replace(fill, price=Decimal(amount)))


@given(life.fills)
def test_a_newer_version_may_add_fields(fill: Fill) -> None:
    document = json.loads(codec.encode_fill(fill)) | {"funding": {"rate": "0.1"}}
    assert codec.decode_fill(json.dumps(document).encode()) == fill
    assert FillMessage.of(json.dumps(document)).trade_id == fill.trade_id


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"{}", b'{"schema":2}', b'{"schema":1}'])
def test_anything_else_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        codec.decode_fill(data)
    with pytest.raises(Unreadable):
        codec.decode_order(data, sequence=1, stored_at_ms=1)
    with pytest.raises(Unreadable):
        codec.decode_position(data)


@pytest.mark.parametrize("field", ["price", "quantity", "fee"])
@pytest.mark.parametrize("amount", ["9" * 30, "0." + "1" * 30])
@given(fill=life.fills)
def test_an_amount_of_no_sane_size_is_unreadable(field: str, amount: str, fill: Fill) -> None:
    """Whoever folds it would have sums that depend on their order."""
    document = json.loads(codec.encode_fill(fill)) | {field: amount}
    with pytest.raises(Unreadable):
        codec.decode_fill(json.dumps(document).encode())


values: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.just("NaN") | st.just([]) | st.just({}) | st.text()
)


@given(life.orders, life.events, st.data())
def test_a_damaged_message_is_read_or_unreadable_and_nothing_else(
    order: Order, event: Event, data: st.DataObject
) -> None:
    document = json.loads(codec.encode_order(order, event, "a"))
    field = data.draw(st.sampled_from(sorted(document)))
    document[field] = data.draw(values)
    try:
        record = codec.decode_order(json.dumps(document).encode(), sequence=1, stored_at_ms=1)
    except Unreadable:
        return
    assert isinstance(record.order.executed_quantity, Decimal)
    assert record.order.executed_quantity.is_finite()
