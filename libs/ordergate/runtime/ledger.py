"""The ledger over the stream ORDERS (ports.ledger): the only publisher to it, by compare-and-set, one order at a time.

Who won is read from the ledger, not from the ack. Subject and guard come from one function of wire.subjects. No Msg-Id: with
one, a bus of three nodes tells two replicas that both won.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace

import structlog

from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Entry, Lost, Won
from ordergate.runtime.jetstream import WRONG_LAST_SEQUENCE, Ack, JetStream, Refusal, StoredMessage
from ordergate.runtime.transport import Draw
from ordergate.trading.errors import BusUnavailable, Misuse, OtherSchema, Unreadable
from ordergate.trading.events import Event
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.trading.order import Order
from ordergate.wire import codec, facts, subjects
from ordergate.wire.facts import EVENT_KINDS, OrderRecord
from ordergate.wire.messages import (
    EXPECTED_LAST_SUBJECT_SEQUENCE,
    EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT,
    TRACEPARENT,
)
from ordergate.wire.streams import ORDERS

Traceparent = Callable[[ClientOrderId], str | None]
"""The W3C traceparent of whoever appends now; it costs nothing where there is none."""

_STALE_READS_MAX = 3


class _Spoilt:
    """There are messages of the order, and not one can be read."""


class StreamLedger:
    """Each append call draws its own appendId; every repetition within the call carries the same one."""

    def __init__(
        self,
        jetstream: JetStream,
        *,
        clock: Clock,
        traceparent: Traceparent | None = None,
        draw: Draw = secrets.token_hex,
    ) -> None:
        self._jetstream = jetstream
        self._clock = clock
        self._traceparent = traceparent
        self._draw = draw

    async def append(self, order: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        """See ports.ledger. Raises Misuse if the bus refuses the message itself (too large), BusUnavailable."""
        append_id = self._draw(12)
        subject, guard = subjects.order_address(order)
        payload = codec.encode_order(order, event, append_id, correction=correction)
        headers = self._headers(order, guard, after)
        for _ in range(_STALE_READS_MAX):
            answer = await self._jetstream.publish(subject, payload, headers=headers)
            if isinstance(answer, Ack):
                return Won(entry=self._written(order, event, append_id, answer.sequence))
            if answer.error_code != WRONG_LAST_SEQUENCE:
                raise Misuse(f"the bus refuses an order's message: {answer.description}")
            last = await self._last(guard)
            if isinstance(last, _Spoilt):
                raise Unreadable(f"not one message of {order.key.client_order_id} in the ledger can be read")
            if last is not None and last.append_id == append_id:
                return Won(entry=last)
            if _agrees(answer, last):
                return Lost(entry=last)
            # The read came from a leader that does not know yet what refused us: ask both again.
        raise BusUnavailable(f"the ledger's answers about {order.key.client_order_id} do not agree")

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        found = await self._last(subjects.order_guard(venue, account, order))
        return None if isinstance(found, _Spoilt) else found

    async def _last(self, guard: str) -> "Entry | _Spoilt | None":
        message = await self._jetstream.last(ORDERS, guard)
        if message is None:
            return None
        try:
            return entry_of(_record(message))
        except OtherSchema:
            raise  # another version knows how the order stands; nothing may be written on top of that
        except Unreadable as error:
            structlog.get_logger("ledger").error(
                "a message of an order cannot be read", subject=message.subject, error=str(error)
            )
            return await self._last_readable(guard, until=message.sequence)

    async def _last_readable(self, guard: str, *, until: int) -> "Entry | _Spoilt":
        """What cannot be read is no step of the order: it stands where its last readable message left it, and the next one goes on top.

        The sequence is that of the unreadable message, for that is what the next append is guarded by.
        """
        found: Entry | None = None
        message = await self._jetstream.next(ORDERS, guard, after=0)
        while message is not None and message.sequence < until:
            try:
                found = entry_of(_record(message))
            except OtherSchema:
                raise
            except Unreadable:
                pass  # as the last one
            message = await self._jetstream.next(ORDERS, guard, after=message.sequence)
        return _Spoilt() if found is None else replace(found, sequence=until)

    def _written(self, order: Order, event: Event, append_id: str, sequence: int) -> Entry:
        return Entry(
            order=order,
            sequence=sequence,
            append_id=append_id,
            event_kind=EVENT_KINDS[type(event)],
            stored_at_ms=self._clock.now_ms(),
        )

    def _headers(self, order: Order, guard: str, after: int) -> bytes:
        parent = None if self._traceparent is None else self._traceparent(order.key.client_order_id)
        traced = f"{TRACEPARENT}: {parent}\r\n" if parent else ""
        return (
            f"NATS/1.0\r\n{EXPECTED_LAST_SUBJECT_SEQUENCE}: {after}\r\n"
            f"{EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT}: {guard}\r\n{traced}\r\n"
        ).encode()


def entry_of(record: OrderRecord) -> Entry:
    return Entry(
        order=record.order,
        sequence=record.sequence,
        append_id=record.append_id,
        event_kind=record.event_kind,
        stored_at_ms=record.stored_at_ms,
        trades=facts.trades_from(record.evidence) if "trades" in record.evidence else (),
    )


def _record(message: StoredMessage) -> OrderRecord:
    return codec.decode_order(
        message.data, sequence=message.sequence, stored_at_ms=message.stored_at_ms, subject=message.subject
    )


def _agrees(refusal: Refusal, last: Entry | None) -> bool:
    """`wrong last sequence: 7`: a read that shows less than the server named is older than the refusal."""
    named = refusal.description.rpartition(" ")[2]
    return not named.isdigit() or (0 if last is None else last.sequence) >= int(named)
