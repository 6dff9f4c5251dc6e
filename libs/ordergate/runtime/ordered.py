"""Ordered reading of a stream: every message once, in order, from a sequence on, whatever happens to the consumer or the server.

The consumer is ephemeral, in memory and without acks, so losing it costs nothing: a new one starts after the last message that was handed
on. It is replaced at every gap in its own numbering, when the server says it is gone, and after each reconnect (what was on the wire then
is lost, and no gap would show it until the next message).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.pull import PacedPull, delivered_parts
from ordergate.trading.errors import BusUnavailable

WINDOW = 1_000
_TICK_SECONDS = 0.25
_PAUSE_SECONDS = 0.5
_INACTIVE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Read:
    """One message, as stored."""

    subject: str
    sequence: int
    stored_at_ms: int
    data: bytes
    headers: bytes | None


class OrderedRead:
    """One reading of one stream. `after`: the stream sequence already known; None: begin with the last message of each subject, or, if
    `since_ms` is given, with the first that was stored at that time (UTC) or later.

    pace_seconds: how much later than it could it may hear of things once it has caught up (runtime.pull.PacedPull); 0: at once.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        filters: tuple[str, ...],
        after: int | None,
        pace_seconds: float = 0.0,
        since_ms: int | None = None,
    ) -> None:
        self.name = f"{stream}:{','.join(filters)}"
        self.replaced = 0
        self._bus = bus
        self._stream = stream
        self._filters = filters
        self._after = after
        self._pace_seconds = pace_seconds
        self._since_ms = since_ms
        self._queue: deque[tuple[Read, int]] = deque()
        self._expected = 1
        self._broken = False
        self._pull: PacedPull | None = None
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[None] = self._loop.create_future()
        self._ticker: asyncio.TimerHandle | None = None
        self._opened_at = self._loop.time()
        self._waiting = 0

    @property
    def lag(self) -> int:
        """Messages stored and not handed on yet, as far as the server's last word goes."""
        return self._waiting + len(self._queue)

    @property
    def silent_seconds(self) -> float:
        """Since the server was last heard; idle or not, that is about a second where all is well."""
        return self._loop.time() - self._opened_at if self._pull is None else self._pull.silent_seconds

    async def messages(self) -> AsyncGenerator[Read | None, None]:
        """Each message; None each time the end is reached. Never ends by itself and never raises for the bus: it tries again."""
        self._bus.client.when_back(self._break)
        self._tick()
        try:
            while True:
                behind = await self._open() > 0
                if not behind:
                    yield None
                while not self._broken:
                    if not self._queue:
                        in_time = await self._wait(_TICK_SECONDS if behind else None)
                        if not in_time and await self._nothing_waits():
                            behind = False
                            self._waiting = 0
                            yield None
                        continue
                    message, pending = self._queue.popleft()
                    self._after = message.sequence
                    if self._pull is not None:
                        self._pull.refill()
                    yield message
                    behind = pending > 0
                    if not behind:
                        yield None
                self.replaced += 1
                await self._close()
        finally:
            self._bus.client.forget(self._break)
            if self._ticker is not None:
                self._ticker.cancel()
            await self._close()

    async def _open(self) -> int:
        """A new consumer after the last message handed on. Returns how many messages wait."""
        while True:
            self._queue.clear()
            self._broken = False
            self._expected = 1
            name = f"ordered-{self._bus.draw(8)}"
            try:
                answer = await self._bus.jetstream.api(
                    f"CONSUMER.CREATE.{self._stream}.{name}",
                    {"stream_name": self._stream, "config": self._config(name)},
                )
            except BusUnavailable as away:
                structlog.get_logger("feed").warning("a feed waits for the bus", feed=self.name, error=str(away))
                continue
            if isinstance(answer, Refusal):
                structlog.get_logger("feed").error("a feed is refused", feed=self.name, error=answer.description)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            waiting = self._waiting = int(answer.get("num_pending", 0))
            self._pull = PacedPull(
                self._bus,
                stream=self._stream,
                consumer=name,
                window=WINDOW,
                room=self._room,
                take=self._take,
                pace_seconds=self._pace_seconds,
                behind=waiting > 0 or not self._pace_seconds,
            )
            await self._pull.start()
            return waiting

    async def _nothing_waits(self) -> bool:
        """Messages that waited may have expired since they were counted, and then none comes to say that it is the last. The consumer's own
        count goes on naming them; the stream does not.
        """
        try:
            lasts = [await self._bus.jetstream.last(self._stream, subject) for subject in self._filters]
        except BusUnavailable:
            return False
        known = self._after or 0
        return not self._queue and all(last is None or last.sequence <= known for last in lasts)

    def _config(self, name: str) -> dict[str, Any]:
        start: dict[str, Any] = {"deliver_policy": "by_start_sequence", "opt_start_seq": (self._after or 0) + 1}
        return {
            "name": name,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _INACTIVE_SECONDS * 1_000_000_000,
            "filter_subjects": list(self._filters),
            **(start if self._after is not None else self._beginning()),
        }

    def _beginning(self) -> dict[str, Any]:
        if self._since_ms is None:
            return {"deliver_policy": "last_per_subject"}
        moment = datetime.fromtimestamp(self._since_ms / 1_000, tz=UTC)
        return {"deliver_policy": "by_start_time", "opt_start_time": moment.isoformat().replace("+00:00", "Z")}

    async def _close(self) -> None:
        pull, self._pull = self._pull, None
        self._opened_at = self._loop.time()
        if pull is not None and not self._bus.client.is_closed:
            await pull.stop(settle=False)
            # Nobody waits for the answer: a consumer that outlives this is forgotten by the server after _INACTIVE_SECONDS.
            self._bus.client.post(f"$JS.API.CONSUMER.DELETE.{self._stream}.{pull.consumer}", b"")

    def _room(self) -> int:
        return WINDOW - len(self._queue)

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if self._broken:
            return
        _, sequence, number, stored_at_ns, pending = delivered_parts(reply)
        if number != self._expected:
            self._break()
            return
        self._expected += 1
        self._waiting = pending
        if pending == 0 and self._pace_seconds and self._pull is not None:
            self._pull.caught_up()
        self._queue.append((Read(subject.decode(), sequence, stored_at_ns // 1_000_000, data, headers), pending))
        self._rouse()

    def _break(self) -> None:
        self._broken = True
        self._rouse()

    def _rouse(self) -> None:
        if not self._wake.done():
            self._wake.set_result(None)

    async def _wait(self, seconds: float | None) -> bool:
        """Until there is something to do; False: not in the time given."""
        self._wake = self._loop.create_future()
        if not self._queue and not self._broken:
            if seconds is None:
                await self._wake  # nobody else waits for it, so a cancelled reader may take it along
            else:
                await asyncio.wait({self._wake}, timeout=seconds)
            return self._wake.done()
        return True

    def _tick(self) -> None:
        if self._pull is not None:
            if self._pull.gone is not None:
                self._break()
            else:
                self._pull.tick()
        self._ticker = self._loop.call_later(_TICK_SECONDS, self._tick)
