"""Lists on one real bus: a request is sent once and only with the write-ahead of every leg, and no leg is left for ever, whoever dies where.

The venue here is a list of what was sent; `place_legs` runs the session's sequence with the desk's own write-ahead in its middle.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

import pytest

from ordergate.ports.ledger import Entry, Ledger, Lost, Won
from ordergate.ports.venue import Executed, NotExecuted, NotSent, Outcome, Throttled, Unknown, WriteAhead
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.ledger import StreamLedger
from ordergate.trading.events import Approved, EndedUnsent, Event
from ordergate.trading.ids import AccountName, ClientOrderId, ErrorId, KeyId, VenueName, VenueOrderId
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import (
    ListKind,
    Order,
    OrderListMembership,
    OrderRequest,
    OrderType,
    Side,
    State,
    Terms,
    VenueView,
)
from services.order_submission.lists import BROKEN
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, VENUE, request
from tests.integration.test_two_senders import Handed, Sender, handed, now_ms

LEGS = 2
Where = Callable[[Order], Awaitable[None]]


async def nowhere(_: Order) -> None:
    """Nothing holds this replica up."""


class Slow:
    """A ledger before whose appends its replica may be frozen, or die."""

    def __init__(self, ledger: Ledger, pause: Where) -> None:
        self._ledger = ledger
        self._pause = pause

    async def append(self, order: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        await self._pause(order)
        return await self._ledger.append(order, event, after=after, correction=correction)

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        return await self._ledger.last(venue, account, order)


@dataclass
class ListSender(Sender):
    """One replica. appending: awaited before each append."""

    told: list[tuple[Outcome, ...]] = field(default_factory=list)

    async def place_legs(
        self, legs: Sequence[OrderRequest], *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        assert deadline_seconds > 0
        await self.pause("before")
        self.stamps += 1
        if not await write_ahead(now_ms() + self.stamps, KeyId(self.name)):
            return tuple(NotSent(reason="write_ahead_refused", retriable=False) for _ in legs)
        await self.pause("after")
        orders = [await order_of(self.ledger, leg.key.client_order_id) for leg in legs]
        stamps = {order.attempt.timestamp_ms for order in orders if order.attempt is not None}
        assert len(stamps) == 1, "one request, one timestamp"
        for order in orders:
            assert order.state is State.SUBMITTING
            assert order.attempt is not None
            self.sent.append((order.key.client_order_id, order.attempt.number))
        return self.told.pop(0) if self.told else unknown()


def unknown() -> tuple[Outcome, ...]:
    return tuple(Unknown(reason="timeout", error_id=ErrorId("e-1")) for _ in range(LEGS))


def names(number: int) -> tuple[ClientOrderId, ...]:
    return tuple(ClientOrderId(f"list-{number:04d}-{leg}") for leg in range(1, LEGS + 1))


def legs_of(number: int) -> list[OrderRequest]:
    """An OCO: a profit is taken at 70,000 or a loss stopped at 60,000."""
    plain = replace(request(number), created_at_ms=now_ms(), valid_for_ms=60_000)
    profit = Terms(
        side=Side.SELL, type=OrderType.LIMIT, quantity=Decimal("0.010"), price=Decimal(70_000), post_only=True
    )
    loss = Terms(side=Side.SELL, type=OrderType.STOP_MARKET, quantity=Decimal("0.010"), stop_price=Decimal(60_000))
    return [
        replace(
            plain,
            key=replace(plain.key, client_order_id=name),
            terms=terms,
            order_list=OrderListMembership(
                list_client_order_id=ClientOrderId(f"list-{number:04d}"),
                kind=ListKind.OCO,
                leg=leg,
                legs=names(number),
            ),
        )
        for leg, (name, terms) in enumerate(zip(names(number), (profit, loss), strict=True), 1)
    ]


async def approve(ledger: StreamLedger, number: int) -> list[Handed]:
    """The `approved` messages of all legs, in order."""
    found = []
    for leg in legs_of(number):
        event = Approved(request=leg, at_ms=now_ms())
        answer = await ledger.append(begin(event), event, after=0)
        assert isinstance(answer, Won)
        found.append(handed(answer.entry, event))
    return found


async def arrived(reached: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await reached.wait()


async def order_of(ledger: StreamLedger, name: str) -> Order:
    entry = await ledger.last(VENUE, ACCOUNT, ClientOrderId(name))
    assert entry is not None
    return entry.order


async def states(ledger: StreamLedger, number: int) -> list[State]:
    return [(await order_of(ledger, name)).state for name in names(number)]


async def senders(bus: Bus, connected: Connect) -> tuple[ListSender, ListSender]:
    sent: list[tuple[str, int]] = []
    other = await connected("second")
    return (
        ListSender(ledger=StreamLedger(bus.jetstream, clock=SystemClock()), sent=sent, name="first"),
        ListSender(ledger=StreamLedger(other.jetstream, clock=SystemClock()), sent=sent, name="second"),
    )


def slowed(sender: ListSender, pause: Where) -> None:
    sender.ledger = cast("StreamLedger", Slow(sender.ledger, pause))


async def submit(sender: ListSender, copy: Handed, *, deliveries: int = 1) -> Handed:
    mine = replace(copy, delivery_count=deliveries, acked=False)
    await sender.desk().submit(cast("Any", mine))
    return mine


def view_of(leg: OrderRequest, status: State) -> VenueView:
    terms = leg.terms
    assert terms.quantity is not None
    return VenueView(
        venue_order_id=VenueOrderId(f"v-{leg.key.client_order_id}"),
        client_order_id=leg.key.client_order_id,
        symbol=leg.key.symbol,
        side=terms.side,
        type=terms.type,
        quantity=terms.quantity,
        price=terms.price,
        stop_price=terms.stop_price,
        position_side=terms.position_side,
        reduce_only=False,
        status=status,
        executed_quantity=Decimal(0),
        created_at_ms=now_ms(),
        updated_at_ms=now_ms(),
    )


async def test_a_list_is_sent_by_the_last_legs_approval_and_each_leg_has_its_own_outcome(
    bus: Bus, connected: Connect
) -> None:
    sender, _ = await senders(bus, connected)
    first, last = await approve(sender.ledger, 1)
    profit, loss = legs_of(1)
    sender.told = [
        (Executed(view=view_of(profit, State.ACCEPTED)), Unknown(reason="unreadable", error_id=ErrorId("e")))
    ]
    assert (await submit(sender, first)).acked
    assert sender.sent == []
    assert (await submit(sender, last)).acked
    assert sender.sent == [(name, 1) for name in names(1)]
    assert await states(sender.ledger, 1) == [State.ACCEPTED, State.UNKNOWN]
    assert loss.order_list is not None


async def test_of_two_replicas_that_hold_the_same_lists_one_sends_each(bus: Bus, connected: Connect) -> None:
    first, second = await senders(bus, connected)
    copies = [(await approve(first.ledger, number))[-1] for number in range(20)]
    desks = [first.desk(), second.desk()]
    await asyncio.gather(*(desk.submit(cast("Any", replace(copy))) for copy in copies for desk in desks))
    assert Counter(first.sent) == Counter({(name, 1): 1 for number in range(20) for name in names(number)})


@pytest.mark.parametrize("after", [1, 2])
async def test_a_sender_that_dies_between_write_ahead_and_send_leaves_no_leg_that_waits_for_ever(
    bus: Bus, connected: Connect, after: int
) -> None:
    """After the first write-ahead nothing can have been sent, and the redelivery says so; after the last one only the venue knows."""
    dead, survivor = await senders(bus, connected)
    reached, written = asyncio.Event(), 0

    async def die(order: Order) -> None:
        nonlocal written
        if order.state is State.SUBMITTING:
            written += 1
            if written > after:
                reached.set()
                await asyncio.Event().wait()

    async def die_before_sending(where: str) -> None:
        if where == "after":
            reached.set()
            await asyncio.Event().wait()

    copy = (await approve(survivor.ledger, 1))[-1]
    slowed(dead, die)
    dead.pause = die_before_sending
    dying = asyncio.create_task(submit(dead, copy))
    await arrived(reached)
    dying.cancel()
    assert (await submit(survivor, copy, deliveries=2)).acked
    assert dead.sent == []
    if after == LEGS:
        assert await states(survivor.ledger, 1) == [State.SUBMITTING, State.SUBMITTING], (
            "the fence says what became of them"
        )
        return
    for name in names(1):
        order = await order_of(survivor.ledger, name)
        assert (order.state, order.reason) == (State.CANCELED, BROKEN)


async def test_a_sender_frozen_between_write_aheads_finds_the_list_ended_and_sends_nothing(
    bus: Bus, connected: Connect
) -> None:
    frozen, survivor = await senders(bus, connected)
    reached, woken = asyncio.Event(), asyncio.Event()

    async def freeze(order: Order) -> None:
        if order.state is State.SUBMITTING and order.key.client_order_id == names(1)[1]:
            reached.set()
            await woken.wait()

    copy = (await approve(survivor.ledger, 1))[-1]
    slowed(frozen, freeze)
    sleeping = asyncio.create_task(submit(frozen, copy))
    await arrived(reached)
    assert (await submit(survivor, copy, deliveries=2)).acked
    woken.set()
    await sleeping
    assert frozen.sent == []
    assert await states(survivor.ledger, 1) == [State.CANCELED, State.CANCELED]


async def test_a_leg_that_ended_before_the_request_ends_the_others_unsent(bus: Bus, connected: Connect) -> None:
    """Whether it ended before the list was taken in hand, or while it waited for budget."""
    sender, _ = await senders(bus, connected)
    plain = sender.ledger
    for number in (1, 2):
        copy = (await approve(plain, number))[-1]

        async def cancel(where: str, number: int = number) -> None:
            if where == "before":
                await end(plain, names(number)[1])

        if number == 1:
            await end(plain, names(1)[0])
        else:
            sender.pause = cancel
        assert (await submit(sender, copy)).acked
        ended = [await order_of(plain, name) for name in names(number)]
        assert {order.state for order in ended} == {State.CANCELED}
        assert Counter(order.reason for order in ended) == Counter(("requested", BROKEN))
    assert sender.sent == []


async def end(ledger: StreamLedger, name: str) -> None:
    entry = await ledger.last(VENUE, ACCOUNT, ClientOrderId(name))
    assert entry is not None
    event = EndedUnsent(state=State.CANCELED, reason="requested", at_ms=now_ms())
    assert isinstance(await ledger.append(apply(entry.order, event), event, after=entry.sequence), Won)


async def test_a_switch_thrown_during_the_write_aheads_stops_the_request_and_ends_all(
    bus: Bus, connected: Connect
) -> None:
    sender, _ = await senders(bus, connected)
    plain, copy = sender.ledger, (await approve(sender.ledger, 1))[-1]

    async def throw(order: Order) -> None:
        if order.state is State.SUBMITTING and order.key.client_order_id == names(1)[-1]:
            sender.killed = lambda: True

    slowed(sender, throw)
    assert (await submit(sender, copy)).acked
    assert sender.sent == []
    for name in names(1):
        order = await order_of(plain, name)
        assert (order.state, order.reason) == (State.CANCELED, "killed")


async def test_a_throttled_list_is_sent_again_as_one_and_its_legs_stay_at_one_attempt(
    bus: Bus, connected: Connect
) -> None:
    sender, _ = await senders(bus, connected)
    sender.told = [tuple(Throttled(retry_after_ms=1, error_id=ErrorId("e")) for _ in range(LEGS)), unknown()]
    await submit(sender, (await approve(sender.ledger, 1))[-1])
    assert sender.sent == [(name, attempt) for attempt in (1, 2) for name in names(1)]


async def test_a_throttled_list_whose_sender_dies_while_he_says_so_is_sent_again_by_another(
    bus: Bus, connected: Connect
) -> None:
    """The request was one, so the proof of one leg is that of all."""
    dead, survivor = await senders(bus, connected)
    reached = asyncio.Event()

    async def die(order: Order) -> None:
        if order.unexecuted is not None and order.key.client_order_id == names(1)[1]:
            reached.set()
            await asyncio.Event().wait()

    copy = (await approve(survivor.ledger, 1))[-1]
    slowed(dead, die)
    dead.told = [tuple(Throttled(retry_after_ms=1, error_id=ErrorId("e")) for _ in range(LEGS))]
    dying = asyncio.create_task(submit(dead, copy))
    await arrived(reached)
    dying.cancel()
    assert (await submit(survivor, copy, deliveries=2)).acked
    assert survivor.sent == [(name, attempt) for attempt in (1, 2) for name in names(1)]


async def test_a_refusal_of_the_venue_rejects_every_leg(bus: Bus, connected: Connect) -> None:
    sender, _ = await senders(bus, connected)
    refusal = NotExecuted(reason="insufficient_balance", message="", error_id=ErrorId("e"))
    sender.told = [(refusal, refusal)]
    copy = (await approve(sender.ledger, 1))[-1]
    await submit(sender, copy)
    assert await states(sender.ledger, 1) == [State.REJECTED, State.REJECTED]
    assert (await submit(sender, copy, deliveries=2)).acked
    assert len(sender.sent) == LEGS, "and a redelivery sends nothing more"


async def test_a_switch_that_is_not_confirmed_lets_no_list_out_until_it_is(bus: Bus, connected: Connect) -> None:
    """Attempt 1 of every leg is written and never sent, attempt 2 leaves."""
    sender, _ = await senders(bus, connected)
    answers = [True, False, False]  # before the call, then after each of its write-aheads
    sender.confirmed = lambda: answers.pop(0) if answers else True
    await submit(sender, (await approve(sender.ledger, 1))[-1])
    assert sender.sent == [(name, 2) for name in names(1)]
