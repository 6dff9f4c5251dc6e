"""Intents under load: at a steady rate through the client, and as fast as they end through bare publications."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from bench.figures import NS_PER_MS, Figures, cpu_of, memory_of, now_ns, since, spread
from bench.installation import ACCOUNTS, VENUE, Running
from bench.orders import STRATEGY, Planned, Watcher, plan, watching
from ordergate.client import Gateway, connect
from ordergate.runtime import connection
from ordergate.trading.order import State
from ordergate.wire import streams

WARM_UP = 40
OPEN_AT_ONCE = 256
PUBLISHERS = 64
SETTLE_SECONDS = 60.0
LIMIT_SECONDS = 120.0


class Unfinished(Exception):
    """Not everything that was sent was seen to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """In ms, from the start of the client's submit call."""

    to_ledger: Figures  # the decision of risk is in ORDERS
    to_wire: Figures  # first byte of the request read by the simulator
    to_acknowledged: Figures  # the event with the venue's answer is seen by a bare subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """One run at full speed. cpu: seconds each 1,000 orders by process; memory: MB resident at the end."""

    orders_per_second: float
    cpu: Figures
    memory: Figures


async def warm_up(running: Running) -> None:
    """A few orders through everything: connections, code paths, the first pages of the streams."""
    await sustain(running, WARM_UP)


async def latency(running: Running, *, count: int, per_second: float) -> Latency:
    """Submit at a steady rate with the client, one connection an account."""
    planned = plan(count)
    _, arrived_before = await running.arrivals()
    async with AsyncExitStack() as stack:
        gateways = {
            account: await stack.enter_async_context(
                connect(running.nats_url, venue=VENUE, account=account, strategy=STRATEGY)
            )
            for account in ACCOUNTS
        }
        watcher = await stack.enter_async_context(watching(running.nats_url, only_ends=False))
        began = await submit_steadily(gateways, planned, per_second=per_second)
        if not await watcher.until(lambda: watcher.ended >= count, limit_seconds=LIMIT_SECONDS):
            raise Unfinished(f"{watcher.ended} of {count} orders ended")
    arrivals, _ = await running.arrivals(after=arrived_before)
    acknowledged = {order_id: watcher.acknowledged_ns(order_id) for order_id in began}
    return Latency(
        to_ledger=spread(_elapsed(began, watcher.seen[State.APPROVED])),
        to_wire=spread(_elapsed(began, arrivals)),
        to_acknowledged=spread(_elapsed(began, {name: at for name, at in acknowledged.items() if at is not None})),
    )


async def submit_steadily(gateways: dict[str, Gateway], planned: list[Planned], *, per_second: float) -> dict[str, int]:
    """One order each 1/per_second, whatever becomes of those before; when (ns) each call of submit began."""
    began: dict[str, int] = {}

    async def submit(order: Planned) -> None:
        terms = order.for_client()
        began[order.client_order_id] = now_ns()
        await gateways[order.account].submit(**terms)

    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.TaskGroup() as group:
        for place, order in enumerate(planned):
            await asyncio.sleep(start + place / per_second - loop.time())
            group.create_task(submit(order))
    return began


def _elapsed(began: dict[str, int], ended: dict[str, int]) -> list[float]:
    missing = [name for name in began if name not in ended]
    if missing:
        raise Unfinished(f"{len(missing)} of {len(began)} were not seen, the first is {missing[0]}")
    return [(ended[name] - at_ns) / NS_PER_MS for name, at_ns in began.items()]


async def sustain(running: Running, count: int) -> Sustained:
    """As many orders as fit, at most OPEN_AT_ONCE of them unfinished; over when the last is terminal in the ledger.

    The CPU is counted until every fill is stored too.
    """
    bus = await connection.connect(running.nats_url, service="bench")
    before = await _stored_fills(bus)
    cpu_before = cpu_of(running.pids)
    try:
        async with watching(running.nats_url, only_ends=True) as watcher:
            began_ns = now_ns()
            await publish_as_they_end(bus, watcher, plan(count))
            if not await watcher.until(lambda: watcher.ended >= count, limit_seconds=LIMIT_SECONDS):
                raise Unfinished(f"{watcher.ended} of {count} orders ended")
            seconds = (now_ns() - began_ns) / 1e9
        if len(watcher.seen[State.FILLED]) < count:
            ends = {state: len(orders) for state, orders in watcher.seen.items() if orders}
            raise Unfinished(f"of {count} orders not all were filled: {ends}")
        await _fills_settled(bus, before + count)
    finally:
        await bus.close()
    used = since(cpu_before, cpu_of(running.pids))
    return Sustained(
        orders_per_second=count / seconds,
        cpu={name: spent * 1000 / count for name, spent in used.items()},
        memory=memory_of(running.pids),
    )


async def publish_as_they_end(bus: connection.Bus, watcher: Watcher, orders: list[Planned]) -> None:
    """PUBLISHERS publications at once, none while OPEN_AT_ONCE orders have not ended."""
    planned = iter(enumerate(orders))

    async def publish() -> None:
        for place, order in planned:
            await watcher.until(partial(_has_room, watcher, place), limit_seconds=LIMIT_SECONDS)
            await bus.jetstream.publish(order.subject(), order.body())

    await asyncio.gather(*(publish() for _ in range(PUBLISHERS)))


def _has_room(watcher: Watcher, place: int) -> bool:
    return place - watcher.ended < OPEN_AT_ONCE


async def _stored_fills(bus: connection.Bus) -> int:
    answer = await bus.jetstream.api(f"STREAM.INFO.{streams.FILLS}")
    if not isinstance(answer, dict):
        raise Unfinished(f"the stream of fills cannot be read: {answer.description}")
    stored: int = answer["state"]["messages"]
    return stored


async def _fills_settled(bus: connection.Bus, least: int) -> None:
    """Every order here was filled, so at least one fill each."""
    async with asyncio.timeout(SETTLE_SECONDS):
        while await _stored_fills(bus) < least:  # noqa: ASYNC110 - the stream itself is asked: nothing here is told of its length
            await asyncio.sleep(0.05)
