"""What the calls that only look answer, as the read's sight lets it see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ordergate.simulator.binance.filters import scoped_rows
from ordergate.simulator.binance.operations import Call, Failure, Parameters
from ordergate.simulator.binance.spot.exchange import Reference, SpotExchange
from ordergate.simulator.binance.spot.failures import (
    ARCHIVED,
    NO_SUCH_LIST,
    NO_SUCH_ORDER,
    WRONG_CLIENT_ORDER_ID,
)
from ordergate.simulator.binance.spot.intake import (
    Unreadable,
    need_either,
    read_flag,
    read_integer,
    read_limit,
    read_name,
)
from ordergate.simulator.binance.spot.market import DAY_MS
from ordergate.simulator.binance.spot.orders import NO_TIME, ZERO, SpotOrder, SpotTrade
from ordergate.simulator.binance.spot.rows import (
    account_row,
    amendment_row,
    commission_row,
    list_row,
    order_row,
    prevented_row,
    trade_row,
)
from ordergate.simulator.binance.spot.trading import known_symbol, read_reference, reading
from ordergate.simulator.orders import Status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from ordergate.simulator.binance.spot.accounts import SpotAccount
    from ordergate.simulator.binance.spot.orders import OrderList

ARCHIVED_AFTER_MS = 90 * DAY_MS
TOO_LONG = Failure(code=-1127, msg="More than 24 hours between startTime and endTime.")
BAD_COMBINATION = Failure(code=-1128, msg="Combination of optional parameters invalid.")
_NO_END = 2**63
SomeRow = TypeVar("SomeRow", SpotOrder, SpotTrade, "OrderList")


@reading
def order(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/order."""
    reference = read_reference(exchange, call.parameters, "orderId", "origClientOrderId")
    found = exchange.find(call.account, reference)
    if found is None:
        by_id = replace(reference, client_order_id=None)
        is_other = reference.order_id is not None and exchange.find(call.account, by_id) is not None
        return WRONG_CLIENT_ORDER_ID if is_other else NO_SUCH_ORDER
    shown = _shown(call, found)
    if shown is None:
        return NO_SUCH_ORDER
    if not shown.is_open and not shown.executed and call.now_ms - shown.updated_ms > ARCHIVED_AFTER_MS:
        return ARCHIVED
    return order_row(shown)


