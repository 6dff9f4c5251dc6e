"""An intent that comes before risk knows the venue's symbols waits for them, and for no longer than it lives."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any, cast

import orjson
import pytest

from ordergate.ports.checkpoint import Mark
from ordergate.ports.ledger import Entry
from ordergate.ports.venue import VenuePrice
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.intents import BusIntentLog
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.lane import Lane, Sequential
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.market import ShelfMarketBoard, ShelfMarketData
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.ids import StrategyName, Symbol
from ordergate.trading.order import State
from ordergate.trading.risk import RiskLimits
from ordergate.venues.registry import find_venue
from ordergate.wire import streams, subjects
from ordergate.wire.subjects import IntentKind
from services.risk.fold import AccountFold
from services.risk.handlers import RiskDesk
from services.status_polling.market import MarketDesk, MarketPace
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, BTC, ETH, VENUE, eventually, holds
from tests.unit.trading.making import instrument

PRICED = RiskLimits(max_order_notional=Decimal(1_000_000))


class Quiet:
    """No switch thrown, nothing kept, nobody looks."""

    def thrown(self, _: object) -> None:
        return None

    def is_recovering(self) -> bool:
        return False

    async def load(self, *_: object) -> Mark | None:
        return None

    def now_ns(self) -> int:
        return 0

    def span(self, *_: object, **__: object) -> None:
        return None


class Risk:
    """The service for one account, that trades BTC and ETH, on a real bus."""

    def __init__(self, bus: Bus) -> None:
        quiet, clock, ledger = cast("Any", Quiet()), SystemClock(), StreamLedger(bus.jetstream, clock=SystemClock())
        self.market = ShelfMarketData(BusShelf(bus, bucket=streams.INSTRUMENTS), announced=[(VENUE, BTC), (VENUE, ETH)])
        fold = AccountFold(
            venue=VENUE,
            account=ACCOUNT,
            ledger=ledger,
            feed=BusFeed(bus),
            positions=quiet,
            market=self.market,
            checkpoint=quiet,
            clock=clock,
        )
        spec = streams.risk_consumer(VENUE, ACCOUNT)
        desk = RiskDesk(
            venue=VENUE,
            account=ACCOUNT,
            declaration=find_venue(VENUE).declaration,
            limits=PRICED,
            fold=fold,
            intents=BusIntentLog(bus, spec, venue=VENUE, account=ACCOUNT),
            ledger=ledger,
            publisher=BusPublisher(bus, clock=clock),
            market=self.market,
            kill=quiet,
            clock=clock,
            trace=quiet,
        )
        self.lane = Lane(bus, spec, desk.decide, mode=Sequential(), graveyard=Graveyard(bus, service="risk"))
        self._work = (fold.follow_orders, fold.follow_fills, self.market.watch)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(work()) for work in self._work]
        await self.lane.start()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.lane.stop(limit_seconds=0.1)


@pytest.fixture
async def risk(bus: Bus, connected: Connect) -> AsyncIterator[Risk]:
    assert bus.client.is_connected
    running = Risk(await connected("risk"))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def board(bus: Bus) -> ShelfMarketBoard:
    return ShelfMarketBoard(BusShelf(bus, bucket=streams.INSTRUMENTS), clock=SystemClock())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def place(bus: Bus, intent_id: str, *, symbol: Symbol = BTC, valid_for_ms: int = 30_000) -> None:
    body = {
        "schema": 1,
        "kind": "place",
        "intentId": intent_id,
        "venue": VENUE,
        "account": ACCOUNT,
        "strategy": "alpha",
        "symbol": symbol,
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.010",
        "clientOrderId": intent_id,
        "createdAtMs": now_ms(),
        "validForMs": valid_for_ms,
    }
    subject = subjects.intent(VENUE, ACCOUNT, StrategyName("alpha"), IntentKind.PLACE, symbol)
    assert isinstance(await bus.jetstream.publish(subject, orjson.dumps(body)), Ack)


async def decision(bus: Bus, intent_id: str) -> Entry:
    """The first word on the order, waited for."""
    found: list[Entry] = []

    async def fact() -> bool:
        async for entry in BusFeed(bus).orders(VENUE, ACCOUNT, after=0):
            if entry is None:
                break
            if entry.order.key.client_order_id == intent_id:
                found.append(entry)
        return bool(found)

    await holds(fact)
    return found[0]


async def waits(risk: Risk) -> None:
    """The lane has tried the intent in its hands, and holds it."""
    await eventually(lambda: risk.lane.counts.retried > 0 and risk.lane.held > 0)


def price(symbol: Symbol = BTC) -> VenuePrice:
    return VenuePrice(symbol=symbol, price=Decimal(64_000), venue_time_ms=now_ms())


async def test_an_intent_before_the_symbols_are_known_is_decided_when_they_are(
    bus: Bus, risk: Risk, board: ShelfMarketBoard
) -> None:
    await place(bus, "early")
    await waits(risk)
    await board.post_instruments(VENUE, [instrument()])
    await board.post_prices(VENUE, [price()])
    assert (await decision(bus, "early")).order.state is State.APPROVED


async def test_an_intent_between_the_filters_and_the_first_price_waits_for_the_price(
    bus: Bus, risk: Risk, board: ShelfMarketBoard
) -> None:
    await board.post_instruments(VENUE, [instrument()])
    await eventually(lambda: not risk.market.awaits(VENUE, BTC))
    await place(bus, "early")
    await waits(risk)
    await board.post_prices(VENUE, [price()])
    assert (await decision(bus, "early")).order.state is State.APPROVED


async def test_an_intent_that_ends_before_the_symbols_are_known_is_expired(bus: Bus, risk: Risk) -> None:
    await place(bus, "short", valid_for_ms=150)
    order = (await decision(bus, "short")).order
    assert (order.state, str(order.reason).partition(":")[0]) == (State.REFUSED, "expired")
    assert risk.market.awaits(VENUE, BTC), "nothing was said of it"


class Venue:
    """Its lists of symbols, one after the other; the last for ever."""

    def __init__(self, *answers: list[Any]) -> None:
        self.answers = list(answers)

    async def instruments(self) -> list[Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def polled(board: ShelfMarketBoard) -> AsyncIterator[Callable[[Venue], Awaitable[None]]]:
    """status_polling's reader of the venue's list, with pauses of a moment."""
    tasks: list[asyncio.Task[None]] = []

    async def start(venue: Venue) -> None:
        pace = MarketPace(instruments_seconds=0.01, missing_seconds=0.01)
        desk = MarketDesk(
            venue=VENUE, symbols=[BTC, ETH], market=cast("Any", venue), board=board, clock=SystemClock(), pace=pace
        )
        tasks.append(asyncio.create_task(desk.post_instruments()))

    yield start
    for task in tasks:
        task.cancel()


async def test_a_symbol_that_the_venues_list_lacks_is_refused_as_unknown_once_the_list_was_read(
    bus: Bus, risk: Risk, polled: Callable[[Venue], Awaitable[None]]
) -> None:
    await place(bus, "nowhere", symbol=ETH)
    await waits(risk)
    await polled(Venue([], [instrument()]))  # an empty list says nothing
    order = (await decision(bus, "nowhere")).order
    assert (order.state, str(order.reason).partition(":")[0]) == (State.REFUSED, "unknown_symbol")


async def test_a_symbol_that_leaves_the_list_is_unknown_and_known_again_when_it_comes_back(
    risk: Risk, polled: Callable[[Venue], Awaitable[None]]
) -> None:
    both = [instrument(), instrument(symbol=ETH)]
    venue = Venue(both)
    await polled(venue)
    await eventually(lambda: risk.market.instrument(VENUE, ETH) is not None)
    venue.answers = [[instrument()]]
    await eventually(lambda: risk.market.instrument(VENUE, ETH) is None)
    venue.answers = [both]
    await eventually(lambda: risk.market.instrument(VENUE, ETH) is not None)


async def test_a_symbol_that_nobody_here_trades_is_refused_at_once(bus: Bus, risk: Risk) -> None:
    await place(bus, "stranger", symbol=Symbol("DOGEUSDT"))
    order = (await decision(bus, "stranger")).order
    assert (order.state, str(order.reason).partition(":")[0]) == (State.REFUSED, "unknown_symbol")
    assert risk.lane.counts.failed == 0
