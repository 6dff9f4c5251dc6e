"""`make demo [VENUE=zetarium|binance-spot|binance-futures|all] [ENTRY=socket]`: the main job to its end, and the proof that nothing was lost, doubled or guessed.

Starts everything on this machine on ports of its own, runs the example strategy on two accounts while the simulated venue loses some of its
answers, then compares intents, ledger, the venue's books, fills and positions. The last line is a JSON object; exit code 0 means no difference.
ENTRY=socket sends orders over the WebSocket API where the venue has one (binance-spot).
"""

import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from examples.evidence import Evidence, settle
from examples.strategy import MARKETS, Strategy
from ordergate.client import Gateway, connect
from ordergate.ports.venue import OrderEntry
from ordergate.runtime.server import free_port
from ordergate.simulator.oracle import OrderId
from ordergate.trading.errors import OrdergateError, Unavailable
from ordergate.trading.order import State
from services.development import Development, write_development
from services.supervisor import Ports, Supervisor

ACCOUNTS = ("main", "hedge")
STRATEGY = "demo"
ORDERS_PER_ACCOUNT = 110
READY_SECONDS = 30
SETTLE_SECONDS = 40
"""An unknown order is settled once window and settle of its venue have passed: 16 s at Binance."""
PROGRESS_SECONDS = 2.0
PLACE = {
    "zetarium": {OrderEntry.REST: "POST /v2/orders"},
    "binance-spot": {OrderEntry.REST: "POST /api/v3/order", OrderEntry.SOCKET: "WS order.place"},
    "binance-futures": {OrderEntry.REST: "POST /fapi/v1/order"},
}
"""The venues, and the call of each way to it that goes wrong."""
EVERY = "all"

console = Console(highlight=False, width=160)


@dataclass(slots=True)
class Progress:
    """What a subscriber has seen so far."""

    states: dict[tuple[str, str], State] = field(default_factory=dict)
    unknown: set[tuple[str, str]] = field(default_factory=set)
    fills: int = 0

    async def follow_orders(self, gateway: Gateway) -> None:
        async with gateway.orders(since_sequence=0, everyone=True) as updates:
            async for update in updates:
                order = (gateway.account, update.order.key.client_order_id)
                self.states[order] = update.order.state
                if update.order.state is State.UNKNOWN:
                    self.unknown.add(order)

    async def follow_fills(self, gateway: Gateway) -> None:
        async with gateway.fills(since_sequence=0) as fills:
            async for _fill in fills:
                self.fills += 1

    def line(self) -> str:
        counts = Counter(self.states.values())
        told = "  ".join(f"{state} {count}" for state, count in sorted(counts.items()))
        return f"orders {len(self.states):>3}   fills {self.fills:>4}   {told}"


async def main(venue: str, entry: OrderEntry | None) -> int:
    """entry None: as each venue declares first. 0: no difference. 1: a difference, which is named, or a part that could not be started. The last line is the result as JSON."""
    if venue != EVERY:
        code, summary = await _play(venue, entry)
        print(json.dumps(summary))
        return code
    played = {each: await _play(each, None) for each in PLACE}
    summaries = {each: summary for each, (_, summary) in played.items()}
    differences = [summary["differences"] for summary in summaries.values()]
    known = None if None in differences else sum(differences)
    print(json.dumps({"venues": summaries, "differences": known}))
    return max(code for code, _ in played.values())


async def _play(venue: str, entry: OrderEntry | None) -> tuple[int, dict[str, Any]]:
    began = time.monotonic()
    console.print(f"venue {venue}" + (f", orders by {entry}" if entry else ""))
    with _home() as folder:
        supervisor = _supervisor(folder, venue, entry)
        try:
            await supervisor.start()
            await supervisor.ready(limit_seconds=READY_SECONDS)
            _say_where(supervisor, time.monotonic() - began)
            progress, evidence, cancels = await _run(supervisor, venue, began)
        except OrdergateError as error:
            console.print(f"the demo could not run: {error}")
            return 1, {"differences": None, "error": str(error)}
        finally:
            await supervisor.stop()
    _print_table(evidence)
    for difference in evidence.differences:
        console.print(f"[{difference.promise}] {difference.account} {difference.client_order_id}: {difference.what}")
    summary = _summary(progress, evidence, cancels, supervisor, time.monotonic() - began)
    return (1 if evidence.differences else 0), {"venue": venue, **({"entry": entry} if entry else {}), **summary}


