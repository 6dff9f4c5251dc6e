"""Ordered replay on a real nats-server: every message, once, in order, whatever happens to the consumer."""

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from ordergate.ports.ledger import Entry
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.jetstream import Ack, Refusal
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.ordered import WINDOW
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.pull import Pull
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.ids import AccountName
from ordergate.wire import subjects
from ordergate.wire.codec import encode_order
from ordergate.wire.streams import CONTROL, ORDERS
from tests.integration.orders_at_hand import ACCOUNT, VENUE, approved, eventually, fill


async def fill_ledger(bus: Bus, count: int, *, start: int = 0) -> None:
    ledger = StreamLedger(bus.jetstream, clock=SystemClock())
    await asyncio.gather(*(ledger.append(*approved(number), after=0) for number in range(start, start + count)))


async def replay(feed: BusFeed, *, after: int) -> list[Entry]:
    entries: list[Entry] = []
    async with aclosing(feed.orders(VENUE, ACCOUNT, after=after)) as orders:
        while (entry := await anext(orders)) is not None:
            entries.append(entry)
    return entries


async def test_the_end_of_an_empty_stream_is_told_at_once(bus: Bus) -> None:
    assert await replay(BusFeed(bus), after=0) == []


async def test_a_replay_of_several_windows_is_whole_and_in_order(bus: Bus) -> None:
    count = 2 * WINDOW + 500
    await fill_ledger(bus, count)
    entries = await replay(BusFeed(bus), after=0)
    assert [entry.sequence for entry in entries] == list(range(1, count + 1))
    assert len({entry.order.key.client_order_id for entry in entries}) == count


async def test_a_replay_begins_after_the_sequence_that_is_known(bus: Bus) -> None:
    await fill_ledger(bus, 10)
    assert [entry.sequence for entry in await replay(BusFeed(bus), after=7)] == [8, 9, 10]
    assert await replay(BusFeed(bus), after=10) == []


async def test_readings_that_ended_leave_no_consumers_behind(bus: Bus) -> None:
    for _ in range(20):
        await replay(BusFeed(bus), after=0)
    async with asyncio.timeout(5):  # the server deletes in its own time
        while await _ordered_consumers(bus):
            await bus.client.flush()


async def _ordered_consumers(bus: Bus) -> list[str]:
    names = await bus.jetstream.api(f"CONSUMER.NAMES.{ORDERS}")
    assert not isinstance(names, Refusal)
    return [name for name in names["consumers"] or () if name.startswith("ordered-")]


