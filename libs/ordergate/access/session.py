"""The call: budget -> connection -> timestamp -> write-ahead (given in) -> check -> sign -> send -> classify, exactly in this order.

The wait for budget and for a socket comes before the timestamp, so that a signature is never old. Between the yes of the write-ahead and the bytes
on the socket there is no await: nothing that was true when the write-ahead said yes can have become false by another task of this process.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ordergate.access.budget import Usage, Weights
from ordergate.access.clock import Timestamps, VenueClock
from ordergate.access.connections import Carrier, Connections
from ordergate.access.http import AnswerLost, NothingSent
from ordergate.access.keys import Key
from ordergate.access.keys.keychain import Keychain, Wielded
from ordergate.access.limiter import Denied, Freeze, Limiter
from ordergate.access.redaction import redact
from ordergate.access.response import Response
from ordergate.access.signing import Sign, form_encode
from ordergate.access.upkeep import Upkeep
from ordergate.ports.clock import Clock
from ordergate.ports.venue import ClockRefused, NotExecuted, NotSent, Priority, Throttled, Unknown, WriteAhead
from ordergate.trading.errors import ClockUnknown, VenueUnavailable
from ordergate.trading.ids import ErrorId, derive_error_id

Document = dict[str, Any]
Answer = Document | list[Any]
"""What a venue answers: JSON, an object or an array."""
MILLISECONDS = 1_000
BANNED = 418
CLOCK_REFUSALS_MAX = 1
"""A read whose timestamp the venue refused is signed again once; twice says that the clock cannot be trusted."""
RAIN_SLOWNESS = 2.0
"""In rain mode every pause before another try is as many times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request before it is signed. path and parameters are the venue's, path already percent-encoded; purpose picks the row of its error table."""

    method: str
    path: str
    purpose: str
    priority: Priority
    weights: Weights
    parameters: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    signed: bool = True
    keyed: bool = False
    """Not signed, but shown the key in its header, as Binance wants it for a listen key."""
    client_order_id: str | None = None

    @property
    def shows_key(self) -> bool:
        return self.signed or self.keyed


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The venue says that it did what was asked. document: the JSON of the answer."""

    document: Answer


@dataclass(slots=True)
class _Tried:
    """One attempt while it lasts, and what it came to."""

    call: Call
    result: "Verdict | NotSent" = field(default_factory=lambda: NotSent(reason="not_tried", retriable=True))
    timestamp_ms: int = 0
    waited_ms: int = 0
    latency_ms: float | None = None
    status: int | None = None
    clock_unknown: ClockUnknown | None = None
    wielded: Wielded | None = None  # the key of this attempt, from its timestamp to its end


Verdict = Answered | NotExecuted | Throttled | ClockRefused | Unknown
Classify = Callable[[Call, Response, Callable[[], ErrorId]], Verdict]
"""The venue's error table. The last argument makes an ErrorId of ours, for a failure that bears none of the venue's."""
ReadUsage = Callable[[Call, Response], Sequence[Usage]]
"""What the headers of an answer say of the buckets, none or several."""
Compose = Callable[[Call, int, Key], bytes]
"""The bytes of a signed call with its timestamp, where it does not go over HTTP. Must not raise: the write-ahead stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """What may be told of one request: never key, query or signature. status is None where no answer came.

    outcome: answered | not_executed | throttled | clock_refused | not_sent | unknown. latency_ms runs from the first byte out.
    """

    at_ms: int
    method: str
    path: str
    status: int | None
    outcome: str
    error_id: str | None
    latency_ms: float | None
    waited_ms: int
    weights: Weights
    client_order_id: str | None
    key_id: str | None
    reason: str | None = None
    """Of a refusal, the venue's own word; of a request that was not sent or lost its answer, ours."""
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueManners:
    """How one venue wants to be spoken to."""

    key_header: str
    sign: Sign
    classify: Classify
    read_usage: ReadUsage
    window_ms: int
    send_margin_ms: int
    compose: Compose | None = None
    """None: HTTP, whose query `sign` makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits of time. Retries are for reads only: exponential with full jitter, all of them inside read_seconds_max."""

    request_seconds: float = 10.0
    connection_seconds: float = 3.0
    clock_seconds: float = 2.0
    key_seconds: float = 1.0  # while no key may sign
    read_attempts_max: int = 6
    read_seconds_max: float = 15.0
    first_pause_seconds: float = 0.25
    pause_seconds_max: float = 4.0


