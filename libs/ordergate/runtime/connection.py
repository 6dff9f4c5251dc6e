"""The connection of one service to the bus: settings under which it survives any outage, and tells when it cannot."""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from typing_extensions import override

from ordergate.runtime.jetstream import JetStream, Limits
from ordergate.runtime.lean import LeanClient, Requests
from ordergate.runtime.transport import Draw, Transport
from ordergate.trading.errors import Misconfigured
from ordergate.wire import identities, subjects
from ordergate.wire.denials import denial_of, is_stranger
from ordergate.wire.seeds import public_key_of

RECONNECT_WAIT_SECONDS = 0.2
PING_SECONDS = 5
PINGS_OUTSTANDING_MAX = 2
PENDING_BYTES_MAX = 8 * 1024 * 1024
REFUSALS_MAX = 10
"""In a row, five a second: one node may not have been told of a new identity yet."""
STRANGER = "the bus does not know this identity: is ORDERGATE_NATS_SEED_FILE right, and was the bus told of it (`ordergate identity add`, then SIGHUP)?"

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
            try:
                if self.client.is_connected:
                    await self.client.flush()
            finally:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the bus is told who we are, and how we know that it is the bus. seed_file: of the nkey; authority_file: certificates (PEM) of those

    whose word on the bus's certificate counts, for tls:// addresses; None: those of the system.
    """

    seed_file: Path | None = None
    authority_file: Path | None = None

    def inbox(self, service: str) -> str:
        """The prefix of all answers: of the key, which the permissions name; without one of the service. Raises UnsafeKeyFile."""
        return inbox_of(service) if self.seed_file is None else identities.inbox(public_key_of(self.seed_file))

    def tls(self, url: str) -> ssl.SSLContext | None:
        """None for plain text. Raises Misconfigured for a file that holds no certificates."""
        if self.authority_file is None and not url.startswith("tls:"):
            return None
        try:
            return ssl.create_default_context(cafile=self.authority_file)
        except OSError as error:
            raise Misconfigured(f"{self.authority_file} holds no certificates: {error}") from error


def connection_options(service: str, access: Access | None = None) -> dict[str, Any]:
    """What every connection of ours sets, FastStream's too (the defaults give up for ever after two minutes)."""
    access = access or Access()
    return {
        "name": service,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_SECONDS,
        "connect_timeout": 2,
        "ping_interval": PING_SECONDS,
        "max_outstanding_pings": PINGS_OUTSTANDING_MAX,
        "inbox_prefix": access.inbox(service),
        "pending_size": PENDING_BYTES_MAX,
        "drain_timeout": 5,
    }


async def connect(
    url: str,
    *,
    service: str,
    when_closed: Hook | None = None,
    access: Access | None = None,
    limits: Limits | None = None,
) -> NatsBus:
    """Connect, waiting for the bus as long as it takes. `when_closed` is called if the client ever gives up: end the process then.

    Raises UnsafeKeyFile, Misconfigured (the bus does not know this identity, or its certificate is not to be trusted).
    """
    access = access or Access()
    options = connection_options(service, access)
    client = _Client()
    ear = _Ear(client, url=url, when_closed=when_closed)
    try:
        await client.connect(
            servers_of(url),
            error_cb=ear.hear_error,
            disconnected_cb=ear.note_lost,
            reconnected_cb=ear.note_back,
            closed_cb=ear.note_closed,
            nkeys_seed=None if access.seed_file is None else str(access.seed_file),
            tls=access.tls(url),
            **options,
        )
    except Misconfigured:
        client.abandon()
        raise
    except (NatsError, ValueError) as error:  # it waits for a bus as long as it takes, so this is about the address
        client.abandon()
        raise Misconfigured(
            f"ORDERGATE_NATS_URL is not the address of a bus, e.g. nats://127.0.0.1:4222: {error}"
        ) from error
    client.note_back()
    requests = ear.requests = Requests(client, inbox=options["inbox_prefix"])
    await requests.start()
    jetstream = JetStream(client, requests, limits=limits)
    return NatsBus(
        client=client, requests=requests, jetstream=jetstream, inbox=options["inbox_prefix"], counts=ear.counts
    )


class _Ear:
    """What the client tells of its connection. requests: there once the connection is."""

    def __init__(self, client: "_Client", *, url: str, when_closed: Hook | None) -> None:
        self.counts = ConnectionCounts()
        self.requests: Requests | None = None
        self._client = client
        self._url = url
        self._when_closed = when_closed
        self._refusals = 0
        self._log = structlog.get_logger("bus")

    async def hear_error(self, error: Exception) -> None:
        """Raises Misconfigured before the first connection, when waiting is in vain."""
        if self._client.dials_after_close:
            raise asyncio.CancelledError
        self.counts.errors += 1
        denial = denial_of(str(error))
        if denial is not None:
            self.counts.denials += 1
            self._log.error("the bus denied it", action=denial.action, subject=denial.subject)
            if self.requests is not None:
                self.requests.deny(denial)
            return
        # The seed may be gone with the identity.
        is_unknown = is_stranger(str(error)) or isinstance(error, FileNotFoundError)
        if is_unknown or isinstance(error, ssl.SSLCertVerificationError):
            await self._refused(STRANGER if is_unknown else str(error), error)
        else:
            self._log.warning("bus connection", error=repr(error))

    async def _refused(self, why: str, error: Exception) -> None:
        if self.requests is None:
            raise Misconfigured(f"{self._url}: {why}") from error
        self._log.error("the bus refuses the connection", reason=why)
        self._client.hang_up()
        self._refusals += 1
        if self._refusals == REFUSALS_MAX and self._when_closed is not None:
            await self._when_closed()

    async def note_lost(self) -> None:
        self._client.note_lost()

    async def note_back(self) -> None:
        self.counts.reconnects += 1
        self._refusals = 0
        self._client.note_back()

    async def note_closed(self) -> None:
        self._client.note_lost()
        if self._when_closed is not None:
            await self._when_closed()


class _Client(LeanClient):
    """nats-py 2.16, but closed means closed, also while the bus is away."""

    @property
    def dials_after_close(self) -> bool:
        """Asked by the task that dials: `wait_for` of Python 3.11 loses a cancellation that meets a refused connection, and the dialling
        would go on for ever.
        """
        return self.is_closed and asyncio.current_task() is self._reconnection_task

    def abandon(self) -> None:
        """End a connection that was never made; nats-py's own close waits for ever where the certificate was not believed."""
        self._status = Client.CLOSED
        self.hang_up()

    def hang_up(self) -> None:
        """nats-py leaves the sockets of tries that failed open."""
        transport: Any = self._transport
        if transport is not None:
            transport.close()

    @override
    async def close(self) -> None:
        if not self.is_connected:
            # Else they are written to a dead socket, which stops the closing half way.
            self._pending, self._pending_data_size = [], 0
        await super().close()
