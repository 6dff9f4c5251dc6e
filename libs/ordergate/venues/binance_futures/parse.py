"""From the answers of Binance USD-M futures to the port's facts, and from our orders to its parameters. Pure; raises Unreadable for what cannot be one of its answers.

A conditional order is named `algo-<algoId>`. Once triggered, what executes is an ordinary order with a number of its own (`actualOrderId`); `algo_view` shows
the two as the one order that they are to us: name, terms and age of the conditional order, state and executed quantity of the ordinary one.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType

import orjson

from ordergate.ports.venue import Balance, VenuePosition, VenuePrice, VenueTrade
from ordergate.trading.errors import Unreadable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import OrderRequest, OrderType, PositionSide, Side, State, Terms, TimeInForce, VenueView
from ordergate.venues.agreement import first_difference
from ordergate.venues.binance.fields import check, check_rows
from ordergate.venues.binance.trades import checked
from ordergate.venues.binance_futures import models

Fields = tuple[tuple[str, str], ...]
ZERO = Decimal(0)
ALGO = "algo-"
_ALGO_ID = re.compile(r"algo-([0-9]{1,30})")
_ORDER_ID = re.compile(r"[0-9]{1,30}")

STATES: Mapping[str, State] = MappingProxyType(
    {
        "NEW": State.ACCEPTED,
        "PENDING_NEW": State.PENDING,
        "PARTIALLY_FILLED": State.PARTIALLY_FILLED,
        "FILLED": State.FILLED,
        "CANCELED": State.CANCELED,
        "PENDING_CANCEL": State.ACCEPTED,
        "REJECTED": State.REJECTED,
        "EXPIRED": State.EXPIRED,
        "EXPIRED_IN_MATCH": State.EXPIRED,
        "NEW_INSURANCE": State.ACCEPTED,  # a liquidation, taken over by the insurance fund
        "NEW_ADL": State.ACCEPTED,  # a counterparty's auto-deleveraging
    }
)
# TRIGGERED and FINISHED say nothing of their own: the ordinary order does.
ALGO_STATES: Mapping[str, State] = MappingProxyType(
    {
        "NEW": State.ACCEPTED,
        "TRIGGERING": State.ACCEPTED,
        "TRIGGERED": State.ACCEPTED,
        "CANCELED": State.CANCELED,
        "REJECTED": State.REJECTED,
        "EXPIRED": State.EXPIRED,
    }
)
OPEN_ALGO = frozenset({"NEW", "TRIGGERING", "TRIGGERED"})
OPEN = frozenset({State.PENDING, State.ACCEPTED, State.PARTIALLY_FILLED})

CONDITIONAL = frozenset({OrderType.STOP, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_MARKET})
TRAILING = "TRAILING_STOP_MARKET"
TRAILING_DELTA_MIN, TRAILING_DELTA_MAX = 10, 1_000
"""Hundredths of a per cent: a callbackRate of 0.1 to 10 per cent."""
OPEN_ALGOS_MAX = 200
"""Conditional orders that may wait in the account, over all symbols: no filter says it."""
GOOD_TILL_MS_MIN = 600_000
"""A GTD order must live longer than this."""

OWN_PREFIXES = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
"""Client ids of orders that the venue itself makes: a liquidation, an auto-deleveraging, a settlement."""

# Names.


def algo_name(algo_id: str) -> VenueOrderId:
    return VenueOrderId(f"{ALGO}{algo_id}")


def algo_id_of(venue_order_id: VenueOrderId) -> str | None:
    """The algoId that this names; None: it names an ordinary order, or none of this venue's."""
    found = _ALGO_ID.fullmatch(venue_order_id)
    return None if found is None else found.group(1)


def is_order_id(venue_order_id: VenueOrderId) -> bool:
    return _ORDER_ID.fullmatch(venue_order_id) is not None


def is_made_by_venue(client_order_id: str | None) -> bool:
    """Whether the venue made the order: a liquidation, an auto-deleveraging or a settlement. To us it is a stranger's: adopted, its fills external."""
    return client_order_id is not None and client_order_id.startswith(OWN_PREFIXES)


# Orders.


