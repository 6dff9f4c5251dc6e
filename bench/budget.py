"""`python -m bench.budget`: four processes on one key at three times the venue's limit, with the budget shared, divided, and not spoken about.

The simulator counts as the venue does, in windows of WINDOW_MS instead of a minute; `shared` once more with the owner of the budget killed twice.
Then a 429, and a 418, that one of the processes is given in mid-window: what arrives until its Retry-After, from STOPPED_MS after it on.
The last line is the result as JSON. ORDERGATE_WINDOW_MS, ORDERGATE_WINDOWS: other windows, other number of them.
"""

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.budget_worker import ACCOUNT, Task
from bench.decisions import decision_figures
from bench.figures import quantile
from ordergate.runtime.connection import connect
from ordergate.runtime.provision import provision, resources
from ordergate.runtime.server import EmbeddedServer
from ordergate.simulator.app import Simulator, running_simulator
from ordergate.simulator.faults import FaultPlan
from ordergate.wire import streams

LIMIT = 1_000
WINDOW_MS = 4_000
WINDOWS = 3
LEAD_MS = 200
"""From when all are ready to the first window that counts, at least."""
KILLS = (0.35, 1.35)
"""When the owner is killed, in windows after the first has begun."""
STOP_AT = 0.3
"""When one process is told to stop, in windows after the first has begun."""
STOP_SECONDS = 3
STOPPED_MS = 50
STOPS: Mapping[str, int] = {"rate_limited": 429, "banned": 418}
PLANNED = 0.8
READY = b"ready"
OWNER = "order_submission"

