"""`python -m bench.shards`: as fast as orders end, with one shard and with two, on this machine. The last line is the result as JSON.

The same four accounts, the same load, the same bus: one process of each service serves all, or two processes of each serve two. ORDERS (1,500, of a
run), ROUNDS (2, of both in turn). What a shard costs at a given load is measured here too, for `bench.scaling check`.
"""

import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from bench.figures import cpu_seconds, now_ns, rss_mb
from bench.installation import ACCOUNTS, CALLS_A_MINUTE, DEEP_MARKET, ROOT, VENUE
from bench.load import LIMIT_SECONDS, Unfinished, publish_as_they_end
from bench.orders import MIX, plan, watching
from bench.scaling import Point
from ordergate.runtime import connection
from ordergate.runtime.server import EmbeddedServer
from services.development import Development
from tests.cluster.fleet import Fleet, Layout, fleet
from tests.cluster.load import loading

PLACES = [f"{VENUE}/{account}" for account in ACCOUNTS]
LAYOUTS: Mapping[str, Layout] = {
    "oneShard": {"a": PLACES},
    "twoShards": {"a": PLACES[:2], "b": PLACES[2:]},
}
WARM_UP = 60
WARM_UP_SECONDS = 3.0


async def measure(orders: int, rounds: int) -> dict[str, object]:
    """Orders a second, medians over the rounds; cpu: seconds of all service processes together each 1,000 orders."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in LAYOUTS}
    for _ in range(rounds):
        for name, layout in LAYOUTS.items():
            runs[name].append(await _run(layout, orders))
    rates = {name: statistics.median(rate for rate, _ in each) for name, each in runs.items()}
    return {
        "mix": MIX,
        "accounts": len(ACCOUNTS),
        "cores": os.cpu_count(),
        "ordersPerSecond": {name: round(rate) for name, rate in rates.items()},
        "cpuSecondsPer1000": {name: round(statistics.median(cpu for _, cpu in each), 2) for name, each in runs.items()},
        "twoToOne": round(rates["twoShards"] / rates["oneShard"], 2),
    }


async def costs_of(accounts: int, rates: Sequence[float], seconds: float) -> list[Point]:
    """One shard of so many accounts with market orders at each steady rate in turn, spread over all accounts."""
    home = _home()
    server = EmbeddedServer(home / "bus")
    server.start()
    names = tuple(f"account-{number}" for number in range(accounts))
    try:
        async with fleet(home, server.url, _development(names), replicas=1) as ships:
            _give_money(home)
            await ships.start({"a": [f"{VENUE}/{name}" for name in names]}, shards=("a",))
            return [await _cost(ships, server, names, rate, seconds) for rate in rates]
    finally:
        server.stop()
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _cost(ships: Fleet, server: EmbeddedServer, names: Sequence[str], rate: float, seconds: float) -> Point:
    pids = list(ships.pids.values())
    async with AsyncExitStack() as stack:
        if rate:
            await stack.enter_async_context(loading(server.url, names, strategy=f"steady-{rate:.0f}", per_second=rate))
        await asyncio.sleep(WARM_UP_SECONDS)
        began, services, bus = time.monotonic(), _cpu(pids), cpu_seconds(server.pid)
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        return Point(
            accounts=len(names),
            orders_per_second=rate,
            services=(_cpu(pids) - services) / took,
            bus=(cpu_seconds(server.pid) - bus) / took,
            mb=sum(rss_mb(pid) for pid in pids),
        )


def _home() -> Path:
    """Beside the sources, not in the temporary folder: that may be memory, where an fsync costs nothing."""
    (ROOT / "build").mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="shards-", dir=ROOT / "build"))


async def _run(layout: Layout, orders: int) -> tuple[float, float]:
    home = _home()
    server = EmbeddedServer(home / "bus")
    server.start()
    try:
        async with fleet(home, server.url, _development(ACCOUNTS), replicas=1) as ships:
            _give_money(home)
            await ships.start(layout, shards=tuple(layout))
            await _sustain(ships, WARM_UP)
            return await _sustain(ships, orders)
    finally:
        server.stop()
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _sustain(ships: Fleet, count: int) -> tuple[float, float]:
    bus = await connection.connect(ships.nats_url, service="bench")
    before = _cpu(list(ships.pids.values()))
    try:
        async with watching(ships.nats_url, only_ends=True) as watcher:
            began_ns = now_ns()
            await publish_as_they_end(bus, watcher, plan(count))
            if not await watcher.until(lambda: watcher.ended >= count, limit_seconds=LIMIT_SECONDS):
                raise Unfinished(f"{watcher.ended} of {count} orders ended")
            seconds = (now_ns() - began_ns) / 1e9
    finally:
        await bus.close()
    return count / seconds, (_cpu(list(ships.pids.values())) - before) * 1_000 / count


def _cpu(pids: Sequence[int]) -> float:
    return sum(cpu_seconds(pid) for pid in pids)


def _development(accounts: Sequence[str]) -> Development:
    return Development(
        accounts=accounts,
        limits=dict.fromkeys(("requests", "orders", "batch", "close"), CALLS_A_MINUTE),
        simulator={"flow": dict(DEEP_MARKET), "maxOrderNotional": "1000000000"},
        risk={"max_order_notional": 1_000_000_000},
    )


def _give_money(home: Path) -> None:
    path = home / "simulator.json"
    document = json.loads(path.read_text())
    for account in document["accounts"]:
        account["balance"] = "1000000000000"
    path.write_text(json.dumps(document))


def main() -> int:
    orders, rounds = int(os.environ.get("ORDERS", "1500")), int(os.environ.get("ROUNDS", "2"))
    print(json.dumps(uvloop.run(measure(orders, rounds))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
