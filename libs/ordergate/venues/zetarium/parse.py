"""From ZetariumDex's answers to the port's facts, and from our orders to its bodies. Pure; raises Unreadable for what cannot be one of its answers."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from ordergate.ports.venue import Balance, VenuePosition, VenuePrice, VenueTrade
from ordergate.trading.errors import Unreadable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import ClientOrderId, ErrorId, Symbol, TradeId, VenueOrderId
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import OrderRequest, OrderType, PositionSide, Side, State, Terms, TimeInForce, VenueView
from ordergate.venues.agreement import first_difference
from ordergate.venues.zetarium import models

STATES: Mapping[str, State] = MappingProxyType(
    {
        "NEW": State.ACCEPTED,
        "PENDING_NEW": State.PENDING,
        "PARTIALLY_FILLED": State.PARTIALLY_FILLED,
        "FILLED": State.FILLED,
        "CANCELED": State.CANCELED,
        "REJECTED": State.REJECTED,
    }
)

Row = TypeVar("Row", bound=BaseModel)


def check(model: type[Row], document: object) -> Row:
    """Raises Unreadable, naming the fields that are wrong and none of their values."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fields = ", ".join(
            sorted({".".join(map(str, found["loc"])) for found in error.errors(include_input=False)})[:5]
        )
        raise Unreadable(f"{model.__name__}: {fields}") from None


def view(row: models.OrderRow, *, error_id: ErrorId | None = None) -> VenueView:
    if row.executedQuantity > row.quantity:
        raise Unreadable("order: more executed than ordered")
    return VenueView(
        venue_order_id=VenueOrderId(row.id),
        client_order_id=None if row.clientOrderId is None else ClientOrderId(row.clientOrderId),
        symbol=Symbol(row.symbol),
        side=Side(row.side),
        type=OrderType(row.type),
        quantity=row.quantity,
        price=row.price,
        stop_price=row.stopPrice,
        position_side=PositionSide(row.positionSide),
        reduce_only=row.reduceOnly,
        status=STATES[row.status],
        executed_quantity=row.executedQuantity,
        created_at_ms=row.createdAt,
        updated_at_ms=row.updatedAt,
        error_id=error_id,
    )


def order_answer(document: object) -> VenueView:
    return view(check(models.OrderAnswer, document).order)


def shown_order(document: object) -> VenueView | None:
    """The order that an answer shows, or None where it shows none that can be read."""
    try:
        return order_answer(document)
    except Unreadable:
        return None


def orders_answer(document: object) -> list[VenueView]:
    return [view(row) for row in check(models.OrdersAnswer, document).orders]


def trade(row: models.TradeRow) -> VenueTrade:
    return VenueTrade(
        trade_id=TradeId(row.id),
        venue_order_id=VenueOrderId(row.orderId),
        client_order_id=None if row.clientOrderId is None else ClientOrderId(row.clientOrderId),
        symbol=Symbol(row.symbol),
        side=Side(row.side),
        position_side=PositionSide(row.positionSide),
        price=row.price,
        quantity=row.quantity,
        fee=row.fee,
        fee_asset=row.feeAsset,
        liquidity=Liquidity(row.liquidity.lower()),
        venue_time_ms=row.time,
    )


def trades_answer(document: object, *, symbol: Symbol, from_id: TradeId | None) -> list[VenueTrade]:
    """Checked to be what was asked for: a cursor that trusts a page out of order would step over fills."""
    trades = [trade(row) for row in check(models.TradesAnswer, document).trades]
    numbers = [int(each.trade_id) for each in trades]
    if any(each.symbol != symbol for each in trades):
        raise Unreadable("trades: of another symbol")
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise Unreadable("trades: not ascending")
    if numbers and from_id is not None and numbers[0] < int(from_id):
        raise Unreadable("trades: from before what was asked for")
    return trades


def positions_answer(document: object) -> list[VenuePosition]:
    return [
        VenuePosition(
            position_id=row.id,
            symbol=Symbol(row.symbol),
            position_side=PositionSide(row.positionSide),
            quantity=row.quantity,
            entry_price=row.avgEntryPrice,
            mark_price=row.markPrice,
            unrealised_pnl=row.unrealizedPnl,
            realised_pnl=row.realizedPnl,
        )
        for row in check(models.PositionsAnswer, document).positions
    ]


def balances_answer(document: object) -> list[Balance]:
    return [
        Balance(asset=row.asset, wallet=row.walletBalance, available=row.availableBalance)
        for row in check(models.BalancesAnswer, document).balances.assets
    ]


def instruments_answer(document: object) -> list[Instrument]:
    return [
        Instrument(
            symbol=Symbol(row.symbol),
            base_asset=row.baseAsset,
            quote_asset=row.quoteAsset,
            trading=row.status == "TRADING",
            tick_size=row.tickSize,
            price_min=row.minPrice,
            price_max=row.maxPrice,
            step_size=row.stepSize,
            quantity_min=row.minQuantity,
            quantity_max=row.maxQuantity,
            market_quantity_max=row.marketMaxQuantity,
            notional_min=row.minNotional,
            open_orders_max=row.maxOpenOrders,
            price_band_up=row.priceBandUp,
            price_band_down=row.priceBandDown,
        )
        for row in check(models.SymbolsAnswer, document).symbols
    ]


def prices_answer(document: object) -> list[VenuePrice]:
    return [
        VenuePrice(symbol=Symbol(row.symbol), price=row.markPrice, venue_time_ms=row.time)
        for row in check(models.TickersAnswer, document).tickers
    ]


def order_fields(request: OrderRequest) -> dict[str, object]:
    """The body of `POST /v2/orders`. What is at its default is left out."""
    terms = request.terms
    fields: dict[str, object] = {
        "symbol": request.key.symbol,
        "side": terms.side.value,
        "type": terms.type.value,
        "quantity": f"{terms.quantity:f}",
        "clientOrderId": request.key.client_order_id,
    }
    if terms.price is not None:
        fields["price"] = f"{terms.price:f}"
    if terms.stop_price is not None:
        fields["stopPrice"] = f"{terms.stop_price:f}"
    if terms.position_side is not PositionSide.BOTH:
        fields["positionSide"] = terms.position_side.value
    if terms.reduce_only:
        fields["reduceOnly"] = True
    return fields


def order_body(request: OrderRequest) -> bytes:
    return orjson.dumps(order_fields(request))


def batch_body(requests: Sequence[OrderRequest]) -> bytes:
    return orjson.dumps({"orders": [order_fields(request) for request in requests]})


def unsupported(terms: Terms) -> str | None:
    """Why this exchange cannot take the order, or None. Asked before anything is sent: it would ignore what it does not know."""
    if terms.time_in_force is not TimeInForce.GTC:
        return "time_in_force"
    if terms.post_only:
        return "post_only"
    if terms.quote_quantity is not None or terms.quantity is None:
        return "quote_quantity"
    if terms.iceberg_quantity is not None:
        return "iceberg_quantity"
    if terms.trailing_delta is not None:
        return "trailing_delta"
    if terms.self_trade_prevention is not None:
        return "self_trade_prevention"
    if terms.type.has_price is (terms.price is None):
        return "price"
    if terms.type.has_stop_price is (terms.stop_price is None):
        return "stop_price"
    return None


def difference(request: OrderRequest, shown: VenueView) -> str | None:
    """The first term in which the answer is not about `request`, or None. An id that was used before returns the order of that time, whatever our body."""
    terms = request.terms
    more = (
        ("positionSide", shown.position_side is terms.position_side),
        ("reduceOnly", shown.reduce_only is terms.reduce_only),
    )
    return first_difference(request, shown, more)
