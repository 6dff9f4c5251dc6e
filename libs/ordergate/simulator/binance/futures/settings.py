"""Position mode, leverage, margin type, multi-assets mode: what an account may change, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.finding import account_of, market_of, markets_asked
from ordergate.simulator.binance.futures.intake import Reader, Refused
from ordergate.simulator.binance.futures.refusals import (
    INVALID_LEVERAGE,
    LEVERAGE_TOO_SMALL,
    MARGIN_TYPE_OPEN_ORDERS,
    MARGIN_TYPE_POSITION,
    POSITION_MODE_OPEN_ORDERS,
    POSITION_MODE_POSITION,
    SAME_MARGIN_TYPE,
    SAME_MULTI_ASSETS,
    SAME_POSITION_MODE,
    malformed,
)
from ordergate.simulator.binance.futures.rows import MAX_NOTIONAL, Row
from ordergate.simulator.binance.operations import Failure

if TYPE_CHECKING:
    from ordergate.simulator.binance.futures.exchange import FuturesExchange
    from ordergate.simulator.binance.operations import Call

LEVERAGE_MAX = 125
SUCCESS: Row = {"code": 200, "msg": "success"}


def set_leverage(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/leverage. A smaller one must leave what is held covered."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    try:
        wanted = Reader(call.parameters).integer("leverage")
    except Refused as refused:
        return refused.failure
    if not 1 <= wanted <= LEVERAGE_MAX:
        return INVALID_LEVERAGE
    account, name = account_of(call), market.symbol.name
    before = account.leverage_in(name)
    account.leverages[name] = wanted
    if wanted < before and not account.can_hold(exchange.markets):
        account.leverages[name] = before
        return LEVERAGE_TOO_SMALL
    if wanted != before:
        exchange.events.leverage_changed(account, name, call.now_ms)
    return {"leverage": wanted, "maxNotionalValue": MAX_NOTIONAL, "symbol": name}


def set_margin_type(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/marginType."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    wanted = call.parameters.get("marginType", "")
    if wanted not in {"ISOLATED", "CROSSED"}:
        return malformed("marginType")
    account, name = account_of(call), market.symbol.name
    if (wanted == "ISOLATED") == (name in account.isolated):
        return SAME_MARGIN_TYPE
    if account.open_orders_of(name) or any(algo.symbol.name == name for algo in account.open_algos.values()):
        return MARGIN_TYPE_OPEN_ORDERS
    if any(position.lots and position.symbol.name == name for position in account.positions.values()):
        return MARGIN_TYPE_POSITION
    if wanted == "ISOLATED":
        account.isolated.add(name)
    else:
        account.isolated.discard(name)
    exchange.events.account_changed(account, "MARGIN_TYPE_CHANGE", [], call.now_ms)
    return SUCCESS


def set_position_mode(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/positionSide/dual, over all symbols."""
    del exchange
    account = account_of(call)
    wanted = _flag(call, "dualSidePosition")
    if isinstance(wanted, Failure):
        return wanted
    if wanted == account.hedged:
        return SAME_POSITION_MODE
    if account.open_orders or account.open_algos:
        return POSITION_MODE_OPEN_ORDERS
    if any(position.lots for position in account.positions.values()):
        return POSITION_MODE_POSITION
    account.hedged = wanted
    return SUCCESS


def get_position_mode(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/positionSide/dual."""
    del exchange
    return {"dualSidePosition": account_of(call).hedged}


def set_multi_assets(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/multiAssetsMargin. There is one asset here, so nothing follows from it."""
    account = account_of(call)
    wanted = _flag(call, "multiAssetsMargin")
    if isinstance(wanted, Failure):
        return wanted
    if wanted == account.multi_assets:
        return SAME_MULTI_ASSETS
    account.multi_assets = wanted
    exchange.events.multi_assets_changed(account, call.now_ms)
    return SUCCESS


def get_multi_assets(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/multiAssetsMargin."""
    del exchange
    return {"multiAssetsMargin": account_of(call).multi_assets}


def account_config(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/accountConfig."""
    del exchange
    account = account_of(call)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.hedged,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }


def symbol_config(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/symbolConfig."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    account = account_of(call)
    return [
        {
            "symbol": market.symbol.name,
            "marginType": "ISOLATED" if market.symbol.name in account.isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": account.leverage_in(market.symbol.name),
            "maxNotionalValue": MAX_NOTIONAL,
        }
        for market in markets
    ]


def _flag(call: Call, name: str) -> bool | Failure:
    reader = Reader(call.parameters)
    try:
        reader.text(name)
        return reader.boolean(name)
    except Refused as refused:
        return refused.failure
