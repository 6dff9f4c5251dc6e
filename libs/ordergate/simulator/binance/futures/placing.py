"""What POST, PUT and DELETE on orders answer, one by one and in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.finding import account_of, market_of, named_order
from ordergate.simulator.binance.futures.intake import (
    Reader,
    Refused,
    read_amending,
    read_batch,
    read_cancels,
    read_order,
    wants_result,
)
from ordergate.simulator.binance.futures.orders import AT_ONCE
from ordergate.simulator.binance.futures.refusals import NO_SUCH_ORDER, UNKNOWN_ORDER
from ordergate.simulator.binance.futures.rows import Row, accepted_row, changed_row, tested_row
from ordergate.simulator.binance.operations import Failure

if TYPE_CHECKING:
    from ordergate.simulator.binance.futures.exchange import FuturesExchange
    from ordergate.simulator.binance.futures.intake import Fields
    from ordergate.simulator.binance.operations import Call

ALL_CANCELED: Row = {"code": 200, "msg": "The operation of cancel all open order is done."}


def place(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/order."""
    return _place_one(exchange, call, call.parameters)


def try_order(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/order/test: everything but the placing."""
    account = account_of(call)
    request = read_order(call.parameters, exchange.markets, hedged=account.hedged, now_ms=call.now_ms)
    if isinstance(request, Failure):
        return request
    order = exchange.draft(account, request, call.now_ms)
    return order if isinstance(order, Failure) else tested_row(order)


def place_batch(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/batchOrders: not atomic, each leg has an answer of its own."""
    legs = read_batch(call.parameters.get("batchOrders", ""))
    if isinstance(legs, Failure):
        return legs
    return [_leg(_place_one(exchange, call, fields)) for fields in legs]


def modify(exchange: FuturesExchange, call: Call) -> object | Failure:
    """PUT /fapi/v1/order."""
    return _modify_one(exchange, call, call.parameters)


def modify_batch(exchange: FuturesExchange, call: Call) -> object | Failure:
    """PUT /fapi/v1/batchOrders."""
    legs = read_batch(call.parameters.get("batchOrders", ""))
    if isinstance(legs, Failure):
        return legs
    return [_leg(_modify_one(exchange, call, fields)) for fields in legs]


def cancel(exchange: FuturesExchange, call: Call) -> object | Failure:
    """DELETE /fapi/v1/order."""
    return _cancel_one(exchange, call, call.parameters)


def cancel_batch(exchange: FuturesExchange, call: Call) -> object | Failure:
    """DELETE /fapi/v1/batchOrders."""
    legs = read_cancels(call.parameters)
    if isinstance(legs, Failure):
        return legs
    return [_leg(_cancel_one(exchange, call, fields)) for fields in legs]


def cancel_all(exchange: FuturesExchange, call: Call) -> object | Failure:
    """DELETE /fapi/v1/allOpenOrders."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    exchange.cancel_all(account_of(call), market.symbol.name, call.now_ms)
    return ALL_CANCELED


def set_countdown(exchange: FuturesExchange, call: Call) -> object | Failure:
    """POST /fapi/v1/countdownCancelAll."""
    market = market_of(exchange, call.parameters)
    if isinstance(market, Failure):
        return market
    try:
        countdown_ms = Reader(call.parameters).integer("countdownTime")
    except Refused as refused:
        return refused.failure
    exchange.set_countdown(account_of(call), market.symbol.name, countdown_ms, call.now_ms)
    return {"symbol": market.symbol.name, "countdownTime": str(countdown_ms)}


def _place_one(exchange: FuturesExchange, call: Call, fields: Fields) -> Row | Failure:
    account = account_of(call)
    result = wants_result(fields)
    if isinstance(result, Failure):
        return result
    request = read_order(fields, exchange.markets, hedged=account.hedged, now_ms=call.now_ms)
    if isinstance(request, Failure):
        return request
    order = exchange.place(account, request, call.now_ms)
    if isinstance(order, Failure):
        return order
    # RESULT shows the end of what ends at once; an order that may rest is shown as it was taken (new order, notes).
    ends_at_once = order.price is None or order.time_in_force in AT_ONCE
    return changed_row(order) if result and ends_at_once else accepted_row(order)


def _modify_one(exchange: FuturesExchange, call: Call, fields: Fields) -> Row | Failure:
    order = named_order(exchange, call, fields, blind=True)
    if isinstance(order, Failure):
        return order
    if order is None or not order.is_open:
        return NO_SUCH_ORDER
    amending = read_amending(fields, order.side)
    if isinstance(amending, Failure):
        return amending
    failure = exchange.modify(order, amending, call.now_ms)
    if failure is not None:
        return failure
    mark: Row = {} if amending.modify_id is None else {"modifyId": amending.modify_id}
    return {**changed_row(order), "pair": order.symbol.name, **mark}


def _cancel_one(exchange: FuturesExchange, call: Call, fields: Fields) -> Row | Failure:
    order = named_order(exchange, call, fields, blind=True)
    if isinstance(order, Failure):
        return order
    if order is None or not order.is_open:
        return UNKNOWN_ORDER
    exchange.cancel(order, call.now_ms)
    return changed_row(order)


def _leg(answer: Row | Failure) -> Row:
    return {"code": answer.code, "msg": answer.msg} if isinstance(answer, Failure) else answer
