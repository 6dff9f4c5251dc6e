import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ordergate.ports.venue import Executed, NotExecuted, NotSent, Throttled, Unknown
from ordergate.trading.errors import Misuse, VenueUnavailable, WrongKey
from ordergate.trading.ids import ClientOrderId, VenueOrderId
from ordergate.trading.order import OrderRequest, OrderType, State, TimeInForce
from tests.unit.venues.futures_rows import (
    ALGO,
    BTC,
    CHILD,
    ORDER,
    POSITION,
    SYMBOL,
    TRIGGERED,
    request,
    stop_request,
)
from tests.unit.venues.futures_venue import KEY, SECRET, Exchange, exchange, market_at, opening, reading_at, trading_at

ORDERS, ALGOS = "/fapi/v1/order", "/fapi/v1/algoOrder"
NONE = (400, {"code": -2013, "msg": "Order does not exist."})
TOO_LATE = (400, {"code": -2011, "msg": "Unknown order sent."})
NEW = {**ORDER, "status": "NEW", "executedQty": "0"}
FILLED_CHILD = {**CHILD, "status": "FILLED", "executedQty": "0.010", "updateTime": 1767323047000}
ALGO_NAME = VenueOrderId("algo-1000000033225453")
CHILD_NAME = VenueOrderId("88937381063")


@pytest.fixture
async def venue() -> AsyncIterator[Exchange]:
    async with exchange() as found:
        yield found


# Placing.


async def test_an_order_is_signed_in_the_query_as_it_is_sent(venue: Exchange) -> None:
    venue.says(f"POST {ORDERS}", (200, NEW))
    async with trading_at(venue) as trading:
        outcome = await trading.place(request(), write_ahead=venue.write_ahead, deadline_seconds=1)
    assert isinstance(outcome, Executed), outcome
    assert outcome.view is not None
    assert (outcome.view.venue_order_id, outcome.view.status) == ("8886774", State.ACCEPTED)
    [sent] = [each for each in venue.asked if each.route == f"POST {ORDERS}"]
    assert sent.body == b""
    assert f"X-MBX-APIKEY: {KEY}" in sent.head
    assert sent.parameters["timestamp"] == str(venue.write_aheads[0])
    assert sent.parameters["recvWindow"] == "5000"
    [record] = [each for each in venue.records if each.path == ORDERS]
    assert record.status == 200


async def test_the_signature_is_of_the_bytes_before_it(venue: Exchange) -> None:
    venue.says(f"POST {ORDERS}", (200, NEW))
    async with trading_at(venue) as trading:
        await trading.place(request(), write_ahead=venue.write_ahead, deadline_seconds=1)
    [sent] = [each for each in venue.asked if each.route == f"POST {ORDERS}"]
    names = list(sent.parameters)
    assert names[-1] == "signature"
    payload = "&".join(f"{name}={value}" for name, value in sent.parameters.items() if name != "signature")
    assert sent.parameters["signature"] == hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()


async def test_a_conditional_order_goes_to_the_algo_service_and_bears_its_name(venue: Exchange) -> None:
    venue.says(f"POST {ALGOS}", (200, ALGO))
    async with trading_at(venue) as trading:
        outcome = await trading.place(stop_request(), write_ahead=venue.write_ahead, deadline_seconds=1)
    assert isinstance(outcome, Executed), outcome
    assert outcome.view is not None
    assert (outcome.view.venue_order_id, outcome.view.type) == (ALGO_NAME, OrderType.STOP)
    assert venue.calls(f"POST {ALGOS}")[0]["clientAlgoId"] == "alpha-1"
    assert venue.calls(f"POST {ORDERS}") == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**NEW, "origQty": "0.020"}, "answer_differs_quantity"),
        ({**NEW, "clientOrderId": "other"}, "answer_differs_clientOrderId"),
        ({"orderId": 5}, "unreadable_answer"),
        ([], "unreadable_answer"),
    ],
)
async def test_an_answer_that_is_not_about_the_order_leaves_it_unknown(
    venue: Exchange, row: object, reason: str
) -> None:
    venue.says(f"POST {ORDERS}", (200, row))
    async with trading_at(venue) as trading:
        outcome = await trading.place(request(), write_ahead=venue.write_ahead, deadline_seconds=1)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == reason


