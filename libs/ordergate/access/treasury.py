"""One budget for several processes, as arithmetic: the treasury of the one that owns it, and the purses of those that lease from it.

A lease is a number of calls of one bucket, good for a span of the venue's time in which they count in the windows they were taken from. What is not
spent by then is gone: nobody gives anything back, so no message can be lost that would.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from ordergate.access.budget import UNSPENT, Bucket, Budget, Limit, Part, Scope, Weights
from ordergate.ports.venue import Priority

Windowed = Mapping[tuple[Scope, int], int]
"""Used, by bucket and number of the window (venue ms // window_ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """So much weight waits at a process."""

    scope: Scope
    priority: Priority
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """amount may be spent by calls of this priority or a better one, from from_ms until before until_ms by the venue's clock."""

    scope: Scope
    priority: Priority
    amount: int
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Nothing now. at_ms: when, by the venue's clock, it is worth asking again."""

    scope: Scope
    priority: Priority
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a process read in a header: at least `used` of `limit` were used in this window, by whomever."""

    scope: Scope
    window: int
    used: int
    limit: int


class Treasury(Budget):
    """The authoritative buckets of one account or one address. The owner takes from it at once, the others by lease."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        super().__init__([Bucket(limit, Part()) for limit in limits])

    def lease(self, wish: Wish, now_ms: int) -> Lease | Later:
        """As much of the wish as fits, at most the part of the limit that may lie unspent. A scope that is not here is refused for good."""
        if wish.scope not in self.scopes:
            return Later(scope=wish.scope, priority=wish.priority, at_ms=now_ms + UNKNOWN_SCOPE_MS)
        bucket = self.bucket(wish.scope)
        most = max(bucket.declared.heaviest, floor(UNSPENT * bucket.limit))
        amount = min(wish.amount, most, bucket.room(wish.priority, now_ms))
        if amount < 1:
            return Later(
                scope=wish.scope, priority=wish.priority, at_ms=now_ms + bucket.wait_ms(wish.priority, 1, now_ms)
            )
        bucket.lend(amount, wish.priority, now_ms)
        from_ms, until_ms = bucket.valid(now_ms)
        return Lease(scope=wish.scope, priority=wish.priority, amount=amount, from_ms=from_ms, until_ms=until_ms)

    def see(self, seen: Seen) -> None:
        """What a header told another process. A limit of 0 or below says nothing."""
        if seen.scope in self.scopes and seen.limit > 0:
            bucket = self.bucket(seen.scope)
            bucket.lower(seen.limit)
            bucket.see(seen.window, seen.used)

    def begin_with(self, used: Windowed) -> None:
        """What was used before this treasury was opened."""
        for (scope, window), amount in used.items():
            if scope in self.scopes:
                self.bucket(scope).raise_to(window, amount)


UNKNOWN_SCOPE_MS = 60_000


class Purse:
    """The leases of one process. share: its part of what may lie unspent, 0..1 by scope."""

    def __init__(self, limits: Sequence[Limit], *, shares: Mapping[Scope, float]) -> None:
        self._parts = {limit.scope: (limit.heaviest, UNSPENT * shares.get(limit.scope, 1.0)) for limit in limits}
        self._most: dict[Scope, int] = {}
        for limit in limits:
            self.resize(limit.scope, limit.limit)
        self._leases: list[Lease] = []

    def resize(self, scope: Scope, limit: int) -> None:
        """Another limit holds than was declared."""
        heaviest, part = self._parts[scope]
        self._most[scope] = max(heaviest, floor(part * limit))

    def add(self, leases: Iterable[Lease]) -> None:
        self._leases += leases

    def clear(self) -> None:
        """Another owner: it knows of what was spent, and of nothing else."""
        self._leases.clear()

    def take(self, weights: Weights, priority: Priority, now_ms: int) -> bool:
        """Spend, or spend nothing and say no. Of several leases the strictest goes first."""
        found = self._find(weights, priority, now_ms)
        if found is None:
            return False
        for lease, spent in found:
            self._spend(lease, spent)
        return True

    def has(self, weights: Weights, priority: Priority, now_ms: int) -> bool:
        """Whether `take` would say yes."""
        return self._find(weights, priority, now_ms) is not None

    def held(self, scope: Scope, now_ms: int) -> int:
        """What could still be spent, now or soon."""
        return sum(lease.amount for lease in self._leases if lease.scope is scope and now_ms < lease.until_ms)

    def wishes(self, demand: Mapping[tuple[Scope, Priority], int], now_ms: int) -> list[Wish]:
        """What to ask for, the best priority first, so that never more lies here than may."""
        self._leases = [lease for lease in self._leases if now_ms < lease.until_ms]
        room = {scope: most - self.held(scope, now_ms) for scope, most in self._most.items()}
        wishes = []
        for (scope, priority), waiting in sorted(demand.items(), key=lambda entry: entry[0][1]):
            held = sum(lease.amount for lease in self._usable(scope, priority, now_ms))
            # What lies here for calls of a better priority only must not keep this one waiting until it is worth nothing.
            amount = min(waiting - held, max(room.get(scope, 0), 0 if held else 1))
            if amount > 0:
                wishes.append(Wish(scope=scope, priority=priority, amount=amount))
                room[scope] -= amount
        return wishes

    def _find(self, weights: Weights, priority: Priority, now_ms: int) -> list[tuple[Lease, int]] | None:
        if not self._leases:
            return None
        found: list[tuple[Lease, int]] = []
        for scope, weight in weights.items():
            left = weight
            for lease in self._usable(scope, priority, now_ms):
                spent = min(left, lease.amount)
                found.append((lease, spent))
                left -= spent
                if not left:
                    break
            if left:
                return None
        return found

    def _usable(self, scope: Scope, priority: Priority, now_ms: int) -> list[Lease]:
        usable = [
            lease
            for lease in self._leases
            if lease.scope is scope and lease.priority >= priority and lease.from_ms <= now_ms < lease.until_ms
        ]
        usable.sort(key=lambda lease: lease.priority)
        return usable

    def _spend(self, lease: Lease, amount: int) -> None:
        number = self._leases.index(lease)
        if lease.amount == amount:
            del self._leases[number]
        else:
            self._leases[number] = Lease(
                scope=lease.scope,
                priority=lease.priority,
                amount=lease.amount - amount,
                from_ms=lease.from_ms,
                until_ms=lease.until_ms,
            )


class Stock:
    """What a fresh owner finds out about the windows that run, from three witnesses that each may know more than the others.

    Processes that live report what they have spent and hold; the records of requests know of those that died; the write-ahead knows of every order.
    Of the first two the larger counts, service by service.
    """

    def __init__(self) -> None:
        self._reported: dict[tuple[str, str], Windowed] = {}
        self._recorded: dict[tuple[str, Scope, int], int] = {}
        self._written_ahead: dict[tuple[Scope, int], int] = {}
        self._recorded_orders: dict[tuple[Scope, int], int] = {}

    def report(self, service: str, instance: str, used: Windowed) -> None:
        """A process's own word. Its last one counts."""
        self._reported[service, instance] = dict(used)

    def record(self, service: str, windows: Windowed, *, order: bool) -> None:
        """One request that went out. order: a write-ahead knows of it too."""
        for (scope, window), weight in windows.items():
            self._recorded[service, scope, window] = self._recorded.get((service, scope, window), 0) + weight
            if order:
                self._recorded_orders[scope, window] = self._recorded_orders.get((scope, window), 0) + weight

    def write_ahead(self, windows: Windowed) -> None:
        """One order that may have gone out."""
        for key, weight in windows.items():
            self._written_ahead[key] = self._written_ahead.get(key, 0) + weight

    def used(self) -> dict[tuple[Scope, int], int]:
        """An upper bound, but for what was never recorded by a process that died."""
        by_service: dict[tuple[str, Scope, int], int] = {}
        for (service, _), windows in self._reported.items():
            for (scope, window), amount in windows.items():
                by_service[service, scope, window] = by_service.get((service, scope, window), 0) + amount
        for name, amount in self._recorded.items():
            by_service[name] = max(by_service.get(name, 0), amount)
        total: dict[tuple[Scope, int], int] = {}
        for (_, scope, window), amount in by_service.items():
            total[scope, window] = total.get((scope, window), 0) + amount
        for key, written in self._written_ahead.items():
            unrecorded = max(0, written - self._recorded_orders.get(key, 0))
            total[key] = total.get(key, 0) + unrecorded
        return total
