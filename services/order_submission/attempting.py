"""What this process knows of an order that it is about to send."""

from dataclasses import dataclass

from ordergate.ports.ledger import Entry
from ordergate.trading.lifecycle import is_approved_again
from ordergate.trading.order import NonExecution, Order


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
