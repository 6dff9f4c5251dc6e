"""Claims about positions: order-free where that is possible, and where it is not, the stream's order against a plain model."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.trading.amounts import add, total
from ordergate.trading.errors import Misuse
from ordergate.trading.fills import Fill
from ordergate.trading.ids import StrategyName, Symbol
from ordergate.trading.order import PositionSide, Side
from ordergate.trading.position import EXTERNAL, Position, apply_fill, sample_equity, unrealised
from tests.unit.trading.making import ACCOUNT, ALPHA, BTC, VENUE, fill

BETA = StrategyName("beta")


def fold(fills: list[Fill]) -> Position:
    position = Position(venue=VENUE, account=ACCOUNT, symbol=BTC)
    for place, one in enumerate(fills, start=1):
        position = apply_fill(position, one, place)
    return position


def buy(quantity: int, price: int, **changes: Any) -> Fill:
    return fill(1, quantity, price, **changes)


def sell(quantity: int, price: int, **changes: Any) -> Fill:
    return fill(1, quantity, price, side=Side.SELL, **changes)


def undo(one: Fill) -> Fill:
    return fill(2, -one.quantity, one.price, side=one.side, fee=-one.fee, position_side=one.position_side)


def stand(*fills: Fill) -> tuple[object, object, object]:
    leg = fold(list(fills)).leg()
    return leg.quantity, leg.entry_price, leg.realised_pnl


def test_a_position_that_crosses_zero_realises_what_closed_and_opens_the_rest_anew() -> None:
    assert stand(buy(5, 100), sell(8, 110)) == (-3, 110, 50)
    assert stand(sell(5, 100), buy(8, 90)) == (3, 90, 50)


def test_adding_averages_and_closing_a_part_keeps_the_average() -> None:
    assert stand(buy(1, 100), buy(3, 200)) == (4, 175, 0)
    assert stand(buy(1, 100), buy(3, 200), sell(2, 180)) == (2, 175, 10)
    assert stand(buy(1, 100), sell(1, 130)) == (0, 0, 30)


def test_a_reversal_leaves_the_position_as_if_the_fill_had_never_been() -> None:
    for before, wrong in (
        ([buy(5, 80)], buy(5, 100)),
        ([sell(5, 80)], sell(5, 60)),
        ([buy(10, 90)], sell(5, 100)),
        ([sell(10, 90)], buy(3, 70)),
        ([], buy(3, 70)),
    ):
        assert stand(*before, wrong, undo(wrong)) == stand(*before)


def test_a_fill_folded_already_changes_nothing() -> None:
    position = fold([buy(1, 100), buy(1, 100)])
    assert apply_fill(position, buy(1, 100), 2) is position
    assert apply_fill(position, buy(1, 100), 3).quantity == 3


def test_a_fill_of_another_symbol_is_refused() -> None:
    with pytest.raises(Misuse):
        fold([buy(1, 100, symbol=Symbol("ETHUSDT"))])


def test_fills_of_no_strategy_have_a_part_of_their_own() -> None:
    position = fold([buy(2, 100), sell(1, 100, strategy=None), buy(4, 90, strategy=BETA)])
    parts = {name: legs[PositionSide.BOTH].quantity for name, legs in position.by_strategy.items()}
    assert parts == {ALPHA: 2, EXTERNAL: -1, BETA: 4}


prices = st.decimals(min_value="0.01", max_value="90000", places=8)
quantities = st.decimals(min_value="0.001", max_value="1000", places=8)


@st.composite
def fills(draw: st.DrawFn) -> list[Fill]:
    found = [
        fill(
            number,
            draw(quantities),
            draw(prices),
            side=draw(st.sampled_from(Side)),
            position_side=draw(st.sampled_from([PositionSide.BOTH, PositionSide.LONG])),
            strategy=draw(st.sampled_from([ALPHA, BETA, None])),
            fee=draw(prices),
            fee_asset=draw(st.sampled_from(["USDT", "BNB"])),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    undone = draw(st.lists(st.sampled_from(found), unique_by=lambda one: one.trade_id, max_size=2)) if found else []
    return found + [
        fill(
            100 + place,
            -one.quantity,
            one.price,
            side=one.side,
            position_side=one.position_side,
            strategy=one.strategy,
            fee=-one.fee,
            fee_asset=one.fee_asset,
        )
        for place, one in enumerate(undone)
    ]


def test_no_digit_is_lost_between_the_greatest_and_the_smallest_amount() -> None:
    great, small = Decimal(999999999999999999), Decimal("0.000000000000000001")
    some = [fill(1, great, great), fill(2, small, small), fill(3, great, great, side=Side.SELL)]
    assert fold(some).leg().quantity == small
    assert fold(some).leg().cash_flow == -small * small


@settings(max_examples=200)
@given(some=fills(), data=st.data())
def test_quantity_fees_volume_and_cash_flow_do_not_depend_on_the_order(some: list[Fill], data: st.DataObject) -> None:
    here, there = fold(some), fold(data.draw(st.permutations(some)))
    assert (here.fees, here.traded_volume, here.fill_count) == (there.fees, there.traded_volume, there.fill_count)
    for side in PositionSide:
        assert here.leg(side).quantity == there.leg(side).quantity
        assert here.leg(side).cash_flow == there.leg(side).cash_flow


@settings(max_examples=200)
@given(some=fills(), mark=prices)
def test_realised_and_unrealised_always_sum_to_cash_and_worth_and_parts_to_the_net(
    some: list[Fill], mark: Decimal
) -> None:
    position = fold(some)
    worth = sum(
        (Fraction(leg.cash_flow) + Fraction(leg.quantity) * Fraction(mark) for leg in position.legs.values()),
        Fraction(),
    )
    assert Fraction(position.realised_pnl) + Fraction(unrealised(position, mark)) == worth
    parts = [leg for legs in position.by_strategy.values() for leg in legs.values()]
    assert total(leg.quantity for leg in parts) == position.quantity
    assert total(leg.cash_flow for leg in parts) == total(leg.cash_flow for leg in position.legs.values())
    profits = total(add(leg.realised_pnl, leg.unrealised(mark)) for leg in parts)
    assert profits == add(position.realised_pnl, unrealised(position, mark))


class Lots:
    """Average-cost book-keeping said plainly, with fractions: the reference."""

    def __init__(self) -> None:
        self.held, self.average, self.realised = Fraction(), Fraction(), Fraction()

    def trade(self, signed: Fraction, price: Fraction) -> None:
        closing = min(abs(signed), abs(self.held)) if signed * self.held < 0 else Fraction()
        direction = 1 if self.held > 0 else -1
        self.realised += closing * (price - self.average) * direction
        opening = abs(signed) - closing
        left = abs(self.held) - closing
        if opening:
            self.average = (left * self.average + opening * price) / (left + opening)
        self.held += signed


@settings(max_examples=200)
@given(trades=st.lists(st.tuples(st.sampled_from(Side), quantities, prices), max_size=12))
def test_average_price_and_realised_profit_are_those_of_the_plain_model(
    trades: list[tuple[Side, Decimal, Decimal]],
) -> None:
    model = Lots()
    for side, quantity, price in trades:
        model.trade(Fraction(quantity) * side.sign, Fraction(price))
    leg = fold([fill(1, quantity, price, side=side) for side, quantity, price in trades]).leg()
    close = Fraction(1, 10**9)
    assert Fraction(leg.quantity) == model.held
    assert abs(Fraction(leg.realised_pnl) - model.realised) < close
    if model.held:
        # A quotient rounded to 18 places, spread over a remainder that may be tiny.
        assert abs(Fraction(leg.entry_price) - model.average) < close / min(Fraction(1), abs(model.held))


# The day.

DAY_MS = 86_400_000


def test_a_day_begins_with_the_equity_of_the_day_before() -> None:
    day = sample_equity(None, Decimal(100), DAY_MS - 1)
    assert (day.loss, day.drawdown) == (Decimal(0), Decimal(0))
    day = sample_equity(day, Decimal(70), DAY_MS)
    assert (day.loss, day.drawdown) == (Decimal(30), Decimal(30))
    day = sample_equity(day, Decimal(120), DAY_MS + 1)
    assert (day.loss, day.drawdown) == (Decimal(0), Decimal(0))
    day = sample_equity(day, Decimal(90), 2 * DAY_MS)
    assert (day.loss, day.drawdown) == (Decimal(30), Decimal(30))
    day = sample_equity(day, Decimal(80), 2 * DAY_MS + 1)
    assert (day.loss, day.drawdown) == (Decimal(40), Decimal(40))


def test_an_equity_sample_that_comes_late_changes_nothing() -> None:
    day = sample_equity(None, Decimal(100), DAY_MS)
    assert sample_equity(day, Decimal(1_000_000), DAY_MS - 1) is day
