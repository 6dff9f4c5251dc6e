"""What is known at the end of a round, read as any subscriber could, and what can be counted from it."""

import asyncio
import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ordergate.client import Gateway
from ordergate.simulator.oracle import (
    Difference,
    OrderId,
    PositionId,
    Story,
    by_order,
    differences,
    read_books,
)
from ordergate.trading.errors import Unavailable
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName
from ordergate.trading.order import ZERO, State
from ordergate.wire.facts import OrderRecord

LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything of all accounts at one moment. records: every message of each order, oldest first."""

    story: Story
    records: Mapping[OrderId, Sequence[OrderRecord]]
    differences: Sequence[Difference]

    @property
    def counts(self) -> dict[str, int]:
        """The figures of the promise, each zero when it is kept."""
        found = self.differences
        return {
            "duplicates": sum(1 for each in found if each.promise == "I1"),
            "lost": len(self.story.placed - self.story.histories.keys()) + len(self.unfinished),
            "fillsLost": _fills_lost(self.story),
            "fillsDoubled": _fills_doubled(self.story),
        }

    @property
    def unfinished(self) -> list[OrderId]:
        return [order for order, history in self.story.histories.items() if not history[-1].state.is_terminal]

    @property
    def unknown(self) -> list[OrderId]:
        return [order for order, history in self.story.histories.items() if history[-1].state is State.UNKNOWN]


def _fills_lost(story: Story) -> int:
    """Orders of which less is stored than the venue has executed."""
    stored = _stored(story.fills)
    return sum(1 for o in story.books.orders if stored.get((o.account, o.order_id), ZERO) < o.executed)


def _fills_doubled(story: Story) -> int:
    """Orders of which more is stored than the venue has executed, and trades stored under one id twice."""
    stored = _stored(story.fills)
    twice = Counter((f.account, f.symbol, f.trade_id, f.venue_order_id) for f in story.fills)
    more = sum(1 for o in story.books.orders if stored.get((o.account, o.order_id), ZERO) > o.executed)
    return more + sum(1 for count in twice.values() if count > 1)


def _stored(fills: Iterable[Fill]) -> dict[tuple[AccountName, str], Decimal]:
    total: defaultdict[tuple[AccountName, str], Decimal] = defaultdict(Decimal)
    for fill in fills:
        total[fill.account, fill.venue_order_id] += fill.quantity
    return dict(total)


async def gather(gateways: Iterable[Gateway], placed: Iterable[OrderId], simulator_url: str) -> Evidence:
    """Read ledger, fills, positions and the venue's books once."""
    records: dict[OrderId, list[OrderRecord]] = {}
    fills: list[Fill] = []
    quantities: dict[PositionId, Decimal] = {}
    for gateway in gateways:
        async with gateway.orders(since_sequence=0, everyone=True, follow=False) as updates:
            async for update in updates:
                key = update.order.key
                records.setdefault((key.account, key.client_order_id), []).append(update)
        async with gateway.fills(since_sequence=0, follow=False) as received:
            fills += [each.fill async for each in received]
        async with gateway.positions(follow=False) as stated:
            async for each in stated:
                for side, leg in each.position.legs.items():
                    quantities[each.position.account, each.position.symbol, side] = leg.quantity
    story = Story(
        placed=frozenset(placed),
        histories=by_order(record.order for each in records.values() for record in each),
        books=read_books(await asyncio.to_thread(read_json, f"{simulator_url}/simulator/ledger")),
        fills=fills,
        positions=quantities,
    )
    return Evidence(story=story, records=records, differences=differences(story))


async def settle(
    gateways: Sequence[Gateway], placed: Sequence[OrderId], simulator_url: str, *, limit_seconds: float
) -> Evidence:
    """Read again until all accounts agree, or the limit: the last evidence."""
    deadline = asyncio.get_running_loop().time() + limit_seconds
    while True:
        try:
            evidence = await gather(gateways, placed, simulator_url)
        except Unavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
        else:
            if not evidence.differences or asyncio.get_running_loop().time() > deadline:
                return evidence
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def read_json(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def post_json(url: str, body: Mapping[str, object]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
