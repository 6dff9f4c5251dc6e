"""Requests over one WebSocket connection, against a peer that cuts, stays silent, answers late, by the wrong name or with nonsense."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.http11 import Response as Handshake

from ordergate.access.http import AnswerLost, NothingSent, parse_origin
from ordergate.access.response import Response
from ordergate.access.silence import PING_AFTER_SECONDS, SILENT_AFTER_SECONDS
from ordergate.access.sockets import Reply, Seat, Seats, SocketEngine, SocketOpening
from ordergate.access.streaming import StreamPace, Turn, Wish
from ordergate.access.websocket import HandshakeRefused, SocketLimits
from ordergate.trading.errors import Unreadable
from tests.unit.access.stage import ToldClock, until

PACE = StreamPace(first_pause_seconds=0.0, pause_seconds_max=0.0, look_seconds=0.01)
WAIT = 5.0
LEAVING, ENDING = b"leaving", b"ending"


class Named:
    """`name request` is asked, `name answer` is answered; `leaving` and `ending` are the venue's word of the connection."""

    def write(self, name: str, request: bytes) -> bytes:
        return name.encode() + b" " + request

    def read(self, message: bytes) -> Reply | Turn | None:
        if message in {LEAVING, ENDING}:
            return Turn(wish=Wish.RENEW if message == LEAVING else Wish.REOPEN, reason=message.decode())
        name, space, body = message.partition(b" ")
        if not space:
            raise Unreadable("no name")
        return Reply(name=name.decode(), response=Response(status=200, headers={}, body=body))


@dataclass(slots=True)
class Peer:
    url: str = ""
    connections: int = 0
    asked: list[str] = field(default_factory=list)
    handshakes: list[tuple[int, str | None]] = field(default_factory=list)
    """How the next connections are refused: status and Retry-After."""

    async def read(self, connection: ServerConnection) -> tuple[str, str]:
        """The next request: its name and what it asks."""
        message = await connection.recv()
        assert isinstance(message, str)
        name, _, request = message.partition(" ")
        self.asked.append(request)
        return name, request


@asynccontextmanager
async def speaking(script: Callable[[Peer, int, ServerConnection], Awaitable[None]]) -> AsyncIterator[Peer]:
    peer = Peer()

    async def handle(connection: ServerConnection) -> None:
        peer.connections += 1
        with contextlib.suppress(ConnectionClosed):
            await script(peer, peer.connections, connection)

    def judge(connection: ServerConnection, _: Request) -> Handshake | None:
        if not peer.handshakes:
            return None
        status, wait = peer.handshakes.pop(0)
        refusal = connection.respond(status, "no")
        if wait is not None:
            refusal.headers["Retry-After"] = wait
        return refusal

    async with serve(
        handle, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2, compression=None, process_request=judge
    ) as server:
        peer.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        yield peer


@dataclass(slots=True)
class Stage:
    engine: SocketEngine
    clock: ToldClock
    refusals: list[HandshakeRefused]

    async def seat(self, *, timeout_seconds: float = WAIT, urgent: bool = False) -> Seat:
        seat = await self.engine.acquire(timeout_seconds=timeout_seconds, urgent=urgent)
        assert isinstance(seat, Seat), seat
        return seat

    async def ask(self, text: bytes, *, seconds: float = WAIT) -> bytes | NothingSent | AnswerLost:
        seat = await self.seat()
        try:
            found = await seat.exchange(text, timeout_seconds=seconds)
        finally:
            self.engine.release(seat)
        return found.body if isinstance(found, Response) else found


@asynccontextmanager
async def asking(url: str, **changes: object) -> AsyncIterator[Stage]:
    clock = ToldClock()
    refusals: list[HandshakeRefused] = []

    async def admit() -> bool:
        return True

    opening = SocketOpening(
        origin=parse_origin(url, plain="ws", encrypted="wss"),
        clock=clock,
        draw=lambda: 0.0,
        admit=admit,
        refused=refusals.append,
        pace=PACE,
        socket_limits=SocketLimits(connect_seconds_max=2.0, close_seconds_max=0.2),
    )
    engine = SocketEngine(replace(opening, **changes), Named())  # type: ignore[arg-type] # the fields are the caller's
    try:
        yield Stage(engine, clock, refusals)
    finally:
        await engine.close()
        assert engine.counts.open == 0


