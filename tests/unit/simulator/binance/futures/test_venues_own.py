"""What the venue does of itself: dead-man's switches, liquidations, auto-deleveraging, and the crowd."""

from __future__ import annotations

from typing import Any

from ordergate.simulator.orders import PositionSide, Status
from tests.unit.simulator.binance.futures.floor import Floor
from tests.unit.simulator.desk import BTC


def _arm(floor: Floor, countdown_ms: int, **fields: Any) -> Any:
    return floor.call("POST v1/countdownCancelAll", **{"symbol": "BTCUSDT", "countdownTime": countdown_ms, **fields})


def test_countdown_cancels_a_symbol_that_is_not_heard_of_in_time() -> None:
    floor = Floor(symbols=[BTC, {**BTC, "symbol": "ETHUSDT"}])
    order = floor.place("BUY", "1", "99")
    there = floor.call(
        "POST v1/order", symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="99"
    )
    assert _arm(floor, 2000) == {"symbol": "BTCUSDT", "countdownTime": "2000"}
    floor.exchange.advance(floor.now_ms + 1999)
    assert order.is_open
    floor.exchange.advance(floor.now_ms + 2000)
    assert (order.status, order.updated_ms) == (Status.CANCELED, floor.now_ms + 2000)
    assert floor.call("GET v1/openOrders")[0]["orderId"] == there["orderId"]


def test_countdown_starts_anew_with_each_call_and_zero_ends_it() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    _arm(floor, 2000)
    floor.now_ms += 1500
    floor.exchange.advance(floor.now_ms)
    _arm(floor, 2000)
    floor.exchange.advance(floor.now_ms + 1000)
    assert order.is_open
    _arm(floor, 0)
    floor.exchange.advance(floor.now_ms + 5000)
    assert order.is_open


def test_countdown_leaves_conditional_orders_alone() -> None:
    floor = Floor()
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="95")
    _arm(floor, 1000)
    floor.exchange.advance(floor.now_ms + 2000)
    assert floor.algo_status(algo) == "NEW"


def test_countdown_is_of_one_account() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99", account="other")
    _arm(floor, 1000)
    floor.exchange.advance(floor.now_ms + 2000)
    assert order.is_open
    assert _arm(floor, 1000, symbol="DOGEUSDT").code == -1121
    assert _arm(floor, 1000, countdownTime="soon").code == -1130


def test_liquidation_ends_the_symbols_orders_and_closes_the_position() -> None:
    floor = Floor()
    floor.hold("2")
    resting = floor.place("BUY", "1", "95")
    algo = floor.algo("SELL", "STOP_MARKET", triggerPrice="90")
    floor.place("BUY", "0.5", "100", account="other")
    floor.events()
    account = floor.exchange.accounts["main"]
    order = floor.exchange.liquidate(account, "BTCUSDT", PositionSide.BOTH, floor.now_ms)
    assert order is not None
    assert (order.status, order.executed, floor.lots()) == (Status.FILLED, 2000, 0)
    assert (resting.status, resting.expiry, floor.algo_status(algo)) == (Status.EXPIRED, 5, "EXPIRED")
    told = [event["o"] for event in floor.events("ORDER_TRADE_UPDATE") if event["o"]["i"] == order.id]
    assert [(body["x"], body["X"]) for body in told] == [
        ("NEW", "NEW"),
        ("CALCULATED", "PARTIALLY_FILLED"),
        ("CALCULATED", "FILLED"),
    ]
    assert all(body["c"].startswith("autoclose-") and body["o"] == "LIQUIDATION" for body in told)
    assert sum(row["orderId"] == order.id for row in floor.call("GET v1/userTrades", symbol="BTCUSDT")) == 2


def test_deleveraging_takes_part_of_a_position_under_a_name_that_is_not_unique() -> None:
    floor = Floor()
    floor.hold("3")
    account = floor.exchange.accounts["main"]
    orders = [floor.exchange.deleverage(account, "BTCUSDT", PositionSide.BOTH, 1000, floor.now_ms) for _ in range(2)]
    assert [order.client_order_id for order in orders if order] == ["adl_autoclose"] * 2
    assert floor.lots() == 1000
    rows = floor.call("GET v1/forceOrders", autoCloseType="ADL")
    assert [(row["status"], row["executedQty"]) for row in rows] == [("FILLED", "1.000")] * 2
    assert floor.call("GET v1/forceOrders", autoCloseType="LIQUIDATION") == []


def test_nothing_is_taken_from_an_account_without_a_position() -> None:
    floor = Floor()
    account = floor.exchange.accounts["main"]
    assert floor.exchange.liquidate(account, "BTCUSDT", PositionSide.BOTH, floor.now_ms) is None
    assert floor.exchange.deleverage(account, "BTCUSDT", PositionSide.LONG, None, floor.now_ms) is None


def test_crowd_fills_resting_orders_in_parts_and_triggers_conditional_ones() -> None:
    floor = Floor(flow={"volatilityBps": 8, "takerRate": 1, "levelNotional": 2000, "takerNotionalMax": 3000})
    floor.exchange.advance(floor.now_ms)
    orders = [floor.place(side, "40", price) for side, price in (("BUY", "99.9"), ("SELL", "100.1"))]
    algos = [floor.algo("SELL", "STOP_MARKET", triggerPrice="99"), floor.algo("BUY", "STOP_MARKET", triggerPrice="101")]
    partial = False
    for _ in range(600):
        floor.now_ms += 100
        floor.exchange.advance(floor.now_ms)
        partial = partial or any(order.status is Status.PARTIALLY_FILLED for order in orders)
    assert partial
    assert any(order.status is Status.FILLED for order in orders)
    assert any(floor.algo_status(algo) == "FINISHED" for algo in algos)
    trades = floor.call("GET v1/userTrades", symbol="BTCUSDT")
    assert {row["maker"] for row in trades} == {True, False}
    assert any(event.payload["X"] == "MARKET" for event in floor.public)


def test_same_seed_and_calls_make_the_same_events() -> None:
    def history(seed: int) -> list[dict[str, object]]:
        floor = Floor(flow={"volatilityBps": 8, "takerRate": 1}, seed=seed)
        floor.exchange.advance(floor.now_ms)
        floor.place("BUY", "4", "99.9")
        floor.exchange.advance(floor.now_ms + 4000)
        return floor.events()

    assert history(1) == history(1)
    assert history(1) != history(2)
