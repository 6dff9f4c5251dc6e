from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.errors import Unreadable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, StrategyName, Symbol, TradeId, VenueName
from ordergate.trading.order import OrderKey, OrderRequest, OrderType, PositionSide, Side, State, Terms, TimeInForce
from ordergate.venues.zetarium import parse

BTC = Symbol("BTCUSDT")
ORDER: dict[str, Any] = {
    "id": "555", "accountId": "main", "venue": "ZETARIUM", "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT",
    "quantity": "0.010", "price": "64250.5", "stopPrice": None, "positionSide": "BOTH", "reduceOnly": False,
    "clientOrderId": "alpha-1", "venueOrderId": "Z-555", "status": "PARTIALLY_FILLED", "executedQuantity": "0.004",
    "avgPrice": "64250.5", "source": "API", "createdAt": "2026-01-02T03:04:05.678Z", "updatedAt": 1767323045679,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "id": "918273", "orderId": "555", "clientOrderId": "alpha-1", "symbol": "BTCUSDT", "side": "BUY",
    "positionSide": "BOTH", "price": "64250.5", "quantity": "0.004", "fee": "0.1285", "feeAsset": "USDT",
    "liquidity": "TAKER", "time": "2026-01-02T03:04:05.678Z",
}  # fmt: skip


def request(**terms: Any) -> OrderRequest:
    given = {"side": Side.BUY, "type": OrderType.LIMIT, "quantity": Decimal("0.010"), "price": Decimal("64250.5")}
    return OrderRequest(
        key=OrderKey(
            venue=VenueName("zetarium"),
            account=AccountName("main"),
            symbol=BTC,
            client_order_id=ClientOrderId("alpha-1"),
        ),
        strategy=StrategyName("alpha"),
        intent_id=IntentId("a-1"),
        request_hash="",
        terms=Terms(**{**given, **terms}),
        created_at_ms=0,
        valid_for_ms=1,
    )


def test_an_order_is_read_exactly() -> None:
    view = parse.order_answer({"ok": True, "order": {**ORDER, "newField": 1}})
    assert (view.venue_order_id, view.client_order_id, view.status) == ("555", "alpha-1", State.PARTIALLY_FILLED)
    assert (str(view.quantity), str(view.price), str(view.executed_quantity)) == ("0.010", "64250.5", "0.004")
    assert (view.created_at_ms, view.updated_at_ms) == (1767323045678, 1767323045679)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "Z-555"), ("id", 555), ("id", None), ("symbol", ""), ("side", "HOLD"), ("type", "TRAILING"),
        ("quantity", "0"), ("quantity", "-1"), ("quantity", 0.01), ("quantity", "NaN"), ("quantity", "1e3"),
        ("quantity", "1" * 50), ("quantity", None), ("price", "Infinity"), ("price", "1,5"), ("price", "٣"),
        ("status", "EXPIRED"), ("executedQuantity", "-0.1"), ("executedQuantity", "0.011"), ("executedQuantity", None),
        ("createdAt", "yesterday"), ("createdAt", "2026-01-02T03:04:05"), ("createdAt", -1), ("createdAt", True),
        ("updatedAt", 10**18), ("reduceOnly", "false"), ("clientOrderId", "x" * 200),
    ],
)  # fmt: skip
def test_an_order_with_a_wrong_field_is_unreadable_and_its_values_are_not_repeated(field: str, value: object) -> None:
    with pytest.raises(Unreadable) as caught:
        parse.order_answer({"ok": True, "order": {**ORDER, field: value}})
    assert "64250.5" not in str(caught.value)
    assert parse.shown_order({"order": {**ORDER, field: value}}) is None


@pytest.mark.parametrize(
    "field", ["id", "symbol", "side", "type", "quantity", "status", "executedQuantity", "createdAt"]
)
def test_an_order_without_a_field_we_rely_on_is_unreadable(field: str) -> None:
    with pytest.raises(Unreadable, match=field):
        parse.order_answer({"order": {name: value for name, value in ORDER.items() if name != field}})


