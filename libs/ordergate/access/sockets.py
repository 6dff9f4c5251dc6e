"""Requests over one WebSocket connection, several under way at once: access.connections.Connections where a venue answers by name.

One connection carries everything; another takes its place before the venue ends it (24 h), when it says that it will, and when an answer did not come in
time. What was asked on the old one is still answered there. An answer is whose name it bears: one that was not asked for, or cannot be read, could belong to
any request under way, so the connection ends, and with it all of them are AnswerLost.
"""

import asyncio
import contextlib
import itertools
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ordergate.access.http import AnswerLost, EngineCounts, NothingSent, Origin
from ordergate.access.response import Response
from ordergate.access.silence import Silence
from ordergate.access.streaming import StreamPace, Turn, Wish
from ordergate.access.websocket import HandshakeRefused, Socket, SocketLimits, connect
from ordergate.ports.clock import Clock
from ordergate.trading.errors import Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to the request of that name, as HTTP would have brought it."""

    name: str
    response: Response


class Framing(Protocol):
    """How one venue names its requests and answers."""

    def write(self, name: str, request: bytes) -> bytes:
        """The message that asks `request` under this name. Must not raise."""

    def read(self, message: bytes) -> Reply | Turn | None:
        """None: nothing that concerns a request. Raises Unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """How many requests may be under way at once; urgent: of these, kept for cancels and lookups."""

    total: int = 32
    urgent: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOpening:
    """Where the connection goes and what is needed of the world.

    admit: asked before each connection, False: not now. refused: told what the venue says of a connection that it does not take.
    draw: a number in [0, 1), for the jitter.
    """

    origin: Origin
    clock: Clock
    draw: Callable[[], float]
    admit: Callable[[], Awaitable[bool]]
    refused: Callable[[HandshakeRefused], None]
    pace: StreamPace = field(default_factory=StreamPace)
    socket_limits: SocketLimits = field(default_factory=SocketLimits)
    seats: Seats = field(default_factory=Seats)
    ssl_context: ssl.SSLContext | None = None


