"""What fill_streaming's checkpoint says of counted trades: all of an order's, or where they stand; never more than it has room for."""

from decimal import Decimal

import orjson
import pytest
from pydantic import JsonValue

from ordergate.ports.ledger import Entry
from ordergate.trading.ids import ClientOrderId, TradeId
from ordergate.trading.order import State
from services.fill_streaming.handlers import COUNTED_IDS_BYTES, _Counted, _counted_states, _restore_counted
from services.fill_streaming.watched import Watched, WatchList
from tests.unit.trading.making import fill, order


def watched(number: int, trades: int, *, after: int = 7) -> Watched:
    found = Watched(order=order(State.ACCEPTED, number=number), sequence=number, executed_seen_at=0.0)
    found.counted_after = after
    for trade in range(trades):
        found.count(fill(4_000_000_000 + trade, Decimal("0.001"), trade_id=TradeId(str(4_000_000_000 + trade))))
    return found


def restored(state: JsonValue) -> Watched:
    fresh = Watched(order=order(State.ACCEPTED), sequence=1, executed_seen_at=0.0)
    _restore_counted(fresh, _Counted.of(state))
    return fresh


def test_the_orders_with_few_trades_are_named_and_the_one_with_thousands_is_counted_again() -> None:
    states = _counted_states([watched(1, 5_000), watched(2, 3), watched(3, 200)])
    assert len(orjson.dumps(states)) < COUNTED_IDS_BYTES + 1_000
    assert states[ClientOrderId("alpha-1")] == {"after": 7}
    few = restored(states[ClientOrderId("alpha-2")])
    assert (len(few.counted), few.stored, few.is_count_certain) == (3, Decimal("0.003"), True)
    many = restored(states[ClientOrderId("alpha-1")])
    assert (many.is_count_certain, many.counted_after, many.counted) == (False, 7, set())


def test_many_orders_share_the_room() -> None:
    states = _counted_states([watched(number, 100) for number in range(100)])
    assert len(orjson.dumps(states)) < COUNTED_IDS_BYTES + 100 * 100


def test_an_order_whose_past_is_not_known_stays_so() -> None:
    one = watched(1, 3, after=0)
    one.is_count_certain = False
    [state] = _counted_states([one]).values()
    assert not restored(state).is_count_certain


def test_what_a_version_before_kept_is_read() -> None:
    old = restored({"ids": ["1", "2"], "stored": "0.2", "inferred": [], "inferredCount": 0})
    assert (old.counted, old.stored, old.is_count_certain, old.counted_after) == ({"1", "2"}, Decimal("0.2"), True, 0)


@pytest.mark.parametrize(
    "state", [[], {"after": "x"}, {"ids": [], "stored": "NaN", "inferred": [], "inferredCount": 0}]
)
def test_what_is_damaged_is_no_mark(state: JsonValue) -> None:
    with pytest.raises((TypeError, ValueError)):
        _Counted.of(state)


def test_the_trades_of_an_order_begin_after_what_was_stored_when_it_was_first_seen() -> None:
    watch = WatchList()
    entries = (order(State.SUBMITTING, number=1), order(State.ACCEPTED, number=2))
    new, old = (
        watch.note(Entry(order=each, sequence=9, append_id="a", event_kind="x", stored_at_ms=0), 0.0)
        for each in entries
    )
    assert new is not None
    assert old is not None
    for each in (new, old):
        watch.count_from_here(each, 40)
    assert (new.counted_after, old.counted_after) == (40, 0), "the second was at the venue before it was seen here"
