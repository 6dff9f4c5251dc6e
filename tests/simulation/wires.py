"""The wires between simulated processes and a simulated Binance: sockets as the real engine and the real stream keeper see them, without sockets.

`Wire` is one process's way to the venue for one account. What the loop's `create_connection` gives on it carries HTTP/1.1 bytes both ways, so signing,
the engine, its reader and the error tables are the real ones; `open_pipe` stands where `access.websocket.connect` does, before the simulator's own
channels. Chance decides what becomes of each request and answer.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from ordergate.access.retry_after import retry_after_ms
from ordergate.access.websocket import HandshakeRefused
from ordergate.simulator.binance.sockets import Channel
from ordergate.simulator.served import Request, Response
from ordergate.trading.errors import Misconfigured
from tests.simulation.loop import Node, Scheduler
from tests.simulation.pipes import FarEnd, Pipe
from tests.simulation.venue import Note, VenueFaults

ADDRESS = "10.0.0.1"
_HTML = Response(503, b"<html>Service unavailable</html>", content_type="text/html")
_WALL = Response(403, b"<html>Forbidden</html>", content_type="text/html")
_WELCOME = Response(200, b"<html>Welcome</html>", content_type="text/html")
P = TypeVar("P", bound=asyncio.BaseProtocol)


class Front(Protocol):
    """What a wire ends in."""

    scheduler: Scheduler
    faults: VenueFaults
    note: Note
    draw: Random
    on_the_way: int

    def answer(self, request: Request, *, sender: str, sent_at: float, knowing: bool) -> Response: ...

    def proves_nothing(self) -> Response: ...

    def not_executed(self) -> Response: ...

    def throttled(self) -> Response: ...

    def refuse_connection(self, request: Request) -> Response | None: ...

    def open_channel(self, line: FarEnd, request: Request) -> Channel: ...


class Wire:
    """One process's way to the venue for one account. cut: a partition; connections over which something was lost in it break at its end."""

    def __init__(self, front: Front, node: Node, *, knowing: Callable[[str], bool]) -> None:
        self.front = front
        self.node = node
        self.knowing = knowing  # whether the sender knew that the kill switch stops the order of this client id
        self._cut = False
        self._pipes: list[Pipe] = []
        node.when_dead.append(self._node_died)

    @property
    def cut(self) -> bool:
        return self._cut

    @cut.setter
    def cut(self, cut: bool) -> None:
        self._cut = cut
        if not cut:
            for pipe in [pipe for pipe in self._pipes if pipe.is_doomed]:
                pipe.far.cut()

    async def create_connection(
        self, factory: Callable[[], P], *, ssl: ssl.SSLContext | None
    ) -> tuple["WireTransport", P]:
        """As a loop's. In a partition it hangs."""
        if ssl is not None:
            raise Misconfigured("the simulated venue speaks plain HTTP")
        await self._reach()
        protocol = factory()
        transport = WireTransport(self, protocol)
        protocol.connection_made(transport)
        return transport, protocol

    async def open_pipe(
        self, target: str, *, hear: Callable[[bytes], None], lost: Callable[[str], None], now: Callable[[], float]
    ) -> Pipe:
        """Raises HandshakeRefused."""
        await self._reach()
        path, _, query = target.partition("?")
        request = Request("GET", path, query, {}, b"", ADDRESS)
        refused = self.front.refuse_connection(request)
        if refused is not None:
            headers = {name.lower(): value for name, value in refused.headers}
            raise HandshakeRefused(f"handshake_{refused.status}", retry_after_ms=retry_after_ms(headers))
        pipe = Pipe(
            self.node, self.front.draw, is_cut=lambda: self._cut, hear=hear, lost=lost, now=now,
            named=names_in, knowing=self.knowing, on_the_way=self._count,
        )  # fmt: skip
        self._pipes = [each for each in self._pipes if each.is_served]
        self._pipes.append(pipe)
        pipe.channel = self.front.open_channel(pipe.far, request)
        return pipe

    async def _reach(self) -> None:
        if not self.node.effect() or self._cut:
            await self.node.loop.create_future()
        await asyncio.sleep(0.001 + self.front.draw.random() * 0.004)

    def _count(self, more: int) -> None:
        self.front.on_the_way += more

    def _node_died(self) -> None:
        for pipe in list(self._pipes):
            pipe.abort()


