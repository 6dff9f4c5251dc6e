"""The messages as schemas: what may stand in each, camelCase, decimals as strings, times in integer milliseconds UTC (`...Ms`).

Intents come from strangers and refuse every unknown field. Our own messages ignore unknown fields, because two versions run side by
side in a rolling update. Absent and null mean the same.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from ordergate.trading.errors import Unreadable
from ordergate.trading.fills import Liquidity
from ordergate.trading.order import (
    ListKind,
    OrderType,
    PositionSide,
    Rounding,
    SelfTradePrevention,
    Side,
    State,
    TimeInForce,
)
from ordergate.wire.subjects import IntentKind

SCHEMA: Final = 1
VALID_FOR_MS_MAX = 24 * 60 * 60 * 1000
TIME_MS_MAX = 9_999_999_999_999  # the year 2286

SchemaNumber = Annotated[int, Field(ge=SCHEMA, le=SCHEMA)]
"""Not a Literal: that would take true for 1."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x20\x7f]+$")]
"""A name of ours or of a strategy: no space, no control character; what stands on the bus is its subject token."""
ClientOrderIdText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
VenueText = Annotated[str, StringConstraints(max_length=200)]
"""Text that a venue chose."""
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$")]
"""A decimal that an intent may carry: no sign, no exponent, at most 18 digits on either side; it must be above zero."""
DecimalText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,60}(\.[0-9]{1,60})?$")]
"""A decimal that we computed: products and sums of bounded amounts are kept exact, so they are longer than what went in."""
TimeMs = Annotated[int, Field(ge=0, le=TIME_MS_MAX)]
Count = Annotated[int, Field(ge=0)]
TrailingDelta = Annotated[int, Field(ge=1, le=1_000_000)]
"""In hundredths of a per cent."""
Sequence = Annotated[int, Field(ge=0)]
"""A stream sequence; 0: none."""


class _Message(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, strict=True, frozen=True, ser_json_inf_nan="strings"
    )

    schema_number: SchemaNumber = Field(default=SCHEMA, alias="schema")

    @classmethod
    def of(cls, data: bytes | str) -> Self:
        """Read a message from the bus. Raises Unreadable; its text never holds the offending value, which may be long."""
        try:
            return cls.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
            field = ".".join(str(part) for part in fault["loc"])
            raise Unreadable(f"not a {cls.__name__}: {field[:80]} {fault['msg'][:160]}") from error

    def to_bytes(self) -> bytes:
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


# Intents: strangers write them.


class _Intent(_Message):
    model_config = ConfigDict(extra="forbid")

    schema_number: SchemaNumber = Field(alias="schema")
    intent_id: Name
    venue: Name
    account: Name
    strategy: Name


class _PlacedTerms(_Intent):
    """An order to come. createdAtMs + validForMs is the last moment it may be sent."""

    symbol: Name
    side: Side
    type: OrderType
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Quantity | None = None
    quote_quantity: Quantity | None = None
    price: Quantity | None = None
    stop_price: Quantity | None = None
    good_till_ms: TimeMs | None = None
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    post_only: bool = False
    iceberg_quantity: Quantity | None = None
    trailing_delta: TrailingDelta | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    rounding: Rounding = Rounding.STRICT
    resubmit: bool = False
    validate_only: bool = Field(default=False, alias="validate")
    client_order_id: ClientOrderIdText | None = None
    created_at_ms: TimeMs
    valid_for_ms: Annotated[int, Field(ge=1, le=VALID_FOR_MS_MAX)]


class LegTerms(BaseModel):
    """An order of a list beside the intent's own. What is not here it has of the intent: symbol, side of the position, life, rounding."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, strict=True, frozen=True, extra="forbid")

    side: Side
    type: OrderType
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Quantity
    price: Quantity | None = None
    stop_price: Quantity | None = None
    post_only: bool = False
    iceberg_quantity: Quantity | None = None
    trailing_delta: TrailingDelta | None = None
    client_order_id: ClientOrderIdText | None = None


class ListTerms(BaseModel):
    """The intent's order goes to the venue with `others`, in one request or not at all.

    OCO: each of the two ends the other, one of them a stop. OTO: the other goes to the market once the intent's, a LIMIT order, is filled
    whole. OTOCO: so do the two others, an OCO. Each is an order of its own, with a clientOrderId of its own.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, strict=True, frozen=True, extra="forbid")

    kind: ListKind
    others: Annotated[tuple[LegTerms, ...], Field(min_length=1, max_length=2)]


