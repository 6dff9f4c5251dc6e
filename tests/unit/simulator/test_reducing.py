"""Reduce-only orders, position sides, and closing a position."""

from __future__ import annotations

from decimal import Decimal

from ordergate.simulator.orders import Order, PositionSide, Status
from ordergate.simulator.refusal import POSITION_NOT_FOUND
from tests.unit.simulator.desk import Desk


def _long(quantity: str, **fields: str) -> Desk:
    desk = Desk()
    desk.place("SELL", quantity, account="other", price="100")
    desk.place("BUY", quantity, **fields)
    return desk


def test_reduce_only_needs_a_position_on_the_other_side() -> None:
    assert Desk().refused("SELL", "1", price="101", reduce_only=True) == "REDUCE_ONLY_REJECTED"
    assert _long("1").refused("BUY", "1", price="99", reduce_only=True) == "REDUCE_ONLY_REJECTED"


def test_reduce_only_never_turns_the_position() -> None:
    desk = _long("1")
    desk.place("BUY", "5", account="other", price="100")
    order = desk.place("SELL", "3", reduce_only=True)
    assert (order.status, order.executed) == (Status.CANCELED, 1000)
    assert desk.lots() == 0


def test_resting_reduce_only_trades_no_more_than_is_left() -> None:
    desk = _long("2")
    resting = desk.place("SELL", "2", price="101", reduce_only=True)
    desk.place("BUY", "1.5", account="other", price="100")
    desk.place("SELL", "1.5", price="100")
    desk.place("BUY", "2", account="other", price="101")
    assert resting.executed == 500
    assert resting.status is Status.CANCELED
    assert desk.lots() == 0


def test_reduce_only_orders_end_when_their_position_is_gone() -> None:
    desk = _long("1")
    resting = desk.place("SELL", "1", price="105", reduce_only=True)
    waiting = desk.place("SELL", "1", type="STOP_MARKET", stop="95", reduce_only=True)
    desk.place("BUY", "1", account="other", price="100")
    desk.place("SELL", "1")
    assert (resting.status, waiting.status) == (Status.CANCELED, Status.CANCELED)


def test_reduce_only_may_be_smaller_than_the_minimum_notional() -> None:
    desk = _long("1")
    assert desk.place("SELL", "0.001", price="101", reduce_only=True).status is Status.NEW


def test_long_and_short_are_kept_beside_each_other_and_beside_both() -> None:
    desk = Desk()
    for side, position_side in (("BUY", "LONG"), ("SELL", "SHORT"), ("BUY", "BOTH")):
        desk.place("SELL" if side == "BUY" else "BUY", "1", account="other", price="100")
        desk.place(side, "1", position_side=position_side)
    assert (desk.lots(side="LONG"), desk.lots(side="SHORT"), desk.lots(side="BOTH")) == (1000, -1000, 1000)


def test_order_against_its_own_hedge_side_only_closes() -> None:
    assert Desk().refused("SELL", "1", price="101", position_side="LONG") == "REDUCE_ONLY_REJECTED"
    desk = _long("1", position_side="LONG")
    desk.place("BUY", "5", account="other", price="100")
    assert desk.place("SELL", "4", position_side="LONG").executed == 1000
    assert desk.lots(side="LONG") == 0


def test_netting_position_turns_and_begins_a_new_one() -> None:
    desk = _long("1")
    main = desk.exchange.accounts["main"]
    position = main.positions["BTCUSDT", PositionSide.BOTH]
    first = position.id
    desk.place("BUY", "3", account="other", price="102")
    desk.place("SELL", "3")
    assert (position.lots, position.entry_price, position.realized) == (-2000, Decimal(102), Decimal(2))
    assert position.id != first
    assert [episode.id for episode in position.closed] == [first]


def test_closing_a_position_is_a_market_order_over_all_of_it() -> None:
    desk = _long("2")
    main = desk.exchange.accounts["main"]
    desk.place("BUY", "5", account="other", price="101")
    position = main.positions["BTCUSDT", PositionSide.BOTH]
    order = desk.exchange.close_position(main, position.id, desk.now_ms)
    assert isinstance(order, Order)
    assert (order.status, order.executed, position.lots) == (Status.FILLED, 2000, 0)
    assert desk.exchange.close_position(main, position.id, desk.now_ms) == POSITION_NOT_FOUND
