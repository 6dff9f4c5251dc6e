"""Between the socket and nats-py: messages for sinks are cut out of the bytes as they arrive, everything else goes on to nats-py as it came.

nats-py's own way (a stream reader, a task that waits for it, regular expressions, a coroutine a message) costs several times this, at each
step of an order. It stays in charge of all that is not a message for a sink: INFO, PING, PONG, errors, subscriptions of its own.
"""

import asyncio
from collections.abc import Callable

from typing_extensions import override

Deliver = Callable[[int, bytes, bytes, bytes, bytes | None], bool]
"""Takes subscription number, subject, reply, payload, raw headers; whether it was for a sink."""

_MESSAGE, _MESSAGE_WITH_HEADERS = b"MSG ", b"HMSG "
_WORDS_WITH_REPLY, _WORDS_WITH_REPLY_AND_HEADERS = 4, 5


class Shortcut(asyncio.Protocol):
    """The protocol of a connected socket in the place of `behind`. `is_between` says whether nats-py has read whole frames only: before
    that is so once, all bytes are its.
    """

    def __init__(self, behind: asyncio.Protocol, *, is_between: Callable[[], bool], deliver: Deliver) -> None:
        self._behind = behind
        self._is_between = is_between
        self._deliver = deliver
        self._is_ours = False
        self._rest = b""

    @override
    def data_received(self, data: bytes) -> None:
        if not self._is_ours:
            if not self._is_between():
                self._behind.data_received(data)
                return
            self._is_ours = True
        if self._rest:
            data = self._rest + data
        done = 0
        while (end := self._frame_end(data, done)) is not None:
            done = end
        self._rest = data[done:]

    def _frame_end(self, data: bytes, start: int) -> int | None:
        """Hand on the frame that begins there; where it ends. None: it is not there as a whole."""
        line_end = data.find(b"\r\n", start)
        if line_end < 0:
            return None
        body = line_end + 2
        if data.startswith(_MESSAGE, start):
            words = data[start + 4 : line_end].split()
            header_size, with_reply = 0, _WORDS_WITH_REPLY
        elif data.startswith(_MESSAGE_WITH_HEADERS, start):
            words = data[start + 5 : line_end].split()
            header_size, with_reply = int(words[-2]), _WORDS_WITH_REPLY_AND_HEADERS
        else:
            self._behind.data_received(data[start:body])
            return body
        end = body + int(words[-1])
        if end + 2 > len(data):
            return None
        payload_start = body + header_size
        headers = data[body:payload_start] if header_size else None
        reply = words[2] if len(words) == with_reply else b""
        if not self._deliver(int(words[1]), words[0], reply, data[payload_start:end], headers):
            self._behind.data_received(data[start : end + 2])
        return end + 2

    @override
    def eof_received(self) -> bool | None:
        return self._behind.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._behind.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        self._behind.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._behind.resume_writing()
