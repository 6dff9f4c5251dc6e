"""What a session needs done in the background: the venue's clock read each minute and after a clock error, sockets kept warm."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from ordergate.access.clock import AskTime, VenueClock
from ordergate.access.http import Engine
from ordergate.trading.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    clock_seconds: float = 60.0
    clock_samples: int = 3
    warm_seconds: float = 15.0
    warm_count: int = 4
    retry_seconds: float = 0.5  # doubled after each failure
    retry_seconds_max: float = 8.0


class Upkeep:
    """One background task. `start` and `close` belong to whoever opened the session. is_frozen: the venue said when to come back, and is not even
    connected to before.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        venue_clock: VenueClock,
        ask: AskTime,
        rhythm: Rhythm | None = None,
        is_frozen: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine = engine
        self._venue_clock = venue_clock
        self._ask = ask
        self._rhythm = rhythm or Rhythm()
        self._is_frozen = is_frozen
        self._wanted = asyncio.Event()
        self._known = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, timeout_seconds: float) -> bool:
        """Begin, and wait for warm sockets and a known clock; False: not yet, it goes on trying."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="venue upkeep")
        return await self.known(timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def read_clock_again(self) -> None:
        """The clock is wrong, or was not read for too long."""
        self._known.clear()
        self._wanted.set()

    async def known(self, *, timeout_seconds: float) -> bool:
        """Wait until the clock has been read. A bug that ended the upkeep is raised here, not lost."""
        if self._task is not None and self._task.done():
            self._task.result()
        if self._venue_clock.is_known:
            return True
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._known.wait()
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        read_clock_at = loop.time()
        failures = 0
        while True:
            if not self._is_frozen():
                await self._engine.warm(self._rhythm.warm_count)
            if self._wanted.is_set() or loop.time() >= read_clock_at:
                failures = 0 if await self._read_clock() else failures + 1
                read_clock_at = loop.time() + (
                    self._retry_seconds(failures) if failures else self._rhythm.clock_seconds
                )
            pause = min(self._rhythm.warm_seconds, max(0.0, read_clock_at - loop.time()))
            if failures:
                await asyncio.sleep(pause)  # a venue that is down is not asked faster because many want to know
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()

    async def _read_clock(self) -> bool:
        self._wanted.clear()
        try:
            await self._venue_clock.measure(self._ask, samples=self._rhythm.clock_samples)
        except Unavailable:
            self._wanted.set()
            return False
        self._known.set()
        return True

    def _retry_seconds(self, failures: int) -> float:
        return min(self._rhythm.retry_seconds_max, self._rhythm.retry_seconds * 2.0 ** min(failures - 1, 10))