def test_a_trade_is_read_exactly() -> None:
    [trade] = parse.trades_answer({"ok": True, "trades": [TRADE]}, symbol=BTC, from_id=TradeId("918273"))
    assert (trade.trade_id, trade.venue_order_id, trade.liquidity) == ("918273", "555", Liquidity.TAKER)
    assert (trade.price, trade.quantity, trade.fee) == (Decimal("64250.5"), Decimal("0.004"), Decimal("0.1285"))


@pytest.mark.parametrize(
    ("ids", "symbol", "from_id"),
    [
        (["2", "1"], "BTCUSDT", None),
        (["1", "1"], "BTCUSDT", None),
        (["1"], "ETHUSDT", None),
        (["4", "5"], "BTCUSDT", "5"),
        (["10", "9"], "BTCUSDT", "1"),
    ],
)
def test_a_page_of_trades_that_would_mislead_a_cursor_is_refused(
    ids: list[str], symbol: str, from_id: str | None
) -> None:
    rows = [{**TRADE, "id": each, "symbol": symbol} for each in ids]
    with pytest.raises(Unreadable):
        parse.trades_answer({"trades": rows}, symbol=BTC, from_id=None if from_id is None else TradeId(from_id))


@given(st.decimals(min_value="1e-12", max_value="1e12", places=12))
def test_a_quantity_goes_out_and_comes_back_digit_by_digit(quantity: Decimal) -> None:
    sent = orjson.loads(parse.order_body(request(quantity=quantity)))
    view = parse.order_answer({"order": {**ORDER, "quantity": sent["quantity"], "executedQuantity": "0"}})
    assert view.quantity == quantity
    assert "E" not in sent["quantity"]


def test_what_is_at_its_default_is_not_sent() -> None:
    assert orjson.loads(parse.order_body(request())) == {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.010", "price": "64250.5",
        "clientOrderId": "alpha-1",
    }  # fmt: skip
    full = request(type=OrderType.STOP, stop_price=Decimal("1E+3"), position_side=PositionSide.SHORT, reduce_only=True)
    sent = orjson.loads(parse.order_body(full))
    assert (sent["stopPrice"], sent["positionSide"], sent["reduceOnly"]) == ("1000", "SHORT", True)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"time_in_force": TimeInForce.FOK}, "time_in_force"),
        ({"post_only": True}, "post_only"),
        ({"quantity": None, "quote_quantity": Decimal(10)}, "quote_quantity"),
        ({"price": None}, "price"),
        ({"type": OrderType.MARKET}, "price"),
        ({"type": OrderType.STOP}, "stop_price"),
        ({"stop_price": Decimal(1)}, "stop_price"),
    ],
)
def test_what_the_venue_cannot_take_is_named(terms: dict[str, Any], why: str) -> None:
    assert parse.unsupported(request(**terms).terms) == why


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("clientOrderId", "alpha-2", "clientOrderId"), ("symbol", "ETHUSDT", "symbol"), ("side", "SELL", "side"),
        ("type", "STOP", "type"), ("quantity", "0.011", "quantity"), ("price", "64250.6", "price"),
        ("positionSide", "LONG", "positionSide"), ("reduceOnly", True, "reduceOnly"), ("clientOrderId", None, "clientOrderId"),
    ],
)  # fmt: skip
def test_an_answer_about_other_terms_is_told_by_the_term(field: str, value: object, named: str) -> None:
    assert parse.difference(request(), parse.order_answer({"order": {**ORDER, field: value}})) == named


def test_an_answer_about_the_same_terms_agrees_whatever_the_zeros() -> None:
    view = parse.order_answer({"order": {**ORDER, "quantity": "0.01", "price": "64250.500"}})
    assert parse.difference(request(), view) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER, "order"]), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(sorted(ORDER)), json_values)
def test_any_value_in_any_field_is_a_view_or_unreadable(field: str, value: object) -> None:
    view = parse.shown_order({"order": {**ORDER, field: value}})
    if view is not None:
        assert 0 <= view.executed_quantity <= view.quantity
