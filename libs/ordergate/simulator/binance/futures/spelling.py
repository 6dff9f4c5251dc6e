"""How the venue prints numbers, times and what an order calls itself."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.orders import FuturesOrder
from ordergate.simulator.orders import OrderType

if TYPE_CHECKING:
    from ordergate.simulator.orders import Order

ASSET = "USDT"
LIQUIDATION = "LIQUIDATION"
_EIGHT_PLACES = Decimal("0.00000001")


def money(amount: Decimal) -> str:
    """An amount at eight places."""
    return f"{amount.quantize(_EIGHT_PLACES, rounding=ROUND_HALF_EVEN):f}"


def plain(number: Decimal) -> str:
    """A number without trailing zeros: `0`, `10.91321`."""
    return f"{number.normalize():f}" if number else "0"


def rounded(number: Decimal) -> str:
    """At most eight places, without trailing zeros, for what had to be divided."""
    return plain(number.quantize(_EIGHT_PLACES, rounding=ROUND_HALF_EVEN))


def price_text(order: Order, ticks: int | None) -> str:
    """A price of the order's symbol, `0` where there is none."""
    return "0" if ticks is None else order.symbol.price_text(ticks)


def quantity_text(order: Order, lots: int) -> str:
    """A quantity of the order's symbol, `0` for nothing."""
    return order.symbol.quantity_text(lots) if lots else "0"


def average_price(order: Order) -> str:
    """Average price of what was executed."""
    if not order.executed:
        return "0.00000"
    return money(order.symbol.tick * order.cost / order.executed)


def quote_executed(order: Order) -> str:
    """Sum of price x quantity over the order's trades, exactly."""
    return plain(order.symbol.tick * order.symbol.lot * order.cost)


def stop_price(order: Order) -> str:
    """What triggered it, if it came from a conditional order."""
    trigger = order.trigger_price if isinstance(order, FuturesOrder) else None
    return price_text(order, trigger)


def event_type(order: FuturesOrder) -> str:
    """`o` of an event: orders of the venue's own making are LIQUIDATION there (enumeration of ORDER_TRADE_UPDATE), LIMIT in rows (forceOrders)."""
    return LIQUIDATION if order.forced else str(order.type)


def limit_type(order: FuturesOrder) -> str:
    """`type` of a row."""
    return str(OrderType.LIMIT if order.forced else order.type)
