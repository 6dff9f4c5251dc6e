"""The keeper of a private stream: always one connection that is subscribed, and an honest word whenever there was none.

* Silence is found within 30 s: a connection that says nothing for a while is pinged, and one that does not answer that either is dropped (access.silence).
* Before the venue ends a connection (24 h) or when it says that it will, another is opened and subscribed first; then the old one is closed, and what was
  still under way on it is read. Events of that overlap come twice. There is no gap, so nothing is said.
* Everything else is a gap: Lost, then Opened with the moment until which everything had been seen.
* A consumer that lags makes the inbox full: the messages in it are thrown away, and that is a gap like any other.

What is said on a connection is the venue's (`StreamManners`).
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from ordergate.access.http import Origin
from ordergate.access.inbox import Inbox, InboxLimits, Message
from ordergate.access.silence import Silence
from ordergate.access.websocket import HandshakeRefused, Socket, SocketLimits, connect
from ordergate.ports.clock import Clock
from ordergate.ports.stream import Ended, Lost, Opened, SetAside, StreamEvent
from ordergate.trading.errors import Unavailable, VenueUnavailable

READ_AT_ONCE = 256
"""After so many events without a pause the loop looks after its sockets and timers."""

Answer = TypeVar("Answer")


class Wish(StrEnum):
    """What a message means for its connection."""

    RENEW = "renew"  # it will end soon: open another first
    REOPEN = "reopen"  # nothing more comes by it
    END = "end"  # nor by any other with this key


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    wish: Wish
    reason: str


class StreamRefused(VenueUnavailable):
    """The venue will not have the subscription. credentials: because of the key. retry_after_ms: None where it does not say."""

    def __init__(self, reason: str, *, credentials: bool = False, retry_after_ms: int | None = None) -> None:
        super().__init__(f"no subscription: {reason}")
        self.reason = reason
        self.credentials = credentials
        self.retry_after_ms = retry_after_ms


class StreamManners(Protocol):
    """How one venue's stream is opened and read. One object serves all connections of a stream, one after the other and in the overlap."""

    async def target(self) -> str:
        """Path and query of the next connection. Raises StreamRefused, Unavailable."""

    async def subscribe(self, line: "Line") -> None:
        """Returns once everything of the account comes by this connection. Raises StreamRefused, Unavailable."""

    def read(self, data: bytes) -> Iterable[StreamEvent | Turn]:
        """What one message says. Never raises: what cannot be read is SetAside."""

    async def tend(self, demand: Callable[[Turn], None]) -> None:
        """Beside the connections, for ever: whatever must be done from time to time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPace:
    """renew: planned, counted from the subscription; a part of renew_spread is drawn off so that not all connections of a house go at once."""

    renew_seconds: float = 23 * 3600.0
    renew_spread_seconds: float = 1800.0
    first_pause_seconds: float = 0.25
    pause_seconds_max: float = 15.0
    stable_seconds: float = 30.0  # a connection that lasted so long was a good one: the next pause is short again
    refused_seconds: float = 30.0  # before a key that was refused is tried again
    answer_seconds: float = 5.0  # for the venue to answer a request of ours
    look_seconds: float = 1.0  # how often silence and the time of renewal are looked at


@dataclass(slots=True, kw_only=True)
class StreamCounts:
    """For metrics; all but `open` and `silent_seconds` only grow."""

    open: int = 0
    handshakes: int = 0
    failures: int = 0  # connections or subscriptions that did not come about
    lost: int = 0  # gaps
    renewals: int = 0
    messages: int = 0
    set_aside: int = 0
    overflows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpening:
    """Where a stream is and what its keeper needs of the world. draw: a number in [0, 1), for the jitter."""

    origin: Origin
    clock: Clock
    draw: Callable[[], float]
    pace: StreamPace = field(default_factory=StreamPace)
    socket_limits: SocketLimits = field(default_factory=SocketLimits)
    inbox_limits: InboxLimits = field(default_factory=InboxLimits)
    ssl_context: ssl.SSLContext | None = None


class Line:
    """One connection of a stream. Until it is subscribed its messages wait here, so that none is read before `Opened`."""

    def __init__(self, number: int, *, clock: Clock, pass_on: Callable[[Message], None], messages_max: int) -> None:
        self.number = number
        self.opened_at = clock.monotonic()
        self.lost = asyncio.Event()
        self.reason = ""
        self._clock = clock
        self._pass_on = pass_on
        self._messages_max = messages_max
        self._early: list[Message] | None = []
        self._asked: list[Callable[[bytes], bool]] = []
        self._socket: Socket | None = None
        self._silence = Silence(self.opened_at)

    async def connect(self, opening: StreamOpening, target: str) -> None:
        """Raises HandshakeRefused, Misconfigured."""
        self._socket = await connect(
            opening.origin,
            target,
            hear=self._hear,
            lost=self._lose,
            now=self._clock.monotonic,
            limits=opening.socket_limits,
            ssl_context=opening.ssl_context,
        )

    async def ask(self, request: bytes, answer_of: Callable[[bytes], Answer | None], *, seconds: float) -> Answer:
        """Send a request and wait for the message that answers it. Raises VenueUnavailable."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def is_answer(data: bytes) -> bool:
            found = answer_of(data)
            if found is not None and not answer.done():
                answer.set_result(found)
            return found is not None

        if self._socket is None:
            raise VenueUnavailable("not connected")
        self._asked.append(is_answer)
        gone = asyncio.ensure_future(self.lost.wait())
        watched: list[asyncio.Future[Any]] = [answer, gone]
        try:
            self._socket.send(request)
            await asyncio.wait(watched, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            self._asked.remove(is_answer)
        if not answer.done():
            raise VenueUnavailable(f"no answer on the stream: {self.reason or 'timeout'}")
        return answer.result()

    def begin(self) -> None:
        """It is subscribed: what came meanwhile is passed on, and everything after it at once."""
        early, self._early = self._early or [], None
        for message in early:
            self._pass_on(message)

    def look(self) -> None:
        """Ping where nothing came for a while, and drop what is silent for too long."""
        if self._socket is None or self.lost.is_set():
            return
        if self._silence.is_too_long(self._socket, self._clock.monotonic()):
            self.drop("silent")

    @property
    def silent_seconds(self) -> float:
        return 0.0 if self._socket is None else self._clock.monotonic() - self._socket.heard_at

    def drop(self, reason: str) -> None:
        """End it at once, as if the other side had."""
        if self._socket is not None:
            self._socket.abort()
        self._lose(reason)

    async def close(self) -> None:
        """In order; what was under way is still passed on."""
        if self._socket is not None:
            await self._socket.close()

    def _hear(self, data: bytes) -> None:
        if self._asked and any(is_answer(data) for is_answer in tuple(self._asked)):
            return
        message = Message(self.number, data, self._clock.now_ms())
        if self._early is None:
            self._pass_on(message)
        elif len(self._early) < self._messages_max:
            self._early.append(message)
        else:
            self.drop("too_much_before_subscribed")

    def _lose(self, reason: str) -> None:
        if not self.lost.is_set():
            self.reason = reason
            self.lost.set()


class KeptStream:
    """ports.stream.PrivateStream over a venue's manners."""

    def __init__(self, manners: StreamManners, opening: StreamOpening) -> None:
        self._manners = manners
        self._opening = opening
        self._clock = opening.clock
        self._pace = opening.pace
        self._inbox: Inbox[StreamEvent] = Inbox(opening.inbox_limits)
        self._line: Line | None = None
        self._lines = 0
        self._seen_until_ms: int | None = None
        self._thrown_away_ms: int | None = None  # when the oldest message came that the last overflow cost
        self._renew = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()
        self._work: list[asyncio.Task[None]] = []
        self._said: StreamEvent | None = None
        self.counts = StreamCounts()

    @property
    def silent_seconds(self) -> float:
        """Since anything came by the connection that is open; 0 without one."""
        return 0.0 if self._line is None else self._line.silent_seconds

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """See ports.stream. A bug in the keeping is raised here, not lost."""
        self._start()
        taken = 0
        while await self._inbox.filled():
            item = self._inbox.take()
            if isinstance(item, Message):
                for fact in self._read(item):
                    yield fact
            elif item is not None:
                yield item
            taken += 1
            if taken % READ_AT_ONCE == 0:
                await asyncio.sleep(0)

    def doubt(self, reason: str) -> None:
        """Somebody knows of an event that this stream should have shown and did not: begin again."""
        if self._line is not None:
            self._line.drop(reason)

    async def close(self) -> None:
        """See ports.stream."""
        for task in (*self._work, *self._retiring):
            task.cancel()
        for task in (*self._work, *self._retiring):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._work.clear()
        if self._line is not None:
            self._line.drop("closed_by_us")
        self._inbox.close()
        await asyncio.sleep(0)  # lets the transports report that they are closed

    # Reading.

    def _read(self, message: Message) -> Iterable[StreamEvent]:
        for fact in self._manners.read(message.data):
            if isinstance(fact, Turn):
                self._turn(fact, message.line)
                continue
            if isinstance(fact, SetAside):
                self.counts.set_aside += 1
            yield fact

    def _turn(self, turn: Turn, number: int | None = None) -> None:
        """number: of the connection that said so; what an old one says of itself is of no interest."""
        line = self._line
        if line is None or (number is not None and number != line.number):
            return
        match turn.wish:
            case Wish.RENEW:
                self._renew.set()
            case Wish.REOPEN:
                line.drop(turn.reason)
            case Wish.END:
                self._say(Ended(reason=turn.reason, credentials=True))
                line.drop(turn.reason)

    def _pass_on(self, message: Message) -> None:
        self.counts.messages += 1
        if self._inbox.put(message):
            return
        self.counts.overflows += 1
        self._thrown_away_ms = self._inbox.forget_messages()
        if self._line is not None:
            self._line.drop("consumer_lags")

    def _say(self, fact: StreamEvent) -> None:
        """Opened, Lost and Ended; the last two only once in a row."""
        is_gap, was_gap = not isinstance(fact, Opened), isinstance(self._said, Lost | Ended)
        if is_gap and was_gap and (type(fact) is Lost or type(fact) is type(self._said)):
            return
        self._said = fact
        self._inbox.mark(fact)

    # Keeping.

    def _start(self) -> None:
        if not self._work:
            self._work = [
                self._task("stream keeper", self._keep()),
                self._task("stream upkeep", self._manners.tend(self._turn)),
            ]

    def _task(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inbox.fail(error)

    async def _keep(self) -> None:
        failures = 0
        while True:
            line = await self._try_line()
            if isinstance(line, Line):
                self._say(Opened(since_ms=self._seen_until_ms))
                self._begin(line)
                lasted = await self._hold()
                failures = 0 if lasted >= self._pace.stable_seconds else failures + 1
                await self._clock.sleep(self._pause(failures))
            else:
                failures += 1
                await self._clock.sleep(max(line, self._pause(failures)))

    async def _try_line(self) -> Line | float:
        """A subscribed connection, or the seconds that the venue wants none."""
        try:
            return await self._open()
        except StreamRefused as refused:
            reason, wait_ms = refused.reason, refused.retry_after_ms
            if refused.credentials:
                self._say(Ended(reason=reason, credentials=True))
                return self._pace.refused_seconds
        except HandshakeRefused as refused:
            reason, wait_ms = refused.reason, refused.retry_after_ms
        except Unavailable as away:
            reason, wait_ms = str(away), None
        self.counts.failures += 1
        self._say(Lost(reason=reason))
        return (wait_ms or 0) / 1000

    async def _open(self) -> Line:
        target = await self._manners.target()
        self._lines += 1
        line = Line(
            self._lines,
            clock=self._clock,
            pass_on=self._pass_on,
            messages_max=self._opening.inbox_limits.messages_max,
        )
        subscribed = False
        try:
            await line.connect(self._opening, target)
            self.counts.handshakes += 1
            await self._manners.subscribe(line)
            subscribed = True
        finally:
            if not subscribed:
                line.drop("not_subscribed")
        return line

    def _begin(self, line: Line) -> None:
        self._line = line
        self.counts.open += 1
        self._renew.clear()
        line.begin()

    async def _hold(self) -> float:
        """Until the stream has a gap: how many seconds the last connection lasted. Renewals happen within."""
        opened: asyncio.Task[Line | float] | None = None
        renew_at, failures = self._renewal(), 0
        try:
            while (line := self._line) is not None and not line.lost.is_set():
                if opened is not None and opened.done():
                    fresh, opened = opened.result(), None
                    if isinstance(fresh, Line):
                        self._renew_with(fresh)
                        renew_at, failures = self._renewal(), 0
                        continue
                    failures += 1
                    renew_at = self._clock.monotonic() + max(fresh, self._pause(failures))
                due = self._renew.is_set() or self._clock.monotonic() >= renew_at
                self._renew.clear()
                if due and opened is None:
                    renew_at = float("inf")
                    opened = asyncio.create_task(self._try_renewal(), name="stream renewal")
                await self._wait(line, opened)
                line.look()
        finally:
            await _give_up(opened)
        return self._lose_line()

    async def _try_renewal(self) -> Line | float:
        """As _try_line, but nothing is said: the old connection still shows everything."""
        try:
            return await self._open()
        except (StreamRefused, HandshakeRefused) as refused:
            wait_ms = refused.retry_after_ms
        except Unavailable:
            wait_ms = None
        self.counts.failures += 1
        return (wait_ms or 0) / 1000

    def _renew_with(self, fresh: Line) -> None:
        old, self._line = self._line, None
        self.counts.renewals += 1
        self.counts.open -= 1
        self._begin(fresh)
        if old is not None:
            retiring = self._task("stream retirement", old.close())
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    def _lose_line(self) -> float:
        line, self._line = self._line, None
        if line is None:
            return 0.0
        self.counts.open -= 1
        self.counts.lost += 1
        heard_ms = self._clock.now_ms() - int(line.silent_seconds * 1000)
        self._seen_until_ms = heard_ms if self._thrown_away_ms is None else self._thrown_away_ms
        self._thrown_away_ms = None
        self._say(Lost(reason=line.reason))
        return self._clock.monotonic() - line.opened_at

    async def _wait(self, line: Line, opened: "asyncio.Task[Line | float] | None") -> None:
        """Until something is to be done; at most look_seconds."""
        asked = [asyncio.ensure_future(line.lost.wait()), asyncio.ensure_future(self._renew.wait())]
        watched: list[asyncio.Future[Any]] = [*asked, *([] if opened is None else [opened])]
        try:
            await asyncio.wait(watched, timeout=self._pace.look_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in asked:
                each.cancel()

    def _renewal(self) -> float:
        spread = self._pace.renew_spread_seconds * self._opening.draw()
        return self._clock.monotonic() + self._pace.renew_seconds - spread

    def _pause(self, failures: int) -> float:
        longest = min(self._pace.pause_seconds_max, self._pace.first_pause_seconds * 2.0 ** min(failures, 10))
        return self._opening.draw() * longest


async def _give_up(opened: "asyncio.Task[Line | float] | None") -> None:
    """The old connection was lost before the new one stood: what is half open is closed."""
    if opened is None:
        return
    opened.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        fresh = await opened
        if isinstance(fresh, Line):
            fresh.drop("not_needed")
