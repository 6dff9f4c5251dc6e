"""Cards 60 to 79: every fault that the simulator knows, as an adapter meets it. The simulator's books tell what really happened."""

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from ordergate.ports.venue import Deviation, Executed, IdScope, NotExecuted, Outcome, Throttled, Unknown
from ordergate.trading.errors import VenueUnavailable
from ordergate.trading.ids import ClientOrderId, VenueOrderId
from ordergate.trading.order import OrderType, Side, State
from tests.venue_cards.desk import BTC, Desk, Exchange, open_exchange, shown
from tests.venue_cards.kits import BY_REST, Kit

BATCH = "POST /v2/orders/batch"


async def orders_at_venue(exchange: Exchange, client_order_id: str) -> list[dict[str, Any]]:
    ledger = await exchange.ledger()
    return [order for order in ledger["orders"] if order["clientOrderId"] == client_order_id]


async def execute(main: Desk, other: Desk, name: str, count: int = 1) -> list[VenueOrderId]:
    """Taker executions of 0.010 each."""
    found = []
    for number in range(count):
        await other.placed(f"{name}-book-{number}", Side.SELL)
        found.append((await main.placed(f"{name}-{number}", type=OrderType.MARKET)).venue_order_id)
    return found


@pytest.mark.parametrize(
    ("rule", "executed"),
    [
        ({"kind": "reset", "phase": "mid_body"}, 1),
        ({"kind": "black_hole", "phase": "after"}, 1),
        ({"kind": "black_hole", "phase": "before"}, 0),
        ({"kind": "error_after_execution", "status": 504, "code": "TIMEOUT"}, 1),
        ({"kind": "forbidden", "phase": "after"}, 1),
        ({"kind": "forbidden"}, 0),
    ],
    ids=["reset-mid-body", "black-hole-after", "black-hole-before", "minus-1007", "wall-after", "wall-before"],
)
async def test_card_60_what_does_not_say_what_happened_is_unknown(
    exchange: Exchange, main: Desk, rule: dict[str, object], executed: int
) -> None:
    await exchange.break_calls({**rule, "call": exchange.kit.calls["place"], "times": 1})
    outcome = await main.place("c60")
    assert isinstance(outcome, Unknown), outcome
    assert len(await orders_at_venue(exchange, "c60")) == executed
    found = await main.reading.lookup(BTC, ClientOrderId("c60"))
    assert (found is not None) == bool(executed)


async def test_card_61_a_ban_is_no_execution_and_lasts_as_long_as_it_says(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls(
        {"kind": "banned", "call": exchange.kit.calls["place"], "retryAfterSeconds": 120, "times": 1}
    )
    refused = await main.place("c61")
    assert isinstance(refused, Throttled)
    assert refused.retry_after_ms == 120_000
    assert await orders_at_venue(exchange, "c61") == []


async def test_card_62_a_connection_closed_under_us_costs_no_order(exchange: Exchange, main: Desk) -> None:
    """The next call finds its kept-alive socket dead: it takes another, and is sent once."""
    await exchange.break_calls({"kind": "connection_closed"})
    for number in range(5):
        outcome = await main.place(f"c62-{number}")
        assert isinstance(outcome, Executed), outcome
        assert len(await orders_at_venue(exchange, f"c62-{number}")) == 1


async def test_card_63_a_revoked_key_halts(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls({"kind": "key_revoked"})
    refused = await main.place("c63")
    assert isinstance(refused, NotExecuted)
    assert (refused.reason, refused.credentials) == (main.kit.words["revoked"], True)
    with pytest.raises(VenueUnavailable):
        await main.reading.open_orders()
    assert await orders_at_venue(exchange, "c63") == []


async def test_card_64_a_halted_symbol_refuses_orders_and_takes_cancels(exchange: Exchange, main: Desk) -> None:
    resting = await main.placed("c64-resting")
    await exchange.break_calls({"kind": "symbol_halted", "symbol": "BTCUSDT", "times": 1})
    refused = await main.place("c64")
    assert isinstance(refused, NotExecuted)
    assert (refused.reason, refused.credentials) == (main.kit.words["halted"], False)
    assert isinstance(await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id), Executed)
    await exchange.break_calls({"kind": "symbol_halted", "symbol": "BTCUSDT", "halted": False, "times": 1})
    assert isinstance(await main.place("c64"), Executed)


async def test_card_65_an_order_filled_between_query_and_cancel_is_a_fill(exchange: Exchange, main: Desk) -> None:
    resting = await main.placed("c65")
    await exchange.break_calls({"kind": "filled_first", "call": exchange.kit.calls["cancel"]})
    outcome = await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id)
    assert isinstance(outcome, NotExecuted)
    assert outcome.too_late
    assert outcome.view is not None
    assert (outcome.view.status, outcome.view.executed_quantity) == (State.FILLED, Decimal("0.010"))


