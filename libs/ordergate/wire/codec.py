"""The services' fast way between our facts and bytes. No schema check on the hot path: the tests hold both to the same schemas."""

from decimal import Decimal

import orjson

from ordergate.trading.errors import Unreadable
from ordergate.trading.events import Event
from ordergate.trading.fills import Fill
from ordergate.trading.order import Order
from ordergate.trading.position import Position
from ordergate.wire import facts, subjects
from ordergate.wire.facts import Document, OrderRecord


def encode_order(order: Order, event: Event, append_id: str, *, correction: bool = False) -> bytes:
    """The order's next message: full snapshot, the event that made it, its evidence.

    correction: what `lifecycle.is_correction` says of the step.
    """
    return orjson.dumps(facts.order_document(order, event, append_id=append_id, correction=correction))


def decode_order(data: bytes, *, sequence: int, stored_at_ms: int, subject: str | None = None) -> OrderRecord:
    """Raises Unreadable, also for a message that speaks of another order or state than its subject.

    subject: where it was stored. Whoever acts on what it reads gives it: permissions and guards are by subject, not by body.
    """
    record = facts.order_record(_document(data), sequence=sequence, stored_at_ms=stored_at_ms)
    if subject is not None and subjects.order(record.order.key, record.order.state) != subject:
        raise Unreadable("the body speaks of another order or state than the subject")
    return record


def encode_fill(fill: Fill) -> bytes:
    return orjson.dumps(facts.fill_document(fill))


def decode_fill(data: bytes, *, subject: str | None = None) -> Fill:
    """Raises Unreadable, also for a fill of another trade than its subject's."""
    fill = facts.fill_from(_document(data))
    if subject is not None and subjects.fill(fill) != subject:
        raise Unreadable("the body speaks of another trade than the subject")
    return fill


def encode_position(position: Position, *, mark_price: Decimal | None = None) -> bytes:
    return orjson.dumps(facts.position_document(position, mark_price=mark_price))


def decode_position(data: bytes, *, subject: str | None = None) -> Position:
    """Raises Unreadable, also for a position of another symbol than its subject's."""
    position = facts.position_from(_document(data))
    if subject is not None and subjects.position(position) != subject:
        raise Unreadable("the body speaks of another position than the subject")
    return position


def _document(data: bytes) -> Document:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {str(error)[:80]}") from error
    if not isinstance(document, dict):
        raise Unreadable("not a JSON object")
    return document
