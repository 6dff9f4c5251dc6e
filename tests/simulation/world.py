"""One history: a bus, a venue, all services and their strategies on one virtual clock, and a plan of what happens to them.

Run until everything that was asked for has an end and all books agree, or until the limit: that it comes to rest is an invariant too.
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any, cast

import orjson
import structlog

from ordergate.runtime.connection import Bus
from ordergate.runtime.declared import declared
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.lean import header_block
from ordergate.runtime.presence import present
from ordergate.runtime.provision import Resource
from ordergate.runtime.settings import AccountSettings, Installation
from ordergate.runtime.shelf import bucket_subject
from ordergate.simulator.config import AccountConfig, DialectName, FlowConfig, SimulatorConfig, SymbolConfig
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, VenueName
from ordergate.trading.order import TERMINAL
from ordergate.trading.scope import Scope
from ordergate.wire import keys, streams, subjects
from ordergate.wire.messages import MSG_ID, KillAcknowledgement, KillDocument
from ordergate.wire.subjects import IntentKind
from tests.simulation.binance import RealClients, SimulatedBinance, binance_account, binance_limits
from tests.simulation.bus import CALM as CALM_BUS
from tests.simulation.bus import SimBus, connect
from tests.simulation.loop import EPOCH_MS, Failure, Node, Scheduler
from tests.simulation.plan import (
    ACTIVE_SECONDS,
    MARKETS,
    PLACING,
    SERVICES,
    STRATEGY,
    ZETARIUM,
    Ask,
    Plan,
    Trouble,
    What,
)
from tests.simulation.process import Clients, LineClients, Process, SimStage, Surroundings, compose
from tests.simulation.stream import Stored
from tests.simulation.venue import Line, SimulatedVenue

REST_LIMIT_SECONDS = 60.0
REST_LIMIT_BINANCE_SECONDS = 120.0
"""There the fence alone takes 16 s, and a silent stream is found after 20."""
LOOK_SECONDS = 0.5
CALM_SECONDS = 1.0
"""So long nothing may change any more after it came to rest."""
STOP_ALL_AGAIN_SECONDS = 4.0
ASK_AGAIN_SECONDS = 0.25
HEAR_SECONDS = 0.01
STRATEGY_NODE = "strategy"
OPERATOR_NODE = "operator"


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a history. at: seconds since the world began."""

    at: float
    who: str
    what: str


@dataclass(slots=True)
class Throw:
    """The kill switch, as its operator knows it. World seconds; confirmed_at: every sender that was alive had answered."""

    account: AccountName | None
    confirmed_at: float | None = None
    lifted_at: float | None = None
    acknowledged_at: dict[str | None, float] = field(default_factory=dict)  # by each sender itself


