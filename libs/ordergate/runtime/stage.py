"""What a service's composition is registered with: the frame of a real process, or a node of the simulation.

A composition root has two halves. `compose` opens what only a real process has (sockets, keys, the switch's watch); `serve` builds the
handlers upon it and registers their work. The simulation calls the second half with ports of its own, so it runs what production runs.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from ordergate.ports.bus import Feed, Handler, Publisher, Shelf
from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Ledger
from ordergate.ports.trace import Trace
from ordergate.runtime.lane import Mode
from ordergate.wire.streams import ConsumerSpec


class Stage(Protocol):
    """See runtime.service.Frame, which says what each of them means."""

    @property
    def name(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def trace(self) -> Trace: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def publisher(self) -> Publisher: ...
    @property
    def feed(self) -> Feed: ...
    @property
    def replicas(self) -> int:
        """Of the streams of this bus."""

    def shelf(self, bucket: str) -> Shelf: ...
    def lane(self, spec: ConsumerSpec, handler: Handler, *, mode: Mode) -> object: ...
    def task(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None: ...
    def answer(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], *, queue: str = "") -> None: ...
    def ready_when(self, name: str, condition: Callable[[], bool]) -> None: ...
