"""Orders at a steady rate, and what became of them: by the oracle, and by the clock."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ordergate.client import Gateway, connect
from ordergate.simulator.oracle import OrderId
from ordergate.trading.errors import OrdergateError
from ordergate.trading.order import State
from ordergate.wire.facts import OrderRecord
from tests.chaos.evidence import Evidence, settle

VENUE = "zetarium"
VALID_FOR_MS = 60_000
GATEWAY_SECONDS = 30.0
SETTLE_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class Load:
    """Small market orders, one each 1/per_second, whatever became of those before; the accounts take turns."""

    gateways: list[Gateway]
    per_second: float
    open_gateway: Callable[[str], Awaitable[Gateway]]
    began_ms: dict[OrderId, int] = field(default_factory=dict)
    acknowledged_ms: dict[OrderId, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    is_over: bool = False
    _asking: dict[OrderId, asyncio.Task[None]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def run(self) -> None:
        """Until `is_over`; returns when every intent was acknowledged."""
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        async with asyncio.TaskGroup() as group:
            while not self.is_over:
                self._ask(group, next(self._numbers))
                sent += 1
                await asyncio.sleep(max(0.0, start + sent / self.per_second - loop.time()))

    async def join(self, account: str) -> None:
        """The strategy of one more account begins."""
        self.gateways = [*self.gateways, await self.open_gateway(account)]

    async def leave(self, account: str) -> None:
        """Its strategy stops; returns when all that it asked for is acknowledged."""
        self.gateways = [gateway for gateway in self.gateways if gateway.account != account]
        await asyncio.gather(*(task for (name, _), task in self._asking.items() if name == account))

    def _ask(self, group: asyncio.TaskGroup, number: int) -> None:
        gateway = self.gateways[number % len(self.gateways)]
        order: OrderId = (gateway.account, f"{gateway.strategy}-{number}")  # type: ignore[assignment]
        self.began_ms[order] = _now_ms()
        asking = self._asking[order] = group.create_task(self._submit(gateway, order, number))
        asking.add_done_callback(lambda _: self._asking.pop(order))

    async def _submit(self, gateway: Gateway, order: OrderId, number: int) -> None:
        try:
            await gateway.submit(
                symbol="BTCUSDT" if number % 4 < 2 else "ETHUSDT",
                side="BUY" if number % 2 else "SELL",
                type="MARKET",
                quantity=Decimal("0.010") if number % 4 < 2 else Decimal("0.200"),
                client_order_id=order[1],
                intent_id=order[1],
                valid_for_ms=VALID_FOR_MS,
            )
        except OrdergateError as error:
            self.refused.append(repr(error))
        else:
            self.acknowledged_ms[order] = _now_ms()

    def figures(self, evidence: Evidence) -> dict[str, Any]:
        """Times in ms. late: from the call of the strategy to the order's end in the ledger; slowest: where the latest hundredth spent it,

        mean; writeGap: the longest time without an intent acknowledged, and without an append to the ledger.
        """
        ours = {order: evidence.records[order] for order in self.began_ms if order in evidence.records}
        appended = sorted(record.stored_at_ms for records in ours.values() for record in records)
        lateness = {order: max(0, records[-1].stored_at_ms - self.began_ms[order]) for order, records in ours.items()}
        slowest = sorted(lateness, key=lateness.__getitem__)[-max(1, len(lateness) // 100) :]
        acknowledged = sorted(at - self.began_ms[order] for order, at in self.acknowledged_ms.items())
        return {
            "orders": len(self.began_ms),
            "notAcknowledged": len(self.refused),
            "differences": len(evidence.differences),
            **evidence.counts,
            "lateMs": _spread(sorted(lateness.values())),
            "slowestMs": _mean([self._spent(order, ours[order]) for order in slowest]),
            "intentAckMs": _spread(acknowledged),
            "writeGapMs": {"intents": _gap(sorted(self.acknowledged_ms.values())), "orders": _gap(appended)},
        }

    def _spent(self, order: OrderId, records: Sequence[OrderRecord]) -> dict[str, int]:
        """What one order waited for: its intent stored, decided, written ahead, ended. A step that it never took cost nothing."""
        began = self.began_ms[order]
        stored = self.acknowledged_ms.get(order, began)
        decided = records[0].stored_at_ms
        written = next((each.stored_at_ms for each in records if each.order.state is State.SUBMITTING), decided)
        return {
            "stored": min(stored, decided) - began,
            "decided": max(0, decided - stored),
            "writtenAhead": written - decided,
            "ended": records[-1].stored_at_ms - written,
        }


@asynccontextmanager
async def loading(url: str, accounts: Sequence[str], *, strategy: str, per_second: float) -> AsyncIterator[Load]:
    """The load runs inside the block."""
    async with AsyncExitStack() as stack:

        async def open_gateway(account: str) -> Gateway:
            return await stack.enter_async_context(gateway_of(url, account, strategy))

        gateways = [await open_gateway(account) for account in accounts]
        load = Load(gateways=gateways, per_second=per_second, open_gateway=open_gateway)
        work = asyncio.create_task(load.run())
        try:
            yield load
        finally:
            load.is_over = True
            await work


def gateway_of(url: str, account: str, strategy: str) -> AbstractAsyncContextManager[Gateway]:
    return connect(url, venue=VENUE, account=account, strategy=strategy, limit_seconds=GATEWAY_SECONDS)


async def judged(url: str, accounts: Sequence[str], placed: Sequence[OrderId], simulator_url: str) -> Evidence:
    """What the oracle says of everything that was ever placed, as soon as all accounts agree."""
    async with AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(gateway_of(url, account, "judge")) for account in accounts]
        return await settle(gateways, placed, simulator_url, limit_seconds=SETTLE_SECONDS)


def _spread(values: Sequence[int]) -> dict[str, int]:
    if not values:
        return {"p50": 0, "p99": 0, "max": 0}
    return {
        "p50": values[len(values) // 2],
        "p99": values[min(len(values) - 1, int(0.99 * len(values)))],
        "max": values[-1],
    }


def _mean(values: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: round(sum(each[name] for each in values) / len(values)) for name in (values[0] if values else ())}


def _gap(moments: Sequence[int]) -> int:
    return max((b - a for a, b in itertools.pairwise(moments)), default=0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
