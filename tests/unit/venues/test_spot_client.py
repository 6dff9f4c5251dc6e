"""Binance Spot's clients against a server that answers as the documentation shows it: what is sent, what is made of the answers."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from ordergate.access.budget import Scope
from ordergate.access.keys import make_key
from ordergate.access.keys.standing import Permissions
from ordergate.access.opening import Opening
from ordergate.access.session import Patience, RequestRecord
from ordergate.access.signing import hmac_sha256_hex
from ordergate.ports.venue import Executed, NotExecuted, NotSent, Outcome, Priority, Replacement, Throttled, Unknown
from ordergate.runtime.clock import SystemClock
from ordergate.trading.errors import Misuse, VenueUnavailable, WrongKey
from ordergate.trading.ids import ClientOrderId, KeyId, Symbol, TradeId, VenueOrderId
from ordergate.trading.order import OrderRequest, OrderType, Side, State
from ordergate.venues.binance_spot.client import (
    BinanceSpotMarket,
    BinanceSpotReading,
    BinanceSpotTrading,
    open_market,
    open_reading,
    open_trading,
)
from ordergate.venues.binance_spot.lists import OneCancelsOther
from tests.unit.access.stage import answer, say, serving
from tests.unit.venues.spot_rows import (
    BTC,
    canceled,
    exchange_info,
    filled,
    looked_up,
    order_list,
    placed,
    request,
    symbol,
    trade,
)

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
NUMBER = VenueOrderId("28")


def failure(code: int, text: str, **more: object) -> dict[str, object]:
    return {"code": code, "msg": text, **more}


@dataclass(slots=True)
class Exchange:
    """What it answers by method and path, and what it was sent. An answer is (status, document) or a function of the parameters."""

    answers: dict[str, Any] = field(default_factory=dict)
    sent: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    wrote: list[int] = field(default_factory=list)

    def of(self, call: str) -> list[dict[str, str]]:
        return [parameters for name, parameters, _ in self.sent if name == call]

    def reply(self, name: str, parameters: dict[str, str]) -> bytes:
        if name == "GET /api/v3/time":
            return answer(orjson.dumps({"serverTime": SystemClock().now_ms()}))
        found = self.answers[name]
        status, document = found(parameters) if callable(found) else found
        weight = "X-MBX-USED-WEIGHT-1M: 61\r\nX-MBX-ORDER-COUNT-10S: 4\r\nContent-Type: application/json\r\n"
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        return answer(body, status=f"{status} OK", headers=weight)

    async def write_ahead(self, timestamp_ms: int, _: KeyId) -> bool:
        self.wrote.append(timestamp_ms)
        return True


@dataclass(slots=True)
class Stage:
    exchange: Exchange
    trading: BinanceSpotTrading
    reading: BinanceSpotReading
    market: BinanceSpotMarket

    async def place(self, order: OrderRequest) -> Outcome:
        return await self.trading.place(order, write_ahead=self.exchange.write_ahead, deadline_seconds=1)


@contextlib.asynccontextmanager
async def says(**given: Any) -> AsyncIterator[Stage]:
    exchange = Exchange(answers(**given))

    async def script(at: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = peer.requests[at - 1].split(b"\r\n")[0].decode()
        method, target = head.split(" ")[:2]
        parts = urlsplit(target)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        exchange.sent.append((f"{method} {parts.path}", parameters, peer.requests[at - 1]))
        await say(writer, exchange.reply(f"{method} {parts.path}", parameters))

    records: list[RequestRecord] = []
    async with serving(script) as peer:
        opening = Opening(
            url=f"http://127.0.0.1:{peer.origin.port}",
            clock=SystemClock(),
            record=records.append,
            draw=random.Random(1).random,  # noqa: S311 - seeded on purpose
            key=make_key(public="an-api-key-of-sixty-four", secret=SECRET),
            patience=Patience(request_seconds=1.0, read_seconds_max=1.0, read_attempts_max=2, first_pause_seconds=0.01),
        )
        clients = open_trading(opening), open_reading(opening), open_market(opening)
        for client in clients:
            assert await client.start()
        yield Stage(exchange, *clients)
        for client in clients:
            await client.close()


def answers(**given: Any) -> dict[str, Any]:
    """By short names."""
    paths = {
        "place": "POST /api/v3/order", "test": "POST /api/v3/order/test", "cancel": "DELETE /api/v3/order",
        "cancel_all": "DELETE /api/v3/openOrders", "open": "GET /api/v3/openOrders", "order": "GET /api/v3/order",
        "replace": "POST /api/v3/order/cancelReplace", "amend": "PUT /api/v3/order/amend/keepPriority",
        "oco": "POST /api/v3/orderList/oco", "cancel_list": "DELETE /api/v3/orderList", "trades": "GET /api/v3/myTrades",
        "account": "GET /api/v3/account", "rights": "GET /sapi/v1/account/apiRestrictions", "info": "GET /api/v3/exchangeInfo", "prices": "GET /api/v3/ticker/price",
    }  # fmt: skip
    return {paths[name]: found for name, found in given.items()}


def executed(outcome: Outcome) -> Executed:
    assert isinstance(outcome, Executed), outcome
    return outcome


GONE = failure(-2011, "Unknown order sent.")

# Placing.


async def test_an_order_is_sent_in_the_query_signed_with_the_written_time_and_its_fills_come_along() -> None:
    async with says(place=(200, filled())) as stage:
        outcome = executed(await stage.place(request()))
        assert outcome.view is not None
        assert outcome.view.status is State.FILLED
        assert [each.trade_id for each in outcome.trades] == ["56", "57"]
        [(_, sent, raw)] = [each for each in stage.exchange.sent if each[0].startswith("POST")]
        assert (sent["newClientOrderId"], sent["newOrderRespType"]) == ("alpha-1", "FULL")
        assert (sent["timestamp"], sent["recvWindow"]) == (str(stage.exchange.wrote[0]), "5000")
        head, _, body = raw.partition(b"\r\n\r\n")
        assert body == b""
        assert b"X-MBX-APIKEY: an-api-key-of-sixty-four" in head
        query = urlsplit(head.split(b" ")[1].decode()).query
        payload, _, signature = query.rpartition("&signature=")
        assert signature == hmac_sha256_hex(SECRET, payload), "the signature is last, over the very bytes before it"


async def test_an_answer_about_other_terms_is_no_answer() -> None:
    async with says(place=(200, placed(price="1.0"))) as stage:
        outcome = await stage.place(request())
        assert isinstance(outcome, Unknown)
        assert outcome.reason == "answer_differs_price"


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"{}", b'{"orderId":28}', b"null"])
async def test_a_success_that_cannot_be_read_is_unknown(document: bytes) -> None:
    async with says(place=(200, document)) as stage:
        assert isinstance(await stage.place(request()), Unknown)


async def test_what_the_exchange_lacks_is_never_sent() -> None:
    async with says() as stage:
        outcome = await stage.place(request(reduce_only=True))
        assert outcome == NotSent(reason="unsupported_reduce_only", retriable=False)
        assert stage.exchange.wrote == []


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, {}), "validate_only"),
        ((400, failure(-1013, "Filter failure: LOT_SIZE")), "validate_refused_LOT_SIZE"),
        ((503, b"busy"), "validate_unanswered_http_503"),
    ],
)
async def test_a_request_to_validate_is_tested_and_never_placed(reply: tuple[int, object], reason: str) -> None:
    async with says(test=reply) as stage:
        assert await stage.place(request(validate_only=True)) == NotSent(reason=reason, retriable=False)
        assert stage.exchange.wrote == []
        assert stage.exchange.of("POST /api/v3/order") == []


async def test_counts_in_the_headers_reach_the_budget() -> None:
    async with says(place=(200, placed())) as stage:
        await stage.place(request())
        assert stage.trading.session.limiter.used(Scope.REQUESTS)[0] == 61
        assert stage.trading.session.limiter.used(Scope.ORDERS)[0] == 4


# Ending.


async def test_a_cancel_names_the_order_by_the_exchanges_number_alone() -> None:
    async with says(cancel=(200, canceled())) as stage:
        outcome = executed(await stage.trading.cancel(BTC, venue_order_id=NUMBER))
        assert outcome.view is not None
        assert (outcome.view.status, outcome.view.client_order_id) == (State.CANCELED, "alpha-1")
        [sent] = stage.exchange.of("DELETE /api/v3/order")
        assert (sent["orderId"], sent.get("origClientOrderId")) == ("28", None)


@pytest.mark.parametrize("document", [canceled(orderId=29), canceled(symbol="ETHUSDT"), {}, []])
async def test_the_cancel_of_another_order_is_no_answer(document: object) -> None:
    async with says(cancel=(200, document)) as stage:
        assert isinstance(await stage.trading.cancel(BTC, venue_order_id=NUMBER), Unknown)


@pytest.mark.parametrize(
    ("order", "too_late"),
    [
        ((200, looked_up(status="FILLED", executedQty="0.01")), True),
        ((200, looked_up()), False),
        ((400, failure(-2013, "Order does not exist.")), False),
        ((500, {}), False),
        ((200, looked_up(orderId=29, status="FILLED")), False),
    ],
)
async def test_a_cancel_that_met_nothing_is_too_late_only_where_the_order_is_seen_to_have_ended(
    order: tuple[int, object],
    too_late: bool,  # noqa: FBT001
) -> None:
    async with says(cancel=(400, GONE), order=order) as stage:
        outcome = await stage.trading.cancel(BTC, venue_order_id=NUMBER)
        assert isinstance(outcome, NotExecuted)
        assert (outcome.too_late, outcome.not_found, outcome.view is not None) == (too_late, not too_late, too_late)
        assert len(stage.exchange.of("DELETE /api/v3/order")) == 1


async def test_everything_open_is_canceled_symbol_by_symbol() -> None:
    rows = [looked_up(), looked_up(orderId=29), looked_up(orderId=30, symbol="ETHUSDT")]
    async with says(open=(200, rows), cancel_all=(200, [canceled()])) as stage:
        executed(await stage.trading.cancel_all(None))
        assert [each["symbol"] for each in stage.exchange.of("DELETE /api/v3/openOrders")] == ["BTCUSDT", "ETHUSDT"]


async def test_nothing_open_is_nothing_to_cancel() -> None:
    async with says(cancel_all=(400, failure(-2011, "Unknown order sent."))) as stage:
        executed(await stage.trading.cancel_all(BTC))


async def test_the_worst_of_several_answers_counts() -> None:
    def reply(parameters: dict[str, str]) -> tuple[int, object]:
        return (500, {}) if parameters["symbol"] == "BTCUSDT" else (200, [])

    rows = [looked_up(), looked_up(orderId=30, symbol="ETHUSDT")]
    async with says(open=(200, rows), cancel_all=reply) as stage:
        assert isinstance(await stage.trading.cancel_all(None), Unknown)
        assert len(stage.exchange.of("DELETE /api/v3/openOrders")) == 2, "one that fails does not keep the others open"


async def test_without_the_list_of_open_orders_nothing_is_said_to_be_canceled() -> None:
    async with says(open=(500, {})) as stage:
        assert isinstance(await stage.trading.cancel_all(None), Unknown)


# Replacing, amending, lists.

SUCCESS = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
NEW = placed(orderId=29, clientOrderId="alpha-2")


async def replaced(status: int, document: object) -> Replacement:
    async with says(replace=(status, document)) as stage:
        return await stage.trading.replace(
            request("alpha-2"), canceled=NUMBER, write_ahead=stage.exchange.write_ahead, deadline_seconds=1
        )


async def test_both_halves_of_a_replacement_are_told() -> None:
    found = await replaced(200, {**SUCCESS, "cancelResponse": canceled(), "newOrderResponse": NEW})
    old, new = executed(found.canceled).view, executed(found.placed).view
    assert old is not None
    assert new is not None
    assert (old.status, new.client_order_id) == (State.CANCELED, "alpha-2")


@pytest.mark.parametrize(
    ("status", "code", "data", "old", "new"),
    [
        (400, -2022, {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "cancelResponse": GONE,
                      "newOrderResponse": None}, NotExecuted, NotExecuted),
        (409, -2021, {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE", "cancelResponse": canceled(),
                      "newOrderResponse": failure(-2010, "Order would immediately match and take.")}, Executed, NotExecuted),
        (409, -2021, {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE", "cancelResponse": canceled(),
                      "newOrderResponse": failure(-2010, "Duplicate order sent.")}, Executed, Unknown),
        (409, -2021, {"cancelResult": "FAILURE", "newOrderResult": "SUCCESS", "cancelResponse": GONE,
                      "newOrderResponse": NEW}, NotExecuted, Executed),
        (400, -2022, {"cancelResult": "FAILURE", "newOrderResult": "FAILURE", "cancelResponse": GONE,
                      "newOrderResponse": failure(-1015, "Too many new orders")}, NotExecuted, NotExecuted),
        (409, -2021, {"cancelResult": "MAYBE", "newOrderResult": "SUCCESS", "newOrderResponse": None}, Unknown, Unknown),
        (409, -2021, {"cancelResult": 7}, Unknown, Unknown),
    ],
)  # fmt: skip
async def test_a_replacement_is_read_leg_by_leg_and_never_by_its_status(
    status: int, code: int, data: dict[str, object], old: type, new: type
) -> None:
    found = await replaced(status, failure(code, "failed", data=data))
    assert isinstance(found.canceled, old)
    assert isinstance(found.placed, new)


async def test_a_replacement_without_an_answer_leaves_both_halves_in_doubt() -> None:
    for status, document in ((500, b""), (409, failure(-2021, "partially failed"))):
        found = await replaced(status, document)
        assert isinstance(found.canceled, Unknown)
        assert isinstance(found.placed, Unknown)
    throttled = await replaced(429, failure(-1015, "Too many new orders"))
    assert isinstance(throttled.canceled, Throttled)


async def test_an_amended_order_keeps_its_id() -> None:
    row = {**placed(), "qty": "0.005", "origClientOrderId": "alpha-1"}
    async with says(amend=(200, {"transactTime": 5, "executionId": 75, "amendedOrder": row})) as stage:
        outcome = executed(
            await stage.trading.amend(
                BTC,
                venue_order_id=NUMBER,
                client_order_id=ClientOrderId("alpha-1"),
                quantity=Decimal("0.005"),
                deadline_seconds=1,
            )
        )
        assert outcome.view is not None
        assert outcome.view.quantity == Decimal("0.005")
        [sent] = stage.exchange.of("PUT /api/v3/order/amend/keepPriority")
        assert (sent["newQty"], sent["newClientOrderId"]) == ("0.005", "alpha-1")


def pair() -> OneCancelsOther:
    return OneCancelsOther(
        above=request("profit", side=Side.SELL, price=Decimal(66000), post_only=True),
        below=request("loss", side=Side.SELL, type=OrderType.STOP_MARKET, price=None, stop_price=Decimal(62000)),
        list_client_order_id=ClientOrderId("list-1"),
    )


def listed(name: str, number: int, **changes: object) -> dict[str, Any]:
    return placed(clientOrderId=name, orderId=number, side="SELL", orderListId=1929, **changes)


async def test_each_leg_of_a_list_has_its_outcome_whatever_their_order() -> None:
    reports = [
        listed("loss", 31, type="STOP_LOSS", price="0.0", stopPrice="62000.0"),
        listed("profit", 30, type="LIMIT_MAKER", price="66000.0"),
    ]
    async with says(oco=(200, order_list(*reports))) as stage:
        above, below = await stage.trading.place_list(
            pair(), write_ahead=stage.exchange.write_ahead, deadline_seconds=1
        )
        views = executed(above).view, executed(below).view
        assert [view.venue_order_id for view in views if view is not None] == ["30", "31"]
        assert len(stage.exchange.wrote) == 1
        assert stage.trading.session.limiter.used(Scope.ORDERS)[0] >= 2


async def test_a_leg_that_the_answer_does_not_show_is_unknown_by_itself() -> None:
    async with says(oco=(200, order_list(listed("profit", 30, type="LIMIT_MAKER", price="66000.0")))) as stage:
        above, below = await stage.trading.place_list(
            pair(), write_ahead=stage.exchange.write_ahead, deadline_seconds=1
        )
        assert isinstance(above, Executed)
        assert isinstance(below, Unknown)


async def test_a_list_that_is_refused_is_refused_for_every_leg() -> None:
    text = "The relationship of the prices for the orders is not correct."
    async with says(oco=(400, failure(-2010, text))) as stage:
        found = await stage.trading.place_list(pair(), write_ahead=stage.exchange.write_ahead, deadline_seconds=1)
        assert [each.reason for each in found if isinstance(each, NotExecuted)] == ["oco_bad_prices"] * 2


async def test_a_list_is_canceled_by_its_own_id() -> None:
    async with says(cancel_list=(200, order_list(canceled(), canceled(orderId=29)))) as stage:
        executed(await stage.trading.cancel_list(BTC, list_client_order_id=ClientOrderId("list-1")))
        [sent] = stage.exchange.of("DELETE /api/v3/orderList")
        assert sent["listClientOrderId"] == "list-1"


# Reading.


async def test_an_order_is_found_by_our_id_and_by_theirs() -> None:
    async with says(order=(200, looked_up())) as stage:
        by_ours = await stage.reading.lookup(BTC, ClientOrderId("alpha-1"), priority=Priority.RESOLVE)
        by_theirs = await stage.reading.order(BTC, NUMBER)
        assert by_ours == by_theirs
        first, second = stage.exchange.of("GET /api/v3/order")
        assert (first["origClientOrderId"], first.get("orderId")) == ("alpha-1", None)
        assert (second["orderId"], second.get("origClientOrderId")) == ("28", None)


async def test_only_the_exchanges_own_word_says_that_there_is_no_such_order() -> None:
    async with says(order=(400, failure(-2013, "Order does not exist."))) as stage:
        assert await stage.reading.lookup(BTC, ClientOrderId("alpha-1")) is None
        assert await stage.reading.order(BTC, NUMBER) is None
        doubts: list[tuple[int, object]] = [
            (404, b"<html>"), (200, {}), (200, []), (500, {}), (200, looked_up(clientOrderId="other", orderId=1)),
            (200, looked_up(symbol="ETHUSDT")), (400, failure(-1121, "Invalid symbol.")),
        ]  # fmt: skip
        for doubt in doubts:
            stage.exchange.answers = answers(order=doubt)
            with pytest.raises(VenueUnavailable):
                await stage.reading.lookup(BTC, ClientOrderId("alpha-1"))
            with pytest.raises(VenueUnavailable):
                await stage.reading.order(BTC, NUMBER)


async def test_a_list_of_open_orders_is_whole_or_none() -> None:
    async with says(open=(200, [looked_up(), looked_up(orderId=29, status="PENDING_NEW")])) as stage:
        assert [each.status for each in await stage.reading.open_orders()] == [State.ACCEPTED, State.PENDING]
        doubts: tuple[object, ...] = (
            [looked_up(), {}], [looked_up(status="FILLED")], {}, [looked_up(symbol="ETHUSDT")],
        )  # fmt: skip
        for broken in doubts:
            stage.exchange.answers = answers(open=(200, broken))
            with pytest.raises(VenueUnavailable):
                await stage.reading.open_orders(BTC)


async def test_trades_are_read_from_an_id_on() -> None:
    async with says(trades=(200, [trade(7), trade(9)])) as stage:
        found = await stage.reading.trades(BTC, from_id=TradeId("7"), limit=1000)
        assert [each.trade_id for each in found] == ["7", "9"]
        await stage.reading.trades(BTC, from_id=None, limit=5)
        await stage.reading.trades(BTC, from_id=TradeId("../x"), limit=5)
        assert [each["fromId"] for each in stage.exchange.of("GET /api/v3/myTrades")] == ["7", "0", "0"]
        with pytest.raises(Misuse):
            await stage.reading.trades(BTC, from_id=None, limit=1001)


async def test_holdings_are_balances_and_no_positions() -> None:
    rows = {"balances": [{"asset": "BTC", "free": "1", "locked": "0.5"}]}
    async with says(account=(200, rows)) as stage:
        [balance] = await stage.reading.balances()
        assert (balance.wallet, balance.available) == (Decimal("1.5"), Decimal(1))
        assert await stage.reading.positions() == ()
        assert not stage.reading.declaration.shows_positions


RIGHTS = {
    "enableReading": True, "enableWithdrawals": False, "ipRestrict": True, "enableSpotAndMarginTrading": False,
    "enableFutures": False, "createTime": 1_700_000_000_000,
}  # fmt: skip


async def test_what_a_key_may_do_and_from_where_is_what_the_venue_says() -> None:
    rights = {**RIGHTS, "enableWithdrawals": True, "ipRestrict": False}
    async with says(account=(200, {"balances": []}), rights=(200, rights)) as stage:
        found = await stage.reading.verify(make_key(public="another-api-key", secret="its-secret-of-some-length"))
        assert found == Permissions(
            reads=True, trades=False, withdraws=True, address_bound=False, created_at_ms=1_700_000_000_000
        )
        [sent] = stage.exchange.of("GET /sapi/v1/account/apiRestrictions")
        assert {"timestamp", "signature"} <= sent.keys()
        assert stage.reading.tells_rights


@pytest.mark.parametrize("said", [(503, b"<html>"), (200, {"enableReading": "yes"}), (200, [])])
async def test_where_the_rights_of_a_key_are_lost_on_the_way_it_is_not_taken_for_harmless(said: object) -> None:
    async with says(account=(200, {"balances": []}), rights=said) as stage:
        with pytest.raises(VenueUnavailable):
            await stage.reading.verify(make_key(public="another-api-key", secret="its-secret-of-some-length"))


@pytest.mark.parametrize("said", [(404, b"<html>"), (404, failure(-1000, "no such path"))])
async def test_where_there_is_no_word_on_rights_nothing_is_guessed(said: object) -> None:
    async with says(account=(200, {"balances": []}), rights=said) as stage:
        found = await stage.reading.verify(make_key(public="another-api-key", secret="its-secret-of-some-length"))
        assert found == Permissions()


async def test_a_key_is_verified_by_a_read_that_it_signs_itself() -> None:
    async with says(account=(200, {"balances": []}), rights=(200, RIGHTS)) as stage:
        await stage.reading.verify(make_key(public="another-api-key", secret="its-secret-of-some-length"))
        assert b"X-MBX-APIKEY: another-api-key" in stage.exchange.sent[-1][2]
        stage.exchange.answers = answers(
            account=(401, failure(-2015, "Invalid API-key, IP, or permissions for action."))
        )
        with pytest.raises(WrongKey):
            await stage.reading.verify(make_key(public="another-api-key", secret="its-secret-of-some-length"))
        with pytest.raises(WrongKey):
            await stage.reading.verify(
                make_key(public="damaged", secret="-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----")
            )


# The market.


async def test_filters_and_limits_are_read_together() -> None:
    async with says(info=(200, exchange_info(symbol(), symbol(symbol="ETHUSDT")))) as stage:
        assert [each.symbol for each in await stage.market.instruments()] == ["BTCUSDT", "ETHUSDT"]
        assert stage.market.session.limiter.used(Scope.REQUESTS)[1] == 3_000
        assert stage.market.session.limiter.used(Scope.ORDERS)[1] == 40
        [sent] = stage.exchange.of("GET /api/v3/exchangeInfo")
        assert "signature" not in sent


async def test_a_price_is_not_younger_than_its_question() -> None:
    async with says(prices=(200, [{"symbol": "BTCUSDT", "price": "64000.1"}])) as stage:
        before = stage.market.venue_now_ms()
        [price] = await stage.market.prices()
        assert before <= price.venue_time_ms <= stage.market.venue_now_ms()
        assert price.symbol == Symbol("BTCUSDT")


def test_a_key_of_a_kind_that_binance_does_not_take_is_refused_at_the_door() -> None:
    key = make_key(public="api", secret="-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----")
    opening = Opening(url="http://127.0.0.1:1", clock=SystemClock(), record=lambda _: None, draw=random.random, key=key)
    with pytest.raises(WrongKey):
        open_trading(opening)
