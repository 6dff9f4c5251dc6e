"""Every filter stops what filters.md says it stops, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator.binance.spot.desk import BTC, SpotDesk, order_fields


def _desk(**filters: Any) -> SpotDesk:
    return SpotDesk(symbols=[{**BTC, "filters": {**BTC["filters"], **filters}}])


def _failure(name: str) -> tuple[int, str]:
    return -1013, f"Filter failure: {name}"


@pytest.mark.parametrize(
    ("name", "filters", "order"),
    [
        ("PRICE_FILTER", {}, ("BUY", "1", "100.05")),
        ("PRICE_FILTER", {}, ("BUY", "1", "1000.1")),
        ("PRICE_FILTER", {}, ("BUY", "1000", "0.05")),
        ("PERCENT_PRICE_BY_SIDE", {}, ("BUY", "1", "150.1")),
        ("PERCENT_PRICE_BY_SIDE", {}, ("SELL", "1", "49.9")),
        ("LOT_SIZE", {}, ("BUY", "0.0005", "100")),
        ("LOT_SIZE", {}, ("BUY", "1000.001", "100")),
        ("LOT_SIZE", {}, ("BUY", "1.0005", "100")),
        ("MARKET_LOT_SIZE", {}, ("BUY", "120.001", None)),
        ("NOTIONAL", {}, ("BUY", "0.049", "100")),
        ("NOTIONAL", {}, ("BUY", "0.049", None)),
        (
            "PERCENT_PRICE",
            {"PERCENT_PRICE": {"multiplierUp": "1.2", "multiplierDown": "0.8", "avgPriceMins": 0}},
            ("BUY", "1", "121"),
        ),
        (
            "MIN_NOTIONAL",
            {"MIN_NOTIONAL": {"minNotional": "50", "applyToMarket": False, "avgPriceMins": 5}},
            ("BUY", "0.4", "100"),
        ),
        (
            "NOTIONAL",
            {
                "NOTIONAL": {
                    "minNotional": "0",
                    "applyMinToMarket": False,
                    "maxNotional": "500",
                    "applyMaxToMarket": False,
                    "avgPriceMins": 5,
                }
            },
            ("BUY", "6", "100"),
        ),
        ("MAX_ASSET", {"MAX_ASSET": {"asset": "BTC", "limit": "2"}}, ("BUY", "2.001", "100")),
        ("MAX_ASSET", {"MAX_ASSET": {"asset": "USDT", "limit": "200"}}, ("BUY", "2.001", "100")),
        ("MAX_ASSET", {"MAX_ASSET": {"asset": "USDT", "limit": "200"}}, ("SELL", "2.001", None)),
        ("MAX_POSITION", {"MAX_POSITION": {"maxPosition": "101"}}, ("BUY", "1.001", "100")),
    ],
)
def test_filter_stops(name: str, filters: dict[str, Any], order: tuple[str, str, str | None]) -> None:
    assert _desk(**filters).refused_order(*order) == _failure(name)


def test_filters_are_shown_where_they_belong() -> None:
    desk = _desk(EXCHANGE_MAX_NUM_ORDERS={"maxNumOrders": 9}, MAX_ASSET={"asset": "USDT", "limit": "500"})
    row = desk.do("myFilters", symbol="BTCUSDT")
    assert row["exchangeFilters"] == [{"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 9}]
    assert row["assetFilters"] == [{"filterType": "MAX_ASSET", "asset": "USDT", "limit": "500"}]
    assert "MAX_ASSET" not in {each["filterType"] for each in row["symbolFilters"]}


def test_numbers_at_the_edges_pass() -> None:
    desk = SpotDesk()
    for price, quantity in (("150", "0.034"), ("50", "0.1"), ("100", "0.05")):
        assert desk.place("BUY", quantity, price)["status"] == "NEW"


def test_rules_at_zero_are_off() -> None:
    desk = _desk(PRICE_FILTER={"minPrice": "0", "maxPrice": "0", "tickSize": "0"}, PERCENT_PRICE_BY_SIDE=None)
    assert desk.place("SELL", "1", "2000.12345678")["price"] == "2000.12345678"


def test_filter_that_is_not_there_stops_nothing() -> None:
    desk = _desk(NOTIONAL=None, LOT_SIZE=None)
    assert desk.place("BUY", "0.00000001", "100")["origQty"] == "0.00000001"


def test_step_of_zero_is_not_divided_by() -> None:
    desk = SpotDesk()
    desk.place("SELL", "2", "100", account="other")
    assert desk.place("BUY", "1.001")["status"] == "FILLED"


def test_notional_need_not_hold_for_market_orders() -> None:
    desk = _desk(MIN_NOTIONAL={"minNotional": "50", "applyToMarket": False, "avgPriceMins": 5})
    desk.place("SELL", "2", "100", account="other")
    assert desk.place("BUY", "0.1")["status"] == "FILLED"


def test_quote_quantity_is_measured_by_itself() -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
    assert SpotDesk().refused("order", **order, quoteOrderQty="4.99") == _failure("NOTIONAL")


def test_stop_price_keeps_to_the_price_filter() -> None:
    assert SpotDesk().refused_order("SELL", "1", type="STOP_LOSS", stopPrice="95.05") == _failure("PRICE_FILTER")


def test_iceberg_has_no_more_than_ten_parts() -> None:
    desk = SpotDesk()
    assert desk.refused_order("BUY", "10", "99", icebergQty="0.9") == _failure("ICEBERG_PARTS")
    assert desk.refused_order("BUY", "10", "99", icebergQty="1.0005") == _failure("LOT_SIZE")
    assert desk.refused_order("BUY", "1", "99", icebergQty="2") == (-2010, "IcebergQty exceeds QTY.")
    assert desk.place("BUY", "10", "99", icebergQty="1")["icebergQty"] == "1.00000000"


@pytest.mark.parametrize("delta", ["9", "2001"])
def test_trailing_delta_has_a_range(delta: str) -> None:
    assert SpotDesk().refused_order("SELL", "1", type="STOP_LOSS", trailingDelta=delta) == _failure("TRAILING_DELTA")


def test_trailing_delta_above_and_below_differ() -> None:
    deltas = {
        "minTrailingAboveDelta": 100,
        "maxTrailingAboveDelta": 200,
        "minTrailingBelowDelta": 10,
        "maxTrailingBelowDelta": 50,
    }
    desk = _desk(TRAILING_DELTA=deltas)
    assert desk.place("SELL", "1", type="STOP_LOSS", trailingDelta="50")["status"] == "NEW"
    assert desk.place("SELL", "1", type="TAKE_PROFIT", trailingDelta="100")["status"] == "NEW"
    assert desk.refused_order("SELL", "1", type="TAKE_PROFIT", trailingDelta="50") == _failure("TRAILING_DELTA")


@pytest.mark.parametrize(
    ("name", "field", "order"),
    [
        ("MAX_NUM_ORDERS", "maxNumOrders", order_fields("BUY", "1", "99")),
        ("MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", order_fields("BUY", "1", "99", icebergQty="0.5")),
        ("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", order_fields("SELL", "1", type="STOP_LOSS", stopPrice="90")),
        ("EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders", order_fields("BUY", "1", "99")),
    ],
)
def test_open_orders_are_counted(name: str, field: str, order: dict[str, Any]) -> None:
    desk = _desk(**{name: {field: 2}})
    first = desk.do("order", **order)["orderId"]
    desk.do("order", **order)
    assert desk.refused("order", **order) == _failure(name)
    assert desk.do("order", account="other", **order)["orderId"] == 3
    desk.cancel(first)
    desk.do("order", **order)


def test_market_order_needs_no_place_among_the_open_ones() -> None:
    desk = _desk(MAX_NUM_ORDERS={"maxNumOrders": 1})
    desk.place("SELL", "1", "100", account="other")
    desk.place("BUY", "1", "90")
    assert desk.place("BUY", "1")["status"] == "FILLED"


def test_average_of_the_last_minutes_is_what_bands_are_reckoned_with() -> None:
    desk = SpotDesk()
    desk.trade_at("140", "3")
    desk.trade_at("100", "1")
    assert desk.place("BUY", "0.1", "194")["status"] == "NEW"
    desk.now_ms += 6 * 60_000
    assert desk.refused_order("BUY", "0.1", "194") == _failure("PERCENT_PRICE_BY_SIDE")
