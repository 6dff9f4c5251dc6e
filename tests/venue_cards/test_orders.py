"""Cards 1 to 29: what every adapter must do with orders that go well, and with those the venue refuses."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ordergate.ports.venue import Executed, IdScope, NotExecuted, NotSent, PlacesLists, Unknown
from ordergate.trading.errors import Misuse
from ordergate.trading.ids import ClientOrderId, TradeId, VenueOrderId
from ordergate.trading.order import (
    ListKind,
    OrderListMembership,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    State,
    TimeInForce,
)
from ordergate.venues.binance_spot.lists import OneCancelsOther
from ordergate.venues.binance_spot.trading import BinanceSpotTrading
from tests.venue_cards.desk import BTC, Desk, shown


async def test_card_01_a_resting_order_is_accepted_as_it_was_asked_for(main: Desk) -> None:
    view = await main.placed("c01", price=Decimal("64000.5"), quantity=Decimal("1.25"))
    assert view.status is State.ACCEPTED
    assert (view.client_order_id, view.symbol, view.side, view.type) == ("c01", BTC, Side.BUY, OrderType.LIMIT)
    assert (view.price, view.quantity) == (Decimal("64000.5"), Decimal("1.25"))
    assert view.executed_quantity == 0
    [(timestamp, _)] = main.write_aheads
    assert view.created_at_ms >= timestamp - 1_000


async def test_card_02_a_marketable_order_fills(main: Desk, other: Desk) -> None:
    await other.placed("c02-book", Side.SELL)
    view = await main.placed("c02", Side.BUY, type=OrderType.MARKET)
    assert view.status is State.FILLED
    assert view.executed_quantity == Decimal("0.010")
    [trade] = await main.reading.trades(BTC, from_id=None, limit=10)
    assert trade.client_order_id in {None, "c02"}, "not every venue names it"
    assert (trade.price, trade.quantity) == (Decimal(64000), Decimal("0.010"))
    assert trade.venue_order_id == view.venue_order_id
    assert trade.fee > 0


async def test_card_03_a_partial_fill_shows_what_was_executed(main: Desk, other: Desk) -> None:
    resting = await main.placed("c03", quantity=Decimal(1))
    await other.placed("c03-taker", Side.SELL, type=OrderType.MARKET, quantity=Decimal("0.4"))
    seen = await main.reading.order(BTC, resting.venue_order_id)
    assert seen is not None
    assert (seen.status, seen.executed_quantity) == (State.PARTIALLY_FILLED, Decimal("0.4"))
    told = [trade.quantity for trade in await main.reading.trades(BTC, from_id=None, limit=10)]
    assert told == ([] if main.reading.declaration.hides_maker_fills else [Decimal("0.4")])


async def test_card_04_a_cancel_ends_the_order(main: Desk) -> None:
    resting = await main.placed("c04")
    ended = shown(await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id))
    assert (ended.status, ended.executed_quantity) == (State.CANCELED, Decimal(0))
    assert await main.reading.open_orders() == []


async def test_card_05_a_cancel_that_meets_a_fill_is_too_late_and_shows_the_fill(main: Desk, other: Desk) -> None:
    resting = await main.placed("c05")
    await other.placed("c05-taker", Side.SELL, type=OrderType.MARKET)
    answer = await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id)
    assert isinstance(answer, NotExecuted)
    assert answer.too_late
    assert answer.view is not None
    assert answer.view.status is State.FILLED


async def test_card_06_a_cancel_of_an_unknown_order_answers_the_cancel_only(main: Desk) -> None:
    answer = await main.trading.cancel(BTC, venue_order_id=VenueOrderId("987654321"))
    assert isinstance(answer, NotExecuted)
    assert answer.not_found
    assert not answer.too_late
    assert answer.error_id


async def test_card_07_cancel_all_leaves_nothing_open(main: Desk, other: Desk) -> None:
    for number in range(3):
        await main.placed(f"c07-{number}")
    await other.placed("c07-other")
    assert isinstance(await main.trading.cancel_all(BTC), Executed)
    assert await main.reading.open_orders() == []
    assert len(await other.reading.open_orders()) == 1


async def test_card_08_a_conditional_order_waits_and_is_among_the_open_ones(main: Desk, other: Desk) -> None:
    await other.placed("c08-book", Side.SELL)
    view = await main.placed("c08", type=OrderType.STOP_MARKET, price=None, stop_price=Decimal(66000))
    assert view.status in {State.PENDING, State.ACCEPTED}
    assert view.stop_price == Decimal(66000)
    assert [each.client_order_id for each in await main.reading.open_orders(BTC)] == ["c08"]


@pytest.mark.venues("zetarium")
async def test_card_09_a_batch_has_an_outcome_for_each_leg(main: Desk) -> None:
    requests = [
        main.request("c09-good"),
        main.request("c09-tick", price=Decimal("64000.05")),
        main.request("c09-large", quantity=Decimal(1000)),
        main.request("c09-also"),
    ]
    good, tick, large, also = await main.zetarium.place_batch(
        requests, write_ahead=main.write_ahead, deadline_seconds=1
    )
    assert shown(good).client_order_id == "c09-good"
    assert shown(also).client_order_id == "c09-also"
    assert isinstance(tick, NotExecuted)
    assert tick.reason == "PRICE_FILTER"
    assert isinstance(large, NotExecuted)
    assert large.reason == "max_order_notional_exceeded"
    assert len(main.write_aheads) == 1
    with pytest.raises(Misuse):
        await main.zetarium.place_batch([requests[0]] * 2, write_ahead=main.write_ahead, deadline_seconds=1)


@pytest.mark.venues("zetarium")
async def test_card_10_closing_a_position_leaves_none(main: Desk, other: Desk) -> None:
    await other.placed("c10-book", Side.SELL)
    await main.placed("c10", type=OrderType.MARKET)
    await other.placed("c10-bid", Side.BUY, quantity=Decimal(1))
    [position] = await main.reading.positions()
    closing = await main.zetarium.close_position(position.position_id, write_ahead=main.write_ahead, deadline_seconds=1)
    assert shown(closing).status is State.FILLED
    assert await main.reading.positions() == []
    again = await main.zetarium.close_position(position.position_id, write_ahead=None, deadline_seconds=1)
    assert isinstance(again, NotExecuted)
    assert again.not_found


async def test_card_11_trades_are_paged_by_id_without_a_gap(main: Desk, other: Desk) -> None:
    await other.placed("c11-book", Side.SELL, quantity=Decimal(1))
    for number in range(7):
        await main.placed(f"c11-{number}", type=OrderType.MARKET)
    everything = await main.reading.trades(BTC, from_id=None, limit=100)
    assert len(everything) == 7
    paged: list[TradeId] = []
    cursor: TradeId | None = None
    while page := await main.reading.trades(BTC, from_id=cursor, limit=3):
        paged += [trade.trade_id for trade in page]
        cursor = TradeId(str(int(page[-1].trade_id) + 1))
    assert paged == [trade.trade_id for trade in everything]
    from_second = await main.reading.trades(BTC, from_id=everything[1].trade_id, limit=100)
    assert from_second == everything[1:], "fromId is inclusive"


@pytest.mark.venues("zetarium", "binance-futures")
async def test_card_12_a_position_is_signed_and_priced(main: Desk, other: Desk) -> None:
    await other.placed("c12-book", Side.BUY)
    await main.placed("c12", Side.SELL, type=OrderType.MARKET)
    [position] = await main.reading.positions()
    assert (position.symbol, position.quantity, position.entry_price) == (BTC, Decimal("-0.010"), Decimal(64000))
    assert position.position_side is PositionSide.BOTH


@pytest.mark.venues("zetarium", "binance-futures")
async def test_card_13_a_fee_leaves_the_balance(main: Desk, other: Desk) -> None:
    [before] = await main.reading.balances()
    await other.placed("c13-book", Side.SELL)
    await main.placed("c13", type=OrderType.MARKET)
    [trade] = await main.reading.trades(BTC, from_id=None, limit=10)
    [after] = await main.reading.balances()
    assert before.asset == "USDT"
    assert before.wallet - after.wallet == trade.fee


@pytest.mark.parametrize(
    ("terms", "filter_name"),
    [
        ({"price": Decimal("64000.05")}, "PRICE_FILTER"),
        ({"quantity": Decimal("0.0105")}, "LOT_SIZE"),
        ({"price": Decimal(90000)}, "PERCENT_PRICE"),
        ({"quantity": Decimal(130), "type": OrderType.MARKET}, "MARKET_LOT_SIZE"),
    ],
)
async def test_card_14_a_filter_refusal_names_the_filter(main: Desk, terms: dict[str, Any], filter_name: str) -> None:
    refusal = await main.place("c14", **terms)
    assert isinstance(refusal, NotExecuted)
    assert (refusal.reason, refusal.credentials) == (main.kit.words.get(filter_name, filter_name), False)
    assert refusal.error_id
    assert main.records[-1].error_id == refusal.error_id
    assert await main.reading.lookup(BTC, ClientOrderId("c14")) is None


@pytest.mark.venues("zetarium")
async def test_card_15_the_notional_cap_is_named_with_its_error_id(main: Desk) -> None:
    refusal = await main.place("c15", quantity=Decimal(160))
    assert isinstance(refusal, NotExecuted)
    assert refusal.reason == "max_order_notional_exceeded"
    assert refusal.error_id


@pytest.mark.venues("zetarium")
async def test_card_16_the_same_order_again_is_the_same_order(main: Desk) -> None:
    first = await main.placed("c16")
    second = await main.placed("c16")
    assert first.venue_order_id == second.venue_order_id
    assert len(await main.reading.open_orders()) == 1


async def test_card_17_an_id_with_other_terms_is_no_answer_about_this_order(main: Desk) -> None:
    await main.placed("c17")
    answer = await main.place("c17", quantity=Decimal("0.020"))
    assert isinstance(answer, Unknown)
    forever = main.reading.declaration.id_scope is IdScope.FOREVER
    assert (answer.reason == "answer_differs_quantity") == forever, "elsewhere the id is in use, perhaps by ourselves"


async def test_card_18_another_accounts_id_is_unknown(main: Desk, other: Desk) -> None:
    """Where ids are the account's alone this simply places; both are right, a refusal as not executed is not."""
    await other.placed("c18")
    answer = await main.place("c18")
    if isinstance(answer, Executed):
        assert answer.view is not None
        assert len(await main.reading.open_orders()) == 1
    else:
        assert isinstance(answer, Unknown)


