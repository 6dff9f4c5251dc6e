"""Reads: pages and combinations as documented, and the sight that a fault gives a read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ordergate.simulator.sight import Sight
from tests.unit.simulator.binance.spot.desk import NOW, SpotDesk, weight

HOUR = 3_600_000


def _traded(desk: SpotDesk, times: int = 5) -> list[int]:
    """One trade an hour; their ids."""
    ids = []
    for _ in range(times):
        desk.place("SELL", "1", "100", account="other")
        ids.append(desk.place("BUY", "1", "100")["fills"][0]["tradeId"])
        desk.now_ms += HOUR
    return ids


def _ids(desk: SpotDesk, **parameters: Any) -> list[int]:
    return [row["id"] for row in desk.do("myTrades", symbol="BTCUSDT", **parameters)]


def test_trade_row_is_spelled_as_documented() -> None:
    desk = SpotDesk(fees={"maker": "0.001", "taker": "0.002"})
    desk.place("SELL", "2", "100", account="other")
    order = desk.place("BUY", "2", "101")["orderId"]
    assert desk.do("myTrades", symbol="BTCUSDT") == [
        {
            "symbol": "BTCUSDT",
            "id": 1,
            "orderId": order,
            "orderListId": -1,
            "price": "100.00000000",
            "qty": "2.00000000",
            "quoteQty": "200.00000000",
            "commission": "0.00400000",
            "commissionAsset": "BTC",
            "time": NOW,
            "isBuyer": True,
            "isMaker": False,
            "isBestMatch": True,
        }
    ]


def test_trades_come_in_every_documented_combination() -> None:
    desk = SpotDesk()
    ids = _traded(desk)
    order = desk.do("myTrades", symbol="BTCUSDT")[2]["orderId"]
    assert _ids(desk) == ids
    assert _ids(desk, limit=2) == ids[-2:]
    assert _ids(desk, fromId=ids[1], limit=2) == ids[1:3]
    assert _ids(desk, orderId=order) == [ids[2]]
    assert _ids(desk, orderId=order, fromId=ids[3]) == []
    assert _ids(desk, startTime=NOW + HOUR, limit=2) == ids[1:3]
    assert _ids(desk, endTime=NOW + HOUR) == ids[:2]
    assert _ids(desk, startTime=NOW + HOUR, endTime=NOW + 2 * HOUR) == ids[1:3]


def test_trades_with_an_order_cost_less() -> None:
    assert (weight("myTrades", symbol="X"), weight("myTrades", symbol="X", orderId="1")) == (20, 5)
    assert (weight("openOrders", symbol="X"), weight("openOrders")) == (6, 80)
    assert (weight("order/test"), weight("order/test", computeCommissionRates="true")) == (1, 20)
    assert (weight("myPreventedMatches", preventedMatchId="1"), weight("myPreventedMatches", orderId="1")) == (2, 20)


def test_order_row_has_every_field_of_a_query() -> None:
    desk = SpotDesk()
    order = desk.place("BUY", "2", "99", newClientOrderId="mine", icebergQty="1")["orderId"]
    assert desk.query(order) == {
        "symbol": "BTCUSDT",
        "orderId": order,
        "orderListId": -1,
        "clientOrderId": "mine",
        "price": "99.00000000",
        "origQty": "2.00000000",
        "executedQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "stopPrice": "0.00000000",
        "icebergQty": "1.00000000",
        "time": NOW,
        "updateTime": NOW,
        "isWorking": True,
        "workingTime": NOW,
        "origQuoteOrderQty": "0.00000000",
        "selfTradePreventionMode": "NONE",
    }


def test_orders_are_listed_from_an_id_on_or_the_latest() -> None:
    desk = SpotDesk()
    ids = [desk.place("BUY", "1", "90")["orderId"] for _ in range(4)]
    desk.cancel(ids[1])

    def listed(**parameters: Any) -> list[int]:
        return [row["orderId"] for row in desk.do("allOrders", symbol="BTCUSDT", **parameters)]

    assert listed() == ids
    assert listed(limit=2) == ids[-2:]
    assert listed(orderId=ids[1], limit=2) == ids[1:3]
    assert listed(startTime=NOW + 1) == []
    assert [row["orderId"] for row in desk.do("openOrders", symbol="BTCUSDT")] == [ids[0], ids[2], ids[3]]
    assert desk.do("openOrders") == desk.do("openOrders", symbol="BTCUSDT")


def test_account_shows_balances_rates_and_leaves_out_zeros_when_asked() -> None:
    desk = SpotDesk(
        fees={"maker": "0.001", "taker": "0.0015"}, accounts=[{"account": "main", "balances": {"BTC": "0"}}]
    )
    row = desk.do("account")
    assert row["balances"] == [
        {"asset": "USDT", "free": "1000000.00000000", "locked": "0.00000000"},
        {"asset": "BTC", "free": "0.00000000", "locked": "0.00000000"},
    ]
    assert (row["makerCommission"], row["takerCommission"], row["commissionRates"]["taker"]) == (10, 15, "0.00150000")
    assert (row["accountType"], row["permissions"], row["canTrade"]) == ("SPOT", ["SPOT"], True)
    assert [each["asset"] for each in desk.do("account", omitZeroBalances="true")["balances"]] == ["USDT"]


def test_base_asset_that_is_not_named_is_worth_the_balance() -> None:
    desk = SpotDesk(accounts=[{"account": "main", "balance": "5000"}])
    assert (desk.money("BTC")[0], desk.money("USDT")[0]) == (Decimal(50), Decimal(5000))


def test_commission_and_filters_are_the_symbols() -> None:
    desk = SpotDesk(fees={"maker": "0.001", "taker": "0.002"})
    row = desk.do("commission", symbol="BTCUSDT")
    assert row["standardCommission"] == {
        "maker": "0.00100000",
        "taker": "0.00200000",
        "buyer": "0.00000000",
        "seller": "0.00000000",
    }
    names = [each["filterType"] for each in desk.do("myFilters", symbol="BTCUSDT")["symbolFilters"]]
    assert {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"} <= set(names)
    assert desk.do("myAllocations", symbol="BTCUSDT") == []


def test_stale_read_shows_the_order_as_it_was() -> None:
    desk = SpotDesk()
    order = desk.place("BUY", "2", "99")["orderId"]
    for _ in range(2):
        desk.now_ms += 1000
        desk.place("SELL", "1", "99", account="other")
    desk.sight = Sight(stale_ms=500)
    assert (desk.status(order), desk.query(order)["executedQty"]) == ("PARTIALLY_FILLED", "1.00000000")
    assert [row["status"] for row in desk.do("openOrders")] == ["PARTIALLY_FILLED"]
    assert len(desk.do("myTrades", symbol="BTCUSDT")) == 1
    desk.sight = Sight(stale_ms=1500)
    assert (desk.status(order), desk.query(order)["executedQty"]) == ("NEW", "0.00000000")
    desk.sight = Sight(stale_ms=2500)
    assert desk.refused("queryOrder", symbol="BTCUSDT", orderId=order) == (-2013, "Order does not exist.")
    assert desk.do("allOrders", symbol="BTCUSDT") == []


def test_stale_read_shows_the_money_as_it_was() -> None:
    desk = SpotDesk(fees={"maker": "0.001", "taker": "0.001"})
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": "110", "belowType": "STOP_LOSS", "belowStopPrice": "95"}
    seen = [(desk.money("USDT"), desk.money("BTC"))]
    steps: list[Callable[[], Any]] = [
        lambda: desk.place("BUY", "2", "99"),
        lambda: desk.place("SELL", "1", "98", account="other"),
        lambda: desk.place("SELL", "1", "98"),
        lambda: desk.do("oco", symbol="BTCUSDT", side="SELL", quantity="3", **pair),
        lambda: desk.do("cancelAll", symbol="BTCUSDT"),
    ]
    for step in steps:
        desk.now_ms += 1000
        step()
        seen.append((desk.money("USDT"), desk.money("BTC")))
    for back, then in enumerate(reversed(seen)):
        desk.sight = Sight(stale_ms=1000 * back)
        assert (desk.money("USDT"), desk.money("BTC")) == then


@pytest.mark.parametrize(
    ("sight", "rows"),
    [
        (Sight(hidden_share=1.0), 0),
        (Sight(twice=True), 10),
        (Sight(late_ms=2 * HOUR + 1), 3),
        (Sight(shuffled=True), 5),
    ],
)
def test_trades_are_seen_as_the_sight_has_it(sight: Sight, rows: int) -> None:
    desk = SpotDesk()
    ids = _traded(desk)
    desk.sight = sight
    seen = _ids(desk)
    assert len(seen) == rows
    assert set(seen) <= set(ids)
    assert (seen == sorted(seen)) == (not sight.shuffled)


def test_trade_ids_may_have_gaps() -> None:
    desk = SpotDesk(tradeIdGapMax=1000)
    ids = _traded(desk, 20)
    assert ids == sorted(ids)
    assert ids[-1] > 100


def test_ledger_has_the_rows_of_the_common_door() -> None:
    desk = SpotDesk(fees={"maker": "0.001", "taker": "0.002"})
    desk.place("SELL", "2", "100", account="other", newClientOrderId="theirs")
    desk.place("BUY", "2", "100", newClientOrderId="ours")
    books = desk.exchange.ledger("main")
    assert isinstance(books["orders"], list)
    assert isinstance(books["trades"], list)
    assert [(row["clientOrderId"], row["status"], row["executedQuantity"]) for row in books["orders"]] == [
        ("ours", "FILLED", "2.00000000")
    ]
    assert [(row["clientOrderId"], row["orderId"], row["liquidity"], row["feeAsset"]) for row in books["trades"]] == [
        ("ours", "2", "TAKER", "BTC")
    ]
    assert books["positions"] == [
        {"account": "main", "symbol": "BTCUSDT", "positionSide": "BOTH", "quantity": "2.00000000"}
    ]
    assert len(desk.exchange.ledger(None)["orders"]) == 2  # type: ignore[arg-type]
