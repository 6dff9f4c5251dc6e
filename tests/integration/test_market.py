"""How old a reference price is: by our own clock, and only a venue that says something new makes it young."""

import asyncio
from decimal import Decimal

import pytest

from ordergate.ports.venue import VenuePrice
from ordergate.runtime.connection import Bus
from ordergate.runtime.market import ShelfMarketBoard, ShelfMarketData
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.instrument import ReferencePrice
from ordergate.wire import keys
from ordergate.wire.messages import PriceDocument
from ordergate.wire.streams import INSTRUMENTS
from tests.integration.orders_at_hand import BTC, VENUE, eventually
from tests.unit.access.stage import ToldClock

NOW_MS = 1_800_000_000_000


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock(wall_ms=NOW_MS)


async def posted(bus: Bus) -> PriceDocument:
    data = await BusShelf(bus, bucket=INSTRUMENTS).get(keys.price(VENUE, BTC))
    assert data is not None
    return PriceDocument.of(data)


def price(venue_time_ms: int, amount: str = "64000") -> VenuePrice:
    return VenuePrice(symbol=BTC, price=Decimal(amount), venue_time_ms=venue_time_ms)


@pytest.mark.parametrize("jump_ms", [-16_000, -8_000, 8_000, 16_000])
async def test_a_price_stays_young_when_the_venues_clock_jumps(bus: Bus, clock: ToldClock, jump_ms: int) -> None:
    board = ShelfMarketBoard(BusShelf(bus, bucket=INSTRUMENTS), clock=clock)
    await board.post_prices(VENUE, [price(NOW_MS)])
    clock.pass_seconds(1)
    await board.post_prices(VENUE, [price(NOW_MS + 1_000 + jump_ms)])
    assert (await posted(bus)).observed_at_ms == NOW_MS + 1_000


async def test_a_venue_that_repeats_its_last_price_makes_nothing_younger(bus: Bus, clock: ToldClock) -> None:
    board = ShelfMarketBoard(BusShelf(bus, bucket=INSTRUMENTS), clock=clock)
    for _ in range(3):
        await board.post_prices(VENUE, [price(NOW_MS)])
        clock.pass_seconds(5)
    assert (await posted(bus)).observed_at_ms == NOW_MS


@pytest.mark.parametrize(
    ("venue_time_ms", "observed_at_ms"), [(NOW_MS - 60_000, NOW_MS - 60_000), (NOW_MS + 9, NOW_MS)]
)
async def test_the_first_price_after_a_start_is_as_old_as_the_venue_says(
    bus: Bus, clock: ToldClock, venue_time_ms: int, observed_at_ms: int
) -> None:
    board = ShelfMarketBoard(BusShelf(bus, bucket=INSTRUMENTS), clock=clock)
    await board.post_prices(VENUE, [price(venue_time_ms)])
    assert (await posted(bus)).observed_at_ms == observed_at_ms


async def test_risk_sees_the_price_with_the_time_it_was_observed(bus: Bus, clock: ToldClock) -> None:
    shelf = BusShelf(bus, bucket=INSTRUMENTS)
    await ShelfMarketBoard(shelf, clock=clock).post_prices(VENUE, [price(NOW_MS - 3)])
    data = ShelfMarketData(shelf)
    watching = asyncio.create_task(data.watch())
    try:
        await eventually(lambda: data.reference_price(VENUE, BTC) is not None)
    finally:
        watching.cancel()
    assert data.reference_price(VENUE, BTC) == ReferencePrice(
        symbol=BTC, price=Decimal(64_000), observed_at_ms=NOW_MS - 3
    )
