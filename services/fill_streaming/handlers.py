"""One account's fills: reads trades by cursor, stores each once, infers what the venue hides.

A trade is stored first and the cursor moves after it, so a death between the two reads the trade again and finds it stored.
The cursor trails by the venue's lag, so a trade that shows late is still ahead of it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from pydantic import JsonValue

from ordergate.ports.bus import Feed, Publisher, Shelf, StoredFill
from ordergate.ports.checkpoint import DAMAGED, Checkpoint, Mark
from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Ledger
from ordergate.ports.trace import Trace
from ordergate.ports.venue import Reading, VenueTrade
from ordergate.trading.errors import Unavailable, Unreadable
from ordergate.trading.fills import Fill, infer, inferred_id, reversal_id, reverse
from ordergate.trading.ids import AccountName, ClientOrderId, StrategyName, Symbol, TradeId, VenueName, VenueOrderId
from ordergate.trading.order import ZERO
from ordergate.wire import keys, subjects
from ordergate.wire.messages import CursorDocument, FillsStatement, SymbolFills
from services.fill_streaming.forced import is_forced, tell_forced
from services.fill_streaming.watched import Watched, WatchList

PAGE_LIMIT = 1000
STORED_AT_ONCE = 250
REMEMBERED_TRADES = 20_000
UNTOLD_SECONDS = 10.0
"""How long a trade may stand in the list before the private stream, if it is still to tell it, is doubted."""
UNTOLD_SKEW_MS = 5_000
"""Between the venue's clock and ours; a trade this soon after the stream was opened may have come before."""
ORPHANS_KEPT = 200
"""In a checkpoint. There are any only while the feed of orders is behind the trade list."""
COUNTED_IDS_BYTES = 16 * 1024
"""Of trade ids in a checkpoint, which has a size; some 1,200 of Binance's. An order with more is counted again at a start."""
_AROUND_AN_ID = 3  # quotes and a comma
GROWTH_PAUSE_SECONDS = 0.02
"""Executions come in bursts: one trade list read answers all of a burst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """poll: symbols with orders at the venue; sweep: every symbol; statement: the published sums.

    witness: as poll, and sweep, while the private stream tells trades by itself; grace: how long a trade may then be behind its order's executed quantity.
    read: least time between two reads of a trade list, so that the share of the minute's requests lasts the minute.
    """

    read_seconds: float
    poll_seconds: float = 1.0
    sweep_seconds: float = 10.0
    statement_seconds: float = 60.0
    witness_seconds: float = 10.0
    grace_seconds: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """Whose trade it is; both None for a trade of no order of ours. stranger: the id that such an order bears at the venue, where it is known."""

    client_order_id: ClientOrderId | None
    strategy: StrategyName | None
    watched: Watched | None
    stranger: ClientOrderId | None = None


class FillDesk:
    """Reads, stores and infers the fills of one account."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        symbols: Sequence[Symbol],
        reading: Reading,
        ledger: Ledger,
        feed: Feed,
        publisher: Publisher,
        cursors: Shelf,
        checkpoint: Checkpoint,
        clock: Clock,
        trace: Trace,
        pace: Pace,
    ) -> None:
        self._venue = venue
        self._account = account
        self._symbols = frozenset(symbols)
        self._reading = reading
        self._ledger = ledger
        self._feed = feed
        self._publisher = publisher
        self._cursors = cursors
        self._checkpoint = checkpoint
        self._clock = clock
        self._trace = trace
        self._pace = pace
        self._watch = WatchList()
        self._sums = _Sums()
        self._orders_sequence = 0
        self._from_id: dict[Symbol, TradeId | None] = {}
        self._remembered: dict[tuple[Symbol, TradeId, VenueOrderId], None] = {}  # stored lately; oldest first
        self._orphans: dict[
            ClientOrderId, list[Fill]
        ] = {}  # stored before the order itself came by the feed; oldest first
        self._uncounted: set[str] = (
            set()
        )  # such orders at the last checkpoint: their fills may stand before what is counted
        self._grown: set[Symbol] = set()
        self._read_at = float("-inf")
        self._growth = asyncio.Event()
        self._slots = asyncio.Semaphore(STORED_AT_ONCE)
        self._told_since_ms: int | None = None  # since when the private stream tells everything; None: it does not
        self._storing: set[tuple[Symbol, TradeId, VenueOrderId]] = set()  # told and on their way into FILLS
        self._untold: dict[tuple[Symbol, TradeId, VenueOrderId], float] = {}  # read, and not told yet
        self._witnessed_at = float("-inf")
        self.doubt: Callable[[str], None] = lambda _: None
        self.rebuilt = asyncio.Event()

    async def follow_orders(self) -> None:
        """Rebuild from the checkpoint, then fold ORDERS for ever. A start after a crash is the same as any other."""
        await self._load()
        async with asyncio.TaskGroup() as storing:
            await self._fold_orders(storing)

    async def _fold_orders(self, storing: asyncio.TaskGroup) -> None:
        async for entry in self._feed.orders(self._venue, self._account, after=self._orders_sequence):
            if entry is None:
                if not self.rebuilt.is_set():
                    await self._count_stored()
                    self.rebuilt.set()
                continue
            known = self._watch.of_client_order(entry.order.key.client_order_id)
            executed = known.order.executed_quantity if known else ZERO
            watched = self._watch.note(entry, self._clock.monotonic())
            if known is None and watched is not None:
                self._watch.count_from_here(watched, self._sums.up_to_sequence)
            self._orders_sequence = entry.sequence
            if watched is None:
                continue
            self._count_orphans(watched)
            if self.rebuilt.is_set():
                for trade in entry.trades:
                    storing.create_task(self.store_told(trade))
            if self._told_since_ms is None and watched.order.executed_quantity != executed and watched.gap > 0:
                self._grown.add(entry.order.key.symbol)
                self._growth.set()
            if self.rebuilt.is_set():
                self._watch.drop_if_complete(watched)

    async def read_trades(self) -> None:
        """Read the trade lists for ever: at once where executed quantity grew, each period where orders are, all in a sweep."""
        await self.rebuilt.wait()
        polled_at = swept_at = float("-inf")
        while True:
            now = self._clock.monotonic()
            due = set(self._grown)
            self._grown.clear()
            self._growth.clear()
            if now - polled_at >= self._pace.poll_seconds:
                polled_at = now
                due |= self._polled(now)
                self._doubt_the_untold(now)
            if now - swept_at >= (self._pace.sweep_seconds if self._told_since_ms is None else self._sweep_beside()):
                swept_at = now
                due |= self._symbols
            for symbol in sorted(due):
                try:
                    await self._read_symbol(symbol)
                except Unavailable:
                    self._grown.add(symbol)  # nothing was learned: ask again next time round
            await self._wait_for_growth(polled_at + self._pace.poll_seconds)

    async def state_sums(self) -> None:
        """Publish each period what FILLS holds, so that a subscriber can prove that it missed nothing."""
        await self.rebuilt.wait()
        while True:
            await self._clock.sleep(self._pace.statement_seconds)
            await self.publish_statement()

    async def publish_statement(self) -> FillsStatement:
        """Count FILLS up to its end for now and say so on `reconciliation.<venue>.<account>.fills`."""
        await self._count_stored()
        statement = self._sums.statement(self._venue, self._account, self._clock.now_ms())
        await self._publisher.answer(
            subjects.reconciliation(self._venue, self._account, "fills"),
            statement.to_bytes(),
            message_id=f"fills:{self._venue}:{self._account}:{statement.up_to_sequence}:{statement.at_ms}",
        )
        return statement

    def mark(self) -> Mark | None:
        """For the checkpoint: how far both streams are folded, and what is counted of every watched order."""
        if not self.rebuilt.is_set():
            return None
        watched = self._watch.all()
        return Mark(
            sequence=self._orders_sequence,
            live={w.order.key.client_order_id: w.sequence for w in watched},
            state={
                "sums": self._sums.to_state(),
                "counted": _counted_states([w for w in watched if w.counted or not w.is_count_certain]),
                "orphans": [*list(self._orphans)[-ORPHANS_KEPT:]],
            },
        )

    # What the venue tells by itself.

    def stream_opened(self) -> None:
        """From now on every trade is told; those before are read."""
        self._told_since_ms = self._clock.now_ms()
        self._untold.clear()
        self._read_now(self._symbols)

    def stream_lost(self) -> None:
        self._told_since_ms = None
        self._untold.clear()
        self._read_now({watched.order.key.symbol for watched in self._watch.gaps()})

    async def store_told(self, trade: VenueTrade) -> None:
        """Store at once a trade that the stream or an answer tells. Cursors stay where they are: one that cannot be stored now the list will show."""
        identity = _identity(trade)
        self._untold.pop(identity, None)
        if identity in self._remembered or identity in self._storing:
            return
        self._storing.add(identity)
        try:
            stored = await self._store_trade(trade)
        except Unavailable:
            stored = False
        finally:
            self._storing.discard(identity)
        if not stored:
            self._read_now({trade.symbol})

    def _read_now(self, symbols: Collection[Symbol]) -> None:
        if symbols:
            self._grown |= set(symbols)
            self._growth.set()

    def _polled(self, now: float) -> set[Symbol]:
        """What is read each period. Beside a stream that tells trades: where one should have come by now, and at times the others."""
        is_told = self._told_since_ms is not None
        grace = self._pace.grace_seconds if is_told else 0.0
        found = {w.order.key.symbol for w in self._watch.gaps() if now - w.executed_seen_at >= grace}
        if not is_told or now - self._witnessed_at >= self._pace.witness_seconds:
            self._witnessed_at = now
            found |= self._watch.symbols_at_venue()
        return found

    def _sweep_beside(self) -> float:
        return max(self._pace.sweep_seconds, self._pace.witness_seconds)

    def _note_untold(self, trades: Sequence[VenueTrade]) -> None:
        if self._told_since_ms is None:
            return
        now, since_ms = self._clock.monotonic(), self._told_since_ms + UNTOLD_SKEW_MS
        for trade in trades:
            if trade.venue_time_ms > since_ms and _identity(trade) not in self._storing:
                self._untold.setdefault(_identity(trade), now)

    def _doubt_the_untold(self, now: float) -> None:
        if any(now - since >= UNTOLD_SECONDS for since in self._untold.values()):
            self._untold.clear()
            self.doubt("trade_not_told")

    # Rebuilding.

    async def _load(self) -> None:
        for symbol in self._symbols:
            cursor = await self._cursors.get(keys.cursor(self._venue, self._account, symbol))
            self._from_id[symbol] = _place_of(cursor)
        mark = await self._checkpoint.load()
        try:
            kept = None if mark is None else _Kept.of(mark)
        except DAMAGED:
            kept = None
        if mark is None or kept is None:
            return
        self._orders_sequence = mark.sequence
        self._sums = kept.sums
        self._uncounted = kept.orphans
        for client_order_id in mark.live:
            entry = await self._ledger.last(self._venue, self._account, ClientOrderId(client_order_id))
            watched = None if entry is None else self._watch.note(entry, self._clock.monotonic())
            if watched is not None:
                # Watched when the mark was made, so what is counted of it is all that was stored; nothing, if it says nothing.
                _restore_counted(watched, kept.counted.get(client_order_id) or _Counted.none(kept.sums.up_to_sequence))

    async def _count_stored(self) -> None:
        """Read FILLS on from where it was counted last; once more from the beginning for orders whose past is not known."""
        reading = self._feed.fills(self._venue, self._account, after=self._sums.up_to_sequence)
        async with aclosing(reading) as fills:
            async for stored in fills:
                if stored is None:
                    break
                self._sums.add(stored)
                self._count(stored.fill)
        if self._watch.uncertain():
            await self._count_uncertain()

    async def _count_uncertain(self) -> None:
        uncertain = self._watch.uncertain()
        after = min(watched.counted_after for watched in uncertain)
        async with aclosing(self._feed.fills(self._venue, self._account, after=after)) as fills:
            async for stored in fills:
                if stored is None:
                    break
                # Of others there is nothing to learn here, and all that ever traded would be kept as if its order were still to come.
                its = self._watched_of(stored.fill)
                if its is not None:
                    its.count(stored.fill)
        for watched in uncertain:
            watched.is_count_certain = True
            self._watch.drop_if_complete(watched)

    def _count(self, fill: Fill) -> None:
        watched = self._watched_of(fill)
        if watched is not None:
            watched.count(fill)
            self._watch.drop_if_complete(watched)
        elif fill.client_order_id is not None and not self._watch.has_completed(fill.client_order_id):
            self._orphans.setdefault(fill.client_order_id, []).append(fill)
            while len(self._orphans) > REMEMBERED_TRADES:
                del self._orphans[next(iter(self._orphans))]

    def _watched_of(self, fill: Fill) -> Watched | None:
        watched = self._watch.of_venue_order(fill.symbol, fill.venue_order_id)
        if watched is None and fill.client_order_id is not None:
            watched = self._watch.of_client_order(fill.client_order_id)
        return watched

    def _count_orphans(self, watched: Watched) -> None:
        """The feed may be behind the trade list: what was stored of an order before it was watched counts as well, or it would be inferred again."""
        order_id = watched.order.key.client_order_id
        for fill in self._orphans.pop(order_id, ()):
            watched.count(fill)
            watched.counted_after = 0  # stored before the order itself came by
        if order_id in self._uncounted:
            self._uncounted.discard(order_id)
            watched.is_count_certain = False
            watched.counted_after = 0

    # Reading.

    async def _wait_for_growth(self, until: float) -> None:
        pause = max(GROWTH_PAUSE_SECONDS, until - self._clock.monotonic())
        try:
            async with asyncio.timeout(pause):
                await self._growth.wait()
        except TimeoutError:
            return
        await self._clock.sleep(GROWTH_PAUSE_SECONDS)

    async def _read_symbol(self, symbol: Symbol) -> None:
        """Read one symbol's trades from its cursor to the end, store them, then see whether anything stays hidden."""
        if self._watch.uncertain():
            await self._count_uncertain()
        asked_at = self._clock.monotonic()
        from_id = self._from_id.get(symbol)
        newest_ms = 0
        is_complete = True
        while True:
            page = await self._read_page(symbol, from_id)
            fresh = [trade for trade in page if _identity(trade) not in self._remembered]
            self._note_untold(fresh)
            stored = await asyncio.gather(*(self._store_trade(trade) for trade in fresh))
            is_complete = is_complete and all(stored)
            newest_ms = max((trade.venue_time_ms for trade in page), default=newest_ms)
            if is_complete:
                await self._advance(symbol, page, newest_ms)
            if len(page) < PAGE_LIMIT or page[-1].trade_id == from_id:
                break
            from_id = page[-1].trade_id
        if is_complete:
            await self._infer_hidden(symbol, asked_at)

    async def _read_page(self, symbol: Symbol, from_id: TradeId | None) -> Sequence[VenueTrade]:
        early = self._read_at + self._pace.read_seconds - self._clock.monotonic()
        if early > 0:
            await self._clock.sleep(early)
        self._read_at = self._clock.monotonic()
        return await self._reading.trades(symbol, from_id=from_id, limit=PAGE_LIMIT)

    async def _advance(self, symbol: Symbol, page: Sequence[VenueTrade], newest_ms: int) -> None:
        """Move the cursor to the last trade that is older than the venue's lag: an earlier id cannot show up behind it any more."""
        settled_ms = newest_ms - self._reading.declaration.trade_lag_ms
        settled = next((trade for trade in reversed(page) if trade.venue_time_ms < settled_ms), None)
        if settled is None or settled.trade_id == self._from_id.get(symbol):
            return
        self._from_id[symbol] = settled.trade_id
        document = CursorDocument(
            from_id=settled.trade_id, venue_time_ms=settled.venue_time_ms, at_ms=self._clock.now_ms()
        )
        await self._cursors.put(keys.cursor(self._venue, self._account, symbol), document.to_bytes())

    # Storing.

    async def _store_trade(self, trade: VenueTrade) -> bool:
        """Store one trade; False where it cannot be told yet whose it is, so that the cursor stays before it."""
        async with self._slots:
            owner = await self._owner(trade)
            if owner is None:
                return False
            await self._reverse_inferred(trade, owner)
            if owner.stranger is not None and is_forced(self._reading.declaration, owner.stranger):
                # Before it is stored: whoever dies between the two says it again.
                await tell_forced(
                    trade,
                    owner.stranger,
                    venue=self._venue,
                    account=self._account,
                    publisher=self._publisher,
                    clock=self._clock,
                )
            fill = Fill(
                venue=self._venue,
                account=self._account,
                symbol=trade.symbol,
                trade_id=trade.trade_id,
                venue_order_id=trade.venue_order_id,
                client_order_id=owner.client_order_id,
                strategy=owner.strategy,
                side=trade.side,
                position_side=trade.position_side,
                price=trade.price,
                quantity=trade.quantity,
                fee=trade.fee,
                fee_asset=trade.fee_asset,
                liquidity=trade.liquidity,
                venue_time_ms=trade.venue_time_ms,
                received_time_ms=self._clock.now_ms(),
            )
            await self._store(fill)
            self._remember(trade)
            return True

    async def _store(self, fill: Fill) -> None:
        began_ns = self._trace.now_ns()
        is_new = await self._publisher.store_fill(fill)
        if not is_new and fill.inferred:
            # Another replica inferred under this id, perhaps another quantity: what is stored counts, not what we meant.
            fill = (
                await self._publisher.stored_fill(
                    fill.venue, fill.account, fill.symbol, fill.trade_id, fill.venue_order_id
                )
                or fill
            )
        self._count(fill)
        if is_new and fill.client_order_id is not None:
            self._trace.span(
                "fill_streaming.store",
                fill.client_order_id,
                began_ns,
                attributes={
                    "account": fill.account,
                    "venue_order_id": fill.venue_order_id,
                    "trade_id": fill.trade_id,
                    "inferred": str(fill.inferred).lower(),
                },
            )

    def _remember(self, trade: VenueTrade) -> None:
        self._remembered[_identity(trade)] = None
        while len(self._remembered) > REMEMBERED_TRADES:
            del self._remembered[next(iter(self._remembered))]

    async def _owner(self, trade: VenueTrade) -> _Owner | None:
        watched = self._watch.of_venue_order(trade.symbol, trade.venue_order_id)
        client_order_id = trade.client_order_id
        if watched is None and client_order_id is None:
            view = await self._reading.order(trade.symbol, trade.venue_order_id)
            if view is None and await self._is_unsettled(trade):
                return None  # it shows a trade and not yet its order
            client_order_id = None if view is None else view.client_order_id
        if watched is None and client_order_id is not None:
            watched = self._watch.of_client_order(client_order_id)
            if watched is not None:
                self._watch.link(trade.venue_order_id, watched)
        if watched is not None:
            request = watched.order.request
            return _Owner(client_order_id=request.key.client_order_id, strategy=request.strategy, watched=watched)
        return await self._unwatched_owner(client_order_id)

    async def _is_unsettled(self, trade: VenueTrade) -> bool:
        """Whether the venue's reads need not show all of it yet."""
        return await self._reading.venue_time_ms() - trade.venue_time_ms < self._reading.declaration.settle_ms

    async def _unwatched_owner(self, client_order_id: ClientOrderId | None) -> _Owner | None:
        if client_order_id is not None:
            entry = await self._ledger.last(self._venue, self._account, client_order_id)
            if entry is not None:
                request = entry.order.request
                return _Owner(client_order_id=client_order_id, strategy=request.strategy, watched=None)
        # The ledger is written before every request, so what it does not know is a stranger's: unless one of ours has no venue id yet.
        if client_order_id is None and self._watch.is_in_flight():
            return None
        return _Owner(client_order_id=None, strategy=None, watched=None, stranger=client_order_id)

    # What the venue hides.

    async def _reverse_inferred(self, trade: VenueTrade, owner: _Owner) -> None:
        """Before a real trade is stored, take back the inferred fills that stood in for it. Their ids make a repeat harmless."""
        if not self._reading.declaration.hides_maker_fills or owner.client_order_id is None:
            return
        if owner.watched is not None:
            if owner.watched.stored + trade.quantity <= owner.watched.order.executed_quantity:
                return
            standing = sorted(owner.watched.inferred)
        else:
            standing = await self._standing_inferred(trade)
        for trade_id in standing:
            try:
                fill = await self._publisher.stored_fill(
                    self._venue, self._account, trade.symbol, trade_id, trade.venue_order_id
                )
            except Unreadable:
                continue  # it counts nowhere, so there is nothing to take back
            if fill is not None:
                await self._store(reverse(fill, now_ms=self._clock.now_ms()))

    async def _standing_inferred(self, trade: VenueTrade) -> list[TradeId]:
        """The inferred fills, not reversed, of an order that this process no longer watches."""
        if await self._is_stored(trade, trade.trade_id):
            return []
        standing: list[TradeId] = []
        number = 1
        while await self._is_stored(trade, candidate := inferred_id(trade.venue_order_id, number)):
            if not await self._is_stored(trade, reversal_id(candidate)):
                standing.append(candidate)
            number += 1
        return standing

    async def _is_stored(self, trade: VenueTrade, trade_id: TradeId) -> bool:
        """Also where what stands there cannot be read: nothing else can be stored in its place."""
        try:
            fill = await self._publisher.stored_fill(
                self._venue, self._account, trade.symbol, trade_id, trade.venue_order_id
            )
        except Unreadable:
            return True
        return fill is not None

    async def _infer_hidden(self, symbol: Symbol, asked_at: float) -> None:
        """Infer what two complete reads, a lag apart, did not show of executed quantity known before both."""
        declaration = self._reading.declaration
        if not declaration.hides_maker_fills:
            return
        for watched in self._watch.gaps():
            if watched.order.key.symbol != symbol or not watched.is_count_certain:
                continue
            if not watched.note_short_read(asked_at, declaration.trade_lag_ms / 1000):
                continue
            fill = infer(
                watched.order,
                stored=watched.stored,
                inferred_count=watched.inferred_count,
                maker_fee=declaration.maker_fee,
                fee_asset=declaration.fee_asset,
                now_ms=self._clock.now_ms(),
            )
            if fill is not None:
                await self._store(fill)


