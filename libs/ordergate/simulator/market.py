"""One symbol's market: its book, its prices, and the orders that wait for a trigger."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from heapq import heappop, heappush
from random import Random
from typing import Generic, Protocol, TypeVar

from ordergate.simulator.book import Book, Queued


class Waiting(Queued, Protocol):
    """An order that may wait for a trigger before it trades."""

    stop_price: int | None

    @property
    def rises(self) -> bool:
        """It waits for a higher price: a buy stop and a sell take-profit do, the other two wait for a lower one."""

    @property
    def is_waiting(self) -> bool:
        """It still waits; one that was canceled meanwhile does not."""


class Ware(Protocol):
    """What every room knows of a symbol: prices count in ticks, quantities in lots."""

    @property
    def name(self) -> str:
        """As clients spell it."""

    def price_text(self, ticks: int) -> str:
        """Ticks as the venue prints a price."""

    def quantity_text(self, lots: int) -> str:
        """Lots as the venue prints a quantity."""

    def notional(self, ticks: int, lots: int) -> Decimal:
        """Price x quantity in the quote asset, exactly."""

    def nearest_ticks(self, price: Decimal) -> int:
        """The price in ticks, rounded to the nearest and never below one."""


SomeWaiting = TypeVar("SomeWaiting", bound=Waiting)
SomeSymbol = TypeVar("SomeSymbol", bound=Ware)


def is_triggered(order: Waiting, price: int) -> bool:
    """Whether the price that triggers (mark or last, as the venue has it) has reached the order's stop price."""
    stop = order.stop_price
    if stop is None:
        return False
    return price >= stop if order.rises else price <= stop


def id_gaps(seed: int, symbol: str, most: int) -> Callable[[], int]:
    """How many trade ids of a symbol are left out before the next: up to `most`, drawn from the seed."""
    draws = Random(f"{seed}:{symbol}:trade ids")
    return (lambda: draws.randint(0, most)) if most else (lambda: 0)


class Market(Generic[SomeWaiting, SomeSymbol]):
    """Prices in ticks. The mark price is what bands and unrealised profit are reckoned with, and triggers where the venue has them on it."""

    __slots__ = ("_falling", "_gap", "_rising", "book", "halted", "last", "mark", "symbol", "trade_id")

    def __init__(self, symbol: SomeSymbol, price: int, *, halted: bool, gap: Callable[[], int] = lambda: 0) -> None:
        """A market at rest at `price`. gap: how many trade ids are left out before the next."""
        self._gap = gap
        self.symbol = symbol
        self.book: Book[SomeWaiting] = Book()
        self.mark = price
        self.last = price
        self.halted = halted
        self.trade_id = 0
        self._rising: list[tuple[int, int, SomeWaiting]] = []
        self._falling: list[tuple[int, int, SomeWaiting]] = []

    def next_trade_id(self) -> int:
        """Each side of each execution has an id of its own, so it is unique per symbol whoever trades with whom."""
        self.trade_id += 1 + self._gap()
        return self.trade_id

    def wait_for_trigger(self, order: SomeWaiting) -> None:
        """Keep the order until the price reaches its stop price."""
        stop = order.stop_price or 0
        if order.rises:
            heappush(self._rising, (stop, order.id, order))
        else:
            heappush(self._falling, (-stop, order.id, order))

    def next_triggered(self, *, low: int | None = None, high: int | None = None) -> SomeWaiting | None:
        """Take out one order whose moment has come; those canceled meanwhile are dropped here. low, high: where the price has been, if not at the mark."""
        high = self.mark if high is None else high
        low = self.mark if low is None else low
        while self._rising and self._rising[0][0] <= high:
            order = heappop(self._rising)[2]
            if order.is_waiting:
                return order
        while self._falling and -self._falling[0][0] >= low:
            order = heappop(self._falling)[2]
            if order.is_waiting:
                return order
        return None
