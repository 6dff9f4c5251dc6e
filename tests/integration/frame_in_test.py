"""A service of the frame with nothing but a lane, a task and a route, to be run as a process of its own by the tests of the frame."""

import asyncio
import sys

import uvloop

from ordergate.ports.bus import Delivery
from ordergate.runtime.lane import Sequential
from ordergate.runtime.service import Frame, Service
from ordergate.runtime.settings import Environment
from ordergate.wire import streams
from ordergate.wire.messages import MSG_ID

ECHO = "control.echo"
HANDLING_SECONDS = 0.2


async def compose(frame: Frame) -> None:
    """Handles intents slowly, echoes, and fails when told to."""
    account = frame.accounts[0]
    told = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        await asyncio.sleep(HANDLING_SECONDS)
        await delivery.ack()
        frame.log.info("handled", sequence=delivery.sequence)

    async def echo(body: bytes) -> bytes:
        if body == b"fail":
            told.set()
        return body

    async def fail_when_told() -> None:
        await told.wait()
        raise RuntimeError("told to")

    async def say_stopped() -> None:
        frame.log.info("at stop", header=MSG_ID)

    frame.lane(streams.risk_consumer(account.venue_name, account.account_name), handle, mode=Sequential())
    frame.answer(ECHO, echo)
    frame.task("fail_when_told", fail_when_told)
    frame.at_stop(say_stopped)


if __name__ == "__main__":
    sys.exit(uvloop.run(Service("frame_in_test", compose, environment=Environment()).run()))
