"""What the commands read from the bus: stored messages of a stream, values of a bucket, and the orders that are live."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from decimal import Decimal

from ordergate.cli.caller import Caller, Line
from ordergate.client.replay import Received, Replay, Start
from ordergate.runtime.shelf import bucket_subject
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol, VenueName
from ordergate.trading.order import Order
from ordergate.wire import facts, keys, streams, subjects
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import CheckpointDocument, PriceDocument

LOOK_UPS_AT_ONCE = 32


def replay(line: Line, stream: str, filters: Iterable[str], start: Start, *, follow: bool = False) -> Replay[Received]:
    """Whole messages. follow False: it ends with what is stored."""
    return Replay(
        line.connection,
        stream=stream,
        filters=tuple(filters),
        start=start,
        read=lambda received: received,
        follow=follow,
    )


async def stored(
    line: Line, stream: str, filters: Iterable[str], start: Start, *, until_ms: int | None = None
) -> AsyncGenerator[Received, None]:
    """What is stored under the filters, oldest first, up to a time. Raises BusUnavailable, Misconfigured."""
    async with replay(line, stream, filters, start) as messages:
        async for message in messages:
            if until_ms is not None and message.stored_at_ms > until_ms:
                return
            yield message


async def bucket_value(line: Line, bucket: str, key: str) -> bytes | None:
    """None: no such key, or it was deleted."""
    return await line.connection.last(f"KV_{bucket}", bucket_subject(bucket, key)) or None


def order_of(message: Received) -> OrderRecord:
    """Raises Unreadable."""
    return facts.order_record(facts.parse(message.data), sequence=message.sequence, stored_at_ms=message.stored_at_ms)


async def live_orders(line: Line, caller: Caller) -> tuple[dict[ClientOrderId, Order], int]:
    """The account's orders that have not ended, and the ORDERS sequence up to which that is so.

    Read from the checkpoint that status polling keeps: the ledger before it is not read again.
    """
    mark = await _checkpoint(line, caller.venue, caller.account)
    sequence = mark.sequence if mark else 0
    waiting = {ClientOrderId(order) for order in mark.live} if mark else set()
    found: dict[ClientOrderId, Order] = {}
    filters = (subjects.orders_of(caller.venue, caller.account),)
    async with aclosing(stored(line, streams.ORDERS, filters, Start(sequence=sequence + 1))) as messages:
        async for message in messages:
            sequence = message.sequence
            order = order_of(message).order
            found[order.key.client_order_id] = order
    for order in await _last_of(line, caller, waiting - found.keys()):
        found[order.key.client_order_id] = order
    return {name: order for name, order in found.items() if not order.state.is_terminal}, sequence


async def _last_of(line: Line, caller: Caller, names: Iterable[ClientOrderId]) -> list[Order]:
    """Each order as the ledger has it now; one that the ledger has forgotten is left out."""
    slots = asyncio.Semaphore(LOOK_UPS_AT_ONCE)

    async def read(name: ClientOrderId) -> Order | None:
        guard = subjects.order_guard(caller.venue, caller.account, name)
        async with slots:
            data = await line.connection.last(streams.ORDERS, guard)
        return None if data is None else facts.order_record(facts.parse(data), sequence=0, stored_at_ms=0).order

    return [order for order in await asyncio.gather(*map(read, names)) if order is not None]


async def _checkpoint(line: Line, venue: VenueName, account: AccountName) -> CheckpointDocument | None:
    key = keys.checkpoint(streams.STATUS_POLLING, venue, account)
    data = await bucket_value(line, streams.CHECKPOINTS, key)
    try:
        return None if data is None else CheckpointDocument.of(data)
    except Unreadable:
        return None  # then the ledger is read from its beginning


async def is_served(line: Line, caller: Caller) -> bool:
    """Whether status polling has ever kept the account's checkpoint, which it does within seconds of its first start."""
    return await _checkpoint(line, caller.venue, caller.account) is not None


async def mark_price(line: Line, venue: VenueName, symbol: Symbol) -> Decimal | None:
    """The reference price that the services use; None: there is none."""
    data = await bucket_value(line, streams.INSTRUMENTS, keys.price(venue, symbol))
    try:
        return None if data is None else Decimal(PriceDocument.of(data).price)
    except Unreadable:
        return None
