"""watch: the account's live orders, looked at again and again until Ctrl-C."""

import asyncio
import time
from contextlib import suppress

from rich.live import Live
from rich.table import Table

from ordergate.cli import reading, say
from ordergate.cli.caller import Caller, Line, open_line
from ordergate.cli.exits import Exit
from ordergate.trading.order import State

LIMIT_SECONDS = 10.0
LOOK_SECONDS = 0.5
ROWS_MAX = 30


async def watch(caller: Caller) -> Exit:
    """With --timeout it ends by itself."""
    async with open_line(caller, limit_seconds=LIMIT_SECONDS) as line:
        first = await _table(line, caller)
        with (
            Live(first, console=say.console(), auto_refresh=False) as live,
            suppress(TimeoutError, asyncio.CancelledError),
        ):
            async with asyncio.timeout(caller.timeout_seconds):
                while True:
                    live.update(await _table(line, caller), refresh=True)
                    await asyncio.sleep(LOOK_SECONDS)
    return Exit.DONE


async def _table(line: Line, caller: Caller) -> Table:
    orders, _ = await reading.live_orders(line, caller)
    now_ms = time.time_ns() // 1_000_000
    unknown = sum(1 for order in orders.values() if order.state is State.UNKNOWN)
    rows = [
        (
            name,
            order.request.strategy,
            order.key.symbol,
            order.terms.side.value,
            say.amount(order.terms.quantity) if order.terms.quantity is not None else "",
            say.amount(order.terms.price) if order.terms.price is not None else "",
            say.amount(order.executed_quantity),
            order.state.value,
            say.duration(now_ms - order.revised_at_ms),
        )
        for name, order in list(orders.items())[-ROWS_MAX:]
    ]
    columns = ("order", "strategy", "symbol", "side", ">quantity", ">price", ">executed", "state", ">age")
    title = f"{caller.venue}/{caller.account}: {len(orders)} live, {unknown} unknown"
    return say.table(columns, rows, title=title)
