"""Claims about the book: its running sums are always what adding everything up from nothing would give."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.trading import book as book_room
from ordergate.trading.book import Book, Exposure, worst_case
from ordergate.trading.events import Source, VenueReported
from ordergate.trading.fills import Fill
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.lifecycle import apply
from ordergate.trading.order import Order, OrderType, PositionSide, Side, State, Terms
from tests.unit.trading.making import ACCOUNT, BTC, VENUE, fill, order, terms, venue_order_id, view

LIVE = [state for state in State if not state.is_terminal]


def empty() -> Book:
    return Book(VENUE, ACCOUNT)


def trade(number: int, quantity: int, asked: Terms, *, named: bool = True) -> Fill:
    return fill(
        number,
        quantity,
        client_order_id=ClientOrderId(f"alpha-{number}") if named else None,
        venue_order_id=venue_order_id(number),
        side=asked.side,
    )


def test_every_live_state_counts_in_full() -> None:
    for state in LIVE:
        found = empty()
        found.note_order(order(state))
        assert found.exposure(BTC).buys == 10, state
        assert found.open_orders == found.open_orders_of(BTC) == 1


def test_exposure_never_dips_between_the_end_of_an_order_and_its_fills() -> None:
    found = empty()
    found.note_order(order(State.ACCEPTED))
    found.note_order(order(State.FILLED, executed_quantity=Decimal(10)))
    assert worst_case(found.exposure(BTC), Side.BUY, None) == 10
    assert found.open_orders == 0
    for folded in (4, 6):
        found.note_fill(trade(1, folded, terms()))
        assert worst_case(found.exposure(BTC), Side.BUY, None) == 10
    assert found.exposure(BTC) == Exposure(quantity=Decimal(10))
    assert found.tracked_count == 0


def test_a_fill_may_come_before_its_order() -> None:
    for named in (True, False):
        found = empty()
        found.note_fill(trade(1, 4, terms(), named=named))
        assert found.exposure(BTC) == Exposure(quantity=Decimal(4))
        found.note_order(order(State.PARTIALLY_FILLED, executed_quantity=Decimal(4)))
        assert found.exposure(BTC) == Exposure(quantity=Decimal(4), buys=Decimal(6))


def test_a_correction_brings_an_order_back_with_what_was_folded_of_it() -> None:
    found = empty()
    found.note_order(order(State.CANCELED, executed_quantity=Decimal(4)))
    found.note_fill(trade(1, 4, terms()))
    assert found.tracked_count == 0
    found.note_order(order(State.CANCELED, executed_quantity=Decimal(7)))
    assert found.exposure(BTC) == Exposure(quantity=Decimal(4), buys=Decimal(3))
    found.note_order(order(State.ACCEPTED, executed_quantity=Decimal(7)))
    assert found.exposure(BTC) == Exposure(quantity=Decimal(4), buys=Decimal(6))


def restarted(before: Book) -> Book:
    """As a checkpoint restores it: the positions, and every order that still counts."""
    again = empty()
    for symbol, side in before.slots():
        again.note_position(symbol, side, before.exposure(symbol, side).quantity)
    for kept in before.tracked():
        again.note_order(kept.order, sequence=kept.sequence, folded=(kept.folded_quantity, kept.folded_notional))
    return again


@pytest.mark.parametrize("fill_first", [False, True])
@pytest.mark.parametrize("state", [State.CANCELED, State.ACCEPTED])
def test_a_correction_after_a_restart_counts_only_what_it_adds(state: State, *, fill_first: bool) -> None:
    """The order had ended and left before: a book that begins anew has never heard of it, the snapshot says what had executed."""
    ended = order(State.CANCELED, executed_quantity=Decimal(4))
    before = empty()
    before.note_order(ended)
    before.note_fill(trade(1, 4, terms()))
    correction = apply(ended, VenueReported(view=view(state, 7), source=Source.LOOKUP, at_ms=30_000))
    rest = Decimal(0 if state is State.CANCELED else 3)
    for book in (before, restarted(before)):
        if fill_first:
            book.note_fill(trade(1, 3, terms()))
            assert book.exposure(BTC) == Exposure(quantity=Decimal(7))
        book.note_order(correction)
        assert worst_case(book.exposure(BTC), Side.BUY, None) == 7 + rest
        if not fill_first:
            book.note_fill(trade(1, 3, terms()))
        assert book.exposure(BTC) == Exposure(quantity=Decimal(7), buys=rest)
        assert book.approvals_since(0) == (0 if book is not before else 1)


def test_a_correction_of_an_order_forgotten_since_counts_only_what_it_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_room, "DEPARTED_MAX", 5)
    found = empty()
    for number in range(1, 20):
        found.note_order(order(State.CANCELED, number=number, executed_quantity=Decimal(4)))
        found.note_fill(trade(number, 4, terms()))
    found.note_order(order(State.CANCELED, executed_quantity=Decimal(7), settled_quantity=Decimal(4)))
    assert found.exposure(BTC) == Exposure(quantity=Decimal(4 * 19), buys=Decimal(3))


def test_a_correction_read_from_the_very_beginning_waits_for_all_its_fills() -> None:
    """A book that has read every fill and does not know the order has none of its fills: nothing may be taken for folded."""
    found = empty()
    found.note_order(order(State.CANCELED, executed_quantity=Decimal(7), settled_quantity=Decimal(4)))
    assert found.exposure(BTC) == Exposure(buys=Decimal(7))
    found.note_fill(trade(1, 7, terms()))
    assert found.exposure(BTC) == Exposure(quantity=Decimal(7))


def test_a_reversal_of_an_order_that_has_left_counts_until_it_is_filled_again() -> None:
    found = empty()
    found.note_order(order(State.FILLED, executed_quantity=Decimal(10)))
    found.note_fill(trade(1, 10, terms()))
    found.note_fill(trade(1, -10, terms()))
    assert found.exposure(BTC) == Exposure(buys=Decimal(10))
    found.note_fill(trade(1, 10, terms()))
    assert found.exposure(BTC) == Exposure(quantity=Decimal(10))
    assert found.tracked_count == 0


def test_an_older_snapshot_or_fill_changes_nothing() -> None:
    found = empty()
    found.note_order(order(State.CANCELED), sequence=9)
    found.note_order(order(State.APPROVED), sequence=3)
    assert found.tracked_count == 0
    found.note_fill(trade(1, 4, terms()), sequence=5)
    found.note_fill(trade(1, 4, terms()), sequence=5)
    assert found.exposure(BTC).quantity == 4


def test_a_refused_order_never_counts() -> None:
    found = empty()
    found.note_order(order(State.REFUSED))
    assert (found.tracked_count, found.approvals_since(0)) == (0, 0)


def test_an_approval_is_counted_once_for_an_order_and_forgotten_after_its_window() -> None:
    found = empty()
    for state in (State.APPROVED, State.SUBMITTING, State.ACCEPTED, State.CANCELED):
        found.note_order(order(state, revised_at_ms=100))
    found.note_order(order(State.APPROVED, number=2, revised_at_ms=200))
    found.note_order(order(State.ADOPTED, number=3, revised_at_ms=200))
    assert found.approvals_since(99) == 2
    assert found.approvals_since(100) == 1
    assert found.approvals_since(200) == 0


def test_orders_in_quote_units_count_at_the_price_of_the_moment() -> None:
    asked = terms(type=OrderType.MARKET, price=None, quantity=None, quote_quantity=Decimal(1000))
    found = empty()
    found.note_order(order(State.UNKNOWN, asked=asked))
    assert worst_case(found.exposure(BTC), Side.BUY, Decimal(100)) == 10
    found.note_fill(trade(1, 4, asked))
    assert worst_case(found.exposure(BTC), Side.BUY, Decimal(100)) == 10
    found.note_order(order(State.FILLED, asked=asked, executed_quantity=Decimal(9)))
    assert worst_case(found.exposure(BTC), Side.BUY, Decimal(50)) == 9


def test_reduce_only_orders_are_capped_by_the_position() -> None:
    found = empty()
    found.note_position(BTC, PositionSide.BOTH, Decimal(-4))
    found.note_order(order(State.ACCEPTED, asked=terms(reduce_only=True)))
    assert worst_case(found.exposure(BTC), Side.BUY, None) == 0
    found.note_order(order(State.ACCEPTED, number=2, asked=terms(quantity=Decimal(3))))
    assert worst_case(found.exposure(BTC), Side.BUY, None) == 3


def test_the_best_resting_price_is_that_of_the_orders_that_still_rest() -> None:
    found = empty()
    for number, price in ((1, 100), (2, 105), (3, 95)):
        found.note_order(order(State.ACCEPTED, number=number, asked=terms(price=Decimal(price))))
    assert found.best_resting(BTC, Side.BUY) == 105
    assert found.best_resting(BTC, Side.SELL) is None
    found.note_order(order(State.CANCELED, number=2, asked=terms(price=Decimal(105))))
    assert found.best_resting(BTC, Side.BUY) == 100


def test_memory_is_bounded_when_orders_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    found = empty()
    found.note_order(order(State.ACCEPTED, number=0, asked=terms(price=Decimal(999))))
    departed_max = 50
    monkeypatch.setattr(book_room, "DEPARTED_MAX", departed_max)
    for number in range(1, 1_000):
        found.note_order(order(State.ACCEPTED, number=number))
        found.note_order(order(State.FILLED, number=number, executed_quantity=Decimal(10)))
        found.note_fill(trade(number, 10, terms()))
    assert found.tracked_count == 1
    assert len(found._departed) <= departed_max
    assert len(found._key_by_venue_id) <= departed_max + 1
    assert len(found._ladders[BTC, Side.BUY]._heap) < 100


def test_a_book_restored_from_its_checkpoint_counts_the_same() -> None:
    found = empty()
    found.note_order(order(State.ACCEPTED), sequence=1)
    found.note_order(order(State.FILLED, number=2, executed_quantity=Decimal(10)), sequence=2)
    found.note_fill(trade(1, 3, terms()))
    found.note_fill(trade(2, 4, terms()))
    again = restarted(found)
    assert again.exposure(BTC) == found.exposure(BTC)
    assert (again.open_orders, again.tracked_count) == (found.open_orders, found.tracked_count)
    for book in (again, found):
        book.note_fill(trade(2, 6, terms()))
    assert again.exposure(BTC) == found.exposure(BTC)


# Against brute force.

kinds = {
    1: terms(),
    2: terms(side=Side.SELL, quantity=Decimal(7), price=Decimal(120)),
    3: terms(side=Side.SELL, quantity=Decimal(5), reduce_only=True, price=Decimal(110)),
    4: terms(type=OrderType.MARKET, price=None, quantity=None, quote_quantity=Decimal(1000)),
}
snapshots = st.builds(
    lambda number, state, executed: order(
        state, number=number, asked=kinds[number], executed_quantity=Decimal(executed)
    ),
    st.sampled_from(sorted(kinds)),
    st.sampled_from([state for state in State if state is not State.REFUSED]),
    st.integers(0, 5),
)
trades = st.builds(
    lambda number, quantity: trade(number, quantity, kinds[number]),
    st.sampled_from(sorted(kinds)),
    st.integers(-5, 5).filter(bool),
)


def brute_force(orders: dict[int, Order], fills: list[Fill]) -> tuple[Exposure, int, Decimal | None, Decimal | None]:
    def of(number: int) -> list[Fill]:
        return [one for one in fills if one.client_order_id == f"alpha-{number}"]

    sums: dict[str, Decimal] = {"quantity": sum((one.signed_quantity for one in fills), Decimal(0))}
    for number, asked in kinds.items():
        found = orders.get(number)
        folded = sum((one.quantity for one in of(number)), Decimal(0))
        direction = "buys" if asked.side is Side.BUY else "sells"
        live = found is not None and not found.state.is_terminal
        claimed = Decimal(0) if found is None else found.executed_quantity
        if live and asked.quote_quantity is not None:
            name = f"quote_{direction}"
            open_part = asked.quote_quantity - sum((one.quantity * one.price for one in of(number)), Decimal(0))
        else:
            # Only the order itself says that it is reduce-only; fills alone count as plain.
            name = f"reducing_{direction}" if asked.reduce_only and found is not None else direction
            open_part = (max(claimed, asked.quantity) if live and asked.quantity else claimed) - folded
        sums[name] = sums.get(name, Decimal(0)) + max(Decimal(0), open_part)
    live_orders = [found for found in orders.values() if not found.state.is_terminal]
    resting = {
        side: [f.terms.price for f in live_orders if f.terms.side is side and f.terms.price is not None]
        for side in Side
    }
    return (
        Exposure(**sums),
        len(live_orders),
        max(resting[Side.BUY], default=None),
        min(resting[Side.SELL], default=None),
    )


@settings(max_examples=400)
@given(history=st.lists(snapshots | trades, max_size=25))
def test_after_any_history_the_sums_are_those_of_brute_force(history: list[Order | Fill]) -> None:
    found, orders, fills = empty(), {}, []
    for event in history:
        if isinstance(event, Order):
            found.note_order(event)
            orders[int(event.key.client_order_id.removeprefix("alpha-"))] = event
        else:
            found.note_fill(event)
            fills.append(event)
        assert (
            found.exposure(BTC),
            found.open_orders,
            found.best_resting(BTC, Side.BUY),
            found.best_resting(BTC, Side.SELL),
        ) == brute_force(orders, fills)


@settings(max_examples=100)
@given(history=st.lists(snapshots | trades, max_size=15), data=st.data())
def test_between_orders_and_fills_the_order_of_arrival_does_not_matter(
    history: list[Order | Fill], data: st.DataObject
) -> None:
    """The two streams keep their own order; how they interleave is chance."""
    orders = [event for event in history if isinstance(event, Order)]
    fills = [event for event in history if isinstance(event, Fill)]
    turns = data.draw(st.permutations([True] * len(orders) + [False] * len(fills)))
    rest_of_orders, rest_of_fills = iter(orders), iter(fills)
    here, there = empty(), empty()
    for event in history:
        note(here, event)
    for turn in turns:
        note(there, next(rest_of_orders) if turn else next(rest_of_fills))
    assert here.exposure(BTC) == there.exposure(BTC)
    assert (here.open_orders, here.tracked_count) == (there.open_orders, there.tracked_count)


def note(book: Book, event: Order | Fill) -> None:
    if isinstance(event, Order):
        book.note_order(event)
    else:
        book.note_fill(event)


def test_an_adopted_order_whose_fills_do_not_name_it_is_found_by_the_venue_id() -> None:
    found = empty()
    adopted = replace(order(State.ADOPTED), executed_quantity=Decimal(2))
    found.note_order(adopted)
    found.note_fill(trade(1, 2, terms(), named=False))
    assert found.exposure(BTC) == Exposure(quantity=Decimal(2), buys=Decimal(8))
