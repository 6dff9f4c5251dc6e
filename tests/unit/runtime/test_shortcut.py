"""What is cut out of the bytes for sinks, and that everything else reaches the reader behind as it came, wherever the bytes are split."""

import asyncio

import pytest
from typing_extensions import override

from ordergate.runtime.shortcut import Shortcut

Frame = tuple[int, bytes, bytes, bytes, bytes | None]

OTHERS = (
    b"INFO {}\r\n",
    b"PING\r\n",
    b"MSG theirs 9 reply 4\r\n\r\n\r\n\r\n",
    b"HMSG theirs 9 12 14\r\nNATS/1.0\r\n\r\nab\r\n",
    b"+OK\r\n",
    b"-ERR 'no'\r\n",
)
OURS: tuple[tuple[bytes, Frame], ...] = (
    (b"MSG a.b 1 3\r\nx\r\n\r\n", (1, b"a.b", b"", b"x\r\n", None)),
    (b"MSG a 2 back 0\r\n\r\n", (2, b"a", b"back", b"", None)),
    (b"HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", (1, b"a", b"", b"hi", b"NATS/1.0\r\n\r\n")),
    (b"HMSG a 1 to 16 16\r\nNATS/1.0 404\r\n\r\n\r\n", (1, b"a", b"to", b"", b"NATS/1.0 404\r\n\r\n")),
)
MIXED = b"".join(one + other for (one, _), other in zip(OURS, OTHERS[: len(OURS)], strict=True)) + b"".join(OTHERS[4:])


class Behind(asyncio.Protocol):
    """In the place of nats-py's stream reader."""

    def __init__(self) -> None:
        self.read = b""
        self.lost: list[Exception | None] = []

    @override
    def data_received(self, data: bytes) -> None:
        self.read += data

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def over(behind: Behind, heard: list[Frame], *, between: list[bool] | None = None) -> Shortcut:
    def deliver(sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> bool:
        if sid > 2:
            return False
        heard.append((sid, subject, reply, data, headers))
        return True

    return Shortcut(behind, is_between=lambda: between is None or between.pop(0), deliver=deliver)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 20, 1_000])
def test_frames_for_sinks_are_cut_out_and_the_rest_goes_on_however_it_is_split(piece: int) -> None:
    behind, heard = Behind(), list[Frame]()
    shortcut = over(behind, heard)
    for start in range(0, len(MIXED), piece):
        shortcut.data_received(MIXED[start : start + piece])
    assert heard == [frame for _, frame in OURS]
    assert behind.read == b"".join(OTHERS)


def test_until_nats_py_stands_between_two_frames_all_bytes_are_its() -> None:
    behind, heard = Behind(), list[Frame]()
    shortcut = over(behind, heard, between=[False, False, True])
    frame = OURS[0][0]
    for data in (frame[:5], frame[5:], frame):
        shortcut.data_received(data)
    assert behind.read == frame
    assert heard == [OURS[0][1]]


def test_the_end_of_the_connection_is_told() -> None:
    behind = Behind()
    error = ConnectionResetError()
    over(behind, []).connection_lost(error)
    assert behind.lost == [error]


def test_a_size_that_is_no_number_ends_the_connection() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        over(Behind(), []).data_received(b"MSG a 1 x\r\n\r\n")
