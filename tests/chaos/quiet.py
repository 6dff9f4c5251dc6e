"""Liveness: when faults have stopped, every service is ready, no consumer lags, no process can dump its memory."""

import asyncio
from pathlib import Path
from typing import Any

import nats
from nats.errors import Error as NatsError

from services.supervisor import SERVICES, Supervisor

LIMIT_SECONDS = 15.0
LOOK_AGAIN_SECONDS = 0.1
WORK_STREAMS = ("INTENTS", "ORDERS")


async def unquiet(supervisor: Supervisor) -> list[str]:
    """What is not at rest after the limit."""
    deadline = asyncio.get_running_loop().time() + LIMIT_SECONDS
    while problems := [*await _lags(supervisor.nats_url), *_cores(supervisor)]:
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return problems


async def _lags(url: str) -> list[str]:
    found: list[str] = []
    client = await nats.connect(url)
    try:
        for stream in WORK_STREAMS:
            for consumer in await client.jetstream().consumers_info(stream):
                found += _lag(stream, consumer)
    except (NatsError, TimeoutError) as error:
        return [f"[lag] the bus does not answer: {error!r}"]
    finally:
        await client.close()
    return found


def _lag(stream: str, consumer: Any) -> list[str]:
    if not consumer.config.durable_name or not (consumer.num_pending or consumer.num_ack_pending):
        return []
    return [
        f"[lag] {stream}/{consumer.name}: {consumer.num_pending} waiting, {consumer.num_ack_pending} unacknowledged"
    ]


def _cores(supervisor: Supervisor) -> list[str]:
    pids = {name: pid for name, pid in supervisor.pids().items() if name.rstrip("-2345") in SERVICES}
    return [f"[I8] {name} may write core dumps" for name, pid in pids.items() if not _without_core(pid)]


def _without_core(pid: int) -> bool:
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return True  # it has just ended, or this system has no /proc
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    return line.split()[4:6] == ["0", "0"]
