"""What the signed reads answer, as the call's sight shows the books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.finding import (
    account_of,
    is_forgotten,
    market_of,
    markets_asked,
    named_order,
    read_page,
    seen,
)
from ordergate.simulator.binance.futures.orders import is_working
from ordergate.simulator.binance.futures.refusals import NO_SUCH_ORDER
from ordergate.simulator.binance.futures.rows import (
    Row,
    account_position_row,
    account_position_row_v2,
    account_totals,
    amendment_row,
    asset_row,
    balance_row,
    bracket_row,
    income_rows,
    listed_row,
    order_row,
    position_risk_row,
    position_risk_row_v2,
    trade_row,
)
from ordergate.simulator.binance.futures.spelling import plain
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.positions import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ordergate.simulator.binance.futures.accounts import FuturesAccount
    from ordergate.simulator.binance.futures.exchange import FuturesExchange
    from ordergate.simulator.binance.operations import Call
    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.symbols import Symbol


def order(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/order."""
    found = named_order(exchange, call, call.parameters)
    if isinstance(found, Failure):
        return found
    if found is None or is_forgotten(found, call.now_ms):
        return NO_SUCH_ORDER
    return order_row(found)


def open_order(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/openOrder."""
    found = named_order(exchange, call, call.parameters)
    if isinstance(found, Failure):
        return found
    return NO_SUCH_ORDER if found is None or not is_working(found) else order_row(found)


def open_orders(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/openOrders."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    account = account_of(call)
    names = {market.symbol.name for market in markets}
    # An order that is over may still be open in the eyes of a read that is late.
    every: Iterable[Order] = account.open_orders.values() if call.sight is None else account.orders
    return [order_row(found) for found in seen(call, every) if is_working(found) and found.symbol.name in names]


def all_orders(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/allOrders."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    page = read_page(call, "orderId", limit=500, limit_max=1000)
    if isinstance(page, Failure):
        return page
    orders = [
        found
        for found in seen(call, account_of(call).orders_after(page.from_id - 1))
        if found.symbol is market.symbol
        and page.holds(found.id, found.created_ms)
        and not is_forgotten(found, call.now_ms)
    ]
    return [listed_row(found) for found in page.cut(orders)]


def amendments(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/orderAmendment: the latest first."""
    found = named_order(exchange, call, call.parameters)
    if isinstance(found, Failure):
        return found
    if found is None:
        return NO_SUCH_ORDER
    page = read_page(call, "amendmentId", limit=50, limit_max=100)
    if isinstance(page, Failure):
        return page
    rows = [
        amendment_row(found, amendment, count)
        for count, amendment in enumerate(found.amendments, start=1)
        if page.holds(amendment.id, amendment.time_ms)
    ]
    return page.cut(rows)[::-1]


def user_trades(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/userTrades: both sides, the maker's too."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    page = read_page(call, "fromId", limit=500, limit_max=1000)
    if isinstance(page, Failure):
        return page
    wanted = call.parameters.get("orderId")
    trades: Iterable[Trade] = account_of(call).trades_from(market.symbol.name, page.from_id)
    if call.sight is not None:
        trades = call.sight.trades(trades, call.now_ms)
    kept = [
        trade for trade in trades if page.holds(trade.id, trade.time_ms) and wanted in {None, "", str(trade.order.id)}
    ]
    shown = page.cut(kept)
    if call.sight is not None:
        shown = call.sight.arranged(shown)
    return [trade_row(trade, exchange.fees) for trade in shown]


def income(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/income."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    page = read_page(call, "tranId", limit=100, limit_max=1000)
    if isinstance(page, Failure):
        return page
    account, kind = account_of(call), call.parameters.get("incomeType")
    trades = [trade for market in markets for trade in account.trades_from(market.symbol.name, 0)]
    rows = [
        row
        for trade in sorted(trades, key=lambda trade: trade.time_ms)
        if page.holds(trade.id, trade.time_ms)
        for row in income_rows(trade, exchange.fees)
        if not kind or row["incomeType"] == kind
    ]
    return page.cut(rows)


def position_risk(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v3/positionRisk: what is held, and symbols with open orders."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    account = account_of(call)
    return [
        position_risk_row(position, account, market, exchange.fees)
        for market, position in _positions(call, markets, every=False)
    ]


def position_risk_v2(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v2/positionRisk: every symbol."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    account = account_of(call)
    return [
        position_risk_row_v2(position, account, market, exchange.fees)
        for market, position in _positions(call, markets, every=True)
    ]


def account(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v3/account."""
    holder = account_of(call)
    asset = asset_row(holder, exchange.markets)
    positions = _positions(call, exchange.markets.values(), every=False)
    rows = [account_position_row(position, holder, market) for market, position in positions]
    return {**account_totals(asset), "assets": [asset], "positions": rows}


def account_v2(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v2/account."""
    holder = account_of(call)
    asset = {**asset_row(holder, exchange.markets), "marginAvailable": True}
    positions = _positions(call, exchange.markets.values(), every=True)
    rows = [account_position_row_v2(position, holder, market) for market, position in positions]
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "feeBurn": True,
        "multiAssetsMargin": holder.multi_assets,
        "tradeGroupId": -1,
        **account_totals(asset),
        "assets": [asset],
        "positions": rows,
    }


def balance(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v3/balance, and v2 alike."""
    return [balance_row(account_of(call), exchange.markets)]


def leverage_bracket(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/leverageBracket: a list, or one row where a symbol is named."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    rows: list[Row] = [bracket_row(market.symbol.name, exchange.notional_max) for market in markets]
    return rows[0] if call.parameters.get("symbol") else rows


def commission_rate(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/commissionRate."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    maker = plain(exchange.fees.maker)
    return {
        "symbol": market.symbol.name,
        "makerCommissionRate": maker,
        "takerCommissionRate": plain(exchange.fees.taker),
        "rpiCommissionRate": maker,
    }


def order_limits(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/rateLimit/order."""
    del call
    return [limit.row() for limit in exchange.limits if limit.kind == "ORDERS"]


def force_orders(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/forceOrders: orders of the venue's own making, the latest first."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    page = read_page(call, "orderId", limit=50, limit_max=100)
    if isinstance(page, Failure):
        return page
    names = {market.symbol.name for market in markets}
    kind = call.parameters.get("autoCloseType")
    orders = [
        found
        for found in seen(call, account_of(call).orders)
        if found.forced
        and found.symbol.name in names
        and page.holds(found.id, found.created_ms)
        and (not kind or (kind == "ADL") == found.client_order_id.startswith("adl"))
    ]
    return [listed_row(found) for found in page.cut(orders)[::-1]]


def _positions(
    call: Call, markets: Iterable[Market[Order, Symbol]], *, every: bool
) -> Iterator[tuple[Market[Order, Symbol], Position]]:
    """Positions on the sides that the mode knows: all of them, or those that are held or have open orders."""
    holder: FuturesAccount = account_of(call)
    held = holder.positions.values() if call.sight is None else call.sight.positions(holder, call.now_ms)
    known = {(position.symbol.name, position.side): position for position in held}
    waiting = {(found.symbol.name, found.position_side) for found in holder.open_orders.values()}
    for market in markets:
        for side in holder.position_sides():
            key = (market.symbol.name, side)
            position = known.get(key) or Position(market.symbol, side)
            if every or position.lots or key in waiting:
                yield market, position
