"""A replace whose old order may be at the venue waits for as long as it may be sent, and 256 of one account may wait at once: each asks little."""

from collections import Counter
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from ordergate.ports.ledger import Entry
from ordergate.ports.venue import NotSent
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.order import State
from services.order_submission.attempting import RETRY_PAUSE_SECONDS
from services.order_submission.replacing import Replacing
from tests.unit.access.stage import ToldClock
from tests.unit.trading.making import order

MINUTE = 60.0
READS_A_SECOND = 5


@dataclass
class Ledger:
    """An old order whose fate nobody knows, and the new one."""

    asked: Counter[str] = field(default_factory=Counter)

    async def last(self, _venue: object, _account: object, name: ClientOrderId) -> Entry:
        self.asked[name] += 1
        state = State.UNKNOWN if name == "alpha-1" else State.APPROVED
        return Entry(order=order(state), sequence=9, append_id="a", event_kind="x", stored_at_ms=0)


async def test_a_replace_that_waits_a_minute_reads_the_ledger_a_few_times_a_second() -> None:
    ledger, clock = Ledger(), ToldClock()
    venue = cast("Any", SimpleNamespace(replace=lambda: None))
    replacing = Replacing(trading=venue, ledger=cast("Any", ledger), clock=clock, trace=cast("Any", None))
    wanted = replace(order(number=2).request, replaces=ClientOrderId("alpha-1"))
    end = clock.monotonic() + MINUTE
    while clock.monotonic() < end:
        outcome = await replacing.place(wanted, write_ahead=cast("Any", None), deadline_seconds=end - clock.monotonic())
        assert outcome == NotSent(reason="replaced_order_unresolved", retriable=True)
        await clock.sleep(RETRY_PAUSE_SECONDS)
    assert clock.monotonic() < end + 1, "no longer than it may be sent"
    assert 0 < ledger.asked.total() < READS_A_SECOND * MINUTE
