"""Conditional orders: they wait apart, trigger into ordinary orders, and tell of each step."""

from __future__ import annotations

from typing import Any

import pytest

from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.orders import Status
from ordergate.simulator.sight import Sight
from tests.unit.simulator.binance.futures.floor import Floor
from tests.unit.simulator.desk import BTC

STOP: dict[str, Any] = {
    "algoType": "CONDITIONAL",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "quantity": "1",
}


def _wide(**changes: Any) -> Floor:
    """A market with liquidity on both sides."""
    floor = Floor(symbols=[{**BTC, "priceBandUp": "2", "priceBandDown": "0.5"}], **changes)
    floor.place("BUY", "50", "80", account="other")
    floor.place("SELL", "50", "120", account="other")
    return floor


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "quiet", "reached"),
    [
        ("SELL", "STOP_MARKET", "95", "95.1", "95"),
        ("BUY", "STOP_MARKET", "105", "104.9", "105"),
        ("SELL", "TAKE_PROFIT_MARKET", "105", "104.9", "105"),
        ("BUY", "TAKE_PROFIT_MARKET", "95", "95.1", "95"),
    ],
)
def test_it_triggers_when_its_price_is_reached(side: str, kind: str, trigger: str, quiet: str, reached: str) -> None:
    floor = _wide()
    algo = floor.algo(side, kind, triggerPrice=trigger)
    floor.price(quiet)
    assert floor.algo_status(algo) == "NEW"
    floor.price(reached)
    row = floor.call("GET v1/algoOrder", algoId=algo["algoId"])
    assert (row["algoStatus"], row["actualType"], row["actualQty"]) == ("FINISHED", "MARKET", "1.000")
    child = floor.call("GET v1/order", symbol="BTCUSDT", orderId=row["actualOrderId"])
    assert (child["status"], child["type"], child["origType"]) == ("FILLED", "MARKET", kind)


def test_its_steps_are_told_and_name_the_order_that_came_of_it() -> None:
    floor = _wide()
    floor.algo("SELL", "STOP", price="95", triggerPrice="96", clientAlgoId="stop-1")
    floor.price("95.5")
    bodies = [event["o"] for event in floor.events("ALGO_UPDATE")]
    assert [body["X"] for body in bodies] == ["NEW", "TRIGGERING", "TRIGGERED"]
    assert [body["ai"] for body in bodies[:2]] == ["", ""]
    child = floor.call("GET v1/order", symbol="BTCUSDT", orderId=bodies[2]["ai"])
    assert (child["status"], child["type"], child["price"], child["stopPrice"]) == ("NEW", "LIMIT", "95.0", "96.0")
    assert child["clientOrderId"] == "stop-1"
    floor.call("DELETE v1/order", symbol="BTCUSDT", orderId=child["orderId"])
    assert floor.algo_steps() == ["FINISHED"]


def test_child_fills_are_ordinary_trades_and_finish_it() -> None:
    floor = _wide()
    floor.algo("BUY", "STOP_MARKET", triggerPrice="105")
    floor.price("106")
    assert floor.steps() == [("NEW", "NEW"), ("TRADE", "FILLED")]
    assert floor.algo_steps() == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    assert len(floor.call("GET v1/userTrades", symbol="BTCUSDT")) == 1


def test_canceled_it_never_triggers() -> None:
    floor = _wide()
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="95", clientAlgoId="mine")
    answer = floor.call("DELETE v1/algoOrder", clientAlgoId="mine")
    assert answer == {"algoId": algo["algoId"], "clientAlgoId": "mine", "code": "200", "msg": "success"}
    floor.price("90")
    assert floor.algo_status(algo) == "CANCELED"
    assert floor.call("DELETE v1/algoOrder", clientAlgoId="mine").code == -2011
    assert floor.exchange.accounts["main"].orders == []


def test_all_of_a_symbol_are_canceled_at_once() -> None:
    floor = _wide()
    algos = [floor.algo("SELL", "STOP_MARKET", triggerPrice=price) for price in ("95", "94")]
    assert [row["algoId"] for row in floor.call("GET v1/openAlgoOrders")] == [row["algoId"] for row in algos]
    assert floor.call("DELETE v1/algoOpenOrders", symbol="BTCUSDT")["code"] == 200
    assert floor.call("GET v1/openAlgoOrders", symbol="BTCUSDT") == []
    statuses = [row["algoStatus"] for row in floor.call("GET v1/allAlgoOrders", symbol="BTCUSDT")]
    assert statuses == ["CANCELED", "CANCELED"]