class _Sums:
    """What FILLS holds of the account, up to a stream sequence."""

    def __init__(self) -> None:
        self.up_to_sequence = 0
        self._count: defaultdict[str, int] = defaultdict(int)
        self._quantity: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._fees: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))

    @classmethod
    def of_state(cls, state: JsonValue) -> "_Sums":
        statement = FillsStatement.model_validate(state)
        sums = cls()
        sums.up_to_sequence = statement.up_to_sequence
        for symbol, part in statement.symbols.items():
            sums._count[symbol] = part.count
            sums._quantity[symbol] = Decimal(part.quantity)
            sums._fees[symbol].update({asset: Decimal(fee) for asset, fee in part.fees.items()})
        return sums

    def to_state(self) -> JsonValue:
        statement = self.statement(VenueName("-"), AccountName("-"), 0)
        return statement.model_dump(by_alias=True, mode="json")

    def add(self, stored: StoredFill) -> None:
        fill = stored.fill
        self.up_to_sequence = stored.sequence
        self._count[fill.symbol] += 1
        self._quantity[fill.symbol] += fill.signed_quantity
        self._fees[fill.symbol][fill.fee_asset] += fill.fee

    def statement(self, venue: VenueName, account: AccountName, at_ms: int) -> FillsStatement:
        return FillsStatement(
            venue=venue,
            account=account,
            up_to_sequence=self.up_to_sequence,
            count=sum(self._count.values()),
            symbols={
                symbol: SymbolFills(
                    count=count,
                    quantity=format(self._quantity[symbol], "f"),
                    fees={asset: format(fee, "f") for asset, fee in self._fees[symbol].items()},
                )
                for symbol, count in self._count.items()
            },
            at_ms=at_ms,
        )


