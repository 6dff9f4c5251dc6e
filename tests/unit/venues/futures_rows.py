"""Answers of Binance USD-M futures in the documented shape, with numbers of our own."""

from decimal import Decimal
from typing import Any

from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderKey, OrderRequest, OrderType, Side, Terms

BTC = Symbol("BTCUSDT")
ORDER: dict[str, Any] = {
    "orderId": 8886774, "symbol": "BTCUSDT", "status": "PARTIALLY_FILLED", "clientOrderId": "alpha-1", "price": "64250.50",
    "avgPrice": "64250.50", "origQty": "0.010", "executedQty": "0.004", "cumQuote": "257.00200", "timeInForce": "GTC",
    "type": "LIMIT", "reduceOnly": False, "closePosition": False, "side": "BUY", "positionSide": "BOTH", "stopPrice": "0",
    "workingType": "CONTRACT_PRICE", "priceProtect": False, "origType": "LIMIT", "priceMatch": "NONE",
    "selfTradePreventionMode": "NONE", "goodTillDate": 0, "time": 1767323045678, "updateTime": 1767323045900,
}  # fmt: skip
ALGO: dict[str, Any] = {
    "algoId": 1000000033225453, "clientAlgoId": "alpha-1", "algoType": "CONDITIONAL", "orderType": "STOP", "symbol": "BTCUSDT",
    "side": "BUY", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.010", "algoStatus": "NEW", "actualOrderId": "",
    "actualPrice": "0.00000", "triggerPrice": "65000.00", "price": "65010.00", "icebergQuantity": None, "tpOrderType": "",
    "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": "CONTRACT_PRICE", "priceMatch": "NONE", "closePosition": False,
    "priceProtect": False, "reduceOnly": False, "createTime": 1767323045678, "updateTime": 1767323045678, "triggerTime": 0,
    "goodTillDate": 0,
}  # fmt: skip
TRIGGERED: dict[str, Any] = {
    **ALGO,
    "algoStatus": "TRIGGERED",
    "actualOrderId": "88937381063",
    "updateTime": 1767323046000,
}
CHILD: dict[str, Any] = {
    **ORDER, "orderId": 88937381063, "price": "65010.00", "stopPrice": "0", "status": "NEW", "executedQty": "0",
    "time": 1767323046000, "updateTime": 1767323046000,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "buyer": True, "commission": "0.07819010", "commissionAsset": "USDT", "id": 698759, "maker": False, "orderId": 8886774,
    "price": "64250.50", "qty": "0.004", "quoteQty": "257.00200", "realizedPnl": "0", "side": "BUY", "positionSide": "BOTH",
    "symbol": "BTCUSDT", "time": 1767323045900,
}  # fmt: skip
POSITION: dict[str, Any] = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.030", "entryPrice": "64000.0", "breakEvenPrice": "64001.0",
    "markPrice": "64047.59000000", "unRealizedProfit": "-1.42770000", "liquidationPrice": "0", "isolatedMargin": "0",
    "notional": "-1921.42770000", "marginAsset": "USDT", "isolatedWallet": "0", "adl": 2, "updateTime": 1767323045900,
}  # fmt: skip
SYMBOL: dict[str, Any] = {
    "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC",
    "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "triggerProtect": "0.0500",
    "filters": [
        {"filterType": "PRICE_FILTER", "maxPrice": "4529764", "minPrice": "556.80", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "maxQty": "1000", "minQty": "0.001", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "maxQty": "120", "minQty": "0.001", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ],
}  # fmt: skip


def request(**terms: Any) -> OrderRequest:
    given = {"side": Side.BUY, "type": OrderType.LIMIT, "quantity": Decimal("0.010"), "price": Decimal("64250.50")}
    if terms.get("type", OrderType.LIMIT) not in {OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT}:
        given["price"] = None
    return OrderRequest(
        key=OrderKey(
            venue=VenueName("binance-futures"),
            account=AccountName("main"),
            symbol=BTC,
            client_order_id=ClientOrderId("alpha-1"),
        ),
        strategy=StrategyName("alpha"),
        intent_id=IntentId("a-1"),
        request_hash="",
        terms=Terms(**{**given, **terms}),
        created_at_ms=0,
        valid_for_ms=1,
    )


def stop_request() -> OrderRequest:
    return request(type=OrderType.STOP, price=Decimal(65010), stop_price=Decimal(65000))


NEW_ALGO_EVENT: dict[str, Any] = {
    "e": "ALGO_UPDATE", "T": 1767323045678, "E": 1767323045679,
    "o": {
        "caid": "alpha-1", "aid": 1000000033225453, "at": "CONDITIONAL", "o": "STOP", "s": "BTCUSDT", "S": "BUY", "ps": "BOTH",
        "f": "GTC", "q": "0.010", "X": "NEW", "ai": "", "ap": "0.00000", "aq": "0.00000", "act": "0", "tp": "65000", "p": "65010",
        "V": "EXPIRE_MAKER", "wt": "CONTRACT_PRICE", "pm": "NONE", "cp": False, "pP": False, "R": False, "tt": 0, "gtd": 0,
    },
}  # fmt: skip
TRIGGERED_ALGO_EVENT: dict[str, Any] = {
    **NEW_ALGO_EVENT,
    "T": 1767323046000,
    "o": {**NEW_ALGO_EVENT["o"], "X": "TRIGGERED", "ai": "88937381063", "act": "LIMIT", "tt": 1767323046000},
}


def child_event(**changes: Any) -> dict[str, Any]:
    """ORDER_TRADE_UPDATE of the order that the trigger made: filled at once, unless it is told otherwise."""
    order = {
        "s": "BTCUSDT", "c": "alpha-1", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.010", "p": "65010", "ap": "65005", "sp": "0",
        "x": "TRADE", "X": "FILLED", "i": 88937381063, "l": "0.010", "z": "0.010", "L": "65005", "N": "USDT", "n": "0.3",
        "T": 1767323046001, "t": 77, "b": "0", "a": "0", "m": False, "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT",
        "ps": "BOTH", "cp": False, "rp": "0", "pP": False, "si": 0, "ss": 0, "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0, "er": "0",
    }  # fmt: skip
    if changes.get("x") == "NEW":
        order |= {"l": "0", "z": "0", "L": "0", "n": "0", "N": None, "t": 0}
    return {"e": "ORDER_TRADE_UPDATE", "E": 1767323046002, "T": 1767323046001, "o": {**order, **changes}}
