"""Binance Spot: what accounts and the world may do. Pure and seeded; between two calls the books are always at rest.

Order of checks of a new order: symbol -> trading -> self-trade mode -> filters (-1013) -> engine (-2010): known id, trigger, post-only, money.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.failures import SYMBOL_UNKNOWN
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.spot.failures import (
    BELOW_LOT_SIZE,
    DUPLICATE,
    ICEBERG_TOO_LARGE,
    MARKET_CLOSED,
    NO_INCREASE,
    NO_LOTS_TO_BUY,
    NOTHING_TO_AMEND,
    RESTRICTED_CANCEL,
    TOO_MANY_AMENDS,
    UNKNOWN_TO_AMEND,
    UNKNOWN_TO_CANCEL,
)
from ordergate.simulator.binance.spot.filters import stopped_by_filters, wrong_amendment, wrong_quantity
from ordergate.simulator.binance.spot.floor import Floor, crowd_order
from ordergate.simulator.binance.spot.ledger import ledger_rows
from ordergate.simulator.binance.spot.orders import Amendment, Expiry, ListStatus, NewOrder, OrderList, SpotOrder
from ordergate.simulator.orders import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.simulator.binance.operations import Listeners, Parameters
    from ordergate.simulator.binance.spot.accounts import SpotAccount
    from ordergate.simulator.binance.spot.market import SpotMarket
    from ordergate.simulator.config import SimulatorConfig

_NAMED_BY = (
    ("orderId", "origClientOrderId"),
    ("cancelOrderId", "cancelOrigClientOrderId"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Which order is meant: looked up by the first that is given, and the other must then fit."""

    symbol: str
    order_id: int | None
    client_order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """What a cancel ended: one order, or the list it belongs to. names: the clientOrderIds the orders had; cancel_id: the cancel's own."""

    orders: list[SpotOrder]
    order_list: OrderList | None
    cancel_id: str


