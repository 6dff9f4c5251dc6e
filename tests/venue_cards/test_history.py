"""The list of all orders, at a venue that hides trades: what came and went unseen is found there and nowhere else."""

from decimal import Decimal

import pytest

from ordergate.ports.venue import OrderHistory
from ordergate.trading.errors import VenueUnavailable
from ordergate.trading.order import OrderType, Side, State
from tests.venue_cards.desk import BTC, Desk, Exchange


@pytest.mark.venues("zetarium")
async def test_what_traded_as_maker_and_ended_shows_in_the_list_of_all_orders_only(main: Desk, other: Desk) -> None:
    assert isinstance(main.reading, OrderHistory)
    assert list(await main.reading.orders_after(None)) == []
    await main.placed("maker")
    await other.placed("taker", Side.SELL, type=OrderType.MARKET)
    await main.placed("resting", price=Decimal(60000))
    assert list(await main.reading.trades(BTC, from_id=None, limit=10)) == []
    assert [each.client_order_id for each in await main.reading.open_orders()] == ["resting"]
    first, second = await main.reading.orders_after(None)
    assert (first.client_order_id, first.status, first.executed_quantity) == ("maker", State.FILLED, Decimal("0.010"))
    assert [each.client_order_id for each in await main.reading.orders_after(first.venue_order_id)] == ["resting"]
    assert list(await main.reading.orders_after(second.venue_order_id)) == []


@pytest.mark.venues("zetarium")
async def test_a_venue_that_does_not_answer_is_not_one_without_orders(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls({"kind": "error_before_execution", "status": 503, "call": "GET /v2/orders"})
    assert isinstance(main.reading, OrderHistory)
    with pytest.raises(VenueUnavailable):
        await main.reading.orders_after(None)
