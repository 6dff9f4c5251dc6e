"""One simulated process: a node with its connection to the bus, and the service that runs on it, composed as its app.py does.

`SimStage` is the simulation's `runtime.service.Frame`: the same ledger, publisher, feed, shelves and lanes, over a simulated wire.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from ordergate.ports.bus import Handler
from ordergate.ports.clock import Clock
from ordergate.ports.stream import PrivateStream
from ordergate.ports.venue import Declaration, Market, Reading, Trading
from ordergate.runtime.connection import Bus
from ordergate.runtime.control import BusKillSwitch, KillResponder
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.intents import BusIntentLog
from ordergate.runtime.lane import Lane, Mode
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.market import ShelfMarketBoard, ShelfMarketData
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.presence import Presence
from ordergate.runtime.progress import ConsumerProgress
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol
from ordergate.trading.order import OrderRequest
from ordergate.wire import streams, subjects
from ordergate.wire.messages import KillDocument
from ordergate.wire.streams import ConsumerSpec
from services.fill_streaming import app as fill_streaming
from services.fill_streaming.handlers import Pace as FillPace
from services.order_submission import app as order_submission
from services.position_tracking import app as position_tracking
from services.risk import app as risk
from services.status_polling import app as status_polling
from services.status_polling.market import MarketDesk, MarketPace
from tests.simulation.loop import Node
from tests.simulation.venue import Line, SimMarket, SimReading, SimTrading

PRICES_SECONDS = 4.0
READ_SECONDS = 0.1


class NoTrace:
    """ports.trace that keeps nothing."""

    def now_ns(self) -> int:
        return 0

    def span(
        self,
        name: str,
        order: ClientOrderId,
        began_ns: int,
        *,
        attributes: object,
        error_id: str | None = None,
        parent: str | None = None,
    ) -> None:
        """Spans are no part of a history."""


class SimStage:
    """runtime.stage.Stage of one node."""

    def __init__(self, *, name: str, instance: str, node: Node, bus: Bus) -> None:
        self.name = name
        self.instance = instance
        self.node = node
        self.bus = bus
        self.replicas = 1
        self.trace = NoTrace()
        self.ledger = StreamLedger(bus.jetstream, clock=node.clock, draw=bus.draw)
        self.publisher = BusPublisher(bus, clock=node.clock)
        self.feed = BusFeed(bus)
        self.lanes: list[Lane] = []
        self.answering: set[asyncio.Task[None]] = set()
        self._tasks: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._routes: list[tuple[str, Callable[[bytes], Awaitable[bytes]]]] = []

    @property
    def clock(self) -> Clock:
        return self.node.clock

    def shelf(self, bucket: str) -> BusShelf:
        return BusShelf(self.bus, bucket=bucket)

    def lane(self, spec: ConsumerSpec, handler: Handler, *, mode: Mode) -> Lane:
        lane = Lane(self.bus, spec, handler, mode=mode, graveyard=Graveyard(self.bus, service=self.name))
        self.lanes.append(lane)
        return lane

    def task(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append((name, work))

    def answer(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], *, queue: str = "") -> None:  # noqa: ARG002
        self._routes.append((subject, handler))

    def ready_when(self, name: str, condition: Callable[[], bool]) -> None:
        """Nobody asks a simulated process whether it is ready."""

    async def start(self) -> None:
        for subject, handler in self._routes:
            await self.bus.client.listen(subject, self._sink(handler))
        for lane in self.lanes:
            await lane.start()
        for name, work in self._tasks:
            self.node.spawn(work(), name=name)

    def _sink(
        self, handler: Callable[[bytes], Awaitable[bytes]]
    ) -> Callable[[bytes, bytes, bytes, bytes | None], None]:
        async def respond(reply: str, data: bytes) -> None:
            self.bus.client.post(reply, await handler(data))

        def take(_subject: bytes, reply: bytes, data: bytes, _headers: bytes | None) -> None:
            task = self.node.spawn(respond(reply.decode(), data), name="answer")
            self.answering.add(task)
            task.add_done_callback(self.answering.discard)

        return take


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a process finds around it."""

    accounts: tuple[AccountSettings, ...]
    declaration: Declaration
    clients: "Clients"
    acknowledged: Callable[[Node, KillDocument], None]  # the kill switch, by a sender


@dataclass(slots=True)
class Process:
    """A running (or dead) service."""

    service: str
    replica: int
    node: Node
    lines: list[Any] = field(default_factory=list)  # its ways to the venue; each can be `cut`
    stage: SimStage | None = None


