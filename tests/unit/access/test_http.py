import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from ordergate.access.http import AnswerLost, Engine, EngineLimits, NothingSent, Origin, is_loopback, parse_origin
from ordergate.access.response import Response
from ordergate.trading.errors import Misconfigured
from tests.unit.access.stage import Script, answer, say, serving, until

ORDER = b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
CANCEL = b"DELETE /v2/orders/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


async def exchange(
    engine: Engine, request: bytes = ORDER, *, seconds: float = 5.0
) -> Response | NothingSent | AnswerLost:
    connection = await engine.acquire(timeout_seconds=2.0)
    if isinstance(connection, NothingSent):
        return connection
    try:
        return await connection.exchange(request, timeout_seconds=seconds)
    finally:
        engine.release(connection)


async def echo(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await say(writer, answer(b'{"ok":true}'))


def dies_at(number: int, half: bytes = b"") -> Script:
    async def script(at: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if at < number:
            await say(writer, answer())
        else:
            await say(writer, half)
            writer.close()

    return script


async def test_a_socket_is_used_again() -> None:
    async with serving(echo) as peer:
        engine = Engine(peer.origin)
        for _ in range(5):
            found = await exchange(engine)
            assert isinstance(found, Response)
            assert found.body == b'{"ok":true}'
        assert peer.connections == engine.counts.connections == 1
        await engine.close()


@pytest.mark.parametrize("request_bytes", [ORDER, CANCEL])
@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"])
async def test_a_kept_alive_connection_that_dies_under_a_request_is_never_sent_again(
    request_bytes: bytes, half: bytes
) -> None:
    async with serving(dies_at(2, half)) as peer:
        engine = Engine(peer.origin)
        assert isinstance(await exchange(engine, request_bytes), Response)
        assert await exchange(engine, request_bytes) == AnswerLost(reason="closed")
        assert len(peer.requests) == 2, "the second request was seen once"
        await engine.close()


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    async with serving(echo) as peer:
        origin = peer.origin
    engine = Engine(origin)
    found = await exchange(engine)
    assert found == NothingSent(reason="connection_refused")
    assert engine.counts.exchanges == 0
    assert engine.counts.failures == 1


async def test_an_idle_connection_that_the_peer_closed_is_replaced_before_anything_is_sent() -> None:
    async def closes_after_answer(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, answer())
        writer.close()

    async with serving(closes_after_answer) as peer:
        engine = Engine(peer.origin)
        assert isinstance(await exchange(engine), Response)
        await until(lambda: engine.counts.open == 0)
        assert isinstance(await exchange(engine), Response)
        assert (peer.connections, len(peer.requests)) == (2, 2)
        await engine.close()


async def test_a_silent_peer_is_a_lost_answer_and_its_late_words_go_to_nobody() -> None:
    release = asyncio.Event()

    async def late(at: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if at == 1:
            await release.wait()
        await say(writer, answer(str(at).encode()))

    async with serving(late) as peer:
        engine = Engine(peer.origin)
        assert await exchange(engine, seconds=0.05) == AnswerLost(reason="timeout")
        release.set()
        found = await exchange(engine)
        assert isinstance(found, Response)
        assert found.body == b"2"
        assert peer.connections == 2
        await engine.close()


async def test_a_canceled_request_closes_its_connection() -> None:
    asked = asyncio.Event()

    async def hold(at: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if at > 1:
            await say(writer, answer(b"second"))
            return
        asked.set()
        await reader.read()

    async with serving(hold) as peer:
        engine = Engine(peer.origin)
        task = asyncio.create_task(exchange(engine))
        await asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found = await exchange(engine)
        assert isinstance(found, Response)
        assert found.body == b"second"
        assert peer.connections == 2
        await engine.close()


async def test_an_answer_that_nobody_asked_for_closes_the_connection() -> None:
    async def twice(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, answer(b"mine") + answer(b"stray"))

    async with serving(twice) as peer:
        engine = Engine(peer.origin)
        for _ in range(3):
            found = await exchange(engine)
            assert isinstance(found, Response)
            assert found.body == b"mine"
        assert peer.connections == 3
        await engine.close()


async def test_warm_connections_are_there_before_the_first_request() -> None:
    async with serving(echo) as peer:
        engine = Engine(peer.origin)
        assert await engine.warm(3) == 3
        before = engine.counts.connections
        assert isinstance(await exchange(engine), Response)
        assert engine.counts.connections == before == 3
        await engine.close()


async def test_stale_connections_are_replaced_when_warmed() -> None:
    async with serving(echo) as peer:
        engine = Engine(peer.origin, limits=EngineLimits(idle_seconds_max=0.0))
        await engine.warm(2)
        await engine.warm(2)
        assert engine.counts.connections == 4
        await engine.close()


async def test_beyond_the_limit_requests_wait_for_a_connection_and_not_for_ever() -> None:
    release = asyncio.Event()

    async def slow(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await say(writer, answer())

    async with serving(slow) as peer:
        engine = Engine(peer.origin, limits=EngineLimits(connections_max=2, urgent_connections=0))
        first = [asyncio.create_task(exchange(engine)) for _ in range(5)]
        await until(lambda: len(peer.requests) == 2)
        assert await engine.acquire(timeout_seconds=0.02) == NothingSent(reason="connections_busy")
        release.set()
        assert all(isinstance(found, Response) for found in await asyncio.gather(*first))
        assert peer.connections == 2
        await engine.close()


async def test_slow_orders_never_hold_the_connections_that_cancels_need() -> None:
    release = asyncio.Event()

    async def slow_orders(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peer.requests[-1].startswith(b"POST"):
            await release.wait()
        await say(writer, answer())

    async with serving(slow_orders) as peer:
        engine = Engine(peer.origin, limits=EngineLimits(connections_max=3, urgent_connections=1))
        orders = [asyncio.create_task(exchange(engine)) for _ in range(4)]
        await until(lambda: len(peer.requests) == 2)
        connection = await engine.acquire(timeout_seconds=1.0, urgent=True)
        assert not isinstance(connection, NothingSent)
        assert isinstance(await connection.exchange(CANCEL, timeout_seconds=5.0), Response)
        engine.release(connection)
        assert sum(request.startswith(b"POST") for request in peer.requests) == 2, "no order took the place kept"
        release.set()
        assert all(isinstance(found, Response) for found in await asyncio.gather(*orders))
        await engine.close()


async def test_of_those_who_wait_the_urgent_goes_first() -> None:
    release = asyncio.Event()

    async def slow(at: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if at == 1:
            await release.wait()
        await say(writer, answer())

    async with serving(slow) as peer:
        engine = Engine(peer.origin, limits=EngineLimits(connections_max=1, urgent_connections=0))
        holding = asyncio.create_task(exchange(engine))
        await until(lambda: len(peer.requests) == 1)
        order = asyncio.create_task(engine.acquire(timeout_seconds=5.0))
        cancel = asyncio.create_task(engine.acquire(timeout_seconds=5.0, urgent=True))
        await asyncio.sleep(0)
        release.set()
        await holding
        first = await cancel
        assert not order.done()
        assert not isinstance(first, NothingSent)
        engine.release(first)
        second = await order
        assert second is first
        engine.release(first)
        await engine.close()


async def test_redirects_and_encodings_are_handed_on_as_they_came() -> None:
    async def redirect(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, answer(b"\x1f\x8b", status="302 Found", headers="Location: /x\r\nContent-Encoding: gzip\r\n"))

    async with serving(redirect) as peer:
        engine = Engine(peer.origin)
        found = await exchange(engine)
        assert isinstance(found, Response)
        assert (found.status, found.body, len(peer.requests)) == (302, b"\x1f\x8b", 1)
        await engine.close()


async def test_closing_ends_what_waits() -> None:
    asked = asyncio.Event()

    async def hold(_: int, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()

    async with serving(hold) as peer:
        engine = Engine(peer.origin, limits=EngineLimits(connections_max=1))
        on_the_wire = asyncio.create_task(exchange(engine))
        await asked.wait()
        waiting = asyncio.create_task(exchange(engine))
        await asyncio.sleep(0)
        await engine.close()
        assert isinstance(await on_the_wire, AnswerLost)
        assert await waiting == NothingSent(reason="engine_closed")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://10.0.0.1:8700",
        "http://0.0.0.0:8700",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://user:word@api.example.com",
        "https://api.example.com/?a=1",
        "https://api.example.com/\r\nX: y",
    ],
)
def test_plain_http_to_another_machine_and_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        parse_origin(url)


def test_https_anywhere_and_http_to_this_machine_are_taken() -> None:
    assert parse_origin("https://api.example.com/base/") == Origin(
        tls=True, host="api.example.com", port=443, prefix="/base"
    )
    assert parse_origin("http://localhost:8700").authority == "localhost:8700"
    assert parse_origin("http://[::1]:8700").authority == "[::1]:8700"
    assert is_loopback("127.9.9.9")


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    key, cert = directory / f"{name}.key", directory / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", str(key), "-out", str(cert), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


@pytest.mark.parametrize(
    ("name", "trusted", "works"),
    [("localhost", True, True), ("localhost", False, False), ("other.example", True, False)],
)
async def test_a_certificate_must_be_trusted_and_bear_the_name(
    tmp_path: Path, name: str, *, trusted: bool, works: bool
) -> None:
    key, cert = certificate(tmp_path, name)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(cert, key)
    seen: list[bytes] = []
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"{}"))
        await say(writer, answer())
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
    port = server.sockets[0].getsockname()[1]
    client_context = ssl.create_default_context(cafile=str(cert) if trusted else None)
    engine = Engine(Origin(tls=True, host="localhost", port=port, prefix=""), ssl_context=client_context)
    found = await exchange(engine)
    if works:
        assert isinstance(found, Response)
        assert engine.counts.handshakes == 1
    else:
        assert found == NothingSent(reason="tls_failed")
        assert seen == []
    await engine.close()
    if works:
        await done.wait()
    server.close()


def test_a_context_that_does_not_verify_is_refused() -> None:
    lax = ssl.create_default_context()
    lax.check_hostname = False
    with pytest.raises(Misconfigured):
        Engine(Origin(tls=True, host="localhost", port=1, prefix=""), ssl_context=lax)
