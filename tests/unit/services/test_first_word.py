"""How long an intent waits for what is said of its symbol, and whom it holds up meanwhile: risk decides one intent at a time."""

from typing import Any, cast

import pytest

from ordergate.runtime.market import ShelfMarketData
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import Symbol
from ordergate.wire import keys
from ordergate.wire.messages import InstrumentDocument
from services.risk.first_word import PATIENCE_MS, FirstWord
from tests.unit.trading.making import BTC, VENUE

ETH = Symbol("ETHUSDT")
NOW = 50_000


class Shelf:
    """A bucket as it stands."""

    def __init__(self, *known: Symbol) -> None:
        self._known = known

    async def watch(self, *_: str) -> Any:
        for symbol in self._known:
            document = InstrumentDocument(
                symbol=symbol,
                base_asset="X",
                quote_asset="USDT",
                trading=True,
                tick_size="0.1",
                step_size="0.1",
                quantity_min="0.1",
                at_ms=NOW,
            )
            yield keys.instrument(VENUE, symbol), document.to_bytes()
        yield None


async def first_word(*known: Symbol) -> FirstWord:
    """At a start with these symbols in the bucket; BTC and ETH are traded."""
    market = ShelfMarketData(cast("Any", Shelf(*known)), announced=[(VENUE, BTC), (VENUE, ETH)])
    await market.watch()
    return FirstWord(VENUE, market)


async def test_a_symbol_that_nobody_speaks_of_holds_the_others_up_for_ten_seconds_at_most() -> None:
    word = await first_word(BTC)
    assert word.instrument(BTC, NOW) is not None
    for waited_ms in (0, PATIENCE_MS - 1):
        with pytest.raises(Unavailable):
            word.instrument(ETH, NOW + waited_ms)
    assert word.instrument(ETH, NOW + PATIENCE_MS) is None
    assert "nobody has said" in word.why_unknown(ETH)
    assert word.instrument(ETH, NOW + PATIENCE_MS + 1) is None, "the next one waits no more"


async def test_while_nothing_of_the_venue_is_known_an_intent_waits_for_as_long_as_it_lives() -> None:
    word = await first_word()
    for waited_ms in (0, 10 * PATIENCE_MS):
        with pytest.raises(Unavailable):
            word.instrument(ETH, NOW + waited_ms)


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer() -> None:
    word = await first_word(BTC)
    with pytest.raises(Unavailable):
        word.instrument(ETH, NOW + 3_600_000)
    with pytest.raises(Unavailable):
        word.instrument(ETH, NOW)
    assert word.instrument(ETH, NOW + PATIENCE_MS) is None
