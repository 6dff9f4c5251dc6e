"""The exchange: accounts, markets and every change to them. Pure and seeded.

One sequence of calls with the same times on the same seed makes the same history, whatever the machine. Every public verb ends by letting triggers
fire and reduce-only orders without a position end, so between two calls the books are always at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from ordergate.simulator.accounts import Account
from ordergate.simulator.flow import Flow
from ordergate.simulator.market import Market, is_triggered
from ordergate.simulator.matching import Matching
from ordergate.simulator.orders import TRIGGERED, Order, OrderRequest, OrderType, PositionSide, Side, Status
from ordergate.simulator.refusal import (
    CLIENT_ORDER_ID_IN_USE,
    CLIENT_ORDER_ID_OPEN,
    INSUFFICIENT_BALANCE,
    NOTHING_TO_REDUCE,
    ORDER_NOT_FOUND,
    POSITION_NOT_FOUND,
    Refusal,
    filtered,
    invalid,
)
from ordergate.simulator.symbols import Measured, Symbol, measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from ordergate.simulator.config import SimulatorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The order of this client order id; `idempotent` when it was there before this request."""

    order: Order
    idempotent: bool = False


class Exchange:
    """All books of the venue."""

    def __init__(self, config: SimulatorConfig) -> None:
        """The state before the first request."""
        self.fees = config.fees
        self._notional_max = config.max_order_notional
        self._symbols = {row.symbol: row.build() for row in config.symbols}
        self.markets: dict[str, Market[Order, Symbol]] = {
            row.symbol: Market(
                symbol, symbol.nearest_ticks(row.price), halted=row.status == "HALT", gap=_gaps(config, row.symbol)
            )
            for row, symbol in zip(config.symbols, self._symbols.values(), strict=True)
        }
        self.accounts = {
            row.account: Account(row.account, balance=row.balance, leverage=row.leverage) for row in config.accounts
        }
        self._matching = Matching(maker_rate=config.fees.maker, taker_rate=config.fees.taker)
        self._client_ids = config.client_ids
        self._by_client_order_id: dict[str, list[Order]] = {}
        self._order_id = 0
        self._flow = Flow(
            config.flow, self.markets, Random(config.seed), make=_crowd_order, submit=self._take_crowd_order
        )

    # --- what accounts do

    def place(self, account: Account, request: OrderRequest, now_ms: int) -> Placed | Refusal:
        """Place an order, or say which order has this id already, or refuse."""
        taken = self._taken(account, request.client_order_id or "")
        if taken is not None:
            return taken
        market = self.markets.get(request.symbol)
        if market is None:
            return invalid(f"Unknown symbol {request.symbol[:20]}")
        measured = self._admit(account, market, request)
        if isinstance(measured, Refusal):
            return measured
        order = self._new_order(account, market, request, measured, now_ms)
        refusal = self._refuse_for_account(account, market, order)
        if refusal is not None:
            return refusal
        self._accept(account, order)
        self._start(market, order, now_ms)
        self._come_to_rest(now_ms)
        return Placed(order=order)

    def cancel(self, account: Account, order_id: int, now_ms: int) -> Order | Refusal:
        """Cancel one open order."""
        order = account.order(order_id)
        if order is None:
            return ORDER_NOT_FOUND
        if not order.is_open:
            error = f"Order is {order.status} and cannot be canceled"
            return Refusal(status=409, code="ORDER_NOT_CANCELABLE", error=error, order=order)
        self._matching.end(self.markets[order.symbol.name], order, Status.CANCELED, now_ms)
        return order

    def cancel_all(self, account: Account, symbol: str | None, now_ms: int) -> list[Order]:
        """Cancel every open order, of one symbol or of all, and say which."""
        orders = [order for order in account.open_orders.values() if symbol is None or order.symbol.name == symbol]
        for order in orders:
            self._matching.end(self.markets[order.symbol.name], order, Status.CANCELED, now_ms)
        return orders

    def close_position(self, account: Account, position_id: int, now_ms: int) -> Order | Refusal:
        """Close a whole position with a market order of the venue's own making; the symbol's filters do not apply to it."""
        position = next((p for p in account.positions.values() if p.lots and p.id == position_id), None)
        if position is None:
            return POSITION_NOT_FOUND
        market = self.markets[position.symbol.name]
        if market.halted:
            return _halted(position.symbol.name)
        request = OrderRequest(
            symbol=position.symbol.name,
            side=Side.SELL if position.lots > 0 else Side.BUY,
            type=OrderType.MARKET,
            quantity=position.symbol.lot * abs(position.lots),
            position_side=position.side,
            reduce_only=True,
        )
        measured = Measured(lots=abs(position.lots), price=None, stop_price=None, reference_price=market.mark)
        order = self._new_order(account, market, request, measured, now_ms)
        self._accept(account, order)
        self._start(market, order, now_ms)
        self._come_to_rest(now_ms)
        return order

    def orders_by_client_id(self, account: Account, client_order_id: str) -> list[Order]:
        """The account's orders of this id, however old, oldest first; more than one only where ids are not kept for ever."""
        return [order for order in self._by_client_order_id.get(client_order_id, ()) if order.account is account]

    # --- what the rest of the world does

    def advance(self, now_ms: int) -> None:
        """Let the background flow act up to this moment."""
        for moment_ms in self._flow.due(now_ms):
            self._flow.step(moment_ms)
            self._come_to_rest(moment_ms)

    def fill(self, order_id: int, now_ms: int) -> bool:
        """Somebody trades with exactly this resting order, all of it. False: it is not resting."""
        order = next((found for each in self.accounts.values() if (found := each.order(order_id)) is not None), None)
        if order is None or order.price is None or order.status not in {Status.NEW, Status.PARTIALLY_FILLED}:
            return False
        self._matching.take(self.markets[order.symbol.name], order, now_ms)
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

    # --- the way of one order

    def _taken(self, account: Account, client_order_id: str) -> Placed | Refusal | None:
        """What becomes of a request whose id is in use; None: it is free."""
        known = self._by_client_order_id.get(client_order_id)
        if known is None or self._client_ids == "none":
            return None
        if self._client_ids == "open_only":
            is_open = any(order.account is account and order.is_open for order in known)
            return CLIENT_ORDER_ID_OPEN if is_open else None
        first = known[0]
        return Placed(order=first, idempotent=True) if first.account is account else CLIENT_ORDER_ID_IN_USE

    def _admit(self, account: Account, market: Market[Order, Symbol], request: OrderRequest) -> Measured | Refusal:
        if market.halted:
            return _halted(request.symbol)
        measured = measure(market.symbol, request, mark=market.mark)
        if isinstance(measured, Refusal):
            return measured
        waits = request.type is not OrderType.MARKET
        if waits and account.open_count.get(request.symbol, 0) >= market.symbol.open_orders_max:
            return filtered("MAX_NUM_ORDERS", "Too many open orders in this symbol")
        if market.symbol.notional(measured.reference_price, measured.lots) > self._notional_max:
            return Refusal(
                status=400,
                code="RISK_REJECTED",
                error="Order notional is above the maximum",
                reason="max_order_notional_exceeded",
            )
        return measured

    def _new_order(
        self, account: Account, market: Market[Order, Symbol], request: OrderRequest, measured: Measured, now_ms: int
    ) -> Order:
        sign = 1 if request.side is Side.BUY else -1
        against_hedge = request.position_side is (PositionSide.SHORT if sign > 0 else PositionSide.LONG)
        next_id = self._order_id + 1
        return Order(
            id=next_id,
            account=account,
            symbol=market.symbol,
            client_order_id=request.client_order_id or self._invent_client_order_id(next_id),
            sign=sign,
            type=request.type,
            lots=measured.lots,
            price=measured.price,
            stop_price=measured.stop_price,
            position_side=request.position_side,
            reduce_only=request.reduce_only,
            status=Status.PENDING_NEW if request.type in TRIGGERED else Status.NEW,
            created_ms=now_ms,
            updated_ms=now_ms,
            reference_price=measured.reference_price,
            closing=request.reduce_only or against_hedge,
        )

    def _invent_client_order_id(self, order_id: int) -> str:
        name = f"venue-{order_id}"
        while name in self._by_client_order_id:
            name += "-"
        return name

    def _refuse_for_account(self, account: Account, market: Market[Order, Symbol], order: Order) -> Refusal | None:
        if order.status is Status.PENDING_NEW and is_triggered(order, market.mark):
            return Refusal(status=400, code="WOULD_TRIGGER_IMMEDIATELY", error="Order would trigger immediately")
        if order.closing:
            return None if account.reducible(order) else NOTHING_TO_REDUCE
        opening = account.opening_lots(order)
        if not opening:
            return None
        needed = order.symbol.notional(order.reference_price, opening) / account.leverage
        needed += order.symbol.notional(order.reference_price, order.lots) * self.fees.taker
        return INSUFFICIENT_BALANCE if needed > account.available(self.markets) else None

    def _accept(self, account: Account, order: Order) -> None:
        self._order_id = order.id
        self._by_client_order_id.setdefault(order.client_order_id, []).append(order)
        account.add(order)

    def _start(self, market: Market[Order, Symbol], order: Order, now_ms: int) -> None:
        if order.status is Status.PENDING_NEW:
            self._reserve(order)
            market.wait_for_trigger(order)
            return
        self._matching.run(market, order, now_ms)
        if not order.remaining:
            self._matching.end(market, order, Status.FILLED, now_ms)
        elif order.price is None or (order.closing and order.account and not order.account.reducible(order)):
            # A market order without liquidity, or a closing order with nothing left to close.
            self._matching.end(market, order, Status.CANCELED, now_ms)
        else:
            market.book.own_side(order.sign).add(order, order.price)
            self._reserve(order)

    def _take_crowd_order(self, market: Market[Order, Symbol], order: Order, now_ms: int) -> None:
        self._matching.run(market, order, now_ms)
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
            order = market.next_triggered()
            if order is not None:
                order.status = Status.NEW
                order.updated_ms = max(order.updated_ms, now_ms)
                self._start(market, order, now_ms)
                return True
        return False

    def _sweep_closing(self, now_ms: int) -> None:
        if not self._matching.touched:
            return
        touched = list(self._matching.touched.values())
        self._matching.touched.clear()
        for account in touched:
            for order in list(account.closing_orders.values()):
                if not account.reducible(order):
                    self._matching.end(self.markets[order.symbol.name], order, Status.CANCELED, now_ms)


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


def _gaps(config: SimulatorConfig, symbol: str) -> Callable[[], int]:
    most = config.trade_id_gap_max
    draws = Random(f"{config.seed}:{symbol}:trade ids")
    return (lambda: draws.randint(0, most)) if most else (lambda: 0)


def _halted(symbol: str) -> Refusal:
    return Refusal(status=400, code="SYMBOL_HALTED", error=f"Trading in {symbol} is halted")
