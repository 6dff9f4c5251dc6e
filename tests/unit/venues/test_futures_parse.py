from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.errors import Unreadable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import Symbol, TradeId, VenueOrderId
from ordergate.trading.order import OrderType, PositionSide, SelfTradePrevention, Side, State, TimeInForce
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_futures import models, parse
from tests.unit.venues.futures_rows import (
    ALGO,
    BTC,
    CHILD,
    ORDER,
    POSITION,
    SYMBOL,
    TRADE,
    TRIGGERED,
    request,
    stop_request,
)


def algo(row: dict[str, Any], child: dict[str, Any] | None = None) -> object:
    return parse.algo_view(check(models.AlgoRow, row), None if child is None else check(models.OrderRow, child))


def test_an_order_is_read_exactly() -> None:
    view = parse.view(check(models.OrderRow, {**ORDER, "newField": {"a": 1}}))
    assert (view.venue_order_id, view.client_order_id, view.status) == ("8886774", "alpha-1", State.PARTIALLY_FILLED)
    assert (str(view.quantity), str(view.price), str(view.executed_quantity)) == ("0.010", "64250.50", "0.004")
    assert (view.created_at_ms, view.updated_at_ms, view.stop_price) == (1767323045678, 1767323045900, None)


def test_the_answer_to_an_order_bears_one_time_only() -> None:
    row = {name: value for name, value in ORDER.items() if name not in {"time", "avgPrice", "origType", "cumQuote"}}
    view = parse.view(check(models.OrderRow, row))
    assert view.created_at_ms == view.updated_at_ms == 1767323045900


def test_numbers_as_text_and_texts_as_numbers_are_read_alike() -> None:
    turned = {**ORDER, "orderId": "8886774", "origQty": 1, "executedQty": 0, "status": "NEW", "time": "1767323045678"}
    view = parse.view(check(models.OrderRow, turned))
    assert (view.venue_order_id, view.quantity, view.created_at_ms) == ("8886774", Decimal(1), 1767323045678)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderId", "Z-555"), ("orderId", -1), ("orderId", None), ("orderId", True), ("symbol", ""), ("side", "HOLD"),
        ("type", None), ("origQty", "-1"), ("origQty", 0.01), ("origQty", "NaN"), ("origQty", "1e3"), ("origQty", "1" * 50),
        ("price", "Infinity"), ("price", "1,5"), ("price", "-5"), ("price", "٣"), ("status", "DREAMING"), ("status", None),
        ("executedQty", "-0.1"), ("executedQty", "0.011"), ("executedQty", None), ("updateTime", "yesterday"),
        ("updateTime", -1), ("updateTime", True), ("updateTime", 10**18), ("reduceOnly", "perhaps"), ("clientOrderId", "x" * 200),
    ],
)  # fmt: skip
def test_an_order_with_a_wrong_field_is_unreadable_and_its_values_are_not_repeated(field: str, value: object) -> None:
    with pytest.raises(Unreadable) as caught:
        parse.view(check(models.OrderRow, {**ORDER, field: value}))
    assert "64250.5" not in str(caught.value)
    assert parse.shown_order({**ORDER, field: value}) is None


@pytest.mark.parametrize(
    "field", ["orderId", "symbol", "side", "type", "origQty", "status", "executedQty", "updateTime"]
)
def test_an_order_without_a_field_we_rely_on_is_unreadable(field: str) -> None:
    with pytest.raises(Unreadable, match=field):
        check(models.OrderRow, {name: value for name, value in ORDER.items() if name != field})


@pytest.mark.parametrize(
    ("type_name", "price", "seen"),
    [
        ("LIQUIDATION", "0", OrderType.MARKET),
        ("LIQUIDATION", "60000", OrderType.LIMIT),
        ("TRAILING_STOP_MARKET", "0", OrderType.STOP_MARKET),
        ("SOMETHING_NEW", "60000", OrderType.LIMIT),
    ],
)
def test_a_strangers_order_of_a_kind_that_we_do_not_place_is_seen_all_the_same(
    type_name: str, price: str, seen: OrderType
) -> None:
    view = parse.view(check(models.OrderRow, {**ORDER, "type": type_name, "price": price}))
    assert view.type is seen


