from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.response import MalformedAnswer, Response, ResponseReader

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;name=value\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
)


def read(data: bytes, *, head_bytes_max: int = 1_000, body_bytes_max: int = 1_000) -> Response | None:
    return ResponseReader(head_bytes_max=head_bytes_max, body_bytes_max=body_bytes_max).feed(data)


@pytest.mark.parametrize("data", [PLAIN, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN])
@given(cuts=st.lists(st.integers(0, 120), max_size=8))
def test_an_answer_reads_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    reader = ResponseReader()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = [reader.feed(data[start:end]) for start, end in pairwise(edges) if start < end]
    assert all(each is None for each in found[:-1])
    assert found[-1] is not None
    assert (found[-1].status, found[-1].body) == (200, b"hello")
    assert reader.keep_alive


def test_header_names_are_lower_case_and_repeated_ones_joined() -> None:
    response = read(PLAIN)
    assert response is not None
    assert response.headers == {"content-length": "5", "x-a": "1, 2"}


@pytest.mark.parametrize(
    "data",
    [
        b"NATS/1.1 200 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nlong\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1001,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5,
    ],
)
def test_what_is_ambiguous_or_too_large_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        read(data)


def test_without_a_length_the_answer_ends_when_the_peer_closes_and_the_connection_with_it() -> None:
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhel") is None
    assert reader.feed(b"lo") is None
    found = reader.end()
    assert found is not None
    assert found.body == b"hello"
    assert not reader.keep_alive


@pytest.mark.parametrize("data", [PLAIN[:-1], CHUNKED[:-2], b"HTTP/1.1 200 OK\r\nConte"])
def test_a_cut_off_answer_is_none(data: bytes) -> None:
    reader = ResponseReader()
    assert reader.feed(data) is None
    assert reader.end() is None


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"HTTP/1.1 200 OK",
        CHUNKED + b"x",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_connection_that_says_more_or_says_goodbye_is_not_used_again(data: bytes) -> None:
    reader = ResponseReader()
    assert reader.feed(data) is not None
    assert not reader.keep_alive


def test_no_content_has_no_body_to_wait_for() -> None:
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n") == Response(status=204, headers={}, body=b"")


@given(st.binary(max_size=300))
def test_noise_is_refused_or_waited_for_and_never_breaks_the_reader(noise: bytes) -> None:
    try:
        read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + noise)
        read(noise)
    except MalformedAnswer:
        pass
