"""From Binance Spot's answers to the port's facts, and from our orders to its parameters. Pure; raises Unreadable for what cannot be one of its answers."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar

from ordergate.ports.venue import Balance, VenuePrice, VenueTrade
from ordergate.trading.amounts import add, total
from ordergate.trading.errors import Unreadable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import (
    ZERO,
    OrderRequest,
    OrderType,
    PositionSide,
    Side,
    State,
    Terms,
    TimeInForce,
    VenueView,
)
from ordergate.venues.agreement import first_difference
from ordergate.venues.binance.fields import check, check_rows
from ordergate.venues.binance.trades import checked
from ordergate.venues.binance_spot import models

Fields = tuple[tuple[str, str], ...]
Meaning = TypeVar("Meaning")

STATES: Mapping[str, State] = MappingProxyType(
    {
        "NEW": State.ACCEPTED,
        "PENDING_NEW": State.PENDING,  # in a list, waiting for the working order
        "PARTIALLY_FILLED": State.PARTIALLY_FILLED,
        "FILLED": State.FILLED,
        "CANCELED": State.CANCELED,
        "PENDING_CANCEL": State.ACCEPTED,  # documented as unused
        "REJECTED": State.REJECTED,
        "EXPIRED": State.EXPIRED,
        "EXPIRED_IN_MATCH": State.EXPIRED,
    }
)
OPEN = frozenset({State.PENDING, State.ACCEPTED, State.PARTIALLY_FILLED})

# A type of ours with and without post-only, as the exchange calls it.
LIMIT_MAKER = "LIMIT_MAKER"
TYPES: Mapping[OrderType, str] = MappingProxyType(
    {
        OrderType.LIMIT: "LIMIT",
        OrderType.MARKET: "MARKET",
        OrderType.STOP: "STOP_LOSS_LIMIT",
        OrderType.STOP_MARKET: "STOP_LOSS",
        OrderType.TAKE_PROFIT: "TAKE_PROFIT_LIMIT",
        OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT",
    }
)
_OUR_TYPES: Mapping[str, OrderType] = MappingProxyType(
    {**{theirs: ours for ours, theirs in TYPES.items()}, LIMIT_MAKER: OrderType.LIMIT}
)
_SIDES: Mapping[str, Side] = MappingProxyType({side.value: side for side in Side})

PRICE_BAND_SLACK = Decimal("0.02")
"""The band is about the exchange's reference or average price, which ours is near to and not the same as: who is this near to the edge is left to it."""


# Orders.


def view(row: models.OrderRow) -> VenueView:
    updated_ms = row.updateTime if row.transactTime is None else row.transactTime
    created_ms = row.time if row.time is not None else updated_ms
    if updated_ms is None or created_ms is None:
        raise Unreadable("order: without a time")
    if row.executedQty > row.origQty > 0:
        raise Unreadable("order: more executed than ordered")
    named = row.clientOrderId if row.origClientOrderId is None else row.origClientOrderId
    return VenueView(
        venue_order_id=VenueOrderId(row.orderId),
        client_order_id=None if named is None else ClientOrderId(named),
        symbol=Symbol(row.symbol),
        side=_known(_SIDES, row.side, "side"),
        type=_known(_OUR_TYPES, row.type, "type"),
        quantity=row.origQty,
        price=row.price or None,  # 0: it has none
        stop_price=row.stopPrice or None,
        position_side=PositionSide.BOTH,
        reduce_only=False,
        status=_known(STATES, row.status, "status"),
        executed_quantity=row.executedQty,
        created_at_ms=created_ms,
        updated_at_ms=updated_ms,
    )


def order_answer(document: object) -> VenueView:
    return view(check(models.OrderRow, document))


def shown_order(document: object) -> VenueView | None:
    """The order that an answer shows, or None where it shows none that can be read."""
    try:
        return order_answer(document)
    except Unreadable:
        return None


def orders_answer(document: object) -> list[VenueView]:
    return [view(row) for row in check_rows(models.OrderRow, document)]


def placed_trades(document: object) -> tuple[VenueTrade, ...]:
    """The fills in the answer to an order, or none where they do not add up to what it says has executed: then the trade list tells."""
    try:
        row = check(models.OrderRow, document)
        order = view(row)
    except Unreadable:
        return ()
    if total(fill.qty for fill in row.fills) != row.executedQty:
        return ()
    return tuple(
        VenueTrade(
            trade_id=TradeId(fill.tradeId),
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            position_side=PositionSide.BOTH,
            price=fill.price,
            quantity=fill.qty,
            fee=fill.commission,
            fee_asset=fill.commissionAsset,
            liquidity=Liquidity.TAKER,  # what executes before the answer is there has met what was resting
            venue_time_ms=order.updated_at_ms,
        )
        for fill in row.fills
    )


def amended_order(document: object) -> VenueView:
    """Its quantity has another name than elsewhere, and its id is the one that it has now."""
    answer = check(models.AmendAnswer, document)
    row = answer.amendedOrder
    now = {"origQty": row.get("qty"), "origClientOrderId": None, "transactTime": answer.transactTime}
    return order_answer({**row, **now})


