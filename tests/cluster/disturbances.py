"""What is done to a running installation while orders go on: each as the guide tells an operator to do it (docs/scaling.md)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordergate.cli import sharding
from ordergate.runtime.connection import connect
from ordergate.runtime.settings import Installation
from ordergate.wire.messages import AnswerMessage
from ordergate.wire.streams import RISK
from tests.cluster.fleet import KEY_SETS, SERVICES, Fleet, Layout
from tests.cluster.load import VENUE, Load, gateway_of
from tests.cluster.nodes import Nodes

LOOK_AGAIN_SECONDS = 0.05
LIMIT_SECONDS = 60.0
MOVED, DRAINED, ADDED = "main", "hedge", "spare"
START: Layout = {"a": [f"{VENUE}/{MOVED}"], "b": [f"{VENUE}/{DRAINED}"]}
PATH = frozenset({"INTENTS", "ORDERS", "KV_CONTROL", "KV_LEASES"})
"""Streams that an order to be placed waits for: its intent, its ledger, is the kill switch thrown, who owns the budget."""
BESIDE = ("order_submission_cancels", "strangers")
"""Consumers of them that it does not wait for."""

Told = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Ground:
    """keys: the set that the running processes sign with; those beside them take the other. layout: as the services are configured now.

    wrong: what `ordergate shards` said that was not so.
    """

    nodes: Nodes
    fleet: Fleet
    load: Load
    layout: Layout = field(default_factory=lambda: dict(START))
    keys: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def accounts(self) -> list[str]:
        """By name, of all shards."""
        return [place.removeprefix(f"{VENUE}/") for places in self.layout.values() for place in places]

    @property
    def first_shard(self) -> str:
        return min(self.layout)

    def shard_of(self, account: str) -> str:
        return next(shard for shard, places in self.layout.items() if f"{VENUE}/{account}" in places)

    def next_installation(self, layout: Layout) -> Path:
        """The file of processes that begin from now on."""
        self.keys = (self.keys + 1) % KEY_SETS
        self.layout = layout
        return self.installation

    @property
    def installation(self) -> Path:
        return self.fleet.installations.of(self.layout, self.keys)

    async def owners(self, account: str) -> dict[str, list[str]]:
        """As `ordergate shards` sees it: of each service the shards whose processes serve the account."""
        owned = await self._owned(account)
        return {service: sorted({each.shard for each in owned.by_service(service)}) for service in SERVICES}

    async def expect(self, account: str, service: str, *shards: str) -> None:
        """Note it if `ordergate shards` shows other owners, or no problem while one of them should not have it."""
        owned = await self._owned(account)
        seen = sorted({each.shard for each in owned.by_service(service)})
        strange = [shard for shard in seen if shard != self.shard_of(account)]
        unnoticed = [shard for shard in strange if not any(f"shard {shard} still" in text for text in owned.problems)]
        if seen != sorted(shards) or unnoticed:
            self.wrong.append(f"{account}, {service}: shown at {seen}, is at {sorted(shards)}; {owned.problems}")

    async def settled(self, account: str) -> None:
        """Wait until nothing of the account waits in a consumer or is unacknowledged."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                owned = await self._owned(account)
                if not owned.waiting and not owned.unacknowledged:
                    return
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def well(self) -> None:
        """Note it if the command itself ends with a problem."""
        code, said = await self.fleet.command("shards", "--config", str(self.installation))
        if code != 0:
            self.wrong.append(f"ordergate shards: {said[-400:]}")

    async def _owned(self, account: str) -> sharding.Owned:
        installation = Installation.of(self.installation.read_text())
        bus = await connect(self.nodes.url, service="looker-on")
        try:
            found = await sharding.read(bus, installation)
        finally:
            await bus.close()
        return next(each for each in found if each.account == f"{VENUE}/{account}")


async def leader_killed(ground: Ground) -> Told:
    """kill -9 of the node that leads the ledger; it comes back when all that it led is led by others."""
    name = await ground.nodes.leader("ORDERS")
    led = {group for group, node in ground.nodes.leaders().items() if node == name}
    killed = time.time()
    await ground.nodes.kill(name)
    await ground.nodes.led_without(name)
    await ground.nodes.start(name)
    await ground.nodes.healthy()
    took = {each.group: round((each.at - killed) * 1_000) for each in ground.nodes.elections() if each.at > killed}
    ours = {group: took[group] for group in sorted(led & took.keys()) if _is_waited_for(group)}
    return {"electedAfterMs": ours, "electedLastMs": max(ours.values(), default=0)}


