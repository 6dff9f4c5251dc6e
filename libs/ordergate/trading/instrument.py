"""A venue's filters for a symbol, and what an order must look like to pass them."""

from dataclasses import dataclass
from decimal import Decimal

from ordergate.trading.ids import Symbol


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
    symbol: Symbol
    price: Decimal
    venue_time_ms: int
