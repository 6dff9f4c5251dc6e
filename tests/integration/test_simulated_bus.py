"""The simulated bus beside a real nats-server: the same questions, drawn from a seed, get the same answers.

Where the two differ, the simulated one is wrong. (tests/simulation holds the claims of this folder over the simulated bus alone.)
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ordergate.runtime.connection import Bus, connect
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.lean import header_block
from ordergate.runtime.server import EmbeddedServer
from tests.integration.orders_at_hand import eventually
from tests.simulation import connection as simulated
from tests.simulation.bus import SimBus
from tests.simulation.loop import Scheduler
from tests.simulation.stream import covers

STEPS = 300
STREAMS: dict[str, dict[str, Any]] = {
    "LIFE": {"duplicate_window": 120_000_000_000, "max_msg_size": 600},
    "ONCE": {"max_msgs_per_subject": 1, "discard_new_per_subject": True, "max_bytes": 2_000},
    "LAST": {"max_msgs_per_subject": 1},
}
CONSUMERS: dict[str, dict[str, Any]] = {
    "all": {"ack_policy": "explicit", "max_ack_pending": 6, "filter_subjects": ["life.>"]},
    "some": {"ack_policy": "explicit", "max_ack_pending": 100, "filter_subjects": ["life.a.*.x", "life.b.1.y"]},
    "bare": {"ack_policy": "all", "max_ack_pending": 100, "filter_subjects": ["life.a.>"], "headers_only": True},
}
LONG_NS = 3_600_000_000_000

Play = Callable[[Bus], Awaitable[list[object]]]


class Player:
    """Draws questions and notes answers, without what is not the bus's word (times, names)."""

    def __init__(self, bus: Bus, seed: int) -> None:
        self._bus = bus
        self._draws = Random(seed)  # noqa: S311 - seeded on purpose
        self._heard: list[tuple[bytes, bytes, bytes, bytes | None]] = []
        self._held: list[str] = []
        self._made = 0
        self._stored = dict.fromkeys(CONSUMERS, 0)
        self._delivered = dict.fromkeys(CONSUMERS, 0)
        self.answers: list[object] = []

    async def play(self) -> list[object]:
        await self._prepare()
        steps = (
            self._publish,
            self._publish,
            self._publish,
            self._read,
            self._pull,
            self._pull,
            self._settle,
            self._look,
        )
        for _ in range(STEPS):
            step = self._draws.choice((*steps, self._replay) if self._draws.random() < 0.2 else steps)
            self.answers.append((step.__name__, await step()))
        return self.answers

    async def _prepare(self) -> None:
        for name, config in STREAMS.items():
            body = {"name": name, "subjects": [f"{name.lower()}.>"], "storage": "file", "discard": "new", **config}
            assert not isinstance(await self._bus.jetstream.api(f"STREAM.CREATE.{name}", body), Refusal)
        for name, config in CONSUMERS.items():
            whole = {"name": name, "durable_name": name, "ack_wait": LONG_NS, "deliver_policy": "all", **config}
            body = {"stream_name": "LIFE", "config": whole, "action": "create"}
            assert not isinstance(await self._bus.jetstream.api(f"CONSUMER.CREATE.LIFE.{name}", body), Refusal)
        await self._bus.client.listen("pulled.*", lambda *frame: self._heard.append(frame))

    def _subject(self, stream: str) -> str:
        return f"{stream.lower()}.{self._draws.choice('ab')}.{self._draws.randrange(3)}.{self._draws.choice('xy')}"

    def _pattern(self, stream: str) -> str:
        kind = self._draws.randrange(4)
        letter = self._draws.choice("ab")
        return (
            f"{stream.lower()}.{letter}.*.>",
            f"{stream.lower()}.*.1.x",
            f"{stream.lower()}.>",
            self._subject(stream),
        )[kind]

    async def _publish(self) -> object:
        stream = self._draws.choice(("LIFE", "LIFE", "ONCE", "LAST"))
        subject, fields = self._subject(stream), {}
        if self._draws.random() < 0.5:
            guard = subject if self._draws.random() < 0.3 else self._pattern(stream)
            last = await self._bus.jetstream.last(stream, guard)
            right = self._draws.random() < 0.6
            fields["Nats-Expected-Last-Subject-Sequence"] = str((0 if last is None else last.sequence) + (not right))
            if guard != subject or self._draws.random() < 0.5:
                fields["Nats-Expected-Last-Subject-Sequence-Subject"] = guard
        if self._draws.random() < 0.3:
            fields["Nats-Msg-Id"] = f"id-{self._draws.randrange(10)}"
        payload = b"x" * self._draws.choice((1, 10, 100, 700))
        reply = await self._bus.requests.ask(
            subject, payload, seconds=5, headers=header_block(fields) if fields else b""
        )
        if b"error" not in reply.data and b"duplicate" not in reply.data:
            for name, config in CONSUMERS.items():
                self._stored[name] += any(covers(one, subject) for one in config["filter_subjects"])
        return stream, subject, fields, len(payload), reply.data

    async def _read(self) -> object:
        stream = self._draws.choice(tuple(STREAMS))
        if self._draws.random() < 0.3:
            found = await self._bus.jetstream.message(stream, self._draws.randrange(1, 40))
        else:
            found = await self._bus.jetstream.last(stream, self._pattern(stream))
        return stream, found and (found.subject, found.sequence, found.data, found.headers)

    async def _pull(self) -> object:
        consumer, batch = self._draws.choice(tuple(CONSUMERS)), self._draws.randrange(1, 5)
        state = await self._state(consumer)
        if sum(state) == 0 or (consumer == "all" and state[0] >= CONSUMERS["all"]["max_ack_pending"] - batch):
            return consumer, "nothing to ask for"
        self._heard.clear()
        inbox = f"pulled.{self._draws.randrange(1000)}"
        self._bus.client.post(
            f"$JS.API.CONSUMER.MSG.NEXT.LIFE.{consumer}", b'{"batch":%d,"no_wait":true}' % batch, reply=inbox
        )
        await self._bus.client.flush()
        await eventually(lambda: len(self._heard) >= batch or any(not frame[1] for frame in self._heard))
        shown = [self._shown(*frame) for frame in self._heard]
        replies = [frame[1].decode() for frame in self._heard if frame[1]]
        self._delivered[consumer] += sum(reply.split(".")[4] == "1" for reply in replies)
        self._held += replies
        return consumer, batch, shown

    def _shown(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> object:
        if not reply:
            return headers
        tokens = reply.decode().split(".")
        return subject, tokens[2:7] + tokens[8:], data, headers

    async def _settle(self) -> object:
        """Answer a delivery, and wait until the server has taken the answer."""
        if not self._held:
            return None
        reply = self._held.pop(self._draws.randrange(len(self._held)))
        body = self._draws.choice((b"+ACK", b"+ACK", b"", b"-NAK", b"+TERM", b"+WPI"))
        await self._bus.requests.ask(reply, body, seconds=5)
        return reply.split(".")[3:7], body

    async def _look(self) -> object:
        consumer = self._draws.choice(tuple(CONSUMERS))
        return consumer, await self._state(consumer)

    async def _state(self, consumer: str) -> tuple[int, int]:
        """Unacknowledged and never delivered. The server counts a moment after it stores, so asked until it has counted everything."""
        async with asyncio.timeout(5):
            while True:
                answer = await self._bus.jetstream.api(f"CONSUMER.INFO.LIFE.{consumer}")
                assert not isinstance(answer, Refusal)
                if answer["num_pending"] == self._stored[consumer] - self._delivered[consumer]:
                    return answer["num_ack_pending"], answer["num_pending"]

    async def _replay(self) -> object:
        """An ephemeral consumer, read to its end."""
        stream = self._draws.choice(tuple(STREAMS))
        self._made += 1
        start: dict[str, Any] = {"deliver_policy": "last_per_subject"}
        if self._draws.random() < 0.5:
            start = {"deliver_policy": "by_start_sequence", "opt_start_seq": self._draws.randrange(1, 50)}
        name = f"replay{self._made}"
        filters = [self._pattern(stream)]
        config = {"name": name, "ack_policy": "none", "mem_storage": True, "filter_subjects": filters, **start}
        config |= {"num_replicas": 1, "inactive_threshold": LONG_NS}
        answer = await self._bus.jetstream.api(
            f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config}
        )
        assert not isinstance(answer, Refusal)
        self._heard.clear()
        self._bus.client.post(
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", b'{"batch":1000,"no_wait":true}', reply="pulled.replay"
        )
        await eventually(lambda: any(not frame[1] for frame in self._heard))
        return stream, filters, start, answer["num_pending"], [self._shown(*frame) for frame in self._heard]


def on_the_real_bus(directory: Path, play: Play) -> list[object]:
    server = EmbeddedServer(directory, sync_always=False)
    server.start()

    async def run() -> list[object]:
        bus = await connect(server.url, service="player")
        try:
            return await play(bus)
        finally:
            await bus.close()

    try:
        return asyncio.run(run())
    finally:
        server.stop()


def on_the_simulated_bus(play: Play) -> list[object]:
    scheduler = Scheduler(1)
    node, server = scheduler.node("player"), SimBus(scheduler)

    async def run() -> list[object]:
        return await play(await simulated.connect(server, node, service="player"))

    try:
        answers = scheduler.complete(node, run(), seconds=3600)
    finally:
        scheduler.close()
    assert not scheduler.failures
    return answers


@pytest.mark.parametrize("seed", range(6))
def test_the_same_questions_get_the_same_answers(tmp_path: Path, seed: int) -> None:
    async def play(bus: Bus) -> list[object]:
        return await Player(bus, seed).play()

    real, simulation = on_the_real_bus(tmp_path, play), on_the_simulated_bus(play)
    for number, (one, other) in enumerate(zip(real, simulation, strict=True)):
        assert one == other, f"step {number}"
