"""An asyncio world on virtual time: many nodes, one scheduler, one seed.

Every node (a simulated process) has an event loop of its own, so awaiting across nodes is an error, as between processes. Which node
goes next is drawn from the seed; within a node callbacks are called in the order in which they were registered, as asyncio promises
(`shuffle` breaks even that, for code that should not rely on it). When nothing is ready, the clock jumps to the next timer.

A node can be frozen (SIGSTOP: all it would do waits), and crashed (kill -9: nothing of it runs any more, not even its `finally`
blocks; they run when the world is closed, and whatever they try then is refused, for the node is dead).
"""

import asyncio
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol, TypeVar

EPOCH_MS = 1_790_000_000_000
STEPS_AT_ONE_MOMENT_MAX = 200_000
_CLOSINGS_MAX = 8
_WORLD = "world"

T = TypeVar("T")


class RealWorld(RuntimeError):
    """Simulated code reached for the real world: a thread, a socket, an executor."""


class Livelock(RuntimeError):
    """The nodes went on for ever without time passing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that nobody took. A failed task ends a real process; what it ends here the world decides."""

    node: str
    what: str
    error: BaseException


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("args", "callback", "context", "gone", "node")

    def __init__(self, node: "Node", callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self.node = node
        self.callback = callback
        self.args = args
        self.context = context
        self.gone = False

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone


class Scheduler:
    """Owns time and chance. `now` is in seconds since the world began; `root` is the node of whatever is nobody's process."""

    def __init__(self, seed: int, *, shuffle: bool = False) -> None:
        self.seed = seed
        self.now = 0.0
        self.failures: list[Failure] = []
        self.nodes: list[Node] = []
        self._shuffle = shuffle
        self._order = self.draws("order")
        self._ready: list[Node] = []
        self._timers: list[tuple[float, int, Handle]] = []
        self._timed = 0
        self._stopped = False
        self._running: NodeLoop | None = None
        self.root = self.node(_WORLD)

    @property
    def steps(self) -> int:
        """Made so far, by all nodes."""
        return sum(node.steps for node in self.nodes)

    def draws(self, name: str) -> Random:
        """A stream of chance of its own: drawing more from one does not change what another gives."""
        return Random(f"{self.seed}:{name}")  # noqa: S311 - seeded on purpose

    def node(self, name: str, *, wall_offset_ms: int = 0, rate: float = 1.0) -> "Node":
        """A new process. rate: how fast its monotonic clock runs; wall_offset_ms: how far its wall clock is off."""
        made = Node(self, name, wall_offset_ms=wall_offset_ms, rate=rate)
        self.nodes.append(made)
        return made

    def at(self, seconds: float, action: Callable[..., object], *args: Any) -> Handle:
        """Call `action` after that many seconds of world time, as nobody's process."""
        return self.add_timer(self.now + seconds, Handle(self.root, action, args, _EMPTY))

    def stop(self) -> None:
        """End `run` after the step that runs now."""
        self._stopped = True

    def run(self, *, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Run until `until` holds (looked at each time the clock jumps), `stop` was called, or so many seconds have passed.

        Returns whether it ended before the limit. Raises Livelock.
        """
        self._stopped = False
        self._running = None
        limit = self.now + seconds
        ready, timers = self._ready, self._timers
        try:
            while True:
                if ready:
                    self._run_ready()
                if self._stopped or (until is not None and until()):
                    return True
                if not timers or timers[0][0] > limit:
                    self.now = limit
                    return False
                when, _, handle = heappop(timers)
                if handle.gone:
                    continue
                self.now = max(self.now, when)
                if handle.node.halted or (timers and timers[0][0] <= when):
                    self._make_ready(when, handle)
                else:  # alone at its moment: there is nothing to draw
                    self._step(handle.node, handle)
        finally:
            _set_running_loop(None)

    def complete(self, node: "Node", work: Coroutine[Any, Any, T], *, seconds: float) -> T:
        """Run one coroutine on a node to its end. Raises what it raises, TimeoutError at the limit."""
        task = node.spawn(work, name="complete", watched=False)
        if not self.run(seconds=seconds, until=task.done):
            raise TimeoutError(f"not done after {seconds} s of virtual time")
        return task.result()

    def list_node(self, node: "Node") -> None:
        """It is neither listed nor halted, and something in it is ready."""
        node.is_listed = True
        self._ready.append(node)

    def add_timer(self, when: float, handle: Handle) -> Handle:
        self._timed = timed = self._timed + 1
        heappush(self._timers, (when, timed, handle))
        return handle

    def close(self) -> None:
        """End every node and let go of what it held; what its last breath tries is refused."""
        for node in self.nodes:
            node.crash()
        for node in self.nodes:
            node.bury()
        self._ready.clear()
        self._timers.clear()

    def _run_ready(self) -> None:
        """Everything that can run at this moment, each next one drawn."""
        ready, draw, shuffle, step = self._ready, self._order.random, self._shuffle, self._step
        steps_left = STEPS_AT_ONE_MOMENT_MAX
        while ready and not self._stopped:
            many = len(ready)
            place = int(draw() * many) if many > 1 else 0
            node = ready[place]
            waiting = node.ready
            if waiting and not node.halted:
                if shuffle and len(waiting) > 1:
                    waiting.rotate(-int(draw() * len(waiting)))
                handle = waiting.popleft()
                if not handle.gone:
                    step(node, handle)
                    steps_left -= 1
                    if not steps_left:
                        raise Livelock(f"{STEPS_AT_ONE_MOMENT_MAX} steps at {self.now} s, the last of {node.name}")
            if not waiting or node.halted:
                node.is_listed = False
                last = ready.pop()
                if last is not node:
                    ready[place] = last

    def _step(self, node: "Node", handle: Handle) -> None:
        if node.loop is not self._running:
            self._running = node.loop
            _set_running_loop(node.loop)  # type: ignore[arg-type]
        node.steps = step = node.steps + 1
        if step == node.dies_at_step:
            node.crash()
            return
        try:
            handle.context.run(handle.callback, *handle.args)
        except Exception as error:  # noqa: BLE001 - a callback's failure is its node's, the world goes on
            node.fail(f"callback {handle.callback!r}", error)

    def _make_ready(self, when: float, handle: Handle) -> None:
        """All that are due at this moment."""
        timers = self._timers
        while True:
            node = handle.node
            node.ready.append(handle)
            if not node.is_listed and not node.halted:
                self.list_node(node)
            if not timers or timers[0][0] > when:
                return
            handle = heappop(timers)[2]


class Network(Protocol):
    """What a process finds at the end of its sockets, where a world has any."""

    async def create_connection(
        self, factory: Callable[[], Any], host: str, port: int, *, ssl: Any = None
    ) -> tuple[Any, Any]:
        """As a loop's."""

    async def open_pipe(self, port: int, target: str, **parts: Any) -> Any:
        """A WebSocket connection to that path and query."""


class Node:
    """A simulated process. Everything that would leave it must ask `effect()` first."""

    def __init__(self, scheduler: Scheduler, name: str, *, wall_offset_ms: int, rate: float) -> None:
        self.scheduler = scheduler
        self.name = name
        self.number = len(scheduler.nodes)
        self.is_alive = True
        self.halted = False  # frozen or dead: none of its callbacks runs
        self.ready: deque[Handle] = deque()
        self.is_listed = False
        self.steps = 0
        self.effects = 0
        self.dies_at_step = 0
        self.dies_at_effect = 0
        self.failed: Failure | None = None
        self.when_failed: list[Callable[[Failure], None]] = []
        self.when_dead: list[Callable[[], None]] = []
        self.network: Network | None = None
        self.loop = NodeLoop(self, born=scheduler.now, rate=rate)
        self.clock = SimClock(self, wall_offset_ms=wall_offset_ms)
        self.tasks: list[asyncio.Task[Any]] = []  # in the order in which they were started; also those that have ended
        self._remains: list[asyncio.Task[Any]] = []

    @property
    def is_frozen(self) -> bool:
        return self.is_alive and self.halted

    def spawn(self, work: Coroutine[Any, Any, T], *, name: str, watched: bool = True) -> asyncio.Task[T]:
        """Start a task of this process from outside. watched: its exception is the process's failure."""
        task = self.loop.create_task(work, name=name)
        if watched:
            task.add_done_callback(self._ended)
        return task

    def effect(self) -> bool:
        """Whether something may leave this process now. Counts; at the number in `dies_at_effect` the process dies, just before it."""
        if not self.is_alive:
            return False
        self.effects += 1
        if self.effects == self.dies_at_effect:
            self.crash()
            return False
        return True

    def freeze(self) -> None:
        """SIGSTOP. Its clocks go on; what becomes due or arrives waits."""
        if self.is_alive:
            self.halted = True

    def thaw(self) -> None:
        """SIGCONT. Everything that waited is ready at once."""
        if self.is_frozen:
            self.halted = False
            if self.ready and not self.is_listed:
                self.scheduler.list_node(self)

    def crash(self) -> None:
        """kill -9. A step of this node that runs right now goes on to its next await, but nothing it tries leaves the process."""
        if not self.is_alive:
            return
        self.is_alive = False
        self.halted = True
        self.ready.clear()
        # Kept until the world is closed: a coroutine that is collected runs its `finally` blocks.
        self._remains, self.tasks = [task for task in self.tasks if not task.done()], []
        for action in self.when_dead:
            action()

    def bury(self) -> None:
        """Close what a crash left behind, so that nothing of it runs later, at a moment the collector picks."""
        _set_running_loop(self.loop)  # type: ignore[arg-type]
        for task in self._remains:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _close(task.get_coro())
        self._remains = []
        _set_running_loop(None)

    def fail(self, what: str, error: BaseException) -> None:
        failure = Failure(self.name, what, error)
        self.scheduler.failures.append(failure)
        self.failed = self.failed or failure
        for action in self.when_failed:
            action(failure)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(f"task {task.get_name()}", error)


class SimClock:
    """ports.clock of one node. The wall clock can be stepped; the monotonic one is the node's loop time."""

    def __init__(self, node: Node, *, wall_offset_ms: int) -> None:
        self._node = node
        self._scheduler = node.scheduler
        self.wall_offset_ms = wall_offset_ms

    def now_ms(self) -> int:
        return EPOCH_MS + self.wall_offset_ms + int(self._scheduler.now * 1000.0 + 1e-6)

    def monotonic(self) -> float:
        return self._node.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def step(self, milliseconds: int) -> None:
        """Somebody sets the wall clock."""
        self.wall_offset_ms += milliseconds


class NodeLoop:
    """The event loop as one node's code sees it: timers, futures and tasks, nothing that touches the machine."""

    def __init__(self, node: Node, *, born: float, rate: float) -> None:
        self._node = node
        self._scheduler = node.scheduler
        self._born = born
        self._rate = rate
        self.create_future: Callable[[], asyncio.Future[Any]] = partial(asyncio.Future, loop=self)  # type: ignore[arg-type]

    get_debug = bool  # asked for each future and task; it is false

    @property
    def node(self) -> Node:
        return self._node

    def __repr__(self) -> str:
        return f"<loop of {self._node.name}>"

    def time(self) -> float:
        if self._rate == 1.0:
            return self._scheduler.now
        return self._born + (self._scheduler.now - self._born) * self._rate

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:
        node = self._node
        handle = Handle(node, callback, args, context or copy_context())
        if node.is_alive:
            node.ready.append(handle)
            if not node.is_listed and not node.halted:
                self._scheduler.list_node(node)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle(self._node, callback, args, context or copy_context())
        if self._node.is_alive:
            when = self._scheduler.now
            if delay > 0.0:
                when += delay / self._rate
            self._scheduler.add_timer(when, handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)  # type: ignore[arg-type]
        if not self._node.is_alive:  # a `finally` block of a dead process: it starts nothing
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _close(coro)
        else:
            self._node.tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Only tells of callbacks; an exception nobody retrieved is told when the collector likes, which is no part of a history."""
        if "task" in context or "future" in context:
            return
        error = context.get("exception")
        self._node.fail(str(context.get("message")), error or RuntimeError(str(context.get("message"))))

    def is_running(self) -> bool:
        return self._node.is_alive

    def is_closed(self) -> bool:
        return not self._node.is_alive

    def __getattr__(self, name: str) -> Any:
        """Sockets, threads, executors, signals, subprocesses: all the rest of a loop is the machine's, but for a simulated network."""
        if name == "create_connection" and self._node.network is not None:
            return self._node.network.create_connection
        raise RealWorld(f"the loop's {name}")


_EMPTY = Context()


def _close(coroutine: Any) -> None:
    """Run what is left of a coroutine now, as if it were cancelled; where it awaits in a `finally` block, again, from there.

    Not by close(): that leaves an asynchronous generator which it awaits half closed.
    """
    for _ in range(_CLOSINGS_MAX):
        try:
            coroutine.throw(asyncio.CancelledError())
        except BaseException:  # noqa: BLE001 - the last words of a dead process
            return
    coroutine.close()
