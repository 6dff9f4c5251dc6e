"""The ledger of orders: the stream ORDERS, read and appended one order at a time."""

from dataclasses import dataclass
from typing import Protocol

from ordergate.trading.events import Event
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.trading.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The last word of the ledger on one order. `event_kind` names the event that wrote it."""

    order: Order
    sequence: int
    append_id: str
    event_kind: str
    stored_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """This very append call wrote the entry."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Somebody else wrote since; `entry` is the order's last message, None if the ledger has none (expired)."""

    entry: Entry | None


class Ledger(Protocol):
    async def append(self, order: Order, event: Event, *, after: int) -> Won | Lost:
        """Append the snapshot if the order's last sequence is still `after` (0: none). Repeated until answered.

        Raises BusUnavailable when no answer came in the adapter's limit: whether it was written is then not known.
        """

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        """The order's last message, read through the stream's leader. Raises BusUnavailable."""
