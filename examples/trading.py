"""`python -m examples.trading`: the example strategy as a process of its own, order after order until it is stopped; then it cancels what rests.

Needs of ordergate what any strategy needs: the address of the bus and, where the bus asks for one, an identity.
"""

import asyncio
import os
import secrets
import signal
import sys

from examples.bus import bus_options, bus_url
from examples.strategy import Strategy
from ordergate.client import connect

ORDERS_A_ROUND = 300
STRATEGY = "example"


async def main() -> int:
    """0 after SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    pause = float(os.environ.get("ORDERGATE_EXAMPLE_PAUSE_SECONDS", "2"))
    venue, account = os.environ.get("ORDERGATE_VENUE", "zetarium"), os.environ.get("ORDERGATE_ACCOUNT", "main")
    async with connect(bus_url(), venue=venue, account=account, strategy=STRATEGY, **bus_options()) as gateway:
        while True:
            strategy = Strategy(gateway, secrets.randbits(32), ORDERS_A_ROUND, pause)
            job = asyncio.create_task(strategy.run())
            stop = asyncio.create_task(stopped.wait())
            await asyncio.wait({job, stop}, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not job.cancel():
                job.result()  # a fault of its own is told
            print(f"{len(strategy.placed)} orders placed, {strategy.cancels} cancels", flush=True)
            if stopped.is_set():
                await strategy.finish()
                return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
