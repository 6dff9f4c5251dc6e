"""Two replicas of risk on one account and one real bus: whatever each of them believes, they decide upon one set of limits."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import orjson
import pytest

from ordergate.ports.bus import Delivery
from ordergate.ports.checkpoint import Mark
from ordergate.ports.ledger import Entry, Ledger, Lost, Won
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.intents import BusIntentLog
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.lane import Lane, Sequential
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.publisher import BusPublisher
from ordergate.trading.events import Event
from ordergate.trading.ids import AccountName, ClientOrderId, StrategyName, VenueName
from ordergate.trading.instrument import ReferencePrice
from ordergate.trading.order import Order, State
from ordergate.trading.risk import RiskLimits
from ordergate.venues.registry import find_venue
from ordergate.wire import streams, subjects
from ordergate.wire.subjects import IntentKind
from services.risk.fold import AccountFold
from services.risk.handlers import RiskDesk
from services.risk.turns import Turns
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, BTC, VENUE, eventually, holds
from tests.unit.trading.making import instrument

Pause = Callable[[str], Awaitable[None]]
LIMIT = 10


async def at_once(_: str) -> None:
    """Nothing holds this replica up."""


class Slow:
    """A ledger before which its replica may be frozen: the decision is made, its append not yet begun."""

    def __init__(self, ledger: Ledger, pause: Pause) -> None:
        self._ledger = ledger
        self._pause = pause

    async def append(self, order: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        await self._pause(order.key.client_order_id)
        return await self._ledger.append(order, event, after=after, correction=correction)

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        return await self._ledger.last(venue, account, order)


class Surroundings:
    """What a decision needs beside intents and ledger: a quiet market, no switch thrown, nothing kept."""

    def instrument(self, _venue: str, symbol: str) -> Any:
        return instrument() if symbol == BTC else None

    def reference_price(self, *_: object) -> ReferencePrice:
        return ReferencePrice(symbol=BTC, price=Decimal(64_000), observed_at_ms=now_ms())

    def thrown(self, _: object) -> None:
        return None

    def is_recovering(self) -> bool:
        return False

    async def load(self, *_: object) -> Mark | None:
        return None

    def now_ns(self) -> int:
        return 0

    def span(self, *_: object, **__: object) -> None:
        """Nobody looks."""


@dataclass
class Replica:
    """One process of risk for the account, as services.risk.app builds it."""

    bus: Bus
    lane: Lane
    decided: list[int] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def die(self) -> None:
        """As by SIGKILL: nothing is finished, nothing is handed back."""
        for task in self.tasks:
            task.cancel()
        await self.bus.client.close()


Open = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def replicas(connected: Connect) -> AsyncIterator[Open]:
    """Starts as many as asked for."""
    opened: list[Replica] = []

    async def start(pause: Pause = at_once) -> Replica:
        bus = await connected("risk")
        around, clock, ledger = (
            cast("Any", Surroundings()),
            SystemClock(),
            StreamLedger(bus.jetstream, clock=SystemClock()),
        )
        fold = AccountFold(
            venue=VENUE,
            account=ACCOUNT,
            ledger=ledger,
            feed=BusFeed(bus),
            positions=around,
            market=around,
            checkpoint=around,
            clock=clock,
        )
        spec = streams.risk_consumer(VENUE, ACCOUNT)
        desk = RiskDesk(
            venue=VENUE,
            account=ACCOUNT,
            declaration=find_venue(VENUE).declaration,
            limits=RiskLimits(max_open_orders=LIMIT),
            fold=fold,
            intents=BusIntentLog(bus, spec, venue=VENUE, account=ACCOUNT),
            ledger=cast("Ledger", Slow(ledger, pause)),
            publisher=BusPublisher(bus, clock=clock),
            market=around,
            kill=around,
            clock=clock,
            trace=around,
        )

        async def decide(delivery: Delivery) -> None:
            await desk.decide(delivery)
            replica.decided.append(delivery.sequence)

        lane = Lane(bus, spec, decide, mode=Sequential(window=16), graveyard=Graveyard(bus, service="risk"))
        replica = Replica(bus, lane)
        replica.tasks += [asyncio.create_task(fold.follow_orders()), asyncio.create_task(fold.follow_fills())]
        opened.append(replica)
        await lane.start()
        return replica

    yield start
    for replica in opened:
        for task in replica.tasks:
            task.cancel()
        await replica.lane.stop(limit_seconds=0.1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def place(bus: Bus, numbers: range) -> None:
    """Resting orders at prices of their own, so that only one limit is at stake."""
    subject = subjects.intent(VenueName(VENUE), AccountName(ACCOUNT), StrategyName("alpha"), IntentKind.PLACE, BTC)
    for number in numbers:
        body = {
            "schema": 1,
            "kind": "place",
            "intentId": f"a-{number}",
            "venue": VENUE,
            "account": ACCOUNT,
            "strategy": "alpha",
            "symbol": BTC,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.010",
            "price": "64000",
            "clientOrderId": f"alpha-{number:06d}",
            "createdAtMs": now_ms(),
            "validForMs": 60_000,
        }
        assert isinstance(await bus.jetstream.publish(subject, orjson.dumps(body)), Ack)


async def decisions(bus: Bus) -> dict[str, Entry]:
    """The first word on every order."""
    found: dict[str, Entry] = {}
    async for entry in BusFeed(bus).orders(VENUE, ACCOUNT, after=0):
        if entry is None:
            return found
        found.setdefault(entry.order.key.client_order_id, entry)
    return found


async def are_all_answered(bus: Bus, count: int) -> None:
    """Decided, and acknowledged by whoever held them."""
    log = BusIntentLog(bus, streams.risk_consumer(VENUE, ACCOUNT), venue=VENUE, account=ACCOUNT)

    async def fact() -> bool:
        return await log.answered() >= count

    await holds(fact)


async def are_decided(bus: Bus, count: int, state: State | None = None) -> None:
    async def fact() -> bool:
        found = counted(await decisions(bus))
        return (found.total() if state is None else found[state]) >= count

    await holds(fact)


def counted(entries: dict[str, Entry]) -> Counter[State]:
    return Counter(entry.order.state for entry in entries.values())


async def test_two_replicas_that_share_the_intents_approve_no_more_than_the_limit(bus: Bus, replicas: Open) -> None:
    first, second = await replicas(), await replicas()
    await place(bus, range(120))
    await are_all_answered(bus, 120)
    assert counted(await decisions(bus)) == {State.APPROVED: LIMIT, State.REFUSED: 110}
    assert first.decided
    assert second.decided, "both were handed some"


async def test_a_replica_that_sleeps_between_decision_and_append_exceeds_no_limit_when_it_wakes(
    bus: Bus, replicas: Open
) -> None:
    asleep, woken = asyncio.Event(), asyncio.Event()

    async def sleep(_: str) -> None:
        asleep.set()
        await woken.wait()

    sleeper = await replicas(sleep)
    await place(bus, range(1))
    await asleep.wait()
    await replicas()
    await place(bus, range(1, 40))
    await eventually(lambda: sleeper.lane.held > 0)
    await are_decided(bus, 20)
    woken.set()
    await are_all_answered(bus, 40)
    entries = await decisions(bus)
    assert counted(entries) == {State.APPROVED: LIMIT, State.REFUSED: 30}
    assert {order for order, entry in entries.items() if entry.order.state is State.APPROVED} == {
        f"alpha-{number:06d}" for number in range(LIMIT)
    }, "in the order of the stream, whoever held them"


async def test_without_turns_the_sleeper_would_exceed_it(
    bus: Bus, replicas: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the two tests above look for is there to be found."""

    async def nothing(*_: object) -> tuple[()]:
        return ()

    monkeypatch.setattr(Turns, "before", nothing)
    asleep, woken = asyncio.Event(), asyncio.Event()

    async def sleep(_: str) -> None:
        asleep.set()
        await woken.wait()

    await replicas(sleep)
    await place(bus, range(1))
    await asleep.wait()
    await replicas()
    await place(bus, range(1, 40))
    await are_decided(bus, LIMIT, State.APPROVED)
    woken.set()
    await are_all_answered(bus, 40)
    assert counted(await decisions(bus))[State.APPROVED] > LIMIT


