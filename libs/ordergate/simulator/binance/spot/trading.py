"""What the calls that change something answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from ordergate.simulator.binance.failures import SYMBOL_UNKNOWN, missing
from ordergate.simulator.binance.operations import Call, Failure, Parameters
from ordergate.simulator.binance.spot.exchange import Canceled, Reference, SpotExchange
from ordergate.simulator.binance.spot.failures import (
    CONFLICT,
    NO_OPO,
    NO_PEGS,
    REPLACE_FAILED,
    REPLACE_HALF_DONE,
    TOO_MANY_REQUESTS,
)
from ordergate.simulator.binance.spot.intake import (
    Unreadable,
    invalid_data,
    need_either,
    read_choice,
    read_decimal,
    read_flag,
    read_integer,
    read_name,
    read_new_order,
    read_symbol,
)
from ordergate.simulator.binance.spot.lists import NewList, place_list, read_oco, read_oto, read_otoco
from ordergate.simulator.binance.spot.rows import (
    amended_row,
    cancellation_row,
    order_commission_row,
    placed_list_row,
    placed_row,
)
from ordergate.simulator.orders import Status

if TYPE_CHECKING:
    from ordergate.simulator.binance.spot.orders import NewOrder, SpotOrder

Answer = Callable[[SpotExchange, Call], object | Failure]
_RESTRICTIONS = {"ONLY_NEW": Status.NEW, "ONLY_PARTIALLY_FILLED": Status.PARTIALLY_FILLED}
_REPLACE_MODES = {name: name for name in ("STOP_ON_FAILURE", "ALLOW_FAILURE")}
_LIMIT_MODES = {name: name for name in ("DO_NOTHING", "CANCEL_ONLY")}


def reading(answer: Answer) -> Answer:
    """What cannot be read is the answer."""

    @wraps(answer)
    def answering(exchange: SpotExchange, call: Call) -> object | Failure:
        try:
            return answer(exchange, call)
        except Unreadable as unreadable:
            return unreadable.failure

    return answering


def read_reference(exchange: SpotExchange, parameters: Parameters, by_id: str, by_name: str) -> Reference:
    """Which order, or list, is meant. Raises Unreadable."""
    symbol = known_symbol(exchange, parameters)
    need_either(parameters, by_name, by_id)
    return Reference(
        symbol=symbol, order_id=read_integer(parameters, by_id), client_order_id=read_name(parameters, by_name)
    )


def known_symbol(exchange: SpotExchange, parameters: Parameters) -> str:
    """Raises Unreadable."""
    symbol = read_symbol(parameters)
    if symbol not in exchange.markets:
        raise Unreadable(SYMBOL_UNKNOWN)
    return symbol


@reading
def place(exchange: SpotExchange, call: Call) -> object | Failure:
    """POST /api/v3/order."""
    request = _read_order(call.parameters)
    order = exchange.place(call.account, request, call.now_ms)
    return order if isinstance(order, Failure) else placed_row(order, request.answered)


@reading
def test(exchange: SpotExchange, call: Call) -> object | Failure:
    """POST /api/v3/order/test: everything that is checked before the engine."""
    request = _read_order(call.parameters)
    refusal = exchange.refused_before(call.account, [request], call.now_ms)
    if refusal is not None:
        return refusal
    return order_commission_row(exchange.fees) if read_flag(call.parameters, "computeCommissionRates") else {}


@reading
def cancel(exchange: SpotExchange, call: Call) -> object | Failure:
    """DELETE /api/v3/order; an order of a list takes the list with it."""
    canceled = exchange.cancel(
        call.account,
        read_reference(exchange, call.parameters, "orderId", "origClientOrderId"),
        call.now_ms,
        cancel_id=read_name(call.parameters, "newClientOrderId"),
        restriction=_read_restriction(call.parameters),
    )
    return canceled if isinstance(canceled, Failure) else cancellation_row(canceled)


@reading
def cancel_all(exchange: SpotExchange, call: Call) -> object | Failure:
    """DELETE /api/v3/openOrders: rows of orders and of lists in one array."""
    done = exchange.cancel_all(call.account, known_symbol(exchange, call.parameters), call.now_ms)
    return done if isinstance(done, Failure) else [cancellation_row(canceled) for canceled in done]


@reading
def cancel_replace(exchange: SpotExchange, call: Call) -> object | Failure:
    """POST /api/v3/order/cancelReplace. Filters are looked at before anything is canceled."""
    parameters = call.parameters
    request = _read_order(parameters)
    reference = read_reference(exchange, parameters, "cancelOrderId", "cancelOrigClientOrderId")
    mode = read_choice(parameters, "cancelReplaceMode", _REPLACE_MODES, invalid_data("cancelReplaceMode"))
    beyond = {"orderRateLimitExceededMode": "DO_NOTHING", **parameters}
    on_limit = read_choice(
        beyond, "orderRateLimitExceededMode", _LIMIT_MODES, invalid_data("orderRateLimitExceededMode")
    )
    restriction = _read_restriction(parameters)
    refusal = exchange.refused_before(call.account, [request], call.now_ms)
    if refusal is not None:
        return refusal
    if call.order_limit is not None and on_limit == "DO_NOTHING":
        return call.order_limit
    canceled, placed = exchange.replace(
        call.account,
        request,
        call.now_ms,
        cancel=(reference, read_name(parameters, "cancelNewClientOrderId"), restriction),
        goes_on=mode == "ALLOW_FAILURE",
        limit=call.order_limit,
    )
    return _replaced(canceled, placed, request, is_over_limit=call.order_limit is not None)


@reading
def amend(exchange: SpotExchange, call: Call) -> object | Failure:
    """PUT /api/v3/order/amend/keepPriority."""
    quantity = read_decimal(call.parameters, "newQty")
    if quantity is None:
        return missing("newQty")
    amended = exchange.amend(
        call.account,
        read_reference(exchange, call.parameters, "orderId", "origClientOrderId"),
        quantity,
        call.now_ms,
        client_order_id=read_name(call.parameters, "newClientOrderId"),
    )
    return amended if isinstance(amended, Failure) else amended_row(*amended)


@reading
def place_oco(exchange: SpotExchange, call: Call) -> object | Failure:
    """POST /api/v3/orderList/oco."""
    return _place_list(exchange, call, read_oco)


@reading
def place_oto(exchange: SpotExchange, call: Call) -> object | Failure:
    """POST /api/v3/orderList/oto."""
    return _place_list(exchange, call, read_oto)


@reading
def place_otoco(exchange: SpotExchange, call: Call) -> object | Failure:
    """POST /api/v3/orderList/otoco."""
    return _place_list(exchange, call, read_otoco)


def place_opo(exchange: SpotExchange, call: Call) -> object | Failure:
    """POST /api/v3/orderList/opo and opoco: exchangeInfo says `opoAllowed: false`."""
    return NO_OPO if call.parameters["symbol"] in exchange.markets else SYMBOL_UNKNOWN


@reading
def cancel_list(exchange: SpotExchange, call: Call) -> object | Failure:
    """DELETE /api/v3/orderList."""
    canceled = exchange.cancel_list(
        call.account,
        read_reference(exchange, call.parameters, "orderListId", "listClientOrderId"),
        call.now_ms,
        cancel_id=read_name(call.parameters, "newClientOrderId"),
    )
    return canceled if isinstance(canceled, Failure) else cancellation_row(canceled)


def _place_list(exchange: SpotExchange, call: Call, read: Callable[[Parameters], NewList]) -> object | Failure:
    _refuse_pegs(call.parameters)
    new = read(call.parameters)
    listed = place_list(exchange, call.account, new, call.now_ms)
    # The answer shows what an order that was filled at once releases still as pending (rest-api.md, OTO).
    row = listed if isinstance(listed, Failure) else placed_list_row(listed, new.answered)
    exchange.come_to_rest(call.now_ms)
    return row


def _read_order(parameters: Parameters) -> NewOrder:
    _refuse_pegs(parameters)
    return read_new_order(parameters)


def _refuse_pegs(parameters: Parameters) -> None:
    if any("peg" in name.lower() for name in parameters):
        raise Unreadable(NO_PEGS)


def _read_restriction(parameters: Parameters) -> Status | None:
    text = parameters.get("cancelRestrictions")
    if text is None:
        return None
    if text not in _RESTRICTIONS:
        raise Unreadable(Failure(code=-1145, msg="Invalid cancelRestrictions"))
    return _RESTRICTIONS[text]


def _replaced(
    canceled: Canceled | Failure, placed: SpotOrder | Failure | None, request: NewOrder, *, is_over_limit: bool
) -> object | Failure:
    """What became of each leg stands in `data`; the status alone says nothing."""
    is_placed = placed is not None and not isinstance(placed, Failure)
    new_response: object = None
    if isinstance(placed, Failure):
        new_response = {"code": placed.code, "msg": placed.msg}
    elif placed is not None:
        new_response = placed_row(placed, request.answered)
    data = {
        "cancelResult": "FAILURE" if isinstance(canceled, Failure) else "SUCCESS",
        "newOrderResult": "NOT_ATTEMPTED" if placed is None else "SUCCESS" if is_placed else "FAILURE",
        "cancelResponse": {"code": canceled.code, "msg": canceled.msg}
        if isinstance(canceled, Failure)
        else cancellation_row(canceled),
        "newOrderResponse": new_response,
    }
    if not isinstance(canceled, Failure) and is_placed:
        return data
    if isinstance(canceled, Failure) and not is_placed:
        status = TOO_MANY_REQUESTS if is_over_limit and placed is None else 400
        return Failure(code=REPLACE_FAILED, msg="Order cancel-replace failed.", status=status, data=data)
    msg = "Order cancel-replace partially failed."
    return Failure(code=REPLACE_HALF_DONE, msg=msg, status=CONFLICT, data=data)
