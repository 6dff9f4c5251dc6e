"""A tradable symbol: its filters, and the two integers the engine counts in.

Inside the engine a price is a number of ticks and a quantity a number of lots, both `int`: exact, quick to compare, and no filter can be forgotten
later. Money stays `Decimal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.refusal import Refusal, filtered

if TYPE_CHECKING:
    from ordergate.simulator.orders import OrderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """The SYMBOL row of docs/venues/zetarium.md, without its changing status."""

    name: str
    base_asset: str
    quote_asset: str
    tick: Decimal
    price_min: Decimal
    price_max: Decimal
    lot: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    market_quantity_max: Decimal
    notional_min: Decimal
    open_orders_max: int
    price_band_up: Decimal
    price_band_down: Decimal

    def price_text(self, ticks: int) -> str:
        """Ticks as the venue prints a price."""
        return f"{self.tick * ticks:f}"

    def quantity_text(self, lots: int) -> str:
        """Lots as the venue prints a quantity."""
        return f"{self.lot * lots:f}"

    def notional(self, ticks: int, lots: int) -> Decimal:
        """Price x quantity in the quote asset, exactly."""
        return self.tick * self.lot * (ticks * lots)

    def nearest_ticks(self, price: Decimal) -> int:
        """The price in ticks, rounded to the nearest and never below one."""
        return max(1, int((price / self.tick).to_integral_value()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An order's numbers in ticks and lots after the filters let them pass."""

    lots: int
    price: int | None
    stop_price: int | None
    reference_price: int
    """What its notional and margin are reckoned with: its price, else its stop price, else the mark price."""


def measure(symbol: Symbol, request: OrderRequest, *, mark: int) -> Measured | Refusal:
    """Apply every filter that needs no account: PRICE_FILTER, LOT_SIZE, MARKET_LOT_SIZE, MIN_NOTIONAL, PERCENT_PRICE."""
    price = _ticks(symbol, request.price)
    stop_price = _ticks(symbol, request.stop_price)
    if isinstance(price, Refusal):
        return price
    if isinstance(stop_price, Refusal):
        return stop_price
    lots, rest = divmod(request.quantity, symbol.lot)
    if rest or not symbol.quantity_min <= request.quantity <= symbol.quantity_max:
        return filtered("LOT_SIZE", "Quantity is outside the symbol's lot size")
    if price is None and request.quantity > symbol.market_quantity_max:
        return filtered("MARKET_LOT_SIZE", "Quantity is above the symbol's market lot size")
    reference = price or stop_price or mark
    # An order that only reduces may be as small as what is left of the position.
    if not request.reduce_only and symbol.notional(reference, int(lots)) < symbol.notional_min:
        return filtered("MIN_NOTIONAL", "Notional is below the symbol's minimum")
    if request.type == "LIMIT" and price is not None and not _in_band(symbol, price, mark):
        return filtered("PERCENT_PRICE", "Price is outside the band around the mark price")
    return Measured(lots=int(lots), price=price, stop_price=stop_price, reference_price=reference)


def _ticks(symbol: Symbol, price: Decimal | None) -> int | Refusal | None:
    if price is None:
        return None
    ticks, rest = divmod(price, symbol.tick)
    if rest or not symbol.price_min <= price <= symbol.price_max:
        return filtered("PRICE_FILTER", "Price is outside the symbol's price filter")
    return int(ticks)


def _in_band(symbol: Symbol, price: int, mark: int) -> bool:
    return mark * symbol.price_band_down <= price <= mark * symbol.price_band_up
