"""Cards 60 to 69: what a private stream must tell, over a real WebSocket, and what it must say of itself when it is cut, silent or refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from ordergate.access.http import parse_origin
from ordergate.access.streaming import KeptStream, StreamOpening, StreamPace
from ordergate.ports.stream import Ended, Lost, Opened, OrderSeen, StreamEvent, TradeSeen
from ordergate.ports.venue import VenueTrade
from ordergate.runtime.clock import SystemClock
from ordergate.trading.order import OrderType, Side, State
from ordergate.venues.registry import open_stream, stream_url
from tests.unit.access.stage import until
from tests.venue_cards.desk import BTC, Desk, Exchange

pytestmark = pytest.mark.venues("binance-spot", "binance-futures")
LIMIT = 15.0
PACE = StreamPace(first_pause_seconds=0.01, pause_seconds_max=0.05, refused_seconds=0.2, look_seconds=0.05)


@dataclass(slots=True)
class Heard:
    """Everything that a stream told."""

    stream: KeptStream
    events: list[StreamEvent] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async with aclosing(self.stream.events()) as told:
            async for event in told:
                self.events.append(event)
                self._more.set()

    async def until(self, fact: Callable[["Heard"], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not fact(self):
                self._more.clear()
                await self._more.wait()

    def of(self, kind: type[StreamEvent]) -> list[StreamEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def trades(self) -> list[VenueTrade]:
        return [event.trade for event in self.events if isinstance(event, TradeSeen)]

    def states(self, client_order_id: str) -> list[State]:
        return [
            event.view.status
            for event in self.events
            if isinstance(event, OrderSeen) and event.view.client_order_id == client_order_id
        ]


@asynccontextmanager
async def hearing(desk: Desk) -> AsyncIterator[Heard]:
    """The account's stream, open."""
    url = stream_url(desk.kit.name, desk.url)
    assert url is not None
    opening = StreamOpening(
        origin=parse_origin(url, plain="ws", encrypted="wss"), clock=SystemClock(), draw=lambda: 0.5, pace=PACE
    )
    heard = Heard(open_stream(desk.kit.name, desk.reading, opening))
    listening = asyncio.create_task(heard.listen())
    try:
        await heard.until(lambda one: len(one.of(Opened)) > 0)
        yield heard
    finally:
        await heard.stream.close()
        await asyncio.wait_for(listening, LIMIT)


async def bought(main: Desk, other: Desk, name: str, quantity: str = "0.010") -> None:
    """A market order of main's that takes what the other has just laid down for it."""
    await other.placed(f"{name}-maker", Side.SELL, quantity=Decimal(quantity), price=Decimal(64_250))
    await main.place(name, Side.BUY, type=OrderType.MARKET, quantity=Decimal(quantity))


async def test_card_60_trades_on_the_stream_are_those_of_the_trade_list(main: Desk, other: Desk) -> None:
    async with hearing(main) as heard:
        await bought(main, other, "c60")
        await main.placed("c60-rests", Side.BUY, price=Decimal(60_000))
        await heard.until(lambda one: State.FILLED in one.states("c60"))
        listed = {trade.trade_id: trade for trade in await main.reading.trades(BTC, from_id=None, limit=100)}
        told = {trade.trade_id: trade for trade in heard.trades}
        assert told.keys() == listed.keys()
        for trade_id, trade in told.items():
            assert trade.client_order_id == "c60"
            seen, read = (
                (
                    t.venue_order_id,
                    t.symbol,
                    t.side,
                    t.price,
                    t.quantity,
                    t.fee,
                    t.fee_asset,
                    t.liquidity,
                    t.position_side,
                )
                for t in (trade, listed[trade_id])
            )
            assert seen == read
        view = await main.reading.order(BTC, next(iter(told.values())).venue_order_id)
        last = [
            event.view for event in heard.events if isinstance(event, OrderSeen) and event.view.client_order_id == "c60"
        ][-1]
        assert view is not None
        assert (last.status, last.executed_quantity, last.quantity, last.type) == (
            view.status,
            view.executed_quantity,
            view.quantity,
            view.type,
        )


async def test_card_61_a_canceled_order_is_told_by_its_own_name(main: Desk) -> None:
    async with hearing(main) as heard:
        view = await main.placed("c61", Side.BUY, price=Decimal(60_000))
        await main.trading.cancel(BTC, venue_order_id=view.venue_order_id)
        await heard.until(lambda one: State.CANCELED in one.states("c61"))
        assert heard.states("c61") == [State.ACCEPTED, State.CANCELED]


