"""How long orders are good, and orders of one account that meet."""

from __future__ import annotations

import pytest

from ordergate.simulator.orders import Status
from tests.unit.simulator.binance.futures.floor import Floor


def _offered(*levels: tuple[str, str]) -> Floor:
    floor = Floor()
    for price, quantity in levels:
        floor.place("SELL", quantity, price, account="other")
    return floor


def test_immediate_or_cancel_trades_what_is_there_and_expires() -> None:
    floor = _offered(("100", "1"))
    order = floor.place("BUY", "3", "100", timeInForce="IOC")
    assert (order.status, order.executed, order.expiry) == (Status.EXPIRED, 1000, 2)
    assert floor.steps() == [("NEW", "NEW"), ("TRADE", "PARTIALLY_FILLED"), ("EXPIRED", "EXPIRED")]


def test_fill_or_kill_trades_all_or_is_not_even_recorded() -> None:
    floor = _offered(("100", "1"), ("100.5", "1"), ("101", "5"))
    assert floor.refused("BUY", "3", "100.5", timeInForce="FOK") == -5021
    assert floor.place("BUY", "2", "100.5", timeInForce="FOK").status is Status.FILLED


def test_post_only_rests_or_is_not_even_recorded() -> None:
    floor = _offered(("100", "1"))
    assert floor.refused("BUY", "1", "100", timeInForce="GTX") == -5022
    assert floor.place("BUY", "1", "99.9", timeInForce="GTX").status is Status.NEW


def test_good_till_date_expires_at_its_second() -> None:
    floor = Floor()
    till = floor.now_ms + 700_499
    order = floor.place("BUY", "1", "99", timeInForce="GTD", goodTillDate=till)
    assert order.good_till_ms == till // 1000 * 1000
    floor.exchange.advance(order.good_till_ms - 1)
    assert order.is_open
    floor.exchange.advance(order.good_till_ms)
    assert (order.status, order.updated_ms) == (Status.EXPIRED, order.good_till_ms)


def test_good_till_date_leaves_an_order_that_was_filled_alone() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99", timeInForce="GTD", goodTillDate=floor.now_ms + 601_000)
    assert floor.exchange.fill(order.id, floor.now_ms)
    floor.exchange.advance(floor.now_ms + 700_000)
    assert order.status is Status.FILLED


@pytest.mark.parametrize(
    ("mode", "taker", "maker", "traded"),
    [
        ("EXPIRE_MAKER", Status.FILLED, Status.EXPIRED_IN_MATCH, 1000),
        ("EXPIRE_TAKER", Status.EXPIRED_IN_MATCH, Status.NEW, 0),
        ("EXPIRE_BOTH", Status.EXPIRED_IN_MATCH, Status.EXPIRED_IN_MATCH, 0),
        ("NONE", Status.FILLED, Status.FILLED, 1000),
        (None, Status.FILLED, Status.EXPIRED_IN_MATCH, 1000),
    ],
)
def test_self_trade_ends_as_the_taker_says(mode: str | None, taker: Status, maker: Status, traded: int) -> None:
    floor = Floor()
    own = floor.place("SELL", "1", "100")
    floor.place("SELL", "1", "100", account="other")
    order = floor.place("BUY", "1", "100", selfTradePreventionMode=mode)
    assert (order.status, own.status, order.executed) == (taker, maker, traded)


def test_self_trade_prevention_says_so_in_the_event() -> None:
    floor = Floor()
    floor.place("SELL", "1", "100")
    floor.steps()
    floor.place("BUY", "1", "100", timeInForce="IOC", selfTradePreventionMode="EXPIRE_BOTH")
    ended = [event["o"] for event in floor.events("ORDER_TRADE_UPDATE") if event["o"]["X"] == "EXPIRED_IN_MATCH"]
    assert [(body["x"], body["er"], body["S"]) for body in ended] == [("EXPIRED", "1", "SELL"), ("EXPIRED", "3", "BUY")]
