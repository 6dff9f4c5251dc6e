"""A symbol's filters in the venue's own words: what exchangeInfo shows and what the engines enforce are the same rows.

The fields of a symbol's configuration make the usual set; `filters` there replaces a row, adds one or (null) takes one away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.config import FilterFields, SymbolConfig

Filters = dict[str, "FilterFields"]
"""By filterType, in the order of exchangeInfo; decimals are strings."""
AVG_PRICE_MINUTES = 5


def spot_filters(row: SymbolConfig) -> Filters:
    """As filters.md has them. MARKET_LOT_SIZE carries stepSize 0, as real symbols do."""
    up, down = _text(row.price_band_up), _text(row.price_band_down)
    usual: Filters = {
        "PRICE_FILTER": _price(row),
        "LOT_SIZE": _lot(row),
        "ICEBERG_PARTS": {"limit": 10},
        "MARKET_LOT_SIZE": {
            "minQty": "0.00000000",
            "maxQty": _text(row.market_max_quantity),
            "stepSize": "0.00000000",
        },
        "TRAILING_DELTA": {
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        "PERCENT_PRICE_BY_SIDE": {
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": AVG_PRICE_MINUTES,
        },
        "NOTIONAL": {
            "minNotional": _text(row.min_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": AVG_PRICE_MINUTES,
        },
        "MAX_NUM_ORDERS": {"maxNumOrders": row.max_open_orders},
        "MAX_NUM_ORDER_LISTS": {"maxNumOrderLists": 20},
        "MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": 5},
        "MAX_NUM_ORDER_AMENDS": {"maxNumOrderAmends": 10},
    }
    return _changed(usual, row)


def futures_filters(row: SymbolConfig) -> Filters:
    """As USD-M's exchangeInfo has them: MIN_NOTIONAL's field is `notional`, the counts' is `limit`."""
    usual: Filters = {
        "PRICE_FILTER": _price(row),
        "LOT_SIZE": _lot(row),
        "MARKET_LOT_SIZE": {
            "minQty": _text(row.min_quantity),
            "maxQty": _text(row.market_max_quantity),
            "stepSize": _text(row.step_size),
        },
        "MAX_NUM_ORDERS": {"limit": row.max_open_orders},
        "MAX_NUM_ALGO_ORDERS": {"limit": 10},
        "MIN_NOTIONAL": {"notional": _text(row.min_notional)},
        "PERCENT_PRICE": {
            "multiplierUp": _text(row.price_band_up),
            "multiplierDown": _text(row.price_band_down),
            "multiplierDecimal": "4",
        },
    }
    return _changed(usual, row)


def scoped_rows(filters: Filters) -> tuple[list[FilterFields], list[FilterFields], list[FilterFields]]:
    """The rows of the whole exchange, of the symbol, and of assets, which only myFilters shows (filters.md)."""
    exchange = {name: fields for name, fields in filters.items() if name.startswith("EXCHANGE_")}
    asset = {name: fields for name, fields in filters.items() if name == "MAX_ASSET"}
    symbol = {name: fields for name, fields in filters.items() if name not in {*exchange, *asset}}
    return filter_rows(exchange), filter_rows(symbol), filter_rows(asset)


def filter_rows(filters: Filters) -> list[FilterFields]:
    """As exchangeInfo lists them."""
    return [{"filterType": name, **fields} for name, fields in filters.items()]


def _price(row: SymbolConfig) -> FilterFields:
    return {"minPrice": _text(row.min_price), "maxPrice": _text(row.max_price), "tickSize": _text(row.tick_size)}


def _lot(row: SymbolConfig) -> FilterFields:
    return {"minQty": _text(row.min_quantity), "maxQty": _text(row.max_quantity), "stepSize": _text(row.step_size)}


def _changed(usual: Filters, row: SymbolConfig) -> Filters:
    kept = {name: fields for name, fields in usual.items() if row.filters.get(name, fields) is not None}
    return {**kept, **{name: fields for name, fields in row.filters.items() if fields is not None}}


def _text(number: Decimal) -> str:
    return f"{number:f}"
