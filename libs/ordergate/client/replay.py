"""Ordered reading of a stream: every message once, in order, whatever happens to the consumer, the server or the connection.

The consumer is ephemeral and takes no acks, so losing it costs nothing: a new one starts after the last message received. It is replaced at
every gap in its own numbering, when the server says that it is gone, when it falls silent, and after each reconnect.
"""

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from ordergate.client.connection import PAUSE_SECONDS, Connection
from ordergate.trading.errors import BusUnavailable, Misconfigured, Unreadable

WINDOW = 1_000
EXPIRES_SECONDS = 20
HEARTBEAT_SECONDS = 1
SILENCE_MAX_SECONDS = 4
INACTIVE_SECONDS = 30
STREAM_NOT_FOUND = 10059
SHORT_ACK_TOKENS = 9
NANOSECONDS = 1_000_000_000

T = TypeVar("T")
_log = logging.getLogger("ordergate.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a reading begins: at a stream sequence (inclusive), at a time, with the last message of each subject or of all, or now (all None)."""

    sequence: int | None = None
    time_ms: int | None = None
    last_per_subject: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message, as stored."""

    subject: str
    sequence: int
    stored_at_ms: int
    data: bytes


class Replay(Generic[T]):
    """One reading. Iterate it; `async with` opens it at once and closes it, else it opens at the first step.

    follow False: it ends when everything stored has been read. received_sequence: the last stream sequence received, 0 if none.
    restarts: how often the consumer was replaced. unreadable: how many messages could not be read and were passed over.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        stream: str,
        filters: tuple[str, ...],
        start: Start,
        read: Callable[[Received], T | None],
        follow: bool = True,
    ) -> None:
        self.received_sequence = 0
        self.restarts = 0
        self.unreadable = 0
        self._connection = connection
        self._stream = stream
        self._filters = filters
        self._start = start
        self._read = read
        self._follow = follow
        self._queue: deque[T] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._is_open = False
        self._is_over = False
        self._mending = asyncio.Lock()
        self._ticker: asyncio.TimerHandle | None = None
        self._reset()

    # The iterator.

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        """Raises StopAsyncIteration at the end (follow False) or when the gateway is closed."""
        await self.open()
        while not self._queue:
            if self._is_over or (not self._follow and self._pending == 0 and not self._broken):
                raise StopAsyncIteration
            if self._broken:
                await self.mend()
            else:
                await self._wait()
        item = self._queue.popleft()
        await self._refill()
        return item

    async def open(self) -> None:
        """Pin where the reading begins. Raises Misconfigured when the stream does not exist, BusUnavailable at the limit."""
        if self._is_open or self._is_over:
            return
        self._is_open = True
        self._connection.watch(self._break, self._end)
        try:
            await self._begin()
        except BaseException:
            await self.close()
            raise
        self._ticker = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._tick)

    async def close(self) -> None:
        """End the reading; what was received and not yet taken can still be taken."""
        self._end()
        if self._is_open:
            self._is_open = False
            self._connection.forget(self._break, self._end)
            if self._ticker is not None:
                self._ticker.cancel()
            await self._drop()

    async def mend(self) -> None:
        """Replace the consumer if it is broken; one try. The iterator does so itself, others who wait for messages call it."""
        async with self._mending:
            if self._broken and not self._is_over:
                await self._reopen()

    async def is_caught_up(self) -> bool:
        """Whether everything stored under the filters before this call has been received."""
        answer = await self._connection.api(f"CONSUMER.INFO.{self._stream}.{self._consumer}")
        if "error" in answer:
            return False
        return not self._broken and answer["num_pending"] == 0 and answer["delivered"]["consumer_seq"] < self._expected

    # The consumer.

    def _reset(self) -> None:
        self._consumer = ""
        self._subscription: Subscription | None = None
        self._expected = 1
        self._outstanding = 0
        self._pending: int | None = None
        self._broken = False
        self._heard_at = 0.0

    async def _begin(self) -> None:
        deadline = self._now() + self._connection.total_seconds
        while True:
            try:
                await self._consume()
            except BusUnavailable:
                if self._now() >= deadline:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    async def _consume(self) -> None:
        self._reset()
        self._consumer = f"client-{secrets.token_hex(8)}"
        self._heard_at = self._now()
        client = self._connection.client
        try:
            inbox = client.new_inbox()
            self._subscription = await client.subscribe(inbox, cb=self._taker(self._consumer))
        except nats.errors.Error as error:
            raise BusUnavailable(f"no subscription: {error!r}") from error
        # One filter stands in the subject too, where the bus's permissions see it.
        shown = f".{self._filters[0]}" if len(self._filters) == 1 else ""
        answer = await self._connection.api(
            f"CONSUMER.CREATE.{self._stream}.{self._consumer}{shown}",
            {"stream_name": self._stream, "config": self._configuration()},
        )
        self._check(answer)
        if self._start == Start():
            # `Now` becomes a sequence, so that nothing stored while a consumer is replaced is missed.
            self._start = Start(sequence=answer["delivered"]["stream_seq"] + 1)
        self._pending = answer.get("num_pending", 0)
        await self._refill()

    def _configuration(self) -> dict[str, Any]:
        return {
            "name": self._consumer,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": INACTIVE_SECONDS * NANOSECONDS,
            **(
                {"filter_subject": self._filters[0]}
                if len(self._filters) == 1
                else {"filter_subjects": list(self._filters)}
            ),
            **self._policy(),
        }

    def _policy(self) -> dict[str, Any]:
        if self.received_sequence:
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": self.received_sequence + 1}
        if self._start.last:
            return {"deliver_policy": "last"}
        if self._start.last_per_subject:
            return {"deliver_policy": "last_per_subject"}
        if self._start.time_ms is not None:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self._start.time_ms)
            return {"deliver_policy": "by_start_time", "opt_start_time": moment.isoformat().replace("+00:00", "Z")}
        if self._start.sequence is None:
            return {"deliver_policy": "new"}
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, self._start.sequence)}

    def _check(self, answer: dict[str, Any]) -> None:
        error = answer.get("error")
        if error is None:
            return
        if error.get("err_code") == STREAM_NOT_FOUND and not self.received_sequence and not self.restarts:
            raise Misconfigured(f"the bus has no stream {self._stream}: run `python -m services.provision`")
        raise BusUnavailable(f"{self._stream} cannot be read: {error.get('description')}")

    async def _reopen(self) -> None:
        """One try, with a pause when it fails; whoever reads calls again, so a reading outlives any outage."""
        self.restarts += 1
        await self._drop()
        try:
            await self._consume()
        except BusUnavailable as away:
            self._broken = True
            _log.warning("a reading of %s waits for the bus: %s", self._stream, away)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _drop(self) -> None:
        """The consumer is told to go; if the word is lost it goes by itself, being inactive."""
        client, subscription = self._connection.client, self._subscription
        self._subscription = None
        if subscription is None or client.is_closed:
            return
        try:
            await subscription.unsubscribe()
            if client.is_connected:
                await client.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._consumer}")
        except nats.errors.Error as error:
            _log.debug("a consumer is left to expire: %r", error)

    async def _refill(self) -> None:
        """Ask for more when half of the window is used up; what is asked for and not yet read never exceeds the window."""
        room = WINDOW - len(self._queue) - self._outstanding
        if self._subscription is None or self._broken or room < WINDOW // 2:
            return
        self._outstanding += room
        self._heard_at = self._now()
        request = {
            "batch": room,
            "expires": EXPIRES_SECONDS * NANOSECONDS,
            "idle_heartbeat": HEARTBEAT_SECONDS * NANOSECONDS,
        }
        try:
            await self._connection.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
                json.dumps(request).encode(),
                reply=self._subscription.subject,
            )
        except nats.errors.Error:
            self._break()

    def _taker(self, consumer: str) -> Callable[[Msg], Any]:
        async def take(message: Msg) -> None:
            if consumer == self._consumer and not self._broken:
                self._heard_at = self._now()
                status = (message.headers or {}).get("Status") if not message.reply.startswith("$JS.ACK.") else None
                if status is None:
                    self._take(message)
                else:
                    await self._take_status(status, message.headers or {})

        return take

    def _take(self, message: Msg) -> None:
        tokens = message.reply.split(".")
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>, or with domain and account hash before.
        _, sequence, number, stored_at_ns, pending = tokens[-5:] if len(tokens) == SHORT_ACK_TOKENS else tokens[6:11]
        if int(number) != self._expected:
            self._break()
            return
        self._expected += 1
        self._outstanding = max(0, self._outstanding - 1)
        self._pending = int(pending)
        if int(sequence) > self.received_sequence:
            received = Received(
                subject=message.subject,
                sequence=int(sequence),
                stored_at_ms=int(stored_at_ns) // 1_000_000,
                data=message.data,
            )
            self.received_sequence = received.sequence
            self._keep(received)
        self._rouse()

    def _keep(self, received: Received) -> None:
        try:
            item = self._read(received)
        except Unreadable as error:
            self.unreadable += 1
            _log.error("message %d of %s cannot be read: %s", received.sequence, self._stream, error)
            return
        if item is not None:
            self._queue.append(item)

    async def _take_status(self, status: str, headers: dict[str, str]) -> None:
        if status == "100":
            return
        if status in {"404", "408"} or "Batch Completed" in headers.get("Description", ""):
            self._outstanding = 0
            await self._refill()
        else:  # 409: the consumer is gone, or its leader moved
            self._break()

    # Waking.

    def _break(self) -> None:
        self._broken = True
        self._rouse()

    def _end(self) -> None:
        self._is_over = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _wait(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _tick(self) -> None:
        # Without a request outstanding the server has nothing to say.
        silent = self._outstanding > 0 and self._now() - self._heard_at > SILENCE_MAX_SECONDS
        if silent and self._connection.client.is_connected:
            self._break()
        self._ticker = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._tick)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def last(connection: Connection, stream: str, subject: str) -> bytes | None:
    """The last message under a subject, read as a strategy may: the bus's permissions see no subject in any other request. Raises BusUnavailable."""
    start = Start(last=True)
    filters = (subject,)
    async with Replay(
        connection, stream=stream, filters=filters, start=start, read=lambda got: got, follow=False
    ) as found:
        async for received in found:
            return received.data
    return None
