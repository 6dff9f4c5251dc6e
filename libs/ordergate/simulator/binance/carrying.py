"""How one call is carried out, whether it came over REST or the WebSocket API.

Order: weight -> gate -> parameters -> order count -> second time check -> engine. What a call is found to be is counted before it is found wanting: so a
refused call costs its weight, and one that is too late at the engine has counted as an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ordergate.simulator.binance.gate import Caller
from ordergate.simulator.binance.operations import Call, Failure, reckon
from ordergate.simulator.binance.parameters import refuse_parameters

if TYPE_CHECKING:
    from ordergate.simulator.binance.limits import Limits
    from ordergate.simulator.binance.operations import Dialect, Operation
    from ordergate.simulator.sight import Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call on its way. received_ms: when it arrived; now_ms: when it reaches the engine."""

    operation: Operation[Any]
    caller: Caller | Failure
    address: str
    now_ms: int
    connection: object | None = None
    sight: Sight | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What it is answered, and whose order counts the answer may show."""

    answer: object | Failure
    account: str | None


def carry_out(dialect: Dialect[Any], limits: Limits, asked: Asked) -> Answered:
    """One call, now."""
    caller, operation = asked.caller, asked.operation
    # What a call refused at the gate weighs is not documented: one, we assume.
    weight = reckon(operation.weight, caller.parameters) if isinstance(caller, Caller) else 1
    over = limits.weigh(asked.address, weight, asked.now_ms)
    if over is not None:
        return Answered(answer=over, account=None)
    if isinstance(caller, Failure):
        return Answered(answer=caller, account=None)
    account = caller.key.account if caller.key else None
    answer = _answer(dialect, limits, asked, caller)
    if operation.weight_done is not None and not isinstance(answer, Failure):
        limits.give_back(asked.address, weight - operation.weight_done(answer), asked.now_ms)
    return Answered(answer=answer, account=account)


def _answer(dialect: Dialect[Any], limits: Limits, asked: Asked, caller: Caller) -> object | Failure:
    operation, now_ms = asked.operation, asked.now_ms
    refused = refuse_parameters(operation, caller.parameters, strict=dialect.name == "binance-spot")
    if refused is not None:
        return refused
    over = _count(limits, operation, caller, now_ms)
    if over is not None and not operation.judges_order_limit:
        return over
    late = caller.timing.refuse_late(now_ms) if caller.timing else None
    if late is not None:
        return late
    return operation.answer(
        dialect.engine,
        Call(
            account=dialect.engine.accounts[caller.key.account] if caller.key else None,
            parameters=caller.parameters,
            now_ms=now_ms,
            connection=asked.connection,
            sight=asked.sight,
            order_limit=over,
        ),
    )


def _count(limits: Limits, operation: Operation[Any], caller: Caller, now_ms: int) -> Failure | None:
    orders = reckon(operation.orders, caller.parameters)
    if not orders or caller.key is None:
        return None
    in_minute = None if operation.orders_minute is None else reckon(operation.orders_minute, caller.parameters)
    return limits.count_orders(caller.key.account, orders, now_ms, in_minute=in_minute)
