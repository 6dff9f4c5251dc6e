"""Every filter of a symbol, the notional cap, and the limit of open orders."""

from __future__ import annotations

from typing import Any

import pytest

from ordergate.simulator.orders import Status
from tests.unit.simulator.desk import BTC, Desk


@pytest.mark.parametrize(
    ("filter_name", "quantity", "fields"),
    [
        ("PRICE_FILTER", "1", {"price": "99.95"}),
        ("PRICE_FILTER", "1", {"price": "1000.1"}),
        ("PRICE_FILTER", "1", {"type": "STOP_MARKET", "stop": "101.05"}),
        ("LOT_SIZE", "0.0005", {"price": "99"}),
        ("LOT_SIZE", "1.0005", {"price": "99"}),
        ("LOT_SIZE", "1000.001", {"price": "99"}),
        ("MARKET_LOT_SIZE", "120.001", {}),
        ("MARKET_LOT_SIZE", "120.001", {"type": "STOP_MARKET", "stop": "101"}),
        ("MIN_NOTIONAL", "0.050", {"price": "99.9"}),
        ("MIN_NOTIONAL", "0.049", {}),
        ("PERCENT_PRICE", "1", {"price": "110.1"}),
        ("PERCENT_PRICE", "1", {"price": "89.9"}),
    ],
)
def test_filter_refuses_with_its_name(filter_name: str, quantity: str, fields: dict[str, Any]) -> None:
    assert Desk().refused("BUY", quantity, **fields) == f"FILTER_FAILURE {filter_name}"


@pytest.mark.parametrize(
    ("quantity", "price"), [("0.051", "99.9"), ("1", "110"), ("1", "90"), ("0.056", "90"), ("100", "90.1")]
)
def test_order_at_the_edge_of_the_filters_is_accepted(quantity: str, price: str) -> None:
    assert Desk().place("BUY", quantity, price=price).status is Status.NEW


def test_market_order_of_exactly_the_market_lot_size_is_accepted() -> None:
    assert Desk().place("BUY", "120").status is Status.CANCELED


def test_too_many_open_orders_are_refused_and_one_less_makes_room() -> None:
    desk = Desk()
    orders = [desk.place("BUY", "1", price="99") for _ in range(5)]
    assert desk.refused("BUY", "1", price="99") == "FILTER_FAILURE MAX_NUM_ORDERS"
    desk.cancel(orders[0])
    assert desk.place("BUY", "1", price="99").status is Status.NEW


def test_notional_above_the_cap_is_refused_with_its_reason() -> None:
    desk = Desk(maxOrderNotional="500")
    assert desk.refused("BUY", "5.001", price="100") == "RISK_REJECTED max_order_notional_exceeded"
    assert desk.refused("BUY", "5.001") == "RISK_REJECTED max_order_notional_exceeded"
    assert desk.place("BUY", "5", price="100").status is Status.NEW


def test_halted_symbol_takes_no_order() -> None:
    assert Desk(symbols=[{**BTC, "status": "HALT"}]).refused("BUY", "1", price="99") == "SYMBOL_HALTED"