def view(row: models.OrderRow) -> VenueView:
    """An ordinary order that is no child of a conditional one."""
    _check_executed(row)
    created_ms = row.updateTime if row.time is None else row.time
    return VenueView(
        venue_order_id=VenueOrderId(row.orderId),
        client_order_id=None if row.clientOrderId is None else ClientOrderId(row.clientOrderId),
        symbol=Symbol(row.symbol),
        side=Side(row.side),
        type=_order_type(row.type, row.price),
        quantity=row.origQty,
        price=_unless_zero(row.price),
        stop_price=_unless_zero(row.stopPrice),
        position_side=PositionSide(row.positionSide),
        reduce_only=row.reduceOnly,
        status=_state(row),
        executed_quantity=row.executedQty,
        created_at_ms=created_ms,
        updated_at_ms=max(row.updateTime, created_ms),
    )


def algo_view(row: models.AlgoRow, child: models.OrderRow | None) -> VenueView:
    """A conditional order with what came of its trigger.

    child: the order that `actualOrderId` names. Raises Unreadable where an ending cannot be told without it. Of an order that closes a whole position the
    quantity is 0, before the trigger and after.
    """
    if child is not None:
        _check_child(row, child)
    return VenueView(
        venue_order_id=algo_name(row.algoId),
        client_order_id=None if row.clientAlgoId is None else ClientOrderId(row.clientAlgoId),
        symbol=Symbol(row.symbol),
        side=Side(row.side),
        type=_order_type(row.orderType, row.price),
        quantity=_algo_quantity(row),
        price=_unless_zero(row.price),
        stop_price=_unless_zero(row.activatePrice if row.orderType == TRAILING else row.triggerPrice),
        position_side=PositionSide(row.positionSide),
        reduce_only=row.reduceOnly or row.closePosition,
        status=_algo_state(row, child),
        executed_quantity=ZERO if child is None else child.executedQty,
        created_at_ms=row.createTime,
        updated_at_ms=max(row.createTime, row.updateTime, 0 if child is None else child.updateTime),
    )


def shown_order(document: object) -> VenueView | None:
    """The ordinary order that an answer shows, or None where it shows none that can be read."""
    try:
        return view(check(models.OrderRow, document))
    except Unreadable:
        return None


def shown_algo(document: object) -> VenueView | None:
    try:
        return algo_view(check(models.AlgoRow, document), None)
    except Unreadable:
        return None


def _check_executed(row: models.OrderRow) -> None:
    if row.executedQty > row.origQty:
        raise Unreadable("order: more executed than ordered")


def _check_child(row: models.AlgoRow, child: models.OrderRow) -> None:
    _check_executed(child)
    quantity = _algo_quantity(row)
    same = child.orderId == row.actualOrderId and (child.symbol, child.side) == (row.symbol, row.side)
    if not same or (quantity > 0 and child.executedQty > quantity):
        raise Unreadable("conditional order: what came of its trigger is another order")


def _algo_quantity(row: models.AlgoRow) -> Decimal:
    if row.closePosition or row.quantity is None:
        return ZERO
    if row.quantity < 0:
        raise Unreadable("conditional order: a negative quantity")
    return row.quantity


def _algo_state(row: models.AlgoRow, child: models.OrderRow | None) -> State:
    if child is not None:
        return _state(child)
    state = ALGO_STATES.get(row.algoStatus)
    if state is None or (state not in OPEN and row.actualOrderId is not None):
        # FINISHED, or ended after its trigger: how much executed only the ordinary order can say.
        raise Unreadable("conditional order: how it ended is not shown")
    return state


def _state(row: models.OrderRow) -> State:
    state = STATES.get(row.status)
    if state is None:
        raise Unreadable("order: a status that we do not know")
    if state is State.ACCEPTED and row.executedQty > 0:
        return State.FILLED if row.executedQty == row.origQty else State.PARTIALLY_FILLED
    return state


def _order_type(name: str, price: Decimal | None) -> OrderType:
    """What it is to us. A trailing stop is a stop with a delta. A kind that we do not place (LIQUIDATION, one that is new) is a stranger's: the nearest that we know."""
    if name == TRAILING:
        return OrderType.STOP_MARKET
    try:
        return OrderType(name)
    except ValueError:
        return OrderType.MARKET if price is None or price == 0 else OrderType.LIMIT


def _unless_zero(value: Decimal | None) -> Decimal | None:
    if value is not None and value < 0:
        raise Unreadable("order: a negative price")
    return value or None


# Lists.


def trades_answer(document: object, *, symbol: Symbol, from_id: TradeId | None) -> list[VenueTrade]:
    return checked([trade(row) for row in check_rows(models.TradeRow, document)], symbol=symbol, from_id=from_id)


