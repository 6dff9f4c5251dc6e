"""Parameters that are malformed, missing or too much are refused by the codes of errors.md before anything happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator.binance.spot.desk import SpotDesk, order_fields

LIMIT = order_fields("BUY", "1", "99")
MARKET = order_fields("BUY", "1")
STOP = order_fields("SELL", "1", type="STOP_LOSS", stopPrice="90")


def _missing(name: str) -> tuple[int, str]:
    return -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def _unwanted(name: str) -> tuple[int, str]:
    return -1106, f"Parameter '{name}' sent when not required."


@pytest.mark.parametrize(
    ("order", "changes", "refusal"),
    [
        (LIMIT, {"symbol": "NOPE"}, (-1121, "Invalid symbol.")),
        (LIMIT, {"side": "HOLD"}, (-1117, "Invalid side.")),
        (LIMIT, {"type": "GUESS"}, (-1116, "Invalid orderType.")),
        (LIMIT, {"timeInForce": "GTX"}, (-1115, "Invalid timeInForce.")),
        (LIMIT, {"timeInForce": None}, _missing("timeInForce")),
        (LIMIT, {"price": None}, _missing("price")),
        (LIMIT, {"quantity": None}, _missing("quantity")),
        (LIMIT, {"quoteOrderQty": "5"}, _unwanted("quoteOrderQty")),
        (LIMIT, {"stopPrice": "5"}, _unwanted("stopPrice")),
        (LIMIT, {"trailingDelta": "50"}, _unwanted("trailingDelta")),
        (MARKET, {"timeInForce": "GTC"}, _unwanted("timeInForce")),
        (MARKET, {"price": "99"}, _unwanted("price")),
        (MARKET, {"icebergQty": "0.5"}, _unwanted("icebergQty")),
        (
            MARKET,
            {"quantity": None},
            (-1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"),
        ),
        (MARKET, {"quoteOrderQty": "50"}, (-1128, "Combination of optional parameters invalid.")),
        (
            STOP,
            {"stopPrice": None},
            (-1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"),
        ),
        (STOP, {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC"}, _missing("price")),
        (LIMIT, {"type": "LIMIT_MAKER"}, _unwanted("timeInForce")),
        (LIMIT, {"timeInForce": "IOC", "icebergQty": "0.5"}, (-1014, "Unsupported order combination.")),
        (LIMIT, {"quantity": "0"}, (-1013, "Invalid quantity.")),
        (LIMIT, {"price": "0.0"}, (-1013, "Invalid price.")),
        (LIMIT, {"price": "1e2"}, (-1100, None)),
        (LIMIT, {"quantity": "-1"}, (-1100, None)),
        (LIMIT, {"quantity": "NaN"}, (-1100, None)),
        (LIMIT, {"quantity": "1.123456789"}, (-1111, "Parameter 'quantity' has too much precision.")),
        (LIMIT, {"newClientOrderId": "a b"}, (-1100, None)),
        (LIMIT, {"newClientOrderId": "x" * 37}, (-1100, None)),
        (LIMIT, {"strategyType": "999999"}, (-1134, "`strategyType` was less than 1000000.")),
        (LIMIT, {"strategyId": "9" * 20}, (-1108, "Parameter 'strategyId' overflowed.")),
        (
            LIMIT,
            {"newOrderRespType": "LONG"},
            (-1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        ),
        (
            LIMIT,
            {"selfTradePreventionMode": "MAYBE"},
            (-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
        ),
        (LIMIT, {"pegPriceType": "PRIMARY_PEG"}, (-2010, "Pegged orders are not supported for this symbol.")),
    ],
)
def test_order_is_refused(order: dict[str, Any], changes: dict[str, Any], refusal: tuple[int, str | None]) -> None:
    desk = SpotDesk()
    sent = {name: value for name, value in {**order, **changes}.items() if value is not None}
    code, text = desk.refused("order", **sent)
    assert (code, text) == refusal or (refusal[1] is None and code == refusal[0])
    assert desk.do("openOrders") == []
    assert desk.events == []


def test_zeros_behind_the_eighth_decimal_are_no_precision() -> None:
    assert SpotDesk().place("BUY", "1.0000000000", "99.000000000")["status"] == "NEW"


def test_strategy_is_shown_where_it_was_sent() -> None:
    desk = SpotDesk()
    row = desk.place("BUY", "1", "99", strategyId="7", strategyType="1000000")
    assert (row["strategyId"], row["strategyType"]) == (7, 1_000_000)
    assert desk.reports(row["orderId"])[0]["j"] == 7
    assert "strategyId" not in desk.place("BUY", "1", "99")


@pytest.mark.parametrize(
    ("name", "parameters", "refusal"),
    [
        (
            "queryOrder",
            {"symbol": "BTCUSDT"},
            (-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"),
        ),
        ("queryOrder", {"symbol": "NOPE", "orderId": 1}, (-1121, "Invalid symbol.")),
        ("queryOrder", {"symbol": "BTCUSDT", "orderId": 1}, (-2013, "Order does not exist.")),
        ("queryOrder", {"symbol": "BTCUSDT", "orderId": "one"}, (-1100, None)),
        ("cancel", {"symbol": "BTCUSDT", "orderId": 1}, (-2011, "Unknown order sent.")),
        (
            "cancel",
            {"symbol": "BTCUSDT", "orderId": 1, "cancelRestrictions": "ANY"},
            (-1145, "Invalid cancelRestrictions"),
        ),
        ("cancelAll", {"symbol": "BTCUSDT"}, (-2011, "Unknown order sent.")),
        ("amend", {"symbol": "BTCUSDT", "orderId": 1, "newQty": "1"}, (-2038, "Unknown order sent.")),
        ("cancelList", {"symbol": "BTCUSDT", "orderListId": 0}, (-2011, "Unknown order sent.")),
        ("orderList", {"orderListId": 0}, (-2018, "Order list does not exist.")),
        (
            "myTrades",
            {"symbol": "BTCUSDT", "startTime": 0, "endTime": 86_400_001},
            (-1127, "More than 24 hours between startTime and endTime."),
        ),
        (
            "myTrades",
            {"symbol": "BTCUSDT", "startTime": 0, "fromId": 1},
            (-1128, "Combination of optional parameters invalid."),
        ),
        ("opo", {"symbol": "BTCUSDT"}, (-2010, "OPO orders are not supported for this symbol.")),
    ],
)
def test_other_calls_are_refused(name: str, parameters: dict[str, Any], refusal: tuple[int, str | None]) -> None:
    code, text = SpotDesk().refused(name, **parameters)
    assert (code, text) == refusal or (refusal[1] is None and code == refusal[0])