async def test_card_19_what_the_venue_would_ignore_is_never_sent(main: Desk) -> None:
    before = len(main.records)
    for terms in main.kit.lacks:
        answer = await main.place("c19", **terms)
        assert isinstance(answer, NotSent), terms
        assert answer.reason.startswith("unsupported_")
        assert not answer.retriable
    assert len(main.records) == before
    assert main.write_aheads == []


async def test_card_20_public_facts_need_no_key(main: Desk) -> None:
    instruments, prices = await asyncio.gather(main.market.instruments(), main.market.prices())
    btc = next(each for each in instruments if each.symbol == BTC)
    assert (btc.trading, btc.tick_size, btc.quote_asset) == (True, Decimal("0.1"), "USDT")
    assert {each.symbol for each in prices} == {each.symbol for each in instruments}
    assert all(each.key_id is None for each in main.records if each.path in main.kit.public_paths)


@pytest.mark.venues("zetarium")
async def test_card_21_the_open_list_is_complete_over_its_pages(main: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordergate.venues.zetarium.client.ORDERS_PAGE", 4)
    for number in range(9):
        await main.placed(f"c21-{number}")
    found = await main.reading.open_orders()
    assert [each.client_order_id for each in found] == [f"c21-{number}" for number in range(9)]


@pytest.mark.venues("binance-spot", "binance-spot-socket")
async def test_card_22_what_was_bought_is_held_and_its_fee_is_taken_from_it(main: Desk, other: Desk) -> None:
    before = {each.asset: each.wallet for each in await main.reading.balances()}
    await other.placed("c22-book", Side.SELL)
    await main.placed("c22", type=OrderType.MARKET)
    [trade] = await main.reading.trades(BTC, from_id=None, limit=10)
    after = {each.asset: each.wallet for each in await main.reading.balances()}
    assert trade.fee_asset == "BTC"
    assert after["BTC"] - before["BTC"] == trade.quantity - trade.fee
    assert before["USDT"] - after["USDT"] == trade.price * trade.quantity
    assert list(await main.reading.positions()) == []


async def test_card_23_the_trades_that_an_answer_tells_of_are_those_of_the_trade_list(main: Desk, other: Desk) -> None:
    for number, price in enumerate((64000, 64001, 64002)):
        await other.placed(f"c23-book-{number}", Side.SELL, price=Decimal(price))
    outcome = await main.place("c23", type=OrderType.MARKET, quantity=Decimal("0.025"))
    assert isinstance(outcome, Executed)
    listed = await main.reading.trades(BTC, from_id=None, limit=10)
    assert sum(trade.quantity for trade in listed) == Decimal("0.025")
    if outcome.trades:
        assert [replace(trade, client_order_id=None) for trade in outcome.trades] == list(listed)


@pytest.mark.venues("binance-spot", "binance-spot-socket")
@pytest.mark.parametrize(
    "terms",
    [
        {"time_in_force": TimeInForce.IOC},
        {"time_in_force": TimeInForce.FOK},
        {"post_only": True},
        {"iceberg_quantity": Decimal("0.002")},
        {"self_trade_prevention": SelfTradePrevention.EXPIRE_TAKER},
        {"type": OrderType.STOP, "stop_price": Decimal(66000), "price": Decimal(66100)},
        {"type": OrderType.TAKE_PROFIT, "stop_price": Decimal(60000)},
        {"type": OrderType.TAKE_PROFIT_MARKET, "stop_price": Decimal(60000), "price": None},
        {"type": OrderType.STOP_MARKET, "trailing_delta": 100, "price": None},
    ],
    ids=str,
)
async def test_card_24_every_kind_of_order_is_taken_as_it_was_asked_for(main: Desk, terms: dict[str, Any]) -> None:
    view = await main.placed("c24", **terms)
    assert view.type is terms.get("type", OrderType.LIMIT)
    found = await main.reading.lookup(BTC, ClientOrderId("c24"))
    assert found is not None
    assert (found.type, found.price, found.stop_price) == (view.type, view.price, view.stop_price)


@pytest.mark.venues("binance-spot", "binance-spot-socket")
async def test_card_25_an_order_by_quote_quantity_spends_no_more_than_that(main: Desk, other: Desk) -> None:
    await other.placed("c25-book", Side.SELL, quantity=Decimal(1))
    view = await main.placed("c25", type=OrderType.MARKET, quantity=None, quote_quantity=Decimal(1000))
    assert view.executed_quantity == Decimal("0.015")
    assert view.status in {State.FILLED, State.EXPIRED}


@pytest.mark.venues("binance-spot", "binance-spot-socket")
async def test_card_26_a_replacement_tells_both_halves(main: Desk) -> None:
    spot = main.trading
    assert isinstance(spot, BinanceSpotTrading)
    old = await main.placed("c26-old")
    request = main.request("c26-new", price=Decimal(63000))
    found = await spot.replace(request, canceled=old.venue_order_id, write_ahead=main.write_ahead, deadline_seconds=1)
    assert shown(found.canceled).status is State.CANCELED
    assert shown(found.placed).price == Decimal(63000)
    again = main.request("c26-again", price=Decimal(62000))
    late = await spot.replace(again, canceled=old.venue_order_id, write_ahead=main.write_ahead, deadline_seconds=1)
    assert isinstance(late.canceled, NotExecuted)
    assert late.canceled.not_found
    assert isinstance(late.placed, NotExecuted), "STOP_ON_FAILURE: it was not attempted"
    assert late.placed.reason == "replaced_order_not_canceled"
    assert [each.client_order_id for each in await main.reading.open_orders(BTC)] == ["c26-new"]


@pytest.mark.venues("binance-spot", "binance-spot-socket")
async def test_card_27_a_list_has_an_outcome_for_each_leg_and_ends_as_one(main: Desk) -> None:
    spot = main.trading
    assert isinstance(spot, BinanceSpotTrading)
    orders = OneCancelsOther(
        above=main.request("c27-profit", Side.SELL, price=Decimal(66000), post_only=True),
        below=main.request("c27-loss", Side.SELL, type=OrderType.STOP_MARKET, price=None, stop_price=Decimal(62000)),
        list_client_order_id=ClientOrderId("c27-list"),
    )
    profit, loss = await spot.place_list(orders, write_ahead=main.write_ahead, deadline_seconds=1)
    assert shown(profit).type is OrderType.LIMIT
    assert shown(loss).stop_price == Decimal(62000)
    ended = await main.trading.cancel(BTC, venue_order_id=shown(loss).venue_order_id)
    assert shown(ended).client_order_id == "c27-loss"
    assert list(await main.reading.open_orders()) == []


async def test_card_27b_the_legs_of_a_list_are_answered_in_their_order_where_the_venue_declares_lists(
    main: Desk,
) -> None:
    spot = main.trading
    assert isinstance(spot, PlacesLists) is bool(main.reading.declaration.order_lists)
    if not isinstance(spot, PlacesLists):
        return
    plain = (
        main.request("c27-entry", price=Decimal(63000)),
        main.request("c27-loss", Side.SELL, type=OrderType.STOP_MARKET, price=None, stop_price=Decimal(62000)),
        main.request("c27-profit", Side.SELL, price=Decimal(66000), post_only=True),
    )
    names = tuple(leg.key.client_order_id for leg in plain)
    legs = [
        replace(
            leg,
            order_list=OrderListMembership(
                list_client_order_id=ClientOrderId("c27"), kind=ListKind.OTOCO, leg=place, legs=names
            ),
        )
        for place, leg in enumerate(plain, 1)
    ]
    outcomes = await spot.place_legs(legs, write_ahead=main.write_ahead, deadline_seconds=1)
    assert [(shown(each).client_order_id, shown(each).status) for each in outcomes] == [
        ("c27-entry", State.ACCEPTED),
        ("c27-loss", State.PENDING),
        ("c27-profit", State.PENDING),
    ]
    assert len(main.write_aheads) == 1


@pytest.mark.venues("binance-spot", "binance-spot-socket")
async def test_card_28_an_amended_order_keeps_its_name_and_number(main: Desk) -> None:
    spot = main.trading
    assert isinstance(spot, BinanceSpotTrading)
    old = await main.placed("c28")
    outcome = await spot.amend(
        BTC,
        venue_order_id=old.venue_order_id,
        client_order_id=ClientOrderId("c28"),
        quantity=Decimal("0.004"),
        deadline_seconds=1,
    )
    assert (shown(outcome).quantity, shown(outcome).client_order_id) == (Decimal("0.004"), "c28")
    [found] = await main.reading.open_orders(BTC)
    assert (found.venue_order_id, found.quantity, found.client_order_id) == (
        old.venue_order_id,
        Decimal("0.004"),
        "c28",
    )


@pytest.mark.venues("binance-spot", "binance-spot-socket")
async def test_card_29_an_order_to_be_validated_is_judged_and_never_placed(main: Desk) -> None:
    good = replace(main.request("c29"), validate_only=True)
    bad = replace(main.request("c29", price=Decimal("64000.05")), validate_only=True)
    answers = [await main.trading.place(each, write_ahead=main.write_ahead, deadline_seconds=1) for each in (good, bad)]
    assert answers == [
        NotSent(reason="validate_only", retriable=False),
        NotSent(reason="validate_refused_PRICE_FILTER", retriable=False),
    ]
    assert list(await main.reading.open_orders()) == []
    assert main.write_aheads == []


@pytest.mark.venues("zetarium", "binance-spot")
async def test_card_22b_an_account_that_trades_with_itself_has_both_sides_of_the_trade(main: Desk) -> None:
    """What the venue tells of it differs; what it tells of the same trade twice is two orders' fills, and no disorder."""
    resting = await main.placed("c22b-rests", Side.SELL)
    await main.placed("c22b-takes", Side.BUY, type=OrderType.MARKET)
    found = await main.reading.trades(BTC, from_id=None, limit=10)
    both = {trade.venue_order_id for trade in found}
    assert len(both) == len(found)
    assert (resting.venue_order_id in both) is not main.reading.declaration.hides_maker_fills