@dataclass(slots=True)
class Published:
    """What the strategy has written down of one message: its body, before it is sent, and the bus's ack."""

    ask: Ask
    body: bytes = b""
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A statement of a service that nothing is open, and what really was open then."""

    at: float
    account: AccountName
    open_orders: tuple[str, ...]


@dataclass(slots=True)
class Evidence:
    """What the judge is given, beside the streams themselves."""

    throws: list[Throw] = field(default_factory=list)
    flats: list[Said] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    handler_failures: int = 0
    is_at_rest: bool = False


class World:
    """Build it, `run` it once, look at it, `close` it."""

    def __init__(self, plan: Plan, *, record: bool = False) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False)
        self.plan = plan
        self.moments: list[Moment] = []
        self.evidence = Evidence()
        self.scheduler = Scheduler(plan.seed)
        self.processes: dict[tuple[str, int], Process] = {}
        self.decoded: dict[str, dict[int, Any]] = {}  # what the judge has read already
        self.published = [Published(ask) for ask in plan.asks]
        self._records = record
        self._draw = self.scheduler.draws("world")
        venue = plan.declaration.venue
        self._accounts = tuple(_account(venue, name) for name in plan.accounts)
        self.bus = SimBus(
            self.scheduler,
            resources=_resources(venue, plan.accounts),
            cluster=plan.is_cluster,
            faults=plan.bus_faults,
        )
        self.venue: SimulatedVenue | SimulatedBinance
        clients: Clients
        if venue == ZETARIUM:
            self.venue, clients = self._zetarium()
        else:
            self.venue, clients = self._binance()
        self._around = Surroundings(
            accounts=self._accounts,
            declaration=plan.declaration,
            clients=clients,
            acknowledged=self._acknowledged,
        )
        self._live: dict[str, str] = {}
        self._messages: Counter[str] = Counter()
        self._close = [trouble for trouble in plan.troubles if trouble.after]
        self._instances = count(1)
        self._is_over = False
        self._strategy: Node | None = None
        self._is_asked = False
        self.bus.when_stored.append(self._stored)

    def _zetarium(self) -> tuple[SimulatedVenue, LineClients]:
        plan = self.plan
        venue = SimulatedVenue(
            self.scheduler,
            config=_exchange(plan),
            declaration=plan.declaration,
            faults=plan.venue_faults,
            offset_ms=plan.venue_offset_ms,
            note=self.note,
        )

        def line(node: Node, account: AccountName) -> Line:
            return Line(venue, node, account=account, timeout_seconds=plan.request_seconds)

        return venue, LineClients(line=line, first_account=plan.accounts[0], budget_seconds=self._budget_seconds)

    def _binance(self) -> tuple[SimulatedBinance, RealClients]:
        plan = self.plan
        venue = SimulatedBinance(
            self.scheduler,
            config=_exchange(plan),
            declaration=plan.declaration,
            faults=plan.venue_faults,
            stream_faults=plan.stream_faults,
            offset_ms=plan.venue_offset_ms,
            note=self.note,
            entry=plan.entry,
        )
        return venue, RealClients(
            venue=venue, request_seconds=plan.request_seconds, budget_seconds=self._budget_seconds, entry=plan.entry
        )

    # Running.

    def run(self, judge: Callable[["World"], bool]) -> None:
        """To its rest. judge: whether all books agree; asked only when everything has ended."""
        for service in SERVICES:
            for replica in range(self.plan.replicas[service]):
                self._start(service, replica)
        self._start_strategy()
        for trouble in self.plan.troubles:
            if not trouble.after:
                self.scheduler.at(trouble.at, self._strike, trouble)
        self.scheduler.at(ACTIVE_SECONDS, self._calm)
        self.scheduler.at(ACTIVE_SECONDS + LOOK_SECONDS, self._look, judge)
        patience = REST_LIMIT_SECONDS if self.plan.declaration.venue == ZETARIUM else REST_LIMIT_BINANCE_SECONDS
        self.scheduler.run(seconds=ACTIVE_SECONDS + patience)
        for process in self.processes.values():
            self._count_failures(process)

    def close(self) -> None:
        self.scheduler.close()

    def note(self, who: str, what: str) -> None:
        if self._records:
            self.moments.append(Moment(self.scheduler.now, who, what))

    def digest(self) -> str:
        """Of everything that was stored and executed, and of every step that led there."""
        told = sha256(f"{self.scheduler.steps} {self.scheduler.now!r}".encode())
        for name in sorted(self.bus.streams):
            for message in self.bus.streams[name].messages.values():
                told.update(f"{message.sequence} {message.subject} {message.at_ns} ".encode())
                told.update(message.headers)
                told.update(message.data)
        told.update(repr(self.venue.executed()).encode())
        return told.hexdigest()

    # Processes.

    def _start(self, service: str, replica: int) -> None:
        number = next(self._instances)
        node = self.scheduler.node(
            f"{service}.{replica}#{number}",
            wall_offset_ms=self.plan.wall_offsets_ms[number % len(self.plan.wall_offsets_ms)],
        )
        process = Process(service, replica, node)
        self.processes[service, replica] = process
        node.when_failed.append(lambda failure: self._failed(process, failure))
        node.when_dead.append(lambda: self._died(process))
        node.spawn(self._boot(process, f"i{number}"), name="boot")
        self.note(node.name, "starts")

    async def _boot(self, process: Process, instance: str) -> None:
        bus = await connect(self.bus, process.node, service=process.service)
        process.stage = SimStage(name=process.service, instance=instance, node=process.node, bus=bus)
        await compose(process, process.stage, self._around)

    def _failed(self, process: Process, failure: Failure) -> None:
        """A task that ends by itself ends the process; its supervisor starts it again."""
        self.note(process.node.name, f"fails: {failure.what}: {failure.error!r}")
        if not isinstance(failure.error, Unavailable):
            self.evidence.failures.append(failure)
        process.node.crash()

    def _died(self, process: Process) -> None:
        self.note(process.node.name, "dies")
        self._count_failures(process)
        if not self._is_over:
            self.scheduler.at(0.1 + self._draw.random() * 1.5, self._start, process.service, process.replica)

    def _count_failures(self, process: Process) -> None:
        if process.stage is not None:
            self.evidence.handler_failures += sum(lane.counts.failed for lane in process.stage.lanes)
            process.stage.lanes.clear()

    def _budget_seconds(self) -> float:
        slow = self._draw.random() < self.plan.slow_budget and self.scheduler.now < ACTIVE_SECONDS
        return self._draw.random() * (2.0 if slow else 0.005)

    # Strategies.

    def _start_strategy(self) -> None:
        node = self._strategy = self.scheduler.node(STRATEGY_NODE)
        node.when_dead.append(self._strategy_died)
        node.spawn(self._trade(node), name="trade", watched=False)

    def _strategy_died(self) -> None:
        if not self._is_over:
            self.scheduler.at(0.1 + self._draw.random(), self._start_strategy)

    async def _trade(self, node: Node) -> None:
        """Publish what is not acknowledged yet. A strategy that died before its ack says the same again."""
        bus = await connect(self.bus, node, service=STRATEGY_NODE)
        for entry in self.published:
            if entry.sequence is None:
                node.loop.call_later(entry.ask.at - self.scheduler.now, self._begin_publishing, node, bus, entry)

    def _begin_publishing(self, node: Node, bus: Bus, entry: Published) -> None:
        node.spawn(self._publish(node, bus, entry), name="publish", watched=False)

    async def _publish(self, node: Node, bus: Bus, entry: Published) -> None:
        if not entry.body:
            entry.body = self._body(entry.ask, node.clock.now_ms())
        ask = entry.ask
        subject = subjects.intent(self.plan.declaration.venue, ask.account, STRATEGY, ask.kind, ask.symbol)
        message_id = f"{ask.account}.{ask.intent_id}.{sha256(entry.body).hexdigest()[:16]}.{ask.at}"
        while True:
            try:
                answer = await bus.jetstream.publish(subject, entry.body, headers=header_block({MSG_ID: message_id}))
            except Unavailable:
                continue
            if isinstance(answer, Ack):
                entry.sequence = answer.sequence
            self.note(STRATEGY_NODE, f"{ask.kind} {ask.intent_id} is acknowledged as {entry.sequence}")
            return

    # Trouble.

    def _strike(self, trouble: Trouble) -> None:
        process = self.processes.get((trouble.service, trouble.replica)) or self.processes.get((trouble.service, 0))
        node = self._strategy if trouble.service == STRATEGY_NODE else (process.node if process else None)
        self.note("world", f"{trouble.what} {node.name if node else trouble.symbol} {trouble.amount or ''}")
        match trouble.what:
            case What.CRASH if node is not None and node.is_alive:
                self._crash(node, trouble)
            case What.FREEZE if node is not None:
                node.freeze()
                self.scheduler.at(trouble.seconds, node.thaw)
            case What.BUS_RESTART:
                self.bus.restart(down_seconds=trouble.seconds)
            case What.LEADER_LOST:
                self.bus.lose_leader(seconds=trouble.seconds)
            case What.BUS_CUT if node is not None:
                self._cut_bus(node, trouble.seconds)
            case What.VENUE_CUT if process is not None:
                self._cut_venue(process, trouble.seconds)
            case What.CLOCK if node is not None:
                node.clock.step(int(trouble.amount))
            case What.VENUE_CLOCK:
                self.venue.set_clock(int(trouble.amount))
            case What.MARKET:
                self.venue.move(trouble.symbol, trouble.amount)
            case What.KILL | What.RESUME:
                self._turn(trouble)
            case _:
                pass

    def _crash(self, node: Node, trouble: Trouble) -> None:
        if trouble.after:
            node.crash()
        elif trouble.by_effect:
            node.dies_at_effect = node.effects + trouble.count
        else:
            node.dies_at_step = node.steps + trouble.count

    def _cut_bus(self, node: Node, seconds: float) -> None:
        for connection in self.bus.connections:
            if connection.node is node:
                connection.cut()
                self.scheduler.at(seconds, connection.mend)

    def _cut_venue(self, process: Process, seconds: float) -> None:
        for line in process.lines:
            line.cut = True
            self.scheduler.at(seconds, setattr, line, "cut", False)

    def _calm(self) -> None:
        """No more faults. Who is to die has done so, or lives."""
        self.note("world", "faults end")
        self.venue.calm()
        self.bus.faults = CALM_BUS
        for process in self.processes.values():
            process.node.dies_at_step = process.node.dies_at_effect = 0
        if self._strategy is not None:
            self._strategy.dies_at_step = self._strategy.dies_at_effect = 0
        self._stop_all(0)

    # The operator.

    def _operate(self, work: Callable[[Node, Bus], Coroutine[Any, Any, None]]) -> None:
        node = self.scheduler.node(OPERATOR_NODE)

        async def run() -> None:
            await work(node, await connect(self.bus, node, service=OPERATOR_NODE))

        node.spawn(run(), name="operate", watched=False)

    def _turn(self, trouble: Trouble) -> None:
        thrown = trouble.what is What.KILL
        throw = Throw(trouble.account) if thrown else self.evidence.throws[-1]
        if thrown:
            self.evidence.throws.append(throw)
        elif throw.lifted_at is None:
            throw.lifted_at = self.scheduler.now

        async def work(node: Node, bus: Bus) -> None:
            await self._turn_switch(node, bus, throw, thrown=thrown)

        self._operate(work)

    async def _turn_switch(self, node: Node, bus: Bus, throw: Throw, *, thrown: bool) -> None:
        """As `ordergate kill`: write the epoch, then ask until every sender that is alive has answered."""
        venue = None if throw.account is None else self.plan.declaration.venue
        now_ms = node.clock.now_ms()
        document = KillDocument(
            epoch=now_ms, thrown=thrown, venue=venue, account=throw.account, reason="a test", at_ms=now_ms
        )
        payload = document.to_bytes()
        await bus.jetstream.publish(
            bucket_subject(streams.CONTROL, keys.kill(Scope(venue=venue, account=throw.account))), payload
        )
        if not thrown:
            return
        heard: set[str] = set()

        def take(_subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
            if data:
                answer = KillAcknowledgement.of(data)
                if answer.epoch == document.epoch:
                    heard.add(subjects.token(answer.instance))

        await bus.client.listen(f"{bus.inbox}.heard", take)
        asked_at = -ASK_AGAIN_SECONDS
        while throw.lifted_at is None:
            if self.scheduler.now - asked_at >= ASK_AGAIN_SECONDS:
                asked_at = self.scheduler.now
                bus.client.post(subjects.KILL_REQUEST, payload, reply=f"{bus.inbox}.heard")
            await node.clock.sleep(HEAR_SECONDS)
            if heard and not await present(bus, service=streams.ORDER_SUBMISSION) - heard:
                throw.confirmed_at = self.scheduler.now
                self.note(OPERATOR_NODE, "every sender has acknowledged the throw")
                return

    def _acknowledged(self, node: Node, document: KillDocument) -> None:
        """A sender says that from now on it sends nothing more in that scope."""
        for throw in self.evidence.throws:
            if throw.account == document.account and throw.lifted_at is None and document.thrown:
                throw.acknowledged_at.setdefault(node.name, self.scheduler.now)

    def _stop_all(self, turn: int) -> None:
        """At the end everything that still rests is canceled, until nothing does."""
        if self._is_over:
            return

        async def work(node: Node, bus: Bus) -> None:
            for name in self.plan.accounts:
                await self._cancel_everything(node, bus, name, turn)
            self._is_asked = True

        self._operate(work)
        self.scheduler.at(STOP_ALL_AGAIN_SECONDS, self._stop_all, turn + 1)

    async def _cancel_everything(self, node: Node, bus: Bus, account: AccountName, turn: int) -> None:
        ask = Ask(
            at=0.0,
            account=account,
            kind=IntentKind.CANCEL_ALL,
            symbol=None,
            intent_id=f"stop-{turn}",
            fields={"scope": "account"},
        )
        subject = subjects.intent(self.plan.declaration.venue, account, STRATEGY, ask.kind, None)
        await bus.jetstream.publish(subject, self._body(ask, node.clock.now_ms()))

    def _body(self, ask: Ask, now_ms: int) -> bytes:
        return _body(ask, self.plan.declaration.venue, now_ms)

    # Looking.

    def _stored(self, stream: str, message: Stored) -> None:
        self._messages[stream] += 1
        for trouble in self._close:
            if (
                trouble.after == stream
                and trouble.count == self._messages[stream]
                and self.scheduler.now < ACTIVE_SECONDS
            ):
                self.scheduler.at(trouble.seconds, self._strike, trouble)
        if stream == streams.ORDERS:
            order, _, state = message.subject.rpartition(".")
            self._live[order.replace("=2D", "-")] = state
            if self._records:
                self._note_order(message)
        elif stream == streams.AUDIT and ".kill_flat" in message.subject:
            self._note_flat(message)
        elif self._records and (
            stream in _TOLD or ".answers." in message.subject or message.subject.startswith("answers.")
        ):
            self.note("bus", f"{stream} {message.sequence}: {message.subject} {_short(message.data)}")

    def _note_order(self, message: Stored) -> None:
        document = orjson.loads(message.data)
        self.note("bus", f"ORDERS {message.sequence}: {message.subject} {_short(orjson.dumps(document.get('event')))}")

    def _note_flat(self, message: Stored) -> None:
        account = AccountName(orjson.loads(message.data)["account"])
        if not any(throw.account in {None, account} and throw.lifted_at is None for throw in self.evidence.throws):
            return  # it was said of a moment that is over; the bus took it late
        open_orders = tuple(
            order.client_order_id
            for order in self.venue.executed().orders
            if order.account == account and order.state not in TERMINAL
        )
        self.evidence.flats.append(Said(at=self.scheduler.now, account=account, open_orders=open_orders))
        self.note("bus", f"{account} is said to be flat; open: {open_orders}")

    def _look(self, judge: Callable[["World"], bool]) -> None:
        if self._seems_done() and judge(self):
            self._is_over = True
            self.evidence.is_at_rest = True
            self.scheduler.at(CALM_SECONDS, self.scheduler.stop)
            return
        self.scheduler.at(LOOK_SECONDS, self._look, judge)

    def unrest(self) -> str:
        """What keeps it from being at rest, for people."""
        live = {order: state for order, state in self._live.items() if state not in TERMINAL}
        unsaid = [entry.ask.intent_id for entry in self.published if entry.sequence is None]
        down = [process.node.name for process in self.processes.values() if process.node.halted]
        lag = {
            consumer.name: (consumer.pending, consumer.unacknowledged)
            for consumers in self.bus.consumers.values()
            for consumer in consumers.values()
            if consumer.is_durable and (consumer.pending or consumer.unacknowledged)
        }
        return f"live {live}, not acknowledged {unsaid}, down {down}, lag {lag}, on the way {self.venue.on_the_way}"

    def _seems_done(self) -> bool:
        if not self._is_asked or self.venue.on_the_way or any(entry.sequence is None for entry in self.published):
            return False
        if any(process.node.is_frozen or not process.node.is_alive for process in self.processes.values()):
            return False
        if any(state not in TERMINAL for state in self._live.values()):
            return False
        return not any(
            consumer.pending or consumer.unacknowledged
            for consumers in self.bus.consumers.values()
            for consumer in consumers.values()
            if consumer.is_durable and consumer.name != streams.STRANGERS
        )


_TOLD = frozenset({streams.FILLS, streams.DEAD, streams.INTENTS, f"KV_{streams.CONTROL}"})


def at_ms(seconds: float) -> float:
    """World seconds on the wall."""
    return EPOCH_MS + seconds * 1000


@cache
def _resources(venue: VenueName, accounts: tuple[AccountName, ...]) -> tuple[Resource, ...]:
    return declared(Installation(accounts=tuple(_account(venue, name) for name in accounts)))


@cache
def _account(venue: VenueName, name: AccountName) -> AccountSettings:
    return AccountSettings(
        venue=venue,
        account=name,
        base_url="http://127.0.0.1:1",
        symbols=tuple(market.symbol for market in MARKETS),
    )


def _exchange(plan: Plan) -> SimulatorConfig:
    venue = plan.declaration.venue
    return SimulatorConfig(
        dialect=cast("DialectName", venue),
        seed=plan.seed,
        symbols=tuple(
            SymbolConfig(symbol=market.symbol, price=market.price, tick_size=market.tick, min_price=market.tick)
            for market in MARKETS
        ),
        accounts=tuple(
            AccountConfig(account=name) if venue == ZETARIUM else binance_account(name) for name in plan.accounts
        ),
        binance_limits=binance_limits(),
        client_ids=plan.declaration.id_scope.value,
        flow=FlowConfig(
            interval_ms=700, levels=2, level_notional=Decimal(3_000), taker_rate=0.6, taker_notional_max=Decimal(6_000)
        ),
    )


def _body(ask: Ask, venue: VenueName, now_ms: int) -> bytes:
    if ask.garbage is not None:
        return ask.garbage
    body: dict[str, object] = {
        "schema": 1,
        "kind": ask.kind.value,
        "intentId": ask.intent_id,
        "venue": venue,
        "account": ask.account,
        "strategy": STRATEGY,
        **ask.fields,
    }
    if ask.kind in PLACING:
        body["createdAtMs"] = now_ms
    return orjson.dumps(body)


def _short(data: bytes) -> str:
    return data[:240].decode(errors="replace")
