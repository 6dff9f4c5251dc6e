"""A venue's filters for a symbol, and what an order must look like to pass them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from ordergate.trading.amounts import add, ceil_to, divide, floor_to, is_bounded, multiply, subtract
from ordergate.trading.ids import Symbol
from ordergate.trading.order import ZERO, OrderType, PositionSide, SelfTradePrevention, Side, Terms, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A venue's filters for one symbol. A limit that does not apply is None; a step of zero is no step.

    The price bands are times the reference price: those of a SELL are the ask's where the venue has two kinds, else both are one. price_band_slack: a
    client cannot know the venue's reference exactly, so an order that is no more than this part beyond the band is left to the venue's own judgement.
    Prices are price_origin plus a whole number of ticks. A "market" limit is about orders without a price. open_algo_orders_max: conditional orders; account_*: the same counts over all symbols. trailing deltas in hundredths of a per cent, above for
    triggers over the market.
    """

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
    ask_price_band_up: Decimal | None = None
    ask_price_band_down: Decimal | None = None
    price_band_slack: Decimal = ZERO
    market_quantity_min: Decimal | None = None
    market_step_size: Decimal = ZERO
    notional_min_for_market: bool = True
    notional_max: Decimal | None = None
    notional_max_for_market: bool = True
    iceberg_parts_max: int | None = None
    position_max: Decimal | None = None
    trailing_above_min: int | None = None
    trailing_above_max: int | None = None
    trailing_below_min: int | None = None
    trailing_below_max: int | None = None
    open_algo_orders_max: int | None = None
    open_iceberg_orders_max: int | None = None
    order_lists_max: int | None = None
    account_orders_max: int | None = None
    account_algo_orders_max: int | None = None
    account_iceberg_orders_max: int | None = None
    account_order_lists_max: int | None = None
    price_origin: Decimal = ZERO

    def price_down(self, price: Decimal) -> Decimal:
        """The nearest legal price that is not above; none is below the origin."""
        above = subtract(price, self.price_origin)
        return self.price_origin if above < 0 else add(self.price_origin, floor_to(above, self.tick_size))

    def price_up(self, price: Decimal) -> Decimal:
        """The nearest legal price that is not below."""
        above = subtract(price, self.price_origin)
        return self.price_origin if above < 0 else add(self.price_origin, ceil_to(above, self.tick_size))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePrice:
    """A venue's price with the moment since when nothing newer is known, by our own clock: the venue's may jump."""

    symbol: Symbol
    price: Decimal
    observed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRefusal:
    """Which filter an order does not pass. `nearest` is the nearest legal value of the field that failed, None if there is none.

    Filters: SYMBOL_STATUS, NUMBER_RANGE, PRICE_FILTER, PERCENT_PRICE, LOT_SIZE, MARKET_LOT_SIZE, MIN_NOTIONAL, MAX_NOTIONAL, ICEBERG_PARTS,
    TRAILING_DELTA, MAX_POSITION.
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
        f"a {terms.type} order needs a stopPrice or a trailingDelta": terms.type.has_stop_price
        and terms.stop_price is None
        and terms.trailing_delta is None,
        f"a {terms.type} order takes no stopPrice": not terms.type.has_stop_price and terms.stop_price is not None,
        f"a {terms.type} order takes no trailingDelta": not terms.type.has_stop_price
        and terms.trailing_delta is not None,
        "trailingDelta must be greater than zero": terms.trailing_delta is not None and terms.trailing_delta <= 0,
        "icebergQuantity is for orders with a price that rest until canceled": terms.iceberg_quantity is not None
        and not (terms.type.has_price and terms.time_in_force is TimeInForce.GTC),
        "icebergQuantity must be below quantity": terms.iceberg_quantity is not None
        and terms.quantity is not None
        and terms.iceberg_quantity >= terms.quantity,
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
    reduce_only: bool = True,
    iceberg: bool = False,
    trailing: bool = False,
    self_trade_prevention: Collection[SelfTradePrevention] = (),
) -> str | None:
    """What these terms ask that a venue of this declaration lacks, or None."""
    lacks = {
        f"order type {terms.type}": terms.type not in order_types,
        f"time in force {terms.time_in_force}": terms.type.has_price and terms.time_in_force not in times_in_force,
        "post-only": terms.post_only and not post_only,
        "an order by quote quantity": terms.quote_quantity is not None and not quote_quantity,
        f"position side {terms.position_side}": terms.position_side not in position_sides,
        "reduce-only": terms.reduce_only and not reduce_only,
        "an iceberg quantity": terms.iceberg_quantity is not None and not iceberg,
        "a trailing delta": terms.trailing_delta is not None and not trailing,
        f"self-trade prevention {terms.self_trade_prevention}": terms.self_trade_prevention is not None
        and terms.self_trade_prevention not in self_trade_prevention,
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
        or _check_trailing(terms, instrument)
        or _check_quantity(terms, instrument)
        or _check_iceberg(terms, instrument)
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
        "icebergQuantity": terms.iceberg_quantity,
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
    buys = terms.side is Side.BUY
    # A stop waits for the price to come up to a buy and down to a sell; a take-profit the other way round.
    stop_above = _triggers_above(terms)
    return replace(
        terms,
        quantity=_map(floor_to, terms.quantity, instrument.step_size),
        price=_moved(instrument.price_down if buys else instrument.price_up, terms.price),
        stop_price=_moved(instrument.price_up if stop_above else instrument.price_down, terms.stop_price),
        iceberg_quantity=_map(floor_to, terms.iceberg_quantity, instrument.step_size),
    )


def _triggers_above(terms: Terms) -> bool:
    """Whether it waits for a price above the market's."""
    return (terms.side is Side.BUY) == (terms.type in {OrderType.STOP, OrderType.STOP_MARKET})


