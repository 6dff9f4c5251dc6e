"""What leaves for FILLS, AUDIT and ERRORS (ports.bus.Publisher): guarded publications repeated until answered, and records that may be lost."""

import asyncio
from collections import deque
from dataclasses import dataclass

from ordergate.ports.clock import Clock
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.lean import header_block
from ordergate.runtime.shelf import bucket_subject
from ordergate.trading.errors import Misuse
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, ErrorId, Symbol, TradeId, VenueName, VenueOrderId
from ordergate.trading.order import OrderKey
from ordergate.wire import codec, subjects
from ordergate.wire.messages import MSG_ID, ErrorDocument
from ordergate.wire.streams import ERRORS, FILLS

IN_FLIGHT_MAX = 512
RECORDS_WAITING_MAX = 10_000


@dataclass(slots=True)
class PublisherCounts:
    """Read by metrics."""

    fills_stored: int = 0
    fills_known: int = 0
    records_sent: int = 0
    records_dropped: int = 0


class BusPublisher:
    """Any number of calls may run at once; at most IN_FLIGHT_MAX are on the wire."""

    def __init__(self, bus: Bus, *, clock: Clock) -> None:
        self.counts = PublisherCounts()
        self._bus = bus
        self._clock = clock
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._records: deque[tuple[str, bytes]] = deque()
        bus.client.when_back(self._send_records)

    async def store_fill(self, fill: Fill) -> bool:
        """The stream holds one message a subject and refuses the second, so a repetition can do no harm."""
        async with self._slots:
            answer = await self._bus.jetstream.publish(subjects.fill(fill), codec.encode_fill(fill))
        if isinstance(answer, Ack):
            self.counts.fills_stored += 1
            return True
        if answer.is_already_stored:
            self.counts.fills_known += 1
            return False
        raise Misuse(f"the bus refuses a fill: {answer.description}")

    async def stored_fill(
        self, venue: VenueName, account: AccountName, symbol: Symbol, trade_id: TradeId, venue_order_id: VenueOrderId
    ) -> Fill | None:
        subject = subjects.fills_of(venue, account, symbol).removesuffix("*") + subjects.token(
            f"{trade_id}-{venue_order_id}"
        )
        message = await self._bus.jetstream.last(FILLS, subject)
        return None if message is None else codec.decode_fill(message.data, subject=subject)

    async def answer(self, subject: str, payload: bytes, *, message_id: str) -> None:
        """Raises Misuse if the bus refuses the message itself (too large), BusUnavailable."""
        async with self._slots:
            answer = await self._bus.jetstream.publish(subject, payload, headers=header_block({MSG_ID: message_id}))
        if not isinstance(answer, Ack):
            raise Misuse(f"the bus refuses an answer: {answer.description}")

    def record(self, subject: str, payload: bytes) -> None:
        self._records.append((subject, payload))
        if len(self._records) > RECORDS_WAITING_MAX:
            self._records.popleft()
            self.counts.records_dropped += 1
        self._send_records()

    def note_error(self, error_id: ErrorId, key: OrderKey) -> None:
        note = ErrorDocument(
            venue=key.venue,
            account=key.account,
            symbol=key.symbol,
            client_order_id=key.client_order_id,
            at_ms=self._clock.now_ms(),
        )
        self.record(bucket_subject(ERRORS, subjects.token(error_id)), note.to_bytes())

    def _send_records(self) -> None:
        while self._records:
            try:
                if not self._bus.client.post(*self._records[0]):
                    return
                self.counts.records_sent += 1
            except Misuse:  # over the bus's limit: it must not stand in the way of the others
                self.counts.records_dropped += 1
            self._records.popleft()
