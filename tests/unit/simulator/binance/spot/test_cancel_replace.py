"""cancelReplace: every outcome that is documented, read leg by leg."""

from __future__ import annotations

from typing import Any

import pytest

from ordergate.simulator.binance.operations import Failure
from tests.unit.simulator.binance.spot.desk import SpotDesk, order_fields, weight

TOO_MANY = Failure(code=-1015, msg="Too many new orders; current limit is 1 orders per 10 SECOND.", status=429)
GOOD = order_fields("BUY", "1", "98")
POOR = order_fields("BUY", "900", "98")
MODES = ["STOP_ON_FAILURE", "ALLOW_FAILURE"]


def _replace(desk: SpotDesk, order: int, new: dict[str, Any], mode: str, **more: Any) -> Any:
    return desk.ask("cancelReplace", **new, cancelOrderId=order, cancelReplaceMode=mode, **more)


def _legs(failure: Any) -> tuple[int, int, str, str]:
    assert isinstance(failure, Failure)
    assert isinstance(failure.data, dict)
    assert failure.data.keys() == {"cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"}
    return failure.status, failure.code, failure.data["cancelResult"], failure.data["newOrderResult"]


def _open(desk: SpotDesk) -> list[int]:
    return [row["orderId"] for row in desk.do("openOrders", symbol="BTCUSDT")]


@pytest.mark.parametrize("mode", MODES)
def test_both_succeed(mode: str) -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99", newClientOrderId="old")["orderId"]
    row = _replace(desk, old, {**GOOD, "newClientOrderId": "old"}, mode, cancelNewClientOrderId="bye")
    assert (row["cancelResult"], row["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert (row["cancelResponse"]["clientOrderId"], row["cancelResponse"]["origClientOrderId"]) == ("bye", "old")
    assert (row["newOrderResponse"]["clientOrderId"], row["newOrderResponse"]["fills"]) == ("old", [])
    assert _open(desk) == [row["newOrderResponse"]["orderId"]]


def test_cancel_fails_and_the_new_order_is_not_attempted() -> None:
    desk = SpotDesk()
    failure = _replace(desk, 9, GOOD, "STOP_ON_FAILURE")
    assert _legs(failure) == (400, -2022, "FAILURE", "NOT_ATTEMPTED")
    assert failure.data["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    assert failure.data["newOrderResponse"] is None
    assert _open(desk) == []


@pytest.mark.parametrize("mode", MODES)
def test_cancel_succeeds_and_the_new_order_fails(mode: str) -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99")["orderId"]
    failure = _replace(desk, old, POOR, mode)
    assert _legs(failure) == (409, -2021, "SUCCESS", "FAILURE")
    assert failure.data["cancelResponse"]["status"] == "CANCELED"
    assert failure.data["newOrderResponse"]["code"] == -2010
    assert _open(desk) == []
    rejected = [e.payload for e in desk.events if e.payload.get("x") == "REJECTED"]
    assert [(report["X"], report["r"]) for report in rejected] == [("REJECTED", "INSUFFICIENT_BALANCES")]


def test_cancel_fails_and_the_new_order_stands_beside_the_old_fill() -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99")["orderId"]
    desk.place("SELL", "1", "99", account="other")
    failure = _replace(desk, old, GOOD, "ALLOW_FAILURE")
    assert _legs(failure) == (409, -2021, "FAILURE", "SUCCESS")
    assert _open(desk) == [failure.data["newOrderResponse"]["orderId"]]
    assert desk.status(old) == "FILLED"


def test_both_fail() -> None:
    desk = SpotDesk()
    failure = _replace(desk, 9, POOR, "ALLOW_FAILURE")
    assert _legs(failure) == (400, -2022, "FAILURE", "FAILURE")
    assert failure.data["newOrderResponse"]["code"] == -2010


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("on_limit", [{}, {"orderRateLimitExceededMode": "DO_NOTHING"}])
def test_used_up_count_leaves_everything_as_it_is(mode: str, on_limit: dict[str, str]) -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99")["orderId"]
    assert _replace(desk, old, GOOD, mode, limited=TOO_MANY, **on_limit) is TOO_MANY
    assert _open(desk) == [old]


@pytest.mark.parametrize("mode", MODES)
def test_used_up_count_may_still_cancel(mode: str) -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99")["orderId"]
    failure = _replace(desk, old, GOOD, mode, limited=TOO_MANY, orderRateLimitExceededMode="CANCEL_ONLY")
    assert _legs(failure) == (409, -2021, "SUCCESS", "FAILURE")
    assert failure.data["newOrderResponse"] == {"code": -1015, "msg": TOO_MANY.msg}
    assert _open(desk) == []


@pytest.mark.parametrize(("mode", "status", "new"), [(MODES[0], 429, "NOT_ATTEMPTED"), (MODES[1], 400, "FAILURE")])
def test_used_up_count_and_nothing_to_cancel(mode: str, status: int, new: str) -> None:
    failure = _replace(SpotDesk(), 9, GOOD, mode, limited=TOO_MANY, orderRateLimitExceededMode="CANCEL_ONLY")
    assert _legs(failure) == (status, -2022, "FAILURE", new)


@pytest.mark.parametrize("mode", MODES)
def test_filters_are_looked_at_before_anything_is_canceled(mode: str) -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99")["orderId"]
    failure = _replace(desk, old, order_fields("BUY", "1.0005", "98"), mode)
    assert (failure.code, failure.msg) == (-1013, "Filter failure: LOT_SIZE")
    assert _open(desk) == [old]


def test_money_of_the_old_order_pays_for_the_new_one() -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "100", "99")["orderId"]
    assert _replace(desk, old, order_fields("BUY", "101", "98"), "STOP_ON_FAILURE")["newOrderResult"] == "SUCCESS"


def test_restriction_holds_for_the_cancel() -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99")["orderId"]
    failure = _replace(desk, old, GOOD, "STOP_ON_FAILURE", cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert failure.data["cancelResponse"]["msg"] == "Order was not canceled due to cancel restrictions."


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"cancelReplaceMode": "MAYBE"}, -1130), ({"orderRateLimitExceededMode": "MAYBE"}, -1130)],
)
def test_unknown_mode_is_refused(changes: dict[str, str], code: int) -> None:
    fields = {**GOOD, "cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": 1, **changes}
    assert SpotDesk().refused("cancelReplace", **fields)[0] == code


def test_order_to_cancel_must_be_named() -> None:
    text = "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!"
    assert SpotDesk().refused("cancelReplace", **GOOD, cancelReplaceMode="ALLOW_FAILURE") == (-1102, text)


def test_success_costs_no_weight_and_failure_does() -> None:
    desk = SpotDesk()
    old = desk.place("BUY", "1", "99")["orderId"]
    assert weight("cancelReplace") == 1
    assert weight("cancelReplace", _replace(desk, old, GOOD, "STOP_ON_FAILURE")) == 0