async def test_card_62_a_stream_that_is_cut_says_so_and_the_gap_is_in_the_list(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    async with hearing(main) as heard:
        await exchange.break_calls({"kind": "stream_cut", "times": 1})
        await bought(main, other, "c62")
        await heard.until(lambda one: len(one.of(Opened)) == 2)
        lost = [type(event) for event in heard.events if isinstance(event, Lost | Opened)]
        assert lost == [Opened, Lost, Opened]
        second = heard.of(Opened)[-1]
        assert isinstance(second, Opened)
        assert second.since_ms is not None
        told = {trade.trade_id for trade in heard.trades}
        listed = {trade.trade_id for trade in await main.reading.trades(BTC, from_id=None, limit=100)}
        assert listed - told, "what the cut cost is in the list"
        await bought(main, other, "c62-after")
        await heard.until(lambda one: State.FILLED in one.states("c62-after"))


async def test_card_63_events_that_come_twice_late_or_in_another_order_are_told_all_the_same(
    exchange: Exchange, main: Desk, other: Desk
) -> None:
    await exchange.break_calls(
        {"kind": "stream_doubled", "rate": 0.3},
        {"kind": "stream_reordered", "rate": 0.3, "delayMs": 100},
        {"kind": "stream_late", "rate": 0.1, "delayMs": 200},
    )
    async with hearing(main) as heard:
        for number in range(20):
            await bought(main, other, f"c63-{number}")
        listed = {trade.trade_id for trade in await main.reading.trades(BTC, from_id=None, limit=1_000)}
        await heard.until(lambda one: {trade.trade_id for trade in one.trades} >= listed)
        assert heard.of(Lost) == []


async def test_card_64_a_server_that_shuts_down_costs_no_event(exchange: Exchange, main: Desk, other: Desk) -> None:
    async with hearing(main) as heard:
        # Time enough for the renewal on a machine that has other things to do: it is a request (which may take its whole limit), a handshake, a subscription.
        await exchange.break_calls({"kind": "stream_shutdown", "delayMs": 60_000, "times": 1})
        await bought(main, other, "c64")
        await until(lambda: heard.stream.counts.renewals == 1)
        for number in range(5):
            await bought(main, other, f"c64-{number}")
            await asyncio.sleep(0)
        await heard.until(lambda one: State.FILLED in one.states("c64-4"))
        assert heard.of(Lost) == []
        assert len(heard.of(Opened)) == 1
        listed = {trade.trade_id for trade in await main.reading.trades(BTC, from_id=None, limit=1_000)}
        assert {trade.trade_id for trade in heard.trades} >= listed


async def test_card_65_a_key_that_is_refused_ends_the_stream(exchange: Exchange, main: Desk) -> None:
    revoked = await exchange.desk("main", trade="revoked")
    url = stream_url(main.kit.name, main.url)
    assert url is not None
    opening = StreamOpening(
        origin=parse_origin(url, plain="ws", encrypted="wss"), clock=SystemClock(), draw=lambda: 0.5, pace=PACE
    )
    # The stream wants the session of a reading client; that of a trading client has the key that is refused.
    heard = Heard(open_stream(main.kit.name, revoked.trading, opening))  # type: ignore[arg-type]
    listening = asyncio.create_task(heard.listen())
    await heard.until(lambda one: len(one.of(Ended)) > 0)
    ended = heard.of(Ended)[0]
    assert isinstance(ended, Ended)
    assert ended.credentials
    await heard.stream.close()
    await asyncio.wait_for(listening, LIMIT)


@pytest.mark.venues("binance-futures")
async def test_card_66_a_listen_key_that_is_gone_is_asked_for_anew(main: Desk, other: Desk) -> None:
    async with hearing(main) as heard:
        assert await main.reading.close_listen_key() is None  # type: ignore[attr-defined]
        heard.stream.doubt("listen_key_gone")
        await heard.until(lambda one: len(one.of(Opened)) == 2)
        await bought(main, other, "c66")
        await heard.until(lambda one: State.FILLED in one.states("c66"))


async def test_card_67_a_resting_order_fills_in_parts_and_every_part_is_told(main: Desk, other: Desk) -> None:
    async with hearing(main) as heard:
        await main.placed("c67", Side.BUY, quantity=Decimal("0.030"), price=Decimal(64_245))
        for number in range(3):
            await other.place(f"c67-{number}", Side.SELL, quantity=Decimal("0.010"), price=Decimal(64_245))
        await heard.until(lambda one: State.FILLED in one.states("c67"))
        assert sum(trade.quantity for trade in heard.trades) == Decimal("0.030")
