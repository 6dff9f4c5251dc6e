"""Claims about the check: each limit refuses by name, says what it is set to and what would have become of it."""

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.trading.ids import Symbol
from ordergate.trading.instrument import ReferencePrice
from ordergate.trading.order import OrderType, PositionSide, Side, State, Terms
from ordergate.trading.risk import Book, Passed, RiskLimits, RiskRefusal, check
from tests.unit.trading.making import ACCOUNT, BTC, VENUE, instrument, market, order, request, terms

NOW = 50_000


def judge(
    asked: Terms,
    book: Book | None = None,
    *,
    price: int | None = 100,
    price_at_ms: int = NOW,
    filters: dict[str, Any] | None = None,
    **limits: Any,
) -> Passed | RiskRefusal:
    reference = None
    if price is not None:
        reference = ReferencePrice(symbol=BTC, price=Decimal(price), observed_at_ms=price_at_ms)
    return check(
        request(99, asked=asked),
        RiskLimits(**limits),
        book or Book(VENUE, ACCOUNT),
        reference,
        instrument(**(filters or {})),
        NOW,
    )


def refusal(*args: Any, **kwargs: Any) -> tuple[object, ...]:
    found = judge(*args, **kwargs)
    assert isinstance(found, RiskRefusal), found
    assert found.message
    return found.limit, found.value, found.would_be


def holding(quantity: int, *orders: Terms, state: State = State.ACCEPTED) -> Book:
    book = Book(VENUE, ACCOUNT)
    book.note_position(BTC, PositionSide.BOTH, Decimal(quantity))
    for number, asked in enumerate(orders, start=1):
        book.note_order(order(state, number=number, asked=asked))
    return book


def test_without_a_limit_in_its_way_an_order_passes() -> None:
    assert judge(terms()) == Passed(notional=Decimal(1000))


def test_the_default_allows_ten_million_and_no_more() -> None:
    assert isinstance(judge(terms(quantity=Decimal(100_000))), Passed)
    assert refusal(terms(quantity=Decimal(100_001))) == ("max_order_notional", 10_000_000, 10_000_100)


def test_a_sell_is_worth_the_market_and_not_its_lower_price() -> None:
    asked = terms(side=Side.SELL, price=Decimal(1))
    assert refusal(asked, max_order_notional=Decimal(999)) == ("max_order_notional", 999, 1000)


def test_only_allowed_symbols_pass() -> None:
    assert refusal(terms(), allowed_symbols=frozenset({Symbol("ETHUSDT")})) == ("allowed_symbols", None, None)
    assert isinstance(judge(terms(), allowed_symbols=frozenset({BTC})), Passed)


@pytest.mark.parametrize("state", [State.APPROVED, State.SUBMITTING, State.UNKNOWN, State.PENDING, State.ACCEPTED])
def test_open_orders_of_every_kind_count_in_the_position_they_could_make(state: State) -> None:
    book = holding(5, terms(), state=state)
    limits: dict[str, Any] = {"max_position_quantity": {BTC: Decimal(20)}}
    assert refusal(terms(quantity=Decimal(6)), book, **limits) == ("max_position_quantity", 20, 21)
    assert isinstance(judge(terms(quantity=Decimal(5)), book, **limits), Passed)
    assert isinstance(judge(terms(quantity=Decimal(25), side=Side.SELL, price=Decimal(101)), book, **limits), Passed)
    assert refusal(terms(quantity=Decimal(26), side=Side.SELL, price=Decimal(101)), book, **limits) == (
        "max_position_quantity",
        20,
        21,
    )


def test_a_position_over_its_limit_may_be_made_smaller() -> None:
    book = holding(-50)
    limits: dict[str, Any] = {"max_position_quantity": {BTC: Decimal(20)}, "max_position_notional": Decimal(2000)}
    assert isinstance(judge(market(30), book, **limits), Passed)
    assert isinstance(judge(market(50, reduce_only=True), book, **limits), Passed)
    assert refusal(market(71), book, **limits) == ("max_position_quantity", 20, 21)
    assert refusal(market(1, side=Side.SELL), book, **limits) == ("max_position_quantity", 20, 51)


def test_an_order_that_adds_nothing_to_the_worst_case_passes_a_limit_that_is_broken_already() -> None:
    book = holding(0, terms(quantity=Decimal(25)))
    limits: dict[str, Any] = {"max_position_quantity": {BTC: Decimal(20)}}
    assert isinstance(judge(market(5, reduce_only=True), book, **limits), Passed)
    assert refusal(market(5), book, **limits) == ("max_position_quantity", 20, 30)


def test_a_position_is_worth_its_quantity_at_the_reference() -> None:
    assert refusal(terms(), holding(5), max_position_notional=Decimal(1400)) == ("max_position_notional", 1400, 1500)


def test_open_orders_are_limited_by_us_and_by_the_venue() -> None:
    book = holding(0, terms(), terms())
    assert refusal(terms(), book, max_open_orders=2) == ("max_open_orders", 2, 3)
    assert refusal(terms(), book, filters={"open_orders_max": 2}) == ("filter_max_num_orders", 2, 3)
    assert isinstance(judge(terms(), book, max_open_orders=3), Passed)


