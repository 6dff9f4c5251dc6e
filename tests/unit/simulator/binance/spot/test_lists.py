"""OCO, OTO and OTOCO: what one order of a list does to the others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.simulator.binance.spot.desk import BTC, NOW, SpotDesk

SELL_OCO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "1",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "110",
    "belowType": "STOP_LOSS",
    "belowStopPrice": "95",
    "newOrderRespType": "RESULT",
}
BUY_OCO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "quantity": "1",
    "aboveType": "STOP_LOSS_LIMIT",
    "abovePrice": "106",
    "aboveStopPrice": "105",
    "aboveTimeInForce": "GTC",
    "belowType": "LIMIT_MAKER",
    "belowPrice": "90",
    "newOrderRespType": "RESULT",
}
OTO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingTimeInForce": "GTC",
    "workingSide": "BUY",
    "workingPrice": "99",
    "workingQuantity": "1",
    "pendingType": "LIMIT",
    "pendingTimeInForce": "GTC",
    "pendingSide": "SELL",
    "pendingPrice": "120",
    "pendingQuantity": "1",
    "newOrderRespType": "RESULT",
}
OTOCO: dict[str, Any] = {
    **{name: value for name, value in OTO.items() if not name.startswith("pending")},
    "pendingSide": "SELL",
    "pendingQuantity": "1",
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "120",
    "pendingBelowType": "STOP_LOSS_LIMIT",
    "pendingBelowStopPrice": "90",
    "pendingBelowPrice": "89",
    "pendingBelowTimeInForce": "GTC",
}


def _ids(row: dict[str, Any]) -> list[int]:
    return [order["orderId"] for order in row["orders"]]


def _lists(desk: SpotDesk) -> list[tuple[str, str]]:
    return [(e.payload["l"], e.payload["L"]) for e in desk.events if e.kind == "listStatus"]  # type: ignore[misc]


def _statuses(desk: SpotDesk, ids: list[int]) -> list[str]:
    return [desk.status(each) for each in ids]


def test_oco_row_has_the_stop_first() -> None:
    desk = SpotDesk()
    row = desk.do("oco", **SELL_OCO, listClientOrderId="pair", aboveClientOrderId="gain", belowClientOrderId="stop")
    assert {key: row[key] for key in row if key not in {"orders", "orderReports"}} == {
        "orderListId": 0,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "pair",
        "transactionTime": NOW,
        "symbol": "BTCUSDT",
    }
    assert [order["clientOrderId"] for order in row["orders"]] == ["stop", "gain"]
    assert [(each["type"], each["workingTime"], each["orderListId"]) for each in row["orderReports"]] == [
        ("STOP_LOSS", -1, 0),
        ("LIMIT_MAKER", NOW, 0),
    ]
    assert _lists(desk) == [("EXEC_STARTED", "EXECUTING")]


def test_pair_locks_its_money_once() -> None:
    desk = SpotDesk()
    desk.do("oco", **SELL_OCO)
    assert desk.money("BTC") == (Decimal(99), Decimal(1))
    desk.do("oco", **BUY_OCO)
    assert desk.money("USDT") == (Decimal(9894), Decimal(106))


def test_stop_that_fires_ends_the_limit() -> None:
    desk = SpotDesk()
    stop, gain = _ids(desk.do("oco", **SELL_OCO))
    desk.place("BUY", "1", "93", account="other")
    desk.trade_at("95")
    assert _statuses(desk, [stop, gain]) == ["FILLED", "EXPIRED"]
    assert desk.query(gain)["expiryReason"] == "OCO_TRIGGER"
    assert _lists(desk) == [("EXEC_STARTED", "EXECUTING"), ("ALL_DONE", "ALL_DONE")]
    assert desk.money("BTC")[1] == 0


def test_limit_that_fills_even_in_part_ends_the_stop() -> None:
    desk = SpotDesk()
    stop, gain = _ids(desk.do("oco", **SELL_OCO))
    desk.place("BUY", "0.4", "110", account="other")
    assert _statuses(desk, [stop, gain]) == ["EXPIRED", "PARTIALLY_FILLED"]
    assert _lists(desk) == [("EXEC_STARTED", "EXECUTING")]
    assert desk.money("BTC")[1] == Decimal("0.6")
    desk.place("BUY", "0.6", "110", account="other")
    assert desk.status(gain) == "FILLED"
    assert _lists(desk)[-1] == ("ALL_DONE", "ALL_DONE")


def test_cancel_of_one_leg_cancels_the_list() -> None:
    desk = SpotDesk()
    row = desk.do("oco", **SELL_OCO)
    canceled = desk.cancel(_ids(row)[0], newClientOrderId="bye")
    assert (canceled["listOrderStatus"], canceled["contingencyType"]) == ("ALL_DONE", "OCO")
    assert [(each["status"], each["clientOrderId"]) for each in canceled["orderReports"]] == [("CANCELED", "bye")] * 2
    assert desk.money("BTC") == (Decimal(100), Decimal(0))
    assert [desk.told(each)[-2:] for each in _ids(row)] == [[("NEW", "NEW"), ("CANCELED", "CANCELED")]] * 2


def test_stop_that_fires_ends_the_limit_even_while_it_rests_itself() -> None:
    desk = SpotDesk()
    limit = {"belowType": "STOP_LOSS_LIMIT", "belowPrice": "96", "belowTimeInForce": "GTC"}
    stop, gain = _ids(desk.do("oco", **{**SELL_OCO, **limit}))
    desk.trade_at("95")
    assert _statuses(desk, [stop, gain]) == ["NEW", "EXPIRED"]
    assert desk.query(stop)["isWorking"] is True
    assert desk.money("BTC")[1] == Decimal(1)


@pytest.mark.parametrize("by", [{"orderListId": 0}, {"listClientOrderId": "pair"}])
def test_list_is_canceled_by_either_id(by: dict[str, Any]) -> None:
    desk = SpotDesk()
    desk.do("oco", **SELL_OCO, listClientOrderId="pair")
    assert len(desk.do("cancelList", symbol="BTCUSDT", **by)["orderReports"]) == 2
    assert desk.refused("cancelList", symbol="BTCUSDT", **by) == (-2011, "Unknown order sent.")


def test_cancel_all_mixes_orders_and_lists() -> None:
    desk = SpotDesk()
    desk.do("oco", **SELL_OCO)
    single = desk.place("BUY", "1", "80")["orderId"]
    rows = desk.do("cancelAll", symbol="BTCUSDT")
    assert [row.get("orderId", row["orderListId"]) for row in rows] == [single, 0]
    assert [report["status"] for report in rows[1]["orderReports"]] == ["CANCELED", "CANCELED"]
    assert desk.do("openOrders") == []
    assert desk.do("openOrderList") == []


def test_rest_of_an_oto_waits_for_the_whole_fill() -> None:
    desk = SpotDesk()
    working, pending = _ids(desk.do("oto", **OTO))
    assert _statuses(desk, [working, pending]) == ["NEW", "PENDING_NEW"]
    assert desk.money("BTC")[1] == 0
    desk.place("SELL", "0.5", "99", account="other")
    assert _statuses(desk, [working, pending]) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    desk.place("SELL", "0.5", "99", account="other")
    assert _statuses(desk, [working, pending]) == ["FILLED", "NEW"]
    assert desk.money("BTC") == (Decimal(100), Decimal(1))
    assert desk.told(pending) == [("NEW", "PENDING_NEW"), ("NEW", "NEW")]
    assert desk.query(pending)["isWorking"] is True


def test_answer_shows_what_a_fill_at_once_releases_still_as_pending() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "99", account="other")
    row = desk.do("oto", **OTO)
    assert [each["status"] for each in row["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert desk.status(_ids(row)[1]) == "NEW"


def test_pending_order_without_money_expires() -> None:
    desk = SpotDesk()
    row = desk.do("oto", **{**OTO, "pendingQuantity": "150"})
    desk.place("SELL", "1", "99", account="other")
    pending = desk.query(_ids(row)[1])
    assert (pending["status"], pending["expiryReason"]) == ("EXPIRED", "REJECTED")
    assert _lists(desk)[-1] == ("ALL_DONE", "ALL_DONE")


def test_first_order_that_expires_takes_the_rest_along() -> None:
    desk = SpotDesk()
    row = desk.do("oto", **{**OTO, "workingTimeInForce": "IOC"})
    working, pending = _ids(row)
    assert _statuses(desk, [working, pending]) == ["EXPIRED", "EXPIRED"]
    assert desk.query(pending)["expiryReason"] == "OTO_PHASE_ONE_EXPIRED"


def test_cancel_of_the_first_order_cancels_what_waits_for_it() -> None:
    desk = SpotDesk()
    working, pending = _ids(desk.do("oto", **OTO))
    desk.cancel(working)
    assert _statuses(desk, [working, pending]) == ["CANCELED", "CANCELED"]


def test_otoco_releases_a_pair() -> None:
    desk = SpotDesk()
    row = desk.do("otoco", **OTOCO)
    assert row["contingencyType"] == "OTO"
    working, stop, gain = _ids(row)
    desk.place("SELL", "1", "99", account="other")
    assert _statuses(desk, [working, stop, gain]) == ["FILLED", "NEW", "NEW"]
    assert [desk.query(each)["isWorking"] for each in (stop, gain)] == [False, True]
    assert desk.money("BTC") == (Decimal(100), Decimal(1))
    desk.place("BUY", "1", "120", account="other")
    assert _statuses(desk, [working, stop, gain]) == ["FILLED", "EXPIRED", "FILLED"]
    assert _lists(desk) == [("EXEC_STARTED", "EXECUTING"), ("ALL_DONE", "ALL_DONE")]


def test_pair_may_need_all_there_is() -> None:
    desk = SpotDesk()
    _, stop, gain = _ids(desk.do("otoco", **{**OTOCO, "pendingQuantity": "101"}))
    desk.place("SELL", "1", "99", account="other")
    assert _statuses(desk, [stop, gain]) == ["NEW", "NEW"]
    assert desk.money("BTC") == (Decimal(0), Decimal(101))


def test_pair_whose_moment_has_passed_expires_when_it_is_released() -> None:
    desk = SpotDesk()
    working, stop, gain = _ids(desk.do("otoco", **{**OTOCO, "workingPrice": "80"}))
    desk.trade_at("85")
    desk.place("SELL", "1", "80", account="other")
    assert _statuses(desk, [working, stop, gain]) == ["FILLED", "EXPIRED", "EXPIRED"]
    assert [desk.query(each)["expiryReason"] for each in (stop, gain)] == ["REJECTED", "OCO_TRIGGER"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"abovePrice": "99"}, -2010),
        ({"belowStopPrice": "101"}, -2010),
        ({"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowPrice": "90"}, -1168),
        ({"aboveType": "LIMIT"}, -1158),
        (
            {"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "110"},
            -1197,
        ),
        ({"belowType": "TAKE_PROFIT"}, -1199),
        ({"belowStopPrice": None}, -1102),
    ],
)
def test_pair_that_cannot_be_one_is_refused(changes: dict[str, Any], code: int) -> None:
    desk = SpotDesk()
    fields = {name: value for name, value in {**SELL_OCO, **changes}.items() if value is not None}
    assert desk.refused("oco", **fields)[0] == code
    assert desk.do("openOrders") == []
    assert desk.do("openOrderList") == []


def test_buying_pair_has_its_stop_above() -> None:
    changed = {**BUY_OCO, "aboveType": "LIMIT_MAKER", "abovePrice": "110"}
    fields = {name: value for name, value in changed.items() if name not in {"aboveStopPrice", "aboveTimeInForce"}}
    below = {"belowType": "STOP_LOSS", "belowStopPrice": "90"}
    fields = {name: value for name, value in {**fields, **below}.items() if name != "belowPrice"}
    assert SpotDesk().refused("oco", **fields) == (-1165, "A limit order in a buy OCO must be below.")


def test_list_ids_are_unique_among_open_lists() -> None:
    desk = SpotDesk()
    desk.do("oco", **SELL_OCO, listClientOrderId="pair")
    assert desk.refused("oco", **SELL_OCO, listClientOrderId="pair") == (-2010, "Duplicate order sent.")
    desk.do("cancelList", symbol="BTCUSDT", listClientOrderId="pair")
    assert desk.do("oco", **SELL_OCO, listClientOrderId="pair")["orderListId"] == 1
    assert desk.do("orderList", origClientOrderId="pair")["orderListId"] == 1


def test_two_legs_cannot_have_one_id() -> None:
    refusal = SpotDesk().refused("oco", **SELL_OCO, aboveClientOrderId="same", belowClientOrderId="same")
    assert refusal == (-2010, "Duplicate order sent.")


@pytest.mark.parametrize("name", ["MAX_NUM_ORDER_LISTS", "EXCHANGE_MAX_NUM_ORDER_LISTS"])
def test_open_lists_are_counted(name: str) -> None:
    desk = SpotDesk(symbols=[{**BTC, "filters": {name: {"maxNumOrderLists": 1}}}])
    desk.do("oco", **SELL_OCO)
    assert desk.refused("oto", **OTO) == (-1013, f"Filter failure: {name}")


def test_lists_are_listed() -> None:
    desk = SpotDesk()
    desk.do("oco", **SELL_OCO)
    desk.do("oto", **OTO)
    assert [row["orderListId"] for row in desk.do("allOrderList")] == [1, 0]
    assert [row["orderListId"] for row in desk.do("allOrderList", fromId=1)] == [1]
    desk.do("cancelList", symbol="BTCUSDT", orderListId=0)
    assert [row["orderListId"] for row in desk.do("openOrderList")] == [1]
    assert desk.do("orderList", orderListId=0)["listOrderStatus"] == "ALL_DONE"
