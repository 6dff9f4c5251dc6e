"""A venue as the services see it: three outcomes, not two, and a declaration that says what it is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Protocol, runtime_checkable

from ordergate.trading.fills import VenueTrade as VenueTrade  # noqa: PLC0414 - who speaks of a venue finds it here
from ordergate.trading.ids import (
    ClientOrderId,
    ErrorId,
    KeyId,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import (
    ListKind,
    OrderRequest,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    TimeInForce,
    VenueView,
)


class IdScope(StrEnum):
    FOREVER = "forever"  # a second order with the same client id never executes
    OPEN_ONLY = "open_only"  # a finished order frees its id
    NONE = "none"


class OrderEntry(StrEnum):
    """By which way orders and cancels reach a venue."""

    REST = "rest"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a venue is. Code asks this, never the venue's name. Times in ms; fees as a fraction of notional."""

    venue: VenueName
    id_scope: IdScope
    window_ms: int  # a request older than this by the venue's clock is refused
    settle_ms: int  # after that, time for an executed order to show in every read
    send_margin_ms: int  # no send when less than this is left of the window
    lookup_is_witness: bool  # the lookup by client id would show the order had it executed in any way
    orders_requests_by_nonce: bool
    private_stream: bool
    hides_maker_fills: bool
    maker_fee: Decimal
    taker_fee: Decimal
    fee_asset: str
    trade_lag_ms: int  # how long a trade may stay invisible in the trade list
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    post_only: bool
    quote_quantity: bool
    position_sides: frozenset[PositionSide]
    native_replace: bool
    error_id_prefix: str
    iceberg: bool = False
    trailing: bool = False
    self_trade_prevention: frozenset[SelfTradePrevention] = frozenset()
    reduce_only: bool = True
    list_period_ms: int = 1_000  # how often the list of all open orders may be read while something of ours is open
    lists_by_symbol: bool = (
        False  # the list of one symbol costs so much less that those with orders of ours are read one by one
    )
    sweep_period_ms: int = (
        10_000  # how often all open orders are listed whatever we have there: strangers' are found so
    )
    prices_period_ms: int = 1_000
    own_order_prefixes: tuple[str, ...] = ()  # how the client ids of orders begin that the venue itself makes
    order_entries: tuple[OrderEntry, ...] = (OrderEntry.REST,)
    """Those that there are; the first is taken where nothing else is asked for."""
    order_lists: frozenset[ListKind] = frozenset()
    """Those that it takes in one request: its trading client is a PlacesLists."""
    shows_positions: bool = True
    """False: it has holdings only, which deposits and fees change too; `positions` is empty then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Where one exchange differs from what its adapter declares: a simulator that was told so, or a rule that was measured. None: as declared."""

    id_scope: IdScope | None = None
    settle_ms: int | None = None
    lookup_is_witness: bool | None = None

    def of(self, declaration: Declaration) -> Declaration:
        """What the exchange really is."""
        return replace(
            declaration,
            id_scope=declaration.id_scope if self.id_scope is None else self.id_scope,
            settle_ms=declaration.settle_ms if self.settle_ms is None else self.settle_ms,
            lookup_is_witness=(
                declaration.lookup_is_witness if self.lookup_is_witness is None else self.lookup_is_witness
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    """quantity is signed: short positions are negative, on every position side."""

    position_id: str
    symbol: Symbol
    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
    realised_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePrice:
    """The price that a venue reckons with, and its own time for it."""

    symbol: Symbol
    price: Decimal
    venue_time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    asset: str
    wallet: Decimal
    available: Decimal


# Outcomes of one signed call that may change something at the venue.


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """The venue's word. For a cancel: `view` is the order after it (None where the answer shows none).

    trades: those of the order that the answer tells of, which are the ones that the trade list will show.
    """

    view: VenueView | None
    trades: tuple[VenueTrade, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExecuted:
    """By the venue's error table this request did nothing. credentials: the key itself is refused, the account must halt."""

    reason: str
    message: str
    error_id: ErrorId
    credentials: bool = False
    not_found: bool = False  # a cancel met no such order: it answers the cancel, never the order
    too_late: bool = False  # a cancel met a finished order
    view: VenueView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """429 or 418: not executed; nobody may call again for this long."""

    retry_after_ms: int
    error_id: ErrorId


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRefused:
    """The venue refused the timestamp: not executed; the clock must be read again first."""

    error_id: ErrorId


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Nothing left this process. `retriable`: another attempt may follow while the order lives."""

    reason: str
    retriable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It may have executed: time-out, reset, 5xx, unreadable body, replay or duplicate answer."""

    reason: str
    error_id: ErrorId


Outcome = Executed | NotExecuted | Throttled | ClockRefused | NotSent | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What became of each half of one request that ends an order and places another. One verdict about the whole request is both halves'."""

    canceled: Outcome
    placed: Outcome


WriteAhead = Callable[[int, KeyId], Awaitable[bool]]
"""Given the timestamp (venue ms) and key the request will be signed with; True once it stands in the ledger and every check
after it has passed. False: nothing is sent (NotSent, not retriable by the session)."""


class Priority(IntEnum):
    """Who goes first when the budget is short."""

    CANCEL = 0
    RESOLVE = 1
    PLACE = 2
    RECONCILE = 3
    POLL = 4


class Trading(Protocol):
    """What order_submission may do, with the trading key."""

    declaration: Declaration

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        """One attempt, sent at most once. deadline_seconds bounds the wait for budget."""

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome: ...

    async def cancel_all(self, symbol: Symbol | None) -> Outcome: ...


@runtime_checkable
class Replaces(Protocol):
    """A trading client of a venue that replaces in one request (Declaration.native_replace)."""

    async def replace(
        self, request: OrderRequest, *, canceled: VenueOrderId, write_ahead: WriteAhead, deadline_seconds: float
    ) -> Replacement:
        """One attempt, sent at most once: the new order is not attempted unless the order `canceled` of that symbol was canceled by it."""


@runtime_checkable
class PlacesLists(Protocol):
    """A trading client of a venue that takes several orders in one request, all or none (Declaration.order_lists)."""

    async def place_legs(
        self, legs: Sequence[OrderRequest], *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        """One attempt for all legs of one list, in leg order, sent at most once; an outcome for each. write_ahead speaks for all.

        What says that nothing was sent or executed (NotSent, Throttled, ClockRefused, NotExecuted) is every leg's.
        """


@runtime_checkable
class OrderHistory(Protocol):
    """A reading client of a venue that lists the orders that ended, too."""

    async def orders_after(self, after: VenueOrderId | None) -> Sequence[VenueView]:
        """One page of all orders of the account, oldest first; from the first on without `after`. Empty: there are no more. Raises as Reading."""


@runtime_checkable
class DeadMansSwitch(Protocol):
    """A trading client of a venue that cancels by itself when it no longer hears of us."""

    async def cancel_all_after(self, symbol: Symbol, *, countdown_ms: int) -> Outcome:
        """Cancel the symbol's open orders in so long, unless this is asked again before; 0: no more. Executed: it is so from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolTerms:
    """How a position of one symbol is held."""

    leverage: int
    isolated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """What the venue has been told of an account. hedging: LONG and SHORT are held beside each other."""

    hedging: bool
    symbols: Mapping[Symbol, SymbolTerms]


@runtime_checkable
class ShowsTerms(Protocol):
    """A reading client of a venue where an account has such terms."""

    async def account_terms(self, symbols: Sequence[Symbol]) -> AccountTerms:
        """Raises VenueUnavailable."""


@runtime_checkable
class SetsTerms(Protocol):
    """A trading client of such a venue. Executed: it is so now, also where it was so before."""

    async def set_position_mode(self, *, hedge: bool) -> Outcome: ...

    async def set_leverage(self, symbol: Symbol, leverage: int) -> Outcome: ...

    async def set_margin_type(self, symbol: Symbol, *, isolated: bool) -> Outcome: ...


class Reading(Protocol):
    """What every other service may ask, with a read-only key. All raise VenueUnavailable, or ClockUnknown before sending."""

    declaration: Declaration

    async def lookup(
        self, symbol: Symbol, client_order_id: ClientOrderId, *, priority: Priority = Priority.RESOLVE
    ) -> VenueView | None:
        """The order by its client id, finished ones included; None: the venue said it has none.

        Where a finished order frees its id there may be several: the newest. Whether it is the one that was meant only its terms and times tell.
        """

    async def order(self, symbol: Symbol, venue_order_id: VenueOrderId) -> VenueView | None: ...

    async def open_orders(self, symbol: Symbol | None = None) -> Sequence[VenueView]:
        """All kinds of open orders (plain, conditional)."""

    async def trades(self, symbol: Symbol, *, from_id: TradeId | None, limit: int) -> Sequence[VenueTrade]:
        """Ascending by trade id, from_id inclusive (None: from the beginning of what the venue keeps)."""

    async def positions(self) -> Sequence[VenuePosition]:
        """Empty where the declaration says that the venue shows none."""

    async def balances(self) -> Sequence[Balance]: ...

    async def venue_time_ms(self) -> int:
        """The venue's clock, from an answer that came just now (the fence needs this, not an estimate)."""


class Market(Protocol):
    """Public facts; no key."""

    async def instruments(self) -> Sequence[Instrument]: ...

    async def prices(self) -> Sequence[VenuePrice]: ...
