"""Where a service starts reading after a restart: kept in the bucket CHECKPOINTS every few seconds and at stop."""

import asyncio
from collections.abc import Callable

import structlog

from ordergate.ports.bus import Shelf
from ordergate.ports.checkpoint import Mark
from ordergate.ports.clock import Clock
from ordergate.trading.errors import BusUnavailable, Unreadable
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import keys
from ordergate.wire.messages import CheckpointDocument

SAVE_SECONDS = 5.0
DOCUMENT_BYTES_MAX = 48 * 1024
"""Below the bus's max_payload with room to spare."""


class BusCheckpoint:
    """The checkpoint of one service for one account."""

    def __init__(self, shelf: Shelf, *, service: str, venue: VenueName, account: AccountName, clock: Clock) -> None:
        self._shelf = shelf
        self._service = service
        self._venue = venue
        self._account = account
        self._clock = clock
        self._key = keys.checkpoint(service, venue, account)
        self._saved: Mark | None = None

    async def load(self) -> Mark | None:
        """None where none was kept, or what was kept cannot be read: then the beginning of the stream is the right place."""
        data = await self._shelf.get(self._key)
        if data is None:
            return None
        try:
            document = CheckpointDocument.of(data)
        except Unreadable as error:
            structlog.get_logger("checkpoint").error("a checkpoint cannot be read", key=self._key, error=str(error))
            return None
        return Mark(sequence=document.sequence, live=document.live, state=document.state)

    async def save(self, mark: Mark) -> None:
        """Raises BusUnavailable. Saying the same again costs nothing."""
        if mark == self._saved:
            return
        data = self._document(mark).to_bytes()
        if len(data) > DOCUMENT_BYTES_MAX:
            if not mark.live_can_be_read_again:
                structlog.get_logger("checkpoint").warning("too large to keep", key=self._key, live=len(mark.live))
                return
            # Too many live orders to name: start reading before the oldest of them instead. More to read, nothing missed.
            oldest = min((*mark.live.values(), mark.sequence + 1))
            data = self._document(Mark(sequence=max(0, oldest - 1), state=mark.state)).to_bytes()
        await self._shelf.put(self._key, data)
        self._saved = mark

    async def keep(self, mark: Callable[[], Mark | None]) -> None:
        """Save every few seconds, for ever; the last time when cancelled. A bus that is away is no reason to end.

        mark: None while there is nothing to save yet.
        """
        try:
            while True:
                await self._clock.sleep(SAVE_SECONDS)
                await self._try(mark())
        finally:
            await asyncio.shield(self._try(mark()))

    async def _try(self, mark: Mark | None) -> None:
        try:
            if mark is not None:
                await self.save(mark)
        except BusUnavailable as away:
            structlog.get_logger("checkpoint").warning("not saved", key=self._key, error=str(away))

    def _document(self, mark: Mark) -> CheckpointDocument:
        return CheckpointDocument(
            service=self._service,
            venue=self._venue,
            account=self._account,
            sequence=mark.sequence,
            live=dict(mark.live),
            state=dict(mark.state),
            at_ms=self._clock.now_ms(),
        )
