import pytest

from ordergate.access.budget import Limit, Scope
from ordergate.access.response import Response
from ordergate.access.session import Call
from ordergate.ports.venue import Priority
from ordergate.trading.errors import Unreadable
from ordergate.venues.binance.limits import NOT_SAID, published, read_usage, scopes_of

WEIGHT = Limit(scope=Scope.ADDRESS, limit=6_000, window_ms=60_000, per_address=True)
ORDERS = Limit(scope=Scope.ORDERS, limit=50, window_ms=10_000)
A_DAY = Limit(scope=Scope.ORDERS_LONG, limit=160_000, window_ms=86_400_000)
SCOPES = scopes_of([WEIGHT], [ORDERS, A_DAY])
CALL = Call(method="GET", path="/x", purpose="read", priority=Priority.POLL, weights={})


def used(**headers: str) -> dict[Scope, int]:
    names = {f"x-mbx-{name.replace('_', '-')}": value for name, value in headers.items()}
    found = read_usage(SCOPES)(CALL, Response(status=200, headers=names, body=b""))
    assert all(usage.limit == NOT_SAID for usage in found)
    return {usage.scope: usage.used for usage in found}


def test_each_header_speaks_of_the_bucket_with_its_window() -> None:
    assert used(used_weight_1m="77", order_count_10s="3", order_count_1d="900") == {
        Scope.ADDRESS: 77, Scope.ORDERS: 3, Scope.ORDERS_LONG: 900,
    }  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"used_weight": "7"}, {"used_weight_5m": "7"}, {"order_count_1h": "7"}, {"used_weight_1m": "many"},
        {"used_weight_1m": "-1"}, {"used_weight_1m": "9" * 30}, {"used_weight_1m": "٣"}, {"used_weight_0m": "7"},
    ],
)  # fmt: skip
def test_what_is_of_no_bucket_or_no_count_says_nothing(headers: dict[str, str]) -> None:
    assert used(**headers) == {}


def exchange_info(*limits: tuple[str, str, object, object]) -> dict[str, object]:
    names = ("rateLimitType", "interval", "intervalNum", "limit")
    return {
        "serverTime": 1_700_000_000_000,
        "symbols": [],
        "rateLimits": [dict(zip(names, row, strict=True)) for row in limits],
    }


def test_limits_are_read_from_the_exchange() -> None:
    found = published(
        exchange_info(
            ("REQUEST_WEIGHT", "MINUTE", 1, 1200),
            ("ORDERS", "SECOND", 10, 100),
            ("ORDERS", "DAY", 1, 200000),
            ("RAW_REQUESTS", "MINUTE", 5, 61000),
            ("ORDERS", "MINUTE", 1, 9),
            ("NEW_KIND", "MONTH", 1, 9),
        ),
        SCOPES,
    )
    assert {(each.scope, each.limit, each.window_ms, each.at_ms) for each in found} == {
        (Scope.ADDRESS, 1_200, 60_000, 1_700_000_000_000),
        (Scope.ORDERS, 100, 10_000, 1_700_000_000_000),
        (Scope.ORDERS_LONG, 200_000, 86_400_000, 1_700_000_000_000),
    }


@pytest.mark.parametrize(
    "document",
    [{}, [], exchange_info(("ORDERS", "SECOND", "ten", 1)), exchange_info(("ORDERS", "SECOND", 10, None))],
)
def test_limits_that_cannot_be_read_are_none(document: object) -> None:
    with pytest.raises(Unreadable):
        published(document, SCOPES)
