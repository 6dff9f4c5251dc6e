"""The frame of every service: a FastStream application whose JetStream work is done by lanes and feeds below it.

FastStream is its life cycle (start hooks, signals, graceful stop) and its core request-reply routes. Lanes, background tasks and what must be
closed are registered by the service's composition root; a task that ends by itself ends the process, for a service that has lost a part must be
restarted, not limp.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from faststream import FastStream
from faststream.nats import NatsBroker, NatsMessage, NatsNKey, NatsRoute, NatsRouter
from faststream.security import BaseSecurity

from ordergate.access.opening import ShareBudget
from ordergate.ports.bus import Handler, Publisher
from ordergate.ports.ledger import Ledger
from ordergate.ports.positions import Positions
from ordergate.ports.venue import Trading
from ordergate.runtime.budget import Member
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus, connect, connection_options, servers_of
from ordergate.runtime.crashing import (
    Crashes,
    CrashingLedger,
    CrashingPositions,
    CrashingPublisher,
    CrashingShelf,
    crashes_of,
    crashing_handler,
    crashing_trading,
)
from ordergate.runtime.declared import declared
from ordergate.runtime.exits import EXIT_FAILED, EXIT_MISCONFIGURED, EXIT_STOPPED
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.flow import OrderFlow
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.health import HealthServer
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.lane import Lane, Mode
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.logs import configure_logs
from ordergate.runtime.metrics import CONTENT_TYPE, Metrics
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.presence import Presence
from ordergate.runtime.provision import check
from ordergate.runtime.publisher import BusPublisher
from ordergate.runtime.settings import AccountSettings, Environment, Installation
from ordergate.runtime.shared_budgets import SharedBudgets
from ordergate.runtime.shelf import BusShelf
from ordergate.runtime.tracing import order_trace
from ordergate.trading.errors import BusUnavailable, Misconfigured, OtherSchema, Unavailable
from ordergate.wire.denials import denial_of
from ordergate.wire.streams import ORDER_SUBMISSION, POSITION_TRACKING, RISK, STATUS_POLLING, ConsumerSpec

PROBE_SECONDS = 5.0
OPENING_SPAN = "risk.decide"
"""The span that the traceparent of every message about an order names: its parent in all services."""
SILENCE_MAX_SECONDS = 8.0
"""An idle lane hears from the server every second; a connection that is up and this silent is dead."""
ELECTION_SILENCE_MAX_SECONDS = 20.0
"""Where the bus has several nodes: those of a consumer choose a new leader in 4 to 7 s, on a busy machine later, and only then it answers again."""
GC_ALLOCATIONS = 10_000
"""What a few dozen orders leave behind, instead of one: hardly any of it is a cycle, so looking more often only costs time."""

_MEASURING = frozenset({STATUS_POLLING, POSITION_TRACKING})
"""The one follows ORDERS, the other FILLS; each message is measured by one service."""

Body = Callable[[bytes], Awaitable[bytes]]
Stop = Callable[[], Awaitable[None]]


class Frame:
    """What a composition root builds upon and registers with. Everything here is connected already."""

    def __init__(
        self,
        *,
        name: str,
        environment: Environment,
        installation: Installation,
        bus: Bus,
        metrics: Metrics,
        crashes: Crashes | None = None,
    ) -> None:
        self.name = name
        self.instance = environment.instance
        self.environment = environment
        self.installation = installation
        self.bus = bus
        self.metrics = metrics
        self.clock = SystemClock()
        self.trace = order_trace(
            os.environ,
            service=name,
            version=_version(),
            instance=environment.instance,
            metrics=metrics,
            opening_span=OPENING_SPAN if name == RISK else None,
        )
        self.ledger: Ledger = StreamLedger(bus.jetstream, clock=self.clock, traceparent=self.trace.traceparent)
        self.publisher: Publisher = BusPublisher(bus, clock=self.clock)
        self._crashes = crashes
        if crashes is not None:
            self.ledger = CrashingLedger(self.ledger, crashes)
            self.publisher = CrashingPublisher(self.publisher, crashes)
        self.feed = BusFeed(bus, flow=OrderFlow(metrics) if name in _MEASURING else None)
        self.log = structlog.get_logger(name)
        self.lanes: list[Lane] = []
        self.routes: list[NatsRoute] = []
        self.tasks: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self.stops: list[Stop] = []
        self.readiness: dict[str, Callable[[], bool]] = {}
        self.samples: list[Callable[[], None]] = []
        self._budgets: SharedBudgets | None = None

    @property
    def accounts(self) -> tuple[AccountSettings, ...]:
        """Those that this process serves: of its shard."""
        return self.installation.served_by(self.environment.shard)

    @property
    def replicas(self) -> int:
        return self.installation.bus.replicas

    def shelf(self, bucket: str) -> BusShelf:
        if self._crashes is not None:
            return CrashingShelf(self.bus, self._crashes, bucket=bucket)
        return BusShelf(self.bus, bucket=bucket)

    def share_budget(self, account: AccountSettings) -> ShareBudget:
        """One budget with the other processes that call the venue for the account, or from this address. Order submission owns it."""
        if self._budgets is None:
            may_own = self.name == ORDER_SUBMISSION
            member = Member(service=self.name, instance=self.instance, may_own=may_own)
            address = self.installation.address
            self._budgets = SharedBudgets(self.bus, member=member, address=address, clock=self.clock)
            self.task("budgets", self._budgets.run)
        return self._budgets.of(account.venue_name, account.account_name)

    def show_budgets(self) -> None:
        """How this process stands to the budgets that it shares, as metrics."""
        if self._budgets is not None:
            self._budgets.sample(self.metrics)

    def positions(self) -> Positions:
        positions = BusPositions(self.bus)
        return positions if self._crashes is None else CrashingPositions(positions, self._crashes)

    def sending(self, trading: Trading) -> Trading:
        """Every sender goes through here: the one place where a development home may put crash points around it."""
        return trading if self._crashes is None else crashing_trading(trading, self._crashes)

    def lane(self, spec: ConsumerSpec, handler: Handler, *, mode: Mode) -> Lane:
        """Feed a durable consumer to a handler, from the start of the service on."""
        if self._crashes is not None:
            handler = crashing_handler(handler, self._crashes, stream=spec.stream)
        lane = Lane(self.bus, spec, handler, mode=mode, graveyard=Graveyard(self.bus, service=self.name))
        self.lanes.append(lane)
        return lane

    def task(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run for as long as the service lives; it ends by cancellation only, anything else ends the process."""
        self.tasks.append((name, work))

    def answer(self, subject: str, handler: Body, *, queue: str = "") -> None:
        """A core request-reply route of FastStream: bytes in, bytes out."""
        self.routes.append(NatsRoute(handler, subject, queue=queue, decoder=_raw_body))

    def when_signalled(self, number: signal.Signals, call: Callable[[], None]) -> None:
        """An operator's word that needs nothing but this machine."""
        asyncio.get_running_loop().add_signal_handler(number, call)

    def at_stop(self, stop: Stop) -> None:
        """Called after lanes and tasks have ended, before the connection closes; in reverse order of registration."""
        self.stops.append(stop)

    def sample(self, sample: Callable[[], None]) -> None:
        """Called every PROBE_SECONDS, to set what metrics show of things that nobody announces."""
        self.samples.append(sample)

    def ready_when(self, name: str, condition: Callable[[], bool]) -> None:
        """The service reports ready only while all its conditions hold, e.g. that a fold has caught up."""
        self.readiness[name] = condition


