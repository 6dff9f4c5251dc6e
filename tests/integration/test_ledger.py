"""The ledger on a real nats-server: one winner, and who it was is never guessed."""

import asyncio
from collections.abc import Callable

import pytest

from ordergate.ports.ledger import Lost, Won
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Ack, JetStream, Limits, Refusal
from ordergate.runtime.lean import Requests
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.transport import Sink
from ordergate.trading.errors import BusUnavailable, Misuse
from ordergate.wire import codec, subjects
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, ETH, VENUE, approved, cancel_requested

ORDERS = 300
WRITERS = 8
QUICK = Limits(try_seconds=0.2, total_seconds=5.0)


def ledger_of(bus: Bus) -> StreamLedger:
    return StreamLedger(bus.jetstream, clock=SystemClock())


def lose_answers(requests: Requests, count: int) -> None:
    """The next `count` answers from the bus never arrive; what was asked has happened all the same."""
    take = requests._take
    left = [count]

    def drop(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if left[0] > 0:
            left[0] -= 1
            return
        take(subject, reply, data, headers)

    sinks: dict[int, Sink] = requests._client._sinks  # type: ignore[attr-defined]  # every transport has them
    number = next(number for number, sink in sinks.items() if sink == take)
    sinks[number] = drop


async def test_of_eight_writers_of_each_of_300_orders_exactly_one_wins(bus: Bus, connected: Connect) -> None:
    ledgers = [ledger_of(await connected(f"writer{number}")) for number in range(WRITERS)]

    async def write(ledger: StreamLedger, number: int) -> Won | Lost:
        return await ledger.append(*approved(number), after=0)

    for number in range(ORDERS):
        answers = await asyncio.gather(*(write(ledger, number) for ledger in ledgers))
        won = [answer.entry for answer in answers if isinstance(answer, Won)]
        assert len(won) == 1
        assert all(
            answer.entry.append_id == won[0].append_id
            for answer in answers
            if isinstance(answer, Lost) and answer.entry
        )
    info = await bus.jetstream.api("STREAM.INFO.ORDERS")
    assert not isinstance(info, Refusal)
    assert info["state"]["messages"] == ORDERS


async def test_all_writers_of_all_orders_at_once_still_one_winner_each(bus: Bus, connected: Connect) -> None:
    ledgers = [ledger_of(await connected(f"writer{number}")) for number in range(WRITERS)]
    assert await ledger_of(bus).last(VENUE, ACCOUNT, approved(0)[0].key.client_order_id) is None
    answers = await asyncio.gather(
        *(ledger.append(*approved(number), after=0) for number in range(ORDERS) for ledger in ledgers)
    )
    assert sum(isinstance(answer, Won) for answer in answers) == ORDERS
    assert sum(isinstance(answer, Lost) for answer in answers) == ORDERS * (WRITERS - 1)


async def test_a_won_entry_is_what_the_ledger_holds(bus: Bus) -> None:
    ledger = ledger_of(bus)
    order, event = approved(1)
    answer = await ledger.append(order, event, after=0)
    assert isinstance(answer, Won)
    last = await ledger.last(VENUE, ACCOUNT, order.key.client_order_id)
    assert last is not None
    assert (last.order, last.sequence, last.append_id, last.event_kind) == (
        order,
        answer.entry.sequence,
        answer.entry.append_id,
        "approved",
    )


async def test_an_order_that_nobody_wrote_is_not_there(bus: Bus) -> None:
    assert await ledger_of(bus).last(VENUE, ACCOUNT, approved(1)[0].key.client_order_id) is None


async def test_a_stale_after_is_refused_and_shows_what_was_written_since(bus: Bus) -> None:
    ledger = ledger_of(bus)
    order, event = approved(1)
    first = await ledger.append(order, event, after=0)
    assert isinstance(first, Won)
    second = await ledger.append(*cancel_requested(order), after=first.entry.sequence)
    assert isinstance(second, Won)
    stale = await ledger.append(*cancel_requested(order, at_ms=9), after=first.entry.sequence)
    assert isinstance(stale, Lost)
    assert stale.entry is not None
    assert stale.entry.sequence == second.entry.sequence


@pytest.mark.parametrize("after", [1, 7, 10**9])
async def test_an_after_that_never_was_is_refused(bus: Bus, after: int) -> None:
    assert await ledger_of(bus).append(*approved(1), after=after) == Lost(entry=None)


async def test_the_same_id_under_another_symbol_is_the_same_order(bus: Bus) -> None:
    ledger = ledger_of(bus)
    first = await ledger.append(*approved(1), after=0)
    assert isinstance(first, Won)
    other = await ledger.append(*approved(1, symbol=ETH), after=0)
    assert isinstance(other, Lost)
    assert other.entry is not None
    assert other.entry.append_id == first.entry.append_id


async def test_a_second_first_event_is_refused(bus: Bus, connected: Connect) -> None:
    first = await ledger_of(bus).append(*approved(1), after=0)
    second = await ledger_of(await connected("second")).append(*approved(1), after=0)
    assert isinstance(first, Won)
    assert isinstance(second, Lost)


async def test_the_servers_guard_alone_does_not_cover_another_order(bus: Bus) -> None:
    # Why subject and guard come from one function: the server takes a guard that is not about the subject.
    order, event = approved(1)
    stranger = subjects.order_guard(VENUE, ACCOUNT, approved(2)[0].key.client_order_id)
    for _ in range(2):
        headers = (
            "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n"
            f"Nats-Expected-Last-Subject-Sequence-Subject: {stranger}\r\n\r\n"
        ).encode()
        subject = subjects.order_address(order).subject
        answer = await bus.jetstream.publish(subject, codec.encode_order(order, event, "x"), headers=headers)
        assert isinstance(answer, Ack)


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_lost_answers_do_not_hide_that_we_won(bus: Bus, connected: Connect, lost: int) -> None:
    writer = await connected("writer", limits=QUICK)
    lose_answers(writer.requests, lost)
    answer = await ledger_of(writer).append(*approved(1), after=0)
    assert isinstance(answer, Won)
    last = await ledger_of(bus).last(VENUE, ACCOUNT, answer.entry.order.key.client_order_id)
    assert last is not None
    assert last.append_id == answer.entry.append_id
    assert last.sequence == answer.entry.sequence
    info = await bus.jetstream.api("STREAM.INFO.ORDERS")
    assert not isinstance(info, Refusal)
    assert info["state"]["messages"] == 1


async def test_a_lost_answer_does_not_hide_that_somebody_else_won(bus: Bus, connected: Connect) -> None:
    winner = await ledger_of(bus).append(*approved(1), after=0)
    assert isinstance(winner, Won)
    loser = await connected("loser", limits=QUICK)
    lose_answers(loser.requests, 1)
    answer = await ledger_of(loser).append(*approved(1), after=0)
    assert isinstance(answer, Lost)
    assert answer.entry is not None
    assert answer.entry.append_id == winner.entry.append_id


async def test_no_answer_at_all_is_said_to_be_unknown(bus: Bus, connected: Connect) -> None:
    writer = await connected("writer", limits=Limits(try_seconds=0.1, total_seconds=0.5))
    lose_answers(writer.requests, 10**6)
    with pytest.raises(BusUnavailable):
        await ledger_of(writer).append(*approved(1), after=0)
    assert await ledger_of(bus).last(VENUE, ACCOUNT, approved(1)[0].key.client_order_id) is not None


@pytest.mark.parametrize("size", [33 * 1024, 70 * 1024], ids=["over the stream's size", "over the server's"])
async def test_a_message_that_is_too_large_is_refused_to_the_publisher(bus: Bus, size: int) -> None:
    ledger = ledger_of(bus)
    with pytest.raises(Misuse):
        await ledger.append(*approved(1, reason="x" * size), after=0)
    assert isinstance(await ledger.append(*approved(2), after=0), Won)


async def test_a_stale_reader_is_asked_again(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    # A leader that does not know yet what refused us must not make us report that nobody wrote.
    ledger = ledger_of(bus)
    won = await ledger.append(*approved(1), after=0)
    assert isinstance(won, Won)
    read: Callable[..., object] = JetStream.last
    answers = iter([None])

    async def stale_once(self: JetStream, stream: str, subject: str) -> object:
        try:
            return next(answers)
        except StopIteration:
            return await read(self, stream, subject)  # type: ignore[misc]

    monkeypatch.setattr(JetStream, "last", stale_once)
    lost = await ledger.append(*approved(1), after=0)
    assert isinstance(lost, Lost)
    assert lost.entry is not None
    assert lost.entry.append_id == won.entry.append_id
