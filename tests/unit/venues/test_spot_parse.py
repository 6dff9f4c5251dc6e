"""Binance Spot's answers as facts, our orders as its parameters."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.errors import Misuse, Unreadable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId
from ordergate.trading.instrument import FilterRefusal, Instrument, check_terms
from ordergate.trading.order import OrderType, PositionSide, SelfTradePrevention, Side, State, Terms, TimeInForce
from ordergate.venues.binance_spot import parse
from ordergate.venues.binance_spot.lists import OneCancelsOther, OneTriggersOther, OneTriggersPair, check_list
from tests.unit.venues.spot_rows import (
    AT_MS,
    BTC,
    FILTERS,
    canceled,
    exchange_info,
    fill,
    filled,
    looked_up,
    order_list,
    placed,
    request,
    symbol,
    trade,
)

# Orders.


def test_the_answer_to_an_order_is_its_view() -> None:
    view = parse.order_answer(filled())
    assert (view.venue_order_id, view.client_order_id, view.symbol) == ("28", "alpha-1", "BTCUSDT")
    assert (view.side, view.type, view.status) == (Side.BUY, OrderType.LIMIT, State.FILLED)
    assert (view.quantity, view.executed_quantity, view.price) == (Decimal("0.01"), Decimal("0.01"), Decimal("64000.5"))
    assert (view.stop_price, view.created_at_ms, view.updated_at_ms) == (None, AT_MS, AT_MS)


def test_what_was_looked_up_tells_when_it_was_made_and_when_it_changed() -> None:
    view = parse.order_answer(looked_up())
    assert (view.created_at_ms, view.updated_at_ms, view.stop_price) == (AT_MS, AT_MS + 5, None)


def test_a_canceled_order_bears_its_own_id_and_not_that_of_the_cancel() -> None:
    view = parse.canceled_order(canceled(), VenueOrderId("28"))
    assert view is not None
    assert (view.client_order_id, view.status) == ("alpha-1", State.CANCELED)
    assert parse.canceled_order(canceled(), VenueOrderId("29")) is None


def test_the_cancel_of_a_leg_shows_the_leg_in_its_list() -> None:
    answer = order_list(
        canceled(orderId=27, origClientOrderId="other"), canceled(), {"orderId": "unreadable", "clientOrderId": "x"}
    )
    view = parse.canceled_order(answer, VenueOrderId("28"))
    assert view is not None
    assert view.client_order_id == "alpha-1"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("LIMIT", OrderType.LIMIT), ("LIMIT_MAKER", OrderType.LIMIT), ("MARKET", OrderType.MARKET),
        ("STOP_LOSS", OrderType.STOP_MARKET), ("STOP_LOSS_LIMIT", OrderType.STOP),
        ("TAKE_PROFIT", OrderType.TAKE_PROFIT_MARKET), ("TAKE_PROFIT_LIMIT", OrderType.TAKE_PROFIT),
    ],
)  # fmt: skip
def test_every_type_has_a_name_of_ours(theirs: str, ours: OrderType) -> None:
    assert parse.order_answer(placed(type=theirs)).type is ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("NEW", State.ACCEPTED), ("PENDING_NEW", State.PENDING), ("PARTIALLY_FILLED", State.PARTIALLY_FILLED),
        ("FILLED", State.FILLED), ("CANCELED", State.CANCELED), ("REJECTED", State.REJECTED),
        ("EXPIRED", State.EXPIRED), ("EXPIRED_IN_MATCH", State.EXPIRED),
    ],
)  # fmt: skip
def test_every_status_is_a_state_of_ours(theirs: str, ours: State) -> None:
    assert parse.order_answer(placed(status=theirs)).status is ours


@pytest.mark.parametrize(
    "row",
    [
        {}, [], None, "text", 7,
        placed(status="NEW_IN_2027"), placed(type="PEGGED"), placed(side="BOTH"), placed(side=None),
        placed(orderId="../admin"), placed(orderId=None), placed(orderId=-1), placed(orderId=1.5),
        placed(origQty=0.01), placed(origQty="1e-2"), placed(origQty="-1"), placed(executedQty="0.02"),
        placed(executedQty="NaN"), placed(transactTime=None), placed(transactTime="soon"), placed(fills=7),
    ],
)  # fmt: skip
def test_what_cannot_be_an_order_is_unreadable_and_never_guessed(row: object) -> None:
    with pytest.raises(Unreadable):
        parse.order_answer(row)
    assert parse.shown_order(row) is None


def test_numbers_may_come_as_text_and_texts_as_numbers() -> None:
    view = parse.order_answer(placed(orderId="28", transactTime=str(AT_MS), origQty=1, executedQty=0, new="field"))
    assert (view.venue_order_id, view.quantity, view.updated_at_ms) == ("28", Decimal(1), AT_MS)


def test_an_order_by_quote_quantity_shows_what_it_executed() -> None:
    view = parse.order_answer(
        filled(type="MARKET", price="0.00000000", origQuoteOrderQty="640.00", origQty="0.01000000")
    )
    assert (view.price, view.quantity) == (None, Decimal("0.01"))


# Trades.


def test_the_fills_of_an_answer_are_those_of_the_trade_list() -> None:
    first, second = parse.placed_trades(filled())
    assert (first.trade_id, first.quantity, first.venue_order_id) == ("56", Decimal("0.004"), "28")
    assert (second.trade_id, second.fee, second.fee_asset) == ("57", Decimal("0.00001"), "BTC")
    assert {each.liquidity for each in (first, second)} == {Liquidity.TAKER}
    assert {each.venue_time_ms for each in (first, second)} == {AT_MS}


@pytest.mark.parametrize("row", [{}, placed(fills=[fill()]), filled(fills=[fill(56, "0.004")]), filled(fills=[])])
def test_fills_that_do_not_add_up_are_left_to_the_trade_list(row: object) -> None:
    assert parse.placed_trades(row) == ()


def test_trades_tell_side_and_liquidity() -> None:
    [bought, sold] = parse.trades_answer(
        [trade(5), trade(7, isBuyer=False, isMaker=True)], symbol=BTC, from_id=TradeId("5")
    )
    assert (bought.side, bought.liquidity, bought.client_order_id) == (Side.BUY, Liquidity.TAKER, None)
    assert (sold.side, sold.liquidity, sold.trade_id) == (Side.SELL, Liquidity.MAKER, "7")


def test_an_account_that_trades_with_itself_has_both_sides_of_the_trade() -> None:
    rows = [trade(7), trade(7, orderId=29, isBuyer=False, isMaker=True), trade(8)]
    found = parse.trades_answer(rows, symbol=BTC, from_id=TradeId("7"))
    assert [(each.trade_id, each.venue_order_id) for each in found] == [("7", "28"), ("7", "29"), ("8", "28")]


@pytest.mark.parametrize(
    "rows",
    [{}, [trade(7), trade(5)], [trade(7), trade(7)], [trade(4)], [trade(7, symbol="ETHUSDT")], [trade(7, qty="0")],
     [trade(7, isMaker=None)], [trade(7), {}]],
)  # fmt: skip
def test_a_page_of_trades_that_is_not_what_was_asked_for_is_unreadable(rows: object) -> None:
    with pytest.raises(Unreadable):
        parse.trades_answer(rows, symbol=BTC, from_id=TradeId("5"))


# Filters.


def instrument(*filters: dict[str, object], **changes: object) -> Instrument:
    [found] = parse.instruments_answer(exchange_info(symbol(filters=list(filters) or FILTERS, **changes)))
    return found


def test_every_filter_of_a_symbol_is_read() -> None:
    found = instrument()
    assert (found.symbol, found.base_asset, found.quote_asset, found.trading) == ("BTCUSDT", "BTC", "USDT", True)
    assert (found.tick_size, found.price_min, found.price_max) == (Decimal("0.01"), Decimal("0.01"), Decimal(1_000_000))
    assert (found.step_size, found.quantity_min, found.quantity_max) == (
        Decimal("0.00001"),
        Decimal("0.00001"),
        Decimal(9000),
    )
    assert (found.market_quantity_min, found.market_quantity_max, found.market_step_size) == (
        None,
        Decimal("107.85"),
        Decimal(0),
    )
    assert (found.price_band_up, found.price_band_down) == (Decimal("1.2"), Decimal("0.2"))
    assert (found.ask_price_band_up, found.ask_price_band_down) == (Decimal(5), Decimal("0.8"))
    assert (found.notional_min, found.notional_min_for_market) == (Decimal(5), True)
    assert (found.notional_max, found.notional_max_for_market) == (Decimal(9_000_000), False)
    assert (found.open_orders_max, found.open_algo_orders_max, found.open_iceberg_orders_max) == (200, 5, 7)
    assert (found.iceberg_parts_max, found.position_max) == (10, Decimal(10))
    assert (found.trailing_above_min, found.trailing_above_max) == (10, 2000)
    assert (found.trailing_below_min, found.trailing_below_max) == (20, 1000)


def test_a_rule_of_zero_is_switched_off() -> None:
    found = instrument({"filterType": "PRICE_FILTER", "minPrice": "0.00", "maxPrice": "0.00", "tickSize": "0.00"})
    assert (found.price_min, found.price_max, found.tick_size) == (None, None, Decimal(0))
    odd = Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal("1.234567"), price=Decimal("0.0000017"))
    assert check_terms(odd, found, reference_price=None, adjust=False) == odd


def test_the_older_filters_are_read_too_and_of_two_the_stricter_counts() -> None:
    found = instrument(
        {"filterType": "MIN_NOTIONAL", "minNotional": "10.0", "applyToMarket": False, "avgPriceMins": 5},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.1", "multiplierDown": "0.9", "avgPriceMins": 5},
        FILTERS[5],
    )
    assert (found.notional_min, found.notional_min_for_market) == (Decimal(10), False)
    assert (found.price_band_up, found.price_band_down) == (Decimal("1.1"), Decimal("0.9"))
    assert (found.ask_price_band_up, found.ask_price_band_down) == (Decimal("1.1"), Decimal("0.9"))


@pytest.mark.parametrize("status", ["HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY", "SOMETHING_NEW"])
def test_only_a_symbol_that_trades_takes_orders(status: str) -> None:
    assert not instrument(status=status).trading


def test_one_symbol_that_cannot_be_read_does_not_hide_the_others() -> None:
    broken: list[object] = [
        symbol(symbol="ETHUSDT", filters="none"), symbol(symbol=""), {}, [], None, 7,
        symbol(symbol="X", filters=[{"filterType": "LOT_SIZE", "minQty": "many"}]),
    ]  # fmt: skip
    found = parse.instruments_answer(exchange_info(symbol()) | {"symbols": [*broken, symbol(), *broken]})
    assert [each.symbol for each in found] == ["BTCUSDT"]


def test_a_symbol_need_not_be_ascii() -> None:
    [found] = parse.instruments_answer(exchange_info(symbol(symbol="这是测试币456")))
    assert found.symbol == "这是测试币456"


numbers = st.decimals(min_value="0.000001", max_value="2000000", places=6)
quantities = numbers | st.decimals(min_value="0.00001", max_value=20, places=5)
prices = numbers | st.decimals(min_value=12_000, max_value=400_000, places=2)
"""Anything, and what has a chance to pass all filters at once."""


@given(
    side=st.sampled_from(Side),
    kind=st.sampled_from([OrderType.LIMIT, OrderType.MARKET]),
    quantity=quantities,
    price=prices,
)
def test_terms_that_pass_the_filters_obey_every_one_of_them(
    side: Side, kind: OrderType, quantity: Decimal, price: Decimal
) -> None:
    """Each rule as filters.md words it, against what the adapter's instrument let pass."""
    asked = Terms(side=side, type=kind, quantity=quantity, price=price if kind is OrderType.LIMIT else None)
    found = check_terms(asked, instrument(), reference_price=Decimal(64000), adjust=True)
    if isinstance(found, FilterRefusal):
        assert found.filter
        return
    assert found.quantity is not None
    assert Decimal("0.00001") <= found.quantity <= 9000
    assert found.quantity % Decimal("0.00001") == 0
    worth = (found.price or Decimal(64000)) * found.quantity
    assert worth >= 5
    if side is Side.BUY:
        assert found.quantity <= 10
    if found.price is None:
        assert found.quantity <= Decimal("107.85")
        return
    assert worth <= 9_000_000
    assert Decimal("0.01") <= found.price <= 1_000_000
    assert found.price % Decimal("0.01") == 0
    up, down = (Decimal("1.2"), Decimal("0.2")) if side is Side.BUY else (Decimal(5), Decimal("0.8"))
    slack = parse.PRICE_BAND_SLACK
    assert 64000 * down * (1 - slack) <= found.price <= 64000 * up * (1 + slack)