class WireTransport(asyncio.Transport):
    """A connection that carries one HTTP request at a time."""

    def __init__(self, wire: Wire, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._wire = wire
        self._protocol: Any = protocol
        self._is_over = False

    def is_closing(self) -> bool:
        return self._is_over

    def abort(self) -> None:
        self._end(None)

    close = abort

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """A whole request leaves, and its fate is drawn."""
        wire, front = self._wire, self._wire.front
        if self._is_over or not wire.node.effect():
            return
        request = read_request(bytes(data))
        if wire.cut:
            front.note(wire.node.name, f"the network is cut: {request.method} {request.path} is lost")
            return
        delay = 0.001 + front.draw.random() * 0.02
        early = self._read_fate() if request.method == "GET" else self._change_fate()
        if early is LOST:
            front.note(wire.node.name, f"{request.method} {request.path} is lost on its way")
        elif early is RESET:
            wire.node.loop.call_later(delay, self._end, ConnectionResetError())
        elif isinstance(early, Response):
            front.note(wire.node.name, f"{request.method} {request.path} is answered {early.status} before the venue")
            wire.node.loop.call_later(delay, self._receive, early)
        elif isinstance(early, float):
            changes = request.method != "GET"
            front.on_the_way += changes
            named = orders_named(request.query) if changes else ()
            sending = _Sending(request, front.scheduler.now, knowing=any(wire.knowing(name) for name in named))
            front.scheduler.at(delay + early, self._arrive, sending)

    def _read_fate(self) -> "Response | float | _Fate":
        front = self._wire.front
        if front.draw.random() < front.faults.read_failed:
            return front.draw.choice((RESET, LOST, _HTML, front.throttled()))
        return 0.0

    def _change_fate(self) -> "Response | float | _Fate":
        """Seconds by which it is late, or what becomes of it before the venue."""
        front, faults = self._wire.front, self._wire.front.faults
        chance = front.draw.random()
        if chance < faults.lost_request:
            return LOST
        if (chance := chance - faults.lost_request) < faults.late_request:
            return front.draw.random() * faults.late_seconds
        if (chance := chance - faults.late_request) < faults.throttled:
            return front.throttled()
        if chance - faults.throttled < faults.wall:
            return front.draw.choice((_WALL, front.not_executed()))
        return 0.0

    def _arrive(self, sending: "_Sending") -> None:
        wire, front, request = self._wire, self._wire.front, sending.request
        changes = request.method != "GET"
        front.on_the_way -= changes
        response = front.answer(request, sender=wire.node.name, sent_at=sending.sent_at, knowing=sending.knowing)
        delay = 0.001 + front.draw.random() * 0.02
        if wire.cut:
            return
        if changes:
            chance = front.draw.random()
            if chance < front.faults.lost_answer:
                front.note("venue", "its answer is lost")
                return
            if chance - front.faults.lost_answer < front.faults.error_after:
                front.note("venue", "its answer says nothing")
                spoiled = front.draw.choice((RESET, _HTML, _WELCOME, front.proves_nothing()))
                if not isinstance(spoiled, Response):
                    wire.node.loop.call_later(delay, self._end, ConnectionResetError())
                    return
                response = spoiled
        wire.node.loop.call_later(delay, self._receive, response)

    def _receive(self, response: Response) -> None:
        if not self._is_over:
            self._protocol.data_received(wire_bytes(response))

    def _end(self, error: Exception | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._wire.node.loop.call_soon(self._protocol.connection_lost, error)


class _Sending:
    """A request on its way."""

    __slots__ = ("knowing", "request", "sent_at")

    def __init__(self, request: Request, sent_at: float, *, knowing: bool) -> None:
        self.request = request
        self.sent_at = sent_at
        self.knowing = knowing


class _Fate:
    """What becomes of a request instead of an answer."""


LOST, RESET = _Fate(), _Fate()


def read_request(data: bytes) -> Request:
    """A whole request as the engine writes it."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("ascii").split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Request(method, path, query, headers, body, ADDRESS)


def wire_bytes(response: Response) -> bytes:
    """A whole answer."""
    head = [
        f"HTTP/1.1 {response.status} Said",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers),
    ]
    return "\r\n".join(head).encode("ascii") + b"\r\n\r\n" + response.body


def orders_named(query: str) -> tuple[str, ...]:
    """The client ids of the orders that a request would make: one, or those of a list."""
    return names_in(dict(parse_qsl(query)))


def names_in(said: Mapping[str, str]) -> tuple[str, ...]:
    """The same, of its parameters."""
    single = said.get("newClientOrderId") or said.get("clientAlgoId")
    return tuple(said[name] for name in _LEG_NAMES if name in said) if single is None else (single,)


_LEG_NAMES = tuple(
    f"{leg}ClientOrderId" for leg in ("working", "pending", "above", "below", "pendingAbove", "pendingBelow")
)
