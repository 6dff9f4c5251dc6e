"""What each call of ZetariumDex counts, the limits, and how the processes of one address divide its unsigned calls.

The limits are documented; that windows are aligned to the exchange's minute, and which bucket the headers speak of, is assumed.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ordergate.access.budget import Limit, Scope, Usage, Weights
from ordergate.access.response import Response
from ordergate.access.session import Call

MINUTE_MS = 60_000


LIMITS = (
    Limit(scope=Scope.REQUESTS, limit=1_000, window_ms=MINUTE_MS, contested=True),
    Limit(scope=Scope.ORDERS, limit=300, window_ms=MINUTE_MS),
    Limit(scope=Scope.BATCH, limit=100, window_ms=MINUTE_MS),
    Limit(scope=Scope.CLOSE, limit=300, window_ms=MINUTE_MS),
    Limit(scope=Scope.ADDRESS, limit=1_000, window_ms=MINUTE_MS, per_address=True),
)

READ: Weights = MappingProxyType({Scope.REQUESTS: 1})
CANCEL: Weights = READ
PLACE: Weights = MappingProxyType({Scope.ORDERS: 1, Scope.REQUESTS: 1})
BATCH: Weights = MappingProxyType({Scope.BATCH: 1, Scope.REQUESTS: 1})
CLOSE: Weights = MappingProxyType({Scope.CLOSE: 1, Scope.REQUESTS: 1})
PUBLIC: Weights = MappingProxyType({Scope.ADDRESS: 1})

ADDRESS_SHARE = 0.2
"""Unsigned calls: five services on one address divide its limit evenly."""


def shares(*, requests: float) -> Mapping[Scope, float]:
    """Orders, batches and closes are one process's alone."""
    return {Scope.REQUESTS: requests, Scope.ADDRESS: ADDRESS_SHARE}


def read_usage(call: Call, response: Response) -> tuple[Usage, ...]:
    """The headers x-ratelimit-limit and -remaining speak of the narrowest bucket that the call counts in: the one named first in its weights."""
    limit, remaining = response.headers.get("x-ratelimit-limit", ""), response.headers.get("x-ratelimit-remaining", "")
    if not _is_count(limit) or not _is_count(remaining) or int(limit) == 0:
        return ()
    return (Usage(scope=next(iter(call.weights)), limit=int(limit), used=max(0, int(limit) - int(remaining))),)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len("1000000000")
