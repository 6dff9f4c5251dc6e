"""What a read shows when it does not show the books as they are: an earlier moment, trades that come late, twice, in disorder or never.

Nothing here changes the books. What was true at an earlier moment is worked out from the orders' own times and their trades, so a stale read is one
that the venue could really have given then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ordergate.simulator.orders import TRIGGERED, Order, PositionSide, Status, Trade
from ordergate.simulator.positions import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ordergate.simulator.accounts import Account


class Execution(Protocol):
    """A trade of any exchange."""

    id: int
    time_ms: int

    @property
    def order(self) -> Any:
        """Of which the symbol's name is asked."""


SomeExecution = TypeVar("SomeExecution", bound=Execution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How one read sees the books. Which trades are late or hidden is drawn from the seed and the trade, so it stays the same from read to read.

    stale_ms: everything as it was so long ago. late_ms, late_share: that share of the trades shows only so long after it happened, so that with a share
    below 1 an older trade appears behind a newer one. hidden_share: that share never shows. twice, shuffled: rows of the trade list.
    """

    seed: int = 1
    stale_ms: int = 0
    late_ms: int = 0
    late_share: float = 1.0
    hidden_share: float = 0.0
    twice: bool = False
    shuffled: bool = False

    def order(self, order: Order, now_ms: int) -> Order | None:
        """The order as it was; None: it was not there yet."""
        return order_as_of(order, now_ms - self.stale_ms) if self.stale_ms else order

    def trades(self, trades: Iterable[SomeExecution], now_ms: int) -> Iterator[SomeExecution]:
        """Those that show now, in the order of their ids."""
        for trade in trades:
            luck = Random(f"{self.seed}:{trade.order.symbol.name}:{trade.id}")
            late_ms = self.late_ms if luck.random() < self.late_share else 0
            if trade.time_ms <= now_ms - max(self.stale_ms, late_ms) and luck.random() >= self.hidden_share:
                yield trade

    def arranged(self, trades: list[SomeExecution]) -> list[SomeExecution]:
        """The page as it is sent."""
        rows = [trade for trade in trades for _ in range(2)] if self.twice else list(trades)
        if self.shuffled:
            Random(f"{self.seed}:{len(rows)}").shuffle(rows)
        return rows

    def positions(self, account: Account, now_ms: int) -> list[Position]:
        """Every position as it was."""
        if not self.stale_ms:
            return list(account.positions.values())
        return positions_as_of(account, now_ms - self.stale_ms)


def order_as_of(order: Order, moment_ms: int) -> Order | None:
    """The order as a read at this moment would have shown it; None before it was created."""
    if order.created_ms > moment_ms:
        return None
    if order.updated_ms <= moment_ms:
        return order
    seen = [trade for trade in _trades_of(order) if trade.time_ms <= moment_ms]
    executed = sum(trade.lots for trade in seen)
    waiting = Status.PENDING_NEW if order.type in TRIGGERED else Status.NEW
    return replace(
        order,
        executed=executed,
        cost=sum(trade.price * trade.lots for trade in seen),
        status=Status.PARTIALLY_FILLED if executed else waiting,
        updated_ms=max((trade.time_ms for trade in seen), default=order.created_ms),
    )


def positions_as_of(account: Account, moment_ms: int) -> list[Position]:
    """The positions that the trades up to this moment had made."""
    found: dict[tuple[str, PositionSide], Position] = {}
    every = [
        trade for kept in (account.taker_trades, account.maker_trades) for trades in kept.values() for trade in trades
    ]
    for trade in sorted(every, key=lambda trade: (trade.time_ms, trade.id)):
        if trade.time_ms > moment_ms:
            break
        order = trade.order
        key = (order.symbol.name, order.position_side)
        position = found.setdefault(key, Position(order.symbol, order.position_side))
        now = account.positions[key]
        position.trade(
            signed_lots=order.sign * trade.lots, price=trade.price, now_ms=trade.time_ms, new_id=now.id, reason="TRADE"
        )
    return list(found.values())


def _trades_of(order: Order) -> Iterator[Trade]:
    if order.account is None:
        return
    for kept in (order.account.taker_trades, order.account.maker_trades):
        for trade in kept.get(order.symbol.name, ()):
            if trade.order is order:
                yield trade
