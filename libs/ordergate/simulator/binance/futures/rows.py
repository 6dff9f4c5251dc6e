"""The JSON rows of `/fapi`, field by field as the venue's documents and its official client have them. Numbers are strings, ids and times integers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.events import break_even
from ordergate.simulator.binance.futures.orders import AlgoType
from ordergate.simulator.binance.futures.spelling import (
    ASSET,
    average_price,
    limit_type,
    money,
    plain,
    price_text,
    quantity_text,
    quote_executed,
    rounded,
    stop_price,
)
from ordergate.simulator.orders import Status
from ordergate.simulator.render import MAINTENANCE_RATE, trade_fee

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.simulator.binance.futures.accounts import FuturesAccount
    from ordergate.simulator.binance.futures.orders import AlgoOrder, Amendment, FuturesOrder
    from ordergate.simulator.config import FeesConfig
    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.positions import Position
    from ordergate.simulator.symbols import Symbol

Row = dict[str, object]
_ZERO = Decimal(0)
MAX_NOTIONAL = "1000000000"
ADL_QUANTILE = 1
"""`adl`: the quantile in the queue of auto-deleveraging; everybody stands at its beginning here."""


def order_row(order: FuturesOrder) -> Row:
    """What a query shows."""
    algo = order.algo
    trailing: Row = {}
    if algo is not None and algo.type is AlgoType.TRAILING_STOP_MARKET:
        trailing = {
            "activatePrice": _ticks(order.symbol, algo.activate),
            "priceRate": plain(algo.callback_rate or _ZERO),
        }
    return {
        "orderId": order.id,
        "symbol": order.symbol.name,
        "status": str(order.status),
        "clientOrderId": order.client_order_id,
        "price": price_text(order, order.price),
        "avgPrice": average_price(order),
        "origQty": quantity_text(order, order.lots),
        "executedQty": quantity_text(order, order.executed),
        "cumQuote": quote_executed(order),
        "timeInForce": str(order.time_in_force),
        "type": limit_type(order),
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": str(order.side),
        "positionSide": str(order.position_side),
        "stopPrice": stop_price(order),
        "workingType": str(order.working_type),
        "priceProtect": order.price_protect,
        "origType": limit_type(order) if order.forced else order.original_type,
        "priceMatch": str(order.price_match),
        "selfTradePreventionMode": str(order.self_trade),
        "goodTillDate": order.good_till_ms,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        **trailing,
    }


def listed_row(order: FuturesOrder) -> Row:
    """What allOrders and forceOrders show beside that."""
    return {**order_row(order), "pair": order.symbol.name, "cumBase": "0"}


def changed_row(order: FuturesOrder) -> Row:
    """What a placement (RESULT), a cancel or a modification answers: with `cumQty`, without `time`.

    `avgPrice` and `cumQuote` left these answers with the specification of 2026-07-15.
    """
    row = order_row(order)
    for name in ("time", "avgPrice", "cumQuote"):
        del row[name]
    return {**row, "cumQty": row["executedQty"]}


def tested_row(order: FuturesOrder) -> Row:
    """What POST /fapi/v1/order/test answers, which kept them."""
    return {**accepted_row(order), "avgPrice": average_price(order), "cumQuote": "0"}


def accepted_row(order: FuturesOrder) -> Row:
    """What a placement answers with ACK: the order as it was taken, whatever became of it since."""
    row = changed_row(order)
    nothing = {"executedQty": "0", "cumQty": "0"}
    return {**row, **nothing, "status": str(Status.NEW), "updateTime": order.created_ms}


def amendment_row(order: FuturesOrder, amendment: Amendment, count: int) -> Row:
    """GET /fapi/v1/orderAmendment."""
    return {
        "amendmentId": amendment.id,
        "symbol": order.symbol.name,
        "pair": order.symbol.name,
        "orderId": order.id,
        "clientOrderId": order.client_order_id,
        "time": amendment.time_ms,
        "amendment": {
            "price": {
                "before": price_text(order, amendment.price_before),
                "after": price_text(order, amendment.price_after),
            },
            "origQty": {
                "before": quantity_text(order, amendment.lots_before),
                "after": quantity_text(order, amendment.lots_after),
            },
            "count": count,
            **({} if amendment.modify_id is None else {"modifyId": amendment.modify_id}),
        },
    }


def algo_placed_row(algo: AlgoOrder) -> Row:
    """What a placement of a conditional order answers."""
    symbol = algo.symbol
    trailing = algo.type is AlgoType.TRAILING_STOP_MARKET
    return {
        "algoId": algo.id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": str(algo.type),
        "symbol": symbol.name,
        "side": str(algo.side),
        "positionSide": str(algo.position_side),
        "timeInForce": str(algo.time_in_force),
        "quantity": "0" if algo.lots is None else symbol.quantity_text(algo.lots),
        "algoStatus": str(algo.status),
        "triggerPrice": _ticks(symbol, algo.trigger),
        "price": _ticks(symbol, algo.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": str(algo.self_trade),
        "workingType": str(algo.working_type),
        "priceMatch": str(algo.price_match),
        "closePosition": algo.lots is None,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "activatePrice": _ticks(symbol, algo.activate) if trailing and algo.activate is not None else "",
        "callbackRate": plain(algo.callback_rate) if algo.callback_rate is not None else "",
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": algo.good_till_ms,
    }


def algo_row(algo: AlgoOrder) -> Row:
    """What a query of a conditional order shows: also the order that came of it."""
    child = algo.child
    return {
        **algo_placed_row(algo),
        "actualOrderId": "" if child is None else str(child.id),
        "actualPrice": "0.00000" if child is None else average_price(child),
        "actualQty": "0" if child is None else quantity_text(child, child.executed),
        "actualType": "" if child is None else str(child.type),
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
    }


def trade_row(trade: Trade, fees: FeesConfig) -> Row:
    """GET /fapi/v1/userTrades."""
    order, symbol = trade.order, trade.order.symbol
    return {
        "symbol": symbol.name,
        "id": trade.id,
        "orderId": order.id,
        "side": str(order.side),
        "price": symbol.price_text(trade.price),
        "qty": symbol.quantity_text(trade.lots),
        "realizedPnl": rounded(trade.profit),
        "quoteQty": plain(symbol.notional(trade.price, trade.lots)),
        "baseQty": symbol.quantity_text(trade.lots),
        "marginAsset": ASSET,
        "pair": symbol.name,
        "commission": plain(trade_fee(trade, fees)),
        "commissionAsset": ASSET,
        "time": trade.time_ms,
        "positionSide": str(order.position_side),
        "buyer": order.sign > 0,
        "maker": trade.maker,
    }


def income_rows(trade: Trade, fees: FeesConfig) -> list[Row]:
    """GET /fapi/v1/income: what a trade earned and cost. There is no funding here."""
    amounts = (("REALIZED_PNL", trade.profit), ("COMMISSION", -trade_fee(trade, fees)))
    return [
        {
            "symbol": trade.order.symbol.name,
            "incomeType": kind,
            "income": money(amount),
            "asset": ASSET,
            "info": str(trade.id) if kind == "REALIZED_PNL" else kind,
            "time": trade.time_ms,
            "tranId": trade.id,
            "tradeId": str(trade.id),
        }
        for kind, amount in amounts
        if amount
    ]


def position_risk_row(
    position: Position, account: FuturesAccount, market: Market[Order, Symbol], fees: FeesConfig
) -> Row:
    """GET /fapi/v3/positionRisk."""
    symbol = position.symbol
    notional = symbol.notional(market.mark, position.lots)
    margin = account.position_margin(position, market)
    waiting = account.order_margin_in(symbol.name)
    isolated = account.isolated_wallet(position)
    unrealized = position.unrealized(market.mark)
    return {
        "symbol": symbol.name,
        "positionSide": str(position.side),
        "positionAmt": symbol.quantity_text(position.lots),
        "entryPrice": rounded(position.entry_price),
        "breakEvenPrice": rounded(break_even(position, fees)),
        "markPrice": money(symbol.tick * market.mark),
        "unRealizedProfit": money(unrealized),
        "liquidationPrice": rounded(liquidation_price(position, account)),
        "isolatedMargin": rounded(isolated + unrealized) if isolated else "0",
        "notional": rounded(notional),
        "marginAsset": ASSET,
        "isolatedWallet": rounded(isolated),
        "initialMargin": rounded(margin + waiting),
        "maintMargin": rounded(abs(notional) * MAINTENANCE_RATE),
        "positionInitialMargin": rounded(margin),
        "openOrderInitialMargin": rounded(waiting),
        "adl": ADL_QUANTILE,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_ms,
    }


def position_risk_row_v2(
    position: Position, account: FuturesAccount, market: Market[Order, Symbol], fees: FeesConfig
) -> Row:
    """GET /fapi/v2/positionRisk, which lists every symbol and knows leverage and margin type."""
    row = position_risk_row(position, account, market, fees)
    for name in ("marginAsset", "initialMargin", "maintMargin", "positionInitialMargin", "openOrderInitialMargin"):
        del row[name]
    for name in ("adl", "bidNotional", "askNotional"):
        del row[name]
    isolated = position.symbol.name in account.isolated
    return {
        **row,
        "leverage": str(account.leverage_in(position.symbol.name)),
        "maxNotionalValue": MAX_NOTIONAL,
        "marginType": "isolated" if isolated else "cross",
        "isAutoAddMargin": "false",
    }


def liquidation_price(position: Position, account: FuturesAccount) -> Decimal:
    """An estimate, of a position that stands on its own margin: nothing is liquidated here but by a test."""
    if not position.lots:
        return _ZERO
    cushion = Decimal(1) / account.leverage_in(position.symbol.name) - MAINTENANCE_RATE
    price = position.entry_price * (1 - cushion if position.lots > 0 else 1 + cushion)
    return max(price, _ZERO)


def account_position_row(position: Position, account: FuturesAccount, market: Market[Order, Symbol]) -> Row:
    """`positions` of GET /fapi/v3/account."""
    symbol = position.symbol
    notional = symbol.notional(market.mark, position.lots)
    isolated = account.isolated_wallet(position)
    unrealized = position.unrealized(market.mark)
    margin = account.position_margin(position, market)
    return {
        "symbol": symbol.name,
        "positionSide": str(position.side),
        "positionAmt": symbol.quantity_text(position.lots),
        "unrealizedProfit": money(unrealized),
        "isolatedMargin": money(isolated + unrealized if isolated else _ZERO),
        "notional": rounded(notional),
        "isolatedWallet": rounded(isolated),
        "initialMargin": rounded(margin + account.order_margin_in(symbol.name)),
        "maintMargin": rounded(abs(notional) * MAINTENANCE_RATE),
        "updateTime": position.updated_ms,
    }


def account_position_row_v2(position: Position, account: FuturesAccount, market: Market[Order, Symbol]) -> Row:
    """`positions` of GET /fapi/v2/account."""
    name = position.symbol.name
    row = account_position_row(position, account, market)
    return {
        **row,
        "positionInitialMargin": rounded(account.position_margin(position, market)),
        "openOrderInitialMargin": rounded(account.order_margin_in(name)),
        "leverage": str(account.leverage_in(name)),
        "isolated": name in account.isolated,
        "entryPrice": rounded(position.entry_price),
        "maxNotional": MAX_NOTIONAL,
        "bidNotional": "0",
        "askNotional": "0",
    }


def _margins(account: FuturesAccount, markets: Mapping[str, Market[Order, Symbol]]) -> Row:
    held = [position for position in account.positions.values() if position.lots]
    positions = sum((account.position_margin(position, markets[position.symbol.name]) for position in held), _ZERO)
    notional = sum(
        (position.symbol.notional(markets[position.symbol.name].mark, abs(position.lots)) for position in held), _ZERO
    )
    orders = account.order_margin()
    return {
        "initialMargin": money(positions + orders),
        "maintMargin": money(notional * MAINTENANCE_RATE),
        "positionInitialMargin": money(positions),
        "openOrderInitialMargin": money(orders),
    }


def asset_row(account: FuturesAccount, markets: Mapping[str, Market[Order, Symbol]]) -> Row:
    """`assets` of GET /fapi/v3/account: the one asset there is."""
    unrealized = account.unrealized(markets)
    available = money(max(_ZERO, account.available(markets)))
    return {
        "asset": ASSET,
        "walletBalance": money(account.wallet),
        "unrealizedProfit": money(unrealized),
        "marginBalance": money(account.wallet + unrealized),
        **_margins(account, markets),
        "crossWalletBalance": money(account.crossed_wallet()),
        "crossUnPnl": money(unrealized),
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "updateTime": account.updated_ms,
    }


def account_totals(asset: Row) -> Row:
    """The totals of GET /fapi/v3/account, out of its one asset."""
    return {
        "totalInitialMargin": asset["initialMargin"],
        "totalMaintMargin": asset["maintMargin"],
        "totalWalletBalance": asset["walletBalance"],
        "totalUnrealizedProfit": asset["unrealizedProfit"],
        "totalMarginBalance": asset["marginBalance"],
        "totalPositionInitialMargin": asset["positionInitialMargin"],
        "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
        "totalCrossWalletBalance": asset["crossWalletBalance"],
        "totalCrossUnPnl": asset["crossUnPnl"],
        "availableBalance": asset["availableBalance"],
        "maxWithdrawAmount": asset["maxWithdrawAmount"],
    }


def balance_row(account: FuturesAccount, markets: Mapping[str, Market[Order, Symbol]]) -> Row:
    """GET /fapi/v3/balance."""
    asset = asset_row(account, markets)
    return {
        "accountAlias": account.name,
        "asset": ASSET,
        "balance": asset["walletBalance"],
        "crossWalletBalance": asset["crossWalletBalance"],
        "crossUnPnl": asset["crossUnPnl"],
        "availableBalance": asset["availableBalance"],
        "maxWithdrawAmount": asset["maxWithdrawAmount"],
        "marginAvailable": True,
        "updateTime": account.updated_ms,
    }


def bracket_row(name: str, notional_max: Decimal) -> Row:
    """GET /fapi/v1/leverageBracket: one bracket, up to what an order may be worth here."""
    bracket = {
        "bracket": 1,
        "initialLeverage": 125,
        "notionalCap": int(notional_max),
        "notionalFloor": 0,
        "maintMarginRatio": float(MAINTENANCE_RATE),
        "cum": 0.0,
    }
    return {"symbol": name, "notionalCoef": 1.0, "brackets": [bracket]}


def _ticks(symbol: Symbol, ticks: int | None) -> str:
    return "0" if ticks is None else symbol.price_text(ticks)
