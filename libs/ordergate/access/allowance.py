"""What one process may use of one shared budget at this moment: all of it if it owns it, else what it leased, else its part of the fall-back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ordergate.access.budget import Bucket, Limit, Part, Published, Scope, Usage, Weights, check_published, fallback
from ordergate.access.treasury import Lease, Purse, Seen, Treasury, Windowed, Wish
from ordergate.ports.venue import Priority

ASKING_MS = 1_000
"""How long a call waits for the answer of the owner before it looks again by itself; the answer comes sooner, or nobody is there."""

AWAY_MS = 500
"""How long the owner is taken to be away after it did not answer."""

_KEPT = 6


class Tenure(Protocol):
    """Until when this process owns the budget, in monotonic seconds: below what the lease on the ownership promises."""

    @property
    def until(self) -> float: ...


class Allowance:
    """One account's buckets, or one address's. ask: somebody waits for a lease. shares: this process's part of the fall-back and of what may lie
    unspent, by scope. monotonic: seconds. note_alone: something was spent of the fall-back; its successor must know.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        *,
        shares: Mapping[Scope, float],
        monotonic: Callable[[], float],
        ask: Callable[[], None],
        note_alone: Callable[[], None] = lambda: None,
    ) -> None:
        self.limits = tuple(limits)
        self._monotonic = monotonic
        self._ask = ask
        self._note_alone = note_alone
        self._fallback = fallback(limits, shares=shares)
        self._purse = Purse(limits, shares=shares)
        self._treasury: Treasury | None = None
        self._tenure: Tenure | None = None
        self._away_until = 0.0
        self._later: dict[tuple[Scope, Priority], int] = {}
        self._windows = {limit.scope: limit.window_ms for limit in limits}
        self._spent: dict[tuple[Scope, int], int] = {}
        self._seen: dict[Scope, Seen] = {}

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return tuple(self._windows)

    # As access.limiter.Budget.

    def take(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        treasury = self.treasury
        if treasury is not None:
            return treasury.take(weights, priority, now_ms)  # which knows what was called here
        wait_ms = self._take_without_owning(weights, priority, now_ms)
        if not wait_ms:
            self._note_spent(weights, now_ms)
        return wait_ms

    def wait_ms(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        """Whether, as far as can be told without taking, `take` would say yes (0); for a call that needs more than one allowance."""
        treasury = self.treasury
        if treasury is not None:
            return treasury.wait_ms(weights, priority, now_ms)
        if self._purse.has(weights, priority, now_ms):
            return 0
        if self.is_alone:
            return min(self._fallback.wait_ms(weights, priority, now_ms), self._away_left_ms())
        return self._wait_for_lease(weights, priority, now_ms)

    def charge(self, weights: Weights, *, granted_at_ms: int, now_ms: int) -> None:
        treasury = self.treasury
        if treasury is not None:
            treasury.charge(weights, granted_at_ms=granted_at_ms, now_ms=now_ms)
            return
        self._fallback.charge(weights, granted_at_ms=granted_at_ms, now_ms=now_ms)
        for scope, weight in weights.items():
            if now_ms // self._windows[scope] != granted_at_ms // self._windows[scope]:
                self._note_spent({scope: weight}, now_ms)

    def observe(self, usage: Usage, *, sent_at_ms: int, now_ms: int) -> None:
        window_ms = self._windows.get(usage.scope)
        if window_ms is None:
            return
        if self._treasury is not None:
            self._treasury.observe(usage, sent_at_ms=sent_at_ms, now_ms=now_ms)
        self._fallback.observe(usage, sent_at_ms=sent_at_ms, now_ms=now_ms)
        window = now_ms // window_ms
        if sent_at_ms // window_ms == window:
            known = self._seen.get(usage.scope)
            used = max(usage.used, known.used) if known is not None and known.window == window else usage.used
            self._seen[usage.scope] = Seen(scope=usage.scope, window=window, used=used, limit=usage.limit)

    def used(self, scope: Scope, now_ms: int) -> tuple[int, int]:
        if self._treasury is not None:
            return self._treasury.used(scope, now_ms)
        window = now_ms // self._windows[scope]
        seen = self._seen.get(scope)
        by_all = seen.used if seen is not None and seen.window == window else 0
        return max(by_all, self._spent.get((scope, window), 0)), self._fallback.used(scope, now_ms)[1]

    def rain(self, falling: bool) -> None:  # noqa: FBT001 - named by the method
        self._fallback.rain(falling)
        if self._treasury is not None:
            self._treasury.rain(falling)

    def adopt(self, published: Published, now_ms: int) -> None:
        """A limit that the venue publishes. Raises WrongLimit; the one that holds then stands."""
        self._fallback.adopt(published, now_ms)
        if self._treasury is not None:
            self._treasury.adopt(published, now_ms)

    # Owning.

    @property
    def treasury(self) -> Treasury | None:
        """None unless this process owns the budget at this moment."""
        tenure = self._tenure
        return self._treasury if tenure is not None and self._monotonic() < tenure.until else None

    def own(self, treasury: Treasury, tenure: Tenure) -> None:
        self.disown()
        for scope in self.scopes:
            treasury.bucket(scope).follow(self._fallback.bucket(scope))
        self._treasury, self._tenure = treasury, tenure
        self._purse.clear()
        self._later.clear()

    def disown(self) -> None:
        for key, amount in self._called_as_owner().items():
            self._spent[key] = self._spent.get(key, 0) + amount
        self._forget_old()
        self._treasury = self._tenure = None

    def _called_as_owner(self) -> dict[tuple[Scope, int], int]:
        treasury = self._treasury
        if treasury is None:
            return {}
        return {
            (scope, window): amount for scope in self.scopes for window, amount in treasury.bucket(scope).own().items()
        }

    # Leasing.

    @property
    def is_alone(self) -> bool:
        return self._monotonic() < self._away_until

    def owner_is_away(self) -> None:
        self._away_until = self._monotonic() + AWAY_MS / 1_000

    def owner_is_back(self) -> None:
        self._away_until = 0.0

    def another_owner(self) -> None:
        """It may know more than the one before, and counts only what was spent."""
        self._purse.clear()
        self._later.clear()
        self._away_until = 0.0

    def receive(self, leases: Iterable[Lease], later: Mapping[tuple[Scope, Priority], int]) -> None:
        """The owner's answer. later: venue ms when asking again is worth it."""
        self._away_until = 0.0
        self._purse.add(leases)
        self._later = dict(later)

    def wishes(self, demand: Mapping[tuple[Scope, Priority], int], now_ms: int) -> list[Wish]:
        for scope in self.scopes:
            bucket = self._fallback.bucket(scope)
            bucket.windows(now_ms)
            self._purse.resize(scope, bucket.limit)
        asked = {
            (scope, priority): amount
            for (scope, priority), amount in demand.items()
            if scope in self._windows and self._later.get((scope, priority), 0) <= now_ms
        }
        return self._purse.wishes(asked, now_ms)

    def spent_and_held(self, now_ms: int) -> Windowed:
        """This process's word to a fresh owner: what it spent in the windows that may still run, and what it still holds."""
        found = dict(self._spent)
        for key, amount in self._called_as_owner().items():
            found[key] = found.get(key, 0) + amount
        for scope, window_ms in self._windows.items():
            held = self._purse.held(scope, now_ms)
            if held:
                key = scope, now_ms // window_ms
                found[key] = found.get(key, 0) + held
        return found

    def spent_alone(self) -> Windowed:
        """Of the fall-back, in the windows that may still run."""
        return {
            (scope, window): amount
            for scope in self.scopes
            for window, amount in self._fallback.bucket(scope).ours().items()
        }

    def begin_alone_with(self, used: Windowed) -> None:
        """What the process before this one spent of the fall-back: a start gives no second one."""
        for (scope, window), amount in used.items():
            if scope in self._windows:
                self._fallback.bucket(scope).raise_to(window, amount)

    def seen(self) -> tuple[Seen, ...]:
        return tuple(self._seen.values())

    def _take_without_owning(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        if self._purse.take(weights, priority, now_ms):
            return 0
        if self.is_alone:
            wait_ms = self._fallback.take(weights, priority, now_ms)
            if not wait_ms:
                self._note_alone()
            return min(wait_ms, self._away_left_ms())
        return self._wait_for_lease(weights, priority, now_ms)

    def _away_left_ms(self) -> int:
        return int((self._away_until - self._monotonic()) * 1_000) + 1

    def _wait_for_lease(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        at_ms = max((self._later.get((scope, priority), 0) for scope in weights), default=0)
        if at_ms > now_ms:
            return at_ms - now_ms
        self._ask()
        return ASKING_MS

    def _note_spent(self, weights: Weights, now_ms: int) -> None:
        spent = self._spent
        for scope, weight in weights.items():
            key = scope, now_ms // self._windows[scope]
            if key in spent:
                spent[key] += weight
            else:
                spent[key] = weight
                self._forget_old()

    def _forget_old(self) -> None:
        for scope in self._windows:
            windows = sorted(window for named, window in self._spent if named is scope)
            for window in windows[:-_KEPT]:
                del self._spent[scope, window]


class Allowances:
    """What a session's calls need: of the account, and of the address they leave from. A call gets all or nothing."""

    def __init__(self, allowances: Sequence[Allowance]) -> None:
        self._by_scope = {scope: allowance for allowance in allowances for scope in allowance.scopes}
        self._split: dict[int, tuple[Weights, tuple[tuple[Allowance, Weights], ...]]] = {}

    def take(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        parts = self._parts(weights)
        if len(parts) == 1:
            return parts[0][0].take(weights, priority, now_ms)
        owned = []
        for allowance, part in parts:
            treasury = allowance.treasury
            if treasury is None:
                return self._take_each(parts, priority, now_ms)
            wait_ms = treasury.wait_ms(part, priority, now_ms)
            if wait_ms:
                return wait_ms
            owned.append((treasury, part))
        for treasury, part in owned:
            treasury.count(part, priority, now_ms)
        return 0

    @staticmethod
    def _take_each(parts: Sequence[tuple[Allowance, Weights]], priority: Priority, now_ms: int) -> int:
        wait_ms = max(allowance.wait_ms(part, priority, now_ms) for allowance, part in parts)
        if not wait_ms:
            for allowance, part in parts:
                allowance.take(part, priority, now_ms)
        return wait_ms

    def charge(self, weights: Weights, *, granted_at_ms: int, now_ms: int) -> None:
        for allowance, part in self._parts(weights):
            allowance.charge(part, granted_at_ms=granted_at_ms, now_ms=now_ms)

    def observe(self, usage: Usage, *, sent_at_ms: int, now_ms: int) -> None:
        allowance = self._by_scope.get(usage.scope)
        if allowance is not None:
            allowance.observe(usage, sent_at_ms=sent_at_ms, now_ms=now_ms)

    def used(self, scope: Scope, now_ms: int) -> tuple[int, int]:
        return self._by_scope[scope].used(scope, now_ms)

    def adopt(self, published: Published, now_ms: int) -> None:
        allowance = self._by_scope.get(published.scope)
        if allowance is None:
            check_published(published, None)
        else:
            allowance.adopt(published, now_ms)

    def of(self, weights: Weights) -> tuple[Allowance, ...]:
        """Those in which a call of these weights counts."""
        return tuple(allowance for allowance, _ in self._parts(weights))

    def _parts(self, weights: Weights) -> tuple[tuple[Allowance, Weights], ...]:
        # Weights are a venue's constants, so their identity is worth remembering; the reference keeps it from being given to another.
        known = self._split.get(id(weights))
        if known is not None:
            return known[1]
        split: dict[Allowance, dict[Scope, int]] = {}
        for scope, weight in weights.items():
            split.setdefault(self._by_scope[scope], {})[scope] = weight
        parts = tuple(split.items())
        if len(self._split) < SPLITS_MAX:
            self._split[id(weights)] = weights, parts
        return parts


SPLITS_MAX = 256


def windows_of(limits: Sequence[Limit], weights: Weights, at_ms: int) -> dict[tuple[Scope, int], int]:
    """In which windows a call made about at_ms may have been counted."""
    by_scope = {limit.scope: limit for limit in limits}
    found = {}
    for scope, weight in weights.items():
        if scope in by_scope:
            for window in set(Bucket(by_scope[scope], Part()).windows(at_ms)):
                found[scope, window] = weight
    return found
