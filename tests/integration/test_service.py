"""The frame of a service as a real process: it refuses drift, notices what is gone, and stops without leaving anything behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Ack, Refusal
from ordergate.runtime.lean import Unanswered
from ordergate.runtime.provision import resources
from ordergate.runtime.server import EmbeddedServer
from ordergate.trading.ids import StrategyName
from ordergate.wire import streams, subjects
from ordergate.wire.subjects import IntentKind
from tests.integration.conftest import Connect
from tests.integration.frame_in_test import ECHO
from tests.integration.orders_at_hand import ACCOUNT, BTC, VENUE, eventually

ROOT = Path(__file__).parents[2]
CONFIGURATION = """
[[accounts]]
venue = "zetarium"
account = "main"
base_url = "http://127.0.0.1:1"
symbols = ["BTCUSDT"]
"""
SPEC = streams.risk_consumer(VENUE, ACCOUNT)


class Process:
    """A python module of ours as a process; its log lines as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def said(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if line["event"] == event), None)

    async def exit_code(self, *, seconds: float) -> int:
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            await self._reading
        return code

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading


Run = Callable[[str], Any]


@pytest_asyncio.fixture
async def run(server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Run]:
    """Starts processes on the test's bus; whatever still runs in the end is killed."""
    (tmp_path / "ordergate.toml").write_text(CONFIGURATION)
    started: list[Process] = []

    async def one(module: str) -> Process:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'libs'}{os.pathsep}{ROOT}",
            "ORDERGATE_CONFIG": str(tmp_path / "ordergate.toml"),
            "ORDERGATE_NATS_URL": server.url,
            "ORDERGATE_HEALTH_PORT": "0",
        }
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=environment, stdout=asyncio.subprocess.PIPE, cwd=tmp_path
        )
        started.append(Process(made))
        return started[-1]

    yield one
    for process in started:
        await process.end()


async def start_frame(run: Run) -> tuple[Process, int]:
    process: Process = await run("tests.integration.frame_in_test")
    await eventually(lambda: process.said("started") is not None, seconds=15)
    said = process.said("started")
    assert said is not None
    return process, said["health_port"]


async def get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def say(bus: Bus, text: str) -> None:
    subject = subjects.intent(VENUE, ACCOUNT, StrategyName("alpha"), IntentKind.PLACE, BTC)
    assert isinstance(await bus.jetstream.publish(subject, text.encode()), Ack)


async def test_it_serves_answers_and_tells_its_health(bus: Bus, run: Run) -> None:
    process, port = await start_frame(run)
    reply = await bus.requests.ask(ECHO, b'{"a":1}', seconds=2)
    assert reply.data == b'{"a":1}'
    assert await get(port, "/live") == (200, b'{"ok":true,"problems":{}}')
    assert (await get(port, "/ready"))[0] == 200
    status, metrics = await get(port, "/metrics")
    assert status == 200
    assert b"process_cpu_seconds_total" in metrics
    assert (await get(port, "/nothing"))[0] == 404
    process.process.terminate()
    assert await process.exit_code(seconds=5) == 0


async def test_terminated_it_finishes_what_it_began_and_leaves_nothing_pending(bus: Bus, run: Run) -> None:
    process, _ = await start_frame(run)
    for number in range(5):
        await say(bus, str(number))

    async def state() -> dict[str, Any]:
        answer = await bus.jetstream.api(f"CONSUMER.INFO.{SPEC.stream}.{SPEC.durable}")
        assert not isinstance(answer, Refusal)
        return answer

    await eventually(lambda: process.said("handled") is not None)
    process.process.send_signal(signal.SIGTERM)
    assert await process.exit_code(seconds=5) == 0
    assert process.said("at stop") is not None
    handled = sum(line["event"] == "handled" for line in process.lines)
    assert 1 <= handled < 5
    assert (await state())["ack_floor"]["stream_seq"] == handled, "every handled one is acknowledged, no other"
    successor, _ = await start_frame(run)
    await eventually(lambda: sum(line["event"] == "handled" for line in successor.lines) == 5 - handled)
    successor.process.terminate()
    await successor.exit_code(seconds=5)
    assert (await state())["num_ack_pending"] == 0


async def test_a_deleted_consumer_ends_the_process_so_that_it_is_restarted(bus: Bus, run: Run) -> None:
    process, _ = await start_frame(run)
    await bus.jetstream.api(f"CONSUMER.DELETE.{SPEC.stream}.{SPEC.durable}")
    assert await process.exit_code(seconds=10) == 1
    said = process.said("the service ends itself")
    assert said is not None
    assert "risk-zetarium-main is gone" in said["reason"]


async def test_a_task_that_ends_takes_the_process_with_it(bus: Bus, run: Run) -> None:
    process, _ = await start_frame(run)
    await bus.requests.ask(ECHO, b"fail", seconds=2)
    assert await process.exit_code(seconds=5) == 1
    said = process.said("a task ended")
    assert said is not None
    assert "told to" in said["exception"]


async def test_it_outlives_a_restart_of_the_bus(bus: Bus, run: Run, server: EmbeddedServer) -> None:
    process, port = await start_frame(run)
    server.kill()
    await eventually(lambda: not bus.client.is_connected)
    status, body = await get(port, "/ready")
    assert (status, json.loads(body)["problems"]) == (503, {"bus": "not connected"})
    assert (await get(port, "/live"))[0] == 200
    server.start()
    await bus.client.wait_connected(5)
    await say(bus, "x")
    took = await eventually(lambda: process.said("handled") is not None)
    assert took < 1.5
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 2
    while True:
        try:
            assert (await bus.requests.ask(ECHO, b"x", seconds=0.2)).data == b"x"
        except Unanswered:
            assert loop.time() < deadline
        else:
            break
    process.process.terminate()
    assert await process.exit_code(seconds=5) == 0


async def test_drift_is_a_refusal_to_start(bus: Bus, run: Run) -> None:
    (orders,) = (spec for spec in streams.streams() if spec.name == streams.POSITIONS)
    (resource,) = resources(streams=(orders,))
    await bus.jetstream.api("STREAM.UPDATE.POSITIONS", {**resource.body, "max_age": 3_600_000_000_000})
    process: Process = await run("tests.integration.frame_in_test")
    assert await process.exit_code(seconds=10) == 2
    said = process.said("refused to start")
    assert said is not None
    assert said["reason"] == "stream POSITIONS: max_age is 3600000000000, declared None"


async def test_provision_creates_is_repeatable_and_refuses_drift(connected: Connect, run: Run) -> None:
    first: Process = await run("services.provision")
    assert await first.exit_code(seconds=10) == 0
    said = first.said("provisioned")
    assert said is not None
    assert "stream ORDERS" in said["created"]
    second: Process = await run("services.provision")
    assert await second.exit_code(seconds=10) == 0
    said = second.said("provisioned")
    assert said is not None
    assert said["created"] == []
    bus = await connected()
    (orders,) = (spec for spec in streams.streams() if spec.name == streams.DEAD)
    (resource,) = resources(streams=(orders,))
    await bus.jetstream.api("STREAM.UPDATE.DEAD", {**resource.body, "max_age": 3_600_000_000_000})
    third: Process = await run("services.provision")
    assert await third.exit_code(seconds=10) == 2
    said = third.said("refused")
    assert said is not None
    assert "stream DEAD: max_age is 3600000000000" in said["reason"]