def test_prices_are_as_old_as_the_question() -> None:
    found = parse.prices_answer(
        [{"symbol": "BTCUSDT", "price": "64000.1"}, {"symbol": "DEADUSDT", "price": "0.00"}], venue_time_ms=AT_MS
    )
    assert [(each.symbol, each.price, each.venue_time_ms) for each in found] == [("BTCUSDT", Decimal("64000.1"), AT_MS)]


def test_a_balance_is_what_is_free_and_what_is_locked() -> None:
    [found] = parse.balances_answer({"balances": [{"asset": "BTC", "free": "1.5", "locked": "0.25"}], "canTrade": True})
    assert (found.asset, found.wallet, found.available) == ("BTC", Decimal("1.75"), Decimal("1.5"))


# Our orders.


def sent(**terms: Any) -> dict[str, str]:
    fields = parse.order_parameters(request(**terms))
    assert len({name for name, _ in fields}) == len(fields)
    return dict(fields)


def test_a_limit_order_has_all_that_is_mandatory() -> None:
    assert sent() == {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010",
        "price": "64000.50", "newClientOrderId": "alpha-1",
    }  # fmt: skip


def test_post_only_is_a_limit_maker_without_a_time_in_force() -> None:
    fields = sent(post_only=True)
    assert fields["type"] == "LIMIT_MAKER"
    assert "timeInForce" not in fields


