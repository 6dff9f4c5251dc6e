"""The user events: which are told, in which order, and every field of them."""

from __future__ import annotations

from tests.unit.simulator.binance.futures.floor import Floor

ORDER_FIELDS = set("s c S o f q p ap sp x X i l z L N n T t b a m R wt ot ps cp pP si ss rp V pm gtd er".split())  # noqa: SIM905
ALGO_FIELDS = set("caid aid at o s S ps f q X ai tp p V wt pm cp pP R tt gtd rm ia".split())  # noqa: SIM905


def test_execution_is_told_fast_then_as_account_then_as_order() -> None:
    floor = Floor()
    floor.place("SELL", "1", "100", account="other")
    floor.place("BUY", "1", "100")
    kinds = [event["e"] for event in floor.events()]
    assert kinds == ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]


def test_order_event_has_every_field_of_the_document() -> None:
    floor = Floor()
    floor.hold("2")
    floor.events()
    floor.place("BUY", "2", "101", account="other")
    floor.place("SELL", "2", "101", newClientOrderId="mine", reduceOnly="true")
    told = floor.events("ORDER_TRADE_UPDATE")
    assert all(set(event) == {"e", "E", "T", "o"} and set(event["o"]) == ORDER_FIELDS for event in told)
    placed, traded = (event["o"] for event in told)
    assert (placed["x"], placed["X"], placed["c"], placed["t"], placed["l"]) == ("NEW", "NEW", "mine", 0, "0")
    expected = {
        "s": "BTCUSDT",
        "S": "SELL",
        "o": "LIMIT",
        "f": "GTC",
        "q": "2.000",
        "p": "101.0",
        "ap": "101.00000000",
        "x": "TRADE",
        "X": "FILLED",
        "l": "2.000",
        "z": "2.000",
        "L": "101.0",
        "N": "USDT",
        "n": "0.101",
        "m": False,
        "R": True,
        "ot": "LIMIT",
        "ps": "BOTH",
        "rp": "2",
        "V": "EXPIRE_MAKER",
        "er": "0",
    }
    assert {name: traded[name] for name in expected} == expected
    trade = floor.call("GET v1/userTrades", symbol="BTCUSDT")[-1]
    assert (trade["id"], trade["orderId"]) == (traded["t"], traded["i"])


def test_account_event_shows_wallet_and_position_after_the_trade() -> None:
    floor = Floor()
    floor.hold("2")
    event = floor.events("ACCOUNT_UPDATE")[0]
    assert event["a"]["m"] == "ORDER"
    assert event["a"]["B"] == [{"a": "USDT", "wb": "4999.90000000", "cw": "4999.90000000", "bc": "0"}]
    assert event["a"]["P"] == [
        {
            "s": "BTCUSDT",
            "pa": "2.000",
            "ep": "100",
            "bep": "100.1",
            "cr": "0",
            "up": "0",
            "mt": "cross",
            "iw": "0",
            "ps": "BOTH",
        }
    ]


def test_orders_that_do_not_trade_move_no_account() -> None:
    floor = Floor()
    floor.exchange.cancel(floor.place("BUY", "1", "99"), floor.now_ms)
    assert [event["e"] for event in floor.events()] == ["ORDER_TRADE_UPDATE"] * 2


def test_fast_trade_event_has_its_few_fields() -> None:
    floor = Floor()
    floor.hold("2")
    lite = floor.events("TRADE_LITE")[0]
    assert set(lite) == set("eETsqpmcSLlti")
    assert (lite["q"], lite["p"], lite["L"], lite["l"], lite["m"]) == ("2.000", "0", "100.0", "2.000", False)


def test_maker_is_told_of_its_own_side() -> None:
    floor = Floor()
    floor.hold("1")
    maker = floor.events("ORDER_TRADE_UPDATE", "other")[-1]["o"]
    assert (maker["m"], maker["S"], maker["X"], maker["n"]) == (True, "SELL", "FILLED", "0.02")


def test_conditional_event_has_every_field_and_those_of_the_order_once_there_is_one() -> None:
    floor = Floor()
    floor.place("BUY", "5", "91", account="other")
    floor.algo("SELL", "STOP_MARKET", triggerPrice="95", workingType="MARK_PRICE")
    floor.price("94")
    waiting, *_, finished = (event["o"] for event in floor.events("ALGO_UPDATE"))
    assert set(waiting) == ALGO_FIELDS
    assert set(finished) == ALGO_FIELDS | {"ap", "aq", "act"}
    assert (waiting["X"], waiting["tp"], waiting["q"], waiting["tt"]) == ("NEW", "95.0", "1.000", 0)
    assert (finished["X"], finished["aq"], finished["act"], finished["tt"]) == (
        "FINISHED",
        "1.000",
        "MARKET",
        floor.now_ms,
    )


def test_public_is_told_of_every_execution() -> None:
    floor = Floor()
    floor.hold("1")
    event = floor.public[0]
    assert event.stream == "btcusdt@trade"
    assert (event.payload["p"], event.payload["q"], event.payload["m"]) == ("100.0", "1.000", False)
    assert event.payload["t"] == floor.call("GET v1/userTrades", symbol="BTCUSDT")[0]["id"]


def test_resting_notionals_are_those_of_both_sides() -> None:
    floor = Floor()
    floor.place("BUY", "1", "99")
    floor.place("SELL", "2", "101")
    body = floor.events("ORDER_TRADE_UPDATE")[-1]["o"]
    assert (body["b"], body["a"]) == ("99", "202")
