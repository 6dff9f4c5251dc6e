"""The routes: what they answer, what they refuse, and which orders and trades they show."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.simulator.desk import NOW, VenueClient, code, order_fields, read

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _other(client: VenueClient, **fields: Any) -> dict[str, Any]:
    body = order_fields(**fields)
    answer = client.send("POST", "/v2/orders", body=body, key=client.other_key, secret=client.other_secret)
    assert answer.status == 200
    row = read(answer)["order"]
    assert isinstance(row, dict)
    return row


def test_placed_order_has_every_field_of_the_page() -> None:
    answer = read(VenueClient().place(clientOrderId="mine", quantity="0.5", price="99.5"))
    assert answer["ok"] is True
    assert "idempotent" not in answer
    order = answer["order"]
    assert ISO.fullmatch(order.pop("createdAt"))
    assert ISO.fullmatch(order.pop("updatedAt"))
    assert order == {
        "id": "1",
        "accountId": "main",
        "venue": "ZETARIUM",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "0.500",
        "price": "99.5",
        "stopPrice": None,
        "positionSide": "BOTH",
        "reduceOnly": False,
        "clientOrderId": "mine",
        "venueOrderId": "Z-1",
        "status": "NEW",
        "executedQuantity": "0",
        "avgPrice": "0",
        "source": "API",
    }


def test_same_client_order_id_returns_the_first_order_whatever_the_body() -> None:
    client = VenueClient()
    first = read(client.place(clientOrderId="one"))["order"]
    again = read(client.place(clientOrderId="one", quantity="7", price="1"))
    assert again["idempotent"] is True
    assert again["order"] == first
    assert len(read(client.send("GET", "/v2/orders"))["orders"]) == 1


def test_client_order_id_is_kept_for_ever_also_of_a_canceled_order() -> None:
    client = VenueClient()
    order = read(client.place(clientOrderId="one"))["order"]
    client.send("DELETE", f"/v2/orders/{order['id']}")
    again = read(client.place(clientOrderId="one"))
    assert (again["idempotent"], again["order"]["status"]) == (True, "CANCELED")


def test_client_order_id_of_another_account_is_refused() -> None:
    client = VenueClient()
    _other(client, clientOrderId="taken")
    assert code(client.place(clientOrderId="taken")) == (409, "CLIENT_ORDER_ID_IN_USE")


def test_refused_order_leaves_its_client_order_id_free() -> None:
    client = VenueClient()
    assert code(client.place(clientOrderId="one", price="500")) == (400, "FILTER_FAILURE")
    assert "idempotent" not in read(client.place(clientOrderId="one"))


def test_left_out_client_order_id_is_invented() -> None:
    client = VenueClient()
    names = {read(client.place())["order"]["clientOrderId"] for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": 1},
        {"quantity": "0"},
        {"quantity": "-1"},
        {"quantity": "NaN"},
        {"quantity": "1e3"},
        {"quantity": "1" * 40},
        {"quantity": None},
        {"price": None},
        {"price": 99},
        {"type": "MARKET"},
        {"type": "STOP", "price": "99"},
        {"stopPrice": "98"},
        {"type": "LIMIT_MAKER"},
        {"side": "buy"},
        {"side": ["BUY"]},
        {"symbol": "NOPE"},
        {"symbol": 7},
        {"positionSide": "UP"},
        {"positionSide": None, "reduceOnly": "true"},
        {"clientOrderId": "with space"},
        {"clientOrderId": "x" * 65},
        {"clientOrderId": ""},
        {"timeInForce": "GTC"},
    ],
)
def test_order_outside_the_schema_is_refused(fields: dict[str, Any]) -> None:
    assert code(VenueClient().place(**fields)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000])
@pytest.mark.parametrize("path", ["/v2/orders", "/v2/orders/batch", "/v2/positions/close"])
def test_body_that_is_no_object_is_refused(path: str, body: bytes) -> None:
    assert code(VenueClient().send("POST", path, body=body)) == (400, "VALIDATION_ERROR")


def test_filter_names_itself_in_the_reason() -> None:
    answer = VenueClient().place(price="99.95")
    assert code(answer) == (400, "FILTER_FAILURE")
    assert read(answer)["reason"] == "PRICE_FILTER"


def test_notional_cap_gives_its_reason() -> None:
    answer = VenueClient(maxOrderNotional="50").place()
    assert code(answer) == (400, "RISK_REJECTED")
    assert read(answer)["reason"] == "max_order_notional_exceeded"


def test_batch_answers_each_order_in_its_place() -> None:
    rows = [order_fields(clientOrderId="a"), order_fields(price="500"), "no order", order_fields(clientOrderId="b")]
    results = read(VenueClient().send("POST", "/v2/orders/batch", body={"orders": rows}))["results"]
    assert [row["ok"] for row in results] == [True, False, False, True]
    assert [row.get("code") for row in results[1:3]] == ["FILTER_FAILURE", "VALIDATION_ERROR"]
    assert all(row["errorId"] for row in results[1:3])
    assert [results[0]["order"]["clientOrderId"], results[3]["order"]["clientOrderId"]] == ["a", "b"]


@pytest.mark.parametrize("rows", [[], [order_fields()] * 11, "x"])
def test_batch_of_none_or_too_many_is_refused(rows: object) -> None:
    assert code(VenueClient().send("POST", "/v2/orders/batch", body={"orders": rows})) == (400, "VALIDATION_ERROR")


def test_order_is_read_by_its_id_by_its_owner_only() -> None:
    client = VenueClient()
    mine, theirs = read(client.place())["order"], _other(client)
    assert read(client.send("GET", f"/v2/orders/{mine['id']}"))["order"] == mine
    for unknown in (theirs["id"], "999", "abc", "-1", "9" * 6000, "0"):
        assert code(client.send("GET", f"/v2/orders/{unknown}")) == (404, "ORDER_NOT_FOUND")


def test_cancel_ends_an_order_once() -> None:
    client = VenueClient()
    order = read(client.place())["order"]
    assert read(client.send("DELETE", f"/v2/orders/{order['id']}"))["order"]["status"] == "CANCELED"
    again = client.send("DELETE", f"/v2/orders/{order['id']}")
    assert code(again) == (409, "ORDER_NOT_CANCELABLE")
    assert read(again)["order"]["status"] == "CANCELED"
    assert code(client.send("DELETE", "/v2/orders/77")) == (404, "ORDER_NOT_FOUND")


def test_cancel_of_a_filled_order_shows_the_fill() -> None:
    client = VenueClient()
    order = read(client.place(price="100"))["order"]
    _other(client, side="SELL", price="100")
    answer = client.send("DELETE", f"/v2/orders/{order['id']}")
    assert code(answer) == (409, "ORDER_NOT_CANCELABLE")
    shown = read(answer)["order"]
    assert (shown["status"], shown["executedQuantity"], shown["avgPrice"]) == ("FILLED", "1.000", "100")


def test_cancel_all_says_which() -> None:
    client = VenueClient()
    ids = [read(client.place())["order"]["id"] for _ in range(2)]
    assert read(client.send("DELETE", "/v2/orders", query="symbol=NOPE"))["orders"] == []
    rows = read(client.send("DELETE", "/v2/orders"))["orders"]
    assert [(row["id"], row["status"]) for row in rows] == [(ids[0], "CANCELED"), (ids[1], "CANCELED")]


def _listed(client: VenueClient, query: str) -> list[str]:
    return [row["clientOrderId"] for row in read(client.send("GET", "/v2/orders", query=query))["orders"]]


def test_orders_are_listed_by_id_state_symbol_and_page() -> None:
    client = VenueClient()
    for name in "abcd":
        client.place(clientOrderId=name)
    client.send("DELETE", "/v2/orders/2")
    assert _listed(client, "") == ["a", "b", "c", "d"]
    assert _listed(client, "status=OPEN") == ["a", "c", "d"]
    assert _listed(client, "status=CANCELED") == ["b"]
    assert _listed(client, "clientOrderId=b") == ["b"]
    assert _listed(client, "clientOrderId=b&status=OPEN") == []
    assert _listed(client, "clientOrderId=never") == []
    assert _listed(client, "symbol=ETHUSDT") == []
    assert _listed(client, "limit=2") == ["a", "b"]
    assert _listed(client, "limit=2&afterId=2") == ["c", "d"]
    assert _listed(client, "status=OPEN&afterId=1&limit=1") == ["c"]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "afterId=-1", "status=DONE", "page=2"])
def test_wrong_list_parameters_are_refused(query: str) -> None:
    assert code(VenueClient().send("GET", "/v2/orders", query=query)) == (400, "VALIDATION_ERROR")


def test_my_trades_shows_taker_fills_only() -> None:
    client = VenueClient()
    _other(client, side="SELL", price="100", quantity="0.4")
    client.place(price="100", clientOrderId="both-ways")
    _other(client, side="SELL", price="100", quantity="0.6")
    mine = read(client.send("GET", "/v2/orders", query="clientOrderId=both-ways"))["orders"][0]
    trades = read(client.send("GET", "/v2/futures/myTrades", query="symbol=BTCUSDT"))["trades"]
    assert (mine["status"], mine["executedQuantity"]) == ("FILLED", "1.000")
    assert len(trades) == 1
    assert ISO.fullmatch(trades[0].pop("time"))
    assert trades[0] == {
        "id": "1",
        "orderId": mine["id"],
        "clientOrderId": "both-ways",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "positionSide": "BOTH",
        "price": "100.0",
        "quantity": "0.400",
        "fee": "0.02",
        "feeAsset": "USDT",
        "liquidity": "TAKER",
    }


def test_my_trades_are_paged_from_an_id_inclusive() -> None:
    client = VenueClient()
    for _ in range(4):
        _other(client, side="SELL", price="100", quantity="0.1")
        client.place(price="100", quantity="0.1")

    def ids(query: str) -> list[int]:
        rows = read(client.send("GET", "/v2/futures/myTrades", query=f"symbol=BTCUSDT{query}"))["trades"]
        return [int(row["id"]) for row in rows]

    everything = ids("")
    assert len(everything) == 4
    assert everything == sorted(everything)
    assert ids(f"&fromId={everything[1]}&limit=2") == everything[1:3]
    assert ids(f"&fromId={everything[3] + 1}") == []


@pytest.mark.parametrize("query", ["", "symbol=NOPE", "symbol=BTCUSDT&limit=1001", "symbol=BTCUSDT&fromId=x"])
def test_wrong_trade_parameters_are_refused(query: str) -> None:
    assert code(VenueClient().send("GET", "/v2/futures/myTrades", query=query)) == (400, "VALIDATION_ERROR")


def test_position_is_shown_closed_and_shown_as_closed() -> None:
    client = VenueClient()
    _other(client, side="SELL", price="100")
    client.place(price="100")
    _other(client, side="BUY", price="101")
    open_rows = read(client.send("GET", "/v2/positions", query="status=OPEN"))["positions"]
    assert [(row["quantity"], row["avgEntryPrice"], row["status"]) for row in open_rows] == [("1.000", "100", "OPEN")]
    closing = client.send("POST", "/v2/positions/close", body={"positionId": open_rows[0]["id"]})
    assert read(closing)["order"]["status"] == "FILLED"
    assert read(client.send("GET", "/v2/positions"))["positions"] == []
    closed = read(client.send("GET", "/v2/positions", query="status=CLOSED"))["positions"]
    assert [(row["id"], row["realizedPnl"], row["status"]) for row in closed] == [(open_rows[0]["id"], "1", "CLOSED")]
    assert ISO.fullmatch(closed[0]["closedAt"])


@pytest.mark.parametrize("position_id", ["1", "x", "9" * 6000, ""])
def test_closing_an_unknown_position_finds_nothing(position_id: str) -> None:
    answer = VenueClient().send("POST", "/v2/positions/close", body={"positionId": position_id})
    assert code(answer) == (404, "POSITION_NOT_FOUND")


def test_balance_shows_what_orders_and_positions_hold() -> None:
    client = VenueClient()
    client.place(quantity="100", price="100")
    [asset] = read(client.send("GET", "/v2/futures/balance"))["balances"]["assets"]
    assert asset == {
        "asset": "USDT",
        "walletBalance": "1000000",
        "availableBalance": "999500",
        "marginBalance": "1000000",
        "unrealizedProfit": "0",
        "crossWalletBalance": "1000000",
    }


def test_open_routes_answer_without_a_signature() -> None:
    client = VenueClient()
    assert read(client.open("/health")) == {"ok": True}
    assert read(client.open("/v2/platform/status")) == {"ok": True, "status": "ONLINE", "serverTime": NOW}
    [symbol] = read(client.open("/v2/symbols"))["symbols"]
    assert (symbol["tickSize"], symbol["stepSize"], symbol["status"], symbol["baseAsset"]) == (
        "0.1",
        "0.001",
        "TRADING",
        "BTC",
    )
    [ticker] = read(client.open("/v2/tickers"))["tickers"]
    assert (ticker["markPrice"], ticker["bidPrice"], ticker["askPrice"]) == ("100.0", None, None)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/v2/orders"), ("GET", "/v2/api-keys")])
def test_unknown_route_is_not_found(method: str, path: str) -> None:
    assert code(VenueClient().send(method, path)) == (404, "ROUTE_NOT_FOUND")


def test_error_ids_are_never_the_same() -> None:
    client = VenueClient()
    assert len({read(client.place(symbol="NOPE"))["errorId"] for _ in range(20)}) == 20
