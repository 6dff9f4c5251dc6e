"""An account's exposure at its worst, kept as running sums.

The book never asks what will probably happen. Everything an order could still do to the position counts in full until there is
evidence that it cannot: approved, in flight, unknown and working orders with their whole open quantity, ended orders with
whatever they executed that has not come back as a fill yet. So between the end of an order and its fills exposure never dips.

Noting an event costs the same however many orders there are.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from heapq import heapify, heappop, heappush

from ordergate.trading.amounts import add, divide, multiply, subtract
from ordergate.trading.counts import OpenCounts
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol, VenueName, VenueOrderId
from ordergate.trading.order import ZERO, Order, OrderRequest, OrderType, PositionSide, Side, State, Terms, TimeInForce
from ordergate.trading.position import EXTERNAL, PnlDay, sample_equity

Slot = tuple[Symbol, PositionSide]

DEPARTED_MAX = 5_000
"""How many orders that ended, and ids that only fills have named so far, are remembered, in case more comes about them."""

APPROVALS_MAX = 100_000

WALLET_AGE_MAX_MS = 30_000
WALLET_SKEW_MS = 1_000
"""Between the clocks of who reads the wallet and who receives a fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One symbol and position side.

    quantity: what the folded fills made, signed. The rest is what orders could still add, in base units; quote_*: orders given
    in quote units, in these. reducing_*: reduce-only, and so capped by the position.
    """

    quantity: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    reducing_buys: Decimal = ZERO
    reducing_sells: Decimal = ZERO
    quote_buys: Decimal = ZERO
    quote_sells: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """What the book knows of one order, for a checkpoint: the last snapshot noted and what of its fills has been folded.

    sequence: of the ORDERS message that held the snapshot, 0 if not told.
    """

    order: Order
    folded_quantity: Decimal
    folded_notional: Decimal
    sequence: int = 0


class Book:
    """The risk fold of one account. Fed with ORDERS and FILLS in stream order each, in any order between the two.

    Bounded: an order leaves once it has ended and its fills are folded; of the last `DEPARTED_MAX` that left, the bare sums are
    kept, so that a correction or a reversal finds them. Of one that comes back after that, or after a restart, the snapshot itself
    says what had executed when it ended; with that much folded it had left.
    """

    def __init__(self, venue: VenueName, account: AccountName) -> None:
        self.venue = venue
        self.account = account
        self.fills_sequence = 0
        self.day: PnlDay | None = None
        self.open = OpenCounts()
        self._wallet: Mapping[str, Decimal] | None = None
        self._wallet_ms = 0
        self._filled_ms: dict[Symbol, int] = {}  # when each symbol's last fill was received
        self._ours: dict[tuple[Symbol, str | None], Decimal] = {}  # bought (None), and fees by asset
        self._sums: dict[Slot, _Sums] = {}
        self._active: dict[_Key, _Tally] = {}
        self._departed: OrderedDict[_Key, _Tally] = OrderedDict()
        self._key_by_venue_id: dict[_VenueKey, _Key] = {}
        self._ladders: dict[tuple[Symbol, Side], _Ladder] = {}
        self._approvals: deque[int] = deque(maxlen=APPROVALS_MAX)
        self._knows_all = True  # every order of which a fill is in the sums has a tally

    def note_order(self, order: Order, *, sequence: int = 0, folded: tuple[Decimal, Decimal] | None = None) -> None:
        """A snapshot from ORDERS (or one just appended). sequence: its place there, so that an older one changes nothing.

        folded: quantity and notional of its fills that are in this book's positions already, where the caller knows better
        than the book: when restoring a checkpoint, or after an audit.
        """
        key: _Key = order.key.client_order_id
        tally = self._active.get(key) or self._departed.get(key) or _Tally()
        if 0 < sequence <= tally.sequence or order.state is State.REFUSED:
            return
        self._retract(key, tally)
        tally.sequence = max(sequence, tally.sequence)
        self._recall(tally, order)
        self._count_approval(tally, order)
        self._claim(tally, order)
        if order.venue_order_id is not None:
            self._absorb_nameless(tally, key, (order.key.symbol, order.venue_order_id))
        if folded is not None:
            tally.folded, tally.folded_notional = folded
        self._enter(key, tally)

    def note_fill(self, fill: Fill, *, sequence: int = 0) -> None:
        """A fill from FILLS: real, inferred, reversal or external. sequence: its place there, a folded one changes nothing."""
        if 0 < sequence <= self.fills_sequence:
            return
        self.fills_sequence = max(sequence, self.fills_sequence)
        slot = (fill.symbol, fill.position_side)
        sums = self._slot(slot)
        sums.quantity = add(sums.quantity, fill.signed_quantity)
        venue_key = (fill.symbol, fill.venue_order_id)
        key = fill.client_order_id or self._key_by_venue_id.get(venue_key, venue_key)
        tally = self._active.get(key) or self._departed.get(key) or _Tally()
        self._retract(key, tally)
        if tally.slot is None:
            tally.slot, tally.side = slot, fill.side
        self.note_ours(fill)
        self._filled_ms[fill.symbol] = max(fill.received_time_ms, self._filled_ms.get(fill.symbol, 0))
        tally.folded = add(tally.folded, fill.quantity)
        tally.folded_notional = add(tally.folded_notional, multiply(fill.quantity, fill.price))
        self._enter(key, tally)

    def note_ours(self, fill: Fill) -> None:
        """What orders of our strategies made of a holding, apart from what others traded in the account, lately or long ago."""
        if fill.strategy in {None, EXTERNAL}:
            return
        self.note_holding(fill.symbol, None, fill.signed_quantity)
        self.note_holding(fill.symbol, fill.fee_asset, fill.fee)

    def note_holding(self, symbol: Symbol, fee_asset: str | None, amount: Decimal) -> None:
        """Add to what our fills in the symbol bought, or (with an asset) to what they cost in fees of that."""
        self._ours[symbol, fee_asset] = add(self._ours.get((symbol, fee_asset), ZERO), amount)

    def bought(self, symbol: Symbol) -> Decimal:
        """Signed; by orders of our strategies alone."""
        return self._ours.get((symbol, None), ZERO)

    def fees_paid(self, symbol: Symbol, asset: str) -> Decimal:
        return self._ours.get((symbol, asset), ZERO)

    def holdings(self) -> Mapping[tuple[Symbol, str | None], Decimal]:
        """All that was noted of them, for a checkpoint."""
        return self._ours

    def note_equity(self, equity: Decimal, at_ms: int) -> None:
        """Realised + unrealised - fees of the account, in quote units, from any zero."""
        self.day = sample_equity(self.day, equity, at_ms)

    def note_position(self, symbol: Symbol, position_side: PositionSide, quantity: Decimal) -> None:
        """Set the signed quantity that fills folded elsewhere have made: how a book begins that does not read all FILLS."""
        self._slot((symbol, position_side)).quantity = quantity
        self._knows_all = False

    def note_approval(self, at_ms: int) -> None:
        """Count an approval whose order is not noted itself: how a restored book knows the rate."""
        self._approvals.append(at_ms)

    def withdraw(self, order: ClientOrderId) -> None:
        """Take out the order that was noted last, and only for others to be weighed with it: as if it had never been."""
        tally = self._active.get(order)
        if tally is None:
            return
        self._retract(order, tally)
        if tally.counted:
            self._approvals.pop()

    def exposure(self, symbol: Symbol, position_side: PositionSide = PositionSide.BOTH) -> Exposure:
        sums = self._sums.get((symbol, position_side), _NOTHING)
        return Exposure(**{name: getattr(sums, name) for name in _Sums.__slots__})

    def slots(self) -> Iterable[Slot]:
        """Every symbol and position side that anything was noted of."""
        return tuple(self._sums)

    @property
    def open_orders(self) -> int:
        return self.open.of(None)

    def open_orders_of(self, symbol: Symbol) -> int:
        return self.open.of(symbol)

    def note_wallet(self, assets: Mapping[str, Decimal], asked_at_ms: int) -> None:
        """What the venue showed of the account's assets, free and locked, when it was asked at that time of our clock."""
        self._wallet, self._wallet_ms = assets, asked_at_ms

    def wallet(self, symbol: Symbol, asset: str, now_ms: int) -> Decimal | None:
        """None: nobody has shown it lately, or the symbol's last fill may not be in it."""
        filled_ms = self._filled_ms.get(symbol, 0)
        if self._wallet is None or max(filled_ms + WALLET_SKEW_MS, now_ms - WALLET_AGE_MAX_MS) >= self._wallet_ms:
            return None
        return self._wallet.get(asset, ZERO)

    def best_resting(self, symbol: Symbol, side: Side) -> Decimal | None:
        """The best price of our own resting limit orders on one side, None without any."""
        ladder = self._ladders.get((symbol, side))
        return None if ladder is None else ladder.best()

    def approvals_since(self, cutoff_ms: int) -> int:
        """How many orders were approved after `cutoff_ms`; forgets the older ones."""
        while self._approvals and self._approvals[0] <= cutoff_ms:
            self._approvals.popleft()
        return len(self._approvals)

    def tracked(self) -> Iterable[Tracked]:
        """Every order that still counts, for a checkpoint: with the positions, enough to begin a book again."""
        return [
            Tracked(
                order=tally.order,
                folded_quantity=tally.folded,
                folded_notional=tally.folded_notional,
                sequence=tally.sequence,
            )
            for tally in self._active.values()
            if tally.order is not None
        ]

    @property
    def tracked_count(self) -> int:
        """How many orders count now, live or with fills to come. (No `__len__`: an empty book must not be false.)"""
        return len(self._active)

    def _slot(self, slot: Slot) -> "_Sums":
        sums = self._sums.get(slot)
        if sums is None:
            sums = self._sums[slot] = _Sums()
        return sums

    def _recall(self, tally: "_Tally", order: Order) -> None:
        """An order that is new to the book may have been in it: then it left with all folded that it had executed when it ended."""
        if not tally.known and not self._knows_all and order.settled_quantity is not None:
            tally.folded = add(tally.folded, order.settled_quantity)
            tally.counted = True
        tally.known = True

    def _count_approval(self, tally: "_Tally", order: Order) -> None:
        ours = order.attempt is not None or order.state is State.APPROVED
        if ours and not tally.counted:
            tally.counted = True
            self._approvals.append(order.revised_at_ms)

    @staticmethod
    def _claim(tally: "_Tally", order: Order) -> None:
        terms, live = order.terms, not order.state.is_terminal
        tally.order = order
        tally.slot, tally.side = (order.key.symbol, terms.position_side), terms.side
        tally.reducing = reduces_only(terms)
        tally.claimed = max(order.executed_quantity, terms.quantity or ZERO) if live else order.executed_quantity
        tally.claimed_quote = terms.quote_quantity if live else None

    def _absorb_nameless(self, tally: "_Tally", key: "_Key", venue_key: "_VenueKey") -> None:
        """Fills may come first, and need not name the order by our id; they were kept under the venue's."""
        self._key_by_venue_id[venue_key] = key
        early = self._active.get(venue_key) or self._departed.get(venue_key)
        if early is None:
            return
        self._retract(venue_key, early)
        tally.folded = add(tally.folded, early.folded)
        tally.folded_notional = add(tally.folded_notional, early.folded_notional)

    def _retract(self, key: "_Key", tally: "_Tally") -> None:
        """Take all that an order contributes out of the sums, before it changes."""
        self._active.pop(key, None)
        self._departed.pop(key, None)
        if tally.slot is None:
            return
        symbol = tally.slot[0]
        if tally.part is not None:
            name, amount = tally.part
            sums = self._sums[tally.slot]
            setattr(sums, name, subtract(getattr(sums, name), amount))
            tally.part = None
        if tally.open is not None:
            self.open.take(tally.open)
            tally.open = None
        if tally.resting:
            self._ladders[symbol, tally.side].remove(key)
            tally.resting = False

    def _enter(self, key: "_Key", tally: "_Tally") -> None:
        """Put all that an order contributes into the sums; an order that contributes nothing departs."""
        tally.part = tally.outstanding()
        order = tally.order
        live = order is not None and not order.state.is_terminal
        if tally.slot is not None and tally.part is not None:
            name, amount = tally.part
            sums = self._slot(tally.slot)
            setattr(sums, name, add(getattr(sums, name), amount))
        if order is not None and live:
            self.open.put(order.request)
            tally.open = order.request
            self._rest(key, tally, order)
        if live or tally.part is not None:
            self._active[key] = tally
        else:
            self._depart(key, tally)

    def _rest(self, key: "_Key", tally: "_Tally", order: Order) -> None:
        price = order.terms.price
        if price is None or not may_rest(order.terms):
            return
        side = (order.key.symbol, tally.side)
        ladder = self._ladders.get(side)
        if ladder is None:
            ladder = self._ladders[side] = _Ladder(tally.side)
        ladder.put(key, price)
        tally.resting = True

    def _depart(self, key: "_Key", tally: "_Tally") -> None:
        if tally.order is not None and tally.order.venue_order_id is not None:
            tally.venue_key = (tally.order.key.symbol, tally.order.venue_order_id)
        tally.order = None
        self._departed[key] = tally
        if len(self._departed) > DEPARTED_MAX:
            _, forgotten = self._departed.popitem(last=False)
            self._knows_all = False
            if forgotten.venue_key is not None:
                self._key_by_venue_id.pop(forgotten.venue_key, None)


