"""The gate: ZetariumDex's rows, checked. Strict about every field that we rely on, tolerant of fields that we do not know.

Decimals come as strings (documented) and may come as integers; a JSON float has lost digits already and is refused. Times are ISO-8601 UTC or integer
milliseconds (assumed). Fields are named as the venue names them.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
_TIME_MS_MAX = 253_402_300_800_000  # the year 10,000


def _to_decimal(value: object) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError("not a decimal text")
    return Decimal(value)


def _to_ms(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _TIME_MS_MAX:
        return value
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        raise ValueError("not a time")
    return (datetime.fromisoformat(value) - EPOCH) // _MILLISECOND


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError("negative")
    return value


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("not positive")
    return value


Number = Annotated[Decimal, BeforeValidator(_to_decimal)]
Quantity = Annotated[Number, AfterValidator(_not_negative)]
Positive = Annotated[Number, AfterValidator(_positive)]
TimeMs = Annotated[int, BeforeValidator(_to_ms)]
# Ids become path segments, subjects and cursors: digits where the venue promises a growing number.
NumericId = Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]
Name = Annotated[str, Field(min_length=1, max_length=128)]

Side = Literal["BUY", "SELL"]
PositionSide = Literal["BOTH", "LONG", "SHORT"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class OrderRow(_Row):
    id: NumericId
    symbol: Name
    side: Side
    type: Literal["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"]
    quantity: Positive
    price: Number | None = None
    stopPrice: Number | None = None  # noqa: N815 - the venue's name
    positionSide: PositionSide = "BOTH"  # noqa: N815
    reduceOnly: bool = False  # noqa: N815
    clientOrderId: Name | None = None  # noqa: N815
    status: Literal["NEW", "PENDING_NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED"]
    executedQuantity: Quantity  # noqa: N815
    createdAt: TimeMs  # noqa: N815
    updatedAt: TimeMs  # noqa: N815


class TradeRow(_Row):
    id: NumericId
    orderId: NumericId  # noqa: N815
    clientOrderId: Name | None = None  # noqa: N815
    symbol: Name
    side: Side
    positionSide: PositionSide = "BOTH"  # noqa: N815
    price: Positive
    quantity: Positive
    fee: Number
    feeAsset: Name  # noqa: N815
    liquidity: Literal["TAKER", "MAKER"]
    time: TimeMs


class PositionRow(_Row):
    id: Name
    symbol: Name
    quantity: Number
    avgEntryPrice: Quantity  # noqa: N815
    markPrice: Quantity  # noqa: N815
    unrealizedPnl: Number  # noqa: N815
    realizedPnl: Number  # noqa: N815
    positionSide: PositionSide = "BOTH"  # noqa: N815


class AssetRow(_Row):
    asset: Name
    walletBalance: Number  # noqa: N815
    availableBalance: Number  # noqa: N815


class SymbolRow(_Row):
    symbol: Name
    baseAsset: Name  # noqa: N815
    quoteAsset: Name  # noqa: N815
    status: Name
    tickSize: Positive  # noqa: N815
    minPrice: Quantity | None = None  # noqa: N815
    maxPrice: Quantity | None = None  # noqa: N815
    stepSize: Positive  # noqa: N815
    minQuantity: Quantity  # noqa: N815
    maxQuantity: Quantity | None = None  # noqa: N815
    marketMaxQuantity: Quantity | None = None  # noqa: N815
    minNotional: Quantity | None = None  # noqa: N815
    maxOpenOrders: int | None = None  # noqa: N815
    priceBandUp: Quantity | None = None  # noqa: N815
    priceBandDown: Quantity | None = None  # noqa: N815


class TickerRow(_Row):
    symbol: Name
    markPrice: Positive  # noqa: N815
    time: TimeMs


class StatusAnswer(_Row):
    serverTime: Annotated[int, Field(gt=0, lt=_TIME_MS_MAX)]  # noqa: N815


class OrderAnswer(_Row):
    order: OrderRow


class OrdersAnswer(_Row):
    orders: list[OrderRow]


class BatchAnswer(_Row):
    results: list[dict[str, object]]


class TradesAnswer(_Row):
    trades: list[TradeRow]


class PositionsAnswer(_Row):
    positions: list[PositionRow]


class Balances(_Row):
    assets: list[AssetRow]


class BalancesAnswer(_Row):
    balances: Balances


class SymbolsAnswer(_Row):
    symbols: list[SymbolRow]


class TickersAnswer(_Row):
    tickers: list[TickerRow]
