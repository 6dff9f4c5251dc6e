"""Who owns something that only one process may own: a key in LEASES that its owner renews, and that the bus forgets when he does not.

The owner counts his time from before he asked for it, the bus from after, so he stops before anybody else can begin, also when he was frozen.
"""

import secrets

import structlog

from ordergate.ports.clock import Clock
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Ack, StoredMessage
from ordergate.runtime.lean import header_block
from ordergate.runtime.shelf import bucket_subject
from ordergate.trading.errors import BusUnavailable, Misuse, Unreadable
from ordergate.wire.messages import EXPECTED_LAST_SUBJECT_SEQUENCE, LeaseDocument
from ordergate.wire.streams import LEASES

TTL_SECONDS = 2
RENEW_SECONDS = 0.5
LOOK_SECONDS = 0.2
MARGIN_SECONDS = 0.1
_FREE = "-"


class Ownership:
    """One process's claim to one key. epoch: the number of its first write, larger than that of every owner before."""

    def __init__(self, bus: Bus, key: str, *, instance: str, clock: Clock) -> None:
        self._bus = bus
        self._subject = bucket_subject(LEASES, key)
        self._owner = f"{instance}.{secrets.token_hex(4)}"
        self._clock = clock
        self._sequence = 0
        self.epoch = 0
        self.until = 0.0
        """Monotonic seconds."""

    async def win(self) -> None:
        """Wait until nobody else owns it, and take it."""
        while True:
            try:
                if await self._take(await self._last()):
                    self.epoch = self._sequence
                    return
            except BusUnavailable as away:
                structlog.get_logger("ownership").warning("the bus is away", error=str(away))
            await self._clock.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Renew it; returns when it is lost."""
        while self._clock.monotonic() < self.until:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                if not await self._write(self._owner, TTL_SECONDS):
                    break
            except BusUnavailable:
                break  # so long without a word from the bus that it is over
        self.until = 0.0

    async def withdraw(self) -> None:
        """Leave it to whoever comes. Raises BusUnavailable."""
        if self._clock.monotonic() < self.until:
            self.until = 0.0
            await self._write(_FREE, 1)

    async def _last(self) -> StoredMessage | None:
        return await self._bus.jetstream.last(f"KV_{LEASES}", self._subject)

    async def _take(self, last: StoredMessage | None) -> bool:
        if last is not None and _owner_of(last) not in {_FREE, self._owner}:
            return False
        self._sequence = 0 if last is None else last.sequence
        return await self._write(self._owner, TTL_SECONDS)

    async def _write(self, owner: str, ttl_seconds: int) -> bool:
        asked_at = self._clock.monotonic()
        document = LeaseDocument(owner=owner, taken_at_ms=self._clock.now_ms())
        headers = {"Nats-TTL": f"{ttl_seconds}s", EXPECTED_LAST_SUBJECT_SEQUENCE: str(self._sequence)}
        answer = await self._bus.jetstream.publish(self._subject, document.to_bytes(), headers=header_block(headers))
        if not isinstance(answer, Ack):
            # Perhaps an earlier try of ours is stored, and its answer was lost.
            last = await self._last()
            if last is None or _owner_of(last) != owner or last.sequence <= self._sequence:
                return False
            self._sequence = last.sequence
        else:
            self._sequence = answer.sequence
        if owner == self._owner:
            self.until = asked_at + ttl_seconds - MARGIN_SECONDS
        return True


def _owner_of(message: StoredMessage) -> str:
    if not message.data:
        return _FREE
    try:
        return LeaseDocument.of(message.data).owner
    except Unreadable as error:
        raise Misuse(f"{message.subject} holds no lease") from error
