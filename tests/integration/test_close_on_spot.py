"""Closing on Spot, on a real bus and over HTTP: what our fills hold is sold, and never what was there before them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.client import Gateway, connect
from ordergate.runtime.connection import Bus
from ordergate.runtime.control import BusKillSwitch, turn_switch
from ordergate.runtime.intents import BusIntentLog
from ordergate.runtime.market import ShelfMarketBoard, ShelfMarketData
from ordergate.runtime.metrics import Metrics
from ordergate.runtime.progress import ConsumerProgress
from ordergate.runtime.provision import provision, resources
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import Environment, Installation
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol
from ordergate.trading.order import Order, Side, State
from ordergate.trading.scope import Scope
from ordergate.wire import streams, subjects
from ordergate.wire.messages import AnswerMessage, AnswerOutcome, RiskMessage
from services.fill_streaming import app as fill_streaming
from services.fill_streaming.handlers import Pace
from services.order_submission import app as order_submission
from services.risk import app as risk
from services.risk.handlers import RiskDesk
from services.status_polling.wallet import WalletDesk
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import eventually, holds
from tests.venue_cards.desk import Desk, Exchange, open_exchange
from tests.venue_cards.kits import SPOT

MAIN, BTC = AccountName("main"), Symbol("BTCUSDT")
FEE = Decimal("0.001")


@dataclass(slots=True)
class Place:
    """One Spot account with risk, order submission and fill streaming at work on it."""

    exchange: Exchange
    main: Desk
    alpha: Gateway
    bus: Bus
    installation: Installation
    folder: Path
    market: ShelfMarketData = field(init=False)
    risk: RiskDesk = field(init=False)
    frames: list[Frame] = field(default_factory=list)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def frame(self, name: str) -> Frame:
        frame = Frame(
            name=name,
            environment=Environment(config=self.folder),
            installation=self.installation,
            bus=self.bus,
            metrics=Metrics(name),
        )
        self.frames.append(frame)
        return frame

    @property
    def board(self) -> ShelfMarketBoard:
        return ShelfMarketBoard(self.frames[0].shelf(streams.INSTRUMENTS), clock=self.frames[0].clock)

    async def start(self) -> None:
        account, declaration = self.installation.accounts[0], self.main.trading.declaration
        decides, sends, stores = map(self.frame, (streams.RISK, streams.ORDER_SUBMISSION, streams.FILL_STREAMING))
        await self.board.post_instruments(SPOT.name, list(await self.main.market.instruments()))
        await self.board.post_prices(SPOT.name, list(await self.main.market.prices()))
        self.market = ShelfMarketData(decides.shelf(streams.INSTRUMENTS))
        consumer = streams.risk_consumer(SPOT.name, MAIN)
        kill = BusKillSwitch(self.bus, clock=decides.clock)
        self.running += [asyncio.create_task(work()) for work in (self.market.watch, kill.watch, kill.confirm)]
        await eventually(lambda: self.market.knows(SPOT.name, BTC) and kill.is_confirmed())
        self.risk = risk.serve(
            decides,
            account,
            declaration=declaration,
            kill=kill,
            market=self.market,
            positions=decides.positions(),
            intents=BusIntentLog(self.bus, consumer, venue=SPOT.name, account=MAIN),
        )
        order_submission.serve(
            sends,
            account,
            kill=kill,
            decided=ConsumerProgress(self.bus, consumer),
            trading=self.main.trading,
            reading=self.main.reading,
        )
        fill_streaming.serve(stores, account, reading=self.main.reading, pace=Pace(read_seconds=0.01))
        for frame in self.frames:
            for lane in frame.lanes:
                await lane.start()
            self.running += [asyncio.create_task(work(), name=name) for name, work in frame.tasks]

    async def stop(self) -> None:
        for frame in self.frames:
            for lane in frame.lanes:
                await lane.stop(limit_seconds=0.01)
        for task in self.running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def buy(self, quantity: str) -> None:
        """Until risk's book holds it."""
        before = self.held
        ticket = await self.alpha.submit(symbol=BTC, side="BUY", type="MARKET", quantity=Decimal(quantity))
        await self.alpha.wait(ticket, {State.FILLED})
        assert ticket.client_order_id is not None
        bought = await self.order(ticket.client_order_id)
        assert bought.state is State.FILLED, bought.reason
        await eventually(lambda: self.held == before + Decimal(quantity))

    async def close(self, quantity: str | None = None) -> Order | AnswerMessage:
        """The order, ended; or why there is none."""
        fields = {} if quantity is None else {"quantity": Decimal(quantity)}
        ticket = await self.alpha.close(BTC, **fields)
        said = await self.alpha.wait(ticket)
        if isinstance(said, AnswerMessage):
            return said
        assert ticket.client_order_id is not None
        return await self.order(ticket.client_order_id)

    async def order(self, order_id: str) -> Order:
        entry = await self.frames[0].ledger.last(SPOT.name, MAIN, ClientOrderId(order_id))
        assert entry is not None
        return entry.order

    @property
    def held(self) -> Decimal:
        return self.risk._fold.book.exposure(BTC).quantity

    async def bitcoins(self) -> Decimal:
        return next(each.wallet for each in await self.main.reading.balances() if each.asset == "BTC")