class Line:
    """One connection with what was asked on it. changed: called when it can take no more requests."""

    def __init__(
        self, number: int, *, framing: Framing, clock: Clock, counts: EngineCounts, changed: Callable[[], None]
    ) -> None:
        self.opened_at = clock.monotonic()
        self.seated = 0
        self.leaving = False
        """The venue said that it will end it."""
        self._names: Iterator[int] = itertools.count(1)
        self._number = number
        self._framing = framing
        self._clock = clock
        self._counts = counts
        self._changed = changed
        self._socket: Socket | None = None
        self._doubtful = False  # an answer did not come: nothing more is asked here
        self._waiting: dict[str, asyncio.Future[Response | AnswerLost]] = {}
        self._given_up: set[str] = set()  # asked, and nobody waits for the answer any more
        self._silence = Silence(self.opened_at)

    @property
    def is_open(self) -> bool:
        return self._socket is not None and self._socket.is_open

    @property
    def is_alive(self) -> bool:
        return self.is_open and not self._doubtful

    async def connect(self, opening: SocketOpening) -> None:
        """Raises HandshakeRefused."""
        self._socket = await connect(
            opening.origin,
            "",
            hear=self._hear,
            lost=self._lose,
            now=self._clock.monotonic,
            limits=opening.socket_limits,
            ssl_context=opening.ssl_context,
        )
        self._counts.open += self.is_open

    async def exchange(self, request: bytes, *, timeout_seconds: float) -> Response | NothingSent | AnswerLost:
        """Canceled or too late, the answer may still come and is passed over."""
        socket = self._socket
        if socket is None or not self.is_alive:
            return NothingSent(reason="connection_closed")
        name = f"{self._number}-{next(self._names)}"
        loop = asyncio.get_running_loop()
        self._waiting[name] = answer = loop.create_future()
        if not socket.send(self._framing.write(name, request)):
            del self._waiting[name]
            return NothingSent(reason="connection_closed")
        self._counts.exchanges += 1
        timer = loop.call_later(timeout_seconds, self._give_up, name)
        try:
            result: Response | AnswerLost = await answer
        except asyncio.CancelledError:
            self._give_up(name)
            raise
        finally:
            timer.cancel()
        if type(result) is AnswerLost:
            self._counts.answers_lost += 1
        return result

    def look(self) -> None:
        """Ping where nothing came for a while, and drop what is silent for too long."""
        if self._socket is None or not self._socket.is_open:
            return
        if self._silence.is_too_long(self._socket, self._clock.monotonic()):
            self.drop("silent")

    def drop(self, reason: str) -> None:
        """End it at once, as if the other side had."""
        was_open = self.is_open
        if self._socket is not None:
            self._socket.abort()
        if was_open:
            self._lose(reason)

    async def close(self) -> None:
        """In order, once nothing is under way."""
        if self._socket is not None and self._socket.is_open:
            self._counts.open -= 1
            try:
                await self._socket.close()
            finally:
                self._socket.abort()

    def _hear(self, message: bytes) -> None:
        try:
            found = self._framing.read(message)
        except Unreadable:
            self.drop("malformed_answer")
            return
        if isinstance(found, Reply):
            self._settle(found)
        elif isinstance(found, Turn) and found.wish is Wish.RENEW:
            self.leaving = True
            self._changed()
        elif isinstance(found, Turn):
            self.drop(found.reason)

    def _settle(self, reply: Reply) -> None:
        answer = self._waiting.pop(reply.name, None)
        if answer is not None and not answer.done():
            answer.set_result(reply.response)
        elif answer is None and reply.name in self._given_up:
            self._given_up.discard(reply.name)
        elif answer is None:
            self.drop("answer_to_nothing")

    def _give_up(self, name: str) -> None:
        """Nobody waits any more, or not for longer."""
        answer = self._waiting.pop(name, None)
        if answer is None:
            return
        self._given_up.add(name)
        self._doubtful = True
        if not answer.done():
            answer.set_result(AnswerLost(reason="timeout"))
        self._changed()

    def _lose(self, reason: str) -> None:
        self._counts.open -= self._socket is not None
        self._fail_all(reason)
        self._changed()

    def _fail_all(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_result(AnswerLost(reason=reason))


class Seat:
    """A place for one request on a line; access.connections.Carrier."""

    __slots__ = ("is_released", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.is_released = False

    @property
    def is_alive(self) -> bool:
        return self.line.is_alive

    async def exchange(self, request: bytes, *, timeout_seconds: float) -> Response | NothingSent | AnswerLost:
        """See Line."""
        return await self.line.exchange(request, timeout_seconds=timeout_seconds)


Place = asyncio.Future[Seat | NothingSent]
"""In the queue for a seat."""


class SocketEngine:
    """Keeps one connection open from the first `warm` or `acquire` on; access.connections.Connections."""

    def __init__(self, opening: SocketOpening, framing: Framing) -> None:
        self._opening = opening
        self._framing = framing
        self._clock = opening.clock
        self._line: Line | None = None
        self._old: set[Line] = set()  # still under way on them
        self._farewells: set[asyncio.Task[None]] = set()
        self._lines: Iterator[int] = itertools.count(1)
        self._seated = 0
        self._waiting: deque[Place] = deque()
        self._urgent: deque[Place] = deque()
        self._look = asyncio.Event()
        self._tried = asyncio.Event()
        self._renew_at = self._pause_until = 0.0  # monotonic seconds
        self._failures = 0
        self._failure = "not_connected"
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False
        self.counts = EngineCounts()

    @property
    def origin(self) -> Origin:
        return self._opening.origin

    @property
    def is_ready(self) -> bool:
        """Whether a request could leave now."""
        return self._line is not None and self._line.is_alive

    async def warm(self, count: int) -> int:
        """Begin to keep the connection, if `count` is not 0, and wait for what becomes of the first attempt."""
        if count and not self._closed:
            self._start()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._opening.socket_limits.connect_seconds_max):
                    await self._tried.wait()
        return int(self.is_ready)

    def spare(self) -> Seat | None:
        """A seat on the line that is open now; the one that is asking gave back his own."""
        return self._seat(urgent=True)

    async def acquire(self, *, timeout_seconds: float, urgent: bool = False) -> Seat | NothingSent:
        """A seat; waits for the connection, and for a free seat on it."""
        if self._closed:
            return NothingSent(reason="engine_closed")
        seat = self._seat(urgent=urgent)
        if seat is not None:
            return seat
        self._start()
        place: Place = asyncio.get_running_loop().create_future()
        queue = self._urgent if urgent else self._waiting
        queue.append(place)
        try:
            await asyncio.wait((place,), timeout=timeout_seconds)
        except asyncio.CancelledError:
            if place.done() and isinstance(found := place.result(), Seat):
                self.release(found)
            raise
        finally:
            if not place.done():
                queue.remove(place)
        if place.done():
            return place.result()
        return NothingSent(reason="connections_busy" if self.is_ready else self._failure)

    def release(self, connection: Seat) -> None:
        """Give the seat back; the last on an old line closes it."""
        if connection.is_released:
            return
        connection.is_released = True
        line = connection.line
        line.seated -= 1
        self._seated -= 1
        if line in self._old and not line.seated:
            self._part(line)
        self._hand_on()

    async def close(self) -> None:
        """Close everything. A request still under way becomes AnswerLost."""
        self._closed = True
        work = [*([] if self._keeper is None else [self._keeper]), *self._farewells]
        for task in work:
            task.cancel()
        for task in work:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for line in [*self._old, *([] if self._line is None else [self._line])]:
            line.drop("closed_by_us")
        self._line = None
        for place in [*self._urgent, *self._waiting]:
            if not place.done():
                place.set_result(NothingSent(reason="engine_closed"))
        self._urgent.clear()
        self._waiting.clear()
        await asyncio.sleep(0)  # lets the transports report that they are closed

    # Seats.

    def _seat(self, *, urgent: bool) -> Seat | None:
        line, seats = self._line, self._opening.seats
        if line is None or not line.is_alive or self._seated >= seats.total - (0 if urgent else seats.urgent):
            return None
        line.seated += 1
        self._seated += 1
        return Seat(line)

    def _hand_on(self) -> None:
        """Seats for those who wait, the urgent before the others."""
        for queue, urgent in ((self._urgent, True), (self._waiting, False)):
            while queue and (seat := self._seat(urgent=urgent)) is not None:
                queue.popleft().set_result(seat)

    # Keeping the connection.

    def _start(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="order socket")
        elif self._keeper.done() and not self._closed:
            self._keeper.result()  # a bug that ended it is raised here, not lost

    async def _keep(self) -> None:
        while True:
            self._look.clear()
            for line in [*self._old, *([] if self._line is None else [self._line])]:
                line.look()
            if self._line is not None and not self._line.is_alive:
                self._retire()
            if not (self._is_due() and await self._open()):
                await self._turn(self._opening.pace.look_seconds)

    async def _turn(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._look.wait()

    def _is_due(self) -> bool:
        now = self._clock.monotonic()
        if now < self._pause_until:
            return False
        return self._line is None or self._line.leaving or now >= self._renew_at

    async def _open(self) -> bool:
        """Another connection in place of what there is; where that fails the old one stays."""
        line = Line(
            next(self._lines), framing=self._framing, clock=self._clock, counts=self.counts, changed=self._changed
        )
        try:
            if not await self._opening.admit():
                return self._fail("no_budget")
            await line.connect(self._opening)
        except HandshakeRefused as refused:
            self._opening.refused(refused)
            return self._fail(refused.reason, (refused.retry_after_ms or 0) / 1000)
        self.counts.connections += 1
        self.counts.handshakes += self.origin.tls
        self._retire()
        self._line = line
        pace = self._opening.pace
        self._renew_at = self._clock.monotonic() + pace.renew_seconds - pace.renew_spread_seconds * self._opening.draw()
        self._tried.set()
        self._hand_on()
        return True

    def _fail(self, reason: str, wait_seconds: float = 0.0) -> bool:
        self._failure = reason
        self._tried.set()
        self.counts.failures += 1
        self._back_off(wait_seconds)
        return False

    def _back_off(self, wait_seconds: float = 0.0) -> None:
        pace = self._opening.pace
        self._failures += 1
        longest = min(pace.pause_seconds_max, pace.first_pause_seconds * 2.0 ** min(self._failures, 10))
        self._pause_until = self._clock.monotonic() + max(wait_seconds, self._opening.draw() * longest)

    def _retire(self) -> None:
        """Nothing more is asked on the line that there was; it is closed once everything on it is answered."""
        line, self._line = self._line, None
        if line is None:
            return
        if self._clock.monotonic() - line.opened_at >= self._opening.pace.stable_seconds:
            self._failures = 0
        elif not line.is_alive:  # it was no good: the next is not opened at once
            self._back_off()
        self._old.add(line)
        if not line.seated:
            self._part(line)

    def _part(self, line: Line) -> None:
        self._old.discard(line)
        farewell = asyncio.create_task(line.close(), name="order socket farewell")
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    def _changed(self) -> None:
        self._look.set()