class PlaceIntent(_PlacedTerms):
    """Place an order, once, however often this message comes; or, with `list`, several that are one request to the venue."""

    kind: Literal[IntentKind.PLACE]
    order_list: ListTerms | None = Field(default=None, alias="list")


class ReplaceIntent(_PlacedTerms):
    """Place a new order in the place of the order `replaces` (its clientOrderId), which is canceled.

    Of the same strategy and symbol. The new order is not placed unless the old one was canceled. Only where the venue does both in one request.
    """

    kind: Literal[IntentKind.REPLACE]
    replaces: ClientOrderIdText


class _Timed(_Intent):
    created_at_ms: TimeMs | None = None
    valid_for_ms: Annotated[int, Field(ge=1, le=VALID_FOR_MS_MAX)] | None = None


class CancelIntent(_Timed):
    """Cancel one order, named by its clientOrderId or by the intentId that placed it (one of the two)."""

    kind: Literal[IntentKind.CANCEL]
    symbol: Name | None = None
    client_order_id: ClientOrderIdText | None = None
    order_intent_id: Name | None = None


class CancelScope(StrEnum):
    """Whose orders a cancel_all is about."""

    STRATEGY = "strategy"
    ACCOUNT = "account"


class CancelAllIntent(_Timed):
    """Cancel every open order of the strategy, or of the account; of one symbol if it names one."""

    kind: Literal[IntentKind.CANCEL_ALL]
    symbol: Name | None = None
    scope: CancelScope = CancelScope.STRATEGY


class CloseIntent(_Intent):
    """Close the position, or `quantity` of it, by a reduce-only market order."""

    kind: Literal[IntentKind.CLOSE]
    symbol: Name
    position_side: PositionSide = PositionSide.BOTH
    quantity: Quantity | None = None
    client_order_id: ClientOrderIdText | None = None
    created_at_ms: TimeMs
    valid_for_ms: Annotated[int, Field(ge=1, le=VALID_FOR_MS_MAX)]


Intent = PlaceIntent | CancelIntent | CancelAllIntent | ReplaceIntent | CloseIntent

INTENTS: dict[IntentKind, type[PlaceIntent | CancelIntent | CancelAllIntent | ReplaceIntent | CloseIntent]] = {
    IntentKind.PLACE: PlaceIntent,
    IntentKind.CANCEL: CancelIntent,
    IntentKind.CANCEL_ALL: CancelAllIntent,
    IntentKind.REPLACE: ReplaceIntent,
    IntentKind.CLOSE: CloseIntent,
}


# Facts: we write them, everybody reads them.


class _Fact(_Message):
    model_config = ConfigDict(extra="ignore")


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, strict=True, frozen=True, extra="ignore")


class AttemptPart(_Part):
    """Request number k as written ahead. timestampMs is the venue's time it is signed with, beganAtMs our own clock then."""

    number: Annotated[int, Field(ge=1)]
    timestamp_ms: TimeMs
    key_id: str
    began_at_ms: TimeMs | None = None


class EventKind(StrEnum):
    """What happened to the order."""

    APPROVED = "approved"
    REFUSED = "refused"
    ADOPTED = "adopted"
    SUBMISSION_BEGAN = "submission_began"
    ENDED_UNSENT = "ended_unsent"
    VENUE_REPORTED = "venue_reported"
    VENUE_REJECTED = "venue_rejected"
    OUTCOME_LOST = "outcome_lost"
    PROVEN_NOT_PLACED = "proven_not_placed"
    PROVEN_ABSENT = "proven_absent"
    PROVEN_UNEXECUTED = "proven_unexecuted"
    REAPPROVED = "reapproved"
    CANCEL_REQUESTED = "cancel_requested"
    RESTATED = "restated"


class EventPart(_Part):
    """The event that wrote the message; `source` says who saw it at the venue."""

    kind: EventKind
    at_ms: TimeMs
    source: str | None = None
    reason: str | None = None
    error_id: str | None = None