def _map(rounding: Callable[[Decimal, Decimal], Decimal], number: Decimal | None, step: Decimal) -> Decimal | None:
    return None if number is None else rounding(number, step)


def _moved(rounding: Callable[[Decimal], Decimal], price: Decimal | None) -> Decimal | None:
    return None if price is None else rounding(price)


def _check_price(price: Decimal | None, terms: Terms, instrument: Instrument) -> FilterRefusal | None:
    if price is None:
        return None
    tick = instrument.tick_size
    lowest = instrument.price_up(max(instrument.price_min or tick, tick))
    highest = _moved(instrument.price_down, instrument.price_max)
    if price < lowest:
        return _refuse("PRICE_FILTER", price, lowest, lowest, f"price {price} is below the lowest, {lowest}")
    if highest is not None and price > highest:
        return _refuse("PRICE_FILTER", price, highest, highest, f"price {price} is above the highest, {highest}")
    passive = instrument.price_down(price) if terms.side is Side.BUY else instrument.price_up(price)
    if passive != price:
        since = f" from {instrument.price_origin}" if instrument.price_origin else ""
        message = f"price {price} is no multiple of the tick {tick}{since}; {passive} is"
        return _refuse("PRICE_FILTER", price, tick, passive, message)
    return None


def _check_band(terms: Terms, instrument: Instrument, reference_price: Decimal | None) -> FilterRefusal | None:
    # Conditional orders are measured by their own trigger, which only the venue can do when it comes.
    if reference_price is None or terms.price is None or terms.type is not OrderType.LIMIT:
        return None
    slack = instrument.price_band_slack
    up, down = instrument.price_band_up, instrument.price_band_down
    if terms.side is Side.SELL:
        up, down = instrument.ask_price_band_up or up, instrument.ask_price_band_down or down
    if up is not None:
        top = multiply(reference_price, multiply(up, add(_ONE, slack)))
        if terms.price > top:
            return _refuse(
                "PERCENT_PRICE", terms.price, top, instrument.price_down(top), f"price {terms.price} is above {top}"
            )
    if down is not None:
        bottom = multiply(reference_price, multiply(down, subtract(_ONE, slack)))
        if terms.price < bottom:
            return _refuse(
                "PERCENT_PRICE",
                terms.price,
                bottom,
                instrument.price_up(bottom),
                f"price {terms.price} is below {bottom}",
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
    if not terms.type.has_price and (refusal := _check_market_quantity(quantity, instrument)) is not None:
        return refusal
    held = instrument.position_max
    if held is not None and terms.side is Side.BUY and quantity > held:
        nearest = floor_to(held, step)
        message = f"quantity {quantity} alone is above the greatest holding, {held}"
        return _refuse("MAX_POSITION", quantity, held, nearest, message)
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


def _check_market_quantity(quantity: Decimal, instrument: Instrument) -> FilterRefusal | None:
    step, own_step = instrument.step_size, instrument.market_step_size
    most, least = instrument.market_quantity_max, instrument.market_quantity_min
    if most is not None and quantity > (highest := floor_to(most, max(step, own_step))):
        message = f"quantity {quantity} is above the greatest of a market order, {highest}"
        return _refuse("MARKET_LOT_SIZE", quantity, highest, highest, message)
    if least is not None and quantity < (lowest := ceil_to(least, max(step, own_step))):
        message = f"quantity {quantity} is below the smallest of a market order, {lowest}"
        return _refuse("MARKET_LOT_SIZE", quantity, lowest, lowest, message)
    if (truncated := floor_to(quantity, own_step)) != quantity:
        message = f"quantity {quantity} is no multiple of a market order's step {own_step}; {truncated} is"
        return _refuse("MARKET_LOT_SIZE", quantity, own_step, truncated, message)
    return None


def _check_iceberg(terms: Terms, instrument: Instrument) -> FilterRefusal | None:
    shown, quantity, step = terms.iceberg_quantity, terms.quantity, instrument.step_size
    if shown is None or quantity is None:
        return None
    least = ceil_to(max(instrument.quantity_min, step), step)
    if shown < least:
        return _refuse("LOT_SIZE", shown, least, least, f"icebergQuantity {shown} is below the smallest, {least}")
    if (truncated := floor_to(shown, step)) != shown:
        message = f"icebergQuantity {shown} is no multiple of the step {step}; {truncated} is"
        return _refuse("LOT_SIZE", shown, step, truncated, message)
    most = instrument.iceberg_parts_max
    if most is None or quantity <= multiply(shown, Decimal(most)):
        return None
    enough = ceil_to(divide(quantity, Decimal(most)), step)
    if multiply(enough, Decimal(most)) < quantity:  # the division was rounded
        enough = add(enough, step)
    message = f"it would show itself in more than {most} parts; icebergQuantity {enough} would not"
    return _refuse("ICEBERG_PARTS", shown, Decimal(most), enough, message)


def _check_trailing(terms: Terms, instrument: Instrument) -> FilterRefusal | None:
    delta = terms.trailing_delta
    if delta is None:
        return None
    if _triggers_above(terms):
        least, most = instrument.trailing_above_min, instrument.trailing_above_max
    else:
        least, most = instrument.trailing_below_min, instrument.trailing_below_max
    for limit, is_beyond in ((least, least is not None and delta < least), (most, most is not None and delta > most)):
        if limit is not None and is_beyond:
            message = f"trailingDelta {delta} is not within {least} to {most}"
            return _refuse("TRAILING_DELTA", Decimal(delta), Decimal(limit), Decimal(limit), message)
    return None


def _check_notional(terms: Terms, instrument: Instrument, reference_price: Decimal | None) -> FilterRefusal | None:
    by_price = terms.type.has_price
    # What is left of a position may always be closed, however small.
    least = (
        None if terms.reduce_only or not (by_price or instrument.notional_min_for_market) else instrument.notional_min
    )
    most = instrument.notional_max if by_price or instrument.notional_max_for_market else None
    if terms.quote_quantity is not None:
        return _check_worth("quoteQuantity", terms.quote_quantity, least, most, price=None, instrument=instrument)
    price = terms.price or terms.stop_price or reference_price
    if price is None or terms.quantity is None:
        return None
    worth = multiply(price, terms.quantity)
    return _check_worth("notional", worth, least, most, price=price, instrument=instrument)


def _check_worth(
    what: str,
    worth: Decimal,
    least: Decimal | None,
    most: Decimal | None,
    *,
    price: Decimal | None,
    instrument: Instrument,
) -> FilterRefusal | None:
    """price: what turns the limit into the nearest quantity; None where the worth itself was asked for."""
    step = instrument.step_size
    if least is not None and worth < least:
        enough = least if price is None else ceil_to(divide(least, price), step)
        if price is not None and multiply(enough, price) < least:  # the division was rounded
            enough = add(enough, step or Decimal(1).scaleb(-_PLACES))
        hint = "" if price is None else f"; quantity {enough} would reach it"
        return _refuse("MIN_NOTIONAL", worth, least, enough, f"{what} {worth} is below {least}{hint}")
    if most is not None and worth > most:
        little = most if price is None else floor_to(divide(most, price), step)
        if price is not None and multiply(little, price) > most:
            little = subtract(little, step or Decimal(1).scaleb(-_PLACES))
        hint = "" if price is None else f"; quantity {little} would not"
        return _refuse("MAX_NOTIONAL", worth, most, little, f"{what} {worth} is above {most}{hint}")
    return None


_ONE = Decimal(1)
_PLACES = 18


def _refuse(
    name: str, value: Decimal | None, limit: Decimal | None, nearest: Decimal | None, message: str
) -> FilterRefusal:
    return FilterRefusal(filter=name, value=value, limit=limit, nearest=nearest, message=message)