def trade(row: models.TradeRow) -> VenueTrade:
    """venue_order_id is the ordinary order's, also of one that a trigger made: as in the stream, so that a fill has one name by whatever way it comes."""
    return VenueTrade(
        trade_id=TradeId(row.id),
        venue_order_id=VenueOrderId(row.orderId),
        client_order_id=None,
        symbol=Symbol(row.symbol),
        side=Side(row.side),
        position_side=PositionSide(row.positionSide),
        price=row.price,
        quantity=row.qty,
        fee=row.commission,
        fee_asset=row.commissionAsset,
        liquidity=Liquidity.MAKER if row.maker else Liquidity.TAKER,
        venue_time_ms=row.time,
    )


def positions_answer(document: object) -> list[VenuePosition]:
    """Symbols with open orders and no position stand in the list too: those are left out. The venue tells no realised profit here."""
    return [
        VenuePosition(
            position_id=f"{row.symbol}-{row.positionSide}",
            symbol=Symbol(row.symbol),
            position_side=PositionSide(row.positionSide),
            quantity=row.positionAmt,
            entry_price=row.entryPrice,
            mark_price=row.markPrice,
            unrealised_pnl=row.unRealizedProfit,
            realised_pnl=ZERO,
        )
        for row in check_rows(models.PositionRow, document)
        if row.positionAmt != 0
    ]


def balances_answer(document: object) -> list[Balance]:
    return [
        Balance(asset=row.asset, wallet=row.balance, available=row.availableBalance)
        for row in check_rows(models.BalanceRow, document)
    ]


def prices_answer(document: object) -> list[VenuePrice]:
    """Mark prices: what the price band and the notional of market orders refer to."""
    return [
        VenuePrice(symbol=Symbol(row.symbol), price=row.markPrice, venue_time_ms=row.time)
        for row in check_rows(models.PriceRow, document)
        if row.markPrice > 0
    ]


def instruments_answer(document: object) -> list[Instrument]:
    """Symbols whose row or filters cannot be read are left out: they cannot be traded then, the others can."""
    found = (_instrument(row) for row in check(models.ExchangeAnswer, document).symbols)
    return [each for each in found if each is not None]


def _instrument(document: object) -> Instrument | None:
    try:
        row = check(models.SymbolRow, document)
    except Unreadable:
        return None
    filters = {each.filterType: each for each in row.filters}
    price, lot = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
    if price is None or lot is None or not price.tickSize or not lot.stepSize:
        return None
    market, notional = filters.get("MARKET_LOT_SIZE"), filters.get("MIN_NOTIONAL")
    band = filters.get("PERCENT_PRICE")
    orders, algos = filters.get("MAX_NUM_ORDERS"), filters.get("MAX_NUM_ALGO_ORDERS")
    return Instrument(
        symbol=Symbol(row.symbol),
        base_asset=row.baseAsset,
        quote_asset=row.quoteAsset,
        trading=row.status == "TRADING",
        tick_size=price.tickSize,
        price_min=_unless_zero(price.minPrice),
        price_max=_unless_zero(price.maxPrice),
        price_origin=price.minPrice or ZERO,
        step_size=lot.stepSize,
        quantity_min=lot.minQty or ZERO,
        quantity_max=_unless_zero(lot.maxQty),
        market_quantity_max=None if market is None else _unless_zero(market.maxQty),
        notional_min=None if notional is None else _unless_zero(notional.notional),
        market_quantity_min=None if market is None else _unless_zero(market.minQty),
        market_step_size=ZERO if market is None or market.stepSize is None else market.stepSize,
        open_orders_max=None if orders is None or orders.limit is None else int(orders.limit),
        open_algo_orders_max=None if algos is None or algos.limit is None else int(algos.limit),
        account_algo_orders_max=OPEN_ALGOS_MAX,
        trailing_above_min=TRAILING_DELTA_MIN,
        trailing_above_max=TRAILING_DELTA_MAX,
        trailing_below_min=TRAILING_DELTA_MIN,
        trailing_below_max=TRAILING_DELTA_MAX,
        price_band_up=None if band is None else _unless_zero(band.multiplierUp),
        price_band_down=None if band is None else _unless_zero(band.multiplierDown),
    )


# What we send.


def order_parameters(request: OrderRequest) -> Fields:
    """Of `POST /fapi/v1/order`. What is at its default is left out; RESULT, because the answer then tells what executed."""
    return (*_terms(request), ("newClientOrderId", request.key.client_order_id), ("newOrderRespType", "RESULT"))