class VenueViewPart(_Part):
    """The order as the venue showed it in one answer."""

    venue_order_id: VenueText
    client_order_id: VenueText | None = None
    symbol: Name
    side: Side
    type: OrderType
    quantity: DecimalText
    price: DecimalText | None = None
    stop_price: DecimalText | None = None
    position_side: PositionSide
    reduce_only: bool
    status: State
    executed_quantity: DecimalText
    created_at_ms: TimeMs
    updated_at_ms: TimeMs
    error_id: str | None = None


class TradePart(_Part):
    """A trade that the same answer told; order, symbol and side are the view's. fill_streaming stores it as a fill."""

    trade_id: VenueText
    price: DecimalText
    quantity: DecimalText
    fee: DecimalText
    fee_asset: VenueText
    liquidity: Liquidity
    venue_time_ms: TimeMs


class FencePart(_Part):
    """Asked after venue time fenceMs, never found: why the attempt before a resend can never execute. atMs: when we knew."""

    attempt: int
    fence_ms: TimeMs
    asked_at_ms: tuple[TimeMs, ...]
    at_ms: TimeMs
    error_id: str | None = None


class AbsencePart(_Part):
    """Asked after venue time fenceMs, never found: request `attempt` can never execute, and risk is asked about one more."""

    attempt: Annotated[int, Field(ge=1)]
    fence_ms: TimeMs
    asked_at_ms: tuple[TimeMs, ...]


class EvidencePart(_Part):
    """What was seen: the venue's view, or the proof that an attempt cannot execute (fence and lookups in venue time).

    attempt: the one that the proof is about, 0 where none had begun; in a write-ahead, the new one. fence: of a write-ahead, see FencePart.
    """

    view: VenueViewPart | None = None
    trades: tuple[TradePart, ...] | None = None
    proof: str | None = None
    attempt: int | None = None
    fence_ms: TimeMs | None = None
    asked_at_ms: tuple[TimeMs, ...] | None = None
    fence: FencePart | None = None
    retry_at_ms: TimeMs | None = None


class UnexecutedPart(_Part):
    """The venue would not take the last request, so it never executes. retryAtMs: our clock, before which it wants no other request."""

    attempt: Count
    proof: str
    retry_at_ms: TimeMs | None = None


class ListPart(_Part):
    """Of an order that went to the venue with others. leg: which of them it is, from 1; legs: the clientOrderIds of all, in order."""

    list_client_order_id: VenueText
    kind: ListKind
    leg: Annotated[int, Field(ge=1)]
    legs: tuple[VenueText, ...]


class OrderMessage(_Fact):
    """The full snapshot of an order, the event that made it, and its evidence. One message of the order's life.

    correction: this message leaves a terminal state; settledQuantity, from then on: what had executed in that state. intentSequence: of
    the intent in INTENTS, absent where no intent made the order. replaces: the clientOrderId of the order whose place it takes.
    """

    append_id: str
    venue: Name
    account: Name
    strategy: Name
    symbol: Name
    client_order_id: VenueText
    intent_id: VenueText
    request_hash: str
    state: State
    revised_at_ms: TimeMs
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: DecimalText | None = None
    quote_quantity: DecimalText | None = None
    price: DecimalText | None = None
    stop_price: DecimalText | None = None
    good_till_ms: TimeMs | None = None
    position_side: PositionSide
    reduce_only: bool = False
    post_only: bool = False
    iceberg_quantity: DecimalText | None = None
    trailing_delta: TrailingDelta | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    rounding: Rounding = Rounding.STRICT
    resubmit: bool = False
    validate_only: bool = Field(default=False, alias="validate")
    created_at_ms: TimeMs
    valid_for_ms: Count
    intent_sequence: Sequence | None = None
    replaces: VenueText | None = None
    order_list: ListPart | None = Field(default=None, alias="list")
    attempt: AttemptPart | None = None
    first_attempt_ms: TimeMs | None = None
    venue_order_id: VenueText | None = None
    executed_quantity: DecimalText
    venue_updated_at_ms: TimeMs | None = None
    unknown_since_ms: TimeMs | None = None
    cancel_requested_at_ms: TimeMs | None = None
    reason: str | None = None
    error_id: str | None = None
    settled_quantity: DecimalText | None = None
    absence: AbsencePart | None = None
    unexecuted: UnexecutedPart | None = None
    correction: bool = False
    event: EventPart
    evidence: EvidencePart = EvidencePart()


