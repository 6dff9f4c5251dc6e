"""Orders, trades and order lists as the exchange keeps them. Prices in ticks, quantities in lots."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from ordergate.simulator.orders import TERMINAL, Side, Status

if TYPE_CHECKING:
    from ordergate.simulator.binance.spot.accounts import SpotAccount
    from ordergate.simulator.binance.spot.symbols import SpotSymbol

ZERO = Decimal(0)
NO_TIME = -1
NO_LIST = -1


class OrderType(StrEnum):
    """enums.md: order types."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"


class TimeInForce(StrEnum):
    """enums.md: time in force."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class SelfTrade(StrEnum):
    """enums.md: self-trade prevention modes."""

    NONE = "NONE"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


DEFAULT_SELF_TRADE = SelfTrade.NONE
"""Of an order that does not say, as exchangeInfo has it."""


class Expiry(StrEnum):
    """Why an order expired (user-data-stream.md, `eR`)."""

    REJECTED = "REJECTED"
    EXCHANGE_CANCELED = "EXCHANGE_CANCELED"
    OCO_TRIGGER = "OCO_TRIGGER"
    OTO_PHASE_ONE_EXPIRED = "OTO_PHASE_ONE_EXPIRED"
    UNFILLED_IOC = "UNFILLED_IOC_QUANTITY_EXPIRED"
    UNFILLED_FOK = "UNFILLED_FOK_ORDER_EXPIRED"
    NO_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"


class Answered(StrEnum):
    """newOrderRespType."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


STOPS = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
TAKE_PROFITS = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
ALGOS = STOPS | TAKE_PROFITS
PRICED = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
TIMED = PRICED - {OrderType.LIMIT_MAKER}
"""Those that must say a timeInForce."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A well-formed order before the exchange has looked at its symbol. quantity None: a market order for quote_quantity."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    iceberg: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    client_order_id: str | None = None
    self_trade: SelfTrade | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    answered: Answered = Answered.ACK


@dataclass(frozen=True, slots=True, kw_only=True)
class PreventedMatch:
    """Two orders that would have traded with themselves."""

    id: int
    taker: SpotOrder
    maker: SpotOrder
    mode: SelfTrade
    price: int
    taker_lots: int
    """Lots the taker lost; 0: it lost none."""
    maker_lots: int
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One reduction of an order's quantity."""

    execution_id: int
    old_client_order_id: str
    new_client_order_id: str
    old_lots: int
    new_lots: int
    time_ms: int


@dataclass(slots=True, eq=False, kw_only=True)
class SpotOrder:
    """One order, open or long over. `account` is None for the background crowd."""

    id: int
    account: SpotAccount | None
    symbol: SpotSymbol
    client_order_id: str
    sign: int
    type: OrderType
    time_in_force: TimeInForce
    lots: int
    price: int | None
    stop_price: int | None
    status: Status
    created_ms: int
    updated_ms: int
    trailing_delta: int | None = None
    iceberg_lots: int = 0
    quote_quantity: Decimal = ZERO
    self_trade: SelfTrade = SelfTrade.NONE
    strategy_id: int | None = None
    strategy_type: int | None = None
    order_list: OrderList | None = None
    waits: bool = False
    """Its trigger has not come yet."""
    working_ms: int = NO_TIME
    trailing_ms: int = NO_TIME
    trailing_extreme: int = 0
    """The best price for its side since it began to follow the market, in ticks."""
    executed: int = 0
    cost: int = 0
    """Sum of ticks x lots over its trades."""
    prevented: int = 0
    shown: int = 0
    """Of a resting iceberg: lots of the present slice that others may still take."""
    resting: bool = False
    expiry: Expiry | None = None
    trades: list[SpotTrade] = field(default_factory=list)
    prevented_matches: list[PreventedMatch] = field(default_factory=list)
    amendments: list[Amendment] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        """Lots that may still trade; none once it is over."""
        return max(0, self.lots - self.executed - self.prevented) if self.is_open else 0

    @property
    def showing(self) -> int:
        """Lots that others may take from it at once."""
        return min(self.shown, self.remaining) if self.resting and self.iceberg_lots else self.remaining

    @property
    def side(self) -> Side:
        """The sign as the venue spells it."""
        return Side.BUY if self.sign > 0 else Side.SELL

    @property
    def is_open(self) -> bool:
        """Whether it can still trade or be canceled."""
        return self.status not in TERMINAL

    @property
    def is_waiting(self) -> bool:
        """Whether it still waits for its trigger."""
        return self.waits and self.is_open

    @property
    def rises(self) -> bool:
        """Above the market: STOP_LOSS BUY and TAKE_PROFIT SELL; below it the reverse."""
        return (self.type in STOPS) == (self.sign > 0)

    @property
    def is_working(self) -> bool:
        """Whether it is, or was, on the book: neither waiting for a trigger nor for the first order of its list."""
        return self.working_ms != NO_TIME

    @property
    def held(self) -> Decimal:
        """What it holds of the account's money while it is open: base of a sale, quote of a purchase that has a price."""
        if self.status is Status.PENDING_NEW:
            return ZERO
        if self.sign < 0:
            return self.symbol.lot * self.remaining
        return ZERO if self.price is None else self.symbol.notional(self.price, self.remaining)

    @property
    def holds_under(self) -> int:
        """The key of its money: its own id, or for the legs of a pair, of which only one can trade, one in common which is no order's id."""
        listed = self.order_list
        is_first = listed is not None and listed.working is not None and listed.working.id == self.id
        return self.id if listed is None or is_first else -1 - listed.id

    @property
    def pays_with(self) -> str:
        """The asset it gives away."""
        return self.symbol.quote_asset if self.sign > 0 else self.symbol.base_asset

    @property
    def receives(self) -> str:
        """The asset it gets, and pays its commission in."""
        return self.symbol.base_asset if self.sign > 0 else self.symbol.quote_asset

    def fill(self, price: int, lots: int, now_ms: int) -> None:
        """Take one execution into the order's own numbers."""
        self.executed += lots
        self.cost += price * lots
        self.shown = max(0, self.shown - lots)
        self.updated_ms = max(self.updated_ms, now_ms)
        self.status = Status.FILLED if self.executed + self.prevented == self.lots else Status.PARTIALLY_FILLED


@dataclass(slots=True, eq=False)
class SpotTrade:
    """One side of one execution; both sides have the same id."""

    id: int
    order: SpotOrder
    price: int
    lots: int
    maker: bool
    time_ms: int
    commission: Decimal
    commission_asset: str


class ListStatus(StrEnum):
    """listStatusType."""

    EXEC_STARTED = "EXEC_STARTED"
    UPDATED = "UPDATED"
    ALL_DONE = "ALL_DONE"


@dataclass(slots=True, eq=False, kw_only=True)
class OrderList:
    """OCO: a pair of which one ends the other. OTO, OTOCO: `working` first, the rest when it is filled."""

    id: int
    account: SpotAccount
    symbol: SpotSymbol
    client_id: str
    contingency: str
    created_ms: int
    updated_ms: int
    orders: list[SpotOrder]
    working: SpotOrder | None
    status: ListStatus = ListStatus.EXEC_STARTED

    @property
    def pair(self) -> list[SpotOrder]:
        """The two legs of an OCO, or the one pending order of an OTO."""
        return [order for order in self.orders if order is not self.working]

    @property
    def is_open(self) -> bool:
        """Whether anything of it can still happen."""
        return self.status is not ListStatus.ALL_DONE
