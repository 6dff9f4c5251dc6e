"""Whose a trade is that names no order: a venue whose list shows a trade may not show its order yet, and then it is nobody's so far."""

from dataclasses import dataclass

import pytest

from ordergate.trading.ids import Symbol, VenueOrderId
from ordergate.venues.binance_futures.declaration import DECLARATION as FUTURES
from tests.unit.services.test_forced import World, trade

TRADED_MS = 50_000


@dataclass
class Forgetful(World):
    """A venue that has no order of that number."""

    now_ms: int = TRADED_MS

    async def order(self, symbol: Symbol, name: VenueOrderId) -> None:
        del symbol, name

    async def venue_time_ms(self) -> int:
        return self.now_ms


@pytest.mark.parametrize("age_ms", [0, 200, FUTURES.settle_ms - 1])
async def test_a_trade_whose_order_the_venue_does_not_show_yet_waits(age_ms: int) -> None:
    world = Forgetful(now_ms=TRADED_MS + age_ms)
    assert not await world.desk()._store_trade(trade(1, venue_time_ms=TRADED_MS))
    assert world.stored == []


async def test_a_trade_of_an_order_that_the_venue_has_forgotten_is_a_strangers() -> None:
    world = Forgetful(now_ms=TRADED_MS + FUTURES.settle_ms)
    assert await world.desk()._store_trade(trade(1, venue_time_ms=TRADED_MS))
    assert [fill.client_order_id for fill in world.stored] == [None]
