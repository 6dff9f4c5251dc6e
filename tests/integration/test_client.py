"""The client against a real bus: what it publishes is what the gate takes, and what it reads is everything, once."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from ordergate.client import Fills, FillUpdate, Gateway, OrderUpdate, connect
from ordergate.client.fills import FillTally
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.server import EmbeddedServer
from ordergate.trading.errors import (
    BusUnavailable,
    IntentTooLarge,
    InvalidIntent,
    InvalidToken,
    Misconfigured,
    Misuse,
    StillWaiting,
)
from ordergate.trading.events import EndedUnsent, Refused
from ordergate.trading.ids import ErrorId, StrategyName, TradeId
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import Order, OrderRequest, State
from ordergate.trading.position import Position
from ordergate.wire import codec, gate, subjects
from ordergate.wire.gate import CancelAllRequest, CancelRequest, CloseRequest, Refusal
from ordergate.wire.messages import AnswerMessage, AnswerOutcome, FillsStatement, SymbolFills
from ordergate.wire.subjects import IntentKind
from tests.integration.orders_at_hand import ACCOUNT, BTC, ETH, VENUE, approved, eventually, fill, request

NOW_MS = 1_790_000_000_000
ALPHA = StrategyName("alpha")
Dial = Callable[..., AbstractAsyncContextManager[Gateway]]


class Services:
    """What the services would write, written by hand."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.ledger = StreamLedger(bus.jetstream, clock=SystemClock())
        self.publisher = BusPublisher(bus, clock=SystemClock())
        self.tally = FillTally()

    async def intents(self) -> list[gate.Request | Refusal]:
        """Everything in INTENTS, through the gate."""
        found: list[gate.Request | Refusal] = []
        sequence = 1
        while True:
            answer = await self.bus.jetstream.api("STREAM.MSG.GET.INTENTS", {"seq": sequence})
            if not isinstance(answer, dict):
                return found
            message = answer["message"]
            found.append(gate.read_intent(message["subject"], base64.b64decode(message["data"])))
            sequence += 1

    async def approve(self, number: int, *, symbol: str = BTC) -> tuple[Order, int]:
        order, event = approved(number, symbol=symbol)  # type: ignore[arg-type]
        return order, await self.append(order, event, 0)

    async def append(self, order: Order, event: object, after: int) -> int:
        answer = await self.ledger.append(order, event, after=after)  # type: ignore[arg-type]
        entry = answer.entry
        assert entry is not None
        return entry.sequence

    async def end(self, order: Order, after: int) -> int:
        event = EndedUnsent(state=State.EXPIRED, reason="too_late", at_ms=NOW_MS)
        return await self.append(apply(order, event), event, after)

    async def store(self, *numbers: int) -> None:
        for number in numbers:
            assert await self.publisher.store_fill(fill(number))
            self.tally.add(fill(number))

    async def answer(self, message: AnswerMessage) -> None:
        subject = subjects.answer(VENUE, ACCOUNT, ALPHA, message.intent_id)  # type: ignore[arg-type]
        await self.publisher.answer(subject, message.to_bytes(), message_id=f"answer-{message.intent_sequence}")

    async def state(self, up_to: int, *, count: int | None = None) -> None:
        """The statement of what is stored."""
        symbols = {
            symbol: SymbolFills(
                count=self.tally.count,
                quantity=str(quantity),
                fees={asset: str(paid) for (of, asset), paid in self.tally.fees.items() if of == symbol},
            )
            for symbol, quantity in self.tally.quantity.items()
        }
        statement = FillsStatement(
            venue=VENUE,
            account=ACCOUNT,
            up_to_sequence=up_to,
            count=self.tally.count if count is None else count,
            symbols=symbols,
            at_ms=NOW_MS,
        )
        await self.publisher.answer(
            subjects.fills_statement(VENUE, ACCOUNT), statement.to_bytes(), message_id=f"statement-{up_to}-{count}"
        )


@pytest_asyncio.fixture
async def services(bus: Bus) -> Services:
    return Services(bus)


@pytest.fixture
def dial(server: EmbeddedServer, bus: Bus) -> Dial:
    """Opens gateways of the strategy alpha on the provisioned bus."""
    assert bus.client.is_connected

    def one(strategy: str = ALPHA, limit_seconds: float = 5) -> AbstractAsyncContextManager[Gateway]:
        return connect(
            server.url,
            venue=VENUE,
            account=ACCOUNT,
            strategy=strategy,
            limit_seconds=limit_seconds,
            now_ms=lambda: NOW_MS,
        )

    return one


