"""A replace intent on a real bus and over HTTP: two orders and one request, whatever becomes of its answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.client import Gateway, connect
from ordergate.ports.venue import Outcome, Reading, Replacement, Trading, WriteAhead
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
from ordergate.trading.events import Refused
from ordergate.trading.ids import AccountName, ClientOrderId, ErrorId, StrategyName, Symbol, VenueOrderId
from ordergate.trading.lifecycle import begin
from ordergate.trading.order import ListKind, Order, OrderListMembership, OrderRequest, Side, State
from ordergate.trading.scope import Scope
from ordergate.wire import streams
from ordergate.wire.messages import AnswerMessage, AnswerOutcome
from services.order_submission import app as order_submission
from services.risk import app as risk
from services.status_polling import app as status_polling
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import holds
from tests.venue_cards.desk import Desk, Exchange, open_exchange
from tests.venue_cards.kits import KITS, Kit

MAIN = AccountName("main")
BTC = "BTCUSDT"
REPLACE = "POST /api/v3/order/cancelReplace"


class DiesBeforeSending:
    """A trading client whose process is frozen with the write-ahead in the ledger and nothing on the wire."""

    def __init__(self, trading: Trading) -> None:
        self.declaration = trading.declaration
        self.place, self.cancel, self.cancel_all = trading.place, trading.cancel, trading.cancel_all
        self._trading = trading
        self.frozen = asyncio.Event()

    async def replace(
        self, request: OrderRequest, *, canceled: VenueOrderId, write_ahead: WriteAhead, deadline_seconds: float
    ) -> Replacement:
        async def freezes(timestamp_ms: int, key_id: Any) -> bool:
            assert await write_ahead(timestamp_ms, key_id)
            self.frozen.set()
            await asyncio.Event().wait()
            return False

        outcome: Outcome = await self._trading.place(request, write_ahead=freezes, deadline_seconds=deadline_seconds)
        raise AssertionError((canceled, outcome))


class Impatient:
    """A reading client of a venue whose fence passes soon: a request that has not arrived after so long has not left."""

    def __init__(self, reading: Reading) -> None:
        self.declaration = changed(reading.declaration, window_ms=200, settle_ms=0)
        self._reading = reading

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reading, name)


@dataclass(slots=True)
class Place:
    """One account of a venue, risk and order submission at work on it, and status polling once it is asked for."""

    kit: Kit
    exchange: Exchange
    main: Desk
    other: Desk
    alpha: Gateway
    beta: Gateway
    bus: Bus
    text: str
    installation: Installation
    folder: Path
    running: list[asyncio.Task[None]] = field(default_factory=list)
    submission: Frame | None = None
    frames: list[Frame] = field(default_factory=list)

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

    async def start(self, frame: Frame) -> None:
        for lane in frame.lanes:
            await lane.start()
        self.running += [asyncio.create_task(work(), name=name) for name, work in frame.tasks]

    async def start_risk(self) -> None:
        frame = self.frame(streams.RISK)
        board = ShelfMarketBoard(frame.shelf(streams.INSTRUMENTS), clock=frame.clock)
        await board.post_instruments(self.kit.name, list(await self.main.market.instruments()))
        await board.post_prices(self.kit.name, list(await self.main.market.prices()))
        market = ShelfMarketData(frame.shelf(streams.INSTRUMENTS))
        frame.task("market", market.watch)
        risk.serve(
            frame,
            self.installation.accounts[0],
            declaration=self.main.trading.declaration,
            kill=await self.kill(frame),
            market=market,
            positions=frame.positions(),
            intents=BusIntentLog(
                self.bus, streams.risk_consumer(self.kit.name, MAIN), venue=self.kit.name, account=MAIN
            ),
        )
        self.running.append(asyncio.create_task(market.watch()))
        await holds(lambda: _said(market.knows(self.kit.name, Symbol(BTC))))
        await self.start(frame)

    async def start_submission(self, trading: Any = None) -> None:
        frame = self.submission = self.frame(streams.ORDER_SUBMISSION)
        order_submission.serve(
            frame,
            self.installation.accounts[0],
            kill=await self.kill(frame),
            decided=ConsumerProgress(self.bus, streams.risk_consumer(self.kit.name, MAIN)),
            trading=trading or self.main.trading,
            reading=self.main.reading,
        )
        await self.start(frame)

    async def stop_submission(self) -> None:
        """As a process that is killed: nothing that it began is gone on with."""
        assert self.submission is not None
        for lane in self.submission.lanes:
            await lane.stop(limit_seconds=0.01)

    async def start_polling(self, *, reading: Any = None) -> None:
        frame = self.frame(streams.STATUS_POLLING)
        status_polling.serve(
            frame,
            self.installation.accounts[0],
            reading=reading or self.main.reading,
            positions=frame.positions(),
            stream=None,
        )
        await self.start(frame)

    async def kill(self, frame: Frame) -> BusKillSwitch:
        switch = BusKillSwitch(self.bus, clock=frame.clock)
        self.running += [asyncio.create_task(switch.watch()), asyncio.create_task(switch.confirm())]
        await holds(lambda: _said(switch.is_confirmed()))
        return switch

    async def throw(self) -> None:
        await turn_switch(self.bus, Scope(), thrown=True, reason="test", clock=self.frames[0].clock)

    async def order(self, name: str) -> Order:
        entry = await self.frames[0].ledger.last(self.kit.name, MAIN, ClientOrderId(name))
        assert entry is not None, name
        return entry.order

    async def comes_to(self, name: str, *states: State) -> Order:
        async def is_there() -> bool:
            entry = await self.frames[0].ledger.last(self.kit.name, MAIN, ClientOrderId(name))
            return entry is not None and entry.order.state in states

        await holds(is_there)
        return await self.order(name)

    async def bid(self, name: str, price: int = 60_000, **terms: Any) -> None:
        await self.alpha.submit(**_bid(name, price), **terms)
        await self.comes_to(name, State.ACCEPTED)

    async def replace(self, old: str, new: str, price: int = 61_000, **terms: Any) -> None:
        await self.alpha.replace(old, **{**_bid(new, price), **terms})

    async def executed(self) -> dict[str, str]:
        """Every order that the venue has of the account, by its id; one that stood twice would be lost here, so they are counted."""
        rows = [row for row in (await self.exchange.ledger())["orders"] if row["account"] == MAIN]
        assert len({row["clientOrderId"] for row in rows}) == len(rows)
        return {row["clientOrderId"]: row["status"] for row in rows}

    def held(self) -> int:
        """How many deliveries order submission has in hand."""
        return sum(lane.held for lane in self.submission.lanes) if self.submission else 0

    async def note_leg(self, name: str) -> None:
        """An order of a list, in the ledger only."""
        names = (ClientOrderId(name), ClientOrderId(f"{name}-2"))
        listed = OrderListMembership(list_client_order_id=ClientOrderId("l"), kind=ListKind.OCO, leg=1, legs=names)
        request = changed(self.main.request(name), strategy=StrategyName("alpha"), order_list=listed)
        refused = Refused(request=request, at_ms=1, reason="test", error_id=ErrorId("e-1"))
        await self.frames[0].ledger.append(begin(refused), refused, after=0)

    def requests(self) -> int:
        return sum(record.path.endswith("cancelReplace") for record in self.main.records)


def _bid(name: str, price: int) -> dict[str, Any]:
    return {
        "symbol": BTC,
        "side": "BUY",
        "type": "LIMIT",
        "quantity": Decimal("0.01"),
        "price": Decimal(price),
        "client_order_id": name,
        "intent_id": f"i-{name}",
    }


async def _said(fact: bool) -> bool:  # noqa: FBT001 - a fact for `holds`
    return fact


@asynccontextmanager
async def standing(
    server: EmbeddedServer, connected: Connect, folder: Path, *, venue: str = "binance-spot"
) -> AsyncIterator[Place]:
    kit = KITS[venue]
    bus = await connected()
    consumers = streams.consumers(kit.name, MAIN)
    await provision(bus.jetstream, resources(streams=streams.streams(), buckets=streams.buckets(), consumers=consumers))
    async with (
        open_exchange(kit) as exchange,
        connect(server.url, venue=kit.name, account=MAIN, strategy="alpha") as alpha,
        connect(server.url, venue=kit.name, account=MAIN, strategy="beta") as beta,
    ):
        text = f'[[accounts]]\nvenue = "{kit.name}"\naccount = "main"\nbase_url = "{exchange.url}"\nsymbols = ["{BTC}", "ETHUSDT"]\n'
        main, other = await exchange.desk("main"), await exchange.desk("other")
        place = Place(kit, exchange, main, other, alpha, beta, bus, text, Installation.of(text), folder)
        try:
            await place.start_risk()
            await place.start_submission()
            yield place
        finally:
            await _end(place.running, place.frames)


async def _end(running: Iterable[asyncio.Task[None]], frames: Iterable[Frame]) -> None:
    for frame in frames:
        for lane in frame.lanes:
            await lane.stop(limit_seconds=0.01)
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def place(server: EmbeddedServer, connected: Connect, tmp_path: Path) -> AsyncIterator[Place]:
    async with standing(server, connected, tmp_path) as made:
        yield made


async def test_the_new_order_takes_the_place_of_the_old_by_one_request_however_often_it_is_asked_for(
    place: Place,
) -> None:
    await place.bid("old")
    await place.replace("old", "new")
    new = await place.comes_to("new", State.ACCEPTED)
    old = await place.comes_to("old", State.CANCELED)
    assert (new.request.replaces, old.cancel_requested_at_ms is not None) == ("old", True)
    assert await place.executed() == {"old": "CANCELED", "new": "NEW"}
    stored = await place.bus.jetstream.last(streams.INTENTS, f"intents.{place.kit.name}.main.alpha.replace.{BTC}")
    assert stored is not None
    ticket = await place.alpha.publish("replace", stored.data + b" ", intent_id="i-new", symbol=BTC)
    answer = await place.alpha.wait(ticket)
    assert isinstance(answer, AnswerMessage)
    assert (answer.outcome, answer.reason) == (AnswerOutcome.DONE, "repeated")
    assert place.requests() == 1
    assert not any(record.method == "DELETE" for record in place.main.records)


async def test_each_half_that_fails_is_told_of_its_own_order(place: Place) -> None:
    await place.other.placed("maker", Side.SELL, price=Decimal(64_300))
    await place.bid("old-1", 64_250)
    await place.other.placed("taker", Side.SELL, price=Decimal(64_250))
    await place.replace("old-1", "new-1")
    assert (await place.comes_to("new-1", State.REJECTED)).reason == "replaced_order_not_canceled"
    await place.bid("old-2")
    await place.replace("old-2", "new-2", 64_300, post_only=True)  # would take
    assert (await place.comes_to("new-2", State.REJECTED)).reason == "would_match_immediately"
    await place.comes_to("old-2", State.CANCELED)
    assert await place.executed() == {"old-1": "FILLED", "old-2": "CANCELED"}


async def test_what_cannot_be_replaced_is_said_before_anything_is_sent(place: Place) -> None:
    await place.bid("old")
    await place.bid("ended")
    await place.alpha.cancel("ended")
    await place.comes_to("ended", State.CANCELED)
    await place.note_leg("leg")
    await place.replace("nobody", "n-1")
    await place.beta.replace("old", **_bid("n-2", 61_000))
    await place.alpha.replace("old", **{**_bid("n-3", 3_000), "symbol": "ETHUSDT"})
    await place.replace("leg", "n-4")
    reasons = [(await place.comes_to(f"n-{number}", State.REFUSED)).reason for number in (1, 2, 3, 4)]
    assert [str(reason).partition(":")[0] for reason in reasons] == [
        "unknown_order",
        "not_your_order",
        "other_symbol",
        "part_of_a_list",
    ]
    await place.replace("ended", "n-5")
    late = await place.comes_to("n-5", State.CANCELED)
    assert (late.reason, late.attempt) == ("replaced_order_ended: canceled", None)
    assert await place.executed() == {"old": "NEW", "ended": "CANCELED"}
    assert place.requests() == 0


async def test_after_a_lost_answer_both_are_found_and_nothing_is_doubled(place: Place) -> None:
    await place.bid("old")
    await place.exchange.break_calls({"kind": "answer_lost", "call": REPLACE})
    await place.replace("old", "new")
    await place.comes_to("new", State.UNKNOWN)
    assert (await place.order("old")).state is State.ACCEPTED, "nothing says that it was canceled"
    await place.exchange.break_calls()
    await place.start_polling()
    await place.comes_to("new", State.ACCEPTED)
    await place.comes_to("old", State.CANCELED)
    assert await place.executed() == {"old": "CANCELED", "new": "NEW"}
    assert place.requests() == 1


async def test_a_request_that_never_arrived_is_fenced_and_the_old_order_lives(place: Place) -> None:
    await place.bid("old")
    await place.exchange.break_calls({"kind": "reset", "phase": "before", "call": REPLACE})
    await place.replace("old", "new")
    await place.comes_to("new", State.UNKNOWN)
    await place.exchange.break_calls()
    await place.start_polling(reading=Impatient(place.main.reading))
    await place.comes_to("new", State.NOT_PLACED)
    assert (await place.order("old")).state is State.ACCEPTED
    assert await place.executed() == {"old": "NEW"}


async def test_a_sender_killed_between_write_ahead_and_send_sends_nothing_later(place: Place) -> None:
    await place.bid("old")
    await place.stop_submission()
    dying = DiesBeforeSending(place.main.trading)
    await place.start_submission(dying)
    await place.replace("old", "new")
    await dying.frozen.wait()
    await place.stop_submission()
    await place.start_submission()
    await place.replace("old", "later", 60_500)
    await place.comes_to("later", State.ACCEPTED)  # what was handed out before is handed out first
    assert (await place.order("new")).state is State.SUBMITTING
    assert await place.executed() == {"old": "CANCELED", "later": "NEW"}


async def test_a_replace_waits_until_the_old_order_is_known_at_the_venue(place: Place) -> None:
    await place.exchange.break_calls({"kind": "answer_lost", "call": place.kit.calls["place"]})
    await place.alpha.submit(**_bid("old", 60_000))
    await place.comes_to("old", State.UNKNOWN)
    await place.replace("old", "short", valid_for_ms=150)
    await place.replace("old", "unwanted", valid_for_ms=60_000)
    await place.replace("old", "new")
    await place.comes_to("unwanted", State.APPROVED)
    await place.alpha.cancel("unwanted")
    await place.comes_to("unwanted", State.CANCELED)
    assert (await place.comes_to("short", State.EXPIRED)).attempt is None
    assert place.requests() == 0
    await place.exchange.break_calls()
    await place.start_polling()
    await place.comes_to("new", State.ACCEPTED)
    await place.comes_to("old", State.CANCELED)
    await holds(lambda: _said(not place.held()))


async def test_the_old_and_the_new_order_count_in_full_until_one_is_known_to_have_ended(place: Place) -> None:
    await _end((), place.frames[:1])
    place.installation = Installation.of(place.text + "[accounts.risk]\nmax_open_orders = 2\n")
    await place.start_risk()
    await place.bid("first")
    await place.bid("second")
    await place.replace("first", "third")
    assert str((await place.comes_to("third", State.REFUSED)).reason).startswith("max_open_orders")


async def test_once_the_switch_is_thrown_nothing_is_replaced(place: Place) -> None:
    await place.bid("old")
    await place.throw()
    await place.replace("old", "new")
    new = await place.comes_to("new", State.REFUSED, State.CANCELED)
    assert str(new.reason).startswith("killed")
    await place.comes_to("old", State.CANCELED)
    assert place.requests() == 0


async def test_a_venue_without_it_refuses_before_anything_is_sent(
    server: EmbeddedServer, connected: Connect, tmp_path: Path
) -> None:
    async with standing(server, connected, tmp_path, venue="zetarium") as place:
        await place.bid("old")
        sent = len([record for record in place.main.records if record.method != "GET"])
        await place.replace("old", "new")
        new = await place.comes_to("new", State.REFUSED)
        assert str(new.reason).startswith("unsupported_by_venue: this venue has no replace")
        assert (await place.order("old")).state is State.ACCEPTED
        assert len([record for record in place.main.records if record.method != "GET"]) == sent
