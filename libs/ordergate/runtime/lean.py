"""The short way through nats-py: raw frames out, raw frames in, and requests that share one reply inbox.

nats-py keeps what it is good at: connecting, TLS, authentication, pings, reconnecting and subscribing again. What costs most per message
in it is left out here: its reading and parsing, header parsing, a queue and a task per subscription, a timer per request. Internals of it
are used for that (`_process_msg`, `_read_loop`, `_transport` and its reader, `_ps`); tests/integration/test_lean.py fails if a new version
moves them.
"""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nats.aio.client import DEFAULT_FLUSH_TIMEOUT, Client
from nats.aio.transport import TcpTransport
from nats.errors import Error as NatsError
from nats.protocol.parser import AWAITING_CONTROL_LINE
from typing_extensions import override

from ordergate.runtime.shortcut import Shortcut
from ordergate.runtime.transport import Draw, Sink, Transport
from ordergate.trading.errors import Denied, Misuse
from ordergate.wire.denials import Denial

NO_RESPONDERS = b"NATS/1.0 503"
_SWEEP_SECONDS = 0.1
_LOOK_SECONDS = 1.0


class LeanClient(Client):
    """nats-py's client, with sinks for subscriptions that want raw frames and a send that does not buffer."""

    def __init__(self) -> None:
        super().__init__()
        self._sinks: dict[int, Sink] = {}
        self._lost: list[Callable[[], None]] = []
        self._back: list[Callable[[], None]] = []
        self._connected = asyncio.Event()
        self._back_at = float("-inf")
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def connected_seconds(self) -> float:
        """Since the connection was last lost and found again; 0 while it is lost."""
        return asyncio.get_running_loop().time() - self._back_at if self.is_connected else 0.0

    @property
    def is_stuck(self) -> bool:
        """Reconnecting, but the task that should do it has ended: an exception that nats-py does not expect ends it without a word."""
        task = self._reconnection_task
        return self.is_reconnecting and task is not None and task.done()

    @property
    def server_version(self) -> str:
        """As the server says it, e.g. 2.15.1; of the one connected to now, else of the last."""
        return str(self._server_info.get("version", "unknown"))

    async def listen(self, subject: str, sink: Sink, *, settle: bool = True) -> int:
        """Subscribe `sink` and return the subscription's number; it survives reconnects. Returns once the server knows of it.

        settle=False: once it is on the wire, before all that is posted here from now on; answers to that need no more.
        """
        subscription = await self.subscribe(subject)
        number: int = subscription._id  # noqa: SLF001 - nats-py has no public name for it
        self._sinks[number] = sink
        await (self._settle() if settle else self._flush_pending(force_flush=True))
        return number

    async def silence(self, number: int, *, settle: bool = True) -> None:
        """End a subscription made by `listen`. settle=False: what the server has sent and was not heard yet is not waited for."""
        subscription = self._subs.get(number)
        if subscription is not None and not self.is_closed:
            await subscription.unsubscribe()
            if settle and self.is_connected:
                await self._settle()  # what the server sent before it read this still reaches the sink
        self._sinks.pop(number, None)

    def post(self, subject: str, payload: bytes, *, reply: str = "", headers: bytes = b"") -> bool:
        """Write one message to the socket now. False, and nothing kept for later, while there is no connection.

        Raises Misuse over the server's max_payload: the server would answer that by closing the connection.
        """
        if not self.is_connected or self._transport is None:
            return False
        total = len(headers) + len(payload)
        if total > self._max_payload:
            raise Misuse(f"a message of {total} bytes is over the bus's limit of {self._max_payload}")
        if headers:
            frame = f"HPUB {subject} {reply} {len(headers)} {total}\r\n".encode() + headers + payload + b"\r\n"
        else:
            frame = f"PUB {subject} {reply} {total}\r\n".encode() + payload + b"\r\n"
        try:
            self._transport.write(frame)
        except (RuntimeError, OSError):
            return False  # reset by the other side, and nats-py has not heard of it yet (uvloop refuses to write on a closed handle)
        return True

    async def post_later(self, subject: str, payload: bytes) -> None:
        """As post, but kept and sent after the reconnect if there is no connection now. Lost once the client is closed or has kept too
        much: for acks and the like, whose loss only means that the message comes again.
        """
        if not self.post(subject, payload):
            with contextlib.suppress(NatsError):
                await self.publish(subject, payload)

    def when_lost(self, action: Callable[[], None]) -> None:
        """Call `action` each time the connection is lost."""
        self._lost.append(action)

    def when_back(self, action: Callable[[], None]) -> None:
        """Call `action` each time the connection is there again and the subscriptions are known to the server."""
        self._back.append(action)

    def forget(self, action: Callable[[], None]) -> None:
        """Take an action back that was given to when_lost or when_back."""
        self._lost = [kept for kept in self._lost if kept != action]
        self._back = [kept for kept in self._back if kept != action]

    async def wait_connected(self, seconds: float) -> None:
        """Return when connected, or after that many seconds, whichever is first."""
        if self.is_connected or seconds <= 0:
            return
        waiting = asyncio.ensure_future(self._connected.wait())
        await asyncio.wait({waiting}, timeout=seconds)
        waiting.cancel()

    def note_lost(self) -> None:
        self._connected.clear()
        for action in self._lost:
            action()

    def note_back(self) -> None:
        self._back_at = asyncio.get_running_loop().time()
        self._connected.set()
        for action in self._back:
            action()

    @override
    async def flush(self, timeout: int = DEFAULT_FLUSH_TIMEOUT) -> None:
        """Return once the server has answered what was written, or the connection is lost: it takes the pong with it, for which nats-py
        would wait until the time-out (seconds). Raises nats.errors.FlushTimeoutError, ConnectionClosedError.
        """
        lost = asyncio.Event()
        self.when_lost(lost.set)
        pong = asyncio.ensure_future(super().flush(timeout))
        pong.add_done_callback(_looked_at)  # and never cancelled: nats-py's read loop fails on a pong nobody waits for
        gone = asyncio.ensure_future(lost.wait())
        try:
            await asyncio.wait({pong, gone}, return_when=asyncio.FIRST_COMPLETED)
            if pong.done():
                await pong
        finally:
            gone.cancel()
            self.forget(lost.set)

    async def _settle(self) -> None:
        """Return once the server has read everything. nats-py's flush alone is not enough: its ping overtakes what its flusher still holds.
        Of a connection lost meanwhile the reconnect tells the server of every subscription.
        """
        await self._flush_pending(force_flush=True)
        await self.flush()
        while not self.is_connected and not self.is_closed:
            await self.wait_connected(_LOOK_SECONDS)

    @override
    async def _read_loop(self) -> None:
        """nats-py runs this anew on each connection, once it is ready for messages."""
        self._take_shortcut()
        await super()._read_loop()

    def _take_shortcut(self) -> None:
        transport = self._transport
        if not isinstance(transport, TcpTransport) or transport._io_writer is None:  # noqa: SLF001
            return
        reader: Any = transport._io_reader  # noqa: SLF001
        socket = transport._io_writer.transport  # noqa: SLF001
        behind = socket.get_protocol()

        def is_between() -> bool:
            return not reader._buffer and not self._ps.buf and self._ps.state == AWAITING_CONTROL_LINE  # noqa: SLF001

        if isinstance(behind, asyncio.Protocol):
            socket.set_protocol(Shortcut(behind, is_between=is_between, deliver=self._deliver))

    def _deliver(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> bool:
        sink = self._sinks.get(sid)
        if sink is None:
            return False
        try:
            sink(subject, reply, data, headers)
        except Exception as error:  # noqa: BLE001 - an exception here would end the connection
            telling = asyncio.ensure_future(self._error_cb(error))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
        return True

    @override
    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if not self._deliver(sid, subject, reply, data, headers):
            await super()._process_msg(sid, subject, reply, data, headers)


class Unanswered(Exception):
    """No answer: time-out, connection lost, or nobody there. What was sent may have had its effect."""


@dataclass(frozen=True, slots=True)
class Reply:
    data: bytes
    headers: bytes | None


class Requests:
    """Requests that share one inbox subscription and one timer. `ask` costs one future and one frame."""

    def __init__(self, client: Transport, *, inbox: str, draw: Draw = secrets.token_hex) -> None:
        self._client = client
        self._prefix = f"{inbox}.{draw(8)}."
        self._tokens = itertools.count()
        self._waiting: dict[bytes, tuple[asyncio.Future[Reply], float, str]] = {}
        self._deaf: Denied | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # of the timer
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        await self._client.listen(self._prefix + "*", self._take, settle=False)
        self._client.when_lost(self._lose_all)

    def deny(self, denial: Denial) -> None:
        """The server has denied something on this connection: whoever waits for an answer to it waits in vain."""
        if denial.action == "subscription":
            if denial.concerns(self._prefix + "*"):
                self._deaf = denial.error(self._prefix + "*")
                self._lose_all(self._deaf)
            return
        for token, (future, _, subject) in list(self._waiting.items()):
            if denial.concerns(subject):
                del self._waiting[token]
                if not future.done():
                    future.set_exception(denial.error(subject))

    def stop(self) -> None:
        self._lose_all()
        if self._timer is not None:
            self._timer.cancel()

    def ask(self, subject: str, payload: bytes, *, seconds: float, headers: bytes = b"") -> asyncio.Future[Reply]:
        """Send and return the future of the answer. It raises Unanswered, or Denied; nothing is sent later than now."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self._deaf is not None:
            future.set_exception(self._deaf)
            return future
        token = b"%x" % next(self._tokens)
        if not self._client.post(subject, payload, reply=self._prefix + token.decode(), headers=headers):
            future.set_exception(Unanswered("not connected"))
            return future
        deadline = self._loop.time() + seconds
        self._waiting[token] = (future, deadline, subject)
        if self._timer is None or deadline < self._due - _SWEEP_SECONDS:
            self._sweep_at(deadline)
        return future

    def _sweep_at(self, deadline: float) -> None:
        """No more than one timer, and no two sweeps close to each other: a time-out may be that much late."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = max(deadline, self._loop.time() + _SWEEP_SECONDS)
        self._timer = self._loop.call_at(self._due, self._sweep)

    def _take(self, subject: bytes, _reply: bytes, data: bytes, headers: bytes | None) -> None:
        entry = self._waiting.pop(subject[len(self._prefix) :], None)
        if entry is None or entry[0].done():
            return
        if headers is not None and headers.startswith(NO_RESPONDERS):
            entry[0].set_exception(Unanswered("nobody answers there"))
        else:
            entry[0].set_result(Reply(data, headers))

    def _sweep(self) -> None:
        now = self._loop.time()
        for token in [token for token, (_, deadline, _) in self._waiting.items() if deadline <= now]:
            future, _, _ = self._waiting.pop(token)
            if not future.done():
                future.set_exception(Unanswered("time-out"))
        self._timer = None
        if self._waiting:
            self._sweep_at(min(deadline for _, deadline, _ in self._waiting.values()))

    def _lose_all(self, why: Denied | None = None) -> None:
        waiting, self._waiting = self._waiting, {}
        for future, _, _ in waiting.values():
            if not future.done():
                future.set_exception(why or Unanswered("connection lost"))


def _looked_at(done: asyncio.Future[None]) -> None:
    """Its error, if it has one, was seen."""
    if not done.cancelled():
        done.exception()


def header_block(fields: Mapping[str, str]) -> bytes:
    """The fields as on the wire. Names and values are ours and hold no line break; a value that does raises Misuse."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    if lines.count("\n") != len(fields) or lines.count("\r") != len(fields):
        raise Misuse("a header's value must not hold a line break")
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def parse_headers(raw: bytes | None) -> dict[str, str]:
    """The fields of a raw header block; of a repeated name the last counts."""
    if not raw:
        return {}
    fields = {}
    for line in raw.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields[name.decode(errors="replace")] = value.strip().decode(errors="replace")
    return fields
