"""Waiting for the budget: in order of priority, with an end, and visibly."""

import asyncio
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

from ordergate.access.budget import Budget, Scope, Usage, Weights
from ordergate.ports.clock import Clock
from ordergate.ports.venue import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    waited_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Nothing was counted. reason: budget_deadline | budget_queue_full."""

    reason: str
    waited_ms: int


@dataclass(order=True, slots=True)
class _Waiter:
    priority: Priority
    arrival: int
    weights: Weights = field(compare=False)
    granted: asyncio.Future[None] = field(compare=False)


class Limiter:
    """A budget with a bounded queue in front. now_ms gives the venue's time as well as it is known."""

    def __init__(self, budget: Budget, *, clock: Clock, now_ms: Callable[[], int], queue_max: int = 1_000) -> None:
        self._budget = budget
        self._clock = clock
        self._now_ms = now_ms
        self._queue_max = queue_max
        self._queue: list[_Waiter] = []  # the best first
        self._arrivals = 0
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def take(self, weights: Weights, priority: Priority, *, deadline_seconds: float) -> Granted | Denied:
        """Count the call, after waiting for room if need be. Somebody of the same or a better priority who waits already goes first."""
        if not self._queue and not self._budget.take(weights, priority, self._now_ms()):
            return Granted(waited_ms=0)
        if len(self._queue) >= self._queue_max and not self._make_room(priority):
            return Denied(reason="budget_queue_full", waited_ms=0)
        began = self._clock.monotonic()
        waiter = _Waiter(priority, self._arrivals, weights, asyncio.get_running_loop().create_future())
        self._arrivals += 1
        insort(self._queue, waiter)
        self._grant()
        try:
            await asyncio.wait_for(waiter.granted, deadline_seconds)
        except TimeoutError:
            return Denied(reason="budget_deadline", waited_ms=self._since_ms(began))
        except _Displaced:
            return Denied(reason="budget_queue_full", waited_ms=self._since_ms(began))
        finally:
            self._forget(waiter)
        return Granted(waited_ms=self._since_ms(began))

    def now_ms(self) -> int:
        """The venue's time as well as it is known; for counting only, never for signing."""
        return self._now_ms()

    def used(self, scope: Scope) -> tuple[int, int]:
        """(used by everybody as far as we know, limit) of the present window, for metrics and warnings."""
        return self._budget.used(scope, self._now_ms())

    def freeze(self, *, for_ms: int) -> None:
        """The venue said when to come back: nobody calls before."""
        self._budget.freeze(self._now_ms() + for_ms)

    def observe(self, usage: Usage, *, sent_at_ms: int) -> None:
        self._budget.observe(usage, sent_at_ms=sent_at_ms, now_ms=self._now_ms())

    def _grant(self) -> None:
        """Let everybody pass who can, the best first. One who cannot does not hold up others that ask for something else."""
        now_ms = self._now_ms()
        held: set[tuple[Priority, tuple[str, ...]]] = set()
        wait_ms: int | None = None
        for waiter in self._queue:
            wish = (waiter.priority, tuple(waiter.weights))
            if waiter.granted.done() or wish in held:
                continue
            found = self._budget.take(waiter.weights, waiter.priority, now_ms)
            if found:
                held.add(wish)
                wait_ms = found if wait_ms is None else min(wait_ms, found)
            else:
                waiter.granted.set_result(None)
        self._queue = [waiter for waiter in self._queue if not waiter.granted.done()]
        self._set_alarm(wait_ms)

    def _set_alarm(self, wait_ms: int | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if wait_ms is not None:
            self._alarm = asyncio.get_running_loop().call_later(wait_ms / 1_000, self._grant)

    def _make_room(self, priority: Priority) -> bool:
        """In a full queue the last of the worst priority gives way to a better one, so polls never keep a cancel out."""
        worst = self._queue[-1]
        if worst.priority <= priority:
            return False
        self._queue.pop().granted.set_exception(_Displaced())
        return True

    def _forget(self, waiter: _Waiter) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
            if not self._queue:
                self._set_alarm(None)

    def _since_ms(self, began: float) -> int:
        return int((self._clock.monotonic() - began) * 1_000)


class _Displaced(Exception):
    """A better call took the place in the queue."""