def test_a_market_order_takes_either_quantity() -> None:
    assert "price" not in sent(type=OrderType.MARKET, price=None)
    by_quote = sent(type=OrderType.MARKET, price=None, quantity=None, quote_quantity=Decimal("640.00"))
    assert by_quote["quoteOrderQty"] == "640.00"
    assert "quantity" not in by_quote
    assert "timeInForce" not in by_quote


def test_conditional_orders_are_named_by_what_they_become() -> None:
    stop = sent(type=OrderType.STOP, stop_price=Decimal(63000), time_in_force=TimeInForce.IOC)
    assert (stop["type"], stop["stopPrice"], stop["timeInForce"]) == ("STOP_LOSS_LIMIT", "63000", "IOC")
    trailing = sent(type=OrderType.TAKE_PROFIT_MARKET, price=None, trailing_delta=150)
    assert (trailing["type"], trailing["trailingDelta"]) == ("TAKE_PROFIT", "150")
    assert "stopPrice" not in trailing


def test_iceberg_and_self_trade_prevention_go_along() -> None:
    fields = sent(iceberg_quantity=Decimal("0.002"), self_trade_prevention=SelfTradePrevention.EXPIRE_BOTH)
    assert (fields["icebergQty"], fields["selfTradePreventionMode"]) == ("0.002", "EXPIRE_BOTH")


