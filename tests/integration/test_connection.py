"""The connection of a service on a real nats-server: closed means closed, also while the bus is away."""

import asyncio

from ordergate.runtime.connection import NatsBus, connect
from ordergate.runtime.server import EmbeddedServer
from tests.integration.orders_at_hand import eventually

ROUNDS = 5
GONE_SECONDS = 2.0


async def _away(bus: NatsBus, server: EmbeddedServer) -> None:
    server.kill()
    await eventually(lambda: bus.client.is_reconnecting and bus.counts.errors > 0)


async def test_a_connection_closed_during_an_outage_stops_dialling(server: EmbeddedServer) -> None:
    """Python 3.11 can lose the cancellation that should end the dialling; then the next refused attempt ends it."""
    for _ in range(ROUNDS):
        bus = await connect(server.url, service="test")
        await _away(bus, server)
        dialling = bus.client._reconnection_task
        await bus.close()
        assert bus.client.is_closed
        await eventually(lambda task=dialling: task is None or task.done(), seconds=GONE_SECONDS)  # type: ignore[misc]
        server.start()


async def test_a_dialling_that_outlived_its_cancellation_ends_at_the_next_refusal(server: EmbeddedServer) -> None:
    bus = await connect(server.url, service="test")
    await _away(bus, server)
    dialling = bus.client._reconnection_task
    assert dialling is not None
    lost: list[str] = []
    bus.client._reconnection_task_future = None
    bus.client._reconnection_task = _Deaf(dialling, lost)  # type: ignore[assignment]
    await bus.close()
    assert lost == ["cancel"]
    assert not dialling.done()
    bus.client._reconnection_task = dialling
    await eventually(dialling.done, seconds=GONE_SECONDS)


async def test_what_was_pending_when_the_bus_went_does_not_keep_a_connection_from_closing(
    server: EmbeddedServer,
) -> None:
    closed = asyncio.Event()

    async def when_closed() -> None:
        closed.set()

    bus = await connect(server.url, service="test", when_closed=when_closed)
    await _away(bus, server)
    await bus.client.publish("kept.for.later", b"x")
    await asyncio.wait_for(bus.close(), GONE_SECONDS)
    assert bus.client.is_closed
    assert closed.is_set()
    await bus.close()


async def test_a_bus_that_goes_while_a_connection_says_goodbye_does_not_keep_it() -> None:
    """The pong it waits for went with the bus; and what dials again must end, though nobody is there to refuse it."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","max_payload":65536,"headers":true,"proto":1}\r\n')
        pings = 0
        while line := await reader.readline():
            pings += line.startswith(b"PING")
            if pings > 1:
                gone.set()
                break
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        bus = await connect(f"nats://127.0.0.1:{port}", service="test")
        await asyncio.wait_for(bus.close(), GONE_SECONDS)
        assert gone.is_set()
        assert bus.client.is_closed


class _Deaf:
    """The task, but its cancellation is lost."""

    def __init__(self, task: "asyncio.Task[None]", lost: list[str]) -> None:
        self._task = task
        self._lost = lost

    def done(self) -> bool:
        return self._task.done()

    def cancel(self) -> bool:
        self._lost.append("cancel")
        return False