async def echoing(peer: Peer, _: int, connection: ServerConnection) -> None:
    while True:
        name, request = await peer.read(connection)
        await connection.send(f"{name} {request}!")


async def test_requests_under_way_together_get_each_its_own_answer_in_any_order() -> None:
    async def backwards(peer: Peer, _: int, connection: ServerConnection) -> None:
        asked = [await peer.read(connection) for _ in range(3)]
        for name, request in reversed(asked):
            await connection.send(f"{name} {request}!")
        await connection.wait_closed()

    async with speaking(backwards) as peer, asking(peer.url) as stage:
        found = await asyncio.gather(*(stage.ask(text) for text in (b"a", b"b", b"c")))
        assert found == [b"a!", b"b!", b"c!"]
        assert (peer.connections, stage.engine.counts.exchanges) == (1, 3)


async def test_connection_cut_after_the_request_loses_every_answer_and_another_is_opened() -> None:
    async def cutting(peer: Peer, number: int, connection: ServerConnection) -> None:
        if number > 1:
            await echoing(peer, number, connection)
        await peer.read(connection)
        await peer.read(connection)
        connection.transport.abort()

    async with speaking(cutting) as peer, asking(peer.url) as stage:
        found = await asyncio.gather(stage.ask(b"a"), stage.ask(b"b"))
        assert all(isinstance(each, AnswerLost) and each.reason in {"reset", "closed"} for each in found)
        assert stage.engine.counts.answers_lost == 2
        assert await stage.ask(b"c") == b"c!"
        assert peer.asked == ["a", "b", "c"]


async def test_connection_closed_with_a_code_loses_the_answer() -> None:
    async def closing(peer: Peer, _: int, connection: ServerConnection) -> None:
        await peer.read(connection)
        await connection.close(1001)

    async with speaking(closing) as peer, asking(peer.url) as stage:
        assert await stage.ask(b"a") == AnswerLost(reason="closed_1001")


async def test_connection_that_is_gone_before_the_request_is_written_has_sent_nothing() -> None:
    leave = asyncio.Event()

    async def leaving(peer: Peer, number: int, connection: ServerConnection) -> None:
        if number > 1:
            await echoing(peer, number, connection)
        await leave.wait()
        connection.transport.abort()

    async with speaking(leaving) as peer, asking(peer.url) as stage:
        seat = await stage.seat()
        leave.set()
        await until(lambda: not seat.is_alive)
        assert await seat.exchange(b"a", timeout_seconds=WAIT) == NothingSent(reason="connection_closed")
        stage.engine.release(seat)
        await until(lambda: stage.engine.is_ready)
        spare = stage.engine.spare()
        assert spare is not None
        found = await spare.exchange(b"b", timeout_seconds=WAIT)
        assert isinstance(found, Response)
        stage.engine.release(spare)
        assert peer.asked == ["b"]
        assert stage.engine.counts.exchanges == 1


async def test_transport_that_is_closing_takes_nothing() -> None:
    async with speaking(echoing) as peer, asking(peer.url) as stage:
        seat = await stage.seat()
        socket = seat.line._socket
        assert socket is not None
        assert socket._transport is not None
        socket._transport.abort()  # the loop has not told us yet
        assert await seat.exchange(b"a", timeout_seconds=WAIT) == NothingSent(reason="connection_closed")
        stage.engine.release(seat)


async def test_late_answer_is_nobodys_and_the_others_on_that_connection_still_get_theirs() -> None:
    told = asyncio.Event()

    async def late(peer: Peer, number: int, connection: ServerConnection) -> None:
        if number > 1:
            await echoing(peer, number, connection)
        slow, quick = await peer.read(connection), await peer.read(connection)
        await told.wait()
        await connection.send(f"{slow[0]} too late")
        await connection.send(f"{quick[0]} {quick[1]}!")
        await connection.wait_closed()

    async with speaking(late) as peer, asking(peer.url) as stage:
        patient = asyncio.create_task(_after(stage, b"b", lambda: peer.asked == ["a"]))
        assert await stage.ask(b"a", seconds=0.05) == AnswerLost(reason="timeout")
        assert await stage.ask(b"c") == b"c!"  # by another connection: the first one is in doubt
        told.set()
        assert await patient == b"b!"
        assert peer.connections == 2
        assert stage.engine.counts.answers_lost == 1


