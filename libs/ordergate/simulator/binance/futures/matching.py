"""Matching as USD-M futures do it: self-trade prevention, one trade id for both sides, and a word to the account about everything that happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.orders import (
    AT_ONCE,
    POST_ONLY,
    AlgoStatus,
    FuturesOrder,
    SelfTrade,
    TimeInForce,
)
from ordergate.simulator.matching import Matching
from ordergate.simulator.orders import Status

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.binance.futures.events import Events
    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.symbols import Symbol

EXPIRY_SELF_TRADE = 1
EXPIRY_AT_ONCE = 2
EXPIRY_AT_ONCE_SELF_TRADE = 3
EXPIRY_NOTHING_TO_REDUCE = 4
EXPIRY_LIQUIDATED = 5
EXPIRY_NO_LIQUIDITY = 9


class FuturesMatching(Matching):
    """Tells `events` of every execution and of every end that is not a fill."""

    __slots__ = ("_events",)

    knocked_out = Status.EXPIRED

    def __init__(self, *, maker_rate: Decimal, taker_rate: Decimal, events: Events) -> None:
        """Fee rates are of the notional."""
        super().__init__(maker_rate=maker_rate, taker_rate=taker_rate)
        self._events = events

    def lots(self, order: Order, other: Order, price: int) -> int:
        """Nothing for an order that self-trade prevention has ended."""
        return super().lots(order, other, price) if order.is_open else 0

    def may_meet(self, market: Market[Order, Symbol], taker: Order, maker: Order, now_ms: int) -> bool:
        """Two orders of one account do as the taker's mode says; it works for GTC, GTD and IOC only (new order, notes)."""
        if not super().may_meet(market, taker, maker, now_ms):
            return False
        if taker.account is None or taker.account is not maker.account:
            return True
        if not isinstance(taker, FuturesOrder) or not isinstance(maker, FuturesOrder):
            return True
        mode = taker.self_trade
        if mode is SelfTrade.NONE or taker.time_in_force in POST_ONLY | {TimeInForce.FOK} or taker.forced:
            return True
        if mode is not SelfTrade.EXPIRE_TAKER:
            self._expire_in_match(market, maker, now_ms)
        if mode is not SelfTrade.EXPIRE_MAKER:
            self._expire_in_match(market, taker, now_ms)
        return False

    def execute(self, market: Market[Order, Symbol], taker: Order, maker: Order, lots: int, now_ms: int) -> None:
        """The public is told too, whoever traded."""
        super().execute(market, taker, maker, lots, now_ms)
        self._events.market_traded(market, lots, buyer_is_maker=maker.sign > 0, now_ms=now_ms)

    def end(self, market: Market[Order, Symbol], order: Order, status: Status, now_ms: int) -> None:
        """A fill was told as a trade; everything else is told here. What a conditional order became finishes that too."""
        super().end(market, order, status, now_ms)
        if not isinstance(order, FuturesOrder):
            return
        if status is not Status.FILLED:
            if status is Status.EXPIRED and not order.expiry:
                order.expiry = _expiry(order)
            self._events.order_ended(order, now_ms)
        algo = order.algo
        if algo is not None and algo.status is AlgoStatus.TRIGGERED:
            algo.status = AlgoStatus.FINISHED
            algo.updated_ms = now_ms
            self._events.algo_changed(algo, now_ms)

    def _expire_in_match(self, market: Market[Order, Symbol], order: FuturesOrder, now_ms: int) -> None:
        order.expiry = EXPIRY_AT_ONCE_SELF_TRADE if order.time_in_force in AT_ONCE else EXPIRY_SELF_TRADE
        self.end(market, order, Status.EXPIRED_IN_MATCH, now_ms)

    def _settle(self, trade: Trade) -> None:
        super()._settle(trade)
        if trade.order.account is not None:
            self._events.traded(trade)

    def _trade_ids(self, market: Market[Order, Symbol]) -> tuple[int, int]:
        trade_id = market.next_trade_id()
        return trade_id, trade_id


def _expiry(order: FuturesOrder) -> int:
    """Why an order expired, where nobody has said it (event ORDER_TRADE_UPDATE, `er`)."""
    if order.closing and order.account is not None and not order.account.reducible(order):
        return EXPIRY_NOTHING_TO_REDUCE
    if order.price is None:
        return EXPIRY_NO_LIQUIDITY
    return EXPIRY_AT_ONCE if order.time_in_force in AT_ONCE else 0
