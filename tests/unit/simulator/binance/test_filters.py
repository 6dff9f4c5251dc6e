"""What exchangeInfo says of a symbol, and the engines enforce."""

from __future__ import annotations

from ordergate.simulator.binance.filters import filter_rows, futures_filters, spot_filters
from ordergate.simulator.config import SymbolConfig

BITCOIN = {"symbol": "BTCUSDT", "price": "60000", "tickSize": "0.10", "maxOpenOrders": 7, "minNotional": "5"}


def symbol(**changes: object) -> SymbolConfig:
    return SymbolConfig.model_validate({**BITCOIN, **changes})


def test_spot_and_futures_name_the_same_limit_differently() -> None:
    assert spot_filters(symbol())["NOTIONAL"]["minNotional"] == "5"
    assert futures_filters(symbol())["MIN_NOTIONAL"] == {"notional": "5"}
    assert spot_filters(symbol())["MAX_NUM_ORDERS"] == {"maxNumOrders": 7}
    assert futures_filters(symbol())["MAX_NUM_ORDERS"] == {"limit": 7}


def test_market_lot_size_of_spot_has_step_zero() -> None:
    assert spot_filters(symbol())["MARKET_LOT_SIZE"]["stepSize"] == "0.00000000"


def test_configured_filter_replaces_adds_and_takes_away() -> None:
    row = symbol(filters={"ICEBERG_PARTS": {"limit": 3}, "MAX_POSITION": {"maxPosition": "2"}, "NOTIONAL": None})
    filters = spot_filters(row)
    assert filters["ICEBERG_PARTS"] == {"limit": 3}
    assert filters["MAX_POSITION"] == {"maxPosition": "2"}
    assert "NOTIONAL" not in filters


def test_rows_carry_their_type_first() -> None:
    rows = filter_rows(spot_filters(symbol()))
    assert rows[0] == {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.10"}
