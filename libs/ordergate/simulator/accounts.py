"""An account: wallet, leverage, positions, its orders for ever and its trades."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING

from ordergate.simulator.orders import Order, PositionSide, Trade
from ordergate.simulator.positions import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ordergate.simulator.market import Market
    from ordergate.simulator.symbols import Symbol

_BY_ID = attrgetter("id")


class Account:
    """Cross margin in one quote asset.

    `reserved_in` is by symbol the notional of the waiting orders that would open something; margin = notional / leverage.
    """

    __slots__ = (
        "closing_orders",
        "leverage",
        "maker_trades",
        "name",
        "open_count",
        "open_orders",
        "orders",
        "positions",
        "reserved_in",
        "taker_trades",
        "wallet",
    )

    def __init__(self, name: str, *, balance: Decimal, leverage: int) -> None:
        """An account that holds nothing but money."""
        self.name = name
        self.wallet = balance
        self.leverage = leverage
        self.reserved_in: dict[str, Decimal] = {}
        self.orders: list[Order] = []
        self.open_orders: dict[int, Order] = {}
        self.open_count: dict[str, int] = {}
        self.closing_orders: dict[int, Order] = {}
        self.positions: dict[tuple[str, PositionSide], Position] = {}
        self.taker_trades: dict[str, list[Trade]] = {}
        self.maker_trades: dict[str, list[Trade]] = {}

    @property
    def reserved(self) -> Decimal:
        """Over all symbols."""
        return sum(self.reserved_in.values(), Decimal(0))

    def leverage_in(self, symbol: str) -> int:
        """Leverage by which margin in this symbol is reckoned: here the account's own in all of them."""
        del symbol
        return self.leverage

    def order(self, order_id: int) -> Order | None:
        """One of this account's orders, open or not."""
        at = bisect_left(self.orders, order_id, key=_BY_ID)
        if at < len(self.orders) and self.orders[at].id == order_id:
            return self.orders[at]
        return None

    def orders_after(self, order_id: int) -> Iterator[Order]:
        """Orders with a greater id, oldest first."""
        for at in range(bisect_left(self.orders, order_id + 1, key=_BY_ID), len(self.orders)):
            yield self.orders[at]

    def takes_from(self, symbol: str, trade_id: int) -> Iterator[Trade]:
        """Taker trades with at least this id, oldest first: all the trades an API key is ever shown."""
        trades = self.taker_trades.get(symbol, [])
        for at in range(bisect_left(trades, trade_id, key=_BY_ID), len(trades)):
            yield trades[at]

    def reducible(self, order: Order) -> int:
        """How many lots the order could close now."""
        position = self.positions.get((order.symbol.name, order.position_side))
        return position.reducible(order.sign) if position else 0

    def opening_lots(self, order: Order) -> int:
        """How much of the order would open a position if all of it traded now."""
        return 0 if order.closing else max(0, order.remaining - self.reducible(order))

    def add(self, order: Order) -> None:
        """Keep a new order, open."""
        self.orders.append(order)
        self.open_orders[order.id] = order
        name = order.symbol.name
        self.open_count[name] = self.open_count.get(name, 0) + 1
        if order.closing:
            self.closing_orders[order.id] = order

    def reserve(self, order: Order, lots: int) -> None:
        """Hold margin for so many of the order's lots, instead of what was held for it before."""
        if lots != order.reserved_lots:
            name = order.symbol.name
            change = order.symbol.notional(order.reference_price, lots - order.reserved_lots)
            self.reserved_in[name] = self.reserved_in.get(name, Decimal(0)) + change
            order.reserved_lots = lots

    def forget_open(self, order: Order) -> None:
        """The order is over: it holds no place and no margin."""
        if self.open_orders.pop(order.id, None) is not None:
            self.open_count[order.symbol.name] -= 1
            self.closing_orders.pop(order.id, None)
            self.reserve(order, 0)

    def settle(self, trade: Trade, *, fee_rate: Decimal, position_id: int) -> None:
        """Move wallet and position by one trade and keep it. `position_id` names the position if this trade opens one."""
        order = trade.order
        symbol = order.symbol
        key = (symbol.name, order.position_side)
        position = self.positions.get(key)
        if position is None:
            position = self.positions[key] = Position(symbol, order.position_side)
        fee = symbol.notional(trade.price, trade.lots) * fee_rate
        profit = position.trade(
            signed_lots=order.sign * trade.lots,
            price=trade.price,
            now_ms=trade.time_ms,
            new_id=position_id,
            reason="REDUCE_ONLY" if order.reduce_only else "TRADE",
        )
        position.fees += fee
        self.wallet += profit - fee
        trade.profit = profit
        kept = self.maker_trades if trade.maker else self.taker_trades
        kept.setdefault(symbol.name, []).append(trade)

    def unrealized(self, markets: Mapping[str, Market[Order, Symbol]]) -> Decimal:
        """Profit of all open positions at the mark prices."""
        return sum((p.unrealized(markets[p.symbol.name].mark) for p in self.positions.values()), Decimal(0))

    def margin_used(self, markets: Mapping[str, Market[Order, Symbol]]) -> Decimal:
        """What open positions and waiting orders hold."""
        notionals = dict(self.reserved_in)
        for position in self.positions.values():
            if position.lots:
                name = position.symbol.name
                held = position.symbol.notional(markets[name].mark, abs(position.lots))
                notionals[name] = notionals.get(name, Decimal(0)) + held
        return sum((notional / self.leverage_in(name) for name, notional in notionals.items()), Decimal(0))

    def available(self, markets: Mapping[str, Market[Order, Symbol]]) -> Decimal:
        """What a new order may hold."""
        return self.wallet + self.unrealized(markets) - self.margin_used(markets)
