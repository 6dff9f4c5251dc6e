import asyncio
from dataclasses import replace

from ordergate.access.clock import VenueClock
from ordergate.access.http import Engine
from ordergate.access.upkeep import Rhythm, Upkeep
from ordergate.trading.errors import VenueUnavailable
from tests.unit.access.stage import ToldClock, answer, say, serving, until

QUICK = Rhythm(retry_seconds=0.01, clock_samples=1, warm_count=2)


async def ok(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await say(writer, answer())


class Venue:
    def __init__(self, *, failures: int = 0) -> None:
        self.failures, self.asked = failures, 0

    async def ask(self) -> int:
        self.asked += 1
        if self.asked <= self.failures:
            raise VenueUnavailable
        return 1_790_000_000_000


async def test_after_the_start_sockets_are_warm_and_the_clock_is_known() -> None:
    async with serving(ok) as peer:
        engine, clock, venue = Engine(peer.origin), VenueClock(ToldClock()), Venue()
        upkeep = Upkeep(engine=engine, venue_clock=clock, ask=venue.ask, rhythm=QUICK)
        assert await upkeep.start(timeout_seconds=5)
        assert clock.is_known
        assert (engine.counts.open, peer.requests) == (2, [])
        await upkeep.close()
        await engine.close()


async def test_a_venue_that_is_away_at_the_start_is_asked_until_it_is_there() -> None:
    async with serving(ok) as peer:
        engine, clock, venue = Engine(peer.origin), VenueClock(ToldClock()), Venue(failures=3)
        upkeep = Upkeep(engine=engine, venue_clock=clock, ask=venue.ask, rhythm=QUICK)
        assert not await upkeep.start(timeout_seconds=0.005)
        assert await upkeep.known(timeout_seconds=5)
        assert venue.asked == 4
        await upkeep.close()
        await engine.close()


async def test_the_clock_is_read_again_after_each_period() -> None:
    assert Rhythm().clock_seconds == 60
    async with serving(ok) as peer:
        engine, venue = Engine(peer.origin), Venue()
        often = replace(QUICK, clock_seconds=0.01, clock_samples=3)
        upkeep = Upkeep(engine=engine, venue_clock=VenueClock(ToldClock()), ask=venue.ask, rhythm=often)
        await upkeep.start(timeout_seconds=5)
        assert venue.asked == 3
        await until(lambda: venue.asked >= 9)
        await upkeep.close()
        await engine.close()


async def test_a_distrusted_clock_is_read_again_at_once() -> None:
    async with serving(ok) as peer:
        engine, clock, venue = Engine(peer.origin), VenueClock(ToldClock()), Venue()
        upkeep = Upkeep(engine=engine, venue_clock=clock, ask=venue.ask, rhythm=QUICK)
        await upkeep.start(timeout_seconds=5)
        clock.distrust()
        upkeep.read_clock_again()
        assert await upkeep.known(timeout_seconds=5)
        assert clock.is_known
        assert venue.asked == 2
        await upkeep.close()
        await engine.close()


async def test_a_venue_that_stays_away_is_not_asked_faster_because_many_want_to_know() -> None:
    async with serving(ok) as peer:
        engine, venue = Engine(peer.origin), Venue(failures=1_000_000)
        slow = Rhythm(retry_seconds=30.0, clock_samples=1, warm_count=1)
        upkeep = Upkeep(engine=engine, venue_clock=VenueClock(ToldClock()), ask=venue.ask, rhythm=slow)
        await upkeep.start(timeout_seconds=0.01)
        await until(lambda: venue.asked == 1)
        for _ in range(100):
            upkeep.read_clock_again()
            await asyncio.sleep(0)
        assert venue.asked == 1
        await upkeep.close()
        await engine.close()


async def test_while_the_venue_has_frozen_us_it_is_not_even_connected_to() -> None:
    async with serving(ok) as peer:
        engine, clock, venue = Engine(peer.origin), VenueClock(ToldClock()), Venue()
        frozen = [True]
        quick = replace(QUICK, warm_seconds=0.005)
        upkeep = Upkeep(engine=engine, venue_clock=clock, ask=venue.ask, rhythm=quick, is_frozen=lambda: frozen[0])
        assert await upkeep.start(timeout_seconds=5)
        assert (engine.counts.connections, peer.connections) == (0, 0)
        frozen[0] = False
        await until(lambda: engine.counts.open == 2)
        await upkeep.close()
        await engine.close()