@pytest_asyncio.fixture
async def gateway(dial: Dial) -> AsyncIterator[Gateway]:
    async with dial() as opened:
        yield opened


# Intents.


async def test_what_is_submitted_is_what_the_gate_takes(gateway: Gateway, services: Services) -> None:
    ticket = await gateway.submit(
        symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=Decimal("1E-3"), price=Decimal("64250.5"), valid_for_ms=99
    )
    [taken] = await services.intents()
    assert isinstance(taken, OrderRequest)
    assert (taken.key.client_order_id, taken.intent_id) == (ticket.client_order_id, ticket.intent_id)
    assert (taken.terms.quantity, taken.terms.price) == (Decimal("0.001"), Decimal("64250.5"))
    assert (taken.created_at_ms, taken.valid_for_ms) == (NOW_MS, 99)
    assert (ticket.kind, ticket.sequence, ticket.duplicate) == (IntentKind.PLACE, 1, False)


async def test_every_kind_of_intent_passes_the_gate(gateway: Gateway, services: Services) -> None:
    placed = await gateway.submit(symbol="BTCUSDT", side="SELL", type="MARKET", quantity=Decimal(1))
    await gateway.replace(
        str(placed.client_order_id), symbol="BTCUSDT", side="SELL", type="MARKET", quantity=Decimal(2), resubmit=True
    )
    await gateway.close("ETHUSDT", quantity=Decimal("0.5"))
    await gateway.cancel(placed)
    await gateway.cancel("alpha-000001", symbol="BTCUSDT", valid_for_ms=1_000)
    await gateway.cancel_all()
    await gateway.cancel_all(symbol="BTCUSDT", scope="account")
    taken = await services.intents()
    assert [type(one) for one in taken] == [
        OrderRequest,
        OrderRequest,
        CloseRequest,
        CancelRequest,
        CancelRequest,
        CancelAllRequest,
        CancelAllRequest,
    ]
    assert [one.replaces for one in taken if isinstance(one, OrderRequest)] == [None, placed.client_order_id]


async def test_the_same_intent_twice_is_one_ticket(gateway: Gateway, services: Services) -> None:
    async def submit(quantity: str) -> tuple[int, bool]:
        ticket = await gateway.submit(
            symbol="BTCUSDT",
            side="BUY",
            type="MARKET",
            quantity=Decimal(quantity),
            intent_id="a-1",
            created_at_ms=NOW_MS,
        )
        return ticket.sequence, ticket.duplicate

    assert await submit("1") == (1, False)
    assert await submit("1") == (1, True)
    assert await submit("2") == (2, False)  # another body under the same id: kept, so that it can be refused
    assert len(await services.intents()) == 2


@pytest.mark.parametrize(
    "terms",
    [
        {"quantity": 0.5},
        {"quantity": "0.5"},
        {"quantity": Decimal("NaN")},
        {"quantity": Decimal(10) ** 19},
        {"quantity": Decimal(-1)},
        {"side": "buy"},
        {"client_order_id": "x" * 37},
        {"intent_id": "a b"},
        {"valid_for_ms": 86_400_001},
        {"leverage": 5},
    ],
)
async def test_what_the_gate_would_refuse_is_not_published(
    gateway: Gateway, services: Services, terms: dict[str, Any]
) -> None:
    good: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": Decimal(1)}
    with pytest.raises(InvalidIntent):
        await gateway.submit(**(good | terms))
    assert await services.intents() == []


@pytest.mark.parametrize("size", [16 * 1024 - 20, 16 * 1024 + 1, 70_000])
async def test_an_intent_over_the_streams_limit_is_a_typed_error(
    gateway: Gateway, services: Services, size: int
) -> None:
    with pytest.raises(IntentTooLarge):
        await gateway.publish("place", b"x" * size, intent_id="a-1", symbol="BTCUSDT")
    await gateway.submit(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal(1))  # the connection lives on
    assert len(await services.intents()) == 1


async def test_an_intent_survives_a_restart_of_the_bus(
    gateway: Gateway, services: Services, server: EmbeddedServer
) -> None:
    server.kill()
    submitting = asyncio.create_task(
        gateway.submit(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal(1), intent_id="a-1")
    )
    await eventually(lambda: not gateway._connection.client.is_connected)
    server.start()
    assert (await submitting).intent_id == "a-1"
    assert len(await services.intents()) == 1


