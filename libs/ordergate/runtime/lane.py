"""A lane: one durable consumer fed to one handler, below FastStream (docs/decisions/0002), with the answers of ports.bus.

Messages with the same key are handled one after the other in the order they came; different keys beside each other, up to a limit.
A lane with one key for all is sequential: risk's. What fails is retried, then buried: no message stops its neighbours for ever.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from ordergate.ports.bus import Handler
from ordergate.runtime.connection import Bus
from ordergate.runtime.delivery import Answer, LaneDelivery, Raw
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.jetstream import CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, Refusal
from ordergate.runtime.pull import Pull
from ordergate.trading.errors import BusUnavailable, Denied, OtherSchema, Unavailable, Unreadable
from ordergate.trading.ids import derive_error_id
from ordergate.wire.streams import ConsumerSpec

_TICK_SECONDS = 0.25
_DRAIN_SECONDS = 0.5
_RETRY_FIRST_SECONDS = 0.05
_RETRY_MAX_SECONDS = 2.0

Key = Callable[[str], str]
"""From a subject to what must be handled in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequential:
    """One at a time, in the order of the stream; a retry happens in place and holds up what follows."""

    window: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrent:
    """Up to in_flight_max at a time, of one key one at a time; a retry goes back to the server and frees its place."""

    key: Key
    in_flight_max: int
    window: int = 64


Mode = Sequential | Concurrent


@dataclass(slots=True)
class LaneCounts:
    """Read by metrics; only ever grows."""

    taken: int = 0
    handled: int = 0
    retried: int = 0
    buried: int = 0
    failed: int = 0  # handler exceptions that are nobody's expected outcome
    unanswered: int = 0
    again_while_held: int = 0