class FillMessage(_Fact):
    """One venue trade. quantity is negative only in a reversal; fee in feeAsset, positive = paid."""

    venue: Name
    account: Name
    strategy: Name | None = None
    symbol: Name
    trade_id: VenueText
    venue_order_id: VenueText
    client_order_id: VenueText | None = None
    side: Side
    position_side: PositionSide = PositionSide.BOTH
    price: DecimalText
    quantity: DecimalText
    fee: DecimalText
    fee_asset: VenueText
    liquidity: Liquidity
    inferred: bool = False
    venue_time_ms: TimeMs
    received_time_ms: TimeMs


class LegPart(_Part):
    """One position side: signed quantity, profit and cash flow in quote units; entryPrice and unrealisedPnl say again what follows from
    them and the mark price.
    """

    quantity: DecimalText
    realised_pnl: DecimalText
    cash_flow: DecimalText
    entry_price: DecimalText
    unrealised_pnl: DecimalText | None = None


class PositionMessage(_Fact):
    """The fold of one symbol's fills up to a FILLS sequence: the account's net, and the same fills apart by strategy.

    markPrice: the venue's at its last read, absent where that read showed no position. Of the parts, quantity, cash flow and the sum of
    realised and unrealised profit add up to the net exactly; realised alone need not (two strategies long and short of one flat net).
    """

    venue: Name
    account: Name
    symbol: Name
    quantity: DecimalText
    realised_pnl: DecimalText
    legs: dict[PositionSide, LegPart]
    by_strategy: dict[str, dict[PositionSide, LegPart]]
    fees: dict[str, DecimalText]
    fill_count: Count
    traded_volume: DecimalText
    up_to_sequence: Sequence
    mark_price: DecimalText | None = None
    unrealised_pnl: DecimalText | None = None


class AnswerOutcome(StrEnum):
    """What became of the intent itself, never of the order it speaks of."""

    REFUSED = "refused"  # we did nothing
    DONE = "done"  # the venue did what was asked
    TOO_LATE = "too_late"  # a cancel met a finished order
    NOT_FOUND = "not_found"  # a cancel met no such order
    FAILED = "failed"  # the venue refused
    UNKNOWN = "unknown"  # asked, and no answer says what became of it


class AnswerMessage(_Fact):
    """The answer to an intent that the ledger cannot answer."""

    venue: Name
    account: Name
    strategy: Name
    intent_id: Name | None = None
    kind: IntentKind | None = None
    client_order_id: VenueText | None = None
    outcome: AnswerOutcome
    reason: str
    message: str = ""
    error_id: str | None = None
    intent_sequence: Sequence | None = None
    at_ms: TimeMs


class RequestRecord(_Fact):
    """One call to the venue. status 0: no answer came. waitedMs: for its share of the request budget."""

    venue: Name
    account: Name
    service: Name
    at_ms: TimeMs
    method: str
    path: str
    status: Annotated[int, Field(ge=0, le=999)]
    error_id: str | None = None
    latency_ms: Count
    waited_ms: Count = 0
    weight: Count
    weights: dict[str, Count] = Field(default_factory=dict)
    outcome: str = "answered"
    client_order_id: VenueText | None = None


class RiskMessage(_Fact):
    """What concerns the account's risk as a whole: the kill switch thrown, the account flat, a limit hit."""

    venue: Name
    account: Name
    what: Name
    strategy: Name | None = None
    symbol: Name | None = None
    client_order_id: VenueText | None = None
    limit: str | None = None
    value: DecimalText | None = None
    would_be: DecimalText | None = None
    message: str = ""
    error_id: str | None = None
    at_ms: TimeMs


class SymbolFills(_Part):
    """Signed quantity (bought minus sold) and fees paid by asset."""

    count: Count
    quantity: DecimalText
    fees: dict[str, DecimalText]


class FillsStatement(_Fact):
    """Everything in FILLS of one account up to a stream sequence: whoever has the same sums has missed nothing."""

    venue: Name
    account: Name
    up_to_sequence: Sequence
    count: Count
    symbols: dict[str, SymbolFills]
    at_ms: TimeMs