# Of the limit, in each window; together three times the limit. Who needs how much is not what the shares foresaw: it never is.
LOADS: Mapping[str, Mapping[str, float]] = {
    OWNER: {"PLACE": 1.05, "CANCEL": 0.06},
    "status_polling": {"RESOLVE": 0.04, "POLL": 1.75},
    "fill_streaming": {"RECONCILE": 0.05},
    "position_tracking": {"RECONCILE": 0.05},
}
SHARES = {OWNER: 0.46, "status_polling": 0.22, "fill_streaming": 0.24, "position_tracking": 0.08}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """limit: requests a window; half as many orders."""

    limit: int = LIMIT
    window_ms: int = WINDOW_MS
    windows: int = WINDOWS

    @property
    def limits(self) -> dict[str, int]:
        return {"requests": self.limit, "orders": self.limit // 2}


@dataclass(slots=True)
class Seen:
    """What the processes told, all together."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)
    unsent: dict[str, int] = field(default_factory=dict)

    def add(self, told: Mapping[str, Any]) -> None:
        for name, waits in told["waits"].items():
            self.waits.setdefault(name, []).extend(waits)
        for into, what in ((self.denied, told["denied"]), (self.unsent, told["unsent"])):
            for name, count in what.items():
                into[name] = into.get(name, 0) + count


class Processes:
    """The workers of one run."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = tasks
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, service: str, *, replaces: bool = False) -> None:
        """Return when it is ready: it knows the venue's clock, and, if it is the owner and not a replacement, owns the budget."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.budget_worker",
            json.dumps(asdict(replace(self._tasks[service], replaces=replaces))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            limit=64 * 1024 * 1024,
        )
        self._processes[service] = process
        if process.stdout is None:
            raise RuntimeError("no pipe to the worker")
        while (line := await process.stdout.readline()).strip() != READY:
            if not line:
                raise RuntimeError(f"{service} did not start")

    def begin(self, service: str, begin_ms: int) -> None:
        """It works from then on."""
        stdin = self._processes[service].stdin
        if stdin is not None:
            stdin.write(f"{begin_ms}\n".encode())

    async def kill(self, service: str) -> None:
        process = self._processes[service]
        process.kill()
        await process.wait()

    async def results(self) -> list[dict[str, Any]]:
        return [json.loads(await self._result(process)) for process in self._processes.values()]

    @staticmethod
    async def _result(process: asyncio.subprocess.Process) -> bytes:
        output, _ = await process.communicate()
        # Before it there may be lines of a log.
        return next(line for line in reversed(output.splitlines()) if line.startswith(b"{"))

    async def end(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()


async def measure(mode: str, shape: Shape, *, kills: Sequence[float] = (), stop: str | None = None) -> dict[str, Any]:
    """One run on a fresh simulator and bus. stop: one of STOPS, given to who resolves unknowns."""
    key = {"key": f"zd_{secrets.token_hex(20)}", "secret": secrets.token_hex(32)}
    config = {
        "accounts": [{"account": ACCOUNT, "keys": [{**key, "permissions": ["TRADE"]}]}],
        "limits": {**shape.limits, "windowMs": shape.window_ms},
        "flow": {"enabled": False},
    }
    with tempfile.TemporaryDirectory() as home:
        server = EmbeddedServer(Path(home), sync_always=False)
        await asyncio.to_thread(server.start)
        try:
            await _provision(server.url)
            async with running_simulator(config) as simulator:
                tasks = {
                    service: _task(mode, service, shape, url=simulator.url, nats_url=server.url, key=key)
                    for service in LOADS
                }
                return await _run(Processes(tasks), simulator, shape, kills, stop)
        finally:
            await asyncio.to_thread(server.stop)


def _task(mode: str, service: str, shape: Shape, *, url: str, nats_url: str, key: Mapping[str, str]) -> Task:
    return Task(
        mode=mode,
        service=service,
        url=url,
        nats_url=nats_url,
        slot=list(LOADS).index(service),
        slots=len(LOADS),
        key=key["key"],
        secret=key["secret"],
        limits=shape.limits,
        window_ms=shape.window_ms,
        windows=shape.windows,
        share=1.0 if mode == "unshared" else SHARES[service],
        per_window={name: part * shape.limit for name, part in LOADS[service].items()},
    )


async def _run(
    processes: Processes, simulator: Simulator, shape: Shape, kills: Sequence[float], stop: str | None
) -> dict[str, Any]:
    seen = Seen()
    try:
        await asyncio.gather(*(processes.start(service) for service in LOADS))
        ready_ms = time.time_ns() // 1_000_000
        begin_ms = ((ready_ms + LEAD_MS) // shape.window_ms + 1) * shape.window_ms
        for service in LOADS:
            processes.begin(service, begin_ms)
        if stop is not None:
            await _sleep_until(begin_ms + int(STOP_AT * shape.window_ms))
            rule = {"kind": stop, "call": "GET /v2/orders", "times": 1, "retryAfterSeconds": STOP_SECONDS}
            simulator.faults.replace(FaultPlan.model_validate({"rules": [rule]}))
        for after in kills:
            await _sleep_until(begin_ms + int(after * shape.window_ms))
            await processes.kill(OWNER)
            await processes.start(OWNER, replaces=True)
            processes.begin(OWNER, begin_ms)
        for told in await processes.results():
            seen.add(told)
    finally:
        await processes.end()
    return _stopped(simulator, stop) if stop is not None else _figures(simulator, shape, begin_ms, seen)


def _stopped(simulator: Simulator, stop: str) -> dict[str, Any]:
    """What came to the venue between its word and the end of Retry-After. last_ms: after its word."""
    arrivals = [(first_byte_ns, status) for _, first_byte_ns, _, _, status in simulator.arrivals.after(0)]
    said_ns = next(first_byte_ns for first_byte_ns, status in arrivals if status == STOPS[stop])
    after_ms = [(first_byte_ns - said_ns) / 1e6 for first_byte_ns, _ in arrivals if first_byte_ns > said_ns]
    until = [each for each in after_ms if each < STOP_SECONDS * 1_000]
    return {
        "calls_before": len(arrivals) - len(after_ms) - 1,
        "calls_later_than_50_ms": sum(each > STOPPED_MS for each in until),
        "last_ms": round(max(until, default=0.0), 2),
        "calls_afterwards": len(after_ms) - len(until),
    }


async def _sleep_until(at_ms: int) -> None:
    await asyncio.sleep(max(0.0, at_ms / 1_000 - time.time()))


def _figures(simulator: Simulator, shape: Shape, begin_ms: int, seen: Seen) -> dict[str, Any]:
    counted = [window for window in simulator.venue.limits.windows() if window.scope == "account"]
    ours = [
        window
        for window in counted
        if window.bucket == "requests" and begin_ms <= window.start_ms < begin_ms + shape.windows * shape.window_ms
    ]
    used = sum(window.used - window.refused for window in ours)
    cancels, resolves = seen.waits.get("CANCEL", [0.0]), seen.waits.get("RESOLVE", [0.0])
    return {
        "refused": sum(window.refused for window in counted),
        "used_of_planned": round(used / (shape.windows * shape.limit * PLANNED), 3),
        "used": [window.used for window in ours],
        "cancel_wait_p99_ms": quantile(cancels, 0.99),
        "resolve_wait_p99_ms": quantile(resolves, 0.99),
        "resolve_wait_max_ms": max(resolves),
        "cancels": len(cancels),
        "cancels_denied": seen.denied.get("CANCEL", 0),
        "resolves": len(resolves),
        "resolves_denied": seen.denied.get("RESOLVE", 0),
        "sent": {name: len(waits) for name, waits in sorted(seen.waits.items())},
        "unsent": seen.unsent,
    }


async def _provision(url: str) -> None:
    bus = await connect(url, service="bench")
    await provision(bus.jetstream, resources(streams=streams.streams(), buckets=streams.buckets(), consumers=()))
    await bus.close()


async def compare(shape: Shape) -> dict[str, Any]:
    """All of them, one after the other."""
    return {
        "shared": await measure("shared", shape),
        "sharedOwnerKilled": await measure("shared", shape, kills=KILLS),
        "divided": await measure("divided", shape),
        "unshared": await measure("unshared", shape),
        "told429": await measure("shared", shape, stop="rate_limited"),
        "told418": await measure("shared", shape, stop="banned"),
    }


async def _all(shape: Shape) -> dict[str, Any]:
    return {**await compare(shape), "decisionUs": await decision_figures()}


def main() -> None:
    shape = Shape(
        window_ms=int(os.environ.get("ORDERGATE_WINDOW_MS", str(WINDOW_MS))),
        windows=int(os.environ.get("ORDERGATE_WINDOWS", str(WINDOWS))),
    )
    result = asyncio.run(_all(shape))
    for name, figures in result.items():
        sys.stdout.write(f"{name:<18} {json.dumps(figures)}\n")
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
