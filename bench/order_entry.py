"""`python -m bench.order_entry`: the same orders and cancels over REST and over the WebSocket API, from the write-ahead's yes to the answer read.

The simulator is another process on this machine and speaks without TLS. Both ways take turns, in pairs whose first changes; one order under way, then several
at once. The last line is the result as JSON, in ms; docs/benchmarks.md says what it means.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import uvloop

from bench.figures import NS_PER_MS, Figures, spread
from bench.installation import ROOT
from ordergate.access.budget import Scope
from ordergate.access.keys import make_key
from ordergate.access.opening import Opening
from ordergate.ports.venue import Executed, OrderEntry, Outcome
from ordergate.runtime.clock import SystemClock
from ordergate.simulator.app import running_simulator
from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, KeyId, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderKey, OrderRequest, OrderType, Side, Terms
from ordergate.venues.registry import OpenTrading, open_trading

PUBLIC, SECRET = "bench-of-order-entry", "5e" * 32
MUCH = 1_000_000
PAIRS = 1_000
WARM_UP = 100
AT_ONCE = 8
VENUE, SYMBOL = VenueName("binance-spot"), Symbol("BTCUSDT")
CONFIGURATION = {
    "seed": 1,
    "dialect": "binance-spot",
    "flow": {"enabled": False},
    "binanceLimits": {"orders10S": MUCH, "orders1D": MUCH, "weight1M": MUCH},
    "accounts": [{"account": "main", "balance": "100000000", "keys": [{"key": PUBLIC, "secret": SECRET}]}],
}


class Unexpected(RuntimeError):
    """An order was not taken."""


@dataclass(slots=True)
class Way:
    """One way to the venue and what it took there."""

    entry: OrderEntry
    client: OpenTrading
    placed_ms: list[float] = field(default_factory=list)
    canceled_ms: list[float] = field(default_factory=list)
    orders: int = 0

    async def trade(self) -> None:
        """One order that rests, and its cancel."""
        self.orders += 1
        began = 0

        async def write_ahead(_: int, __: KeyId) -> bool:
            nonlocal began
            began = time.perf_counter_ns()
            return True

        outcome = await self.client.place(self._request(), write_ahead=write_ahead, deadline_seconds=5.0)
        self.placed_ms.append((time.perf_counter_ns() - began) / NS_PER_MS)
        view = _done(outcome).view
        if view is None:
            raise Unexpected("an order without a view")
        began = time.perf_counter_ns()
        _done(await self.client.cancel(SYMBOL, venue_order_id=view.venue_order_id))
        self.canceled_ms.append((time.perf_counter_ns() - began) / NS_PER_MS)

    def forget(self) -> None:
        self.placed_ms.clear()
        self.canceled_ms.clear()

    def figures(self) -> dict[str, Figures]:
        return {"place": spread(self.placed_ms), "cancel": spread(self.canceled_ms)}

    def _request(self) -> OrderRequest:
        name = ClientOrderId(f"{self.entry}-{self.orders}")
        return OrderRequest(
            key=OrderKey(venue=VENUE, account=AccountName("main"), symbol=SYMBOL, client_order_id=name),
            strategy=StrategyName("bench"),
            intent_id=IntentId(name),
            request_hash="",
            terms=Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal("0.010"), price=Decimal(60_000)),
            created_at_ms=0,
            valid_for_ms=60_000,
        )


def _done(outcome: Outcome) -> Executed:
    if not isinstance(outcome, Executed):
        raise Unexpected(str(outcome))
    return outcome


async def measure(url: str) -> dict[str, dict[str, dict[str, Figures]]]:
    ways = [await _open(entry, url) for entry in OrderEntry]
    result = {}
    try:
        await _rounds(ways, WARM_UP, 1)
        for name, at_once in (("oneAtATime", 1), (f"{AT_ONCE}AtOnce", AT_ONCE)):
            for way in ways:
                way.forget()
            await _rounds(ways, PAIRS // at_once, at_once)
            result[name] = {way.entry.value: way.figures() for way in ways}
    finally:
        for way in ways:
            await way.client.close()
    return result


async def _rounds(ways: list[Way], rounds: int, at_once: int) -> None:
    for number in range(rounds):
        for way in ways if number % 2 else reversed(ways):
            await asyncio.gather(*(way.trade() for _ in range(at_once)))


async def _open(entry: OrderEntry, url: str) -> Way:
    opening = Opening(
        url=url,
        clock=SystemClock(),
        record=lambda _: None,
        draw=random.SystemRandom().random,
        key=make_key(public=PUBLIC, secret=SECRET),
        limits={Scope.REQUESTS: MUCH, Scope.ORDERS: MUCH, Scope.ORDERS_LONG: MUCH},
        order_entry=entry,
    )
    client = open_trading(VENUE, opening)
    if not await client.start(timeout_seconds=10.0):
        raise Unexpected("the simulator's clock is not known")
    return Way(entry, client)


async def _simulate() -> None:
    async with running_simulator(CONFIGURATION) as simulator:
        print(simulator.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def _simulating() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.order_entry", "simulator"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        if process.stdout is None:
            raise Unexpected("no output to read")
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _rounded(figures: dict[str, dict[str, dict[str, Figures]]]) -> object:
    return json.loads(json.dumps(figures), parse_float=lambda text: round(float(text), 3))


if __name__ == "__main__":
    if sys.argv[1:] == ["simulator"]:
        uvloop.run(_simulate())
    else:
        with _simulating() as url:
            print(json.dumps(_rounded(uvloop.run(measure(url)))))
