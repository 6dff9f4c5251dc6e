"""The rows of REST and the WebSocket API, as rest-api.md spells them (sic: `cummulativeQuoteQty`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.spot.orders import (
    ALGOS,
    NO_LIST,
    ZERO,
    Answered,
)
from ordergate.simulator.binance.spot.symbols import amount_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from ordergate.simulator.binance.spot.accounts import SpotAccount
    from ordergate.simulator.binance.spot.exchange import Canceled
    from ordergate.simulator.binance.spot.orders import (
        Amendment,
        OrderList,
        PreventedMatch,
        SpotOrder,
        SpotTrade,
    )
    from ordergate.simulator.config import FeesConfig

Row = dict[str, object]


def placed_row(order: SpotOrder, answered: Answered) -> Row:
    """ACK, RESULT or FULL of a new order."""
    row: Row = {**_identity(order), "clientOrderId": order.client_order_id, "transactTime": order.updated_ms}
    if answered is Answered.ACK:
        return row
    row |= _numbers(order)
    row["workingTime"] = order.working_ms
    if answered is Answered.FULL:
        row["fills"] = [_fill(trade) for trade in order.trades]
        if order.prevented_matches:
            row["preventedMatches"] = [_prevention(match, order) for match in order.prevented_matches]
    return {**row, "selfTradePreventionMode": order.self_trade, **_conditional(order)}


def canceled_row(order: SpotOrder, cancel_id: str) -> Row:
    """An order that a cancel ended: `clientOrderId` is the cancel's, `origClientOrderId` the order's."""
    return {
        "symbol": order.symbol.name,
        "origClientOrderId": order.client_order_id,
        **_identity(order),
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        **_numbers(order),
        "selfTradePreventionMode": order.self_trade,
        **_conditional(order),
    }


def cancellation_row(canceled: Canceled) -> Row:
    """What a cancel ended: the order, or the list that it belonged to."""
    if canceled.order_list is None:
        return canceled_row(canceled.orders[0], canceled.cancel_id)
    reports = [canceled_row(order, canceled.cancel_id) for order in canceled.orders]
    return {**list_row(canceled.order_list), "orderReports": reports}


def order_row(order: SpotOrder) -> Row:
    """A query's row."""
    symbol = order.symbol
    return {
        **_identity(order),
        "clientOrderId": order.client_order_id,
        **_numbers(order),
        "stopPrice": symbol.price_text(order.stop_price or 0),
        "icebergQty": symbol.quantity_text(order.iceberg_lots),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        # Like the venue: an order of a finished life was working too.
        "isWorking": order.is_working,
        "workingTime": order.working_ms,
        "selfTradePreventionMode": order.self_trade,
        **_conditional(order),
    }


def amended_row(order: SpotOrder, amendment: Amendment) -> Row:
    """PUT /api/v3/order/amend/keepPriority; its names of quantities are its own."""
    symbol = order.symbol
    amended: Row = {
        **_identity(order),
        "origClientOrderId": amendment.old_client_order_id,
        "clientOrderId": order.client_order_id,
        "price": symbol.price_text(order.price or 0),
        "qty": symbol.quantity_text(order.lots),
        "executedQty": symbol.quantity_text(order.executed),
        "preventedQty": symbol.quantity_text(order.prevented),
        "quoteOrderQty": amount_text(order.quote_quantity),
        "cumulativeQuoteQty": symbol.notional_text(order.cost),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        **({"workingTime": order.working_ms} if order.is_working else {}),
        "selfTradePreventionMode": order.self_trade,
    }
    row: Row = {"transactTime": amendment.time_ms, "executionId": amendment.execution_id, "amendedOrder": amended}
    if order.order_list is not None:
        row["listStatus"] = _without(list_row(order.order_list), "listStatusType", "transactionTime")
    return row


def amendment_row(order: SpotOrder, amendment: Amendment) -> Row:
    """GET /api/v3/order/amendments."""
    return {
        "symbol": order.symbol.name,
        "orderId": order.id,
        "executionId": amendment.execution_id,
        "origClientOrderId": amendment.old_client_order_id,
        "newClientOrderId": amendment.new_client_order_id,
        "origQty": order.symbol.quantity_text(amendment.old_lots),
        "newQty": order.symbol.quantity_text(amendment.new_lots),
        "time": amendment.time_ms,
    }


def list_row(listed: OrderList) -> Row:
    """An order list without reports of its orders."""
    return {
        "orderListId": listed.id,
        "contingencyType": listed.contingency,
        "listStatusType": listed.status,
        "listOrderStatus": "EXECUTING" if listed.is_open else "ALL_DONE",
        "listClientOrderId": listed.client_id,
        "transactionTime": listed.updated_ms,
        "symbol": listed.symbol.name,
        "orders": [
            {"symbol": order.symbol.name, "orderId": order.id, "clientOrderId": order.client_order_id}
            for order in listed.orders
        ],
    }


def placed_list_row(listed: OrderList, answered: Answered) -> Row:
    """A new order list."""
    return {**list_row(listed), "orderReports": [placed_row(order, answered) for order in listed.orders]}