@pytest.mark.parametrize(
    ("status", "executed", "state"),
    [
        ("NEW_ADL", "0.010", State.FILLED),
        ("NEW_INSURANCE", "0.004", State.PARTIALLY_FILLED),
        ("NEW", "0", State.ACCEPTED),
        ("EXPIRED", "0.004", State.EXPIRED),
        ("EXPIRED_IN_MATCH", "0", State.EXPIRED),
        ("CANCELED", "0.004", State.CANCELED),
    ],
)
def test_each_status_is_a_state(status: str, executed: str, state: State) -> None:
    view = parse.view(check(models.OrderRow, {**ORDER, "status": status, "executedQty": executed}))
    assert view.status is state


@pytest.mark.parametrize("client_order_id", ["autoclose-16000", "adl_autoclose", "settlement_autoclose-7"])
def test_an_order_that_the_venue_made_is_known_by_its_id(client_order_id: str) -> None:
    assert parse.is_made_by_venue(client_order_id)
    assert not parse.is_made_by_venue("my-autoclose-1")
    assert not parse.is_made_by_venue(None)


# Conditional orders.


def test_a_conditional_order_is_named_by_its_own_number() -> None:
    view = algo(ALGO)
    assert view == parse.shown_algo(ALGO)
    shown = parse.shown_algo(ALGO)
    assert shown is not None
    assert (shown.venue_order_id, shown.type, shown.status) == ("algo-1000000033225453", OrderType.STOP, State.ACCEPTED)
    assert (shown.quantity, shown.price, shown.stop_price) == (Decimal("0.010"), Decimal(65010), Decimal(65000))
    assert parse.algo_id_of(shown.venue_order_id) == "1000000033225453"
    assert parse.algo_id_of(VenueOrderId("8886774")) is None


@pytest.mark.parametrize(
    ("status", "child_status", "executed", "state"),
    [
        ("TRIGGERING", None, "0", State.ACCEPTED),
        ("TRIGGERED", None, "0", State.ACCEPTED),
        ("TRIGGERED", "NEW", "0", State.ACCEPTED),
        ("TRIGGERED", "PARTIALLY_FILLED", "0.004", State.PARTIALLY_FILLED),
        ("TRIGGERED", "FILLED", "0.010", State.FILLED),
        ("FINISHED", "FILLED", "0.010", State.FILLED),
        ("FINISHED", "CANCELED", "0.004", State.CANCELED),
        ("FINISHED", "EXPIRED", "0.004", State.EXPIRED),
        ("CANCELED", "CANCELED", "0.004", State.CANCELED),
    ],
)
def test_after_the_trigger_the_ordinary_order_says_what_executed(
    status: str, child_status: str | None, executed: str, state: State
) -> None:
    child = None if child_status is None else {**CHILD, "status": child_status, "executedQty": executed}
    view = parse.algo_view(
        check(models.AlgoRow, {**TRIGGERED, "algoStatus": status}),
        None if child is None else check(models.OrderRow, child),
    )
    assert (view.status, view.executed_quantity) == (state, Decimal(executed))
    assert (view.venue_order_id, view.type, view.stop_price) == (
        "algo-1000000033225453",
        OrderType.STOP,
        Decimal(65000),
    )
    assert (view.created_at_ms, view.updated_at_ms) == (1767323045678, 1767323046000)


@pytest.mark.parametrize("status", ["FINISHED", "CANCELED", "EXPIRED", "REJECTED", "SOMETHING_NEW"])
def test_an_ending_after_the_trigger_is_never_guessed(status: str) -> None:
    with pytest.raises(Unreadable):
        algo({**TRIGGERED, "algoStatus": status})


def test_an_untriggered_ending_needs_no_other_order() -> None:
    for status, state in (("CANCELED", State.CANCELED), ("EXPIRED", State.EXPIRED), ("REJECTED", State.REJECTED)):
        shown = parse.shown_algo({**ALGO, "algoStatus": status, "actualOrderId": "0"})
        assert shown is not None
        assert (shown.status, shown.executed_quantity) == (state, Decimal(0))


@pytest.mark.parametrize(
    "change", [{"orderId": 1}, {"symbol": "ETHUSDT"}, {"side": "SELL"}, {"origQty": "1", "executedQty": "0.011"}]
)
def test_an_order_that_is_not_the_triggers_is_not_taken_for_it(change: dict[str, object]) -> None:
    with pytest.raises(Unreadable):
        algo(TRIGGERED, {**CHILD, **change})


