"""Reads: what is listed, from where, and what stale or faulty reads show."""

from __future__ import annotations

from ordergate.simulator.sight import Sight
from tests.unit.simulator.binance.futures.floor import Floor

DAY_MS = 86_400_000


def _traded(times: int) -> Floor:
    """`main` traded so often, one second apart, each time the other side of the book."""
    floor = Floor()
    for number in range(times):
        floor.now_ms += 1000
        if number % 2:
            floor.place("BUY", "0.5", "100")
            floor.place("SELL", "0.5", account="other")
        else:
            floor.hold("0.5")
    return floor


def test_trades_are_listed_on_both_sides_in_the_order_of_their_ids() -> None:
    floor = _traded(4)
    rows = floor.call("GET v1/userTrades", symbol="BTCUSDT")
    assert [row["maker"] for row in rows] == [False, True, False, True]
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    others = floor.call("GET v1/userTrades", symbol="BTCUSDT", account="other")
    assert [row["id"] for row in others] == [row["id"] for row in rows]


def test_trades_from_an_id_are_read_forwards_and_without_one_the_latest_are() -> None:
    floor = _traded(5)
    ids = [row["id"] for row in floor.call("GET v1/userTrades", symbol="BTCUSDT")]
    page = floor.call("GET v1/userTrades", symbol="BTCUSDT", fromId=ids[1], limit=2)
    latest = floor.call("GET v1/userTrades", symbol="BTCUSDT", limit=2)
    assert [row["id"] for row in page] == ids[1:3]
    assert [row["id"] for row in latest] == ids[3:]


def test_trades_of_a_span_or_of_an_order() -> None:
    floor = _traded(4)
    every = floor.call("GET v1/userTrades", symbol="BTCUSDT")
    middle = floor.call(
        "GET v1/userTrades", symbol="BTCUSDT", startTime=every[1]["time"], endTime=every[2]["time"], limit=1000
    )
    assert middle == every[1:3]
    assert floor.call("GET v1/userTrades", symbol="BTCUSDT", orderId=every[2]["orderId"]) == [every[2]]


def test_a_span_is_a_week_and_not_with_an_id() -> None:
    floor = Floor()
    start = floor.now_ms - 8 * DAY_MS
    assert floor.call("GET v1/userTrades", symbol="BTCUSDT", startTime=start, endTime=floor.now_ms).code == -1128
    assert floor.call("GET v1/userTrades", symbol="BTCUSDT", startTime=floor.now_ms, fromId=1).code == -1128
    assert floor.call("GET v1/userTrades", symbol="BTCUSDT", fromId="one").code == -1130
    assert floor.call("GET v1/userTrades", symbol="DOGEUSDT").code == -1121


def test_trades_older_than_a_week_are_seen_from_an_id_only() -> None:
    floor = _traded(1)
    floor.now_ms += 8 * DAY_MS
    assert floor.call("GET v1/userTrades", symbol="BTCUSDT") == []
    assert len(floor.call("GET v1/userTrades", symbol="BTCUSDT", fromId=1)) == 1


def test_one_execution_is_one_trade_id_on_both_sides() -> None:
    floor = Floor()
    floor.hold("1")
    mine = floor.call("GET v1/userTrades", symbol="BTCUSDT")
    theirs = floor.call("GET v1/userTrades", symbol="BTCUSDT", account="other")
    assert mine[0]["id"] == theirs[0]["id"]
    assert (mine[0]["maker"], theirs[0]["maker"], mine[0]["buyer"], theirs[0]["buyer"]) == (False, True, True, False)


def test_all_orders_go_on_from_an_id() -> None:
    floor = Floor()
    orders = [floor.place("BUY", "1", "99") for _ in range(3)]
    floor.exchange.cancel(orders[1], floor.now_ms)
    rows = floor.call("GET v1/allOrders", symbol="BTCUSDT", orderId=orders[1].id)
    assert [(row["orderId"], row["status"]) for row in rows] == [(orders[1].id, "CANCELED"), (orders[2].id, "NEW")]
    assert [row["orderId"] for row in floor.call("GET v1/allOrders", symbol="BTCUSDT", limit=1)] == [orders[2].id]