class DriftMessage(_Fact):
    """A difference between our books and the venue's that stood in two reads, with a proposal. Nothing is repaired silently."""

    venue: Name
    account: Name
    what: Name
    symbol: Name | None = None
    client_order_id: VenueText | None = None
    venue_order_id: VenueText | None = None
    ours: str | None = None
    theirs: str | None = None
    proposal: str
    message: str = ""
    error_id: str | None = None
    at_ms: TimeMs


# The request budget that processes share: core requests and announcements, kept nowhere but for the freeze.

BudgetPriority = Annotated[int, Field(ge=0, le=4)]
"""0 cancel, 1 resolve, 2 place, 3 reconcile, 4 poll."""


class BudgetWish(_Part):
    """So much weight waits at the asker."""

    scope: Name
    priority: BudgetPriority
    amount: Annotated[int, Field(ge=1)]


class BudgetUse(_Part):
    """Used by the asker, or seen in a header, in one window (venue ms divided by the window's length)."""

    scope: Name
    window: int
    amount: Count
    limit: Count = 0


class BudgetLease(_Part):
    """amount may be spent by calls of this priority or a better one between these moments of the venue's clock."""

    scope: Name
    priority: BudgetPriority
    amount: Annotated[int, Field(ge=1)]
    from_ms: TimeMs
    until_ms: TimeMs


class BudgetLater(_Part):
    """Nothing now; when, by the venue's clock, asking again is worth it."""

    scope: Name
    priority: BudgetPriority
    at_ms: TimeMs


class BudgetRequest(_Fact):
    """A process asks the owner of a budget for leases, tells what headers said, and, to a fresh owner, what it has used."""

    service: Name
    instance: Name
    epoch: Count
    wishes: tuple[BudgetWish, ...] = ()
    used: tuple[BudgetUse, ...] = ()
    seen: tuple[BudgetUse, ...] = ()


class BudgetAnswer(_Fact):
    """The owner's answer. ready: false while it still finds out what was used before it."""

    owner: Name
    epoch: Count
    ready: bool
    leases: tuple[BudgetLease, ...] = ()
    later: tuple[BudgetLater, ...] = ()


class BudgetOwner(_Fact):
    """There is a fresh owner of the budget: leases of the one before are void, everybody says what he used."""

    owner: Name
    epoch: Count


class BudgetFreeze(_Fact):
    """The venue answered 429 or 418: nobody calls it for so long. Also a key in LEASES that lives as long, for who was not there to hear."""

    instance: Name
    for_ms: Count
    until_ms: TimeMs
    banned: bool = False


class BudgetAlone(_Fact):
    """In LEASES: what a process has spent of its service's part of the fall-back while it reached no owner. One that starts later goes on from there."""

    instance: Name
    used: tuple[BudgetUse, ...]


class PublishedLimit(_Part):
    """at_ms: when the venue published it, by its own clock; a higher limit than before holds from the next window on."""

    scope: Name
    limit: Annotated[int, Field(ge=1)]
    window_ms: Annotated[int, Field(ge=1)]
    at_ms: TimeMs


class LimitsDocument(_Fact):
    """In CONTROL: the limits that the venue publishes, as whoever read them last found them."""

    limits: tuple[PublishedLimit, ...]


class RainDocument(_Fact):
    """Rain mode, in CONTROL: while it rains every process plans with half the budget and waits twice as long before it tries again."""

    falling: bool
    at_ms: TimeMs


# Small state in buckets, and core requests.


class KillDocument(_Fact):
    """The kill switch of a scope (venue and account absent: everything), in CONTROL. Each throw and each resume is a new epoch."""

    epoch: Count
    thrown: bool
    venue: Name | None = None
    account: Name | None = None
    strategy: Name | None = None
    symbol: Name | None = None
    reason: str
    flatten: bool = False
    at_ms: TimeMs


class RestoreDocument(_Fact):
    """The bus was begun anew or from an older state: a restore epoch, in CONTROL. While `halted` nothing is sent for any account, and what
    was asked for before beganAtMs is never sent at all, also afterwards: this ledger does not know whether it was.
    """

    epoch: Count
    halted: bool
    reason: str
    began_at_ms: TimeMs
    known_until_ms: TimeMs = 0  # when the last order or fill that the bus holds was stored in it; 0: it holds none
    at_ms: TimeMs


