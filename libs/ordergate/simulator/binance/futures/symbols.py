"""A futures symbol as its filters make it, so that exchangeInfo shows what the engine enforces; a filter that was taken away limits nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.filters import futures_filters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.simulator.config import SymbolConfig
    from ordergate.simulator.symbols import Symbol

_ANY = Decimal(10) ** 15
_COUNT_ANY = 10**9


def build_symbol(row: SymbolConfig) -> Symbol:
    """Tick and step must be there: the engine counts in them."""
    filters = futures_filters(row)
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    market, band = filters.get("MARKET_LOT_SIZE", {}), filters.get("PERCENT_PRICE", {})
    quantity_max = _number(lot, "maxQty", _ANY)
    return replace(
        row.build(),
        tick=_number(price, "tickSize", row.tick_size),
        price_min=_number(price, "minPrice", Decimal(0)),
        price_max=_number(price, "maxPrice", _ANY),
        lot=_number(lot, "stepSize", row.step_size),
        quantity_min=_number(lot, "minQty", Decimal(0)),
        quantity_max=quantity_max,
        market_quantity_max=min(quantity_max, _number(market, "maxQty", _ANY)),
        notional_min=_number(filters.get("MIN_NOTIONAL", {}), "notional", Decimal(0)),
        open_orders_max=int(_number(filters.get("MAX_NUM_ORDERS", {}), "limit", Decimal(_COUNT_ANY))),
        price_band_up=_number(band, "multiplierUp", _ANY),
        price_band_down=_number(band, "multiplierDown", Decimal(0)),
    )


def algo_orders_max(row: SymbolConfig) -> int:
    """MAX_NUM_ALGO_ORDERS of one symbol."""
    return int(_number(futures_filters(row).get("MAX_NUM_ALGO_ORDERS", {}), "limit", Decimal(_COUNT_ANY)))


def _number(fields: Mapping[str, object], name: str, default: Decimal) -> Decimal:
    value = fields.get(name)
    number = default if value is None else Decimal(str(value))
    # 0 switches a limit off where the venue writes it, but never the tick or the step.
    return default if not number and name in {"tickSize", "stepSize", "maxPrice", "maxQty"} else number
