"""The gate: the rows of Binance Spot, checked. Fields are named as the exchange names them, also where it writes `cummulative`.

Fields that only some answers bear (`time`, `fills`, `origClientOrderId`) are optional; what becomes of them `parse` says.
"""

from pydantic import Field

from ordergate.venues.binance.fields import (
    Count,
    Flag,
    MaybeNumber,
    Name,
    Number,
    NumericId,
    Positive,
    Quantity,
    Row,
    TimeMs,
)


class FillRow(Row):
    """A trade in the answer to an order."""

    price: Positive
    qty: Positive
    commission: Number
    commissionAsset: Name  # noqa: N815 - the exchange's name
    tradeId: NumericId  # noqa: N815


class OrderRow(Row):
    """An order in any answer: placed (FULL or RESULT), canceled, looked up, listed. origClientOrderId: in what ended it, the order's own id."""

    symbol: Name
    orderId: NumericId  # noqa: N815
    clientOrderId: Name | None = None  # noqa: N815
    origClientOrderId: Name | None = None  # noqa: N815
    price: MaybeNumber = None
    origQty: Quantity  # noqa: N815
    executedQty: Quantity  # noqa: N815
    status: Name
    type: Name
    side: Name
    stopPrice: MaybeNumber = None  # noqa: N815
    transactTime: TimeMs | None = None  # noqa: N815
    time: TimeMs | None = None
    updateTime: TimeMs | None = None  # noqa: N815
    fills: list[FillRow] = Field(default_factory=list)


class AmendAnswer(Row):
    transactTime: TimeMs  # noqa: N815
    amendedOrder: dict[str, object]  # noqa: N815


class ListAnswer(Row):
    """A list of orders, placed or canceled. orderReports: a row for each leg, in no promised order."""

    orderListId: NumericId  # noqa: N815
    listClientOrderId: Name  # noqa: N815
    symbol: Name
    orderReports: list[object]  # noqa: N815


class CancelReplaceAnswer(Row):
    """What became of each of the two: SUCCESS, FAILURE or NOT_ATTEMPTED, with an order or a failure."""

    cancelResult: Name  # noqa: N815
    newOrderResult: Name  # noqa: N815
    cancelResponse: dict[str, object] | None = None  # noqa: N815
    newOrderResponse: dict[str, object] | None = None  # noqa: N815


class TradeRow(Row):
    symbol: Name
    id: NumericId
    orderId: NumericId  # noqa: N815
    price: Positive
    qty: Positive
    commission: Number
    commissionAsset: Name  # noqa: N815
    time: TimeMs
    isBuyer: Flag  # noqa: N815
    isMaker: Flag  # noqa: N815


class BalanceRow(Row):
    asset: Name
    free: Quantity
    locked: Quantity


class AccountAnswer(Row):
    balances: list[BalanceRow]


class FilterRow(Row):
    """One of `symbols[].filters`; each kind has a few of these fields. What a rule of 0 means its filter says."""

    filterType: Name  # noqa: N815
    minPrice: MaybeNumber = None  # noqa: N815
    maxPrice: MaybeNumber = None  # noqa: N815
    tickSize: MaybeNumber = None  # noqa: N815
    minQty: MaybeNumber = None  # noqa: N815
    maxQty: MaybeNumber = None  # noqa: N815
    stepSize: MaybeNumber = None  # noqa: N815
    multiplierUp: MaybeNumber = None  # noqa: N815
    multiplierDown: MaybeNumber = None  # noqa: N815
    bidMultiplierUp: MaybeNumber = None  # noqa: N815
    bidMultiplierDown: MaybeNumber = None  # noqa: N815
    askMultiplierUp: MaybeNumber = None  # noqa: N815
    askMultiplierDown: MaybeNumber = None  # noqa: N815
    minNotional: MaybeNumber = None  # noqa: N815
    maxNotional: MaybeNumber = None  # noqa: N815
    applyToMarket: Flag = True  # noqa: N815
    applyMinToMarket: Flag = True  # noqa: N815
    applyMaxToMarket: Flag = True  # noqa: N815
    limit: Count | None = None
    maxNumOrders: Count | None = None  # noqa: N815
    maxNumAlgoOrders: Count | None = None  # noqa: N815
    maxNumIcebergOrders: Count | None = None  # noqa: N815
    maxNumOrderLists: Count | None = None  # noqa: N815
    maxPosition: MaybeNumber = None  # noqa: N815
    minTrailingAboveDelta: Count | None = None  # noqa: N815
    maxTrailingAboveDelta: Count | None = None  # noqa: N815
    minTrailingBelowDelta: Count | None = None  # noqa: N815
    maxTrailingBelowDelta: Count | None = None  # noqa: N815


class SymbolRow(Row):
    symbol: Name
    status: Name
    baseAsset: Name  # noqa: N815
    quoteAsset: Name  # noqa: N815
    filters: list[FilterRow]


class ExchangeAnswer(Row):
    symbols: list[object]
    exchangeFilters: list[object] = []  # noqa: N815, RUF012 - pydantic copies it


class PriceRow(Row):
    symbol: Name
    price: Number


class TimeAnswer(Row):
    serverTime: TimeMs  # noqa: N815
