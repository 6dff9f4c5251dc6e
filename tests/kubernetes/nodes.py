"""The nodes of the bus as the manifests configure them, as processes on this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from ordergate.runtime.server import _binary, free_port
from tests.integration.orders_at_hand import eventually
from tests.kubernetes.manifests import Rendered

NODES = 3
FORMED_SECONDS = 30.0
RELOADED = "Reloaded server configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One nats-server. folder: its volumes and its log."""

    name: str
    port: int
    monitor: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"tls://localhost:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    async def listens(self) -> None:
        """Returns when it takes clients. A configuration that it refuses fails here, in its own words."""
        async with asyncio.timeout(FORMED_SECONDS):
            while not await _listens(self.port):
                assert self.process.poll() is None, self.log
                await asyncio.sleep(0)

    async def is_well(self) -> None:
        """Returns when it passes the startup probe."""
        async with asyncio.timeout(FORMED_SECONDS), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"http://127.0.0.1:{self.monitor}/healthz") as answer:
                    if answer.status == 200:
                        return

    async def reload(self) -> None:
        """As the guide says it: by the server's own command and its pid file. Returns when the server says that it has."""
        before = self.log.count(RELOADED)
        command = [_binary(), "--signal", f"reload={self.folder / 'nats.pid'}"]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        await eventually(lambda: self.log.count(RELOADED) > before, seconds=FORMED_SECONDS)


@contextmanager
def running_nodes(
    rendered: Rendered, home: Path, *, certificates: Path, authorization: str = ""
) -> Iterator[list[Node]]:
    """The rendered files with loopback ports for names and a folder of `home` for the volumes; nothing else is changed."""
    ports, routes = [free_port() for _ in range(NODES)], [free_port() for _ in range(NODES)]
    changed = {f"nats-{number}.nats-headless:6222": f"localhost:{route}" for number, route in enumerate(routes)}
    changed["/etc/nats-tls"] = str(certificates)
    with ExitStack() as running:
        nodes = []
        for number in range(NODES):
            monitor, folder = free_port(), home / f"nats-{number}"
            own = {
                "0.0.0.0:4222": f"127.0.0.1:{ports[number]}",
                "0.0.0.0:6222": f"127.0.0.1:{routes[number]}",
                "0.0.0.0:8222": f"127.0.0.1:{monitor}",
                '"/data"': f'"{folder}/data"',
                "/tmp/nats.pid": f"{folder}/nats.pid",  # noqa: S108 - of the pod
            }
            files = {**rendered.configuration("nats-configuration"), "authorization.conf": authorization}
            process = _start(folder, {name: replaced(text, changed | own) for name, text in files.items()})
            running.callback(process.wait)
            running.callback(process.kill)
            nodes.append(Node(name=folder.name, port=ports[number], monitor=monitor, folder=folder, process=process))
        yield nodes


def _start(folder: Path, files: Mapping[str, str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    with (folder / "log").open("wb") as output:
        return subprocess.Popen(
            [_binary(), "--config", str(folder / "nats.conf")],
            env={**os.environ, "POD_NAME": folder.name},
            stdout=output,
            stderr=output,
        )


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("localhost", port)
    except OSError:
        return False
    writer.close()
    return True


def replaced(text: str, changed: Mapping[str, str]) -> str:
    """With every key of `changed` as its value."""
    for old, new in changed.items():
        text = text.replace(old, new)
    return text
