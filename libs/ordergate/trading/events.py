"""What can happen to an order. Past tense, frozen; `at_ms` is the wall clock (UTC ms) of the service that saw it."""

from dataclasses import dataclass
from enum import StrEnum

from ordergate.trading.fills import VenueTrade
from ordergate.trading.ids import ErrorId
from ordergate.trading.order import Attempt, NonExecution, OrderRequest, State, VenueView


class Source(StrEnum):
    """Who saw the evidence."""

    SUBMISSION = "submission"
    LOOKUP = "lookup"
    OPEN_ORDERS = "open_orders"
    CANCEL = "cancel"
    STREAM = "stream"
    RECOVERY = "recovery"  # after a restore of the bus: this ledger may have forgotten that the order was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Risk let the order pass."""

    request: OrderRequest
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """We ourselves refused it; nothing was sent."""

    request: OrderRequest
    at_ms: int
    reason: str
    error_id: ErrorId


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The venue shows a live order that the ledger does not know."""

    request: OrderRequest
    view: VenueView
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionBegan:
    """The write-ahead of attempt k. From k = 2 on it carries the proof that attempt k - 1 cannot execute.

    fence: what was asked, and when, if the proof is FENCED.
    """

    attempt: Attempt
    at_ms: int
    proof: NonExecution | None = None
    fence: "ProvenNotPlaced | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedUnsent:
    """The order ends without having been at the venue: never sent, or its last attempt is proven not to execute.

    attempt: the attempt the proof is about, 0 if none had begun. Without it, an ending decided before somebody else's attempt
    began would end an order that is on its way. Not for the fence: what that proves is ProvenNotPlaced.
    """

    state: State  # canceled or expired
    reason: str
    at_ms: int
    error_id: ErrorId | None = None
    proof: NonExecution = NonExecution.NEVER_SENT
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueReported:
    """The venue showed the order. trades: of the order, where the same answer told them too; whoever stores fills takes them from here."""

    view: VenueView
    source: Source
    at_ms: int
    trades: tuple[VenueTrade, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRejected:
    """The venue refused the request; by its error table the order does not exist there."""

    attempt: int
    reason: str
    error_id: ErrorId
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeLost:
    """The request was, or may have been, sent, and no answer says what became of it."""

    attempt: int
    reason: str
    error_id: ErrorId
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenNotPlaced:
    """The fence: asked twice after venue time fence_ms (timestamp + window + settle), never found."""

    attempt: int
    fence_ms: int
    asked_at_ms: tuple[int, ...]  # venue time of each lookup that found nothing
    at_ms: int
    error_id: ErrorId | None = None
    reason: str = "not_placed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenAbsent:
    """The same proof about an order whose intent allows a resubmission: it goes on being unknown until risk has let it pass again."""

    attempt: int
    fence_ms: int
    asked_at_ms: tuple[int, ...]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenUnexecuted:
    """The venue would not take request `attempt` (429, 418, its timestamp): it never executes, and another may follow by itself.

    It stands in the ledger because that may be long after: whoever has the order then, this process or another, needs the proof to go on,
    and polling needs it to leave the order alone. retry_at_ms: wall clock before which the venue wants no other request.
    """

    attempt: int
    proof: NonExecution
    at_ms: int
    error_id: ErrorId
    retry_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reapproved:
    """Risk let an order pass once more, whose last attempt is proven not to have executed."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Somebody asked for the end of the order. A request, not a state."""

    at_ms: int
    reason: str = "requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """Nothing new: a live order is said again before the stream forgets it, an unknown one to publish its age."""

    at_ms: int


FirstEvent = Approved | Refused | Adopted
LaterEvent = (
    SubmissionBegan
    | EndedUnsent
    | VenueReported
    | VenueRejected
    | OutcomeLost
    | ProvenNotPlaced
    | ProvenAbsent
    | ProvenUnexecuted
    | Reapproved
    | CancelRequested
    | Restated
)
Event = FirstEvent | LaterEvent
