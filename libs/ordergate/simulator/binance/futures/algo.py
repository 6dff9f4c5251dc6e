"""The algo service: conditional orders that wait outside of the books, and become ordinary orders when a price is reached.

Margin, position and book are looked at when an order triggers, not before. The order that comes of one carries the conditional order's client
id as its own (public issue threads of official clients; the documents are silent) and another order id, which ALGO_UPDATE names as `ai`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.filters import lots_of, refuse_notional, ticks_of
from ordergate.simulator.binance.futures.orders import AlgoOrder, AlgoStatus, AlgoType, FuturesOrder, WorkingType
from ordergate.simulator.binance.futures.refusals import (
    CLIENT_ID_DUPLICATED,
    MAX_ALGO_ORDERS,
    REDUCE_ONLY_REJECTED,
    WOULD_TRIGGER,
)
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.orders import Side

if TYPE_CHECKING:
    from ordergate.simulator.binance.futures.accounts import FuturesAccount
    from ordergate.simulator.binance.futures.events import Events
    from ordergate.simulator.binance.futures.orders import NewAlgoOrder
    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order
    from ordergate.simulator.symbols import Symbol

OPEN_ALGOS_MAX = 200
"""Of an account, over all symbols."""
TRIGGER_PROTECT = Decimal("0.05")
"""`triggerProtect` of every symbol: how far mark and last price may lie apart for an order with priceProtect to trigger."""
_PERCENT = Decimal(100)
_STOPS = frozenset({AlgoType.STOP, AlgoType.STOP_MARKET})


class AlgoService:
    """All conditional orders that wait."""

    def __init__(
        self,
        events: Events,
        enter: Callable[[AlgoOrder, int], FuturesOrder | Failure],
        open_max: Mapping[str, int],
    ) -> None:
        """`enter` makes an ordinary order of one and sends it to the book. open_max: how many an account may have in each symbol."""
        self._events = events
        self._enter = enter
        self._open_max = open_max
        self._last_id = 0
        self._open: dict[str, dict[int, AlgoOrder]] = {}
        self._looked: dict[str, tuple[int, int]] = {}

    def place(
        self, account: FuturesAccount, market: Market[Order, Symbol], request: NewAlgoOrder, now_ms: int
    ) -> AlgoOrder | Failure:
        """Let one wait, or say why not."""
        known = account.algo_named(request.client_algo_id) if request.client_algo_id else None
        if known is not None and known.is_open:
            return CLIENT_ID_DUPLICATED
        here = sum(algo.symbol is market.symbol for algo in account.open_algos.values())
        if len(account.open_algos) >= OPEN_ALGOS_MAX or here >= self._open_max[market.symbol.name]:
            return MAX_ALGO_ORDERS
        algo = self._measured(account, market.symbol, request, now_ms)
        if isinstance(algo, Failure):
            return algo
        failure = _refuse_at_once(algo, market)
        if failure is not None:
            return failure
        self._last_id = algo.id
        account.keep_algo(algo)
        self._open.setdefault(market.symbol.name, {})[algo.id] = algo
        self._looked.pop(market.symbol.name, None)
        if algo.type is AlgoType.TRAILING_STOP_MARKET and algo.activate is None:
            algo.extreme = _price(algo, market)
        self._events.algo_changed(algo, now_ms)
        return algo

    def end(self, algo: AlgoOrder, status: AlgoStatus, now_ms: int) -> None:
        """One that waits does not any more: CANCELED by its owner, EXPIRED by the venue."""
        self._forget(algo)
        algo.status = status
        algo.updated_ms = now_ms
        self._events.algo_changed(algo, now_ms)

    def next_due(self, market: Market[Order, Symbol]) -> AlgoOrder | None:
        """One whose moment has come. What trails follows the price here, so this is asked whenever a price may have moved."""
        waiting = self._open.get(market.symbol.name)
        if not waiting or market.halted:
            return None
        prices = (market.last, market.mark)
        if self._looked.get(market.symbol.name) == prices:
            return None
        due = next((algo for algo in waiting.values() if _is_due(algo, market)), None)
        if due is None:
            self._looked[market.symbol.name] = prices
        return due

    def fire(self, algo: AlgoOrder, now_ms: int) -> None:
        """It triggers: an ordinary order comes of it, or nothing (REJECTED)."""
        self._forget(algo)
        algo.status = AlgoStatus.TRIGGERING
        algo.triggered_ms = algo.updated_ms = now_ms
        self._events.algo_changed(algo, now_ms)
        entered = self._enter(algo, now_ms)
        if isinstance(entered, Failure):
            algo.status = AlgoStatus.REJECTED
            algo.reason = "Reduce Only reject" if entered is REDUCE_ONLY_REJECTED else entered.msg
            self._events.algo_changed(algo, now_ms)
            return
        algo.status = AlgoStatus.TRIGGERED
        self._events.algo_changed(algo, now_ms)
        if not entered.is_open:
            algo.status = AlgoStatus.FINISHED
            self._events.algo_changed(algo, now_ms)

    def _forget(self, algo: AlgoOrder) -> None:
        algo.account.open_algos.pop(algo.id, None)
        self._open.get(algo.symbol.name, {}).pop(algo.id, None)

    def _measured(
        self, account: FuturesAccount, symbol: Symbol, request: NewAlgoOrder, now_ms: int
    ) -> AlgoOrder | Failure:
        prices: dict[str, int | None] = {}
        wanted = {"trigger": request.trigger_price, "price": request.price, "activate": request.activate_price}
        for name, price in wanted.items():
            ticks = None if price is None else ticks_of(symbol, price)
            if isinstance(ticks, Failure):
                return ticks
            prices[name] = ticks
        lots = None if request.quantity is None else lots_of(symbol, request.quantity, market=request.price is None)
        if isinstance(lots, Failure):
            return lots
        reference = prices["price"] or prices["trigger"]
        if lots is not None and reference is not None and not request.reduce_only:
            failure = refuse_notional(symbol, reference, lots)
            if failure is not None:
                return failure
        next_id = self._last_id + 1
        return AlgoOrder(
            id=next_id,
            account=account,
            symbol=symbol,
            client_id=request.client_algo_id or f"venue-algo-{next_id}",
            sign=1 if request.side is Side.BUY else -1,
            type=request.type,
            lots=lots,
            trigger=prices["trigger"],
            price=prices["price"],
            time_in_force=request.time_in_force,
            position_side=request.position_side,
            reduce_only=request.reduce_only,
            self_trade=request.self_trade,
            price_match=request.price_match,
            good_till_ms=request.good_till_ms,
            working_type=request.working_type,
            price_protect=request.price_protect,
            activate=prices["activate"],
            callback_rate=request.callback_rate,
            created_ms=now_ms,
            updated_ms=now_ms,
        )


def _price(algo: AlgoOrder, market: Market[Order, Symbol]) -> int:
    return market.mark if algo.working_type is WorkingType.MARK_PRICE else market.last


def _refuse_at_once(algo: AlgoOrder, market: Market[Order, Symbol]) -> Failure | None:
    """-2021: it would trigger now. A trailing stop must be activated by a better price than there is."""
    price = _price(algo, market)
    if algo.trigger is not None:
        return WOULD_TRIGGER if _reached(algo, algo.trigger, price) else None
    if algo.activate is None:
        return None
    return WOULD_TRIGGER if (price - algo.activate) * algo.sign <= 0 else None


def _reached(algo: AlgoOrder, trigger: int, price: int) -> bool:
    rises = (algo.type in _STOPS) == (algo.sign > 0)
    return price >= trigger if rises else price <= trigger


def _is_due(algo: AlgoOrder, market: Market[Order, Symbol]) -> bool:
    price = _price(algo, market)
    if algo.type is AlgoType.TRAILING_STOP_MARKET:
        due = _trails(algo, price)
    else:
        due = algo.trigger is not None and _reached(algo, algo.trigger, price)
    if not due or not algo.price_protect:
        return due
    return abs(market.mark - market.last) <= market.mark * TRIGGER_PROTECT


def _trails(algo: AlgoOrder, price: int) -> bool:
    """Follow the price once it is activated; due when it has come back by the callback rate."""
    if algo.extreme is None:
        if algo.activate is None or (price - algo.activate) * algo.sign > 0:
            return False
        algo.extreme = price
    algo.extreme = min(algo.extreme, price) if algo.sign > 0 else max(algo.extreme, price)
    rate = (algo.callback_rate or Decimal(0)) / _PERCENT
    return price >= algo.extreme * (1 + rate) if algo.sign > 0 else price <= algo.extreme * (1 - rate)
