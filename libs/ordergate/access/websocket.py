"""One WebSocket connection as a client: `websockets`' protocol without its I/O, on an asyncio transport of ours (docs/decisions/0008-websocket-library.md).

Pings are answered before anything else is done with what came. No compression, redirects, proxies or reconnects. TLS as in access.http: verified, and plain
text only to this machine.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from ordergate.access.http import Origin, connect_failure, verifying
from ordergate.access.retry_after import retry_after_ms
from ordergate.trading.errors import VenueUnavailable

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_THROTTLED = frozenset({418, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    connect_seconds_max: float = 5.0  # address, TLS and the handshake together
    message_bytes_max: int = 1024 * 1024
    close_seconds_max: float = 2.0  # for the other side to answer a close


class HandshakeRefused(VenueUnavailable):
    """The server did not take the connection. retry_after_ms: for how long it wants none, None where it does not say."""

    def __init__(self, reason: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(f"no WebSocket connection: {reason}")
        self.reason = reason
        self.retry_after_ms = retry_after_ms


class Socket(asyncio.Protocol):
    """Made by `connect`. hear: each whole message, text or binary. lost: once, why it is over; never after `abort`.

    heard_at: when anything came last, pongs included, by `now` (seconds that only grow).
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        *,
        hear: Callable[[bytes], None],
        lost: Callable[[str], None],
        now: Callable[[], float],
        limits: SocketLimits,
    ) -> None:
        self._protocol = protocol
        self._hear = hear
        self._lost: Callable[[str], None] | None = lost
        self._now = now
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._gone = asyncio.get_running_loop().create_future()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard_at = now()

    @property
    def is_open(self) -> bool:
        return self._protocol.state is State.OPEN and self._lost is not None

    def send(self, text: bytes) -> bool:
        """One text message. False: the connection is over, and not one byte of it was or will be given to the socket."""
        if not self.is_open or self._transport is None or self._transport.is_closing():
            return False
        self._protocol.send_text(text)
        self._flush()
        return True

    def ping(self) -> None:
        if self.is_open:
            self._protocol.send_ping(b"")
            self._flush()

    async def close(self) -> None:
        """Say goodbye, read what is still under way, and leave nothing open. `lost` is not told."""
        self._lost = None
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.close_seconds_max):
                    await asyncio.shield(self._gone)
        self.abort()

    def abort(self) -> None:
        """Drop it at once."""
        self._lost = None
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by behaviour, not by class
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._now()
        self._protocol.receive_data(data)
        self._flush()  # pongs first
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Response) and self._protocol.handshake_exc is None and not self.opened.done():
                self.opened.set_result(None)
        self._look_at_state()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._look_at_state()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
        self._lose("reset" if exc is not None else "closed")

    def _take(self, frame: Frame) -> None:
        if frame.opcode not in _DATA:
            return
        if frame.fin and not self._parts:
            self._hear(bytes(frame.data))
            return
        self._parts.append(bytes(frame.data))  # the protocol holds the sum below message_bytes_max
        if frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self._hear(whole)

    def _look_at_state(self) -> None:
        if self._protocol.handshake_exc is not None:
            self._lose("handshake_refused")
        elif self._protocol.state in {State.CLOSING, State.CLOSED} and self._lost is not None:
            self._lose(_reason_of(self._protocol))

    def _lose(self, reason: str) -> None:
        lost, self._lost = self._lost, None
        if self._transport is not None:
            self._transport.abort()
        if not self.opened.done():
            self.opened.set_exception(_refusal(self._protocol, reason))
            self.opened.exception()  # seen, also if nobody waits any more
        elif lost is not None:
            lost(reason)

    def _flush(self) -> None:
        transport = self._transport
        for data in self._protocol.data_to_send():
            if data and transport is not None and not transport.is_closing():
                transport.write(data)


async def connect(
    origin: Origin,
    target: str,
    *,
    hear: Callable[[bytes], None],
    lost: Callable[[str], None],
    now: Callable[[], float],
    limits: SocketLimits,
    ssl_context: ssl.SSLContext | None = None,
) -> Socket:
    """target: path and query below the origin's prefix, percent-encoded. Raises HandshakeRefused, Misconfigured (TLS that verifies nothing)."""
    path, _, query = target.partition("?")
    uri = WebSocketURI(secure=origin.tls, host=origin.host, port=origin.port, path=origin.prefix + path, query=query)
    # A logger of its own, without handlers and above every level: the library's would write requests with their signatures at DEBUG.
    silent = logging.Logger("websocket", level=logging.CRITICAL + 1)  # noqa: LOG001
    protocol = ClientProtocol(uri, max_size=limits.message_bytes_max, logger=silent)
    socket = Socket(protocol, hear=hear, lost=lost, now=now, limits=limits)
    loop = asyncio.get_running_loop()
    context = verifying(ssl_context) if origin.tls else None
    connected = False
    try:
        async with asyncio.timeout(limits.connect_seconds_max):
            await loop.create_connection(lambda: socket, origin.host, origin.port, ssl=context)
            await socket.opened
        connected = True
    except OSError as error:  # TimeoutError and every TLS error are OSErrors too
        raise HandshakeRefused(connect_failure(error)) from error
    finally:
        if not connected:
            socket.abort()
    return socket


def _reason_of(protocol: ClientProtocol) -> str:
    if isinstance(protocol.parser_exc, PayloadTooBig):
        return "message_too_big"
    if protocol.close_rcvd is not None:
        return f"closed_{protocol.close_rcvd.code}"
    return "closed" if isinstance(protocol.parser_exc, EOFError) else "protocol_error"


def _refusal(protocol: ClientProtocol, reason: str) -> HandshakeRefused:
    refused = protocol.handshake_exc
    if not isinstance(refused, InvalidStatus):
        return HandshakeRefused(reason)
    response = refused.response
    wait_ms = None
    if response.status_code in _THROTTLED:
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        wait_ms = retry_after_ms(headers)
    return HandshakeRefused(f"handshake_{response.status_code}", retry_after_ms=wait_ms)
