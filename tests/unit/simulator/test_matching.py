"""Price-time priority, partial fills, and where an order ends."""

from __future__ import annotations

from ordergate.simulator.orders import Status
from tests.unit.simulator.desk import Desk


def test_better_price_trades_first_and_older_order_before_younger() -> None:
    desk = Desk()
    late_best = desk.place("SELL", "1", account="other", price="101")
    first = desk.place("SELL", "1", account="other", price="102")
    second = desk.place("SELL", "1", account="other", price="102")
    taker = desk.place("BUY", "2.5", price="102")
    assert desk.fills() == [("101.0", "1.000", False), ("102.0", "1.000", False), ("102.0", "0.500", False)]
    assert (late_best.status, first.status, second.status) == (Status.FILLED, Status.FILLED, Status.PARTIALLY_FILLED)
    assert taker.status is Status.FILLED


def test_limit_order_rests_with_what_it_could_not_trade_and_trades_at_the_makers_price() -> None:
    desk = Desk()
    desk.place("SELL", "1", account="other", price="100")
    taker = desk.place("BUY", "3", price="101")
    assert (taker.status, taker.executed) == (Status.PARTIALLY_FILLED, 1000)
    assert desk.fills() == [("100.0", "1.000", False)]
    desk.place("SELL", "2", account="other", price="100")
    assert taker.status is Status.FILLED
    assert desk.fills()[1:] == [("101.0", "2.000", True)]


def test_limit_order_does_not_trade_beyond_its_price() -> None:
    desk = Desk()
    desk.place("SELL", "1", account="other", price="101")
    order = desk.place("BUY", "1", price="100.9")
    assert order.status is Status.NEW
    assert desk.fills() == []


def test_market_orders_remainder_without_liquidity_is_canceled() -> None:
    desk = Desk()
    desk.place("SELL", "1", account="other", price="101")
    order = desk.place("BUY", "3")
    assert (order.status, order.executed) == (Status.CANCELED, 1000)
    assert desk.exchange.accounts["main"].open_orders == {}


def test_canceled_order_trades_no_more() -> None:
    desk = Desk()
    resting = desk.place("SELL", "1", account="other", price="101")
    desk.cancel(resting)
    assert desk.place("BUY", "1").executed == 0
    assert resting.status is Status.CANCELED


def test_two_orders_of_one_account_trade_with_each_other() -> None:
    desk = Desk()
    desk.place("SELL", "1", price="100")
    desk.place("BUY", "1", price="100")
    assert desk.fills() == [("100.0", "1.000", False), ("100.0", "1.000", True)]
    assert desk.lots() == 0


def test_each_side_of_an_execution_has_an_id_of_its_own() -> None:
    desk = Desk()
    desk.place("SELL", "1", price="100")
    desk.place("BUY", "1", price="100")
    main = desk.exchange.accounts["main"]
    assert [t.id for t in main.taker_trades["BTCUSDT"]] != [t.id for t in main.maker_trades["BTCUSDT"]]


def test_cancel_all_spares_other_symbols() -> None:
    desk = Desk(symbols=[_row("AAAUSDT"), _row("BBBUSDT")])
    one = desk.place("BUY", "1", symbol="AAAUSDT", price="99")
    two = desk.place("BUY", "1", symbol="BBBUSDT", price="99")
    assert desk.exchange.cancel_all(desk.exchange.accounts["main"], "AAAUSDT", desk.now_ms) == [one]
    assert two.status is Status.NEW
    assert desk.exchange.cancel_all(desk.exchange.accounts["main"], None, desk.now_ms) == [two]


def _row(name: str) -> dict[str, str]:
    return {"symbol": name, "price": "100"}