async def test_a_bus_that_stays_away_is_a_typed_error(dial: Dial, server: EmbeddedServer, bus: Bus) -> None:
    async with dial(limit_seconds=0.2) as gateway:
        server.kill()
        with pytest.raises(BusUnavailable):
            await gateway.submit(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal(1))
        with pytest.raises(BusUnavailable):
            async with gateway.orders():
                pass
    with pytest.raises(BusUnavailable):
        async with dial(limit_seconds=0.2):
            pass
    server.start()
    await eventually(lambda: bus.client.is_connected)


async def test_a_gateway_closed_during_an_outage_stops_dialling(dial: Dial, server: EmbeddedServer, bus: Bus) -> None:
    for _ in range(5):
        async with dial() as gateway:
            client = gateway._connection.client
            server.kill()
            await eventually(lambda client=client: client.stats["errors_received"] > 0 or client.is_reconnecting)  # type: ignore[misc]
        dialling = client._reconnection_task
        await eventually(lambda task=dialling: task is None or task.done(), seconds=2)  # type: ignore[misc]
        server.start()
        await eventually(lambda: bus.client.is_connected)


async def test_a_bus_without_streams_says_what_to_do(server: EmbeddedServer) -> None:
    async with connect(server.url, venue="z", account="a", strategy="s", limit_seconds=0.2) as gateway:
        with pytest.raises(Misconfigured, match="provision"):
            async with gateway.orders():
                pass
        with pytest.raises(BusUnavailable):
            await gateway.cancel_all()


async def test_a_name_that_cannot_stand_on_the_bus_is_refused_at_once(server: EmbeddedServer) -> None:
    with pytest.raises(InvalidToken):
        async with connect(server.url, venue="z", account="", strategy="s"):
            pass


# Waiting.


async def test_wait_returns_the_state_that_was_passed_and_not_only_the_last(
    gateway: Gateway, services: Services
) -> None:
    order, first = await services.approve(1)
    await services.end(order, first)
    ticket = await gateway.cancel("alpha-000001")
    approved_message = await gateway.wait(ticket, until={"approved"})
    ended = await gateway.wait(ticket)
    assert isinstance(approved_message, OrderUpdate)
    assert isinstance(ended, OrderUpdate)
    assert (approved_message.order.state, ended.order.state) == (State.APPROVED, State.EXPIRED)
    assert ended.order.reason == "too_late"


async def test_wait_ends_with_any_ending(gateway: Gateway, services: Services) -> None:
    order, first = await services.approve(1)
    ticket = await gateway.cancel("alpha-000001")
    waiting = asyncio.create_task(gateway.wait(ticket, until={State.FILLED}, timeout_seconds=5))
    await services.end(order, first)
    update = await waiting
    assert isinstance(update, OrderUpdate)
    assert update.order.state is State.EXPIRED


async def test_wait_hears_the_answer_to_this_very_intent(gateway: Gateway, services: Services) -> None:
    ticket = await gateway.publish("place", b"{}", intent_id="a-9", symbol="BTCUSDT", client_order_id="alpha-9")
    other = AnswerMessage(
        venue=VENUE,
        account=ACCOUNT,
        strategy=ALPHA,
        intent_id="a-9",
        outcome=AnswerOutcome.REFUSED,
        reason="another_body",
        intent_sequence=ticket.sequence + 1,
        at_ms=NOW_MS,
    )
    await services.answer(other)
    await services.answer(
        other.model_copy(update={"reason": "missing_field", "intent_sequence": ticket.sequence, "error_id": "oge-1"})
    )
    answer = await gateway.wait(ticket)
    assert isinstance(answer, AnswerMessage)
    assert (answer.outcome, answer.reason, answer.error_id) == (AnswerOutcome.REFUSED, "missing_field", "oge-1")


async def test_wait_has_a_limit(gateway: Gateway) -> None:
    ticket = await gateway.cancel("alpha-404")
    with pytest.raises(StillWaiting):
        await gateway.wait(ticket, timeout_seconds=0.2)


async def test_an_order_refused_by_risk_is_an_order(gateway: Gateway, services: Services) -> None:
    event = Refused(request=request(3), at_ms=NOW_MS, reason="max_notional", error_id=ErrorId("oge-3"))
    await services.append(begin(event), event, 0)
    update = await gateway.wait(await gateway.cancel("alpha-000003"))
    assert isinstance(update, OrderUpdate)
    assert (update.order.state, update.order.reason, update.event["errorId"]) == (
        State.REFUSED,
        "max_notional",
        "oge-3",
    )
    assert await gateway.order("alpha-000003") == update.order
    assert await gateway.order("alpha-000004") is None