def test_the_order_rate_counts_approvals_within_its_window() -> None:
    book = Book(VENUE, ACCOUNT)
    for number, at_ms in ((1, NOW - 2_000), (2, NOW - 900), (3, NOW)):
        book.note_order(order(State.APPROVED, number=number, revised_at_ms=at_ms))
    assert refusal(terms(), book, max_orders_per_window=2, window_ms=1_000) == ("max_orders_per_window", 2, 3)
    assert isinstance(judge(terms(), book, max_orders_per_window=3, window_ms=1_000), Passed)


def test_a_price_far_from_the_market_is_refused() -> None:
    band: dict[str, Any] = {"price_band": Decimal("0.05")}
    assert refusal(terms(price=Decimal(106)), **band) == ("price_band", Decimal("0.05"), Decimal("0.06"))
    assert refusal(terms(price=Decimal(94)), **band) == ("price_band", Decimal("0.05"), Decimal("0.06"))
    assert isinstance(judge(terms(price=Decimal(105)), **band), Passed)
    stop = terms(type=OrderType.STOP, price=Decimal(150), stop_price=Decimal(149))
    assert isinstance(judge(stop, **band), Passed)


@pytest.mark.parametrize(("price", "at_ms"), [(None, NOW), (100, NOW - 10_001)])
def test_without_a_fresh_price_nothing_is_judged_by_it(price: int | None, at_ms: int) -> None:
    name = "reference_price_age_max_ms"
    assert refusal(market(1), price=price, price_at_ms=at_ms)[0] == name
    assert refusal(terms(), price=price, price_at_ms=at_ms, price_band=Decimal("0.1"))[0] == name
    assert isinstance(judge(terms(), price=price, price_at_ms=at_ms), Passed)
    assert isinstance(judge(market(1, reduce_only=True), holding(-5), price=price, price_at_ms=at_ms), Passed)


def test_losses_stop_new_orders_but_not_the_way_out() -> None:
    book = holding(-5)
    book.note_equity(Decimal(1000), NOW)
    book.note_equity(Decimal(900), NOW)
    assert refusal(market(1), book, max_daily_loss=Decimal(100)) == ("max_daily_loss", 100, 100)
    assert refusal(market(1), book, max_drawdown=Decimal(80)) == ("max_drawdown", 80, 100)
    assert isinstance(judge(market(1), book, max_daily_loss=Decimal(101)), Passed)
    assert isinstance(judge(market(1, reduce_only=True), book, max_daily_loss=Decimal(1)), Passed)


def test_an_order_that_would_meet_our_own_is_refused() -> None:
    book = holding(0, terms(side=Side.SELL, price=Decimal(101)))
    assert refusal(terms(price=Decimal(101)), book) == ("self_trade", 101, 101)
    assert isinstance(judge(terms(price=Decimal("100.9")), book), Passed)
    assert isinstance(judge(terms(price=Decimal(101)), book, self_trade=False), Passed)
    assert isinstance(judge(market(1), book), Passed)
    assert refusal(market(1), book, price=101)[0] == "self_trade"
    book.note_order(order(State.CANCELED, asked=terms(side=Side.SELL, price=Decimal(101))))
    assert isinstance(judge(terms(price=Decimal(101)), book), Passed)


@settings(max_examples=200)
@given(
    start=st.integers(-20, 20),
    wanted=st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 15), st.booleans()), max_size=12),
    turns=st.lists(st.integers(0, 11), max_size=12),
)
def test_no_sequence_of_executions_breaks_a_limit_that_every_order_passed(
    start: int, wanted: list[tuple[Side, int, bool]], turns: list[int]
) -> None:
    """Approve what passes, then let the orders execute in full in some order: the position never grows beyond the limit."""
    most = max(20, abs(start))
    book, approved = holding(start), []
    for number, (side, quantity, reduce_only) in enumerate(wanted, start=1):
        asked = market(quantity, side, reduce_only=reduce_only)
        if isinstance(judge(asked, book, max_position_quantity={BTC: Decimal(most)}), Passed):
            book.note_order(order(State.UNKNOWN, number=number, asked=asked))
            approved.append(asked)
    held = start
    for turn in dict.fromkeys(turns):
        if turn < len(approved) and (asked := approved[turn]).quantity is not None:
            room = max(0, -held * asked.side.sign) if asked.reduce_only else int(asked.quantity)
            held += min(int(asked.quantity), room) * asked.side.sign
        assert abs(held) <= most


def test_a_check_costs_the_same_with_ten_thousand_orders_open() -> None:
    """The hot path: far below the milliseconds of a bus round trip, whatever is open. The bound is loose for a busy machine."""

    def cost_us(book: Book) -> float:
        rounds = []
        for _ in range(200):
            began = time.perf_counter()
            judge(
                terms(),
                book,
                max_position_quantity={BTC: Decimal(10**9)},
                max_position_notional=Decimal(10**12),
                price_band=Decimal("0.1"),
                max_open_orders=10**6,
                filters={"open_orders_max": None},
            )
            rounds.append(time.perf_counter() - began)
        return min(rounds) * 1e6

    few, many = holding(0), holding(0, *[terms()] * 10_000)
    assert cost_us(many) < 5 * cost_us(few)
    assert cost_us(many) < 500
