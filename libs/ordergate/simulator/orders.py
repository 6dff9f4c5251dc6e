"""Orders and trades as the exchange keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordergate.simulator.accounts import Account
    from ordergate.simulator.symbols import Symbol

ZERO = Decimal(0)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """The six types the exchange documents."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"


class PositionSide(StrEnum):
    """BOTH is the netting position; LONG and SHORT are kept beside it and beside each other."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class Status(StrEnum):
    """An order's state in the exchange's words."""

    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    """Binance's: ended by the venue and its rules, not by a cancel."""
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    """Binance's: ended by self-trade prevention."""


TERMINAL = frozenset({Status.FILLED, Status.CANCELED, Status.REJECTED, Status.EXPIRED, Status.EXPIRED_IN_MATCH})
PRICED = frozenset({OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT})
STOPS = frozenset({OrderType.STOP, OrderType.STOP_MARKET})
TRIGGERED = STOPS | {OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_MARKET}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A well-formed order before the exchange has looked at its symbol's filters."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    client_order_id: str | None = None


@dataclass(slots=True, eq=False)
class Order:
    """One order, open or long over. Prices in ticks, quantities in lots. `account` is None for the background flow."""

    id: int
    account: Account | None
    symbol: Symbol
    client_order_id: str
    sign: int
    type: OrderType
    lots: int
    price: int | None
    stop_price: int | None
    position_side: PositionSide
    reduce_only: bool
    status: Status
    created_ms: int
    updated_ms: int
    executed: int = 0
    cost: int = 0
    """Sum of ticks x lots over its trades."""
    reserved_lots: int = 0
    """The part of what remains that would open a position, and so holds margin while the order waits."""
    reference_price: int = 0
    closing: bool = False
    """May only reduce: because it says so, or because it trades against its own hedge side."""

    @property
    def remaining(self) -> int:
        """Lots still to trade."""
        return self.lots - self.executed

    @property
    def side(self) -> Side:
        """The sign as the venue spells it."""
        return Side.BUY if self.sign > 0 else Side.SELL

    @property
    def is_open(self) -> bool:
        """Whether it can still trade or be canceled."""
        return self.status not in TERMINAL

    @property
    def rises(self) -> bool:
        """A buy stop and a sell take-profit wait for a higher mark price, the other two for a lower one."""
        return (self.type in STOPS) == (self.sign > 0)

    @property
    def is_waiting(self) -> bool:
        """Whether it still waits for its stop price."""
        return self.status is Status.PENDING_NEW

    def fill(self, price: int, lots: int, now_ms: int) -> None:
        """Take one execution into the order's own numbers."""
        self.executed += lots
        self.cost += price * lots
        self.updated_ms = max(self.updated_ms, now_ms)
        self.status = Status.FILLED if self.executed == self.lots else Status.PARTIALLY_FILLED


@dataclass(slots=True, eq=False)
class Trade:
    """One side of one execution. The fee is not kept: it is notional x rate, exactly."""

    id: int
    order: Order
    price: int
    lots: int
    maker: bool
    time_ms: int
    profit: Decimal = ZERO
    """What it realised, before its fee; known once it is settled."""
