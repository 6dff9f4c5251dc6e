"""Every order type and time in force does what Spot's documents say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.simulator.binance.spot.desk import NOW, SpotDesk

INSUFFICIENT = (-2010, "Account has insufficient balance for requested action.")


def test_limit_order_rests_and_holds_its_money() -> None:
    desk = SpotDesk()
    row = desk.place("BUY", "1", "99", newClientOrderId="mine")
    assert row == {
        "symbol": "BTCUSDT",
        "orderId": 1,
        "orderListId": -1,
        "clientOrderId": "mine",
        "transactTime": NOW,
        "price": "99.00000000",
        "origQty": "1.00000000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": NOW,
        "selfTradePreventionMode": "NONE",
        "fills": [],
    }
    assert desk.money("USDT") == (Decimal(9901), Decimal(99))
    assert desk.told(1) == [("NEW", "NEW")]


def test_answer_is_as_long_as_was_asked_and_ack_for_all_but_limit_and_market() -> None:
    desk = SpotDesk()
    short = {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert desk.place("BUY", "1", "99", newOrderRespType="ACK").keys() == short
    assert "status" in desk.place("BUY", "1", "99", newOrderRespType="RESULT")
    assert "fills" not in desk.place("BUY", "1", "99", newOrderRespType="RESULT")
    assert "fills" in desk.place("BUY", "1", "99", newOrderRespType=None)
    assert desk.place("BUY", "1", "99", type="LIMIT_MAKER", timeInForce=None, newOrderRespType=None).keys() == short


def test_market_order_shows_its_fills_and_pays_in_what_it_receives() -> None:
    desk = SpotDesk(fees={"maker": "0.001", "taker": "0.002"})
    desk.place("SELL", "1", "100", account="other")
    desk.place("SELL", "1", "100.5", account="other")
    row = desk.place("BUY", "1.5")
    assert [(fill["price"], fill["qty"], fill["commission"], fill["commissionAsset"]) for fill in row["fills"]] == [
        ("100.00000000", "1.00000000", "0.00200000", "BTC"),
        ("100.50000000", "0.50000000", "0.00100000", "BTC"),
    ]
    assert (row["status"], row["cummulativeQuoteQty"], row["price"]) == ("FILLED", "150.25000000", "0.00000000")
    assert desk.money("BTC") == (Decimal("101.497"), Decimal(0))
    assert desk.money("USDT", account="other")[0] == Decimal("10150.25") - Decimal("0.15025")


def test_both_sides_of_an_execution_have_one_trade_id() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    taken = desk.place("BUY", "1", "100")["fills"][0]["tradeId"]
    made = desk.do("myTrades", account="other", symbol="BTCUSDT")
    assert [(row["id"], row["isMaker"], row["isBuyer"]) for row in made] == [(taken, True, False)]


def test_market_order_by_quote_quantity_spends_no_more_and_keeps_to_the_step() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    desk.place("SELL", "9", "101", account="other")
    row = desk.do("order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="150")
    assert (row["origQty"], row["executedQty"], row["status"]) == ("1.49500000", "1.49500000", "FILLED")
    assert row["origQuoteOrderQty"] == "150.00000000"
    assert Decimal(row["cummulativeQuoteQty"]) == Decimal("149.995")


def test_quote_quantity_finds_an_empty_book() -> None:
    code, text = SpotDesk().refused("order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="150")
    assert (code, text) == (-2010, "Order book liquidity is less than symbol minimum quantity.")


def test_market_order_that_the_book_cannot_fill_expires_with_what_it_got() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    row = desk.place("BUY", "3")
    assert (row["status"], row["executedQty"], row["expiryReason"]) == (
        "EXPIRED",
        "1.00000000",
        "INSUFFICIENT_LIQUIDITY",
    )
    assert desk.told(row["orderId"]) == [("NEW", "NEW"), ("TRADE", "PARTIALLY_FILLED"), ("EXPIRED", "EXPIRED")]
    assert desk.money("USDT") == (Decimal(9900), Decimal(0))


@pytest.mark.parametrize(
    ("time_in_force", "status", "executed"),
    [("IOC", "EXPIRED", "1.00000000"), ("FOK", "EXPIRED", "0.00000000"), ("GTC", "PARTIALLY_FILLED", "1.00000000")],
)
def test_time_in_force_decides_on_what_cannot_trade_at_once(time_in_force: str, status: str, executed: str) -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    row = desk.place("BUY", "2", "100", timeInForce=time_in_force)
    assert (row["status"], row["executedQty"]) == (status, executed)


def test_fill_or_kill_fills_over_several_levels() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    desk.place("SELL", "1", "100.1", account="other")
    assert desk.place("BUY", "2", "100.1", timeInForce="FOK")["status"] == "FILLED"


def test_post_only_order_never_takes() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "100", account="other")
    maker = {"type": "LIMIT_MAKER", "timeInForce": None}
    assert desk.refused_order("BUY", "1", "100", **maker) == (-2010, "Order would immediately match and take.")
    assert desk.place("BUY", "1", "99.9", **maker)["status"] == "NEW"


def test_money_must_suffice_for_all_of_the_order() -> None:
    desk = SpotDesk()
    assert desk.refused_order("BUY", "101", "100") == INSUFFICIENT
    assert desk.refused_order("SELL", "101", "100") == INSUFFICIENT
    desk.place("BUY", "60", "100")
    assert desk.refused_order("BUY", "41", "100") == INSUFFICIENT
    desk.place("SELL", "100", "140", account="other")
    assert desk.refused_order("BUY", "80") == INSUFFICIENT


def test_better_price_gives_the_difference_back() -> None:
    desk = SpotDesk()
    desk.place("SELL", "1", "99", account="other")
    desk.place("BUY", "2", "100")
    assert desk.money("USDT") == (Decimal(10_000 - 99 - 100), Decimal(100))


def test_oldest_at_the_best_price_trades_first() -> None:
    desk = SpotDesk()
    late = [desk.place("SELL", "1", price, account="other")["orderId"] for price in ("101", "100", "100")]
    desk.place("BUY", "1.5", "101")
    assert [desk.query(each, account="other")["executedQty"] for each in late] == [
        "0.00000000",
        "1.00000000",
        "0.50000000",
    ]


def test_iceberg_shows_one_slice_and_queues_anew_with_each() -> None:
    desk = SpotDesk()
    iceberg = desk.place("SELL", "3", "100", account="other", icebergQty="1")["orderId"]
    plain = desk.place("SELL", "1", "100", account="other")["orderId"]
    desk.place("BUY", "1", "100")
    assert desk.query(iceberg, account="other")["executedQty"] == "1.00000000"
    desk.place("BUY", "1", "100")
    assert (desk.status(plain, account="other"), desk.query(iceberg, account="other")["executedQty"]) == (
        "FILLED",
        "1.00000000",
    )
    desk.place("BUY", "2", "100")
    assert desk.status(iceberg, account="other") == "FILLED"


@pytest.mark.parametrize(
    ("kind", "side", "stop", "reached"),
    [
        ("STOP_LOSS", "BUY", "105", "105"),
        ("STOP_LOSS", "SELL", "95", "95"),
        ("TAKE_PROFIT", "SELL", "105", "106"),
        ("TAKE_PROFIT", "BUY", "95", "94"),
    ],
)
def test_trigger_fires_when_the_last_price_is_there(kind: str, side: str, stop: str, reached: str) -> None:
    desk = SpotDesk()
    waiting = desk.place(side, "1", type=kind, stopPrice=stop)
    assert (waiting["status"], waiting["workingTime"], waiting["stopPrice"]) == ("NEW", -1, f"{stop}.00000000")
    desk.trade_at("100")
    assert desk.query(waiting["orderId"])["isWorking"] is False
    opposite = "SELL" if side == "BUY" else "BUY"
    desk.place(opposite, "2", "110" if opposite == "SELL" else "90", account="other")
    desk.trade_at(reached)
    assert desk.status(waiting["orderId"]) == "FILLED"
    assert desk.told(waiting["orderId"]) == [("NEW", "NEW"), ("NEW", "NEW"), ("TRADE", "FILLED")]


@pytest.mark.parametrize(
    ("kind", "side", "stop"),
    [
        ("STOP_LOSS", "BUY", "99"),
        ("STOP_LOSS", "SELL", "101"),
        ("TAKE_PROFIT", "SELL", "100"),
        ("TAKE_PROFIT", "BUY", "100"),
    ],
)
def test_stop_on_the_wrong_side_is_refused(kind: str, side: str, stop: str) -> None:
    assert SpotDesk().refused_order(side, "1", type=kind, stopPrice=stop) == (
        -2010,
        "Order would trigger immediately.",
    )


def test_stop_limit_rests_after_its_trigger_and_holds_its_money_before() -> None:
    desk = SpotDesk()
    stop = desk.place("BUY", "1", "104", type="STOP_LOSS_LIMIT", stopPrice="105")["orderId"]
    assert desk.money("USDT")[1] == Decimal(104)
    desk.trade_at("105")
    row = desk.query(stop)
    assert (row["status"], row["isWorking"], desk.money("USDT")[1]) == ("NEW", True, Decimal(104))
    desk.place("SELL", "1", "104", account="other")
    assert desk.status(stop) == "FILLED"


def test_stop_without_a_price_that_has_become_too_dear_expires() -> None:
    desk = SpotDesk()
    stop = desk.place("BUY", "90", type="STOP_LOSS", stopPrice="105")["orderId"]
    desk.place("BUY", "99", "99")
    desk.place("SELL", "95", "106", account="other")
    desk.trade_at("105")
    row = desk.query(stop)
    assert (row["status"], row["expiryReason"]) == ("EXPIRED", "REJECTED")


def test_trailing_stop_follows_the_price_and_fires_on_the_turn() -> None:
    """trailing-stop-faq.md, scenario E: from the best price it needs the delta, not from the first."""
    desk = SpotDesk()
    trailing = desk.place("SELL", "1", type="STOP_LOSS", trailingDelta="700")
    assert (trailing["trailingDelta"], trailing["trailingTime"]) == (700, NOW)
    for price in ("105", "98.8", "113.7"):
        desk.trade_at(price)
        assert desk.status(trailing["orderId"]) == "NEW"
    desk.place("BUY", "1", "60", account="other")
    desk.trade_at("105.7")
    assert desk.status(trailing["orderId"]) == "FILLED"


def test_trailing_stop_with_a_stop_price_follows_only_from_there() -> None:
    """trailing-stop-faq.md, scenario A."""
    desk = SpotDesk()
    trailing = desk.place("BUY", "1", "130", type="STOP_LOSS_LIMIT", stopPrice="110", trailingDelta="500")["orderId"]
    for price in ("92.5", "112.5", "115", "105"):
        desk.trade_at(price)
        assert desk.status(trailing) == "NEW"
    assert desk.reports(trailing)[-1].get("D") is None
    desk.place("SELL", "1", "130", account="other")
    desk.trade_at("110.3")
    assert desk.query(trailing)["isWorking"] is True
    assert desk.status(trailing) == "FILLED"


def test_order_test_checks_all_but_the_engine_and_places_nothing() -> None:
    desk = SpotDesk()
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100"}
    assert desk.do("order/test", **order, quantity="1") == {}
    assert (
        desk.do("order/test", **order, quantity="1", computeCommissionRates="true")["discount"]["discountAsset"]
        == "BNB"
    )
    assert desk.refused("order/test", **order, quantity="0.0001") == (-1013, "Filter failure: LOT_SIZE")
    assert desk.do("order/test", **order, quantity="900") == {}
    assert desk.do("openOrders") == []
    assert desk.events == []


def test_halted_symbol_takes_no_order_but_cancels() -> None:
    desk = SpotDesk()
    order = desk.place("BUY", "1", "99")["orderId"]
    desk.exchange.markets["BTCUSDT"].halted = True
    assert desk.refused_order("BUY", "1", "99") == (-2010, "Market is closed.")
    assert desk.cancel(order)["status"] == "CANCELED"


def test_set_price_trades_what_rests_on_the_way() -> None:
    desk = SpotDesk()
    bought = desk.place("BUY", "1", "90")["orderId"]
    kept = desk.place("BUY", "1", "80")["orderId"]
    assert desk.exchange.set_price("BTCUSDT", Decimal(85), desk.now_ms)
    assert (desk.status(bought), desk.status(kept)) == ("FILLED", "NEW")
    assert not desk.exchange.set_price("NOPE", Decimal(85), desk.now_ms)


def test_fill_trades_exactly_this_order_whatever_is_before_it() -> None:
    desk = SpotDesk()
    first = desk.place("BUY", "1", "99")["orderId"]
    second = desk.place("BUY", "3", "98", icebergQty="1")["orderId"]
    assert desk.exchange.fill(second, desk.now_ms)
    assert (desk.status(first), desk.status(second)) == ("NEW", "FILLED")
    assert not desk.exchange.fill(second, desk.now_ms)


def test_crowd_fills_a_resting_order_in_parts() -> None:
    flow = {"takerRate": 0.9, "takerNotionalMin": "10", "takerNotionalMax": "400", "levelNotional": "500"}
    row = {"symbol": "BTCUSDT", "price": "20000", "tickSize": "0.1", "stepSize": "0.00001", "minQuantity": "0.00001"}
    desk = SpotDesk(symbols=[row], flow=flow, accounts=[{"account": "main"}])
    desk.exchange.advance(NOW)
    best = desk.exchange.markets["BTCUSDT"].book.bids.best_price()
    assert best is not None
    order = desk.place("BUY", "0.05", str(Decimal(best + 5) / 10))["orderId"]
    for _ in range(300):
        desk.now_ms += 100
        desk.exchange.advance(desk.now_ms)
        if desk.status(order) == "FILLED":
            break
    assert desk.status(order) == "FILLED"
    trades = desk.do("myTrades", symbol="BTCUSDT", orderId=order)
    assert len(trades) >= 2
    assert all(trade["isMaker"] for trade in trades)
