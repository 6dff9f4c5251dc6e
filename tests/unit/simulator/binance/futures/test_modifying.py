"""PUT /fapi/v1/order: another price and quantity, at the end of the queue."""

from __future__ import annotations

from typing import Any

import pytest

from ordergate.simulator.binance.futures import exchange as futures_exchange
from ordergate.simulator.orders import Status
from tests.unit.simulator.binance.futures.floor import Floor


def _modify(floor: Floor, order_id: int, quantity: str, price: str, **fields: Any) -> Any:
    wanted = {"symbol": "BTCUSDT", "side": "BUY", "orderId": order_id, "quantity": quantity, "price": price, **fields}
    return floor.call("PUT v1/order", **wanted)


def test_modified_order_goes_behind_the_others_of_its_price() -> None:
    floor = Floor()
    first, second = floor.place("BUY", "1", "99"), floor.place("BUY", "1", "99")
    row = _modify(floor, first.id, "2", "99")
    assert (row["orderId"], row["origQty"], row["status"]) == (first.id, "2.000", "NEW")
    floor.place("SELL", "1", "99", account="other")
    assert (first.executed, second.status) == (0, Status.FILLED)


def test_modified_order_that_crosses_trades() -> None:
    floor = Floor()
    floor.place("SELL", "1", "100", account="other")
    order = floor.place("BUY", "1", "99")
    floor.steps()
    assert _modify(floor, order.id, "1", "100")["status"] == "FILLED"
    assert floor.steps() == [("AMENDMENT", "NEW"), ("TRADE", "FILLED")]


def test_partly_filled_order_is_canceled_by_a_quantity_it_has_reached() -> None:
    floor = Floor()
    order = floor.place("BUY", "3", "99")
    floor.place("SELL", "1", "99", account="other")
    assert _modify(floor, order.id, "1", "98")["status"] == "CANCELED"
    assert floor.steps()[-1] == ("CANCELED", "CANCELED")


def test_post_only_order_is_canceled_by_a_price_that_would_match() -> None:
    floor = Floor()
    floor.place("SELL", "1", "100", account="other")
    order = floor.place("BUY", "1", "99", timeInForce="GTX")
    assert _modify(floor, order.id, "1", "100")["status"] == "CANCELED"
    assert order.executed == 0


@pytest.mark.parametrize(
    ("quantity", "price", "fields", "code"),
    [
        ("1", "99.05", {}, -4014),
        ("0.0001", "99", {}, -1111),
        ("1", "111", {}, -4016),
        ("0.01", "99", {}, -4164),
        ("1", "99", {}, -5027),
        ("900", "99", {}, -2019),
        ("2", "99", {"side": "SELL"}, -1117),
        ("2", None, {}, -1102),
        ("2", "99", {"orderId": 77}, -2013),
        ("2", "99", {"orderId": None}, -1102),
    ],
)
def test_refused_modification_leaves_the_order_as_it_is(
    quantity: str, price: str, fields: dict[str, Any], code: int
) -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    reserved = floor.exchange.accounts["main"].reserved
    floor.steps()
    assert _modify(floor, order.id, quantity, price, **fields).code == code
    assert (order.price, order.lots, order.status, floor.steps()) == (990, 1000, Status.NEW, [])
    assert floor.exchange.accounts["main"].reserved == reserved
    floor.place("SELL", "1", "99", account="other")
    assert order.status is Status.FILLED


def test_finished_order_cannot_be_modified() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    floor.exchange.cancel(order, floor.now_ms)
    assert _modify(floor, order.id, "2", "99").code == -2013


def test_modification_may_bear_a_mark_of_the_clients() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    assert _modify(floor, order.id, "2", "99", modifyId=17)["modifyId"] == 17
    assert floor.events("ORDER_TRADE_UPDATE")[-1]["o"]["M"] == "17"
    rows = floor.call("GET v1/orderAmendment", symbol="BTCUSDT", orderId=order.id)
    assert rows[0]["amendment"]["modifyId"] == 17


def test_least_notional_is_waived_for_a_modification_that_calls_itself_reduce_only() -> None:
    floor = Floor()
    floor.hold("1")
    order = floor.place("SELL", "1", "101", reduceOnly="true")
    assert _modify(floor, order.id, "0.01", "101", side="SELL").code == -4164
    assert _modify(floor, order.id, "0.01", "101", side="SELL", reduceOnly="true")["origQty"] == "0.010"
    plain = floor.place("BUY", "1", "99")
    assert _modify(floor, plain.id, "2", "99", reduceOnly="true").code == -5047


def test_modifications_are_remembered_latest_first() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    _modify(floor, order.id, "2", "98")
    _modify(floor, order.id, "2", "97.5")
    rows = floor.call("GET v1/orderAmendment", symbol="BTCUSDT", orderId=order.id)
    assert [row["amendment"]["count"] for row in rows] == [2, 1]
    assert rows[0]["amendment"]["price"] == {"before": "98.0", "after": "97.5"}
    assert rows[1]["amendment"]["origQty"] == {"before": "1.000", "after": "2.000"}


def test_modifications_of_one_order_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(futures_exchange, "AMENDMENTS_MAX", 3)
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    answers = [_modify(floor, order.id, "1", price) for price in ("98", "97", "96")]
    assert [getattr(answer, "code", None) for answer in answers] == [None, None, -5026]


def test_batch_of_modifications_answers_leg_by_leg() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    leg = f'{{"symbol":"BTCUSDT","side":"BUY","orderId":{order.id},"quantity":"2","price":"98"}}'
    rows = floor.call("PUT v1/batchOrders", batchOrders=f"[{leg},{leg}]")
    assert [row.get("origQty", row.get("code")) for row in rows] == ["2.000", -5027]
