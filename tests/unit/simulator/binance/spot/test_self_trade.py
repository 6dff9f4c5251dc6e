"""Self-trade prevention, by the scenarios of stp_faq.md."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.simulator.binance.spot.desk import SpotDesk


def _three_bids(desk: SpotDesk) -> list[int]:
    return [
        desk.place("BUY", quantity, price)["orderId"]
        for quantity, price in (("1.2", "102"), ("1.3", "101"), ("8.1", "100"))
    ]


def test_without_prevention_both_sides_trade() -> None:
    desk = SpotDesk()
    maker = desk.place("BUY", "1", "100")["orderId"]
    assert desk.place("SELL", "1", "100")["status"] == "FILLED"
    assert desk.status(maker) == "FILLED"
    assert desk.money("USDT") == (Decimal(10_000), Decimal(0))


def test_makers_expire_and_the_taker_rests() -> None:
    desk = SpotDesk()
    makers = _three_bids(desk)
    row = desk.place("SELL", "3", "100", selfTradePreventionMode="EXPIRE_MAKER")
    assert (row["status"], row["fills"]) == ("NEW", [])
    assert [
        (m["preventedMatchId"], m["makerOrderId"], m["makerPreventedQuantity"]) for m in row["preventedMatches"]
    ] == [
        (0, makers[0], "1.20000000"),
        (1, makers[1], "1.30000000"),
        (2, makers[2], "8.10000000"),
    ]
    first = desk.query(makers[0])
    assert (first["status"], first["preventedMatchId"], first["preventedQuantity"]) == (
        "EXPIRED_IN_MATCH",
        0,
        "1.20000000",
    )
    assert "preventedQuantity" not in row
    assert desk.money("USDT")[1] == 0


def test_taker_expires_and_makers_stay() -> None:
    desk = SpotDesk()
    makers = _three_bids(desk)
    row = desk.place("SELL", "3", "100", selfTradePreventionMode="EXPIRE_TAKER")
    assert (row["status"], row["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "3.00000000")
    assert row["preventedMatches"][0]["takerPreventedQuantity"] == "3.00000000"
    assert [desk.status(each) for each in makers] == ["NEW"] * 3
    report = desk.reports(row["orderId"])[-1]
    assert (report["x"], report["X"], report["A"], report["B"], report["U"]) == (
        "TRADE_PREVENTION",
        "EXPIRED_IN_MATCH",
        "3.00000000",
        "3.00000000",
        makers[0],
    )


def test_both_expire() -> None:
    desk = SpotDesk()
    maker = desk.place("BUY", "1", "100")["orderId"]
    row = desk.place("SELL", "3", "100", selfTradePreventionMode="EXPIRE_BOTH")
    assert (row["status"], desk.status(maker)) == ("EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH")


def test_mode_is_the_takers() -> None:
    desk = SpotDesk()
    maker = desk.place("BUY", "1", "100", selfTradePreventionMode="EXPIRE_MAKER")["orderId"]
    desk.place("SELL", "1", "100", selfTradePreventionMode="EXPIRE_TAKER")
    assert desk.status(maker) == "NEW"


def test_market_order_left_alone_expires_for_lack_of_liquidity() -> None:
    desk = SpotDesk()
    maker = desk.place("BUY", "1", "100")["orderId"]
    row = desk.place("SELL", "1", selfTradePreventionMode="EXPIRE_MAKER")
    assert (row["status"], desk.status(maker)) == ("EXPIRED", "EXPIRED_IN_MATCH")


@pytest.mark.parametrize("mode", ["DECREMENT", "TRANSFER"])
def test_smaller_one_expires_and_the_other_shrinks(mode: str) -> None:
    desk = SpotDesk()
    maker = desk.place("BUY", "6", "100")["orderId"]
    row = desk.place("SELL", "2", "100", selfTradePreventionMode=mode)
    assert (row["status"], row["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "2.00000000")
    left = desk.query(maker)
    assert (left["status"], left["preventedQuantity"], left["origQty"]) == ("NEW", "2.00000000", "6.00000000")
    assert desk.money("USDT")[1] == Decimal(400)
    desk.place("SELL", "9", "100", account="other")
    assert (desk.status(maker), desk.query(maker)["executedQty"]) == ("FILLED", "4.00000000")


def test_fill_or_kill_does_not_count_on_its_own_orders() -> None:
    desk = SpotDesk()
    desk.place("BUY", "1", "100")
    desk.place("BUY", "1", "99", account="other")
    row = desk.place("SELL", "2", "99", timeInForce="FOK", selfTradePreventionMode="EXPIRE_MAKER")
    assert (row["status"], row["executedQty"]) == ("EXPIRED", "0.00000000")


def test_prevented_matches_are_found() -> None:
    desk = SpotDesk()
    makers = _three_bids(desk)
    taker = desk.place("SELL", "3", "100", selfTradePreventionMode="EXPIRE_MAKER")["orderId"]
    rows: list[dict[str, Any]] = desk.do("myPreventedMatches", symbol="BTCUSDT", orderId=taker)
    assert [row["makerOrderId"] for row in rows] == makers
    assert rows[0] == {
        "symbol": "BTCUSDT",
        "preventedMatchId": 0,
        "takerOrderId": taker,
        "makerSymbol": "BTCUSDT",
        "makerOrderId": makers[0],
        "tradeGroupId": -1,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "price": "102.00000000",
        "makerPreventedQuantity": "1.20000000",
        "transactTime": desk.now_ms,
    }
    one = desk.do("myPreventedMatches", symbol="BTCUSDT", preventedMatchId=1)
    assert [row["makerOrderId"] for row in one] == [makers[1]]
    last = desk.do("myPreventedMatches", symbol="BTCUSDT", orderId=taker, fromPreventedMatchId=2)
    assert [row["preventedMatchId"] for row in last] == [2]
    assert desk.refused("myPreventedMatches", symbol="BTCUSDT")[0] == -1102