async def test_a_duplicate_id_is_unknown_and_a_post_is_never_repeated(venue: Exchange) -> None:
    venue.says(f"POST {ORDERS}", (400, {"code": -4116, "msg": "ClientOrderId is duplicated."}))
    async with trading_at(venue) as trading:
        assert isinstance(await trading.place(request(), write_ahead=venue.write_ahead, deadline_seconds=1), Unknown)
    assert len(venue.calls(f"POST {ORDERS}")) == 1


@pytest.mark.parametrize(
    "terms",
    [
        {"quantity": None, "quote_quantity": Decimal(10), "type": OrderType.MARKET},
        {"post_only": True, "time_in_force": TimeInForce.IOC},
        {"time_in_force": TimeInForce.GTD, "good_till_ms": 1_790_000_500_000},
    ],
)
async def test_what_the_venue_lacks_is_never_sent(venue: Exchange, terms: dict[str, Any]) -> None:
    async with trading_at(venue) as trading:
        outcome = await trading.place(request(**terms), write_ahead=venue.write_ahead, deadline_seconds=1)
    assert isinstance(outcome, NotSent)
    assert outcome.reason.startswith("unsupported_")
    assert (venue.routes_asked(), venue.write_aheads) == ([], [])


async def test_a_batch_is_read_leg_by_leg(venue: Exchange) -> None:
    second = {**NEW, "clientOrderId": "alpha-2", "orderId": 2}
    refused = {"code": -2022, "msg": "ReduceOnly Order is rejected."}
    doubtful = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
    venue.says("POST /fapi/v1/batchOrders", (200, [NEW, refused, doubtful, second]))
    requests = [_named(f"alpha-{number}") for number in (1, 3, 4, 2)]
    async with trading_at(venue) as trading:
        legs = await trading.place_batch(requests, write_ahead=venue.write_ahead, deadline_seconds=1)
    assert [type(leg) for leg in legs] == [Executed, NotExecuted, Unknown, Executed]
    assert len(venue.write_aheads) == 1


async def test_a_batch_with_another_number_of_legs_is_unknown_in_each(venue: Exchange) -> None:
    venue.says("POST /fapi/v1/batchOrders", (200, [NEW]))
    requests = [_named("alpha-1"), _named("alpha-2")]
    async with trading_at(venue) as trading:
        legs = await trading.place_batch(requests, write_ahead=venue.write_ahead, deadline_seconds=1)
        assert [type(leg) for leg in legs] == [Unknown, Unknown]
        with pytest.raises(Misuse):
            await trading.place_batch([stop_request()], write_ahead=venue.write_ahead, deadline_seconds=1)
        with pytest.raises(Misuse):
            await trading.place_batch([request(), request()], write_ahead=venue.write_ahead, deadline_seconds=1)


async def test_a_modified_order_may_have_ended_by_it(venue: Exchange) -> None:
    venue.says(f"PUT {ORDERS}", (200, {**ORDER, "price": "60000", "status": "CANCELED"}))
    terms = request(price=Decimal(60000)).terms
    async with trading_at(venue) as trading:
        outcome = await trading.modify(
            BTC, VenueOrderId("8886774"), terms, write_ahead=venue.write_ahead, deadline_seconds=1
        )
        with pytest.raises(Misuse):
            await trading.modify(BTC, ALGO_NAME, terms, write_ahead=venue.write_ahead, deadline_seconds=1)
    assert isinstance(outcome, Executed)
    assert outcome.view is not None
    assert outcome.view.status is State.CANCELED
    assert venue.calls(f"PUT {ORDERS}")[0]["price"] == "60000"


# Canceling.


async def test_a_cancel_shows_the_order_after_it(venue: Exchange) -> None:
    venue.says(f"DELETE {ORDERS}", (200, {**ORDER, "status": "CANCELED"}))
    async with trading_at(venue) as trading:
        outcome = await trading.cancel(BTC, venue_order_id=VenueOrderId("8886774"))
    assert isinstance(outcome, Executed)
    assert outcome.view is not None
    assert (outcome.view.status, outcome.view.executed_quantity) == (State.CANCELED, Decimal("0.004"))