def test_no_amount_is_ever_written_with_an_exponent() -> None:
    assert sent(quantity=Decimal("1E-8"), price=Decimal("1E+3"))["quantity"] == "0.00000001"
    assert sent(price=Decimal("1E+3"))["price"] == "1000"


@pytest.mark.parametrize(
    ("terms", "term"),
    [
        ({"position_side": PositionSide.LONG}, "position_side"),
        ({"reduce_only": True}, "reduce_only"),
        ({"time_in_force": TimeInForce.GTD, "good_till_ms": 5}, "time_in_force"),
        ({"quote_quantity": Decimal(5)}, "quote_quantity"),
        ({"quantity": None}, "quote_quantity"),
        ({"price": None}, "price"),
        ({"type": OrderType.MARKET}, "price"),
        ({"type": OrderType.STOP}, "stop_price"),
        ({"trailing_delta": 5}, "stop_price"),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, "post_only"),
    ],
)
def test_what_the_exchange_cannot_take_is_not_sent(terms: dict[str, Any], term: str) -> None:
    assert parse.unsupported(request(**terms).terms) == term


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"clientOrderId": "somebody-else"}, "clientOrderId"), ({"symbol": "ETHUSDT"}, "symbol"),
        ({"side": "SELL"}, "side"), ({"type": "MARKET"}, "type"), ({"origQty": "0.02"}, "quantity"),
        ({"price": "64000.51"}, "price"),
    ],
)  # fmt: skip
def test_an_answer_about_another_order_is_told_apart(changes: dict[str, str], field: str) -> None:
    assert parse.difference(request(), parse.order_answer(placed(**changes))) == field
    assert parse.difference(request(), parse.order_answer(placed())) is None


# Lists.


def leg(client_order_id: str, **terms: Any) -> Any:
    return request(client_order_id, side=Side.SELL, **terms)


PROFIT = leg("profit", price=Decimal(66000), post_only=True)
LOSS = leg("loss", type=OrderType.STOP, price=Decimal(61900), stop_price=Decimal(62000))
ENTRY = request("entry")
LIST = ClientOrderId("list-1")