@contextmanager
def _home() -> Iterator[Path]:
    """ORDERGATE_HOME, which is kept to be looked at, or a folder that goes with the demo."""
    kept = os.environ.get("ORDERGATE_HOME")
    if kept:
        yield Path(kept).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="ordergate-demo-") as folder:
        yield Path(folder)


def _supervisor(home: Path, venue: str, entry: OrderEntry | None) -> Supervisor:
    ports = Ports(nats=0, simulator=free_port(), health=0)
    development = Development(
        venue=venue,
        accounts=ACCOUNTS,
        symbols=[market.symbol for market in MARKETS],
        risk={"max_order_notional": 200_000, "max_open_orders": 100, "self_trade": False},
        simulator={"seed": 7},
        order_entry=entry,
    )
    written = write_development(home, development, simulator_port=ports.simulator)
    return Supervisor(home=home, installation=written.installation, simulator_document=written.simulator, ports=ports)


def _faults(venue: str) -> dict[str, Any]:
    """The venue executes and then says nothing, or says 503; now and then it cuts the connection before it has read a thing."""
    rules: list[dict[str, Any]] = [
        {"kind": "answer_lost", "rate": 0.03},
        {"kind": "error_after_execution", "rate": 0.03, "status": 503},
        {"kind": "reset", "rate": 0.02, "phase": "before"},
    ]
    return {"seed": 11, "rules": [{**rule, "call": call} for call in PLACE[venue].values() for rule in rules]}


async def _run(supervisor: Supervisor, venue: str, began: float) -> tuple[Progress, Evidence, int]:
    await asyncio.to_thread(_post, f"{supervisor.simulator_url}/simulator/faults", _faults(venue))
    async with AsyncExitStack() as stack:
        gateways = [
            await stack.enter_async_context(
                connect(supervisor.nats_url, venue=venue, account=account, strategy=STRATEGY, limit_seconds=30)
            )
            for account in ACCOUNTS
        ]
        strategies = [Strategy(gateway, seed, ORDERS_PER_ACCOUNT) for seed, gateway in enumerate(gateways)]
        progress = Progress()
        followers = [
            asyncio.create_task(follow(gateway))
            for gateway in gateways
            for follow in (progress.follow_orders, progress.follow_fills)
        ]
        teller = asyncio.create_task(_tell(progress, began))
        failure = asyncio.create_task(supervisor.failed())
        job = asyncio.create_task(_job(strategies, supervisor))
        await asyncio.wait({job, failure}, return_when=asyncio.FIRST_COMPLETED)
        for task in (teller, *followers):
            task.cancel()
        await asyncio.gather(teller, *followers, return_exceptions=True)
        if not job.done():
            job.cancel()
            raise Unavailable(failure.result())
        failure.cancel()
        return progress, job.result(), sum(strategy.cancels for strategy in strategies)


async def _job(strategies: Sequence[Strategy], supervisor: Supervisor) -> Evidence:
    await asyncio.gather(*(strategy.run() for strategy in strategies))
    await asyncio.to_thread(_post, f"{supervisor.simulator_url}/simulator/faults", {"rules": []})
    console.print("        everything is placed; what still rests is canceled, then the books are compared")
    await asyncio.gather(*(strategy.finish() for strategy in strategies))
    placed: list[OrderId] = [
        (strategy.gateway.account, ticket.client_order_id)
        for strategy in strategies
        for ticket in strategy.placed
        if ticket.client_order_id is not None
    ]
    return await settle(
        [strategy.gateway for strategy in strategies],
        placed,
        supervisor.simulator_url,
        limit_seconds=SETTLE_SECONDS,
    )


