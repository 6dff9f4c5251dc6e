"""`python -m bench`: see docs/benchmarks.md. ORDERS: how many a sustained run sends; from 50,000 on, only memory is measured over that many."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.bad_input import bad_input
from bench.budget import Shape, compare
from bench.decisions import decision_figures
from bench.figures import Figures, medians
from bench.fills import MIX as FILL_MIX
from bench.fills import fills_per_second
from bench.floors import fsync_ms, jetstream_figures
from bench.installation import ACCOUNTS, CALLS_A_MINUTE, Running, running
from bench.load import latency, sustain, warm_up
from bench.orders import MIX
from bench.peers import AT_ONCE, aiohttp_figures, ccxt_figures
from bench.report import MODES, show
from bench.rotation import rotation_figures
from bench.signing import signing_figures
from bench.soak import soak

ROUNDS = 3
STEADY_ORDERS = 400
STEADY_PER_SECOND = 50.0
SUSTAINED_ORDERS = 3_000
PEER_CALLS = 200
PEER_ORDERS = 1_500
FLOOR_CALLS = 200
FLOOR_MESSAGES = 3_000
GOOD_ORDERS = 1_000
GOOD_PER_SECOND = 100.0
SOAK_FROM = 50_000


@dataclass(slots=True)
class Runs:
    """The runs of one mode, by what was measured."""

    figures: dict[str, list[Figures]] = field(default_factory=dict)

    def add(self, name: str, run: Mapping[str, float]) -> None:
        self.figures.setdefault(name, []).append(dict(run))

    def median(self, name: str) -> Figures:
        return medians(self.figures[name])


async def measure(orders: int) -> None:
    """Every round measures both modes, plain and traced, one after the other; medians are over the rounds."""
    runs = {mode: Runs() for mode in MODES}
    for number in range(ROUNDS):
        for mode in MODES:
            say(f"round {number + 1} of {ROUNDS}, {mode}")
            async with running(durable=mode == "durable") as installation:
                await _plain(installation, runs[mode], orders, with_bad=number == ROUNDS - 1)
            say(f"round {number + 1} of {ROUNDS}, {mode}, traced")
            await _traced(runs[mode], orders, durable=mode == "durable")
    for mode in MODES:
        say(f"fills, {mode}")
        runs[mode].add("fills", await fills_per_second(durable=mode == "durable"))
    say("rotation")
    rotation = await rotation_figures()
    say("budget: shared, owner killed, divided, unshared, told to stop")
    compared = await compare(Shape())
    say("signing")
    access = {"signing": signing_figures(), "budgetDecisionUs": await decision_figures(), "rotation": rotation}
    show({**_result(runs), **access, "budget": compared}, notes=_notes(orders))


async def _plain(installation: Running, runs: Runs, orders: int, *, with_bad: bool) -> None:
    await warm_up(installation)
    runs.add("fsync", await asyncio.to_thread(fsync_ms, installation.supervisor.home))
    for name, figures in (
        await jetstream_figures(installation.nats_url, calls=FLOOR_CALLS, messages=FLOOR_MESSAGES)
    ).items():
        runs.add(name, figures)
    runs.add("aiohttp", await aiohttp_figures(installation, calls=PEER_CALLS, orders=PEER_ORDERS))
    runs.add("ccxt", await ccxt_figures(installation, calls=PEER_CALLS, orders=PEER_ORDERS))
    await _ours(installation, runs, orders, prefix="")
    if with_bad:
        runs.add("bad", await bad_input(installation, good=GOOD_ORDERS, per_second=GOOD_PER_SECOND))


async def _traced(runs: Runs, orders: int, *, durable: bool) -> None:
    async with _receiver() as url, running(durable=durable, environment=_tracing_to(url)) as installation:
        await warm_up(installation)
        await _ours(installation, runs, orders, prefix="traced ")


async def _ours(installation: Running, runs: Runs, orders: int, *, prefix: str) -> None:
    steady = await latency(installation, count=STEADY_ORDERS, per_second=STEADY_PER_SECOND)
    runs.add(f"{prefix}ledger", steady.to_ledger)
    runs.add(f"{prefix}wire", steady.to_wire)
    runs.add(f"{prefix}acknowledged", steady.to_acknowledged)
    sustained = await sustain(installation, orders)
    runs.add(f"{prefix}orders", {"perSecond": sustained.orders_per_second})
    runs.add(f"{prefix}cpu", sustained.cpu)
    runs.add(f"{prefix}memory", sustained.memory)


def _tracing_to(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url}


@asynccontextmanager
async def _receiver() -> AsyncGenerator[str, None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.receiver", stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise RuntimeError("no pipe to the receiver of spans")
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        received, _ = await process.communicate()
    if int(received) == 0:
        raise RuntimeError("tracing was on, and no span was received")


def _result(runs: Mapping[str, Runs]) -> dict[str, Any]:
    """One entry a figure, each with both modes."""
    by_mode = {mode: _figures_of(runs[mode]) for mode in MODES}
    return {name: {mode: by_mode[mode][name] for mode in MODES} for name in by_mode[MODES[0]]}


def _figures_of(runs: Runs) -> dict[str, Any]:
    wire, ccxt, floor = runs.median("wire"), runs.median("ccxt"), runs.median("aiohttp")
    rate = runs.median("orders")["perSecond"]
    traced_wire, traced_rate = runs.median("traced wire"), runs.median("traced orders")["perSecond"]
    ack, delivery, bad, cpu = runs.median("ack"), runs.median("delivery"), runs.median("bad"), runs.median("cpu")
    return {
        "intentToWireMs": wire,
        "intentToApprovedMs": runs.median("ledger"),
        "intentToAcknowledgedMs": runs.median("acknowledged"),
        "ccxtCallToWireMs": {name: ccxt[name] for name in ("p50", "p99")},
        "ordersPerSecond": rate,
        "ccxtOrdersPerSecond": ccxt["perSecond"],
        "fillsPerSecond": runs.median("fills")["perSecond"],
        "tracingCostPercent": {
            "intentToWireP50": (traced_wire["p50"] / wire["p50"] - 1) * 100,
            "ordersPerSecond": (1 - traced_rate / rate) * 100,
            "cpuSecondsPer1000Orders": (sum(runs.median("traced cpu").values()) / sum(cpu.values()) - 1) * 100,
        },
        "badInput": bad,
        "floors": {
            "aiohttpCallToWireMs": {name: floor[name] for name in ("p50", "p99")},
            "aiohttpOrdersPerSecond": floor["perSecond"],
            "jetStreamPublishToAckMs": {name: ack[name] for name in ("p50", "p99")},
            "jetStreamPublishToDeliveryMs": delivery,
            "jetStreamAcksPerSecond": ack["perSecond"],
            "fsyncMs": runs.median("fsync"),
        },
        "ratios": {
            "intentToWireP99ToP50": wire["p99"] / wire["p50"],
            "intentToWireToCcxtP50": wire["p50"] / ccxt["p50"],
            "intentToWireToPublishToDeliveryP50": wire["p50"] / delivery["p50"],
            "ordersPerSecondToCcxt": rate / ccxt["perSecond"],
            "ordersPerSecondToAiohttp": rate / floor["perSecond"],
            "badInputP99": bad["p99Ratio"],
        },
        "cpuSecondsPer1000Orders": {**cpu, "all": sum(cpu.values())},
        "rssMb": runs.median("memory"),
    }


def _notes(orders: int) -> list[str]:
    return [
        f"{os.cpu_count()} CPUs. Medians of {ROUNDS} interleaved rounds, each on a fresh bus and simulator; fills and bad input: one run.",
        f"{len(ACCOUNTS)} accounts. The simulator's limits and ours raised to {CALLS_A_MINUTE:,} calls a minute, its cap and risk's on an order's",
        "notional to 1,000,000,000, balances to 10^12.",
        f"Latency: {STEADY_ORDERS} orders through the client at {STEADY_PER_SECOND:g} a second, from the start of the call of submit.",
        f"Sustained: {orders:,} orders published bare, at most 256 unfinished, until the last is terminal in the ledger.",
        f"Mix: {MIX}.",
        f"Fills: {FILL_MIX};",
        "from the arrival of a wave's first order at the simulator to its last fill at a bare subscriber.",
        f"ccxt and aiohttp: one call at a time for call -> wire, {AT_ONCE} at once for orders a second, on an account of their own.",
    ]


def say(line: str) -> None:
    """Progress, where it does not mix with the result."""
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()


def main() -> None:
    # ccxt alone brings hundreds of thousands of objects; collecting them would be measured as our latency.
    gc.collect()
    gc.freeze()
    orders = int(os.environ.get("ORDERS", str(SUSTAINED_ORDERS)))
    uvloop.run(soak(orders, say=say) if orders >= SOAK_FROM else measure(orders))


if __name__ == "__main__":
    main()
