"""Messages of ORDERS, FILLS and POSITIONS: what is let through must be usable by everyone who folds, shows or writes it again."""

from dataclasses import replace
from decimal import Decimal

from ordergate.cli import shown, telling
from ordergate.cli.life import Life, Stored
from ordergate.client.fills import FillTally
from ordergate.client.gateway import _order_update
from ordergate.client.replay import Received
from ordergate.ports.ledger import Entry
from ordergate.runtime.ledger import entry_of
from ordergate.trading.book import Book
from ordergate.trading.errors import TransitionRefused, Unreadable
from ordergate.trading.events import CancelRequested, OutcomeLost, Restated, Source, VenueReported
from ordergate.trading.fills import Fill
from ordergate.trading.ids import ErrorId
from ordergate.trading.lifecycle import apply, mismatch
from ordergate.trading.order import PositionSide
from ordergate.trading.position import Position, apply_fill, unrealised
from ordergate.wire import codec, facts, subjects
from services.fill_streaming.watched import WatchList
from services.status_polling.tracked import LiveBook
from tests.fuzz import world


def try_order(_: str, data: bytes) -> str:
    try:
        record = codec.decode_order(data, sequence=9, stored_at_ms=world.NOW_MS)
    except Unreadable:
        _is_refused_by_clients_too(data)
        return "refused"
    entry = entry_of(record)
    order = entry.order
    hash(order)
    address = subjects.order_address(order)
    assert codec.decode_order(data, sequence=9, stored_at_ms=0, subject=address.subject) is not None
    restated = Restated(at_ms=world.NOW_MS)
    again = codec.decode_order(codec.encode_order(order, restated, "a"), sequence=9, stored_at_ms=0)
    assert again.order == order
    _fold(entry)
    _evolve(entry)
    body = facts.parse(data)
    stored = Stored(stream="ORDERS", subject=address.subject, sequence=9, stored_at_ms=0, body=body)
    life = Life(found_by="clientOrderId", messages=(stored, stored), records=(record, record))
    telling.text(life)
    shown.order_row(order, world.NOW_MS)
    update = _order_update(Received(subject=address.subject, sequence=9, stored_at_ms=0, data=data))
    assert update.order == order
    return "read"


def _is_refused_by_clients_too(data: bytes) -> None:
    """The standard library reads some texts that the services' parser does not (NaN, a lone surrogate); the fields are checked by the same code."""
    try:
        facts.order_record(facts.parse(data), sequence=9, stored_at_ms=0)
    except Unreadable:
        return


def _fold(entry: Entry) -> None:
    order = entry.order
    book = Book(order.key.venue, order.key.account)
    book.note_order(order, sequence=entry.sequence)
    book.note_order(order, sequence=entry.sequence + 1)
    list(book.tracked())
    live, watch = LiveBook(), WatchList()
    live.note(entry, world.NOW_MS)
    watched = watch.note(entry, 1.0)
    if watched is not None:
        watch.drop_if_complete(watched)
    watch.gaps()


def _evolve(entry: Entry) -> None:
    order = entry.order
    attempt = 1 if order.attempt is None else order.attempt.number
    for event in (
        Restated(at_ms=world.NOW_MS),
        CancelRequested(at_ms=world.NOW_MS, reason="requested"),
        OutcomeLost(attempt=attempt, reason="timeout", error_id=ErrorId("e"), at_ms=world.NOW_MS),
        VenueReported(view=world.VIEW, source=Source.LOOKUP, at_ms=world.NOW_MS),
    ):
        if isinstance(event, VenueReported) and mismatch(order, event.view) is not None:
            continue
        try:
            moved = apply(order, event)
        except TransitionRefused:
            continue
        codec.encode_order(moved, event, "a")


def try_fill(_: str, data: bytes) -> str:
    try:
        fill = codec.decode_fill(data)
    except Unreadable:
        return "refused"
    subject = subjects.fill(fill)
    assert codec.decode_fill(codec.encode_fill(fill), subject=subject) == fill
    assert facts.fill_from(facts.parse(data)) == fill
    position = _position_after(fill)
    codec.encode_position(position, mark_price=Decimal("64250.5"))
    Book(fill.venue, fill.account).note_fill(fill, sequence=9)
    FillTally().add(fill)
    shown.fill_row(fill, 9)
    telling.fill_sentence(facts.parse(data))
    return "read"


def _position_after(fill: Fill) -> Position:
    position = Position(venue=fill.venue, account=fill.account, symbol=fill.symbol)
    for sequence in (1, 2):
        position = apply_fill(position, fill, sequence)
    return position


def try_position(_: str, data: bytes) -> str:
    try:
        position = codec.decode_position(data)
    except Unreadable:
        return "refused"
    subject = subjects.position(position)
    assert codec.decode_position(codec.encode_position(position), subject=subject) == position
    unrealised(position, Decimal("64250.5"))
    for side in PositionSide:
        position.leg(side)
    shown.position_rows(position, Decimal("64250.5"), by_strategy=True)
    fill = replace(world.FILL, venue=position.venue, account=position.account, symbol=position.symbol)
    apply_fill(position, fill, position.up_to_sequence + 1)
    return "read"