async def test_a_cancel_that_meets_a_fill_is_too_late_and_shows_it(venue: Exchange) -> None:
    venue.says(f"DELETE {ORDERS}", TOO_LATE)
    venue.says(f"GET {ORDERS}", (200, {**ORDER, "status": "FILLED", "executedQty": "0.010"}))
    venue.says(f"GET {ALGOS}", NONE)
    async with trading_at(venue) as trading:
        outcome = await trading.cancel(BTC, venue_order_id=VenueOrderId("8886774"))
    assert isinstance(outcome, NotExecuted)
    assert outcome.too_late
    assert outcome.view is not None
    assert outcome.view.executed_quantity == Decimal("0.010")


async def test_a_cancel_of_what_a_read_shows_open_says_nothing_of_the_order(venue: Exchange) -> None:
    venue.says(f"DELETE {ORDERS}", TOO_LATE)
    venue.says(f"GET {ORDERS}", (200, NEW))
    venue.says(f"GET {ALGOS}", NONE)
    async with trading_at(venue) as trading:
        outcome = await trading.cancel(BTC, venue_order_id=VenueOrderId("8886774"))
    assert isinstance(outcome, NotExecuted)
    assert (outcome.not_found, outcome.too_late, outcome.view) == (True, False, None)


async def test_a_conditional_order_is_canceled_by_its_own_number(venue: Exchange) -> None:
    venue.says(
        f"DELETE {ALGOS}",
        (200, {"algoId": 1000000033225453, "clientAlgoId": "alpha-1", "code": "200", "msg": "success"}),
    )
    venue.says(f"GET {ALGOS}", (200, {**ALGO, "algoStatus": "CANCELED"}))
    async with trading_at(venue) as trading:
        outcome = await trading.cancel(BTC, venue_order_id=ALGO_NAME)
    assert isinstance(outcome, Executed)
    assert outcome.view is not None
    assert outcome.view.status is State.CANCELED
    assert venue.calls(f"DELETE {ALGOS}")[0]["algoId"] == "1000000033225453"


async def test_after_its_trigger_the_child_is_canceled(venue: Exchange) -> None:
    venue.says(f"DELETE {ALGOS}", TOO_LATE)
    venue.says(f"GET {ALGOS}", (200, TRIGGERED), (200, {**TRIGGERED, "algoStatus": "FINISHED"}))
    venue.says(f"DELETE {ORDERS}", (200, {**CHILD, "status": "CANCELED", "executedQty": "0.004"}))
    venue.says(f"GET {ORDERS}", (200, {**CHILD, "status": "CANCELED", "executedQty": "0.004"}))
    async with trading_at(venue) as trading:
        outcome = await trading.cancel(BTC, venue_order_id=ALGO_NAME)
    assert isinstance(outcome, Executed)
    assert outcome.view is not None
    assert (outcome.view.venue_order_id, outcome.view.status, outcome.view.executed_quantity) == (
        ALGO_NAME,
        State.CANCELED,
        Decimal("0.004"),
    )
    assert venue.calls(f"DELETE {ORDERS}")[0]["orderId"] == CHILD_NAME


async def test_a_conditional_order_that_has_filled_is_too_late_to_cancel(venue: Exchange) -> None:
    venue.says(f"DELETE {ALGOS}", TOO_LATE)
    venue.says(f"DELETE {ORDERS}", TOO_LATE)
    venue.says(f"GET {ALGOS}", (200, {**TRIGGERED, "algoStatus": "FINISHED"}))
    venue.says(f"GET {ORDERS}", (200, FILLED_CHILD))
    async with trading_at(venue) as trading:
        outcome = await trading.cancel(BTC, venue_order_id=ALGO_NAME)
    assert isinstance(outcome, NotExecuted)
    assert outcome.too_late
    assert outcome.view is not None
    assert (outcome.view.venue_order_id, outcome.view.status) == (ALGO_NAME, State.FILLED)


