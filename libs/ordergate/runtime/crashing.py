"""A service that kills or freezes itself at a named point (crash_points), by wrappers around its ports. Nothing of this exists unless asked for.

ORDERGATE_CRASH lists points, `<point>:<passage>` with `=stop` for a SIGSTOP in place of a SIGKILL, e.g.
`order_submission.append.submitting.after:3,order_submission.send.place.before:1=stop`. Each strikes once: what has struck stands in the
file ORDERGATE_CRASH_DIARY, so the process that the supervisor starts next goes on with the rest of the list.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from ordergate.ports.bus import Delivery, Handler, Publisher
from ordergate.ports.ledger import Entry, Ledger, Lost, Won
from ordergate.ports.positions import Positions, StoredPosition
from ordergate.ports.venue import Outcome, PlacesLists, Replacement, Replaces, Trading, WriteAhead
from ordergate.runtime.connection import Bus
from ordergate.runtime.crash_points import Phase, crash_points
from ordergate.runtime.settings import Environment, Installation
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.errors import Misconfigured
from ordergate.trading.events import CancelRequested, Event, Restated
from ordergate.trading.fills import Fill
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    ErrorId,
    KeyId,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.order import Order, OrderKey, OrderRequest
from ordergate.trading.position import Position
from ordergate.wire import streams

POINTS = "ORDERGATE_CRASH"
DIARY = "ORDERGATE_CRASH_DIARY"
SIMULATOR_DOCUMENT = "simulator.json"
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

T = TypeVar("T")


class Crashes:
    """The points of one service that are armed, each to strike at its passage."""

    def __init__(self, service: str, armed: Mapping[str, tuple[int, str]], *, diary: Path) -> None:
        self._service = service
        self._armed = dict(armed)
        self._passed: dict[str, int] = {}
        self._diary = diary

    async def around(self, step: str, work: Awaitable[T]) -> T:
        """One passage of all phases of a step. What is awaited must put its bytes on the socket before it first waits."""
        self.reach(step, Phase.BEFORE)
        self.reach_soon(step)
        found = await work
        await self.reach_after(step)
        return found

    def reach(self, step: str, phase: Phase) -> None:
        if (strike := self._due(step, phase)) is not None:
            self._strike(*strike)

    async def reach_after(self, step: str) -> None:
        """`after`: what was written without waiting for an answer, an ack, is on its way too: the loop turns first."""
        if (strike := self._due(step, Phase.AFTER)) is not None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self._strike(*strike)

    def reach_soon(self, step: str) -> None:
        """`during`: what this turn of the loop writes is on its way, no answer can have been read."""
        if (strike := self._due(step, Phase.DURING)) is not None:
            asyncio.get_running_loop().call_soon(self._strike, *strike)

    def _due(self, step: str, phase: Phase) -> tuple[str, int, str] | None:
        point = f"{self._service}.{step}.{phase}"
        if point not in self._armed:
            return None
        self._passed[point] = self._passed.get(point, 0) + 1
        passage, way = self._armed[point]
        if self._passed[point] < passage:
            return None
        del self._armed[point]
        return point, passage, way

    def _strike(self, point: str, passage: int, way: str) -> None:
        line = f"{point}:{passage}={way} {os.getpid()} {time.time_ns() // 1_000_000}\n"
        with self._diary.open("a") as diary:
            diary.write(line)
        os.kill(os.getpid(), _SIGNALS[way])


def crashes_of(
    variables: Mapping[str, str], environment: Environment, installation: Installation, *, service: str
) -> Crashes | None:
    """None unless ORDERGATE_CRASH is set. Raises Misconfigured for an unknown point, and outside a development home: that is where
    simulator.json lies beside the configuration and every venue is spoken to in plain text, which settings allow to this machine only.
    """
    wanted = variables.get(POINTS)
    if not wanted:
        return None
    beside = environment.config.parent / SIMULATOR_DOCUMENT
    if not beside.exists() or not all(account.base_url.startswith("http://") for account in installation.accounts):
        raise Misconfigured(f"{POINTS} is for a development home with a simulator only")
    diary = Path(variables.get(DIARY, str(environment.config.parent / "crashes.txt")))
    struck = {line.split(" ", 1)[0] for line in diary.read_text().splitlines()} if diary.exists() else set()
    armed = _parse(wanted)
    left = {
        point: (passage, way) for point, (passage, way) in armed.items() if f"{point}:{passage}={way}" not in struck
    }
    return Crashes(service, left, diary=diary)


def _parse(text: str) -> dict[str, tuple[int, str]]:
    known = {point.name for point in crash_points()}
    armed: dict[str, tuple[int, str]] = {}
    for entry in text.split(","):
        place, _, way = entry.strip().partition("=")
        point, _, passage = place.partition(":")
        if point not in known or not (passage or "1").isdecimal() or (way or "kill") not in _SIGNALS:
            raise Misconfigured(f"{POINTS} names no crash point: {entry!r}")
        armed[point] = (int(passage or "1"), way or "kill")
    return armed


# The wrappers: each is the port it wraps, and a passage of a step wherever something becomes durable or leaves.


class CrashingLedger:
    def __init__(self, inner: Ledger, crashes: Crashes) -> None:
        self._inner = inner
        self._crashes = crashes

    async def append(self, order: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        work = self._inner.append(order, event, after=after, correction=correction)
        return await self._crashes.around(f"append.{_named(order, event)}", work)

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        return await self._inner.last(venue, account, order)


def _named(order: Order, event: Event) -> str:
    """By the state it leads to; what changes no state, by what it is."""
    match event:
        case CancelRequested():
            return "cancel_requested"
        case Restated():
            return "restated"
        case _:
            return order.state.value


class CrashingPublisher:
    def __init__(self, inner: Publisher, crashes: Crashes) -> None:
        self._inner = inner
        self._crashes = crashes

    async def store_fill(self, fill: Fill) -> bool:
        return await self._crashes.around("store", self._inner.store_fill(fill))

    async def stored_fill(
        self, venue: VenueName, account: AccountName, symbol: Symbol, trade_id: TradeId, venue_order_id: VenueOrderId
    ) -> Fill | None:
        return await self._inner.stored_fill(venue, account, symbol, trade_id, venue_order_id)

    async def answer(self, subject: str, payload: bytes, *, message_id: str) -> None:
        await self._crashes.around("answer", self._inner.answer(subject, payload, message_id=message_id))

    def record(self, subject: str, payload: bytes) -> None:
        self._inner.record(subject, payload)

    def note_error(self, error_id: ErrorId, key: OrderKey) -> None:
        self._inner.note_error(error_id, key)


_WRITES = {streams.CHECKPOINTS: "checkpoint", streams.CURSORS: "cursor"}


class CrashingShelf(BusShelf):
    """Puts are the passages."""

    def __init__(self, bus: Bus, crashes: Crashes, *, bucket: str) -> None:
        super().__init__(bus, bucket=bucket)
        self._crashes = crashes
        self._step = _WRITES.get(bucket, "shelf")

    @override
    async def put(self, key: str, value: bytes, *, ttl_seconds: int | None = None) -> None:
        await self._crashes.around(self._step, super().put(key, value, ttl_seconds=ttl_seconds))


class CrashingPositions:
    def __init__(self, inner: Positions, crashes: Crashes) -> None:
        self._inner = inner
        self._crashes = crashes

    async def load(self, venue: VenueName, account: AccountName) -> Sequence[StoredPosition]:
        return await self._inner.load(venue, account)

    async def store(self, position: Position, *, mark_price: Decimal | None, after: int) -> int | None:
        work = self._inner.store(position, mark_price=mark_price, after=after)
        return await self._crashes.around("store", work)


class CrashingTrading:
    def __init__(self, inner: Trading, crashes: Crashes) -> None:
        self._inner = inner
        self._crashes = crashes
        self.declaration = inner.declaration

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        written = self._written(write_ahead)
        outcome = await self._inner.place(request, write_ahead=written, deadline_seconds=deadline_seconds)
        await self._crashes.reach_after("send.place")
        return outcome

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:
        work = self._inner.cancel(symbol, venue_order_id=venue_order_id)
        return await self._crashes.around("send.cancel", work)

    async def cancel_all(self, symbol: Symbol | None) -> Outcome:
        return await self._crashes.around("send.cancel", self._inner.cancel_all(symbol))

    def _written(self, write_ahead: WriteAhead) -> WriteAhead:
        """`before` and `during` stand between the yes of the write-ahead and the send: no await is between them (access.session)."""

        async def written(timestamp_ms: int, key_id: KeyId) -> bool:
            may_send = await write_ahead(timestamp_ms, key_id)
            if may_send:
                self._crashes.reach("send.place", Phase.BEFORE)
                self._crashes.reach_soon("send.place")
            return may_send

        return written


class CrashingReplaces(CrashingTrading):
    """Of a venue that replaces in one request: a passage as of any order that is sent."""

    def __init__(self, inner: Trading, replacing: Replaces, crashes: Crashes) -> None:
        super().__init__(inner, crashes)
        self._replacing = replacing

    async def replace(
        self, request: OrderRequest, *, canceled: VenueOrderId, write_ahead: WriteAhead, deadline_seconds: float
    ) -> Replacement:
        written = self._written(write_ahead)
        replacement = await self._replacing.replace(
            request, canceled=canceled, write_ahead=written, deadline_seconds=deadline_seconds
        )
        await self._crashes.reach_after("send.place")
        return replacement


class CrashingLists(CrashingReplaces):
    """Of a venue that takes lists too: all write-aheads, then the passage."""

    def __init__(self, inner: Trading, replacing: Replaces, listing: PlacesLists, crashes: Crashes) -> None:
        super().__init__(inner, replacing, crashes)
        self._listing = listing

    async def place_legs(
        self, legs: Sequence[OrderRequest], *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        written = self._written(write_ahead)
        outcomes = await self._listing.place_legs(legs, write_ahead=written, deadline_seconds=deadline_seconds)
        await self._crashes.reach_after("send.place")
        return outcomes


def crashing_trading(trading: Trading, crashes: Crashes) -> Trading:
    """With what the client can beyond the port, and nothing that it cannot."""
    if isinstance(trading, Replaces) and isinstance(trading, PlacesLists):
        return CrashingLists(trading, trading, trading, crashes)
    if isinstance(trading, Replaces):
        return CrashingReplaces(trading, trading, crashes)
    return CrashingTrading(trading, crashes)


class CrashingDelivery:
    """What is asked of a delivery passes through; its answers are the passages."""

    def __init__(self, inner: Delivery, crashes: Crashes, *, stream: str) -> None:
        self._inner = inner
        self._crashes = crashes
        self._stream = stream.lower()

    @property
    def subject(self) -> str:
        return self._inner.subject

    @property
    def data(self) -> bytes:
        return self._inner.data

    @property
    def headers(self) -> Mapping[str, str]:
        return self._inner.headers

    @property
    def sequence(self) -> int:
        return self._inner.sequence

    @property
    def number(self) -> int:
        return self._inner.number

    @property
    def stored_at_ms(self) -> int:
        return self._inner.stored_at_ms

    @property
    def delivery_count(self) -> int:
        return self._inner.delivery_count

    async def ack(self) -> None:
        await self._crashes.around(f"ack.{self._stream}", self._inner.ack())

    async def retry(self, *, after_seconds: float) -> None:
        await self._inner.retry(after_seconds=after_seconds)

    async def bury(self, *, reason: str, error_id: str) -> None:
        await self._crashes.around("bury", self._inner.bury(reason=reason, error_id=error_id))


def crashing_handler(handler: Handler, crashes: Crashes, *, stream: str) -> Handler:
    async def handle(delivery: Delivery) -> None:
        await handler(CrashingDelivery(delivery, crashes, stream=stream))

    return handle
