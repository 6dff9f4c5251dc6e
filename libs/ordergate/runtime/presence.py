"""Which processes of a service are alive, and whom they serve: each says so in the bucket LEASES under a key that dies with it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import structlog

from ordergate.ports.clock import Clock
from ordergate.runtime.connection import Bus
from ordergate.runtime.ordered import OrderedRead
from ordergate.runtime.shelf import BusShelf, bucket_subject
from ordergate.trading.errors import BusUnavailable, Unreadable
from ordergate.wire import keys, subjects
from ordergate.wire.messages import PresenceDocument
from ordergate.wire.streams import LEASES

TTL_SECONDS = 3
RENEW_SECONDS = 1.0
ADVICE = "is it there, and is there room on its disk? It must be started again once there is"
ACCOUNTS_BYTES_MAX = 3_000
"""A value of LEASES has 4 KiB; where the names of all accounts are more, none is said but the shard's."""


class Presence:
    """One running process. The bus forgets it TTL_SECONDS after the last renewal. accounts: venue/account of each that it serves."""

    def __init__(
        self,
        bus: Bus,
        *,
        service: str,
        instance: str,
        clock: Clock,
        version: str = "",
        shard: str = "",
        accounts: Sequence[str] = (),
    ) -> None:
        self._shelf = BusShelf(bus, bucket=LEASES)
        self._key = keys.presence(service, instance)
        self._instance = instance
        self._clock = clock
        self._version = version
        self._shard = shard
        self._accounts = tuple(accounts)

    async def announce(self) -> None:
        """Say once that the process is here. Raises BusUnavailable."""
        size = sum(len(account.encode()) + 3 for account in self._accounts)
        document = PresenceDocument(
            owner=self._instance,
            taken_at_ms=self._clock.now_ms(),
            version=self._version,
            shard=self._shard,
            accounts=self._accounts if size <= ACCOUNTS_BYTES_MAX else (),
            account_count=len(self._accounts),
        )
        await self._shelf.put(self._key, document.to_bytes(), ttl_seconds=TTL_SECONDS)

    async def keep(self) -> None:
        """Say it again and again, until cancelled. Where the bus takes it no more, that is said, once: then it takes no order either."""
        takes = True
        while True:
            try:
                await self.announce()
                takes = True
            except BusUnavailable as away:
                if takes:
                    log = structlog.get_logger("presence")
                    log.error("the bus takes no writes, so nothing is sent", reason=str(away), advice=ADVICE)  # noqa: TRY400
                takes = False
            await self._clock.sleep(RENEW_SECONDS)

    async def withdraw(self) -> None:
        """The process is about to end."""
        await self._shelf.delete(self._key)


async def present(bus: Bus, *, service: str) -> frozenset[str]:
    """The instances of a service that are alive now."""
    found = {key: bool(value) async for key, value in _stored(bus, keys.all_presences(service))}
    return frozenset(key.rsplit(".", 1)[1] for key, alive in found.items() if alive)


async def everybody(bus: Bus) -> list[tuple[str, PresenceDocument]]:
    """Every process that is alive now, with the name of its service."""
    found = {key: value async for key, value in _stored(bus, keys.EVERY_PRESENCE)}
    told = []
    for key, value in sorted(found.items()):
        if not value:
            continue
        try:
            told.append((subjects.untoken(key.split(".")[1]), PresenceDocument.of(value)))
        except Unreadable:
            structlog.get_logger("presence").warning("unreadable", key=key)
    return told


async def _stored(bus: Bus, pattern: str) -> AsyncGenerator[tuple[str, bytes], None]:
    prefix = bucket_subject(LEASES, "")
    reading = OrderedRead(bus, stream=f"KV_{LEASES}", filters=(prefix + pattern,), after=None)
    async with aclosing(reading.messages()) as messages:
        async for message in messages:
            if message is None:
                return
            yield message.subject.removeprefix(prefix), message.data
