"""A simulated connection of one node to the simulated bus (runtime.transport.Transport), frame by frame and in order both ways.

As over TCP: frames are late, never out of order, and what is written at one moment mostly arrives together. A short cut only delays them; a long one, a restart of the bus or the death of the
node loses what is on the wire, and nobody is told what of it had arrived.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Generic, TypeVar

from nats.errors import ConnectionClosedError, FlushTimeoutError

from ordergate.runtime.connection import PING_SECONDS, PINGS_OUTSTANDING_MAX, RECONNECT_WAIT_SECONDS, Bus, inbox_of
from ordergate.runtime.jetstream import JetStream, Limits
from ordergate.runtime.lean import Requests
from ordergate.runtime.server import MAX_PAYLOAD_BYTES
from ordergate.runtime.transport import Sink
from ordergate.trading.errors import Misuse
from tests.simulation.loop import Handle, Node

if TYPE_CHECKING:
    from tests.simulation.bus import SimBus

_FLUSH_SECONDS = 10.0
_LATER_MAX = 10_000
_TOGETHER = 0.9
"""Share of frames that travel in one packet with what was written just before, at the same moment."""

Up = tuple[Callable[..., None], tuple[object, ...]]
Down = tuple[int, str, str, bytes, bytes | None]
Frame = TypeVar("Frame", Up, Down)


class Wire(Generic[Frame]):
    """One direction of a connection. `packets`: on the way, the oldest first; each `arriving` is one of them at its end."""

    __slots__ = ("_arriving", "_free_at", "_scheduler", "_server", "_written_at", "packets")

    def __init__(self, server: "SimBus", arriving: Handle) -> None:
        self.packets: deque[list[Frame]] = deque()
        self._server: SimBus = server
        self._scheduler = server.scheduler
        self._arriving = arriving
        self._free_at = 0.0
        self._written_at = -1.0

    def write(self, frame: Frame) -> None:
        now, server = self._scheduler.now, self._server
        if now == self._written_at and self.packets and server.chance() < _TOGETHER:
            self.packets[-1].append(frame)
            return
        self._written_at = now
        self.packets.append([frame])
        self._free_at = due = max(now + server.delay(), self._free_at)
        self._scheduler.add_timer(due, self._arriving)

    def written_by(self) -> float:
        """When the last packet will have arrived."""
        return max(self._free_at, self._scheduler.now)

    def begin(self) -> None:
        """A new connection."""
        self._free_at = self._scheduler.now


class SimConnection:
    """What one client knows of its connection, and the two wires to the server."""

    def __init__(self, server: "SimBus", node: Node) -> None:
        self.node = node
        self.is_cut = False
        self._server = server
        self._scheduler = node.scheduler
        self.number = server.count_connection()
        self._is_open = False  # the wire
        self._connected = False  # what the client believes
        self._closed = False
        self._subjects: dict[int, str] = {}
        self._sinks: dict[int, Sink] = {}
        self._numbers = 0
        self._lost: list[Callable[[], None]] = []
        self._back: list[Callable[[], None]] = []
        self._later: list[tuple[str, bytes]] = []
        self._came_back = asyncio.Event()
        self._back_at = 0.0
        self._pongs: deque[asyncio.Future[bool]] = deque()
        self._settling: list[asyncio.Future[bool]] = []
        context = Context()  # of all that is heard, as of a read loop
        self._up: Wire[Up] = Wire(server, Handle(node.scheduler.root, self._arrive, (), context))
        self._down: Wire[Down] = Wire(server, Handle(node, self._hear, (), context))
        server.connections.append(self)
        node.when_dead.append(self._die)

    @property
    def is_connected(self) -> bool:
        return self._connected

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def connected_seconds(self) -> float:
        return self._scheduler.now - self._back_at if self._connected else 0.0

    @property
    def is_stuck(self) -> bool:
        return False

    @property
    def server_version(self) -> str:
        return "simulated"

    async def connect(self) -> None:
        """Wait for the bus as long as it takes."""
        self._try_again()
        await self._came_back.wait()

    async def listen(self, subject: str, sink: Sink, *, settle: bool = True) -> int:
        self._numbers += 1
        number = self._numbers
        self._subjects[number] = subject
        self._sinks[number] = sink
        self._send(self._server.subscribe, (self, number, subject))
        if settle:
            await self._settle()
        return number

    async def silence(self, number: int, *, settle: bool = True) -> None:
        if self._subjects.pop(number, None) is not None and not self._closed:
            self._send(self._server.unsubscribe, (self, number))
            if settle and self._connected:
                await self._settle()
        self._sinks.pop(number, None)

    def post(self, subject: str, payload: bytes, *, reply: str = "", headers: bytes = b"") -> bool:
        if not self._connected:
            return False
        if len(headers) + len(payload) > MAX_PAYLOAD_BYTES:
            raise Misuse(
                f"a message of {len(headers) + len(payload)} bytes is over the bus's limit of {MAX_PAYLOAD_BYTES}"
            )
        if self.node.effect():
            self._send(self._server.receive, (self, subject, payload, reply, headers))
        return True

    async def post_later(self, subject: str, payload: bytes) -> None:
        if not self.post(subject, payload) and not self._closed and len(self._later) < _LATER_MAX:
            self._later.append((subject, payload))

    def when_lost(self, action: Callable[[], None]) -> None:
        self._lost.append(action)

    def when_back(self, action: Callable[[], None]) -> None:
        self._back.append(action)

    def forget(self, action: Callable[[], None]) -> None:
        self._lost = [kept for kept in self._lost if kept != action]
        self._back = [kept for kept in self._back if kept != action]

    async def wait_connected(self, seconds: float) -> None:
        if self._connected or seconds <= 0:
            return
        waiting = asyncio.ensure_future(self._came_back.wait())
        await asyncio.wait({waiting}, timeout=seconds)
        waiting.cancel()

    async def flush(self) -> None:
        """As nats-py: a ping whose pong is lost with the connection ends in a time-out; while reconnecting there is nothing to wait for."""
        if self._closed:
            raise ConnectionClosedError
        if not self._connected:
            return
        pong = self._ping()
        timer = self.node.loop.call_later(_FLUSH_SECONDS, _give_up, pong)
        try:
            await pong
        finally:
            timer.cancel()

    async def close(self) -> None:
        self._hang_up()
        self._connected = False
        self._closed = True

    async def _settle(self) -> None:
        """As LeanClient: a connection lost meanwhile takes the pong with it, the reconnect tells the server of every subscription."""
        if not self._connected:
            return
        settled = self._ping()
        self._settling.append(settled)
        timer = self.node.loop.call_later(_FLUSH_SECONDS, _give_up, settled)
        try:
            if not await settled:
                timer.cancel()
                await self._came_back.wait()
        finally:
            timer.cancel()
            self._settling.remove(settled)

    def _ping(self) -> asyncio.Future[bool]:
        """True with the pong."""
        pong = self.node.loop.create_future()
        self._send(self._server.ping, (self,))
        self._pongs.append(pong)
        return pong

    # The world's side.

    def cut(self) -> None:
        """A black hole: nothing passes, nobody is told. The client's pings notice after a while."""
        if not self.is_cut:
            self.is_cut = True
            patience = PING_SECONDS * (PINGS_OUTSTANDING_MAX + self._server.chance())
            self.node.loop.call_later(patience, self._notice)

    def mend(self) -> None:
        """What waited on the wire passes now, if neither side has given the connection up."""
        if self.is_cut:
            self.is_cut = False
            for _ in self._up.packets:
                self._scheduler.at(0.0, self._arrive)
            for _ in self._down.packets:
                self.node.loop.call_later(0.0, self._hear)

    def reset(self) -> None:
        """The connection is gone, both sides know, and what was on the wire is lost."""
        if self._is_open:
            self._hang_up()
            self.node.loop.call_later(self._server.chance() * 0.005, self._lose)

    def deliver(self, number: int, subject: str, reply: str, data: bytes, headers: bytes | None) -> None:
        """From the server to a subscription of this client."""
        if self.node.is_alive:
            self._down.write((number, subject, reply, data, headers))

    def pong(self) -> None:
        self.deliver(0, "", "", b"", None)

    def _send(self, action: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if self._is_open and self.node.is_alive:
            self._up.write((action, arguments))

    def _arrive(self) -> None:
        if self._up.packets and not self.is_cut:
            for action, arguments in self._up.packets.popleft():
                action(*arguments)

    def _hear(self) -> None:
        if not self._down.packets or self.is_cut:
            return
        for number, subject, reply, data, headers in self._down.packets.popleft():
            if number == 0:
                if self._pongs and not (pong := self._pongs.popleft()).done():
                    pong.set_result(True)
                continue
            sink = self._sinks.get(number)
            if sink is not None and self.node.is_alive:
                sink(subject.encode(), reply.encode(), data, headers)

    def _notice(self) -> None:
        if self.is_cut:
            self.reset()

    def _lose(self) -> None:
        self._connected = False
        self._came_back.clear()
        self._pongs.clear()
        for settled in self._settling:
            if not settled.done():
                settled.set_result(False)
        for action in self._lost:
            action()
        self._wait_and_try()

    def _wait_and_try(self) -> None:
        self.node.loop.call_later(RECONNECT_WAIT_SECONDS * (0.5 + self._server.chance()), self._try_again)

    def _try_again(self) -> None:
        if self._closed or self._connected:
            return
        if not self._server.is_up or self.is_cut:
            self._wait_and_try()
            return
        self._is_open = self._connected = True
        self._up.begin()
        self._down.begin()
        for number, subject in self._subjects.items():
            self._send(self._server.subscribe, (self, number, subject))
        later, self._later = self._later, []
        for subject, payload in later:
            self.post(subject, payload)
        self._back_at = self._scheduler.now
        self._came_back.set()
        for action in self._back:
            action()

    def _hang_up(self) -> None:
        self._is_open = False
        self._up.packets.clear()
        self._down.packets.clear()
        self._server.forget(self)

    def _die(self) -> None:
        """The kernel closes a dead process's sockets; what it had written still arrives, unless the wire is cut."""
        self._is_open = False
        self._down.packets.clear()
        if self.is_cut:
            self._hang_up()
        else:
            self._scheduler.at(self._up.written_by() - self._scheduler.now + 0.0001, self._server.forget, self)


def _give_up(pong: asyncio.Future[bool]) -> None:
    if not pong.done():
        pong.set_exception(FlushTimeoutError())


async def connect(server: "SimBus", node: Node, *, service: str, limits: Limits | None = None) -> Bus:
    """As runtime.connection.connect: the real requests, JetStream and all above them, over a simulated wire. To be awaited on the node."""
    client = SimConnection(server, node)
    await client.connect()

    def draw(count: int) -> str:
        return server.names.randbytes(count).hex()

    requests = Requests(client, inbox=inbox_of(service), draw=draw)
    await requests.start()
    jetstream = JetStream(client, requests, limits=limits)
    return Bus(client=client, requests=requests, jetstream=jetstream, inbox=inbox_of(service), draw=draw)
