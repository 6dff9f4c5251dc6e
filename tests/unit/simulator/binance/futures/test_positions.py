"""Positions, reduce-only, hedge mode, and the account's settings."""

from __future__ import annotations

from typing import Any

import pytest

from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.orders import Status
from tests.unit.simulator.binance.futures.floor import Floor


def _hedged() -> Floor:
    floor = Floor()
    for account in ("main", "other"):
        assert floor.call("POST v1/positionSide/dual", account=account, dualSidePosition="true")["code"] == 200
    return floor


def test_reduce_only_never_turns_the_position() -> None:
    floor = Floor()
    floor.hold("1")
    floor.place("BUY", "5", "100", account="other")
    order = floor.place("SELL", "3", reduceOnly="true")
    assert (order.status, order.executed, order.expiry, floor.lots()) == (Status.EXPIRED, 1000, 4, 0)


def test_reduce_only_on_the_side_of_the_position_is_refused() -> None:
    floor = Floor()
    floor.hold("1")
    assert floor.refused("BUY", "1", "99", reduceOnly="true") == -2022


def test_resting_reduce_only_expires_when_its_position_is_gone() -> None:
    floor = Floor()
    floor.hold("1")
    resting = floor.place("SELL", "1", "105", reduceOnly="true")
    floor.place("BUY", "1", "100", account="other")
    floor.place("SELL", "1", "100")
    assert (resting.status, resting.expiry) == (Status.EXPIRED, 4)
    assert floor.steps()[-1] == ("EXPIRED", "EXPIRED")


def test_reduce_only_may_be_smaller_than_the_least_notional() -> None:
    floor = Floor()
    floor.hold("1")
    assert floor.place("SELL", "0.001", "101", reduceOnly="true").is_open


def test_hedge_mode_keeps_long_and_short_apart() -> None:
    floor = _hedged()
    floor.hold("2", positionSide="LONG")
    floor.place("BUY", "1", "100", account="other", positionSide="LONG")
    floor.place("SELL", "1", positionSide="SHORT")
    assert (floor.lots(side="LONG"), floor.lots(side="SHORT"), floor.lots()) == (2000, -1000, 0)
    rows = floor.call("GET v3/positionRisk", symbol="BTCUSDT")
    assert [(row["positionSide"], row["positionAmt"]) for row in rows] == [("LONG", "2.000"), ("SHORT", "-1.000")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, -4061),
        ({"positionSide": "BOTH"}, -4061),
        ({"positionSide": "LONG", "reduceOnly": "true"}, -1106),
        ({"positionSide": "SHORT"}, -2022),
    ],
)
def test_hedge_mode_wants_a_side_and_no_reduce_only(fields: dict[str, Any], code: int) -> None:
    assert _hedged().refused("BUY", "1", "99", **fields) == code


def test_order_against_its_hedge_closes_no_more_than_is_held() -> None:
    floor = _hedged()
    floor.hold("1", positionSide="LONG")
    floor.place("BUY", "5", "100", account="other", positionSide="LONG")
    assert floor.place("SELL", "4", positionSide="LONG").executed == 1000
    assert floor.lots(side="LONG") == 0


def test_position_mode_changes_only_when_nothing_is_open() -> None:
    floor = Floor()
    assert floor.call("GET v1/positionSide/dual") == {"dualSidePosition": False}
    assert floor.call("POST v1/positionSide/dual", dualSidePosition="false").code == -4059
    order = floor.place("BUY", "1", "99")
    assert floor.call("POST v1/positionSide/dual", dualSidePosition="true").code == -4067
    floor.exchange.cancel(order, floor.now_ms)
    floor.hold("1")
    assert floor.call("POST v1/positionSide/dual", dualSidePosition="true").code == -4068
    assert floor.call("POST v1/positionSide/dual", dualSidePosition="perhaps").code == -1130


def test_leverage_decides_margin_and_is_told() -> None:
    floor = Floor()
    assert floor.refused("BUY", "600", "99") == -2019
    answer = floor.call("POST v1/leverage", symbol="BTCUSDT", leverage="50")
    assert (answer["leverage"], answer["symbol"]) == (50, "BTCUSDT")
    assert floor.place("BUY", "600", "99").is_open
    assert floor.events("ACCOUNT_CONFIG_UPDATE")[0]["ac"] == {"s": "BTCUSDT", "l": 50}
    assert floor.call("POST v1/leverage", symbol="BTCUSDT", leverage="5").code == -2028
    assert floor.exchange.accounts["main"].leverage_in("BTCUSDT") == 50
    assert floor.call("POST v1/leverage", symbol="BTCUSDT", leverage="126").code == -4028


def test_leverage_that_stays_is_no_event() -> None:
    floor = Floor()
    assert floor.call("POST v1/leverage", symbol="BTCUSDT", leverage="10")["leverage"] == 10
    assert floor.told == []


def test_margin_type_changes_only_when_nothing_is_open() -> None:
    floor = Floor()
    order = floor.place("BUY", "1", "99")
    assert floor.call("POST v1/marginType", symbol="BTCUSDT", marginType="CROSSED").code == -4046
    assert floor.call("POST v1/marginType", symbol="BTCUSDT", marginType="ISOLATED").code == -4047
    floor.exchange.cancel(order, floor.now_ms)
    assert floor.call("POST v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")["code"] == 200
    assert floor.events("ACCOUNT_UPDATE")[0]["a"]["m"] == "MARGIN_TYPE_CHANGE"
    floor.hold("1")
    assert floor.call("POST v1/marginType", symbol="BTCUSDT", marginType="CROSSED").code == -4048
    assert floor.call("POST v1/marginType", symbol="BTCUSDT", marginType="MIXED").code == -1130
    row = floor.call("GET v3/positionRisk")[0]
    assert row["isolatedWallet"] == "10"
    assert floor.call("GET v1/symbolConfig", symbol="BTCUSDT")[0]["marginType"] == "ISOLATED"


def test_multi_assets_mode_is_kept_and_told() -> None:
    floor = Floor()
    assert floor.call("POST v1/multiAssetsMargin", multiAssetsMargin="true") == {"code": 200, "msg": "success"}
    assert floor.call("GET v1/multiAssetsMargin") == {"multiAssetsMargin": True}
    assert floor.events("ACCOUNT_CONFIG_UPDATE")[0]["ai"] == {"j": True}
    assert isinstance(floor.call("POST v1/multiAssetsMargin", multiAssetsMargin="true"), Failure)


def test_profit_and_fees_move_the_wallet_and_are_listed() -> None:
    floor = Floor()
    floor.hold("2")
    floor.place("BUY", "2", "103", account="other")
    floor.place("SELL", "2")
    trades = floor.call("GET v1/userTrades", symbol="BTCUSDT")
    assert [(row["realizedPnl"], row["commission"]) for row in trades] == [("0", "0.1"), ("6", "0.103")]
    assert floor.call("GET v3/balance")[0]["balance"] == "5005.79700000"
    income = floor.call("GET v1/income")
    assert [(row["incomeType"], row["income"]) for row in income] == [
        ("COMMISSION", "-0.10000000"),
        ("REALIZED_PNL", "6.00000000"),
        ("COMMISSION", "-0.10300000"),
    ]
