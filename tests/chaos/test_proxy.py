"""The proxy does to the traffic what it is told, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest_asyncio

from tests.chaos.proxy import BLACK_HOLE, DEAF, MUTE, NONE, Proxy, Trouble

SHORT_SECONDS = 0.2
OPEN: list[asyncio.StreamWriter] = []
"""Client ends of the running test, closed by the fixture: the loop must not end before them."""


class Echo:
    """Answers each chunk with itself; `heard` is everything that reached it."""

    def __init__(self) -> None:
        self.heard = b""
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                self.heard += chunk
                writer.write(chunk)
        writer.close()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[Echo]:
    running = Echo()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    for writer in running.writers:
        writer.transport.abort()


@pytest_asyncio.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    running = Proxy(target=echo.port)
    await running.start()
    yield running
    for writer in OPEN:
        writer.close()
    OPEN.clear()
    await running.stop()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(proxy: Proxy) -> Ends:
    ends = await asyncio.open_connection("127.0.0.1", proxy.port)
    OPEN.append(ends[1])
    return ends


async def read_to_the_reset(ends: Ends) -> bytes:
    """What came before the reset; a plain end is none."""
    got = b""
    try:
        async with asyncio.timeout(5):
            while chunk := await ends[0].read(100):
                got += chunk
    except ConnectionResetError:
        return got
    raise AssertionError(f"ended without a reset, after {got!r}")


async def said(ends: Ends, text: bytes) -> bytes:
    reader, writer = ends
    writer.write(text)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(text))


async def nothing_comes(ends: Ends, text: bytes) -> bool:
    ends[1].write(text)
    try:
        async with asyncio.timeout(SHORT_SECONDS):
            await ends[0].read(1)
    except TimeoutError:
        return True
    return False


async def test_without_trouble_every_byte_passes_both_ways_and_the_end_too(proxy: Proxy, echo: Echo) -> None:
    ends = await connected(proxy)
    text = bytes(range(256)) * 4096
    assert await said(ends, text) == text
    ends[1].write_eof()
    async with asyncio.timeout(5):
        assert await ends[0].read() == b""
    assert echo.heard == text


async def test_latency_is_added_in_each_direction(proxy: Proxy) -> None:
    ends = await connected(proxy)
    proxy.trouble = Trouble(latency_seconds=0.05)
    began = time.monotonic()
    assert await said(ends, b"x") == b"x"
    assert time.monotonic() - began >= 0.1


async def test_a_black_hole_swallows_without_closing_and_ends_when_told(proxy: Proxy, echo: Echo) -> None:
    ends = await connected(proxy)
    assert await said(ends, b"a") == b"a"
    proxy.trouble = BLACK_HOLE
    assert await nothing_comes(ends, b"b")
    assert echo.heard == b"a"
    proxy.trouble = NONE
    assert await said(ends, b"c") == b"c"


async def test_deaf_loses_the_question_and_mute_loses_the_answer(proxy: Proxy, echo: Echo) -> None:
    ends = await connected(proxy)
    proxy.trouble = DEAF
    assert await nothing_comes(ends, b"q")
    assert echo.heard == b""
    proxy.trouble = MUTE
    assert await nothing_comes(ends, b"r")
    assert echo.heard == b"r", "it was heard: only its answer is lost"


async def test_a_cut_lets_exactly_that_many_bytes_of_the_answer_through(proxy: Proxy, echo: Echo) -> None:
    proxy.trouble = Trouble(cut_after_bytes=7)
    ends = await connected(proxy)
    ends[1].write(b"0123456789")
    assert await read_to_the_reset(ends) == b"0123456"
    assert echo.heard == b"0123456789"


async def test_refusing_resets_new_connections_and_leaves_the_old(proxy: Proxy) -> None:
    old = await connected(proxy)
    assert await said(old, b"a") == b"a"
    proxy.trouble = Trouble(refuse=True)
    assert await read_to_the_reset(await connected(proxy)) == b""
    assert await said(old, b"b") == b"b"


async def test_a_reset_of_all_reaches_both_ends(proxy: Proxy) -> None:
    ends = await connected(proxy)
    assert await said(ends, b"a") == b"a"
    proxy.reset_all()
    assert await read_to_the_reset(ends) == b""
    again = await connected(proxy)
    assert await said(again, b"b") == b"b"


async def test_with_nobody_behind_it_a_connection_is_reset() -> None:
    proxy = Proxy(target=1)
    await proxy.start()
    ends = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await read_to_the_reset(ends) == b""
    ends[1].close()
    await proxy.stop()
