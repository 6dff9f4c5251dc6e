"""One symbol's market: the common book and triggers, trailing stops, the average price that filters reckon with, and its last trades."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ordergate.simulator.binance.spot.orders import NO_TIME, SpotOrder
from ordergate.simulator.binance.spot.symbols import SpotSymbol
from ordergate.simulator.market import Market

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

BASIS_POINTS = 10_000
DAY_MS = 86_400_000
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade."""

    id: int
    price: int
    lots: int
    buyer_is_maker: bool
    time_ms: int


class _Average:
    """The volume weighted price of the last minutes, kept as sums."""

    __slots__ = ("_cost", "_length_ms", "_lots", "_prints")

    def __init__(self, minutes: int) -> None:
        self._length_ms = minutes * MINUTE_MS
        self._prints: deque[Print] = deque()
        self._cost = self._lots = 0

    def add(self, printed: Print) -> None:
        self._prints.append(printed)
        self._count(printed, 1)
        self.sums(printed.time_ms)  # lets go of what is too old even if nobody asks

    def sums(self, now_ms: int) -> tuple[int, int]:
        """Ticks x lots, and lots."""
        while self._prints and self._prints[0].time_ms < now_ms - self._length_ms:
            self._count(self._prints.popleft(), -1)
        return self._cost, self._lots

    def clear(self) -> None:
        self._prints.clear()
        self._cost = self._lots = 0

    def _count(self, printed: Print, sign: int) -> None:
        self._cost += sign * printed.price * printed.lots
        self._lots += sign * printed.lots


class SpotMarket(Market[SpotOrder, SpotSymbol]):
    """Triggers look at the last trade price (errors.md: "Order would trigger immediately."), and at every price since they last looked."""

    __slots__ = ("_averages", "_followers", "_high", "_low", "_ready", "prevented_id")

    def __init__(self, symbol: SpotSymbol, price: int, *, halted: bool, gap: Callable[[], int]) -> None:
        """A market at rest at `price`."""
        super().__init__(symbol, price, halted=halted, gap=gap)
        minutes = {int(fields["avgPriceMins"]) for fields in symbol.filters.values() if "avgPriceMins" in fields}
        self._averages = {each: _Average(each) for each in sorted(minutes) if each}
        self.prevented_id = -1
        self._low = self._high = price
        self._followers: dict[int, SpotOrder] = {}
        self._ready: list[SpotOrder] = []

    def next_prevented_id(self) -> int:
        """Prevented matches are numbered per symbol, from 0."""
        self.prevented_id += 1
        return self.prevented_id

    def traded(self, printed: Print) -> None:
        """Somebody traded: the price that triggers and trailing stops look at has moved."""
        for average in self._averages.values():
            average.add(printed)
        self.last = printed.price
        self._low, self._high = min(self._low, printed.price), max(self._high, printed.price)
        for order in list(self._followers.values()):
            if not order.is_waiting:
                del self._followers[order.id]
            elif _follow(order, printed.price, printed.time_ms):
                del self._followers[order.id]
                self._ready.append(order)

    def wait(self, order: SpotOrder, now_ms: int) -> None:
        """Keep the order until its trigger comes. A trailing stop follows the price at once, or from its stop price on."""
        if order.trailing_delta is None:
            self.wait_for_trigger(order)
            return
        if order.stop_price is None:
            order.trailing_ms, order.trailing_extreme = now_ms, self.last
        self._followers[order.id] = order

    def take_ready(self) -> list[SpotOrder]:
        """Every order whose trigger has come since the last time, oldest trigger first."""
        ready, self._ready = self._ready, []
        while (order := self.next_triggered(low=self._low, high=self._high)) is not None:
            ready.append(order)
        self._low = self._high = self.last
        return ready

    def start_anew(self, price: int) -> None:
        """The market was taken somewhere: averages begin there."""
        for average in self._averages.values():
            average.clear()
        self.last = self.mark = price

    def average_price(self, minutes: int, now_ms: int) -> Decimal:
        """The volume weighted average of as many minutes as one of the filters has; the last price if nobody traded, or minutes is 0."""
        average = self._averages.get(minutes)
        cost, lots = average.sums(now_ms) if average else (0, 0)
        tick = self.symbol.tick
        return tick * cost / lots if lots else tick * self.last


def _follow(order: SpotOrder, price: int, now_ms: int) -> bool:
    """Whether the price has turned far enough against the best it has reached (trailing-stop-faq.md)."""
    if order.trailing_ms == NO_TIME:
        stop = order.stop_price or 0
        if price >= stop if order.rises else price <= stop:
            order.trailing_ms, order.trailing_extreme = now_ms, price
        return False
    delta = order.trailing_delta or 0
    if order.sign > 0:
        order.trailing_extreme = min(order.trailing_extreme, price)
        return price * BASIS_POINTS >= order.trailing_extreme * (BASIS_POINTS + delta)
    order.trailing_extreme = max(order.trailing_extreme, price)
    return price * BASIS_POINTS <= order.trailing_extreme * (BASIS_POINTS - delta)
