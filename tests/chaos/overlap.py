"""Two of every service on the same accounts at once: of each pair one is frozen and wakes, the other is killed meanwhile."""

import asyncio
import os
import signal
from contextlib import suppress

from services.supervisor import SERVICES
from tests.chaos.disturbances import Ground

FROZEN_SECONDS = 5.0
BEFORE_SECONDS = 1.0
AWAKE_SECONDS = 1.5


async def overlap(ground: Ground) -> None:
    """The first of each pair sleeps for longer than every ack wait and lease; it wakes with what it held, to a world that went on."""
    await asyncio.sleep(BEFORE_SECONDS)
    frozen = [ground.supervisor.pids()[service] for service in SERVICES]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        for service in SERVICES:
            await asyncio.sleep(FROZEN_SECONDS / len(SERVICES))
            ground.kill(f"{service}-2")
    finally:
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    ground.notes.append(f"{len(frozen)} processes woke after {FROZEN_SECONDS:.0f} s")
    await asyncio.sleep(AWAKE_SECONDS)
