"""`python -m examples.fills`: a fill consumer; every fill of an account as a line, and now and then the proof that none was missed.

It needs no permission but to read: a book keeper, a risk report, an accounting system would begin like this.
"""

import asyncio
import os
import signal
import sys

from examples.bus import bus_options, bus_url
from ordergate.client import Gateway, connect
from ordergate.trading.errors import StillWaiting

CONSUMER = "fills"
PROOF_SECONDS = 60.0


async def main() -> int:
    """0 after SIGTERM or SIGINT, 1 if a fill was missed."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    venue, account = os.environ.get("ORDERGATE_VENUE", "zetarium"), os.environ.get("ORDERGATE_ACCOUNT", "main")
    async with connect(bus_url(), venue=venue, account=account, strategy=CONSUMER, **bus_options()) as gateway:
        follow = asyncio.create_task(_follow(gateway))
        stop = asyncio.create_task(stopped.wait())
        await asyncio.wait({follow, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        return 0 if follow.cancel() else follow.result()


async def _follow(gateway: Gateway) -> int:
    loop = asyncio.get_running_loop()
    async with gateway.fills(since_sequence=0) as fills:
        proof_at = loop.time() + PROOF_SECONDS
        async for update in fills:
            fill = update.fill
            print(
                f"{update.sequence} {fill.symbol} {fill.signed_quantity} at {fill.price} of {fill.client_order_id}",
                flush=True,
            )
            if loop.time() < proof_at:
                continue
            proof_at = loop.time() + PROOF_SECONDS
            try:
                verdict = await fills.verify()
            except StillWaiting:
                continue  # no statement for now; the next one covers this time too
            print(f"{verdict.count} fills, missed or doubled: {'; '.join(verdict.differences) or 'none'}", flush=True)
            if not verdict.agrees:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
