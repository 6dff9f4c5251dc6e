"""JetStream by lean requests: a publication repeated with the same guard until it is answered, and reads through the leader."""

import asyncio
import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from ordergate.runtime.lean import Requests, Unanswered
from ordergate.runtime.transport import Transport
from ordergate.trading.errors import BusUnavailable

WRONG_LAST_SEQUENCE = 10071
WRONG_LAST_SEQUENCE_UNDECIDED = (
    10164  # another append to the same subjects is on its way through the cluster: ask again
)
STORE_FAILED = (
    10077  # of every write that failed, for whatever reason; only the text tells a full disk from a second message
)
MESSAGE_TOO_LARGE = 10054
NO_MESSAGE_FOUND = 10037
CONSUMER_NOT_FOUND = 10014
STREAM_NOT_FOUND = 10059

_API = "$JS.API."
_AGAIN = frozenset({WRONG_LAST_SEQUENCE_UNDECIDED})
_SUBJECT_TAKEN = "maximum messages per subject exceeded"
_PAUSE_FIRST_SECONDS = 0.01
_PAUSE_MAX_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long one try and all tries together may take. A leader change takes up to 7 s."""

    try_seconds: float = 2.0
    total_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Ack:
    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's no. `code` as in HTTP, `error_code` the server's own number."""

    code: int
    error_code: int
    description: str

    @property
    def is_already_stored(self) -> bool:
        """The stream keeps one message a subject and has it."""
        return _is_already_stored(self.error_code, self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    subject: str
    sequence: int
    data: bytes
    headers: bytes
    stored_at_ms: int


class JetStream:
    """Raises BusUnavailable when the total limit passes without an answer; what was asked may then have happened."""

    def __init__(self, client: Transport, requests: Requests, *, limits: Limits | None = None) -> None:
        self._client = client
        self._requests = requests
        self._limits = limits or Limits()
        self._loop = asyncio.get_running_loop()

    async def publish(self, subject: str, payload: bytes, *, headers: bytes = b"") -> Ack | Refusal:
        """Repeat until answered. The caller's headers or the stream's rules must make a repetition harmless."""
        answer = await self._repeat(subject, payload, headers)
        if "error" in answer:
            return _refusal(answer)
        return Ack(answer["seq"], bool(answer.get("duplicate")))

    async def api(self, name: str, body: dict[str, Any] | None = None) -> dict[str, Any] | Refusal:
        """One call of the JetStream API, e.g. `CONSUMER.INFO.ORDERS.risk-x`. For calls that may be repeated."""
        answer = await self._repeat(_API + name, orjson.dumps(body) if body else b"", b"")
        return _refusal(answer) if "error" in answer else answer

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """The last message under a subject or wildcard, from the stream's leader. None: there is none."""
        return await self._read(stream, {"last_by_subj": subject})

    async def message(self, stream: str, sequence: int) -> StoredMessage | None:
        """The message at a stream sequence, from the stream's leader. None: it is there no more."""
        return await self._read(stream, {"seq": sequence})

    async def next(self, stream: str, subject: str, *, after: int) -> StoredMessage | None:
        """The first message under a subject or wildcard that is stored after a sequence, from the leader. None: there is none."""
        return await self._read(stream, {"seq": after + 1, "next_by_subj": subject})

    async def _read(self, stream: str, which: dict[str, Any]) -> StoredMessage | None:
        answer = await self.api(f"STREAM.MSG.GET.{stream}", which)
        if isinstance(answer, Refusal):
            if answer.error_code == NO_MESSAGE_FOUND:
                return None
            raise BusUnavailable(f"{stream} cannot be read: {answer.description}")
        message = answer["message"]
        return StoredMessage(
            subject=message["subject"],
            sequence=message["seq"],
            data=base64.b64decode(message.get("data", "")),
            headers=base64.b64decode(message.get("hdrs", "")),
            stored_at_ms=_milliseconds(message["time"]),
        )

    async def _repeat(self, subject: str, payload: bytes, headers: bytes) -> dict[str, Any]:
        deadline = self._loop.time() + self._limits.total_seconds
        pause = _PAUSE_FIRST_SECONDS
        while True:
            try:
                reply = await self._requests.ask(subject, payload, seconds=self._limits.try_seconds, headers=headers)
                answer: dict[str, Any] = orjson.loads(reply.data)
                error = answer.get("error")
                if error is None or not _ask_again(error):
                    return answer
                why = str(error.get("description"))
            except Unanswered as lost:
                why = str(lost)
            left = deadline - self._loop.time()
            if left <= 0:
                raise BusUnavailable(f"no answer from the bus in {self._limits.total_seconds} s: {why}")
            if self._client.is_connected:
                await asyncio.sleep(min(pause, left))
                pause = min(2 * pause, _PAUSE_MAX_SECONDS)
            else:
                await self._client.wait_connected(left)
                pause = _PAUSE_FIRST_SECONDS


def _ask_again(error: dict[str, Any]) -> bool:
    """503s tell of a bus that is not ready or full; it may be later. Anything else is the answer."""
    number = error.get("err_code", 0)
    if number in _AGAIN:
        return True
    return error.get("code") == 503 and not _is_already_stored(number, error.get("description", ""))  # noqa: PLR2004


def _is_already_stored(number: int, description: str) -> bool:
    return number == STORE_FAILED and description == _SUBJECT_TAKEN


def _refusal(answer: dict[str, Any]) -> Refusal:
    error = answer["error"]
    return Refusal(error.get("code", 0), error.get("err_code", 0), error.get("description", ""))


def _milliseconds(text: str) -> int:
    """`2026-01-01T00:00:00.123456789Z`: nine digits and Z, which fromisoformat of 3.11 does not read whole."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(seconds + "+00:00")
    return int(moment.timestamp()) * 1000 + int((fraction + "000")[:3])
