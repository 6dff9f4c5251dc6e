"""Cards 130 to 134: what an adapter of a venue that replaces in one request must say of both orders."""

from decimal import Decimal
from typing import Any

import pytest

from ordergate.ports.venue import NotExecuted, Outcome, Replacement, Replaces, Throttled, Unknown
from ordergate.trading.ids import ClientOrderId, VenueOrderId
from ordergate.trading.order import Side, State
from tests.venue_cards.desk import BTC, Desk, Exchange, shown

pytestmark = pytest.mark.venues("binance-spot", "binance-spot-socket")
CALLS = ("POST /api/v3/order/cancelReplace", "WS order.cancelReplace")


async def replaced(main: Desk, old: VenueOrderId, new: str, **terms: Any) -> Replacement:
    trading = main.trading
    assert isinstance(trading, Replaces)
    assert trading.declaration.native_replace
    request = main.request(new, **{"price": Decimal(64_010), **terms})
    return await trading.replace(request, canceled=old, write_ahead=main.write_ahead, deadline_seconds=1.0)


async def at_venue(exchange: Exchange) -> dict[str, str]:
    return {row["clientOrderId"]: row["status"] for row in (await exchange.ledger())["orders"]}


def refused(outcome: Outcome) -> NotExecuted:
    assert isinstance(outcome, NotExecuted), outcome
    return outcome


async def test_card_130_one_request_ends_the_old_order_and_places_the_new_one(exchange: Exchange, main: Desk) -> None:
    old = await main.placed("c130")
    found = await replaced(main, old.venue_order_id, "c130-b")
    ended, placed = shown(found.canceled), shown(found.placed)
    assert (ended.client_order_id, ended.status) == ("c130", State.CANCELED)
    assert (placed.client_order_id, placed.status, placed.price) == ("c130-b", State.ACCEPTED, Decimal(64_010))
    assert len(main.write_aheads) == 2
    assert await at_venue(exchange) == {"c130": "CANCELED", "c130-b": "NEW"}


async def test_card_131_the_new_order_is_not_attempted_where_the_old_one_has_ended(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    old = await main.placed("c131", price=Decimal(64_250))
    await other.placed("c131-taker", Side.SELL, price=Decimal(64_250))
    found = await replaced(main, old.venue_order_id, "c131-b")
    assert refused(found.canceled).not_found
    assert refused(found.placed).reason == "replaced_order_not_canceled"
    assert "c131-b" not in await at_venue(exchange)


async def test_card_132_a_new_order_that_is_refused_leaves_the_old_one_canceled(main: Desk, other: Desk) -> None:
    old = await main.placed("c132")
    await other.placed("c132-maker", Side.SELL, price=Decimal(64_250))
    found = await replaced(main, old.venue_order_id, "c132-b", price=Decimal(64_250), post_only=True)
    assert shown(found.canceled).status is State.CANCELED
    assert refused(found.placed).reason == "would_match_immediately"


async def test_card_133_without_an_answer_nothing_is_said_of_either_and_a_read_tells(
    exchange: Exchange, main: Desk
) -> None:
    old = await main.placed("c133")
    await exchange.break_calls(*({"kind": "answer_lost", "call": call} for call in CALLS))
    found = await replaced(main, old.venue_order_id, "c133-b")
    assert isinstance(found.canceled, Unknown)
    assert isinstance(found.placed, Unknown)
    await exchange.break_calls()
    views = [await main.reading.lookup(BTC, ClientOrderId(name)) for name in ("c133", "c133-b")]
    assert [view and view.status for view in views] == [State.CANCELED, State.ACCEPTED]


async def test_card_134_a_request_that_is_refused_as_a_whole_ends_nothing(exchange: Exchange, main: Desk) -> None:
    old = await main.placed("c134")
    await exchange.break_calls(*({"kind": "rate_limited", "call": call, "retryAfterSeconds": 1} for call in CALLS))
    found = await replaced(main, old.venue_order_id, "c134-b")
    assert isinstance(found.canceled, Throttled)
    assert isinstance(found.placed, Throttled)
    assert await at_venue(exchange) == {"c134": "NEW"}