@pytest.fixture
async def place(server: EmbeddedServer, connected: Connect, tmp_path: Path) -> AsyncIterator[Place]:
    bus = await connected()
    consumers = streams.consumers(SPOT.name, MAIN)
    await provision(bus.jetstream, resources(streams=streams.streams(), buckets=streams.buckets(), consumers=consumers))
    fees = {"maker": str(FEE), "taker": str(FEE)}
    async with (
        open_exchange(SPOT, fees=fees) as exchange,
        connect(server.url, venue=SPOT.name, account=MAIN, strategy="alpha") as alpha,
    ):
        text = (
            f'[[accounts]]\nvenue = "{SPOT.name}"\naccount = "main"\nbase_url = "{exchange.url}"\nsymbols = ["{BTC}"]\n'
        )
        made = Place(exchange, await exchange.desk("main"), alpha, bus, Installation.of(text), tmp_path)
        other = await exchange.desk("other")
        for side, price in ((Side.SELL, 64_251), (Side.BUY, 64_249)):
            await other.placed(f"rests-{side}", side, quantity=Decimal("0.5"), price=Decimal(price))
        try:
            await made.start()
            yield made
        finally:
            await made.stop()


async def test_a_close_sells_what_the_fills_hold_and_what_is_left_is_dust(place: Place) -> None:
    before = await place.bitcoins()
    await place.buy("0.010")
    closed = await place.close()
    assert isinstance(closed, Order)
    assert (closed.state, closed.executed_quantity) == (State.FILLED, Decimal("0.009")), "less the fee, whole lots"
    await eventually(lambda: place.held == Decimal("0.001"))
    assert await place.bitcoins() == before + Decimal("0.010") * (1 - FEE) - Decimal("0.009")
    again = await place.close()
    assert isinstance(again, AnswerMessage)
    assert (again.outcome, again.reason) == (AnswerOutcome.REFUSED, "dust")
    assert "LOT_SIZE" in str(again.message)


async def test_nothing_is_sold_that_was_there_before_and_a_part_may_be(place: Place) -> None:
    none = await place.close()
    assert isinstance(none, AnswerMessage)
    assert (none.outcome, none.reason) == (AnswerOutcome.DONE, "nothing_to_close")
    await place.buy("0.020")
    part = await place.close("0.005")
    assert isinstance(part, Order)
    assert (part.state, part.executed_quantity) == (State.FILLED, Decimal("0.005"))


async def test_what_was_bought_elsewhere_in_the_account_is_not_sold(place: Place) -> None:
    await place.main.placed("by-hand", Side.BUY, quantity=Decimal("0.100"), price=Decimal(64_251))
    await eventually(lambda: place.held == Decimal("0.100"))
    none = await place.close()
    assert isinstance(none, AnswerMessage)
    assert none.reason == "nothing_to_close"
    await place.buy("0.010")
    closed = await place.close()
    assert isinstance(closed, Order)
    assert closed.executed_quantity == Decimal("0.009")


async def test_no_more_is_sold_than_the_wallet_shows(place: Place) -> None:
    await place.buy("0.020")
    clock = place.frames[0].clock
    await place.board.post_wallet(SPOT.name, MAIN, [], asked_at_ms=clock.now_ms() + 5_000)
    await eventually(lambda: place.risk._fold.book.wallet(BTC, "BTC", clock.now_ms()) == 0)
    none = await place.close()
    assert isinstance(none, AnswerMessage)
    assert (none.outcome, none.reason) == (AnswerOutcome.REFUSED, "not_in_the_wallet")


async def test_the_wallet_is_posted_as_the_venue_shows_it(place: Place) -> None:
    desk = WalletDesk(
        venue=SPOT.name,
        account=MAIN,
        symbols=[BTC],
        reading=place.main.reading,
        board=place.board,
        clock=place.frames[0].clock,
    )
    await desk.post()
    await eventually(lambda: place.market.wallet(SPOT.name, MAIN) is not None)
    wallet = place.market.wallet(SPOT.name, MAIN)
    assert wallet is not None
    assert wallet.assets["BTC"] == await place.bitcoins()
    assert set(wallet.assets) <= {"BTC", "USDT", "BTCUSDT"}


async def test_a_throw_that_shall_flatten_sells_nothing_here_and_says_why(place: Place) -> None:
    await place.buy("0.010")
    before = await place.bitcoins()
    await turn_switch(place.bus, Scope(), thrown=True, reason="test", clock=place.frames[0].clock, flatten=True)
    said: list[RiskMessage] = []

    async def is_said() -> bool:
        found = await place.bus.jetstream.last(streams.AUDIT, subjects.risk(SPOT.name, MAIN, "kill_not_flattened"))
        said.extend([] if found is None else [RiskMessage.of(found.data)])
        return bool(said)

    await holds(is_said)
    assert "reduce_only_unsupported" in str(said[0].message)
    assert await place.bitcoins() == before
