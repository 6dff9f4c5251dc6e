"""Halts of an account in the bucket CONTROL (ports.control.Halts): written by who hears the venue refuse a key, watched by who sends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ordergate.ports.bus import Shelf
from ordergate.ports.clock import Clock
from ordergate.trading.errors import Unavailable, Unreadable
from ordergate.trading.ids import AccountName, VenueName, derive_error_id
from ordergate.wire import keys
from ordergate.wire.messages import HaltDocument

AGAIN_SECONDS = 0.5


class BusHalts:
    """One service's word on one account."""

    def __init__(self, shelf: Shelf, *, venue: VenueName, account: AccountName, service: str, clock: Clock) -> None:
        self._shelf = shelf
        self._key = keys.halted_by(venue, account, service)
        self._names = (venue, account, service)
        self._clock = clock
        self._stands: bool | None = None  # not known before the first word

    async def halt(self, reason: str) -> None:
        """See ports.control."""
        if self._stands:
            return
        error_id = derive_error_id("halt", *self._names, str(self._clock.now_ms()))
        document = HaltDocument(reason=reason, error_id=error_id, at_ms=self._clock.now_ms())
        await self._write(document.to_bytes())
        self._stands = True

    async def lift(self) -> None:
        """See ports.control."""
        if self._stands is not False:
            await self._write(None)
            self._stands = False

    async def _write(self, value: bytes | None) -> None:
        while True:
            try:
                if value is None:
                    await self._shelf.delete(self._key)
                else:
                    await self._shelf.put(self._key, value)
            except Unavailable:
                await self._clock.sleep(AGAIN_SECONDS)
            else:
                return


async def halts_of(shelf: Shelf, venue: VenueName, account: AccountName) -> AsyncGenerator[HaltDocument, None]:
    """Every halt that stands or is written, for ever."""
    async with aclosing(shelf.watch(keys.all_halts(venue, account))) as changes:
        async for change in changes:
            if change is None or not change[1]:
                continue
            try:
                yield HaltDocument.of(change[1])
            except Unreadable:
                # Somebody wanted to halt the account: the safe reading.
                yield HaltDocument(reason="a halt that cannot be read", error_id="unreadable_halt", at_ms=0)
