"""What each call of Binance Spot counts, and the limits. Weight is counted by address, orders by account in two windows.

The limits are those of the documentation, and only the start: what holds is read from exchangeInfo. The exchange charges no weight for an order or a cancel
that succeeds (CHANGELOG 2026-04-02); it is counted here all the same, because nobody knows beforehand, and orders run out long before weight does.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ordergate.access.budget import Limit, Scope, Weights
from ordergate.venues.binance import limits as binance

MINUTE_MS, TEN_SECONDS_MS, DAY_MS = 60_000, 10_000, 86_400_000
ALL_OPEN_WEIGHT = 80

WEIGHT = Limit(
    scope=Scope.REQUESTS,
    limit=6_000,
    window_ms=MINUTE_MS,
    contested=True,
    per_address=True,
    heaviest=ALL_OPEN_WEIGHT,
)
ORDERS = Limit(scope=Scope.ORDERS, limit=50, window_ms=TEN_SECONDS_MS, heaviest=3)
ORDERS_A_DAY = Limit(scope=Scope.ORDERS_LONG, limit=160_000, window_ms=DAY_MS, heaviest=3)
LIMITS = (WEIGHT, ORDERS, ORDERS_A_DAY)
SCOPES = binance.scopes_of((WEIGHT,), (ORDERS, ORDERS_A_DAY))


def weighing(weight: int) -> Weights:
    return MappingProxyType({Scope.REQUESTS: weight})


def ordering(orders: int) -> Weights:
    """A list of orders counts each of them."""
    return MappingProxyType({Scope.ORDERS: orders, Scope.ORDERS_LONG: orders, Scope.REQUESTS: 1})


PLACE = ordering(1)
LIGHT = weighing(1)
PRICES = weighing(4)
ORDER = weighing(4)
AMEND = weighing(4)
OPEN_OF_SYMBOL = weighing(6)
OPEN_OF_ALL = weighing(ALL_OPEN_WEIGHT)
HEAVY = weighing(20)
"""Trades, the account, exchangeInfo."""


def shares(*, requests: float) -> Mapping[Scope, float]:
    """Orders are one process's alone."""
    return {Scope.REQUESTS: requests}


read_usage = binance.read_usage(SCOPES)