def test_an_order_that_closes_a_position_has_no_quantity_before_its_trigger_nor_after() -> None:
    closing = {**TRIGGERED, "quantity": "0", "closePosition": True, "orderType": "STOP_MARKET", "price": "0"}
    filled = parse.algo_view(
        check(models.AlgoRow, closing),
        check(models.OrderRow, {**CHILD, "status": "FILLED", "executedQty": "0.010"}),
    )
    assert (filled.quantity, filled.executed_quantity, filled.reduce_only) == (Decimal(0), Decimal("0.010"), True)
    assert filled.status is State.FILLED


# Lists.


def test_a_trade_is_read_exactly() -> None:
    [trade] = parse.trades_answer([TRADE], symbol=BTC, from_id=TradeId("698759"))
    assert (trade.trade_id, trade.venue_order_id, trade.liquidity) == ("698759", "8886774", Liquidity.TAKER)
    assert (trade.price, trade.quantity, trade.fee) == (Decimal("64250.50"), Decimal("0.004"), Decimal("0.07819010"))
    assert trade.client_order_id is None


@pytest.mark.parametrize(
    ("ids", "symbol", "from_id"),
    [
        ([2, 1], "BTCUSDT", None),
        ([1, 1], "BTCUSDT", None),
        ([1], "ETHUSDT", None),
        ([4, 5], "BTCUSDT", "5"),
        ([10, 9], "BTCUSDT", "1"),
    ],
)
def test_a_page_of_trades_that_would_mislead_a_cursor_is_refused(
    ids: list[int], symbol: str, from_id: str | None
) -> None:
    rows = [{**TRADE, "id": each, "symbol": symbol} for each in ids]
    with pytest.raises(Unreadable):
        parse.trades_answer(rows, symbol=BTC, from_id=None if from_id is None else TradeId(from_id))


@pytest.mark.parametrize("document", [{}, {"code": 200}, [1], ["x"], [None], [[TRADE]]])
def test_what_is_no_list_of_rows_is_unreadable(document: object) -> None:
    with pytest.raises(Unreadable):
        parse.trades_answer(document, symbol=BTC, from_id=None)
    with pytest.raises(Unreadable):
        parse.positions_answer(document)


def test_positions_are_signed_and_flat_ones_are_left_out() -> None:
    long = {**POSITION, "positionSide": "LONG", "positionAmt": "1.5"}
    flat = {**POSITION, "symbol": "ETHUSDT", "positionAmt": "0.000"}
    found = parse.positions_answer([POSITION, flat, long])
    assert [(each.position_side, each.quantity) for each in found] == [
        (PositionSide.BOTH, Decimal("-0.030")),
        (PositionSide.LONG, Decimal("1.5")),
    ]


def test_balances_are_wallet_and_available() -> None:
    row = {"accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35", "availableBalance": "23.7", "updateTime": 1}
    [balance] = parse.balances_answer([row])
    assert (balance.asset, balance.wallet, balance.available) == ("USDT", Decimal("122607.35"), Decimal("23.7"))


def test_an_instrument_has_the_filters_of_its_symbol() -> None:
    [found] = parse.instruments_answer({"symbols": [SYMBOL], "rateLimits": []})
    assert (found.symbol, found.trading, found.tick_size, found.step_size) == (
        BTC,
        True,
        Decimal("0.10"),
        Decimal("0.001"),
    )
    assert (found.notional_min, found.market_quantity_max, found.open_orders_max) == (Decimal(100), Decimal(120), 200)
    assert found.price_origin == found.price_min == Decimal("556.80")
    assert (found.price_band_up, found.price_band_down) == (Decimal("1.0500"), Decimal("0.9500"))


@pytest.mark.parametrize(
    "wrong",
    [
        {**SYMBOL, "filters": []},
        {**SYMBOL, "filters": "none"},
        {**SYMBOL, "filters": [{**SYMBOL["filters"][0], "tickSize": "0"}, SYMBOL["filters"][1]]},
        {"symbol": "X"},
    ],
)
def test_a_symbol_that_cannot_be_read_leaves_the_others(wrong: dict[str, Any]) -> None:
    found = parse.instruments_answer({"symbols": [wrong, SYMBOL]})
    assert [each.symbol for each in found] == [BTC]


