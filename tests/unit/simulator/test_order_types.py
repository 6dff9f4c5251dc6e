"""Stop and take-profit orders: when they wait, when they go, and as what."""

from __future__ import annotations

import pytest

from ordergate.simulator.orders import Status
from tests.unit.simulator.desk import Desk


@pytest.mark.parametrize(
    ("kind", "side", "stop", "not_yet", "reached"),
    [
        ("STOP_MARKET", "BUY", "102", "101.9", "102"),
        ("STOP_MARKET", "SELL", "98", "98.1", "98"),
        ("TAKE_PROFIT_MARKET", "BUY", "98", "98.1", "97"),
        ("TAKE_PROFIT_MARKET", "SELL", "102", "101.9", "103"),
    ],
)
def test_order_waits_until_the_mark_price_reaches_its_stop_price(
    kind: str, side: str, stop: str, not_yet: str, reached: str
) -> None:
    desk = Desk()
    waiting = desk.place(side, "1", type=kind, stop=stop)
    assert waiting.status is Status.PENDING_NEW
    desk.price(not_yet)
    assert waiting.status is Status.PENDING_NEW
    # Liquidity beyond the price, so that it still stands there when the order goes.
    desk.place("SELL" if side == "BUY" else "BUY", "1", account="other", price="105" if side == "BUY" else "95")
    desk.price(reached)
    assert (waiting.status, waiting.executed) == (Status.FILLED, 1000)


@pytest.mark.parametrize(("kind", "side", "stop"), [("STOP", "BUY", "102"), ("TAKE_PROFIT", "SELL", "102")])
def test_triggered_limit_kind_rests_at_its_price(kind: str, side: str, stop: str) -> None:
    desk = Desk()
    price = "101" if side == "BUY" else "103"
    waiting = desk.place(side, "1", type=kind, stop=stop, price=price)
    desk.price("102")
    assert (waiting.status, waiting.executed) == (Status.NEW, 0)
    desk.place("SELL" if side == "BUY" else "BUY", "0.4", account="other", price=price)
    assert (waiting.status, waiting.executed) == (Status.PARTIALLY_FILLED, 400)


@pytest.mark.parametrize(
    ("kind", "side", "stop"),
    [
        ("STOP_MARKET", "BUY", "100"),
        ("STOP_MARKET", "SELL", "100"),
        ("TAKE_PROFIT_MARKET", "BUY", "100"),
        ("TAKE_PROFIT_MARKET", "SELL", "100"),
    ],
)
def test_order_that_would_trigger_at_once_is_refused(kind: str, side: str, stop: str) -> None:
    assert Desk().refused(side, "1", type=kind, stop=stop) == "WOULD_TRIGGER_IMMEDIATELY"


def test_triggered_market_kind_without_liquidity_ends_canceled() -> None:
    desk = Desk()
    waiting = desk.place("BUY", "1", type="STOP_MARKET", stop="102")
    desk.price("103")
    assert (waiting.status, waiting.executed) == (Status.CANCELED, 0)


def test_waiting_order_can_be_canceled_and_then_never_triggers() -> None:
    desk = Desk()
    waiting = desk.place("BUY", "1", type="STOP_MARKET", stop="102")
    desk.cancel(waiting)
    desk.place("SELL", "1", account="other", price="105")
    desk.price("103")
    assert (waiting.status, waiting.executed) == (Status.CANCELED, 0)


def test_one_trigger_sets_off_the_next_by_the_price_it_trades_at() -> None:
    desk = Desk()
    desk.place("SELL", "1", account="other", price="104")
    desk.place("SELL", "1", account="other", price="106")
    first = desk.place("BUY", "1", type="STOP_MARKET", stop="102")
    second = desk.place("BUY", "1", type="STOP_MARKET", stop="104")
    desk.price("102")
    assert (first.status, second.status) == (Status.FILLED, Status.FILLED)
    assert desk.fills() == [("104.0", "1.000", False), ("106.0", "1.000", False)]
