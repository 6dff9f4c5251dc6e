"""A simulated consumer: what it has still to deliver, what waits for an ack, and the pull requests it may answer."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any, NamedTuple

from ordergate.runtime.delivery import IN_PROGRESS, TERMINATE
from tests.simulation.loop import Handle, Scheduler
from tests.simulation.stream import NANOSECONDS, SimStream, Stored


class Frame(NamedTuple):
    """What a consumer sends to whoever asked."""

    subject: str
    reply: str
    data: bytes
    headers: bytes | None
    will_be_acknowledged: bool


Send = Callable[[str, Frame], bool]
"""To an inbox. False: nobody listens there any more."""

_NO_MESSAGES = b"NATS/1.0 404 No Messages\r\n\r\n"
FORGOTTEN_ACKS_SECONDS = 1.0
"""The server writes acks down a little later: what was acknowledged this long before its kill -9 may come again."""


@dataclass(slots=True, eq=False)
class Asked:
    """A pull request."""

    inbox: str
    left: int
    expires_at: float  # inf: at once, with what there is (no_wait)


@dataclass(slots=True)
class Unacked:
    """deadline: when it comes again, in world time; inf while it waits to be delivered once more."""

    deadline: float
    count: int


class Consumer:
    """Durable with acks, or ephemeral without."""

    def __init__(
        self, name: str, config: Mapping[str, Any], *, stream: SimStream, scheduler: Scheduler, send: Send
    ) -> None:
        self.name = name
        self.config = dict(config)
        self.stream = stream
        self.is_durable = bool(config.get("durable_name"))
        self.filters: tuple[str, ...] = tuple(config["filter_subjects"])
        self._scheduler = scheduler
        self._send = send
        self._acks = config["ack_policy"] != "none"
        self._acks_all = config["ack_policy"] == "all"
        self._ack_wait = config.get("ack_wait", 0) / NANOSECONDS
        self._pending_max: int = config.get("max_ack_pending", 1000) if self._acks else 0
        self._headers_only = bool(config.get("headers_only"))
        self._backlog: deque[int] = deque(self._first(config))
        self._again: deque[int] = deque()
        self._unacked: dict[int, Unacked] = {}
        self._acked_lately: deque[tuple[float, int, int]] = deque()
        self._waiting: deque[Asked] = deque()
        self._hasty = 0
        self._floor = (0, 0)  # the highest ack of an ack that speaks for all before it
        self._delivered = 0
        self._alarm: Handle | None = None
        self._alarm_at = inf

    @property
    def pending(self) -> int:
        """Never delivered yet."""
        return len(self._backlog)

    @property
    def unacknowledged(self) -> int:
        return len(self._unacked)

    @property
    def ack_floor(self) -> int:
        """Everything of this consumer up to this stream sequence is answered. A server names the last such message; this may be beyond it."""
        undone = [*self._unacked, *self._again, *([self._backlog[0]] if self._backlog else [])]
        return min(undone) - 1 if undone else self.stream.last_sequence

    def offer(self, sequence: int) -> None:
        """A message under its filters was stored."""
        self._backlog.append(sequence)
        if self._waiting:
            self.pump()

    def ask(self, inbox: str, batch: int, expires_seconds: float | None) -> None:
        """A pull request: answered as messages come, ended with a status when its time is up. None: when there are no more (no_wait)."""
        if expires_seconds is None:
            if not self._backlog and not self._again:
                self._send(inbox, Frame(inbox, "", b"", _NO_MESSAGES, will_be_acknowledged=False))
                return
            self._waiting.append(Asked(inbox, batch, inf))
            self._hasty += 1
        else:
            asked = Asked(inbox, batch, self._scheduler.now + expires_seconds)
            self._waiting.append(asked)
            self._scheduler.at(expires_seconds, self._expire, asked)
        self.pump()

    def answer(self, sequence: int, count: int, number: int, body: bytes) -> None:
        """An ack of any kind; `count` and `number` (the consumer's own) say which delivery it answers."""
        held = self._unacked.get(sequence)
        if held is None:
            return
        if body == IN_PROGRESS:
            if held.deadline is not inf:
                held.deadline = self._scheduler.now + self._ack_wait
        elif body.startswith(b"-NAK"):
            if held.deadline is inf:
                return
            delay = _delay_seconds(body)
            if delay > 0:
                held.deadline = self._scheduler.now + delay
                self._set_alarm(held.deadline)
            else:
                self._deliver_again(sequence, held)
                self.pump()
        elif not self._acks_all or (sequence > self._floor[0] and number > self._floor[1]):
            self._floor = (sequence, number)
            self._done(sequence, held, count, terminated=body == TERMINATE)
            self.pump()

    def pump(self) -> None:
        """Deliver what can be delivered to whoever asked first."""
        while self._waiting and (self._again or (self._backlog and self._has_room())):
            asked = self._waiting[0]
            if asked.left < 1 or asked.expires_at <= self._scheduler.now:
                self._waiting.popleft()
                continue
            from_again = bool(self._again)
            sequence = self._again.popleft() if from_again else self._backlog.popleft()
            message = self.stream.messages.get(sequence)
            if message is None or (from_again and sequence not in self._unacked):
                self._unacked.pop(sequence, None)
                continue
            if not self._deliver(asked, message):
                self._waiting.popleft()
                (self._again if from_again else self._backlog).appendleft(sequence)
                continue
            asked.left -= 1
        if self._hasty and not self._again and not self._backlog:
            self._end_hasty()

    def restart(self, draws: Random) -> None:
        """The server is there again: requests are forgotten, what was unacknowledged waits anew, some late acks never happened."""
        now = self._scheduler.now
        self._waiting.clear()
        self._hasty = 0
        for held in self._unacked.values():
            held.deadline = now + self._ack_wait
        self._again.clear()
        for at, sequence, count in self._acked_lately:
            if now - at < FORGOTTEN_ACKS_SECONDS and sequence in self.stream.messages and draws.random() < 0.5:
                self._unacked[sequence] = Unacked(now + self._ack_wait, count)
        self._acked_lately.clear()
        self._alarm_at = inf
        self._set_alarm(now + self._ack_wait)

    def _first(self, config: Mapping[str, Any]) -> list[int]:
        match config["deliver_policy"]:
            case "all":
                return self.stream.matching(config["filter_subjects"], start=1)
            case "by_start_sequence":
                return self.stream.matching(config["filter_subjects"], start=config["opt_start_seq"])
            case "last_per_subject":
                return self.stream.matching_last(config["filter_subjects"])
            case other:
                raise AssertionError(f"the simulated bus knows no deliver policy {other}")

    def _has_room(self) -> bool:
        return not self._acks or len(self._unacked) < self._pending_max

    def _deliver(self, asked: Asked, message: Stored) -> bool:
        held = self._unacked.get(message.sequence)
        count = 1 if held is None else held.count + 1
        reply = (
            f"$JS.ACK.{self.stream.name}.{self.name}.{count}.{message.sequence}.{self._delivered + 1}"
            f".{message.at_ns}.{len(self._backlog)}"
        )
        data, headers = message.data, message.headers or None
        if self._headers_only:
            head = message.headers[:-2] or b"NATS/1.0\r\n"
            data, headers = b"", b"%bNats-Msg-Size: %d\r\n\r\n" % (head, len(message.data))
        if not self._send(asked.inbox, Frame(message.subject, reply, data, headers, self._acks)):
            return False
        self._delivered += 1
        if self._acks:
            deadline = self._scheduler.now + self._ack_wait
            self._unacked[message.sequence] = Unacked(deadline, count)
            self._set_alarm(deadline)
        return True

    def _done(self, sequence: int, held: Unacked, count: int, *, terminated: bool) -> None:
        for one in [one for one in self._unacked if one <= sequence] if self._acks_all else (sequence,):
            del self._unacked[one]
        if not terminated:
            self._acked_lately.append((self._scheduler.now, sequence, max(count, held.count)))
            while self._acked_lately[0][0] < self._scheduler.now - FORGOTTEN_ACKS_SECONDS:
                self._acked_lately.popleft()

    def _deliver_again(self, sequence: int, held: Unacked) -> None:
        held.deadline = inf
        self._again.append(sequence)

    def _expire(self, asked: Asked) -> None:
        if asked not in self._waiting or asked.left < 1:
            return
        self._waiting.remove(asked)
        status = (
            b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: %d\r\nNats-Pending-Bytes: 0\r\n\r\n" % asked.left
        )
        self._send(asked.inbox, _status(asked, status))

    def _end_hasty(self) -> None:
        """There is nothing more: those who would not wait are told. One that got its whole batch needs no telling."""
        hasty = [asked for asked in self._waiting if asked.expires_at is inf]
        self._waiting = deque(asked for asked in self._waiting if asked.expires_at is not inf)
        self._hasty = 0
        for asked in hasty:
            if asked.left > 0:
                self._send(asked.inbox, _status(asked, _NO_MESSAGES))

    def _set_alarm(self, at: float) -> None:
        if at < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = at
            self._alarm = self._scheduler.at(max(0.0, at - self._scheduler.now), self._wake)

    def _wake(self) -> None:
        """The ack wait of something may have passed."""
        now = self._scheduler.now
        self._alarm_at, self._alarm = inf, None
        for sequence, held in self._unacked.items():
            if held.deadline <= now:
                self._deliver_again(sequence, held)
        first = min((held.deadline for held in self._unacked.values()), default=inf)
        if first is not inf and first < inf:
            self._set_alarm(first)
        self.pump()


def _status(asked: Asked, headers: bytes) -> Frame:
    """The end of a pull request."""
    return Frame(asked.inbox, "", b"", headers, will_be_acknowledged=False)


def _delay_seconds(body: bytes) -> float:
    """`-NAK {"delay":250000000}`."""
    digits = bytes(byte for byte in body[4:] if 48 <= byte <= 57)
    return int(digits) / NANOSECONDS if digits else 0.0
