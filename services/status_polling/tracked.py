"""What polling knows of each live order: the ledger's last word, and when it was last seen at the venue."""

from dataclasses import dataclass, field, replace

from ordergate.ports.ledger import Entry
from ordergate.trading.ids import ClientOrderId, Symbol, VenueOrderId
from ordergate.trading.order import Order
from ordergate.trading.schedule import Watch


@dataclass(slots=True)
class Tracked:
    """One live order. absent_asked_ms: venue time before each lookup of the present attempt that found nothing; attempt_since_ms: since when,

    on this clock, the attempt is known to have begun.
    """

    entry: Entry
    watch: Watch
    restated_ms: int
    attempt_since_ms: int
    absent_asked_ms: list[int] = field(default_factory=list)

    @property
    def order(self) -> Order:
        return self.entry.order


class LiveBook:
    """The account's live orders; one that ended leaves."""

    def __init__(self) -> None:
        self._tracked: dict[ClientOrderId, Tracked] = {}
        # A venue may number the orders of each symbol from 1.
        self._by_venue_id: dict[tuple[Symbol, VenueOrderId], Tracked] = {}

    def __len__(self) -> int:
        return len(self._tracked)

    def all(self) -> list[Tracked]:
        return list(self._tracked.values())

    def get(self, order: ClientOrderId) -> Tracked | None:
        return self._tracked.get(order)

    def of_venue_order(self, symbol: Symbol, venue_order_id: VenueOrderId) -> Tracked | None:
        return self._by_venue_id.get((symbol, venue_order_id))

    def note(self, entry: Entry, now_ms: int) -> None:
        """Fold a ledger entry, unless a later one of the order is known already."""
        order = entry.order
        order_id = order.key.client_order_id
        before = self._tracked.get(order_id)
        if before is not None and entry.sequence <= before.entry.sequence:
            return
        if order.state.is_terminal:
            self._tracked.pop(order_id, None)
            if order.venue_order_id is not None:
                self._by_venue_id.pop((order.key.symbol, order.venue_order_id), None)
            return
        if before is None or _began_anew(before.order, order):
            self._tracked[order_id] = track(entry, before, now_ms)
        else:
            before.entry, before.restated_ms = entry, order.revised_at_ms
            before.watch = replace(before.watch, left_until_ms=_left_until_ms(order))
        if order.venue_order_id is not None:
            self._by_venue_id[order.key.symbol, order.venue_order_id] = self._tracked[order_id]


def track(entry: Entry, before: Tracked | None, now_ms: int) -> Tracked:
    """An order in a state that is new to the schedule. What was learned of the same attempt stays."""
    order = entry.order
    since_ms = min(order.revised_at_ms, now_ms)
    same_attempt = before is not None and before.order.attempt == order.attempt
    return Tracked(
        entry=entry,
        watch=Watch(
            state=order.state,
            since_ms=since_ms,
            fence_ms=before.watch.fence_ms if before and same_attempt else None,
            left_until_ms=_left_until_ms(order),
        ),
        restated_ms=order.revised_at_ms,
        attempt_since_ms=before.attempt_since_ms
        if before and same_attempt
        else min(_began_at_ms(order) or order.unknown_since_ms or since_ms, since_ms),
        absent_asked_ms=before.absent_asked_ms if before and same_attempt else [],
    )


def _began_at_ms(order: Order) -> int | None:
    return None if order.attempt is None else order.attempt.began_at_ms


LEFT_AFTER_MS = 10_000
"""So long after the time to live of an order that its venue would not take, its sender has had time to end it."""


def _left_until_ms(order: Order) -> int | None:
    return None if order.unexecuted is None else order.request.expires_at_ms + LEFT_AFTER_MS


def _began_anew(before: Order, after: Order) -> bool:
    """Whether the schedule starts again: another state, or another attempt in the same one."""
    return before.state is not after.state or before.attempt != after.attempt