class SpotExchange:
    """All books of the venue."""

    def __init__(self, config: SimulatorConfig, listeners: Listeners) -> None:
        """The state before the first request."""
        self.floor = Floor(config, listeners)
        self.fees = config.fees

    @property
    def accounts(self) -> Mapping[str, SpotAccount]:
        """By name."""
        return self.floor.accounts

    @property
    def markets(self) -> Mapping[str, SpotMarket]:
        """By symbol."""
        return self.floor.markets

    # --- what accounts do

    def place(self, account: SpotAccount, request: NewOrder, now_ms: int) -> SpotOrder | Failure:
        """Place an order; where ids are taken for ever, a known one gives the order that has it."""
        refusal = self.refused_before(account, [request], now_ms)
        if refusal is not None:
            return refusal
        order = self._engine_takes(account, request, now_ms)
        self.floor.come_to_rest(now_ms)
        return order

    def refused_before(self, account: SpotAccount, requests: list[NewOrder], now_ms: int) -> Failure | None:
        """Why orders that come together do not even reach the engine; None: they do. What order/test checks."""
        market = self.markets.get(requests[0].symbol)
        if market is None:
            return SYMBOL_UNKNOWN
        if market.halted:
            return MARKET_CLOSED
        for request in requests:
            if request.iceberg and request.quantity is not None and request.iceberg > request.quantity:
                return ICEBERG_TOO_LARGE
        return stopped_by_filters(market, account, requests, now_ms)

    def cancel(
        self,
        account: SpotAccount,
        reference: Reference,
        now_ms: int,
        *,
        cancel_id: str | None = None,
        restriction: Status | None = None,
    ) -> Canceled | Failure:
        """Cancel an open order, and with it the whole list it belongs to. restriction: the only status it may be canceled in."""
        canceled = self._cancel(account, reference, now_ms, cancel_id=cancel_id, restriction=restriction)
        self.floor.come_to_rest(now_ms)
        return canceled

    def cancel_all(self, account: SpotAccount, symbol: str, now_ms: int) -> list[Canceled] | Failure:
        """Cancel every open order of a symbol; nothing open is a failure. Orders first, then lists."""
        orders = account.open_in(symbol)
        if not orders:
            return UNKNOWN_TO_CANCEL
        cancel_id = self.floor.invent_name()
        lists = {order.order_list.id: order.order_list for order in orders if order.order_list is not None}
        done = [self._end([order], None, cancel_id, now_ms) for order in orders if order.order_list is None]
        done += [self._end(listed.orders, listed, cancel_id, now_ms) for listed in lists.values()]
        self.floor.come_to_rest(now_ms)
        return done

    def cancel_list(
        self, account: SpotAccount, reference: Reference, now_ms: int, *, cancel_id: str | None
    ) -> Canceled | Failure:
        """Cancel a whole order list; the reference's ids are the list's."""
        listed = self.find_list(account, reference)
        if listed is None or not listed.is_open or listed.symbol.name != reference.symbol:
            return UNKNOWN_TO_CANCEL
        canceled = self._end(listed.orders, listed, cancel_id or self.floor.invent_name(), now_ms)
        self.floor.come_to_rest(now_ms)
        return canceled

    def replace(
        self,
        account: SpotAccount,
        request: NewOrder,
        now_ms: int,
        *,
        cancel: tuple[Reference, str | None, Status | None],
        goes_on: bool,
        limit: Failure | None = None,
    ) -> tuple[Canceled | Failure, SpotOrder | Failure | None]:
        """The two legs of a cancel-replace: cancel as said, then the new order. None: not attempted.

        goes_on: the new order is tried even if the cancel fails. limit: why the new order cannot be tried at all.
        """
        reference, cancel_id, restriction = cancel
        canceled = self._cancel(account, reference, now_ms, cancel_id=cancel_id, restriction=restriction)
        placed: SpotOrder | Failure | None = None
        if limit is not None and (goes_on or isinstance(canceled, Canceled)):
            placed = limit
        elif goes_on or isinstance(canceled, Canceled):
            placed = self._engine_takes(account, request, now_ms)
            if isinstance(placed, Failure) and isinstance(canceled, Canceled):
                self._tell_rejected(account, request, placed, now_ms)
        self.floor.come_to_rest(now_ms)
        return canceled, placed

    def amend(
        self, account: SpotAccount, reference: Reference, quantity: Decimal, now_ms: int, *, client_order_id: str | None
    ) -> tuple[SpotOrder, Amendment] | Failure:
        """Make an open order smaller without its losing its place. To no more than it has executed: it expires."""
        order = self.find(account, reference)
        if order is None or not order.is_open:
            return UNKNOWN_TO_AMEND
        market = self.markets[order.symbol.name]
        before = order.symbol.lot * order.lots
        if quantity >= before:
            return NOTHING_TO_AMEND if quantity == before else NO_INCREASE
        amends_max = order.symbol.number("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends")
        if amends_max is not None and len(order.amendments) >= amends_max:
            return TOO_MANY_AMENDS
        wrong = wrong_amendment(market, order, quantity, now_ms)
        if wrong is not None:
            return wrong
        if client_order_id is not None and self._is_taken(account, client_order_id, order):
            return DUPLICATE
        new_id = client_order_id or self.floor.invent_name()
        amendment = self._shrink(order, int(quantity / order.symbol.lot), new_id, now_ms)
        listed = order.order_list
        if listed is not None:
            for leg in listed.pair:
                if leg is not order and order is not listed.working and leg.is_open:
                    self._shrink(leg, order.lots, leg.client_order_id, now_ms)
            listed.status, listed.updated_ms = ListStatus.UPDATED, now_ms
            self.floor.reports.listed(listed, now_ms)
        if order.executed + order.prevented >= order.lots:
            self.floor.expire(order, now_ms, Expiry.EXCHANGE_CANCELED)
        self.floor.come_to_rest(now_ms)
        return order, amendment

    # --- what the world does

    def advance(self, now_ms: int) -> None:
        """Let the crowd act up to this moment."""
        for moment_ms in self.floor.flow.due(now_ms):
            self.floor.flow.step(moment_ms)
            self.floor.come_to_rest(moment_ms)

    def fill(self, order_id: int, now_ms: int) -> bool:
        """Somebody trades with exactly this resting order, all of it. False: it is not resting."""
        maker = next((found for each in self.accounts.values() if (found := each.order(order_id)) is not None), None)
        if maker is None or not maker.resting:
            return False
        market = self.markets[maker.symbol.name]
        taker = crowd_order(market, 0, sign=-maker.sign, lots=maker.remaining, price=None, rests=False, now_ms=now_ms)
        while maker.remaining:
            self.floor.matching.execute(market, taker, maker, maker.showing, now_ms)
        self.floor.come_to_rest(now_ms)
        return True

    def set_price(self, symbol: str, price: Decimal, now_ms: int) -> bool:
        """Take the market there: what rests at that price or beyond trades. False: no such symbol."""
        market = self.markets.get(symbol)
        if market is None:
            return False
        ticks = market.symbol.nearest_ticks(price)
        self.floor.flow.recenter(market, ticks, now_ms)
        market.start_anew(ticks)
        self.floor.come_to_rest(now_ms)
        return True

    def deposit(self, account: SpotAccount, asset: str, amount: Decimal, now_ms: int) -> None:
        """Money comes from outside, or (negative) leaves."""
        account.move(asset, amount)
        self.floor.reports.deposited(account, asset, amount, now_ms)
        self.floor.reports.balances(account, (asset,), now_ms)

    # --- what can be asked

    def find(self, account: SpotAccount, reference: Reference) -> SpotOrder | None:
        """The order that is meant: of one clientOrderId the open one, else the latest. None: none, or the two ids do not fit."""
        if reference.order_id is not None:
            found = account.order(reference.order_id)
        else:
            named = [
                order
                for order in account.named(reference.client_order_id or "")
                if order.symbol.name == reference.symbol
            ]
            found = next((order for order in named if order.is_open), named[-1] if named else None)
        if found is None or found.symbol.name != reference.symbol:
            return None
        if reference.client_order_id is not None and found.client_order_id != reference.client_order_id:
            return None
        return found

    def find_list(self, account: SpotAccount, reference: Reference) -> OrderList | None:
        """The list of this id, or else of this listClientOrderId: an open one, else the latest."""
        for listed in sorted(account.lists, key=lambda each: (each.is_open, each.id), reverse=True):
            if reference.order_id in {None, listed.id} and reference.client_order_id in {None, listed.client_id}:
                return listed
        return None

    def order_named(self, parameters: Parameters) -> tuple[int, str] | None:
        """(orderId, clientOrderId) of the order that a request speaks of, whoever asks; None: none such."""
        for by_id, by_name in _NAMED_BY:
            text, name = parameters.get(by_id, ""), parameters.get(by_name)
            for account in self.accounts.values():
                order = account.order(int(text)) if text.isascii() and text.isdigit() else None
                named = account.named(name or "")
                found = order or (named[-1] if named else None)
                if found is not None:
                    return found.id, found.client_order_id
        return None

    def ledger(self, account: str | None) -> dict[str, object]:
        """The books of one account or all, in the shape of `/simulator/ledger`."""
        return ledger_rows([each for each in self.accounts.values() if account in {None, each.name}])

    # --- the way of one request

    def come_to_rest(self, now_ms: int) -> None:
        """Let everything happen that follows from what was done; every verb but `place_list` has done it itself."""
        self.floor.come_to_rest(now_ms)

    def _engine_takes(self, account: SpotAccount, request: NewOrder, now_ms: int) -> SpotOrder | Failure:
        known = self.known(account, request.client_order_id)
        if known is not None:
            return DUPLICATE if self.floor.client_ids == "open_only" else known
        order = self.floor.draft(account, request, now_ms)
        if request.quantity is None:
            order.lots = self.floor.lots_for(order, request.quote_quantity or Decimal(0))
            if not order.lots:
                return NO_LOTS_TO_BUY
            if wrong_quantity(order.symbol, order.symbol.lot * order.lots) is not None:
                return BELOW_LOT_SIZE
        refusal = self.floor.impossible(order) or self.floor.unaffordable(order)
        if refusal is not None:
            return refusal
        self.floor.admit(order, now_ms)
        self.floor.start(order, now_ms)
        return order

    def known(self, account: SpotAccount, client_order_id: str | None) -> SpotOrder | None:
        """The order that has this id already, as far as the venue's scope of ids goes."""
        scope = self.floor.client_ids
        if client_order_id is None or scope == "none":
            return None
        named = account.named(client_order_id)
        return next((order for order in named if order.is_open or scope == "forever"), None)

    def _is_taken(self, account: SpotAccount, client_order_id: str, by: SpotOrder) -> bool:
        return self.known(account, client_order_id) not in {None, by}

    def _cancel(
        self,
        account: SpotAccount,
        reference: Reference,
        now_ms: int,
        *,
        cancel_id: str | None,
        restriction: Status | None,
    ) -> Canceled | Failure:
        order = self.find(account, reference)
        if order is None or not order.is_open:
            return UNKNOWN_TO_CANCEL
        if restriction is not None and order.status is not restriction:
            return RESTRICTED_CANCEL
        listed = order.order_list
        orders = [order] if listed is None else listed.orders
        return self._end(orders, listed, cancel_id or self.floor.invent_name(), now_ms)

    def _end(self, orders: list[SpotOrder], listed: OrderList | None, cancel_id: str, now_ms: int) -> Canceled:
        ended = [order for order in orders if order.is_open]
        for order in ended:
            self.floor.cancel(order, cancel_id, now_ms)
        return Canceled(orders=ended, order_list=listed, cancel_id=cancel_id)

    def _shrink(self, order: SpotOrder, lots: int, client_order_id: str, now_ms: int) -> Amendment:
        old_id, old_lots = order.client_order_id, order.lots
        order.lots, order.client_order_id, order.updated_ms = lots, client_order_id, now_ms
        if client_order_id != old_id and order.account is not None:
            order.account.name_order(order)
        self.floor.hold(order)
        execution_id = self.floor.reports.replaced(order, old_id, now_ms)
        amendment = Amendment(
            execution_id=execution_id,
            old_client_order_id=old_id,
            new_client_order_id=client_order_id,
            old_lots=old_lots,
            new_lots=lots,
            time_ms=now_ms,
        )
        order.amendments.append(amendment)
        self.floor.tell_balances(order, now_ms)
        return amendment

    def _tell_rejected(self, account: SpotAccount, request: NewOrder, failure: Failure, now_ms: int) -> None:
        order = self.floor.draft(account, request, now_ms)
        order.id, order.status = -1, Status.REJECTED
        self.floor.reports.rejected(order, failure.msg, now_ms)