def _identity(trade: VenueTrade) -> tuple[Symbol, TradeId, VenueOrderId]:
    return trade.symbol, trade.trade_id, trade.venue_order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What is stored of one order, as a checkpoint keeps it. ids None: too many to be named, they stand in FILLS after `after`."""

    after: int
    ids: set[TradeId] | None
    stored: Decimal
    inferred: set[TradeId]
    inferred_count: int

    @classmethod
    def none(cls, after: int) -> Self:
        """Of an order that has no fill up to this sequence of FILLS."""
        return cls(after=after, ids=set(), stored=ZERO, inferred=set(), inferred_count=0)

    @classmethod
    def of(cls, state: JsonValue) -> Self:
        """Raises one of DAMAGED."""
        if not isinstance(state, dict):
            raise TypeError("not an object")
        after = state.get("after", 0)
        if not isinstance(after, int):
            raise TypeError("not a sequence")
        if "ids" not in state:
            return cls(after=after, ids=None, stored=ZERO, inferred=set(), inferred_count=0)
        ids, inferred, count = state["ids"], state["inferred"], state["inferredCount"]
        if not (isinstance(ids, list) and isinstance(inferred, list) and isinstance(count, int)):
            raise TypeError("not what is counted of an order")
        stored = Decimal(str(state["stored"]))
        if not stored.is_finite():
            raise ValueError("not an amount")
        return cls(
            after=after,
            ids={TradeId(str(each)) for each in ids},
            stored=stored,
            inferred={TradeId(str(each)) for each in inferred},
            inferred_count=count,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The service's own state in a mark."""

    sums: _Sums
    counted: Mapping[str, _Counted]
    orphans: set[str]

    @classmethod
    def of(cls, mark: Mark) -> Self:
        """Raises one of DAMAGED."""
        counted, orphans = mark.state["counted"], mark.state.get("orphans")
        if not isinstance(counted, dict):
            raise TypeError("counted is no object")
        return cls(
            sums=_Sums.of_state(mark.state["sums"]),
            counted={order: _Counted.of(state) for order, state in counted.items()},
            orphans={str(order) for order in orphans} if isinstance(orphans, list) else set(),
        )