async def test_what_expires_before_it_is_delivered_does_not_hold_up_the_end(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = BusShelf(bus, bucket=CONTROL)
    await shelf.put("a", b"1")
    start = Pull.start

    async def start_late(self: Pull) -> None:
        await bus.jetstream.api(f"STREAM.PURGE.KV_{CONTROL}")
        await start(self)

    monkeypatch.setattr(Pull, "start", start_late)
    async with aclosing(shelf.watch("a")) as changes, asyncio.timeout(2):
        assert await anext(changes) is None


async def test_another_account_is_not_read(bus: Bus) -> None:
    await fill_ledger(bus, 3)
    async with aclosing(BusFeed(bus).orders(VENUE, AccountName("other"), after=0)) as orders:
        assert await anext(orders) is None


async def test_what_comes_later_is_delivered_live(bus: Bus) -> None:
    async with aclosing(BusFeed(bus).orders(VENUE, ACCOUNT, after=0)) as orders:
        assert await anext(orders) is None
        await fill_ledger(bus, 1)
        entry = await anext(orders)
        assert entry is not None
        assert entry.sequence == 1
        assert await anext(orders) is None


async def test_a_deleted_consumer_is_replaced_without_a_gap(bus: Bus) -> None:
    feed = BusFeed(bus)
    sequences: list[int] = []

    async def read() -> None:
        async with aclosing(feed.orders(VENUE, ACCOUNT, after=0)) as orders:
            async for entry in orders:
                if entry is not None:
                    sequences.append(entry.sequence)  # noqa: PERF401 - it never ends, and is looked at meanwhile

    reading = asyncio.create_task(read())
    try:
        await fill_ledger(bus, 10)
        await eventually(lambda: len(sequences) == 10)
        names = await bus.jetstream.api(f"CONSUMER.NAMES.{ORDERS}")
        assert not isinstance(names, Refusal)
        for name in names["consumers"]:
            if name.startswith("ordered-"):
                await bus.jetstream.api(f"CONSUMER.DELETE.{ORDERS}.{name}")
        await fill_ledger(bus, 10, start=10)
        await eventually(lambda: len(sequences) == 20)
        assert sequences == list(range(1, 21))
        assert feed.readings[0].replaced == 1
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_message_lost_on_the_way_is_read_again(bus: Bus) -> None:
    feed = BusFeed(bus)
    sequences: list[int] = []
    async with aclosing(feed.orders(VENUE, ACCOUNT, after=0)) as orders:
        assert await anext(orders) is None
        reading = feed.readings[0]
        take = reading._pull._take  # type: ignore[union-attr]
        dropped: list[bytes] = []

        def lossy(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            if len(dropped) < 1:
                dropped.append(data)
                return
            take(subject, reply, data, headers)

        reading._pull._take = lossy  # type: ignore[union-attr]
        await fill_ledger(bus, 5)
        async with asyncio.timeout(5):
            async for entry in orders:
                if entry is not None:
                    sequences.append(entry.sequence)
                if len(sequences) == 5:
                    break
        assert len(dropped) == 1
        assert sequences == [1, 2, 3, 4, 5]
        assert reading.replaced == 1


async def test_a_message_that_cannot_be_read_is_passed_over_and_counted(bus: Bus) -> None:
    await fill_ledger(bus, 1)
    subject = subjects.order_address(approved(7)[0]).subject
    assert isinstance(await bus.jetstream.publish(subject, b"not JSON"), Ack)
    await fill_ledger(bus, 1, start=1)
    feed = BusFeed(bus)
    assert [entry.sequence for entry in await replay(feed, after=0)] == [1, 3]
    assert feed.unreadable == 1


@pytest.mark.parametrize(
    "evidence",
    [{"trades": [{"tradeId": "1"}]}, {"trades": 1}, {"trades": [{}], "view": {}}, {"trades": [1], "view": 1}],
)
async def test_a_readable_order_with_evidence_that_is_none_stops_nobody(bus: Bus, evidence: dict[str, Any]) -> None:
    order, event = approved(7)
    spoilt = orjson.loads(encode_order(order, event, "a"))
    spoilt["evidence"] = evidence
    assert isinstance(await bus.jetstream.publish(subjects.order_address(order).subject, orjson.dumps(spoilt)), Ack)
    await fill_ledger(bus, 1)
    feed = BusFeed(bus)
    assert [entry.sequence for entry in await replay(feed, after=0)] == [2]
    assert feed.unreadable == 1
    key = order.key
    assert (
        await StreamLedger(bus.jetstream, clock=SystemClock()).last(key.venue, key.account, key.client_order_id) is None
    )


async def test_fills_come_with_their_stream_sequence(bus: Bus) -> None:
    publisher = BusPublisher(bus, clock=SystemClock())
    for number in range(3):
        await publisher.store_fill(fill(number))
    async with aclosing(BusFeed(bus).fills(VENUE, ACCOUNT, after=1)) as fills:
        found = [await anext(fills), await anext(fills), await anext(fills)]
    assert found[0] is not None
    assert found[1] is not None
    assert [(found[0].fill, found[0].sequence), (found[1].fill, found[1].sequence)] == [(fill(1), 2), (fill(2), 3)]
    assert found[2] is None


async def test_a_reading_that_has_caught_up_takes_bursts_whole_and_in_order(bus: Bus) -> None:
    feed = BusFeed(bus)
    seen: list[int] = []
    ends: list[int] = []

    async def follow() -> None:
        async for entry in feed.orders(VENUE, ACCOUNT, after=0):
            if entry is None:
                ends.append(len(seen))
            else:
                seen.append(entry.sequence)

    following = asyncio.create_task(follow())
    count = 0
    for burst in (1, 2, 1, WINDOW + 200, 1, 1, 50):
        await fill_ledger(bus, burst, start=count)
        count += burst
        await eventually(lambda: count in ends)  # noqa: B023 - called within the turn
    (reading,) = feed.readings
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert seen == list(range(1, count + 1))
    assert reading.replaced == 0


async def test_what_is_kept_back_when_a_reading_ends_is_read_by_the_next(bus: Bus) -> None:
    feed = BusFeed(bus)
    async with aclosing(feed.orders(VENUE, ACCOUNT, after=0)) as orders:
        assert await anext(orders) is None
        await fill_ledger(bus, 3)
    assert [entry.sequence for entry in await replay(feed, after=0)] == [1, 2, 3]
