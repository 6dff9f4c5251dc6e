"""Claims about fills: every real trade once, what is hidden inferred, and the sum always what was executed."""

from collections import OrderedDict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.trading.errors import Misuse
from ordergate.trading.fills import Fill, FillSums, infer, reversals_needed, reverse
from ordergate.trading.ids import TradeId
from ordergate.trading.order import Order, OrderType, State
from tests.unit.trading.making import fill, order, terms

MAKER_FEE = Decimal("0.0002")


class Store:
    """FILLS as the bus keeps it: one message a trade id, the first one stands."""

    def __init__(self) -> None:
        self.fills: OrderedDict[TradeId, Fill] = OrderedDict()

    def put(self, stored: Fill) -> None:
        self.fills.setdefault(stored.trade_id, stored)

    @property
    def sums(self) -> FillSums:
        sums = FillSums()
        for stored in self.fills.values():
            sums = sums.add(stored)
        return sums

    def infer(self, executed: int, at_ms: int = 50) -> Fill | None:
        sums = self.sums
        return infer(
            executed_order(executed),
            stored=sums.quantity,
            inferred_count=sums.inferred_count,
            maker_fee=MAKER_FEE,
            fee_asset="USDT",
            now_ms=at_ms,
        )

    def put_trade(self, trade: Fill, *, crash_after: int = 99) -> None:
        """What fill streaming does with a real trade, dying after so many messages."""
        messages = [*reversals_needed(self.fills.values(), trade, now_ms=60), trade]
        for message in messages[:crash_after]:
            self.put(message)


def executed_order(executed: int) -> Order:
    return order(State.PARTIALLY_FILLED, executed_quantity=Decimal(executed), venue_updated_at_ms=40)


def test_what_the_venue_hides_is_inferred_at_the_limit_price_and_marked() -> None:
    store = Store()
    store.put(fill(1, 2, 99))
    found = store.infer(5)
    assert found is not None
    assert found.trade_id == "inferred-501-1"
    assert (found.quantity, found.price, found.fee) == (Decimal(3), Decimal(100), Decimal("0.06"))
    assert (found.inferred, found.venue_time_ms, found.received_time_ms) == (True, 40, 50)


def test_nothing_is_inferred_where_nothing_is_missing_or_no_maker_can_have_been() -> None:
    store = Store()
    assert store.infer(0) is None
    store.put(fill(1, 5))
    assert store.infer(5) is None
    assert store.infer(4) is None  # the fill came before the order's own news
    unpriced = order(State.FILLED, asked=terms(type=OrderType.MARKET, price=None), executed_quantity=Decimal(5))
    assert infer(unpriced, stored=Decimal(0), inferred_count=0, maker_fee=MAKER_FEE, fee_asset="USDT", now_ms=1) is None


def test_a_real_trade_of_a_part_reverses_all_and_the_rest_is_inferred_anew() -> None:
    store = Store()
    first = store.infer(5)
    assert first is not None
    store.put(first)
    store.put_trade(fill(7, 2, 98))
    second = store.infer(5)
    assert second is not None
    store.put(second)
    assert list(store.fills) == ["inferred-501-1", "inferred-501-1-reversed", "7", "inferred-501-2"]
    assert second.quantity == 3
    assert store.sums.quantity == 5


def test_a_crash_between_reversal_and_trade_repeats_harmlessly() -> None:
    for crash_after in range(4):
        store = Store()
        for executed in (3, 5):
            found = store.infer(executed)
            assert found is not None
            store.put(found)
        store.put_trade(fill(7, 5), crash_after=crash_after)
        store.put_trade(fill(7, 5))
        store.put_trade(fill(7, 5))
        assert store.sums.quantity == 5
        assert len(store.fills) == 5


def test_a_trade_read_again_after_a_restart_reverses_nothing() -> None:
    store = Store()
    store.put_trade(fill(7, 2))
    found = store.infer(5)
    assert found is not None
    store.put(found)
    assert reversals_needed(store.fills.values(), fill(7, 2), now_ms=1) == ()


def test_a_reversal_that_stands_is_not_asked_for_again() -> None:
    inferred = Store().infer(5)
    assert inferred is not None
    reversal = reverse(inferred, 1)
    assert reversals_needed([inferred], fill(7, 2), now_ms=1) == (reversal,)
    assert reversals_needed([inferred, reversal], fill(7, 2), now_ms=1) == ()


def test_only_an_inferred_fill_can_be_taken_back_and_only_once() -> None:
    inferred = Store().infer(5)
    assert inferred is not None
    for wrong in (fill(1), reverse(inferred, 1)):
        with pytest.raises(Misuse):
            reverse(wrong, 2)


@st.composite
def hidden_lives(draw: st.DrawFn) -> list[tuple[str, int]]:
    """What befalls one order's fills: executions, visible and hidden, inferences, trades listed late or twice, crashes."""
    return draw(
        st.lists(
            st.tuples(st.sampled_from(["execute", "list", "infer", "crash", "list again"]), st.integers(1, 4)),
            max_size=25,
        )
    )


@settings(max_examples=300)
@given(life=hidden_lives(), visible=st.lists(st.booleans(), min_size=25, max_size=25))
def test_every_history_of_inference_ends_with_the_executed_quantity_and_each_real_trade_once(
    life: list[tuple[str, int]], visible: list[bool]
) -> None:
    store, executed = Store(), 0
    shown: list[Fill] = []  # trades the venue will list sooner or later
    for number, (step, amount) in enumerate(life):
        if step == "execute":
            executed += amount
            if visible[number]:
                shown.append(fill(1000 + number, amount, 90 + amount))
        elif step == "infer" and (found := store.infer(executed, at_ms=number)) is not None:
            store.put(found)
            store.put(found)  # its answer was lost
        elif step in {"list", "list again"} and shown:
            store.put_trade(shown[amount % len(shown)])
        elif step == "crash" and shown:
            store.put_trade(shown[amount % len(shown)], crash_after=amount - 1)
        assert store.sums.quantity <= executed
    for trade in shown:
        store.put_trade(trade)
    if (found := store.infer(executed)) is not None:
        store.put(found)
    sums = store.sums
    hidden = executed - sum(trade.quantity for trade in shown)
    assert sums.quantity == executed
    assert sums.notional == hidden * 100 + sum(trade.quantity * trade.price for trade in shown)
    assert [found for found in store.fills.values() if not found.inferred and found.quantity > 0] == [
        found for found in store.fills.values() if found in shown
    ]
    assert {trade.trade_id for trade in shown} <= set(store.fills)


@given(
    amounts=st.lists(
        st.tuples(st.integers(-10, 10), st.decimals(1, 1000, places=8), st.sampled_from("AB")), max_size=8
    ),
    data=st.data(),
)
def test_sums_of_fills_do_not_depend_on_their_order(
    amounts: list[tuple[int, Decimal, str]], data: st.DataObject
) -> None:
    fills = [fill(number, amount, price, fee_asset=asset) for number, (amount, price, asset) in enumerate(amounts)]

    def sums(some: list[Fill]) -> FillSums:
        total = FillSums()
        for one in some:
            total = total.add(one)
        return total

    assert sums(fills) == sums(data.draw(st.permutations(fills)))