def trade_row(trade: SpotTrade) -> Row:
    """GET /api/v3/myTrades."""
    order, symbol = trade.order, trade.order.symbol
    return {
        "symbol": symbol.name,
        "id": trade.id,
        "orderId": order.id,
        "orderListId": NO_LIST if order.order_list is None else order.order_list.id,
        "price": symbol.price_text(trade.price),
        "qty": symbol.quantity_text(trade.lots),
        "quoteQty": symbol.notional_text(trade.price * trade.lots),
        "commission": amount_text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time_ms,
        "isBuyer": order.sign > 0,
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def prevented_row(match: PreventedMatch) -> Row:
    """GET /api/v3/myPreventedMatches."""
    symbol = match.taker.symbol
    row: Row = {
        "symbol": symbol.name,
        "preventedMatchId": match.id,
        "takerOrderId": match.taker.id,
        "makerSymbol": symbol.name,
        "makerOrderId": match.maker.id,
        "tradeGroupId": -1,
        "selfTradePreventionMode": match.mode,
        "price": symbol.price_text(match.price),
    }
    return {**row, **_lost(match), "transactTime": match.time_ms}


def account_row(
    account: SpotAccount, holdings: Mapping[str, tuple[Decimal, Decimal]], fees: FeesConfig, *, omit_zeros: bool
) -> Row:
    """GET /api/v3/account; holdings are free and locked by asset."""
    maker, taker = fees.maker, fees.taker
    balances = [
        {"asset": asset, "free": amount_text(free), "locked": amount_text(locked)}
        for asset, (free, locked) in holdings.items()
        if free or locked or not omit_zeros
    ]
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": amount_text(maker),
            "taker": amount_text(taker),
            "buyer": amount_text(ZERO),
            "seller": amount_text(ZERO),
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ms,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": account.uid,
    }


def commission_row(symbol: str, fees: FeesConfig) -> Row:
    """GET /api/v3/account/commission: nothing but standard commission."""
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), amount_text(ZERO))
    standard = {**none, "maker": amount_text(fees.maker), "taker": amount_text(fees.taker)}
    return {
        "symbol": symbol,
        "standardCommission": standard,
        "specialCommission": none,
        "taxCommission": none,
        "discount": _DISCOUNT,
    }


def order_commission_row(fees: FeesConfig) -> Row:
    """POST /api/v3/order/test with computeCommissionRates."""
    none = {"maker": amount_text(ZERO), "taker": amount_text(ZERO)}
    return {
        "standardCommissionForOrder": {"maker": amount_text(fees.maker), "taker": amount_text(fees.taker)},
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": _DISCOUNT,
    }


_DISCOUNT: Row = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": "BNB",
    "discount": amount_text(ZERO),
}


def _identity(order: SpotOrder) -> Row:
    listed = order.order_list
    return {
        "symbol": order.symbol.name,
        "orderId": order.id,
        "orderListId": NO_LIST if listed is None else listed.id,
    }


def _numbers(order: SpotOrder) -> Row:
    symbol = order.symbol
    return {
        "price": symbol.price_text(order.price or 0),
        "origQty": symbol.quantity_text(order.lots),
        "executedQty": symbol.quantity_text(order.executed),
        "origQuoteOrderQty": amount_text(order.quote_quantity),
        "cummulativeQuoteQty": symbol.notional_text(order.cost),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
    }


def _conditional(order: SpotOrder) -> Row:
    """rest-api.md, "Conditional fields in Order Responses"."""
    symbol = order.symbol
    row: Row = {}
    if order.iceberg_lots:
        row["icebergQty"] = symbol.quantity_text(order.iceberg_lots)
    if order.type in ALGOS:
        row["stopPrice"] = symbol.price_text(order.stop_price or 0)
    if order.strategy_id is not None:
        row["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        row["strategyType"] = order.strategy_type
    if order.trailing_delta is not None:
        row |= {"trailingDelta": order.trailing_delta, "trailingTime": order.trailing_ms}
    if order.prevented:
        row |= {
            "preventedMatchId": order.prevented_matches[-1].id,
            "preventedQuantity": symbol.quantity_text(order.prevented),
        }
    if order.expiry is not None:
        row["expiryReason"] = order.expiry
    return row


def _fill(trade: SpotTrade) -> Row:
    symbol = trade.order.symbol
    return {
        "price": symbol.price_text(trade.price),
        "qty": symbol.quantity_text(trade.lots),
        "commission": amount_text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "tradeId": trade.id,
    }


def _prevention(match: PreventedMatch, order: SpotOrder) -> Row:
    symbol = order.symbol
    row: Row = {
        "preventedMatchId": match.id,
        "makerSymbol": symbol.name,
        "makerOrderId": match.maker.id,
        "price": symbol.price_text(match.price),
    }
    return {**row, **_lost(match)}


def _lost(match: PreventedMatch) -> Row:
    symbol = match.taker.symbol
    row: Row = {}
    if match.taker_lots:
        row["takerPreventedQuantity"] = symbol.quantity_text(match.taker_lots)
    if match.maker_lots:
        row["makerPreventedQuantity"] = symbol.quantity_text(match.maker_lots)
    return row


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}