def test_old_orders_are_forgotten_and_unfilled_ones_sooner() -> None:
    floor = Floor()
    canceled, filled = floor.place("BUY", "1", "98"), floor.place("BUY", "1", "99")
    floor.exchange.cancel(canceled, floor.now_ms)
    assert floor.exchange.fill(filled.id, floor.now_ms)
    floor.now_ms += 4 * DAY_MS
    found = [floor.call("GET v1/order", symbol="BTCUSDT", orderId=order.id) for order in (canceled, filled)]
    assert (found[0].code, found[1]["status"]) == (-2013, "FILLED")
    floor.now_ms += 90 * DAY_MS
    assert floor.call("GET v1/order", symbol="BTCUSDT", orderId=filled.id).code == -2013


def test_open_order_is_not_found_when_it_is_over() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    assert floor.call("GET v1/openOrder", symbol="BTCUSDT", orderId=order.id)["status"] == "NEW"
    floor.exchange.cancel(order, floor.now_ms)
    assert floor.call("GET v1/openOrder", symbol="BTCUSDT", orderId=order.id).code == -2013


def test_stale_read_shows_an_earlier_moment() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99", newClientOrderId="mine")
    floor.now_ms += 1000
    assert floor.exchange.fill(order.id, floor.now_ms)
    stale = Sight(stale_ms=500)
    query = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    assert floor.call("GET v1/order", sight=stale, **query)["status"] == "NEW"
    assert [row["orderId"] for row in floor.call("GET v1/openOrders", sight=stale)] == [order.id]
    assert floor.call("GET v1/userTrades", symbol="BTCUSDT", sight=stale) == []
    assert [row["positionAmt"] for row in floor.call("GET v3/positionRisk", sight=stale)] == []
    assert floor.call("GET v1/order", sight=Sight(stale_ms=2000), **query).code == -2013


def test_trade_rows_may_come_twice_or_never() -> None:
    floor = _traded(3)
    assert len(floor.call("GET v1/userTrades", symbol="BTCUSDT", sight=Sight(twice=True))) == 6
    assert floor.call("GET v1/userTrades", symbol="BTCUSDT", sight=Sight(hidden_share=1.0)) == []


def test_account_lists_what_is_held_or_waits() -> None:
    floor = Floor()
    assert floor.call("GET v3/account")["positions"] == []
    floor.place("BUY", "1", "99")
    row = floor.call("GET v3/account")["positions"][0]
    assert (row["positionAmt"], row["initialMargin"]) == ("0.000", "9.9")
    floor.hold("2")
    account = floor.call("GET v3/account")
    assert account["positions"][0]["positionAmt"] == "2.000"
    assert account["totalPositionInitialMargin"] == "20.00000000"
    assert account["totalOpenOrderInitialMargin"] == "9.90000000"
    assert account["availableBalance"] == account["assets"][0]["availableBalance"] == "4970.00000000"


def test_order_is_named_by_its_id_or_its_client_id() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99", newClientOrderId="mine")
    named = floor.exchange.order_named
    assert named({"orderId": str(order.id)}) == named({"origClientOrderId": "mine"}) == (order.id, "mine")
    assert named({"orderId": "99"}) is named({"origClientOrderId": "nobody"}) is named({}) is None


def test_ledger_shows_every_order_trade_and_position() -> None:
    floor = _traded(2)
    books = floor.exchange.ledger("main")
    assert isinstance(books["trades"], list)
    assert [row["liquidity"] for row in books["trades"]] == ["TAKER", "MAKER"]
    assert books["positions"][0]["quantity"] == "1.000"  # type: ignore[index]
    assert len(floor.exchange.ledger(None)["orders"]) == 4  # type: ignore[arg-type]


def test_rates_and_limits_are_told() -> None:
    floor = Floor()
    assert floor.call("GET v1/commissionRate", symbol="BTCUSDT")["takerCommissionRate"] == "0.0005"
    limits = floor.call("GET v1/rateLimit/order")
    assert [(row["interval"], row["intervalNum"], row["limit"]) for row in limits] == [
        ("SECOND", 10, 300),
        ("MINUTE", 1, 1200),
    ]
    assert floor.call("GET v1/leverageBracket", symbol="BTCUSDT")["brackets"][0]["initialLeverage"] == 125
    assert isinstance(floor.call("GET v1/leverageBracket"), list)
