"""One process of `python -m bench.budget`: calls at a steady rate, whatever comes back, through the budget it is told to use.

It reads its task from its first argument, says `ready`, reads from its input when to begin (ms since 1970), and prints what it saw as JSON.
"""

import asyncio
import json
import random
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.figures import spread
from ordergate.access.budget import Scope
from ordergate.access.clock import Slot
from ordergate.access.keys import make_key
from ordergate.access.opening import Opening, ShareBudget
from ordergate.access.session import Call, Patience, RequestRecord, Session
from ordergate.access.upkeep import Rhythm
from ordergate.ports.venue import Priority
from ordergate.runtime.budget import Member
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import connect
from ordergate.runtime.shared_budgets import SharedBudgets
from ordergate.trading.ids import AccountName, VenueName
from ordergate.venues.registry import open_trading
from ordergate.venues.zetarium import limits
from ordergate.venues.zetarium.client import ZetariumTrading
from ordergate.wire import subjects

VENUE, ACCOUNT, ADDRESS = VenueName("zetarium"), AccountName("main"), "here"
READS = {
    Priority.RESOLVE: "/v2/orders",
    Priority.RECONCILE: "/v2/futures/balance",
    Priority.POLL: "/v2/positions",
}
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "64250.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """per_window: calls wanted in each window, by priority. mode: shared, divided, unshared. slot: this process's part of the key's milliseconds.
    replaces: another that was killed in mid-run.
    """

    mode: str
    service: str
    url: str
    nats_url: str
    key: str
    secret: str
    limits: Mapping[str, int]
    window_ms: int
    windows: int
    share: float
    per_window: Mapping[str, float]
    slot: int
    slots: int
    replaces: bool = False


@dataclass(slots=True)
class Saw:
    """waits: how long each call that went out waited for budget, ms, by priority."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)
    throttled: int = 0
    unsent: dict[str, int] = field(default_factory=dict)


class Worker:
    def __init__(self, task: Task, session: Session, saw: Saw) -> None:
        self._task = task
        self._session = session
        self._saw = saw
        self._numbers = 0

    async def work(self, begin_ms: int, clock: SystemClock) -> None:
        """All priorities beside each other, from begin_ms on; what is under way in the end is given up."""
        await clock.sleep(max(0.0, (begin_ms - clock.now_ms()) / 1_000))
        end_ms = begin_ms + self._task.windows * self._task.window_ms
        async with asyncio.TaskGroup() as group:
            for name, count in self._task.per_window.items():
                group.create_task(self._keep_calling(Priority[name], count, end_ms, clock))

    async def _keep_calling(self, priority: Priority, count: float, end_ms: int, clock: SystemClock) -> None:
        pause = self._task.window_ms / count / 1_000
        calls: set[asyncio.Task[None]] = set()
        next_at = clock.monotonic() + pause * random.random()
        while clock.now_ms() < end_ms:
            await clock.sleep(max(0.0, next_at - clock.monotonic()))
            next_at += pause
            call = asyncio.ensure_future(self._call(priority))
            calls.add(call)
            call.add_done_callback(calls.discard)
        for call in list(calls):
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _call(self, priority: Priority) -> None:
        self._numbers += 1
        window_seconds = self._task.window_ms / 1_000
        await self._session.change(self._make(priority), deadline_seconds=window_seconds)

    def _make(self, priority: Priority) -> Call:
        if priority is Priority.PLACE:
            body = json.dumps({**ORDER, "clientOrderId": f"{self._task.key[-8:]}-{self._numbers}"}).encode()
            return Call(
                method="POST", path="/v2/orders", purpose="place", priority=priority, weights=limits.PLACE, body=body
            )
        if priority is Priority.CANCEL:
            return Call(
                method="DELETE", path="/v2/orders/1", purpose="cancel", priority=priority, weights=limits.CANCEL
            )
        return Call(method="GET", path=READS[priority], purpose="read", priority=priority, weights=limits.READ)


