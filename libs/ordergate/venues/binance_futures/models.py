"""The gate: the rows of Binance USD-M futures, checked. Fields are named as the venue names them; those that some answers leave out (`time`, `origType`) are optional."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ordergate.venues.binance.fields import (
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


def _none_of_zero(value: object) -> object:
    """An order that is not there yet is null, an empty text or 0."""
    return None if isinstance(value, int | str) and str(value) in {"", "0"} else value


MaybeId = Annotated[NumericId | None, BeforeValidator(_none_of_zero)]

Side = Literal["BUY", "SELL"]
PositionSide = Literal["BOTH", "LONG", "SHORT"]


class OrderRow(Row):
    """An ordinary order; also one that a trigger or the venue itself made."""

    orderId: NumericId  # noqa: N815 - the venue's name
    symbol: Name
    side: Side
    type: Name
    origType: Name | None = None  # noqa: N815
    origQty: Quantity  # noqa: N815
    price: MaybeNumber = None
    stopPrice: MaybeNumber = None  # noqa: N815
    positionSide: PositionSide = "BOTH"  # noqa: N815
    reduceOnly: Flag = False  # noqa: N815
    clientOrderId: Name | None = None  # noqa: N815
    timeInForce: Name | None = None  # noqa: N815
    status: Name
    executedQty: Quantity  # noqa: N815
    time: TimeMs | None = None  # answers to an order or a cancel leave it out
    updateTime: TimeMs  # noqa: N815


class AlgoRow(Row):
    """A conditional order. actualOrderId: of the ordinary order that its trigger made."""

    algoId: NumericId  # noqa: N815
    clientAlgoId: Name | None = None  # noqa: N815
    algoType: Name | None = None  # noqa: N815
    orderType: Name  # noqa: N815
    symbol: Name
    side: Side
    positionSide: PositionSide = "BOTH"  # noqa: N815
    timeInForce: Name | None = None  # noqa: N815
    quantity: MaybeNumber = None  # none where it closes the whole position
    algoStatus: Name  # noqa: N815
    actualOrderId: MaybeId = None  # noqa: N815
    triggerPrice: MaybeNumber = None  # noqa: N815
    activatePrice: MaybeNumber = None  # noqa: N815 - of a trailing stop
    price: MaybeNumber = None
    closePosition: Flag = False  # noqa: N815
    reduceOnly: Flag = False  # noqa: N815
    createTime: TimeMs  # noqa: N815
    updateTime: TimeMs  # noqa: N815


class TradeRow(Row):
    id: NumericId
    orderId: NumericId  # noqa: N815
    symbol: Name
    side: Side
    positionSide: PositionSide = "BOTH"  # noqa: N815
    price: Positive
    qty: Positive
    commission: Number
    commissionAsset: Name  # noqa: N815
    maker: Flag
    time: TimeMs


class PositionRow(Row):
    symbol: Name
    positionSide: PositionSide = "BOTH"  # noqa: N815
    positionAmt: Number  # noqa: N815
    entryPrice: Quantity  # noqa: N815
    markPrice: Quantity  # noqa: N815
    unRealizedProfit: Number  # noqa: N815


class BalanceRow(Row):
    asset: Name
    balance: Number
    availableBalance: Number  # noqa: N815


class FilterRow(Row):
    """One of `symbols[].filters`; each kind has a few of these fields."""

    filterType: Name  # noqa: N815
    minPrice: MaybeNumber = None  # noqa: N815
    maxPrice: MaybeNumber = None  # noqa: N815
    tickSize: MaybeNumber = None  # noqa: N815
    minQty: MaybeNumber = None  # noqa: N815
    maxQty: MaybeNumber = None  # noqa: N815
    stepSize: MaybeNumber = None  # noqa: N815
    notional: MaybeNumber = None
    limit: MaybeNumber = None
    multiplierUp: MaybeNumber = None  # noqa: N815
    multiplierDown: MaybeNumber = None  # noqa: N815


class SymbolRow(Row):
    symbol: Name
    status: Name
    baseAsset: Name  # noqa: N815
    quoteAsset: Name  # noqa: N815
    filters: list[FilterRow]


class ExchangeAnswer(Row):
    """symbols stay raw: one that cannot be read leaves the others as they are."""

    symbols: list[dict[str, object]]


class PriceRow(Row):
    symbol: Name
    markPrice: Number  # noqa: N815 - 0 where a contract has none yet
    time: TimeMs


class TimeAnswer(Row):
    serverTime: TimeMs  # noqa: N815


class PositionMode(Row):
    dualSidePosition: Flag  # noqa: N815


class SymbolConfigRow(Row):
    symbol: Name
    marginType: Name  # noqa: N815
    leverage: Annotated[int, Field(ge=1)]


class CountdownAnswer(Row):
    symbol: Name
    countdownTime: NumericId  # noqa: N815


class ListenKeyAnswer(Row):
    listenKey: Annotated[str, Field(min_length=16, max_length=256, pattern=r"^[A-Za-z0-9_-]+$")]  # noqa: N815
