"""WebSocket on the simulator's own server: frames by the sans-I/O protocol of `websockets`, everything else by what the venue does.

The server pings, waits for the pong of that very ping, and ends each connection after its life. A client that does not read is cut off.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from ordergate.simulator.binance.sockets import admit, is_socket_path, open_channel
from ordergate.simulator.transport import reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.arrivals import Arrivals
    from ordergate.simulator.binance.front import BinanceVenue
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.doors import StreamChange
    from ordergate.simulator.faults import Faults
    from ordergate.simulator.render import Row
    from ordergate.simulator.served import Request, Response

MESSAGE_BYTES_MAX = 1024 * 1024
WRITE_BUFFER_BYTES_MAX = 16 * 1024 * 1024
CLOSE_SECONDS = 1.0
GOING_AWAY = 1001
_PING_MS = {"binance-spot": (20_000, 60_000), "binance-futures": (180_000, 600_000)}
"""Every so often, and how long until the pong of it."""


@dataclass(slots=True, eq=False)
class SocketHouse:
    """All WebSocket connections of a venue, and what they share."""

    venue: BinanceVenue
    faults: Faults
    clock: VenueClock
    arrivals: Arrivals
    monotonic_ns: Callable[[], int]
    sockets: set[WebSocket]

    def takes(self, request: Request) -> bool:
        """Whether the request wants a WebSocket where there is one."""
        return request.headers.get("upgrade", "").lower() == "websocket" and is_socket_path(request.path)

    def refuse(self, request: Request) -> Response | None:
        """None: it may come in."""
        return admit(self.venue, request, self.clock.now_ms())

    def enter(self, request: Request, handshake: bytes, transport: asyncio.Transport) -> WebSocket:
        """The connection speaks WebSocket from now on. handshake: everything received on it so far."""
        entered = WebSocket(self, request, transport)
        transport.set_protocol(entered)
        entered.data_received(handshake)
        return entered

    def report(self) -> list[Row]:
        """One row for each connection that is open."""
        return [
            {
                "kind": socket.channel.kind,
                "path": socket.request.path,
                "accounts": socket.channel.accounts(),
                "openedMs": socket.opened_ms,
                "sent": socket.sent,
            }
            for socket in self.sockets
        ]

    def change(self, change: StreamChange) -> int:
        """Cut, silence or end those that are meant; how many they were."""
        meant = [
            socket
            for socket in self.sockets
            if change.kind in {None, socket.channel.kind}
            and (change.account is None or change.account in socket.channel.accounts())
        ]
        for socket in meant:
            socket.suffer(change)
        return len(meant)


class WebSocket(asyncio.Protocol):
    """One connection; to the front it is a Line."""

    def __init__(self, house: SocketHouse, request: Request, transport: asyncio.Transport) -> None:
        """Before the handshake."""
        self._house = house
        self._transport = transport
        self._protocol = ServerProtocol(max_size=MESSAGE_BYTES_MAX)
        self._message = b""
        self._muted = False
        self._still_pings = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._unanswered: bytes | None = None
        self._first_byte_ns = 0
        self.opened_ms = house.clock.now_ms()
        self.request = request
        self.sent = 0
        self.channel = open_channel(
            house.venue, self, request, faults=house.faults, clock=house.clock, note=self._note, report=self._report
        )
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_MAX)
        house.sockets.add(self)
        streams = house.venue.config.streams
        ping_ms, pong_ms = _PING_MS[house.venue.config.dialect]
        self._ping_ms, self._pong_ms = streams.ping_ms or ping_ms, streams.pong_ms or pong_ms
        self._after(self._ping_ms, self._ping)
        self._after(streams.life_ms, lambda: self.close(GOING_AWAY))

    # --- asyncio

    @override
    def data_received(self, data: bytes) -> None:
        """Whatever it is, the protocol knows."""
        self._first_byte_ns = self._house.monotonic_ns()
        self._protocol.receive_data(data)
        self._read()

    @override
    def eof_received(self) -> None:
        """The client says nothing more."""
        self._protocol.receive_eof()
        self._read()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody hears anything any more."""
        del exc
        self._house.sockets.discard(self)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.channel.closed()

    @override
    def pause_writing(self) -> None:
        """A client that does not read what it asked for is not waited for."""
        self.cut()

    # --- Line

    def send(self, data: bytes) -> None:
        """One text frame."""
        if self._protocol.state is State.OPEN and not self._muted and not self._transport.is_closing():
            self.sent += 1
            self._protocol.send_text(data)
            self._flush()

    def later(self, delay_ms: int, action: Callable[[], None], *, outlives: bool = False) -> None:
        """By the loop's clock, unless the connection is gone then; outlives: then too."""
        if outlives:
            asyncio.get_running_loop().call_later(delay_ms / 1000, action)
        else:
            self._after(delay_ms, action)

    def mute(self, *, pings: bool) -> None:
        """For ever."""
        self._muted, self._still_pings = True, pings

    def close(self, code: int) -> None:
        """Say goodbye, and hang up if the client does not."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self._flush()
        self._after(int(CLOSE_SECONDS * 1000), self._transport.abort)

    def cut(self) -> None:
        """Without a word."""
        if not self._transport.is_closing():
            reset(self._transport)

    def suffer(self, change: StreamChange) -> None:
        """What a test asks for at the door."""
        if change.action == "cut":
            self.cut()
        elif change.action == "silence":
            self.mute(pings=change.pings)
        else:
            self.channel.shut_down()
            self.later(change.delay_ms, lambda: self.close(GOING_AWAY))

    # --- frames

    def _read(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._protocol.send_response(self._protocol.accept(event))
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()
        if self._protocol.close_expected():
            self._after(int(CLOSE_SECONDS * 1000), self._transport.abort)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            if bytes(frame.data) == self._unanswered:
                self._unanswered = None
        elif frame.opcode in {Opcode.TEXT, Opcode.CONT, Opcode.BINARY}:
            self._message += bytes(frame.data)
            if frame.fin:
                message, self._message = self._message, b""
                self.channel.receive(message)

    def _flush(self) -> None:
        parts = self._protocol.data_to_send()
        if self._transport.is_closing() or (self._muted and not self._still_pings):
            return
        for part in parts:
            if part:
                self._transport.write(part)
            else:
                self._transport.close()

    def _ping(self) -> None:
        self._after(self._ping_ms, self._ping)
        if self._protocol.state is not State.OPEN or self._unanswered is not None:
            return
        self._unanswered = payload = str(self._house.clock.now_ms()).encode()
        self._protocol.send_ping(payload)
        self._flush()
        self._after(self._pong_ms, lambda: self._expect_pong(payload))

    def _expect_pong(self, payload: bytes) -> None:
        if self._unanswered == payload and not self._muted:
            self.close(GOING_AWAY)

    def _after(self, delay_ms: int, action: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(delay_ms / 1000, run)
        self._timers.add(timer)

    def _note(self, call: str, client_order_id: str | None, status: int) -> None:
        self._house.arrivals.add(
            first_byte_ns=self._first_byte_ns, call=call, client_order_id=client_order_id, status=status
        )

    def _report(self, error: Exception) -> None:
        context = {"message": f"simulator failed on {self.request.path}", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
