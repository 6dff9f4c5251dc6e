"""The connection of one service to the bus: settings under which it survives any outage, and tells when it cannot."""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from nats.errors import Error as NatsError
from typing_extensions import override

from ordergate.runtime.jetstream import JetStream, Limits
from ordergate.runtime.lean import LeanClient, Requests
from ordergate.runtime.transport import Draw, Transport
from ordergate.wire import subjects

RECONNECT_WAIT_SECONDS = 0.2
PING_SECONDS = 5
PINGS_OUTSTANDING_MAX = 2
PENDING_BYTES_MAX = 8 * 1024 * 1024

Hook = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class ConnectionCounts:
    """What the connection has been through; read by metrics."""

    errors: int = 0
    denials: int = 0  # a publish without permission looks like a time-out to its caller; only this tells
    reconnects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """One connection with what is made of it. `inbox` is this service's own prefix: permissions name it."""

    client: Transport
    requests: Requests
    jetstream: JetStream
    inbox: str
    counts: ConnectionCounts = field(default_factory=ConnectionCounts)
    draw: Draw = secrets.token_hex

    async def close(self) -> None:
        """Send what is pending, then close. Without a bus, what is pending is dropped: its callers never got an answer."""
        self.requests.stop()
        if self.client.is_closed:
            return
        try:
            if self.client.is_connected:
                await self.client.flush()
            await self.client.close()
        except (NatsError, OSError) as error:
            structlog.get_logger("bus").warning("the bus went away while closing", error=repr(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsBus(Bus):
    """Over nats-py."""

    client: LeanClient


def servers_of(url: str) -> list[str]:
    """`nats://a:4222,nats://b:4222`: the nodes of one bus, any of which will do."""
    return [server.strip() for server in url.split(",")]


def inbox_of(service: str) -> str:
    return f"_INBOX_{subjects.token(service)}"


def connection_options(service: str) -> dict[str, Any]:
    """What every connection of ours sets, FastStream's too (BUS-FACTS 2, row 5: the defaults give up for ever after two minutes)."""
    return {
        "name": service,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_SECONDS,
        "connect_timeout": 2,
        "ping_interval": PING_SECONDS,
        "max_outstanding_pings": PINGS_OUTSTANDING_MAX,
        "inbox_prefix": inbox_of(service),
        "pending_size": PENDING_BYTES_MAX,
        "drain_timeout": 5,
    }


async def connect(
    url: str,
    *,
    service: str,
    when_closed: Hook | None = None,
    nkey_seed_file: Path | None = None,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
) -> NatsBus:
    """Connect, waiting for the bus as long as it takes. `when_closed` is called if the client ever gives up: end the process then."""
    client = _Client()
    counts = ConnectionCounts()
    log = structlog.get_logger("bus")

    async def on_error(error: Exception) -> None:
        if client.dials_after_close:
            raise asyncio.CancelledError
        counts.errors += 1
        if "permissions violation" in str(error):
            counts.denials += 1
            log.error("the bus denied it", error=str(error))
        else:
            log.warning("bus connection", error=repr(error))

    async def on_lost() -> None:
        client.note_lost()

    async def on_back() -> None:
        counts.reconnects += 1
        client.note_back()

    async def on_closed() -> None:
        client.note_lost()
        if when_closed is not None:
            await when_closed()

    await client.connect(
        servers_of(url),
        error_cb=on_error,
        disconnected_cb=on_lost,
        reconnected_cb=on_back,
        closed_cb=on_closed,
        nkeys_seed=None if nkey_seed_file is None else str(nkey_seed_file),
        tls=tls,
        **connection_options(service),
    )
    client.note_back()
    requests = Requests(client, inbox=inbox_of(service))
    await requests.start()
    jetstream = JetStream(client, requests, limits=limits)
    return NatsBus(client=client, requests=requests, jetstream=jetstream, inbox=inbox_of(service), counts=counts)


class _Client(LeanClient):
    """nats-py 2.16, but closed means closed, also while the bus is away."""

    @property
    def dials_after_close(self) -> bool:
        """Asked by the task that dials: `wait_for` of Python 3.11 loses a cancellation that meets a refused connection, and the dialling
        would go on for ever.
        """
        return self.is_closed and asyncio.current_task() is self._reconnection_task

    @override
    async def close(self) -> None:
        if not self.is_connected:
            # Else they are written to a dead socket, which stops the closing half way.
            self._pending, self._pending_data_size = [], 0
        await super().close()