def test_margin_is_looked_at_when_it_triggers() -> None:
    floor = _wide()
    algo = floor.algo("BUY", "STOP_MARKET", triggerPrice="105", quantity="119")
    floor.place("BUY", "480", "90")
    floor.price("106")
    row = floor.call("GET v1/algoOrder", algoId=algo["algoId"])
    assert (row["algoStatus"], row["actualOrderId"]) == ("REJECTED", "")
    assert floor.events("ALGO_UPDATE")[-1]["o"]["rm"] == "Margin is insufficient."


def test_reduce_only_without_a_position_is_rejected_when_it_triggers() -> None:
    floor = _wide()
    floor.algo("SELL", "STOP_MARKET", triggerPrice="95", reduceOnly="true")
    floor.price("94")
    last = floor.events("ALGO_UPDATE")[-1]["o"]
    assert (last["X"], last["rm"], last["R"]) == ("REJECTED", "Reduce Only reject", True)


def test_close_position_closes_whatever_is_held_then() -> None:
    floor = _wide()
    floor.hold("2")
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="95", closePosition="true")
    floor.hold("1")
    assert (algo["closePosition"], algo["quantity"]) == (True, "0")
    floor.price("94")
    assert floor.lots() == 0
    child = floor.call("GET v1/algoOrder", algoId=algo["algoId"])
    assert (child["algoStatus"], child["actualQty"]) == ("FINISHED", "3.000")


def test_close_position_without_a_position_is_rejected() -> None:
    floor = _wide()
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="95", closePosition="true")
    floor.price("94")
    assert floor.algo_status(algo) == "REJECTED"


def test_trailing_stop_follows_the_price_and_fires_when_it_comes_back() -> None:
    floor = _wide()
    algo = floor.algo("SELL", "TRAILING_STOP_MARKET", activatePrice="102", callbackRate="2")
    for price in ("101", "99", "103", "110", "107.9"):
        floor.price(price)
    assert floor.algo_status(algo) == "NEW"
    floor.price("107.8")
    assert floor.algo_status(algo) == "FINISHED"


def test_trailing_stop_without_activation_trails_from_the_start() -> None:
    floor = _wide()
    algo = floor.algo("BUY", "TRAILING_STOP_MARKET", callbackRate="1")
    floor.price("98")
    floor.price("98.9")
    assert floor.algo_status(algo) == "NEW"
    floor.price("99")
    assert floor.algo_status(algo) == "FINISHED"


def test_price_protection_waits_until_mark_and_last_price_agree() -> None:
    floor = _wide()
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="95", priceProtect="true", workingType="MARK_PRICE")
    market = floor.exchange.markets["BTCUSDT"]
    market.mark, market.last = 900, 1000
    assert floor.exchange.algos.next_due(market) is None
    market.last = 920
    due = floor.exchange.algos.next_due(market)
    assert due is not None
    assert due.id == algo["algoId"]


def test_good_till_date_ends_it() -> None:
    floor = _wide()
    till = floor.now_ms + 601_000
    algo = floor.algo("SELL", "STOP", price="95", triggerPrice="96", timeInForce="GTD", goodTillDate=till)
    floor.exchange.advance(floor.now_ms + 602_000)
    assert floor.algo_status(algo) == "EXPIRED"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"triggerPrice": "101"}, -2021),
        ({"triggerPrice": None}, -1102),
        ({"triggerPrice": "95.05"}, -4014),
        ({"quantity": None}, -1102),
        ({"quantity": "0.01"}, -4164),
        ({"type": "LIMIT"}, -1116),
        ({"algoType": "VP"}, -1130),
        ({"price": "95"}, -1106),
        ({"closePosition": "true"}, -4137),
        ({"closePosition": "true", "quantity": None, "reduceOnly": "true"}, -1106),
        ({"closePosition": "true", "quantity": None, "type": "STOP", "price": "94"}, -1128),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "11"}, -1130),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "1", "activatePrice": "99"}, -2021),
        ({"workingType": "INDEX"}, -1130),
        ({"clientAlgoId": "a b"}, -4015),
        ({"positionSide": "SHORT"}, -4061),
    ],
)
def test_refusal_has_the_venues_code_and_lets_nothing_wait(fields: dict[str, Any], code: int) -> None:
    floor = Floor()
    answer = floor.call("POST v1/algoOrder", **{**STOP, "triggerPrice": "95", **fields})
    assert isinstance(answer, Failure)
    assert answer.code == code
    assert (floor.call("GET v1/openAlgoOrders"), floor.told) == ([], [])