# Reading.


async def test_live_begins_where_it_was_opened(gateway: Gateway, services: Services) -> None:
    await services.approve(1)
    async with gateway.orders() as orders:
        await services.approve(2)
        await services.approve(3, symbol=ETH)
        seen = [(await anext(orders)).order.key.client_order_id for _ in range(2)]
    assert seen == ["alpha-000002", "alpha-000003"]


async def test_a_replay_from_the_beginning_ends_at_the_end(gateway: Gateway, services: Services) -> None:
    assert [update async for update in gateway.orders(since_sequence=0, follow=False)] == []
    order, first = await services.approve(1)
    await services.approve(2, symbol=ETH)
    last = await services.end(order, first)
    all_of_it = [
        (update.sequence, update.order.state) async for update in gateway.orders(since_sequence=0, follow=False)
    ]
    assert all_of_it == [(1, State.APPROVED), (2, State.APPROVED), (last, State.EXPIRED)]
    later = [update.sequence async for update in gateway.orders(since_sequence=2, follow=False)]
    assert later == [2, last]
    of_eth = [update.sequence async for update in gateway.orders(since_sequence=0, symbol=ETH, follow=False)]
    assert of_eth == [2]


async def test_a_replay_from_a_time_begins_with_what_was_stored_then(gateway: Gateway, services: Services) -> None:
    await services.approve(1)
    [first] = [update async for update in gateway.orders(since_sequence=0, follow=False)]
    await eventually(lambda: SystemClock().now_ms() > first.stored_at_ms + 1)
    await services.approve(2)
    since = [update.sequence async for update in gateway.orders(since_ms=first.stored_at_ms + 1, follow=False)]
    assert since == [2]
    with pytest.raises(Misuse):
        gateway.orders(since_sequence=1, since_ms=1)


async def test_a_strategy_sees_its_own_orders_unless_it_asks_for_everyones(dial: Dial, services: Services) -> None:
    await services.approve(1)
    async with dial("beta") as beta:
        assert [update async for update in beta.orders(since_sequence=0, follow=False)] == []
        assert len([update async for update in beta.orders(since_sequence=0, everyone=True, follow=False)]) == 1


async def test_positions_are_the_last_word_then_every_change(gateway: Gateway, services: Services) -> None:
    async def publish(symbol: str, count: int) -> None:
        position = Position(venue=VENUE, account=ACCOUNT, symbol=symbol, fill_count=count)  # type: ignore[arg-type]
        ack = await services.bus.jetstream.publish(subjects.position(position), codec.encode_position(position))
        assert isinstance(ack, Ack)

    for symbol, count in ((BTC, 1), (ETH, 1), (BTC, 2)):
        await publish(symbol, count)
    standing = [(one.position.symbol, one.position.fill_count) async for one in gateway.positions(follow=False)]
    assert sorted(standing) == [(BTC, 2), (ETH, 1)]
    async with gateway.positions() as positions:
        assert {(await anext(positions)).position.symbol for _ in range(2)} == {BTC, ETH}
        await publish(ETH, 2)
        assert (await anext(positions)).position.fill_count == 2


async def test_every_fill_comes_once_over_restarts_of_the_bus(
    gateway: Gateway, services: Services, server: EmbeddedServer
) -> None:
    async with gateway.fills(since_sequence=0) as fills:
        seen: list[FillUpdate] = []
        reading = asyncio.create_task(_collect(fills, seen))
        for start in (0, 100, 200):
            await services.store(*range(start, start + 50))
            server.kill()
            storing = asyncio.create_task(services.store(*range(start + 50, start + 100)))
            await eventually(lambda: not gateway._connection.client.is_connected)
            server.start()
            await storing
        await eventually(lambda: len(seen) >= 300, seconds=10)
        reading.cancel()
        assert fills.replay.restarts >= 3
    assert [update.sequence for update in seen] == list(range(1, 301))
    assert [update.fill for update in seen] == [fill(number) for number in range(300)]


async def test_a_reader_that_falls_behind_misses_nothing(gateway: Gateway, services: Services) -> None:
    await asyncio.gather(*(services.publisher.store_fill(fill(number)) for number in range(2_500)))
    async with gateway.fills(since_sequence=0) as fills:
        first = await anext(fills)
        await eventually(lambda: fills.replay.received_sequence >= 1_000)
        assert fills.replay.received_sequence < 2_500  # it asks for no more than it has room for
        rest = [(await anext(fills)).sequence for _ in range(2_499)]
    assert [first.sequence, *rest] == list(range(1, 2_501))


