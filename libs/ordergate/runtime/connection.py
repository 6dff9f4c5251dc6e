"""The connection of one service to the bus: settings under which it survives any outage, and tells when it cannot."""

import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

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
        """Send what is pending, then close."""
        self.requests.stop()
        if not self.client.is_closed:
            if self.client.is_connected:
                await self.client.flush()
            await self.client.close()


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
) -> Bus:
    """Connect, waiting for the bus as long as it takes. `when_closed` is called if the client ever gives up: end the process then."""
    client = LeanClient()
    counts = ConnectionCounts()
    log = structlog.get_logger("bus")

    async def on_error(error: Exception) -> None:
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
        url,
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
    return Bus(client=client, requests=requests, jetstream=jetstream, inbox=inbox_of(service), counts=counts)
