"""The background flow: resting orders really fill, market orders find several levels, and a seed is a history."""

from __future__ import annotations

from typing import Any

from ordergate.simulator.orders import Status
from tests.unit.simulator.desk import NOW, Desk

LIVELY: dict[str, Any] = {"takerRate": 0.9, "takerNotionalMin": "10", "takerNotionalMax": "400", "levelNotional": "500"}


def _busy(seed: int = 1, **flow: Any) -> Desk:
    row = {"symbol": "BTCUSDT", "price": "20000", "tickSize": "0.1", "minNotional": "5"}
    desk = Desk(symbols=[row], seed=seed, flow={**LIVELY, **flow})
    desk.exchange.advance(NOW)
    return desk


def _advance(desk: Desk, steps: int) -> None:
    for _ in range(steps):
        desk.now_ms += 100
        desk.exchange.advance(desk.now_ms)


def test_resting_order_near_the_market_is_filled_in_parts() -> None:
    desk = _busy()
    best = desk.exchange.markets["BTCUSDT"].book.bids.best_price()
    assert best is not None
    order = desk.place("BUY", "0.050", price=str((best + 5) / 10))
    seen = set()
    for _ in range(300):
        _advance(desk, 1)
        seen.add(order.executed)
        if not order.is_open:
            break
    assert order.status is Status.FILLED
    assert len(seen - {0, order.lots}) >= 1
    assert len(desk.fills()) >= 2
    assert all(maker for _, _, maker in desk.fills())


def test_market_order_trades_over_several_levels() -> None:
    desk = _busy()
    order = desk.place("BUY", "0.100")
    prices = [price for price, _, _ in desk.fills()]
    assert order.status is Status.FILLED
    assert len(set(prices)) >= 3
    assert prices == sorted(prices, key=float)


def _history(seed: int) -> list[Any]:
    desk = _busy(seed)
    for turn in range(60):
        desk.place("BUY" if turn % 2 else "SELL", "0.010", price=str(20000 + turn % 7))
        _advance(desk, 1)
        if turn % 5 == 4:
            desk.exchange.cancel_all(desk.exchange.accounts["main"], None, desk.now_ms)
    market = desk.exchange.markets["BTCUSDT"]
    return [desk.fills(), market.mark, market.last, str(desk.exchange.accounts["main"].wallet)]


def test_same_seed_makes_the_same_history_and_another_seed_another() -> None:
    assert _history(7) == _history(7)
    assert _history(7) != _history(8)


def test_price_door_takes_the_market_there_and_fills_what_it_crosses() -> None:
    desk = _busy()
    below = desk.place("BUY", "0.001", price="19500")
    above = desk.place("SELL", "0.001", price="20500")
    desk.price("19000")
    book = desk.exchange.markets["BTCUSDT"].book
    assert (below.status, above.status) == (Status.FILLED, Status.NEW)
    bid, ask = book.bids.best_price(), book.asks.best_price()
    assert bid is not None
    assert ask is not None
    assert bid < 190000 < ask


def test_flow_that_is_off_leaves_the_books_alone() -> None:
    desk = _busy(enabled=False)
    _advance(desk, 20)
    assert desk.exchange.markets["BTCUSDT"].book.bids.best_price() is None
    assert desk.place("BUY", "0.001").status is Status.CANCELED


def test_deep_flow_fills_a_large_order_at_few_prices() -> None:
    desk = Desk(flow={"levelNotional": "10000000", "takerRate": 0})
    desk.exchange.advance(NOW)
    order = desk.place("BUY", "120")
    assert order.status is Status.FILLED
    assert len(desk.fills()) == 1


def test_clock_that_jumps_neither_races_nor_stops_the_flow() -> None:
    desk = _busy()
    for jump in (86_400_000, -86_400_000):
        desk.now_ms += jump
        desk.exchange.advance(desk.now_ms)
        before = desk.exchange.markets["BTCUSDT"].trade_id
        _advance(desk, 20)
        assert desk.exchange.markets["BTCUSDT"].trade_id > before