@reading
def open_orders(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/openOrders."""
    symbol = known_symbol(exchange, call.parameters) if "symbol" in call.parameters else None
    if call.sight is None or not call.sight.stale_ms:
        return [order_row(found) for found in call.account.open_in(symbol)]
    shown = (_shown(call, found) for found in call.account.orders if symbol in {None, found.symbol.name})
    return [order_row(found) for found in shown if found is not None and found.is_open]


@reading
def all_orders(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/allOrders: from orderId on, or of a time, or the latest."""
    symbol = known_symbol(exchange, call.parameters)
    first = read_integer(call.parameters, "orderId")
    since, until = _span(call.parameters)
    orders = [
        shown
        for found in call.account.orders_from(first or 0)
        if found.symbol.name == symbol
        and since <= found.created_ms <= until
        and (shown := _shown(call, found)) is not None
    ]
    page = _page(orders, call.parameters, from_start=first is not None or "startTime" in call.parameters)
    return [order_row(found) for found in page]


@reading
def my_trades(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/myTrades in the combinations that are documented."""
    parameters = call.parameters
    symbol = known_symbol(exchange, parameters)
    first, order_id = read_integer(parameters, "fromId"), read_integer(parameters, "orderId")
    has_times = "startTime" in parameters or "endTime" in parameters
    if has_times and (first is not None or order_id is not None):
        return BAD_COMBINATION
    since, until = _span(parameters)
    trades: Iterable[SpotTrade] = call.account.trades_from(symbol, first or 0)
    if call.sight is not None:
        trades = call.sight.trades(trades, call.now_ms)
    found = [trade for trade in trades if order_id in {None, trade.order.id} and since <= trade.time_ms <= until]
    page = _page(found, parameters, from_start=first is not None or "startTime" in parameters)
    if call.sight is not None:
        page = call.sight.arranged(page)
    return [trade_row(trade) for trade in page]


@reading
def account(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/account."""
    omit_zeros = read_flag(call.parameters, "omitZeroBalances")
    holdings = {asset: (call.account.free(asset), call.account.locked[asset]) for asset in call.account.totals}
    if call.sight is not None and call.sight.stale_ms:
        holdings = _holdings_as_of(call.account, call.now_ms - call.sight.stale_ms)
    return account_row(call.account, holdings, exchange.fees, omit_zeros=omit_zeros)


@reading
def commission(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/account/commission."""
    return commission_row(known_symbol(exchange, call.parameters), exchange.fees)


@reading
def order_list(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/orderList."""
    parameters = call.parameters
    need_either(parameters, "origClientOrderId", "orderListId")
    reference = Reference(
        symbol="",
        order_id=read_integer(parameters, "orderListId"),
        client_order_id=read_name(parameters, "origClientOrderId"),
    )
    found = exchange.find_list(call.account, reference)
    return NO_SUCH_LIST if found is None else list_row(found)


@reading
def all_order_lists(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/allOrderList: the latest first."""
    del exchange
    parameters = call.parameters
    first = read_integer(parameters, "fromId")
    if first is not None and ("startTime" in parameters or "endTime" in parameters):
        return BAD_COMBINATION
    since, until = _span(parameters)
    found = [each for each in call.account.lists if each.id >= (first or 0) and since <= each.created_ms <= until]
    page = _page(found, parameters, from_start=first is not None or "startTime" in parameters)
    return [list_row(each) for each in reversed(page)]


def open_order_lists(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/openOrderList."""
    del exchange
    return [list_row(each) for each in call.account.lists if each.is_open]


@reading
def prevented_matches(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/myPreventedMatches."""
    parameters = call.parameters
    symbol = known_symbol(exchange, parameters)
    match_id, order_id = read_integer(parameters, "preventedMatchId"), read_integer(parameters, "orderId")
    if match_id is None and order_id is None:
        need_either(parameters, "preventedMatchId", "orderId")
    first = read_integer(parameters, "fromPreventedMatchId") or 0
    found = {
        match.id: match
        for each in call.account.orders
        if each.symbol.name == symbol and order_id in {None, each.id}
        for match in each.prevented_matches
        if match_id in {None, match.id} and match.id >= first
    }
    rows = [prevented_row(found[each]) for each in sorted(found)]
    return rows[: read_limit(parameters)]


@reading
def amendments(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/order/amendments."""
    parameters = call.parameters
    reference = read_reference(exchange, parameters, "orderId", "")
    found = exchange.find(call.account, reference)
    if found is None:
        return NO_SUCH_ORDER
    first = read_integer(parameters, "fromExecutionId") or 0
    rows = [amendment_row(found, each) for each in found.amendments if each.execution_id >= first]
    return rows[: read_limit(parameters)]


@reading
def allocations(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/myAllocations: there is no smart order routing here."""
    known_symbol(exchange, call.parameters)
    return []


@reading
def my_filters(exchange: SpotExchange, call: Call) -> object | Failure:
    """GET /api/v3/myFilters."""
    market = exchange.markets[known_symbol(exchange, call.parameters)]
    whole, own, assets = scoped_rows(market.symbol.filters)
    return {"exchangeFilters": whole, "symbolFilters": own, "assetFilters": assets}


def order_as_of(found: SpotOrder, moment_ms: int) -> SpotOrder | None:
    """The order as a read at this moment would have shown it; None before it was created."""
    if found.created_ms > moment_ms:
        return None
    if found.updated_ms <= moment_ms:
        return found
    seen = [trade for trade in found.trades if trade.time_ms <= moment_ms]
    executed = sum(trade.lots for trade in seen)
    worked = found.is_working and found.working_ms <= moment_ms
    listed = found.order_list
    is_pending = listed is not None and listed.working not in {None, found} and not worked
    unfilled = Status.PENDING_NEW if is_pending else Status.NEW
    return replace(
        found,
        executed=executed,
        cost=sum(trade.price * trade.lots for trade in seen),
        prevented=sum(
            match.taker_lots if match.taker is found else match.maker_lots
            for match in found.prevented_matches
            if match.time_ms <= moment_ms
        ),
        status=Status.PARTIALLY_FILLED if executed else unfilled,
        working_ms=found.working_ms if worked else NO_TIME,
        updated_ms=max((trade.time_ms for trade in seen), default=found.created_ms),
        expiry=None,
        trades=seen,
    )


def _holdings_as_of(owner: SpotAccount, moment_ms: int) -> dict[str, tuple[Decimal, Decimal]]:
    """Free and locked by asset, before the trades that came later and with what the orders of then held."""
    totals = dict(owner.totals)
    for trade in (trade for trades in owner.trades.values() for trade in trades if trade.time_ms > moment_ms):
        made, symbol = trade.order, trade.order.symbol
        quantity, cost = symbol.lot * trade.lots, symbol.notional(trade.price, trade.lots)
        gained, paid = (quantity, cost) if made.sign > 0 else (cost, quantity)
        totals[made.receives] -= gained - trade.commission
        totals[made.pays_with] += paid
    held: dict[int, tuple[str, Decimal]] = {}
    for shown in (order_as_of(each, moment_ms) for each in owner.orders):
        if shown is not None:
            before = held.get(shown.holds_under, ("", ZERO))[1]
            held[shown.holds_under] = (shown.pays_with, max(before, shown.held))
    locked = dict.fromkeys(totals, ZERO)
    for asset, amount in held.values():
        locked[asset] += amount
    return {asset: (total - locked[asset], locked[asset]) for asset, total in totals.items()}


def _shown(call: Call, found: SpotOrder) -> SpotOrder | None:
    if call.sight is None or not call.sight.stale_ms:
        return found
    return order_as_of(found, call.now_ms - call.sight.stale_ms)


def _span(parameters: Parameters) -> tuple[int, int]:
    """Both ends are in it. Raises Unreadable when it is longer than 24 hours."""
    start, end = read_integer(parameters, "startTime"), read_integer(parameters, "endTime")
    if start is not None and end is not None and end - start > DAY_MS:
        raise Unreadable(TOO_LONG)
    return start or 0, _NO_END if end is None else end


def _page(rows: list[SomeRow], parameters: Parameters, *, from_start: bool) -> list[SomeRow]:
    limit = read_limit(parameters)
    return rows[:limit] if from_start else rows[-limit:]