class Lane:
    """See the module. `attempts_max` bounds retries of unexpected exceptions only; Unavailable is retried for as long as it lasts."""

    def __init__(
        self, bus: Bus, spec: ConsumerSpec, handler: Handler, *, mode: Mode, graveyard: Graveyard, attempts_max: int = 5
    ) -> None:
        self.spec = spec
        self.counts = LaneCounts()
        self._bus = bus
        self._handler = handler
        self._in_place = isinstance(mode, Sequential)
        self._key: Key = mode.key if isinstance(mode, Concurrent) else _one_key
        self._in_flight_max = mode.in_flight_max if isinstance(mode, Concurrent) else 1
        self._graveyard = graveyard
        self._attempts_max = attempts_max
        self._window = min(mode.window, spec.max_ack_pending)
        self.refusal: str | None = None
        """Why this version cannot work this stream: the process must end."""
        self._held: dict[int, LaneDelivery] = {}
        self._queues: dict[str, deque[LaneDelivery]] = {}
        self._ready: deque[str] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ticker: asyncio.TimerHandle | None = None
        self._log = structlog.get_logger("lane").bind(lane=spec.durable)
        self._pull = Pull(
            bus, stream=spec.stream, consumer=spec.durable, window=self._window, room=self._room, take=self._take
        )

    @property
    def name(self) -> str:
        return self.spec.durable

    @property
    def held(self) -> int:
        """Delivered and not yet answered."""
        return len(self._held)

    @property
    def silent_seconds(self) -> float:
        """Age of the last successful fetch cycle."""
        return self._pull.silent_seconds

    async def start(self) -> None:
        await self._pull.start()
        self._tick()

    async def stop(self, *, limit_seconds: float) -> None:
        """Take nothing more, finish what was taken if that is quick, else only what has begun, within the limit; hand back the rest."""
        await self._pull.stop()
        await self._drain(min(limit_seconds, _DRAIN_SECONDS))
        self._stopping.set()
        if self._workers:
            await asyncio.wait(self._workers, timeout=limit_seconds)
        for worker in list(self._workers):
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._ticker is not None:
            self._ticker.cancel()
        for delivery in self._held.values():
            await delivery.hand_back()
        self._held.clear()
        if self._bus.client.is_connected:
            await self._bus.client.flush()

    async def state(self) -> dict[str, Any] | Refusal:
        """The consumer as the server sees it; a Refusal if it certainly is not there. Raises BusUnavailable."""
        answer = await self._bus.jetstream.api(f"CONSUMER.INFO.{self.spec.stream}.{self.spec.durable}")
        if isinstance(answer, Refusal) and answer.error_code not in {CONSUMER_NOT_FOUND, STREAM_NOT_FOUND}:
            raise BusUnavailable(f"{self.name}: {answer.description}")
        return answer

    async def _drain(self, seconds: float) -> None:
        """What was taken and not begun stays unacknowledged on the server, also when handed back, until somebody else takes it."""
        deadline = self._loop.time() + seconds
        while self._workers and self._loop.time() < deadline:
            await asyncio.wait(self._workers, timeout=deadline - self._loop.time(), return_when=asyncio.FIRST_COMPLETED)

    def _room(self) -> int:
        return self._window - len(self._held)

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        raw = Raw(subject, reply, data, headers)
        delivery = LaneDelivery(raw, bus=self._bus, bury=self._bury, received_at=self._loop.time())
        held = self._held.get(delivery.sequence)
        if held is not None:
            held.replace_with(raw)
            self.counts.again_while_held += 1
            return
        self.counts.taken += 1
        self._held[delivery.sequence] = delivery
        key = self._key(delivery.subject)
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(delivery)
            return
        self._queues[key] = deque((delivery,))
        self._ready.append(key)
        self._start_ready()

    def _start_ready(self) -> None:
        while self._ready and len(self._workers) < self._in_flight_max and not self._stopping.is_set():
            worker = self._loop.create_task(self._work(self._ready.popleft()))
            self._workers.add(worker)
            worker.add_done_callback(self._worker_done)

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and worker.exception() is not None:
            self._log.error("a lane's worker ended", exc_info=worker.exception())
        self._start_ready()

    async def _work(self, key: str) -> None:
        """Everything of one key, in order, until there is no more of it."""
        queue = self._queues[key]
        try:
            while queue and not self._stopping.is_set():
                delivery = queue[0]
                try:
                    await self._finish(delivery)
                except Exception:  # noqa: BLE001 - held any longer it would be kept in progress for ever, and its neighbours waiting
                    self._log.exception("a message could not be answered", subject=delivery.subject)
                    self._held.pop(delivery.sequence, None)  # the server sends it again after the ack wait
                queue.popleft()
                self._pull.refill()
        finally:
            if not queue:
                self._queues.pop(key, None)

    async def _finish(self, delivery: LaneDelivery) -> None:
        """Hand over until answered for good, then let go of it."""
        failures = 0
        while True:
            failures = await self._attempt(delivery, failures)
            if delivery.answer is not Answer.RETRIED:
                break
            self.counts.retried += 1
            if not self._in_place:
                await delivery.hand_back(after_seconds=delivery.retry_after)
                break
            await self._pause(delivery.retry_after)
            if self._stopping.is_set():
                return  # still held: stop hands it back
            delivery.reopen()
        self._held.pop(delivery.sequence, None)
        self.counts.handled += 1

    async def _attempt(self, delivery: LaneDelivery, failures: int) -> int:
        """One call of the handler, its exception turned into an answer. Returns how often it has failed now."""
        try:
            await self._handler(delivery)
        except (Unavailable, Denied):  # no fault of the message: nothing is lost while an operator mends it
            await self._retry(delivery, failures)
            return failures + 1
        except OtherSchema as error:  # whoever wrote it will read it: kept for him, and this process ends
            self.refusal = f"{delivery.subject}, message {delivery.sequence}: {error}"
            await self._retry(delivery, failures)
            return failures + 1
        except (Unreadable, ValueError) as error:
            await self._bury_in_the_end(delivery, f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - one bad message stops nobody; it is logged, bounded and kept in DEAD
            self.counts.failed += 1
            self._log.exception("a handler failed", subject=delivery.subject, delivery=delivery.delivery_count)
            if max(failures + 1, delivery.delivery_count) >= self._attempts_max:
                await self._bury_in_the_end(
                    delivery, f"failed {self._attempts_max} times: {type(error).__name__}: {error}"
                )
            else:
                await self._retry(delivery, failures)
            return failures + 1
        if delivery.answer is Answer.OPEN:
            self.counts.unanswered += 1
            self._log.error("a handler left a message unanswered", subject=delivery.subject)
        return failures

    async def _retry(self, delivery: LaneDelivery, failures: int) -> None:
        if delivery.answer is Answer.OPEN:
            growth = failures if self._in_place else delivery.delivery_count - 1
            seconds = min(_RETRY_FIRST_SECONDS * 2.0 ** min(growth, 10), _RETRY_MAX_SECONDS)
            await delivery.retry(after_seconds=seconds)

    async def _bury_in_the_end(self, delivery: LaneDelivery, reason: str) -> None:
        """DEAD may be out of reach for a while; the message stays held, and in progress, until it is kept."""
        if delivery.answer is not Answer.OPEN:
            return
        error_id = derive_error_id(self.spec.stream, str(delivery.sequence), self.spec.durable)
        while not self._stopping.is_set():
            try:
                await delivery.bury(reason=reason, error_id=error_id)
            except (BusUnavailable, Denied):
                await self._pause(_RETRY_MAX_SECONDS)
            else:
                return
        await delivery.retry(after_seconds=0)

    async def _bury(self, delivery: LaneDelivery, reason: str, error_id: str) -> None:
        await self._graveyard.keep(delivery, spec=self.spec, reason=reason, error_id=error_id)
        self.counts.buried += 1
        self._log.error("buried", subject=delivery.subject, reason=reason, error_id=error_id)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            waiting = asyncio.ensure_future(self._stopping.wait())
            await asyncio.wait({waiting}, timeout=seconds)
            waiting.cancel()

    def _tick(self) -> None:
        self._pull.tick()
        now = self._loop.time()
        due = now - self.spec.ack_wait_seconds / 3
        for delivery in self._held.values():
            if delivery.beaten_at <= due:
                delivery.in_progress(now)
        self._ticker = self._loop.call_later(_TICK_SECONDS, self._tick)


def _one_key(_subject: str) -> str:
    return ""