async def _after(stage: Stage, text: bytes, fact: Callable[[], bool]) -> object:
    seat = await stage.seat()
    await until(fact)
    try:
        found = await seat.exchange(text, timeout_seconds=WAIT)
    finally:
        stage.engine.release(seat)
    return found.body if isinstance(found, Response) else found


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("nonsense", "malformed_answer"),
        ("1-99 of another", "answer_to_nothing"),
        ("0-1 of another", "answer_to_nothing"),
        ("ending", "ending"),
    ],
)
async def test_answer_that_could_be_anybodys_loses_all_that_are_under_way(words: str, reason: str) -> None:
    async def confusing(peer: Peer, _: int, connection: ServerConnection) -> None:
        await peer.read(connection)
        await peer.read(connection)
        await connection.send(words)
        await connection.wait_closed()

    async with speaking(confusing) as peer, asking(peer.url) as stage:
        found = await asyncio.gather(stage.ask(b"a"), stage.ask(b"b"))
        assert [*found] == [AnswerLost(reason=reason)] * 2


async def test_answer_that_comes_twice_ends_the_connection_and_counts_once() -> None:
    async def twice(peer: Peer, number: int, connection: ServerConnection) -> None:
        if number > 1:
            await echoing(peer, number, connection)
        name, request = await peer.read(connection)
        await connection.send(f"{name} {request}!")
        await connection.send(f"{name} {request}?")
        await connection.wait_closed()

    async with speaking(twice) as peer, asking(peer.url) as stage:
        assert await stage.ask(b"a") == b"a!"
        await until(lambda: peer.connections == 2)
        assert await stage.ask(b"b") == b"b!"


