"""Everything the oracle compares, read as any subscriber could: from the bus, and from the simulator's open books."""

import asyncio
import json
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ordergate.client import Gateway
from ordergate.simulator.oracle import Difference, OrderId, PositionId, Story, by_order, differences, read_books
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName
from ordergate.trading.order import Order
from ordergate.trading.position import Position

LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was read of all accounts at one moment."""

    story: Story
    fills: Sequence[Fill]
    positions: Sequence[Position]
    differences: Sequence[Difference]


async def gather(gateways: Iterable[Gateway], placed: Iterable[OrderId], simulator_url: str) -> Evidence:
    """Read ledger, fills, positions and the venue's books once."""
    orders: list[Order] = []
    fills: list[Fill] = []
    positions: list[Position] = []
    for gateway in gateways:
        async with gateway.orders(since_sequence=0, everyone=True, follow=False) as updates:
            orders += [update.order async for update in updates]
        async with gateway.fills(since_sequence=0, follow=False) as received:
            fills += [update.fill async for update in received]
        async with gateway.positions(follow=False) as stated:
            positions += [update.position async for update in stated]
    books = read_books(await asyncio.to_thread(_read_json, f"{simulator_url}/simulator/ledger"))
    story = Story(
        placed=frozenset(placed),
        histories=by_order(orders),
        books=books,
        fills=fills,
        positions=_quantities(positions),
    )
    return Evidence(story=story, fills=fills, positions=positions, differences=differences(story))


async def settle(
    gateways: Sequence[Gateway], placed: Sequence[OrderId], simulator_url: str, *, limit_seconds: float
) -> Evidence:
    """Read again until all accounts agree, or the limit: the last evidence. What is hidden shows after the venue's lag."""
    deadline = asyncio.get_running_loop().time() + limit_seconds
    while True:
        evidence = await gather(gateways, placed, simulator_url)
        if not evidence.differences or asyncio.get_running_loop().time() > deadline:
            return evidence
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _quantities(positions: Iterable[Position]) -> dict[PositionId, Decimal]:
    return {
        (AccountName(position.account), position.symbol, side): leg.quantity
        for position in positions
        for side, leg in position.legs.items()
    }


def _read_json(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the simulator on this machine
        document: dict[str, object] = json.load(answer)
        return document
