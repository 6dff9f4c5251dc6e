"""The last executions of every market, as the engines told them, and what can be reckoned from them: 24 hour statistics, candles, average prices."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.binance.operations import MarketEvent

KEPT_MAX = 5_000
"""Executions of one symbol. Statistics are of these: the simulator's days are short."""


@dataclass(frozen=True, slots=True)
class Print:
    """One execution."""

    id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_rested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of some executions, at least one."""

    first: Print
    last: Print
    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal
    count: int
    bought: Decimal
    """What takers bought."""
    bought_turnover: Decimal


class Tape:
    """A ring of executions for each symbol."""

    __slots__ = ("_rings",)

    def __init__(self) -> None:
        """Nothing traded yet."""
        self._rings: dict[str, deque[Print]] = {}

    def hear(self, event: MarketEvent) -> None:
        """Keep an execution; other events are nothing to it."""
        if not event.stream.endswith("@trade"):
            return
        body = event.payload
        row = Print(
            int(str(body["t"])),
            Decimal(str(body["p"])),
            Decimal(str(body["q"])),
            int(str(body["T"])),
            bool(body["m"]),
        )
        self._rings.setdefault(event.symbol, deque(maxlen=KEPT_MAX)).append(row)

    def last(self, symbol: str, limit: int) -> list[Print]:
        """The newest, oldest first."""
        ring = self._rings.get(symbol, ())
        return list(ring)[-limit:]

    def since(self, symbol: str, from_ms: int) -> list[Print]:
        """Those at this moment or later."""
        return [row for row in self._rings.get(symbol, ()) if row.time_ms >= from_ms]


def summarize(rows: Iterable[Print]) -> Summary | None:
    """None: there are none."""
    prints = list(rows)
    if not prints:
        return None
    taken = [row for row in prints if not row.buyer_rested]
    return Summary(
        first=prints[0],
        last=prints[-1],
        high=max(row.price for row in prints),
        low=min(row.price for row in prints),
        volume=sum((row.quantity for row in prints), Decimal(0)),
        turnover=sum((row.price * row.quantity for row in prints), Decimal(0)),
        count=len(prints),
        bought=sum((row.quantity for row in taken), Decimal(0)),
        bought_turnover=sum((row.price * row.quantity for row in taken), Decimal(0)),
    )
