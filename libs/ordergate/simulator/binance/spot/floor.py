"""The floor: the books, and everything that may be done to one order. Every verb tells its reports; none looks at a request's form."""

from __future__ import annotations

from collections import deque
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.spot.accounts import SpotAccount
from ordergate.simulator.binance.spot.failures import INSUFFICIENT_BALANCE, WOULD_MATCH, WOULD_TRIGGER
from ordergate.simulator.binance.spot.market import SpotMarket
from ordergate.simulator.binance.spot.matching import SpotMatching
from ordergate.simulator.binance.spot.orders import (
    ALGOS,
    DEFAULT_SELF_TRADE,
    ZERO,
    Expiry,
    ListStatus,
    NewOrder,
    OrderList,
    OrderType,
    SelfTrade,
    SpotOrder,
    TimeInForce,
)
from ordergate.simulator.binance.spot.reports import Reports
from ordergate.simulator.binance.spot.symbols import SMALLEST, SpotSymbol, build_symbol
from ordergate.simulator.flow import Flow
from ordergate.simulator.market import Market, id_gaps, is_triggered
from ordergate.simulator.orders import Side, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordergate.simulator.binance.operations import Listeners
    from ordergate.simulator.config import AccountConfig, SimulatorConfig

NAME_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
NAME_LENGTH = 22
FIRST_UID = 354_937_868


