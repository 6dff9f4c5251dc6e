"""Balances, margin, profit and fees."""

from __future__ import annotations

from decimal import Decimal

from ordergate.simulator.orders import PositionSide
from tests.unit.simulator.desk import BTC, Desk

WIDE = {**BTC, "maxOpenOrders": 100}


def test_profit_less_fees_lands_in_the_wallet_and_nothing_is_lost_between_the_two() -> None:
    desk = Desk()
    desk.place("SELL", "10", account="other", price="100")
    desk.place("BUY", "10")
    desk.place("BUY", "10", account="other", price="103")
    desk.place("SELL", "10")
    main, other = desk.exchange.accounts["main"], desk.exchange.accounts["other"]
    taker_fees = Decimal("0.0005") * (1000 + 1030)
    maker_fees = Decimal("0.0002") * (1000 + 1030)
    assert main.wallet == 10000 + 30 - taker_fees
    assert other.wallet == 10000 - 30 - maker_fees
    position = main.positions["BTCUSDT", PositionSide.BOTH]
    assert (position.realized, position.fees) == (Decimal(30), taker_fees)


def test_average_entry_price_moves_with_opening_trades_only() -> None:
    desk = Desk()
    desk.place("SELL", "1", account="other", price="100")
    desk.place("SELL", "3", account="other", price="104")
    desk.place("BUY", "4")
    position = desk.exchange.accounts["main"].positions["BTCUSDT", PositionSide.BOTH]
    assert position.entry_price == Decimal(103)
    desk.place("BUY", "1", account="other", price="99")
    desk.place("SELL", "1")
    assert position.entry_price == Decimal(103)
    assert position.realized == Decimal(-4)


def test_unrealised_profit_follows_the_mark_price() -> None:
    desk = Desk()
    desk.place("SELL", "2", account="other", price="100")
    desk.place("BUY", "2")
    desk.price("103.5")
    assert desk.exchange.accounts["main"].unrealized(desk.exchange.markets) == Decimal(7)
    assert desk.exchange.accounts["other"].unrealized(desk.exchange.markets) == Decimal(-7)


def test_order_beyond_the_available_margin_is_refused() -> None:
    desk = Desk(symbols=[WIDE])
    assert desk.refused("BUY", "1000", price="100") == "INSUFFICIENT_BALANCE"
    desk.place("BUY", "500", price="99.9")
    desk.place("BUY", "400", price="99.9")
    assert desk.refused("BUY", "101", price="99.9") == "INSUFFICIENT_BALANCE"


def test_canceled_and_filled_orders_hold_no_margin() -> None:
    desk = Desk(symbols=[WIDE])
    main = desk.exchange.accounts["main"]
    order = desk.place("BUY", "900", price="99.9")
    desk.place("SELL", "300", account="other", price="99.9")
    assert main.reserved == Decimal("99.9") * 600
    desk.cancel(order)
    assert main.reserved == 0
    assert order.executed == 300_000


def test_order_that_closes_needs_no_margin() -> None:
    desk = Desk(symbols=[WIDE])
    desk.place("SELL", "500", account="other", price="100")
    desk.place("BUY", "500", price="100")
    desk.place("BUY", "400", price="99")
    assert desk.refused("BUY", "200", price="99") == "INSUFFICIENT_BALANCE"
    desk.place("SELL", "500", price="105")
    assert desk.exchange.accounts["main"].reserved == Decimal(99) * 400
