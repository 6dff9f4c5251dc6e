"""A simulated nats-server with JetStream, at the level of frames: what was seen of the real one, under faults drawn from the seed.

It speaks to runtime.* through `connection.SimConnection`, so everything above the socket is the code that runs in production.
tests/integration/ports holds it to the real server, claim by claim.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from random import Random
from typing import Any

import orjson

from ordergate.runtime.provision import Resource
from tests.simulation.connection import SimConnection, connect
from tests.simulation.consumer import Consumer, Frame
from tests.simulation.loop import EPOCH_MS, Scheduler
from tests.simulation.stream import NANOSECONDS, Acked, Refused, SimStream, Stored, covers, covers_any

__all__ = ["BusFaults", "SimBus", "connect"]

_API = "$JS.API."
_NEXT = "$JS.API.CONSUMER.MSG.NEXT."
_GET = "$JS.API.STREAM.MSG.GET."
_ACK = "$JS.ACK."
_NO_RESPONDERS = b"NATS/1.0 503\r\n\r\n"
_ASYNC_TAIL_SECONDS = 0.5
_STREAM_NOT_FOUND = Refused(404, 10059, "stream not found")
_CONSUMER_NOT_FOUND = Refused(404, 10014, "consumer not found")
_NOT_FOUND = Refused(404, 10037, "no message found")
_UNDECIDED = Refused(400, 10164, "wrong last sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class BusFaults:
    """Shares of frames, 0 to 1, and times in seconds."""

    lose_request: float = 0.0  # a question or publication that never reaches the server's mind
    lose_answer: float = 0.0  # it was done, the caller never learns
    lose_ack: float = 0.0  # of a delivery
    lose_delivery: float = 0.0  # on the way to a consumer with acks; to others only a broken connection loses anything
    slow: float = 0.0  # the wire stalls, and all behind on it, for up to slow_seconds
    slow_seconds: float = 3.0
    undecided: float = 0.0  # of refused appends (three nodes): 10164 instead of 10071
    delay_seconds_min: float = 0.0001
    delay_seconds_max: float = 0.001


CALM = BusFaults()


class SimBus:
    """cluster: three nodes, which look at the Msg-Id before the expectation; one node does it the other way round."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        resources: Iterable[Resource] = (),
        cluster: bool = False,
        faults: BusFaults = CALM,
    ) -> None:
        self.scheduler = scheduler
        self.faults = faults
        self.cluster = cluster
        self.is_up = True
        self.is_leaderless = False
        self.connections: list[SimConnection] = []
        self.streams: dict[str, SimStream] = {}
        self.consumers: dict[str, dict[str, Consumer]] = {}
        self.when_stored: list[Callable[[str, Stored], None]] = []
        self.chance = scheduler.draws("wires").random
        self.names = scheduler.draws("names")
        self._draws = scheduler.draws("bus")
        self._connections = 0
        self._answers_to_lose = 0
        self._requests_to_lose = 0
        self._exact: dict[str, list[tuple[SimConnection, int]]] = {}
        self._starred: dict[str, list[tuple[SimConnection, int]]] = {}
        self._wild: list[tuple[str, SimConnection, int]] = []
        self._subjects_of: dict[SimConnection, dict[int, str]] = {}
        self._streams_of: dict[tuple[str, ...], list[SimStream]] = {}
        self._consumers_of: dict[str, list[Consumer]] = {}
        for resource in resources:
            self._call(resource.create, resource.body)

    # What the world does to it.

    def lose_answers(self, count: int) -> None:
        """The next answers to publications and API calls never arrive; what was asked has happened."""
        self._answers_to_lose += count

    def lose_requests(self, count: int) -> None:
        """The next publications and API calls do not happen and are not answered."""
        self._requests_to_lose += count

    def kill(self) -> None:
        """kill -9 of the server: connections and what is on the wire are gone, what was acknowledged stays, but for async streams' tails."""
        self.is_up = False
        for connection in list(self.connections):
            connection.reset()
        lost_ns = self._now_ns() - int(_ASYNC_TAIL_SECONDS * self._draws.random() * NANOSECONDS)
        for stream in self.streams.values():
            if stream.config.get("persist_mode") == "async":
                written = [one.sequence for one in stream.messages.values() if one.at_ns <= lost_ns]
                if len(written) < len(stream.messages):
                    stream.truncate(max(written, default=0))

    def start(self) -> None:
        """It is there again; clients find it when they next try."""
        self.is_up = True
        for name, consumers in self.consumers.items():
            kept = {key: one for key, one in consumers.items() if one.is_durable}
            self.consumers[name] = kept
            for consumer in kept.values():
                consumer.restart(self._draws)
        self._consumers_of.clear()

    def restart(self, *, down_seconds: float) -> None:
        self.kill()
        self.scheduler.at(down_seconds, self.start)

    def lose_leader(self, *, seconds: float) -> None:
        """Three nodes without a leader: connections stand, nothing is answered."""
        self.is_leaderless = True
        self.scheduler.at(seconds, self._elect)

    def append(self, subject: str, data: bytes, *, headers: bytes = b"") -> Acked | Refused:
        """A publication from nowhere, e.g. of a strategy; answered at once."""
        stream = self._stream(subject)
        return _STREAM_NOT_FOUND if stream is None else self._store(stream, subject, data, headers)

    def delay(self) -> float:
        """How long a packet takes."""
        faults, chance = self.faults, self.chance
        seconds = faults.delay_seconds_min
        seconds += chance() * (faults.delay_seconds_max - seconds)
        if faults.slow and chance() < faults.slow:
            seconds += chance() * faults.slow_seconds
        return seconds

    # What connections bring.

    def count_connection(self) -> int:
        """The number of a new connection; no two have the same."""
        self._connections += 1
        return self._connections

    def subscribe(self, connection: SimConnection, number: int, subject: str) -> None:
        self._subjects_of.setdefault(connection, {})[number] = subject
        prefix, _, last = subject.rpartition(".")
        if "*" not in subject and ">" not in subject:
            self._exact.setdefault(subject, []).append((connection, number))
        elif last == "*" and "*" not in prefix:
            self._starred.setdefault(prefix, []).append((connection, number))
        else:
            self._wild.append((subject, connection, number))

    def unsubscribe(self, connection: SimConnection, number: int) -> None:
        subject = self._subjects_of.get(connection, {}).pop(number, None)
        if subject is not None:
            self._remove(connection, number, subject)

    def forget(self, connection: SimConnection) -> None:
        """Its socket is closed."""
        for number, subject in self._subjects_of.pop(connection, {}).items():
            self._remove(connection, number, subject)
        if connection.is_closed and connection in self.connections:
            self.connections.remove(connection)

    def ping(self, connection: SimConnection) -> None:
        connection.pong()

    def receive(self, _connection: SimConnection, subject: str, payload: bytes, reply: str, headers: bytes) -> None:
        """One frame of a client."""
        if subject.startswith(_ACK):
            if not _happens(self.faults.lose_ack, self._draws):
                self._acknowledge(subject, payload, reply)
            return
        if subject.startswith(_API):
            if not self.is_leaderless and not self._loses_request():
                self._serve(subject, payload, reply)
            return
        stream = self._stream(subject)
        if stream is None:
            if not self._publish(subject, reply, payload, headers or None) and reply:
                self._publish(reply, "", b"", _NO_RESPONDERS)
            return
        if self.is_leaderless or self._loses_request():
            return
        answer = self._store(stream, subject, payload, headers)
        self._publish_copy(subject, payload, headers)
        if reply:
            self._answer(reply, self._ack_body(stream, answer))

    def _serve(self, subject: str, payload: bytes, reply: str) -> None:
        """One call of the API."""
        if subject.startswith(_NEXT):
            self._pull(subject, payload, reply)
            return
        asked = orjson.loads(payload) if payload else {}
        if subject.startswith(_GET):
            body = self._read(subject[len(_GET) :], asked)
        else:
            body = orjson.dumps(self._call(subject[len(_API) :], asked))
        if reply:
            self._answer(reply, body)

    # Storing and answering.

    def _store(self, stream: SimStream, subject: str, payload: bytes, headers: bytes) -> Acked | Refused:
        answer = stream.append(subject, payload, headers, self._now_ns(), duplicates_first=self.cluster)
        if isinstance(answer, Refused):
            if answer.error_code == 10071 and _happens(self.faults.undecided, self._draws):
                return _UNDECIDED
            return answer
        if not answer.duplicate:
            for consumer in self._under(stream, subject):
                consumer.offer(answer.sequence)
            for note in self.when_stored:
                note(stream.name, stream.messages[answer.sequence])
            if answer.ttl_seconds:
                self.scheduler.at(answer.ttl_seconds, stream.remove, answer.sequence)
        return answer

    def _ack_body(self, stream: SimStream, answer: Acked | Refused) -> bytes:
        if isinstance(answer, Refused):
            return orjson.dumps({"error": _error(answer), "stream": stream.name, "seq": 0})
        duplicate = b',"duplicate": true' if answer.duplicate else b""
        return b'{"stream":"%b","seq":%d%b}' % (stream.name.encode(), answer.sequence, duplicate)

    def _answer(self, reply: str, body: bytes) -> None:
        if self._answers_to_lose > 0:
            self._answers_to_lose -= 1
        elif not _happens(self.faults.lose_answer, self._draws):
            self._publish(reply, "", body, None)

    def _loses_request(self) -> bool:
        if self._requests_to_lose > 0:
            self._requests_to_lose -= 1
            return True
        return _happens(self.faults.lose_request, self._draws)

    def _acknowledge(self, subject: str, body: bytes, reply: str) -> None:
        _, _, stream, name, count, sequence, number, *_ = subject.split(".")
        consumer = self.consumers.get(stream, {}).get(name)
        if consumer is not None and not self.is_leaderless:
            consumer.answer(int(sequence), int(count), int(number), body)
            if reply:
                self._publish(reply, "", b"", None)

    def _pull(self, subject: str, payload: bytes, inbox: str) -> None:
        _, _, _, _, _, stream, name = subject.split(".")
        consumer = self.consumers[stream].get(name) if stream in self.consumers else None
        if consumer is None:
            self._publish(inbox, "", b"", _NO_RESPONDERS)
            return
        batch, seconds = _pull_request(payload)
        consumer.ask(inbox, batch, seconds)

    # Core messages.

    def _publish(self, subject: str, reply: str, data: bytes, headers: bytes | None) -> bool:
        """To everybody who listens; whether anybody does."""
        heard = False
        for connection, number in self._exact.get(subject, ()):
            connection.deliver(number, subject, reply, data, headers)
            heard = True
        for connection, number in self._starred.get(subject.rpartition(".")[0], ()):
            connection.deliver(number, subject, reply, data, headers)
            heard = True
        for pattern, connection, number in self._wild:
            if covers(pattern, subject):
                connection.deliver(number, subject, reply, data, headers)
                heard = True
        return heard

    def _publish_copy(self, subject: str, payload: bytes, headers: bytes) -> None:
        """A stream's messages are core messages too, for whoever listens to the bare subject."""
        if self._wild or self._exact:
            self._publish(subject, "", payload, headers or None)

    def _push(self, inbox: str, frame: Frame) -> bool:
        """A delivery of a consumer. The frame shows the message's own subject, but goes to whoever asked."""
        listening = self._starred.get(inbox.rpartition(".")[0]) or self._exact.get(inbox)
        if not listening or not self.is_up or self.is_leaderless:
            return False
        if not (frame.will_be_acknowledged and _happens(self.faults.lose_delivery, self._draws)):
            connection, number = listening[0]
            connection.deliver(number, frame.subject, frame.reply, frame.data, frame.headers)
        return True

    def _remove(self, connection: SimConnection, number: int, subject: str) -> None:
        self._wild = [one for one in self._wild if one[1:] != (connection, number)]
        for table, key in ((self._exact, subject), (self._starred, subject.rpartition(".")[0])):
            kept = [one for one in table.get(key, ()) if one != (connection, number)]
            if kept:
                table[key] = kept
            else:
                table.pop(key, None)

    # The API.

    def _call(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        kind, verb, *rest = name.split(".")
        match kind, verb:
            case "STREAM", "INFO":
                return self._stream_info(rest[0])
            case "STREAM", "CREATE":
                self.streams[rest[0]] = SimStream({"metadata": {}, **body})
                self.consumers.setdefault(rest[0], {})
                self._streams_of.clear()
                return self._stream_info(rest[0])
            case "STREAM", "UPDATE":
                self.streams[rest[0]].config.update(body)
                return self._stream_info(rest[0])
            case "STREAM", "DELETE":
                del self.streams[rest[0]], self.consumers[rest[0]]
                self._streams_of.clear()
                self._consumers_of.clear()
                return {"success": True}
            case "STREAM", "PURGE":
                self.streams[rest[0]].purge()
                return {"success": True}
            case "CONSUMER", "NAMES":
                return {"consumers": list(self.consumers[rest[0]])}
            case "CONSUMER", "INFO":
                return self._consumer_info(rest[0], rest[1])
            case "CONSUMER", "CREATE":
                return self._create_consumer(rest[0], rest[1], body["config"])
            case "CONSUMER", "DELETE":
                self.consumers.get(rest[0], {}).pop(rest[1], None)
                self._consumers_of.clear()
                return {"success": True}
            case _:
                raise AssertionError(f"the simulated bus does not know {name}")

    def _read(self, name: str, body: Mapping[str, Any]) -> bytes:
        stream = self.streams.get(name)
        if stream is None:
            return orjson.dumps({"error": _error(_STREAM_NOT_FOUND)})
        found = stream.last(body["last_by_subj"]) if "last_by_subj" in body else stream.messages.get(body["seq"])
        return _NO_MESSAGE if found is None else _message(found)

    def _stream_info(self, name: str) -> dict[str, Any]:
        stream = self.streams.get(name)
        if stream is None:
            return {"error": _error(_STREAM_NOT_FOUND)}
        last = stream.messages.get(stream.last_sequence)
        state = {
            "messages": len(stream.messages),
            "last_seq": stream.last_sequence,
            "last_ts": _moment(0 if last is None else last.at_ns),
        }
        return {"config": stream.config, "state": state}

    def _create_consumer(self, name: str, consumer: str, config: Mapping[str, Any]) -> dict[str, Any]:
        stream = self.streams.get(name)
        if stream is None:
            return {"error": _error(_STREAM_NOT_FOUND)}
        self.consumers[name][consumer] = Consumer(
            consumer, config, stream=stream, scheduler=self.scheduler, send=self._push
        )
        self._consumers_of.clear()
        return self._consumer_info(name, consumer)

    def _consumer_info(self, name: str, consumer: str) -> dict[str, Any]:
        if name not in self.streams:
            return {"error": _error(_STREAM_NOT_FOUND)}
        found = self.consumers[name].get(consumer)
        if found is None:
            return {"error": _error(_CONSUMER_NOT_FOUND)}
        return {
            "config": found.config,
            "num_pending": found.pending,
            "num_ack_pending": found.unacknowledged,
            "ack_floor": {"stream_seq": found.ack_floor},
        }

    # Small things.

    def _stream(self, subject: str) -> SimStream | None:
        """Which stream keeps it. Subjects are many and their first two tokens few."""
        head = tuple(subject.split(".", 2)[:2])
        streams = self._streams_of.get(head)
        if streams is None:
            streams = self._streams_of[head] = [
                stream for stream in self.streams.values() if any(_may_cover(one, head) for one in stream.subjects)
            ]
        return next((stream for stream in streams if covers_any(stream.subjects, subject)), None) if streams else None

    def _under(self, stream: SimStream, subject: str) -> list[Consumer]:
        found = self._consumers_of.get(subject)
        if found is None:
            found = [one for one in self.consumers[stream.name].values() if covers_any(one.filters, subject)]
            self._consumers_of[subject] = found
        return found

    def _now_ns(self) -> int:
        return EPOCH_MS * 1_000_000 + int(self.scheduler.now * NANOSECONDS)

    def _elect(self) -> None:
        self.is_leaderless = False
        for consumers in self.consumers.values():
            for consumer in consumers.values():
                consumer.pump()


def _happens(share: float, draws: Random) -> bool:
    return share > 0 and draws.random() < share


def _error(refused: Refused) -> dict[str, Any]:
    return {"code": refused.code, "err_code": refused.error_code, "description": refused.description}


_NO_MESSAGE = orjson.dumps({"error": _error(_NOT_FOUND)})


@lru_cache(maxsize=1 << 6)
def _message(found: Stored) -> bytes:
    """The answer to a read. Most are reads of the same few messages."""
    message = {
        "subject": found.subject,
        "seq": found.sequence,
        "data": base64.b64encode(found.data).decode(),
        "time": _moment(found.at_ns),
    }
    if found.headers:
        message["hdrs"] = base64.b64encode(found.headers).decode()
    return orjson.dumps({"message": message})


def _may_cover(pattern: str, head: Sequence[str]) -> bool:
    """Whether a subject that begins with these two tokens can be under the pattern."""
    wanted = pattern.split(".", 2)[:2]
    return all(want in (token, "*", ">") for want, token in zip(wanted, head, strict=False))


@cache
def _pull_request(payload: bytes) -> tuple[int, float | None]:
    """Batch and life in seconds; None: no_wait."""
    body = orjson.loads(payload)
    return body["batch"], None if body.get("no_wait") else body["expires"] / NANOSECONDS


def _moment(at_ns: int) -> str:
    seconds, fraction = divmod(at_ns, NANOSECONDS)
    return f"{_second(seconds)}.{fraction:09d}Z"


@cache
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
