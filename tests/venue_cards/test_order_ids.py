"""Cards 50 to 53: what a client order id is worth at exchanges that keep it for ever, while its order is open, or not at all."""

from decimal import Decimal

import pytest

from ordergate.ports.venue import Deviation, Executed, IdScope, Outcome, Unknown
from ordergate.trading.errors import VenueUnavailable
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.order import Side, State, VenueView
from tests.venue_cards.desk import BTC, Desk, Exchange, open_exchange, shown
from tests.venue_cards.kits import Kit

OPEN_ONLY = Deviation(id_scope=IdScope.OPEN_ONLY)


async def _fill_then_send_again(exchange: Exchange) -> tuple[VenueView, Outcome]:
    main, other = await exchange.desk("main"), await exchange.desk("other")
    await other.placed("book", Side.SELL)
    placed = await main.placed("c50")  # an answer may show an order that may rest as it was taken
    first = await main.reading.order(BTC, placed.venue_order_id)
    assert first is not None
    assert first.status is State.FILLED
    return first, await main.place("c50")


async def _executed(exchange: Exchange) -> Decimal:
    ledger = await exchange.ledger()
    return sum((Decimal(order["executedQuantity"]) for order in ledger["orders"]), Decimal(0)) / 2


@pytest.mark.venues("zetarium")
async def test_card_50_a_second_request_is_the_first_order_where_ids_are_kept_for_ever(kit: Kit) -> None:
    async with open_exchange(kit) as exchange:
        first, again = await _fill_then_send_again(exchange)
        assert shown(again).venue_order_id == first.venue_order_id


@pytest.mark.parametrize("mode", ["open_only", "none"])
async def test_card_51_a_blind_resend_doubles_where_a_finished_order_frees_its_id(kit: Kit, mode: str) -> None:
    """Why nothing is sent again before the fence: the venue itself protects nobody here."""
    async with open_exchange(kit, clientIds=mode, deviation=Deviation(id_scope=IdScope(mode))) as exchange:
        other = await exchange.desk("other")
        await other.placed("more", Side.SELL)
        first, again = await _fill_then_send_again(exchange)
        assert shown(again).venue_order_id != first.venue_order_id
        assert await _executed(exchange) == Decimal("0.020")
        newest = await (await exchange.desk("main")).reading.lookup(BTC, ClientOrderId("c50"))
        assert newest is not None
        assert newest.venue_order_id == shown(again).venue_order_id


async def test_card_52_a_duplicate_of_an_open_order_is_unknown_because_it_may_be_our_own(kit: Kit) -> None:
    async with open_exchange(kit, clientIds="open_only", deviation=OPEN_ONLY) as exchange:
        main = await exchange.desk("main")
        await main.placed("c52")
        again = await main.place("c52")
        assert isinstance(again, Unknown), again


@pytest.mark.venues("zetarium")
async def test_card_53_two_orders_of_one_id_are_no_answer_where_ids_are_declared_to_be_kept(kit: Kit) -> None:
    async with open_exchange(kit, clientIds="none") as exchange:
        main: Desk = await exchange.desk("main")
        for _ in range(2):
            assert isinstance(await main.place("c53"), Executed)
        with pytest.raises(VenueUnavailable, match="other orders"):
            await main.reading.lookup(BTC, ClientOrderId("c53"))
