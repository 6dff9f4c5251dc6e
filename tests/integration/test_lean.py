"""The short way through nats-py on a real nats-server: it holds as long as the two internals it uses stay where they are."""

import asyncio
import os
import signal

import pytest

from ordergate.runtime.connection import connect
from ordergate.runtime.lean import LeanClient, Unanswered, header_block, parse_headers
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.transport import Transport
from ordergate.trading.errors import Misuse
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import eventually


async def listen(client: Transport, subject: str) -> list[tuple[bytes, bytes, bytes, bytes | None]]:
    heard: list[tuple[bytes, bytes, bytes, bytes | None]] = []

    def take(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        heard.append((subject, reply, data, headers))

    await client.listen(subject, take)
    return heard


async def test_a_frame_arrives_as_it_was_posted(connected: Connect) -> None:
    one, other = await connected("one"), await connected("other")
    heard = await listen(other.client, "a.*")
    headers = header_block({"X": "y", "Z": "w"})
    assert one.client.post("a.b", b"plain")
    assert one.client.post("a.c", b"\r\nMSG \x00", reply="back", headers=headers)
    await eventually(lambda: len(heard) == 2)
    assert heard == [(b"a.b", b"", b"plain", None), (b"a.c", b"back", b"\r\nMSG \x00", headers)]
    assert parse_headers(headers) == {"X": "y", "Z": "w"}


async def test_a_subscription_is_known_to_the_server_when_listen_returns(connected: Connect) -> None:
    one, other = await connected("one"), await connected("other")
    for number in range(200):
        heard = await listen(other.client, f"a.{number}")
        assert one.client.post(f"a.{number}", b"x")
        await eventually(lambda heard=heard: len(heard) == 1)  # type: ignore[misc]


async def test_answers_to_what_is_posted_right_after_a_subscription_are_heard_though_nobody_waited(
    connected: Connect,
) -> None:
    bus, echo = await connected(), await connected("echo")
    heard: list[bytes] = []

    def answer(_subject: bytes, reply: bytes, data: bytes, _headers: bytes | None) -> None:
        echo.client.post(reply.decode(), data)

    def take(_subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
        heard.append(data)

    await echo.client.listen("echo", answer)
    for number in range(200):
        listening = await bus.client.listen(f"inbox.{number}", take, settle=False)
        assert bus.client.post("echo", b"%d" % number, reply=f"inbox.{number}")
        await eventually(lambda number=number: len(heard) == number + 1)  # type: ignore[misc]
        await bus.client.silence(listening, settle=False)
        assert bus.client.post(f"inbox.{number}", b"too late")
    await bus.client.flush()
    assert heard == [b"%d" % number for number in range(200)]


async def test_ordinary_subscriptions_of_nats_py_still_work_beside_sinks(connected: Connect) -> None:
    bus = await connected()
    assert isinstance(bus.client, LeanClient)
    subscription = await bus.client.subscribe("plain")
    await bus.client.publish("plain", b"x", headers={"A": "b"})
    message = await subscription.next_msg(timeout=2)
    assert (message.data, message.headers) == (b"x", {"A": "b"})


async def test_a_sink_that_raises_is_told_and_the_next_message_arrives(connected: Connect) -> None:
    bus = await connected()
    heard: list[bytes] = []

    def fragile(_subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
        heard.append(data)
        if data == b"bad":
            raise RuntimeError("bad")

    await bus.client.listen("a", fragile)
    bus.client.post("a", b"bad")
    bus.client.post("a", b"good")
    await eventually(lambda: heard == [b"bad", b"good"])
    assert bus.counts.errors == 1


async def test_nobody_there_is_told_at_once(connected: Connect) -> None:
    bus = await connected()
    with pytest.raises(Unanswered, match="nobody"):
        await asyncio.wait_for(bus.requests.ask("nobody.home", b"", seconds=5), 1)


async def test_no_answer_ends_at_the_limit(connected: Connect) -> None:
    bus, silent = await connected(), await connected("silent")
    await listen(silent.client, "mute")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Unanswered, match="time-out"):
        await bus.requests.ask("mute", b"", seconds=0.2)
    assert 0.2 <= loop.time() - began < 0.6


async def test_a_short_request_is_not_late_because_a_long_one_waits(connected: Connect) -> None:
    bus, silent = await connected(), await connected("silent")
    await listen(silent.client, "mute")
    loop = asyncio.get_running_loop()
    long, began = bus.requests.ask("mute", b"", seconds=60), loop.time()
    for seconds in (0.2, 0.3):
        with pytest.raises(Unanswered, match="time-out"):
            await bus.requests.ask("mute", b"", seconds=seconds)
    assert 0.5 <= loop.time() - began < 1.3
    assert not long.done()
    long.cancel()


async def test_every_request_gets_its_own_answer(connected: Connect) -> None:
    bus, echo = await connected(), await connected("echo")

    def answer(_subject: bytes, reply: bytes, data: bytes, _headers: bytes | None) -> None:
        echo.client.post(reply.decode(), data)

    await echo.client.listen("echo", answer)
    replies = await asyncio.gather(*(bus.requests.ask("echo", str(n).encode(), seconds=5) for n in range(1_000)))
    assert [int(reply.data) for reply in replies] == list(range(1_000))


async def test_a_lost_connection_ends_all_waiting_requests_and_keeps_nothing_for_later(
    connected: Connect, server: EmbeddedServer
) -> None:
    bus, silent = await connected(), await connected("silent")
    await listen(silent.client, "mute")
    waiting = [bus.requests.ask("mute", b"", seconds=60) for _ in range(3)]
    server.kill()
    async with asyncio.timeout(2):
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(error) for error in ended] == ["connection lost"] * 3
    assert not bus.client.post("later", b"x")
    with pytest.raises(Unanswered, match="not connected"):
        await bus.requests.ask("later", b"x", seconds=1)
    server.start()
    await eventually(lambda: bus.counts.reconnects == 1 and silent.counts.reconnects == 1)
    heard = await listen(silent.client, "later")
    await bus.client.flush()
    await silent.client.flush()
    assert heard == []


async def test_subscriptions_survive_a_restart(connected: Connect, server: EmbeddedServer) -> None:
    one, other = await connected("one"), await connected("other")
    heard = await listen(other.client, "a")
    server.kill()
    await eventually(lambda: not one.client.is_connected and not other.client.is_connected)
    server.start()
    await eventually(lambda: one.counts.reconnects == 1 and other.counts.reconnects == 1)
    assert one.client.post("a", b"again")
    await eventually(lambda: len(heard) == 1)


async def test_a_subscription_begun_when_the_bus_dies_is_made_at_the_reconnect(
    connected: Connect, server: EmbeddedServer
) -> None:
    one, other = await connected("one"), await connected("other")
    os.kill(server.pid, signal.SIGSTOP)  # it takes the question and never answers
    listening = asyncio.create_task(listen(other.client, "a"))
    await asyncio.sleep(0)  # it begins
    server.kill()
    server.start()
    heard = await asyncio.wait_for(listening, 5)
    await eventually(lambda: one.counts.reconnects == 1)
    assert one.client.post("a", b"x")
    await eventually(lambda: len(heard) == 1)


async def test_a_connection_waits_for_a_bus_that_is_not_there_yet(server: EmbeddedServer) -> None:
    server.stop()
    connecting = asyncio.create_task(connect(server.url, service="early"))
    await asyncio.sleep(0)
    server.start()
    bus = await asyncio.wait_for(connecting, 5)
    assert bus.client.is_connected
    await bus.close()


async def test_what_is_over_the_servers_limit_is_not_sent(connected: Connect) -> None:
    bus = await connected()
    with pytest.raises(Misuse):
        bus.client.post("a", b"x" * 65_537)
    assert bus.client.post("a", b"x" * 65_536)
    await bus.client.flush()
    assert bus.client.is_connected


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\r"])
def test_a_header_cannot_smuggle_in_another(value: str) -> None:
    with pytest.raises(Misuse):
        header_block({"A": value})


async def test_a_socket_that_is_gone_before_nats_py_knows_it_is_as_no_connection(
    connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset closes uvloop's handle at once; nats-py hears of it a turn later."""
    bus = await connected()
    client = bus.client
    assert isinstance(client, LeanClient)

    def closed(_frame: bytes) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    with monkeypatch.context() as patched:
        patched.setattr(client._transport, "write", closed)
        assert not client.post("a.b", b"x")
        with pytest.raises(Unanswered):
            await bus.requests.ask("a.b", b"x", seconds=1)
    assert client.post("a.b", b"x")
