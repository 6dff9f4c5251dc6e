"""What every venue of perpetual futures does, whatever its dialect: books, crowd, positions, and coming to rest after each change. Pure and seeded.

A dialect decides which orders it takes and tells of; here they are kept, traded, left to wait, and ended when nothing is left for them to do.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ordergate.simulator.accounts import Account
from ordergate.simulator.flow import Flow
from ordergate.simulator.market import Market, id_gaps
from ordergate.simulator.orders import Order, OrderType, PositionSide, Status
from ordergate.simulator.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from ordergate.simulator.config import SimulatorConfig, SymbolConfig
    from ordergate.simulator.matching import Matching

SomeAccount = TypeVar("SomeAccount", bound=Account)


class Perpetual(Generic[SomeAccount]):
    """All books of one venue. Between two calls they are at rest: no trigger is due, no closing order is without a position."""

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        markets: dict[str, Market[Order, Symbol]],
        accounts: dict[str, SomeAccount],
        matching: Matching,
    ) -> None:
        """The state before the first request."""
        self.fees = config.fees
        self.markets = markets
        self.accounts = accounts
        self.matching = matching
        self.last_order_id = 0
        self._flow = Flow(
            config.flow, self.markets, Random(config.seed), make=_crowd_order, submit=self._take_crowd_order
        )

    # --- what the rest of the world does

    def advance(self, now_ms: int) -> None:
        """Let timers and the background flow act up to this moment."""
        for moment_ms in self._flow.due(now_ms):
            self._due(moment_ms)
            self._flow.step(moment_ms)
            self._come_to_rest(moment_ms)
        self._due(now_ms)

    def fill(self, order_id: int, now_ms: int) -> bool:
        """Somebody trades with exactly this resting order, all of it. False: it is not resting."""
        order = next((found for each in self.accounts.values() if (found := each.order(order_id)) is not None), None)
        if order is None or order.price is None or order.status not in {Status.NEW, Status.PARTIALLY_FILLED}:
            return False
        self.matching.take(self.markets[order.symbol.name], order, now_ms)
        self._come_to_rest(now_ms)
        return True

    def set_price(self, symbol: str, price: Decimal, now_ms: int) -> bool:
        """Move the market: mark price and the flow's quotes go there, and what they cross trades. False: no such symbol."""
        market = self.markets.get(symbol)
        if market is None:
            return False
        self._flow.recenter(market, market.symbol.nearest_ticks(price), now_ms)
        self._come_to_rest(now_ms)
        return True

    # --- what a dialect asks of an order it is about to take

    def against_hedge(self, sign: int, side: PositionSide) -> bool:
        """Whether an order on this side of a hedge can only close what is held there."""
        return side is (PositionSide.SHORT if sign > 0 else PositionSide.LONG)

    def margin_needed(self, account: SomeAccount, order: Order) -> Decimal:
        """What the account must have free for this new order: margin for what it would open, and the taker's fee; 0 if it opens nothing."""
        opening = account.opening_lots(order)
        needed = order.symbol.notional(order.reference_price, opening) / account.leverage_in(order.symbol.name)
        return needed + order.symbol.notional(order.reference_price, order.lots if opening else 0) * self.fees.taker

    # --- what a dialect may do differently

    def _due(self, now_ms: int) -> None:
        """Fire the timers whose moment has come; there are none here."""

    def _trigger(self, market: Market[Order, Symbol], now_ms: int) -> bool:
        """Start one order that waited for a price, if one is due."""
        order = market.next_triggered()
        if order is None:
            return False
        order.status = Status.NEW
        order.updated_ms = max(order.updated_ms, now_ms)
        self._start(market, order, now_ms)
        return True

    def _left_over(self, order: Order) -> Status | None:
        """How an order ends that has traded all it can at once; None: it waits for more.

        A market order has found no more liquidity, a closing order may have nothing left to close.
        """
        idle = order.closing and order.account is not None and not order.account.reducible(order)
        return self.matching.knocked_out if order.price is None or idle else None

    # --- the way of one order

    def _keep(self, account: SomeAccount, order: Order) -> None:
        """The order is the account's from now on. Its id is the next one."""
        self.last_order_id = order.id
        account.add(order)

    def _start(self, market: Market[Order, Symbol], order: Order, now_ms: int) -> None:
        if order.status is Status.PENDING_NEW:
            self._reserve(order)
            market.wait_for_trigger(order)
            return
        self.matching.run(market, order, now_ms)
        if not order.remaining:
            self.matching.end(market, order, Status.FILLED, now_ms)
            return
        if not order.is_open:  # it was ended on its way
            return
        status = self._left_over(order)
        if status is not None or order.price is None:
            self.matching.end(market, order, status or self.matching.knocked_out, now_ms)
        else:
            market.book.own_side(order.sign).add(order, order.price)
            self._reserve(order)

    def _take_crowd_order(self, market: Market[Order, Symbol], order: Order, now_ms: int) -> None:
        self.matching.run(market, order, now_ms)
        if order.remaining and order.price is not None and order.type is OrderType.LIMIT:
            market.book.own_side(order.sign).add(order, order.price)

    def _reserve(self, order: Order) -> None:
        if order.account is not None:
            order.account.reserve(order, order.account.opening_lots(order))

    def _come_to_rest(self, now_ms: int) -> None:
        """Fire triggers and end closing orders until neither has anything to do; each turn ends at least one waiting."""
        while True:
            self._sweep_closing(now_ms)
            if not self._fire_one(now_ms):
                return

    def _fire_one(self, now_ms: int) -> bool:
        for market in self.markets.values():
            if not self._flow.enabled:
                market.mark = market.last
            if self._trigger(market, now_ms):
                return True
        return False

    def _sweep_closing(self, now_ms: int) -> None:
        if not self.matching.touched:
            return
        touched = list(self.matching.touched.values())
        self.matching.touched.clear()
        for account in touched:
            for order in list(account.closing_orders.values()):
                if not account.reducible(order):
                    self.matching.end(self.markets[order.symbol.name], order, self.matching.knocked_out, now_ms)


def markets_of(
    config: SimulatorConfig, build: Callable[[SymbolConfig], Symbol] | None = None
) -> dict[str, Market[Order, Symbol]]:
    """A market at rest for each symbol. build: how a dialect reads a symbol's row, if not as it stands there."""
    markets: dict[str, Market[Order, Symbol]] = {}
    for row in config.symbols:
        symbol = row.build() if build is None else build(row)
        price, halted = symbol.nearest_ticks(row.price), row.status == "HALT"
        markets[row.symbol] = Market(
            symbol, price, halted=halted, gap=id_gaps(config.seed, row.symbol, config.trade_id_gap_max)
        )
    return markets


def _crowd_order(
    market: Market[Any, Any], order_id: int, *, sign: int, lots: int, price: int | None, rests: bool, now_ms: int
) -> Order:
    return Order(
        id=order_id,
        account=None,
        symbol=market.symbol,
        client_order_id="",
        sign=sign,
        type=OrderType.LIMIT if rests else OrderType.MARKET,
        lots=lots,
        price=price,
        stop_price=None,
        position_side=PositionSide.BOTH,
        reduce_only=False,
        status=Status.NEW,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
