"""Good orders with bad ones between them: whether the good ones wait."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

import nats
from nats.aio.msg import Msg

from bench.figures import NS_PER_MS, Figures, spread
from bench.installation import ACCOUNTS, VENUE, Running
from bench.load import LIMIT_SECONDS, Unfinished, submit_steadily
from bench.orders import STRATEGY, plan, subscribe, watching
from bench.poison import KINDS
from ordergate.client import connect
from ordergate.runtime import connection
from ordergate.trading.errors import Unreadable
from ordergate.trading.order import State
from ordergate.wire import streams, subjects
from ordergate.wire.messages import AnswerMessage, DeadHeaders

PHASES = 2
"""Without and with bad ones in turn, so that a slow moment of the machine meets both."""


async def bad_input(running: Running, *, good: int, per_second: float) -> Figures:
    """p99 of intent -> wire of the good orders without and with as many bad ones, and how many of the bad were answered or kept in DEAD."""
    alone: list[float] = []
    mixed: list[float] = []
    answered = 0
    for phase in range(2 * PHASES):
        with_bad = phase % 2 == 1
        elapsed, answers = await _phase(running, good // PHASES, per_second, with_bad=with_bad)
        (mixed if with_bad else alone).extend(elapsed)
        answered += answers
    without, beside = spread(alone), spread(mixed)
    return {
        "p50Without": without["p50"],
        "p99Without": without["p99"],
        "p50With": beside["p50"],
        "p99With": beside["p99"],
        "p99Ratio": beside["p99"] / without["p99"],
        "bad": good // PHASES * PHASES,
        "badKinds": len(KINDS),
        "badAnswered": answered,
    }


async def _phase(running: Running, good: int, per_second: float, *, with_bad: bool) -> tuple[list[float], int]:
    planned = plan(good)
    _, before = await running.arrivals()
    async with AsyncExitStack() as stack:
        gateways = {
            account: await stack.enter_async_context(
                connect(running.nats_url, venue=VENUE, account=account, strategy=STRATEGY)
            )
            for account in ACCOUNTS
        }
        watcher = await stack.enter_async_context(watching(running.nats_url, only_ends=True))
        answers = await stack.enter_async_context(_Answers(running.nats_url))
        bad = asyncio.create_task(_publish_bad(running, good, per_second)) if with_bad else None
        began = await submit_steadily(gateways, planned, per_second=per_second)
        if bad is not None:
            await bad
        ended = await watcher.until(lambda: len(watcher.seen[State.FILLED]) >= good, limit_seconds=LIMIT_SECONDS)
        if not ended:
            raise Unfinished(f"{len(watcher.seen[State.FILLED])} of {good} good orders were filled")
        if with_bad:
            refused = watcher.seen[State.REFUSED]
            await answers.until(lambda: len(answers.heard) + len(refused) >= good)
        answered = len(answers.heard) + len(watcher.seen[State.REFUSED])
    arrived, _ = await running.arrivals(after=before)
    return [(arrived[name] - at_ns) / NS_PER_MS for name, at_ns in began.items()], answered


async def _publish_bad(running: Running, count: int, per_second: float) -> None:
    bus = await connection.connect(running.nats_url, service="bench")
    spoilers = itertools.cycle(KINDS.values())
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        for place, order in enumerate(plan(count)):
            await asyncio.sleep(start + (place + 0.5) / per_second - loop.time())
            await bus.jetstream.publish(*next(spoilers)(order.document()))
    finally:
        await bus.close()


class _Answers:
    """Which intents, by stream sequence, were answered on `answers.>` or are kept in DEAD."""

    def __init__(self, url: str) -> None:
        self.heard: set[int] = set()
        self._url = url
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._client = await nats.connect(self._url)
        *_, answers = subjects.ALL_AUDIT
        await subscribe(self._client, streams.AUDIT, [answers], self._hear_answer, headers_only=False)
        await subscribe(self._client, streams.DEAD, list(subjects.ALL_DEAD), self._hear_dead)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.close()

    async def _hear_answer(self, message: Msg) -> None:
        try:
            self._note(AnswerMessage.of(message.data).intent_sequence or 0)
        except Unreadable:
            return  # one of the bad ones: it was published where answers are

    async def _hear_dead(self, message: Msg) -> None:
        self._note(int((message.headers or {}).get(DeadHeaders.SEQUENCE, "0")))

    def _note(self, sequence: int) -> None:
        self.heard.add(sequence)
        self._changed.set()

    async def until(self, fact: Callable[[], bool], *, limit_seconds: float = 10.0) -> None:
        """Return when the fact is true, or after the limit: what is missing is seen in the figures."""
        try:
            async with asyncio.timeout(limit_seconds):
                while not fact():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return
