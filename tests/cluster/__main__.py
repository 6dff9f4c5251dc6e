"""`make cluster-test`: a bus of three nodes, two shards, 50 orders a second, and everything restarted, killed or moved meanwhile.

RATE (50, orders a second), ONLY (a comma list of disturbances). The last line is the result as JSON; exit code 1 if anything was lost, doubled or differs.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordergate.simulator.oracle import OrderId
from services.development import Development
from tests.cluster.fleet import KEY_SETS, SERVICES, Fleet, Layout, fleet
from tests.cluster.load import judged, loading
from tests.cluster.nodes import Nodes, cluster

ACCOUNTS = ("main", "hedge")
AMPLE = 60_000
BEFORE: Layout = {"a": ["zetarium/main"], "b": ["zetarium/hedge"]}
AFTER: Layout = {"a": [], "b": ["zetarium/hedge", "zetarium/main"]}
QUIET_SECONDS = 3.0
"""Of load before and after a disturbance."""
ROOT = Path(__file__).resolve().parents[2]
SYNC = os.environ.get("SYNC", "always") == "always"


@dataclass(slots=True, kw_only=True)
class Ground:
    """keys: the set that the running processes sign with; those beside them take the other."""

    nodes: Nodes
    fleet: Fleet
    keys: int = 0

    def next_installation(self, layout: Layout) -> Path:
        self.keys = (self.keys + 1) % KEY_SETS
        return self.fleet.installations.of(layout, self.keys)


async def leader_killed(ground: Ground) -> None:
    """kill -9 of the node that leads the ledger; it is away for a while, then comes back."""
    name = await ground.nodes.leader("ORDERS")
    await ground.nodes.kill(name)
    await asyncio.sleep(8)
    await ground.nodes.start(name)
    await ground.nodes.healthy()


async def nodes_rolled(ground: Ground) -> None:
    """Each node ends and starts; the next when the one before has caught up."""
    for name in ground.nodes.servers:
        await ground.nodes.stop(name)
        await ground.nodes.start(name)
        await ground.nodes.healthy()


async def services_rolled(ground: Ground) -> None:
    """Each process is replaced by one with keys of its own: both work at once until the new one is ready."""
    config = ground.next_installation(BEFORE)
    for shard in BEFORE:
        for service in SERVICES:
            await ground.fleet.replace(service, shard, config)


async def account_moved(ground: Ground) -> None:
    """The new shard takes the account, service by service, while the old one still has it; then the old one lets go."""
    config = ground.next_installation(AFTER)
    for shard in ("b", "a"):
        for service in SERVICES:
            await ground.fleet.replace(service, shard, config)


DISTURBANCES: Mapping[str, Callable[[Ground], Awaitable[None]]] = {
    "leader_killed": leader_killed,
    "nodes_rolled": nodes_rolled,
    "services_rolled": services_rolled,
    "account_moved": account_moved,
}


def main() -> int:
    logging.getLogger().addHandler(logging.NullHandler())  # a lost connection is part of the plan, not of the output
    wanted = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(DISTURBANCES)
    if unknown := set(wanted) - DISTURBANCES.keys():
        _say(f"no such disturbances: {', '.join(sorted(unknown))}; there are {', '.join(DISTURBANCES)}")
        return 2
    return asyncio.run(_run(wanted, float(os.environ.get("RATE", "50"))))


async def _run(wanted: list[str], rate: float) -> int:
    # Beside the sources, not in the temporary folder: that may be memory, where an fsync costs nothing.
    (ROOT / "build").mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="cluster-", dir=ROOT / "build"))
    _end_when_asked()
    began, told, placed = time.monotonic(), dict[str, Any](), list[OrderId]()
    development = Development(
        accounts=ACCOUNTS,
        limits=dict.fromkeys(("requests", "orders", "batch", "close"), AMPLE),
        risk={"max_open_orders": 5_000},
        replicas=KEY_SETS,
    )
    async with cluster(home, sync_always=SYNC) as nodes, fleet(home, nodes.url, development, replicas=3) as ships:
        await ships.start(BEFORE, shards=tuple(BEFORE))
        ground = Ground(nodes=nodes, fleet=ships)
        for name in wanted:
            told[name] = await _disturbed(ground, name, rate, placed)
            _say(f"{name}: {json.dumps(told[name])}")
    bad = sum(each["differences"] + each["duplicates"] + each["lost"] for each in told.values())
    if not bad and not os.environ.get("KEEP"):
        shutil.rmtree(home, ignore_errors=True)
    result = {
        "nodes": 3,
        "fsync": "always" if SYNC else "relaxed",
        "ordersPerSecond": rate,
        "orders": len(placed),
        "differences": sum(each["differences"] for each in told.values()),
        "lost": sum(each["lost"] for each in told.values()),
        "doubled": sum(each["duplicates"] + each["fillsDoubled"] for each in told.values()),
        "seconds": round(time.monotonic() - began),
        **told,
    }
    _say(json.dumps(result))
    return 1 if bad else 0


async def _disturbed(ground: Ground, name: str, rate: float, placed: list[OrderId]) -> dict[str, Any]:
    """One disturbance under load, judged with everything that was placed before."""
    ships, began = ground.fleet, time.monotonic()
    before = ships.restarts
    accounts = ("main",) if name == "account_moved" else ACCOUNTS
    async with loading(ground.nodes.url, accounts, strategy=name.replace("_", "-"), per_second=rate) as load:
        await asyncio.sleep(QUIET_SECONDS)
        disturbed = time.monotonic()
        await DISTURBANCES[name](ground)
        seconds = time.monotonic() - disturbed
        await asyncio.sleep(QUIET_SECONDS)
    placed += load.acknowledged_ms
    await ships.all_ready()
    evidence = await judged(ground.nodes.url, ACCOUNTS, placed, ships.simulator_url)
    for each in evidence.differences[:8]:
        _say(f"    [{each.promise}] {each.account} {each.client_order_id}: {each.what}")
    return {
        **load.figures(evidence),
        "disturbedSeconds": round(seconds, 1),
        "seconds": round(time.monotonic() - began, 1),
        "servicesThatFailed": ships.restarts - before,
    }


def _end_when_asked() -> None:
    """SIGTERM: everything that was started ends too."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
