"""What the decision costs whether an order may go out now, in the process that owns the shared budget."""

import time

from bench.figures import Figures, spread
from ordergate.access.allowance import Allowance, Allowances
from ordergate.access.budget import Limit, Scope
from ordergate.access.limiter import Granted, Limiter
from ordergate.access.treasury import Treasury
from ordergate.ports.venue import Priority
from ordergate.runtime.clock import SystemClock
from ordergate.venues.zetarium.limits import PLACE

CALLS = 20_000
MICROSECONDS_MAX = 5.0
_MUCH = 1_000_000_000
_NS_PER_US = 1_000


class _ForEver:
    until = float("inf")


async def decision_figures() -> Figures:
    """us a call of Limiter.take for an order that counts in two buckets: p50, p99."""
    clock = SystemClock()
    limits = (
        Limit(scope=Scope.REQUESTS, limit=_MUCH, window_ms=60_000, contested=True),
        Limit(scope=Scope.ORDERS, limit=_MUCH, window_ms=60_000),
    )
    account = Allowance(limits, shares={}, monotonic=clock.monotonic, ask=lambda: None)
    account.own(Treasury(limits), _ForEver())
    limiter = Limiter(Allowances((account,)), clock=clock, now_ms=clock.now_ms)
    took = []
    for _ in range(CALLS):
        began = time.perf_counter_ns()
        granted = await limiter.take(PLACE, Priority.PLACE, deadline_seconds=1.0)
        took.append((time.perf_counter_ns() - began) / _NS_PER_US)
        if not isinstance(granted, Granted):
            raise TypeError("there was room for it")
    return spread(took)