def reduces_only(terms: Terms) -> bool:
    """Whether the order can but shrink the position: it says so, or it closes a side that cannot change its sign."""
    closing = {PositionSide.LONG: Side.SELL, PositionSide.SHORT: Side.BUY}
    return terms.reduce_only or closing.get(terms.position_side) is terms.side


def worst_case(exposure: "Exposure | _Sums", side: Side, price: Decimal | None) -> Decimal:
    """The position if all that is open on one side executes and nothing on the other: long for BUY, short (positive) for SELL.

    Reduce-only orders bring it to zero at most. price: for orders given in quote units; without it they cannot be counted.
    """
    if side is Side.BUY:
        held, plain, quote, reducing = exposure.quantity, exposure.buys, exposure.quote_buys, exposure.reducing_buys
    else:
        held = exposure.quantity.copy_negate()
        plain, quote, reducing = exposure.sells, exposure.quote_sells, exposure.reducing_sells
    if quote and price is not None:
        plain = add(plain, divide(quote, price))
    if held < 0:
        held = min(ZERO, add(held, reducing))
    return add(held, plain)


def may_rest(terms: Terms) -> bool:
    return terms.type is OrderType.LIMIT and terms.time_in_force in {TimeInForce.GTC, TimeInForce.GTD}


_VenueKey = tuple[Symbol, VenueOrderId]
_Key = ClientOrderId | _VenueKey  # the venue's id only while no order of ours has claimed the fill
_Part = tuple[str, Decimal]


