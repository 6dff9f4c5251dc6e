"""Which processes of a service are alive: each says so in the bucket LEASES under a key that dies with it."""

from contextlib import aclosing

import structlog

from ordergate.ports.clock import Clock
from ordergate.runtime.connection import Bus
from ordergate.runtime.ordered import OrderedRead
from ordergate.runtime.shelf import BusShelf, bucket_subject
from ordergate.trading.errors import BusUnavailable
from ordergate.wire import keys
from ordergate.wire.messages import LeaseDocument
from ordergate.wire.streams import LEASES

TTL_SECONDS = 3
RENEW_SECONDS = 1.0


class Presence:
    """One running process. The bus forgets it TTL_SECONDS after the last renewal."""

    def __init__(self, bus: Bus, *, service: str, instance: str, clock: Clock) -> None:
        self._shelf = BusShelf(bus, bucket=LEASES)
        self._key = keys.presence(service, instance)
        self._instance = instance
        self._clock = clock

    async def announce(self) -> None:
        """Say once that the process is here. Raises BusUnavailable."""
        document = LeaseDocument(owner=self._instance, taken_at_ms=self._clock.now_ms())
        await self._shelf.put(self._key, document.to_bytes(), ttl_seconds=TTL_SECONDS)

    async def keep(self) -> None:
        """Say it again and again, until cancelled."""
        while True:
            try:
                await self.announce()
            except BusUnavailable as away:
                structlog.get_logger("presence").warning("not renewed", error=str(away))
            await self._clock.sleep(RENEW_SECONDS)

    async def withdraw(self) -> None:
        """The process is about to end."""
        await self._shelf.delete(self._key)


async def present(bus: Bus, *, service: str) -> frozenset[str]:
    """The instances of a service that are alive now."""
    found: dict[str, bool] = {}
    prefix = bucket_subject(LEASES, keys.all_presences(service))
    reading = OrderedRead(bus, stream=f"KV_{LEASES}", filters=(prefix,), after=None)
    async with aclosing(reading.messages()) as messages:
        async for message in messages:
            if message is None:
                break
            found[message.subject.rsplit(".", 1)[1]] = bool(message.data)
    return frozenset(instance for instance, alive in found.items() if alive)
