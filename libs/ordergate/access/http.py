"""The HTTP engine: keep-alive connections of one origin, each carrying one request at a time, none of them ever repeated.

Why not a client library: see docs/decisions/0003-http-engine.md. What this file promises, and no library that we measured does:

* it says exactly whether a request can have reached the peer: `NothingSent` before the first byte is given to the socket, after that an answer or
  `AnswerLost`, whatever happens;
* between `Connection.exchange` being called and the bytes being given to the socket there is no await;
* no redirects, no retries (not even on a kept-alive connection that turns out to be dead), no cookies, no proxies, no decompression.
"""

import asyncio
import ipaddress
import ssl
from collections import deque
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from ordergate.access.response import MalformedAnswer, Response, ResponseReader
from ordergate.trading.errors import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingSent:
    """Proof: not one byte of the request was given to a socket."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLost:
    """The request was given to the socket and no readable answer came: it may have been carried out."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a venue listens. prefix: path before every path, without a slash at its end."""

    tls: bool
    host: str
    port: int
    prefix: str

    @property
    def authority(self) -> str:
        """The Host header: IPv6 in brackets, the scheme's own port left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_origin(url: str, *, plain: str = "http", encrypted: str = "https") -> Origin:
    """Raises Misconfigured unless `url` is https, or http to this very machine, without user, query or fragment. plain, encrypted: other schemes."""
    parts = urlsplit(url)
    if parts.scheme not in {plain, encrypted} or not parts.hostname:
        raise Misconfigured(f"a venue's address must be {encrypted}://host[:port][/path]")
    if parts.username or parts.password or parts.query or parts.fragment or not url.isascii() or not url.isprintable():
        raise Misconfigured("a venue's address must have no user, query or fragment")
    tls = parts.scheme == encrypted
    if not tls and not is_loopback(parts.hostname):
        raise Misconfigured(f"plain {plain} only to this machine, not to {parts.hostname}; use {encrypted}")
    return Origin(tls=tls, host=parts.hostname, port=parts.port or (443 if tls else 80), prefix=parts.path.rstrip("/"))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    connections_max: int = 32
    urgent_connections: int = 4  # of these, kept for cancels and lookups: slow orders never hold them all
    connect_seconds_max: float = 3.0
    idle_seconds_max: float = (
        45.0  # below what servers and balancers usually allow: a peer that closes while we send makes an unknown
    )


@dataclass(slots=True, kw_only=True)
class EngineCounts:
    """For metrics; all but `open` only grow."""

    open: int = 0
    connections: int = 0
    handshakes: int = 0  # TLS
    failures: int = 0  # connections that did not come about
    exchanges: int = 0
    answers_lost: int = 0


class Connection(asyncio.Protocol):
    """One socket. Ours between Engine.acquire and Engine.release."""

    def __init__(self, counts: EngineCounts) -> None:
        self._counts = counts
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._answer: asyncio.Future[Response | AnswerLost] | None = None
        self._reusable = True
        self.idle_since = 0.0

    @property
    def is_alive(self) -> bool:
        return self._reusable and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, *, timeout_seconds: float) -> Response | NothingSent | AnswerLost:
        """Send `request` and wait for its answer. Canceled while waiting, the connection is closed: nobody else reads that answer."""
        transport = self._transport
        if transport is None or not self.is_alive or self._answer is not None:
            return NothingSent(reason="connection_closed")
        loop = asyncio.get_running_loop()
        self._reader = ResponseReader()
        self._answer = answer = loop.create_future()
        self._counts.exchanges += 1
        timer = loop.call_later(timeout_seconds, self._lose, "timeout")
        transport.write(request)
        try:
            result: Response | AnswerLost = await answer
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            timer.cancel()
            self._answer = self._reader = None
        if type(result) is AnswerLost:
            self._counts.answers_lost += 1
        return result

    def abort(self) -> None:
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by behaviour, not by class
        self._counts.open += 1

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            self.abort()  # an answer to nothing
            return
        try:
            response = self._reader.feed(data)
        except MalformedAnswer:
            self._lose("malformed_answer")
            return
        if response is not None:
            self._settle(response)

    def eof_received(self) -> None:
        self._reusable = False
        self._end("closed")

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts.open -= 1
        self._reusable = False
        self._end("reset" if exc is not None else "closed")

    def _end(self, reason: str) -> None:
        if self._reader is not None:
            response = self._reader.end()
            if response is None:
                self._lose(reason)
            else:
                self._settle(response)

    def _settle(self, result: Response | AnswerLost) -> None:
        if self._answer is None or self._answer.done():
            self.abort()
            return
        if self._reader is None or not self._reader.keep_alive:
            self._reusable = False
        self._reader = None  # whatever comes from now on is an answer to nothing
        self._answer.set_result(result)

    def _lose(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(AnswerLost(reason=reason))
        self.abort()


Place = asyncio.Future[Connection | None]
"""In the queue for a connection. None: there is room for a new one."""


class Engine:
    """The connections to one origin."""

    def __init__(
        self, origin: Origin, *, limits: EngineLimits | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._origin = origin
        self._limits = limits or EngineLimits()
        self._ssl = verifying(ssl_context) if origin.tls else None
        self._idle: list[Connection] = []  # the last one used is taken first: it is the least likely to be stale
        self._in_use: set[Connection] = set()
        self._connecting = 0
        self._waiting: deque[Place] = deque()
        self._urgent: deque[Place] = deque()
        self._closed = False
        self.counts = EngineCounts()

    @property
    def origin(self) -> Origin:
        return self._origin

    async def warm(self, count: int) -> int:
        """Have at least `count` fresh idle connections, as far as the limit allows; returns how many there are. Failures are counted, not raised."""
        self._drop_stale()
        room = self._limits.connections_max - len(self._idle) - len(self._in_use) - self._connecting
        missing = min(count - len(self._idle), room)
        for connection in await asyncio.gather(*(self._connect() for _ in range(missing))):
            if isinstance(connection, Connection):
                self.release(connection)
        return len(self._idle)

    def spare(self) -> Connection | None:
        """A live idle connection if there is one, at once."""
        self._drop_stale()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive:
                self._in_use.add(connection)
                return connection
        return None

    async def acquire(self, *, timeout_seconds: float, urgent: bool = False) -> Connection | NothingSent:
        """A live connection of one's own until `release`: an idle one, a new one, or the next that gets free."""
        if self._closed:
            return NothingSent(reason="engine_closed")
        if not self._has_room(urgent=urgent):
            return await self._wait_for_one(timeout_seconds, urgent=urgent)
        return self.spare() or await self._connect(timeout_seconds)

    def release(self, connection: Connection) -> None:
        """Give it back; a dead or used-up one is closed and makes room for another."""
        self._in_use.discard(connection)
        if self._closed or not connection.is_alive:
            connection.abort()
            self._hand_on(None)
            return
        connection.idle_since = asyncio.get_running_loop().time()
        if not self._hand_on(connection):
            self._idle.append(connection)

    async def close(self) -> None:
        """Close everything. A request still on the wire becomes AnswerLost."""
        self._closed = True
        for connection in [*self._idle, *self._in_use]:
            connection.abort()
        self._idle.clear()
        for place in [*self._urgent, *self._waiting]:
            if not place.done():
                place.set_result(None)
        await asyncio.sleep(0)  # lets the transports report that they are closed

    async def _connect(self, timeout_seconds: float | None = None) -> Connection | NothingSent:
        limit = self._limits.connect_seconds_max
        seconds = limit if timeout_seconds is None else min(limit, timeout_seconds)
        self._connecting += 1
        connection = Connection(self.counts)
        connected = False
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, self._origin.host, self._origin.port, ssl=self._ssl
                )
            connected = True
        except OSError as error:  # TimeoutError and every TLS error are OSErrors too
            self.counts.failures += 1
            return NothingSent(reason=connect_failure(error))
        finally:
            self._connecting -= 1
            if not connected:
                connection.abort()
                self._hand_on(None)
        self.counts.connections += 1
        self.counts.handshakes += self._origin.tls
        if self._closed:
            connection.abort()
            return NothingSent(reason="engine_closed")
        self._in_use.add(connection)
        return connection

    async def _wait_for_one(self, timeout_seconds: float, *, urgent: bool) -> Connection | NothingSent:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        place: Place = loop.create_future()
        (self._urgent if urgent else self._waiting).append(place)
        try:
            async with asyncio.timeout(timeout_seconds):
                connection = await place
        except TimeoutError:
            self._return_unclaimed(place)
            return NothingSent(reason="connections_busy")
        except asyncio.CancelledError:
            self._return_unclaimed(place)
            raise
        if connection is not None and connection.is_alive:
            return connection
        if connection is not None:
            self.release(connection)
        return await self.acquire(timeout_seconds=max(0.0, until - loop.time()), urgent=urgent)

    def _has_room(self, *, urgent: bool) -> bool:
        kept = 0 if urgent else self._limits.urgent_connections
        return len(self._in_use) + self._connecting < max(1, self._limits.connections_max - kept)

    def _hand_on(self, connection: Connection | None) -> bool:
        """Give `connection` to the first who waits, the urgent before the others; None: tell them that there is room for a new one."""
        for queue, urgent in ((self._urgent, True), (self._waiting, False)):
            while queue and self._has_room(urgent=urgent):
                place = queue.popleft()
                if not place.done():
                    if connection is not None:
                        self._in_use.add(connection)
                    place.set_result(connection)
                    return True
        return False

    def _return_unclaimed(self, place: Place) -> None:
        if place.done() and not place.cancelled() and (connection := place.result()) is not None:
            self.release(connection)
            return
        for queue in (self._urgent, self._waiting):
            if place in queue:
                queue.remove(place)

    def _drop_stale(self) -> None:
        if not self._idle:
            return
        oldest = asyncio.get_running_loop().time() - self._limits.idle_seconds_max
        if self._idle[0].idle_since > oldest and self._idle[0].is_alive:
            return  # the list is in order of idle_since, dead ones elsewhere are passed over when taken
        fresh = [connection for connection in self._idle if connection.idle_since > oldest and connection.is_alive]
        for connection in self._idle:
            if connection not in fresh:
                connection.abort()
        self._idle = fresh


def verifying(context: ssl.SSLContext | None) -> ssl.SSLContext:
    """The context, or the system's. Raises Misconfigured for one that would take any certificate."""
    context = context or ssl.create_default_context()
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise Misconfigured("a venue's certificate must be verified")
    return context


def connect_failure(error: BaseException) -> str:
    """Why there is no connection, in one word."""
    match error:
        case ssl.SSLError():
            return "tls_failed"
        case TimeoutError():
            return "connect_timeout"
        case ConnectionRefusedError():
            return "connection_refused"
        case _:
            return "connect_failed"