@dataclass(slots=True, kw_only=True)
class Session:
    """Calls of one account to one venue. draw gives a number in [0, 1) for the jitter. keychain None: unsigned calls only."""

    engine: Connections
    manners: VenueManners
    limiter: Limiter
    clock: Clock
    venue_clock: VenueClock
    timestamps: Timestamps
    keychain: Keychain | None
    record: Callable[[RequestRecord], None]
    upkeep: Upkeep | None  # None: unsigned calls only
    draw: Callable[[], float]
    patience: Patience = field(default_factory=Patience)
    _heads: dict[tuple[str | None, bool], bytes] = field(default_factory=dict, init=False, repr=False)  # holds the key

    async def change(
        self, call: Call, *, deadline_seconds: float, write_ahead: WriteAhead | None = None
    ) -> Verdict | NotSent:
        """One request that may change something, sent at most once. deadline_seconds bounds the wait for budget.

        What write_ahead raises passes through; nothing was sent then.
        """
        tried = await self._attempt(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        return tried.result

    async def read(self, call: Call) -> Answer:
        """A read, repeated while that may help. Raises VenueUnavailable when it does not, ClockUnknown when it cannot be signed."""
        document = await self.find(call)
        if document is None:
            raise VenueUnavailable(f"{call.method} {call.path}: the venue has no such thing")
        return document

    async def find(self, call: Call) -> Answer | None:
        """A read whose answer may be "there is none": then None. Raises as `read` does."""
        until = self.clock.monotonic() + self.patience.read_seconds_max
        attempt = clock_refusals = 0
        while True:
            left = max(0.0, until - self.clock.monotonic())
            tried = await self._attempt(call, deadline_seconds=left, write_ahead=None)
            clock_refusals += isinstance(tried.result, ClockRefused)
            if isinstance(tried.result, Answered):
                return tried.result.document
            if isinstance(tried.result, NotExecuted) and tried.result.not_found:
                return None
            pause = self._pause(tried.result, attempt)
            attempt += 1
            if pause is None or attempt == self.patience.read_attempts_max or clock_refusals > CLOCK_REFUSALS_MAX:
                break
            if self.clock.monotonic() + pause >= until:
                break
            await self.clock.sleep(pause)
        if tried.clock_unknown is not None:
            raise tried.clock_unknown
        raise VenueUnavailable(_explain(call, tried.result), error_id=getattr(tried.result, "error_id", None))

    def _pause(self, result: Verdict | NotSent, attempt: int) -> float | None:
        """Seconds until a read is worth repeating; None: it is not."""
        slowness = RAIN_SLOWNESS if self.limiter.raining else 1.0
        jittered = (
            slowness
            * self.draw()
            * min(self.patience.pause_seconds_max, self.patience.first_pause_seconds * 2.0**attempt)
        )
        match result:
            case Throttled():
                return result.retry_after_ms / MILLISECONDS + jittered
            case Unknown() | ClockRefused():
                return jittered
            case NotSent() if result.retriable and result.reason not in {"budget_deadline", "budget_queue_full"}:
                return jittered
            case _:
                return None

    async def _attempt(self, call: Call, *, deadline_seconds: float, write_ahead: WriteAhead | None) -> "_Tried":
        tried = _Tried(call)
        if call.shows_key and not await self._has_key(deadline_seconds):
            return self._note(tried, NotSent(reason="no_key", retriable=True))
        granted = await self.limiter.take(call.weights, call.priority, deadline_seconds=deadline_seconds)
        tried.waited_ms = granted.waited_ms
        if isinstance(granted, Denied):
            return self._note(tried, NotSent(reason=granted.reason, retriable=True))
        connection = await self.engine.acquire(
            timeout_seconds=self.patience.connection_seconds, urgent=call.priority <= Priority.RESOLVE
        )
        if isinstance(connection, NothingSent):
            return self._note(tried, NotSent(reason=connection.reason, retriable=True))
        try:
            if call.shows_key and not await self._take_key(tried):
                return self._note(tried, NotSent(reason="no_key", retriable=True))
            if write_ahead is not None and not await self._write(write_ahead, tried):
                return self._note(tried, NotSent(reason="write_ahead_refused", retriable=False))
            if not connection.is_alive:  # it died while the write-ahead was stored
                self.engine.release(connection)
                connection = self.engine.spare() or connection
            if self._is_too_late(tried):
                return self._note(tried, NotSent(reason="window_passed", retriable=True))
            if self.limiter.is_frozen:  # another call was told to stop while this one was prepared
                return self._note(tried, NotSent(reason="venue_frozen", retriable=True))
            if tried.wielded is not None and tried.wielded.is_stopped:
                return self._note(tried, NotSent(reason="key_revoked", retriable=True))
            self.limiter.sending(call.weights, granted_at_ms=granted.at_ms)
            return await self._exchange(tried, connection)
        except ClockUnknown as error:
            tried.clock_unknown = error
            return self._note(tried, NotSent(reason="clock_unknown", retriable=True))
        finally:
            self.engine.release(connection)
            if tried.wielded is not None:
                tried.wielded.end(tried.timestamp_ms)

    async def _has_key(self, deadline_seconds: float) -> bool:
        # Before the budget: what cannot be signed must not use it up.
        return self.keychain is not None and await self.keychain.ready(
            timeout_seconds=min(deadline_seconds, self.patience.key_seconds)
        )

    async def _take_key(self, tried: "_Tried") -> bool:
        """One key for the whole attempt: written ahead, signed and told, whatever takes over meanwhile. Raises ClockUnknown."""
        tried.wielded = None if self.keychain is None else self.keychain.begin()
        if tried.wielded is not None and tried.call.signed:
            tried.timestamp_ms = await self._next_timestamp()
        return tried.wielded is not None

    async def _next_timestamp(self) -> int:
        if not self.venue_clock.is_known and self.upkeep is not None:
            self.upkeep.read_clock_again()
            await self.upkeep.known(timeout_seconds=self.patience.clock_seconds)
        return await self.timestamps.next()

    async def _write(self, write_ahead: WriteAhead, tried: "_Tried") -> bool:
        return tried.wielded is not None and await write_ahead(tried.timestamp_ms, tried.wielded.key.id)

    def _is_too_late(self, tried: "_Tried") -> bool:
        """Whether the venue might take the request so late that the fence would be wrong. Raises ClockUnknown."""
        if not tried.call.signed:
            return False
        return self.venue_clock.now_ms() >= tried.timestamp_ms + self.manners.window_ms - self.manners.send_margin_ms

    async def _exchange(self, tried: "_Tried", connection: Carrier) -> "_Tried":
        request = self._compose(tried)
        began = self.clock.monotonic()
        try:
            found = await connection.exchange(request, timeout_seconds=self.patience.request_seconds)
        except asyncio.CancelledError:
            self._note(tried, Unknown(reason="canceled", error_id=self._error_id(tried)))
            raise
        tried.latency_ms = (self.clock.monotonic() - began) * MILLISECONDS
        match found:
            case NothingSent():
                return self._note(tried, NotSent(reason=found.reason, retriable=True))
            case AnswerLost():
                return self._note(tried, Unknown(reason=found.reason, error_id=self._error_id(tried)))
            case Response():
                return self._settle(tried, found)

    def _settle(self, tried: "_Tried", response: Response) -> "_Tried":
        tried.status = response.status
        sent_at_ms = tried.timestamp_ms or self.limiter.now_ms() - int(tried.latency_ms or 0)
        for usage in self.manners.read_usage(tried.call, response):
            self.limiter.observe(usage, sent_at_ms=sent_at_ms)
        verdict = self.manners.classify(tried.call, response, lambda: self._error_id(tried))
        if isinstance(verdict, Throttled):
            banned = response.status == BANNED
            freeze = Freeze(for_ms=verdict.retry_after_ms, weights=tried.call.weights, banned=banned)
            self.limiter.throttled(freeze)
        elif isinstance(verdict, ClockRefused):
            self.venue_clock.distrust()
            if self.upkeep is not None:
                self.upkeep.read_clock_again()
        return self._note(tried, verdict)

    def _compose(self, tried: "_Tried") -> bytes:
        """The request's bytes. The query that is signed is the query that is sent: nothing after this touches it."""
        call, key = tried.call, None if tried.wielded is None else tried.wielded.key
        if key is not None and self.manners.compose is not None:
            return self.manners.compose(call, tried.timestamp_ms, key)
        if key is None or not call.signed:
            query = form_encode(call.parameters)
        else:
            query = self.manners.sign(call.parameters, tried.timestamp_ms, key)
        target = f"{call.method} {self.engine.origin.prefix}{call.path}{'?' if query else ''}{query}".encode("ascii")
        body = call.body or b""
        length = b"" if call.method == "GET" else b"Content-Length: %d\r\n" % len(body)
        return b"".join((target, self._head(key, has_body=bool(body)), length, b"\r\n", body))

    def _head(self, key: Key | None, *, has_body: bool) -> bytes:
        name = (None if key is None else key.public, has_body)
        if name not in self._heads:
            lines = [f"Host: {self.engine.origin.authority}", "Accept: application/json", "Accept-Encoding: identity"]
            if key is not None:
                lines.append(f"{self.manners.key_header}: {key.public}")
            if has_body:
                lines.append("Content-Type: application/json")
            self._heads[name] = (" HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n").encode("ascii")
        return self._heads[name]

    def _error_id(self, tried: "_Tried") -> ErrorId:
        # A key's timestamps never repeat, so this names exactly this request.
        key_id = "public" if tried.wielded is None else tried.wielded.key.id
        return derive_error_id("request", key_id, str(tried.timestamp_ms or self.clock.now_ms()), tried.call.path)

    def _note(self, tried: "_Tried", result: Verdict | NotSent) -> "_Tried":
        tried.result = result
        self.record(
            RequestRecord(
                at_ms=self.clock.now_ms(),
                method=tried.call.method,
                path=tried.call.path,
                status=tried.status,
                outcome=_OUTCOMES[type(result)],
                error_id=getattr(result, "error_id", None),
                latency_ms=tried.latency_ms,
                waited_ms=tried.waited_ms,
                weights=tried.call.weights,
                client_order_id=tried.call.client_order_id,
                key_id=None if tried.wielded is None else tried.wielded.key.id,
                reason=getattr(result, "reason", None),
                retry_after_ms=getattr(result, "retry_after_ms", None),
            )
        )
        return tried


_OUTCOMES: dict[type, str] = {
    Answered: "answered",
    NotExecuted: "not_executed",
    Throttled: "throttled",
    ClockRefused: "clock_refused",
    NotSent: "not_sent",
    Unknown: "unknown",
}


def decode(body: bytes) -> Document | None:
    """The JSON object in `body`, or None: not JSON, or not an object."""
    answer = decode_answer(body)
    return answer if isinstance(answer, dict) else None


def decode_answer(body: bytes) -> Answer | None:
    """The JSON object or array in `body`, or None: not JSON, or neither."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return answer if isinstance(answer, dict | list) else None


def _explain(call: Call, result: Verdict | NotSent) -> str:
    match result:
        case NotExecuted():
            why = f"{result.reason}: {result.message}"
        case NotSent() | Unknown():
            why = result.reason
        case _:
            why = _OUTCOMES[type(result)]
    return redact(f"{call.method} {call.path}: {why}")
