"""Cards 100 to 121: what only perpetual futures of Binance have. Conditional orders are orders of another service there, with other ids."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ordergate.ports.venue import DeadMansSwitch, Executed, NotExecuted, Unknown
from ordergate.trading.ids import ClientOrderId, VenueOrderId
from ordergate.trading.order import OrderType, PositionSide, SelfTradePrevention, Side, State, TimeInForce, VenueView
from ordergate.venues.binance_futures.client import BinanceFuturesReading, BinanceFuturesTrading
from tests.venue_cards.desk import BTC, Desk, Exchange, shown

pytestmark = pytest.mark.venues("binance-futures")
PLACE_ALGO, CANCEL_ALGO = "POST /fapi/v1/algoOrder", "DELETE /fapi/v1/algoOrder"
TEN_DAYS_MS = 10 * 86_400_000


def trading_of(desk: Desk) -> BinanceFuturesTrading:
    assert isinstance(desk.trading, BinanceFuturesTrading)
    return desk.trading


def reading_of(desk: Desk) -> BinanceFuturesReading:
    assert isinstance(desk.reading, BinanceFuturesReading)
    return desk.reading


async def stopped(desk: Desk, name: str, **terms: Any) -> VenueView:
    """A stop that buys above the market, waiting."""
    given = {"type": OrderType.STOP_MARKET, "price": None, "stop_price": Decimal(66000), **terms}
    return await desk.placed(name, **given)


async def reach(exchange: Exchange, price: int) -> None:
    await exchange.door("POST", "/simulator/price", {"symbol": "BTCUSDT", "price": str(price)})


async def read(desk: Desk, name: VenueOrderId) -> VenueView:
    found = await desk.reading.order(BTC, name)
    assert found is not None
    return found


async def until(desk: Desk, name: VenueOrderId, state: State) -> VenueView:
    async with asyncio.timeout(5):
        while (found := await read(desk, name)).status is not state:
            pass
    return found


async def test_card_100_a_triggered_order_is_filled_under_its_own_name(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    view = await stopped(main, "c100")
    assert view.venue_order_id.startswith("algo-")
    await other.placed("c100-book", Side.SELL, price=Decimal(66100))
    await reach(exchange, 66050)
    filled = await until(main, view.venue_order_id, State.FILLED)
    assert (filled.type, filled.stop_price, filled.executed_quantity) == (
        OrderType.STOP_MARKET,
        Decimal(66000),
        Decimal("0.010"),
    )
    assert await main.reading.lookup(BTC, ClientOrderId("c100")) == filled
    [trade] = await main.reading.trades(BTC, from_id=None, limit=10)
    assert trade.venue_order_id != view.venue_order_id, "the trade is of the order that the trigger made"
    assert await read(main, trade.venue_order_id) == filled, "which is nobody's but ours"
    assert list(await main.reading.open_orders()) == []


async def test_card_101_what_rests_after_the_trigger_keeps_its_name_in_the_list(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    view = await stopped(main, "c101", type=OrderType.STOP, price=Decimal(65900))
    [before] = await main.reading.open_orders()
    await other.placed("c101-book", Side.SELL, price=Decimal(66200))
    await reach(exchange, 66050)
    async with asyncio.timeout(5):
        while (await main.reading.open_orders(BTC))[0].updated_at_ms == before.updated_at_ms:
            pass
    [after] = await main.reading.open_orders()
    assert before.venue_order_id == after.venue_order_id == view.venue_order_id
    assert (after.type, after.price, after.status) == (OrderType.STOP, Decimal(65900), State.ACCEPTED)
    fresh = await exchange.desk("main")
    [seen_anew] = await fresh.reading.open_orders()
    assert seen_anew == after, "also to a process that knows nothing of it yet"


async def test_card_102_a_conditional_order_is_canceled_before_its_trigger_and_after(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    waiting = await stopped(main, "c102-waiting")
    ended = shown(await main.trading.cancel(BTC, venue_order_id=waiting.venue_order_id))
    assert (ended.venue_order_id, ended.status) == (waiting.venue_order_id, State.CANCELED)
    working = await stopped(main, "c102-working", type=OrderType.STOP, price=Decimal(65900))
    await other.placed("c102-book", Side.SELL, price=Decimal(66200))
    await reach(exchange, 66050)
    async with asyncio.timeout(5):
        while (await read(main, working.venue_order_id)).updated_at_ms == working.updated_at_ms:
            pass
    canceled = shown(await main.trading.cancel(BTC, venue_order_id=working.venue_order_id))
    assert (canceled.venue_order_id, canceled.status) == (working.venue_order_id, State.CANCELED)
    late = await main.trading.cancel(BTC, venue_order_id=working.venue_order_id)
    assert isinstance(late, NotExecuted)
    assert late.too_late
    assert list(await main.reading.open_orders()) == []


async def test_card_103_a_cancel_that_meets_a_triggered_fill_is_a_fill(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    view = await stopped(main, "c103")
    await other.placed("c103-book", Side.SELL, price=Decimal(66100))
    await reach(exchange, 66050)
    await until(main, view.venue_order_id, State.FILLED)
    late = await main.trading.cancel(BTC, venue_order_id=view.venue_order_id)
    assert isinstance(late, NotExecuted)
    assert late.too_late
    assert late.view is not None
    assert (late.view.venue_order_id, late.view.executed_quantity) == (view.venue_order_id, Decimal("0.010"))


async def test_card_104_nothing_is_open_only_when_both_services_say_so(main: Desk) -> None:
    await main.placed("c104-plain")
    await stopped(main, "c104-stop")
    assert {each.client_order_id for each in await main.reading.open_orders()} == {"c104-plain", "c104-stop"}
    assert isinstance(await main.trading.cancel_all(None), Executed)
    assert list(await main.reading.open_orders()) == []


@pytest.mark.parametrize("kind", ["answer_lost", "reset"])
async def test_card_105_a_conditional_order_whose_answer_is_lost_is_found_by_its_client_id(
    exchange: Exchange, main: Desk, kind: str
) -> None:
    await exchange.break_calls({"kind": kind, "call": PLACE_ALGO, "times": 1})
    outcome = await main.place("c105", type=OrderType.STOP_MARKET, price=None, stop_price=Decimal(66000))
    assert isinstance(outcome, Unknown)
    found = await main.reading.lookup(BTC, ClientOrderId("c105"))
    if found is not None:
        assert found.venue_order_id.startswith("algo-")
    again = await main.place("c105", type=OrderType.STOP_MARKET, price=None, stop_price=Decimal(66000))
    assert isinstance(again, Unknown if found is not None else Executed), "an id in use may be our own"


async def test_card_106_a_lost_answer_to_a_cancel_of_a_conditional_order_may_be_asked_again(
    exchange: Exchange, main: Desk
) -> None:
    view = await stopped(main, "c106")
    await exchange.break_calls({"kind": "answer_lost", "call": CANCEL_ALGO, "times": 1})
    assert isinstance(await main.trading.cancel(BTC, venue_order_id=view.venue_order_id), Unknown)
    again = await main.trading.cancel(BTC, venue_order_id=view.venue_order_id)
    assert isinstance(again, NotExecuted)
    assert again.too_late
    assert again.view is not None
    assert again.view.status is State.CANCELED


async def test_card_107_an_order_that_would_trigger_at_once_is_refused(main: Desk) -> None:
    refused = await main.place("c107", type=OrderType.STOP_MARKET, price=None, stop_price=Decimal(60000))
    assert isinstance(refused, NotExecuted)
    assert refused.reason == "WOULD_TRIGGER_IMMEDIATELY"
    assert await main.reading.lookup(BTC, ClientOrderId("c107")) is None


@pytest.mark.parametrize(
    "terms",
    [
        {"time_in_force": TimeInForce.GTD, "good_till_ms": 2_000_000_000_000},
        {"post_only": True},
        {"self_trade_prevention": SelfTradePrevention.EXPIRE_TAKER},
        {"type": OrderType.STOP, "stop_price": Decimal(66000), "price": Decimal(66100)},
        {"type": OrderType.TAKE_PROFIT, "stop_price": Decimal(60000)},
        {"type": OrderType.TAKE_PROFIT_MARKET, "stop_price": Decimal(60000), "price": None},
        {"type": OrderType.STOP_MARKET, "trailing_delta": 100, "price": None},
        {"type": OrderType.STOP_MARKET, "trailing_delta": 100, "price": None, "stop_price": Decimal(60000)},
    ],
    ids=str,
)
async def test_card_108_every_kind_of_order_is_taken_as_it_was_asked_for(main: Desk, terms: dict[str, Any]) -> None:
    view = await main.placed("c108", **terms)
    assert view.type is terms.get("type", OrderType.LIMIT)
    found = await main.reading.lookup(BTC, ClientOrderId("c108"))
    assert found is not None
    assert (found.venue_order_id, found.type, found.price, found.stop_price) == (
        view.venue_order_id,
        view.type,
        view.price,
        view.stop_price,
    )


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"post_only": True}, "GTX_ORDER_REJECT"),
        ({"time_in_force": TimeInForce.FOK, "quantity": Decimal(5)}, "FOK_ORDER_REJECT"),
    ],
)
async def test_card_109_what_cannot_be_done_at_once_or_as_maker_is_refused_by_name(
    main: Desk, other: Desk, terms: dict[str, Any], reason: str
) -> None:
    await other.placed("c109-book", Side.SELL)
    refused = await main.place("c109", **terms)
    assert isinstance(refused, NotExecuted)
    assert refused.reason == reason


async def test_card_110_a_batch_has_an_outcome_for_each_leg(main: Desk) -> None:
    trading = trading_of(main)
    requests = [
        main.request("c110-good"),
        main.request("c110-tick", price=Decimal("64000.05")),
        main.request("c110-also"),
    ]
    legs = await trading.place_batch(requests, write_ahead=main.write_ahead, deadline_seconds=1)
    assert [type(leg) for leg in legs] == [Executed, NotExecuted, Executed]
    assert len(main.write_aheads) == 1
    names = [shown(legs[0]).venue_order_id, VenueOrderId("987654321"), shown(legs[2]).venue_order_id]
    canceled = await trading.cancel_batch(BTC, names)
    assert [type(leg) for leg in canceled] == [Executed, NotExecuted, Executed]
    assert list(await main.reading.open_orders()) == []


async def test_card_111_a_modified_order_keeps_its_name_and_goes_to_the_end_of_the_queue(
    main: Desk, other: Desk
) -> None:
    first = await main.placed("c111")
    await other.placed("c111-behind")
    terms = replace(main.request("c111").terms, quantity=Decimal("0.020"))
    outcome = await trading_of(main).modify(
        BTC, first.venue_order_id, terms, write_ahead=main.write_ahead, deadline_seconds=1
    )
    assert (shown(outcome).venue_order_id, shown(outcome).quantity) == (first.venue_order_id, Decimal("0.020"))
    [behind] = await other.reading.open_orders()
    assert behind.client_order_id == "c111-behind"


async def test_card_112_the_dead_mans_switch_cancels_when_nobody_speaks_any_more(
    exchange: Exchange, main: Desk
) -> None:
    switch = main.trading
    assert isinstance(switch, DeadMansSwitch)
    await main.placed("c112")
    assert isinstance(await switch.cancel_all_after(BTC, countdown_ms=60_000), Executed)
    assert isinstance(await switch.cancel_all_after(BTC, countdown_ms=120_000), Executed), "refreshed"
    await exchange.door("POST", "/simulator/clock", {"offsetMs": 90_000})
    assert len(await main.reading.open_orders()) == 1
    await exchange.door("POST", "/simulator/clock", {"offsetMs": 130_000})
    async with asyncio.timeout(5):
        while await main.reading.open_orders(BTC):
            pass


async def test_card_113_a_switch_that_was_turned_off_cancels_nothing(exchange: Exchange, main: Desk) -> None:
    switch = trading_of(main)
    await main.placed("c113")
    await switch.cancel_all_after(BTC, countdown_ms=60_000)
    assert isinstance(await switch.cancel_all_after(BTC, countdown_ms=0), Executed)
    await exchange.door("POST", "/simulator/clock", {"offsetMs": 90_000})
    assert len(await main.reading.open_orders()) == 1


async def test_card_114_settings_are_taken_and_taken_again(main: Desk) -> None:
    trading = trading_of(main)
    for _ in range(2):
        assert isinstance(await trading.set_leverage(BTC, 10), Executed)
        assert isinstance(await trading.set_margin_type(BTC, isolated=True), Executed)
        assert isinstance(await trading.set_position_mode(hedge=True), Executed)
    assert await reading_of(main).is_hedging()
    wrong = await main.place("c114")
    assert isinstance(wrong, NotExecuted)
    assert wrong.reason == "POSITION_SIDE_NOT_MATCH"


async def test_card_115_in_hedge_mode_both_sides_are_held_and_closed_apart(main: Desk, other: Desk) -> None:
    assert isinstance(await trading_of(main).set_position_mode(hedge=True), Executed)
    await other.placed("c115-ask", Side.SELL, price=Decimal(64010))
    await other.placed("c115-bid", Side.BUY, price=Decimal(63990), quantity=Decimal("0.030"))
    await main.placed("c115-long", Side.BUY, type=OrderType.MARKET, position_side=PositionSide.LONG)
    await main.placed("c115-short", Side.SELL, type=OrderType.MARKET, position_side=PositionSide.SHORT)
    held = {each.position_side: each.quantity for each in await main.reading.positions()}
    assert held == {PositionSide.LONG: Decimal("0.010"), PositionSide.SHORT: Decimal("-0.010")}
    await main.placed("c115-close", Side.SELL, type=OrderType.MARKET, position_side=PositionSide.LONG, reduce_only=True)
    held = {each.position_side: each.quantity for each in await main.reading.positions()}
    assert held == {PositionSide.SHORT: Decimal("-0.010")}


async def test_card_116_what_can_only_reduce_opens_nothing(main: Desk) -> None:
    refused = await main.place("c116", type=OrderType.MARKET, reduce_only=True)
    assert isinstance(refused, NotExecuted)
    assert refused.reason == "REDUCE_ONLY_REJECTED"
    assert list(await main.reading.positions()) == []


async def test_card_117_a_listen_key_is_one_until_it_is_closed(main: Desk) -> None:
    reading = reading_of(main)
    key = await reading.listen_key()
    assert await reading.listen_key() == key
    assert await reading.extend_listen_key()
    await reading.close_listen_key()
    assert not await reading.extend_listen_key()


async def test_card_118_trades_are_read_on_after_ten_days_of_silence(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    """The venue shows seven days at a time: a cursor from before them must not make what came after it invisible."""
    await other.placed("c118-book", Side.SELL, quantity=Decimal(1))
    for number in range(3):
        await main.placed(f"c118-{number}", type=OrderType.MARKET)
    before = await main.reading.trades(BTC, from_id=None, limit=100)
    await exchange.door("POST", "/simulator/clock", {"offsetMs": TEN_DAYS_MS})
    later = await exchange.desk("main")
    assert list(await later.reading.trades(BTC, from_id=before[0].trade_id, limit=100)) == list(before)
    await later.placed("c118-later", type=OrderType.MARKET)
    found = await later.reading.trades(BTC, from_id=before[0].trade_id, limit=100)
    assert len(found) == 4
    assert list(await later.reading.trades(BTC, from_id=None, limit=2)) == list(before[:2])


async def test_card_119_the_books_hold_a_conditional_order_once_whatever_became_of_it(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    ended = await stopped(main, "c119-canceled")
    await main.trading.cancel(BTC, venue_order_id=ended.venue_order_id)
    await stopped(main, "c119-waiting", stop_price=Decimal(69000))
    view = await stopped(main, "c119-triggered")
    await other.placed("c119-book", Side.SELL, price=Decimal(66100))
    await reach(exchange, 66050)
    await until(main, view.venue_order_id, State.FILLED)
    orders = [order for order in (await exchange.ledger())["orders"] if order["account"] == "main"]
    assert {order["clientOrderId"]: order["status"] for order in orders} == {
        "c119-canceled": "CANCELED",
        "c119-waiting": "NEW",
        "c119-triggered": "FILLED",
    }
    assert len(orders) == 3


@pytest.mark.parametrize(("kind", "prefix"), [("liquidation", "autoclose-"), ("adl", "adl_autoclose")])
async def test_card_120_what_the_venue_itself_closes_is_known_for_its_own(
    exchange: Exchange, main: Desk, other: Desk, kind: str, prefix: str
) -> None:
    await other.placed("c120-book", Side.SELL)
    await main.placed("c120", type=OrderType.MARKET)
    await other.placed("c120-bid", Side.BUY, price=Decimal(63900), quantity=Decimal(1))
    await exchange.door("POST", "/simulator/force", {"account": "main", "symbol": "BTCUSDT", "kind": kind})
    async with asyncio.timeout(5):
        while await main.reading.positions():
            pass
    trades = await main.reading.trades(BTC, from_id=None, limit=10)
    closing = await read(main, trades[-1].venue_order_id)
    assert closing.client_order_id is not None
    assert closing.client_order_id.startswith(prefix)
    assert closing.client_order_id.startswith(main.reading.declaration.own_order_prefixes)
    assert closing.executed_quantity == trades[-1].quantity == Decimal("0.010")


async def test_card_121_in_the_middle_of_triggers_every_read_shows_our_orders_under_their_names(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    """Lists, lookups and reads by either name, while prices move through the triggers."""
    names: dict[str, VenueOrderId] = {}
    for number in range(10):
        trigger = Decimal(66000 + 50 * number)
        kind = OrderType.STOP if number % 2 else OrderType.STOP_MARKET
        price = trigger - 1_000 if kind is OrderType.STOP else None
        view = await main.placed(f"c121-{number}", type=kind, price=price, stop_price=trigger)
        names[f"c121-{number}"] = view.venue_order_id
    await other.placed("c121-book", Side.SELL, price=Decimal(67000), quantity=Decimal(1))
    seen: list[VenueView] = []

    async def look() -> None:
        for _ in range(25):
            seen.extend(await main.reading.open_orders(BTC))
            for name in ("c121-3", "c121-4"):
                found = await main.reading.lookup(BTC, ClientOrderId(name))
                assert found is not None
                seen.append(found)

    async def move() -> None:
        for price in range(65950, 66700, 50):
            await reach(exchange, price)

    await asyncio.gather(look(), look(), move())
    seen += [await read(main, each.venue_order_id) for each in await main.reading.trades(BTC, from_id=None, limit=100)]
    for view in seen:
        assert names[str(view.client_order_id)] == view.venue_order_id
        assert view.type in {OrderType.STOP, OrderType.STOP_MARKET}
    ended = {view.client_order_id for view in seen if view.status is State.FILLED}
    assert len(ended) == 5, "those without a price found one"
    resting = await main.reading.open_orders()
    assert {view.venue_order_id for view in resting} == {name for order, name in names.items() if order not in ended}