def _place_of(cursor: bytes | None) -> TradeId | None:
    """Where a trade list is read from; None: from its oldest, also when the cursor cannot be read. Nothing is stored twice."""
    try:
        from_id = None if cursor is None else CursorDocument.of(cursor).from_id
    except Unreadable:
        return None
    return None if from_id is None else TradeId(from_id)


def _counted_states(watched: Collection[Watched]) -> dict[str, JsonValue]:
    """By order. Those with the most trades are the first whose trades are not named: then FILLS is read again for them, from where the order began."""
    room = COUNTED_IDS_BYTES
    states: dict[str, JsonValue] = {}
    for each in sorted(watched, key=lambda each: len(each.counted)):
        room -= sum(len(trade_id) + _AROUND_AN_ID for trade_id in each.counted)
        is_named = room >= 0 and each.is_count_certain
        states[each.order.key.client_order_id] = _counted_state(each) if is_named else {"after": each.counted_after}
    return states


def _counted_state(watched: Watched) -> JsonValue:
    return {
        "after": watched.counted_after,
        "ids": [*sorted(watched.counted)],
        "stored": format(watched.stored, "f"),
        "inferred": [*sorted(watched.inferred)],
        "inferredCount": watched.inferred_count,
    }


def _restore_counted(watched: Watched, counted: _Counted) -> None:
    watched.counted_after = counted.after
    watched.is_count_certain = counted.ids is not None
    if counted.ids is None:
        return
    watched.counted = set(counted.ids)
    watched.stored = counted.stored
    watched.inferred = set(counted.inferred)
    watched.inferred_count = counted.inferred_count