def test_a_contract_without_a_mark_price_has_none() -> None:
    rows = [
        {"symbol": "BTCUSDT", "markPrice": "11793.63104562", "indexPrice": "11781.8", "time": 1597370495002},
        {"symbol": "SOON", "markPrice": "0.00000000", "indexPrice": "0", "time": 1597370495002},
    ]
    [price] = parse.prices_answer(rows)
    assert (price.symbol, price.price, price.venue_time_ms) == (BTC, Decimal("11793.63104562"), 1597370495002)


# What we send.


def test_a_limit_order_is_sent_in_full_and_asks_for_its_result() -> None:
    assert dict(parse.order_parameters(request())) == {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.010", "price": "64250.50", "timeInForce": "GTC",
        "newClientOrderId": "alpha-1", "newOrderRespType": "RESULT",
    }  # fmt: skip


def test_post_only_is_gtx_and_a_good_till_date_goes_with_gtd() -> None:
    assert dict(parse.order_parameters(request(post_only=True)))["timeInForce"] == "GTX"
    timed = dict(parse.order_parameters(request(time_in_force=TimeInForce.GTD, good_till_ms=1_790_000_900_000)))
    assert (timed["timeInForce"], timed["goodTillDate"]) == ("GTD", "1790000900000")


def test_a_market_order_has_neither_price_nor_time_in_force() -> None:
    sent = dict(parse.order_parameters(request(type=OrderType.MARKET)))
    assert {"price", "timeInForce"}.isdisjoint(sent)


def test_reduce_only_goes_out_in_one_way_mode_and_the_side_in_hedge_mode() -> None:
    assert dict(parse.order_parameters(request(reduce_only=True)))["reduceOnly"] == "true"
    hedged = dict(parse.order_parameters(request(side=Side.SELL, reduce_only=True, position_side=PositionSide.LONG)))
    assert hedged["positionSide"] == "LONG"
    assert "reduceOnly" not in hedged


def test_a_conditional_order_goes_out_with_ids_and_trigger_of_the_algo_service() -> None:
    sent = dict(parse.algo_parameters(stop_request()))
    assert (sent["algoType"], sent["type"], sent["triggerPrice"], sent["price"]) == (
        "CONDITIONAL",
        "STOP",
        "65000",
        "65010",
    )
    assert sent["clientAlgoId"] == "alpha-1"
    assert {"newClientOrderId", "stopPrice"}.isdisjoint(sent)


def test_a_trailing_stop_goes_out_as_a_rate_in_per_cent_and_comes_back_as_a_stop() -> None:
    asked = request(type=OrderType.STOP_MARKET, trailing_delta=150, stop_price=Decimal(65000))
    sent = dict(parse.algo_parameters(asked))
    assert (sent["type"], sent["callbackRate"], sent["activatePrice"]) == ("TRAILING_STOP_MARKET", "1.5", "65000")
    assert "triggerPrice" not in sent
    shown = parse.shown_algo(
        {**ALGO, "orderType": "TRAILING_STOP_MARKET", "price": "0", "triggerPrice": "", "activatePrice": "65000.00"}
    )
    assert shown is not None
    assert parse.difference(asked, shown) is None


def test_self_trade_prevention_is_sent_where_it_is_asked_for() -> None:
    sent = dict(parse.order_parameters(request(self_trade_prevention=SelfTradePrevention.EXPIRE_BOTH)))
    assert sent["selfTradePreventionMode"] == "EXPIRE_BOTH"
    assert "selfTradePreventionMode" not in dict(parse.order_parameters(request()))


def test_a_batch_is_one_parameter_of_json() -> None:
    [(name, text)] = parse.batch_parameters([request(), request(type=OrderType.MARKET)])
    assert name == "batchOrders"
    assert [each["type"] for each in orjson.loads(text)] == ["LIMIT", "MARKET"]


