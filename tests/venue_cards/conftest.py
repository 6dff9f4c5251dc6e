from collections.abc import AsyncIterator

import pytest

from tests.venue_cards.desk import Desk, Exchange, open_exchange


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with open_exchange() as found:
        yield found


@pytest.fixture
async def main(exchange: Exchange) -> Desk:
    return await exchange.desk("main")


@pytest.fixture
async def other(exchange: Exchange) -> Desk:
    """Another trader, on the other side of the book."""
    return await exchange.desk("other")
