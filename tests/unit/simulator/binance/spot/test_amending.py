"""Amend keep priority: less quantity, the same place (order_amend_keep_priority.md)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.simulator.binance.spot.desk import BTC, NOW, SpotDesk, weight
from tests.unit.simulator.binance.spot.test_lists import OTO, SELL_OCO


def _amend(desk: SpotDesk, order: int, quantity: str, **more: Any) -> Any:
    return desk.do("amend", symbol="BTCUSDT", orderId=order, newQty=quantity, **more)


def test_row_is_spelled_as_documented() -> None:
    desk = SpotDesk()
    order = desk.place("SELL", "6", "110", newClientOrderId="old")["orderId"]
    row = _amend(desk, order, "5", newClientOrderId="new")
    assert row["amendedOrder"] == {
        "symbol": "BTCUSDT",
        "orderId": order,
        "orderListId": -1,
        "origClientOrderId": "old",
        "clientOrderId": "new",
        "price": "110.00000000",
        "qty": "5.00000000",
        "executedQty": "0.00000000",
        "preventedQty": "0.00000000",
        "quoteOrderQty": "0.00000000",
        "cumulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "SELL",
        "workingTime": NOW,
        "selfTradePreventionMode": "NONE",
    }
    assert (row["transactTime"], row["executionId"]) == (NOW, desk.reports(order)[-1]["I"])
    assert desk.told(order)[-1] == ("REPLACED", "NEW")
    assert desk.money("BTC")[1] == Decimal(5)


def test_place_in_the_queue_is_kept() -> None:
    desk = SpotDesk()
    first = desk.place("SELL", "2", "100")["orderId"]
    second = desk.place("SELL", "1", "100")["orderId"]
    _amend(desk, first, "1")
    desk.place("BUY", "1", "100", account="other")
    assert [desk.status(first), desk.status(second)] == ["FILLED", "NEW"]


def test_order_is_found_under_its_new_id_only() -> None:
    desk = SpotDesk()
    order = desk.place("SELL", "2", "110", newClientOrderId="old")["orderId"]
    _amend(desk, order, "1", newClientOrderId="new")
    assert desk.do("queryOrder", symbol="BTCUSDT", origClientOrderId="new")["orderId"] == order
    assert desk.refused("queryOrder", symbol="BTCUSDT", origClientOrderId="old")[0] == -2013


def test_id_may_stay_and_is_invented_otherwise() -> None:
    desk = SpotDesk()
    order = desk.place("SELL", "3", "110", newClientOrderId="old")["orderId"]
    assert _amend(desk, order, "2", newClientOrderId="old")["amendedOrder"]["clientOrderId"] == "old"
    assert _amend(desk, order, "1")["amendedOrder"]["clientOrderId"] != "old"


@pytest.mark.parametrize(
    ("quantity", "refusal"),
    [
        ("2", (-2038, "The requested action would change no state; rejecting.")),
        ("3", (-2038, "Order amend (quantity increase) is not supported.")),
        ("1.0005", (-1013, "Filter failure: LOT_SIZE")),
        ("0.01", (-1013, "Filter failure: NOTIONAL")),
    ],
)
def test_refused_amendment_changes_nothing(quantity: str, refusal: tuple[int, str]) -> None:
    desk = SpotDesk()
    order = desk.place("SELL", "2", "110")["orderId"]
    assert desk.refused("amend", symbol="BTCUSDT", orderId=order, newQty=quantity) == refusal
    assert desk.query(order)["origQty"] == "2.00000000"
    assert len(desk.reports(order)) == 1


def test_amendments_are_counted_and_listed() -> None:
    desk = SpotDesk(symbols=[{**BTC, "filters": {"MAX_NUM_ORDER_AMENDS": {"maxNumOrderAmends": 2}}}])
    order = desk.place("SELL", "5", "110")["orderId"]
    ids = [_amend(desk, order, quantity)["executionId"] for quantity in ("4", "3")]
    assert desk.refused("amend", symbol="BTCUSDT", orderId=order, newQty="2")[0] == -2038
    rows = desk.do("amendments", symbol="BTCUSDT", orderId=order)
    assert [(row["executionId"], row["origQty"], row["newQty"]) for row in rows] == [
        (ids[0], "5.00000000", "4.00000000"),
        (ids[1], "4.00000000", "3.00000000"),
    ]
    assert len(desk.do("amendments", symbol="BTCUSDT", orderId=order, fromExecutionId=ids[1])) == 1


def test_amendment_to_what_was_executed_ends_the_order_and_only_that_is_free() -> None:
    desk = SpotDesk()
    order = desk.place("SELL", "5", "110")["orderId"]
    desk.place("BUY", "2", "110", account="other")
    assert weight("amend", _amend(desk, order, "4")) == 4
    row = _amend(desk, order, "2")
    assert (row["amendedOrder"]["status"], weight("amend", row)) == ("EXPIRED", 0)
    assert desk.money("BTC")[1] == 0


def test_both_legs_of_a_pair_shrink_and_the_list_is_updated() -> None:
    desk = SpotDesk()
    stop, gain = [order["orderId"] for order in desk.do("oco", **SELL_OCO)["orders"]]
    row = _amend(desk, gain, "0.5", newClientOrderId="less")
    assert [order["clientOrderId"] for order in row["listStatus"]["orders"]][1] == "less"
    assert desk.query(stop)["origQty"] == "0.50000000"
    assert desk.money("BTC")[1] == Decimal("0.5")
    assert [event.payload["l"] for event in desk.events if event.kind == "listStatus"] == ["EXEC_STARTED", "UPDATED"]


def test_orders_of_an_oto_shrink_one_by_one() -> None:
    desk = SpotDesk()
    working, pending = [order["orderId"] for order in desk.do("oto", **OTO)["orders"]]
    _amend(desk, pending, "0.5")
    assert (desk.query(working)["origQty"], desk.query(pending)["status"]) == ("1.00000000", "PENDING_NEW")
