"""A bus of three nodes on this machine: real nats-servers in one cluster, each with a store of its own."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nats
from nats.errors import Error as NatsError

from ordergate.runtime.server import EmbeddedServer, Membership, free_port

NODES = 3
READY_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.02
_ELECTED = re.compile(
    r"^\[\d+\] (\S+ \S+) \[INF\] JetStream cluster new (?:stream|consumer) leader for '\S+ > (.+)'$", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Elected:
    """One election. at: seconds since 1970; group: a stream, or `stream > durable consumer`; node: its new leader."""

    at: float
    group: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """The nodes by name. `url` names all of them."""

    servers: dict[str, EmbeddedServer]

    @property
    def url(self) -> str:
        return ",".join(server.url for server in self.servers.values())

    async def leader(self, stream: str) -> str:
        """The name of the node that leads a stream; waits for one."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            found = await self._leader(stream)
            if found:
                return found
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise TimeoutError(f"{stream} has no leader after {READY_SECONDS} s")

    async def step_down(self, stream: str) -> str:
        """Ask the leader of a stream to hand it over; who led it."""
        before = await self.leader(stream)
        client = await nats.connect(self._addresses())
        try:
            await client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{stream}", b"", timeout=5)
        finally:
            await client.close()
        return before

    def elections(self) -> list[Elected]:
        """Of streams and of durable consumers, the oldest first, as each new leader has written it into its log."""
        found = [
            Elected(at=datetime.strptime(when, "%Y/%m/%d %H:%M:%S.%f").timestamp(), group=group, node=name)  # noqa: DTZ007 - the log has local time
            for name, server in self.servers.items()
            for when, group in _ELECTED.findall((server.directory / "nats-server.log").read_text(errors="replace"))
        ]
        return sorted(found)

    def leaders(self) -> dict[str, str]:
        """Of each group the node that was elected last."""
        return {each.group: each.node for each in self.elections()}

    async def led_without(self, name: str) -> None:
        """Wait until no stream and no durable consumer is led by that node."""
        deadline = time.monotonic() + READY_SECONDS
        left: list[str] = []
        while time.monotonic() < deadline:
            leaders = await asyncio.to_thread(self.leaders)
            left = [group for group, node in leaders.items() if node == name]
            if leaders and not left:
                return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise TimeoutError(f"without {name} nobody leads {', '.join(left)} after {READY_SECONDS} s")

    async def kill(self, name: str) -> None:
        await asyncio.to_thread(self.servers[name].kill)

    async def stop(self, name: str) -> None:
        await asyncio.to_thread(self.servers[name].stop)

    async def start(self, name: str) -> None:
        await asyncio.to_thread(self.servers[name].start)

    async def healthy(self) -> None:
        """Wait until every node says that all its streams and consumers are there and caught up."""
        deadline = time.monotonic() + READY_SECONDS
        sick: dict[str, str] = {}
        while time.monotonic() < deadline:
            said = {name: await asyncio.to_thread(server.sickness) for name, server in self.servers.items()}
            sick = {name: told for name, told in said.items() if told is not None}
            if not sick:
                return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise TimeoutError(f"the cluster is not well after {READY_SECONDS} s: {sick}")

    async def _leader(self, stream: str) -> str:
        client = await nats.connect(self._addresses())
        try:
            answer = await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=2)
            return str(json.loads(answer.data).get("cluster", {}).get("leader", ""))
        except NatsError:
            return ""
        finally:
            await client.close()

    def _addresses(self) -> list[str]:
        return [server.url for server in self.servers.values() if server.is_running]


@asynccontextmanager
async def cluster(home: Path, *, sync_always: bool = True) -> AsyncIterator[Nodes]:
    """Three nodes that have found each other; all have ended after the block."""
    names = [f"n{number + 1}" for number in range(NODES)]
    ports = _different_ports()
    servers = {
        name: EmbeddedServer(
            home / name,
            port=ports[NODES + number],
            sync_always=sync_always,
            membership=Membership(name=name, port=ports[number], routes=tuple(ports[:NODES])),
        )
        for number, name in enumerate(names)
    }
    nodes = Nodes(servers=servers)
    try:
        await asyncio.gather(*(nodes.start(name) for name in names))
        await nodes.healthy()
        yield nodes
    finally:
        await asyncio.gather(*(nodes.stop(name) for name in names))


def _different_ports() -> list[int]:
    ports: set[int] = set()
    while len(ports) < 2 * NODES:
        ports.add(free_port())
    return list(ports)
