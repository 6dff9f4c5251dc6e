"""Placing orders: what is taken, what is refused and with which code, and what an answer shows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ordergate.simulator.orders import Status
from tests.unit.simulator.binance.futures.floor import Floor
from tests.unit.simulator.desk import BTC


def test_limit_order_rests_and_is_found_by_either_id() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99", newClientOrderId="mine:1")
    by_id = floor.call("GET v1/order", symbol="BTCUSDT", orderId=order.id)
    assert by_id == floor.call("GET v1/order", symbol="BTCUSDT", origClientOrderId="mine:1")
    assert (by_id["status"], by_id["price"], by_id["origQty"], by_id["executedQty"]) == ("NEW", "99.0", "1.000", "0")
    assert floor.call("GET v1/openOrders") == [by_id]


def test_ack_shows_the_order_as_it_was_taken_and_result_as_it_ended() -> None:
    floor = Floor()
    floor.place("SELL", "3", "100", account="other")
    taken = floor.try_place("BUY", "1")
    ended = floor.try_place("BUY", "1", newOrderRespType="RESULT")
    assert isinstance(taken, dict)
    assert isinstance(ended, dict)
    assert (taken["status"], taken["executedQty"]) == ("NEW", "0")
    assert (ended["status"], ended["executedQty"], ended["cumQty"]) == ("FILLED", "1.000", "1.000")
    assert {"avgPrice", "cumQuote"}.isdisjoint(ended)
    found = floor.call("GET v1/order", symbol="BTCUSDT", orderId=ended["orderId"])
    assert (found["avgPrice"], found["cumQuote"]) == ("100.00000000", "100")


def test_market_order_expires_where_nobody_trades() -> None:
    floor = Floor()
    floor.place("SELL", "1", "100", account="other")
    order = floor.place("BUY", "3")
    assert (order.status, order.executed, order.expiry) == (Status.EXPIRED, 1000, 9)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": "0"}, -4003),
        ({"quantity": "-1"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "1001"}, -4005),
        ({"quantity": "lots"}, -1130),
        ({"quantity": None}, -1102),
        ({"price": None}, -1102),
        ({"price": "0"}, -4001),
        ({"price": "0.05"}, -4013),
        ({"price": "1001"}, -4002),
        ({"price": "99.05"}, -4014),
        ({"price": "99.051"}, -1111),
        ({"price": "110.1"}, -4016),
        ({"side": "SELL", "price": "89.9"}, -4024),
        ({"quantity": "0.01"}, -4164),
        ({"quantity": "1000"}, -2019),
        ({"side": "HOLD"}, -1117),
        ({"type": "LIMIT_MAKER"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "90"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"timeInForce": None}, -1102),
        ({"timeInForce": "FOREVER"}, -1115),
        ({"timeInForce": "GTD"}, -5040),
        ({"newClientOrderId": "a b"}, -4015),
        ({"newClientOrderId": "a" * 37}, -4015),
        ({"symbol": "DOGEUSDT"}, -1121),
        ({"positionSide": "LONG"}, -4061),
        ({"positionSide": "UP"}, -4060),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "maybe"}, -1130),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"selfTradePreventionMode": "DECREMENT"}, -5039),
        ({"priceMatch": "OPPONENT"}, -1106),
        ({"priceMatch": "BEST", "price": None}, -5037),
        ({"priceMatch": "QUEUE_20", "price": None}, -5041),
        ({"closePosition": "true"}, -4120),
    ],
)
def test_refusal_has_the_venues_code_and_keeps_nothing(fields: dict[str, Any], code: int) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "99"}
    floor = Floor()
    answer = floor.call("POST v1/order", **{**order, **fields})
    assert answer.code == code
    assert floor.exchange.accounts["main"].orders == []
    assert floor.told == []


def test_halted_symbol_takes_nothing() -> None:
    assert Floor(symbols=[{**BTC, "status": "HALT"}]).refused("BUY", "1", "99") == -4141


def test_market_order_has_neither_price_nor_time_in_force() -> None:
    floor = Floor()
    assert floor.refused("BUY", "1", "99", type="MARKET") == -1106
    assert floor.refused("BUY", "1", type="MARKET", timeInForce="GTC") == -1106


def test_market_order_above_its_own_lot_size_is_refused() -> None:
    assert Floor().refused("BUY", "121") == -4005


def test_market_order_against_a_far_price_is_refused() -> None:
    floor = Floor()
    floor.place("SELL", "1", "111", account="other")
    assert floor.refused("BUY", "1") == -4131


def test_open_orders_of_a_symbol_are_limited() -> None:
    floor = Floor(symbols=[{**BTC, "maxOpenOrders": 2}])
    for _ in range(2):
        floor.place("BUY", "1", "99")
    assert floor.refused("BUY", "1", "99") == -2025


def test_order_worth_more_than_a_position_may_be_is_refused() -> None:
    assert Floor(maxOrderNotional="1000").refused("BUY", "11", "99") == -2027


def test_account_without_money_is_told_of_its_balance() -> None:
    poor = [{"account": "main", "balance": "0"}, {"account": "other"}]
    assert Floor(accounts=poor).refused("BUY", "1", "99") == -2018


def test_client_id_is_taken_only_while_its_order_is_open() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99", newClientOrderId="mine")
    assert floor.refused("BUY", "1", "99", newClientOrderId="mine") == -4116
    assert floor.place("BUY", "1", "99", newClientOrderId="mine", account="other").is_open
    floor.call("DELETE v1/order", symbol="BTCUSDT", orderId=order.id)
    again = floor.place("BUY", "1", "99", newClientOrderId="mine")
    assert floor.call("GET v1/order", symbol="BTCUSDT", origClientOrderId="mine")["orderId"] == again.id


def test_client_id_may_be_taken_for_ever_or_never_where_a_test_wants_that() -> None:
    floor = Floor(clientIds="forever")
    floor.exchange.cancel(floor.place("BUY", "1", "99", newClientOrderId="mine"), floor.now_ms)
    assert floor.refused("BUY", "1", "99", newClientOrderId="mine") == -4116
    floor = Floor(clientIds="none")
    assert [floor.place("BUY", "1", "99", newClientOrderId="mine").is_open for _ in range(2)] == [True, True]


def test_order_test_judges_like_a_placement_and_places_nothing() -> None:
    floor = Floor()
    fields: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    fields["quantity"] = "1"
    assert floor.call("POST v1/order/test", **fields, price="99")["status"] == "NEW"
    assert floor.call("POST v1/order/test", **fields, price="99.05").code == -4014
    assert (floor.exchange.accounts["main"].orders, floor.told) == ([], [])


def test_price_may_be_taken_from_the_book() -> None:
    floor = Floor()
    for price in ("100.5", "101"):
        floor.place("SELL", "1", price, account="other")
    floor.place("BUY", "1", "99.5", account="other")
    assert floor.place("BUY", "0.1", priceMatch="QUEUE").price == 995
    taker = floor.place("BUY", "0.1", priceMatch="OPPONENT")
    assert (taker.price, taker.status) == (1005, Status.FILLED)


def test_filters_shown_are_the_filters_enforced() -> None:
    without = [{**BTC, "filters": {"MIN_NOTIONAL": None, "PERCENT_PRICE": None, "MAX_NUM_ORDERS": {"limit": 1}}}]
    floor = Floor(symbols=without)
    assert floor.place("BUY", "0.001", "50").is_open
    assert floor.refused("BUY", "0.001", "50") == -2025


def test_batch_answers_leg_by_leg() -> None:
    leg = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1}
    legs = [{**leg, "price": "99"}, {**leg, "price": "99.05"}, {**leg, "price": 98, "reduceOnly": False}]
    floor = Floor()
    rows = floor.call("POST v1/batchOrders", batchOrders=_json(legs))
    assert [row.get("status", row.get("code")) for row in rows] == ["NEW", -4014, "NEW"]
    ids = [row["orderId"] for row in rows if "orderId" in row]
    canceled = floor.call("DELETE v1/batchOrders", symbol="BTCUSDT", orderIdList=_json([*ids, 99]))
    assert [row.get("status", row.get("code")) for row in canceled] == ["CANCELED", "CANCELED", -2011]


@pytest.mark.parametrize(
    ("text", "code"), [("[]", -4082), ("{}", -1130), ("[1]", -1130), ("nonsense", -1130), (f"[{'1,' * 5}1]", -4082)]
)
def test_batch_that_is_none_is_refused_as_a_whole(text: str, code: int) -> None:
    assert Floor().call("POST v1/batchOrders", batchOrders=text).code == code


def test_batch_cancel_goes_by_client_ids_too() -> None:
    floor = Floor()
    floor.place("BUY", "1", "99", newClientOrderId="one")
    rows = floor.call("DELETE v1/batchOrders", symbol="BTCUSDT", origClientOrderIdList=_json(["one", "two"]))
    assert [row.get("status", row.get("code")) for row in rows] == ["CANCELED", -2011]
    assert floor.call("DELETE v1/batchOrders", symbol="BTCUSDT").code == -1102
    assert floor.call("DELETE v1/batchOrders", symbol="BTCUSDT", orderIdList="7").code == -1130
    assert floor.call("DELETE v1/batchOrders", symbol="BTCUSDT", orderIdList=_json(list(range(11)))).code == -4082


def test_cancel_of_what_is_not_open_is_refused_and_changes_nothing() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    answer = floor.call("DELETE v1/order", symbol="BTCUSDT", orderId=order.id)
    assert (answer["status"], answer["clientOrderId"]) == ("CANCELED", order.client_order_id)
    assert floor.call("DELETE v1/order", symbol="BTCUSDT", orderId=order.id).code == -2011
    assert floor.call("DELETE v1/order", symbol="BTCUSDT", origClientOrderId="nobody").code == -2011
    assert floor.call("DELETE v1/order", symbol="BTCUSDT").code == -1102
    assert floor.call("DELETE v1/order", symbol="BTCUSDT", orderId="x").code == -1130


def test_account_sees_and_cancels_no_orders_but_its_own() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99", account="other")
    assert floor.call("DELETE v1/order", symbol="BTCUSDT", orderId=order.id).code == -2011
    assert floor.call("GET v1/order", symbol="BTCUSDT", orderId=order.id).code == -2013


def test_cancel_all_takes_the_orders_of_one_symbol_and_leaves_conditional_ones() -> None:
    floor = Floor(symbols=[BTC, {**BTC, "symbol": "ETHUSDT"}])
    here = [floor.place("BUY", "1", price) for price in ("99", "98")]
    there = floor.call(
        "POST v1/order", symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="99"
    )
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="90")
    assert floor.call("DELETE v1/allOpenOrders", symbol="BTCUSDT")["code"] == 200
    assert {order.status for order in here} == {Status.CANCELED}
    assert floor.call("GET v1/openOrder", symbol="ETHUSDT", orderId=there["orderId"])["status"] == "NEW"
    assert floor.algo_status(algo) == "NEW"


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
