"""The keeper of a private stream, against servers on this machine that cut, stay silent, say too much or say no."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from ordergate.access.http import parse_origin
from ordergate.access.inbox import Inbox, InboxLimits, Message
from ordergate.access.silence import PING_AFTER_SECONDS, SILENT_AFTER_SECONDS
from ordergate.access.streaming import (
    KeptStream,
    Line,
    StreamOpening,
    StreamPace,
    StreamRefused,
    Turn,
    Wish,
)
from ordergate.access.websocket import HandshakeRefused, SocketLimits, connect
from ordergate.ports.stream import Ended, Lost, Opened, SetAside, StreamEvent
from ordergate.trading.errors import Misconfigured
from tests.unit.access.stage import ToldClock, until

LIMIT = 5.0
PACE = StreamPace(
    first_pause_seconds=0.0, pause_seconds_max=0.0, refused_seconds=0.0, look_seconds=0.01, answer_seconds=1.0
)


@dataclass(slots=True)
class Plain:
    """Manners of no venue: a message says itself; `renew`, `reopen`, `end` mean what they say."""

    refusals: list[StreamRefused] = field(default_factory=list)
    asks: bool = False
    answers: list[bytes] = field(default_factory=list)

    async def target(self) -> str:
        return "/stream?key=1"

    async def subscribe(self, line: Line) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        if self.asks:
            self.answers.append(
                await line.ask(b"subscribe", lambda data: data if data == b"subscribed" else None, seconds=1.0)
            )

    def read(self, data: bytes) -> Iterable[StreamEvent | Turn]:
        text = data.decode()
        yield Turn(wish=Wish(text), reason=text) if text in {*Wish} else SetAside(reason=text)

    async def tend(self, demand: Callable[[Turn], None]) -> None:
        del demand
        await asyncio.Event().wait()


Script = Callable[[int, ServerConnection], Awaitable[None]]


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[str]:
    """Calls the script with the number of each connection; when it returns the connection is closed."""
    count = 0

    async def handle(connection: ServerConnection) -> None:
        nonlocal count
        count += 1
        await script(count, connection)

    async with serve(handle, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


def opening_of(url: str, clock: ToldClock | None = None, **changes: object) -> StreamOpening:
    opening = StreamOpening(
        origin=parse_origin(url, plain="ws", encrypted="wss"),
        clock=clock or ToldClock(),
        draw=lambda: 0.0,
        pace=PACE,
        socket_limits=SocketLimits(connect_seconds_max=2.0, close_seconds_max=0.2),
    )
    return replace(opening, **changes)  # type: ignore[arg-type] # the fields are the caller's


@asynccontextmanager
async def reading(opening: StreamOpening, manners: Plain | None = None) -> AsyncIterator["Reader"]:
    stream = KeptStream(manners or Plain(), opening)
    reader = Reader(stream, stream.events())
    try:
        yield reader
    finally:
        await stream.close()


@dataclass(slots=True)
class Reader:
    stream: KeptStream
    events: AsyncGenerator[StreamEvent, None]

    async def next(self) -> StreamEvent:
        async with asyncio.timeout(LIMIT):
            return await anext(self.events)

    async def until(self, *wanted: StreamEvent) -> list[StreamEvent]:
        """Everything up to the last of `wanted`, which come in this order."""
        seen: list[StreamEvent] = []
        for each in wanted:
            while not seen or seen[-1] != each:
                seen.append(await self.next())
        return seen


async def holding(_: int, connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def said(text: str) -> SetAside:
    return SetAside(reason=text)


async def test_what_comes_before_the_subscription_stands_is_read_after_opened() -> None:
    async def script(_: int, connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("early")
        await connection.send("subscribed")
        await connection.send("later")
        await connection.wait_closed()

    manners = Plain(asks=True)
    async with serving(script) as url, reading(opening_of(url), manners) as reader:
        assert [await reader.next() for _ in range(3)] == [Opened(since_ms=None), said("early"), said("later")]
        assert manners.answers == [b"subscribed"]


async def test_a_connection_that_is_cut_is_a_gap_with_the_moment_until_which_all_was_seen() -> None:
    clock = ToldClock()
    cut = asyncio.Event()

    async def script(number: int, connection: ServerConnection) -> None:
        await connection.send(f"by {number}")
        if number == 1:
            await cut.wait()
            connection.transport.abort()
            return
        await connection.wait_closed()

    async with serving(script) as url, reading(opening_of(url, clock)) as reader:
        await reader.until(Opened(since_ms=None), said("by 1"))
        cut.set()
        lost, again = await reader.next(), await reader.next()
        assert isinstance(lost, Lost)
        assert again == Opened(since_ms=clock.now_ms())
        await reader.until(said("by 2"))
        assert (reader.stream.counts.lost, reader.stream.counts.handshakes) == (1, 2)


async def test_a_stream_that_says_nothing_at_all_is_lost_within_30_seconds() -> None:
    """A server that takes what comes and never answers, not even a ping."""
    clock = ToldClock()
    pinged = asyncio.Event()

    async def script(number: int, connection: ServerConnection) -> None:
        if number > 1:
            await connection.wait_closed()
            return
        connection.transport.pause_reading()  # nobody is there any more
        pinged.set()
        await connection.wait_closed()

    async with serving(script) as url, reading(opening_of(url, clock)) as reader:
        await reader.until(Opened(since_ms=None))
        seen_ms = clock.now_ms()
        await pinged.wait()
        line = reader.stream._line
        assert line is not None
        clock.pass_seconds(PING_AFTER_SECONDS)
        await until(lambda: line._silence._pinged_at >= clock.monotonic())
        clock.pass_seconds(SILENT_AFTER_SECONDS - PING_AFTER_SECONDS)
        assert SILENT_AFTER_SECONDS + PACE.look_seconds < 30
        assert await reader.next() == Lost(reason="silent")
        again = await reader.next()
        assert isinstance(again, Opened)
        assert again.since_ms is not None
        assert again.since_ms <= seen_ms + 1, "nothing was seen while it was silent"


async def test_a_quiet_account_is_pinged_and_not_lost() -> None:
    clock = ToldClock()
    async with serving(holding) as url, reading(opening_of(url, clock)) as reader:
        await reader.until(Opened(since_ms=None))
        for _ in range(5):
            clock.pass_seconds(PING_AFTER_SECONDS + 0.5)
            await until(lambda: reader.stream.silent_seconds < PING_AFTER_SECONDS)
        assert reader.stream.counts.lost == 0


@pytest.mark.parametrize("planned", [True, False])
async def test_a_renewal_opens_the_new_connection_before_the_old_is_closed_and_says_nothing(planned: bool) -> None:  # noqa: FBT001
    clock = ToldClock()
    open_now: set[int] = set()
    overlapped = asyncio.Event()

    async def script(number: int, connection: ServerConnection) -> None:
        open_now.add(number)
        if len(open_now) > 1:
            overlapped.set()
        await connection.send(f"by {number}")
        if number == 1 and not planned:
            await connection.send("renew")
        await connection.wait_closed()
        open_now.discard(number)

    pace = replace(PACE, renew_seconds=10.0, renew_spread_seconds=0.0)
    async with serving(script) as url, reading(opening_of(url, clock, pace=pace)) as reader:
        await reader.until(Opened(since_ms=None), said("by 1"))
        if planned:
            clock.pass_seconds(pace.renew_seconds)
        assert await reader.next() == said("by 2"), "no gap, so nothing is said"
        assert overlapped.is_set()
        assert (reader.stream.counts.renewals, reader.stream.counts.lost) == (1, 0)
        await until(lambda: open_now == {2})


async def test_a_message_that_ends_the_subscription_is_a_gap_at_once() -> None:
    async def script(number: int, connection: ServerConnection) -> None:
        if number == 1:
            await connection.send("reopen")
        await connection.wait_closed()

    async with serving(script) as url, reading(opening_of(url)) as reader:
        await reader.until(Opened(since_ms=None), Lost(reason="reopen"))
        assert isinstance(await reader.next(), Opened)


async def test_a_refused_key_ends_the_stream_once_and_a_good_one_opens_it_again() -> None:
    refused = StreamRefused("code_2015", credentials=True)
    manners = Plain(refusals=[refused, refused, refused])
    async with serving(holding) as url, reading(opening_of(url), manners) as reader:
        assert await reader.next() == Ended(reason="code_2015", credentials=True)
        assert await reader.next() == Opened(since_ms=None)


async def test_a_key_that_is_revoked_while_the_stream_is_open_ends_it() -> None:
    async def script(number: int, connection: ServerConnection) -> None:
        if number == 1:
            await connection.send("end")
        await connection.wait_closed()

    async with serving(script) as url, reading(opening_of(url)) as reader:
        await reader.until(Opened(since_ms=None), Ended(reason="end", credentials=True))
        assert isinstance(await reader.next(), Opened), "perhaps with another key"


async def test_a_consumer_that_lags_costs_a_gap_and_not_the_memory() -> None:
    opened = asyncio.Event()

    async def script(number: int, connection: ServerConnection) -> None:
        if number == 1:
            await opened.wait()
            for place in range(100):
                await connection.send(f"message {place}")
        await connection.wait_closed()

    limits = InboxLimits(messages_max=10)
    async with serving(script) as url, reading(opening_of(url, inbox_limits=limits)) as reader:
        assert await reader.next() == Opened(since_ms=None)
        opened.set()
        await until(lambda: reader.stream.counts.overflows > 0)
        assert await reader.next() == Lost(reason="consumer_lags")
        again = await reader.next()
        assert isinstance(again, Opened)
        assert again.since_ms is not None, "the messages that were thrown away are to be read from the venue"


async def test_the_inbox_says_when_the_oldest_message_came_that_it_throws_away() -> None:
    inbox: Inbox[str] = Inbox(InboxLimits(messages_max=3, bytes_max=10))
    inbox.mark("opened")
    assert inbox.put(Message(1, b"12345", 7))
    assert inbox.put(Message(1, b"12345", 8))
    assert not inbox.put(Message(1, b"1", 9)), "bytes are bounded too"
    assert inbox.forget_messages() == 7
    assert inbox.take() == "opened"
    assert inbox.take() is None


async def test_a_message_over_the_limit_is_a_gap() -> None:
    async def script(number: int, connection: ServerConnection) -> None:
        if number == 1:
            await connection.send("x" * 2_000)
        await connection.wait_closed()

    limits = SocketLimits(message_bytes_max=1_000)
    async with serving(script) as url, reading(opening_of(url, socket_limits=limits)) as reader:
        await reader.until(Opened(since_ms=None), Lost(reason="message_too_big"))


async def test_a_message_in_parts_is_one_message() -> None:
    async def script(_: int, connection: ServerConnection) -> None:
        await connection.send(["one ", "mess", "age"])
        await connection.wait_closed()

    async with serving(script) as url, reading(opening_of(url)) as reader:
        await reader.until(Opened(since_ms=None), said("one message"))


async def test_a_bug_in_the_manners_is_raised_where_the_stream_is_read() -> None:
    class Broken(Plain):
        async def target(self) -> str:
            raise ZeroDivisionError

    stream = KeptStream(Broken(), opening_of("ws://127.0.0.1:1"))
    with pytest.raises(ZeroDivisionError):
        async for _ in stream.events():
            pass
    with contextlib.suppress(ZeroDivisionError):
        await stream.close()


async def test_a_redirect_is_refused_and_a_wait_that_the_server_asks_for_is_kept() -> None:
    answers = iter([(302, {"Location": "ws://127.0.0.1:1/"}), (429, {"Retry-After": "7"})])

    def refuse(connection: ServerConnection, _: Request) -> Response:
        status, headers = next(answers)
        response = connection.respond(status, "no\n")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async with serve(holding_alone, "127.0.0.1", 0, process_request=refuse) as server:
        opening = opening_of(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(HandshakeRefused) as redirected:
            await raw(opening)
        assert redirected.value.reason == "handshake_302"
        with pytest.raises(HandshakeRefused) as throttled:
            await raw(opening)
        assert (throttled.value.reason, throttled.value.retry_after_ms) == ("handshake_429", 7_000)


async def test_plain_text_only_to_this_machine_and_tls_only_verified() -> None:
    with pytest.raises(Misconfigured, match="plain ws only to this machine"):
        parse_origin("ws://stream.example.com", plain="ws", encrypted="wss")
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    with pytest.raises(Misconfigured, match="must be verified"):
        await raw(opening_of("wss://127.0.0.1:1", ssl_context=trusting))


async def test_a_server_that_is_not_there_is_lost_once_and_found_when_it_comes() -> None:
    async with serving(holding) as url:
        pass
    port = int(url.split(":")[2].split("/")[0])
    async with reading(opening_of(url)) as reader:
        assert await reader.next() == Lost(reason="connection_refused")
        await until(lambda: reader.stream.counts.failures > 3)

        async def hold(connection: ServerConnection) -> None:
            await connection.wait_closed()

        async with serve(hold, "127.0.0.1", port, ping_interval=None):
            assert await reader.next() == Opened(since_ms=None)


async def holding_alone(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def raw(opening: StreamOpening) -> None:
    socket = await connect(
        opening.origin,
        "/",
        hear=lambda _: None,
        lost=lambda _: None,
        now=opening.clock.monotonic,
        limits=opening.socket_limits,
        ssl_context=opening.ssl_context,
    )
    socket.abort()
