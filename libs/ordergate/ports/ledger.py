"""The ledger of orders: the stream ORDERS, read and appended one order at a time."""

from dataclasses import dataclass
from typing import Protocol

from ordergate.trading.errors import Unavailable
from ordergate.trading.events import Event, LaterEvent
from ordergate.trading.fills import VenueTrade
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.trading.lifecycle import apply, is_correction
from ordergate.trading.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The last word of the ledger on one order. `event_kind` names the event that wrote it. trades: what the answer told that it was written upon."""

    order: Order
    sequence: int
    append_id: str
    event_kind: str
    stored_at_ms: int
    trades: tuple[VenueTrade, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """This very append call wrote the entry."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Somebody else wrote since; `entry` is the order's last message, None if the ledger has none (expired)."""

    entry: Entry | None


class Ledger(Protocol):
    async def append(self, order: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        """Append the snapshot if the order's last sequence is still `after` (0: none). Repeated until answered.

        correction: the step leaves a terminal state (lifecycle.is_correction); whoever acted on the ending must see it in the message.
        Raises BusUnavailable when no answer came in the adapter's limit: whether it was written is then not known.
        """

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        """The order's last message, read through the stream's leader. Raises BusUnavailable."""


async def append_evidence(ledger: Ledger, entry: Entry, event: LaterEvent) -> Entry:
    """Fold `event` into the order until the ledger holds it or it is old news; the order's last entry comes back.

    It does not matter who wins: the loser folds its evidence again upon what the winner wrote.
    Raises TransitionRefused where the order has moved to a state that cannot take the event, BusUnavailable.
    """
    while True:
        moved = apply(entry.order, event)
        if moved is entry.order:
            return entry
        correction = is_correction(entry.order, moved)
        answer = await ledger.append(moved, event, after=entry.sequence, correction=correction)
        if isinstance(answer, Won):
            return answer.entry
        if answer.entry is None:
            raise Unavailable(f"the ledger no longer holds {entry.order.key.client_order_id}")
        entry = answer.entry
