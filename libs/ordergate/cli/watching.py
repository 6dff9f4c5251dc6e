"""watch: orders, fills, positions and unknowns as they change, until Ctrl-C; with --json each change as a line."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.live import Live

from ordergate.cli import reading, say, shown
from ordergate.cli.board import Board
from ordergate.cli.caller import Caller, Line, open_line
from ordergate.cli.exits import Exit, WrongUsage
from ordergate.cli.listing import until_stopped
from ordergate.client.replay import Start
from ordergate.trading.errors import BusUnavailable
from ordergate.trading.ids import Symbol
from ordergate.wire import facts, streams, subjects

LIMIT_SECONDS = 10.0
REFRESH_SECONDS = 0.25
MARKS_SECONDS = 2.0
FILLS_BACK_MS = 15 * 60_000


async def watch(caller: Caller) -> Exit:
    """Ends with Ctrl-C, SIGTERM, or after --timeout. Raises WrongUsage where there is neither a terminal nor --json."""
    if not caller.as_json and not sys.stdout.isatty():
        raise WrongUsage("watch draws on a terminal; use --json for one change a line")
    async with open_line(caller, limit_seconds=LIMIT_SECONDS) as line:
        return await until_stopped(_watch(line, caller))


async def _watch(line: Line, caller: Caller) -> None:
    board = Board(title=f"{caller.venue}/{caller.account}")
    live, sequence = await reading.live_orders(line, caller)
    for order in live.values():
        if caller.chosen_strategy in {None, order.request.strategy}:
            board.note_order(order)
            _say(caller, "order", shown.order_document(order))
    try:
        async with asyncio.timeout(caller.timeout_seconds), asyncio.TaskGroup() as group:
            group.create_task(_orders(line, caller, board, after=sequence))
            group.create_task(_fills(line, caller, board))
            group.create_task(_positions(line, caller, board))
            if not caller.as_json:
                group.create_task(_marks(line, caller, board))
                group.create_task(_draw(line, board))
    except TimeoutError:
        return


async def _orders(line: Line, caller: Caller, board: Board, *, after: int) -> None:
    filters = (subjects.orders_of(caller.venue, caller.account),)
    async with reading.replay(line, streams.ORDERS, filters, Start(sequence=after + 1), follow=True) as messages:
        async for message in messages:
            order = reading.order_of(message).order
            if caller.chosen_strategy in {None, order.request.strategy}:
                board.note_order(order)
                _say(caller, "order", shown.order_document(order))


async def _fills(line: Line, caller: Caller, board: Board) -> None:
    """In the picture the last quarter of an hour too; as lines only what comes."""
    since_ms = None if caller.as_json else _now_ms() - FILLS_BACK_MS
    async with line.gateway.fills(since_ms=since_ms) as updates:
        async for update in updates:
            if caller.chosen_strategy in {None, update.fill.strategy}:
                board.note_fill(update.fill, update.sequence)
                _say(caller, "fill", shown.fill_document(update.fill, update.sequence))


async def _positions(line: Line, caller: Caller, board: Board) -> None:
    async with line.gateway.positions() as updates:
        async for update in updates:
            board.note_position(update.position)
            _say(caller, "position", facts.position_document(update.position))


async def _marks(line: Line, caller: Caller, board: Board) -> None:
    while True:
        with suppress(BusUnavailable):  # the headline says so
            for symbol in tuple(board.positions):
                board.marks[symbol] = await reading.mark_price(line, caller.venue, Symbol(symbol))
        await asyncio.sleep(MARKS_SECONDS)


async def _draw(line: Line, board: Board) -> None:
    async with _screen() as live:
        while True:
            away = not line.connection.client.is_connected
            board.problem = "THE BUS IS AWAY: nothing new is seen" if away else ""
            live.update(board.picture(_now_ms(), live.console.height, live.console.width), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)


@asynccontextmanager
async def _screen() -> AsyncIterator[Live]:
    """The terminal's other screen: when it ends, what stood there before is back."""
    with Live(console=say.console(), screen=True, auto_refresh=False) as live:
        yield live


def _say(caller: Caller, what: str, document: dict[str, object]) -> None:
    if caller.as_json:
        say.document({"what": what, **document})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
