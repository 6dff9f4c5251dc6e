"""One account after a restore of the bus, at a venue that hides trades: what is taken in, and what is left alone."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from ordergate.ports.venue import Declaration, VenuePosition, VenueTrade
from ordergate.trading.errors import VenueUnavailable
from ordergate.trading.ids import VenueOrderId
from ordergate.trading.order import State, VenueView
from ordergate.venues.zetarium.declaration import DECLARATION
from ordergate.wire import keys
from ordergate.wire.messages import RecoveryStatement, RestoreDocument
from services.status_polling.recovery import CLOCKS_APART_MS, RecoveryDesk
from tests.unit.trading.making import ACCOUNT, BTC, VENUE, view

BEGAN = 1_790_000_000_000
KNOWN = BEGAN - 86_400_000
"""A day is forgotten."""


def ended(number: int, *, at_ms: int, executed: int = 10) -> VenueView:
    return replace(
        view(State.FILLED if executed else State.CANCELED, executed),
        venue_order_id=VenueOrderId(str(number)),
        updated_at_ms=at_ms,
    )


@dataclass
class World:
    """A venue that lists orders two a page, and the rest of what a recovery asks for, empty."""

    listed: list[VenueView]
    declaration: Declaration = DECLARATION
    rebuilt: asyncio.Event = field(default_factory=asyncio.Event)
    recalled: list[str] = field(default_factory=list)
    pages: list[str | None] = field(default_factory=list)
    failures: int = 0
    completed: asyncio.Event = field(default_factory=asyncio.Event)

    def now_ms(self) -> int:
        return BEGAN + 60_000

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0)

    async def venue_time_ms(self) -> int:
        return BEGAN + 60_000

    async def open_orders(self, _symbol: None) -> Sequence[VenueView]:
        return []

    async def orders_after(self, after: VenueOrderId | None) -> Sequence[VenueView]:
        self.pages.append(after)
        if self.failures:
            self.failures -= 1
            raise VenueUnavailable
        return [each for each in self.listed if int(each.venue_order_id) > int(after or 0)][:2]

    async def trades(self, *_: object, **__: object) -> Sequence[VenueTrade]:
        return []

    async def positions(self) -> Sequence[VenuePosition]:
        return []

    async def load(self, *_: object) -> Sequence[Any]:
        return []

    async def get(self, _key: str) -> None:
        return None

    async def fills(self, *_: object, after: int) -> AsyncGenerator[None, None]:
        assert after == 0
        yield None

    async def recall(self, shown: VenueView) -> None:
        self.recalled.append(shown.venue_order_id)

    def undecided(self, _before_ms: int) -> list[Any]:
        return []

    async def answer(self, _subject: str, body: bytes, *, message_id: str) -> None:
        assert message_id
        if RecoveryStatement.of(body).complete:
            self.completed.set()

    async def watch(self, key: str) -> AsyncGenerator[tuple[str, bytes], None]:
        assert key == keys.RESTORE
        document = RestoreDocument(
            epoch=1, halted=True, reason="test", began_at_ms=BEGAN, known_until_ms=KNOWN, at_ms=BEGAN
        )
        yield key, document.to_bytes()
        await asyncio.Event().wait()


async def recovered(world: World) -> list[str]:
    """Which orders were taken in until the account was complete."""
    world.rebuilt.set()
    here = cast("Any", world)
    desk = RecoveryDesk(
        venue=VENUE,
        account=ACCOUNT,
        symbols=[BTC],
        polling=here,
        reading=here,
        feed=here,
        publisher=here,
        positions=here,
        control=here,
        cursors=here,
        clock=here,
    )
    keeping = asyncio.create_task(desk.keep())
    await asyncio.wait_for(world.completed.wait(), 5)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    return world.recalled


@pytest.mark.parametrize("failures", [0, 1])
async def test_what_traded_in_the_forgotten_time_is_taken_in_once_and_nothing_of_before(failures: int) -> None:
    """The fills of what ended before are stored, or so old that FILLS has let go of them: inferred again they would count twice."""
    long_before, shortly_before = KNOWN - CLOCKS_APART_MS - 1, KNOWN - CLOCKS_APART_MS
    world = World(
        [
            ended(1, at_ms=long_before),
            ended(2, at_ms=shortly_before),
            ended(3, at_ms=KNOWN + 1, executed=0),
            ended(4, at_ms=KNOWN + 1),
            ended(5, at_ms=BEGAN),
        ],
        failures=failures,
    )
    assert await recovered(world) == ["2", "4", "5"]
    assert world.pages == [None] * failures + [None, "2", "4", "5"]


async def test_a_venue_that_shows_every_trade_is_not_asked_for_all_orders() -> None:
    world = World([ended(1, at_ms=BEGAN)], declaration=replace(DECLARATION, hides_maker_fills=False))
    assert await recovered(world) == []
    assert world.pages == []
