"""Orders at a steady rate, and what became of them: by the oracle, and by the clock."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ordergate.client import Gateway, connect
from ordergate.simulator.oracle import OrderId
from ordergate.trading.errors import OrdergateError
from tests.chaos.evidence import Evidence, settle

VENUE = "zetarium"
VALID_FOR_MS = 60_000
GATEWAY_SECONDS = 30.0
SETTLE_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class Load:
    """Small market orders, one each 1/per_second, whatever became of those before; the accounts take turns."""

    gateways: Sequence[Gateway]
    per_second: float
    began_ms: dict[OrderId, int] = field(default_factory=dict)
    acknowledged_ms: dict[OrderId, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    is_over: bool = False
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def run(self) -> None:
        """Until `is_over`; returns when every intent was acknowledged."""
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        async with asyncio.TaskGroup() as group:
            while not self.is_over:
                group.create_task(self._submit(next(self._numbers)))
                sent += 1
                await asyncio.sleep(max(0.0, start + sent / self.per_second - loop.time()))

    async def _submit(self, number: int) -> None:
        gateway = self.gateways[number % len(self.gateways)]
        order: OrderId = (gateway.account, f"{gateway.strategy}-{number}")  # type: ignore[assignment]
        self.began_ms[order] = _now_ms()
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
        """Times in ms. late: from the call of the strategy to the order's end in the ledger; gap: the longest time without an append to it."""
        appended = sorted(record.stored_at_ms for order in self.began_ms for record in evidence.records.get(order, ()))
        ends = {
            order: records[-1].stored_at_ms for order, records in evidence.records.items() if order in self.began_ms
        }
        late = sorted(max(0, ends[order] - began) for order, began in self.began_ms.items() if order in ends)
        acknowledged = sorted(at - self.began_ms[order] for order, at in self.acknowledged_ms.items())
        return {
            "orders": len(self.began_ms),
            "notAcknowledged": len(self.refused),
            "differences": len(evidence.differences),
            **evidence.counts,
            "lateMs": _spread(late),
            "intentAckMs": _spread(acknowledged),
            "ledgerGapMs": max((b - a for a, b in itertools.pairwise(appended)), default=0),
        }


@asynccontextmanager
async def loading(url: str, accounts: Sequence[str], *, strategy: str, per_second: float) -> AsyncIterator[Load]:
    """The load runs inside the block."""
    async with AsyncExitStack() as stack:
        gateways = [
            await stack.enter_async_context(
                connect(url, venue=VENUE, account=account, strategy=strategy, limit_seconds=GATEWAY_SECONDS)
            )
            for account in accounts
        ]
        load = Load(gateways=gateways, per_second=per_second)
        work = asyncio.create_task(load.run())
        try:
            yield load
        finally:
            load.is_over = True
            await work


async def judged(url: str, accounts: Sequence[str], placed: Sequence[OrderId], simulator_url: str) -> Evidence:
    """What the oracle says of everything that was ever placed, as soon as all accounts agree."""
    async with AsyncExitStack() as stack:
        gateways = [
            await stack.enter_async_context(
                connect(url, venue=VENUE, account=account, strategy="judge", limit_seconds=GATEWAY_SECONDS)
            )
            for account in accounts
        ]
        return await settle(gateways, placed, simulator_url, limit_seconds=SETTLE_SECONDS)


def _spread(values: Sequence[int]) -> dict[str, int]:
    if not values:
        return {"p50": 0, "p99": 0, "max": 0}
    return {
        "p50": values[len(values) // 2],
        "p99": values[min(len(values) - 1, int(0.99 * len(values)))],
        "max": values[-1],
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
