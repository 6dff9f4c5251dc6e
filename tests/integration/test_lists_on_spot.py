"""Lists as a strategy asks for them, on a real bus and over HTTP: each leg is told like any order, whatever becomes of the one request."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.client import LegTerms, Ticket
from ordergate.ports.venue import Reading
from ordergate.runtime.server import EmbeddedServer
from ordergate.trading.order import Side, State
from ordergate.wire import streams
from ordergate.wire.messages import AnswerMessage, AnswerOutcome
from services.fill_streaming import app as fill_streaming
from services.fill_streaming.handlers import Pace
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import holds
from tests.integration.test_replacing import BTC, MAIN, Impatient, Place, standing

OCO = "POST /api/v3/orderList/oco"
LIST_PATHS = "/api/v3/orderList/"
QUANTITY = Decimal("0.01")
PROFIT, LOSS = "profit", "loss"
STOP: LegTerms = {
    "side": "SELL",
    "type": "STOP_MARKET",
    "quantity": QUANTITY,
    "stop_price": Decimal(60_000),
    "client_order_id": LOSS,
}


class Quick(Impatient):
    """A reading client whose list may be read ten times a second, of a venue whose fence passes soon."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self.declaration = replace(self.declaration, list_period_ms=100)


@pytest.fixture
async def place(server: EmbeddedServer, connected: Connect, tmp_path: Path) -> AsyncIterator[Place]:
    async with standing(server, connected, tmp_path) as made:
        yield made


async def protect(place: Place, *, stop: LegTerms = STOP, **changes: Any) -> tuple[Ticket, ...]:
    """An OCO: what is held is sold at 70,000, or when the price falls to 60,000."""
    terms: dict[str, Any] = {
        "symbol": BTC,
        "side": "SELL",
        "type": "LIMIT",
        "quantity": QUANTITY,
        "price": Decimal(70_000),
        "post_only": True,
        "client_order_id": PROFIT,
        "intent_id": "i-list",
        **changes,
    }
    return await place.alpha.submit_list("OCO", stop, **terms)


async def enter(place: Place, name: str, *others: LegTerms, price: Decimal = Decimal(64_000)) -> tuple[Ticket, ...]:
    """A buy that triggers the others."""
    return await place.alpha.submit_list(
        "OTO" if len(others) == 1 else "OTOCO",
        *others,
        symbol=BTC,
        side="BUY",
        type="LIMIT",
        quantity=QUANTITY,
        price=price,
        client_order_id=name,
    )


def sent(place: Place) -> list[str]:
    return [
        record.path for record in place.main.records if record.method == "POST" and record.path.startswith(LIST_PATHS)
    ]


async def come_to(place: Place, state: State, *names: str) -> None:
    for name in names:
        await place.comes_to(name, state)


async def test_one_leg_of_an_oco_fills_and_the_other_ends_and_both_are_told(place: Place) -> None:
    await place.start_polling(reading=Quick(place.main.reading))
    frame = place.frame(streams.FILL_STREAMING)
    account = place.installation.accounts[0]
    fill_streaming.serve(frame, account, reading=place.main.reading, pace=Pace(read_seconds=0.05), stream=None)
    await place.start(frame)
    tickets = await protect(place)
    assert [ticket.client_order_id for ticket in tickets] == [PROFIT, LOSS]
    await come_to(place, State.ACCEPTED, PROFIT, LOSS)
    await place.other.placed("buyer", Side.BUY, price=Decimal(70_000), quantity=QUANTITY)
    profit = await place.comes_to(PROFIT, State.FILLED)
    loss = await place.comes_to(LOSS, State.EXPIRED, State.CANCELED)
    assert (profit.executed_quantity, loss.executed_quantity) == (QUANTITY, Decimal(0))
    assert sent(place) == [f"{LIST_PATHS}oco"]

    async def is_stored() -> bool:
        async with aclosing(frame.feed.fills(place.kit.name, MAIN, after=0)) as stored:
            async for each in stored:
                return each is not None and (each.fill.client_order_id, each.fill.quantity) == (PROFIT, QUANTITY)
        return False

    await holds(is_stored)


async def test_what_waits_for_the_first_order_is_told_and_goes_to_the_market_with_its_fill(
    place: Place,
) -> None:
    """Also where the second would meet the first: the two are never at the market together, so that is no trade with oneself."""
    await place.start_polling(reading=Quick(place.main.reading))
    gain: LegTerms = {
        "side": "SELL",
        "type": "LIMIT",
        "quantity": QUANTITY,
        "price": Decimal(70_000),
        "post_only": True,
    }
    _, loss, profit = await enter(place, "entry", {**STOP, "client_order_id": None}, gain, price=Decimal(63_000))
    pending = str(loss.client_order_id), str(profit.client_order_id)
    await place.comes_to("entry", State.ACCEPTED)
    await come_to(place, State.PENDING, *pending)
    await place.other.placed("seller", Side.SELL, price=Decimal(63_000), quantity=QUANTITY)
    await place.comes_to("entry", State.FILLED)
    await come_to(place, State.ACCEPTED, *pending)
    await enter(place, "again", {**STOP, "type": "LIMIT", "price": Decimal(63_900), "stop_price": None})
    await place.comes_to(LOSS, State.PENDING)
    assert sent(place) == [f"{LIST_PATHS}otoco", f"{LIST_PATHS}oto"]


