from collections.abc import AsyncIterator

import pytest

from tests.venue_cards.desk import Desk, Exchange, open_exchange
from tests.venue_cards.kits import KITS, Kit


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A card is played at every venue, unless it names those whose rules it is about."""
    if "kit" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("venues")
        names = KITS if marker is None else marker.args
        metafunc.parametrize("kit", [KITS[name] for name in names], ids=list(names))


@pytest.fixture
async def exchange(kit: Kit) -> AsyncIterator[Exchange]:
    async with open_exchange(kit) as found:
        yield found


@pytest.fixture
async def main(exchange: Exchange) -> Desk:
    return await exchange.desk("main")


@pytest.fixture
async def other(exchange: Exchange) -> Desk:
    """Another trader, on the other side of the book."""
    return await exchange.desk("other")
