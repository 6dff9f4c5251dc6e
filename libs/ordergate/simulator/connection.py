"""One client's connection: frames in, answers out, and the faults that are done to them on the way.

Answers leave in the order of their requests: while one is held back, the next is not read.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from ordergate.simulator.doors import PREFIX
from ordergate.simulator.http import Frame, Malformed, read_frame, write_frame
from ordergate.simulator.refusal import Refusal
from ordergate.simulator.served import Request, Response
from ordergate.simulator.struck import change_venue, struck_answer
from ordergate.simulator.transport import reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.arrivals import Arrivals
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.doors import Doors
    from ordergate.simulator.faults import Effect, Faults
    from ordergate.simulator.served import Served
    from ordergate.simulator.sight import Sight
    from ordergate.simulator.websocket import SocketHouse

RESET_MID_BODY_SECONDS = 0.02


class Wire:
    """What all connections share."""

    def __init__(
        self,
        *,
        venue: Served,
        doors: Doors,
        faults: Faults,
        clock: VenueClock,
        arrivals: Arrivals,
        monotonic_ns: Callable[[], int],
        house: SocketHouse | None = None,
    ) -> None:
        """Parts and the clock that arrivals are stamped with. house: where WebSockets go, of a dialect that has them."""
        self.venue = venue
        self.doors = doors
        self.faults = faults
        self.clock = clock
        self.arrivals = arrivals
        self.monotonic_ns = monotonic_ns
        self.house = house
        self.connections: set[Connection] = set()

    def connect(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self)

    def answer(self, request: Request, sight: Sight | None = None, received_ms: int | None = None) -> Response:
        """Execute one request now. A bug in the simulator is a 500 that the loop's exception handler hears of."""
        try:
            return self.venue.handle(request, self.clock.now_ms(), sight, received_ms=received_ms)
        except Exception as error:  # noqa: BLE001 - one broken request must not end the venue
            context = {"message": f"simulator failed on {request.method} {request.path}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return self.venue.failed(500, "INTERNAL_ERROR")

    def answer_door(self, request: Request) -> Response:
        """Answer at one of the simulator's own doors."""
        answer = self.doors.handle(request)
        return self.venue.refuse(answer) if isinstance(answer, Refusal) else Response(200, answer)


class Connection(asyncio.Protocol):
    """Keep-alive HTTP/1.1 for one client."""

    def __init__(self, wire: Wire) -> None:
        """Not connected yet."""
        self._wire = wire
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._buffer = b""
        self._first_byte_ns = 0
        self._held_back = False
        self._congested = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the peer."""
        # uvloop's transports do not inherit from asyncio's, so this cannot be asked.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self._wire.connections.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """A request that is held back is still executed: it had arrived."""
        del exc
        self._transport = None
        self._wire.connections.discard(self)

    @override
    def data_received(self, data: bytes) -> None:
        """Serve every whole request."""
        if self._buffer:
            self._buffer += data
        else:
            self._first_byte_ns = self._wire.monotonic_ns()
            self._buffer = data
        self._serve()

    @override
    def pause_writing(self) -> None:
        """The client does not read its answers: serve nothing more until it does."""
        self._congested = True
        if self._transport is not None:
            self._transport.pause_reading()

    @override
    def resume_writing(self) -> None:
        """Go on."""
        self._congested = False
        if self._transport is not None:
            self._transport.resume_reading()
        self._serve()

    def close(self) -> None:
        """End the connection after what was written."""
        if self._transport is not None:
            self._transport.close()

    def _serve(self) -> None:
        while self._buffer and not self._held_back and not self._congested and self._transport is not None:
            frame = read_frame(self._buffer, self._address)
            if frame is None:
                return
            if isinstance(frame, Malformed):
                self._buffer = b""
                self._send(Response(frame.status, b""), keep_alive=False)
                return
            received, self._buffer = self._buffer, self._buffer[frame.length :]
            if self._wire.house is not None and self._wire.house.takes(frame.request):
                self._enter(self._wire.house, frame, received)
                return
            self._take(frame)

    def _enter(self, house: SocketHouse, frame: Frame, received: bytes) -> None:
        refused = house.refuse(frame.request)
        if refused is not None:
            self._send(refused, keep_alive=False)
        elif self._transport is not None:
            transport, self._transport, self._buffer = self._transport, None, b""
            self._wire.connections.discard(self)
            house.enter(frame.request, received, transport)

    def _take(self, frame: Frame) -> None:
        request, wire = frame.request, self._wire
        if request.path.startswith(PREFIX):
            self._send(wire.answer_door(request), keep_alive=frame.keep_alive)
            return
        exchange = _Exchange(frame, self._first_byte_ns, wire)
        effect = wire.faults.strike(exchange.call, exchange.client_order_id) if wire.faults else None
        if effect is None:
            response = wire.answer(request)
            exchange.note(response.status)
            self._send(response, keep_alive=frame.keep_alive)
            return
        self._held_back = True
        if effect.delay_before_ms:
            loop = asyncio.get_running_loop()
            loop.call_later(effect.delay_before_ms / 1000, self._execute_struck, exchange, effect)
        else:
            self._execute_struck(exchange, effect)

    def _execute_struck(self, exchange: _Exchange, effect: Effect) -> None:
        wire, request = self._wire, exchange.frame.request
        if effect.silent_before:
            exchange.note(0)  # held back for ever: neither an answer nor an end comes
            return
        change_venue(wire.venue, wire.clock, exchange.order_id, effect)
        if effect.reset_before:
            exchange.note(0)
            self._reset()
            return
        answer = partial(wire.answer, received_ms=exchange.received_ms)
        response = struck_answer(wire.venue, request, effect, answer)
        if effect.delay_after_ms:
            loop = asyncio.get_running_loop()
            loop.call_later(effect.delay_after_ms / 1000, self._finish_struck, exchange, effect, response)
        else:
            self._finish_struck(exchange, effect, response)

    def _finish_struck(self, exchange: _Exchange, effect: Effect, response: Response) -> None:
        silent = effect.silent_after or effect.reset_after or effect.answer_lost or effect.reset_mid_body
        exchange.note(0 if silent or self._transport is None else response.status)
        if effect.silent_after:
            return
        if effect.reset_after:
            self._reset()
        elif effect.reset_mid_body:
            self._send_half(response)
        elif effect.answer_lost:
            self.close()
        else:
            self._send(response, keep_alive=exchange.frame.keep_alive)
            if effect.closed_after:
                self.close()
            self._held_back = False
            self._serve()

    def _send(self, response: Response, *, keep_alive: bool) -> None:
        if self._transport is None:
            return
        self._transport.write(write_frame(response, keep_alive=keep_alive))
        if not keep_alive:
            self._transport.close()

    def _send_half(self, response: Response) -> None:
        """The head and the first half of the body, then a reset: a little later, so that the half is on its way."""
        if self._transport is None:
            return
        whole = write_frame(response, keep_alive=True)
        self._transport.write(whole[: len(whole) - (len(response.body) + 1) // 2])
        asyncio.get_running_loop().call_later(RESET_MID_BODY_SECONDS, self._reset)

    def _reset(self) -> None:
        if self._transport is not None:
            reset(self._transport)


class _Exchange:
    """One request on its way, with what its arrival is noted under."""

    __slots__ = ("_first_byte_ns", "_wire", "call", "client_order_id", "frame", "order_id", "received_ms")

    def __init__(self, frame: Frame, first_byte_ns: int, wire: Wire) -> None:
        self.frame = frame
        self._first_byte_ns = first_byte_ns
        self._wire = wire
        self.received_ms = wire.clock.now_ms()
        named = wire.venue.named(frame.request)
        self.call, self.client_order_id, self.order_id = named.call, named.client_order_id, named.order_id

    def note(self, status: int) -> None:
        self._wire.arrivals.add(
            first_byte_ns=self._first_byte_ns, call=self.call, client_order_id=self.client_order_id, status=status
        )
