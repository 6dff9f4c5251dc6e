"""REST of both dialects: what a whole venue answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from tests.unit.simulator.binance.desk import MARKET, NOON, ORDER, VenueDesk

DIALECTS = ["binance-spot", "binance-futures"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_order_is_placed_read_and_canceled(dialect: str) -> None:
    desk = VenueDesk(dialect)
    placed = desk.json("POST", "order", **ORDER, newClientOrderId="mine")
    assert (placed["status"], placed["clientOrderId"]) == ("NEW", "mine")
    assert desk.json("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"])["clientOrderId"] == "mine"
    assert desk.json("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine")["status"] == "CANCELED"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_refusals_are_a_code_and_a_message(dialect: str) -> None:
    desk = VenueDesk(dialect)
    assert desk.code("GET", "order", symbol="BTCUSDT", orderId=5) == (400, -2013)
    assert desk.code("POST", "order", key="reader", **ORDER) == (401, -2015)
    assert desk.code("POST", "order", symbol="BTCUSDT") == (400, -1102)
    assert desk.code("GET", "nothing") == (404, -1000)
    assert desk.code("GET", "ticker/price", key=None, symbol="NOPE") == (400, -1121)


def test_what_is_not_read_is_refused_on_spot_and_left_alone_on_futures() -> None:
    assert VenueDesk().code("POST", "order", **ORDER, colour="red") == (400, -1104)
    assert VenueDesk().code("GET", "time", key=None, colour="red") == (400, -1101)
    assert VenueDesk("binance-futures").code("POST", "order", **ORDER, colour="red") == (200, 0)


def test_empty_parameter_is_named() -> None:
    response = VenueDesk().ask("POST", "order", **{**ORDER, "newClientOrderId": ""})
    assert orjson.loads(response.body) == {"code": -1105, "msg": "Parameter 'newClientOrderId' was empty."}


def test_versions_of_a_path_are_aliases() -> None:
    desk = VenueDesk("binance-futures")
    assert desk.json("GET", "/fapi/v3/account").keys() != desk.json("GET", "/fapi/v2/account").keys()
    assert desk.code("GET", "/fapi/v2/order", symbol="BTCUSDT", orderId=5) == (400, -2013)
    assert desk.code("GET", "/fapi/v4/order", symbol="BTCUSDT", orderId=5) == (404, -1000)


# --- limits


def headers(desk: VenueDesk, *asked: str, **parameters: Any) -> dict[str, str]:
    return dict(desk.ask(asked[0], asked[1], **parameters).headers)


def test_order_that_succeeds_is_free_and_one_that_fails_is_not() -> None:
    desk = VenueDesk()
    assert headers(desk, "POST", "order", **ORDER)["X-MBX-USED-WEIGHT-1M"] == "0"
    assert headers(desk, "POST", "order", **{**ORDER, "quantity": "0.0000001"})["X-MBX-USED-WEIGHT-1M"] == "1"
    assert headers(desk, "GET", "openOrders")["X-MBX-USED-WEIGHT-1M"] == "81"


def test_refused_by_the_gate_weighs_too() -> None:
    desk = VenueDesk()
    desk.ask("GET", "openOrders", key="unknown")
    assert headers(desk, "GET", "ping", key=None)["X-MBX-USED-WEIGHT-1M"] == "2"


def test_order_counts_are_on_what_counts() -> None:
    desk = VenueDesk()
    first = headers(desk, "POST", "order", **ORDER)
    assert (first["X-MBX-ORDER-COUNT-10S"], first["X-MBX-ORDER-COUNT-1D"]) == ("1", "1")
    assert "X-MBX-ORDER-COUNT-10S" not in headers(desk, "GET", "openOrders", symbol="BTCUSDT")
    futures = headers(VenueDesk("binance-futures"), "POST", "order", **ORDER)
    assert (futures["X-MBX-ORDER-COUNT-10S"], futures["X-MBX-ORDER-COUNT-1M"]) == ("1", "1")


def test_used_up_order_count_is_told_with_the_seconds_to_wait() -> None:
    desk = VenueDesk(binanceLimits={"orders10S": 1})
    desk.now_ms += 3_000
    assert desk.code("POST", "order", **ORDER) == (200, 0)
    response = desk.ask("POST", "order", **ORDER)
    assert (response.status, dict(response.headers)["Retry-After"]) == (429, "7")
    assert orjson.loads(response.body)["code"] == -1015


def test_trading_makes_room_in_the_order_count_of_spot() -> None:
    desk = VenueDesk()
    desk.ask("POST", "order", **ORDER, newClientOrderId="rests")
    desk.ask("POST", "order", **ORDER, newClientOrderId="waits")
    desk.fill("rests")
    counts = {row["interval"]: row["count"] for row in desk.json("GET", "rateLimit/order")}
    assert counts == {"SECOND": 0, "DAY": 0}
    futures = VenueDesk("binance-futures")
    futures.ask("POST", "order", **ORDER, newClientOrderId="rests")
    futures.fill("rests")
    assert headers(futures, "POST", "order", **ORDER)["X-MBX-ORDER-COUNT-10S"] == "2"


def test_used_up_weight_is_429_then_418() -> None:
    desk = VenueDesk(binanceLimits={"weight1M": 3, "strikes": 2, "banMs": 120_000})
    statuses = [desk.ask("GET", "ping", key=None).status for _ in range(7)]
    assert statuses == [200, 200, 200, 429, 429, 418, 418]
    desk.now_ms += 120_000
    assert desk.ask("GET", "ping", key=None).status == 200


def test_cancel_replace_judges_the_order_count_itself() -> None:
    desk = VenueDesk(binanceLimits={"orders10S": 1})
    desk.ask("POST", "order", **ORDER, newClientOrderId="mine")
    swap = {**ORDER, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "mine"}
    assert desk.code("POST", "order/cancelReplace", **swap) == (429, -1015)
    assert desk.code("POST", "order/cancelReplace", **swap, orderRateLimitExceededMode="CANCEL_ONLY") == (409, -2021)


# --- time


def test_request_held_back_past_its_window_is_refused_at_the_engine_and_has_counted() -> None:
    desk = VenueDesk()
    request = desk.request("POST", "order", **ORDER, recvWindow=1000)
    late = desk.venue.handle(request, desk.now_ms + 1_001, received_ms=desk.now_ms)
    assert orjson.loads(late.body)["code"] == -1021
    assert desk.json("GET", "openOrders", symbol="BTCUSDT") == []
    assert [row["count"] for row in desk.json("GET", "rateLimit/order")] == [1, 1]
    early = desk.venue.handle(request, desk.now_ms + 1_001)
    assert orjson.loads(early.body)["code"] == -1021
    assert [row["count"] for row in desk.json("GET", "rateLimit/order")] == [1, 1]


def test_same_request_may_come_twice_within_its_window() -> None:
    desk = VenueDesk()
    request = desk.request("POST", "order", **ORDER)
    first, second = (desk.venue.handle(request, NOON) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert len(desk.json("GET", "openOrders", symbol="BTCUSDT")) == 2


# --- names, levers, answers of nobody


def test_faults_know_the_order_by_any_of_its_names() -> None:
    desk = VenueDesk()
    placed = desk.json("POST", "order", **ORDER, newClientOrderId="mine")
    named = desk.venue.named(desk.request("POST", "order", **ORDER, newClientOrderId="next"))
    assert (named.call, named.client_order_id) == ("POST /api/v3/order", "next")
    for reference in ({"orderId": placed["orderId"]}, {"origClientOrderId": "mine"}):
        found = desk.venue.named(desk.request("DELETE", "order", symbol="BTCUSDT", **reference))
        assert (found.client_order_id, found.order_id) == ("mine", placed["orderId"])


def test_halted_symbol_is_shown_and_trades_no_more() -> None:
    desk = VenueDesk()
    desk.venue.halt("BTCUSDT", halted=True)
    desk.venue.halt("NOPE", halted=True)
    info = desk.json("GET", "exchangeInfo", key=None, symbol="BTCUSDT")
    assert info["symbols"][0]["status"] == "HALT"
    assert desk.code("POST", "order", **ORDER)[0] == 400
    desk.venue.halt("BTCUSDT", halted=False)
    assert desk.code("POST", "order", **ORDER) == (200, 0)


def test_price_is_moved_and_what_it_crosses_trades() -> None:
    desk = VenueDesk()
    desk.ask("POST", "order", **ORDER, newClientOrderId="mine")
    assert desk.venue.set_price("NOPE", Decimal(1), NOON) is None
    assert desk.venue.set_price("BTCUSDT", Decimal(59_000), NOON) is not None
    assert desk.json("GET", "order", symbol="BTCUSDT", origClientOrderId="mine")["status"] == "FILLED"


@pytest.mark.parametrize(
    ("status", "code", "dialect", "expected"),
    [
        (503, "INTERNAL_ERROR", "binance-futures", (-1000, "Unknown error, please check your request")),
        (503, "-1001", "binance-futures", (-1001, "Internal error; unable to process")),
        (503, "-1016", "binance-futures", (-1016, "Service Unavailable.")),
        (504, "-1007", "binance-spot", (-1007, "Timeout waiting for response")),
        (500, "-1006", "binance-spot", (-1006, "An unexpected response")),
    ],
)
def test_5xx_has_the_text_that_decides(status: int, code: str, dialect: str, expected: tuple[int, str]) -> None:
    response = VenueDesk(dialect).venue.failed(status, code)
    body = orjson.loads(response.body)
    assert response.status == status
    assert body["code"] == expected[0]
    assert body["msg"].startswith(expected[1])


def test_ledger_has_the_rows_that_every_dialect_has() -> None:
    for dialect in DIALECTS:
        desk = VenueDesk(dialect)
        desk.ask("POST", "order", **ORDER, newClientOrderId="mine")
        desk.fill("mine")
        books: Any = desk.venue.ledger("main")
        assert books["orders"][0]["clientOrderId"] == "mine"
        assert books["trades"][0]["liquidity"] == "MAKER"
        assert desk.venue.ledger("other")["orders"] == []


def test_legs_of_a_signed_batch_are_refused_behind_the_gate() -> None:
    desk = VenueDesk("binance-futures")
    batch = orjson.dumps([{**ORDER, "newClientOrderId": name} for name in "abc"]).decode()
    request = desk.venue.without_legs(desk.request("POST", "batchOrders", batchOrders=batch), (1,))
    rows = orjson.loads(desk.venue.handle(request, desk.now_ms).body)
    assert [row.get("code", row.get("clientOrderId")) for row in rows] == ["a", -1102, "c"]
    whole = desk.venue.without_legs(desk.request("POST", "order", **ORDER), (0,))
    assert desk.venue.handle(whole, desk.now_ms).status == 200


# --- what everybody may ask


@pytest.mark.parametrize("dialect", DIALECTS)
def test_everybody_is_told_of_time_symbols_books_and_executions(dialect: str) -> None:
    desk = VenueDesk(dialect)
    assert desk.json("GET", "ping", key=None) == {}
    assert desk.json("GET", "time", key=None) == {"serverTime": NOON}
    desk.ask("POST", "order", **ORDER)
    depth = desk.json("GET", "depth", key=None, symbol="BTCUSDT", limit=5)
    assert [[float(number) for number in level] for level in depth["bids"]] == [[60000.0, 0.01]]
    desk.ask("POST", "order", key="stranger", **{**MARKET, "side": "SELL"})
    trades = desk.json("GET", "trades", key=None, symbol="BTCUSDT")
    assert [(float(row["price"]), row["isBuyerMaker"]) for row in trades] == [(60000.0, True)]
    assert float(desk.json("GET", "ticker/price", key=None, symbol="BTCUSDT")["price"]) == 60000.0
    day = desk.json("GET", "ticker/24hr", key=None, symbol="BTCUSDT")
    assert (float(day["volume"]), day["count"]) == (0.01, 1)
    candle = desk.json("GET", "klines", key=None, symbol="BTCUSDT", interval="1m")[0]
    assert (candle[0], float(candle[4]), candle[8]) == (NOON, 60000.0, 1)
    aggregate = desk.json("GET", "aggTrades", key=None, symbol="BTCUSDT")[0]
    assert aggregate["a"] == trades[0]["id"]
    assert len(desk.json("GET", "ticker/bookTicker", key=None)) == 3


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("depth", {"symbol": "NOPE"}, -1121),
        ("depth", {}, -1102),
        ("depth", {"symbol": "BTCUSDT", "limit": "x"}, -1100),
        ("klines", {"symbol": "BTCUSDT", "interval": "1x"}, -1120),
        ("exchangeInfo", {"symbols": "[BTC"}, -1100),
        ("exchangeInfo", {"symbols": '["NOPE"]'}, -1121),
        ("trades", {"symbol": "BTCUSDT", "limit": "0"}, -1100),
        ("historicalTrades", {"symbol": "BTCUSDT", "fromId": "²"}, -1100),
        ("klines", {"symbol": "BTCUSDT", "interval": "²m"}, -1120),
        ("ticker/price", {"symbols": "[{}]"}, -1102),
        ("ticker/24hr", {"symbols": "{}"}, -1102),
    ],
)
def test_public_calls_name_what_is_wrong(path: str, parameters: dict[str, str], code: int) -> None:
    assert VenueDesk().code("GET", path, key=None, **parameters) == (400, code)


def test_exchange_info_shows_limits_and_filters_as_they_are_enforced() -> None:
    desk = VenueDesk(binanceLimits={"weight1M": 77})
    info = desk.json("GET", "exchangeInfo", key=None, symbols='["BTCUSDT","ETHUSDT"]')
    assert {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 77} in info[
        "rateLimits"
    ]
    assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    lot = next(row for row in info["symbols"][0]["filters"] if row["filterType"] == "LOT_SIZE")
    assert desk.code("POST", "order", **{**ORDER, "quantity": lot["minQty"]})[0] == 200
    assert desk.code("POST", "order", **{**ORDER, "quantity": "0.0105"}) == (400, -1013)


def test_average_price_and_premium_are_of_their_dialects() -> None:
    assert desk_price("binance-spot", "avgPrice", "price") == 64250.0
    assert desk_price("binance-futures", "premiumIndex", "markPrice") == 64250.0


def desk_price(dialect: str, path: str, field: str) -> float:
    return float(VenueDesk(dialect).json("GET", path, key=None, symbol="BTCUSDT")[field])


# --- listen keys


def test_listen_key_is_one_for_an_hour_and_needs_no_signature() -> None:
    desk = VenueDesk("binance-futures")
    first = desk.json("POST", "listenKey")["listenKey"]
    desk.now_ms += 3_000_000
    assert desk.json("POST", "listenKey")["listenKey"] == first
    desk.now_ms += 3_000_000
    assert desk.json("PUT", "listenKey")["listenKey"] == first
    desk.now_ms += 3_600_000
    desk.venue.advance(desk.now_ms)
    assert desk.code("PUT", "listenKey") == (400, -1125)
    assert desk.json("POST", "listenKey")["listenKey"] != first
    assert desk.code("DELETE", "listenKey") == (200, 0)
    assert desk.code("PUT", "listenKey") == (400, -1125)


def test_spot_has_no_listen_keys_any_more() -> None:
    assert VenueDesk().code("POST", "/api/v3/userDataStream") == (404, -1000)
