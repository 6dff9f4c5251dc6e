"""One running system a test module: it takes two seconds to start, and claims about different orders do not disturb each other."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.acceptance.desk import Desk, open_desk
from tests.acceptance.system import System, running_system


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Bus with fsync, simulator with ample limits, five services: all ready. See `System`."""
    with running_system(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest_asyncio.fixture
async def desk(system: System) -> AsyncIterator[Desk]:
    """A stranger's connection to the bus and to the simulator's doors."""
    async with open_desk(system.nats_url, system.simulator_url) as desk:
        yield desk
