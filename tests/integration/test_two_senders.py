"""Two replicas of order submission on one account and one real bus: whatever each of them believes, a request is sent once.

The venue here is a list of what was sent; every `place` runs the session's sequence with the desk's own write-ahead in its middle.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from ordergate.ports.control import Kill
from ordergate.ports.ledger import Entry, Won
from ordergate.ports.venue import NotSent, Outcome, Throttled, Unknown, WriteAhead
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.ledger import StreamLedger
from ordergate.trading.events import Approved, OutcomeLost, ProvenAbsent, Reapproved, SubmissionBegan
from ordergate.trading.ids import ClientOrderId, ErrorId, KeyId
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import Attempt, Order, OrderRequest, State
from ordergate.trading.scope import Scope
from ordergate.wire import codec, subjects
from services.order_submission.handlers import Halt, OrderDesk
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, VENUE, request

Pause = Callable[[str], Any]


async def at_once(_: str) -> None:
    """Nothing holds this replica up."""


@dataclass
class Sender:
    """One replica. pause is awaited before and after its write-ahead: where a process may be frozen."""

    ledger: StreamLedger
    sent: list[tuple[str, int]]  # clientOrderId, attempt: shared by all replicas, as the venue is
    name: str
    pause: Pause = at_once
    answers: list[Outcome] = field(default_factory=list)
    stamps: int = 0
    ahead_ms: int = 0  # of the venue's clock
    confirmed: Callable[[], bool] = lambda: True
    killed: Callable[[], bool] = lambda: False

    async def place(self, wanted: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        assert deadline_seconds > 0
        await self.pause("before")
        self.stamps += 1
        if not await write_ahead(now_ms() + self.ahead_ms + self.stamps, KeyId(self.name)):
            return NotSent(reason="write_ahead_refused", retriable=False)
        await self.pause("after")
        last = await self.ledger.last(VENUE, ACCOUNT, wanted.key.client_order_id)
        assert last is not None
        assert last.order.attempt is not None
        self.sent.append((wanted.key.client_order_id, last.order.attempt.number))
        return self.answers.pop() if self.answers else Unknown(reason="timeout", error_id=ErrorId("e-1"))

    # ports.control.KillSwitch
    def stops(self, _: OrderRequest) -> Kill | None:
        return Kill(epoch=1, scope=Scope(), reason="test", thrown_at_ms=0) if self.killed() else None

    def is_recovering(self) -> bool:
        return False

    def is_confirmed(self) -> bool:
        return self.confirmed()

    # ports.bus.Publisher
    def note_error(self, *_: object) -> None:
        """Nobody looks."""

    # ports.trace.Trace
    def now_ns(self) -> int:
        return 0

    def span(self, *_: object, **__: object) -> None:
        """Nobody looks."""

    def desk(self) -> OrderDesk:
        here = cast("Any", self)
        return OrderDesk(
            trading=here,
            ledger=self.ledger,
            publisher=here,
            kill=here,
            halt=Halt(),
            clock=SystemClock(),
            trace=here,
        )


@dataclass
class Handed:
    """One delivery of an `approved` message."""

    entry: Entry
    data: bytes
    delivery_count: int = 1
    acked: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return subjects.order_address(self.entry.order)[0]

    @property
    def sequence(self) -> int:
        return self.entry.sequence

    @property
    def stored_at_ms(self) -> int:
        return self.entry.stored_at_ms

    async def ack(self) -> None:
        self.acked = True

    async def retry(self, *, after_seconds: float) -> None:
        assert after_seconds > 0

    async def bury(self, *, reason: str, error_id: str) -> None:
        raise AssertionError((reason, error_id))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def approve(ledger: StreamLedger, number: int, *, resubmit: bool = False) -> Handed:
    event = Approved(
        request=replace(request(number), created_at_ms=now_ms(), valid_for_ms=60_000, resubmit=resubmit),
        at_ms=now_ms(),
    )
    answer = await ledger.append(begin(event), event, after=0)
    assert isinstance(answer, Won)
    return handed(answer.entry, event)


def handed(entry: Entry, event: Any) -> Handed:
    return Handed(entry=entry, data=codec.encode_order(entry.order, event, entry.append_id))


async def state_of(ledger: StreamLedger, number: int) -> Order:
    last = await ledger.last(VENUE, ACCOUNT, ClientOrderId(f"alpha-{number:06d}"))
    assert last is not None
    return last.order


async def senders(bus: Bus, connected: Connect, **second: Any) -> tuple[Sender, Sender]:
    sent: list[tuple[str, int]] = []
    other = await connected("second")
    return (
        Sender(ledger=StreamLedger(bus.jetstream, clock=SystemClock()), sent=sent, name="first"),
        Sender(ledger=StreamLedger(other.jetstream, clock=SystemClock()), sent=sent, name="second", **second),
    )


async def test_of_two_replicas_that_hold_the_same_orders_one_sends_each(bus: Bus, connected: Connect) -> None:
    first, second = await senders(bus, connected)
    desks = (first.desk(), second.desk())
    copies = [await approve(first.ledger, number) for number in range(100)]
    await asyncio.gather(
        *(desk.submit(cast("Any", replace(copy))) for copy in copies for desk in desks),
    )
    assert Counter(first.sent) == Counter({(f"alpha-{number:06d}", 1): 1 for number in range(100)})


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_replica_that_was_frozen_and_wakes_changes_nothing_that_went_on_without_it(
    bus: Bus, connected: Connect, place: str
) -> None:
    """Frozen before its write-ahead it loses the append; frozen after, nobody else sends, and what it sends is its one request."""
    woken, reached = asyncio.Event(), asyncio.Event()

    async def freeze(where: str) -> None:
        if where == place:
            reached.set()
            await woken.wait()

    first, frozen = await senders(bus, connected, pause=freeze)
    copy = await approve(first.ledger, 1)
    sleeping = asyncio.create_task(frozen.desk().submit(cast("Any", replace(copy))))
    await reached.wait()
    again = replace(copy, delivery_count=2)
    await first.desk().submit(cast("Any", again))
    assert again.acked
    assert len(first.sent) == (1 if place == "before" else 0)
    woken.set()
    await sleeping
    assert first.sent == [("alpha-000001", 1)]
    assert (await state_of(first.ledger, 1)).state is State.UNKNOWN


async def test_a_throttled_order_is_sent_again_by_the_one_that_holds_the_proof_only(
    bus: Bus, connected: Connect
) -> None:
    first, second = await senders(bus, connected)
    first.answers = [Throttled(retry_after_ms=1, error_id=ErrorId("e"))]
    copy = await approve(first.ledger, 1)
    await asyncio.gather(
        first.desk().submit(cast("Any", copy)),
        second.desk().submit(cast("Any", replace(copy, delivery_count=2))),
    )
    # Whoever won attempt 1: only the first is told that it was throttled, and then only the first sends attempt 2.
    assert Counter(first.sent) in (
        Counter({("alpha-000001", 1): 1, ("alpha-000001", 2): 1}),
        Counter({("alpha-000001", 1): 1}),
    )


async def test_a_throttled_order_whose_sender_dies_is_sent_again_by_another_after_the_pause_the_venue_asked_for(
    bus: Bus, connected: Connect
) -> None:
    """The proof stands in the ledger, so it does not die with the process; nor does the Retry-After."""
    dead = asyncio.Event()

    async def die(where: str) -> None:
        if where == "before" and first.sent:
            dead.set()
            await asyncio.Event().wait()

    first, second = await senders(bus, connected)
    first.pause = die
    first.answers = [Throttled(retry_after_ms=700, error_id=ErrorId("e"))]
    copy = await approve(first.ledger, 1)
    dying = asyncio.create_task(first.desk().submit(cast("Any", copy)))
    await dead.wait()
    dying.cancel()
    order = await state_of(first.ledger, 1)
    assert order.unexecuted is not None
    assert order.unexecuted.retry_at_ms is not None
    again = replace(copy, delivery_count=2)
    await second.desk().submit(cast("Any", again))
    assert again.acked
    assert now_ms() >= order.unexecuted.retry_at_ms
    assert first.sent == [("alpha-000001", 1), ("alpha-000001", 2)]


async def test_a_redelivery_that_meets_an_attempt_without_proof_sends_nothing(bus: Bus, connected: Connect) -> None:
    first, second = await senders(bus, connected)
    copy = await approve(first.ledger, 1)
    await first.desk().submit(cast("Any", copy))
    await second.desk().submit(cast("Any", replace(copy, delivery_count=2)))
    assert first.sent == [("alpha-000001", 1)]


async def test_a_resubmission_that_both_replicas_hear_of_is_sent_once(bus: Bus, connected: Connect) -> None:
    first, second = await senders(bus, connected)
    copies = [await again(first.ledger, number) for number in range(50)]
    desks = (first.desk(), second.desk())
    await asyncio.gather(*(desk.submit(cast("Any", replace(copy))) for copy in copies for desk in desks))
    assert Counter(first.sent) == Counter({(f"alpha-{number:06d}", 2): 1 for number in range(50)})


async def test_a_switch_thrown_during_the_write_ahead_stops_the_request(bus: Bus, connected: Connect) -> None:
    first, _ = await senders(bus, connected)

    async def throw(where: str) -> None:
        if where == "before":
            first.killed = lambda: True

    first.pause = throw
    await first.desk().submit(cast("Any", await approve(first.ledger, 1)))
    order = await state_of(first.ledger, 1)
    assert first.sent == []
    assert (order.state, order.reason) == (State.CANCELED, "killed")


async def test_a_switch_that_is_not_confirmed_any_more_lets_nothing_out_until_it_is(
    bus: Bus, connected: Connect
) -> None:
    first, _ = await senders(bus, connected)
    answers = [True, False, False, True, True]  # before the call, after its write-ahead, then before and after the next
    first.confirmed = lambda: answers.pop(0) if answers else True
    await first.desk().submit(cast("Any", await approve(first.ledger, 1)))
    assert first.sent == [("alpha-000001", 2)], "attempt 1 was written and never sent, attempt 2 carries that proof"


async def again(ledger: StreamLedger, number: int) -> Handed:
    """An order whose attempt 1 is proven absent, and which risk let pass again."""
    entry = (await approve(ledger, number, resubmit=True)).entry
    sent_ms = now_ms() - 10_000
    event: Any = None
    for event in (
        SubmissionBegan(attempt=Attempt(number=1, timestamp_ms=sent_ms, key_id=KeyId("k")), at_ms=sent_ms),
        OutcomeLost(attempt=1, reason="timeout", error_id=ErrorId("e"), at_ms=sent_ms),
        ProvenAbsent(
            attempt=1, fence_ms=sent_ms + 6_000, asked_at_ms=(sent_ms + 6_001, sent_ms + 6_002), at_ms=now_ms()
        ),
        Reapproved(at_ms=now_ms()),
    ):
        answer = await ledger.append(apply(entry.order, event), event, after=entry.sequence)
        assert isinstance(answer, Won)
        entry = answer.entry
    return handed(entry, event)


@pytest.mark.parametrize("ahead_ms", [-40_000, 40_000])
async def test_nothing_is_sent_while_the_clocks_are_so_far_apart_that_one_is_wrong(
    bus: Bus, connected: Connect, ahead_ms: int
) -> None:
    """A time to live is told by our clock: nobody guesses whether the order's has passed."""
    sender, _ = await senders(bus, connected)
    sender.ahead_ms = ahead_ms
    await sender.desk().submit(cast("Any", await approve(sender.ledger, 1)))
    assert sender.sent == []
    order = await state_of(sender.ledger, 1)
    assert (order.state, order.reason, order.attempt) == (State.CANCELED, "clock_wrong", None)
