"""Counting FILLS once more, for an order whose past is not known, is about that order: of all the others nothing is remembered by it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from ordergate.ports.bus import StoredFill
from ordergate.ports.ledger import Entry
from ordergate.trading.ids import ClientOrderId, TradeId, VenueOrderId
from ordergate.trading.order import State
from tests.unit.services.test_forced import World
from tests.unit.trading.making import fill, order

LONG_AGO = 50
RECOUNTS = 3


class Remembering(World):
    """FILLS holds what ended orders of before made, and two trades of one that is at the venue now."""

    async def fills(self, *_: Any, after: int) -> AsyncIterator[StoredFill | None]:
        for number in range(1, LONG_AGO + 1):
            done = fill(
                number, client_order_id=ClientOrderId(f"done-{number}"), venue_order_id=VenueOrderId(str(number))
            )
            if number > after:
                yield StoredFill(fill=done, sequence=number)
        for number in range(LONG_AGO + 1, LONG_AGO + 3):
            yield StoredFill(fill=replace(fill(number), trade_id=TradeId(str(number))), sequence=number)
        yield None


async def test_what_is_counted_again_and_again_for_one_order_grows_by_nothing() -> None:
    desk = Remembering().desk()
    entry = Entry(order=order(State.ACCEPTED), sequence=9, append_id="a", event_kind="x", stored_at_ms=0)
    watched = desk._watch.note(entry, 0.0)
    assert watched is not None
    for _ in range(RECOUNTS):
        watched.is_count_certain = False
        await desk._count_uncertain()
    assert (len(watched.counted), watched.is_count_certain) == (2, True)
    assert sum(map(len, desk._orphans.values())) == 0
