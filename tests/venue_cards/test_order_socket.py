"""Cards 80 to 87: orders over one WebSocket connection, and what can befall that and no HTTP connection. The simulator's books tell what really happened."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from ordergate.ports.venue import Executed, NotSent, Outcome, Unknown
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.order import State
from ordergate.venues.binance_spot.client import BinanceSpotTrading
from ordergate.venues.binance_spot.entry import SocketEntry
from tests.unit.access.stage import until
from tests.venue_cards.desk import BTC, Desk, Exchange, open_exchange
from tests.venue_cards.kits import Kit

pytestmark = pytest.mark.venues("binance-spot-socket")
PLACE = "WS order.place"


def entry_of(desk: Desk) -> SocketEntry:
    assert isinstance(desk.trading, BinanceSpotTrading)
    assert desk.trading.entry is not None
    return desk.trading.entry


async def at_venue(exchange: Exchange) -> Counter[str]:
    """How many orders the venue holds of each client id."""
    return Counter(order["clientOrderId"] for order in (await exchange.ledger())["orders"])


async def arrived(exchange: Exchange) -> Counter[str]:
    return Counter(row[2] for row in (await exchange.door("GET", "/simulator/arrivals"))["arrivals"])


async def sockets(exchange: Exchange, action: str, **more: Any) -> None:
    await exchange.door("POST", "/simulator/streams", {"action": action, "kind": "ws-api", **more})


async def ready_again(desk: Desk) -> None:
    await until(lambda: entry_of(desk).engine.is_ready)


async def is_found(desk: Desk, name: str) -> bool:
    return await desk.reading.lookup(BTC, ClientOrderId(name)) is not None


async def test_card_80_an_answer_that_comes_twice_is_one_order_and_a_new_connection(
    exchange: Exchange, main: Desk
) -> None:
    await exchange.break_calls({"kind": "answer_doubled", "call": PLACE, "times": 1})
    assert isinstance(await main.place("c80"), Executed)
    await until(lambda: entry_of(main).engine.counts.connections == 2)
    assert isinstance(await main.place("c80-next"), Executed)
    assert await at_venue(exchange) == {"c80": 1, "c80-next": 1}


async def test_card_81_an_answer_under_a_strangers_name_proves_nothing_of_anything_under_way(
    exchange: Exchange, main: Desk
) -> None:
    """It could be anybody's: whose it was not is as unknown as whose it was."""
    await exchange.break_calls(
        {"kind": "slow", "call": PLACE, "clientOrderId": "c81-slow", "phase": "after", "delayMs": 300},
        {"kind": "answer_misnamed", "call": PLACE, "clientOrderId": "c81", "times": 1},
    )
    outcomes = await asyncio.gather(main.place("c81-slow"), main.place("c81"))
    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
    await ready_again(main)
    assert isinstance(await main.place("c81-next"), Executed)
    assert await at_venue(exchange) == {"c81-slow": 1, "c81": 1, "c81-next": 1}
    assert await is_found(main, "c81")


@pytest.mark.parametrize("phase", ["before", "after"])
async def test_card_82_a_cut_leaves_everything_under_way_unknown_and_sends_nothing_again(
    exchange: Exchange, main: Desk, phase: str
) -> None:
    names = [f"c82-{number}" for number in range(5)]
    await exchange.break_calls(
        *({"kind": "slow", "call": PLACE, "clientOrderId": name, "phase": "after"} for name in names[:4]),
        {"kind": "reset", "call": PLACE, "clientOrderId": names[4], "phase": phase},
    )
    outcomes = await asyncio.gather(*(main.place(name) for name in names))
    assert {type(outcome) for outcome in outcomes} == {Unknown}
    assert entry_of(main).engine.counts.exchanges == len(main.write_aheads) == 5
    assert await at_venue(exchange) == Counter(names if phase == "after" else names[:4])
    await exchange.break_calls()
    assert [await is_found(main, name) for name in names] == [*[True] * 4, phase == "after"]


@pytest.mark.parametrize("pings", [False, True])
async def test_card_83_a_connection_that_falls_silent_is_left_and_its_order_is_found(
    exchange: Exchange, main: Desk, *, pings: bool
) -> None:
    await sockets(exchange, "silence", pings=pings)
    outcome = await main.place("c83")
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "timeout"
    assert await is_found(main, "c83")
    await ready_again(main)
    assert isinstance(await main.place("c83-next"), Executed)
    assert await at_venue(exchange) == {"c83": 1, "c83-next": 1}


async def test_card_84_the_end_of_a_connections_life_costs_no_order(kit: Kit) -> None:
    """The venue ends each of them, in the middle of anything: what it had not answered is unknown and there, what it had is as it said."""
    async with open_exchange(kit, streams={"lifeMs": 60}) as exchange:
        main = await exchange.desk("main")
        outcomes: dict[str, Outcome] = {}
        for number in range(40):
            outcomes[f"c84-{number}"] = await main.place(f"c84-{number}")
        held = await at_venue(exchange)
        assert set(held.values()) == {1}
        for name, outcome in outcomes.items():
            assert isinstance(outcome, Executed | NotSent | Unknown)
            assert held[name] == 1 or not isinstance(outcome, Executed)
            assert held[name] == 0 or not isinstance(outcome, NotSent)
        assert (await arrived(exchange))[PLACE] > 0


async def test_card_85_a_server_that_shuts_down_answers_what_is_under_way_and_takes_no_more(
    exchange: Exchange, main: Desk
) -> None:
    engine = entry_of(main).engine
    await exchange.break_calls(
        {"kind": "slow", "call": PLACE, "clientOrderId": "c85", "phase": "after", "delayMs": 250}
    )
    under_way = asyncio.create_task(main.place("c85"))
    await until(lambda: engine.counts.exchanges == 1)
    await sockets(exchange, "shutdown", delayMs=5_000)
    await until(lambda: engine.counts.connections == 2)
    assert isinstance(await main.place("c85-next"), Executed)
    assert not under_way.done(), "the next one did not wait for it"
    assert isinstance(await under_way, Executed)
    assert engine.counts.answers_lost == 0
    assert (await arrived(exchange))[PLACE] == 2


async def test_card_86_a_cancel_that_meets_a_cut_connection_is_unknown_and_may_be_asked_again(
    exchange: Exchange, main: Desk
) -> None:
    resting = await main.placed("c86")
    await exchange.break_calls({"kind": "black_hole", "call": "WS order.cancel", "phase": "after", "times": 1})
    assert isinstance(await main.trading.cancel(BTC, venue_order_id=resting.venue_order_id), Unknown)
    shown = await main.reading.order(BTC, resting.venue_order_id)
    assert shown is not None
    assert shown.status is State.CANCELED


async def test_card_87_while_there_is_no_connection_orders_go_over_rest_and_then_over_the_next(
    exchange: Exchange, main: Desk
) -> None:
    entry_of(main).engine._pause_until = float("inf")
    await sockets(exchange, "cut")
    await until(lambda: not entry_of(main).engine.is_ready)
    assert isinstance(await main.place("c87-rest"), Executed)
    entry_of(main).engine._pause_until = 0.0
    await ready_again(main)
    assert isinstance(await main.place("c87-socket"), Executed)
    found = await arrived(exchange)
    assert (found["POST /api/v3/order"], found[PLACE]) == (1, 1)
