"""Cards 31 to 49: what every adapter must say when things go wrong. The simulator's books tell what really happened."""

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ordergate.access.http import Engine
from ordergate.ports.venue import ClockRefused, Executed, NotExecuted, NotSent, Outcome, Throttled, Unknown
from ordergate.trading.errors import VenueUnavailable
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.order import OrderType, Side, State
from tests.unit.access.stage import answer, say, serving
from tests.venue_cards.desk import BTC, Desk, Exchange, open_desk, opening_of
from tests.venue_cards.kits import BY_REST, HTML, REDIRECT, WELCOME, Kit


def unknown(outcome: Outcome) -> Unknown:
    assert isinstance(outcome, Unknown), outcome
    assert outcome.error_id
    return outcome


async def orders_at_venue(exchange: Exchange, client_order_id: str) -> list[dict[str, Any]]:
    ledger = await exchange.ledger()
    return [order for order in ledger["orders"] if order["clientOrderId"] == client_order_id]


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "answer_lost"},
        {"kind": "error_after_execution", "status": 503},
        {"kind": "error_after_execution", "status": 502, "body": "html"},
        {"kind": "reset", "phase": "after"},
        {"kind": "slow", "phase": "after", "delayMs": 1_500},
    ],
    ids=lambda rule: "-".join(str(value) for name, value in rule.items() if name != "delayMs"),
)
async def test_card_31_an_executed_order_whose_answer_is_lost_is_unknown_and_then_found(
    exchange: Exchange, main: Desk, rule: dict[str, object]
) -> None:
    await exchange.break_calls({**rule, "call": exchange.kit.calls["place"]})
    unknown(await main.place("c31"))
    assert len(await orders_at_venue(exchange, "c31")) == 1, "it was sent once"
    await exchange.break_calls()
    found = await main.reading.lookup(BTC, ClientOrderId("c31"))
    assert found is not None
    assert (found.client_order_id, found.status) == ("c31", State.ACCEPTED)


async def test_card_32_a_request_that_never_arrived_is_unknown_and_never_found(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls({"kind": "reset", "call": exchange.kit.calls["place"], "phase": "before"})
    unknown(await main.place("c32"))
    asked_at = await main.reading.venue_time_ms()
    assert asked_at >= main.write_aheads[0][0] - 1_000
    assert await main.reading.lookup(BTC, ClientOrderId("c32")) is None
    assert await orders_at_venue(exchange, "c32") == []


async def test_card_33_a_late_request_still_executes_once(exchange: Exchange, main: Desk) -> None:
    """Not found is not final: the request is still on its way."""
    await exchange.break_calls(
        {"kind": "slow", "call": exchange.kit.calls["place"], "phase": "before", "delayMs": 1_200}
    )
    unknown(await main.place("c33"))
    assert await main.reading.lookup(BTC, ClientOrderId("c33")) is None
    async with asyncio.timeout(5):
        while not await orders_at_venue(exchange, "c33"):
            pass  # a door of the simulator, which no budget counts
    assert await main.reading.lookup(BTC, ClientOrderId("c33")) is not None
    assert len(await orders_at_venue(exchange, "c33")) == 1


async def test_card_34_a_finished_order_is_found_by_its_client_id(main: Desk, other: Desk) -> None:
    await other.placed("c34-book", Side.SELL)
    await main.placed("c34-filled", type=OrderType.MARKET)
    resting = await main.placed("c34-canceled")
    await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id)
    for name, state in (("c34-filled", State.FILLED), ("c34-canceled", State.CANCELED)):
        found = await main.reading.lookup(BTC, ClientOrderId(name))
        assert found is not None
        assert found.status is state


async def test_card_35_a_lost_answer_to_a_cancel_is_unknown_and_may_be_asked_again(
    exchange: Exchange, main: Desk
) -> None:
    resting = await main.placed("c35")
    await exchange.break_calls({"kind": "answer_lost", "call": exchange.kit.calls["cancel"], "times": 1})
    unknown(await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id))
    again = await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id)
    assert isinstance(again, NotExecuted)
    assert again.too_late
    assert again.view is not None
    assert again.view.status is State.CANCELED


