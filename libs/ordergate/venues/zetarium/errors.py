"""What an answer of ZetariumDex proves about the request it answers, as a table.

Everything that the table does not name is `Unknown`: 5xx, redirects, bodies that are not the venue's envelope (a 403 page comes from a wall before the
exchange), a 2xx that cannot be read, a replay (its first copy may have executed), an id in use (perhaps by ourselves). The statuses are documented,
the `code` values assumed; the timestamp's error text is documented, so it is known by its text too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ordergate.access.redaction import redact
from ordergate.access.response import Response
from ordergate.access.retry_after import retry_after_ms
from ordergate.access.session import Answered, Call, Document, Verdict, decode
from ordergate.ports.venue import ClockRefused, NotExecuted, Throttled, Unknown
from ordergate.trading.ids import ErrorId
from ordergate.venues.zetarium.parse import shown_order


class Purpose(StrEnum):
    READ = "read"
    PLACE = "place"
    BATCH = "batch"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    CLOSE = "close"


class Proof(StrEnum):
    NOT_EXECUTED = "not_executed"
    CREDENTIALS = "credentials"  # not executed, and nothing else will be with this key
    NOT_FOUND = "not_found"
    TOO_LATE = "too_late"
    CLOCK = "clock"
    NONE = "none"  # named so that a reader sees that it was thought of


P = Purpose
ANY = frozenset(Purpose)
WRITES = ANY - {P.READ}


@dataclass(frozen=True, slots=True)
class Row:
    status: int
    code: str | None  # None: whatever code, the envelope is enough
    purposes: frozenset[Purpose]
    proof: Proof


# The first row that fits decides.
# fmt: off
TABLE = (
    Row(400, None,                          ANY,                          Proof.NOT_EXECUTED),
    Row(401, "INVALID_API_KEY",             ANY,                          Proof.CREDENTIALS),
    Row(401, "INVALID_SIGNATURE",           ANY,                          Proof.CREDENTIALS),
    Row(401, "API_KEY_EXPIRED",             ANY,                          Proof.CREDENTIALS),
    Row(401, "IP_NOT_ALLOWED",              ANY,                          Proof.CREDENTIALS),
    Row(401, "INVALID_TIMESTAMP",           ANY,                          Proof.CLOCK),
    Row(401, "REPLAYED_REQUEST",            ANY,                          Proof.NONE),
    Row(403, None,                          ANY,                          Proof.CREDENTIALS),
    Row(404, "ORDER_NOT_FOUND",             frozenset({P.READ, P.CANCEL}), Proof.NOT_FOUND),
    Row(404, "POSITION_NOT_FOUND",          frozenset({P.READ, P.CLOSE}), Proof.NOT_FOUND),
    Row(409, "ORDER_NOT_CANCELABLE",        frozenset({P.CANCEL}),        Proof.TOO_LATE),
    Row(409, "OPEN_POSITION_LEVERAGE_GUARD", ANY,                         Proof.NOT_EXECUTED),
    Row(409, "OPEN_POSITION_MARGIN_GUARD",  ANY,                          Proof.NOT_EXECUTED),
    Row(409, "CLIENT_ORDER_ID_IN_USE",      ANY,                          Proof.NONE),
)
# fmt: on
TIMESTAMP_TEXT = "Invalid or expired timestamp"
THROTTLED = frozenset({418, 429})  # whoever sends it, wall or exchange, sends it instead of carrying out
TEXT_LENGTH_MAX = 300
ERROR_ID_LENGTH_MAX = 128
_OK_STATUS = range(200, 300)

# A leg of a batch bears no status of its own: these codes prove that it did nothing.
REFUSED_LEG_CODES = frozenset(
    {
        "VALIDATION_ERROR",
        "FILTER_FAILURE",
        "RISK_REJECTED",
        "INSUFFICIENT_BALANCE",
        "REDUCE_ONLY_REJECTED",
        "SYMBOL_HALTED",
        "WOULD_TRIGGER_IMMEDIATELY",
        "OPEN_POSITION_LEVERAGE_GUARD",
        "OPEN_POSITION_MARGIN_GUARD",
    }
)


def classify(call: Call, response: Response, own_error_id: Callable[[], ErrorId]) -> Verdict:
    """What `response` proves about `call`. own_error_id names the failure where the answer has no errorId."""
    document = decode(response.body)
    if document is not None and response.status in _OK_STATUS and document.get("ok") is True:
        return Answered(document=document)
    error_id = error_id_of(document) or own_error_id()
    if response.status in THROTTLED:
        return Throttled(retry_after_ms=retry_after_ms(response.headers), error_id=error_id)
    if document is None:
        return Unknown(reason=f"unreadable_{response.status}", error_id=error_id)
    if document.get("ok") is not False:
        return Unknown(reason=f"unreadable_{response.status}", error_id=error_id)
    return _refusal(_proof(Purpose(call.purpose), response.status, document), response.status, document, error_id)


def classify_leg(document: Document, own_error_id: ErrorId) -> NotExecuted | Unknown:
    """What a failed leg of a batch proves about that leg."""
    error_id = error_id_of(document) or own_error_id
    code = document.get("code")
    refused = document.get("ok") is False and isinstance(code, str) and code in REFUSED_LEG_CODES
    if refused:
        return NotExecuted(reason=_reason(document, 400), message=_text(document.get("error")), error_id=error_id)
    return Unknown(reason=f"leg_{_text(document.get('code')) or 'unreadable'}", error_id=error_id)


def error_id_of(document: Document | None) -> ErrorId | None:
    found = None if document is None else document.get("errorId")
    if not isinstance(found, str) or not 0 < len(found) <= ERROR_ID_LENGTH_MAX or redact(found) != found:
        return None
    return ErrorId(found)


def _proof(purpose: Purpose, status: int, document: Document) -> Proof:
    code = document.get("code")
    if status == 401 and code is None and document.get("error") == TIMESTAMP_TEXT:  # noqa: PLR2004 - HTTP's own number
        return Proof.CLOCK
    for row in TABLE:
        if row.status == status and (row.code is None or row.code == code) and purpose in row.purposes:
            return row.proof
    return Proof.NONE


def _refusal(proof: Proof, status: int, document: Document, error_id: ErrorId) -> Verdict:
    reason, message = _reason(document, status), _text(document.get("error"))
    match proof:
        case Proof.NOT_EXECUTED:
            return NotExecuted(reason=reason, message=message, error_id=error_id)
        case Proof.CREDENTIALS:
            return NotExecuted(reason=reason, message=message, error_id=error_id, credentials=True)
        case Proof.NOT_FOUND:
            return NotExecuted(reason=reason, message=message, error_id=error_id, not_found=True)
        case Proof.TOO_LATE:
            return NotExecuted(
                reason=reason, message=message, error_id=error_id, too_late=True, view=shown_order(document)
            )
        case Proof.CLOCK:
            return ClockRefused(error_id=error_id)
        case Proof.NONE:
            return Unknown(reason=f"{status}_{reason}", error_id=error_id)


def _reason(document: Document, status: int) -> str:
    """The venue's own word, the most exact it has: `max_order_notional_exceeded`, `PRICE_FILTER`, else the code, else the status."""
    return _text(document.get("reason")) or _text(document.get("code")) or f"http_{status}"


def _text(value: object) -> str:
    # Whatever stands in the way may quote the request it refused; this text goes on into ledger, answers and logs.
    return redact(value)[:TEXT_LENGTH_MAX] if isinstance(value, str) else ""
