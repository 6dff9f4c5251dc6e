"""Ids: how long a clientOrderId is taken, how an order is found, and whose id a cancel shows."""

from __future__ import annotations

from tests.unit.simulator.binance.spot.desk import NOW, SpotDesk

DUPLICATE = (-2010, "Duplicate order sent.")
DAY = 86_400_000


def test_id_is_taken_while_its_order_is_open_and_free_afterwards() -> None:
    desk = SpotDesk()
    first = desk.place("BUY", "1", "99", newClientOrderId="mine")["orderId"]
    assert desk.refused_order("BUY", "1", "98", newClientOrderId="mine") == DUPLICATE
    assert desk.do("order", account="other", **_order("mine"))["orderId"] == 2
    desk.cancel(first)
    assert desk.place("BUY", "1", "98", newClientOrderId="mine")["orderId"] == 3


def _order(name: str) -> dict[str, str]:
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1",
        "price": "99",
        "newClientOrderId": name,
    }


def test_blind_resend_after_a_fill_doubles() -> None:
    desk = SpotDesk()
    desk.place("SELL", "2", "99", account="other")
    assert desk.do("order", **_order("mine"))["status"] == "FILLED"
    assert desk.do("order", **_order("mine"))["status"] == "FILLED"
    assert len(desk.do("myTrades", symbol="BTCUSDT")) == 2


def test_scope_forever_gives_the_first_order_again() -> None:
    desk = SpotDesk(clientIds="forever")
    desk.place("SELL", "2", "99", account="other")
    first, second = desk.do("order", **_order("mine")), desk.do("order", **_order("mine"))
    assert first["orderId"] == second["orderId"]
    assert len(desk.do("myTrades", symbol="BTCUSDT")) == 1


def test_scope_none_refuses_no_id() -> None:
    desk = SpotDesk(clientIds="none")
    assert [desk.do("order", **_order("mine"))["orderId"] for _ in range(2)] == [1, 2]


def test_query_by_client_id_finds_the_open_order_before_the_latest() -> None:
    desk = SpotDesk()
    desk.cancel(desk.do("order", **_order("mine"))["orderId"])
    desk.cancel(desk.do("order", **_order("mine"))["orderId"])
    query = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    assert desk.do("queryOrder", **query)["orderId"] == 2
    desk.do("order", **_order("mine"))
    assert desk.do("queryOrder", **query)["status"] == "NEW"


def test_both_ids_must_fit() -> None:
    desk = SpotDesk()
    order = desk.do("order", **_order("mine"))["orderId"]
    both = {"symbol": "BTCUSDT", "orderId": order, "origClientOrderId": "other"}
    assert desk.refused("queryOrder", **both) == (-2039, "Client order ID is not correct for this order ID.")
    assert desk.refused("cancel", **both) == (-2011, "Unknown order sent.")
    assert desk.do("queryOrder", **{**both, "origClientOrderId": "mine"})["orderId"] == order


def test_order_of_another_account_or_symbol_does_not_exist() -> None:
    desk = SpotDesk()
    order = desk.do("order", **_order("mine"))["orderId"]
    missing = (-2013, "Order does not exist.")
    assert desk.refused("queryOrder", account="other", symbol="BTCUSDT", orderId=order) == missing
    assert desk.refused("queryOrder", account="other", symbol="BTCUSDT", origClientOrderId="mine") == missing


def test_cancel_has_an_id_of_its_own() -> None:
    desk = SpotDesk()
    order = desk.do("order", **_order("mine"))["orderId"]
    row = desk.cancel(order, newClientOrderId="stop")
    assert (row["clientOrderId"], row["origClientOrderId"], row["status"]) == ("stop", "mine", "CANCELED")
    report = desk.reports(order)[-1]
    assert (report["x"], report["c"], report["C"]) == ("CANCELED", "stop", "mine")
    assert desk.query(order)["clientOrderId"] == "mine"


def test_cancel_may_be_restricted_to_a_status() -> None:
    desk = SpotDesk()
    order = desk.place("BUY", "2", "99")["orderId"]
    restricted = {"symbol": "BTCUSDT", "orderId": order}
    refusal = (-2011, "Order was not canceled due to cancel restrictions.")
    assert desk.refused("cancel", **restricted, cancelRestrictions="ONLY_PARTIALLY_FILLED") == refusal
    desk.place("SELL", "1", "99", account="other")
    assert desk.refused("cancel", **restricted, cancelRestrictions="ONLY_NEW") == refusal
    assert desk.do("cancel", **restricted, cancelRestrictions="ONLY_PARTIALLY_FILLED")["executedQty"] == "1.00000000"


def test_finished_order_cannot_be_canceled() -> None:
    desk = SpotDesk()
    order = desk.place("BUY", "1", "99")["orderId"]
    desk.cancel(order)
    assert desk.refused("cancel", symbol="BTCUSDT", orderId=order) == (-2011, "Unknown order sent.")


def test_order_without_a_fill_is_archived_after_ninety_days() -> None:
    desk = SpotDesk()
    canceled = desk.place("BUY", "1", "99")["orderId"]
    desk.cancel(canceled)
    desk.place("SELL", "1", "99", account="other")
    filled = desk.place("BUY", "1", "99")["orderId"]
    desk.now_ms = NOW + 91 * DAY
    assert desk.refused("queryOrder", symbol="BTCUSDT", orderId=canceled)[0] == -2026
    assert desk.status(filled) == "FILLED"


def test_fault_rules_find_an_order_by_either_of_its_ids() -> None:
    desk = SpotDesk()
    desk.do("order", **_order("mine"))
    for parameters in (
        {"orderId": "1"},
        {"origClientOrderId": "mine"},
        {"cancelOrderId": "1"},
        {"cancelOrigClientOrderId": "mine"},
    ):
        assert desk.exchange.order_named(parameters) == (1, "mine")
    assert desk.exchange.order_named({"orderId": "2"}) is None
    assert desk.exchange.order_named({}) is None
