"""What the bus itself costs here and now: nats-py against a stream of its own on the same server, with messages as large as an intent."""

import asyncio
import os
import time
from pathlib import Path

import nats
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from bench.figures import NS_PER_MS, Figures, now_ns, spread
from bench.orders import subscribe

STREAM = "BENCH"
SUBJECT = "bench.floor"
BODY = b"x" * 400
AT_ONCE = 250


async def jetstream_figures(url: str, *, calls: int, messages: int) -> dict[str, Figures]:
    """publish -> ack and publish -> delivery at another connection (p50, p99, one at a time); acks a second with AT_ONCE under way."""
    publisher, subscriber = await nats.connect(url), await nats.connect(url)
    stream = publisher.jetstream()
    arrived: asyncio.Queue[int] = asyncio.Queue()

    async def hear(_message: Msg) -> None:
        arrived.put_nowait(now_ns())

    try:
        await stream.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT]))
        await subscribe(subscriber, STREAM, [SUBJECT], hear)
        acked, delivered = [], []
        for _ in range(calls):
            began_ns = now_ns()
            await stream.publish(SUBJECT, BODY)
            acked.append((now_ns() - began_ns) / NS_PER_MS)
            delivered.append((await arrived.get() - began_ns) / NS_PER_MS)
        numbers = iter(range(messages))

        async def work() -> None:
            for _ in numbers:
                await stream.publish(SUBJECT, BODY)

        start_ns = now_ns()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        rate = messages / ((now_ns() - start_ns) / 1e9)
        await stream.delete_stream(STREAM)
    finally:
        await publisher.close()
        await subscriber.close()
    return {"ack": {**spread(acked), "perSecond": rate}, "delivery": spread(delivered)}


def fsync_ms(folder: Path, *, times: int = 200) -> Figures:
    """What the disk takes to keep 512 bytes more."""
    path = folder / "fsync"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 512)
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    path.unlink()
    return spread(took)