async def test_request_that_is_canceled_leaves_no_answer_for_another() -> None:
    async def holding(peer: Peer, number: int, connection: ServerConnection) -> None:
        if number > 1:
            await echoing(peer, number, connection)
        name, _ = await peer.read(connection)
        await until(lambda: peer.connections == 2)
        await connection.send(f"{name} of the one that was canceled")
        await connection.wait_closed()

    async with speaking(holding) as peer, asking(peer.url) as stage:
        task = asyncio.create_task(stage.ask(b"a"))
        await until(lambda: peer.asked == ["a"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await stage.ask(b"b") == b"b!"


@pytest.mark.parametrize("why", ["told", "time"])
async def test_renewal_lets_what_is_under_way_be_answered_on_the_old_connection(why: str) -> None:
    answer = asyncio.Event()
    closed: list[int] = []

    async def retiring(peer: Peer, number: int, connection: ServerConnection) -> None:
        if number > 1:
            await echoing(peer, number, connection)
        name, request = await peer.read(connection)
        if why == "told":
            await connection.send(LEAVING.decode())
        await answer.wait()
        await connection.send(f"{name} {request} of the old one")
        await connection.wait_closed()
        closed.append(connection.close_code or 0)

    pace = replace(PACE, renew_seconds=5.0, renew_spread_seconds=0.0)
    async with speaking(retiring) as peer, asking(peer.url, pace=pace) as stage:
        first = asyncio.create_task(stage.ask(b"a"))
        await until(lambda: peer.asked == ["a"])
        if why == "time":
            stage.clock.pass_seconds(5.0)
        await until(lambda: peer.connections == 2 and stage.engine.counts.connections == 2)
        assert await stage.ask(b"b") == b"b!"
        answer.set()
        assert await first == b"a of the old one"
        await until(lambda: bool(closed))
        assert closed == [1000]
        assert stage.engine.counts.open == 1


async def test_silent_connection_is_asked_and_then_given_up() -> None:
    pinged = asyncio.Event()

    async def deaf(peer: Peer, number: int, connection: ServerConnection) -> None:
        if number > 1:
            await echoing(peer, number, connection)
        await peer.read(connection)
        connection.transport.pause_reading()
        pinged.set()
        await connection.wait_closed()

    async with speaking(deaf) as peer, asking(peer.url) as stage:
        lost = asyncio.create_task(stage.ask(b"a"))
        await pinged.wait()
        stage.clock.pass_seconds(PING_AFTER_SECONDS)
        await asyncio.sleep(0)
        stage.clock.pass_seconds(SILENT_AFTER_SECONDS - PING_AFTER_SECONDS)
        assert await lost == AnswerLost(reason="silent")
        assert await stage.ask(b"b") == b"b!"


async def test_pong_keeps_a_quiet_connection() -> None:
    async with speaking(echoing) as peer, asking(peer.url) as stage:
        assert await stage.ask(b"a") == b"a!"
        line = stage.engine._line
        assert line is not None
        assert line._socket is not None
        for _ in range(4):
            stage.clock.pass_seconds(PING_AFTER_SECONDS)
            heard = stage.clock.seconds
            await until(lambda heard=heard: line._socket.heard_at >= heard)  # type: ignore[misc]
        assert await stage.ask(b"b") == b"b!"
        assert peer.connections == 1


async def test_seats_are_bounded_and_the_last_are_for_the_urgent() -> None:
    async with speaking(echoing) as peer, asking(peer.url, seats=Seats(total=2, urgent=1)) as stage:
        first = await stage.seat()
        full = await stage.engine.acquire(timeout_seconds=0.01)
        assert full == NothingSent(reason="connections_busy")
        urgent = await stage.seat(urgent=True)
        waiting = asyncio.create_task(stage.seat())
        hurried = asyncio.create_task(stage.seat(urgent=True))
        await asyncio.sleep(0)
        stage.engine.release(first)
        stage.engine.release(first)  # again is harmless
        got = await hurried
        assert not waiting.done()
        stage.engine.release(urgent)
        stage.engine.release(got)
        stage.engine.release(await waiting)


async def test_one_who_gives_up_waiting_takes_no_seat() -> None:
    async with speaking(echoing) as peer, asking(peer.url, seats=Seats(total=1, urgent=0)) as stage:
        first = await stage.seat()
        gone = asyncio.create_task(stage.seat())
        await asyncio.sleep(0)
        gone.cancel()
        stage.engine.release(first)
        with pytest.raises(asyncio.CancelledError):
            await gone
        stage.engine.release(await stage.seat(timeout_seconds=1.0))


async def test_venue_that_takes_no_connection_is_heard_and_nothing_was_sent() -> None:
    async with speaking(echoing) as peer:
        peer.handshakes = [(429, "7")]
        async with asking(peer.url) as stage:
            refused = await stage.engine.acquire(timeout_seconds=0.2)
            assert refused == NothingSent(reason="handshake_429")
            assert [each.retry_after_ms for each in stage.refusals] == [7_000]
            assert peer.connections == 0
            stage.clock.pass_seconds(7)
            assert await stage.ask(b"a") == b"a!"
            assert stage.engine.counts.failures == 1


async def test_connection_without_budget_is_not_opened() -> None:
    asked = []

    async def admit() -> bool:
        asked.append(1)
        return False

    async with speaking(echoing) as peer, asking(peer.url, admit=admit) as stage:
        assert await stage.engine.acquire(timeout_seconds=0.1) == NothingSent(reason="no_budget")
        assert asked
        assert peer.connections == 0


async def test_closing_loses_what_is_under_way_and_seats_nobody_any_more() -> None:
    async def holding(peer: Peer, _: int, connection: ServerConnection) -> None:
        await peer.read(connection)
        await connection.wait_closed()

    async with speaking(holding) as peer, asking(peer.url, seats=Seats(total=1, urgent=0)) as stage:
        lost = asyncio.create_task(stage.ask(b"a"))
        await until(lambda: peer.asked == ["a"])
        waiting = asyncio.create_task(stage.engine.acquire(timeout_seconds=WAIT))
        await asyncio.sleep(0)
        await stage.engine.close()
        assert await lost == AnswerLost(reason="closed_by_us")
        assert await waiting == NothingSent(reason="engine_closed")
        assert await stage.engine.acquire(timeout_seconds=WAIT) == NothingSent(reason="engine_closed")
        assert await stage.engine.warm(1) == 0


async def test_connections_that_end_at_once_are_not_opened_in_a_hurry() -> None:
    async def ending(_: Peer, __: int, connection: ServerConnection) -> None:
        await connection.close(1001)

    pace = replace(PACE, first_pause_seconds=10.0, pause_seconds_max=60.0)
    async with speaking(ending) as peer, asking(peer.url, pace=pace, draw=lambda: 0.5) as stage:
        await stage.engine.warm(1)
        await until(lambda: not stage.engine.is_ready)
        refused = await stage.engine.acquire(timeout_seconds=0.1)
        assert isinstance(refused, NothingSent)
        assert peer.connections == 1
        stage.clock.pass_seconds(60.0)
        await until(lambda: peer.connections == 2)
