"""Market streams, and user data by listen key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator.binance.desk import MARKET, ORDER, VenueDesk, Wired


def futures(**changes: Any) -> VenueDesk:
    return VenueDesk("binance-futures", **changes)


def private(desk: VenueDesk, *, query: str = "") -> Wired:
    key = desk.json("POST", "listenKey")["listenKey"]
    return desk.connect(f"/private/ws/{key}" if not query else "/private/ws", query.format(key=key))


def trade(desk: VenueDesk) -> None:
    """Two accounts meet."""
    desk.ask("POST", "order", **ORDER)
    desk.ask("POST", "order", key="stranger", **{**MARKET, "side": "SELL"})


def test_raw_stream_is_the_body_and_combined_names_it() -> None:
    desk = VenueDesk()
    raw, combined = desk.connect("/ws/btcusdt@trade"), desk.connect("/stream", "streams=btcusdt@trade/btcusdt@aggTrade")
    trade(desk)
    assert [frame["e"] for frame in raw.line.frames] == ["trade"]
    assert [frame["stream"] for frame in combined.line.frames] == ["btcusdt@trade", "btcusdt@aggTrade"]
    assert combined.line.frames[0]["data"] == raw.line.frames[0]


def test_streams_are_subscribed_listed_and_left() -> None:
    stream = VenueDesk().connect("/ws")
    names = ["btcusdt@trade", "ethusdt@bookTicker"]
    assert stream.say({"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
    assert stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 2}) == {"result": names, "id": 2}
    assert stream.say({"method": "UNSUBSCRIBE", "params": names[:1], "id": 3}) == {"result": None, "id": 3}
    assert stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 4})["result"] == names[1:]
    trade(stream.desk)
    assert stream.line.frames[-1]["id"] == 4


def test_combined_is_a_property() -> None:
    stream = VenueDesk().connect("/ws/btcusdt@trade")
    assert stream.say({"method": "GET_PROPERTY", "params": ["combined"], "id": 1})["result"] is False
    assert stream.say({"method": "SET_PROPERTY", "params": ["combined", True], "id": 2})["result"] is None
    trade(stream.desk)
    assert stream.line.frames[-1]["stream"] == "btcusdt@trade"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"{", 3),
        (b'{"method":"LIST_SUBSCRIPTIONS","id":"\\ud800"}', 3),
        (b"[" * 100_000, 3),
        ({"id": 1}, 2),
        ([], 2),
        ({"method": "SHOUT", "id": 1}, 2),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1),
        ({"method": "GET_PROPERTY", "params": ["colour"], "id": 1}, 0),
    ],
)
def test_what_is_wrong_is_numbered(document: Any, code: int) -> None:
    assert VenueDesk().connect("/ws").say(document)["code"] == code


@pytest.mark.parametrize(("dialect", "most"), [("binance-spot", 5), ("binance-futures", 10)])
def test_who_talks_too_much_is_disconnected(dialect: str, most: int) -> None:
    stream = VenueDesk(dialect).connect("/ws")
    for _ in range(most):
        stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
    assert stream.line.closed is None
    stream.desk.now_ms += 1000
    for _ in range(most + 1):
        stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
    assert stream.line.closed == 1008


@pytest.mark.parametrize(
    "name",
    [
        "btcusdt@bookTicker",
        "btcusdt@miniTicker",
        "btcusdt@ticker",
        "btcusdt@depth5",
        "btcusdt@kline_1m",
    ],
)
def test_book_streams_say_what_is_new_and_only_that(name: str) -> None:
    desk = VenueDesk()
    stream = desk.connect(f"/ws/{name}")
    trade(desk)
    for _ in range(3):
        desk.now_ms += 5_000
        desk.venue.advance(desk.now_ms)
    assert len(stream.line.frames) == 1
    desk.ask("POST", "order", **{**ORDER, "price": "60001"})
    desk.ask("POST", "order", key="stranger", **{**MARKET, "side": "SELL", "quantity": "0.005"})
    desk.now_ms += 5_000
    desk.venue.advance(desk.now_ms)
    assert len(stream.line.frames) == 2


@pytest.mark.parametrize("dialect", ["binance-spot", "binance-futures"])
def test_differences_of_depth_make_a_book_that_follows_the_venues(dialect: str) -> None:
    desk = VenueDesk(dialect)
    stream = desk.connect("/ws/btcusdt@depth@100ms")
    prices = ["60000", "60001", "60002"]
    for turn in range(6):
        placed = desk.json("POST", "order", **{**ORDER, "price": prices[turn % 3]})
        if turn % 2:
            desk.ask("DELETE", "order", symbol="BTCUSDT", orderId=placed["orderId"] - 1)
        desk.now_ms += 100
        desk.venue.advance(desk.now_ms)
    book: dict[float, float] = {}
    last = 0
    for frame in stream.line.frames:
        assert frame["U"] == last + 1
        last = frame["u"]
        book |= {float(price): float(quantity) for price, quantity in frame["b"]}
    depth = desk.json("GET", "depth", key=None, symbol="BTCUSDT")
    truth = {float(price): float(quantity) for price, quantity in depth["bids"]}
    assert {price: quantity for price, quantity in book.items() if quantity} == truth
    assert len(stream.line.frames) > 3


def test_all_markets_speak_together_but_book_tickers_one_by_one() -> None:
    desk = VenueDesk()
    stream = desk.connect("/stream", "streams=!miniTicker@arr/!bookTicker")
    desk.venue.advance(desk.now_ms)
    frames = [frame["data"] for frame in stream.line.frames]
    assert [row["s"] for row in frames[0]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert [frame["s"] for frame in frames[1:]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]


def test_mark_price_is_for_futures() -> None:
    desks = [VenueDesk(), futures()]
    streams = [desk.connect("/market/ws/btcusdt@markPrice@1s") for desk in desks]
    for desk in desks:
        desk.venue.advance(desk.now_ms)
    assert [len(stream.line.frames) for stream in streams] == [0, 1]


# --- user data


def test_private_stream_hears_the_account_of_its_listen_key() -> None:
    desk = futures()
    stream = private(desk)
    desk.ask("POST", "order", key="stranger", **ORDER)
    assert stream.line.frames == []
    desk.ask("POST", "order", **ORDER, newClientOrderId="mine")
    assert [frame["e"] for frame in stream.line.frames] == ["ORDER_TRADE_UPDATE"]
    assert stream.line.frames[0]["o"]["c"] == "mine"
    assert stream.channel.accounts() == ["main"]


def test_events_may_be_chosen() -> None:
    desk = futures()
    stream = private(desk, query="listenKey={key}&events=ACCOUNT_UPDATE/ALGO_UPDATE")
    trade(desk)
    assert {frame["e"] for frame in stream.line.frames} == {"ACCOUNT_UPDATE"}


@pytest.mark.parametrize("path", ["/ws", "/public/ws", "/market/ws"])
def test_listen_key_is_silent_anywhere_else(path: str) -> None:
    desk = futures()
    key = desk.json("POST", "listenKey")["listenKey"]
    stream = desk.connect(f"{path}/{key}")
    trade(desk)
    assert stream.line.frames == []


def test_listen_key_that_ends_is_told_and_the_socket_stays() -> None:
    desk = futures(streams={"listenKeyMs": 1000})
    stream = private(desk)
    desk.now_ms += 1000
    desk.venue.advance(desk.now_ms)
    desk.ask("POST", "order", **ORDER)
    assert [frame["e"] for frame in stream.line.frames] == ["listenKeyExpired"]
    assert stream.line.closed is None
    desk.json("POST", "listenKey")
    desk.ask("POST", "order", **ORDER)
    assert len(stream.line.frames) == 1


def test_listen_key_that_was_closed_is_silent() -> None:
    desk = futures()
    stream = private(desk)
    desk.ask("DELETE", "listenKey")
    desk.ask("POST", "order", **ORDER)
    assert stream.line.frames == []


def test_connection_that_is_gone_hears_nothing() -> None:
    desk = futures()
    stream = private(desk)
    stream.channel.closed()
    desk.ask("POST", "order", **ORDER)
    desk.venue.advance(desk.now_ms)
    assert stream.line.frames == []


def test_server_says_that_it_ends_in_the_form_of_the_stream() -> None:
    raw, combined = VenueDesk().connect("/ws/btcusdt@trade"), VenueDesk().connect("/stream", "streams=btcusdt@trade")
    for stream in (raw, combined):
        stream.channel.shut_down()
    assert raw.line.frames[0]["e"] == "serverShutdown"
    assert combined.line.frames[0] == {"stream": "!serverShutdown", "data": raw.line.frames[0]}


# --- faults of streams


def struck(**rule: Any) -> Wired:
    """A private stream with one rule, and three orders placed."""
    desk = futures()
    stream = private(desk)
    desk.break_with(**rule)
    for name in "abc":
        desk.ask("POST", "order", **ORDER, newClientOrderId=name)
    return stream


def told(stream: Wired) -> list[str]:
    return [frame["o"]["c"] for frame in stream.line.frames]


def test_stream_is_cut_before_the_event() -> None:
    stream = struck(kind="stream_cut", clientOrderId="b")
    assert told(stream) == ["a"]
    assert stream.line.is_cut


@pytest.mark.parametrize("pings", [False, True])
def test_stream_falls_silent_for_good(*, pings: bool) -> None:
    stream = struck(kind="stream_silent", clientOrderId="b", pings=pings)
    assert told(stream) == ["a"]
    assert stream.line.muted is pings


def test_late_event_holds_back_those_behind_it() -> None:
    stream = struck(kind="stream_late", clientOrderId="b", delayMs=700)
    assert told(stream) == ["a"]
    assert stream.line.pass_time() == [700]
    assert told(stream) == ["a", "b", "c"]


def test_each_late_event_is_late_by_itself() -> None:
    stream = struck(kind="stream_late", delayMs=700)
    assert told(stream) == []
    shown = []
    for _, action in stream.line.waiting:
        action()
        shown.append(told(stream))
    assert shown == [["a"], ["a", "b"], ["a", "b", "c"]]


def test_doubled_event_comes_twice() -> None:
    assert told(struck(kind="stream_doubled", clientOrderId="b")) == ["a", "b", "b", "c"]


def test_reordered_event_comes_behind_the_next() -> None:
    stream = struck(kind="stream_reordered", clientOrderId="b")
    assert told(stream) == ["a", "c", "b"]
    stream.line.pass_time()
    assert told(stream) == ["a", "c", "b"]


def test_reordered_event_without_a_next_comes_by_itself() -> None:
    stream = struck(kind="stream_reordered", clientOrderId="c", delayMs=300)
    assert told(stream) == ["a", "b"]
    assert stream.line.pass_time() == [300]
    assert told(stream) == ["a", "b", "c"]


def test_shutdown_is_announced_and_then_happens() -> None:
    stream = struck(kind="stream_shutdown", call="ORDER_TRADE_UPDATE", times=1, delayMs=50)
    assert [frame["e"] for frame in stream.line.frames][:2] == ["serverShutdown", "ORDER_TRADE_UPDATE"]
    assert stream.line.closed is None
    stream.line.pass_time()
    assert stream.line.closed == 1001


def test_rules_of_calls_and_of_streams_do_not_meet() -> None:
    desk = futures()
    stream = private(desk)
    desk.break_with(kind="answer_lost", times=1)
    desk.ask("POST", "order", **ORDER)
    assert len(stream.line.frames) == 1
    report: Any = desk.faults.report()
    assert report["rules"][0]["matched"] == 0
    desk.break_with(kind="stream_cut", times=1)
    assert desk.faults.strike("POST /fapi/v1/order", None) is None


def test_market_streams_are_struck_by_their_names() -> None:
    desk = VenueDesk()
    stream = desk.connect("/stream", "streams=btcusdt@trade/btcusdt@aggTrade")
    desk.break_with(kind="stream_doubled", call="btcusdt@aggTrade")
    trade(desk)
    assert [frame["stream"] for frame in stream.line.frames] == [
        "btcusdt@trade",
        "btcusdt@aggTrade",
        "btcusdt@aggTrade",
    ]