async def test_what_a_replica_held_when_it_died_is_decided_within_three_seconds(bus: Bus, replicas: Open) -> None:
    asleep = asyncio.Event()

    async def sleep(_: str) -> None:
        asleep.set()
        await asyncio.Event().wait()

    dying = await replicas(sleep)
    await place(bus, range(12))
    await asleep.wait()
    await eventually(lambda: dying.lane.held == 12)
    await dying.die()
    died_at = time.monotonic()
    await replicas()
    await are_all_answered(bus, 12)
    assert time.monotonic() - died_at < 3
    assert counted(await decisions(bus)) == {State.APPROVED: LIMIT, State.REFUSED: 2}


async def test_an_intent_that_another_replica_decided_is_not_answered_as_a_repetition(bus: Bus, replicas: Open) -> None:
    asleep, woken = asyncio.Event(), asyncio.Event()

    async def sleep(_: str) -> None:
        asleep.set()
        await woken.wait()

    await replicas(sleep)
    await place(bus, range(1))
    await asleep.wait()
    await replicas()
    await place(bus, range(1, 30))  # more than the sleeper can hold
    await are_decided(bus, 1)
    woken.set()
    await are_all_answered(bus, 30)
    answer = await bus.jetstream.last(streams.AUDIT, subjects.answers_of(VENUE, ACCOUNT, StrategyName("alpha")))
    assert answer is None
    await place(bus, range(1))  # now it is one
    await are_all_answered(bus, 31)
    answer = await bus.jetstream.last(streams.AUDIT, subjects.answers_of(VENUE, ACCOUNT, StrategyName("alpha")))
    assert answer is not None
    assert orjson.loads(answer.data)["reason"] == "repeated"
