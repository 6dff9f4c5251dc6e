"""The services as an operator of several shards runs them: each process of its own shard, started and stopped one by one."""

import asyncio
import json
import os
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ordergate.runtime.server import free_port
from ordergate.wire.streams import FILL_STREAMING, ORDER_SUBMISSION, POSITION_TRACKING, RISK, STATUS_POLLING
from services.development import Development, write_development

SERVICES = (RISK, ORDER_SUBMISSION, STATUS_POLLING, FILL_STREAMING, POSITION_TRACKING)
READY_SECONDS = 120.0
STOP_SECONDS = 25.0
STARTS_MAX = 5
"""Who ended so often before it was ready will not be ready."""
LOOK_AGAIN_SECONDS = 0.05
KEY_SETS = 2
"""Two processes of a service at once on one account sign with keys of their own."""

Layout = Mapping[str, Sequence[str]]
"""Shard -> accounts as venue/account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installations:
    """One configuration file for each layout and each set of keys. Accounts that the layout does not name are not in it."""

    folder: Path
    bases: Sequence[str]
    replicas: int

    def of(self, layout: Layout, keys: int) -> Path:
        names = "-".join(f"{shard}{len(places)}" for shard, places in layout.items())
        path = self.folder / f"{names or 'one'}-{keys}.toml"
        shards = "".join(f"{shard} = {json.dumps(list(places))}\n" for shard, places in layout.items())
        named = {place for places in layout.values() for place in places}
        accounts = "".join(section for section in _sections(self.bases[keys]) if _place(section) in named)
        path.write_text(f"[bus]\nreplicas = {self.replicas}\n[shards]\n{shards}{accounts}")
        return path


def _sections(base: str) -> list[str]:
    """Each account of a configuration that has nothing else."""
    return [f"[[accounts]]{section}" for section in base.split("[[accounts]]")[1:]]


def _place(section: str) -> str:
    account = tomllib.loads(section)["accounts"][0]
    return f"{account['venue']}/{account['account']}"


@dataclass(slots=True)
class Running:
    """One process, started again if it ends by itself. starts: how often it was."""

    service: str
    shard: str
    environment: Mapping[str, str]
    health_port: int
    log: Path
    tree: Path | None
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    keeper: asyncio.Task[None] | None = None


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Every process of ours by (service, shard). `replace` is a rolling restart of one."""

    home: Path
    nats_url: str
    installations: Installations
    simulator_port: int
    other: Path | None = None
    """The tree of another version, where there is one; it is what runs at first."""
    tree: Path | None = None
    """Of the version that services and provision are started from now on; None: this one."""
    running: dict[tuple[str, str], Running] = field(default_factory=dict)
    restarts: int = 0
    """Of processes that ended by themselves."""
    _simulator: asyncio.subprocess.Process | None = None
    _number: int = 0

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def pids(self) -> dict[str, int]:
        """Of the services, by name and shard."""
        return {
            f"{service}{'-' if shard else ''}{shard}": one.process.pid
            for (service, shard), one in self.running.items()
            if one.process is not None and one.process.returncode is None
        }

    async def start(self, layout: Layout, *, shards: Sequence[str]) -> None:
        """Declarations, simulator, then each service of each shard; returns when all are ready."""
        config = self.installations.of(layout, 0)
        self._simulator = await self._launch(
            "venue_simulator",
            {
                "ORDERGATE_SIMULATOR_CONFIG": str(self.home / "simulator.json"),
                "ORDERGATE_SIMULATOR_PORT": str(self.simulator_port),
            },
            self.home / "logs" / "venue_simulator.log",
        )
        await self.provision(config)
        started = [await self._begin(service, shard, config) for shard in shards for service in SERVICES]
        for one in started:
            self.running[one.service, one.shard] = one
        await asyncio.gather(*(self.ready(one) for one in started))

    async def provision(self, config: Path) -> None:
        """Make on the bus what the configuration needs and is not there. Raises RuntimeError with its words if it does not end well."""
        log = self.home / "logs" / "provision.log"
        environment = {"ORDERGATE_CONFIG": str(config), "ORDERGATE_NATS_URL": self.nats_url}
        process = await self._launch("provision", environment, log, tree=self.tree)
        if await process.wait() != 0:
            raise RuntimeError(log.read_text()[-600:])

    async def command(self, *words: str) -> tuple[int, str]:
        """`ordergate` as an operator types it: exit code, and what it says."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "ordergate"),
            "--url",
            self.nats_url,
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode(errors="replace").strip()

    async def replace(self, service: str, shard: str, config: Path) -> None:
        """A new process beside the old one; when it is ready, the old one is asked to end. For a moment both work."""
        new = await self._begin(service, shard, config)
        await self.ready(new)
        old = self.running.get((service, shard))
        self.running[service, shard] = new
        if old is not None:
            await self.end(old)

    async def ready(self, one: Running) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        problems: dict[str, str] = {}
        while loop.time() < deadline and one.starts <= STARTS_MAX:
            problems = await asyncio.to_thread(_problems, one.health_port)
            if not problems:
                return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        said = one.log.read_text(errors="replace")[-600:]
        raise TimeoutError(f"{one.service} of {one.shard} is not ready, begun {one.starts} times: {problems}; {said}")

    async def all_ready(self) -> None:
        await asyncio.gather(*(self.ready(one) for one in self.running.values()))

    async def end(self, one: Running) -> None:
        if one.keeper is not None:
            one.keeper.cancel()
        await _end(one.process)

    async def stop(self) -> None:
        await asyncio.gather(*(self.end(one) for one in self.running.values()))
        await _end(self._simulator)

    async def _begin(self, service: str, shard: str, config: Path) -> Running:
        self._number += 1
        port = free_port()
        environment = {
            "ORDERGATE_CONFIG": str(config),
            "ORDERGATE_SHARD": shard,
            "ORDERGATE_NATS_URL": self.nats_url,
            "ORDERGATE_HEALTH_PORT": str(port),
            "ORDERGATE_INSTANCE": f"{service}-{shard or 'all'}-{self._number}",
        }
        log = self.home / "logs" / f"{service}-{shard or 'all'}-{self._number}.log"
        one = Running(service, shard, environment, port, log, self.tree)
        one.process = await self._launch(service, environment, log, tree=one.tree)
        one.starts = 1
        one.keeper = asyncio.get_running_loop().create_task(self._keep(one))
        return one

    async def _keep(self, one: Running) -> None:
        while one.process is not None:
            await one.process.wait()
            self.restarts += 1
            one.process = await self._launch(one.service, one.environment, one.log, tree=one.tree)
            one.starts += 1

    async def _launch(
        self, module: str, environment: Mapping[str, str], log: Path, *, tree: Path | None = None
    ) -> asyncio.subprocess.Process:
        sources = {} if tree is None else {"PYTHONPATH": f"{tree / 'libs'}{os.pathsep}{tree}"}
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"services.{module}",
                cwd=tree,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment, **sources},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


@asynccontextmanager
async def fleet(
    home: Path, nats_url: str, development: Development, *, replicas: int, other: Path | None = None
) -> AsyncIterator[Fleet]:
    """Nothing runs yet; everything that was started has ended after the block. other: see Fleet."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    port = free_port()
    written = write_development(home, development, simulator_port=port)
    bases = [path.read_text() for path in (written.installation, *written.replicas)]
    made = Fleet(
        home=home,
        nats_url=nats_url,
        installations=Installations(folder=home, bases=bases, replicas=replicas),
        simulator_port=port,
        other=other,
        tree=other,
    )
    try:
        yield made
    finally:
        await made.stop()


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _problems(port: int) -> dict[str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return dict(json.load(answer)["problems"])
    except urllib.error.HTTPError as error:
        return dict(json.load(error)["problems"])
    except (OSError, ValueError):
        return {"process": "not listening yet"}