def test_client_id_is_taken_while_it_waits() -> None:
    floor = _wide()
    floor.algo("SELL", "STOP_MARKET", triggerPrice="95", clientAlgoId="mine")
    assert floor.call("POST v1/algoOrder", **STOP, triggerPrice="95", clientAlgoId="mine").code == -4116
    floor.call("DELETE v1/algoOrder", clientAlgoId="mine")
    assert floor.call("POST v1/algoOrder", **STOP, triggerPrice="95", clientAlgoId="mine")["algoStatus"] == "NEW"


def test_waiting_ones_are_limited() -> None:
    floor = Floor(symbols=[{**BTC, "filters": {"MAX_NUM_ALGO_ORDERS": {"limit": 2}}}])
    for _ in range(2):
        floor.algo("SELL", "STOP_MARKET", triggerPrice="95")
    assert floor.call("POST v1/algoOrder", **STOP, triggerPrice="95").code == -4045


def test_stale_read_shows_it_as_it_was() -> None:
    floor = _wide()
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="95")
    floor.now_ms += 1000
    floor.price("94")
    earlier, before = Sight(stale_ms=500), Sight(stale_ms=2000)
    row = floor.call("GET v1/algoOrder", algoId=algo["algoId"], sight=earlier)
    assert (row["algoStatus"], row["actualOrderId"], row["triggerTime"]) == ("NEW", "", 0)
    assert [row["algoId"] for row in floor.call("GET v1/openAlgoOrders", sight=earlier)] == [algo["algoId"]]
    assert floor.call("GET v1/algoOrder", algoId=algo["algoId"], sight=before).code == -2013
    assert floor.call("GET v1/allAlgoOrders", symbol="BTCUSDT", sight=before) == []
    assert floor.algo_status(algo) == "FINISHED"


def test_stale_read_of_a_triggered_one_still_names_its_order() -> None:
    floor = _wide()
    algo = floor.algo("SELL", "STOP", price="95", triggerPrice="96")
    floor.price("95.5")
    child = floor.call("GET v1/algoOrder", algoId=algo["algoId"])["actualOrderId"]
    floor.now_ms += 1000
    floor.call("DELETE v1/order", symbol="BTCUSDT", orderId=child)
    row = floor.call("GET v1/algoOrder", algoId=algo["algoId"], sight=Sight(stale_ms=500))
    assert (row["algoStatus"], row["actualOrderId"]) == ("TRIGGERED", child)
    assert floor.algo_status(algo) == "FINISHED"


def test_they_are_no_open_orders_and_hold_no_margin() -> None:
    floor = _wide()
    before = floor.call("GET v3/balance")[0]["availableBalance"]
    floor.algo("BUY", "STOP_MARKET", triggerPrice="105", quantity="100")
    assert floor.call("GET v1/openOrders") == []
    assert floor.call("GET v3/balance")[0]["availableBalance"] == before


def test_halted_symbol_triggers_nothing_until_it_trades_again() -> None:
    floor = _wide()
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="95")
    market = floor.exchange.markets["BTCUSDT"]
    market.halted = True
    floor.price("94")
    assert floor.algo_status(algo) == "NEW"
    market.halted = False
    floor.price("94")
    assert floor.algo_status(algo) == "FINISHED"


def test_children_of_two_that_trigger_together_both_trade() -> None:
    floor = _wide()
    algos = [floor.algo("SELL", "STOP_MARKET", triggerPrice=price) for price in ("96", "95")]
    floor.price("94")
    assert [floor.algo_status(row) for row in algos] == ["FINISHED", "FINISHED"]
    assert [order.status for order in floor.exchange.accounts["main"].orders] == [Status.FILLED] * 2
