"""`python -m bench.rotation`: the trading key of every account changes while orders go out at a steady rate; what the orders notice of it."""

import asyncio
import json
import shutil
import sys
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import uvloop

from bench.figures import NS_PER_MS, Figures, now_ns
from bench.installation import ACCOUNTS, VENUE, Running, running
from bench.load import LIMIT_SECONDS, Unfinished, submit_steadily, warm_up
from bench.orders import STRATEGY, plan, watching
from bench.report import rounded
from ordergate.access.keys import read_key
from ordergate.access.keys.rotation import KeyState
from ordergate.client import connect
from ordergate.runtime import connection
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.ids import AccountName, VenueName
from ordergate.trading.order import State
from ordergate.wire import keys
from ordergate.wire.messages import KeyStatement
from ordergate.wire.streams import LEASES, ORDER_SUBMISSION

PER_SECOND = 50.0
ORDERS = 400
CHANGED_AFTER_SECONDS = 3.0
NEAR_SECONDS = 1.5
"""Around the change: the new key is verified and takes over within that."""
TAKEN_OVER_SECONDS = 20.0
DELAY_MS_MAX = 100.0


async def rotation_figures() -> Figures:
    """ms from submit to the wire: the slowest order near the change, of the others, and the one minus the other; and how many were refused."""
    async with running(durable=False, replicas=2) as installation:
        await warm_up(installation)
        return await _measure(installation)


async def _measure(installation: Running) -> Figures:
    planned = plan(ORDERS)
    _, arrived_before = await installation.arrivals()
    async with AsyncExitStack() as stack:
        gateways = {
            account: await stack.enter_async_context(
                connect(installation.nats_url, venue=VENUE, account=account, strategy=STRATEGY)
            )
            for account in ACCOUNTS
        }
        watcher = await stack.enter_async_context(watching(installation.nats_url, only_ends=True))
        changing = asyncio.ensure_future(_change(installation))
        began = await submit_steadily(gateways, planned, per_second=PER_SECOND)
        if not await watcher.until(lambda: watcher.ended >= ORDERS, limit_seconds=LIMIT_SECONDS):
            raise Unfinished(f"{watcher.ended} of {ORDERS} orders ended")
        changed_ns, over_ns = await changing
    arrivals, _ = await installation.arrivals(after=arrived_before)
    took = {name: (arrivals[name] - at_ns) / NS_PER_MS for name, at_ns in began.items() if name in arrivals}
    margin_ns = int(NEAR_SECONDS * 1e9)
    near = {name for name in took if changed_ns - margin_ns <= began[name] <= over_ns + margin_ns}
    slowest_near = max(took[name] for name in near)
    slowest_other = max(took[name] for name in took.keys() - near)
    return {
        "orders": len(planned),
        "refused": len(planned) - len(watcher.seen[State.FILLED]),
        "takenOverMs": (over_ns - changed_ns) / NS_PER_MS,
        "slowestNearMs": slowest_near,
        "slowestOtherMs": slowest_other,
        "delayMs": max(0.0, slowest_near - slowest_other),
    }


async def _change(installation: Running) -> tuple[int, int]:
    """Put another key in the place of each; when (ns) that was, and when the last of them signed."""
    await asyncio.sleep(CHANGED_AFTER_SECONDS)
    fresh = {}
    changed_ns = now_ns()
    for account in ACCOUNTS:
        file = installation.supervisor.home / "keys" / f"{account}-{ORDER_SUBMISSION}.json"
        fresh[account] = _put(file, file.with_name(f"{file.stem}-2.json"))
    bus = await connection.connect(installation.nats_url, service="bench")
    try:
        async with asyncio.timeout(TAKEN_OVER_SECONDS):
            await asyncio.gather(*(_signing(bus, account, key_id) for account, key_id in fresh.items()))
    finally:
        await bus.close()
    return changed_ns, now_ns()


def _put(file: Path, other: Path) -> str:
    """Whole, by a rename, as a secret volume changes. The id of the key that is there now."""
    written = file.with_suffix(".fresh")
    shutil.copy(other, written)
    written.replace(file)
    return str(read_key(file).id)


async def _signing(bus: connection.Bus, account: str, key_id: str) -> None:
    pattern = keys.signing_keys(VenueName(VENUE), AccountName(account), ORDER_SUBMISSION, "-").removesuffix("-") + "*"
    async with aclosing(BusShelf(bus, bucket=LEASES).watch(pattern)) as changes:
        async for change in changes:
            if change is None or change[1] is None:
                continue
            said = KeyStatement.of(change[1]).keys
            if any(key.id == key_id and key.state == KeyState.ACTIVE for key in said):
                return


def main() -> None:
    figures = uvloop.run(rotation_figures())
    kept = figures["refused"] == 0 and figures["delayMs"] <= DELAY_MS_MAX
    sys.stdout.write(f"{'as wanted' if kept else f'refused, or delayed by more than {DELAY_MS_MAX:g} ms'}\n")
    sys.stdout.write(json.dumps({"rotation": rounded(figures)}) + "\n")


if __name__ == "__main__":
    main()
