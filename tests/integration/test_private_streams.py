"""fill_streaming and status_polling upon a private stream over a real WebSocket and a real bus: every fill exactly once, whatever becomes of the stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ordergate.access.http import parse_origin
from ordergate.access.streaming import KeptStream, StreamOpening, StreamPace
from ordergate.ports.ledger import Entry, Won
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.metrics import Metrics
from ordergate.runtime.provision import provision, resources
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import Environment, Installation
from ordergate.trading.events import Approved, SubmissionBegan
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, ClientOrderId, KeyId
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import Attempt, OrderType, Side, State
from ordergate.venues.registry import open_stream, stream_url
from ordergate.wire import keys, streams
from ordergate.wire.messages import EventKind
from services.fill_streaming import app as fill_streaming
from services.fill_streaming.handlers import Pace
from services.status_polling import app as status_polling
from services.status_polling.handlers import Pace as PollingPace
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import eventually, holds
from tests.venue_cards.desk import Desk, Exchange, open_exchange
from tests.venue_cards.kits import KITS

MAIN = AccountName("main")
ORDERS = 30
QUICK = StreamPace(first_pause_seconds=0.01, pause_seconds_max=0.1, refused_seconds=0.2, look_seconds=0.05)


@dataclass(slots=True)
class Place:
    """One account of a venue with both services at work."""

    exchange: Exchange
    main: Desk
    other: Desk
    frame: Frame
    fills_stream: KeptStream
    orders_stream: KeptStream

    async def buy(self, name: str, *, quantity: str = "0.010") -> None:
        """As order_submission does it: approved, written ahead, sent. The answer is lost, so only stream and reads tell what became of it."""
        await self.other.placed(f"{name}-m", Side.SELL, quantity=Decimal(quantity), price=Decimal(64_250))
        now_ms = self.frame.clock.now_ms()
        request = replace(
            self.main.request(name, Side.BUY, type=OrderType.MARKET, quantity=Decimal(quantity)), created_at_ms=now_ms
        )
        approved = Approved(request=request, at_ms=now_ms)
        answer = await self.frame.ledger.append(begin(approved), approved, after=0)
        assert isinstance(answer, Won)
        entry = answer.entry

        async def write_ahead(timestamp_ms: int, key_id: KeyId) -> bool:
            attempt = Attempt(number=1, timestamp_ms=timestamp_ms, key_id=key_id, began_at_ms=now_ms)
            event = SubmissionBegan(attempt=attempt, at_ms=now_ms)
            return isinstance(
                await self.frame.ledger.append(apply(entry.order, event), event, after=entry.sequence), Won
            )

        await self.main.trading.place(request, write_ahead=write_ahead, deadline_seconds=2.0)

    async def last(self, name: str) -> Entry:
        entry = await self.frame.ledger.last(self.main.kit.name, MAIN, ClientOrderId(name))
        assert entry is not None
        return entry

    async def fills(self) -> list[Fill]:
        found = []
        async with aclosing(self.frame.feed.fills(self.main.kit.name, MAIN, after=0)) as stored:
            async for each in stored:
                if each is None:
                    break
                found.append(each.fill)
        return found

    async def trades_at_venue(self) -> dict[str, dict[str, Any]]:
        ledger = await self.exchange.ledger()
        return {row["id"]: row for row in ledger["trades"] if row["account"] == MAIN}


@asynccontextmanager
async def standing(venue: str, connected: Connect, tmp_path: Path) -> AsyncIterator[Place]:
    kit = KITS[venue]
    bus: Bus = await connected()
    wanted = resources(
        streams=streams.streams(),
        buckets=streams.buckets(),
        consumers=(*streams.consumers(kit.name, MAIN), streams.strangers_consumer()),
    )
    await provision(bus.jetstream, wanted)
    async with open_exchange(kit) as exchange:
        main, other = await exchange.desk("main"), await exchange.desk("other")
        installation = Installation.of(
            f'[[accounts]]\nvenue = "{venue}"\naccount = "main"\nbase_url = "{exchange.url}"\nsymbols = ["BTCUSDT"]\n'
        )
        account = installation.accounts[0]
        opened = []
        running: list[asyncio.Task[None]] = []
        frames = []
        for name in (streams.FILL_STREAMING, streams.STATUS_POLLING):
            frame = Frame(
                name=name,
                environment=Environment(config=tmp_path),
                installation=installation,
                bus=bus,
                metrics=Metrics(name),
            )
            stream = _stream(main, fills=name == streams.FILL_STREAMING)
            if name == streams.FILL_STREAMING:
                fill_streaming.serve(frame, account, reading=main.reading, pace=Pace(read_seconds=0.05), stream=stream)
            else:
                status_polling.serve(frame, account, reading=main.reading, positions=frame.positions(), stream=stream)
            running += [asyncio.create_task(work(), name=f"{name}:{task}") for task, work in frame.tasks]
            frames.append(frame)
            opened.append(stream)
        try:
            await eventually(lambda: all(stream.counts.open == 1 for stream in opened))
            yield Place(exchange, main, other, frames[0], *opened)
            for task in running:
                assert not task.done(), task
        finally:
            for task in running:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            for stream in opened:
                await stream.close()


def _stream(desk: Desk, *, fills: bool) -> KeptStream:
    url = stream_url(desk.kit.name, desk.url)
    assert url is not None
    opening = StreamOpening(
        origin=parse_origin(url, plain="ws", encrypted="wss"), clock=SystemClock(), draw=lambda: 0.5, pace=QUICK
    )
    return open_stream(desk.kit.name, desk.reading, opening, trades=fills, orders=not fills)


both = pytest.mark.parametrize("venue", ["binance-spot", "binance-futures"])


@both
async def test_a_told_fill_is_stored_and_a_told_order_folded_without_waiting_for_a_read(
    venue: str, connected: Connect, tmp_path: Path
) -> None:
    async with standing(venue, connected, tmp_path) as here:
        await here.buy("first")

        async def is_known() -> bool:
            return len(await here.fills()) == 1 and (await here.last("first")).order.state is State.FILLED

        await holds(is_known)
        (fill,) = await here.fills()
        assert (fill.client_order_id, fill.strategy, fill.inferred) == ("first", "cards", False)
        assert (await here.last("first")).order.executed_quantity == fill.quantity


@both
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "rules",
    [
        [{"kind": "stream_cut", "rate": 0.1}],
        [{"kind": "stream_doubled", "rate": 0.5}, {"kind": "stream_reordered", "rate": 0.3, "delayMs": 50}],
        [{"kind": "stream_late", "rate": 0.2, "delayMs": 300}, {"kind": "stream_cut", "rate": 0.05}],
        [{"kind": "stream_shutdown", "rate": 0.1, "delayMs": 100}],
    ],
    ids=["cut", "doubled and reordered", "late and cut", "shut down"],
)
async def test_every_fill_is_stored_exactly_once_whatever_becomes_of_the_stream(
    venue: str, rules: list[dict[str, Any]], connected: Connect, tmp_path: Path
) -> None:
    async with standing(venue, connected, tmp_path) as here:
        await here.exchange.break_calls(*rules)
        for number in range(ORDERS):
            await here.buy(f"o-{number}")
        await here.exchange.break_calls()
        trades = await here.trades_at_venue()
        assert len(trades) >= ORDERS

        async def is_whole() -> bool:
            return len(await here.fills()) >= len(trades)

        await holds(is_whole, seconds=40.0)
        fills = await here.fills()
        assert sorted(fill.trade_id for fill in fills) == sorted(trades)
        assert all(fill.strategy == "cards" for fill in fills)
        for number in range(ORDERS):
            await _ended(here, f"o-{number}")


@both
async def test_events_of_orders_that_are_not_ours_are_adopted_and_their_fills_are_external(
    venue: str, connected: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody trades on the account by hand."""
    monkeypatch.setattr(status_polling, "Pace", partial(PollingPace, told_list_period_ms=50))
    async with standing(venue, connected, tmp_path) as here:
        await here.main.placed("theirs-rests", Side.BUY, price=Decimal(60_000))
        await here.other.placed("maker", Side.SELL, price=Decimal(64_250))
        await here.main.place("theirs-fills", Side.BUY, type=OrderType.MARKET)

        async def is_adopted() -> bool:
            entry = await here.frame.ledger.last(here.main.kit.name, MAIN, ClientOrderId("theirs-rests"))
            return entry is not None and entry.event_kind is EventKind.ADOPTED and len(await here.fills()) == 1

        await holds(is_adopted)
        (fill,) = await here.fills()
        assert (fill.client_order_id, fill.strategy) == (None, None)
        await here.buy("ours")

        async def goes_on() -> bool:
            return (await here.last("ours")).order.state is State.FILLED

        await holds(goes_on)


