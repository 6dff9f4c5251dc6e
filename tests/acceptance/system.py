"""The whole product for a test: nats-server with fsync, simulator, five services, each a real process on ports of its own.

It runs on an event loop in a thread of its own, so tests of any kind (async with any loop, or none at all) share one system, and what
is killed is started again also while no test's loop runs.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ordergate.runtime.server import free_port
from services.development import Development, write_development
from services.identities import write_identities
from services.supervisor import BUS, SIMULATOR, Ports, Supervisor

T = TypeVar("T")
READY_SECONDS = 25.0
LOOK_AGAIN_SECONDS = 0.01
AMPLE = {"requests": 60_000, "orders": 60_000, "batch": 60_000, "close": 60_000}
"""The venue's limits raised: most claims are not about throttling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Running. `home` holds the configuration, keys/, logs/ and bus/."""

    home: Path
    supervisor: Supervisor
    _loop: asyncio.AbstractEventLoop

    @property
    def nats_url(self) -> str:
        return self.supervisor.nats_url

    @property
    def simulator_url(self) -> str:
        return self.supervisor.simulator_url

    @property
    def health(self) -> Mapping[str, int]:
        """The health port of each service: /ready, /live, /metrics."""
        return self.supervisor.health

    def pids(self) -> dict[str, int]:
        """Of every part that runs now, the bus and the simulator too."""
        return self.supervisor.pids()

    def starts(self) -> dict[str, int]:
        """How often each process was started."""
        return {name: part.starts for name, part in self.supervisor.parts.items()}

    def logs(self) -> dict[str, str]:
        """The text of every log file, by file name without its ending."""
        files = [*(self.home / "logs").glob("*.log"), *(self.home / "bus").glob("*.log")]
        return {file.stem: file.read_text(errors="replace") for file in files}

    def kill(self, name: str) -> int:
        """kill -9 of one part; the pid that it had."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, name: str, killed_pid: int, *, limit_seconds: float = READY_SECONDS) -> float:
        """Block until the part runs under another pid and everything is ready; seconds from the call on."""
        began = time.monotonic()
        pause = threading.Event()
        while self.pids().get(name) in {None, killed_pid}:
            assert time.monotonic() - began < limit_seconds, f"{name} was not started again in {limit_seconds} s"
            pause.wait(LOOK_AGAIN_SECONDS)
        self.wait_ready(limit_seconds=limit_seconds)
        return time.monotonic() - began

    def reload_bus(self) -> None:
        """Returns when the bus has read its identities again."""
        said = "Reloaded server configuration"
        before = self.logs()["nats-server"].count(said)
        os.kill(self.pids()[BUS], signal.SIGHUP)
        began, pause = time.monotonic(), threading.Event()
        while self.logs()["nats-server"].count(said) == before:
            assert time.monotonic() - began < READY_SECONDS, "the bus does not reload"
            pause.wait(LOOK_AGAIN_SECONDS)

    def wait_ready(self, *, limit_seconds: float = READY_SECONDS) -> None:
        """Block until every service says that it is ready. Raises Unavailable."""
        self.run(self.supervisor.ready(limit_seconds=limit_seconds))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """On the system's own loop, to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@contextmanager
def running_system(
    home: Path,
    development: Development | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    sync_always: bool = True,
    change: Callable[[str], str] = str,
    identities: bool = False,
) -> Iterator[System]:
    """Started and ready; all processes have ended after the block. Ports are picked. change: what else the installation is to say."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="system", daemon=True)
    thread.start()
    ports = Ports(nats=0, simulator=free_port(), health=0)
    written = write_development(home, development or Development(limits=AMPLE), simulator_port=ports.simulator)
    written.installation.write_text(change(written.installation.read_text()))
    supervisor = Supervisor(
        home=home,
        installation=written.installation,
        simulator_document=written.simulator,
        ports=ports,
        sync_always=sync_always,
        environment=environment or {},
        identities=write_identities(home, written.installation) if identities else None,
    )
    system = System(home=home, supervisor=supervisor, _loop=loop)
    try:
        system.run(supervisor.start())
        system.wait_ready()
        yield system
    finally:
        system.run(supervisor.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


__all__ = ["AMPLE", "BUS", "SIMULATOR", "System", "running_system"]