class RecoveryStatement(_Fact):
    """How far an account has been adopted from the venue in a restore epoch. complete: nothing is left but what `differing` names.

    missingTrades: shown by the venue and not in FILLS yet; unresolved: orders of before whose fate is not known yet; differing: symbols
    whose positions by our fills are not the venue's.
    """

    venue: Name
    account: Name
    epoch: Count
    complete: bool
    orders_shown: Count
    missing_trades: Count
    unresolved: Count
    differing: tuple[VenueText, ...] = ()
    at_ms: TimeMs


class KillAcknowledgement(_Fact):
    """One sender's answer to a new epoch: it sends nothing more in that scope. inFlight: requests already on the wire."""

    service: Name
    instance: Name
    epoch: Count
    in_flight: Count
    at_ms: TimeMs


KeyIdText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{10}$")]
"""What a key is called: a digest of its public part."""


class SigningKey(BaseModel):
    """One key as its process knows it. readyToRevoke: nothing that it signed can be carried out any more."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, strict=True, frozen=True, ser_json_inf_nan="strings"
    )

    id: KeyIdText
    state: Annotated[str, StringConstraints(pattern=r"^(new|active|draining|revoked)$")]
    since_ms: TimeMs
    created_at_ms: TimeMs | None = None
    verified_at_ms: TimeMs | None = None
    in_flight: Count = 0
    ready_to_revoke: bool = False


class KeyStatement(_Fact):
    """Which keys a running process signs with for an account, in LEASES for as long as it lives. problem: why the newest key does not sign."""

    service: Name
    instance: Name
    keys: Annotated[tuple[SigningKey, ...], Field(max_length=8)]
    problem: Annotated[str, StringConstraints(max_length=500)] = ""
    at_ms: TimeMs


class HaltDocument(_Fact):
    """The venue refused a key of the account on its private stream: nothing is sent for it until somebody has looked."""

    reason: str
    error_id: str
    at_ms: TimeMs


class KeyRevocation(_Fact):
    """After a leak: nothing is signed with this key any more, in CONTROL for ever and as a request to all who may hold it."""

    key_id: KeyIdText
    reason: Annotated[str, StringConstraints(max_length=200)]
    at_ms: TimeMs


class KeyRevocationAcknowledgement(_Fact):
    """One process's answer: it signs nothing more with the key. inFlight: attempts that have it, perhaps on the wire."""

    service: Name
    instance: Name
    key_id: KeyIdText
    held: bool
    in_flight: Count
    at_ms: TimeMs


class KeySighting(_Fact):
    """Since when a key is known to exist: its age outlives files that are written anew. In CONTROL."""

    key_id: KeyIdText
    created_at_ms: TimeMs


class LeaseDocument(_Fact):
    """Who is there, or owns something; the key's time to live is the lease's."""

    owner: Name
    taken_at_ms: TimeMs


class PresenceDocument(_Fact):
    """A process of a service is alive, in LEASES for as long as it says so again. accounts: as venue/account, those that it serves.

    account_count is more than there are accounts here where the document would have become too large: then they are all of its shard.
    """

    owner: Name
    taken_at_ms: TimeMs
    version: str = ""
    shard: str = ""
    accounts: tuple[str, ...] = ()
    account_count: Annotated[int, Field(ge=0)] = 0


class CursorDocument(_Fact):
    """How far a symbol's trade list was read: everything before fromId is stored."""

    from_id: VenueText | None = None
    venue_time_ms: TimeMs | None = None
    at_ms: TimeMs


class CheckpointDocument(_Fact):
    """Where a service starts reading: ORDERS sequence, the live orders (clientOrderId to its last sequence) and its own state."""

    service: Name
    venue: Name
    account: Name
    sequence: Sequence
    live: dict[Annotated[str, StringConstraints(min_length=1, max_length=200)], Sequence] = Field(default_factory=dict)
    state: dict[str, JsonValue] = Field(default_factory=dict)
    at_ms: TimeMs


