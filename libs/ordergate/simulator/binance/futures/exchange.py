"""The USD-M futures exchange: orders in, orders changed, orders out; what it does of itself; and the levers of tests. Pure and seeded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.accounts import FuturesAccount, owner_of
from ordergate.simulator.binance.futures.admission import Admission
from ordergate.simulator.binance.futures.algo import AlgoService
from ordergate.simulator.binance.futures.books import childless_rows
from ordergate.simulator.binance.futures.filters import (
    lots_of,
    refuse_band,
    refuse_notional,
)
from ordergate.simulator.binance.futures.matching import EXPIRY_LIQUIDATED
from ordergate.simulator.binance.futures.orders import (
    AT_ONCE,
    POST_ONLY,
    AlgoOrder,
    AlgoStatus,
    AlgoType,
    Amendment,
    FuturesOrder,
    NewAlgoOrder,
    NewOrder,
    TimeInForce,
)
from ordergate.simulator.binance.futures.refusals import (
    LIMIT_ORDER_ONLY,
    MARGIN_INSUFFICIENT,
    MAX_POSITION,
    NOT_REDUCE_ONLY,
    REDUCE_ONLY_REJECTED,
    SAME_ORDER,
    SYMBOL_CLOSED,
    TOO_MANY_AMENDMENTS,
)
from ordergate.simulator.binance.futures.symbols import algo_orders_max
from ordergate.simulator.binance.futures.timers import Timers
from ordergate.simulator.binance.limits import limits_of
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.ledger import ledger
from ordergate.simulator.orders import Order, OrderType, PositionSide, Side, Status

if TYPE_CHECKING:
    from ordergate.simulator.binance.futures.intake import Amending
    from ordergate.simulator.binance.operations import Listeners, Parameters
    from ordergate.simulator.config import SimulatorConfig
    from ordergate.simulator.market import Market
    from ordergate.simulator.positions import Position
    from ordergate.simulator.served import Forced
    from ordergate.simulator.symbols import Symbol

AMENDMENTS_MAX = 10_000
LIQUIDATED = "autoclose-"
DELEVERAGED = "adl_autoclose"
_INTEGER = re.compile(r"[0-9]{1,18}").fullmatch


class FuturesExchange(Admission):
    """All books of the venue, its algo service and its timers."""

    def __init__(self, config: SimulatorConfig, listeners: Listeners) -> None:
        """The state before the first request."""
        super().__init__(config, listeners)
        self.algos = AlgoService(
            self.events, self._enter_child, {row.symbol: algo_orders_max(row) for row in config.symbols}
        )
        self.limits = limits_of("binance-futures", config.binance_limits)
        self._timers = Timers()
        self._amendments = 0

    # --- what accounts do

    def place(self, account: FuturesAccount, request: NewOrder, now_ms: int) -> FuturesOrder | Failure:
        """Place an order, or say why not."""
        order = self.draft(account, request, now_ms)
        if isinstance(order, Failure):
            return order
        self._enter(account, order, now_ms)
        self._come_to_rest(now_ms)
        return order

    def cancel(self, order: FuturesOrder, now_ms: int) -> None:
        """Cancel one open order."""
        self.matching.end(self.markets[order.symbol.name], order, Status.CANCELED, now_ms)

    def cancel_all(self, account: FuturesAccount, symbol: str, now_ms: int) -> None:
        """Cancel every open order of one symbol; conditional orders are another service's."""
        for order in account.open_orders_of(symbol):
            self.cancel(order, now_ms)

    def set_countdown(self, account: FuturesAccount, symbol: str, countdown_ms: int, now_ms: int) -> None:
        """The dead-man's switch of one symbol; 0 takes it away. That it leaves conditional orders alone is our assumption."""
        account.countdowns.pop(symbol, None)
        if not countdown_ms:
            return
        deadline = now_ms + countdown_ms
        account.countdowns[symbol] = deadline

        def run_out(moment_ms: int) -> None:
            if account.countdowns.get(symbol) == deadline:
                del account.countdowns[symbol]
                self.cancel_all(account, symbol, moment_ms)

        self._timers.at(deadline, run_out)

    def modify(self, order: FuturesOrder, amending: Amending, now_ms: int) -> Failure | None:
        """Give an open limit order another price and quantity: it goes to the end of the queue, or is canceled where the venue's rules say so."""
        market = self.markets[order.symbol.name]
        target = self._amendment(market, order, amending)
        if isinstance(target, Failure):
            return target
        ticks, lots = target
        crosses = self._crosses(market, order.sign, ticks)
        if lots <= order.executed or (order.time_in_force in POST_ONLY and crosses):
            self.cancel(order, now_ms)
            return None
        failure = self._refuse_amended(market, order, ticks, lots)
        if failure is not None:
            return failure
        amendment = self._amendment_of(order, ticks, lots, amending.modify_id, now_ms)
        self._requeue(market, order, amendment, now_ms)
        self._come_to_rest(now_ms)
        return None

    def place_algo(self, account: FuturesAccount, request: NewAlgoOrder, now_ms: int) -> AlgoOrder | Failure:
        """Let a conditional order wait."""
        market = self.markets[request.symbol.name]
        if market.halted:
            return SYMBOL_CLOSED
        algo = self.algos.place(account, market, request, now_ms)
        if isinstance(algo, AlgoOrder) and algo.good_till_ms:
            waiting = algo

            def expire(moment_ms: int) -> None:
                if waiting.is_open:
                    self.algos.end(waiting, AlgoStatus.EXPIRED, moment_ms)

            self._timers.at(algo.good_till_ms, expire)
        return algo

    # --- what the venue does by the hand of a test

    def liquidate(self, account: FuturesAccount, symbol: str, side: PositionSide, now_ms: int) -> FuturesOrder | None:
        """Take a position away: its symbol's orders expire, then an order of the venue's closes it, whatever the book lacks at the mark price."""
        position = account.position(symbol, side)
        if position is None or not position.lots:
            return None
        market = self.markets[symbol]
        for order in account.open_orders_of(symbol):
            order.expiry = EXPIRY_LIQUIDATED
            self.matching.end(market, order, Status.EXPIRED, now_ms)
        for algo in [algo for algo in account.open_algos.values() if algo.symbol.name == symbol]:
            self.algos.end(algo, AlgoStatus.EXPIRED, now_ms)
        name = f"{LIQUIDATED}{now_ms}{self.last_order_id + 1:06d}"
        order = self._forced(account, position, lots=abs(position.lots), name=name, now_ms=now_ms)
        self.matching.run(market, order, now_ms)
        return self._taken_over(market, order, now_ms)

    def deleverage(
        self, account: FuturesAccount, symbol: str, side: PositionSide, lots: int | None, now_ms: int
    ) -> FuturesOrder | None:
        """Auto-deleveraging: so much of a position (None: all) is closed at the mark price against nobody of the book."""
        position = account.position(symbol, side)
        if position is None or not position.lots:
            return None
        wanted = min(abs(position.lots), lots or abs(position.lots))
        order = self._forced(account, position, lots=wanted, name=DELEVERAGED, now_ms=now_ms)
        return self._taken_over(self.markets[symbol], order, now_ms)

    def force(self, forced: Forced, now_ms: int) -> str | None:
        """One of the two, as a test asks for it by names; the order's id. None: nothing to close."""
        account = self.accounts.get(forced.account)
        market = self.markets.get(forced.symbol)
        if account is None or market is None:
            return None
        side = PositionSide(forced.position_side)
        if forced.adl:
            lots = None if forced.quantity is None else int(forced.quantity / market.symbol.lot)
            order = self.deleverage(account, forced.symbol, side, lots, now_ms)
        else:
            order = self.liquidate(account, forced.symbol, side, now_ms)
        return None if order is None else str(order.id)

    # --- what the front asks

    def order_named(self, parameters: Parameters) -> tuple[int, str] | None:
        """The order that a call's parameters speak of, whosever it is; of a client id the open one, else the latest.

        A conditional order has none until it has triggered.
        """
        order_id, name = parameters.get("orderId", ""), parameters.get("origClientOrderId", "")
        for account in self.accounts.values():
            found = account.order(int(order_id)) if _INTEGER(order_id) else account.named(name)
            if found is not None:
                return found.id, found.client_order_id
        return None

    def ledger(self, account: str | None) -> dict[str, object]:
        """What was executed, in the shape of /simulator/ledger; conditional orders that made no order are among the orders."""
        books = ledger(self, account)
        asked = [each for each in self.accounts.values() if account in {None, each.name}]
        orders = books["orders"]
        return {**books, "orders": [*(orders if isinstance(orders, list) else []), *childless_rows(asked)]}

    # --- the way of one order

    def _enter(self, account: FuturesAccount, order: FuturesOrder, now_ms: int) -> None:
        account.by_client_id.setdefault(order.client_order_id, []).append(order)
        self._keep(account, order)
        self.events.accepted(order, now_ms)
        if order.good_till_ms:

            def expire(moment_ms: int) -> None:
                if order.is_open:
                    self.matching.end(self.markets[order.symbol.name], order, Status.EXPIRED, moment_ms)

            self._timers.at(order.good_till_ms, expire)
        self._start(self.markets[order.symbol.name], order, now_ms)

    def _left_over(self, order: Order) -> Status | None:
        if isinstance(order, FuturesOrder) and order.time_in_force in AT_ONCE:
            return Status.EXPIRED
        return super()._left_over(order)

    # --- modifying

    def _amendment(
        self, market: Market[Order, Symbol], order: FuturesOrder, amending: Amending
    ) -> tuple[int, int] | Failure:
        """The new price in ticks and quantity in lots, as far as the filters let them pass."""
        if order.type is not OrderType.LIMIT:
            return LIMIT_ORDER_ONLY
        if len(order.amendments) >= AMENDMENTS_MAX - 1:
            return TOO_MANY_AMENDMENTS
        if amending.reduce_only and not order.reduce_only:
            return NOT_REDUCE_ONLY
        lots = lots_of(market.symbol, amending.quantity, market=False)
        if isinstance(lots, Failure):
            return lots
        ticks = self._limit(market, order.sign, amending.price, amending.price_match)
        if isinstance(ticks, Failure):
            return ticks
        failure = refuse_band(market.symbol, order.sign, ticks, market.mark)
        # Only a modification that calls itself reduce-only is free of it; the order's own attribute does not count (modify order, notes).
        if failure is None and not amending.reduce_only:
            failure = refuse_notional(market.symbol, ticks, lots)
        if failure is None and (ticks, lots) == (order.price, order.lots):
            failure = SAME_ORDER
        return failure or (ticks, lots)

    def _refuse_amended(
        self, market: Market[Order, Symbol], order: FuturesOrder, ticks: int, lots: int
    ) -> Failure | None:
        if order.closing:
            return None
        account = owner_of(order)
        symbol = market.symbol
        if symbol.notional(ticks, lots) > self.notional_max:
            return MAX_POSITION
        leverage = account.leverage_in(symbol.name)
        held = symbol.notional(order.reference_price, order.reserved_lots) / leverage
        opening = max(0, lots - order.executed - account.reducible(order))
        needed = symbol.notional(ticks, opening) / leverage
        needed += symbol.notional(ticks, lots - order.executed) * self.fees.taker
        return MARGIN_INSUFFICIENT if opening and needed > account.available(self.markets) + held else None

    def _amendment_of(
        self, order: FuturesOrder, ticks: int, lots: int, modify_id: int | None, now_ms: int
    ) -> Amendment:
        self._amendments += 1
        return Amendment(
            id=self._amendments,
            time_ms=now_ms,
            price_before=order.price or 0,
            price_after=ticks,
            lots_before=order.lots,
            lots_after=lots,
            modify_id=modify_id,
        )

    def _requeue(self, market: Market[Order, Symbol], order: FuturesOrder, amendment: Amendment, now_ms: int) -> None:
        market.book.own_side(order.sign).remove(order, amendment.price_before)
        owner_of(order).reserve(order, 0)
        order.amendments.append(amendment)
        order.price = order.reference_price = amendment.price_after
        order.lots = amendment.lots_after
        order.updated_ms = max(order.updated_ms, now_ms)
        self.events.amended(order, now_ms, amendment.modify_id)
        self._start(market, order, now_ms)

    # --- what is not the account's own order

    def _due(self, now_ms: int) -> None:
        self._timers.fire(now_ms)

    def _trigger(self, market: Market[Order, Symbol], now_ms: int) -> bool:
        algo = self.algos.next_due(market)
        if algo is None:
            return False
        self.algos.fire(algo, now_ms)
        return True

    def _enter_child(self, algo: AlgoOrder, now_ms: int) -> FuturesOrder | Failure:
        """The ordinary order of a conditional one; filters were applied to its parts when they were given."""
        account, market = algo.account, self.markets[algo.symbol.name]
        lots = algo.lots
        if lots is None:
            position = account.position(market.symbol.name, algo.position_side)
            lots = position.reducible(algo.sign) if position else 0
            if not lots:
                return REDUCE_ONLY_REJECTED
        priced = algo.type in {AlgoType.STOP, AlgoType.TAKE_PROFIT}
        ticks: int | Failure | None = algo.price
        if priced and ticks is None:
            ticks = self._limit(market, algo.sign, None, algo.price_match)
        if isinstance(ticks, Failure):
            return ticks
        request = NewOrder(
            symbol=market.symbol,
            side=algo.side,
            type=OrderType.LIMIT if priced else OrderType.MARKET,
            quantity=market.symbol.lot * lots,
            time_in_force=algo.time_in_force if priced else TimeInForce.GTC,
            position_side=algo.position_side,
            reduce_only=algo.reduce_only or algo.lots is None,
            client_order_id=algo.client_id,
            self_trade=algo.self_trade,
            price_match=algo.price_match,
            good_till_ms=algo.good_till_ms if priced else 0,
        )
        order = self._new_order(account, market, request, lots=lots, ticks=ticks, now_ms=now_ms)
        failure = self._refuse(account, market, order)
        if failure is not None:
            return failure
        order.original_type = str(algo.type)
        order.trigger_price = algo.trigger
        order.working_type = algo.working_type
        order.close_position = algo.lots is None
        order.price_protect = algo.price_protect
        order.algo = algo
        algo.child = order
        self._enter(account, order, now_ms)
        return order

    def _forced(
        self,
        account: FuturesAccount,
        held: Position,
        *,
        lots: int,
        name: str,
        now_ms: int,
    ) -> FuturesOrder:
        """An order of the venue's own making, open, at the mark price, before it trades."""
        market = self.markets[held.symbol.name]
        request = NewOrder(
            symbol=market.symbol,
            side=Side.SELL if held.lots > 0 else Side.BUY,
            type=OrderType.LIMIT,
            quantity=market.symbol.lot * lots,
            time_in_force=TimeInForce.IOC if name.startswith(LIQUIDATED) else TimeInForce.GTC,
            position_side=held.side,
            client_order_id=name,
        )
        order = self._new_order(account, market, request, lots=lots, ticks=market.mark, now_ms=now_ms)
        order.closing = True
        order.forced = True
        account.by_client_id.setdefault(name, []).append(order)
        self._keep(account, order)
        self.events.accepted(order, now_ms)
        return order

    def _taken_over(self, market: Market[Order, Symbol], order: FuturesOrder, now_ms: int) -> FuturesOrder:
        """The venue itself takes at the mark price what the book left."""
        if order.remaining:
            self.matching.take(market, order, now_ms)
        self.matching.end(market, order, Status.FILLED, now_ms)
        self._come_to_rest(now_ms)
        return order
