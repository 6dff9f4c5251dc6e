"""An order with thousands of trades survives a restart of fill_streaming: every fill once, and a checkpoint that stays small."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ordergate.ports.venue import VenueTrade
from ordergate.runtime.checkpoint import DOCUMENT_BYTES_MAX, BusCheckpoint
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.events import Event, Source, SubmissionBegan, VenueReported
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import KeyId, Symbol, TradeId, VenueOrderId
from ordergate.trading.lifecycle import apply
from ordergate.trading.order import Attempt, Order, OrderType, PositionSide, Side, State, VenueView
from ordergate.venues.binance_spot.declaration import DECLARATION
from ordergate.wire import keys, streams
from services.fill_streaming.handlers import FillDesk, Pace
from tests.integration.orders_at_hand import ACCOUNT, BTC, VENUE, approved, eventually

TRADES, BEFORE = 5_000, 3_000
EACH = Decimal("0.001")
FIRST_ID = 4_000_000_000
NOW_MS = 1_790_000_000_000
ID = VenueOrderId("555")


class Venue:
    """Shows the trades that it has made so far."""

    declaration = DECLARATION

    def __init__(self) -> None:
        self.made = 0

    async def trades(self, _symbol: Symbol, *, from_id: TradeId | None, limit: int) -> Sequence[VenueTrade]:
        first = FIRST_ID if from_id is None else int(from_id)
        return [trade(number) for number in range(first, min(first + limit, FIRST_ID + self.made))]


def trade(number: int) -> VenueTrade:
    return VenueTrade(
        trade_id=TradeId(str(number)),
        venue_order_id=ID,
        client_order_id=None,
        symbol=BTC,
        side=Side.BUY,
        position_side=PositionSide.BOTH,
        price=Decimal(60_000),
        quantity=EACH,
        fee=Decimal("0.06"),
        fee_asset="USDT",
        liquidity=Liquidity.MAKER,
        venue_time_ms=NOW_MS + number - FIRST_ID,
    )


class Story:
    """One order in the ledger, and what the venue says of it."""

    def __init__(self, bus: Bus) -> None:
        self._ledger = StreamLedger(bus.jetstream, clock=SystemClock())
        order, self._event = approved(1)
        terms = replace(order.request.terms, quantity=EACH * TRADES, price=Decimal(60_000))
        self._order: Order = replace(order, request=replace(order.request, terms=terms))
        self._sequence = 0

    async def begin(self) -> None:
        self._event = replace(self._event, request=self._order.request)
        await self._append(self._order, self._event)
        attempt = Attempt(number=1, timestamp_ms=NOW_MS, key_id=KeyId("k"), began_at_ms=NOW_MS)
        await self._happen(SubmissionBegan(attempt=attempt, at_ms=NOW_MS))
        await self.report(State.ACCEPTED, 0)

    async def report(self, state: State, trades: int) -> None:
        terms = self._order.terms
        view = VenueView(
            venue_order_id=ID,
            client_order_id=self._order.key.client_order_id,
            symbol=BTC,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=EACH * TRADES,
            price=terms.price,
            stop_price=None,
            position_side=PositionSide.BOTH,
            reduce_only=False,
            status=state,
            executed_quantity=EACH * trades,
            created_at_ms=NOW_MS,
            updated_at_ms=NOW_MS + trades,
        )
        await self._happen(VenueReported(view=view, source=Source.STREAM, at_ms=NOW_MS + trades))

    async def _happen(self, event: SubmissionBegan | VenueReported) -> None:
        await self._append(apply(self._order, event), event)

    async def _append(self, order: Order, event: Event) -> None:
        answer = await self._ledger.append(order, event, after=self._sequence)
        assert answer.entry is not None
        self._order, self._sequence = order, answer.entry.sequence


Started = Callable[[], Awaitable[FillDesk]]
Died = Callable[[], Awaitable[None]]


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def process(bus: Bus, venue: Venue) -> AsyncIterator[tuple[Started, Died]]:
    """Starts fill_streaming, and ends it after its last checkpoint."""
    tasks: list[asyncio.Task[None]] = []
    desks: list[FillDesk] = []

    async def start() -> FillDesk:
        clock = SystemClock()
        desk = FillDesk(
            venue=VENUE,
            account=ACCOUNT,
            symbols=[BTC],
            reading=cast("Any", venue),
            ledger=StreamLedger(bus.jetstream, clock=clock),
            feed=BusFeed(bus),
            publisher=BusPublisher(bus, clock=clock),
            cursors=BusShelf(bus, bucket=streams.CURSORS),
            checkpoint=checkpoint_of(bus),
            clock=clock,
            trace=cast("Any", SimpleNamespace(now_ns=lambda: 0, span=lambda *_, **__: None)),
            pace=Pace(read_seconds=0.0, poll_seconds=60.0, sweep_seconds=60.0),
        )
        desks.append(desk)
        tasks.extend((asyncio.create_task(desk.follow_orders()), asyncio.create_task(desk.read_trades())))
        await eventually(desk.rebuilt.is_set)
        return desk

    async def die() -> None:
        mark = desks[-1].mark()
        assert mark is not None
        await checkpoint_of(bus).save(mark)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks.clear()

    yield start, die
    for task in tasks:
        task.cancel()


def checkpoint_of(bus: Bus) -> BusCheckpoint:
    shelf = BusShelf(bus, bucket=streams.CHECKPOINTS)
    return BusCheckpoint(shelf, service=streams.FILL_STREAMING, venue=VENUE, account=ACCOUNT, clock=SystemClock())


def stored(desk: FillDesk) -> Decimal | None:
    watched = desk._watch.of_venue_order(BTC, ID)
    return None if watched is None else watched.stored


async def test_an_order_with_five_thousand_trades_survives_a_restart(
    bus: Bus, venue: Venue, process: tuple[Started, Died]
) -> None:
    start, die = process
    story = Story(bus)
    desk = await start()
    await story.begin()
    venue.made = BEFORE
    await story.report(State.PARTIALLY_FILLED, BEFORE)
    await eventually(lambda: stored(desk) == EACH * BEFORE, seconds=10)
    await die()
    kept = await BusShelf(bus, bucket=streams.CHECKPOINTS).get(keys.checkpoint(streams.FILL_STREAMING, VENUE, ACCOUNT))
    assert kept is not None
    assert len(kept) < DOCUMENT_BYTES_MAX / 4
    venue.made = TRADES
    again = await start()
    assert stored(again) == EACH * BEFORE, "counted again"
    await story.report(State.FILLED, TRADES)
    await eventually(lambda: len(again._watch) == 0, seconds=10)  # finished, and all of it stored
    found = Counter([fill.fill.trade_id async for fill in until_the_end(bus)])
    assert (len(found), set(found.values())) == (TRADES, {1})


async def until_the_end(bus: Bus) -> AsyncIterator[Any]:
    async for fill in BusFeed(bus).fills(VENUE, ACCOUNT, after=0):
        if fill is None:
            return
        yield fill
