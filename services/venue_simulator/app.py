"""Serving until told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import TYPE_CHECKING

from ordergate.simulator.app import running_simulator

if TYPE_CHECKING:
    from services.venue_simulator.settings import Settings

COLLECT_SECONDS = 5.0


async def serve(settings: Settings) -> None:
    """Print where the simulator listens, serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    config, tls = settings.read_config(), settings.tls()
    async with running_simulator(config, port=settings.port, host=settings.host, tls=tls) as simulator:
        sys.stdout.write(f"simulator listening on {simulator.url}\n")
        sys.stdout.flush()
        collector = asyncio.create_task(_collect_young(), name="collect-young")
        await stopped.wait()
        collector.cancel()


async def _collect_young() -> None:
    # The books only grow, and nothing in them is a cycle. A full collection would stop the venue for as long as it takes to walk over all orders of the
    # day, and show up as latency that is not the gateway's; so only what is young is looked at, then it is set aside for good.
    gc.disable()
    while True:
        gc.collect(1)
        gc.freeze()
        await asyncio.sleep(COLLECT_SECONDS)
