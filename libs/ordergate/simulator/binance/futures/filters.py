"""The filters of a futures symbol (exchangeInfo `filters`), as far as they need no account.

Other than on spot and Zetarium: PERCENT_PRICE is of the mark price and binds each side in one direction only, MIN_NOTIONAL of a market order is of the mark
price, and an order that only reduces is free of MIN_NOTIONAL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.refusals import (
    BAD_PRECISION,
    COUNTERPARTY_PRICE,
    PRICE_NOT_POSITIVE,
    PRICE_OFF_TICK,
    PRICE_TOO_HIGH,
    PRICE_TOO_LOW,
    QUANTITY_NOT_POSITIVE,
    QUANTITY_OFF_STEP,
    QUANTITY_TOO_LARGE,
    QUANTITY_TOO_SMALL,
    above_cap,
    below_floor,
    notional_too_small,
)
from ordergate.simulator.binance.operations import Failure

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order
    from ordergate.simulator.symbols import Symbol


def decimals(number: Decimal) -> int:
    """Places behind the point, without trailing zeros."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def price_precision(symbol: Symbol) -> int:
    """`pricePrecision`: one place more than the tick has, so that a wrong tick and too many places are told apart."""
    return decimals(symbol.tick) + 1


def ticks_of(symbol: Symbol, price: Decimal) -> int | Failure:
    """PRICE_FILTER. The tick counts from minPrice; that our symbols' minPrice is a whole number of ticks is assumed."""
    if price <= 0:
        return PRICE_NOT_POSITIVE
    if decimals(price) > price_precision(symbol):
        return BAD_PRECISION
    if price > symbol.price_max:
        return PRICE_TOO_HIGH
    if price < symbol.price_min:
        return PRICE_TOO_LOW
    ticks, rest = divmod(price, symbol.tick)
    return PRICE_OFF_TICK if rest else int(ticks)


def lots_of(symbol: Symbol, quantity: Decimal, *, market: bool) -> int | Failure:
    """LOT_SIZE, and for a market order MARKET_LOT_SIZE."""
    if quantity <= 0:
        return QUANTITY_NOT_POSITIVE
    if decimals(quantity) > decimals(symbol.lot):
        return BAD_PRECISION
    if quantity < symbol.quantity_min:
        return QUANTITY_TOO_SMALL
    if quantity > (symbol.market_quantity_max if market else symbol.quantity_max):
        return QUANTITY_TOO_LARGE
    lots, rest = divmod(quantity, symbol.lot)
    return QUANTITY_OFF_STEP if rest else int(lots)


def refuse_notional(symbol: Symbol, ticks: int, lots: int) -> Failure | None:
    """MIN_NOTIONAL."""
    if symbol.notional(ticks, lots) < symbol.notional_min:
        return notional_too_small(f"{symbol.notional_min:f}")
    return None


def refuse_band(symbol: Symbol, sign: int, ticks: int, mark: int) -> Failure | None:
    """PERCENT_PRICE of a limit price: a buyer may not bid above the band, a seller not ask below it."""
    if sign > 0 and ticks > mark * symbol.price_band_up:
        return above_cap(f"{symbol.tick * mark * symbol.price_band_up:f}")
    if sign < 0 and ticks < mark * symbol.price_band_down:
        return below_floor(f"{symbol.tick * mark * symbol.price_band_down:f}")
    return None


def refuse_counterparty(market: Market[Order, Symbol], sign: int) -> Failure | None:
    """PERCENT_PRICE of a market order: the best price on the other side must be within the band. An empty book refuses nothing."""
    best = market.book.other_side(sign).best_price()
    if best is None or refuse_band(market.symbol, sign, best, market.mark) is None:
        return None
    return COUNTERPARTY_PRICE
