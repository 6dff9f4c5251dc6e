"""Matching as Spot does it: one trade id for both sides, commission in the asset received, icebergs slice by slice, self-trade prevention."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.spot.market import Print, SpotMarket
from ordergate.simulator.binance.spot.orders import (
    ZERO,
    Expiry,
    PreventedMatch,
    SelfTrade,
    SpotOrder,
    SpotTrade,
)
from ordergate.simulator.binance.spot.symbols import SMALLEST
from ordergate.simulator.matching import Crossing
from ordergate.simulator.orders import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.binance.spot.reports import Reports
    from ordergate.simulator.config import FeesConfig

_LOSES_TAKER = frozenset({SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH})
_LOSES_MAKER = frozenset({SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH})


class SpotMatching(Crossing[SpotOrder, SpotMarket]):
    """Executes orders and ends them. `commissions` and `crowd` are where the money went that no account has any more."""

    __slots__ = ("_fees", "_on_change", "_reports", "commissions", "crowd")

    def __init__(self, fees: FeesConfig, reports: Reports, on_change: Callable[[SpotOrder, int], None]) -> None:
        """`on_change` is told of every order that traded or ended, after its report."""
        self._fees = fees
        self._reports = reports
        self._on_change = on_change
        self.commissions: dict[str, Decimal] = {}
        self.crowd: dict[str, Decimal] = {}

    def lots(self, order: SpotOrder, other: SpotOrder, price: int) -> int:
        """As much as both show."""
        del price
        return min(order.showing, other.showing)

    def may_meet(self, market: SpotMarket, taker: SpotOrder, maker: SpotOrder, now_ms: int) -> bool:
        """Two orders of one account do as the taker's mode says; TRANSFER within one account is DECREMENT (stp_faq.md)."""
        if taker.account is None or taker.account is not maker.account or taker.self_trade is SelfTrade.NONE:
            return True
        self._prevent(market, taker, maker, now_ms)
        return False

    def execute(self, market: SpotMarket, taker: SpotOrder, maker: SpotOrder, lots: int, now_ms: int) -> None:
        """Trade, settle both sides, tell, and show an iceberg's next slice behind all others of its price."""
        price = maker.price
        if price is None:  # a resting order always has one
            return
        trade_id = market.next_trade_id()
        printed = Print(trade_id, price, lots, maker.sign > 0, now_ms)
        market.traded(printed)
        for order in (taker, maker):
            order.fill(price, lots, now_ms)
        if maker.is_open and maker.iceberg_lots and not maker.showing:
            self.withdraw(market, maker)
            self.rest(market, maker)
        elif not maker.is_open:
            self.withdraw(market, maker)
        self._reports.printed(market, printed)
        for order in (taker, maker):
            self._settle(order, price, lots, trade_id, maker=order is maker, now_ms=now_ms)

    def rest(self, market: SpotMarket, order: SpotOrder) -> None:
        """Queue what remains of the order behind all others of its price."""
        if order.price is not None:
            order.resting = True
            order.shown = min(order.iceberg_lots, order.remaining)
            market.book.own_side(order.sign).add(order, order.price)

    def withdraw(self, market: SpotMarket, order: SpotOrder) -> None:
        """Take the order out of the book, if it is there."""
        if order.resting and order.price is not None:
            market.book.own_side(order.sign).remove(order, order.price)
            order.resting = False

    def expire(self, market: SpotMarket, order: SpotOrder, now_ms: int, reason: Expiry) -> None:
        """The venue's rules end the order."""
        order.expiry = reason
        self.end(market, order, Status.EXPIRED, now_ms)
        self._reports.order(order, "EXPIRED", now_ms)
        self._on_change(order, now_ms)

    def end(self, market: SpotMarket, order: SpotOrder, status: Status, now_ms: int) -> None:
        """The order is over, and nothing is told yet."""
        self.withdraw(market, order)
        order.status = status
        order.updated_ms = max(order.updated_ms, now_ms)

    def _settle(
        self, order: SpotOrder, price: int, lots: int, trade_id: int, *, maker: bool, now_ms: int
    ) -> None:  # the two sides of one execution differ in all of these
        symbol, account = order.symbol, order.account
        cost, quantity = symbol.notional(price, lots), symbol.lot * lots
        gained, paid = (quantity, cost) if order.sign > 0 else (cost, quantity)
        if account is None:
            self.crowd[order.receives] = self.crowd.get(order.receives, ZERO) + gained
            self.crowd[order.pays_with] = self.crowd.get(order.pays_with, ZERO) - paid
            return
        rate = self._fees.maker if maker else self._fees.taker
        commission = (gained * rate).quantize(SMALLEST, rounding=ROUND_DOWN)
        self.commissions[order.receives] = self.commissions.get(order.receives, ZERO) + commission
        account.move(order.pays_with, -paid)
        account.move(order.receives, gained - commission)
        trade = SpotTrade(trade_id, order, price, lots, maker, now_ms, commission, order.receives)
        order.trades.append(trade)
        account.trades.setdefault(symbol.name, []).append(trade)
        self._reports.order(order, "TRADE", now_ms, trade=trade)
        self._on_change(order, now_ms)

    def _prevent(self, market: SpotMarket, taker: SpotOrder, maker: SpotOrder, now_ms: int) -> None:
        mode = taker.self_trade
        if mode in _LOSES_TAKER | _LOSES_MAKER:
            taker_lots = taker.remaining if mode in _LOSES_TAKER else 0
            maker_lots = maker.remaining if mode in _LOSES_MAKER else 0
        else:
            taker_lots = maker_lots = min(taker.remaining, maker.showing)
        match = PreventedMatch(
            id=market.next_prevented_id(),
            taker=taker,
            maker=maker,
            mode=SelfTrade.DECREMENT if mode is SelfTrade.TRANSFER else mode,
            price=maker.price or 0,
            taker_lots=taker_lots,
            maker_lots=maker_lots,
            time_ms=now_ms,
        )
        for order, lots in ((taker, taker_lots), (maker, maker_lots)):
            order.prevented += lots
            if lots or order is taker:
                order.prevented_matches.append(match)
        if maker_lots and maker.iceberg_lots and maker.remaining:
            maker.shown -= maker_lots
            if not maker.showing:
                self.withdraw(market, maker)
                self.rest(market, maker)
        for order, lots in ((taker, taker_lots), (maker, maker_lots)):
            if lots:
                order.updated_ms = now_ms
                if not order.remaining:
                    self.end(market, order, Status.EXPIRED_IN_MATCH, now_ms)
                self._reports.prevented(order, match, now_ms)
                self._on_change(order, now_ms)
