"""Waiting for the budget: in order of priority, with an end, and visibly."""

import asyncio
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ordergate.access.budget import Published, Scope, Usage, Weights
from ordergate.ports.clock import Clock
from ordergate.ports.venue import Priority
from ordergate.trading.errors import WrongLimit


class Budget(Protocol):
    """Whatever says yes or not yet: budget.Budget itself, or allowance.Allowances."""

    def take(self, weights: Weights, priority: Priority, now_ms: int) -> int: ...
    def charge(self, weights: Weights, *, granted_at_ms: int, now_ms: int) -> None: ...
    def observe(self, usage: Usage, *, sent_at_ms: int, now_ms: int) -> None: ...
    def used(self, scope: Scope, now_ms: int) -> tuple[int, int]: ...
    def adopt(self, published: Published, now_ms: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """The venue said when to come back. banned: its 418, which is about the address."""

    for_ms: int
    weights: Weights
    banned: bool


WhenFrozen = Callable[[Freeze], None]
WhenPublished = Callable[[Sequence[Published]], None]
WhenRefused = Callable[[WrongLimit], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """at_ms: the venue's time when it was counted."""

    waited_ms: int
    at_ms: int = field(default=0, compare=False)


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
    granted: asyncio.Future[int] = field(compare=False)


class Limiter:
    """A budget with a bounded queue in front. now_ms gives the venue's time as well as it is known.

    A freeze is kept by the monotonic clock: no step of any clock ends it early. when_frozen hears of each that the venue told this limiter,
    when_published of the limits that it published here, when_refused of each of them that cannot be one.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        clock: Clock,
        now_ms: Callable[[], int],
        queue_max: int = 1_000,
        when_frozen: WhenFrozen | None = None,
        when_published: WhenPublished | None = None,
        when_refused: WhenRefused | None = None,
    ) -> None:
        self._budget = budget
        self._clock = clock
        self._now_ms = now_ms
        self._queue_max = queue_max
        self._when_frozen = when_frozen
        self._when_published = when_published
        self._when_refused = when_refused
        self._frozen_until = 0.0  # monotonic seconds; 0: not at all
        self._thawed_at = 0.0  # when the last freeze that the venue told us ended, or will
        self._throttles = 0  # freezes without a rest between them
        self.raining = False
        self._queue: list[_Waiter] = []  # the best first
        self._arrivals = 0
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def take(self, weights: Weights, priority: Priority, *, deadline_seconds: float) -> Granted | Denied:
        """Count the call, after waiting for room if need be. Somebody of the same or a better priority who waits already goes first."""
        # Those who wait with a worse priority do not hold this one up, not even for a turn of the event loop.
        if not self._frozen_until and (not self._queue or self._queue[0].priority > priority):
            now_ms = self._now_ms()
            if not self._budget.take(weights, priority, now_ms):
                return Granted(waited_ms=0, at_ms=now_ms)
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
        return Granted(waited_ms=self._since_ms(began), at_ms=waiter.granted.result())

    @property
    def is_frozen(self) -> bool:
        return self._frozen_until > 0 and self._clock.monotonic() < self._frozen_until

    def sending(self, weights: Weights, *, granted_at_ms: int) -> None:
        """A call that was granted a while ago leaves only now, perhaps in another window."""
        now_ms = self._now_ms()
        if now_ms - granted_at_ms > GRANT_FRESH_MS:
            self._budget.charge(weights, granted_at_ms=granted_at_ms, now_ms=now_ms)

    def demand(self) -> dict[tuple[Scope, Priority], int]:
        """How much weight waits, by what it would count in."""
        found: dict[tuple[Scope, Priority], int] = {}
        if not self.is_frozen:
            for waiter in self._queue:
                for scope, weight in waiter.weights.items():
                    wish = (scope, waiter.priority)
                    found[wish] = found.get(wish, 0) + weight
        return found

    def rain(self, falling: bool) -> None:  # noqa: FBT001 - named by the method
        """While it rains, whoever tries again waits twice as long; the plans are the budget's own matter."""
        self.raining = falling

    def rouse(self) -> None:
        """The budget has changed from outside: those who wait may ask again."""
        if self._queue:
            self._grant()

    def now_ms(self) -> int:
        """The venue's time as well as it is known; for counting only, never for signing."""
        return self._now_ms()

    def used(self, scope: Scope) -> tuple[int, int]:
        """(used by everybody as far as we know, limit) of the present window, for metrics and warnings."""
        return self._budget.used(scope, self._now_ms())

    def throttled(self, freeze: Freeze) -> None:
        """The venue said when to come back: nobody calls before, here or in any other process. Who comes back and is sent away again waits longer
        than he is told: 1, 2, 4, 8 s.
        """
        freeze = replace(freeze, for_ms=freeze.for_ms + self._backing_off_ms())
        self._thawed_at = max(self._thawed_at, self._clock.monotonic() + freeze.for_ms / 1_000)
        self.freeze(for_ms=freeze.for_ms)
        if self._when_frozen is not None:
            self._when_frozen(freeze)

    def _backing_off_ms(self) -> int:
        since = self._clock.monotonic() - self._thawed_at
        if since < 0:
            return 0  # of the calls that were on the wire together
        self._throttles = self._throttles + 1 if since < REST_SECONDS and self._throttles else 1
        if self._throttles == 1:
            return 0
        longer = min(1 << min(self._throttles - 2, 10), BACK_OFF_SECONDS_MAX) * 1_000
        return longer * 2 if self.raining else longer

    def freeze(self, *, for_ms: int) -> None:
        """No call of this limiter for so long. A shorter freeze does not end a longer one."""
        self._frozen_until = max(self._frozen_until, self._clock.monotonic() + for_ms / 1_000)
        self.rouse()

    def observe(self, usage: Usage, *, sent_at_ms: int) -> None:
        self._budget.observe(usage, sent_at_ms=sent_at_ms, now_ms=self._now_ms())

    def publish(self, limits: Iterable[Published]) -> tuple[WrongLimit, ...]:
        """What the venue publishes of its limits, for this process and all that share the budget; the refused ones, with the reason.

        A lower limit holds at once, a higher one from the next window on.
        """
        now_ms, taken, refused = self._now_ms(), list[Published](), list[WrongLimit]()
        for published in limits:
            try:
                self._budget.adopt(published, now_ms)
            except WrongLimit as wrong:
                refused.append(wrong)
                if self._when_refused is not None:
                    self._when_refused(wrong)
            else:
                taken.append(published)
        if taken:
            if self._when_published is not None:
                self._when_published(taken)
            self.rouse()
        return tuple(refused)

    def _grant(self) -> None:
        """Let everybody pass who can, the best first. One who cannot does not hold up others that ask for something else."""
        now_ms = self._now_ms()
        if self._frozen_until:
            left = self._frozen_until - self._clock.monotonic()
            if left > 0:
                self._set_alarm(int(left * 1_000) + 1)
                return
            self._frozen_until = 0.0
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
                waiter.granted.set_result(now_ms)
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


BACK_OFF_SECONDS_MAX = 8
REST_SECONDS = 10.0
"""So long after a freeze without another one, and the next is the first again."""
GRANT_FRESH_MS = 2
"""Within this nothing has changed."""


class _Displaced(Exception):
    """A better call took the place in the queue."""
