"""Claims about filters: what passes is legal, what is refused names the filter and the nearest legal value."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.instrument import FilterRefusal, check_terms, incoherent, unsupported
from ordergate.trading.order import OrderType, PositionSide, SelfTradePrevention, Side, Terms, TimeInForce
from tests.unit.trading.making import instrument, market, terms


def refusal(asked: Terms, *, adjust: bool = False, reference: str | None = "100", **filters: Any) -> FilterRefusal:
    found = check_terms(
        asked,
        instrument(**filters),
        reference_price=None if reference is None else Decimal(reference),
        adjust=adjust,
    )
    assert isinstance(found, FilterRefusal), found
    return found


@pytest.mark.parametrize(
    ("asked", "filter_name", "nearest"),
    [
        (terms(price=Decimal("100.05")), "PRICE_FILTER", "100.0"),
        (terms(price=Decimal("100.05"), side=Side.SELL), "PRICE_FILTER", "100.1"),
        (terms(price=Decimal("0.01")), "PRICE_FILTER", "0.1"),
        (terms(price=Decimal(2_000_000)), "PRICE_FILTER", "1000000"),
        (terms(price=Decimal("110.1")), "PERCENT_PRICE", "110.0"),
        (terms(price=Decimal("89.9")), "PERCENT_PRICE", "90.0"),
        (terms(quantity=Decimal("1.0005")), "LOT_SIZE", "1.000"),
        (terms(quantity=Decimal("0.0005")), "LOT_SIZE", "0.001"),
        (terms(quantity=Decimal(1001)), "LOT_SIZE", "1000"),
        (market(121), "MARKET_LOT_SIZE", "120"),
        (terms(quantity=Decimal("0.049")), "MIN_NOTIONAL", "0.050"),
        (terms(quantity=Decimal("0.001")), "MIN_NOTIONAL", "0.05"),
        (terms(iceberg_quantity=Decimal("0.0005")), "LOT_SIZE", "0.001"),
        (terms(iceberg_quantity=Decimal("1.0005")), "LOT_SIZE", "1.000"),
    ],
)
def test_a_strict_refusal_names_the_filter_and_the_nearest_legal_value(
    asked: Terms, filter_name: str, nearest: str
) -> None:
    found = refusal(asked)
    assert (found.filter, found.nearest) == (filter_name, Decimal(nearest))


def stop(side: Side, type_: OrderType = OrderType.STOP_MARKET, **changes: Any) -> Terms:
    return terms(type=type_, side=side, price=None, **changes)


@pytest.mark.parametrize(
    ("asked", "filters", "filter_name", "nearest"),
    [
        (terms(price=Decimal(121)), {"ask_price_band_up": Decimal(5)}, "PERCENT_PRICE", "110"),
        (terms(side=Side.SELL, price=Decimal(501)), {"ask_price_band_up": Decimal(5)}, "PERCENT_PRICE", "500"),
        (terms(side=Side.SELL, price=Decimal(79)), {"ask_price_band_down": Decimal("0.8")}, "PERCENT_PRICE", "80"),
        (terms(price=Decimal("115.6")), {"price_band_slack": Decimal("0.05")}, "PERCENT_PRICE", "115.5"),
        (market(1), {"market_quantity_min": Decimal(2)}, "MARKET_LOT_SIZE", "2"),
        (market(7), {"market_step_size": Decimal(5)}, "MARKET_LOT_SIZE", "5"),
        (market(119), {"market_step_size": Decimal(50), "market_quantity_max": Decimal(110)}, "MARKET_LOT_SIZE", "100"),
        (terms(quantity=Decimal(11)), {"notional_max": Decimal(1000)}, "MAX_NOTIONAL", "10"),
        (market(11), {"notional_max": Decimal(1000)}, "MAX_NOTIONAL", "10"),
        (terms(iceberg_quantity=Decimal("0.9")), {"iceberg_parts_max": 10}, "ICEBERG_PARTS", "1"),
        (terms(iceberg_quantity=Decimal("0.9")), {"iceberg_parts_max": 7}, "ICEBERG_PARTS", "1.429"),
        (terms(quantity=Decimal(10)), {"position_max": Decimal("7.5")}, "MAX_POSITION", "7.5"),
        (stop(Side.BUY, trailing_delta=9), {"trailing_above_min": 10}, "TRAILING_DELTA", "10"),
        (stop(Side.SELL, trailing_delta=2001), {"trailing_below_max": 2000}, "TRAILING_DELTA", "2000"),
        (
            stop(Side.SELL, OrderType.TAKE_PROFIT_MARKET, trailing_delta=9),
            {"trailing_above_min": 10, "trailing_below_min": 1},
            "TRAILING_DELTA",
            "10",
        ),
    ],
)
def test_the_filters_that_only_some_venues_have_name_a_nearest_value_too(
    asked: Terms, filters: dict[str, Any], filter_name: str, nearest: str
) -> None:
    found = refusal(asked, **filters)
    assert (found.filter, found.nearest) == (filter_name, Decimal(nearest))


@pytest.mark.parametrize(
    ("asked", "filters"),
    [
        (market(11), {"notional_max": Decimal(1000), "notional_max_for_market": False}),
        (market(1), {"notional_min": Decimal(5000), "notional_min_for_market": False}),
        (terms(price=Decimal(115)), {"price_band_slack": Decimal("0.05")}),
        (terms(side=Side.SELL, price=Decimal(400)), {"ask_price_band_up": Decimal(5)}),
        (terms(side=Side.SELL, quantity=Decimal(10)), {"position_max": Decimal(7)}),
        (terms(iceberg_quantity=Decimal(1)), {"iceberg_parts_max": 10}),
        (market(7), {"market_step_size": Decimal(0)}),
        (stop(Side.BUY, trailing_delta=9), {"trailing_below_min": 10}),
        (stop(Side.BUY, trailing_delta=9), {}),
    ],
)
def test_a_filter_that_is_not_about_the_order_lets_it_pass(asked: Terms, filters: dict[str, Any]) -> None:
    found = check_terms(asked, instrument(**filters), reference_price=Decimal(100), adjust=False)
    assert found == asked


def test_a_market_order_is_worth_what_the_reference_says() -> None:
    small = terms(type=OrderType.MARKET, price=None, quantity=Decimal("0.04"))
    assert refusal(small).filter == "MIN_NOTIONAL"
    assert check_terms(small, instrument(), reference_price=Decimal(200), adjust=False) == small
    assert check_terms(small, instrument(), reference_price=None, adjust=False) == small


def test_adjusting_truncates_quantity_and_prices_passively() -> None:
    rough = terms(quantity=Decimal("1.9999"), price=Decimal("100.19"))
    smooth = check_terms(rough, instrument(), reference_price=None, adjust=True)
    assert isinstance(smooth, Terms)
    assert (smooth.quantity, smooth.price) == (Decimal("1.999"), Decimal("100.1"))
    sell = check_terms(terms(side=Side.SELL, price=Decimal("100.11")), instrument(), reference_price=None, adjust=True)
    assert isinstance(sell, Terms)
    assert sell.price == Decimal("100.2")


@pytest.mark.parametrize(
    ("type_", "side", "stop_price"),
    [
        (OrderType.STOP_MARKET, Side.BUY, "100.2"),
        (OrderType.STOP_MARKET, Side.SELL, "100.1"),
        (OrderType.TAKE_PROFIT_MARKET, Side.BUY, "100.1"),
        (OrderType.TAKE_PROFIT_MARKET, Side.SELL, "100.2"),
    ],
)
def test_an_adjusted_stop_never_triggers_sooner_than_asked(type_: OrderType, side: Side, stop_price: str) -> None:
    asked = terms(type=type_, side=side, price=None, stop_price=Decimal("100.15"))
    found = check_terms(asked, instrument(), reference_price=None, adjust=True)
    assert isinstance(found, Terms)
    assert found.stop_price == Decimal(stop_price)


def test_a_quantity_below_the_smallest_is_never_raised_to_it() -> None:
    assert refusal(terms(quantity=Decimal("0.0009")), adjust=True).nearest == Decimal("0.001")


def test_what_is_left_of_a_position_may_be_closed_however_small() -> None:
    asked = terms(type=OrderType.MARKET, price=None, quantity=Decimal("0.001"), reduce_only=True)
    assert check_terms(asked, instrument(), reference_price=Decimal(100), adjust=False) == asked


def test_a_halted_symbol_takes_nothing() -> None:
    assert refusal(terms(), trading=False).filter == "SYMBOL_STATUS"


def test_a_step_of_zero_is_no_filter() -> None:
    free = instrument(step_size=Decimal(0), tick_size=Decimal(0), notional_min=None)
    odd = terms(quantity=Decimal("1.23456789"), price=Decimal("99.98765"))
    for adjust in (True, False):
        assert check_terms(odd, free, reference_price=None, adjust=adjust) == odd


@pytest.mark.parametrize(
    "number", ["1E+999999", "1E-999999", "9" * 5000, "0." + "1" * 5000, "NaN", "sNaN", "Infinity", "-1", "0", "-0"]
)
@pytest.mark.parametrize("field", ["quantity", "price"])
def test_absurd_numbers_are_refused_and_never_blow_up(number: str, field: str) -> None:
    absurd = terms(**{field: Decimal(number)})
    assert refusal(absurd, adjust=True).filter == "NUMBER_RANGE"
    assert incoherent(absurd) is not None


numbers = st.decimals(min_value="0.000001", max_value="2000000", places=6)


@given(
    side=st.sampled_from(Side),
    quantity=numbers,
    price=numbers,
    tick=st.sampled_from(["0.1", "0.25", "0.00001", "7"]),
    step=st.sampled_from(["0.001", "1", "0.3"]),
)
def test_adjusted_terms_pass_the_strict_check_unchanged(
    side: Side, quantity: Decimal, price: Decimal, tick: str, step: str
) -> None:
    filters = instrument(tick_size=Decimal(tick), step_size=Decimal(step), price_band_up=None, price_band_down=None)
    asked = terms(side=side, quantity=quantity, price=price)
    adjusted = check_terms(asked, filters, reference_price=None, adjust=True)
    if isinstance(adjusted, FilterRefusal):
        return
    assert check_terms(adjusted, filters, reference_price=None, adjust=False) == adjusted
    assert adjusted.quantity is not None
    assert adjusted.price is not None
    assert adjusted.quantity <= quantity
    assert adjusted.price <= price if side is Side.BUY else adjusted.price >= price
    assert abs(adjusted.price - price) < Decimal(tick)


@given(
    side=st.sampled_from(Side),
    priced=st.booleans(),
    quantity=numbers,
    price=numbers,
    step=st.sampled_from(["0", "0.001", "1", "0.3"]),
    market_step=st.sampled_from(["0", "0.003", "5"]),
    least=st.none() | numbers,
    most=st.none() | numbers,
)
def test_the_nearest_value_gets_past_the_filters_that_only_some_venues_have(  # noqa: PLR0917
    side: Side,
    priced: bool,  # noqa: FBT001
    quantity: Decimal,
    price: Decimal,
    step: str,
    market_step: str,
    least: Decimal | None,
    most: Decimal | None,
) -> None:
    filters = instrument(
        step_size=Decimal(step),
        market_step_size=Decimal(market_step),
        market_quantity_min=least,
        notional_min=least,
        notional_max=most,
        position_max=most,
        price_band_up=None,
        price_band_down=None,
    )
    asked = terms(side=side, price=price) if priced else terms(side=side, type=OrderType.MARKET, price=None)
    asked = replace(asked, quantity=quantity)
    found = check_terms(asked, filters, reference_price=price, adjust=False)
    if not isinstance(found, FilterRefusal) or not found.nearest or found.filter == "PRICE_FILTER":
        return
    again = check_terms(replace(asked, quantity=found.nearest), filters, reference_price=price, adjust=False)
    assert (
        not isinstance(again, FilterRefusal)
        or (again.filter, again.value) != (found.filter, found.nearest)
        or (again.nearest != found.nearest and found.filter in {"LOT_SIZE", "MARKET_LOT_SIZE"})
    )


@given(quantity=numbers, price=numbers)
def test_the_nearest_value_that_a_refusal_names_gets_past_that_filter(quantity: Decimal, price: Decimal) -> None:
    filters = instrument(price_band_up=None, price_band_down=None)
    asked = terms(quantity=quantity, price=price)
    found = check_terms(asked, filters, reference_price=None, adjust=False)
    if not isinstance(found, FilterRefusal):
        return
    mended = (
        terms(quantity=quantity, price=found.nearest)
        if found.filter == "PRICE_FILTER"
        else terms(quantity=found.nearest, price=price)
    )
    again = check_terms(mended, filters, reference_price=None, adjust=False)
    assert not isinstance(again, FilterRefusal) or again.filter != found.filter


@pytest.mark.parametrize(
    "asked",
    [
        terms(price=None),
        terms(type=OrderType.MARKET),
        terms(quantity=None),
        terms(quote_quantity=Decimal(5)),
        terms(quantity=None, quote_quantity=Decimal(5)),
        terms(stop_price=Decimal(5)),
        terms(quantity=Decimal(-1)),
        terms(time_in_force=TimeInForce.GTD),
        terms(good_till_ms=5),
        terms(time_in_force=TimeInForce.IOC, post_only=True),
        market(1, time_in_force=TimeInForce.IOC),
        terms(trailing_delta=10),
        terms(type=OrderType.STOP, trailing_delta=0),
        terms(iceberg_quantity=Decimal(10)),
        terms(iceberg_quantity=Decimal(1), time_in_force=TimeInForce.IOC),
        market(5, iceberg_quantity=Decimal(1)),
        terms(iceberg_quantity=Decimal(0)),
    ],
)
def test_incoherent_terms_are_told_apart(asked: Terms) -> None:
    assert incoherent(asked) is not None


@pytest.mark.parametrize(
    "asked",
    [
        terms(),
        market(1),
        terms(type=OrderType.MARKET, price=None, quantity=None, quote_quantity=Decimal(5)),
        terms(type=OrderType.STOP, stop_price=Decimal(99)),
        terms(type=OrderType.TAKE_PROFIT_MARKET, price=None, stop_price=Decimal(99)),
        terms(time_in_force=TimeInForce.GTD, good_till_ms=5),
        terms(post_only=True),
        terms(iceberg_quantity=Decimal(1)),
        terms(type=OrderType.STOP, trailing_delta=10),
        terms(type=OrderType.TAKE_PROFIT_MARKET, price=None, trailing_delta=10, stop_price=Decimal(99)),
        terms(self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER),
    ],
)
def test_every_kind_of_order_has_coherent_terms(asked: Terms) -> None:
    assert incoherent(asked) is None


@pytest.mark.parametrize(
    "asked",
    [
        terms(type=OrderType.STOP, stop_price=Decimal(99)),
        terms(time_in_force=TimeInForce.IOC),
        terms(post_only=True),
        terms(type=OrderType.MARKET, price=None, quantity=None, quote_quantity=Decimal(5)),
        terms(position_side=PositionSide.LONG),
        terms(iceberg_quantity=Decimal(1)),
        terms(trailing_delta=10),
        terms(self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER),
        terms(reduce_only=True),
    ],
)
def test_what_a_venue_lacks_is_named_before_anything_is_sent(asked: Terms) -> None:
    def lacks(wanted: Terms) -> str | None:
        return unsupported(
            wanted,
            order_types={OrderType.LIMIT, OrderType.MARKET},
            times_in_force={TimeInForce.GTC},
            post_only=False,
            quote_quantity=False,
            position_sides={PositionSide.BOTH},
            reduce_only=False,
        )

    assert lacks(asked) is not None
    assert lacks(terms()) is None
    assert lacks(market(1)) is None


@pytest.mark.parametrize(
    ("side", "price", "nearest"),
    [(Side.BUY, "100.30", "100.25"), (Side.SELL, "100.30", "100.75"), (Side.BUY, "100.00", "99.75")],
)
def test_ticks_are_counted_from_where_the_venue_counts_them(side: Side, price: str, nearest: str) -> None:
    filters: dict[str, Any] = {
        "tick_size": Decimal("0.5"),
        "price_origin": Decimal("0.25"),
        "price_min": Decimal("0.25"),
    }
    found = refusal(terms(price=Decimal(price), side=side), **filters)
    assert (found.filter, found.nearest) == ("PRICE_FILTER", Decimal(nearest))
    legal = terms(price=Decimal(nearest), side=side)
    assert check_terms(legal, instrument(**filters), reference_price=Decimal(100), adjust=False) == legal
    adjusted = check_terms(
        terms(price=Decimal(price), side=side), instrument(**filters), reference_price=Decimal(100), adjust=True
    )
    assert isinstance(adjusted, Terms)
    assert adjusted.price == Decimal(nearest)
