"""`make cluster-test`: a bus of three nodes, two shards, 50 orders a second, and everything restarted, killed, moved, added and drained meanwhile.

RATE (50, orders a second), ONLY (a comma list of disturbances), OTHER (a git revision: the services begin with that version and are rolled to
this one), BUSY (1: others use this machine, so lateness is told and not judged), KEEP (1: keep the folder). The last line is the result as
JSON; exit code 1 if anything was lost, doubled, differs, was shown wrongly by `ordergate shards`, or was late by more than 5 s. Of a leader
that is killed the time in which nobody led is the bus's own, and lateness counts from its end.
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ordergate.simulator.oracle import OrderId
from services.development import Development
from tests.cluster.disturbances import ADDED, DISTURBANCES, DRAINED, MOVED, START, Ground, asked_of
from tests.cluster.fleet import KEY_SETS, Fleet, fleet
from tests.cluster.load import judged, loading
from tests.cluster.nodes import Nodes, cluster
from tests.cluster.trees import ROOT, tree_of

AMPLE = 60_000
LATE_MS_MAX = 5_000
QUIET_SECONDS = 3.0
"""Of load before and after a disturbance."""
SYNC = os.environ.get("SYNC", "always") == "always"


def main() -> int:
    logging.getLogger().addHandler(logging.NullHandler())  # a lost connection is part of the plan, not of the output
    other = os.environ.get("OTHER")
    wanted = [name for name in os.environ.get("ONLY", "").split(",") if name] or _usual(has_other=bool(other))
    if unknown := set(wanted) - DISTURBANCES.keys():
        _say(f"no such disturbances: {', '.join(sorted(unknown))}; there are {', '.join(DISTURBANCES)}")
        return 2
    with ExitStack() as stack:
        try:
            tree = None if not other else stack.enter_context(tree_of(other))
        except ValueError as error:
            _say(str(error))
            return 2
        return asyncio.run(_run(wanted, float(os.environ.get("RATE", "50")), tree))


def _usual(*, has_other: bool) -> list[str]:
    """Two versions are for the roll only; back is for those that know of one with the same consumers."""
    if has_other:
        return ["services_rolled"]
    return [name for name in DISTURBANCES if name != "services_rolled_back"]


async def _run(wanted: list[str], rate: float, tree: Path | None) -> int:
    # Beside the sources, not in the temporary folder: that may be memory, where an fsync costs nothing.
    (ROOT / "build").mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="cluster-", dir=ROOT / "build"))
    _end_when_asked()
    began, told, placed = time.monotonic(), dict[str, Any](), list[OrderId]()
    development = Development(
        accounts=(MOVED, DRAINED, ADDED),
        limits=dict.fromkeys(("requests", "orders", "batch", "close"), AMPLE),
        risk={"max_open_orders": 5_000},
        replicas=KEY_SETS,
    )
    async with (
        cluster(home, sync_always=SYNC) as nodes,
        fleet(home, nodes.url, development, replicas=len(nodes.servers), other=tree) as ships,
    ):
        await ships.start(START, shards=tuple(START))
        running = _Running(nodes=nodes, fleet=ships)
        for name in wanted:
            told[name] = await running.disturbed(name, rate, placed)
            _say(f"{name}: {json.dumps(told[name])}")
    result = _result(told, rate, len(placed), round(time.monotonic() - began))
    is_kept = not any(result[name] for name in ("differences", "lost", "doubled", "shownWrongly"))
    if is_kept and not os.environ.get("KEEP"):
        shutil.rmtree(home, ignore_errors=True)
    _say(json.dumps(result))
    return 0 if is_kept and (os.environ.get("BUSY") or not result["late"]) else 1


def _result(told: dict[str, Any], rate: float, orders: int, seconds: int) -> dict[str, Any]:
    each = told.values()
    return {
        "nodes": 3,
        "fsync": "always" if SYNC else "relaxed",
        "other": os.environ.get("OTHER", ""),
        "ordersPerSecond": rate,
        "orders": orders,
        "differences": sum(one["differences"] for one in each),
        "lost": sum(one["lost"] + one["fillsLost"] for one in each),
        "doubled": sum(one["duplicates"] + one["fillsDoubled"] for one in each),
        "shownWrongly": sum(len(one["shownWrongly"]) for one in each),
        "late": [name for name, one in told.items() if one["lateOfOursMs"] > LATE_MS_MAX],
        "lateMs": {name: one["lateMs"]["max"] for name, one in told.items()},
        "seconds": seconds,
        **told,
    }


class _Running:
    """The installation from one disturbance to the next."""

    def __init__(self, *, nodes: Nodes, fleet: Fleet) -> None:
        self._nodes = nodes
        self._fleet = fleet
        self._ground: Ground | None = None

    async def disturbed(self, name: str, rate: float, placed: list[OrderId]) -> dict[str, Any]:
        """One disturbance under load, judged with everything that was placed before."""
        ships, began = self._fleet, time.monotonic()
        before = ships.restarts
        accounts = (MOVED, DRAINED) if self._ground is None else self._ground.accounts
        strategy = name.replace("_", "-")
        async with loading(self._nodes.url, asked_of(name, accounts), strategy=strategy, per_second=rate) as load:
            ground = self._ground = self._ground or Ground(nodes=self._nodes, fleet=ships, load=load)
            ground.load, ground.wrong = load, []
            await asyncio.sleep(QUIET_SECONDS)
            disturbed = time.monotonic()
            facts = await DISTURBANCES[name](ground)
            seconds = time.monotonic() - disturbed
            await asyncio.sleep(QUIET_SECONDS)
        placed += load.acknowledged_ms
        await ships.all_ready()
        evidence = await judged(self._nodes.url, (MOVED, DRAINED, ADDED), placed, ships.simulator_url)
        for each in evidence.differences[:8]:
            _say(f"    [{each.promise}] {each.account} {each.client_order_id}: {each.what}")
        figures = load.figures(evidence)
        return {
            **figures,
            **facts,
            "lateOfOursMs": max(0, figures["lateMs"]["max"] - facts.get("electedLastMs", 0)),
            "shownWrongly": ground.wrong,
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