@both
async def test_a_stream_that_is_silent_but_answers_pings_is_doubted(
    venue: str, connected: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.fill_streaming.handlers.UNTOLD_SECONDS", 0.5)
    monkeypatch.setattr("services.fill_streaming.handlers.UNTOLD_SKEW_MS", -5_000)
    async with standing(venue, connected, tmp_path) as here:
        await here.exchange.break_calls({"kind": "stream_silent", "pings": True})
        await here.buy("unheard")

        async def is_stored() -> bool:
            return len(await here.fills()) == 1

        await holds(is_stored, seconds=20.0)
        await eventually(lambda: here.fills_stream.counts.lost > 0, seconds=20.0)
        await here.exchange.break_calls()
        await eventually(lambda: here.fills_stream.counts.open == 1, seconds=10.0)


@both
async def test_a_key_that_is_refused_on_the_stream_halts_the_account(
    venue: str, connected: Connect, tmp_path: Path
) -> None:
    async with standing(venue, connected, tmp_path) as here:
        assert here.main.reading.session.keychain is not None
        signing = here.main.reading.session.keychain.signing
        assert signing is not None
        await here.exchange.door("POST", "/simulator/keys", {"key": signing.key.public, "revoked": True})
        here.fills_stream.doubt("test")
        shelf = here.frame.shelf(streams.CONTROL)
        key = keys.halted_by(here.main.kit.name, MAIN, streams.FILL_STREAMING)

        async def is_said() -> bool:
            return await shelf.get(key) is not None

        await holds(is_said)
        await here.exchange.door("POST", "/simulator/keys", {"key": signing.key.public, "revoked": False})

        async def is_lifted() -> bool:
            return await shelf.get(key) is None

        await holds(is_lifted)


async def _ended(here: Place, name: str) -> None:
    async def is_filled() -> bool:
        return (await here.last(name)).order.state is State.FILLED

    await holds(is_filled, seconds=20.0)
