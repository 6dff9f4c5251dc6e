"""What a symbol's filters let pass (filters.md). Everything here comes before the matching engine: -1013."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.spot.orders import ALGOS, ZERO, NewOrder, OrderType
from ordergate.simulator.binance.spot.symbols import decimal_field
from ordergate.simulator.orders import Side

if TYPE_CHECKING:
    from ordergate.simulator.binance.spot.accounts import Kind, SpotAccount
    from ordergate.simulator.binance.spot.market import SpotMarket
    from ordergate.simulator.binance.spot.orders import SpotOrder
    from ordergate.simulator.binance.spot.symbols import SpotSymbol
    from ordergate.simulator.config import FilterFields

_COUNTS: tuple[tuple[str, str, Kind], ...] = (
    ("MAX_NUM_ORDERS", "maxNumOrders", "order"),
    ("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", "algo"),
    ("MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", "iceberg"),
)


def failed(name: str) -> Failure:
    """-1013 with the name of the filter."""
    return Failure(code=-1013, msg=f"Filter failure: {name}")


def stopped_by_filters(market: SpotMarket, account: SpotAccount, orders: list[NewOrder], now_ms: int) -> Failure | None:
    """The first filter that stops one of these orders, which come together; None: they pass."""
    for request in orders:
        refusal = _stopped(market, request, now_ms)
        if refusal is not None:
            return refusal
    return _too_many(market, account, orders) or _too_much(market, account, orders)


def wrong_quantity(symbol: SpotSymbol, quantity: Decimal) -> str | None:
    """LOT_SIZE if the quantity does not follow it."""
    return _lot("LOT_SIZE", symbol.filters.get("LOT_SIZE"), quantity)


def _stopped(market: SpotMarket, request: NewOrder, now_ms: int) -> Failure | None:
    symbol = market.symbol
    if request.price == ZERO:
        return Failure(code=-1013, msg="Invalid price.")
    if ZERO in {request.quantity, request.quote_quantity}:
        return Failure(code=-1013, msg="Invalid quantity.")
    name = (
        _price(symbol, request)
        or _band(market, request, now_ms)
        or _quantities(symbol, request)
        or _notional(market, request, now_ms)
        or _parts(symbol, request)
        or _trailing(symbol, request)
        or _asset(market, request, now_ms)
    )
    return None if name is None else failed(name)


def _price(symbol: SpotSymbol, request: NewOrder) -> str | None:
    fields = symbol.filters.get("PRICE_FILTER")
    if fields is None:
        return None
    lowest, highest, tick = (decimal_field(fields, name) for name in ("minPrice", "maxPrice", "tickSize"))
    for price in (request.price, request.stop_price):
        if price is None:
            continue
        # Each rule is off at 0; the tick counts from 0, not from minPrice.
        if price < lowest or (highest and price > highest) or (tick and price % tick):
            return "PRICE_FILTER"
    return None


def _band(market: SpotMarket, request: NewOrder, now_ms: int) -> str | None:
    if request.price is None:
        return None
    prefix = "bid" if request.side is Side.BUY else "ask"
    bands = (
        ("PERCENT_PRICE", "multiplierUp", "multiplierDown"),
        ("PERCENT_PRICE_BY_SIDE", f"{prefix}MultiplierUp", f"{prefix}MultiplierDown"),
    )
    for name, up, down in bands:
        fields = market.symbol.filters.get(name)
        if fields is None:
            continue
        average = _average(market, fields, now_ms)
        if not average * decimal_field(fields, down) <= request.price <= average * decimal_field(fields, up):
            return name
    return None


def _quantities(symbol: SpotSymbol, request: NewOrder) -> str | None:
    # quoteOrderQty keeps to LOT_SIZE by itself: the engine picks the quantity.
    for quantity in (request.quantity, request.iceberg):
        if quantity is not None and wrong_quantity(symbol, quantity) is not None:
            return "LOT_SIZE"
    if request.type is OrderType.MARKET and request.quantity is not None:
        return _lot("MARKET_LOT_SIZE", symbol.filters.get("MARKET_LOT_SIZE"), request.quantity)
    return None


def _lot(name: str, fields: FilterFields | None, quantity: Decimal) -> str | None:
    if fields is None:
        return None
    lowest, highest, step = (decimal_field(fields, field) for field in ("minQty", "maxQty", "stepSize"))
    # Real symbols' MARKET_LOT_SIZE has a step of 0: nothing to divide by.
    wrong = quantity < lowest or (highest and quantity > highest) or (step and quantity % step)
    return name if wrong else None


def _notional(market: SpotMarket, request: NewOrder, now_ms: int) -> str | None:
    is_market = request.price is None
    for name, on_min, on_max in (
        ("MIN_NOTIONAL", "applyToMarket", ""),
        ("NOTIONAL", "applyMinToMarket", "applyMaxToMarket"),
    ):
        fields = market.symbol.filters.get(name)
        if fields is None:
            continue
        notional = _value(market, request, fields, now_ms)
        highest = decimal_field(fields, "maxNotional")
        if (not is_market or fields.get(on_min)) and notional < decimal_field(fields, "minNotional"):
            return name
        if highest and (not is_market or fields.get(on_max)) and notional > highest:
            return name
    return None


def _value(market: SpotMarket, request: NewOrder, fields: FilterFields, now_ms: int) -> Decimal:
    if request.quantity is None:
        return request.quote_quantity or ZERO
    return request.quantity * (request.price or _average(market, fields, now_ms))


def _parts(symbol: SpotSymbol, request: NewOrder) -> str | None:
    limit = symbol.number("ICEBERG_PARTS", "limit")
    if limit is None or not request.iceberg or request.quantity is None:
        return None
    parts = -(-request.quantity // request.iceberg)
    return "ICEBERG_PARTS" if parts > limit else None


def _trailing(symbol: SpotSymbol, request: NewOrder) -> str | None:
    fields = symbol.filters.get("TRAILING_DELTA")
    if fields is None or request.trailing_delta is None:
        return None
    is_stop = request.type in {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT}
    where = "Above" if is_stop == (request.side is Side.BUY) else "Below"
    lowest, highest = (decimal_field(fields, f"{edge}Trailing{where}Delta") for edge in ("min", "max"))
    return None if lowest <= request.trailing_delta <= highest else "TRAILING_DELTA"


def _asset(market: SpotMarket, request: NewOrder, now_ms: int) -> str | None:
    """How much one order may transact of an asset: quantity of the base, notional of the quote."""
    symbol = market.symbol
    fields = symbol.filters.get("MAX_ASSET")
    if fields is None:
        return None
    used = ZERO
    if fields.get("asset") == symbol.base_asset:
        used = request.quantity or ZERO
    elif fields.get("asset") == symbol.quote_asset:
        used = _value(market, request, {"avgPriceMins": 0}, now_ms)
    return "MAX_ASSET" if used > decimal_field(fields, "limit") else None


def _too_many(market: SpotMarket, account: SpotAccount, orders: list[NewOrder]) -> Failure | None:
    """Orders that never rest count for nothing here; the others all at once, as lists add 2 or 3."""
    coming = [order for order in orders if order.type is not OrderType.MARKET]
    if not coming:
        return None
    new: dict[Kind, int] = {
        "order": len(coming),
        "algo": sum(order.type in ALGOS for order in coming),
        "iceberg": sum(bool(order.iceberg) for order in coming),
    }
    for scope, prefix in ((market.symbol.name, ""), (None, "EXCHANGE_")):
        for name, field, kind in _COUNTS:
            limit = market.symbol.number(prefix + name, field)
            if limit is not None and new[kind] and account.count_open(scope, kind) + new[kind] > limit:
                return failed(prefix + name)
    return None


def _too_much(market: SpotMarket, account: SpotAccount, orders: list[NewOrder]) -> Failure | None:
    """MAX_POSITION: free + locked + open purchases + this one."""
    symbol = market.symbol
    position = symbol.number("MAX_POSITION", "maxPosition")
    bought = sum((order.quantity or ZERO for order in orders if order.side is Side.BUY), ZERO)
    if position is not None and bought:
        open_lots = sum(order.remaining for order in account.open_in(symbol.name) if order.sign > 0)
        if account.totals.get(symbol.base_asset, ZERO) + symbol.lot * open_lots + bought > position:
            return failed("MAX_POSITION")
    return None


def _average(market: SpotMarket, fields: FilterFields, now_ms: int) -> Decimal:
    return market.average_price(int(fields.get("avgPriceMins", 0)), now_ms)


def wrong_amendment(market: SpotMarket, order: SpotOrder, quantity: Decimal, now_ms: int) -> Failure | None:
    """What stops a smaller quantity of a standing order: LOT_SIZE and the notional filters."""
    symbol = market.symbol
    name = wrong_quantity(symbol, quantity)
    if name is None and order.price is not None:
        price = symbol.tick * order.price
        request = NewOrder(symbol=symbol.name, side=order.side, type=order.type, quantity=quantity, price=price)
        name = _notional(market, request, now_ms)
    return None if name is None else failed(name)
