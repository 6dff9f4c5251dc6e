"""Positions through a bus that loses its last moments, and beside a replica that is ahead. Each is a story the simulation told first."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from ordergate.ports.bus import StoredFill
from ordergate.ports.checkpoint import Mark
from ordergate.ports.positions import StoredPosition
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, VenueName
from ordergate.trading.position import Position
from services.position_tracking.handlers import Pace, PositionDesk
from tests.unit.trading.making import ACCOUNT, BTC, VENUE, fill


@dataclass
class Bus:
    """FILLS, POSITIONS by compare-and-set, and one checkpoint."""

    fills_stored: list[Fill] = field(default_factory=list)
    positions: dict[str, StoredPosition] = field(default_factory=dict)
    sequence: int = 0
    mark: Mark | None = None

    def fills(self, venue: VenueName, account: AccountName, *, after: int) -> AsyncGenerator[StoredFill | None, None]:
        assert (venue, account) == (VENUE, ACCOUNT)
        return self._read(after)

    async def _read(self, after: int) -> AsyncGenerator[StoredFill | None, None]:
        for sequence, each in enumerate(self.fills_stored, start=1):
            if sequence > after:
                yield StoredFill(fill=each, sequence=sequence)
        yield None

    async def load(self, *_account: object) -> Sequence[StoredPosition]:
        return tuple(self.positions.values())

    async def store(self, position: Position, *, mark_price: Decimal | None, after: int) -> int | None:
        del mark_price
        stands = self.positions.get(position.symbol)
        if after != (0 if stands is None else stands.sequence):
            return None
        self.sequence += 1
        self.positions[position.symbol] = StoredPosition(position=position, sequence=self.sequence)
        return self.sequence


def desk(bus: Bus) -> PositionDesk:
    async def kept() -> Mark | None:
        return bus.mark

    nothing = cast("Any", SimpleNamespace(now_ns=lambda: 0, span=lambda *_, **__: None))
    return PositionDesk(
        venue=VENUE,
        account=ACCOUNT,
        feed=cast("Any", bus),
        positions=bus,
        reading=nothing,
        publisher=nothing,
        checkpoint=cast("Any", SimpleNamespace(load=kept)),
        clock=nothing,
        trace=nothing,
        pace=Pace(),
    )


def published(bus: Bus) -> Decimal:
    return bus.positions[BTC].position.quantity


async def folded(bus: Bus) -> PositionDesk:
    made = desk(bus)
    await made.follow_fills()
    await made.publish()
    return made


async def test_a_position_that_the_bus_lost_is_said_again() -> None:
    bus = Bus(fills_stored=[fill(1), fill(2)])
    tracker = await folded(bus)
    bus.positions.clear()
    await tracker.publish_lost()
    await tracker.publish()
    assert published(bus) == 2


async def test_a_position_that_the_bus_lost_is_said_again_when_the_next_fill_comes() -> None:
    """Its guard names a message that is no more; that must not be asked for for ever."""
    bus = Bus(fills_stored=[fill(1)])
    tracker = await folded(bus)
    bus.positions.clear()
    bus.fills_stored.append(fill(2))
    await tracker.follow_fills()
    await tracker.publish()
    assert published(bus) == 2


async def test_a_start_folds_again_what_was_published_and_lost() -> None:
    bus = Bus(fills_stored=[fill(1), fill(2)])
    first = await folded(bus)
    older = bus.positions[BTC]
    bus.fills_stored.append(fill(3))
    await first.follow_fills()
    await first.publish()
    bus.mark = first.mark()
    bus.positions[BTC] = older
    await folded(bus)
    assert published(bus) == 3


async def test_a_damaged_checkpoint_costs_a_longer_start_and_no_fill() -> None:
    bus = Bus(fills_stored=[fill(1), fill(2)], mark=Mark(sequence=2, state={"published": {BTC: "lots"}}))
    await folded(bus)
    assert published(bus) == 2


async def test_a_replica_that_is_behind_overwrites_nothing() -> None:
    bus = Bus(fills_stored=[fill(1)])
    behind = await folded(bus)
    bus.fills_stored.append(fill(2))
    await folded(bus)
    behind._dirty.add(BTC)
    await behind.publish()  # loses, and learns who is ahead
    behind._dirty.add(BTC)
    await behind.publish()
    assert published(bus) == 2
