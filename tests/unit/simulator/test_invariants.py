"""What holds after any sequence of orders and cancels: the books add up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.simulator.accounts import Account
from ordergate.simulator.exchange import Placed
from ordergate.simulator.orders import PositionSide, Status
from tests.unit.simulator.desk import BTC, Desk

PRICES = st.integers(min_value=960, max_value=1040).map(lambda ticks: f"{Decimal(ticks) / 10}")
QUANTITIES = st.integers(min_value=60, max_value=4000).map(lambda lots: f"{Decimal(lots) / 1000}")


@st.composite
def _moves(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["LIMIT", "LIMIT", "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "CANCEL"]))
    move: dict[str, Any] = {
        "type": kind,
        "account": draw(st.sampled_from(["main", "other"])),
        "side": draw(st.sampled_from(["BUY", "SELL"])),
        "quantity": draw(QUANTITIES),
        "position_side": draw(st.sampled_from(["BOTH", "BOTH", "LONG", "SHORT"])),
        "reduce_only": draw(st.sampled_from([False, False, True])),
    }
    if kind in {"LIMIT", "STOP", "TAKE_PROFIT"}:
        move["price"] = draw(PRICES)
    if kind not in {"LIMIT", "MARKET", "CANCEL"}:
        move["stop"] = draw(PRICES)
    return move


def _check_account(desk: Desk, account: Account) -> None:
    orders = account.orders
    traded: dict[int, int] = {}
    for trade in [*account.taker_trades.get("BTCUSDT", []), *account.maker_trades.get("BTCUSDT", [])]:
        traded[trade.order.id] = traded.get(trade.order.id, 0) + trade.lots
    assert {order.id: order.executed for order in orders if order.executed} == traded
    assert {order.id for order in orders if order.is_open} == set(account.open_orders)
    assert account.open_count.get("BTCUSDT", 0) == len(account.open_orders)
    assert all((order.status is Status.FILLED) == (order.executed == order.lots) for order in orders)
    assert all(0 <= order.reserved_lots <= order.remaining for order in account.open_orders.values())
    assert account.reserved == sum(o.symbol.notional(o.reference_price, o.reserved_lots) for o in orders)
    assert all(account.reducible(order) for order in account.closing_orders.values())
    positions = account.positions.values()
    gained = sum((p.realized - p.fees for p in positions), Decimal(0))
    assert abs(account.wallet - (10_000_000 + gained)) < Decimal("1e-12")
    assert desk.lots(account.name, "LONG") >= 0 >= desk.lots(account.name, "SHORT")


def _check_market(desk: Desk) -> None:
    book = desk.exchange.markets["BTCUSDT"].book
    bid, ask = book.bids.best_price(), book.asks.best_price()
    assert bid is None or ask is None or bid < ask
    accounts = desk.exchange.accounts.values()
    assert sum(desk.lots(account.name, side) for account in accounts for side in PositionSide) == 0


@settings(max_examples=150)
@given(st.lists(_moves(), max_size=25))
def test_books_add_up_after_every_move(moves: list[dict[str, Any]]) -> None:
    rows = [{"account": name, "balance": "10000000", "leverage": 10} for name in ("main", "other")]
    desk = Desk(symbols=[{**BTC, "maxOpenOrders": 1000}], accounts=rows)
    for move in moves:
        account = desk.exchange.accounts[move["account"]]
        if move["type"] == "CANCEL":
            for order in list(account.open_orders.values())[:1]:
                desk.cancel(order)
        else:
            placed = desk.try_place(**move)
            assert not isinstance(placed, Placed) or placed.order.created_ms == desk.now_ms
        for owner in desk.exchange.accounts.values():
            _check_account(desk, owner)
        _check_market(desk)