async def test_a_batch_of_cancels_is_read_leg_by_leg(venue: Exchange) -> None:
    canceled = {**ORDER, "orderId": 1, "status": "CANCELED"}
    venue.says(
        "DELETE /fapi/v1/batchOrders",
        (200, [canceled, {"code": -2011, "msg": "Unknown order sent."}, {**canceled, "orderId": 9}]),
    )
    async with trading_at(venue) as trading:
        legs = await trading.cancel_batch(BTC, [VenueOrderId(each) for each in "123"])
        with pytest.raises(Misuse):
            await trading.cancel_batch(BTC, [ALGO_NAME])
    assert [type(leg) for leg in legs] == [Executed, NotExecuted, Unknown]
    assert venue.calls("DELETE /fapi/v1/batchOrders")[0]["orderIdList"] == "[1,2,3]"


DONE = (200, {"code": 200, "msg": "The operation of cancel all open order is done."})


async def test_everything_of_a_symbol_is_canceled_of_both_kinds(venue: Exchange) -> None:
    venue.says("DELETE /fapi/v1/allOpenOrders", DONE)
    venue.says("DELETE /fapi/v1/algoOpenOrders", DONE)
    async with trading_at(venue) as trading:
        assert await trading.cancel_all(BTC) == Executed(view=None)
    assert venue.routes_asked() == ["DELETE /fapi/v1/allOpenOrders", "DELETE /fapi/v1/algoOpenOrders"]


async def test_everything_of_an_account_is_every_symbol_that_either_list_names(venue: Exchange) -> None:
    venue.says("GET /fapi/v1/openAlgoOrders", (200, [{**ALGO, "symbol": "ETHUSDT"}]))
    venue.says("GET /fapi/v1/openOrders", (200, [NEW]))
    venue.says("DELETE /fapi/v1/allOpenOrders", DONE)
    venue.says("DELETE /fapi/v1/algoOpenOrders", DONE)
    async with trading_at(venue) as trading:
        assert await trading.cancel_all(None) == Executed(view=None)
    for path in ("/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders"):
        assert [each["symbol"] for each in venue.calls(f"DELETE {path}")] == ["BTCUSDT", "ETHUSDT"]


async def test_one_symbol_that_is_not_canceled_spoils_the_whole_and_stops_none(venue: Exchange) -> None:
    venue.says("GET /fapi/v1/openAlgoOrders", (200, [{**ALGO, "symbol": "ETHUSDT"}]))
    venue.says("GET /fapi/v1/openOrders", (200, [NEW]))
    venue.says("DELETE /fapi/v1/allOpenOrders", (500, {}), DONE)
    venue.says("DELETE /fapi/v1/algoOpenOrders", DONE)
    async with trading_at(venue) as trading:
        assert isinstance(await trading.cancel_all(None), Unknown)
    assert len(venue.calls("DELETE /fapi/v1/algoOpenOrders")) == 2
    venue.says("GET /fapi/v1/openOrders", (500, {}))
    async with trading_at(venue) as trading:
        assert isinstance(await trading.cancel_all(None), Unknown)


async def test_a_countdown_is_what_was_asked_for(venue: Exchange) -> None:
    path = "POST /fapi/v1/countdownCancelAll"
    venue.says(path, (200, {"symbol": "BTCUSDT", "countdownTime": "120000"}))
    async with trading_at(venue) as trading:
        assert await trading.cancel_all_after(BTC, countdown_ms=120_000) == Executed(view=None)
        assert isinstance(await trading.cancel_all_after(BTC, countdown_ms=60_000), Unknown)
        with pytest.raises(Misuse):
            await trading.cancel_all_after(BTC, countdown_ms=-1)
    assert venue.calls(path)[0]["countdownTime"] == "120000"


async def test_a_setting_that_is_already_so_is_a_success(venue: Exchange) -> None:
    venue.says("POST /fapi/v1/marginType", (400, {"code": -4046, "msg": "No need to change margin type."}))
    venue.says("POST /fapi/v1/positionSide/dual", (400, {"code": -4059, "msg": "No need to change position side."}))
    venue.says("POST /fapi/v1/leverage", (200, {"leverage": 21, "maxNotionalValue": "1000000", "symbol": "BTCUSDT"}))
    async with trading_at(venue) as trading:
        assert isinstance(await trading.set_margin_type(BTC, isolated=True), Executed)
        assert isinstance(await trading.set_position_mode(hedge=False), Executed)
        assert isinstance(await trading.set_leverage(BTC, 21), Executed)
        venue.says("POST /fapi/v1/positionSide/dual", (400, {"code": -4067, "msg": "there exists open orders."}))
        assert isinstance(await trading.set_position_mode(hedge=True), NotExecuted)
    assert venue.calls("POST /fapi/v1/positionSide/dual")[0]["dualSidePosition"] == "false"


