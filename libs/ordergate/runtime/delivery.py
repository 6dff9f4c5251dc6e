"""One message of a durable consumer in our hands, and the ways to answer it (ports.bus.Delivery)."""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import NamedTuple

from ordergate.runtime.connection import Bus
from ordergate.runtime.lean import parse_headers
from ordergate.runtime.pull import delivered_parts

ACK = b"+ACK"
IN_PROGRESS = b"+WPI"
TERMINATE = b"+TERM"

Bury = Callable[["LaneDelivery", str, str], Awaitable[None]]


class Answer(Enum):
    """How a delivery was answered."""

    OPEN = auto()
    ACKED = auto()
    RETRIED = auto()
    BURIED = auto()


class Raw(NamedTuple):
    """A message as it came off the socket."""

    subject: bytes
    reply: bytes
    data: bytes
    headers: bytes | None


class LaneDelivery:
    """Parsed only as far as somebody asks. An ack is not confirmed: if it is lost, the message comes again and its guard refuses it."""

    __slots__ = (
        "_bury",
        "_bus",
        "_count",
        "_raw",
        "_stored_at_ns",
        "answer",
        "beaten_at",
        "number",
        "retry_after",
        "sequence",
        "subject",
    )

    def __init__(self, raw: Raw, *, bus: Bus, bury: Bury, received_at: float) -> None:
        self._raw = raw
        self._bus = bus
        self._bury = bury
        self._count, self.sequence, self.number, self._stored_at_ns, _ = delivered_parts(raw.reply)
        self.subject = raw.subject.decode()
        self.answer = Answer.OPEN
        self.retry_after = 0.0
        self.beaten_at = received_at

    @property
    def data(self) -> bytes:
        return self._raw.data

    @property
    def headers(self) -> Mapping[str, str]:
        return parse_headers(self._raw.headers)

    @property
    def stored_at_ms(self) -> int:
        return self._stored_at_ns // 1_000_000

    @property
    def delivery_count(self) -> int:
        return self._count

    async def ack(self) -> None:
        self._settle(Answer.ACKED)
        await self._bus.client.post_later(self._raw.reply.decode(), ACK)

    async def retry(self, *, after_seconds: float) -> None:
        """The lane does it: in place where order must be kept, by the server elsewhere."""
        self._settle(Answer.RETRIED)
        self.retry_after = after_seconds

    async def bury(self, *, reason: str, error_id: str) -> None:
        """Raises BusUnavailable if DEAD could not take it; the message is then still open."""
        await self._bury(self, reason, error_id)
        self._settle(Answer.BURIED)
        await self._bus.client.post_later(self._raw.reply.decode(), TERMINATE)

    def replace_with(self, raw: Raw) -> None:
        """The server sent it again while it was held: only the newest reply subject counts."""
        self._raw = raw

    def reopen(self) -> None:
        """It is handed to the handler once more, in place."""
        self.answer = Answer.OPEN
        self._count += 1

    def in_progress(self, now: float) -> None:
        """Tell the server that it is still being worked on."""
        self.beaten_at = now
        self._bus.client.post(self._raw.reply.decode(), IN_PROGRESS)

    async def hand_back(self, *, after_seconds: float = 0.0) -> None:
        """Give it back to the server, to be delivered again to anyone."""
        body = b'-NAK {"delay":%d}' % int(after_seconds * 1e9) if after_seconds > 0 else b"-NAK"
        await self._bus.client.post_later(self._raw.reply.decode(), body)

    def _settle(self, answer: Answer) -> None:
        if self.answer is not Answer.OPEN:
            raise RuntimeError(f"a message was answered twice: {self.answer.name}, then {answer.name}")
        self.answer = answer
