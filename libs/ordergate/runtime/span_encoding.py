"""An order's span as the bytes of OTLP (opentelemetry/proto/trace/v1/trace.proto), without building message objects.

The bytes are written here because the thread that makes them shares its interpreter with the order path. CPU per span, Python 3.11,
five attributes: SDK `ReadableSpan` + `encode_spans` 26 us, `opentelemetry-proto` messages 14 us, this file 7 us. The tests read the
bytes back with `opentelemetry-proto`, so that the two cannot drift apart.
"""

import hashlib
import random
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ordergate.trading.ids import ClientOrderId

SpanNote = tuple[str, ClientOrderId, int, int, Mapping[str, str | int | None], str | None, str | None]
"""name, order, began and ended (UTC ns), attributes, errorId, traceparent of the parent: what the order path leaves behind."""

VALUE_CHARS_MAX = 512
_KEYS_MAX = 256  # attribute names are literals in our code; a caller that makes them up must not fill the memory
_NAMESPACE = "ordergate."

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16

# Field tags: number << 3 | wire type (0 varint, 1 fixed64, 2 bytes, 5 fixed32).
_TRACE_ID = b"\x0a\x10"  # with its length, always 16
_SPAN_ID = b"\x12\x08"
_PARENT_SPAN_ID = b"\x22\x08"
_NAME = b"\x2a"
_KIND_INTERNAL = b"\x30\x01"
_ATTRIBUTE = b"\x4a"
_LINK = b"\x6a\x1c" + _TRACE_ID  # 28 bytes: a trace id, a span id
_STATUS_ERROR = b"\x7a\x02\x18\x02"
_FLAGS_SAMPLED = b"\x85\x01\x01\x01\x00\x00"  # the parent's place is known ...
_FLAGS_REMOTE_PARENT = b"\x85\x01\x01\x03\x00\x00"  # ... and it is another process
_SEVEN_BITS = 0x7F
_times = struct.Struct("<BQBQ").pack
_BEGAN, _ENDED = 0x39, 0x41


def trace_digest(order: ClientOrderId) -> bytes:
    """24 bytes: the order's trace id (as `trading.ids.trace_id`), then the span id that its first span bears."""
    return hashlib.sha256(order.encode()).digest()[:24]


def traceparent(order: ClientOrderId) -> str:
    """The W3C header of a message about the order: its trace, and its first span as the parent."""
    digest = trace_digest(order).hex()
    return f"00-{digest[:32]}-{digest[32:]}-01"


class SpanEncoder:
    """Encodes notes one by one. Keeps nothing of them but their attribute names.

    redact: every text value passes through it, so that no secret can leave in a span. Only the clientOrderId does not: it is a
    token of the order's subjects, so everybody has read it before a span can tell it.
    opening_span: the name of the span that begins an order's life. It bears the span id that `traceparent` names, so the parent
    in a message header is a span that exists. All other ids are random.
    """

    def __init__(self, *, redact: Callable[[str], str], opening_span: str | None, random_ids: random.Random) -> None:
        self._redact = redact
        self._opening_span = opening_span
        self._random = random_ids
        self._keys: dict[str, bytes] = {}

    def encode(self, note: SpanNote) -> bytes:
        """The span as an element of ScopeSpans. Its parent stands if it is in the order's trace, else becomes a link."""
        name, order, began_ns, ended_ns, attributes, error_id, parent = note
        digest = trace_digest(order)
        span_id = digest[16:] if name == self._opening_span else self._random.randbytes(8)
        parts = [_TRACE_ID, digest[:16], _SPAN_ID, span_id]
        parts += self._ancestry(parent, digest[:16], span_id)
        parts += (
            _field(_NAME, name.encode(errors="replace")),
            _KIND_INTERNAL,
            _times(_BEGAN, began_ns, _ENDED, max(began_ns, ended_ns)),  # the wall clock may have stepped back
            self._attribute("client_order_id", order, public=True),
        )
        parts += [self._attribute(key, value) for key, value in attributes.items() if value is not None]
        if error_id is not None:
            parts += (self._attribute("error_id", error_id), _STATUS_ERROR)
        return _field(b"\x12", b"".join(parts))

    def _ancestry(self, parent: str | None, trace: bytes, span_id: bytes) -> tuple[bytes, ...]:
        found = _TRACEPARENT.fullmatch(parent) if parent is not None else None
        if found is None or found[2] == _NO_TRACE or found[3] == _NO_SPAN or found[1] == "ff":
            return (_FLAGS_SAMPLED,)
        parent_trace, parent_span = bytes.fromhex(found[2]), bytes.fromhex(found[3])
        if parent_trace != trace:
            return (_LINK, parent_trace, _SPAN_ID, parent_span, _FLAGS_SAMPLED)
        if parent_span == span_id:
            return (_FLAGS_SAMPLED,)
        return (_PARENT_SPAN_ID, parent_span, _FLAGS_REMOTE_PARENT)

    def _attribute(self, name: str, value: str | int, *, public: bool = False) -> bytes:
        key = self._keys.get(name)
        if key is None:
            key = _key(name)
            if len(self._keys) < _KEYS_MAX:
                self._keys[name] = key
        if isinstance(value, str) and not public:
            value = self._redact(
                value[: 2 * VALUE_CHARS_MAX]
            )  # more than is kept: a secret cut in two would not be known
        return _field(_ATTRIBUTE, key + _field(b"\x12", _value(value)))


class SpanRequest:
    """ExportTraceServiceRequest of one process: what all its spans share, encoded once."""

    def __init__(self, *, resource: Mapping[str, str], scope_version: str) -> None:
        attributes = b"".join(_field(b"\x0a", _plain_key(k) + _field(b"\x12", _value(v))) for k, v in resource.items())
        scope = _field(b"\x0a", b"ordergate") + _field(b"\x12", scope_version.encode())
        self._resource = _field(b"\x0a", attributes)
        self._scope = _field(b"\x0a", scope)

    def encode(self, spans: Sequence[bytes]) -> bytes:
        """The body of a POST to /v1/traces with spans from `SpanEncoder.encode`."""
        scope_spans = _field(b"\x12", self._scope + b"".join(spans))
        return _field(b"\x0a", self._resource + scope_spans)


def _field(tag: bytes, body: bytes) -> bytes:
    size = len(body)
    if size <= _SEVEN_BITS:  # almost always: one byte of length
        return b"%b%c%b" % (tag, size, body)
    return tag + _varint(size) + body


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > _SEVEN_BITS:
        digits.append(number & _SEVEN_BITS | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _key(name: str) -> bytes:
    return _plain_key(name if "." in name else _NAMESPACE + name)


def _plain_key(name: str) -> bytes:
    return _field(b"\x0a", name.encode(errors="replace"))


def _value(value: str | int) -> bytes:
    """AnyValue. An integer beyond 64 bits has no number in OTLP and goes as text."""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    return _field(b"\x0a", str(value)[:VALUE_CHARS_MAX].encode(errors="replace"))