@pytest.mark.venues("zetarium")
async def test_card_36_a_batch_whose_answer_is_lost_is_unknown_in_every_leg(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls({"kind": "answer_lost", "call": "POST /v2/orders/batch"})
    requests = [main.request(f"c36-{number}") for number in range(3)]
    for leg in await main.zetarium.place_batch(requests, write_ahead=main.write_ahead, deadline_seconds=1):
        unknown(leg)
    assert len(await main.reading.open_orders()) == 3


async def test_card_37_a_429_is_no_execution_and_freezes_every_call(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls(
        {"kind": "rate_limited", "call": exchange.kit.calls["place"], "retryAfterSeconds": 30, "times": 1}
    )
    refused = await main.place("c37")
    assert isinstance(refused, Throttled)
    assert refused.retry_after_ms == 30_000
    assert await orders_at_venue(exchange, "c37") == []
    sent = len(main.records)
    held = await main.trading.place(main.request("c37"), write_ahead=main.write_ahead, deadline_seconds=0.05)
    assert held == NotSent(reason="budget_deadline", retriable=True)
    assert len(main.write_aheads) == 1
    assert [record.status for record in main.records[sent:]] == [None]


async def test_card_38_a_read_waits_out_a_short_429(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls(
        {"kind": "rate_limited", "call": exchange.kit.calls["balances"], "retryAfterSeconds": 1, "times": 1}
    )
    began = time.monotonic()
    assert await main.reading.balances()
    assert time.monotonic() - began >= 1.0


async def test_card_39_a_clock_error_is_no_execution_and_the_clock_is_read_again(
    exchange: Exchange, main: Desk
) -> None:
    await exchange.door("POST", "/simulator/clock", {"offsetMs": 60_000})
    assert isinstance(await main.place("c39"), ClockRefused)
    assert await orders_at_venue(exchange, "c39") == []
    again = await main.place("c39")
    assert isinstance(again, Executed), again
    assert main.write_aheads[1][0] - main.write_aheads[0][0] > 50_000


async def test_card_40_a_read_corrects_the_clock_by_itself(exchange: Exchange, main: Desk) -> None:
    await exchange.door("POST", "/simulator/clock", {"offsetMs": -60_000})
    assert await main.reading.balances()


@pytest.mark.venues("zetarium")
async def test_card_41_a_replay_refusal_is_unknown(exchange: Exchange) -> None:
    """Two processes with one key, which must not be: the second use of a millisecond is refused, and who knows whose order that was."""
    first, second = await exchange.desk("main"), await exchange.desk("main")
    ahead_ms = first.session.venue_clock.now_ms() + 200
    for desk in (first, second):
        desk.session.timestamps._last.value_ms = ahead_ms
    assert isinstance(await first.place("c41-first"), Executed)
    assert unknown(await second.place("c41-second")).reason == "401_REPLAYED_REQUEST"


@pytest.mark.parametrize("key", ["expired", "elsewhere", "revoked", "main_read"])
async def test_card_42_a_key_that_is_refused_says_so(exchange: Exchange, key: str) -> None:
    desk = await exchange.desk("main", trade=key)
    refused = await desk.place("c42")
    assert isinstance(refused, NotExecuted)
    assert (refused.reason, refused.credentials) == (exchange.kit.words[key], True)
    assert await orders_at_venue(exchange, "c42") == []


@pytest.mark.venues(*BY_REST)
async def test_card_43_a_wall_before_the_exchange_proves_nothing(kit: Kit) -> None:
    """A 403 page, a redirect, a 200 that is no answer of the venue's: each of them unknown, each request sent once."""
    pages = [HTML, REDIRECT, WELCOME, answer(b"[]"), *kit.walls]
    seen = 0

    async def wall(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        if kit.time_path in peer.requests[-1]:
            await say(writer, answer(b'{"ok":true,"status":"ONLINE","serverTime":%d}' % (time.time_ns() // 1_000_000)))
            return
        seen += 1
        await say(writer, pages[seen - 1])

    async with serving(wall) as peer:
        url = f"http://127.0.0.1:{peer.origin.port}"
        desk = await open_desk(kit, url, "main", trade="main_trade", read="main_read")
        for number in range(len(pages)):
            unknown(await desk.place(f"c43-{number}"))
        assert seen == len(pages)
        await desk.close()


@pytest.mark.venues(*BY_REST)
async def test_card_44_a_venue_that_is_not_there_proves_that_nothing_was_sent(exchange: Exchange, main: Desk) -> None:
    async def closed(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(closed) as peer:
        gone = peer.origin
    desk = await exchange.desk("main")
    assert isinstance(desk.session.engine, Engine)
    desk.session.engine._origin = gone
    for connection in list(desk.session.engine._idle):
        connection.abort()
    refused = await desk.place("c44")
    assert refused == NotSent(reason="connection_refused", retriable=True)
    assert desk.write_aheads == []
    assert isinstance(await main.place("c44"), Executed)


async def test_card_45_reads_survive_short_trouble_and_name_long_trouble(exchange: Exchange, main: Desk) -> None:
    await main.placed("c45")
    await exchange.break_calls(
        {"kind": "error_after_execution", "call": exchange.kit.calls["lookup"], "status": 500, "times": 2}
    )
    assert await main.reading.lookup(BTC, ClientOrderId("c45")) is not None
    await exchange.break_calls({"kind": "error_after_execution", "call": exchange.kit.calls["lookup"], "status": 500})
    with pytest.raises(VenueUnavailable) as caught:
        await main.reading.lookup(BTC, ClientOrderId("c45"))
    assert caught.value.error_id


@pytest.mark.venues("zetarium")
async def test_card_46_a_lookup_whose_filter_was_ignored_is_no_witness(kit: Kit) -> None:
    row = (
        b'{"id":"1","symbol":"BTCUSDT","side":"BUY","type":"LIMIT","quantity":"1","price":"1","clientOrderId":"else",'
        b'"status":"NEW","executedQuantity":"0","createdAt":1,"updatedAt":1}'
    )

    async def ignorant(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = b"%d" % (time.time_ns() // 1_000_000)
        await say(writer, answer(b'{"ok":true,"serverTime":' + now + b',"orders":[' + row + b"]}"))

    async with serving(ignorant) as peer:
        desk = await open_desk(
            kit, f"http://127.0.0.1:{peer.origin.port}", "main", trade="main_trade", read="main_read"
        )
        with pytest.raises(VenueUnavailable, match="other orders"):
            await desk.reading.lookup(BTC, ClientOrderId("mine"))
        await desk.close()


async def test_card_47_many_orders_at_once_never_share_a_timestamp(exchange: Exchange, main: Desk) -> None:
    outcomes = await asyncio.gather(*(main.place(f"c47-{number}", price=Decimal(60000)) for number in range(100)))
    assert all(isinstance(outcome, Executed) for outcome in outcomes), [
        each for each in outcomes if not isinstance(each, Executed)
    ]
    assert len({timestamp for timestamp, _ in main.write_aheads}) == 100
    assert len((await exchange.ledger())["orders"]) == 100


@pytest.mark.venues("zetarium")
async def test_card_48_our_own_budget_ends_before_the_venues(exchange: Exchange, main: Desk) -> None:
    outcomes = []
    for number in range(245):
        request = main.request(f"c48-{number}", price=Decimal(60000), quantity=Decimal("0.001"))
        outcomes.append(await main.trading.place(request, write_ahead=main.write_ahead, deadline_seconds=0.001))
    assert not any(isinstance(each, Throttled) for each in outcomes)
    windows = (await exchange.door("GET", "/simulator/requests"))["windows"]
    assert sum(window["refused"] for window in windows) == 0
    assert all(window["used"] <= window["limit"] * 0.8 for window in windows)
    # The turn of a minute in between lets some of the last five pass.
    assert sum(isinstance(each, NotSent) for each in outcomes) <= 5
    assert isinstance(await main.trading.cancel_all(None), Executed), "cancels still find budget"


async def test_card_49_a_reader_beside_the_trading_client_shares_its_timestamps(exchange: Exchange) -> None:
    """The kill switch reads with the trading key: made of one opening, the two never meet in a millisecond."""
    desk = await exchange.desk("main")
    opening = replace(opening_of(exchange.kit, exchange.url, "main_trade", desk.records), request_share=0.5)
    trading = exchange.kit.venue.trading(opening)
    reading = exchange.kit.venue.reading(replace(opening, request_share=0.2))
    await trading.start()
    await reading.start()
    try:
        desk_of_one_key = replace(desk, trading=trading)
        calls = [desk_of_one_key.place(f"c49-{number}") for number in range(30)]
        found = await asyncio.gather(*calls, *(reading.balances() for _ in range(30)))
        assert all(isinstance(outcome, Executed) for outcome in found[:30])
        assert not any(record.status == 401 for record in desk.records)
    finally:
        await trading.close()
        await reading.close()
