"""The seams between the front and the dialects' engines."""

from __future__ import annotations

from typing import Any

from ordergate.simulator.binance.operations import Call, Failure, Operation, Security, free, reckon


def nothing(engine: Any, call: Call) -> object:
    return {} if engine is None else call


def depth_weight(parameters: Any) -> int:
    return 5 if int(parameters.get("limit", "100")) <= 100 else 25


def test_operation_costs_one_and_counts_no_order_unless_it_says_so() -> None:
    ping: Operation[Any] = Operation(name="ping", method="GET", path="/api/v3/ping", answer=nothing)
    assert (reckon(ping.weight, {}), reckon(ping.orders, {}), ping.security, ping.weight_done) == (
        1,
        0,
        Security.NONE,
        None,
    )


def test_weight_may_depend_on_the_parameters() -> None:
    depth: Operation[Any] = Operation(
        name="depth",
        method="GET",
        path="/api/v3/depth",
        answer=nothing,
        weight=depth_weight,
        required=("symbol",),
        optional=("limit",),
    )
    assert [reckon(depth.weight, {"limit": limit}) for limit in ("5", "100", "500")] == [5, 5, 25]


def test_success_of_an_order_is_free_while_its_count_stays() -> None:
    place: Operation[Any] = Operation(
        name="place",
        method="POST",
        path="/api/v3/order",
        answer=nothing,
        weight=1,
        weight_done=free,
        orders=1,
    )
    assert place.weight_done is not None
    assert (place.weight, place.weight_done({"orderId": 1}), place.orders) == (1, 0, 1)


def test_failure_is_the_callers_fault_unless_it_says_otherwise() -> None:
    call = Call(account=None, parameters={}, now_ms=1)
    assert call.connection is None
    assert Failure(code=-1121, msg="Invalid symbol.").status == 400
