"""Risk's decision of a list on a real ledger: all or none, whoever dies half way and whatever happens to a leg meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

import pytest

from ordergate.ports.ledger import Entry, Ledger, Lost, Won
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.ledger import StreamLedger
from ordergate.trading.book import Book
from ordergate.trading.events import Approved, EndedUnsent, Event
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import Order, OrderRequest, State, Terms
from ordergate.wire.gate import ListRequest
from services.risk.lists import ListDecisions
from tests.integration.orders_at_hand import ACCOUNT, VENUE, request
from tests.integration.test_order_lists import legs_of, names
from tests.integration.test_two_senders import now_ms

INTENT = 7


class Died(Exception):
    """The process is no more."""


@dataclass
class Desk:
    """risk's fold and its rules, as far as a list needs them. fails: the append before which the process dies, counted from 1."""

    ledger: Ledger
    refuses: Callable[[OrderRequest, Book], bool] = lambda _request, _book: False
    fails: int = 0
    appends: int = 0
    book: Book = field(default_factory=lambda: Book(VENUE, ACCOUNT))

    def note(self, entry: Entry) -> None:
        self.book.note_order(entry.order, sequence=entry.sequence)

    def note_error(self, *_: object) -> None:
        """Nobody looks."""

    def weigh(self, wanted: OrderRequest) -> Terms | tuple[str, str]:
        return ("max_open_orders", "too many") if self.refuses(wanted, self.book) else wanted.terms

    async def append(self, order: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        self.appends += 1
        if self.appends == self.fails:
            raise Died
        return await self.ledger.append(order, event, after=after, correction=correction)

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        return await self.ledger.last(venue, account, order)

    async def decide(self, legs: Sequence[OrderRequest]) -> Entry | None:
        here = cast("Any", self)
        decisions = ListDecisions(weigh=self.weigh, fold=here, ledger=here, publisher=here, clock=SystemClock())
        return await decisions.decide(ListRequest(legs=tuple(legs)), INTENT)


@pytest.fixture
def ledger(bus: Bus) -> StreamLedger:
    return StreamLedger(bus.jetstream, clock=SystemClock())


async def orders(ledger: StreamLedger) -> list[Order | None]:
    found = [await ledger.last(VENUE, ACCOUNT, name) for name in names(1)]
    return [None if entry is None else entry.order for entry in found]


async def states(ledger: StreamLedger) -> list[State | None]:
    return [None if order is None else order.state for order in await orders(ledger)]


async def test_each_is_weighed_with_those_before_it_counted_and_a_refusal_leaves_no_trace_in_the_book(
    ledger: StreamLedger,
) -> None:
    desk = Desk(ledger, refuses=lambda _, book: book.open_orders >= 1)
    assert await desk.decide(legs_of(1)) is None
    assert await states(ledger) == [State.REFUSED, State.REFUSED]
    for order in await orders(ledger):
        assert order is not None
        assert order.reason == "max_open_orders: order 2 of the list: too many"
    assert (desk.book.open_orders, desk.book.approvals_since(0)) == (0, 0)
    errors = {order.error_id for order in await orders(ledger) if order is not None}
    assert len(errors) == len(names(1)), "each is found by an errorId of its own"


async def test_all_that_pass_are_approved_in_order_and_counted_once(ledger: StreamLedger) -> None:
    desk = Desk(ledger)
    assert await desk.decide(legs_of(1)) is None
    assert await states(ledger) == [State.APPROVED, State.APPROVED]
    assert (desk.book.open_orders, desk.book.approvals_since(0)) == (2, 2)


async def test_a_decision_that_died_half_way_is_finished_by_the_redelivered_intent(ledger: StreamLedger) -> None:
    legs = legs_of(1)
    with pytest.raises(Died):
        await Desk(ledger, fails=2).decide(legs)
    assert await states(ledger) == [State.APPROVED, None]
    assert await Desk(ledger).decide(legs) is None
    assert await states(ledger) == [State.APPROVED, State.APPROVED]


@pytest.mark.parametrize("fails", [0, 1, 2])
async def test_what_no_longer_passes_when_it_is_finished_ends_what_was_approved(
    ledger: StreamLedger, fails: int
) -> None:
    """Also where that dies half way again."""
    legs = legs_of(1)
    with pytest.raises(Died):
        await Desk(ledger, fails=2).decide(legs)
    desk = Desk(ledger, refuses=lambda _, __: True, fails=fails)
    if fails:
        with pytest.raises(Died):
            await desk.decide(legs)
    await Desk(ledger, refuses=lambda _, __: True).decide(legs)
    assert await states(ledger) == [State.CANCELED, State.REFUSED]


async def test_a_leg_that_ended_meanwhile_keeps_the_others_in(ledger: StreamLedger) -> None:
    legs = legs_of(1)
    with pytest.raises(Died):
        await Desk(ledger, fails=2).decide(legs)
    entry = await ledger.last(VENUE, ACCOUNT, names(1)[0])
    assert entry is not None
    event = EndedUnsent(state=State.CANCELED, reason="requested", at_ms=now_ms())
    await ledger.append(apply(entry.order, event), event, after=entry.sequence)
    assert await Desk(ledger).decide(legs) is None
    assert await states(ledger) == [State.CANCELED, State.REFUSED]
    refused = (await orders(ledger))[1]
    assert refused is not None
    assert str(refused.reason).startswith("list_ended: order 1 of the list")


async def test_an_id_of_another_order_keeps_the_list_in_and_ends_what_was_approved_of_it(ledger: StreamLedger) -> None:
    legs = legs_of(1)
    with pytest.raises(Died):
        await Desk(ledger, fails=2).decide(legs)
    plain = request(1, reason="another")
    other = Approved(request=replace(plain, key=replace(plain.key, client_order_id=names(1)[1])), at_ms=now_ms())
    await ledger.append(begin(other), other, after=0)
    standing = await Desk(ledger).decide(legs)
    assert standing is not None
    assert standing.order.request == other.request
    assert await states(ledger) == [State.CANCELED, State.APPROVED]


async def test_a_list_that_stands_is_told_and_another_body_under_its_ids_changes_nothing(ledger: StreamLedger) -> None:
    legs = legs_of(1)
    await Desk(ledger).decide(legs)
    again = await Desk(ledger).decide(legs)
    assert again is not None
    assert again.order.request.request_hash == legs[0].request_hash
    changed = [replace(leg, request_hash="other", terms=replace(leg.terms, quantity=Decimal(1))) for leg in legs]
    standing = await Desk(ledger).decide(changed)
    assert standing is not None
    assert standing.order.request.request_hash == legs[0].request_hash
    assert await states(ledger) == [State.APPROVED, State.APPROVED]
