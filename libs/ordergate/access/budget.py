"""How many calls may still go out, as arithmetic: fixed windows of the venue, our share of them, and who goes first.

All times are the venue's milliseconds, because its windows turn with its clock. Nothing here waits or reads a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import floor

from ordergate.ports.venue import Priority


class Scope(StrEnum):
    """A bucket of the venue. A call may count in several."""

    REQUESTS = "requests"  # every signed call of the account
    ORDERS = "orders"
    BATCH = "batch"
    CLOSE = "close"
    ADDRESS = "address"  # unsigned calls


Weights = Mapping[Scope, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A venue's limit: `limit` in each window_ms. contested: cancels and lookups count here too, so a part is kept for them."""

    scope: Scope
    limit: int
    window_ms: int
    contested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a venue's answer says of one bucket: its limit and how much of it everybody has used."""

    scope: Scope
    limit: int
    used: int


PLAN = 0.8
"""The part of a limit that all processes together plan to use; the rest is for clocks that disagree, and for people."""

CEILINGS = {
    Priority.CANCEL: 1.0,
    Priority.RESOLVE: 0.95,
    Priority.PLACE: 0.85,
    Priority.RECONCILE: 0.75,
    Priority.POLL: 0.65,
}
"""The part of our share of a contested bucket that a call of this priority may use up to. What is above it is kept for its betters."""

CANCEL_EXTRA = 0.15
"""The part of a contested limit, above plan and share, that cancels alone may use."""

GUARD_MS = 20
"""We wait this much longer than the venue's window: its turn is known only to within half a round trip."""


@dataclass(slots=True)
class _Bucket:
    declared: Limit
    share: float
    limit: int  # never above the declared one; lower where the venue says so
    window: int = -1
    ours: int = 0  # used by this process in `window`
    everybody: int = 0  # at least this much was used by all together

    def turn(self, now_ms: int) -> None:
        window = now_ms // self.declared.window_ms
        if window > self.window:
            self.window, self.ours, self.everybody = window, 0, 0

    def has_room(self, weight: int, priority: Priority) -> bool:
        contested = self.declared.contested
        ceiling = CEILINGS[priority] if contested else 1.0
        extra = CANCEL_EXTRA if contested and priority is Priority.CANCEL else 0.0
        own_max = max(1, floor(self.limit * (PLAN * self.share * ceiling + extra)))
        all_max = max(1, floor(self.limit * (PLAN + extra)))
        return self.ours + weight <= own_max and self.everybody + weight <= all_max

    def next_turn_ms(self, now_ms: int) -> int:
        return (self.window + 1) * self.declared.window_ms - now_ms


class Budget:
    """The buckets of one key (or, for unsigned calls, one address) as this process may use them.

    shares: this process's part of each bucket's plan, 0..1; a scope that is not named has the whole plan.
    """

    def __init__(self, limits: Sequence[Limit], *, shares: Mapping[Scope, float]) -> None:
        self._buckets = {
            limit.scope: _Bucket(declared=limit, share=shares.get(limit.scope, 1.0), limit=limit.limit)
            for limit in limits
        }
        self._frozen_until_ms = 0

    def take(self, weights: Weights, priority: Priority, now_ms: int) -> int:
        """Count the call and return 0; or count nothing and return after how many ms it is worth asking again."""
        if now_ms < self._frozen_until_ms:
            return self._frozen_until_ms - now_ms
        wait_ms = 0
        for scope, weight in weights.items():
            bucket = self._buckets[scope]
            bucket.turn(now_ms)
            if not bucket.has_room(weight, priority):
                wait_ms = max(wait_ms, bucket.next_turn_ms(now_ms) + GUARD_MS)
        if wait_ms == 0:
            for scope, weight in weights.items():
                bucket = self._buckets[scope]
                bucket.ours += weight
                bucket.everybody += weight
        return wait_ms

    def observe(self, usage: Usage, *, sent_at_ms: int, now_ms: int) -> None:
        """Correct the count by what an answer says, upward only. An answer that comes back in another window than its request says nothing sure."""
        bucket = self._buckets.get(usage.scope)
        if bucket is None or sent_at_ms // bucket.declared.window_ms != now_ms // bucket.declared.window_ms:
            return
        bucket.turn(now_ms)
        bucket.limit = min(bucket.declared.limit, usage.limit)
        bucket.everybody = max(bucket.everybody, usage.used)

    def freeze(self, until_ms: int) -> None:
        """No call at all before `until_ms`. A shorter freeze does not end a longer one."""
        self._frozen_until_ms = max(self._frozen_until_ms, until_ms)

    @property
    def frozen_until_ms(self) -> int:
        return self._frozen_until_ms

    def used(self, scope: Scope, now_ms: int) -> tuple[int, int]:
        """(used by everybody as far as we know, limit) of the window at now_ms, for metrics."""
        bucket = replace(self._buckets[scope])
        bucket.turn(now_ms)
        return bucket.everybody, bucket.limit
