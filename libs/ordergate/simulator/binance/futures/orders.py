"""Orders as USD-M futures keep them, and the requests that make them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ordergate.simulator.orders import Order, OrderType, PositionSide, Side, Status

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.binance.futures.accounts import FuturesAccount
    from ordergate.simulator.symbols import Symbol


class TimeInForce(StrEnum):
    """How long an order is good. GTX is post only, GTD ends at `goodTillDate`; RPI, of market makers, is taken as post only."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"
    RPI = "RPI"


POST_ONLY = frozenset({TimeInForce.GTX, TimeInForce.RPI})
AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class SelfTrade(StrEnum):
    """Which of an account's own orders ends instead of trading with the other."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class PriceMatch(StrEnum):
    """A price taken from the book: the n-th level of the other side (OPPONENT) or of the own side (QUEUE)."""

    NONE = "NONE"
    OPPONENT = "OPPONENT"
    OPPONENT_5 = "OPPONENT_5"
    OPPONENT_10 = "OPPONENT_10"
    OPPONENT_20 = "OPPONENT_20"
    QUEUE = "QUEUE"
    QUEUE_5 = "QUEUE_5"
    QUEUE_10 = "QUEUE_10"
    QUEUE_20 = "QUEUE_20"

    @property
    def level(self) -> int:
        """Counted from 1, the best."""
        return int(self.value.partition("_")[2] or 1)


class WorkingType(StrEnum):
    """Which price triggers."""

    CONTRACT_PRICE = "CONTRACT_PRICE"
    MARK_PRICE = "MARK_PRICE"


class AlgoType(StrEnum):
    """The conditional types of the algo service."""

    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"


class AlgoStatus(StrEnum):
    """The life of a conditional order; FINISHED when the order it became is over."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A well-formed POST /fapi/v1/order, before filters and account are looked at."""

    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    client_order_id: str | None = None
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    price_match: PriceMatch = PriceMatch.NONE
    good_till_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlgoOrder:
    """A well-formed POST /fapi/v1/algoOrder. quantity None: closePosition. callback_rate: percent."""

    symbol: Symbol
    side: Side
    type: AlgoType
    quantity: Decimal | None
    trigger_price: Decimal | None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    client_algo_id: str | None = None
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    price_match: PriceMatch = PriceMatch.NONE
    good_till_ms: int = 0
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    price_protect: bool = False
    activate_price: Decimal | None = None
    callback_rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One modification of an order that took effect. Prices in ticks, quantities in lots."""

    id: int
    time_ms: int
    price_before: int
    price_after: int
    lots_before: int
    lots_after: int
    modify_id: int | None = None


@dataclass(slots=True, eq=False)
class FuturesOrder(Order):
    """An account's order; those of the crowd are plain `Order`s."""

    time_in_force: TimeInForce = TimeInForce.GTC
    self_trade: SelfTrade = SelfTrade.NONE
    price_match: PriceMatch = PriceMatch.NONE
    good_till_ms: int = 0
    original_type: str = OrderType.LIMIT
    trigger_price: int | None = None
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    close_position: bool = False
    price_protect: bool = False
    algo: AlgoOrder | None = None
    forced: bool = False
    """Made by the venue itself: a liquidation or an auto-deleveraging."""
    expiry: int = 0
    """The venue's expiry reason."""
    amendments: list[Amendment] = field(default_factory=list)


@dataclass(slots=True, eq=False, kw_only=True)
class AlgoOrder:
    """A conditional order. Prices in ticks, quantities in lots; lots None: whatever the position then is."""

    id: int
    account: FuturesAccount
    symbol: Symbol
    client_id: str
    sign: int
    type: AlgoType
    lots: int | None
    trigger: int | None
    price: int | None
    time_in_force: TimeInForce
    position_side: PositionSide
    reduce_only: bool
    self_trade: SelfTrade
    price_match: PriceMatch
    good_till_ms: int
    working_type: WorkingType
    price_protect: bool
    activate: int | None
    callback_rate: Decimal | None
    created_ms: int
    updated_ms: int
    status: AlgoStatus = AlgoStatus.NEW
    triggered_ms: int = 0
    extreme: int | None = None
    """Of a trailing stop: the best price since it was activated; None before."""
    child: FuturesOrder | None = None
    reason: str = ""

    @property
    def side(self) -> Side:
        """The sign as the venue spells it."""
        return Side.BUY if self.sign > 0 else Side.SELL

    @property
    def is_open(self) -> bool:
        """It still waits."""
        return self.status is AlgoStatus.NEW


def is_working(order: Order) -> bool:
    """It rests or trades now, as the venue's `openOrders` has it."""
    return order.status in {Status.NEW, Status.PARTIALLY_FILLED}