class Clients(Protocol):
    """How processes come to their clients of the venue, each over a way of its own."""

    async def trading(
        self, process: Process, account: AccountName, *, is_killed: Callable[[OrderRequest], bool]
    ) -> Trading: ...

    async def reading(self, process: Process, account: AccountName) -> Reading: ...

    async def market(self, process: Process) -> Market: ...

    def stream(self, process: Process, reading: Reading, *, trades: bool, orders: bool) -> PrivateStream | None:
        """With the reading client of the account. None: this venue has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineClients:
    """Clients over `Line`: the sequence of access.session, written here. line: a way of a node for an account; budget: how long a request waits for its turn."""

    line: Callable[[Node, AccountName], Line]
    first_account: AccountName
    budget_seconds: Callable[[], float]

    async def trading(
        self, process: Process, account: AccountName, *, is_killed: Callable[[OrderRequest], bool]
    ) -> Trading:
        return SimTrading(self._line(process, account), budget_seconds=self.budget_seconds, is_killed=is_killed)

    async def reading(self, process: Process, account: AccountName) -> Reading:
        return SimReading(self._line(process, account))

    async def market(self, process: Process) -> Market:
        return SimMarket(self._line(process, self.first_account))

    def stream(self, process: Process, reading: Reading, *, trades: bool, orders: bool) -> PrivateStream | None:  # noqa: ARG002
        return None

    def _line(self, process: Process, account: AccountName) -> Line:
        line = self.line(process.node, account)
        process.lines.append(line)
        return line


def wield(trading: Trading, reading: Reading) -> Trading:  # noqa: ARG001 - for who puts a mistake here
    """The trading client as order submission uses it."""
    return trading


async def compose(process: Process, stage: SimStage, around: Surroundings) -> None:
    """The other half of each composition root is `serve`, in the service's own app.py."""
    match process.service:
        case streams.RISK:
            _compose_risk(stage, around)
        case streams.ORDER_SUBMISSION:
            await _compose_submission(process, stage, around)
        case streams.STATUS_POLLING:
            await _compose_polling(process, stage, around)
        case streams.FILL_STREAMING:
            for account in around.accounts:
                reading = await around.clients.reading(process, account.account_name)
                stream = around.clients.stream(process, reading, trades=True, orders=False)
                pace = FillPace(read_seconds=READ_SECONDS)
                fill_streaming.serve(stage, account, reading=reading, stream=stream, pace=pace)
        case streams.POSITION_TRACKING:
            for account in around.accounts:
                reading = await around.clients.reading(process, account.account_name)
                position_tracking.serve(stage, account, reading=reading, positions=BusPositions(stage.bus))
        case other:
            raise AssertionError(other)
    await stage.start()


def _compose_risk(stage: SimStage, around: Surroundings) -> None:
    kill = _kill_switch(stage)
    announced = [(account.venue_name, Symbol(symbol)) for account in around.accounts for symbol in account.symbols]
    market = ShelfMarketData(stage.shelf(streams.INSTRUMENTS), announced=announced)
    stage.task("market", market.watch)
    for account in around.accounts:
        venue, name = account.venue_name, account.account_name
        risk.serve(
            stage,
            account,
            declaration=around.declaration,
            kill=kill,
            market=market,
            positions=BusPositions(stage.bus),
            intents=BusIntentLog(stage.bus, streams.risk_consumer(venue, name), venue=venue, account=name),
        )


async def _compose_submission(process: Process, stage: SimStage, around: Surroundings) -> None:
    kill = _kill_switch(stage)
    presence = Presence(stage.bus, service=stage.name, instance=stage.instance, clock=stage.clock)
    stage.task("presence", presence.keep)
    desks = []

    def is_killed(request: OrderRequest) -> bool:
        return kill.stops(request) is not None

    for account in around.accounts:
        trading = await around.clients.trading(process, account.account_name, is_killed=is_killed)
        reading = await around.clients.reading(process, account.account_name)
        trading = wield(trading, reading)
        decided = ConsumerProgress(stage.bus, streams.risk_consumer(account.venue_name, account.account_name))
        desks.append(
            order_submission.serve(stage, account, kill=kill, decided=decided, trading=trading, reading=reading)
        )
    responder = KillResponder(
        kill,
        service=stage.name,
        instance=stage.instance,
        clock=stage.clock,
        in_flight=lambda scope: sum(scope.covers(order.request) for desk in desks for order in desk.in_hand()),
    )

    async def acknowledge(body: bytes) -> bytes:
        answer = await responder.acknowledge(body)
        around.acknowledged(stage.node, KillDocument.of(body))
        return answer

    stage.answer(subjects.KILL_REQUEST, acknowledge)


async def _compose_polling(process: Process, stage: SimStage, around: Surroundings) -> None:
    venue = around.declaration.venue
    market = MarketDesk(
        venue=venue,
        symbols={Symbol(symbol) for account in around.accounts for symbol in account.symbols},
        market=await around.clients.market(process),
        board=ShelfMarketBoard(stage.shelf(streams.INSTRUMENTS), clock=stage.clock),
        clock=stage.clock,
        pace=MarketPace(prices_seconds=PRICES_SECONDS),
    )
    stage.task("instruments", market.post_instruments)
    stage.task("prices", market.post_prices)
    for account in around.accounts:
        reading = await around.clients.reading(process, account.account_name)
        stream = around.clients.stream(process, reading, trades=False, orders=True)
        status_polling.serve(stage, account, reading=reading, positions=BusPositions(stage.bus), stream=stream)


def _kill_switch(stage: SimStage) -> BusKillSwitch:
    kill = BusKillSwitch(stage.bus, clock=stage.clock)
    stage.task("kill-watch", kill.watch)
    stage.task("kill-confirm", kill.confirm)
    return kill
