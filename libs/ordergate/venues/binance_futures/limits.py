"""What each call of Binance USD-M futures counts, and the limits. Weight is counted by address, orders by account in two windows.

The limits are those of the venue's documentation; what it really allows stands in exchangeInfo and may be set in the configuration. That the order endpoints
weigh nothing is documented.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ordergate.access.budget import Limit, Scope, Weights
from ordergate.venues.binance import limits as binance

MINUTE_MS, TEN_SECONDS_MS = 60_000, 10_000
ALL_OPEN_WEIGHT = 40
"""Of each of the two lists of open orders, where no symbol is named."""

WEIGHT = Limit(
    scope=Scope.REQUESTS,
    limit=2_400,
    window_ms=MINUTE_MS,
    contested=True,
    per_address=True,
    heaviest=ALL_OPEN_WEIGHT,
)
ORDERS = Limit(scope=Scope.ORDERS, limit=300, window_ms=TEN_SECONDS_MS, heaviest=5)
ORDERS_LONG = Limit(scope=Scope.ORDERS_LONG, limit=1_200, window_ms=MINUTE_MS)
LIMITS = (WEIGHT, ORDERS, ORDERS_LONG)

PLACE: Weights = MappingProxyType({Scope.ORDERS: 1, Scope.ORDERS_LONG: 1})
MODIFY: Weights = PLACE
BATCH: Weights = MappingProxyType({Scope.ORDERS: 5, Scope.ORDERS_LONG: 1, Scope.REQUESTS: 5})


def weighing(weight: int) -> Weights:
    return MappingProxyType({Scope.REQUESTS: weight})


LIGHT = weighing(1)
ALL_OPEN = weighing(ALL_OPEN_WEIGHT)
MEDIUM = weighing(5)
HEAVY = weighing(10)
POSITION_MODE = weighing(30)


def shares(*, requests: float) -> Mapping[Scope, float]:
    """Orders are one process's alone."""
    return {Scope.REQUESTS: requests}


SCOPES = binance.scopes_of((WEIGHT,), (ORDERS, ORDERS_LONG))
read_usage = binance.read_usage(SCOPES)
