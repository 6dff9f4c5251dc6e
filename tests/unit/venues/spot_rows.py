"""Documents as Binance Spot's documentation shows them, with numbers of our own."""

from decimal import Decimal
from typing import Any

from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderKey, OrderRequest, OrderType, Side, Terms

Document = dict[str, Any]
BTC = Symbol("BTCUSDT")
AT_MS = 1_700_000_000_000


def request(client_order_id: str = "alpha-1", *, validate_only: bool = False, **changes: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": Decimal("0.010"),
        "price": Decimal("64000.50"),
    }
    return OrderRequest(
        key=OrderKey(
            venue=VenueName("binance-spot"),
            account=AccountName("main"),
            symbol=BTC,
            client_order_id=ClientOrderId(client_order_id),
        ),
        strategy=StrategyName("alpha"),
        intent_id=IntentId(client_order_id),
        request_hash="",
        terms=Terms(**(values | changes)),
        created_at_ms=0,
        valid_for_ms=60_000,
        validate_only=validate_only,
    )


def placed(**changes: object) -> Document:
    """A RESULT answer; FULL has `fills` too."""
    row: Document = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "alpha-1",
        "transactTime": AT_MS,
        "price": "64000.50000000",
        "origQty": "0.01000000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": AT_MS,
        "selfTradePreventionMode": "NONE",
        "fills": [],
    }
    return row | changes


def fill(number: int = 56, quantity: str = "0.01000000") -> Document:
    return {
        "price": "64000.00000000",
        "qty": quantity,
        "commission": "0.00001000",
        "commissionAsset": "BTC",
        "tradeId": number,
    }


def filled(**changes: object) -> Document:
    rows = [fill(56, "0.00400000"), fill(57, "0.00600000")]
    return placed(status="FILLED", executedQty="0.01000000", fills=rows) | changes


def looked_up(**changes: object) -> Document:
    row = placed()
    for name in ("transactTime", "fills"):
        del row[name]
    return (
        row
        | {"time": AT_MS, "updateTime": AT_MS + 5, "isWorking": True, "icebergQty": "0.0", "stopPrice": "0.0"}
        | changes
    )


def canceled(**changes: object) -> Document:
    row = placed(
        origClientOrderId="alpha-1", clientOrderId="made-by-the-exchange", status="CANCELED", transactTime=AT_MS + 9
    )
    for name in ("fills", "workingTime"):
        del row[name]
    return row | changes


def order_list(*reports: Document, **changes: object) -> Document:
    answer: Document = {
        "orderListId": 1929,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "list-1",
        "transactionTime": AT_MS,
        "symbol": "BTCUSDT",
        "orders": [
            {"symbol": "BTCUSDT", "orderId": each["orderId"], "clientOrderId": each["clientOrderId"]}
            for each in reports
        ],
        "orderReports": list(reports),
    }
    return answer | changes


def trade(number: int = 28457, **changes: object) -> Document:
    row: Document = {
        "symbol": "BTCUSDT",
        "id": number,
        "orderId": 28,
        "orderListId": -1,
        "price": "64000.00000000",
        "qty": "0.01000000",
        "quoteQty": "640.00000000",
        "commission": "0.64000000",
        "commissionAsset": "USDT",
        "time": AT_MS,
        "isBuyer": True,
        "isMaker": False,
        "isBestMatch": True,
    }
    return row | changes


FILTERS: list[Document] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    {"filterType": "ICEBERG_PARTS", "limit": 10},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "107.85000000", "stepSize": "0.00000000"},
    {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000,
     "minTrailingBelowDelta": 20, "maxTrailingBelowDelta": 1000},
    {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.2", "bidMultiplierDown": "0.2",
     "askMultiplierUp": "5", "askMultiplierDown": "0.8", "avgPriceMins": 5},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
     "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 7},
    {"filterType": "MAX_POSITION", "maxPosition": "10.00000000"},
    {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    {"filterType": "A_FILTER_OF_NEXT_YEAR", "value": "7"},
]  # fmt: skip


def symbol(**changes: object) -> Document:
    row: Document = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "filters": FILTERS,
    }
    return row | changes


def exchange_info(*symbols: Document) -> Document:
    return {
        "timezone": "UTC",
        "serverTime": AT_MS,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 3000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 40},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
        ],
        "exchangeFilters": [],
        "symbols": list(symbols),
    }
