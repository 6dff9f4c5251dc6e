"""Ordered replay and live reading of ORDERS and FILLS (ports.bus.Feed)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from ordergate.ports.bus import StoredFill
from ordergate.ports.ledger import Entry
from ordergate.runtime.connection import Bus
from ordergate.runtime.flow import OrderFlow
from ordergate.runtime.ledger import entry_of
from ordergate.runtime.ordered import OrderedRead
from ordergate.trading.errors import OtherSchema, Unreadable
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import codec, subjects
from ordergate.wire.streams import FILLS, ORDERS

PACE_SECONDS = 0.03
"""The orders and fills that are followed here are on their way already: the next step of each has the processor first."""


class BusFeed:
    """Messages that cannot be read are logged, counted and passed over: one of them must not stop the account.

    One of another schema is no damage but what another version knows: reading raises OtherSchema, for without it every sum is a guess.
    """

    def __init__(self, bus: Bus, *, flow: OrderFlow | None = None) -> None:
        """flow: what is read here is measured; for one follower of each stream."""
        self.unreadable = 0
        self._bus = bus
        self._flow = flow
        self._open: list[OrderedRead] = []
        self._log = structlog.get_logger("feed")

    @property
    def readings(self) -> tuple[OrderedRead, ...]:
        """What is being read now; liveness looks at their age."""
        return tuple(self._open)

    async def orders(self, venue: VenueName, account: AccountName, *, after: int) -> AsyncGenerator[Entry | None, None]:
        filters = (subjects.orders_of(venue, account),)
        reading = OrderedRead(self._bus, stream=ORDERS, filters=filters, after=after, pace_seconds=PACE_SECONDS)
        self._open.append(reading)
        live = False
        try:
            async with aclosing(reading.messages()) as messages:
                async for message in messages:
                    if message is None:
                        live = True
                        yield None
                        continue
                    try:
                        record = codec.decode_order(
                            message.data,
                            sequence=message.sequence,
                            stored_at_ms=message.stored_at_ms,
                            subject=message.subject,
                        )
                        entry = entry_of(record)
                    except OtherSchema as error:
                        raise OtherSchema(f"{message.subject}, message {message.sequence}: {error}") from error
                    except Unreadable as error:
                        self._note(message.subject, message.sequence, error)
                        continue
                    if self._flow is not None:
                        self._flow.note_order(record, live=live)
                    yield entry
        finally:
            self._open.remove(reading)

    async def fills(
        self, venue: VenueName, account: AccountName, *, after: int
    ) -> AsyncGenerator[StoredFill | None, None]:
        filters = (subjects.fills_of(venue, account),)
        reading = OrderedRead(self._bus, stream=FILLS, filters=filters, after=after, pace_seconds=PACE_SECONDS)
        self._open.append(reading)
        live = False
        try:
            async with aclosing(reading.messages()) as messages:
                async for message in messages:
                    if message is None:
                        live = True
                        yield None
                        continue
                    try:
                        fill = codec.decode_fill(message.data, subject=message.subject)
                    except OtherSchema as error:
                        raise OtherSchema(f"{message.subject}, message {message.sequence}: {error}") from error
                    except Unreadable as error:
                        self._note(message.subject, message.sequence, error)
                        continue
                    if self._flow is not None and live:
                        self._flow.note_fill(fill, stored_at_ms=message.stored_at_ms)
                    yield StoredFill(fill=fill, sequence=message.sequence)
        finally:
            self._open.remove(reading)

    def _note(self, subject: str, sequence: int, error: Unreadable) -> None:
        self.unreadable += 1
        self._log.error("a stored message cannot be read", subject=subject, sequence=sequence, error=str(error))
