"""Reading parameters: what is malformed, missing or too much is refused here with -11xx, before anything looks at a symbol."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from ordergate.simulator.binance.failures import empty, illegal, missing
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.spot.orders import (
    ALGOS,
    PRICED,
    TIMED,
    Answered,
    NewOrder,
    OrderType,
    SelfTrade,
    TimeInForce,
)
from ordergate.simulator.orders import Side

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.simulator.binance.operations import Parameters

SomeEnum = TypeVar("SomeEnum", bound=StrEnum)
NAME_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER_RANGE = "^[0-9]{1,20}$"
DECIMALS_MAX = 8
STRATEGY_TYPE_MIN = 1_000_000
LONG_MAX = 2**63 - 1
_NAME = re.compile(NAME_RANGE).fullmatch
_DECIMAL = re.compile(DECIMAL_RANGE).fullmatch
_INTEGER = re.compile(INTEGER_RANGE).fullmatch
_ICEBERGS = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
ORDER_NAMES = (
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "strategyId",
    "strategyType",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
    "pegPriceType",
    "pegOffsetValue",
    "pegOffsetType",
)


class Unreadable(Exception):
    """A parameter is not what it has to be; `failure` is the answer."""

    def __init__(self, failure: Failure) -> None:
        """The answer to give."""
        super().__init__(failure.msg)
        self.failure = failure


def read_new_order(parameters: Parameters) -> NewOrder:
    """The parameters of POST /api/v3/order. Raises Unreadable."""
    kind = read_type(parameters, "type")
    return read_order(parameters, kind=kind, names=_PLAIN, answered=read_answered(parameters, kind))


class OrderNames:
    """How one order's parameters are called: plainly, or with the prefix of a leg (`aboveStopPrice`)."""

    __slots__ = ("_changes", "_prefix")

    def __init__(self, prefix: str = "", **changes: str) -> None:
        """`changes`: names that do not follow the prefix (`quantity` of both legs of an OCO)."""
        self._prefix = prefix
        self._changes = changes

    def __call__(self, name: str) -> str:
        """The parameter's name as it is sent."""
        changed = self._changes.get(name)
        if changed is not None:
            return changed
        return f"{self._prefix}{name[0].upper()}{name[1:]}" if self._prefix else name


_PLAIN = OrderNames(clientOrderId="newClientOrderId")


def read_order(parameters: Parameters, *, kind: OrderType, names: OrderNames, answered: Answered) -> NewOrder:
    """One order, or one leg of a list. Raises Unreadable."""
    sent = _Sent(parameters, names)
    order = NewOrder(
        symbol=read_symbol(parameters),
        side=_choice(Side, sent.text("side"), Failure(code=-1117, msg="Invalid side."), sent.name("side")),
        type=kind,
        quantity=sent.decimal("quantity"),
        quote_quantity=sent.decimal("quoteOrderQty"),
        price=sent.decimal("price"),
        stop_price=sent.decimal("stopPrice"),
        trailing_delta=sent.integer("trailingDelta"),
        iceberg=sent.decimal("icebergQty"),
        time_in_force=_time_in_force(sent, kind),
        client_order_id=read_name(parameters, sent.name("clientOrderId")),
        self_trade=read_self_trade(parameters),
        strategy_id=sent.integer("strategyId"),
        strategy_type=sent.integer("strategyType"),
        answered=answered,
    )
    _check_fields(sent, order)
    if order.strategy_type is not None and order.strategy_type < STRATEGY_TYPE_MIN:
        raise Unreadable(Failure(code=-1134, msg=f"`{sent.name('strategyType')}` was less than 1000000."))
    return order


class _Sent:
    """The parameters of one order under whatever names they were sent."""

    __slots__ = ("_names", "_parameters")

    def __init__(self, parameters: Parameters, names: OrderNames) -> None:
        self._parameters = parameters
        self._names = names

    def name(self, field: str) -> str:
        return self._names(field)

    def text(self, field: str) -> str | None:
        return self._parameters.get(self._names(field))

    def decimal(self, field: str) -> Decimal | None:
        return read_decimal(self._parameters, self._names(field))

    def integer(self, field: str) -> int | None:
        return read_integer(self._parameters, self._names(field))


def _check_fields(sent: _Sent, order: NewOrder) -> None:
    """Mandatory by type (rest-api.md, "Some additional mandatory parameters"); what the type has no use for is refused."""
    kind = order.type
    if kind is OrderType.MARKET:
        _one_quantity(sent, order)
    else:
        _need(sent, "quantity", order.quantity)
        _refuse(sent, "quoteOrderQty", order.quote_quantity)
    if kind in PRICED:
        _need(sent, "price", order.price)
    else:
        _refuse(sent, "price", order.price)
    if kind in ALGOS:
        if order.stop_price is None and order.trailing_delta is None:
            raise Unreadable(_either(sent.name("stopPrice"), sent.name("trailingDelta")))
    else:
        _refuse(sent, "stopPrice", order.stop_price)
        _refuse(sent, "trailingDelta", order.trailing_delta)
    if order.iceberg is not None and kind not in _ICEBERGS:
        _refuse(sent, "icebergQty", order.iceberg)
    if order.iceberg and order.time_in_force is not TimeInForce.GTC:
        raise Unreadable(Failure(code=-1014, msg="Unsupported order combination."))