def canceled_order(document: object, order_id: VenueOrderId) -> VenueView | None:
    """The order in the answer to a cancel. Of an order in a list the whole list ends, and the answer shows that."""
    if isinstance(document, dict) and "orderReports" in document:
        return list_reports(document).get(order_id)
    shown = shown_order(document)
    return shown if shown is not None and shown.venue_order_id == order_id else None


def list_reports(document: object) -> dict[VenueOrderId, VenueView]:
    """The legs of a list that can be read, by their numbers."""
    try:
        reports = check(models.ListAnswer, document).orderReports
    except Unreadable:
        return {}
    views = (shown_order(report) for report in reports)
    return {shown.venue_order_id: shown for shown in views if shown is not None}


def difference(request: OrderRequest, shown: VenueView) -> str | None:
    """The first term in which the answer is not about `request`, or None."""
    return first_difference(request, shown)


# What else is read.


def trades_answer(document: object, *, symbol: Symbol, from_id: TradeId | None) -> list[VenueTrade]:
    return checked([_trade(row) for row in check_rows(models.TradeRow, document)], symbol=symbol, from_id=from_id)


def _trade(row: models.TradeRow) -> VenueTrade:
    return VenueTrade(
        trade_id=TradeId(row.id),
        venue_order_id=VenueOrderId(row.orderId),
        client_order_id=None,
        symbol=Symbol(row.symbol),
        side=Side.BUY if row.isBuyer else Side.SELL,
        position_side=PositionSide.BOTH,
        price=row.price,
        quantity=row.qty,
        fee=row.commission,
        fee_asset=row.commissionAsset,
        liquidity=Liquidity.MAKER if row.isMaker else Liquidity.TAKER,
        venue_time_ms=row.time,
    )


def balances_answer(document: object) -> list[Balance]:
    return [
        Balance(asset=row.asset, wallet=add(row.free, row.locked), available=row.free)
        for row in check(models.AccountAnswer, document).balances
    ]


def prices_answer(document: object, *, venue_time_ms: int) -> list[VenuePrice]:
    """The last trade of each symbol. The exchange gives no time for it; venue_time_ms: when it was asked."""
    return [
        VenuePrice(symbol=Symbol(row.symbol), price=row.price, venue_time_ms=venue_time_ms)
        for row in check_rows(models.PriceRow, document)
        if row.price > 0
    ]


# Filters.


def instruments_answer(document: object) -> list[Instrument]:
    """A symbol that cannot be read is left out: orders for it are refused, those for the others are not. So is a filter of the whole exchange: it is the venue's to judge."""
    answer = check(models.ExchangeAnswer, document)
    whole = _exchange_filters(answer.exchangeFilters)
    found = []
    for row in answer.symbols:
        try:
            found.append(_instrument(check(models.SymbolRow, row), whole))
        except Unreadable:
            continue
    return found


def _exchange_filters(rows: Iterable[object]) -> dict[str, models.FilterRow]:
    found = {}
    for row in rows:
        try:
            each = check(models.FilterRow, row)
        except Unreadable:
            continue
        found[each.filterType] = each
    return found


def _instrument(row: models.SymbolRow, whole: Mapping[str, models.FilterRow]) -> Instrument:
    """whole: the filters of the whole exchange."""
    kinds = {each.filterType: each for each in row.filters}
    price, lot = kinds.get("PRICE_FILTER", _NONE), kinds.get("LOT_SIZE", _NONE)
    market, trailing = kinds.get("MARKET_LOT_SIZE", _NONE), kinds.get("TRAILING_DELTA", _NONE)
    plain, notional = kinds.get("MIN_NOTIONAL", _NONE), kinds.get("NOTIONAL", _NONE)
    both, by_side = kinds.get("PERCENT_PRICE", _NONE), kinds.get("PERCENT_PRICE_BY_SIDE", _NONE)
    least, for_market = _stricter(plain, notional)
    return Instrument(
        symbol=Symbol(row.symbol),
        base_asset=row.baseAsset,
        quote_asset=row.quoteAsset,
        trading=row.status == "TRADING",
        tick_size=price.tickSize or ZERO,
        price_min=price.minPrice or None,
        price_max=price.maxPrice or None,
        step_size=lot.stepSize or ZERO,
        quantity_min=lot.minQty or ZERO,
        quantity_max=lot.maxQty or None,
        market_quantity_min=market.minQty or None,
        market_quantity_max=market.maxQty or None,
        market_step_size=market.stepSize or ZERO,
        notional_min=least,
        notional_min_for_market=for_market,
        notional_max=notional.maxNotional or None,
        notional_max_for_market=notional.applyMaxToMarket,
        price_band_up=_least(both.multiplierUp, by_side.bidMultiplierUp),
        price_band_down=_most(both.multiplierDown, by_side.bidMultiplierDown),
        ask_price_band_up=_least(both.multiplierUp, by_side.askMultiplierUp),
        ask_price_band_down=_most(both.multiplierDown, by_side.askMultiplierDown),
        price_band_slack=PRICE_BAND_SLACK,
        open_orders_max=kinds.get("MAX_NUM_ORDERS", _NONE).maxNumOrders,
        open_algo_orders_max=kinds.get("MAX_NUM_ALGO_ORDERS", _NONE).maxNumAlgoOrders,
        open_iceberg_orders_max=kinds.get("MAX_NUM_ICEBERG_ORDERS", _NONE).maxNumIcebergOrders,
        order_lists_max=kinds.get("MAX_NUM_ORDER_LISTS", _NONE).maxNumOrderLists,
        account_orders_max=whole.get("EXCHANGE_MAX_NUM_ORDERS", _NONE).maxNumOrders,
        account_algo_orders_max=whole.get("EXCHANGE_MAX_NUM_ALGO_ORDERS", _NONE).maxNumAlgoOrders,
        account_iceberg_orders_max=whole.get("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", _NONE).maxNumIcebergOrders,
        account_order_lists_max=whole.get("EXCHANGE_MAX_NUM_ORDER_LISTS", _NONE).maxNumOrderLists,
        iceberg_parts_max=kinds.get("ICEBERG_PARTS", _NONE).limit,
        position_max=kinds.get("MAX_POSITION", _NONE).maxPosition,
        trailing_above_min=trailing.minTrailingAboveDelta,
        trailing_above_max=trailing.maxTrailingAboveDelta,
        trailing_below_min=trailing.minTrailingBelowDelta,
        trailing_below_max=trailing.maxTrailingBelowDelta,
    )