class Floor:
    """Markets, accounts and the crowd between them."""

    def __init__(self, config: SimulatorConfig, listeners: Listeners) -> None:
        """The state before the first request."""
        self.fees = config.fees
        self.client_ids = config.client_ids
        self.reports = Reports(listeners)
        self.markets: dict[str, SpotMarket] = {}
        for row in config.symbols:
            symbol = build_symbol(row)
            start = symbol.nearest_ticks(row.price)
            gap = id_gaps(config.seed, row.symbol, config.trade_id_gap_max)
            self.markets[row.symbol] = SpotMarket(symbol, start, halted=row.status == "HALT", gap=gap)
        self.accounts = {
            row.account: SpotAccount(row.account, uid=FIRST_UID + at, balances=self._start_balances(row))
            for at, row in enumerate(config.accounts)
        }
        self.matching = SpotMatching(config.fees, self.reports, self.order_changed)
        self.flow: Flow[SpotOrder] = Flow(
            config.flow, self.markets, Random(config.seed), make=crowd_order, submit=self._take_crowd_order
        )
        self.filled_working: deque[OrderList] = deque()
        """Lists whose first order was filled: the rest is to be placed when the books are at rest."""
        self._names = Random(f"{config.seed}:names")
        self._order_id = 0
        self._list_id = -1

    # --- one new order

    def draft(self, account: SpotAccount, request: NewOrder, now_ms: int) -> SpotOrder:
        """The order that a request which passed the filters describes, before anybody knows of it."""
        symbol = self.markets[request.symbol].symbol
        return SpotOrder(
            id=0,
            account=account,
            symbol=symbol,
            client_order_id=request.client_order_id or self.invent_name(),
            sign=1 if request.side is Side.BUY else -1,
            type=request.type,
            time_in_force=request.time_in_force,
            lots=_whole(request.quantity or ZERO, symbol.lot),
            price=None if request.price is None else _whole(request.price, symbol.tick),
            stop_price=None if request.stop_price is None else _whole(request.stop_price, symbol.tick),
            status=Status.NEW,
            created_ms=now_ms,
            updated_ms=now_ms,
            trailing_delta=request.trailing_delta,
            iceberg_lots=_whole(request.iceberg or ZERO, symbol.lot),
            quote_quantity=request.quote_quantity or ZERO,
            self_trade=request.self_trade or DEFAULT_SELF_TRADE,
            strategy_id=request.strategy_id,
            strategy_type=request.strategy_type,
            waits=request.type in ALGOS,
        )

    def impossible(self, order: SpotOrder) -> Failure | None:
        """What the engine has against an order by itself: its trigger has come already, or a post-only order would take."""
        market = self.markets[order.symbol.name]
        if order.waits and is_triggered(order, market.last):
            return WOULD_TRIGGER
        if order.type is OrderType.LIMIT_MAKER and self.reach(order, 1)[0]:
            return WOULD_MATCH
        return None

    def unaffordable(self, order: SpotOrder) -> Failure | None:
        """Whether the account's free money does not suffice for what the order holds or, without a price, would cost now."""
        if order.account is None:
            return None
        # What the other leg of its pair holds already, holds for both.
        needed = order.held - order.account.held(order.holds_under)
        if order.sign > 0 and order.price is None and not order.waits:
            lots, cost = self.reach(order, order.remaining)
            needed = order.symbol.tick * order.symbol.lot * cost if lots else ZERO
        return INSUFFICIENT_BALANCE if needed > order.account.free(order.pays_with) else None

    def reach(self, order: SpotOrder, lots: int) -> tuple[int, int]:
        """Lots that the order would trade at once, of so many, and their ticks x lots. What self-trade prevention takes away does not count."""
        got = cost = 0
        for price, maker in self._reachable(order):
            taken = min(maker.remaining, lots - got)
            got, cost = got + taken, cost + taken * price
            if got == lots:
                break
        return got, cost

    def lots_for(self, order: SpotOrder, quote: Decimal) -> int:
        """How many lots the quote quantity of a market order buys, or has to be sold for it, with the book as it is."""
        lots, one = 0, order.symbol.tick * order.symbol.lot
        for price, maker in self._reachable(order):
            taken = min(maker.remaining, int(quote / (one * price)))
            lots, quote = lots + taken, quote - one * price * taken
            if taken < maker.remaining:
                break
        return lots

    def admit(self, order: SpotOrder, now_ms: int, *, pending: bool = False) -> None:
        """The engine takes the order: it has an id, holds its money and is told of. pending: it waits for the first order of its list."""
        if order.account is None:
            return
        self._order_id += 1
        order.id = self._order_id
        order.status = Status.PENDING_NEW if pending else Status.NEW
        order.account.add(order)
        if not pending and not order.waits:
            order.working_ms = now_ms
        self.hold(order)
        self.reports.order(order, "NEW", now_ms)
        self.tell_balances(order, now_ms)

    def start(self, order: SpotOrder, now_ms: int) -> None:
        """Let an admitted order wait for its trigger, or trade and rest."""
        market = self.markets[order.symbol.name]
        if order.waits:
            market.wait(order, now_ms)
            return
        if order.time_in_force is TimeInForce.FOK and self.reach(order, order.remaining)[0] < order.remaining:
            self.matching.expire(market, order, now_ms, Expiry.UNFILLED_FOK)
            return
        self.matching.run(market, order, now_ms)
        if not order.is_open:
            return
        if order.price is None:
            self.matching.expire(market, order, now_ms, Expiry.NO_LIQUIDITY)
        elif order.time_in_force is not TimeInForce.GTC:
            self.matching.expire(market, order, now_ms, Expiry.UNFILLED_IOC)
        else:
            self.matching.rest(market, order)

    def release(self, order: SpotOrder, now_ms: int) -> None:
        """A pending order of a list goes to the engine; what it would refuse, expires."""
        market = self.markets[order.symbol.name]
        order.status, order.updated_ms = Status.NEW, now_ms
        if self.impossible(order) is not None or self.unaffordable(order) is not None:
            self.matching.expire(market, order, now_ms, Expiry.REJECTED)
            return
        if not order.waits:
            order.working_ms = now_ms
        self.hold(order)
        self.reports.order(order, "NEW", now_ms)
        self.tell_balances(order, now_ms)
        self.start(order, now_ms)

    def expire(self, order: SpotOrder, now_ms: int, reason: Expiry) -> None:
        """End an open order by the venue's rules."""
        if order.is_open:
            self.matching.expire(self.markets[order.symbol.name], order, now_ms, reason)

    def cancel(self, order: SpotOrder, cancel_id: str, now_ms: int) -> None:
        """End one open order at its owner's wish."""
        self.matching.end(self.markets[order.symbol.name], order, Status.CANCELED, now_ms)
        self.reports.canceled(order, cancel_id, now_ms)
        self.order_changed(order, now_ms)

    # --- what follows

    def order_changed(self, order: SpotOrder, now_ms: int) -> None:
        """The order traded or ended: its money, its place among the open orders and its list follow."""
        if order.account is None:
            return
        self.hold(order)
        if not order.is_open:
            order.account.forget_open(order)
        self.tell_balances(order, now_ms)
        if order.order_list is not None:
            self._list_changed(order.order_list, order, now_ms)

    def hold(self, order: SpotOrder) -> None:
        """Lock what the order needs; the legs of a pair, of which only one can trade, hold the larger of their needs together."""
        account, listed = order.account, order.order_list
        if account is None:
            return
        is_alone = listed is None or order is listed.working
        held = order.held if listed is None or is_alone else max(leg.held for leg in listed.pair)
        account.hold(order.holds_under, order.pays_with, held)

    def tell_balances(self, order: SpotOrder, now_ms: int) -> None:
        """outboundAccountPosition, if something of the symbol's assets moved."""
        if order.account is not None:
            self.reports.balances(order.account, (order.symbol.base_asset, order.symbol.quote_asset), now_ms)

    def come_to_rest(self, now_ms: int) -> None:
        """Place what filled lists release and fire triggers until neither has anything to do; each turn uses up at least one."""
        is_moving = True
        while is_moving:
            is_moving = False
            while self.filled_working:
                self._release_pending(self.filled_working.popleft(), now_ms)
            for market in self.markets.values():
                if not self.flow.enabled:
                    market.mark = market.last
                for order in market.take_ready():
                    is_moving = True
                    self._trigger(order, now_ms)

    def next_list_id(self) -> int:
        """Order lists are numbered from 0, for all symbols."""
        self._list_id += 1
        return self._list_id

    def invent_name(self) -> str:
        """A clientOrderId of the venue's making."""
        return "".join(self._names.choices(NAME_LETTERS, k=NAME_LENGTH))

    def _trigger(self, order: SpotOrder, now_ms: int) -> None:
        if not order.is_waiting or order.status is Status.PENDING_NEW:
            return
        order.waits, order.working_ms, order.updated_ms = False, now_ms, now_ms
        listed = order.order_list
        if listed is not None and order is not listed.working:
            self._expire_others(listed, order, now_ms)
        if self.unaffordable_now(order):
            self.expire(order, now_ms, Expiry.REJECTED)
            return
        self.reports.order(order, "NEW", now_ms)
        self.start(order, now_ms)

    def unaffordable_now(self, order: SpotOrder) -> bool:
        """Only an order that holds nothing while it waits, a purchase without a price, can have become too dear."""
        return order.sign > 0 and order.price is None and self.unaffordable(order) is not None

    def _list_changed(self, listed: OrderList, order: SpotOrder, now_ms: int) -> None:
        if order is listed.working:
            if order.status is Status.FILLED:
                self.filled_working.append(listed)
            elif not order.is_open and order.status is not Status.CANCELED:
                for pending in listed.pair:
                    self.expire(pending, now_ms, Expiry.OTO_PHASE_ONE_EXPIRED)
        elif _ends_its_pair(order):
            self._expire_others(listed, order, now_ms)
        if listed.is_open and not any(each.is_open for each in listed.orders):
            self.close_list(listed, now_ms)

    def close_list(self, listed: OrderList, now_ms: int) -> None:
        """Nothing of the list can happen any more."""
        listed.status, listed.updated_ms = ListStatus.ALL_DONE, now_ms
        self.reports.listed(listed, now_ms)

    def _expire_others(self, listed: OrderList, order: SpotOrder, now_ms: int) -> None:
        for leg in listed.pair:
            if leg is not order:
                self.expire(leg, now_ms, Expiry.OCO_TRIGGER)

    def _release_pending(self, listed: OrderList, now_ms: int) -> None:
        for pending in listed.pair:
            # The first leg may have ended the second one already.
            if pending.is_open:
                self.release(pending, now_ms)

    def _reachable(self, order: SpotOrder) -> Iterator[tuple[int, SpotOrder]]:
        for price, makers in self.markets[order.symbol.name].book.other_side(order.sign).levels():
            if order.price is not None and (order.price - price) * order.sign < 0:
                return
            for maker in makers:
                is_own = maker.account is not None and maker.account is order.account
                if not is_own or order.self_trade is SelfTrade.NONE or order.type is OrderType.LIMIT_MAKER:
                    yield price, maker
                elif order.self_trade in {SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH}:
                    return

    # --- the crowd

    def _take_crowd_order(self, market: Market[SpotOrder, Any], order: SpotOrder, now_ms: int) -> None:
        pit = self.markets[market.symbol.name]
        self.matching.run(pit, order, now_ms)
        if order.remaining and order.type is OrderType.LIMIT:
            self.matching.rest(pit, order)

    def _start_balances(self, row: AccountConfig) -> dict[str, Decimal]:
        symbols = [market.symbol for market in self.markets.values()]
        quotes = {symbol.quote_asset for symbol in symbols}
        amounts = dict.fromkeys(sorted(quotes), row.balance)
        for market in self.markets.values():
            if market.symbol.base_asset not in quotes:
                price = market.symbol.tick * market.last
                amounts[market.symbol.base_asset] = (row.balance / price).quantize(SMALLEST, rounding=ROUND_DOWN)
        return {**amounts, **row.balances}


def crowd_order(
    market: Market[Any, Any], order_id: int, *, sign: int, lots: int, price: int | None, rests: bool, now_ms: int
) -> SpotOrder:
    """An order of nobody's: a quote that rests, or a taker that goes away with what it got."""
    symbol: SpotSymbol = market.symbol
    return SpotOrder(
        id=order_id,
        account=None,
        symbol=symbol,
        client_order_id="",
        sign=sign,
        type=OrderType.LIMIT if rests else OrderType.MARKET,
        time_in_force=TimeInForce.GTC,
        lots=lots,
        price=price,
        stop_price=None,
        status=Status.NEW,
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def _ends_its_pair(order: SpotOrder) -> bool:
    """A leg that traded or ended ends the other one, unless the other one, its list or its owner ended it."""
    if order.status is Status.CANCELED or order.expiry in {Expiry.OCO_TRIGGER, Expiry.OTO_PHASE_ONE_EXPIRED}:
        return False
    return order.executed > 0 or not order.is_open


def _whole(amount: Decimal, unit: Decimal) -> int:
    return int(amount / unit)