def algo_parameters(request: OrderRequest) -> Fields:
    """Of `POST /fapi/v1/algoOrder`. The trigger looks at the contract's last price, the venue's default."""
    return (
        ("algoType", "CONDITIONAL"),
        *_terms(request),
        *_trigger(request.terms),
        ("clientAlgoId", request.key.client_order_id),
    )


def _trigger(terms: Terms) -> Fields:
    price = None if terms.stop_price is None else f"{terms.stop_price:f}"
    if terms.trailing_delta is None:
        return () if price is None else (("triggerPrice", price),)
    rate = ("callbackRate", f"{(Decimal(terms.trailing_delta) / 100):f}")
    return (rate,) if price is None else (rate, ("activatePrice", price))


def batch_parameters(requests: Iterable[OrderRequest]) -> Fields:
    """Of `POST /fapi/v1/batchOrders`: the orders as JSON in one parameter."""
    return (("batchOrders", orjson.dumps([dict(order_parameters(request)) for request in requests]).decode()),)


def modify_parameters(venue_order_id: VenueOrderId, terms: Terms, symbol: Symbol) -> Fields:
    """Of `PUT /fapi/v1/order`: quantity and price are both required. Raises Unreadable where the terms are no limit order's."""
    if terms.type is not OrderType.LIMIT or terms.quantity is None or terms.price is None:
        raise Unreadable("only a limit order can be modified")
    return (
        ("symbol", symbol),
        ("side", terms.side.value),
        ("orderId", venue_order_id),
        ("quantity", f"{terms.quantity:f}"),
        ("price", f"{terms.price:f}"),
    )


def _terms(request: OrderRequest) -> Fields:
    terms = request.terms
    fields: list[tuple[str, str]] = [
        ("symbol", request.key.symbol),
        ("side", terms.side.value),
        ("type", terms.type.value if terms.trailing_delta is None else TRAILING),
        ("quantity", f"{terms.quantity:f}"),
    ]
    if terms.price is not None:
        fields += [("price", f"{terms.price:f}"), ("timeInForce", "GTX" if terms.post_only else terms.time_in_force)]
    if terms.good_till_ms is not None:
        fields.append(("goodTillDate", str(terms.good_till_ms)))
    if terms.self_trade_prevention is not None:
        fields.append(("selfTradePreventionMode", terms.self_trade_prevention.value))
    if terms.position_side is not PositionSide.BOTH:
        fields.append(("positionSide", terms.position_side.value))
    elif terms.reduce_only:
        fields.append(("reduceOnly", "true"))
    return tuple(fields)


def unsupported(terms: Terms, *, now_ms: int | None = None) -> str | None:
    """Why this exchange cannot take the order, or None. now_ms: the venue's clock, for how long a GTD order must live."""
    opens = (terms.side is Side.BUY) is (terms.position_side is PositionSide.LONG)
    wrong = {
        "quote_quantity": terms.quote_quantity is not None or terms.quantity is None,
        "price": terms.type.has_price is (terms.price is None),
        "stop_price": terms.type.has_stop_price is (terms.stop_price is None) and terms.trailing_delta is None,
        "trailing_delta": terms.trailing_delta is not None
        and not (
            terms.type is OrderType.STOP_MARKET and TRAILING_DELTA_MIN <= terms.trailing_delta <= TRAILING_DELTA_MAX
        ),
        "iceberg": terms.iceberg_quantity is not None,
        # GTX is a time in force of its own: it cannot also be IOC, FOK or GTD.
        "post_only": terms.post_only
        and (terms.type is not OrderType.LIMIT or terms.time_in_force is not TimeInForce.GTC),
        "good_till": (terms.time_in_force is TimeInForce.GTD) is (terms.good_till_ms is None)
        or (now_ms is not None and terms.good_till_ms is not None and terms.good_till_ms <= now_ms + GOOD_TILL_MS_MIN),
        # In hedge mode the venue takes no reduceOnly; an order against its own side reduces anyway, one for it cannot.
        "reduce_only": terms.reduce_only and terms.position_side is not PositionSide.BOTH and opens,
    }
    return next((name for name, found in wrong.items() if found), None)


def difference(request: OrderRequest, shown: VenueView) -> str | None:
    """The first term in which the answer is not about `request`, or None."""
    terms = request.terms
    more = (
        ("positionSide", shown.position_side is terms.position_side),
        # In hedge mode the venue answers with a reduceOnly of its own.
        ("reduceOnly", terms.position_side is not PositionSide.BOTH or shown.reduce_only is terms.reduce_only),
    )
    return first_difference(request, shown, more)
