"""What this process knows of an order that it is about to send."""

from dataclasses import dataclass

from ordergate.ports.ledger import Entry
from ordergate.trading.lifecycle import is_approved_again
from ordergate.trading.order import NonExecution, Order

UNCONFIRMED = "kill_switch_unconfirmed"
"""The switch could not be read within the last second: wait, the bus may come back while the order lives."""

RESTORED = "restored"
"""The bus was begun anew from an older state: what became of the order is read at the venue, not decided here."""

RESTORING_AGAIN_SECONDS = 1.0
"""Between two looks at an order whose fate is read at the venue after a restore of the bus."""

RETRY_PAUSE_SECONDS = 0.1
"""Between two attempts of which the first is proven not to have left: long enough not to spin, short against a time to live."""

APPENDS_MAX = 5
"""How often others may write to an order of ours between two looks at it before it is left to status_polling."""


@dataclass(slots=True)
class Attempting:
    """An order in this process's hands. `entry` is the ledger's last word as this desk knows it."""

    entry: Entry
    proof: NonExecution | None = None  # why the attempt in `entry` cannot execute, once that is proven
    began: bool = False  # this call of place() wrote its write-ahead
    stopped: str | None = None  # why the check after the write-ahead said no
    lost: bool = False  # somebody else wrote: the order is no longer ours to send
    clock_refusals: int = 0
    left: bool = False  # to recovery: the bus was restored since

    @property
    def order(self) -> Order:
        return self.entry.order


CLOCK_WRONG = "clock_wrong"
"""This machine's clock and the venue's are so far apart that one of them is wrong: no time to live can be told."""

CLOCKS_APART_MAX_MS = 30_000
"""Far more than a venue forgives, or than its own clock has ever been seen to jump."""


def is_clock_wrong(*, venue_ms: int, now_ms: int) -> bool:
    return abs(venue_ms - now_ms) > CLOCKS_APART_MAX_MS


def proof_of(order: Order) -> NonExecution | None:
    """Why the last attempt of an order cannot execute, as the ledger says; None where there was none, or nothing says so."""
    if order.unexecuted is not None:
        return order.unexecuted.proof
    return NonExecution.FENCED if is_approved_again(order) else None
