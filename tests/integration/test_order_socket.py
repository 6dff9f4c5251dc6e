"""Orders over a real WebSocket to the simulator, with the faults that it has there; its books tell what really happened."""

from collections.abc import AsyncIterator

import pytest

from ordergate.ports.venue import Executed, NotSent, OrderEntry, Throttled, Unknown
from ordergate.trading.order import State
from ordergate.venues.binance_spot.client import BinanceSpotTrading
from ordergate.venues.binance_spot.entry import SocketEntry
from tests.unit.access.stage import until
from tests.venue_cards.desk import BTC, Desk, Exchange, open_exchange
from tests.venue_cards.kits import KITS

PLACE = "WS order.place"


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with open_exchange(KITS["binance-spot-socket"]) as found:
        yield found


@pytest.fixture
async def main(exchange: Exchange) -> Desk:
    return await exchange.desk("main")


def entry_of(desk: Desk) -> SocketEntry:
    assert isinstance(desk.trading, BinanceSpotTrading)
    assert desk.trading.entry is not None
    return desk.trading.entry


async def arrived(exchange: Exchange) -> list[str]:
    return [row[2] for row in (await exchange.door("GET", "/simulator/arrivals"))["arrivals"]]


async def at_venue(exchange: Exchange, name: str) -> list[str]:
    return [order["status"] for order in (await exchange.ledger())["orders"] if order["clientOrderId"] == name]


async def test_order_and_its_cancel_go_over_the_socket_and_reads_do_not(exchange: Exchange, main: Desk) -> None:
    view = await main.placed("here")
    outcome = await main.trading.cancel(BTC, venue_order_id=view.venue_order_id)
    assert isinstance(outcome, Executed)
    assert outcome.view is not None
    assert outcome.view.status is State.CANCELED
    shown = await main.reading.lookup(BTC, view.client_order_id or main.request("here").key.client_order_id)
    assert shown is not None
    assert shown.status is State.CANCELED
    calls = await arrived(exchange)
    assert [call for call in calls if call.startswith("WS")] == [PLACE, "WS order.cancel"]
    assert "POST /api/v3/order" not in calls


@pytest.mark.parametrize(
    ("rule", "executed"),
    [
        ({"kind": "answer_lost"}, 1),
        ({"kind": "reset", "phase": "after"}, 1),
        ({"kind": "reset", "phase": "before"}, 0),
        ({"kind": "black_hole", "phase": "before"}, 0),
        ({"kind": "black_hole", "phase": "after"}, 1),
        ({"kind": "error_after_execution", "status": 503}, 1),
        ({"kind": "slow", "phase": "after", "delayMs": 1_200}, 1),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
async def test_answer_that_is_lost_is_unknown_sent_once_and_the_next_order_goes_through(
    exchange: Exchange, main: Desk, rule: dict[str, object], executed: int
) -> None:
    await exchange.break_calls({**rule, "call": PLACE, "times": 1})
    assert isinstance(await main.place("lost"), Unknown)
    assert len(main.write_aheads) == 1
    assert len(await at_venue(exchange, "lost")) == executed
    await until(lambda: entry_of(main).engine.is_ready)
    assert isinstance(await main.place("next"), Executed)
    assert (await arrived(exchange)).count("POST /api/v3/order") == 0


async def test_limit_that_is_exceeded_freezes_rest_too(exchange: Exchange, main: Desk) -> None:
    await exchange.break_calls({"kind": "rate_limited", "call": PLACE, "retryAfterSeconds": 30, "times": 1})
    outcome = await main.place("much")
    assert isinstance(outcome, Throttled)
    assert 28_000 <= outcome.retry_after_ms <= 31_000
    assert isinstance(await main.place("more"), NotSent)
    assert main.session.limiter.is_frozen
    assert await at_venue(exchange, "much") == []


async def test_without_the_socket_a_desk_trades_by_rest(exchange: Exchange, main: Desk) -> None:
    await entry_of(main).engine.close()
    assert isinstance(await main.place("rest"), Executed)
    assert (await arrived(exchange))[-1] == "POST /api/v3/order"
    assert exchange.kit.order_entry is OrderEntry.SOCKET