def test_an_oco_names_its_legs_by_where_they_lie() -> None:
    fields = dict(OneCancelsOther(above=PROFIT, below=LOSS, list_client_order_id=LIST).parameters)
    assert fields == {
        "symbol": "BTCUSDT", "listClientOrderId": "list-1", "side": "SELL", "quantity": "0.010",
        "aboveType": "LIMIT_MAKER", "abovePrice": "66000", "aboveClientOrderId": "profit",
        "belowType": "STOP_LOSS_LIMIT", "belowTimeInForce": "GTC", "belowPrice": "61900", "belowStopPrice": "62000",
        "belowClientOrderId": "loss",
    }  # fmt: skip


def test_an_oto_has_two_whole_orders() -> None:
    fields = dict(OneTriggersOther(working=ENTRY, pending=LOSS, list_client_order_id=LIST).parameters)
    assert fields == {
        "symbol": "BTCUSDT", "listClientOrderId": "list-1",
        "workingType": "LIMIT", "workingTimeInForce": "GTC", "workingPrice": "64000.50", "workingClientOrderId": "entry",
        "workingSide": "BUY", "workingQuantity": "0.010",
        "pendingType": "STOP_LOSS_LIMIT", "pendingTimeInForce": "GTC", "pendingPrice": "61900",
        "pendingStopPrice": "62000", "pendingClientOrderId": "loss", "pendingSide": "SELL", "pendingQuantity": "0.010",
    }  # fmt: skip


def test_an_otoco_has_a_working_order_and_a_pair() -> None:
    fields = dict(OneTriggersPair(working=ENTRY, above=PROFIT, below=LOSS, list_client_order_id=LIST).parameters)
    assert (fields["workingSide"], fields["pendingSide"], fields["pendingQuantity"]) == ("BUY", "SELL", "0.010")
    assert (fields["pendingAboveType"], fields["pendingBelowStopPrice"]) == ("LIMIT_MAKER", "62000")
    assert "pendingAboveSide" not in fields


@pytest.mark.parametrize(
    "orders",
    [
        OneCancelsOther(above=PROFIT, below=PROFIT, list_client_order_id=LIST),
        OneCancelsOther(above=PROFIT, below=leg("other", price=Decimal(1), post_only=True), list_client_order_id=LIST),
        OneCancelsOther(above=leg("plain"), below=LOSS, list_client_order_id=LIST),
        OneCancelsOther(above=PROFIT, below=leg("loss", quantity=Decimal(9), type=OrderType.STOP_MARKET, price=None,
                                                stop_price=Decimal(62000)), list_client_order_id=LIST),
        OneTriggersOther(working=LOSS, pending=ENTRY, list_client_order_id=LIST),
        OneTriggersOther(working=ENTRY, pending=leg("x", reduce_only=True), list_client_order_id=LIST),
        OneTriggersOther(
            working=ENTRY,
            pending=leg("x", type=OrderType.MARKET, price=None, quantity=None, quote_quantity=Decimal(9)),
            list_client_order_id=LIST,
        ),
    ],
)  # fmt: skip
def test_a_list_that_the_exchange_could_not_take_is_a_mistake_of_the_caller(orders: Any) -> None:
    with pytest.raises(Misuse):
        check_list(orders)


def test_sound_lists_pass() -> None:
    check_list(OneCancelsOther(above=PROFIT, below=LOSS, list_client_order_id=LIST))
    check_list(OneTriggersOther(working=ENTRY, pending=LOSS, list_client_order_id=LIST))
    check_list(OneTriggersPair(working=ENTRY, above=PROFIT, below=LOSS, list_client_order_id=LIST))


# Whatever comes.

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*placed(), *trade(), "symbols", "balances", "data"]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@given(field=st.sampled_from(sorted(placed())), value=junk)
def test_a_field_of_any_value_makes_a_view_or_is_unreadable(field: str, value: object) -> None:
    try:
        view = parse.order_answer(placed() | {field: value})
    except Unreadable:
        return
    assert view.executed_quantity >= 0
    assert view.venue_order_id.isdecimal()


@given(document=junk)
def test_no_answer_at_all_does_more_than_be_unreadable(document: object) -> None:
    for read in (
        parse.order_answer,
        parse.orders_answer,
        parse.balances_answer,
        parse.instruments_answer,
        lambda found: parse.trades_answer(found, symbol=Symbol("BTCUSDT"), from_id=None),
        lambda found: parse.prices_answer(found, venue_time_ms=1),
        parse.amended_order,
    ):
        try:
            read(document)
        except Unreadable:
            continue
    assert isinstance(parse.placed_trades(document), tuple)
    assert isinstance(parse.list_reports(document), dict)