async def _tell(progress: Progress, began: float) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        console.print(f"{time.monotonic() - began:5.0f} s  {progress.line()}")


def _say_where(supervisor: Supervisor, seconds: float) -> None:
    console.print(f"{seconds:5.1f} s  ready: bus {supervisor.nats_url}, simulator {supervisor.simulator_url}")
    told = "  ".join(f"{name} {pid}" for name, pid in supervisor.pids().items())
    console.print(f"         processes: {told}")


def _final_states(evidence: Evidence) -> Counter[str]:
    return Counter(str(history[-1].state) for history in evidence.story.histories.values())


def _print_table(evidence: Evidence) -> None:
    states = Table(title="orders by final state", title_justify="left")
    states.add_column("state")
    states.add_column("orders", justify="right")
    for state, count in sorted(_final_states(evidence).items()):
        states.add_row(state, str(count))
    console.print(states)
    positions = Table(title="positions", title_justify="left")
    for name in ("account", "symbol", "ours", "the venue's", "fills", "realised", "fees"):
        positions.add_column(name, justify="left" if name in {"account", "symbol"} else "right")
    for position in sorted(evidence.positions, key=lambda each: (each.account, each.symbol)):
        positions.add_row(
            position.account,
            position.symbol,
            f"{position.quantity:f}",
            f"{_venue_quantity(evidence, position.account, position.symbol):f}",
            str(position.fill_count),
            f"{position.realised_pnl:.2f}",
            f"{sum(position.fees.values(), Decimal(0)):.2f}",
        )
    console.print(positions)


def _venue_quantity(evidence: Evidence, account: str, symbol: str) -> Decimal:
    held = (
        quantity
        for (owner, name, _side), quantity in evidence.story.books.positions.items()
        if (owner, name) == (account, symbol)
    )
    return sum(held, Decimal(0))


def _summary(
    progress: Progress, evidence: Evidence, cancels: int, supervisor: Supervisor, seconds: float
) -> dict[str, Any]:
    last = {order: history[-1] for order, history in evidence.story.histories.items()}
    was_unknown = {order for order, history in evidence.story.histories.items() if _was_unknown(history)}
    resolved = sum(1 for order in was_unknown if last[order].state.is_terminal)
    return {
        "orders": len(evidence.story.placed),
        "states": dict(sorted(_final_states(evidence).items())),
        "cancelsAsked": cancels,
        "venueOrders": len(evidence.story.books.orders),
        "venueTrades": len(evidence.story.books.trades),
        "fills": len(evidence.fills),
        "fillsInferred": sum(1 for fill in evidence.fills if fill.inferred and not fill.is_reversal),
        "fillsSeenLive": progress.fills,
        "unknowns": len(was_unknown),
        "unknownsResolved": resolved,
        "realisedProfit": f"{sum((p.realised_pnl for p in evidence.positions), Decimal(0)):.2f}",
        "processStarts": {name: part.starts for name, part in supervisor.parts.items()},
        "seconds": round(seconds, 1),
        "differences": len(evidence.differences),
    }


def _was_unknown(history: Sequence[Any]) -> bool:
    return any(order.state is State.UNKNOWN for order in history)


def _post(url: str, document: dict[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - the simulator on this machine
        url, json.dumps(document).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        answer.read()


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else next(iter(PLACE))
    if wanted not in {*PLACE, EVERY}:
        sys.exit(f"no venue {wanted!r} to play at; there are {', '.join(PLACE)} and {EVERY}")
    way = os.environ.get("ENTRY") or None
    if way is not None and way not in PLACE.get(wanted, {}):
        sys.exit(f"{wanted} takes no orders by {way!r}; there are {', '.join(PLACE.get(wanted, {})) or 'none for all'}")
    sys.exit(asyncio.run(main(wanted, None if way is None else OrderEntry(way))))
