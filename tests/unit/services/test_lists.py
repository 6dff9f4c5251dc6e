"""Which lists of open orders are asked for, where one symbol's costs so much less than all."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from ordergate.ports.ledger import Entry
from ordergate.ports.venue import Declaration
from ordergate.runtime.clock import SystemClock
from ordergate.trading.ids import ClientOrderId, Symbol, VenueOrderId
from ordergate.trading.order import Order, State, VenueView
from ordergate.trading.schedule import PollPolicy
from ordergate.venues.binance_futures.declaration import DECLARATION as FUTURES
from ordergate.venues.zetarium.declaration import DECLARATION as ZETARIUM
from services.status_polling.handlers import SYMBOLS_LISTED_MAX, Pace, PollingDesk
from tests.unit.access.stage import until
from tests.unit.trading.making import ACCOUNT, BTC, VENUE, order

ETH = Symbol("ETHUSDT")


@dataclass
class Lists:
    """A venue that shows nothing, and notes which lists it was asked for."""

    declaration: Declaration
    asked: list[Symbol | None] = field(default_factory=list)

    async def open_orders(self, symbol: Symbol | None = None) -> Sequence[VenueView]:
        self.asked.append(symbol)
        return []

    async def order(self, symbol: Symbol, name: VenueOrderId) -> VenueView | None:
        del symbol, name
        return None


def resting(name: str, symbol: Symbol) -> Order:
    found = order(State.ACCEPTED)
    key = replace(found.key, client_order_id=ClientOrderId(name), symbol=symbol)
    return replace(found, request=replace(found.request, key=key), venue_order_id=VenueOrderId(name))


def desk(lists: Lists, *orders: Order, sweep_seconds: float) -> PollingDesk:
    nothing = cast("Any", SimpleNamespace(now_ns=lambda: 0, span=lambda *_, **__: None))
    made = PollingDesk(
        venue=VENUE,
        account=ACCOUNT,
        reading=cast("Any", lists),
        ledger=nothing,
        feed=nothing,
        publisher=nothing,
        positions=nothing,
        cursors=nothing,
        checkpoint=nothing,
        clock=SystemClock(),
        trace=nothing,
        pace=Pace(
            policy=PollPolicy(owner_hold_ms=2_000, list_period_ms=20, young_ms=60_000),
            sweep_seconds=sweep_seconds,
            restate_live_ms=10**15,
        ),
    )
    for number, each in enumerate(orders, start=1):
        made._note(Entry(order=each, sequence=number, append_id="a", event_kind="x", stored_at_ms=0))
    made.rebuilt.set()
    return made


async def polled(made: PollingDesk, lists: Lists, count: int) -> list[Symbol | None]:
    polling = asyncio.create_task(made.poll())
    await until(lambda: len(lists.asked) >= count)
    polling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await polling
    return lists.asked[:count]


async def test_symbols_with_orders_of_ours_are_listed_one_by_one_after_a_sweep_of_all() -> None:
    lists = Lists(FUTURES)
    made = desk(lists, resting("a", ETH), resting("b", BTC), resting("c", BTC), sweep_seconds=60)
    assert await polled(made, lists, 5) == [None, BTC, ETH, BTC, ETH]


async def test_elsewhere_one_list_holds_all() -> None:
    lists = Lists(ZETARIUM)
    assert await polled(desk(lists, resting("a", ETH), sweep_seconds=60), lists, 3) == [None, None, None]


async def test_strangers_are_looked_for_also_where_nothing_is_ours() -> None:
    lists = Lists(FUTURES)
    assert await polled(desk(lists, sweep_seconds=0.02), lists, 2) == [None, None]


async def test_orders_of_many_symbols_are_listed_at_once() -> None:
    lists = Lists(FUTURES)
    orders = [resting(str(number), Symbol(f"S{number}")) for number in range(SYMBOLS_LISTED_MAX + 1)]
    assert await polled(desk(lists, *orders, sweep_seconds=60), lists, 2) == [None, None]


async def test_a_list_of_one_symbol_says_nothing_of_another() -> None:
    lists = Lists(FUTURES)
    made = desk(lists, resting("a", ETH), resting("b", BTC), sweep_seconds=60)
    made._pace = replace(made._pace, policy=replace(made._pace.policy, young_ms=0))
    await made._read_open_orders(ETH)
    missing = {each.order.key.symbol: each.watch.missing_since_ms is not None for each in made._live.all()}
    assert missing == {ETH: True, BTC: False}