def _is_waited_for(group: str) -> bool:
    stream, _, consumer = group.partition(" > ")
    return stream in PATH and not consumer.startswith(BESIDE)


async def nodes_rolled(ground: Ground) -> Told:
    """Each node ends and starts; the next when the one before has caught up."""
    for name in ground.nodes.servers:
        await ground.nodes.stop(name)
        await ground.nodes.start(name)
        await ground.nodes.healthy()
    return {}


async def services_rolled(ground: Ground) -> Told:
    """Each process is replaced by one with keys of its own: both work at once until the new one is ready. Where another version runs, this
    one takes over, its provision command first.
    """
    ground.fleet.tree = None
    await ground.fleet.provision(ground.installation)
    await _all_replaced(ground)
    return {}


async def services_rolled_back(ground: Ground) -> Told:
    """As services_rolled, but to the other version: only to one that declares the same consumers."""
    ground.fleet.tree = ground.fleet.other
    await _all_replaced(ground)
    return {}


async def _all_replaced(ground: Ground) -> None:
    config = ground.next_installation(ground.layout)
    for shard in ground.layout:
        for service in SERVICES:
            await ground.fleet.replace(service, shard, config)
    await ground.well()


async def account_moved(ground: Ground) -> Told:
    """One service after the other: in the new shard with the account, then in the old one without it."""
    old, new = ground.shard_of(MOVED), next(shard for shard in ground.layout if shard != ground.shard_of(MOVED))
    place = f"{VENUE}/{MOVED}"
    config = ground.next_installation(
        {
            **ground.layout,
            old: [each for each in ground.layout[old] if each != place],
            new: [*ground.layout[new], place],
        }
    )
    for service in SERVICES:
        await ground.fleet.replace(service, new, config)
        await ground.expect(MOVED, service, old, new)
        await ground.fleet.replace(service, old, config)
        await ground.expect(MOVED, service, new)
    await ground.well()
    return {}


async def account_added(ground: Ground) -> Told:
    """Its consumers are made, then its shard and the first one learn of it; its strategy begins when it is shown as served."""
    shard = next((name for name, places in ground.layout.items() if not places), ground.first_shard)
    config = ground.next_installation({**ground.layout, shard: [*ground.layout[shard], f"{VENUE}/{ADDED}"]})
    await ground.fleet.provision(config)
    await _restarted(ground, shard, config)
    for service in SERVICES:
        await ground.expect(ADDED, service, shard)
    await ground.well()
    await ground.load.join(ADDED)
    return {}


async def account_drained(ground: Ground) -> Told:
    """Killed until it is flat, its consumers empty, then taken out of the file; who still asks for it is told so."""
    began, shard = time.monotonic(), ground.shard_of(DRAINED)
    code, said = await ground.fleet.command("--account", DRAINED, "kill", "--reason", "drain")
    if code != 0:
        ground.wrong.append(f"ordergate kill: {code} {said[-400:]}")
    flat = time.monotonic() - began
    await ground.load.leave(DRAINED)
    await ground.settled(DRAINED)
    places = [each for each in ground.layout[shard] if each != f"{VENUE}/{DRAINED}"]
    await _restarted(ground, shard, ground.next_installation({**ground.layout, shard: places}))
    await ground.well()
    answer = await _stranger(ground)
    if answer != "unknown_account":
        ground.wrong.append(f"an intent for the drained account was told {answer}")
    return {"flatSeconds": round(flat, 1), "toldAfterwards": answer}


async def _restarted(ground: Ground, shard: str, config: Path) -> None:
    """The services of a shard, and before them the risk of the first shard: it answers for accounts that nobody has."""
    if shard != ground.first_shard:
        await ground.fleet.replace(RISK, ground.first_shard, config)
    for service in SERVICES:
        await ground.fleet.replace(service, shard, config)


async def _stranger(ground: Ground) -> str:
    async with gateway_of(ground.nodes.url, DRAINED, "late") as gateway:
        ticket = await gateway.submit(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal("0.010"))
        told = await gateway.wait(ticket)
    return told.reason if isinstance(told, AnswerMessage) else str(told.order.state)


DISTURBANCES: Mapping[str, Callable[[Ground], Awaitable[Told]]] = {
    "leader_killed": leader_killed,
    "nodes_rolled": nodes_rolled,
    "services_rolled": services_rolled,
    "services_rolled_back": services_rolled_back,
    "account_moved": account_moved,
    "account_added": account_added,
    "account_drained": account_drained,
}


def asked_of(name: str, accounts: Sequence[str]) -> Sequence[str]:
    """Whose orders the load is made of: an account that moves has all of it."""
    return (MOVED,) if name == "account_moved" else accounts
