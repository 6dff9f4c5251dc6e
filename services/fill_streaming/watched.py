"""The orders whose fills may still come: what the venue executed of them, and what of that is stored."""

from dataclasses import dataclass, field
from decimal import Decimal

from ordergate.ports.ledger import Entry
from ordergate.trading.amounts import add, subtract
from ordergate.trading.fills import Fill, reversal_id
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId
from ordergate.trading.order import IN_FLIGHT, ZERO, Order

READS_FOR_INFERENCE = 2
COMPLETED_REMEMBERED = 20_000
_REVERSAL = reversal_id(TradeId(""))


@dataclass(slots=True)
class Watched:
    """One order. Times are the process's monotonic seconds."""

    order: Order
    sequence: int
    executed_seen_at: float
    counted: set[TradeId] = field(default_factory=set)  # every stored fill, reversals included
    stored: Decimal = ZERO  # their quantities, summed
    inferred: set[TradeId] = field(default_factory=set)  # those not reversed yet
    inferred_count: int = 0
    is_count_certain: bool = True  # False: fills may have been stored before this process first saw the order
    counted_after: int = 0  # every one of its fills stands in FILLS after this sequence
    short_reads: list[float] = field(default_factory=list)  # when trade lists were asked that left a gap

    @property
    def gap(self) -> Decimal:
        return subtract(self.order.executed_quantity, self.stored)

    @property
    def is_complete(self) -> bool:
        return self.order.state.is_terminal and self.is_count_certain and self.gap == 0

    def count(self, fill: Fill) -> None:
        """Note a stored fill; the same one twice counts once."""
        if fill.trade_id in self.counted:
            return
        self.counted.add(fill.trade_id)
        self.stored = add(self.stored, fill.quantity)
        if fill.inferred and fill.quantity > 0:
            self.inferred.add(fill.trade_id)
            self.inferred_count += 1
        elif fill.inferred:
            self.inferred.discard(TradeId(fill.trade_id.removesuffix(_REVERSAL)))

    def note_short_read(self, asked_at: float, lag_seconds: float) -> bool:
        """A complete read of the trade list left a gap.

        True once two such reads, a lag apart, were both asked after the executed quantity was seen.
        """
        if asked_at <= self.executed_seen_at:
            return False
        if not self.short_reads or asked_at - self.short_reads[-1] >= lag_seconds:
            self.short_reads.append(asked_at)
        return len(self.short_reads) >= READS_FOR_INFERENCE


class WatchList:
    """The account's watched orders. An order leaves when it is finished and all of it is stored."""

    def __init__(self) -> None:
        self._by_client_id: dict[ClientOrderId, Watched] = {}
        # A venue may number the orders of each symbol from 1.
        self._by_venue_id: dict[tuple[Symbol, VenueOrderId], Watched] = {}
        self._completed: dict[ClientOrderId, None] = {}  # lately; oldest first

    def __len__(self) -> int:
        return len(self._by_client_id)

    def all(self) -> list[Watched]:
        return list(self._by_client_id.values())

    def of_venue_order(self, symbol: Symbol, venue_order_id: VenueOrderId) -> Watched | None:
        return self._by_venue_id.get((symbol, venue_order_id))

    def of_client_order(self, client_order_id: ClientOrderId) -> Watched | None:
        return self._by_client_id.get(client_order_id)

    def note(self, entry: Entry, now: float) -> Watched | None:
        """Fold a ledger entry; the order's record if it is watched now."""
        order = entry.order
        watched = self._by_client_id.get(order.key.client_order_id)
        if watched is None:
            if order.state.is_terminal and order.executed_quantity == 0:
                return None
            watched = Watched(
                order=order, sequence=entry.sequence, executed_seen_at=now, is_count_certain=_has_no_past(entry)
            )
            self._by_client_id[order.key.client_order_id] = watched
        elif entry.sequence <= watched.sequence:
            return watched
        elif order.executed_quantity > watched.order.executed_quantity:
            watched.executed_seen_at = now
            watched.short_reads.clear()
        watched.order, watched.sequence = order, entry.sequence
        if order.venue_order_id is not None:
            self._by_venue_id[order.key.symbol, order.venue_order_id] = watched
        return watched

    def link(self, venue_order_id: VenueOrderId, watched: Watched) -> None:
        """The venue's id of an order whose ledger entry does not say it yet."""
        self._by_venue_id[watched.order.key.symbol, venue_order_id] = watched

    def drop_if_complete(self, watched: Watched) -> None:
        if not watched.is_complete:
            return
        self._by_client_id.pop(watched.order.key.client_order_id, None)
        self._completed[watched.order.key.client_order_id] = None
        while len(self._completed) > COMPLETED_REMEMBERED:
            del self._completed[next(iter(self._completed))]
        if watched.order.venue_order_id is not None:
            self._by_venue_id.pop((watched.order.key.symbol, watched.order.venue_order_id), None)

    def has_completed(self, order: ClientOrderId) -> bool:
        """Whether it was watched and left lately."""
        return order in self._completed

    def gaps(self) -> list[Watched]:
        return [watched for watched in self._by_client_id.values() if watched.gap > 0]

    def count_from_here(self, watched: Watched, fills_sequence: int) -> None:
        """An order that was just noted, and of which nothing is stored yet: its fills will come after what stands in FILLS."""
        if watched.is_count_certain and not watched.counted and watched.order.venue_order_id is None:
            watched.counted_after = fills_sequence

    def uncertain(self) -> list[Watched]:
        return [watched for watched in self._by_client_id.values() if not watched.is_count_certain]

    def symbols_at_venue(self) -> set[Symbol]:
        """Where a trade may come at any moment: a request is out, or an order rests there."""
        return {w.order.key.symbol for w in self._by_client_id.values() if not w.order.state.is_terminal}

    def is_in_flight(self) -> bool:
        """Whether some order may be at the venue without our knowing its id there."""
        return any(watched.order.state in IN_FLIGHT for watched in self._by_client_id.values())


def _has_no_past(entry: Entry) -> bool:
    # First seen before the venue showed it: nothing of it can be stored yet.
    return entry.order.venue_order_id is None
