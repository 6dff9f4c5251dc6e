"""One symbol's market: its book, its prices, and the orders that wait for a trigger."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from ordergate.simulator.book import Book
from ordergate.simulator.orders import STOPS, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.orders import Order
    from ordergate.simulator.symbols import Symbol


def triggers_on_rise(order: Order) -> bool:
    """A buy stop and a sell take-profit wait for a higher mark price, the other two for a lower one."""
    return (order.type in STOPS) == (order.sign > 0)


def is_triggered(order: Order, mark: int) -> bool:
    """Whether the mark price has reached the order's stop price."""
    stop = order.stop_price
    if stop is None:
        return False
    return mark >= stop if triggers_on_rise(order) else mark <= stop


class Market:
    """Prices in ticks. The mark price is what triggers, bands and unrealised profit are reckoned with."""

    __slots__ = ("_falling", "_gap", "_rising", "book", "halted", "last", "mark", "symbol", "trade_id")

    def __init__(self, symbol: Symbol, price: int, *, halted: bool, gap: Callable[[], int] = lambda: 0) -> None:
        """A market at rest at `price`. gap: how many trade ids are left out before the next."""
        self._gap = gap
        self.symbol = symbol
        self.book = Book()
        self.mark = price
        self.last = price
        self.halted = halted
        self.trade_id = 0
        self._rising: list[tuple[int, int, Order]] = []
        self._falling: list[tuple[int, int, Order]] = []

    def next_trade_id(self) -> int:
        """Each side of each execution has an id of its own, so it is unique per symbol whoever trades with whom."""
        self.trade_id += 1 + self._gap()
        return self.trade_id

    def wait_for_trigger(self, order: Order) -> None:
        """Keep the order until the mark price reaches its stop price."""
        stop = order.stop_price or 0
        if triggers_on_rise(order):
            heappush(self._rising, (stop, order.id, order))
        else:
            heappush(self._falling, (-stop, order.id, order))

    def next_triggered(self) -> Order | None:
        """Take out one order whose moment has come; those canceled meanwhile are dropped here."""
        while self._rising and self._rising[0][0] <= self.mark:
            order = heappop(self._rising)[2]
            if order.status is Status.PENDING_NEW:
                return order
        while self._falling and -self._falling[0][0] >= self.mark:
            order = heappop(self._falling)[2]
            if order.status is Status.PENDING_NEW:
                return order
        return None
