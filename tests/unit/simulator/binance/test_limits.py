"""How much an address and an account may do."""

from __future__ import annotations

from typing import Any

import pytest

from ordergate.simulator.binance.limits import BAN_MAX_MS, Limits, limits_of
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.config import BinanceLimitsConfig, DialectName

MINUTE = 60_000
NOON = 1_790_000_000_000 // MINUTE * MINUTE


def limits(dialect: DialectName = "binance-spot", **numbers: Any) -> Limits:
    config = BinanceLimitsConfig.model_validate(numbers)
    return Limits(limits_of(dialect, config), strikes_max=config.strikes, ban_ms=config.ban_ms)


def told(failure: Failure | None) -> tuple[int, int, int | None] | None:
    return None if failure is None else (failure.status, failure.code, failure.retry_after_seconds)


def weight(subject: Limits, now_ms: int = NOON) -> int:
    return subject.used(("REQUEST_WEIGHT",), address="a", account=None, now_ms=now_ms)[0][1]


def test_numbers_are_the_venues_unless_configured() -> None:
    spot = {(row.kind, row.suffix): row.limit for row in limits().limits}
    assert spot[("REQUEST_WEIGHT", "1M")] == 6000
    assert spot[("RAW_REQUESTS", "5M")] == 300_000
    futures = {(row.kind, row.suffix): row.limit for row in limits("binance-futures", weight1M=9).limits}
    assert futures == {("REQUEST_WEIGHT", "1M"): 9, ("ORDERS", "10S"): 300, ("ORDERS", "1M"): 1200}


def test_weight_is_of_an_address_and_its_minute() -> None:
    subject = limits(weight1M=10)
    assert subject.weigh("a", 10, NOON + 59_000) is None
    assert told(subject.weigh("a", 1, NOON + 59_001)) == (429, -1003, 1)
    assert subject.weigh("b", 10, NOON + 59_001) is None
    assert subject.weigh("a", 10, NOON + MINUTE) is None


def test_what_it_did_not_cost_is_given_back() -> None:
    subject = limits(weight1M=10)
    for _ in range(50):
        assert subject.weigh("a", 1, NOON) is None
        subject.give_back("a", 1, NOON)
    assert weight(subject) == 0


def test_raw_requests_count_whatever_they_weigh() -> None:
    subject = limits(rawRequests5M=2)
    assert [told(subject.weigh("a", 0, NOON)) for _ in range(3)][:2] == [None, None]
    assert told(subject.weigh("a", 0, NOON)) is not None


def test_who_goes_on_is_banned_and_longer_each_time() -> None:
    subject = limits(weight1M=1, strikes=3, banMs=120_000)
    now, spans = NOON, []
    for _ in range(13):
        subject.weigh("a", 1, now)
        while (failure := subject.weigh("a", 1, now)) is not None and failure.status == 429:
            pass
        assert failure is not None
        assert failure.status == 418
        spans.append((failure.retry_after_seconds or 0) * 1000)
        assert told(subject.weigh("a", 0, now + spans[-1] - 1)) == (418, -1003, 1)
        now += spans[-1]
        now += -now % MINUTE
    assert spans[:3] == [120_000, 240_000, 480_000]
    assert spans[-1] == BAN_MAX_MS


def test_who_waits_is_not_banned() -> None:
    subject = limits(weight1M=1, strikes=2)
    for minute in range(20):
        now = NOON + minute * MINUTE
        assert subject.weigh("a", 1, now) is None
        assert [told(subject.weigh("a", 1, now)) for _ in range(2)] == [(429, -1003, 60)] * 2


def test_orders_are_of_an_account_in_every_window() -> None:
    subject = limits(orders10S=2, orders1D=3)
    assert subject.count_orders("main", 2, NOON) is None
    assert told(subject.count_orders("main", 1, NOON + 4000)) == (429, -1015, 6)
    assert subject.count_orders("main", 1, NOON + 10_000) is None
    daily = subject.count_orders("main", 1, NOON + 10_000)
    assert daily is not None
    assert (daily.retry_after_seconds or 0) > 60
    assert subject.count_orders("other", 2, NOON) is None


def test_refused_order_is_not_counted() -> None:
    subject = limits(orders10S=2)
    assert subject.count_orders("main", 3, NOON) is not None
    assert subject.count_orders("main", 2, NOON) is None


@pytest.mark.parametrize(("maker", "left"), [(False, 2), (True, 1)])
def test_first_trade_of_an_order_makes_room(*, maker: bool, left: int) -> None:
    subject = limits()
    subject.count_orders("main", 3, NOON)
    subject.traded_first("main", NOON, maker=maker)
    counts = [count for _, count in subject.used(("ORDERS",), address="a", account="main", now_ms=NOON)]
    assert counts == [left, left]


def test_count_never_falls_below_zero() -> None:
    subject = limits()
    subject.traded_first("main", NOON, maker=True)
    assert [count for _, count in subject.used(("ORDERS",), address="a", account="main", now_ms=NOON)] == [0, 0]


def test_batch_may_count_differently_in_the_minute() -> None:
    subject = limits("binance-futures")
    subject.count_orders("main", 5, NOON, in_minute=1)
    used = {limit.suffix: count for limit, count in subject.used(("ORDERS",), address="a", account="main", now_ms=NOON)}
    assert used == {"10S": 5, "1M": 1}
