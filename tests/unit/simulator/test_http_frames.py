"""Reading requests off a connection, also when they come in pieces, together, or broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.simulator.http import BODY_BYTES_MAX, HEAD_BYTES_MAX, Frame, Malformed, read_frame, write_frame
from ordergate.simulator.served import Response

POST = b"POST /v2/orders?a=1 HTTP/1.1\r\nHost: x\r\nX-API-KEY:  k \r\nContent-Length: 4\r\n\r\nbody"


def _frame(buffer: bytes) -> Frame:
    frame = read_frame(buffer, "10.0.0.1")
    assert isinstance(frame, Frame), frame
    return frame


def test_request_is_read_with_its_raw_query_and_lower_case_header_names() -> None:
    frame = _frame(POST)
    request = frame.request
    assert (request.method, request.path, request.query, request.body) == ("POST", "/v2/orders", "a=1", b"body")
    assert (request.headers["x-api-key"], request.address, frame.length) == ("k", "10.0.0.1", len(POST))


@pytest.mark.parametrize("cut", range(len(POST)))
def test_part_of_a_request_is_waited_for(cut: int) -> None:
    assert read_frame(POST[:cut], "") is None


def test_second_request_in_the_buffer_is_left_there() -> None:
    assert _frame(POST + POST).length == len(POST)


@pytest.mark.parametrize(
    ("buffer", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length : 4\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -4\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (f"POST / HTTP/1.1\r\nContent-Length: {BODY_BYTES_MAX + 1}\r\n\r\n".encode(), 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"GET /" + b"x" * HEAD_BYTES_MAX, 431),
    ],
)
def test_broken_request_is_refused(buffer: bytes, status: int) -> None:
    assert read_frame(buffer, "") == Malformed(status=status)


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [("1.1", "", True), ("1.1", "Close", False), ("1.0", "", False), ("1.0", "Keep-Alive", True)],
)
def test_connection_stays_as_the_client_asks(version: str, connection: str, stays: bool) -> None:  # noqa: FBT001
    assert _frame(f"GET / HTTP/{version}\r\nConnection: {connection}\r\n\r\n".encode()).keep_alive is stays


def test_response_is_framed_with_its_length_and_headers() -> None:
    response = Response(429, b"{}", (("retry-after", "5"),))
    assert write_frame(response, keep_alive=False) == (
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        b"retry-after: 5\r\nConnection: close\r\n\r\n{}"
    )


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    assert isinstance(read_frame(noise + b"\r\n\r\n", ""), Frame | Malformed | None)
    assert isinstance(read_frame(b"GET /?" + noise + b" HTTP/1.1\r\n\r\n", ""), Frame | Malformed | None)
