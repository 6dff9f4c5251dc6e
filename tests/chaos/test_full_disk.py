"""A bus whose disk was full: it says so, for as long as it lasts, and is well again after a start with room."""

from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext

from ordergate.runtime.server import EmbeddedServer
from tests.chaos.disturbances import fill_disk
from tests.chaos.round import Skipped, mount_small, unmount


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    try:
        folder = mount_small(tmp_path / "bus")
    except Skipped as reason:
        pytest.skip(str(reason))
    running = EmbeddedServer(folder)
    running.start()
    yield running
    running.stop()
    unmount(folder, tmp_path)


async def test_it_stays_sick_when_there_is_room_again_until_it_is_started_anew(server: EmbeddedServer) -> None:
    assert server.sickness() is None
    async with await nats.connect(server.url) as client:
        stream = client.jetstream()
        await stream.add_stream(name="A", subjects=["a.>"])
        await stream.publish("a.x", b"acknowledged")
        filler = server.directory / "filler"
        fill_disk(filler)
        with pytest.raises(NatsTimeoutError):
            await _publish_until_refused(stream)
        filler.unlink()
        with pytest.raises(NatsTimeoutError):
            await stream.publish("a.x", b"x", timeout=0.5)
        sickness = server.sickness()
    assert sickness is not None
    assert "no space left" in sickness
    server.kill()
    server.start()
    assert server.sickness() is None
    async with await nats.connect(server.url) as client:
        await client.jetstream().publish("a.x", b"x")
        first = await client.jetstream().get_msg("A", 1)
    assert first.data == b"acknowledged"


async def _publish_until_refused(stream: JetStreamContext) -> None:
    for _ in range(100):
        await stream.publish("a.x", b"x" * 1000, timeout=0.5)
