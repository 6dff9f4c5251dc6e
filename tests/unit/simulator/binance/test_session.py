"""The WebSocket API: frames, logon, user data streams."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.simulator.binance.desk import MARKET, ORDER, VenueDesk, Wired

API = "/ws-api/v3"


def spot(**changes: Any) -> Wired:
    return VenueDesk(**changes).connect(API)


def kinds(session: Wired) -> list[str]:
    return [event["e"] for event in session.events()]


@pytest.mark.parametrize("identity", [1, "x", None, 12345678901234567890, -7])
def test_answer_carries_the_id_as_it_was_sent(identity: Any) -> None:
    answer = spot().say({"id": identity, "method": "time"})
    assert (answer["id"], answer["status"]) == (identity, 200)
    assert answer["result"]["serverTime"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{", -1135),
        (b"[]", -1135),
        (b'{"id":1}', -1102),
        (b'{"id":1,"method":""}', -1102),
        (b'{"id":[1],"method":"time"}', -1100),
        (b'{"id":1,"method":"time","params":[]}', -1135),
        (b'{"id":1,"method":"order.place","params":{"a":NaN}}', -1135),
        (b'{"id":1,"method":"no.such"}', -1020),
        (b"[" * 100_000, -1135),
        (b'{"id":"\\ud800","method":"time"}', -1135),
        (b'{"id":1,"method":"order.place","params":{"symbol":"\\ud800","apiKey":"trader"}}', -1135),
        (b"\xff", -1135),
    ],
)
def test_what_cannot_be_read_is_answered(text: bytes, code: int) -> None:
    answer = spot().say(text)
    assert (answer["status"], answer["error"]["code"]) == (400, code)


def test_method_may_name_its_version() -> None:
    assert spot().ask("v3/time")["status"] == 200


def test_limits_are_shown_unless_they_are_not_wanted() -> None:
    desk = VenueDesk()
    session = desk.connect(API)
    assert session.ask("time")["rateLimits"][0]["count"] == 3  # two for the connection
    assert "rateLimits" not in session.ask("time", returnRateLimits=False)
    quiet = desk.connect(API, "returnRateLimits=false")
    assert "rateLimits" not in quiet.ask("time")
    assert "rateLimits" in quiet.ask("time", returnRateLimits=True)


def test_order_shows_both_counts() -> None:
    answer = spot().ask("order.place", key="trader", **ORDER)
    assert answer["result"]["status"] == "NEW"
    counts = {(row["rateLimitType"], row["interval"]): row["count"] for row in answer["rateLimits"]}
    assert counts == {("ORDERS", "SECOND"): 1, ("ORDERS", "DAY"): 1, ("REQUEST_WEIGHT", "MINUTE"): 2}


def test_number_is_signed_with_the_digits_it_was_sent_with() -> None:
    session = spot()
    desk = session.desk
    text = f"apiKey=trader&price=60000.00&quantity=0.010&side=BUY&symbol=BTCUSDT&timeInForce=GTC&timestamp={desk.now_ms}&type=LIMIT"
    signature = hmac.digest(b"of-these-tests", text.encode(), "sha256").hex()
    body = (
        '{"id":1,"method":"order.place","params":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC",'
        f'"price":60000.00,"quantity":0.010,"apiKey":"trader","timestamp":{desk.now_ms},"signature":"{signature}"}}}}'
    )
    assert session.say(body.encode())["status"] == 200


def test_partial_failure_of_cancel_replace_keeps_its_data() -> None:
    session = spot()
    swap = {**ORDER, "cancelReplaceMode": "ALLOW_FAILURE", "cancelOrigClientOrderId": "unknown"}
    answer = session.ask("order.cancelReplace", key="trader", **swap)
    assert (answer["status"], answer["error"]["code"]) == (409, -2021)
    results = answer["error"]["data"]
    assert (results["cancelResult"], results["newOrderResult"]) == ("FAILURE", "SUCCESS")


def test_limit_tells_when_it_ends() -> None:
    session = spot(binanceLimits={"weight1M": 3})
    session.ask("time")
    answer = session.ask("time")
    assert (answer["status"], answer["error"]["code"]) == (429, -1003)
    assert answer["error"]["data"]["retryAfter"] == answer["error"]["data"]["serverTime"] + 60_000


# --- logon


def test_who_is_logged_on_need_not_sign() -> None:
    session = spot()
    assert session.ask("session.status")["result"]["apiKey"] is None
    status = session.ask("session.logon", key="modern")["result"]
    assert (status["apiKey"], status["authorizedSince"]) == ("modern", session.desk.now_ms)
    placed = session.ask("order.place", **ORDER, timestamp=session.desk.now_ms)
    assert placed["status"] == 200
    assert session.ask("order.place", **ORDER)["error"]["code"] == -1102
    assert session.ask("session.logout")["result"]["apiKey"] is None
    assert session.ask("order.place", **ORDER, timestamp=session.desk.now_ms)["error"]["code"] == -1102


def test_only_ed25519_logs_on() -> None:
    assert spot().ask("session.logon", key="trader")["error"]["code"] == -2015


def test_revoked_key_ends_the_session_at_the_next_request() -> None:
    session = spot()
    session.ask("session.logon", key="modern")
    session.desk.venue.revoke("modern", revoked=True)
    answer = session.ask("time")
    assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)
    assert session.ask("time")["status"] == 200


# --- user data streams


def test_subscription_by_signature_hears_the_account_and_no_other() -> None:
    session = spot()
    assert session.ask("userDataStream.subscribe.signature", key="trader")["result"] == {"subscriptionId": 0}
    session.desk.ask("POST", "order", key="stranger", **ORDER)
    assert session.events() == []
    session.desk.ask("POST", "order", **ORDER, newClientOrderId="mine")
    assert kinds(session) == ["executionReport", "outboundAccountPosition"]
    assert session.events()[0]["c"] == "mine"
    assert session.line.frames[-1]["subscriptionId"] == 0


def test_subscription_of_the_session_needs_a_logon() -> None:
    session = spot()
    assert session.ask("userDataStream.subscribe")["error"]["code"] == -1102
    session.ask("session.logon", key="modern")
    assert session.ask("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert session.ask("session.status")["result"]["userDataStream"] is True


def test_account_is_subscribed_once_a_connection() -> None:
    session = spot()
    session.ask("userDataStream.subscribe.signature", key="trader")
    assert session.ask("userDataStream.subscribe.signature", key="modern")["error"]["code"] == -2035
    assert session.ask("userDataStream.subscribe.signature", key="stranger")["result"] == {"subscriptionId": 1}
    assert session.ask("session.subscriptions")["result"] == [{"subscriptionId": 0}, {"subscriptionId": 1}]
    other = session.desk.connect(API)
    assert other.ask("userDataStream.subscribe.signature", key="trader")["status"] == 200


def test_reader_may_subscribe() -> None:
    assert spot().ask("userDataStream.subscribe.signature", key="reader")["status"] == 200


def test_unsubscribed_stream_says_so_and_is_silent() -> None:
    session = spot()
    session.ask("userDataStream.subscribe.signature", key="trader")
    assert session.ask("userDataStream.unsubscribe", subscriptionId=5)["error"]["code"] == -2036
    assert session.ask("userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    session.desk.ask("POST", "order", **ORDER)
    assert kinds(session) == ["eventStreamTerminated"]
    assert session.ask("userDataStream.subscribe.signature", key="trader")["result"] == {"subscriptionId": 1}


def test_logout_ends_only_the_stream_of_the_logon() -> None:
    session = spot()
    session.ask("session.logon", key="modern")
    session.ask("userDataStream.subscribe")
    session.ask("userDataStream.subscribe.signature", key="stranger")
    session.ask("session.logout")
    assert session.ask("session.subscriptions")["result"] == [{"subscriptionId": 1}]
    assert kinds(session) == ["eventStreamTerminated"]


def test_key_taken_away_ends_its_streams_at_once() -> None:
    session = spot()
    session.ask("userDataStream.subscribe.signature", key="trader")
    session.desk.venue.revoke("trader", revoked=True)
    assert kinds(session) == ["eventStreamTerminated"]
    assert session.ask("userDataStream.subscribe.signature", key="trader")["error"]["code"] == -2015


def test_connection_that_is_gone_hears_nothing() -> None:
    session = spot()
    session.ask("userDataStream.subscribe.signature", key="trader")
    session.channel.closed()
    before = len(session.line.frames)
    session.desk.ask("POST", "order", **MARKET)
    assert len(session.line.frames) == before
    assert session.channel.accounts() == []


def test_server_says_that_it_ends() -> None:
    session = spot()
    session.channel.shut_down()
    assert kinds(session) == ["serverShutdown"]


def test_futures_take_orders_and_keep_listen_keys_there_too() -> None:
    session = VenueDesk("binance-futures").connect("/ws-fapi/v1")
    assert session.ask("order.place", key="trader", **ORDER)["result"]["status"] == "NEW"
    started = session.ask("userDataStream.start", apiKey="trader")["result"]["listenKey"]
    assert session.ask("userDataStream.ping", apiKey="trader")["result"]["listenKey"] == started
    assert session.ask("userDataStream.stop", apiKey="trader")["status"] == 200


# --- faults of calls


def place(session: Wired) -> Any:
    return session.ask("order.place", key="trader", **ORDER, newClientOrderId="mine")


def is_placed(session: Wired) -> bool:
    return bool(session.desk.json("GET", "openOrders", symbol="BTCUSDT"))


@pytest.mark.parametrize(("phase", "placed"), [("before", False), ("after", True)])
def test_reset_cuts_the_line(phase: str, *, placed: bool) -> None:
    session = spot()
    session.desk.break_with(kind="reset", phase=phase, call="WS order.place", clientOrderId="mine")
    assert place(session) is None
    assert session.line.is_cut
    assert is_placed(session) is placed
    assert session.desk.notes == [("WS order.place", "mine", 0)]


@pytest.mark.parametrize(("phase", "placed"), [("before", False), ("after", True)])
def test_black_hole_says_nothing_and_stays(phase: str, *, placed: bool) -> None:
    session = spot()
    session.desk.break_with(kind="black_hole", phase=phase, call="WS order.place")
    assert place(session) is None
    assert not session.line.is_cut
    assert is_placed(session) is placed
    assert session.ask("time")["status"] == 200


def test_slow_answer_holds_back_no_other() -> None:
    session = spot()
    session.desk.break_with(kind="slow", delayMs=500, call="WS order.place")
    assert place(session) is None
    assert is_placed(session)
    assert session.ask("time", identity=2)["id"] == 2
    assert session.line.pass_time() == [500]
    assert session.line.frames[-1]["result"]["clientOrderId"] == "mine"


def test_what_is_held_back_before_the_engine_executes_also_when_the_line_is_gone() -> None:
    session = spot()
    session.desk.break_with(kind="slow", phase="before", delayMs=500, call="WS order.place")
    place(session)
    session.channel.closed()
    assert session.line.outliving == 1
    session.line.pass_time()
    assert is_placed(session)


@pytest.mark.parametrize(("kind", "names"), [("answer_doubled", [1, 1]), ("answer_misnamed", ["nobody"])])
def test_answer_comes_twice_or_under_the_name_of_nobody(kind: str, names: list[object]) -> None:
    session = spot()
    session.desk.break_with(kind=kind, call="WS order.place")
    place(session)
    assert [frame["id"] for frame in session.line.frames] == names
    assert {frame["result"]["clientOrderId"] for frame in session.line.frames} == {"mine"}


def test_held_back_past_its_window_it_is_too_late() -> None:
    session = spot()
    session.desk.break_with(kind="slow", phase="before", delayMs=6000, call="WS order.place")
    place(session)
    session.desk.now_ms += 6000
    session.line.pass_time()
    assert session.line.frames[-1]["error"]["code"] == -1021


@pytest.mark.parametrize(
    ("rule", "status", "code", "placed"),
    [
        ({"kind": "error_after_execution", "code": "-1007", "status": 504}, 504, -1007, True),
        ({"kind": "error_before_execution", "code": "-1008"}, 503, -1008, False),
        ({"kind": "rate_limited"}, 429, -1003, False),
        ({"kind": "banned"}, 418, -1003, False),
        ({"kind": "key_revoked"}, 401, -2015, False),
        ({"kind": "forbidden"}, 403, -1000, False),
        ({"kind": "forbidden", "phase": "after"}, 403, -1000, True),
    ],
)
def test_fault_is_told_in_a_frame(rule: dict[str, Any], status: int, code: int, *, placed: bool) -> None:
    session = spot()
    session.desk.break_with(**rule, call="WS order.place")
    answer = place(session)
    assert (answer["status"], answer["error"]["code"]) == (status, code)
    assert is_placed(session) is placed


def test_filled_first_fills_the_order_that_a_cancel_is_for() -> None:
    session = spot()
    place(session)
    session.desk.break_with(kind="filled_first", call="WS order.cancel")
    answer = session.ask("order.cancel", key="trader", symbol="BTCUSDT", origClientOrderId="mine")
    assert answer["error"]["code"] == -2011
    assert session.desk.json("GET", "order", symbol="BTCUSDT", origClientOrderId="mine")["status"] == "FILLED"


def test_closed_after_answers_first() -> None:
    session = spot()
    session.desk.break_with(kind="connection_closed", call="WS order.place")
    assert place(session)["status"] == 200
    assert session.line.closed == 1001


def test_bug_of_the_simulator_is_a_500_and_heard_of() -> None:
    session = spot()
    session.desk.venue.methods["order.place"] = replace(session.desk.venue.methods["order.place"], answer=_break)
    session = session.desk.connect(API)
    assert place(session)["status"] == 500
    assert [str(bug) for bug in session.desk.bugs] == ["broken"]
    assert session.ask("time")["status"] == 200


def _break(engine: Any, call: Any) -> Any:
    del engine, call
    message = "broken"
    raise RuntimeError(message)


@pytest.mark.parametrize("path", [API, "/ws/btcusdt@trade"])
def test_connections_are_counted_by_address(path: str) -> None:
    desk = VenueDesk()
    answers = [desk.refuse(path) for _ in range(301)]
    assert answers[:300] == [None] * 300
    last = answers[300]
    assert last is not None
    assert (last.status, b"-1034" in last.body) == (429, True)
    desk.now_ms += 300_000
    assert desk.refuse(path) is None
