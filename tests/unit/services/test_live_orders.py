"""The live orders read on demand: complete each time, and each time only what is new since the last."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, cast

from ordergate.ports.checkpoint import Mark
from ordergate.ports.ledger import Entry
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.trading.order import State
from services.order_submission.live import LiveOrders
from tests.unit.trading.making import ACCOUNT, VENUE, order


@dataclass
class World:
    """A ledger as a list of entries. read_from: where each reading of it began. gate: a reading that begins now ends when it is open."""

    entries: list[Entry] = field(default_factory=list)
    mark: Mark | None = None
    read_from: list[int] = field(default_factory=list)
    looked_up: list[ClientOrderId] = field(default_factory=list)
    gate: asyncio.Event | None = None

    def store(self, number: int, state: State) -> None:
        sequence = len(self.entries) + 1
        self.entries.append(
            Entry(order=order(state, number=number), sequence=sequence, append_id="a", event_kind="x", stored_at_ms=1)
        )

    async def load(self) -> Mark | None:
        return self.mark

    async def orders(
        self, _venue: VenueName, _account: AccountName, *, after: int
    ) -> AsyncGenerator[Entry | None, None]:
        self.read_from.append(after)
        gate = self.gate
        for entry in list(self.entries):
            if entry.sequence > after:
                yield entry
        if gate is not None:
            await gate.wait()
        yield None

    async def last(self, _venue: VenueName, _account: AccountName, wanted: ClientOrderId) -> Entry | None:
        self.looked_up.append(wanted)
        found = [entry for entry in self.entries if entry.order.key.client_order_id == wanted]
        return found[-1] if found else None

    def live(self) -> LiveOrders:
        every = cast("Any", self)
        return LiveOrders(venue=VENUE, account=ACCOUNT, ledger=every, feed=every, checkpoint=every)


def shown(entries: list[Entry]) -> list[tuple[int, State]]:
    return [(entry.sequence, entry.order.state) for entry in entries]


async def test_the_next_reading_begins_where_the_last_ended_and_misses_nothing() -> None:
    world = World()
    live = world.live()
    world.store(1, State.APPROVED)
    world.store(2, State.APPROVED)
    world.store(1, State.FILLED)
    assert shown(await live.read()) == [(2, State.APPROVED)]
    world.store(3, State.APPROVED)
    world.store(2, State.ACCEPTED)
    assert shown(await live.read()) == [(5, State.ACCEPTED), (4, State.APPROVED)]
    world.store(2, State.CANCELED)
    world.store(3, State.FILLED)
    assert await live.read() == []
    assert await live.read() == []
    assert world.read_from == [0, 3, 5, 7]


async def test_an_order_that_was_live_at_the_checkpoint_is_looked_up_once_and_then_known() -> None:
    world = World()
    for number in (1, 2, 3):
        world.store(number, State.APPROVED)
    world.mark = Mark(sequence=2, live={world.entries[0].order.key.client_order_id: 1})
    live = world.live()
    assert shown(await live.read()) == [(1, State.APPROVED), (3, State.APPROVED)]
    assert shown(await live.read()) == [(1, State.APPROVED), (3, State.APPROVED)]
    assert world.looked_up == [world.entries[0].order.key.client_order_id]
    assert world.read_from == [2, 3]


async def test_a_reading_that_was_overtaken_by_another_takes_nothing_back() -> None:
    world = World()
    live = world.live()
    world.store(1, State.APPROVED)
    world.gate = gate = asyncio.Event()
    slow = asyncio.create_task(live.read())
    await asyncio.sleep(0)  # it has read the one message, and waits for the word that it was the last
    world.gate = None
    world.store(1, State.FILLED)
    assert await live.read() == []
    gate.set()
    assert shown(await slow) == [(1, State.APPROVED)]
    assert await live.read() == []
    assert world.read_from == [0, 0, 2]