async def test_a_503_that_failed_for_sure_lets_another_attempt_follow_soon(venue: Exchange) -> None:
    venue.says(
        f"POST {ORDERS}",
        (503, {"code": -1008, "msg": "Request throttled by system-level protection. Please try again."}),
    )
    async with trading_at(venue) as trading:
        outcome = await trading.place(request(), write_ahead=venue.write_ahead, deadline_seconds=1)
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after_ms < 1_000


# Reading.


async def test_a_lookup_asks_both_kinds_and_finds_either(venue: Exchange) -> None:
    venue.says(f"GET {ALGOS}", NONE)
    venue.says(f"GET {ORDERS}", (200, ORDER))
    async with reading_at(venue) as reading:
        plain = await reading.lookup(BTC, ClientOrderId("alpha-1"))
        venue.says(f"GET {ALGOS}", (200, ALGO))
        waiting = await reading.lookup(BTC, ClientOrderId("alpha-1"))
        venue.says(f"GET {ALGOS}", (200, {**TRIGGERED, "algoStatus": "FINISHED"}))
        venue.says(f"GET {ORDERS}", (200, FILLED_CHILD))
        filled = await reading.lookup(BTC, ClientOrderId("alpha-1"))
        venue.says(f"GET {ALGOS}", NONE)
        venue.says(f"GET {ORDERS}", NONE)
        assert await reading.lookup(BTC, ClientOrderId("alpha-1")) is None
    assert plain is not None
    assert waiting is not None
    assert filled is not None
    assert (plain.venue_order_id, waiting.venue_order_id, filled.venue_order_id) == ("8886774", ALGO_NAME, ALGO_NAME)
    assert (filled.status, filled.executed_quantity) == (State.FILLED, Decimal("0.010"))


async def test_of_two_orders_with_one_id_the_newer_counts(venue: Exchange) -> None:
    """A finished order frees its id, and the two kinds of orders have id spaces of their own."""
    venue.says(f"GET {ALGOS}", (200, {**ALGO, "algoStatus": "CANCELED"}))
    async with reading_at(venue) as reading:
        for later, name in ((1, "8886774"), (-1, ALGO_NAME)):
            venue.says(f"GET {ORDERS}", (200, {**ORDER, "time": ALGO["createTime"] + later}))
            found = await reading.lookup(BTC, ClientOrderId("alpha-1"))
            assert found is not None
            assert found.venue_order_id == name


@pytest.mark.parametrize(
    "row", [{**ORDER, "clientOrderId": "other"}, {**ORDER, "symbol": "ETHUSDT"}, {}, [], {"code": 200}]
)
async def test_an_answer_about_another_order_is_no_answer(venue: Exchange, row: object) -> None:
    venue.says(f"GET {ALGOS}", NONE)
    venue.says(f"GET {ORDERS}", (200, row))
    async with reading_at(venue) as reading:
        with pytest.raises(VenueUnavailable):
            await reading.lookup(BTC, ClientOrderId("alpha-1"))


async def test_an_order_is_read_by_either_name(venue: Exchange) -> None:
    venue.says(f"GET {ALGOS}", (200, {**TRIGGERED, "algoStatus": "FINISHED"}))
    venue.says(f"GET {ORDERS}", (200, FILLED_CHILD))
    async with reading_at(venue) as reading:
        by_own = await reading.order(BTC, ALGO_NAME)
        by_child = await reading.order(BTC, CHILD_NAME)
        assert await reading.order(BTC, VenueOrderId("somebody-elses")) is None
    assert by_own is not None
    assert by_own == by_child
    assert (by_own.venue_order_id, by_own.client_order_id) == (ALGO_NAME, "alpha-1")


