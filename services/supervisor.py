"""All of ordergate on one machine: a private nats-server, the simulator and every service, each its own process, kept running.

Whatever ends is started again at once, but two things: a process that says that it is misconfigured (nobody but an operator can mend
that), and the simulator, whose books would be empty after a restart.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ordergate.runtime.exits import EXIT_MISCONFIGURED
from ordergate.runtime.identities import Identities
from ordergate.runtime.server import EmbeddedServer, free_port
from ordergate.trading.errors import BusUnavailable, Misconfigured, OrdergateError, Unavailable
from ordergate.wire.streams import FILL_STREAMING, ORDER_SUBMISSION, POSITION_TRACKING, RISK, STATUS_POLLING

SERVICES = (RISK, ORDER_SUBMISSION, STATUS_POLLING, FILL_STREAMING, POSITION_TRACKING)
SIMULATOR = "venue_simulator"
BUS = "nats-server"
LOOK_AGAIN_SECONDS = 0.05
SHORT_LIFE_SECONDS = 5.0
CRASH_PAUSE_SECONDS = (0.0, 0.2, 0.5, 1.0)
"""Before a process is started again that ended: the first for one that had lived longer than a short life, then for each short life more."""
STOP_SECONDS = 15.0
BUS_STARTS_MAX = 10
"""In a row without success."""
BUS_HEALTH_SECONDS = 0.5
BUS_ROOM_BYTES = 8 * 1024 * 1024
"""What must be free on its disk before a bus that ran out of it is started again."""

_LOG = logging.getLogger("ordergate.supervisor")


class PartFailed(OrdergateError):
    """A part of the system ended and cannot be started again by itself."""


@dataclass(slots=True)
class Part:
    """One process of ours. starts: how often it was started."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0

    @property
    def pid(self) -> int | None:
        return None if self.process is None or self.process.returncode is not None else self.process.pid


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Loopback ports; 0 picks one. health is the first of as many as there are services."""

    nats: int = 4222
    simulator: int = 8700
    health: int = 8720


@dataclass(slots=True)
class Supervisor:
    """Start with `start`, wait with `ready`, end with `stop`. `failed` is done with the reason when it cannot go on."""

    home: Path
    installation: Path
    simulator_document: Path | None
    ports: Ports
    sync_always: bool = True
    identities: Identities | None = None
    """Given: the bus lets in who stands there and nobody else, and every service bears its own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For single parts, by their names; these are the last word."""
    parts: dict[str, Part] = field(default_factory=dict)
    health: dict[str, int] = field(default_factory=dict)
    _bus: EmbeddedServer | None = None
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)
    _failure: asyncio.Event = field(default_factory=asyncio.Event)
    _reason: str = ""
    _sickness: str | None = None

    @property
    def nats_url(self) -> str:
        return "" if self._bus is None else self._bus.url

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.simulator}"

    def pids(self) -> dict[str, int]:
        """Of every part that runs now."""
        running = {name: part.pid for name, part in self.parts.items() if part.pid is not None}
        if self._bus is not None and self._bus.is_running:
            running[BUS] = self._bus.pid
        return running

    def call_emergency(self) -> None:
        """Stop and cancel everything, also while the bus is away: the sender is told by its signal."""
        pid = self.pids().get(ORDER_SUBMISSION)
        if pid is not None:
            os.kill(pid, signal.SIGUSR1)

    async def start(self) -> None:
        """Bus, declarations, simulator, services. Raises Misconfigured, PartFailed, BusUnavailable."""
        logs = self.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        authorization = None if self.identities is None else self.identities.authorization
        self._bus = EmbeddedServer(
            self.home / "bus", port=self.ports.nats, sync_always=self.sync_always, authorization=authorization
        )
        await asyncio.to_thread(self._bus.start)
        self._keep(self._keep_bus(self._bus))
        await self._provision(logs)
        if self.simulator_document is not None:
            await self._start_simulator(self.simulator_document, logs)
        for offset, name in enumerate(SERVICES):
            self.health[name] = self.ports.health + offset if self.ports.health else free_port()
            part = self._part(name, logs, {"ORDERGATE_HEALTH_PORT": str(self.health[name])})
            await _launch(part)
            self._keep(self._keep_part(part))

    async def add_replica(self, service: str, installation: Path) -> str:
        """One more process of a service on the same accounts, with an installation that names keys of its own; the part's name."""
        name = f"{service}-{1 + sum(1 for part in self.parts if part.startswith(service))}"
        self.health[name] = free_port()
        more = {"ORDERGATE_HEALTH_PORT": str(self.health[name]), "ORDERGATE_CONFIG": str(installation)}
        part = self._part(name, self.home / "logs", more, module=service)
        await _launch(part)
        self._keep(self._keep_part(part))
        return name

    async def ready(self, *, limit_seconds: float) -> None:
        """Return when every service says that it is ready. Raises PartFailed, Unavailable at the limit."""
        deadline = time.monotonic() + limit_seconds
        waiting = dict(self.health)
        while waiting:
            if self._failure.is_set():
                raise PartFailed(self._reason)
            problems = {name: await asyncio.to_thread(_problems, port) for name, port in waiting.items()}
            waiting = {name: waiting[name] for name, found in problems.items() if found}
            if waiting and time.monotonic() > deadline:
                told = "; ".join(f"{name}: {problems[name]}" for name in waiting)
                raise Unavailable(f"not ready after {limit_seconds:.0f} s: {told}")
            await asyncio.sleep(LOOK_AGAIN_SECONDS if waiting else 0)

    async def failed(self) -> str:
        """Wait until something cannot be kept running; the reason."""
        await self._failure.wait()
        return self._reason

    async def stop(self) -> None:
        """Services first, so that they save where they are; then the simulator, then the bus."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        services = [part for name, part in self.parts.items() if name != SIMULATOR]
        await asyncio.gather(*(_end(part) for part in services))
        if SIMULATOR in self.parts:
            await _end(self.parts[SIMULATOR])
        if self._bus is not None:
            await asyncio.to_thread(self._bus.stop)

    def _part(self, name: str, logs: Path, more: Mapping[str, str], *, module: str | None = None) -> Part:
        environment = {
            **os.environ,
            **self.environment,
            "ORDERGATE_CONFIG": str(self.installation),
            "ORDERGATE_NATS_URL": self.nats_url,
            **self._identity(module or name),
            **more,
            **self.overrides.get(name, {}),
        }
        command = (sys.executable, "-m", f"services.{module or name}")
        part = Part(name, command, environment, logs / f"{name}.log")
        self.parts[name] = part
        return part

    def _identity(self, module: str) -> Mapping[str, str]:
        if self.identities is None:
            return {}
        return {"ORDERGATE_NATS_SEED_FILE": str(self.identities.seed_file(module))}

    async def _provision(self, logs: Path) -> None:
        part = self._part("provision", logs, {})
        await _launch(part)
        del self.parts["provision"]
        code = 0 if part.process is None else await part.process.wait()
        if code == EXIT_MISCONFIGURED:
            raise Misconfigured(f"the bus could not be provisioned; see {part.log}")
        if code != 0:
            raise PartFailed(f"provisioning failed with code {code}; see {part.log}")

    async def _start_simulator(self, document: Path, logs: Path) -> None:
        settings = {"ORDERGATE_SIMULATOR_CONFIG": str(document), "ORDERGATE_SIMULATOR_PORT": str(self.ports.simulator)}
        part = self._part(SIMULATOR, logs, settings)
        await _launch(part)
        self._keep(self._watch_simulator(part))

    def _keep(self, keeper: "asyncio._CoroutineLike[None]") -> None:
        self._keepers.append(asyncio.get_running_loop().create_task(keeper))

    async def _keep_part(self, part: Part) -> None:
        short_lives = 0
        while part.process is not None:
            began = time.monotonic()
            code = await part.process.wait()
            if code == EXIT_MISCONFIGURED:
                self._fail(f"{part.name} refused to start; see {part.log}")
                return
            short_lives = short_lives + 1 if time.monotonic() - began < SHORT_LIFE_SECONDS else 0
            await asyncio.sleep(CRASH_PAUSE_SECONDS[min(short_lives, len(CRASH_PAUSE_SECONDS) - 1)])
            await _launch(part)

    async def _watch_simulator(self, part: Part) -> None:
        if part.process is not None:
            code = await part.process.wait()
            self._fail(f"the simulator ended with code {code}, and its books with it; see {part.log}")

    async def _keep_bus(self, bus: EmbeddedServer) -> None:
        failures = 0
        looked_at = time.monotonic()
        while failures < BUS_STARTS_MAX:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            if bus.is_running:
                failures = 0
                if time.monotonic() - looked_at >= BUS_HEALTH_SECONDS:
                    await self._mend_bus(bus)
                    looked_at = time.monotonic()
                continue
            try:
                await asyncio.to_thread(bus.start)
            except BusUnavailable as error:
                failures += 1
                self._reason = str(error)
        self._fail(f"the bus does not start any more: {self._reason}")

    async def _mend_bus(self, bus: EmbeddedServer) -> None:
        """A bus whose disk was full is started again as soon as there is room: before that it would not help."""
        sickness = await asyncio.to_thread(bus.sickness)
        if sickness is None or not bus.is_running:
            self._sickness = None
            return
        if sickness != self._sickness:  # said once; and what heals by itself until the next look is left alone
            self._sickness = sickness
            _LOG.error("the bus is not well: %s", sickness)
        elif shutil.disk_usage(bus.directory).free >= BUS_ROOM_BYTES:
            _LOG.warning("there is room on the disk of the bus; it is started again")
            self._sickness = None
            await asyncio.to_thread(bus.kill)

    def _fail(self, reason: str) -> None:
        self._reason = reason
        self._failure.set()


async def _launch(part: Part) -> None:
    with part.log.open("ab") as output:
        part.process = await asyncio.create_subprocess_exec(
            *part.command, env=part.environment, stdout=output, stderr=output, start_new_session=True
        )
    part.starts += 1


async def _end(part: Part) -> None:
    if part.process is None or part.process.returncode is not None:
        return
    part.process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await part.process.wait()
    except TimeoutError:
        part.process.kill()
        await part.process.wait()


def _problems(port: int) -> dict[str, str]:
    """What a service says is missing for it to be ready; empty when it is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1) as answer:
            return dict(json.load(answer)["problems"])
    except urllib.error.HTTPError as error:
        return dict(json.load(error)["problems"])
    except (OSError, ValueError):
        return {"process": "not listening yet"}
