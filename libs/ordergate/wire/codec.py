"""The services' fast way between our facts and bytes. No schema check on the hot path: the tests hold both to the same schemas."""

from decimal import Decimal

import orjson

from ordergate.trading.errors import Unreadable
from ordergate.trading.events import Event
from ordergate.trading.fills import Fill
from ordergate.trading.order import Order
from ordergate.trading.position import Position
from ordergate.wire import facts
from ordergate.wire.facts import Document, OrderRecord


def encode_order(order: Order, event: Event, append_id: str, *, correction: bool = False) -> bytes:
    """The order's next message: full snapshot, the event that made it, its evidence.

    correction: what `lifecycle.is_correction` says of the step.
    """
    return orjson.dumps(facts.order_document(order, event, append_id=append_id, correction=correction))


def decode_order(data: bytes, *, sequence: int, stored_at_ms: int) -> OrderRecord:
    """Raises Unreadable."""
    return facts.order_record(_document(data), sequence=sequence, stored_at_ms=stored_at_ms)


def encode_fill(fill: Fill) -> bytes:
    return orjson.dumps(facts.fill_document(fill))


def decode_fill(data: bytes) -> Fill:
    """Raises Unreadable."""
    return facts.fill_from(_document(data))


def encode_position(position: Position, *, mark_price: Decimal | None = None) -> bytes:
    return orjson.dumps(facts.position_document(position, mark_price=mark_price))


def decode_position(data: bytes) -> Position:
    """Raises Unreadable."""
    return facts.position_from(_document(data))


def _document(data: bytes) -> Document:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {str(error)[:80]}") from error
    if not isinstance(document, dict):
        raise Unreadable("not a JSON object")
    return document
