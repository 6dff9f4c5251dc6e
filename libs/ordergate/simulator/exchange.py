"""The exchange of Zetarium: which orders its accounts may place, and what they may do with them. Pure and seeded.

One sequence of calls with the same times on the same seed makes the same history, whatever the machine. Every public verb ends by letting triggers
fire and reduce-only orders without a position end, so between two calls the books are always at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ordergate.simulator.accounts import Account
from ordergate.simulator.market import Market, is_triggered
from ordergate.simulator.matching import Matching
from ordergate.simulator.orders import TRIGGERED, Order, OrderRequest, OrderType, Side, Status
from ordergate.simulator.perpetual import Perpetual, markets_of
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
    from ordergate.simulator.config import SimulatorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The order of this client order id; `idempotent` when it was there before this request."""

    order: Order
    idempotent: bool = False


class Exchange(Perpetual[Account]):
    """Zetarium's venue: which orders it takes, and which it refuses."""

    def __init__(self, config: SimulatorConfig) -> None:
        """The state before the first request."""
        super().__init__(
            config,
            markets=markets_of(config),
            accounts={
                row.account: Account(row.account, balance=row.balance, leverage=row.leverage) for row in config.accounts
            },
            matching=Matching(maker_rate=config.fees.maker, taker_rate=config.fees.taker),
        )
        self._notional_max = config.max_order_notional
        self._client_ids = config.client_ids
        self._by_client_order_id: dict[str, list[Order]] = {}

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
        self.matching.end(self.markets[order.symbol.name], order, Status.CANCELED, now_ms)
        return order

    def cancel_all(self, account: Account, symbol: str | None, now_ms: int) -> list[Order]:
        """Cancel every open order, of one symbol or of all, and say which."""
        orders = [order for order in account.open_orders.values() if symbol is None or order.symbol.name == symbol]
        for order in orders:
            self.matching.end(self.markets[order.symbol.name], order, Status.CANCELED, now_ms)
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
        next_id = self.last_order_id + 1
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
            closing=request.reduce_only or self.against_hedge(sign, request.position_side),
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
        needed = self.margin_needed(account, order)
        return INSUFFICIENT_BALANCE if needed and needed > account.available(self.markets) else None

    def _accept(self, account: Account, order: Order) -> None:
        self._by_client_order_id.setdefault(order.client_order_id, []).append(order)
        self._keep(account, order)


def _halted(symbol: str) -> Refusal:
    return Refusal(status=400, code="SYMBOL_HALTED", error=f"Trading in {symbol} is halted")