def _one_quantity(sent: _Sent, order: NewOrder) -> None:
    if order.quantity is None and order.quote_quantity is None:
        raise Unreadable(_either(sent.name("quantity"), sent.name("quoteOrderQty")))
    if order.quantity is not None and order.quote_quantity is not None:
        raise Unreadable(Failure(code=-1128, msg="Combination of optional parameters invalid."))


def _need(sent: _Sent, field: str, value: object) -> None:
    if value is None:
        raise Unreadable(missing(sent.name(field)))


def _refuse(sent: _Sent, field: str, value: object) -> None:
    if value is not None:
        raise Unreadable(not_required(sent.name(field)))


def _time_in_force(sent: _Sent, kind: OrderType) -> TimeInForce:
    text = sent.text("timeInForce")
    if kind not in TIMED:
        if text is not None:
            raise Unreadable(not_required(sent.name("timeInForce")))
        return TimeInForce.GTC
    return _choice(TimeInForce, text, Failure(code=-1115, msg="Invalid timeInForce."), sent.name("timeInForce"))


def not_required(name: str) -> Failure:
    """-1106."""
    return Failure(code=-1106, msg=f"Parameter '{name}' sent when not required.")


def invalid_data(name: str) -> Failure:
    """-1130."""
    return Failure(code=-1130, msg=f"Data sent for parameter '{name}' is not valid.")


def _either(one: str, other: str) -> Failure:
    return Failure(code=-1102, msg=f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def need_either(parameters: Parameters, one: str, other: str) -> None:
    """One of two ids has to be there. Raises Unreadable."""
    if not parameters.get(one) and not parameters.get(other):
        raise Unreadable(_either(one, other))


def read_type(parameters: Parameters, name: str) -> OrderType:
    """Raises Unreadable."""
    return _choice(OrderType, parameters.get(name), Failure(code=-1116, msg="Invalid orderType."), name)


def read_answered(parameters: Parameters, kind: OrderType | None) -> Answered:
    """newOrderRespType; MARKET and LIMIT answer FULL, the others ACK, unless it says otherwise. Raises Unreadable."""
    text = parameters.get("newOrderRespType")
    if text is None:
        return Answered.FULL if kind in {OrderType.MARKET, OrderType.LIMIT} else Answered.ACK
    return _choice(Answered, text, invalid_data("newOrderRespType"), "newOrderRespType")


def read_self_trade(parameters: Parameters) -> SelfTrade | None:
    """selfTradePreventionMode. Raises Unreadable."""
    name = "selfTradePreventionMode"
    return None if name not in parameters else _choice(SelfTrade, parameters[name], invalid_data(name), name)


def read_symbol(parameters: Parameters) -> str:
    """Raises Unreadable; whether there is such a symbol is for the exchange to say."""
    text = parameters.get("symbol")
    if not text:
        raise Unreadable(missing("symbol") if text is None else empty("symbol"))
    return text


def read_name(parameters: Parameters, name: str) -> str | None:
    """A client's id; None if it was not sent. Raises Unreadable."""
    text = parameters.get(name)
    if text is None:
        return None
    if not text:
        raise Unreadable(empty(name))
    if not _NAME(text):
        raise Unreadable(illegal(name, NAME_RANGE))
    return text


def read_decimal(parameters: Parameters, name: str) -> Decimal | None:
    """A number with at most eight decimals; None if it was not sent. Raises Unreadable."""
    text = parameters.get(name)
    if text is None:
        return None
    if not text:
        raise Unreadable(empty(name))
    if not _DECIMAL(text):
        raise Unreadable(illegal(name, DECIMAL_RANGE))
    if len(text.partition(".")[2].rstrip("0")) > DECIMALS_MAX:
        raise Unreadable(Failure(code=-1111, msg=f"Parameter '{name}' has too much precision."))
    return Decimal(text)


def read_integer(parameters: Parameters, name: str) -> int | None:
    """None if it was not sent. Raises Unreadable."""
    text = parameters.get(name)
    if text is None:
        return None
    if not text:
        raise Unreadable(empty(name))
    if not _INTEGER(text):
        raise Unreadable(illegal(name, INTEGER_RANGE))
    number = int(text)
    if number > LONG_MAX:
        raise Unreadable(Failure(code=-1108, msg=f"Parameter '{name}' overflowed."))
    return number


def read_limit(parameters: Parameters, *, default: int = 500, highest: int = 1000) -> int:
    """A page's length; more than the highest is the highest. Raises Unreadable."""
    limit = read_integer(parameters, "limit")
    return default if limit is None else max(1, min(limit, highest))


def read_flag(parameters: Parameters, name: str) -> bool:
    """BOOLEAN, false unless it is sent. Raises Unreadable."""
    text = parameters.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise Unreadable(invalid_data(name))
    return text == "true"


def read_choice(parameters: Parameters, name: str, choices: Mapping[str, str], failure: Failure) -> str:
    """One of some words. Raises Unreadable."""
    text = parameters.get(name)
    if text is None:
        raise Unreadable(missing(name))
    if text not in choices:
        raise Unreadable(failure)
    return choices[text]


def _choice(choices: type[SomeEnum], text: str | None, failure: Failure, name: str) -> SomeEnum:
    if text is None:
        raise Unreadable(missing(name))
    try:
        return choices(text)
    except ValueError:
        raise Unreadable(failure) from None