def part_name(side: Side, *, reducing: bool, quote: bool) -> str:
    """Which of the sums an order counts in."""
    kind = "quote_" if quote else "reducing_" if reducing else ""
    return kind + ("buys" if side is Side.BUY else "sells")


@dataclass(slots=True)
class _Sums:
    """Exposure while it is being summed; its fields are named like Exposure's."""

    quantity: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    reducing_buys: Decimal = ZERO
    reducing_sells: Decimal = ZERO
    quote_buys: Decimal = ZERO
    quote_sells: Decimal = ZERO


_NOTHING = _Sums()


@dataclass(slots=True)
class _Tally:
    """What one id has claimed, what of it came back as fills, and what it contributes to the sums for the difference."""

    order: Order | None = None  # None while only fills have named the id, and again after it departed
    sequence: int = 0
    slot: Slot | None = None
    side: Side = Side.BUY
    reducing: bool = False
    claimed: Decimal = ZERO  # base units
    claimed_quote: Decimal | None = None  # quote units, while an order given so is live
    folded: Decimal = ZERO
    folded_notional: Decimal = ZERO
    part: _Part | None = None
    open: OrderRequest | None = None  # with which it is counted among the open ones
    resting: bool = False
    counted: bool = False
    known: bool = False  # an order has claimed it, not only fills
    venue_key: _VenueKey | None = None

    def outstanding(self) -> _Part | None:
        if self.claimed_quote is not None:
            amount = subtract(self.claimed_quote, self.folded_notional)
        else:
            amount = subtract(self.claimed, self.folded)
        name = part_name(self.side, reducing=self.reducing, quote=self.claimed_quote is not None)
        return (name, amount) if amount > 0 else None


class _Ladder:
    """Our own resting orders on one side, the best price at hand. A heap whose dead entries are swept when they prevail."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._prices: dict[_Key, Decimal] = {}
        self._heap: list[tuple[Decimal, str]] = []

    def put(self, key: _Key, price: Decimal) -> None:
        ranked = price if self._side is Side.SELL else price.copy_negate()
        self._prices[key] = ranked
        heappush(self._heap, (ranked, str(key)))
        if len(self._heap) > 2 * len(self._prices) + 64:
            self._heap = [(price, str(key)) for key, price in self._prices.items()]
            heapify(self._heap)

    def remove(self, key: _Key) -> None:
        self._prices.pop(key, None)

    def best(self) -> Decimal | None:
        while self._heap:
            ranked, key = self._heap[0]
            if self._prices.get(ClientOrderId(key)) == ranked:
                return ranked if self._side is Side.SELL else ranked.copy_negate()
            heappop(self._heap)
        return None