@pytest.mark.venues("zetarium")
async def test_card_66_a_batch_with_partial_success_is_read_leg_by_leg(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls({"kind": "legs_refused", "call": BATCH, "legs": [1]})
    requests = [main.request(f"c66-{number}") for number in range(3)]
    legs = await main.zetarium.place_batch(requests, write_ahead=main.write_ahead, deadline_seconds=1)
    assert [type(leg) for leg in legs] == [Executed, NotExecuted, Executed]
    assert [len(await orders_at_venue(exchange, f"c66-{number}")) for number in range(3)] == [1, 0, 1]


async def test_card_67_a_stale_read_shows_what_was_and_not_what_is(exchange: Exchange, main: Desk, other: Desk) -> None:
    """Nothing is concluded from it: the order is not there, then open, although it was filled at once."""
    before = await main.placed("c67-resting", price=Decimal(60000))
    await exchange.break_calls({"kind": "stale", "delayMs": 600})
    (filled,) = await execute(main, other, "c67")
    assert await main.reading.order(BTC, filled) is None
    assert await main.reading.lookup(BTC, ClientOrderId("c67-0")) is None
    assert list(await main.reading.positions()) == []
    assert await main.reading.trades(BTC, from_id=None, limit=10) == []
    await exchange.door("POST", "/simulator/clock", {"offsetMs": 700})
    found = await main.reading.lookup(BTC, ClientOrderId("c67-0"))
    assert found is not None
    assert found.status is State.FILLED
    held = [position.quantity for position in await main.reading.positions()]
    assert held == ([Decimal("0.010")] if main.reading.declaration.shows_positions else [])
    assert [view.venue_order_id for view in await main.reading.open_orders()] == [before.venue_order_id]


async def test_card_68_late_trades_show_in_the_end_and_behind_newer_ones(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    await execute(main, other, "c68", 12)
    every = [trade.trade_id for trade in await main.reading.trades(BTC, from_id=None, limit=100)]
    assert len(every) == 12
    await exchange.break_calls(
        {"kind": "trades_late", "call": exchange.kit.calls["trades"], "delayMs": 600_000, "share": 0.5}
    )
    some = [trade.trade_id for trade in await main.reading.trades(BTC, from_id=None, limit=100)]
    assert 0 < len(some) < len(every)
    missing = [trade_id for trade_id in every if trade_id not in some]
    assert int(missing[0]) < int(some[-1]), "an older trade is still to come behind a newer one"
    again = [trade.trade_id for trade in await main.reading.trades(BTC, from_id=None, limit=100)]
    assert again == some, "which are late stays the same from read to read"
    await exchange.break_calls()
    assert [trade.trade_id for trade in await main.reading.trades(BTC, from_id=None, limit=100)] == every


async def test_card_69_hidden_trades_never_show(exchange: Exchange, main: Desk, other: Desk) -> None:
    await exchange.break_calls({"kind": "trades_hidden", "call": exchange.kit.calls["trades"]})
    (filled,) = await execute(main, other, "c69")
    assert await main.reading.trades(BTC, from_id=None, limit=10) == []
    found = await main.reading.order(BTC, filled)
    assert found is not None
    assert found.executed_quantity == Decimal("0.010")


@pytest.mark.parametrize("kind", ["trades_twice", "trades_shuffled"])
async def test_card_70_a_trade_list_in_disorder_is_no_answer(
    exchange: Exchange, main: Desk, other: Desk, kind: str
) -> None:
    """A cursor that believed it would step over fills, or count one twice."""
    await execute(main, other, "c70", 6)
    await exchange.break_calls({"kind": kind, "call": exchange.kit.calls["trades"]})
    with pytest.raises(VenueUnavailable):
        await main.reading.trades(BTC, from_id=None, limit=100)


async def test_card_71_trade_ids_with_gaps_are_read_to_the_end(kit: Kit) -> None:
    async with open_exchange(kit, tradeIdGapMax=1000) as exchange:
        main, other = await exchange.desk("main"), await exchange.desk("other")
        await execute(main, other, "c71", 7)
        first = await main.reading.trades(BTC, from_id=None, limit=3)
        rest = await main.reading.trades(BTC, from_id=first[-1].trade_id, limit=100)
        numbers = [int(trade.trade_id) for trade in (*first, *rest[1:])]
        assert len(numbers) == 7
        assert numbers == sorted(numbers)
        assert max(later - earlier for earlier, later in pairwise(numbers)) > 10


@pytest.mark.venues(*BY_REST)
async def test_card_72_faults_by_seed_strike_their_share_of_the_calls(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls({"kind": "answer_lost", "call": exchange.kit.calls["place"], "rate": 0.3})
    outcomes: list[Outcome] = [await main.place(f"c72-{number}", price=Decimal(60000)) for number in range(40)]
    lost = sum(isinstance(outcome, Unknown) for outcome in outcomes)
    assert 3 <= lost <= 25
    assert lost + sum(isinstance(outcome, Executed) for outcome in outcomes) == 40
    assert len((await exchange.ledger())["orders"]) == 40


async def test_card_73_a_clock_that_jumps_under_a_call_executes_nothing(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls(
        {"kind": "clock_offset", "call": exchange.kit.calls["place"], "offsetMs": main.kit.refused_jump_ms, "times": 1}
    )
    outcome = await main.place("c73")
    assert not isinstance(outcome, Executed)
    assert await orders_at_venue(exchange, "c73") == []


async def test_card_74_a_late_request_is_an_order_of_its_own_where_the_id_is_free_again(kit: Kit) -> None:
    """The very case that query-then-resend doubles: not found, sent again, filled, and then the first one arrives."""
    async with open_exchange(kit, clientIds="open_only", deviation=Deviation(id_scope=IdScope.OPEN_ONLY)) as exchange:
        main, other = await exchange.desk("main"), await exchange.desk("other")
        await other.placed("book", Side.SELL, quantity=Decimal("0.020"))
        await exchange.break_calls(
            {
                "kind": "slow",
                "call": exchange.kit.calls["place"],
                "clientOrderId": "c74",
                "phase": "before",
                "delayMs": 1_200,
                "times": 1,
            }
        )
        assert isinstance(await main.place("c74"), Unknown)
        assert await main.reading.lookup(BTC, ClientOrderId("c74")) is None
        again = await main.reading.order(BTC, shown(await main.place("c74")).venue_order_id)
        assert again is not None
        assert again.status is State.FILLED
        async with asyncio.timeout(5):
            while len(await orders_at_venue(exchange, "c74")) < 2:
                pass  # a door of the simulator, which no budget counts
        executed = [Decimal(order["executedQuantity"]) for order in await orders_at_venue(exchange, "c74")]
    assert executed == [Decimal("0.010")] * 2