async def test_a_lost_delivery_is_noticed_and_read_again(gateway: Gateway, services: Services) -> None:
    async with gateway.fills(since_sequence=0) as fills:
        await services.store(1)
        assert (await anext(fills)).sequence == 1
        fills.replay._expected += 1  # as if a message had been lost on the wire
        await services.store(2, 3)
        assert [(await anext(fills)).sequence for _ in range(2)] == [2, 3]
        assert fills.replay.restarts == 1


async def test_a_consumer_that_vanishes_is_replaced(gateway: Gateway, services: Services) -> None:
    async with gateway.fills(since_sequence=0) as fills:
        await services.store(1)
        assert (await anext(fills)).sequence == 1
        await services.bus.jetstream.api(f"CONSUMER.DELETE.FILLS.{fills.replay._consumer}")
        await services.store(2)
        assert (await anext(fills)).sequence == 2


async def test_an_unreadable_message_is_passed_over_and_counted(gateway: Gateway, services: Services) -> None:
    await services.bus.jetstream.publish(f"{subjects.fills_of(VENUE, ACCOUNT, BTC).removesuffix('*')}bad", b"{}")
    await services.store(1)
    async with gateway.fills(since_sequence=0) as fills:
        assert (await anext(fills)).sequence == 2
        assert fills.replay.unreadable == 1


async def test_closing_the_gateway_ends_its_readings(dial: Dial) -> None:
    async with dial() as gateway:
        orders = gateway.orders()
        await orders.open()
        reading = asyncio.create_task(anext(orders, None))
    assert await reading is None


async def test_a_closed_reading_leaves_no_consumer_behind(gateway: Gateway, services: Services) -> None:
    async with gateway.orders() as orders:
        name = orders._consumer
        assert isinstance(await services.bus.jetstream.api(f"CONSUMER.INFO.ORDERS.{name}"), dict)
    async with asyncio.timeout(10):  # far less than the bus itself waits before it forgets an idle consumer
        while isinstance(await services.bus.jetstream.api(f"CONSUMER.INFO.ORDERS.{name}"), dict):
            pass


# The proof.


async def test_own_sums_agree_with_the_statement(gateway: Gateway, services: Services) -> None:
    await services.store(1, 2, 3)
    await services.state(3)
    async with gateway.fills(since_sequence=0) as fills:
        assert (await anext(fills)).sequence == 1
        verdict = await fills.verify(up_to=3)
        assert (verdict.agrees, verdict.count, verdict.up_to_sequence) == (True, 3, 3)
        assert [(await anext(fills)).sequence for _ in range(2)] == [2, 3]  # what was read ahead is not lost


async def test_a_missed_fill_is_named(gateway: Gateway, services: Services) -> None:
    await services.store(1, 2)
    services.tally.add(replace(fill(3), trade_id=TradeId("3")))
    await services.state(2)
    async with gateway.fills(since_sequence=0) as fills:
        verdict = await fills.verify(up_to=2)
    assert not verdict.agrees
    assert "count is 2, stated 3" in verdict.differences
    assert "BTCUSDT: quantity is 0.008, stated 0.012" in verdict.differences


async def test_fills_after_the_statement_do_not_count(gateway: Gateway, services: Services) -> None:
    await services.store(1, 2)
    async with gateway.fills(since_sequence=0) as fills:
        verifying = asyncio.create_task(fills.verify())
        await eventually(lambda: fills._recorded is not None)
        assert await services.publisher.store_fill(fill(3))
        await eventually(lambda: fills.replay.received_sequence == 3)
        await services.state(2)
        verdict = await verifying
    assert (verdict.agrees, verdict.count) == (True, 2)


async def test_a_statement_is_asked_for_and_a_stale_one_does_not_do(gateway: Gateway, services: Services) -> None:
    await services.store(1)
    await services.state(0, count=0)
    async with gateway.fills(since_sequence=0) as fills:
        await anext(fills)
        with pytest.raises(StillWaiting):
            await fills.verify(timeout_seconds=0.3)
        verifying = asyncio.create_task(fills.verify(timeout_seconds=5))
        await services.state(1)
        assert (await verifying).agrees


async def test_only_a_whole_reading_can_be_compared(gateway: Gateway) -> None:
    async with gateway.fills() as fills:
        with pytest.raises(Misuse):
            await fills.verify()


async def _collect(fills: Fills, seen: list[FillUpdate]) -> None:
    async for update in fills:
        seen.append(update)  # noqa: PERF401  the list is watched while it grows
