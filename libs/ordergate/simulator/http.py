"""Reading and writing HTTP/1.1 frames, without sockets.

Small on purpose: the simulator shares its processor with what it measures. Bodies need a Content-Length (chunked is refused with 411); a head may be 16 KiB,
a body 1 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ordergate.simulator.served import Request

if TYPE_CHECKING:
    from ordergate.simulator.served import Response

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 1024 * 1024
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """What was received is no request this server reads; the connection ends with this status."""

    status: int


@dataclass(slots=True, eq=False)
class Frame:
    """One whole request, how many bytes it took, and whether the connection stays."""

    request: Request
    length: int
    keep_alive: bool


def read_frame(buffer: bytes, address: str) -> Frame | Malformed | None:
    """The first request in the buffer; None when it is not all there yet."""
    end = buffer.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
    if end < 0:
        return Malformed(status=431) if len(buffer) >= HEAD_BYTES_MAX else None
    lines = buffer[:end].decode("latin-1").split("\r\n")
    first = lines[0].split(" ")
    if len(first) != 3 or first[2] not in {"HTTP/1.1", "HTTP/1.0"} or not first[1].startswith("/"):  # noqa: PLR2004
        return Malformed(status=400)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or (name in headers and name in _SINGLE):
            return Malformed(status=400)
        headers[name] = value.strip(" \t")
    length = _body_length(headers)
    if isinstance(length, Malformed):
        return length
    if len(buffer) < end + 4 + length:
        return None
    path, _, query = first[1].partition("?")
    body = buffer[end + 4 : end + 4 + length]
    request = Request(first[0], path, query, headers, body, address)
    return Frame(request, end + 4 + length, _keeps_alive(first[2], headers))


def write_frame(response: Response, *, keep_alive: bool) -> bytes:
    """The response on the wire."""
    head = (
        f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, 'Unknown')}\r\n"
        f"Content-Type: {response.content_type}\r\nContent-Length: {len(response.body)}\r\n"
    )
    for name, value in response.headers:
        head += f"{name}: {value}\r\n"
    if not keep_alive:
        head += "Connection: close\r\n"
    return f"{head}\r\n".encode("latin-1") + response.body


_SINGLE = frozenset({"content-length", "x-api-key", "transfer-encoding", "content-type", "connection"})


def _body_length(headers: dict[str, str]) -> int | Malformed:
    if "transfer-encoding" in headers:
        return Malformed(status=411)
    text = headers.get("content-length")
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit()):
        return Malformed(status=400)
    if len(text) > 9 or int(text) > BODY_BYTES_MAX:  # noqa: PLR2004
        return Malformed(status=413)
    return int(text)


def _keeps_alive(version: str, headers: dict[str, str]) -> bool:
    connection = headers.get("connection", "").lower()
    return connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
