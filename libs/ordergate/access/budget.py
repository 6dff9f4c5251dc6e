"""How many calls may still go out, as arithmetic: fixed windows of the venue, our part of them, and who goes first.

All times are the venue's milliseconds, because its windows turn with its clock. Nothing here waits or reads a clock.

Of a limit, all that is ever handed out adds up to less than the whole: the plan (PLAN), what cancels may use above it (CANCEL_EXTRA), what the
processes may use on their own while nobody owns the budget (FALLBACK), and what may be leased to a process that is not heard of again (UNSPENT).
So no death, no partition and no late answer can pass the limit; only a stranger on the same key or address can, and the venue's headers tell of him.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import floor

from ordergate.ports.venue import Priority
from ordergate.trading.errors import Misconfigured, WrongLimit


class Scope(StrEnum):
    """A bucket of the venue. A call may count in several."""

    REQUESTS = "requests"  # every signed call of the account
    ORDERS = "orders"
    ORDERS_LONG = "orders_long"  # the same orders in a second, longer window
    BATCH = "batch"
    CLOSE = "close"
    ADDRESS = "address"  # unsigned calls


Weights = Mapping[Scope, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A venue's limit: `limit` in each window_ms, windows aligned to the venue's clock.

    contested: cancels and lookups count here too, so a part is kept for them. per_address: the venue counts by the caller's address, not by account.
    heaviest: what the heaviest call weighs here.
    Raises Misconfigured for a limit or a window below 1.
    """

    scope: Scope
    limit: int
    window_ms: int
    contested: bool = False
    per_address: bool = False
    heaviest: int = 1

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window_ms < 1:
            raise Misconfigured(f"the limit of {self.scope} must be at least 1 in a window of at least 1 ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a venue's answer says of one bucket: its limit and how much of it everybody has used."""

    scope: Scope
    limit: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A limit that a venue publishes while it runs (Binance: `rateLimits` of exchangeInfo). at_ms: when, by the venue's clock."""

    scope: Scope
    limit: int
    window_ms: int
    at_ms: int


PUBLISHED_TIMES_MAX = 100
"""A published limit so many times the declared one is taken for a mistake: believed, it would be no limit at all."""


def check_published(published: Published, declared: Limit | None) -> None:
    """Raises WrongLimit for what cannot be a limit of this bucket; the one that holds then stands."""
    scope, limit = published.scope, published.limit
    if declared is None:
        raise WrongLimit(f"the venue publishes a limit of {scope}, which nothing counts here; declare it")
    stands = f"the declared {declared.limit} in {declared.window_ms} ms stands"
    if type(limit) is not int or limit < 1:
        raise WrongLimit(f"the venue publishes a limit of {scope} that is no number above zero; {stands}")
    if published.window_ms != declared.window_ms:
        raise WrongLimit(f"the venue publishes a limit of {scope} for another window; {stands}; declare the window")
    if limit > PUBLISHED_TIMES_MAX * declared.limit:
        raise WrongLimit(f"the venue publishes {limit} for {scope}, over {PUBLISHED_TIMES_MAX} times as much; {stands}")


PLAN = 0.8
"""The part of a limit that all processes together plan to use."""

CANCEL_EXTRA = 0.05
"""The part of a contested limit, above the plan, that cancels alone may use; and as much again while nobody owns the budget."""

FALLBACK = 0.07
"""The part of a limit, above the plan, that the processes divide among them by their shares and use while nobody owns the budget. It is theirs
whatever an owner has given, so nobody has to know who is alive."""

UNSPENT = 0.03
"""The part of a limit, above all others, that may be leased and not yet spent: nobody knows of it when the owner dies."""

Ceilings = Mapping[Priority, float]
"""The part of what may be used of a contested bucket that a call of this priority may use up to. What is above it is kept for its betters."""

CEILINGS: Ceilings = {
    Priority.CANCEL: 1.0,
    Priority.RESOLVE: 0.99,
    Priority.PLACE: 0.92,
    Priority.RECONCILE: 0.8,
    Priority.POLL: 0.7,
}
"""Of the plan, at the beginning of a window. What is kept from reads for orders is given to the reads as the window passes."""

LONELY_CEILINGS: Ceilings = {
    Priority.CANCEL: 1.0,
    Priority.RESOLVE: 1.0,
    Priority.PLACE: 0.6,
    Priority.RECONCILE: 0.3,
    Priority.POLL: 0.2,
}
"""Of the fall-back: it is little, and lasts only until there is an owner again."""

RAIN = 0.5
"""The part of every plan that is left in rain mode."""

GUARD_MS = 250
"""How far the venue may take a call from the moment that we think it is: half a round trip of uncertainty and the way there. A call this near to the
turn of a window counts on both sides of it. A fortieth of the window where that is less."""

RISE_STEPS = 50
"""How often in a window it is worth looking whether a ceiling has risen enough."""

_WINDOWS_KEPT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What somebody may use of a limit. plan: of the limit, by calls of every kind; everybody: of the limit, by all together as far as is known.

    rises: whether reads may use what is left as the window passes.
    """

    plan: float = PLAN
    everybody: float = PLAN
    at_least: int = 1
    ceilings: Ceilings = field(default_factory=lambda: CEILINGS)
    rises: bool = True


class _Count:
    __slots__ = ("cancels", "everybody", "ours", "own")

    def __init__(self) -> None:
        self.ours = 0  # of this budget: what was called here, and what was lent
        self.own = 0  # of ours, what was called here
        self.everybody = 0
        self.cancels = 0  # of ours; what they may use above the plan they take there, and not from lookups and orders


class Bucket:
    """One limit, window by window. Counts of a window are kept when the clock goes back to it."""

    __slots__ = (
        "_asked_ms",
        "_coming",
        "_counts",
        "_extra",
        "_guard_ms",
        "_maxima",
        "_part",
        "_published",
        "_rain",
        "_span",
        "_window_ms",
        "declared",
        "limit",
    )

    def __init__(self, declared: Limit, part: Part) -> None:
        self.declared = declared
        self.limit = declared.limit  # never above what was declared or published; lower where a header says so
        self._published = declared.limit
        self._coming: tuple[int, int] | None = None  # from which window on, a higher limit
        self._part = part
        self._rain = False
        self._window_ms = declared.window_ms
        self._guard_ms = min(GUARD_MS, declared.window_ms // 40)
        self._asked_ms, self._span = -1, (0, 0)  # the answer to the last question, which is asked twice a call
        self._counts: dict[int, _Count] = {}
        self._maxima: list[tuple[int, int, int]] = []
        self._extra = 0
        self._reckon()

    def window(self, now_ms: int) -> int:
        return now_ms // self._window_ms

    def windows(self, now_ms: int) -> tuple[int, int]:
        """The first and the last window in which the venue may count a call made now: mostly one and the same."""
        if now_ms == self._asked_ms:
            return self._span
        self._asked_ms, self._span = now_ms, self._windows(now_ms)
        if self._coming is not None and self._span[0] >= self._coming[0]:
            self._hold(self._coming[1])
        return self._span

    def _windows(self, now_ms: int) -> tuple[int, int]:
        window = now_ms // self._window_ms
        phase = now_ms - window * self._window_ms
        if phase < self._guard_ms:
            return window - 1, window
        if phase >= self._window_ms - self._guard_ms:
            return window, window + 1
        return window, window

    def valid(self, now_ms: int) -> tuple[int, int]:
        """Until when (and from when) a call counts in exactly the windows of one made now."""
        first, last = self.windows(now_ms)
        if first != last:
            turn_ms = last * self._window_ms
            return turn_ms - self._guard_ms, turn_ms + self._guard_ms
        return first * self._window_ms + self._guard_ms, (first + 1) * self._window_ms - self._guard_ms

    def room(self, priority: Priority, now_ms: int) -> int:
        """How much weight still fits."""
        first, last = self.windows(now_ms)
        room = self._room_in(first, priority, now_ms)
        return room if first == last else min(room, self._room_in(last, priority, now_ms))

    def add(self, weight: int, priority: Priority, now_ms: int) -> None:
        """A call from here."""
        first, last = self.windows(now_ms)
        self._add(first, weight, priority, weight)
        if last != first:
            self._add(last, weight, priority, weight)

    def lend(self, weight: int, priority: Priority, now_ms: int) -> None:
        """For calls of others."""
        first, last = self.windows(now_ms)
        self._add(first, weight, priority, 0)
        if last != first:
            self._add(last, weight, priority, 0)

    def add_late(self, weight: int, *, granted_at_ms: int, now_ms: int) -> None:
        for window in range(
            max(self.windows(granted_at_ms)[1] + 1, self.windows(now_ms)[0]), self.windows(now_ms)[1] + 1
        ):
            self._add(window, weight, Priority.POLL, weight)

    def wait_ms(self, priority: Priority, weight: int, now_ms: int) -> int:
        """After how long it is worth asking again for what does not fit now."""
        window = now_ms // self._window_ms
        phase = now_ms - window * self._window_ms
        if phase < self._guard_ms and self._room_in(window, priority, now_ms) >= weight:
            return self._guard_ms - phase
        left_ms = self._window_ms - phase + self._guard_ms
        return min(left_ms, max(1, self._window_ms // RISE_STEPS)) if self._maxima[priority][2] else left_ms

    def raise_to(self, window: int, used: int) -> None:
        """At least so much was used in this window, by us as far as anybody knows."""
        count = self._count(window)
        count.ours = max(count.ours, used)
        count.everybody = max(count.everybody, used)

    def see(self, window: int, used: int) -> None:
        """The venue has counted so much in this window, whoever it was."""
        count = self._count(window)
        count.everybody = max(count.everybody, used)

    def lower(self, limit: int) -> None:
        """A header's word on the limit: a higher one than was declared or published is not believed, nor one below 1."""
        limit = min(self._published, limit)
        if limit != self.limit and limit > 0:
            self.limit = limit
            self._reckon()

    def adopt(self, published: Published, now_ms: int) -> None:
        """The venue's published limit: a lower one holds at once, a higher one from the window after its publication on, since parts of the
        window that runs were given out by the lower. Raises WrongLimit.
        """
        check_published(published, self.declared)
        if published.limit > self._published:
            self._coming = (self.window(published.at_ms) + 1, published.limit)
            self._asked_ms = -1
            self.windows(now_ms)
            return
        self._coming = None
        if published.limit < self._published:
            self._published = published.limit
            self.lower(min(self.limit, published.limit))

    def follow(self, other: "Bucket") -> None:
        """Whatever limit holds for another bucket of the same declaration, now or soon."""
        self._published, self._coming, self.limit = other._published, other._coming, other.limit  # noqa: SLF001 - a twin
        self._asked_ms = -1
        self._reckon()

    def rain(self, falling: bool) -> None:  # noqa: FBT001 - named by the method
        if falling is not self._rain:
            self._rain = falling
            self._reckon()

    def ours(self) -> dict[int, int]:
        """What was called here, lent, or used before, by window."""
        return {window: count.ours for window, count in self._counts.items() if count.ours}

    def own(self) -> dict[int, int]:
        """What was called here, by window."""
        return {window: count.own for window, count in self._counts.items() if count.own}

    def _hold(self, limit: int) -> None:
        self._published = self.limit = limit
        self._coming = None
        self._reckon()

    def used(self, now_ms: int) -> int:
        count = self._counts.get(now_ms // self._window_ms)
        return 0 if count is None else count.everybody

    def _room_in(self, window: int, priority: Priority, now_ms: int) -> int:
        own_max, all_max, rise = self._maxima[priority]
        if rise:
            elapsed_ms = min(max(now_ms - window * self._window_ms, 0), self._window_ms)
            own_max += rise * elapsed_ms // self._window_ms
        count = self._counts.get(window)
        if count is None:
            return own_max
        room = min(own_max - count.ours, all_max - count.everybody)
        # A cancel is 0; for all others the cancels above the plan are not there.
        return room + min(count.cancels, self._extra) if priority and count.cancels else room

    def _add(self, window: int, weight: int, priority: Priority, own: int) -> None:
        count = self._counts.get(window) or self._count(window)
        count.ours += weight
        count.own += own
        count.everybody += weight
        if not priority:
            count.cancels += weight

    def _count(self, window: int) -> _Count:
        count = self._counts.get(window)
        if count is None:
            count = self._counts[window] = _Count()
            while len(self._counts) > _WINDOWS_KEPT:
                del self._counts[min(self._counts)]
        return count

    def _reckon(self) -> None:
        """For each priority, how much it may use up to: of what is ours, and of what everybody used."""
        part, contested = self._part, self.declared.contested
        plan = part.plan * (RAIN if self._rain else 1.0)
        self._maxima = []
        self._extra = floor(self.limit * CANCEL_EXTRA) if contested else 0
        for priority in Priority:
            ceiling = part.ceilings[priority] if contested else 1.0
            top = max(ceiling, part.ceilings[Priority.PLACE]) if contested and part.rises else ceiling
            extra = self._extra if priority is Priority.CANCEL else 0
            own = max(part.at_least, floor(self.limit * plan * ceiling) + extra)
            everybody = max(part.at_least, floor(self.limit * part.everybody) + extra)
            rise = floor(self.limit * plan * top) - floor(self.limit * plan * ceiling)
            self._maxima.append((own, everybody, rise))


class Budget:
    """The buckets of one key or one address as one process may use them."""

    def __init__(self, buckets: Sequence[Bucket]) -> None:
        self._buckets = {bucket.declared.scope: bucket for bucket in buckets}

    def take(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        """Count the call and return 0; or count nothing and return after how many ms it is worth asking again."""
        buckets = self._buckets
        for scope, weight in weights.items():
            if buckets[scope].room(priority, now_ms) < weight:
                return self._wait_ms(weights, priority, now_ms)
        for scope, weight in weights.items():
            buckets[scope].add(weight, priority, now_ms)
        return 0

    def wait_ms(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        """As `take`, but nothing is counted."""
        buckets = self._buckets
        for scope, weight in weights.items():
            if buckets[scope].room(priority, now_ms) < weight:
                return self._wait_ms(weights, priority, now_ms)
        return 0

    def count(self, weights: Weights, priority: Priority, now_ms: int) -> None:
        """A call for which `wait_ms` has just said 0."""
        buckets = self._buckets
        for scope, weight in weights.items():
            buckets[scope].add(weight, priority, now_ms)

    def charge(self, weights: Weights, *, granted_at_ms: int, now_ms: int) -> None:
        """A call that was taken then goes out now: it counts in the window that runs, if it does not already, whether there is room or not."""
        for scope, weight in weights.items():
            self._buckets[scope].add_late(weight, granted_at_ms=granted_at_ms, now_ms=now_ms)

    def observe(self, usage: Usage, *, sent_at_ms: int, now_ms: int) -> None:
        """Correct the count by what an answer says, upward only. An answer that comes back in another window than its request says nothing sure."""
        bucket = self._buckets.get(usage.scope)
        if bucket is None or bucket.window(sent_at_ms) != bucket.window(now_ms):
            return
        bucket.lower(usage.limit)
        bucket.see(bucket.window(now_ms), usage.used)

    def adopt(self, published: Published, now_ms: int) -> None:
        """See Bucket.adopt. Raises WrongLimit."""
        bucket = self._buckets.get(published.scope)
        if bucket is None:
            check_published(published, None)
        else:
            bucket.adopt(published, now_ms)

    def rain(self, falling: bool) -> None:  # noqa: FBT001 - named by the method
        for bucket in self._buckets.values():
            bucket.rain(falling)

    def used(self, scope: Scope, now_ms: int) -> tuple[int, int]:
        """(used by everybody as far as we know, limit) of the window at now_ms, for metrics."""
        bucket = self._buckets[scope]
        return bucket.used(now_ms), bucket.limit

    def bucket(self, scope: Scope) -> Bucket:
        return self._buckets[scope]

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return tuple(self._buckets)

    def _wait_ms(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        return max(
            bucket.wait_ms(priority, weight, now_ms)
            for scope, weight in weights.items()
            if (bucket := self._buckets[scope]).room(priority, now_ms) < weight
        )


def divided(limits: Sequence[Limit], *, shares: Mapping[Scope, float]) -> Budget:
    """For processes that do not speak to each other. shares: this one's part of each bucket's plan, 0..1; a scope that is not named has all of it."""
    return Budget([Bucket(limit, Part(plan=PLAN * shares.get(limit.scope, 1.0))) for limit in limits])


def fallback(limits: Sequence[Limit], *, shares: Mapping[Scope, float]) -> Budget:
    """What this process may use while nobody owns the budget, on top of whatever an owner gave to anybody."""
    return Budget(
        [
            Bucket(
                limit,
                Part(
                    plan=FALLBACK * shares.get(limit.scope, 1.0),
                    everybody=1.0 - UNSPENT - CANCEL_EXTRA,
                    at_least=0,
                    ceilings=LONELY_CEILINGS,
                    rises=False,
                ),
            )
            for limit in limits
        ]
    )
