"""A real nats-server for each test, and connections to it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from ordergate.runtime.connection import Bus, connect
from ordergate.runtime.jetstream import Limits
from ordergate.runtime.provision import provision, resources
from ordergate.runtime.server import EmbeddedServer
from ordergate.wire import streams
from tests.containers.engine import missing
from tests.integration.orders_at_hand import ACCOUNT, VENUE

Connect = Callable[..., Awaitable[Bus]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """Running, empty; a container where ORDERGATE_TEST_BUS_IMAGE names its image."""
    image = os.environ.get("ORDERGATE_TEST_BUS_IMAGE")
    if image:
        yield from _in_a_container(tmp_path, image)
        return
    running = EmbeddedServer(tmp_path / "bus", sync_always=False)
    running.start()
    yield running
    running.stop()


def _in_a_container(folder: Path, image: str) -> Iterator[EmbeddedServer]:
    from tests.integration.bus_image import ContainerServer  # noqa: PLC0415 - only who has an engine needs its client

    if missing() == "no engine":
        pytest.skip("no engine")
    running = ContainerServer(folder / "bus", image=image)
    running.start()
    try:
        yield running
    finally:
        running.remove()


@pytest_asyncio.fixture
async def connected(server: EmbeddedServer) -> AsyncIterator[Connect]:
    """Connects as often as asked; all is closed in the end."""
    buses: list[Bus] = []

    async def one(service: str = "test", *, limits: Limits | None = None) -> Bus:
        bus = await connect(server.url, service=service, limits=limits)
        buses.append(bus)
        return bus

    yield one
    for bus in buses:
        await bus.close()


@pytest_asyncio.fixture
async def bus(connected: Connect) -> Bus:
    """One connection to a provisioned bus."""
    made = await connected()
    await provision(
        made.jetstream,
        resources(
            streams=streams.streams(),
            buckets=streams.buckets(),
            consumers=(*streams.consumers(VENUE, ACCOUNT), streams.strangers_consumer()),
        ),
    )
    return made
