"""What leaves for FILLS and AUDIT on a real nats-server."""

import asyncio

import pytest

from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Limits, Refusal
from ordergate.runtime.publisher import RECORDS_WAITING_MAX, BusPublisher
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.errors import BusUnavailable, Misuse
from ordergate.trading.ids import ErrorId, IntentId, StrategyName, TradeId
from ordergate.wire import keys, subjects
from ordergate.wire.messages import ErrorDocument
from ordergate.wire.streams import AUDIT, ERRORS, FILLS
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, BTC, VENUE, approved, eventually, fill, other_quantity

ANSWER = subjects.answer(VENUE, ACCOUNT, StrategyName("alpha"), IntentId("a-1"))


def publisher_of(bus: Bus) -> BusPublisher:
    return BusPublisher(bus, clock=SystemClock())


async def count(bus: Bus, stream: str) -> int:
    state = await bus.jetstream.api(f"STREAM.INFO.{stream}")
    assert not isinstance(state, Refusal)
    messages: int = state["state"]["messages"]
    return messages


async def test_a_fill_is_stored_once_however_often_it_comes(bus: Bus) -> None:
    publisher = publisher_of(bus)
    assert await publisher.store_fill(fill(1))
    assert not await publisher.store_fill(fill(1))
    assert not await publisher.store_fill(other_quantity(fill(1)))
    assert await publisher.stored_fill(VENUE, ACCOUNT, BTC, TradeId("1"), fill(1).venue_order_id) == fill(1)
    assert await publisher.stored_fill(VENUE, ACCOUNT, BTC, TradeId("2"), fill(1).venue_order_id) is None


async def test_many_fills_at_once_from_two_publishers_each_stored_once(bus: Bus) -> None:
    one, other = publisher_of(bus), publisher_of(bus)
    stored = await asyncio.gather(*(p.store_fill(fill(number)) for number in range(1_000) for p in (one, other)))
    assert sum(stored) == 1_000
    assert await count(bus, FILLS) == 1_000


async def test_a_fill_that_a_full_stream_refused_does_not_count_as_stored(bus: Bus, connected: Connect) -> None:
    info = await bus.jetstream.api(f"STREAM.INFO.{FILLS}")
    assert not isinstance(info, Refusal)
    await bus.jetstream.api(f"STREAM.UPDATE.{FILLS}", info["config"] | {"max_bytes": 600})
    publisher = publisher_of(await connected("hasty", limits=Limits(try_seconds=0.2, total_seconds=0.5)))
    assert await publisher.store_fill(fill(1))
    with pytest.raises(BusUnavailable, match="maximum bytes"):
        await publisher.store_fill(fill(2))
    assert await publisher.stored_fill(VENUE, ACCOUNT, BTC, TradeId("2"), fill(2).venue_order_id) is None
    assert not await publisher.store_fill(fill(1))


async def test_an_answer_is_stored_once_for_its_message_id(bus: Bus) -> None:
    publisher = publisher_of(bus)
    for _ in range(3):
        await publisher.answer(ANSWER, b"{}", message_id="one")
    await publisher.answer(ANSWER, b"{}", message_id="two")
    assert await count(bus, AUDIT) == 2


async def test_an_answer_that_is_too_large_is_refused(bus: Bus) -> None:
    with pytest.raises(Misuse):
        await publisher_of(bus).answer(ANSWER, b"x" * 40_000, message_id="one")


async def test_records_wait_for_the_bus_up_to_their_limit_and_the_oldest_are_dropped(
    bus: Bus, server: EmbeddedServer
) -> None:
    publisher = publisher_of(bus)
    server.kill()
    await eventually(lambda: not bus.client.is_connected)
    subject = subjects.requests(VENUE, ACCOUNT, "test")
    for number in range(RECORDS_WAITING_MAX + 5):
        publisher.record(subject, str(number).encode())
    assert publisher.counts.records_dropped == 5
    server.start()
    await eventually(lambda: publisher.counts.records_sent == RECORDS_WAITING_MAX)
    newest = str(RECORDS_WAITING_MAX + 4).encode()
    async with asyncio.timeout(10):  # the server stores them in its own time
        while (last := await bus.jetstream.last(AUDIT, subject)) is None or last.data != newest:
            pass
    assert last.data == newest


async def test_a_record_that_is_too_large_does_not_stand_in_the_way(bus: Bus) -> None:
    publisher = publisher_of(bus)
    subject = subjects.requests(VENUE, ACCOUNT, "test")
    publisher.record(subject, b"x" * 100_000)
    publisher.record(subject, b"small")
    await bus.client.flush()
    last = await bus.jetstream.last(AUDIT, subject)
    assert last is not None
    assert last.data == b"small"
    assert publisher.counts.records_dropped == 1


async def test_an_error_id_leads_to_its_order(bus: Bus) -> None:
    error_id = ErrorId("zx 17.4/ß")
    publisher_of(bus).note_error(error_id, approved(1)[0].key)
    await bus.client.flush()
    found = await BusShelf(bus, bucket=ERRORS).get(keys.error(error_id))
    assert found is not None
    assert ErrorDocument.of(found).client_order_id == "alpha-000001"
