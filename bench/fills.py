"""Fills from the venue to a bare subscriber: few orders that sweep deep ladders, so that trades are many."""

import asyncio
from typing import Any

import nats
from nats.aio.msg import Msg

from bench.figures import Figures, now_ns
from bench.installation import ACCOUNTS, Running, running
from bench.load import Unfinished
from bench.orders import Planned, plan, subscribe
from ordergate.runtime import connection
from ordergate.wire import streams, subjects

SYMBOLS = 8
LEVELS = 200
LEVEL_NOTIONAL = 20
SWEEP = "3800"
"""In a market at 1 USDT: a little less than a whole ladder."""
WAVES = 4
LIMIT_SECONDS = 120.0
MIX = f"{2 * SYMBOLS * WAVES} market orders, each through most of a ladder of {LEVELS} levels: about {LEVELS} trades an order"

# An hour between the flow's steps: the ladders are laid by the price door, and trades are ours alone.
LADDERS: dict[str, Any] = {
    "intervalMs": 3_600_000,
    "levels": LEVELS,
    "levelNotional": str(LEVEL_NOTIONAL),
    "spreadBps": 1,
    "levelGapBps": 1,
    "takerRate": 0,
}


def symbol_rows() -> tuple[dict[str, Any], ...]:
    """Markets at 1 USDT with ticks fine enough for the ladder."""
    fine = {"price": "1", "tickSize": "0.0001", "minPrice": "0.0001", "stepSize": "1", "minQuantity": "1"}
    return tuple({"symbol": f"FILL{place}USDT", **fine} for place in range(SYMBOLS))


async def fills_per_second(*, durable: bool) -> Figures:
    """From the first trade of a wave in the simulator to its last fill at the subscriber, all waves together."""
    async with running(durable=durable, symbols=symbol_rows(), flow=LADDERS) as installation:
        return await _measure(installation)


async def _measure(installation: Running) -> Figures:
    client = await nats.connect(installation.nats_url)
    bus = await connection.connect(installation.nats_url, service="bench")
    heard = 0
    last_ns = 0
    changed = asyncio.Event()

    async def hear(_message: Msg) -> None:
        nonlocal heard, last_ns
        heard += 1
        last_ns = now_ns()
        changed.set()

    try:
        await subscribe(client, streams.FILLS, list(subjects.ALL_FILLS), hear, headers_only=False)
        seconds, heard_at_start = 0.0, 0
        for wave in range(WAVES + 1):
            heard_before = heard
            first_ns, trades = await _sweep(installation, bus, wave)
            async with asyncio.timeout(LIMIT_SECONDS):
                while heard < trades:
                    changed.clear()
                    await changed.wait()
            if wave == 0:  # warms up
                heard_at_start = heard
            else:
                seconds += (last_ns - first_ns) / 1e9
            if heard == heard_before:
                raise Unfinished("a wave without trades")
    finally:
        await bus.close()
        await client.close()
    return {"perSecond": (heard - heard_at_start) / seconds, "fills": heard - heard_at_start}


async def _sweep(installation: Running, bus: connection.Bus, wave: int) -> tuple[int, int]:
    """Lay the ladders anew and sweep both sides of each; the arrival of the first order, and all trades so far."""
    for row in symbol_rows():
        await installation.set_price(row["symbol"], row["price"])
    planned = [
        Planned(
            account=ACCOUNTS[(place + wave) % len(ACCOUNTS)],
            client_order_id=order.client_order_id,
            terms={"symbol": row["symbol"], "side": side, "type": "MARKET", "quantity": SWEEP},
        )
        for place, row in enumerate(symbol_rows())
        for side, order in zip(("BUY", "SELL"), plan(2), strict=True)
    ]
    _, before = await installation.arrivals()
    await asyncio.gather(*(bus.jetstream.publish(order.subject(), order.body()) for order in planned))
    wanted = {order.client_order_id for order in planned}
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            arrived, _ = await installation.arrivals(after=before)
            if wanted <= arrived.keys():
                break
            await asyncio.sleep(0.05)
    return min(arrived.values()), await _trades(installation)


async def _trades(installation: Running) -> int:
    """Each sweep is a taker, and every maker is the flow's: the ledger shows nobody's trades but ours."""
    document = await installation.door("ledger")
    return len(document["trades"])