async def run(task: Task) -> None:
    clock, saw = SystemClock(), Saw()
    bus = await connect(task.nats_url, service=task.service) if task.mode == "shared" else None
    budgets: SharedBudgets | None = None
    journal: Callable[[RequestRecord], None] = _journal(saw)
    background: set[asyncio.Task[None]] = set()
    budget: ShareBudget | None = None
    if bus is not None:
        instance = f"{task.service}-{random.SystemRandom().randrange(1_000_000)}"
        member = Member(service=task.service, instance=instance, may_own=task.service == "order_submission")
        budgets = SharedBudgets(bus, member=member, address=ADDRESS, clock=clock)
        budget = budgets.of(VENUE, ACCOUNT)
        subject = subjects.requests(VENUE, ACCOUNT, task.service)
        publish = bus.client.post

        def tell(record: RequestRecord) -> None:
            _journal(saw)(record)
            publish(subject, _audit(record, task.service))

        journal = tell
    client = open_trading(
        VENUE,
        Opening(
            url=task.url,
            clock=clock,
            record=journal,
            draw=random.random,
            key=make_key(public=task.key, secret=task.secret),
            request_share=task.share,
            limits={Scope(name): limit for name, limit in task.limits.items()},
            window_ms=task.window_ms,
            budget=budget,
            patience=Patience(request_seconds=5.0),
            rhythm=Rhythm(clock_seconds=600.0),
            slot=Slot(task.slot, task.slots),
            rest_ms=500 if task.replaces else 0,
        ),
    )
    if not isinstance(client, ZetariumTrading):
        raise TypeError("the bench knows this venue's calls only")
    if budgets is not None:
        background.add(asyncio.ensure_future(budgets.run()))
    await client.start(timeout_seconds=10.0)
    if budgets is not None and task.service == "order_submission" and not task.replaces:
        await _until_owner(budgets, clock)
    _say("ready")
    begin_ms = int(await asyncio.to_thread(sys.stdin.readline))
    await Worker(task, client.session, saw).work(begin_ms, clock)
    if budgets is not None:
        saw.unsent["alone"] = sum(pool.counts.alone for pool in budgets.pools)
    _say(json.dumps(_result(saw)))
    for each in background:
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
    await client.close()
    if bus is not None:
        await bus.close()


async def _until_owner(budgets: SharedBudgets, clock: SystemClock) -> None:
    while not all(pool.is_owner for pool in budgets.pools):
        await clock.sleep(0.02)


def _journal(saw: Saw) -> Callable[[RequestRecord], None]:
    def note(record: RequestRecord) -> None:
        name = _name_of(record)
        if record.outcome == "not_sent":
            saw.denied[name] = saw.denied.get(name, 0) + 1
            saw.unsent[record.reason or ""] = saw.unsent.get(record.reason or "", 0) + 1
            return
        saw.waits.setdefault(name, []).append(record.waited_ms)
        saw.throttled += record.outcome == "throttled"

    return note


def _name_of(record: RequestRecord) -> str:
    if record.method != "GET":
        return "PLACE" if record.method == "POST" else "CANCEL"
    return next((priority.name for priority, path in READS.items() if path == record.path), "PUBLIC")


def _audit(record: RequestRecord, service: str) -> bytes:
    return json.dumps(
        {
            "schema": 1,
            "venue": VENUE,
            "account": ACCOUNT,
            "service": service,
            "atMs": record.at_ms,
            "latencyMs": round(record.latency_ms or 0),
            "outcome": record.outcome,
            "weights": {scope.value: weight for scope, weight in record.weights.items()},
        }
    ).encode()


def _result(saw: Saw) -> dict[str, Any]:
    return {
        "waits": saw.waits,
        "denied": saw.denied,
        "throttled": saw.throttled,
        "unsent": saw.unsent,
        "spread": {name: spread(waits) for name, waits in saw.waits.items() if waits},
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    work: Coroutine[Any, Any, None] = run(Task(**json.loads(sys.argv[1])))
    uvloop.run(work)


if __name__ == "__main__":
    main()