async def test_an_ended_conditional_order_is_found_in_the_history(venue: Exchange) -> None:
    venue.says(f"GET {ALGOS}", NONE)
    venue.says("GET /fapi/v1/allAlgoOrders", (200, [{**TRIGGERED, "algoStatus": "FINISHED"}]))
    venue.says(f"GET {ORDERS}", (200, FILLED_CHILD))
    async with reading_at(venue) as reading:
        found = await reading.order(BTC, ALGO_NAME)
        assert await reading.order(BTC, VenueOrderId("algo-7")) is None
    assert found is not None
    assert found.status is State.FILLED


async def test_how_an_order_ended_is_not_guessed_when_its_child_cannot_be_read(venue: Exchange) -> None:
    venue.says(f"GET {ALGOS}", (200, {**TRIGGERED, "algoStatus": "FINISHED"}))
    venue.says(f"GET {ORDERS}", NONE)
    async with reading_at(venue) as reading:
        with pytest.raises(VenueUnavailable):
            await reading.order(BTC, ALGO_NAME)


async def test_an_order_that_is_no_child_is_asked_about_once(venue: Exchange) -> None:
    venue.says(f"GET {ORDERS}", (200, ORDER))
    venue.says(f"GET {ALGOS}", NONE)
    async with reading_at(venue) as reading:
        for _ in range(3):
            found = await reading.order(BTC, VenueOrderId("8886774"))
            assert found is not None
    assert len(venue.calls(f"GET {ALGOS}")) == 1


# The list of open orders.


def lists(
    venue: Exchange, algos: list[dict[str, Any]], orders: list[dict[str, Any]], past: list[dict[str, Any]] | None = None
) -> None:
    venue.says("GET /fapi/v1/openAlgoOrders", (200, algos))
    venue.says("GET /fapi/v1/openOrders", (200, orders))
    venue.says("GET /fapi/v1/allAlgoOrders", (200, past or []))


async def test_the_list_holds_orders_of_both_kinds(venue: Exchange) -> None:
    other = {**NEW, "orderId": 5, "clientOrderId": "web_x"}
    lists(venue, [ALGO], [NEW, other])
    async with reading_at(venue) as reading:
        found = await reading.open_orders()
    assert {view.venue_order_id for view in found} == {ALGO_NAME, "5"}
    assert venue.routes_asked()[:2] == ["GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/openOrders"]


async def test_a_child_in_the_list_is_shown_as_its_parent(venue: Exchange) -> None:
    lists(venue, [], [{**CHILD, "status": "PARTIALLY_FILLED", "executedQty": "0.004"}], [TRIGGERED])
    async with reading_at(venue) as reading:
        [view] = await reading.open_orders()
    assert (view.venue_order_id, view.type, view.status) == (ALGO_NAME, OrderType.STOP, State.PARTIALLY_FILLED)


async def test_an_order_that_is_triggered_between_two_lists_keeps_its_name(venue: Exchange) -> None:
    lists(venue, [ALGO], [])
    async with reading_at(venue) as reading:
        [waiting] = await reading.open_orders()
        lists(venue, [], [{**CHILD, "clientOrderId": "x-of-its-own"}])
        venue.says(f"GET {ALGOS}", (200, TRIGGERED))
        [working] = await reading.open_orders()
    assert waiting.venue_order_id == working.venue_order_id == ALGO_NAME


async def test_an_order_that_is_triggered_between_the_two_questions_is_shown_once(venue: Exchange) -> None:
    lists(venue, [ALGO], [CHILD], [{**ALGO, "algoStatus": "TRIGGERING"}])
    async with reading_at(venue) as reading:
        [view] = await reading.open_orders()
    assert view.venue_order_id == ALGO_NAME


async def test_orders_that_were_looked_at_cost_nothing_more(venue: Exchange) -> None:
    lists(venue, [], [NEW])
    async with reading_at(venue) as reading:
        for _ in range(3):
            assert len(await reading.open_orders(BTC)) == 1
    assert len(venue.calls("GET /fapi/v1/allAlgoOrders")) == 1
    assert venue.calls("GET /fapi/v1/openOrders")[0]["symbol"] == "BTCUSDT"


