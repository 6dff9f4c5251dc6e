"""What the calls on conditional orders answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.finding import account_of, market_of, markets_asked, read_page, seen_algos
from ordergate.simulator.binance.futures.intake import Reader, Refused, read_algo_order
from ordergate.simulator.binance.futures.orders import AlgoOrder, AlgoStatus
from ordergate.simulator.binance.futures.placing import ALL_CANCELED
from ordergate.simulator.binance.futures.refusals import NO_SUCH_ORDER, UNKNOWN_ORDER, neither
from ordergate.simulator.binance.futures.rows import algo_placed_row, algo_row
from ordergate.simulator.binance.operations import Failure

if TYPE_CHECKING:
    from ordergate.simulator.binance.futures.exchange import FuturesExchange
    from ordergate.simulator.binance.operations import Call


def place(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/algoOrder."""
    account = account_of(call)
    request = read_algo_order(call.parameters, exchange.markets, hedged=account.hedged, now_ms=call.now_ms)
    if isinstance(request, Failure):
        return request
    algo = exchange.place_algo(account, request, call.now_ms)
    return algo if isinstance(algo, Failure) else algo_placed_row(algo)


def query(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/algoOrder."""
    del exchange
    algo = _named(call)
    if isinstance(algo, Failure):
        return algo
    shown = None if algo is None else next(seen_algos(call, [algo]), None)
    return NO_SUCH_ORDER if shown is None else algo_row(shown)


def cancel(exchange: FuturesExchange, call: Call) -> object | Failure:
    """DELETE /fapi/v1/algoOrder."""
    algo = _named(call)
    if isinstance(algo, Failure):
        return algo
    if algo is None or not algo.is_open:
        return UNKNOWN_ORDER
    exchange.algos.end(algo, AlgoStatus.CANCELED, call.now_ms)
    return {"algoId": algo.id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


def cancel_all(exchange: FuturesExchange, call: Call) -> object | Failure:
    """DELETE /fapi/v1/algoOpenOrders."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    for algo in list(account_of(call).open_algos.values()):
        if algo.symbol is market.symbol:
            exchange.algos.end(algo, AlgoStatus.CANCELED, call.now_ms)
    return ALL_CANCELED


def list_open(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/openAlgoOrders."""
    markets = markets_asked(exchange, call.parameters)
    if isinstance(markets, Failure):
        return markets
    names = {market.symbol.name for market in markets}
    wanted = call.parameters.get("algoId")
    account = account_of(call)
    every = account.open_algos.values() if call.sight is None else account.algo_orders.values()
    return [
        algo_row(algo)
        for algo in seen_algos(call, every)
        if algo.is_open and algo.symbol.name in names and wanted in {None, "", str(algo.id)}
    ]


def list_all(exchange: FuturesExchange, call: Call) -> object | Failure:
    """GET /fapi/v1/allAlgoOrders."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    page = read_page(call, "algoId", limit=500, limit_max=1000)
    if isinstance(page, Failure):
        return page
    algos = [
        algo
        for algo in seen_algos(call, account_of(call).algo_orders.values())
        if algo.symbol is market.symbol and page.holds(algo.id, algo.created_ms)
    ]
    return [algo_row(algo) for algo in page.cut(algos)]


def _named(call: Call) -> AlgoOrder | Failure | None:
    account = account_of(call)
    try:
        algo_id = Reader(call.parameters).integer("algoId")
    except Refused as refused:
        return refused.failure
    client_id = call.parameters.get("clientAlgoId")
    if algo_id:
        return account.algo_orders.get(algo_id)
    return account.algo_named(client_id) if client_id else neither("clientAlgoId", "algoId")
