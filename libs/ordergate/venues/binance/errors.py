"""What an answer of Binance proves about the request it answers. The codes are data, handed in by each venue; what holds for all of them is here.

A doubt is always Unknown: every 5xx ("do not treat as failure; the status is unknown", rest-api.md), bodies without a code (a 403 page comes from the wall
before the exchange, and a 2xx may be cut), codes that no table names, an id in use (perhaps by ourselves), -1006 and -1007.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ordergate.access.redaction import redact
from ordergate.access.response import Response
from ordergate.access.retry_after import RETRY_AFTER_MS_DEFAULT, retry_after_ms
from ordergate.access.session import Answer, Answered, Call, Classify, Document, Verdict, decode_answer
from ordergate.ports.venue import ClockRefused, NotExecuted, Throttled, Unknown
from ordergate.trading.ids import ErrorId

TEXT_LENGTH_MAX = 300
THROTTLED = frozenset({418, 429})  # whoever sends it, wall or exchange, sends it instead of carrying out
BANNED = 418
BAN_MS_MIN = 120_000
"""Bans last from 2 minutes to 3 days (rest-api.md, IP Limits)."""
SERVER_ERROR = 500
_OK_STATUS = range(200, 300)
_FILTER = re.compile(r"Filter failure: ([A-Z_]{1,60})")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


class Proof(StrEnum):
    NOT_EXECUTED = "not_executed"
    CREDENTIALS = "credentials"  # not executed, and nothing else will be with this key
    NOT_FOUND = "not_found"
    CLOCK = "clock"
    THROTTLED = "throttled"  # not executed; a Retry-After says when
    BY_DATA = "by_data"  # several things were asked, and `data` says what became of each: the client reads it
    NONE = "none"  # named so that a reader sees that it was thought of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """code: the exchange's. purposes: of the calls it is about, None for all. text: how its message begins, where one code says several things.

    reason: our word for it in ledger and answers; None: made of the message.
    """

    code: int
    proof: Proof
    reason: str | None = None
    purposes: frozenset[str] | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`{"code": -1121, "msg": "Invalid symbol."}`."""

    code: int
    message: str


ReadServerError = Callable[[Call, Failure, ErrorId], Verdict | None]
"""What the text of a 5xx proves where the exchange's documentation says so; None: nothing."""


