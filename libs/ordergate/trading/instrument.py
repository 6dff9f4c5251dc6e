"""A venue's filters for a symbol, and what an order must look like to pass them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from ordergate.trading.amounts import ceil_to, divide, floor_to, is_bounded, multiply
from ordergate.trading.ids import Symbol
from ordergate.trading.order import OrderType, PositionSide, Side, Terms, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A venue's filters for one symbol. A limit that does not apply is None."""

    symbol: Symbol
    base_asset: str
    quote_asset: str
    trading: bool
    tick_size: Decimal
    price_min: Decimal | None
    price_max: Decimal | None
    step_size: Decimal
    quantity_min: Decimal
    quantity_max: Decimal | None
    market_quantity_max: Decimal | None
    notional_min: Decimal | None
    open_orders_max: int | None
    price_band_up: Decimal | None  # times the reference price
    price_band_down: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePrice:
    """A venue's price with the moment since when nothing newer is known, by our own clock: the venue's may jump."""

    symbol: Symbol
    price: Decimal
    observed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRefusal:
    """Which filter an order does not pass. `nearest` is the nearest legal value of the field that failed, None if there is none.

    Filters: SYMBOL_STATUS, NUMBER_RANGE, PRICE_FILTER, PERCENT_PRICE, LOT_SIZE, MARKET_LOT_SIZE, MIN_NOTIONAL.
    """

    filter: str
    value: Decimal | None
    limit: Decimal | None
    nearest: Decimal | None
    message: str


def incoherent(terms: Terms) -> str | None:
    """Why no venue at all could take these terms, or None."""
    by_size = (terms.quantity is None) == (terms.quote_quantity is None)
    problems = {
        "exactly one of quantity and quoteQuantity is needed": by_size,
        f"a {terms.type} order needs a price": terms.type.has_price and terms.price is None,
        f"a {terms.type} order takes no price": not terms.type.has_price and terms.price is not None,
        f"a {terms.type} order needs a stopPrice": terms.type.has_stop_price and terms.stop_price is None,
        f"a {terms.type} order takes no stopPrice": not terms.type.has_stop_price and terms.stop_price is not None,
        "quoteQuantity is for MARKET orders only": terms.quote_quantity is not None
        and terms.type is not OrderType.MARKET,
        "postOnly is for LIMIT orders that rest": terms.post_only and not _may_rest(terms),
        "GTD needs a time, and only GTD takes one": (terms.time_in_force is TimeInForce.GTD)
        != (terms.good_till_ms is not None),
        "a timeInForce is for orders with a price": not terms.type.has_price
        and terms.time_in_force is not TimeInForce.GTC,
    }
    wrong = next((problem for problem, found in problems.items() if found), None)
    return wrong or _unreasonable_number(terms)


def unsupported(
    terms: Terms,
    *,
    order_types: Collection[OrderType],
    times_in_force: Collection[TimeInForce],
    post_only: bool,
    quote_quantity: bool,
    position_sides: Collection[PositionSide],
) -> str | None:
    """What these terms ask that a venue of this declaration lacks, or None."""
    lacks = {
        f"order type {terms.type}": terms.type not in order_types,
        f"time in force {terms.time_in_force}": terms.type.has_price and terms.time_in_force not in times_in_force,
        "post-only": terms.post_only and not post_only,
        "an order by quote quantity": terms.quote_quantity is not None and not quote_quantity,
        f"position side {terms.position_side}": terms.position_side not in position_sides,
    }
    lacking = next((feature for feature, found in lacks.items() if found), None)
    return None if lacking is None else f"the venue does not have {lacking}"


def check_terms(
    terms: Terms, instrument: Instrument, *, reference_price: Decimal | None, adjust: bool
) -> Terms | FilterRefusal:
    """The terms as the venue will take them, or the first filter they do not pass.

    adjust: a quantity is truncated to its step, never raised; a price goes to the passive tick (BUY down, SELL up), a stop
    price to the tick that triggers no sooner. Otherwise (strict) whatever is not legal as it stands is refused.
    reference_price: needed for the percent band, and for the notional of a MARKET order; both go unchecked without it.
    """
    if not instrument.trading:
        return _refuse("SYMBOL_STATUS", None, None, None, f"{instrument.symbol} is not trading")
    problem = _unreasonable_number(terms)
    if problem is not None:
        return _refuse("NUMBER_RANGE", None, None, None, problem)
    if adjust:
        terms = _adjusted(terms, instrument)
    return (
        _check_price(terms.price, terms, instrument)
        or _check_price(terms.stop_price, terms, instrument)
        or _check_band(terms, instrument, reference_price)
        or _check_quantity(terms, instrument)
        or _check_notional(terms, instrument, reference_price)
        or terms
    )


def _may_rest(terms: Terms) -> bool:
    return terms.type is OrderType.LIMIT and terms.time_in_force in {TimeInForce.GTC, TimeInForce.GTD}


