"""What events of Binance mean to us, and that whatever else comes is set aside."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import permutations
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.streaming import Turn, Wish
from ordergate.ports.stream import OrderSeen, SetAside, StreamEvent, TradeSeen
from ordergate.trading.fills import Liquidity
from ordergate.trading.order import OrderType, PositionSide, Side, State
from ordergate.venues.binance_futures.stream import FuturesStreamManners
from ordergate.venues.binance_futures.stream import stream_url as futures_url
from ordergate.venues.binance_spot.stream import SpotStreamManners
from ordergate.venues.binance_spot.stream import stream_url as spot_url
from ordergate.venues.registry import VENUES
from tests.unit.venues.binance_events import algo_update, execution_report, order_update

Told = list[StreamEvent | Turn]


def spot(event: dict[str, Any], *, manners: SpotStreamManners | None = None) -> Told:
    return told(manners or spot_manners(), {"subscriptionId": 0, "event": event})


def futures(event: dict[str, Any], *, manners: FuturesStreamManners | None = None) -> Told:
    return told(manners or futures_manners(), event)


def spot_manners() -> SpotStreamManners:
    return SpotStreamManners(session=None, recv_window_ms=5_000)  # type: ignore[arg-type] # reading needs none


def futures_manners() -> FuturesStreamManners:
    return FuturesStreamManners(session=None)  # type: ignore[arg-type] # reading needs none


def told(manners: SpotStreamManners | FuturesStreamManners, message: object) -> Told:
    return list(manners.read(orjson.dumps(message)))


def trade_in(found: Iterable[StreamEvent | Turn]) -> TradeSeen:
    return next(each for each in found if isinstance(each, TradeSeen))


def order_in(found: Iterable[StreamEvent | Turn]) -> OrderSeen:
    return next(each for each in found if isinstance(each, OrderSeen))


def test_a_trade_of_spot_is_a_trade_and_then_an_order() -> None:
    found = spot(execution_report())
    assert [type(each) for each in found] == [TradeSeen, OrderSeen]
    trade, view = trade_in(found).trade, order_in(found).view
    assert (trade.trade_id, trade.venue_order_id, trade.client_order_id) == ("77", "4293153", "alpha-1")
    assert (trade.price, trade.quantity) == (Decimal("0.10264410"), Decimal("0.5"))
    assert (trade.fee, trade.fee_asset, trade.liquidity) == (Decimal("0.0001"), "BNB", Liquidity.TAKER)
    assert (view.status, view.executed_quantity, view.quantity) == (State.PARTIALLY_FILLED, Decimal("0.5"), Decimal(1))
    assert (view.side, view.type, view.stop_price) == (Side.BUY, OrderType.LIMIT, None)
    assert (view.created_at_ms, view.updated_at_ms) == (1499405658600, 1499405658657)


def test_the_event_of_a_cancel_is_about_the_order_that_c_names_in_capitals() -> None:
    event = execution_report(x="CANCELED", X="CANCELED", c="cancel-9", C="alpha-1", t=-1, l="0.00000000", N=None, n="0")
    found = spot(event)
    assert [type(each) for each in found] == [OrderSeen]
    assert order_in(found).view.client_order_id == "alpha-1"
    assert order_in(found).view.status is State.CANCELED


def test_prevented_self_trades_expire_the_order_and_are_no_trade() -> None:
    found = spot(execution_report(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", t=-1, v=3, N=None, n="0"))
    assert [type(each) for each in found] == [OrderSeen]
    assert order_in(found).view.status is State.EXPIRED


def test_a_trade_without_a_fee_needs_no_asset_and_a_fee_without_asset_is_set_aside() -> None:
    assert trade_in(spot(execution_report(n="0", N=None))).trade.fee == 0
    found = spot(execution_report(n="0.1", N=None))
    assert [type(each) for each in found] == [SetAside, OrderSeen]


def test_numbers_may_be_texts_and_the_reverse() -> None:
    plain = spot(execution_report())
    assert spot(execution_report(i="4293153", t="77", T="1499405658657", O="1499405658600", m="false", q=1)) == plain
    assert futures(order_update(i="8886774", t="91", m="true", T="1568879465650")) == futures(order_update())


def test_a_status_that_is_new_leaves_the_trade_as_it_is() -> None:
    found = spot(execution_report(X="HALF_FILLED"))
    assert [type(each) for each in found] == [TradeSeen, SetAside]
    assert [type(each) for each in futures(order_update(X="HALF_FILLED"))] == [TradeSeen, SetAside]


def test_a_kind_of_execution_that_is_new_is_never_taken_for_a_trade() -> None:
    assert [type(each) for each in spot(execution_report(x="TRADE_BUST"))] == [SetAside, OrderSeen]
    assert [type(each) for each in futures(order_update(x="TRADE_BUST"))] == [SetAside, OrderSeen]


def test_who_wants_trades_only_is_told_no_orders() -> None:
    manners = spot_manners()
    manners.orders = False
    assert [type(each) for each in spot(execution_report(), manners=manners)] == [TradeSeen]
    manners.trades, manners.orders = False, True
    assert [type(each) for each in spot(execution_report(), manners=manners)] == [OrderSeen]


@pytest.mark.parametrize(
    ("event", "wish"),
    [("serverShutdown", Wish.RENEW), ("eventStreamTerminated", Wish.REOPEN)],
)
def test_spot_says_when_a_stream_ends(event: str, wish: Wish) -> None:
    found = told(spot_manners(), {"event": {"e": event, "E": 1728973001334}})
    assert [each.wish for each in found if isinstance(each, Turn)] == [wish]


def test_a_revoked_key_is_told_by_an_answer_that_nobody_asked_for() -> None:
    found = told(spot_manners(), {"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}})
    assert found == [Turn(wish=Wish.END, reason="code_-2015")]
    assert told(spot_manners(), {"id": "late", "status": 200, "result": {}}) == []


@pytest.mark.parametrize("name", ["outboundAccountPosition", "balanceUpdate", "listStatus", "externalLockUpdate"])
def test_what_spot_says_of_balances_and_lists_is_passed_over(name: str) -> None:
    assert spot({"e": name, "E": 1, "B": [{"a": "BTC"}]}) == []


def test_a_trade_of_futures_bears_its_position_side() -> None:
    found = futures(order_update())
    trade, view = trade_in(found).trade, order_in(found).view
    assert (trade.trade_id, trade.venue_order_id, trade.client_order_id) == ("91", "8886774", "alpha-1")
    assert (trade.position_side, trade.liquidity, trade.fee) == (PositionSide.LONG, Liquidity.MAKER, Decimal("0.064"))
    assert (view.status, view.executed_quantity, view.position_side) == (
        State.PARTIALLY_FILLED,
        Decimal("0.005"),
        PositionSide.LONG,
    )


def test_a_new_order_of_futures_tells_no_trade() -> None:
    found = futures(order_update(x="NEW", X="NEW", t=0, l="0", z="0", L="0", n=None, N=None))
    assert [type(each) for each in found] == [OrderSeen]


def test_a_liquidation_is_the_venues_own_order_and_its_trade_is_told() -> None:
    found = futures(
        order_update(c="autoclose-1", x="CALCULATED", X="FILLED", o="LIQUIDATION", ot="LIQUIDATION", z="0.010")
    )
    assert trade_in(found).trade.client_order_id == "autoclose-1"
    assert order_in(found).view.type is OrderType.LIMIT, "the nearest kind that we know"


def test_trade_lite_bears_no_fee_and_is_passed_over() -> None:
    assert futures({"e": "TRADE_LITE", "s": "BTCUSDT", "t": 91}) == []
    assert futures({"e": "ACCOUNT_UPDATE", "a": {"m": "ORDER", "B": [], "P": []}}) == []


def test_a_conditional_order_and_what_its_trigger_makes_are_one_order() -> None:
    manners = futures_manners()
    placed = order_in(futures(algo_update(), manners=manners)).view
    assert (placed.venue_order_id, placed.client_order_id) == ("algo-2148719", "alpha-2")
    assert (placed.type, placed.status) == (OrderType.TAKE_PROFIT, State.ACCEPTED)
    futures(algo_update(X="TRIGGERED", ai="8886774"), manners=manners)
    child = order_update(c="x-made-by-trigger", ps="BOTH", p="64900", q="0.01")
    found = futures(child, manners=manners)
    assert trade_in(found).trade.venue_order_id == "8886774", "as the list of trades names it"
    assert trade_in(found).trade.client_order_id == "alpha-2"
    view = order_in(found).view
    assert (view.venue_order_id, view.client_order_id, view.executed_quantity) == (
        "algo-2148719",
        "alpha-2",
        Decimal("0.005"),
    )


def test_the_child_of_a_conditional_order_that_nobody_told_of_is_no_order_by_itself() -> None:
    found = futures(order_update(o="LIMIT", ot="TAKE_PROFIT"))
    assert [type(each) for each in found] == [TradeSeen]


def test_an_expired_listen_key_is_the_end_of_the_connection() -> None:
    found = futures({"e": "listenKeyExpired", "E": 1, "listenKey": "secret"})
    assert found == [Turn(wish=Wish.REOPEN, reason="listen_key_expired")]


def test_the_wrapper_of_combined_streams_is_taken_off() -> None:
    assert told(futures_manners(), {"stream": "x", "data": order_update()}) == futures(order_update())


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"[{}]", b"{", b"\xff", b'{"event":[]}', b'{"event":{"e":[1]}}', b'{"o":[]}', b"1" * 400],
)
def test_what_is_no_event_is_set_aside_with_a_reason_and_no_value(data: bytes) -> None:
    for manners in (spot_manners(), futures_manners()):
        found = list(manners.read(data))
        assert [type(each) for each in found] == [SetAside]


WEIRD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=50),
    st.just("9" * 400),
    st.just([]),
    st.just({}),
    st.lists(st.integers(0, 3), max_size=2),
)


@given(data=st.data())
@pytest.mark.parametrize(
    ("made", "say"),
    [
        (execution_report, spot),
        (order_update, futures),
        (algo_update, futures),
    ],
    ids=["executionReport", "ORDER_TRADE_UPDATE", "ALGO_UPDATE"],
)
def test_no_value_of_any_field_breaks_the_reading(
    made: Callable[..., dict[str, Any]], say: Callable[..., Told], data: st.DataObject
) -> None:
    plain = made()
    names = sorted(plain.get("o", plain) if isinstance(plain.get("o"), dict) else plain)
    changed = data.draw(st.dictionaries(st.sampled_from(names), WEIRD, min_size=1, max_size=3))
    missing = data.draw(st.sets(st.sampled_from(names), max_size=2))
    event = made(**changed)
    within = event["o"] if isinstance(event.get("o"), dict) and "e" in event and "s" not in event else event
    for name in missing:
        within.pop(name, None)
    for each in say(event):
        assert isinstance(each, SetAside | TradeSeen | OrderSeen | Turn)
        if isinstance(each, SetAside):
            assert "9" * 40 not in each.reason


# What may come and must not: one claim an item, of both parsers.

both = pytest.mark.parametrize(
    ("made", "say"), [(execution_report, spot), (order_update, futures)], ids=["executionReport", "ORDER_TRADE_UPDATE"]
)
Made = Callable[..., dict[str, Any]]
Say = Callable[..., Told]
SEVENTY_DIGITS = "7" * 70


@both
def test_fields_that_are_new_change_nothing(made: Made, say: Say) -> None:
    assert say(made(brandNew={"a": [1]}, ZZ="x", u=SEVENTY_DIGITS)) == say(made())


@both
@pytest.mark.parametrize(("name", "left"), [("S", []), ("x", [OrderSeen]), ("X", [TradeSeen])])
def test_a_word_that_is_new_is_set_aside_where_it_counts(made: Made, say: Say, name: str, left: list[type]) -> None:
    found = say(made(**{name: SEVENTY_DIGITS}))
    assert [type(each) for each in found if not isinstance(each, SetAside)] == left
    reasons = [each.reason for each in found if isinstance(each, SetAside)]
    assert reasons
    assert not any(SEVENTY_DIGITS in reason for reason in reasons)


def test_kinds_and_sides_of_futures_that_are_new_are_the_nearest_or_set_aside() -> None:
    assert order_in(futures(order_update(o="NEW_KIND"))).view.type is OrderType.LIMIT
    assert {type(each) for each in futures(order_update(ps="MIDDLE"))} == {SetAside}
    assert {type(each) for each in spot(execution_report(o="NEW_KIND"))} == {TradeSeen, SetAside}


@both
@pytest.mark.parametrize("name", ["i", "s", "S", "x", "X", "o", "q", "z", "l", "L", "t", "T"])
def test_a_field_that_is_missing_is_set_aside_and_the_rest_is_told(made: Made, say: Say, name: str) -> None:
    event = made()
    del (event["o"] if isinstance(event.get("o"), dict) else event)[name]
    found = say(event)
    assert len(found) == 2
    assert any(isinstance(each, SetAside) and each.reason for each in found)


@both
@pytest.mark.parametrize("number", ["9" * 25, str(2**63), 2**64 - 1])
def test_ids_may_be_huge_and_keep_every_digit(made: Made, say: Say, number: object) -> None:
    found = say(made(i=number, t=number))
    assert (trade_in(found).trade.trade_id, trade_in(found).trade.venue_order_id) == (str(number), str(number))
    assert order_in(found).view.venue_order_id == str(number)


@both
@pytest.mark.parametrize("number", [b"1" + b"0" * 25, b"1" * 400, b"1.0", b"1e3", b"-7"])
def test_ids_that_have_lost_their_digits_are_set_aside(made: Made, say: Say, number: bytes) -> None:
    wrapped = {"event": made(i=424242)} if say is spot else made(i=424242)
    manners = spot_manners() if say is spot else futures_manners()
    found = list(manners.read(orjson.dumps(wrapped).replace(b"424242", number)))
    assert {type(each) for each in found} == {SetAside}


@both
@pytest.mark.parametrize("value", [[], [1], {}, {"a": 1}])
@pytest.mark.parametrize("name", ["i", "s", "S", "x", "X", "o", "q", "z", "l", "L", "t", "T", "c", "n", "N", "m"])
def test_arrays_and_objects_where_values_were_due_are_set_aside(made: Made, say: Say, name: str, value: object) -> None:
    found = say(made(**{name: value}))
    assert {type(each) for each in found} <= {SetAside, TradeSeen, OrderSeen}
    is_in_both = name in {"i", "s", "S", "T"}
    assert not is_in_both or {type(each) for each in found} == {SetAside}


@both
def test_the_same_events_in_any_order_and_twice_tell_the_same_trades_and_states(made: Made, say: Say) -> None:
    none = {"t": -1 if say is spot else 0, "l": "0", "L": "0", "n": "0", "N": None}
    events = [
        made(x="NEW", X="NEW", z="0", **none),
        made(t=1, z="0.001", l="0.001"),
        made(t=2, z="0.002", l="0.001"),
        made(x="CANCELED", X="CANCELED", z="0.002", **none),
    ]
    known = [fact for event in events for fact in say(event)]
    assert len([fact for fact in known if isinstance(fact, TradeSeen)]) == 2
    for some in permutations([*events, events[1]]):
        found = [fact for event in some for fact in say(event)]
        assert {repr(fact) for fact in found} == {repr(fact) for fact in known}


def test_the_stream_of_an_address_that_we_know_and_of_a_simulator() -> None:
    assert spot_url("https://api.binance.com") == "wss://ws-api.binance.com:443/ws-api/v3"
    assert spot_url("http://127.0.0.1:8700") == "ws://127.0.0.1:8700/ws-api/v3"
    assert futures_url("https://fapi.binance.com") == "wss://fstream.binance.com"
    assert futures_url("http://127.0.0.1:8700") == "ws://127.0.0.1:8700"


def test_every_venue_that_declares_a_private_stream_can_open_one_and_no_other() -> None:
    for venue in VENUES.values():
        assert venue.declaration.private_stream is (venue.streaming is not None)
