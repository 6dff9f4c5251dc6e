"""exchangeInfo of both dialects, as far as clients read it to know their markets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.filters import filter_rows, futures_filters, scoped_rows, spot_filters

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from ordergate.simulator.binance.limits import Limit
    from ordergate.simulator.config import SymbolConfig

Row = dict[str, object]
SPOT_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
FUTURES_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
FUTURES_TIMES = ("GTC", "IOC", "FOK", "GTX", "GTD")
SELF_TRADE_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
NEVER_MS = 4_133_404_800_000
"""What perpetual contracts have for a delivery date: the year 2100."""
ONBOARD_MS = 1_569_398_400_000
ASSET_PLACES = 8


def spot_info(rows: Iterable[tuple[SymbolConfig, bool]], limits: Iterable[Limit], now_ms: int) -> Row:
    """Of these symbols, each with whether it is halted."""
    shown = list(rows)
    # Of the whole exchange: whichever symbol's configuration names them.
    exchange = {str(each["filterType"]): each for row, _ in shown for each in scoped_rows(spot_filters(row))[0]}
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [limit.row() for limit in limits],
        "exchangeFilters": list(exchange.values()),
        "symbols": [_spot_symbol(row, halted=halted) for row, halted in shown],
    }


def futures_info(rows: Iterable[tuple[SymbolConfig, bool]], limits: Iterable[Limit], now_ms: int) -> Row:
    """Of these symbols, each with whether it is halted."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [limit.row() for limit in limits],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_futures_symbol(row, halted=halted) for row, halted in rows],
    }


def _spot_symbol(row: SymbolConfig, *, halted: bool) -> Row:
    symbol = row.build()
    return {
        "symbol": symbol.name,
        "status": "HALT" if halted else "TRADING",
        "baseAsset": symbol.base_asset,
        "baseAssetPrecision": ASSET_PLACES,
        "quoteAsset": symbol.quote_asset,
        "quotePrecision": ASSET_PLACES,
        "quoteAssetPrecision": ASSET_PLACES,
        "baseCommissionPrecision": ASSET_PLACES,
        "quoteCommissionPrecision": ASSET_PLACES,
        "orderTypes": list(SPOT_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": scoped_rows(spot_filters(row))[1],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": list(SELF_TRADE_MODES),
    }


def _futures_symbol(row: SymbolConfig, *, halted: bool) -> Row:
    symbol = row.build()
    return {
        "symbol": symbol.name,
        "pair": symbol.name,
        "contractType": "PERPETUAL",
        "deliveryDate": NEVER_MS,
        "onboardDate": ONBOARD_MS,
        "status": "PENDING_TRADING" if halted else "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.base_asset,
        "quoteAsset": symbol.quote_asset,
        "marginAsset": symbol.quote_asset,
        # One place more than the tick needs, as real symbols have: a tick that does not fit is another error than a price that is too exact.
        "pricePrecision": _places(symbol.tick) + 1,
        "quantityPrecision": _places(symbol.lot),
        "baseAssetPrecision": ASSET_PLACES,
        "quotePrecision": ASSET_PLACES,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": filter_rows(futures_filters(row)),
        "orderTypes": list(FUTURES_TYPES),
        "timeInForce": list(FUTURES_TIMES),
        "permissionSets": ["GRID", "COPY"],
    }


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