def _unreasonable_number(terms: Terms) -> str | None:
    numbers = {
        "quantity": terms.quantity,
        "quoteQuantity": terms.quote_quantity,
        "price": terms.price,
        "stopPrice": terms.stop_price,
    }
    for name, number in numbers.items():
        if number is None:
            continue
        if not is_bounded(number):
            return f"{name} is no number of at most 18 digits on either side of the point"
        if number <= 0:
            return f"{name} must be greater than zero"
    return None


def _adjusted(terms: Terms, instrument: Instrument) -> Terms:
    tick, buys = instrument.tick_size, terms.side is Side.BUY
    # A stop waits for the price to come up to a buy and down to a sell; a take-profit the other way round.
    stop_above = buys == (terms.type in {OrderType.STOP, OrderType.STOP_MARKET})
    return replace(
        terms,
        quantity=_map(floor_to, terms.quantity, instrument.step_size),
        price=_map(floor_to if buys else ceil_to, terms.price, tick),
        stop_price=_map(ceil_to if stop_above else floor_to, terms.stop_price, tick),
    )


def _map(rounding: Callable[[Decimal, Decimal], Decimal], number: Decimal | None, step: Decimal) -> Decimal | None:
    return None if number is None else rounding(number, step)


def _check_price(price: Decimal | None, terms: Terms, instrument: Instrument) -> FilterRefusal | None:
    if price is None:
        return None
    tick = instrument.tick_size
    lowest = ceil_to(max(instrument.price_min or tick, tick), tick)
    highest = _map(floor_to, instrument.price_max, tick)
    if price < lowest:
        return _refuse("PRICE_FILTER", price, lowest, lowest, f"price {price} is below the lowest, {lowest}")
    if highest is not None and price > highest:
        return _refuse("PRICE_FILTER", price, highest, highest, f"price {price} is above the highest, {highest}")
    passive = floor_to(price, tick) if terms.side is Side.BUY else ceil_to(price, tick)
    if passive != price:
        return _refuse(
            "PRICE_FILTER", price, tick, passive, f"price {price} is no multiple of the tick {tick}; {passive} is"
        )
    return None


def _check_band(terms: Terms, instrument: Instrument, reference_price: Decimal | None) -> FilterRefusal | None:
    # Conditional orders are measured by their own trigger, which only the venue can do when it comes.
    if reference_price is None or terms.price is None or terms.type is not OrderType.LIMIT:
        return None
    tick = instrument.tick_size
    if instrument.price_band_up is not None:
        top = multiply(reference_price, instrument.price_band_up)
        if terms.price > top:
            return _refuse(
                "PERCENT_PRICE", terms.price, top, floor_to(top, tick), f"price {terms.price} is above {top}"
            )
    if instrument.price_band_down is not None:
        bottom = multiply(reference_price, instrument.price_band_down)
        if terms.price < bottom:
            return _refuse(
                "PERCENT_PRICE", terms.price, bottom, ceil_to(bottom, tick), f"price {terms.price} is below {bottom}"
            )
    return None


def _check_quantity(terms: Terms, instrument: Instrument) -> FilterRefusal | None:
    quantity, step = terms.quantity, instrument.step_size
    if quantity is None:
        return None
    least = ceil_to(max(instrument.quantity_min, step), step)
    most = _map(floor_to, instrument.quantity_max, step)
    if quantity < least:
        return _refuse("LOT_SIZE", quantity, least, least, f"quantity {quantity} is below the smallest, {least}")
    if most is not None and quantity > most:
        return _refuse("LOT_SIZE", quantity, most, most, f"quantity {quantity} is above the greatest, {most}")
    market_most = None if terms.type.has_price else _map(floor_to, instrument.market_quantity_max, step)
    if market_most is not None and quantity > market_most:
        return _refuse(
            "MARKET_LOT_SIZE",
            quantity,
            market_most,
            market_most,
            f"quantity {quantity} is above the greatest of a market order, {market_most}",
        )
    truncated = floor_to(quantity, step)
    if truncated != quantity:
        return _refuse(
            "LOT_SIZE",
            quantity,
            step,
            truncated,
            f"quantity {quantity} is no multiple of the step {step}; {truncated} is",
        )
    return None


def _check_notional(terms: Terms, instrument: Instrument, reference_price: Decimal | None) -> FilterRefusal | None:
    least = instrument.notional_min
    if least is None or terms.reduce_only:  # what is left of a position may always be closed, however small
        return None
    if terms.quote_quantity is not None:
        if terms.quote_quantity >= least:
            return None
        return _refuse(
            "MIN_NOTIONAL", terms.quote_quantity, least, least, f"quoteQuantity {terms.quote_quantity} is below {least}"
        )
    price = terms.price or terms.stop_price or reference_price
    if price is None or terms.quantity is None:
        return None
    notional = multiply(price, terms.quantity)
    if notional >= least:
        return None
    enough = ceil_to(divide(least, price), instrument.step_size)
    return _refuse(
        "MIN_NOTIONAL",
        notional,
        least,
        enough,
        f"notional {notional} is below {least}; quantity {enough} would reach it",
    )


def _refuse(
    name: str, value: Decimal | None, limit: Decimal | None, nearest: Decimal | None, message: str
) -> FilterRefusal:
    return FilterRefusal(filter=name, value=value, limit=limit, nearest=nearest, message=message)