@given(st.decimals(min_value="1e-12", max_value="1e12", places=12))
def test_a_quantity_goes_out_and_comes_back_digit_by_digit(quantity: Decimal) -> None:
    sent = dict(parse.order_parameters(request(quantity=quantity)))
    row = {**ORDER, "origQty": sent["quantity"], "executedQty": "0", "status": "NEW"}
    assert parse.view(check(models.OrderRow, row)).quantity == quantity
    assert "E" not in sent["quantity"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"quantity": None, "quote_quantity": Decimal(10)}, "quote_quantity"),
        ({"price": None}, "price"),
        ({"type": OrderType.MARKET, "price": Decimal(1)}, "price"),
        ({"type": OrderType.STOP}, "stop_price"),
        ({"stop_price": Decimal(1)}, "stop_price"),
        ({"type": OrderType.STOP_MARKET, "trailing_delta": 9}, "trailing_delta"),
        ({"type": OrderType.TAKE_PROFIT_MARKET, "trailing_delta": 100}, "trailing_delta"),
        ({"iceberg_quantity": Decimal("0.001")}, "iceberg"),
        ({"post_only": True, "time_in_force": TimeInForce.GTD, "good_till_ms": 9_000_000}, "post_only"),
        ({"time_in_force": TimeInForce.GTD}, "good_till"),
        ({"time_in_force": TimeInForce.GTD, "good_till_ms": 1_600_000}, "good_till"),
        ({"reduce_only": True, "position_side": PositionSide.LONG}, "reduce_only"),
        ({"reduce_only": True, "position_side": PositionSide.SHORT, "side": Side.SELL}, "reduce_only"),
    ],
)
def test_what_the_venue_cannot_take_is_named(terms: dict[str, Any], why: str) -> None:
    assert parse.unsupported(request(**terms).terms, now_ms=1_000_000) == why


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"post_only": True},
        {"time_in_force": TimeInForce.FOK},
        {"time_in_force": TimeInForce.GTD, "good_till_ms": 1_600_001},
        {"reduce_only": True},
        {"reduce_only": True, "position_side": PositionSide.LONG, "side": Side.SELL},
        {"type": OrderType.STOP_MARKET, "stop_price": Decimal(1)},
        {"type": OrderType.STOP_MARKET, "trailing_delta": 10},
    ],
)
def test_what_the_venue_can_take_is_not_refused(terms: dict[str, Any]) -> None:
    assert parse.unsupported(request(**terms).terms, now_ms=1_000_000) is None


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("clientOrderId", "alpha-2", "clientOrderId"), ("symbol", "ETHUSDT", "symbol"), ("side", "SELL", "side"),
        ("type", "MARKET", "type"), ("origQty", "0.011", "quantity"), ("price", "64250.6", "price"),
        ("positionSide", "LONG", "positionSide"), ("reduceOnly", True, "reduceOnly"), ("clientOrderId", None, "clientOrderId"),
    ],
)  # fmt: skip
def test_an_answer_about_other_terms_is_told_by_the_term(field: str, value: object, named: str) -> None:
    shown = parse.view(check(models.OrderRow, {**ORDER, field: value}))
    assert parse.difference(request(), shown) == named


def test_an_answer_about_the_same_terms_agrees_whatever_the_zeros() -> None:
    shown = parse.view(check(models.OrderRow, {**ORDER, "origQty": "0.01", "price": "64250.500"}))
    assert parse.difference(request(), shown) is None
    conditional = parse.shown_algo(ALGO)
    assert conditional is not None
    assert parse.difference(stop_request(), conditional) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER]), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(sorted(ORDER)), json_values)
def test_any_value_in_any_field_is_a_view_or_unreadable(field: str, value: object) -> None:
    view = parse.shown_order({**ORDER, field: value})
    if view is not None:
        assert 0 <= view.executed_quantity <= view.quantity


@given(st.sampled_from(sorted(TRIGGERED)), json_values, st.sampled_from(sorted(CHILD)), json_values)
def test_any_value_in_a_conditional_order_or_its_child_is_a_view_or_unreadable(
    field: str, value: object, child_field: str, child_value: object
) -> None:
    try:
        view = parse.algo_view(
            check(models.AlgoRow, {**TRIGGERED, field: value}),
            check(models.OrderRow, {**CHILD, child_field: child_value}),
        )
    except Unreadable:
        return
    assert view.executed_quantity >= 0
    assert view.quantity == 0 or view.executed_quantity <= view.quantity


def test_a_symbol_may_be_any_text() -> None:
    view = parse.shown_order({**ORDER, "symbol": "测试USDT"})
    assert view is not None
    assert view.symbol == Symbol("测试USDT")