Compose = Callable[[Frame], Awaitable[None]]
"""A service's composition root: the only code that names its adapters."""


class Service:
    """One process. `run` returns the exit code."""

    def __init__(self, name: str, compose: Compose, *, environment: Environment) -> None:
        self._name = name
        self._compose = compose
        self._environment = environment
        self._metrics = Metrics(name)
        self._app: FastStream | None = None
        self._exit_code = EXIT_STOPPED
        self._running: dict[asyncio.Task[None], str] = {}
        self._problems: dict[str, str] = {}
        self._started = False
        self._log = structlog.get_logger(name)

    async def run(self) -> int:
        """Connect, check the bus against its declarations, compose, serve until SIGTERM or a failure, stop gracefully."""
        configure_logs(
            service=self._name,
            instance=self._environment.instance,
            level=logging.getLevelNamesMapping()[self._environment.log_level],
        )
        bus: Bus | None = None
        try:
            installation = self._environment.installation()
            bus = await connect(
                self._environment.nats_url,
                service=self._name,
                when_closed=self._closed,
                access=self._environment.access,
            )
            await check(bus.jetstream, declared(installation))
            frame = Frame(
                name=self._name,
                environment=self._environment,
                installation=installation,
                bus=bus,
                metrics=self._metrics,
                crashes=crashes_of(os.environ, self._environment, installation, service=self._name),
            )
            _announce(frame)
            await self._compose(frame)
            await self._serve(frame)
        except Misconfigured as error:
            self._log.error("refused to start", reason=str(error), kind=type(error).__name__)
            self._exit_code = EXIT_MISCONFIGURED
        except Unavailable as error:
            self._log.error("what it needs is away", reason=str(error), kind=type(error).__name__)
            self._exit_code = EXIT_FAILED
        except Exception:  # noqa: BLE001 - whatever it was, the process ends with a code and a log line
            self._log.exception("the service failed")
            self._exit_code = EXIT_FAILED
        finally:
            if bus is not None:
                self._started = False
                await bus.close()
        return self._exit_code

    def fail(self, reason: str) -> None:
        """End the process with code 1, in an orderly way: a supervisor starts it again."""
        if self._exit_code == EXIT_STOPPED:
            self._log.error("the service ends itself", reason=reason)
            self._exit_code = EXIT_FAILED
        self._problems["failed"] = reason
        if self._app is not None:
            self._app.exit()

    def refuse(self, reason: str) -> None:
        """End the process with code 2, in an orderly way: no restart mends it."""
        if self._exit_code == EXIT_STOPPED:
            self._log.error("refuses to go on", reason=reason)
            self._exit_code = EXIT_MISCONFIGURED
        self._problems["refused"] = reason
        if self._app is not None:
            self._app.exit()

    async def _serve(self, frame: Frame) -> None:
        health = HealthServer(
            live=lambda: self._problems,
            ready=lambda: self._unready(frame),
            metrics=self._metrics.exposition,
            metrics_type=CONTENT_TYPE,
            host=self._environment.health_host,
            port=self._environment.health_port,
        )
        await health.start()
        broker = NatsBroker(
            servers_of(self._environment.nats_url),
            logger=None,
            graceful_timeout=self._environment.stop_seconds,
            closed_cb=self._closed,
            error_cb=self._heard_error,
            security=_security(self._environment),
            **connection_options(self._name, self._environment.access),
        )
        broker.include_router(NatsRouter(handlers=tuple(frame.routes)))

        async def start() -> None:
            frame.trace.start()
            for lane in frame.lanes:
                await lane.start()
            for name, work in (*frame.tasks, ("probe", lambda: self._probe(frame))):
                self._supervise(name, work())
            self._started = True
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_ALLOCATIONS, 20, 20)
            frame.log.info("started", health_port=health.port, lanes=[lane.name for lane in frame.lanes])

        async def stop() -> None:
            self._started = False
            await self._stop(frame)
            await health.stop()

        self._app = FastStream(broker, logger=None, after_startup=[start], on_shutdown=[stop])
        await self._app.run()

    def _supervise(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running[task] = name
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        name = self._running.pop(task)
        if task.cancelled():
            return
        self._metrics.task_restarted(name)
        error = task.exception()
        if isinstance(error, OtherSchema):
            self.refuse(str(error))
            return
        self._log.error("a task ended", task=name, exc_info=error)
        self.fail(f"the task {name} ended: {error!r}")

    async def _stop(self, frame: Frame) -> None:
        """Lanes first, for they create work; then tasks, which save where they are; then whatever was opened."""
        limit = self._environment.stop_seconds
        await asyncio.gather(*(lane.stop(limit_seconds=limit) for lane in frame.lanes))
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=limit)
        for stop in reversed(frame.stops):
            try:
                await stop()
            except Unavailable as away:
                self._log.warning("not said to the bus at the end", reason=str(away))
            except Exception:  # noqa: BLE001 - the others must be stopped all the same
                self._log.exception("stopping failed")
        await frame.trace.stop()
        frame.log.info("stopped", exit_code=self._exit_code)

    async def _heard_error(self, error: Exception) -> None:
        """Of the connection on which requests are answered: without one of its subscriptions the service is deaf, e.g. to the kill switch."""
        denial = denial_of(str(error))
        if denial is None:
            self._log.warning("bus connection", error=repr(error))
        elif denial.action == "publish":  # an answer that came too late
            self._log.error("the bus denied it", action=denial.action, subject=denial.subject)
        else:
            self.fail(str(denial.error()))

    async def _closed(self) -> None:
        """nats-py gave the connection up for ever (an -ERR it takes as final): only a new process helps."""
        if self._started:
            self.fail("the connection to the bus was closed")

    async def _probe(self, frame: Frame) -> None:
        """Notice what FastStream and nats-py do not: a consumer that is gone, a lane that no longer fetches."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if frame.bus.client.is_stuck:
                self.fail("the connection to the bus is lost and nobody mends it")
            for lane in frame.lanes:
                await self._probe_lane(frame, lane)
            for sample in frame.samples:
                sample()
            frame.show_budgets()
            self._metrics.reconnects("bus", total=frame.bus.counts.reconnects)
            for reading in frame.feed.readings:
                self._metrics.feed(reading.name, silent_seconds=reading.silent_seconds, lag=reading.lag)
                if self._is_deaf(frame, reading.silent_seconds):
                    self.fail(f"the feed {reading.name} has not fetched for {reading.silent_seconds:.1f} s")

    async def _probe_lane(self, frame: Frame, lane: Lane) -> None:
        if lane.refusal is not None:
            self.refuse(lane.refusal)
        try:
            state = await lane.state()
        except BusUnavailable:
            return  # the bus is away; the connection's own settings bring it back
        if isinstance(state, Refusal):
            self.fail(f"the consumer {lane.name} is gone: {state.description}")
            return
        self._metrics.consumer(
            lane.spec.stream, lane.name, lag=state["num_pending"], unacknowledged=state["num_ack_pending"]
        )
        self._metrics.lane(lane.name, totals=asdict(lane.counts))
        if self._is_deaf(frame, lane.silent_seconds):
            self.fail(f"the lane {lane.name} has not fetched for {lane.silent_seconds:.1f} s")

    def _is_deaf(self, frame: Frame, silent_seconds: float) -> bool:
        """Silent for too long with the bus there. What could not be heard while the bus was away is nobody's fault."""
        silence_max = SILENCE_MAX_SECONDS if frame.replicas == 1 else ELECTION_SILENCE_MAX_SECONDS
        return min(silent_seconds, frame.bus.client.connected_seconds) > silence_max

    def _unready(self, frame: Frame) -> dict[str, str]:
        problems = {name: "not yet" for name, condition in frame.readiness.items() if not condition()}
        if not self._started:
            problems["started"] = "not yet"
        if not frame.bus.client.is_connected:
            problems["bus"] = "not connected"
            return problems
        silent = [reading for reading in frame.feed.readings if reading.silent_seconds > SILENCE_MAX_SECONDS]
        problems |= {f"feed {each.name}": f"silent for {each.silent_seconds:.1f} s" for each in silent}
        deaf = [lane for lane in frame.lanes if lane.silent_seconds > SILENCE_MAX_SECONDS]
        problems |= {f"lane {each.name}": f"silent for {each.silent_seconds:.1f} s" for each in deaf}
        return problems


def _announce(frame: Frame) -> None:
    """Withdrawn last of all: whoever is there still works."""
    presence = Presence(
        frame.bus,
        service=frame.name,
        instance=frame.instance,
        clock=frame.clock,
        version=_version(),
        shard=frame.environment.shard,
        accounts=[account.place for account in frame.accounts],
    )
    frame.task("presence", presence.keep)
    frame.at_stop(presence.withdraw)


def _security(environment: Environment) -> BaseSecurity | None:
    tls = environment.access.tls(environment.nats_url)
    if environment.nats_seed_file is not None:
        return NatsNKey.from_file(environment.nats_seed_file, ssl_context=tls)
    return None if tls is None else BaseSecurity(ssl_context=tls)


async def _raw_body(message: NatsMessage) -> bytes:
    """Bytes in, as they came: FastStream would guess JSON."""
    return message.body


def _version() -> str:
    try:
        return version("ordergate")
    except PackageNotFoundError:  # run from a source tree
        return "0"
