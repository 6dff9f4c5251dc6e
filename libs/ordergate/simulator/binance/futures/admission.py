"""Which orders USD-M futures take: the symbol's filters, the account's margin and position, and what the book lets pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.accounts import FuturesAccount, owner_of
from ordergate.simulator.binance.futures.events import Events
from ordergate.simulator.binance.futures.filters import (
    lots_of,
    refuse_band,
    refuse_counterparty,
    refuse_notional,
    ticks_of,
)
from ordergate.simulator.binance.futures.matching import FuturesMatching
from ordergate.simulator.binance.futures.orders import (
    POST_ONLY,
    FuturesOrder,
    NewOrder,
    PriceMatch,
    TimeInForce,
)
from ordergate.simulator.binance.futures.refusals import (
    BALANCE_INSUFFICIENT,
    CLIENT_ID_DUPLICATED,
    FOK_REJECTED,
    MARGIN_INSUFFICIENT,
    MAX_OPEN_ORDERS,
    MAX_POSITION,
    NO_DEPTH_TO_MATCH,
    POST_ONLY_REJECTED,
    REDUCE_ONLY_REJECTED,
    SYMBOL_CLOSED,
)
from ordergate.simulator.binance.futures.symbols import build_symbol
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.orders import Order, OrderType, Side, Status
from ordergate.simulator.perpetual import Perpetual, markets_of

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.binance.operations import Listeners
    from ordergate.simulator.config import SimulatorConfig
    from ordergate.simulator.market import Market
    from ordergate.simulator.symbols import Symbol


class Admission(Perpetual[FuturesAccount]):
    """The books, and the judgement on an order before it enters them."""

    def __init__(self, config: SimulatorConfig, listeners: Listeners) -> None:
        """The state before the first request."""
        markets = markets_of(config, build_symbol)
        self.events = Events(listeners, config.fees, markets)
        super().__init__(
            config,
            markets=markets,
            accounts={
                row.account: FuturesAccount(row.account, balance=row.balance, leverage=row.leverage)
                for row in config.accounts
            },
            matching=FuturesMatching(maker_rate=config.fees.maker, taker_rate=config.fees.taker, events=self.events),
        )
        self.notional_max = config.max_order_notional
        self._client_ids = config.client_ids

    def draft(self, account: FuturesAccount, request: NewOrder, now_ms: int) -> FuturesOrder | Failure:
        """The order that would be placed; it is nobody's yet. This is all that POST /fapi/v1/order/test does."""
        market = self.markets[request.symbol.name]
        failure = self._refuse_client_id(account, request.client_order_id)
        if failure is not None:
            return failure
        if market.halted:
            return SYMBOL_CLOSED
        if account.open_count.get(request.symbol.name, 0) >= request.symbol.open_orders_max:
            return MAX_OPEN_ORDERS
        order = self._measured(account, market, request, now_ms)
        if isinstance(order, Failure):
            return order
        return self._refuse(account, market, order) or order

    def _refuse_client_id(self, account: FuturesAccount, client_order_id: str | None) -> Failure | None:
        known = account.named(client_order_id) if client_order_id else None
        if known is None or self._client_ids == "none":
            return None
        return CLIENT_ID_DUPLICATED if known.is_open or self._client_ids == "forever" else None

    def _measured(
        self, account: FuturesAccount, market: Market[Order, Symbol], request: NewOrder, now_ms: int
    ) -> FuturesOrder | Failure:
        """Apply the symbol's filters."""
        sign = 1 if request.side is Side.BUY else -1
        is_market = request.type is OrderType.MARKET
        lots = lots_of(market.symbol, request.quantity, market=is_market)
        if isinstance(lots, Failure):
            return lots
        ticks = None if is_market else self._limit(market, sign, request.price, request.price_match)
        if isinstance(ticks, Failure):
            return ticks
        if ticks is None:
            failure = refuse_counterparty(market, sign)
        else:
            failure = refuse_band(market.symbol, sign, ticks, market.mark)
        if failure is not None:
            return failure
        order = self._new_order(account, market, request, lots=lots, ticks=ticks, now_ms=now_ms)
        if not order.closing:
            failure = refuse_notional(market.symbol, order.reference_price, lots)
        return failure or order

    def _limit(
        self, market: Market[Order, Symbol], sign: int, price: Decimal | None, match: PriceMatch
    ) -> int | Failure:
        """The limit price in ticks, sent or taken from the book."""
        if match is PriceMatch.NONE:
            return ticks_of(market.symbol, price if price is not None else market.symbol.tick * 0)
        book = market.book
        side = book.own_side(sign) if match.name.startswith("QUEUE") else book.other_side(sign)
        for level, (ticks, _) in enumerate(side.levels(), start=1):
            if level == match.level:
                return ticks
        return NO_DEPTH_TO_MATCH

    def _new_order(
        self,
        account: FuturesAccount,
        market: Market[Order, Symbol],
        request: NewOrder,
        *,
        lots: int,
        ticks: int | None,
        now_ms: int,
    ) -> FuturesOrder:
        next_id = self.last_order_id + 1
        sign = 1 if request.side is Side.BUY else -1
        return FuturesOrder(
            id=next_id,
            account=account,
            symbol=market.symbol,
            client_order_id=request.client_order_id or f"venue-{next_id}",
            sign=sign,
            type=request.type,
            lots=lots,
            price=ticks,
            stop_price=None,
            position_side=request.position_side,
            reduce_only=request.reduce_only,
            status=Status.NEW,
            created_ms=now_ms,
            updated_ms=now_ms,
            reference_price=market.mark if ticks is None else ticks,
            closing=request.reduce_only or self.against_hedge(sign, request.position_side),
            time_in_force=request.time_in_force,
            self_trade=request.self_trade,
            price_match=request.price_match,
            good_till_ms=request.good_till_ms,
            original_type=str(request.type),
        )

    def _refuse(self, account: FuturesAccount, market: Market[Order, Symbol], order: FuturesOrder) -> Failure | None:
        """What depends on account and book."""
        if order.closing and not account.reducible(order):
            return REDUCE_ONLY_REJECTED
        if not order.closing:
            if market.symbol.notional(order.reference_price, order.lots) > self.notional_max:
                return MAX_POSITION
            needed = self.margin_needed(account, order)
            if needed and needed > account.available(self.markets):
                return MARGIN_INSUFFICIENT if account.wallet > 0 else BALANCE_INSUFFICIENT
        if order.time_in_force in POST_ONLY and self._crosses(market, order.sign, order.price):
            return POST_ONLY_REJECTED
        if order.time_in_force is TimeInForce.FOK and self._fillable(market, order) < order.lots:
            return FOK_REJECTED
        return None

    def _crosses(self, market: Market[Order, Symbol], sign: int, ticks: int | None) -> bool:
        best = market.book.other_side(sign).best_price()
        return best is not None and (ticks is None or (ticks - best) * sign >= 0)

    def _fillable(self, market: Market[Order, Symbol], order: FuturesOrder) -> int:
        """How many lots the order would trade at once."""
        lots = 0
        for ticks, makers in market.book.other_side(order.sign).levels():
            if order.price is not None and (order.price - ticks) * order.sign < 0:
                break
            lots += sum(self.matching.lots(maker, order, ticks) for maker in makers)
        return min(lots, owner_of(order).reducible(order)) if order.closing else lots
