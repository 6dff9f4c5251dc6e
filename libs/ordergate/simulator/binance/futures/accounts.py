"""A futures account: position mode, leverage and margin type by symbol, conditional orders, and the dead-man's switches it has set."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

from ordergate.simulator.accounts import Account
from ordergate.simulator.binance.futures.orders import FuturesOrder
from ordergate.simulator.orders import PositionSide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ordergate.simulator.binance.futures.orders import AlgoOrder
    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.positions import Position
    from ordergate.simulator.symbols import Symbol

_BY_ID = attrgetter("id")
_ZERO = Decimal(0)


class FuturesAccount(Account):
    """One-way or hedge mode. Isolated margin is reckoned, never enforced: all positions stand on the whole wallet."""

    __slots__ = (
        "algo_orders",
        "algos_by_client_id",
        "by_client_id",
        "countdowns",
        "hedged",
        "isolated",
        "leverages",
        "multi_assets",
        "open_algos",
        "updated_ms",
    )

    def __init__(self, name: str, *, balance: Decimal, leverage: int) -> None:
        """One-way mode, single asset, cross margin. leverage: of every symbol until it is changed."""
        super().__init__(name, balance=balance, leverage=leverage)
        self.hedged = False
        self.multi_assets = False
        self.isolated: set[str] = set()
        self.leverages: dict[str, int] = {}
        self.countdowns: dict[str, int] = {}
        """By symbol, when all its open orders are canceled."""
        self.by_client_id: dict[str, list[FuturesOrder]] = {}
        self.algo_orders: dict[int, AlgoOrder] = {}
        self.open_algos: dict[int, AlgoOrder] = {}
        self.algos_by_client_id: dict[str, list[AlgoOrder]] = {}
        self.updated_ms = 1  # it was funded once: 0 is what public clients take for a balance that never was

    def leverage_in(self, symbol: str) -> int:
        """As set for this symbol."""
        return self.leverages.get(symbol, self.leverage)

    def named(self, client_order_id: str) -> FuturesOrder | None:
        """The order of this id: the open one if there is one, else the latest."""
        known = self.by_client_id.get(client_order_id)
        if not known:
            return None
        return next((order for order in reversed(known) if order.is_open), known[-1])

    def algo_named(self, client_algo_id: str) -> AlgoOrder | None:
        """The conditional order of this id: the waiting one if there is one, else the latest."""
        known = self.algos_by_client_id.get(client_algo_id)
        if not known:
            return None
        return next((algo for algo in reversed(known) if algo.is_open), known[-1])

    def keep_algo(self, algo: AlgoOrder) -> None:
        """A new conditional order waits."""
        self.algo_orders[algo.id] = algo
        self.open_algos[algo.id] = algo
        self.algos_by_client_id.setdefault(algo.client_id, []).append(algo)

    def open_orders_of(self, symbol: str | None) -> list[FuturesOrder]:
        """Open orders, oldest first, of one symbol or of all; conditional orders are none of them."""
        return [
            order
            for order in self.open_orders.values()
            if isinstance(order, FuturesOrder) and symbol in {None, order.symbol.name}
        ]

    def trades_from(self, symbol: str, trade_id: int) -> Iterator[Trade]:
        """Trades on both sides with at least this id, oldest first."""
        makers = self.maker_trades.get(symbol, [])
        takers = self.taker_trades.get(symbol, [])
        return merge(_after(takers, trade_id), _after(makers, trade_id), key=_BY_ID)

    def position(self, symbol: str, side: PositionSide) -> Position | None:
        """The position on this side, if ever there was one."""
        return self.positions.get((symbol, side))

    def position_sides(self) -> tuple[PositionSide, ...]:
        """The sides that the position mode knows."""
        return (PositionSide.LONG, PositionSide.SHORT) if self.hedged else (PositionSide.BOTH,)

    def isolated_wallet(self, position: Position) -> Decimal:
        """What an isolated position stands on: its margin at entry (our assumption: none is ever added), 0 for a crossed one."""
        symbol = position.symbol
        if symbol.name not in self.isolated or not position.lots:
            return _ZERO
        notional = position.entry_price * symbol.lot * abs(position.lots)
        return notional / self.leverage_in(symbol.name)

    def crossed_wallet(self) -> Decimal:
        """The wallet without what isolated positions stand on."""
        return self.wallet - sum((self.isolated_wallet(position) for position in self.positions.values()), _ZERO)

    def order_margin(self) -> Decimal:
        """What waiting orders hold."""
        return sum((self.order_margin_in(name) for name in self.reserved_in), _ZERO)

    def order_margin_in(self, symbol: str) -> Decimal:
        """What waiting orders of one symbol hold."""
        return self.reserved_in.get(symbol, _ZERO) / self.leverage_in(symbol)

    def position_margin(self, position: Position, market: Market[Order, Symbol]) -> Decimal:
        """What a position holds at the mark price."""
        notional = position.symbol.notional(market.mark, abs(position.lots))
        return notional / self.leverage_in(position.symbol.name)

    def can_hold(self, markets: Mapping[str, Market[Order, Symbol]]) -> bool:
        """Whether positions and orders are covered, as after a change of leverage they must be."""
        return self.available(markets) >= 0


def owner_of(order: Order) -> FuturesAccount:
    """The account of an order that is not the crowd's."""
    if not isinstance(order.account, FuturesAccount):
        message = "an order of the futures exchange belongs to one of its accounts"
        raise TypeError(message)
    return order.account


def _after(trades: list[Trade], trade_id: int) -> Iterator[Trade]:
    for at in range(bisect_left(trades, trade_id, key=_BY_ID), len(trades)):
        yield trades[at]
