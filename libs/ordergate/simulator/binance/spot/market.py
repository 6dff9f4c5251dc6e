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
PRINTS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade."""

    id: int
    price: int
    lots: int
    buyer_is_maker: bool
    time_ms: int


class SpotMarket(Market[SpotOrder, SpotSymbol]):
    """Triggers look at the last trade price (errors.md: "Order would trigger immediately."), and at every price since they last looked."""

    __slots__ = ("_followers", "_high", "_low", "_ready", "prevented_id", "prints")

    def __init__(self, symbol: SpotSymbol, price: int, *, halted: bool, gap: Callable[[], int]) -> None:
        """A market at rest at `price`."""
        super().__init__(symbol, price, halted=halted, gap=gap)
        self.prints: deque[Print] = deque(maxlen=PRINTS_MAX)
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
        self.prints.append(printed)
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
        self.prints.clear()
        self.last = self.mark = price

    def average_price(self, minutes: int, now_ms: int) -> Decimal:
        """The volume weighted average over the minutes before now; the last price if there is none, or minutes is 0."""
        cost = lots = 0
        if minutes:
            since = now_ms - minutes * MINUTE_MS
            for printed in reversed(self.prints):
                if printed.time_ms < since:
                    break
                cost += printed.price * printed.lots
                lots += printed.lots
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
