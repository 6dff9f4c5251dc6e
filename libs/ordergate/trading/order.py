"""What an order is: its terms, which never change, and its snapshot, which is replaced by every event."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    ErrorId,
    IntentId,
    KeyId,
    StrategyName,
    Symbol,
    VenueName,
    VenueOrderId,
)

ZERO = Decimal(0)


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"

    @property
    def has_price(self) -> bool:
        return self in {OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT}

    @property
    def has_stop_price(self) -> bool:
        return self not in {OrderType.LIMIT, OrderType.MARKET}


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class PositionSide(StrEnum):
    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class SelfTradePrevention(StrEnum):
    """What the venue does where an order would meet another of the same account (or group): which of the two ends, or what else."""

    NONE = "NONE"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


class Rounding(StrEnum):
    """What to do with a quantity or price between two legal values: refuse the order, or truncate towards the smaller risk."""

    STRICT = "strict"
    ADJUST = "adjust"


class ListKind(StrEnum):
    """What the orders of a list are to each other."""

    OCO = "OCO"  # two: each ends the other
    OTO = "OTO"  # the second goes to the market once the first is filled whole
    OTOCO = "OTOCO"  # the second and the third, an OCO, do once the first is filled whole

    @property
    def legs(self) -> int:
        return 3 if self is ListKind.OTOCO else 2


class State(StrEnum):
    """Where an order stands; the last token of its subject."""

    APPROVED = "approved"
    REFUSED = "refused"
    ADOPTED = "adopted"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    PENDING = "pending"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL

    @property
    def is_at_venue(self) -> bool:
        return self in AT_VENUE


AT_VENUE = frozenset({State.ADOPTED, State.PENDING, State.ACCEPTED, State.PARTIALLY_FILLED})
IN_FLIGHT = frozenset({State.SUBMITTING, State.UNKNOWN})
TERMINAL = frozenset({State.REFUSED, State.FILLED, State.CANCELED, State.EXPIRED, State.REJECTED, State.NOT_PLACED})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKey:
    """Which order: a clientOrderId is unique in (venue, account), whatever the symbol."""

    venue: VenueName
    account: AccountName
    symbol: Symbol
    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the strategy wants. Quantity in base units, or quote_quantity in quote units where the venue takes it.

    iceberg_quantity: so much of it is shown at a time. trailing_delta: the trigger follows the price at so many hundredths of a per cent, from the
    stop price on if there is one. self_trade_prevention None: as the venue does by itself.
    """

    side: Side
    type: OrderType
    quantity: Decimal | None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    quote_quantity: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till_ms: int | None = None
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    post_only: bool = False
    iceberg_quantity: Decimal | None = None
    trailing_delta: int | None = None
    self_trade_prevention: SelfTradePrevention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderListMembership:
    """An order that goes to the venue with others, in one request or not at all. leg: which of them it is, from 1; legs: the ids of all."""

    list_client_order_id: ClientOrderId
    kind: ListKind
    leg: int
    legs: tuple[ClientOrderId, ...]

    @property
    def is_last(self) -> bool:
        return self.leg == len(self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A valid `place` or `replace` intent: whose order, what, and until when it may be sent (created_at_ms + valid_for_ms, wall clock).

    intent_sequence: where the intent stands in the stream that it came by; None where there is none, as of a stranger's order.
    replaces: the order of the same strategy and symbol whose place it takes: one request to the venue ends that one and places this one.
    order_list: of a leg; each is an order of its own (docs/decisions/0010).
    """

    key: OrderKey
    strategy: StrategyName
    intent_id: IntentId
    request_hash: str
    terms: Terms
    created_at_ms: int
    valid_for_ms: int
    rounding: Rounding = Rounding.STRICT
    resubmit: bool = False
    validate_only: bool = False
    intent_sequence: int | None = None
    replaces: ClientOrderId | None = None
    order_list: OrderListMembership | None = None

    @property
    def expires_at_ms(self) -> int:
        return self.created_at_ms + self.valid_for_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Request number k as written ahead: signed with exactly timestamp_ms (venue time) by the key key_id, or not at all.

    began_at_ms: our own clock at the write-ahead; whoever settles the attempt after a restart measures its age from there.
    """

    number: int
    timestamp_ms: int
    key_id: KeyId
    began_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """The proof that request `attempt` can never execute: looked up at these venue times after venue time fence_ms, never found."""

    attempt: int
    fence_ms: int
    asked_at_ms: tuple[int, ...]


class NonExecution(StrEnum):
    """Why a request can never execute: all the proofs that there are."""

    NEVER_SENT = "never_sent"  # said by the very call that wrote the attempt
    THROTTLED = "throttled"  # 429, 418
    CLOCK_REFUSED = "clock_refused"  # the venue refused the timestamp
    FENCED = "fenced"  # the venue's clock has passed timestamp + window + settle, and two lookups found nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexecuted:
    """The venue would not take the last request. retry_at_ms: wall clock before which it wants no other, None where it does not say."""

    attempt: int
    proof: NonExecution
    retry_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueView:
    """An order as the venue shows it, in one answer. `status` is one of the states a venue can show."""

    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    position_side: PositionSide
    reduce_only: bool
    status: State
    executed_quantity: Decimal
    created_at_ms: int
    updated_at_ms: int
    error_id: ErrorId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The full snapshot of one order. first_attempt_ms is the timestamp of attempt 1: nothing at the venue is older.

    settled_quantity: of an order that left a terminal state, what had executed when it last was in one; the fold of a consumer that has
    forgotten the order needs no other message to know what this one adds.
    absence: the last attempt is proven not to have executed, and the intent asked for another (docs/decisions/0005).
    unexecuted: the last attempt is proven never to execute, and needs nobody's leave for another while the order lives.
    """

    request: OrderRequest
    state: State
    revised_at_ms: int
    attempt: Attempt | None = None
    first_attempt_ms: int | None = None
    venue_order_id: VenueOrderId | None = None
    executed_quantity: Decimal = ZERO
    venue_updated_at_ms: int | None = None
    unknown_since_ms: int | None = None
    cancel_requested_at_ms: int | None = None
    reason: str | None = None
    error_id: ErrorId | None = None
    settled_quantity: Decimal | None = None
    absence: Absence | None = None
    unexecuted: Unexecuted | None = None

    @property
    def key(self) -> OrderKey:
        return self.request.key

    @property
    def terms(self) -> Terms:
        return self.request.terms

    @property
    def remaining_quantity(self) -> Decimal | None:
        """What could still execute, in base units; None where the order was given in quote units."""
        if self.state.is_terminal:
            return ZERO
        return None if self.terms.quantity is None else self.terms.quantity - self.executed_quantity
