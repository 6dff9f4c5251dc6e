"""An HTTP/1.1 answer, read from bytes. No socket is known here; every size has a limit.

Strict on purpose: an answer whose end is in doubt (two lengths, a length and chunks, folded headers) is malformed, because what would be read next
on the same connection could be taken for the answer to another request.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ordergate.trading.errors import Unreadable

HEAD_BYTES_MAX = 32_768
BODY_BYTES_MAX = 16 * 1024 * 1024
INTERIM_ANSWERS_MAX = 4
_CHUNK_LINE_BYTES_MAX = 256
_NO_BODY = frozenset({204, 304})
_SWITCHING_PROTOCOLS = 101
_FINAL_STATUS_MIN = 200
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class MalformedAnswer(Unreadable):
    """Not an HTTP/1.1 answer, or larger than we take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Header names in lower case, repeated ones joined by `, `. The body is as it came: no content encoding is undone."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ResponseReader:
    """Reads one answer. Feed it until it returns a Response; `end` when the peer has closed."""

    def __init__(self, *, head_bytes_max: int = HEAD_BYTES_MAX, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._head_bytes_max = head_bytes_max
        self._body_bytes_max = body_bytes_max
        self._buffer = bytearray()
        self._status = 0  # 0: the head is not complete yet
        self._headers: dict[str, str] = {}
        self._length: int | None = None
        self._chunks: _Chunks | None = None
        self._interim = 0
        self.keep_alive = True

    def feed(self, data: bytes) -> Response | None:
        """Raises MalformedAnswer."""
        self._buffer += data
        while not self._status:
            if not self._read_head():
                return None
        return self._read_body()

    def end(self) -> Response | None:
        """The answer if the closing itself ends it; None: it is cut off."""
        if self._status and self._length is None and self._chunks is None:
            return self._response(bytes(self._buffer))
        return None

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or end > self._head_bytes_max:
            if len(self._buffer) > self._head_bytes_max:
                raise MalformedAnswer("the answer's head is too long")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        status, version = _parse_status_line(lines[0])
        if status < _FINAL_STATUS_MIN:
            self._interim += 1
            if status == _SWITCHING_PROTOCOLS or self._interim > INTERIM_ANSWERS_MAX:
                raise MalformedAnswer(f"unexpected interim answer {status}")
            return True
        self._headers = _parse_headers(lines[1:])
        self._frame(status, version)
        self._status = status
        return True

    def _frame(self, status: int, version: str) -> None:
        """Where the body ends (RFC 9112, 6.3)."""
        connection = self._headers.get("connection", "").lower()
        self.keep_alive = "close" not in connection and (version == "1.1" or "keep-alive" in connection)
        length, coding = self._headers.get("content-length"), self._headers.get("transfer-encoding")
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise MalformedAnswer("the answer's length is ambiguous")
            self._chunks = _Chunks(self._body_bytes_max)
        elif status in _NO_BODY:
            self._length = 0
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise MalformedAnswer("the answer's length is not a number")
            self._length = int(length[:20])
            if self._length > self._body_bytes_max:
                raise MalformedAnswer("the answer's body is too long")
        else:
            self.keep_alive = False  # it ends when the peer closes

    def _read_body(self) -> Response | None:
        if self._chunks is not None:
            body = self._chunks.feed(self._buffer)
            return None if body is None else self._response(body)
        if self._length is None:
            if len(self._buffer) > self._body_bytes_max:
                raise MalformedAnswer("the answer's body is too long")
            return None
        if len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return self._response(body)

    def _response(self, body: bytes) -> Response:
        if self._buffer and (self._length is not None or self._chunks is not None):
            self.keep_alive = (
                False  # bytes that nobody asked for: the connection is not to be trusted with another request
            )
        return Response(status=self._status, headers=self._headers, body=body)


class _Chunks:
    """A chunked body, taken from the front of a buffer as far as it is complete."""

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._body = bytearray()
        self._trailer_bytes = -1  # -1: no last chunk yet

    def feed(self, buffer: bytearray) -> bytes | None:
        while self._trailer_bytes < 0:
            end = buffer.find(b"\r\n", 0, _CHUNK_LINE_BYTES_MAX)
            if end < 0:
                if len(buffer) >= _CHUNK_LINE_BYTES_MAX:
                    raise MalformedAnswer("a chunk's head is too long")
                return None
            size = _parse_chunk_size(bytes(buffer[:end]))
            if len(self._body) + size > self._body_bytes_max:
                raise MalformedAnswer("the answer's body is too long")
            if size == 0:
                del buffer[: end + 2]
                self._trailer_bytes = 0
                break
            if len(buffer) < end + 2 + size + 2:
                return None
            if buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise MalformedAnswer("a chunk does not end where it should")
            self._body += buffer[end + 2 : end + 2 + size]
            del buffer[: end + 4 + size]
        return self._skip_trailers(buffer)

    def _skip_trailers(self, buffer: bytearray) -> bytes | None:
        while (end := buffer.find(b"\r\n")) > 0:
            self._trailer_bytes += end + 2
            del buffer[: end + 2]
        if self._trailer_bytes + len(buffer) > HEAD_BYTES_MAX:
            raise MalformedAnswer("the answer's trailers are too long")
        if end < 0:
            return None
        del buffer[:2]
        return bytes(self._body)


def _parse_status_line(line: str) -> tuple[int, str]:
    version, _, rest = line.partition(" ")
    status = rest[:3]
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not (status.isascii() and status.isdigit() and len(status) == 3):  # noqa: PLR2004 - three digits
        raise MalformedAnswer("not an HTTP/1 status line")
    if rest[3:4] not in {"", " "} or status < "100":
        raise MalformedAnswer("not an HTTP/1 status line")
    return int(status), version[5:]


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or not _TOKEN.issuperset(name):
            raise MalformedAnswer("a header line is malformed")
        name, value = name.lower(), value.strip(" \t")
        known = headers.get(name)
        if known is None or (name == "content-length" and known == value):
            headers[name] = value
        else:
            headers[name] = f"{known}, {value}"  # a second, other length is thereby not a number, and refused
    return headers


def _parse_chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t")
    if not digits or len(digits) > 8 or not all(byte in b"0123456789abcdefABCDEF" for byte in digits):  # noqa: PLR2004 - 4 GiB
        raise MalformedAnswer("a chunk's size is not a number")
    return int(digits, 16)