class InstrumentDocument(_Fact):
    """A venue's filters for a symbol. An absent limit does not apply; an absent ask band is the other one; a step of zero is none."""

    symbol: Name
    base_asset: str
    quote_asset: str
    trading: bool
    tick_size: DecimalText
    price_min: DecimalText | None = None
    price_max: DecimalText | None = None
    step_size: DecimalText
    quantity_min: DecimalText
    quantity_max: DecimalText | None = None
    market_quantity_max: DecimalText | None = None
    notional_min: DecimalText | None = None
    open_orders_max: int | None = None
    price_band_up: DecimalText | None = None
    price_band_down: DecimalText | None = None
    ask_price_band_up: DecimalText | None = None
    ask_price_band_down: DecimalText | None = None
    price_band_slack: DecimalText = "0"
    market_quantity_min: DecimalText | None = None
    market_step_size: DecimalText = "0"
    notional_min_for_market: bool = True
    notional_max: DecimalText | None = None
    notional_max_for_market: bool = True
    iceberg_parts_max: Count | None = None
    position_max: DecimalText | None = None
    trailing_above_min: Count | None = None
    trailing_above_max: Count | None = None
    trailing_below_min: Count | None = None
    trailing_below_max: Count | None = None
    open_algo_orders_max: Count | None = None
    open_iceberg_orders_max: Count | None = None
    order_lists_max: Count | None = None
    account_orders_max: Count | None = None
    account_algo_orders_max: Count | None = None
    account_iceberg_orders_max: Count | None = None
    account_order_lists_max: Count | None = None
    price_origin: DecimalText = "0"
    at_ms: TimeMs


class PriceDocument(_Fact):
    """A reference price. observedAtMs: our clock when venueTimeMs was last seen to move; None: from a version that did not say."""

    symbol: Name
    price: DecimalText
    venue_time_ms: TimeMs
    observed_at_ms: TimeMs | None = None


class WalletDocument(_Fact):
    """What an account holds where the venue shows no positions, by asset, free and locked; of the assets that its symbols may be made of."""

    assets: dict[str, DecimalText]
    asked_at_ms: TimeMs


class ErrorDocument(_Fact):
    """Which order an errorId speaks of."""

    venue: Name
    account: Name
    symbol: Name
    client_order_id: VenueText
    at_ms: TimeMs


class DeadHeaders(BaseModel):
    """The headers of a message in DEAD; its body is the unreadable message as it came."""

    model_config = ConfigDict(strict=True, frozen=True)

    REASON: ClassVar[str] = "Ordergate-Reason"
    ERROR_ID: ClassVar[str] = "Ordergate-Error-Id"
    SUBJECT: ClassVar[str] = "Ordergate-Subject"
    SEQUENCE: ClassVar[str] = "Ordergate-Sequence"
    CONSUMER: ClassVar[str] = "Ordergate-Consumer"

    reason: str
    error_id: str
    subject: str
    stream: str
    sequence: int
    consumer: str

    def to_headers(self) -> dict[str, str]:
        """Printable ASCII in one line each: a header with a line break would be read as two."""
        return {
            MSG_ID: f"{self.stream}:{self.sequence}:{self.consumer}",
            self.REASON: _printable(self.reason),
            self.ERROR_ID: _printable(self.error_id),
            self.SUBJECT: _printable(self.subject),
            self.SEQUENCE: str(self.sequence),
            self.CONSUMER: _printable(self.consumer),
        }


MSG_ID = "Nats-Msg-Id"
EXPECTED_LAST_SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
TRACEPARENT = "traceparent"


def _printable(text: str) -> str:
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text[:500])


FACTS: tuple[type[_Fact], ...] = (
    OrderMessage,
    FillMessage,
    PositionMessage,
    AnswerMessage,
    RequestRecord,
    RiskMessage,
    FillsStatement,
    DriftMessage,
    KillDocument,
    RestoreDocument,
    RecoveryStatement,
    KeyStatement,
    HaltDocument,
    KeyRevocation,
    KeyRevocationAcknowledgement,
    KeySighting,
    KillAcknowledgement,
    LeaseDocument,
    PresenceDocument,
    CursorDocument,
    CheckpointDocument,
    InstrumentDocument,
    PriceDocument,
    WalletDocument,
    ErrorDocument,
    BudgetRequest,
    BudgetAnswer,
    BudgetOwner,
    BudgetFreeze,
    BudgetAlone,
    LimitsDocument,
    RainDocument,
)