async def test_the_switch_ends_what_was_sent_and_lets_no_other_list_out(place: Place) -> None:
    await place.start_polling(reading=Quick(place.main.reading))
    await protect(place)
    await come_to(place, State.ACCEPTED, PROFIT, LOSS)
    await place.throw()
    await come_to(place, State.CANCELED, PROFIT, LOSS)
    late: LegTerms = {**STOP, "client_order_id": "late-loss"}
    await protect(place, stop=late, client_order_id="late-profit", intent_id="i-late")
    await place.comes_to("late-profit", State.REFUSED, State.CANCELED)
    await place.comes_to("late-loss", State.REFUSED, State.CANCELED)
    assert len(sent(place)) == 1


async def test_what_is_refused_of_one_leg_is_refused_of_all_and_each_is_told(place: Place) -> None:
    """By risk, for an id that is taken, and by the venue: there the stop stands over the market already."""
    between: LegTerms = {**STOP, "stop_price": Decimal("60000.001"), "client_order_id": "l-1"}
    await protect(place, stop=between, client_order_id="p-1", intent_id="i-1")
    for name in ("p-1", "l-1"):
        order = await place.comes_to(name, State.REFUSED)
        assert str(order.reason).startswith("filter_price_filter: order 2 of the list: ")
    ticket, _ = await protect(place, stop={**STOP, "client_order_id": "l-1"}, client_order_id="p-2", intent_id="i-2")
    answer = await place.alpha.wait(replace(ticket, client_order_id=None))
    assert isinstance(answer, AnswerMessage)
    assert (answer.outcome, answer.reason) == (AnswerOutcome.REFUSED, "client_order_id_in_use")
    ticket, _ = await protect(place, validate_only=True)
    answer = await place.alpha.wait(replace(ticket, client_order_id=None))
    assert isinstance(answer, AnswerMessage)
    assert (answer.outcome, answer.reason) == (AnswerOutcome.DONE, "valid")
    assert sent(place) == []
    await protect(place, stop={**STOP, "stop_price": Decimal(65_000)}, intent_id="i-3")
    await come_to(place, State.REJECTED, PROFIT, LOSS)
    assert await place.executed() == {}


async def test_a_lost_request_is_fenced_leg_by_leg_and_after_a_lost_answer_every_leg_is_found_once(
    place: Place,
) -> None:
    """And a cancel of one ends the list."""
    await place.exchange.break_calls({"kind": "reset", "phase": "before", "call": OCO})
    await protect(place, stop={**STOP, "client_order_id": "l-1"}, client_order_id="p-1", intent_id="i-1")
    await come_to(place, State.UNKNOWN, "p-1", "l-1")
    await place.exchange.break_calls({"kind": "error_after_execution", "call": OCO})
    await protect(place)
    await come_to(place, State.UNKNOWN, PROFIT, LOSS)
    await place.exchange.break_calls()
    await place.start_polling(reading=Quick(place.main.reading))
    await come_to(place, State.ACCEPTED, PROFIT, LOSS)
    await come_to(place, State.NOT_PLACED, "p-1", "l-1")
    stored = await place.bus.jetstream.last(streams.INTENTS, f"intents.{place.kit.name}.main.alpha.place.{BTC}")
    assert stored is not None
    ticket = await place.alpha.publish("place", stored.data + b" ", intent_id="i-list", symbol=BTC)
    answer = await place.alpha.wait(ticket)
    assert isinstance(answer, AnswerMessage)
    assert (answer.outcome, answer.reason) == (AnswerOutcome.DONE, "repeated")
    assert await place.executed() == {PROFIT: "NEW", LOSS: "NEW"}
    assert len(sent(place)) == 2
    await place.alpha.cancel(LOSS)
    await come_to(place, State.CANCELED, PROFIT, LOSS)
    assert set((await place.executed()).values()) == {"CANCELED"}


async def test_a_venue_without_lists_refuses_before_anything_is_sent(
    server: EmbeddedServer, connected: Connect, tmp_path: Path
) -> None:
    async with standing(server, connected, tmp_path, venue="zetarium") as place:
        await enter(place, "entry", STOP)
        for name in ("entry", LOSS):
            order = await place.comes_to(name, State.REFUSED)
            assert str(order.reason).startswith(
                "unsupported_by_venue: order 1 of the list: this venue has no order list"
            )
        assert not [record for record in place.main.records if record.method == "POST"]
