"""WebSocket connections without sockets: `Pipe` is to the keeper of a stream what `access.websocket.Socket` is, `FarEnd` to the simulator's channel its line.

Frames keep their order. What is sent in a partition is lost, and the connection breaks when the partition ends.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from ordergate.access.http import Origin
from ordergate.access.websocket import HandshakeRefused, SocketLimits
from ordergate.simulator.binance.sockets import Channel
from tests.simulation.loop import Node, NodeLoop, RealWorld

CHANGING = ("order.", "openOrders.", "orderList.")
"""How the methods of requests begin that change something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request that may change something, when it left. at: world seconds; knowing: its sender knew that the kill switch stops this order."""

    at: float
    knowing: bool


class Pipe:
    """The client's end. named: the orders that a request would make, by its parameters; knowing: of the order of this client id; on_the_way: told +1 and -1 for each request that may change something."""

    def __init__(
        self,
        node: Node,
        draw: Random,
        *,
        is_cut: Callable[[], bool],
        hear: Callable[[bytes], None],
        lost: Callable[[str], None],
        now: Callable[[], float],
        named: Callable[[Mapping[str, str]], Sequence[str]],
        knowing: Callable[[str], bool],
        on_the_way: Callable[[int], None],
    ) -> None:
        self.node = node
        self.sent: dict[str, Sent] = {}  # by their names
        self.on_the_way = on_the_way
        self._named = named
        self._knowing = knowing
        self.channel: Channel | None = None
        self.far = FarEnd(self)
        self.is_cut = is_cut
        self.is_doomed = False  # something was lost on it
        self.is_open = True  # for the client
        self.is_served = True  # for the venue
        self.heard_at = now()
        self._now = now
        self._hear = hear
        self._lost = lost
        self._seconds = 0.001 + draw.random() * 0.01  # one way, always: frames keep their order

    def send(self, text: bytes) -> bool:
        """One text message to the venue. False: it did not leave."""
        if not self.is_open or not self.node.effect():
            return False
        if not self._loses():
            self._note(orjson.loads(text))
            self.node.scheduler.at(self._seconds, self._arrive, text)
        return True

    def ping(self) -> None:
        if self.is_open and self.node.effect() and not self._loses():
            self.node.scheduler.at(self._seconds, self._pong)

    async def close(self) -> None:
        """Say goodbye; what is under way still comes."""
        self._lost = _nobody
        self._leave()
        await asyncio.sleep(2 * self._seconds)
        self.is_open = False

    def abort(self) -> None:
        """Drop it at once."""
        self.is_open = False
        self._leave()

    # What the far end does to it.

    def carry(self, data: bytes) -> None:
        """A frame to the client."""
        if not self._loses():
            self.node.loop.call_later(self._seconds, self._take, data)

    def end(self, reason: str) -> None:
        """The venue ended it."""
        self.leave()
        self.node.loop.call_later(self._seconds, self._end, reason)

    def leave(self) -> None:
        """The venue has it no more."""
        if self.is_served:
            self.is_served = False
            if self.channel is not None:
                self.channel.closed()

    def _loses(self) -> bool:
        self.is_doomed = self.is_doomed or self.is_cut()
        return self.is_doomed

    def _leave(self) -> None:
        # A venue that a goodbye does not reach finds out by itself.
        self.node.scheduler.at(self._seconds, self.leave)

    def _note(self, document: dict[str, Any]) -> None:
        if str(document.get("method")).startswith(CHANGING):
            knowing = any(map(self._knowing, self._named(document["params"])))
            self.sent[document["id"]] = Sent(at=self.node.scheduler.now, knowing=knowing)
        self.on_the_way(1)

    def _arrive(self, text: bytes) -> None:
        self.on_the_way(-1)
        if self.is_served and self.channel is not None:
            self.channel.receive(text)

    def _pong(self) -> None:
        if self.is_served and self.far.answers_pings and not self._loses():
            self.node.loop.call_later(self._seconds, self._take, None)

    def _take(self, data: bytes | None) -> None:
        if self.is_open:
            self.heard_at = self._now()
            if data is not None:
                self._hear(data)

    def _end(self, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self._lost(reason)


class FarEnd:
    """ordergate.simulator.binance.sockets.Line."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._is_mute = False
        self.answers_pings = True

    def send(self, data: bytes) -> None:
        if self._pipe.is_served and not self._is_mute:
            self._pipe.carry(data)

    def later(self, delay_ms: int, action: Callable[[], None], *, outlives: bool = False) -> None:
        if outlives:
            self._pipe.on_the_way(1)
            self._pipe.node.scheduler.at(delay_ms / 1000, self._act_late, action)
        else:
            self._pipe.node.scheduler.at(delay_ms / 1000, self._act, action)

    def mute(self, *, pings: bool) -> None:
        self._is_mute = True
        self.answers_pings = pings

    def close(self, code: int) -> None:
        if self._pipe.is_served:
            self._pipe.end(f"closed_{code}")

    def cut(self) -> None:
        if self._pipe.is_served:
            self._pipe.end("reset")

    @property
    def sender(self) -> str:
        """Who is at the other end."""
        return self._pipe.node.name

    def sent(self, name: str) -> "Sent | None":
        """What is known of the request of that name."""
        return self._pipe.sent.get(name)

    def _act_late(self, action: Callable[[], None]) -> None:
        self._pipe.on_the_way(-1)
        action()

    def _act(self, action: Callable[[], None]) -> None:
        if self._pipe.is_served:
            action()


async def open_socket(
    origin: Origin,
    target: str,
    *,
    hear: Callable[[bytes], None],
    lost: Callable[[str], None],
    now: Callable[[], float],
    limits: SocketLimits,
    ssl_context: ssl.SSLContext | None = None,  # noqa: ARG001 - as access.websocket.connect
) -> Pipe:
    """As access.websocket.connect, over the network of the node that runs. Raises HandshakeRefused."""
    loop: object = asyncio.get_running_loop()
    network = loop.node.network if isinstance(loop, NodeLoop) else None
    if network is None:
        raise RealWorld("a WebSocket")
    try:
        async with asyncio.timeout(limits.connect_seconds_max):
            pipe: Pipe = await network.open_pipe(origin.port, origin.prefix + target, hear=hear, lost=lost, now=now)
            return pipe
    except TimeoutError:
        raise HandshakeRefused("connect_timeout") from None


def _nobody(_reason: str) -> None:
    """It is closed by us: nobody is told."""
