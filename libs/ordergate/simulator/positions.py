"""Positions: what an account holds in one symbol on one position side, over its whole life and in the current episode."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordergate.simulator.orders import PositionSide
    from ordergate.simulator.symbols import Symbol

ZERO = Decimal(0)
CLOSED_EPISODES_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A position from its first lot to flat again; the venue lists it under `status=CLOSED`."""

    id: int
    entry_price: Decimal
    realized: Decimal
    closed_ms: int
    reason: str


@dataclass(slots=True, eq=False)
class Position:
    """Average entry price method: opening moves the average, closing realises against it. Prices here are in ticks."""

    symbol: Symbol
    side: PositionSide
    id: int = 0
    lots: int = 0
    """Signed: positive is long."""
    entry: Decimal = ZERO
    realized: Decimal = ZERO
    """Since the account exists, before fees, in the quote asset."""
    fees: Decimal = ZERO
    episode_realized: Decimal = ZERO
    updated_ms: int = 0
    closed: deque[Episode] = field(default_factory=lambda: deque(maxlen=CLOSED_EPISODES_MAX))

    @property
    def entry_price(self) -> Decimal:
        """Average entry in the quote asset, 0 when flat."""
        return self.entry * self.symbol.tick

    def unrealized(self, mark: int) -> Decimal:
        """Profit at the mark price."""
        if not self.lots:
            return ZERO
        return (mark - self.entry) * self.lots * self.symbol.tick * self.symbol.lot

    def reducible(self, sign: int) -> int:
        """How many lots an order of this sign could close."""
        return abs(self.lots) if self.lots * sign < 0 else 0

    def trade(self, *, signed_lots: int, price: int, now_ms: int, new_id: int, reason: str) -> Decimal:
        """Take a fill in and return the profit it realised. `new_id` names the position if this fill opens one."""
        closing = min(self.reducible(1 if signed_lots > 0 else -1), abs(signed_lots))
        profit = self._close(closing, price, now_ms, reason) if closing else ZERO
        opening = abs(signed_lots) - closing
        if opening:
            self._open(opening if signed_lots > 0 else -opening, price, new_id)
        self.updated_ms = now_ms
        return profit

    def _close(self, lots: int, price: int, now_ms: int, reason: str) -> Decimal:
        direction = 1 if self.lots > 0 else -1
        profit = (price - self.entry) * (lots * direction) * self.symbol.tick * self.symbol.lot
        self.realized += profit
        self.episode_realized += profit
        self.lots -= lots * direction
        if not self.lots:
            self.closed.append(
                Episode(
                    id=self.id,
                    entry_price=self.entry_price,
                    realized=self.episode_realized,
                    closed_ms=now_ms,
                    reason=reason,
                )
            )
            self.entry = ZERO
        return profit

    def _open(self, signed_lots: int, price: int, new_id: int) -> None:
        held, added = abs(self.lots), abs(signed_lots)
        if not held:
            self.id = new_id
            self.episode_realized = ZERO
        self.entry = (self.entry * held + price * added) / (held + added)
        self.lots += signed_lots
