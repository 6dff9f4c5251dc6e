"""Matching: one incoming order against a book, in price-time priority, and the settlement of each execution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ordergate.simulator.flow import Quote
from ordergate.simulator.market import Market
from ordergate.simulator.orders import Order, Status, Trade
from ordergate.simulator.symbols import Symbol

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.accounts import Account

SomeTraded = TypeVar("SomeTraded", bound=Quote)
SomeMarket = TypeVar("SomeMarket", bound=Market[Any, Any])


class Crossing(ABC, Generic[SomeTraded, SomeMarket]):
    """Who meets whom. How much two may trade, whether they may, and what an execution does, is the matter of the exchange."""

    __slots__ = ()

    def run(self, market: SomeMarket, taker: SomeTraded, now_ms: int) -> None:
        """Trade the order against the book as far as its price and liquidity go; nothing rests here."""
        opposite = market.book.other_side(taker.sign)
        while taker.remaining:
            maker = opposite.best()
            if maker is None or maker.price is None:
                return
            if taker.price is not None and (taker.price - maker.price) * taker.sign < 0:
                return
            lots = self.lots(taker, maker, maker.price)
            if not lots:
                return
            if self.may_meet(market, taker, maker, now_ms):
                self.execute(market, taker, maker, min(lots, self.lots(maker, taker, maker.price)), now_ms)

    @abstractmethod
    def lots(self, order: SomeTraded, other: SomeTraded, price: int) -> int:
        """How much the order may trade with the other at most; 0: it is through."""

    @abstractmethod
    def may_meet(self, market: SomeMarket, taker: SomeTraded, maker: SomeTraded, now_ms: int) -> bool:
        """Whether the two may trade. If not, one of them has been changed here so that they never meet again."""

    @abstractmethod
    def execute(self, market: SomeMarket, taker: SomeTraded, maker: SomeTraded, lots: int, now_ms: int) -> None:
        """Both trade so many lots; a maker that is through leaves the book."""


class Matching(Crossing[Order, Market[Order, Symbol]]):
    """Executes orders and ends them; `touched` are the accounts whose reduce-only orders may have lost their position.

    Two orders of one account may trade with each other: the exchange documents no self-trade prevention, so both sides are ordinary trades.
    """

    __slots__ = ("_maker_rate", "_settled", "_taker_rate", "touched")

    knocked_out = Status.CANCELED
    """How an order ends that finds no more liquidity, or nothing left to close."""

    def __init__(self, *, maker_rate: Decimal, taker_rate: Decimal) -> None:
        """Fee rates are of the notional."""
        self._maker_rate = maker_rate
        self._taker_rate = taker_rate
        self._settled = 0
        self.touched: dict[str, Account] = {}

    def lots(self, order: Order, other: Order, price: int) -> int:
        """A closing order never more than there is to close."""
        del price
        return min(other.remaining, _bound(order))

    def may_meet(self, market: Market[Order, Symbol], taker: Order, maker: Order, now_ms: int) -> bool:
        """A closing maker with nothing left to close is over."""
        del taker
        if _bound(maker):
            return True
        self.end(market, maker, self.knocked_out, now_ms)
        return False

    def take(self, market: Market[Order, Symbol], maker: Order, now_ms: int) -> None:
        """Somebody of the crowd trades with exactly this resting order, as far as it may, whatever else is in the book."""
        lots = _bound(maker)
        if lots:
            taker = replace(
                maker, id=0, account=None, client_order_id="", sign=-maker.sign, lots=lots, executed=0, cost=0
            )
            self.execute(market, taker, maker, lots, now_ms)

    def end(self, market: Market[Order, Symbol], order: Order, status: Status, now_ms: int) -> None:
        """The order is over: out of the book, out of the account's open orders."""
        order.status = status
        order.updated_ms = max(order.updated_ms, now_ms)
        if order.price is not None:
            market.book.own_side(order.sign).remove(order, order.price)
        if order.account is not None:
            order.account.forget_open(order)

    def execute(self, market: Market[Order, Symbol], taker: Order, maker: Order, lots: int, now_ms: int) -> None:
        """Each side is a trade of its own."""
        price = maker.price
        if price is None:  # a resting order always has one
            return
        market.last = price
        taker.fill(price, lots, now_ms)
        maker.fill(price, lots, now_ms)
        taker_id, maker_id = self._trade_ids(market)
        self._settle(Trade(taker_id, taker, price, lots, maker=False, time_ms=now_ms))
        self._settle(Trade(maker_id, maker, price, lots, maker=True, time_ms=now_ms))
        if not maker.remaining:
            self.end(market, maker, Status.FILLED, now_ms)

    def _trade_ids(self, market: Market[Order, Symbol]) -> tuple[int, int]:
        """Of the taker's and the maker's side."""
        return market.next_trade_id(), market.next_trade_id()

    def _settle(self, trade: Trade) -> None:
        order = trade.order
        account = order.account
        if account is None:
            return
        self._settled += 1
        rate = self._maker_rate if trade.maker else self._taker_rate
        account.settle(trade, fee_rate=rate, position_id=self._settled)
        if order.reserved_lots > order.remaining:
            account.reserve(order, order.remaining)
        if account.closing_orders:
            self.touched[account.name] = account


def _bound(order: Order) -> int:
    """How much the order may trade at most: a closing order never more than there is to close."""
    if order.closing and order.account is not None:
        return min(order.remaining, order.account.reducible(order))
    return order.remaining
