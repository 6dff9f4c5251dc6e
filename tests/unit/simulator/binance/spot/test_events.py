"""User events as user-data-stream.md spells them, in the order in which things happen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.unit.simulator.binance.spot.desk import NOW, SpotDesk

# Every key that the document shows as always there, and `W` once the order works.
ALWAYS = set("eEscSofqpPFgCxXrilzLnNTtIwmMOZYQV")


def _kinds(desk: SpotDesk, account: str = "main") -> list[str]:
    return [event.kind for event in desk.events if event.account == account]


def test_report_of_a_new_order_has_all_fields() -> None:
    desk = SpotDesk()
    desk.place("BUY", "1", "99", newClientOrderId="mine")
    assert desk.events[0].payload == {
        "e": "executionReport",
        "E": NOW,
        "s": "BTCUSDT",
        "c": "mine",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "1.00000000",
        "p": "99.00000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 1,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": NOW,
        "t": -1,
        "I": 1,
        "w": True,
        "m": False,
        "M": False,
        "O": NOW,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
        "W": NOW,
        "V": "NONE",
    }
    assert desk.events[1].payload == {
        "e": "outboundAccountPosition",
        "E": NOW,
        "u": NOW,
        "B": [
            {"a": "BTC", "f": "100.00000000", "l": "0.00000000"},
            {"a": "USDT", "f": "9901.00000000", "l": "99.00000000"},
        ],
    }


def test_report_of_a_trade_says_what_it_was() -> None:
    desk = SpotDesk(fees={"maker": "0.001", "taker": "0.002"})
    maker = desk.place("SELL", "2", "100", account="other")["orderId"]
    taker = desk.place("BUY", "3", "101")["orderId"]
    report = desk.reports(taker)[-1]
    wanted = {
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "l": "2.00000000",
        "L": "100.00000000",
        "z": "2.00000000",
        "Z": "200.00000000",
        "Y": "200.00000000",
        "n": "0.00400000",
        "N": "BTC",
        "t": 1,
        "m": False,
        "w": True,
    }
    assert {key: report[key] for key in wanted} == wanted
    other = desk.reports(maker)[-1]
    assert (other["m"], other["w"], other["n"], other["N"], other["t"]) == (True, False, "0.20000000", "USDT", 1)
    assert other["I"] != report["I"]


def test_every_report_has_the_documented_fields() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    desk.place("BUY", "2", "100", timeInForce="IOC")
    desk.place("SELL", "1", "99", type="STOP_LOSS_LIMIT", stopPrice="90", trailingDelta="100")
    desk.cancel(desk.place("BUY", "1", "80")["orderId"])
    for event in desk.events:
        if event.kind == "executionReport":
            assert event.payload.keys() >= ALWAYS
    expired = [e.payload for e in desk.events if e.payload.get("x") == "EXPIRED"]
    assert [report["eR"] for report in expired] == ["UNFILLED_IOC_QUANTITY_EXPIRED"]
    trailing = [e.payload for e in desk.events if "d" in e.payload]
    assert [(report["d"], "D" in report, "W" in report) for report in trailing if report["x"] == "NEW"] == [
        (100, False, False)
    ]


def test_market_order_is_on_the_book_for_no_longer_than_its_first_report() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    taker = desk.place("BUY", "2")["orderId"]
    assert [report["w"] for report in desk.reports(taker)] == [True, False, False]


def test_balances_follow_each_change_and_nothing_else() -> None:
    desk = SpotDesk()
    desk.place("BUY", "1", "99")
    desk.place("SELL", "1", type="STOP_LOSS", stopPrice="90")
    assert _kinds(desk) == ["executionReport", "outboundAccountPosition"] * 2
    desk.place("BUY", "1", type="STOP_LOSS", stopPrice="110")
    assert _kinds(desk)[4:] == ["executionReport"]
    assert _kinds(desk, "other") == []


def test_deposit_is_told_as_a_change_and_as_a_balance() -> None:
    desk = SpotDesk()
    desk.exchange.deposit(desk.exchange.accounts["main"], "USDT", Decimal(5), NOW)
    assert [event.payload for event in desk.events] == [
        {"e": "balanceUpdate", "E": NOW, "a": "USDT", "d": "5.00000000", "T": NOW},
        {
            "e": "outboundAccountPosition",
            "E": NOW,
            "u": NOW,
            "B": [{"a": "USDT", "f": "10005.00000000", "l": "0.00000000"}],
        },
    ]


def test_execution_is_printed_once_for_everybody() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    desk.place("BUY", "1", "100")
    assert [(event.stream, event.payload) for event in desk.prints] == [
        (
            "btcusdt@trade",
            {
                "e": "trade",
                "E": NOW,
                "s": "BTCUSDT",
                "t": 1,
                "p": "100.00000000",
                "q": "1.00000000",
                "T": NOW,
                "m": False,
                "M": True,
            },
        )
    ]


def test_list_status_names_its_orders() -> None:
    desk = SpotDesk()
    pair: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "110",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "95",
        "listClientOrderId": "pair",
        "aboveClientOrderId": "gain",
        "belowClientOrderId": "stop",
    }
    desk.do("oco", **pair)
    listed = [event.payload for event in desk.events if event.kind == "listStatus"]
    assert listed == [
        {
            "e": "listStatus",
            "E": NOW,
            "s": "BTCUSDT",
            "g": 0,
            "c": "OCO",
            "l": "EXEC_STARTED",
            "L": "EXECUTING",
            "r": "NONE",
            "C": "pair",
            "T": NOW,
            "O": [{"s": "BTCUSDT", "i": 1, "c": "stop"}, {"s": "BTCUSDT", "i": 2, "c": "gain"}],
        }
    ]
    assert [event.payload["g"] for event in desk.events if event.kind == "executionReport"] == [0, 0]
