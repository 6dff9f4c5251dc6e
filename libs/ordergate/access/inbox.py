"""What came by a stream and was not read yet: messages and the stream's own words about itself, in one order, and bounded.

A consumer that lags makes it full. Then every message in it is thrown away and the stream counts as lost: what was in them is read from the venue, which costs
requests, and the process lives. A message more would have cost memory without end.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Mark = TypeVar("Mark")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxLimits:
    messages_max: int = 50_000
    bytes_max: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """line: number of the connection that it came by. at_ms: our wall clock."""

    line: int
    data: bytes
    at_ms: int


class Inbox(Generic[Mark]):
    """One reader."""

    def __init__(self, limits: InboxLimits | None = None) -> None:
        self._limits = limits or InboxLimits()
        self._items: deque[Message | Mark] = deque()
        self._bytes = 0
        self._messages = 0
        self._filled = asyncio.Event()
        self._failure: BaseException | None = None
        self._closed = False

    def __len__(self) -> int:
        return self._messages

    def put(self, message: Message) -> bool:
        """False: there is no room, and nothing was kept."""
        if self._messages >= self._limits.messages_max or self._bytes + len(message.data) > self._limits.bytes_max:
            return False
        self._messages += 1
        self._bytes += len(message.data)
        self._items.append(message)
        self._filled.set()
        return True

    def mark(self, mark: Mark) -> None:
        """Always taken: there are a few for each connection."""
        self._items.append(mark)
        self._filled.set()

    def forget_messages(self) -> int | None:
        """Throw every message away and keep the marks; when the oldest came, None where there was none."""
        kept: list[Message | Mark] = []
        oldest_ms: int | None = None
        for item in self._items:
            if isinstance(item, Message):
                oldest_ms = item.at_ms if oldest_ms is None else oldest_ms
            else:
                kept.append(item)
        self._items = deque(kept)
        self._messages = self._bytes = 0
        return oldest_ms

    def fail(self, error: BaseException) -> None:
        """Whoever reads next is told so."""
        self._failure = error
        self._filled.set()

    def close(self) -> None:
        self._closed = True
        self._filled.set()

    def take(self) -> "Message | Mark | None":
        """The oldest; None: there is none now."""
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, Message):
            self._messages -= 1
            self._bytes -= len(item.data)
        return item

    async def filled(self) -> bool:
        """Wait for something to take; False: closed, there will be nothing more. Raises what `fail` was given."""
        while not self._items and not self._closed and self._failure is None:
            self._filled.clear()
            await self._filled.wait()
        if self._failure is not None:
            raise self._failure
        return not self._closed