class ErrorTable:
    """The first rule that fits decides. server_error: None where every 5xx is unknown."""

    def __init__(self, rules: Iterable[Rule], *, server_error: ReadServerError | None = None) -> None:
        by_code: dict[int, list[Rule]] = {}
        for rule in rules:
            by_code.setdefault(rule.code, []).append(rule)
        self._rules: Mapping[int, Sequence[Rule]] = MappingProxyType(by_code)
        self._server_error = server_error

    @property
    def codes(self) -> frozenset[int]:
        return frozenset(self._rules)

    @property
    def classify(self) -> Classify:
        """For access.session.VenueManners."""
        return self._classify

    def judge_leg(self, purpose: str, document: object, error_id: ErrorId) -> NotExecuted | Unknown:
        """What a failed part of a call proves about that part: a leg bears a code and no status of its own."""
        failure = failure_of(document)
        if failure is None:
            return Unknown(reason="leg_unreadable", error_id=error_id)
        rule = self._find(purpose, failure)
        if rule is not None and rule.proof in {Proof.NOT_EXECUTED, Proof.CREDENTIALS, Proof.NOT_FOUND, Proof.THROTTLED}:
            return _not_executed(rule, failure, error_id)
        return Unknown(reason=f"leg_{reason_of(failure)}", error_id=error_id)

    def _classify(self, call: Call, response: Response, own_error_id: Callable[[], ErrorId]) -> Verdict:
        answer = decode_answer(response.body)
        failure = failure_of(answer)
        if response.status in _OK_STATUS and answer is not None and failure is None:
            return Answered(document=answer)
        error_id = own_error_id()
        if response.status in THROTTLED:
            return Throttled(retry_after_ms=wait_ms(response, failure), error_id=error_id)
        if response.status >= SERVER_ERROR:
            return self._read_server_error(call, response, failure, error_id)
        if failure is None or response.status in _OK_STATUS:
            return Unknown(reason=f"unreadable_{response.status}", error_id=error_id)
        return self._verdict(call, response, answer, failure, error_id)

    def _read_server_error(self, call: Call, response: Response, failure: Failure | None, error_id: ErrorId) -> Verdict:
        if failure is not None and self._server_error is not None:
            found = self._server_error(call, failure, error_id)
            if found is not None:
                return found
        said = "" if failure is None else f"_{reason_of(failure)}"
        return Unknown(reason=f"http_{response.status}{said}", error_id=error_id)

    def _verdict(
        self, call: Call, response: Response, answer: Answer | None, failure: Failure, error_id: ErrorId
    ) -> Verdict:
        rule = self._find(call.purpose, failure)
        match None if rule is None else rule.proof:
            case Proof.NOT_EXECUTED | Proof.CREDENTIALS | Proof.NOT_FOUND if rule is not None:
                return _not_executed(rule, failure, error_id)
            case Proof.THROTTLED:
                return Throttled(retry_after_ms=wait_ms(response, failure), error_id=error_id)
            case Proof.CLOCK:
                return ClockRefused(error_id=error_id)
            case Proof.BY_DATA if isinstance(answer, dict) and isinstance(answer.get("data"), dict):
                return Answered(document=answer)
            case _:
                return Unknown(reason=f"{response.status}_{reason_of(failure)}", error_id=error_id)

    def _find(self, purpose: str, failure: Failure) -> Rule | None:
        for rule in self._rules.get(failure.code, ()):
            if (rule.purposes is None or purpose in rule.purposes) and failure.message.startswith(rule.text):
                return rule
        return None


def failure_of(answer: object) -> Failure | None:
    """The failure that an answer is, or None. A code of 0 or above is none: futures say `{"code": 200, "msg": ...}` of what was done."""
    if not isinstance(answer, dict):
        return None
    code, message = answer.get("code"), answer.get("msg")
    if isinstance(code, str) and code.removeprefix("-").isdecimal() and code.isascii():
        code = int(code[:12])
    if not isinstance(code, int) or isinstance(code, bool) or code >= 0:
        return None
    return Failure(code=code, message=text_of(message))


def reason_of(failure: Failure) -> str:
    """A stable word for it: the filter's own name where one refused, else the exchange's message in our letters, else the code."""
    if (found := _FILTER.match(failure.message)) is not None:
        return found[1]
    word = _NOT_A_WORD.sub("_", failure.message.lower()).strip("_")[:60]
    return word or f"code_{-failure.code}"


def wait_ms(response: Response, failure: Failure | None) -> int:
    """For how long nobody may call: Retry-After, which both 429 and 418 bear; where it is missing, the shortest ban there is for a ban, else a minute."""
    banned = response.status == BANNED or (failure is not None and "banned" in failure.message)
    return retry_after_ms(response.headers, default_ms=BAN_MS_MIN if banned else RETRY_AFTER_MS_DEFAULT)


def text_of(value: object) -> str:
    # Whatever stands in the way may quote the request it refused; this text goes on into ledger, answers and logs.
    return redact(value)[:TEXT_LENGTH_MAX] if isinstance(value, str) else ""


def document_of(answer: Answer) -> Document:
    """An object, or an empty one for an array."""
    return answer if isinstance(answer, dict) else {}


def _not_executed(rule: Rule, failure: Failure, error_id: ErrorId) -> NotExecuted:
    return NotExecuted(
        reason=rule.reason or reason_of(failure),
        message=failure.message,
        error_id=error_id,
        credentials=rule.proof is Proof.CREDENTIALS,
        not_found=rule.proof is Proof.NOT_FOUND,
    )