_NONE = models.FilterRow(filterType="NONE")


def _least(*multipliers: Decimal | None) -> Decimal | None:
    return min((each for each in multipliers if each), default=None)


def _most(*multipliers: Decimal | None) -> Decimal | None:
    return max((each for each in multipliers if each), default=None)


def _stricter(plain: models.FilterRow, notional: models.FilterRow) -> tuple[Decimal | None, bool]:
    """The least notional and whether it is about market orders too. A symbol has one of the two filters; of both, the greater counts."""
    least = (plain.minNotional or None, plain.applyToMarket)
    other = (notional.minNotional or None, notional.applyMinToMarket)
    return max(least, other, key=lambda each: each[0] or ZERO)


# Our orders.


def unsupported(terms: Terms) -> str | None:
    """Why this exchange cannot take the order, or None. Asked before anything is sent."""
    if terms.position_side is not PositionSide.BOTH:
        return "position_side"
    if terms.reduce_only:
        return "reduce_only"
    if terms.time_in_force is TimeInForce.GTD or terms.good_till_ms is not None:
        return "time_in_force"
    if (terms.quantity is None) == (terms.quote_quantity is None):
        return "quote_quantity"
    if terms.type.has_price is (terms.price is None):
        return "price"
    if terms.type.has_stop_price is (terms.stop_price is None and terms.trailing_delta is None):
        return "stop_price"
    if terms.post_only and (terms.type is not OrderType.LIMIT or terms.time_in_force is not TimeInForce.GTC):
        return "post_only"
    return None


def order_parameters(request: OrderRequest) -> Fields:
    """Of `POST /api/v3/order`, without the kind of answer."""
    terms = request.terms
    return (
        ("symbol", request.key.symbol),
        ("side", terms.side.value),
        *leg_parameters(terms),
        ("newClientOrderId", request.key.client_order_id),
        *amounts(quantity=terms.quantity, quoteOrderQty=terms.quote_quantity),
        *prevention(terms),
    )


def leg_parameters(terms: Terms) -> Fields:
    """What each leg of a list has for itself: type, time in force, prices, what is shown of it."""
    is_maker = terms.post_only and terms.type is OrderType.LIMIT
    name = LIMIT_MAKER if is_maker else TYPES[terms.type]
    lives = (("timeInForce", terms.time_in_force.value),) if terms.type.has_price and not is_maker else ()
    trails = () if terms.trailing_delta is None else (("trailingDelta", str(terms.trailing_delta)),)
    prices = amounts(price=terms.price, stopPrice=terms.stop_price)
    return (("type", name), *lives, *prices, *trails, *amounts(icebergQty=terms.iceberg_quantity))


def prevention(terms: Terms) -> Fields:
    chosen = terms.self_trade_prevention
    return () if chosen is None else (("selfTradePreventionMode", chosen.value),)


def amounts(**given: Decimal | None) -> Fields:
    return tuple((name, f"{value:f}") for name, value in given.items() if value is not None)


def prefixed(prefix: str, fields: Iterable[tuple[str, str]]) -> Fields:
    """`price` of the leg above is `abovePrice`."""
    return tuple((f"{prefix}{name[0].upper()}{name[1:]}", value) for name, value in fields)


def _known(words: Mapping[str, Meaning], word: str, what: str) -> Meaning:
    if word not in words:
        raise Unreadable(f"order: {what} is new to us")
    return words[word]
