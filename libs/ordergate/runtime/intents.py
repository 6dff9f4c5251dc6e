"""Intents as the stream holds them, beside the lanes that hand them out."""

from collections.abc import Sequence

from ordergate.ports.bus import StoredIntent
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Refusal, StoredMessage
from ordergate.trading.errors import BusUnavailable, Unreadable
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import codec, subjects
from ordergate.wire.streams import INTENTS, ORDERS, ConsumerSpec


class IntentBodies:
    """For whoever hears only subjects."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def read(self, sequence: int) -> bytes | None:
        """The intent at this stream sequence, None if it is there no more. Raises BusUnavailable."""
        message = await self._bus.jetstream.message(INTENTS, sequence)
        return None if message is None else message.data


class BusIntentLog:
    """ports.bus.IntentLog over the consumer that risk shares with its other replicas. Everything is read through the leader."""

    def __init__(self, bus: Bus, spec: ConsumerSpec, *, venue: VenueName, account: AccountName) -> None:
        self._bus = bus
        self._spec = spec
        self._orders = subjects.orders_of(venue, account)

    async def answered(self) -> int:
        answer = await self._bus.jetstream.api(f"CONSUMER.INFO.{self._spec.stream}.{self._spec.durable}")
        if isinstance(answer, Refusal):
            raise BusUnavailable(f"{self._spec.durable}: {answer.description}")
        return int(answer["ack_floor"]["stream_seq"])

    async def between(self, after: int, before: int) -> Sequence[StoredIntent]:
        found: list[StoredIntent] = []
        for subject in self._spec.filter_subjects:
            message = await self._next(subject, after)
            while message is not None and message.sequence < before:
                found.append(StoredIntent(subject=message.subject, data=message.data, sequence=message.sequence))
                message = await self._next(subject, message.sequence)
        return sorted(found, key=lambda intent: intent.sequence)

    async def end_of_orders(self) -> int | None:
        last = await self._bus.jetstream.last(ORDERS, self._orders)
        if last is None:
            return 0
        try:
            codec.decode_order(last.data, sequence=last.sequence, stored_at_ms=last.stored_at_ms, subject=last.subject)
        except Unreadable:
            return None
        return last.sequence

    async def _next(self, subject: str, after: int) -> StoredMessage | None:
        return await self._bus.jetstream.next(self._spec.stream, subject, after=after)
