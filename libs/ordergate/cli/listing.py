"""orders, fills and positions: what stands in the streams, listed."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from ordergate.cli import reading, say, shown
from ordergate.cli.caller import Caller, Line, open_line
from ordergate.cli.exits import Exit
from ordergate.client.fills import FillUpdate
from ordergate.client.gateway import PositionUpdate
from ordergate.client.replay import Start
from ordergate.trading.errors import Misconfigured
from ordergate.trading.ids import ClientOrderId, StrategyName
from ordergate.trading.order import Order, State
from ordergate.wire import streams, subjects

LIMIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which orders to list. No states: every one."""

    everything: bool = False
    states: frozenset[State] = frozenset()
    symbol: str | None = None
    strategy: StrategyName | None = None

    @property
    def needs_the_whole_ledger(self) -> bool:
        return self.everything or any(state.is_terminal for state in self.states)

    def of(self, orders: Iterable[Order]) -> list[Order]:
        """Oldest first."""
        chosen = [
            order
            for order in orders
            if (not self.states or order.state in self.states)
            and self.symbol in {None, order.key.symbol}
            and self.strategy in {None, order.request.strategy}
        ]
        return sorted(chosen, key=lambda order: (order.request.created_at_ms, order.key.client_order_id))


async def orders(caller: Caller, choice: Choice, *, newest: int | None) -> Exit:
    async with open_line(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as line:
        if choice.needs_the_whole_ledger:
            found = await _whole_ledger(line, caller)
        else:
            found, _ = await reading.live_orders(line, caller)
        if not found:
            await require_served(line, caller)
    chosen = choice.of(found.values())
    chosen = chosen if newest is None else chosen[-newest:]
    if caller.as_json:
        say.document({"orders": [shown.order_document(order) for order in chosen]})
        return Exit.DONE
    if not chosen:
        say.line(f"no such orders of {caller.venue}/{caller.account}" if choice.everything else "no live orders")
        return Exit.DONE
    now_ms = _now_ms()
    say.console().print(say.table(shown.ORDER_COLUMNS, (shown.order_row(order, now_ms) for order in chosen)))
    return Exit.DONE


async def _whole_ledger(line: Line, caller: Caller) -> dict[ClientOrderId, Order]:
    filters = (subjects.orders_of(caller.venue, caller.account),)
    found: dict[ClientOrderId, Order] = {}
    async with aclosing(reading.stored(line, streams.ORDERS, filters, Start(sequence=0))) as messages:
        async for message in messages:
            order = reading.order_of(message).order
            found[order.key.client_order_id] = order
    return found


async def fills(
    caller: Caller, *, since: str | None, from_sequence: int | None, symbol: str | None, follow: bool
) -> Exit:
    """With --follow: live fills as well, and nothing before now unless asked for."""
    since_ms = None if since is None else say.read_moment(since, _now_ms())
    if since_ms is None and from_sequence is None and not follow:
        from_sequence = 0
    async with open_line(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as line:
        found = line.gateway.fills(since_sequence=from_sequence, since_ms=since_ms, symbol=symbol, follow=follow)
        async with found:
            if follow:
                return await until_stopped(_follow_fills(caller, _chosen(caller, found)))
            listed = [update async for update in _chosen(caller, found)]
        if not listed:
            await require_served(line, caller)
    if caller.as_json:
        say.document({"fills": [shown.fill_document(update.fill, update.sequence) for update in listed]})
    elif not listed:
        say.line("no fills")
    else:
        rows = (shown.fill_row(update.fill, update.sequence) for update in listed)
        say.console().print(say.table(shown.FILL_COLUMNS, rows))
    return Exit.DONE


async def _chosen(caller: Caller, found: Any) -> AsyncGenerator[FillUpdate, None]:
    async for update in found:
        if caller.chosen_strategy in {None, update.fill.strategy}:
            yield update


async def _follow_fills(caller: Caller, found: AsyncGenerator[FillUpdate, None]) -> None:
    async for update in found:
        if caller.as_json:
            say.document(shown.fill_document(update.fill, update.sequence))
        else:
            say.line("  ".join(cell for cell in shown.fill_row(update.fill, update.sequence) if cell))


async def positions(caller: Caller, *, by_strategy: bool) -> Exit:
    async with open_line(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as line:
        found: dict[str, PositionUpdate] = {}
        async with line.gateway.positions(follow=False) as updates:
            async for update in updates:
                found[update.position.symbol] = update
        if not found:
            await require_served(line, caller)
        listed = [found[symbol].position for symbol in sorted(found)]
        marks = {position.symbol: await reading.mark_price(line, caller.venue, position.symbol) for position in listed}
    if caller.as_json:
        say.document({"positions": [shown.position_document(each, marks[each.symbol]) for each in listed]})
    elif not listed:
        say.line("no positions: there was no fill yet")
    else:
        rows = [
            row for each in listed for row in shown.position_rows(each, marks[each.symbol], by_strategy=by_strategy)
        ]
        say.console().print(say.table(shown.POSITION_COLUMNS, rows))
    return Exit.DONE


async def require_served(line: Line, caller: Caller) -> None:
    """Nothing to list may mean a name typed wrong. Raises Misconfigured where no service has ever kept a checkpoint of the account."""
    if not await reading.is_served(line, caller):
        raise Misconfigured(
            f"no service here serves {caller.venue}/{caller.account}; are --venue and --account right? See `ordergate status`"
        )


async def until_stopped(work: Coroutine[Any, Any, None]) -> Exit:
    """Run until Ctrl-C or SIGTERM, which is how a thing without an end is meant to end."""
    loop = asyncio.get_running_loop()
    running = loop.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await running
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return Exit.DONE


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