async def test_a_status_that_is_new_counts_as_open_in_the_list_and_an_ended_one_spoils_it(venue: Exchange) -> None:
    lists(venue, [], [{**NEW, "status": "SOMETHING_NEW"}])
    async with reading_at(venue) as reading:
        [view] = await reading.open_orders()
        assert view.status is State.ACCEPTED
        lists(venue, [], [{**NEW, "status": "CANCELED"}])
        with pytest.raises(VenueUnavailable):
            await reading.open_orders()
        lists(venue, [], [{**NEW, "symbol": "ETHUSDT"}])
        with pytest.raises(VenueUnavailable):
            await reading.open_orders(BTC)


@pytest.mark.parametrize("route", ["GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/openOrders"])
@pytest.mark.parametrize("said", [(500, {}), (200, {}), (200, [{"orderId": 1}])])
async def test_one_list_that_cannot_be_read_is_no_empty_list(
    venue: Exchange, route: str, said: tuple[int, Any]
) -> None:
    """The word "flat" needs both."""
    lists(venue, [], [])
    venue.says(route, said)
    async with reading_at(venue) as reading:
        with pytest.raises(VenueUnavailable):
            await reading.open_orders()


# The rest.


async def test_positions_and_the_position_mode_are_read(venue: Exchange) -> None:
    venue.says("GET /fapi/v3/positionRisk", (200, [POSITION]))
    venue.says("GET /fapi/v1/positionSide/dual", (200, {"dualSidePosition": True}))
    async with reading_at(venue) as reading:
        [position] = await reading.positions()
        assert await reading.is_hedging()
    assert position.quantity == Decimal("-0.030")


async def test_a_listen_key_is_asked_for_with_the_key_and_without_a_signature(venue: Exchange) -> None:
    venue.says("POST /fapi/v1/listenKey", (200, {"listenKey": "pqia91ma19a5s61cv6a81va65sdf19v8"}))
    venue.says("PUT /fapi/v1/listenKey", (200, {}), (400, {"code": -1125, "msg": "This listenKey does not exist."}))
    venue.says("DELETE /fapi/v1/listenKey", (200, {}))
    async with reading_at(venue) as reading:
        assert await reading.listen_key() == "pqia91ma19a5s61cv6a81va65sdf19v8"
        assert await reading.extend_listen_key()
        assert not await reading.extend_listen_key()
        await reading.close_listen_key()
    asked = [each for each in venue.asked if "listenKey" in each.route]
    assert all(each.parameters == {} and f"X-MBX-APIKEY: {KEY}" in each.head for each in asked)


async def test_public_facts_need_no_key(venue: Exchange) -> None:
    venue.says("GET /fapi/v1/exchangeInfo", (200, {"symbols": [SYMBOL]}))
    venue.says("GET /fapi/v1/premiumIndex", (200, [{"symbol": "BTCUSDT", "markPrice": "64000.1", "time": 5}]))
    async with market_at(venue) as market:
        [instrument] = await market.instruments()
        [price] = await market.prices()
    assert (instrument.symbol, price.price) == (BTC, Decimal("64000.1"))
    assert all("X-MBX-APIKEY" not in each.head for each in venue.asked)


async def test_a_key_is_verified_by_a_signed_read(venue: Exchange) -> None:
    venue.says("GET /fapi/v3/balance", (200, []), (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}))
    async with reading_at(venue) as reading:
        key = opening(venue).key
        assert key is not None
        await reading.verify(key)
        with pytest.raises(WrongKey):
            await reading.verify(key)


def _named(client_order_id: str) -> OrderRequest:
    made = request()
    return replace(made, key=replace(made.key, client_order_id=ClientOrderId(client_order_id)))


async def test_the_limits_that_the_venue_publishes_hold(venue: Exchange) -> None:
    published = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 20},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ]
    said = {"symbols": [SYMBOL], "rateLimits": published, "serverTime": venue.now_ms, "timezone": "UTC"}
    venue.says("GET /fapi/v1/exchangeInfo", (200, said))
    venue.says("GET /fapi/v1/premiumIndex", (200, []))
    async with market_at(venue) as market:
        await market.prices()
        await market.instruments()
        with pytest.raises(VenueUnavailable):
            await market.prices()
