"""One account's witness at the venue: one open-orders list a period, single lookups where the list says nothing, and the fence.

A lookup is a read, so asking is always safe. Only declaring an order `not_placed` needs proof: two lookups asked after the venue's own
clock passed timestamp + window + settle, a declaration that such a lookup would show the order, and trades and positions that agree.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ordergate.ports.bus import Feed, Publisher, Shelf
from ordergate.ports.checkpoint import Checkpoint, Mark
from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Entry, Ledger, Won, append_evidence
from ordergate.ports.positions import Positions
from ordergate.ports.trace import Trace
from ordergate.ports.venue import Priority, Reading, VenueTrade
from ordergate.trading.errors import TransitionRefused, Unavailable, Unreadable
from ordergate.trading.events import (
    Adopted,
    EndedUnsent,
    LaterEvent,
    OutcomeLost,
    ProvenAbsent,
    ProvenNotPlaced,
    Restated,
    Source,
    VenueReported,
)
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    IntentId,
    StrategyName,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
    derive_client_order_id,
    derive_error_id,
)
from ordergate.trading.lifecycle import CLOCK_SLACK_MS, begin, may_resubmit, mismatch, unsent_proof
from ordergate.trading.order import ZERO, Order, OrderKey, OrderRequest, State, Terms, VenueView
from ordergate.trading.position import EXTERNAL
from ordergate.trading.schedule import (
    PollPolicy,
    due_lookups,
    fence_ms,
    is_missing,
    next_wake_ms,
    proof_of_absence,
)
from ordergate.wire import keys, subjects
from ordergate.wire.messages import CursorDocument, DriftMessage
from ordergate.wire.streams import STATUS_POLLING
from services.status_polling.tracked import LiveBook, Tracked, track

TRADES_PAGE = 1000
LOOKUPS_AT_ONCE = 4
SYMBOLS_LISTED_MAX = 20
"""Beyond this one list of all is cheaper than one of each, at any venue of ours."""
NAMES_KEPT = 1_000
POSITION_READINGS = 4
POSITION_PAUSE_SECONDS = 0.25
VENUE_TIME_SECONDS = 1.0
"""How long one reading of the venue's clock serves as the lower bound of a lookup's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    policy: PollPolicy
    sweep_seconds: float = 10.0  # the open-orders list is read this often also when nothing of ours is live: strangers
    restate_unknown_ms: int = 10_000  # an unknown order is said again this often, so that its age is seen
    restate_live_ms: int = 24 * 60 * 60 * 1000  # before the stream forgets it
    told_list_period_ms: int = 3_000  # the list is the second witness while the private stream tells orders by itself


class PollingDesk:
    """Polls the orders of one account."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        reading: Reading,
        ledger: Ledger,
        feed: Feed,
        publisher: Publisher,
        positions: Positions,
        cursors: Shelf,
        checkpoint: Checkpoint,
        clock: Clock,
        trace: Trace,
        pace: Pace,
    ) -> None:
        self._venue = venue
        self._account = account
        self._reading = reading
        self._ledger = ledger
        self._feed = feed
        self._publisher = publisher
        self._positions = positions
        self._cursors = cursors
        self._checkpoint = checkpoint
        self._clock = clock
        self._trace = trace
        self._pace = pace
        self._told_policy = replace(
            pace.policy, list_period_ms=max(pace.policy.list_period_ms, pace.told_list_period_ms)
        )
        self._policy = pace.policy
        self._list_wanted = False
        self._symbols_wanted: set[Symbol] = set()  # where something was told that only a list can explain
        self._live = LiveBook()
        self._sequence = 0
        self._changed = asyncio.Event()
        self._drifting: set[str] = set()
        # Of orders whose trades bear no client id, as the venue says.
        self._names: dict[tuple[Symbol, VenueOrderId], ClientOrderId] = {}
        self._venue_time_ms = 0
        self._venue_time_read_at = float("-inf")
        self.rejected: Callable[[], None] = lambda: None
        """Told of each order that the venue has rejected since this process was rebuilt."""
        self.rebuilt = asyncio.Event()

    async def follow_orders(self) -> None:
        """Rebuild from the checkpoint, then fold ORDERS for ever."""
        await self._load()
        async for entry in self._feed.orders(self._venue, self._account, after=self._sequence):
            if entry is None:
                self.rebuilt.set()
                continue
            self._sequence = max(self._sequence, entry.sequence)
            self._note(entry)
            if self.rebuilt.is_set() and entry.order.state is State.REJECTED:
                self.rejected()

    async def poll(self) -> None:
        """Ask the venue for ever: lists and lookups when the schedule says so."""
        await self.rebuilt.wait()
        listed_ms: int | None = None
        swept_ms = 0
        while True:
            now_ms = self._clock.now_ms()
            try:
                is_list_due = self._is_list_due(listed_ms, now_ms)
                symbols = self._symbols_to_list()
                if now_ms >= swept_ms + self._pace.sweep_seconds * 1000 or (is_list_due and not symbols):
                    listed_ms = swept_ms = now_ms
                    self._forget_wishes(None)
                    await self._read_open_orders(None)
                elif is_list_due:
                    listed_ms = now_ms
                    self._forget_wishes(symbols)
                    for symbol in symbols:
                        await self._read_open_orders(symbol)
                await self._look_up_due()
                await self._restate_due()
            except Unavailable:
                await self._clock.sleep(self._pace.policy.list_period_ms / 1000)  # nothing was learned
            await self._wait(listed_ms)

    # What the venue tells by itself.

    def stream_opened(self) -> None:
        """Orders are told from now on; what happened before the list shows, which is read now."""
        self._policy = self._told_policy
        self._want_list()

    def stream_lost(self) -> None:
        self._policy = self._pace.policy
        self._want_list()

    async def take_told(self, view: VenueView) -> None:
        """Fold what an event shows as if it had been looked up. What cannot be ours is left to the list, which adopts and says drift."""
        try:
            tracked = await self._tracked_of(view)
            if tracked is not None and mismatch(tracked.order, view) is None:
                await self._append(tracked, VenueReported(view=view, source=Source.STREAM, at_ms=self._clock.now_ms()))
                return
        except Unavailable:
            self._want_list(view.symbol)
            return
        if tracked is None and not view.status.is_terminal:
            self._want_list(view.symbol)

    # After a restore of the bus.

    async def recall(self, view: VenueView) -> None:
        """Take what the venue shows into the ledger, ended orders too: an id that has traded there can then never be placed again."""
        tracked = await self._tracked_of(view)
        if tracked is None:
            await self._adopt(view)
            tracked = await self._tracked_of(view)
        if tracked is not None:
            await self._report(tracked, view, Source.RECOVERY)

    def undecided(self, before_ms: int) -> list[Tracked]:
        """Orders asked for before that time whose fate at the venue the ledger does not know."""
        return [
            tracked
            for tracked in self._live.all()
            if tracked.order.request.created_at_ms <= before_ms
            and tracked.order.state in {State.APPROVED, State.SUBMITTING, State.UNKNOWN}
        ]

    async def ask_undecided(self, tracked: Tracked) -> None:
        """Look up an approved order of before; the one that the venue does not show, although everything was read, was not sent or did not trade.

        Those that were submitting or unknown the fence settles, as ever.
        """
        order = tracked.order
        if order.state is not State.APPROVED and order.unexecuted is None:
            return
        view = await self._find(order)
        if view is not None:
            await self._report(tracked, view, Source.RECOVERY)
            return
        proof, attempt = unsent_proof(order)
        await self._append(
            tracked,
            EndedUnsent(
                state=State.EXPIRED,
                reason="restored: asked for before the bus was restored, and the venue does not show it",
                at_ms=self._clock.now_ms(),
                proof=proof,
                attempt=attempt,
            ),
        )

    def _want_list(self, *symbols: Symbol) -> None:
        self._list_wanted = True
        self._symbols_wanted.update(symbols)
        self._changed.set()

    def _forget_wishes(self, symbols: Sequence[Symbol] | None) -> None:
        """They are read now; None: all of them."""
        self._symbols_wanted = set() if symbols is None else self._symbols_wanted.difference(symbols)
        self._list_wanted = len(self._symbols_wanted) > 0

    def _is_list_due(self, listed_ms: int | None, now_ms: int) -> bool:
        """What is wanted at once still keeps the venue's own pace."""
        period_ms = (self._pace.policy if self._list_wanted else self._policy).list_period_ms
        needed = len(self._live) > 0 or self._list_wanted
        return needed and (listed_ms is None or now_ms >= listed_ms + period_ms)

    def unknowns(self) -> tuple[int, float]:
        """How many orders are unknown now, and for how many seconds the oldest has been."""
        now_ms = self._clock.now_ms()
        since = [
            each.order.unknown_since_ms or now_ms for each in self._live.all() if each.order.state is State.UNKNOWN
        ]
        return len(since), max(0.0, (now_ms - min(since, default=now_ms)) / 1_000)

    def mark(self) -> Mark | None:
        """For the checkpoint: the ORDERS sequence folded so far, and the orders that are live after it."""
        if not self.rebuilt.is_set():
            return None
        return Mark(
            sequence=self._sequence,
            live={tracked.order.key.client_order_id: tracked.entry.sequence for tracked in self._live.all()},
            live_can_be_read_again=True,
        )

    async def _load(self) -> None:
        mark = await self._checkpoint.load()
        if mark is None:
            return
        self._sequence = mark.sequence
        for order in mark.live:
            entry = await self._ledger.last(self._venue, self._account, ClientOrderId(order))
            if entry is not None:
                self._note(entry)

    def _note(self, entry: Entry) -> None:
        self._live.note(entry, self._clock.now_ms())
        if entry.order.state is State.UNKNOWN:
            self._changed.set()

    async def _wait(self, listed_ms: int | None) -> None:
        now_ms = self._clock.now_ms()
        watches = [tracked.watch for tracked in self._live.all()]
        wake_ms = next_wake_ms(watches, self._policy, last_list_ms=listed_ms, now_ms=now_ms)
        pause_ms = self._policy.list_period_ms if wake_ms is None else wake_ms - now_ms
        self._changed.clear()
        try:
            async with asyncio.timeout(max(0.02, pause_ms / 1000)):
                await self._changed.wait()
        except TimeoutError:
            return
        await self._clock.sleep(0.02)  # new orders come in bursts: one look at the schedule for all of them

    # The list.

    def _symbols_to_list(self) -> list[Symbol]:
        """Those where orders of ours are open; none where one list of all is better."""
        if not self._reading.declaration.lists_by_symbol:
            return []
        symbols = sorted({tracked.order.key.symbol for tracked in self._live.all()} | self._symbols_wanted)
        return symbols if len(symbols) <= SYMBOLS_LISTED_MAX else []

    async def _read_open_orders(self, symbol: Symbol | None) -> None:
        """Report what the list shows; note what it does not. Only orders that were live before the question count as missing."""
        asked_ms = self._clock.now_ms()
        before = [tracked for tracked in self._live.all() if symbol in {None, tracked.order.key.symbol}]
        views = await self._reading.open_orders(symbol)
        shown: set[ClientOrderId] = set()
        for view in views:
            tracked = await self._tracked_of(view)
            if tracked is None:
                await self._adopt(view)
                continue
            shown.add(tracked.order.key.client_order_id)
            tracked.watch = replace(tracked.watch, seen_ms=asked_ms, missing_since_ms=None, lookups=0)
            await self._report(tracked, view, Source.OPEN_ORDERS)
        for tracked in before:
            if tracked.order.key.client_order_id in shown or tracked.watch.missing_since_ms is not None:
                continue
            if is_missing(tracked.watch, list_asked_ms=asked_ms, policy=self._policy):
                tracked.watch = replace(tracked.watch, missing_since_ms=asked_ms, lookups=0, last_lookup_ms=None)

    async def _tracked_of(self, view: VenueView) -> Tracked | None:
        """Our order that this is; the ledger is asked where the fold does not know it (it may be behind)."""
        tracked = self._live.of_venue_order(view.symbol, view.venue_order_id)
        if tracked is not None or view.client_order_id is None:
            return tracked
        tracked = self._live.get(view.client_order_id)
        if tracked is not None:
            return tracked
        entry = await self._ledger.last(self._venue, self._account, view.client_order_id)
        if entry is None:
            return None
        now_ms = self._clock.now_ms()
        self._live.note(entry, now_ms)
        # An order that ended in the ledger and is open at the venue is a correction.
        return self._live.get(view.client_order_id) or track(entry, None, now_ms)

    async def _adopt(self, view: VenueView) -> None:
        """A live order that no intent of ours made: it goes into the ledger as the venue shows it, under the venue's name for it."""
        order_id = view.client_order_id or derive_client_order_id(
            self._account, EXTERNAL, IntentId(view.venue_order_id)
        )
        request = _adopted_request(
            OrderKey(venue=self._venue, account=self._account, symbol=view.symbol, client_order_id=order_id), view
        )
        event = Adopted(request=request, view=view, at_ms=self._clock.now_ms())
        answer = await self._ledger.append(begin(event), event, after=0)
        if isinstance(answer, Won):
            self._note(answer.entry)

    # Lookups.

    async def _look_up_due(self) -> None:
        live = self._live.all()
        due = due_lookups([tracked.watch for tracked in live], self._policy, self._clock.now_ms())
        chosen = [live[place] for place in due]
        slots = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def look_up(tracked: Tracked) -> None:
            async with slots:
                await self._look_up(tracked)

        await asyncio.gather(*(look_up(tracked) for tracked in chosen))

    async def _look_up(self, tracked: Tracked) -> None:
        """Read one order by itself. Nothing found proves nothing before the fence."""
        order, began_ns = tracked.order, self._trace.now_ns()
        asked_ms = self._clock.now_ms()
        fence = self._fence(order)
        try:
            venue_ms = 0 if fence is None else await self._venue_time_before(fence)
            view = await self._find(order)
        finally:
            watch = tracked.watch
            tracked.watch = replace(watch, lookups=watch.lookups + 1, last_lookup_ms=asked_ms)
        if fence is not None:
            tracked.watch = replace(tracked.watch, fence_ms=self._clock.now_ms() + fence - self._venue_time_now())
        if view is not None:
            tracked.watch = replace(tracked.watch, seen_ms=asked_ms, missing_since_ms=None)
            await self._report(tracked, view, Source.LOOKUP)
        elif fence is not None and order.attempt is not None:
            if self._has_own_time_passed(tracked):
                tracked.absent_asked_ms.append(venue_ms)
            await self._settle_absence(tracked, fence)
        self._trace.span(
            "status_polling.lookup",
            order.key.client_order_id,
            began_ns,
            attributes={
                "account": order.key.account,
                "attempt": order.attempt.number if order.attempt else None,
                "venue_order_id": view.venue_order_id if view else None,
                "found": str(view is not None).lower(),
            },
        )

    async def _find(self, order: Order) -> VenueView | None:
        """By the venue's id where it is known: that names one order whatever became of the client id, ours or not."""
        if order.venue_order_id is not None:
            return await self._reading.order(order.key.symbol, order.venue_order_id)
        return await self._reading.lookup(order.key.symbol, order.key.client_order_id, priority=Priority.RESOLVE)

    async def _venue_time_before(self, fence: int) -> int:
        """The venue's own time as it answered before the next question is asked.

        An older answer is a lower bound, so it serves a while; but not where a newer one could show that the fence has passed.
        """
        now = self._clock.monotonic()
        age = now - self._venue_time_read_at
        could_have_passed = self._venue_time_ms <= fence < self._venue_time_now()
        if age > VENUE_TIME_SECONDS or could_have_passed:
            self._venue_time_ms = await self._reading.venue_time_ms()
            self._venue_time_read_at = now
        return self._venue_time_ms

    def _venue_time_now(self) -> int:
        """About what the venue's clock shows; for deciding when to ask, never for a proof."""
        age = self._clock.monotonic() - self._venue_time_read_at
        return self._venue_time_ms if age == float("inf") else self._venue_time_ms + int(age * 1000)

    def _has_own_time_passed(self, tracked: Tracked) -> bool:
        """Whether window and settle have passed on our own clock too: the venue's may have jumped ahead, and jump back before a late request arrives."""
        declaration = self._reading.declaration
        return self._clock.now_ms() - tracked.attempt_since_ms >= declaration.window_ms + declaration.settle_ms

    def _fence(self, order: Order) -> int | None:
        if order.attempt is None or order.state not in {State.SUBMITTING, State.UNKNOWN}:
            return None
        declaration = self._reading.declaration
        return fence_ms(order.attempt, window_ms=declaration.window_ms, settle_ms=declaration.settle_ms)

    async def _settle_absence(self, tracked: Tracked, fence: int) -> None:
        order = tracked.order
        attempt = order.attempt
        if attempt is None or _is_left_to_its_sender(tracked, self._clock.now_ms()):
            return
        if order.state is State.SUBMITTING:
            error_id = derive_error_id(
                STATUS_POLLING, order.key.venue, order.key.account, order.key.client_order_id, str(attempt.number)
            )
            self._publisher.note_error(error_id, order.key)
            await self._append(
                tracked,
                OutcomeLost(attempt=attempt.number, reason="no_answer", error_id=error_id, at_ms=self._clock.now_ms()),
            )
        asked = proof_of_absence(fence, tracked.absent_asked_ms)
        if asked is None or not self._reading.declaration.lookup_is_witness:
            return
        if not await self._witnesses_agree(order):
            return
        now_ms = self._clock.now_ms()
        if not may_resubmit(order, now_ms):
            await self._append(
                tracked, ProvenNotPlaced(attempt=attempt.number, fence_ms=fence, asked_at_ms=asked, at_ms=now_ms)
            )
        elif order.absence is None:
            await self._append(
                tracked, ProvenAbsent(attempt=attempt.number, fence_ms=fence, asked_at_ms=asked, at_ms=now_ms)
            )

    async def _witnesses_agree(self, order: Order) -> bool:
        """Whether trades and position, too, say that the order never executed."""
        cursor = await self._cursors.get(keys.cursor(self._venue, self._account, order.key.symbol))
        try:
            from_id = None if cursor is None else CursorDocument.of(cursor).from_id
        except Unreadable:
            from_id = None  # then all trades are looked at
        while True:
            start = None if from_id is None else TradeId(from_id)
            page = await self._reading.trades(order.key.symbol, from_id=start, limit=TRADES_PAGE)
            for trade in page:
                if _may_be_of(order, trade) and not await self._is_of_another(order, trade):
                    return False
            if len(page) < TRADES_PAGE:
                break
            from_id = page[-1].trade_id
        return await self._positions_agree(order)

    async def _is_of_another(self, order: Order, trade: VenueTrade) -> bool:
        """Of a trade that bears no client id: whether the venue gives its order another one than this order's."""
        if trade.client_order_id is not None:
            return False
        order_of_trade = trade.symbol, trade.venue_order_id
        named = self._names.get(order_of_trade)
        if named is None:
            view = await self._reading.order(*order_of_trade)
            if view is None or view.client_order_id is None:
                return False
            named = self._names[order_of_trade] = view.client_order_id
            while len(self._names) > NAMES_KEPT:
                del self._names[next(iter(self._names))]
        return named != order.key.client_order_id

    async def _positions_agree(self, order: Order) -> bool:
        """Whether ours is the venue's. Where much is traded ours runs behind by a moment, so a disagreement is looked at again before it counts.

        A venue that shows no positions has the trades alone as its second witness, and must hide none of them.
        """
        declaration = self._reading.declaration
        if not declaration.shows_positions:
            return not declaration.hides_maker_fills
        for _ in range(POSITION_READINGS - 1):
            if await self._do_positions_agree(order):
                return True
            await self._clock.sleep(POSITION_PAUSE_SECONDS)
        return await self._do_positions_agree(order)

    async def _do_positions_agree(self, order: Order) -> bool:
        before = await self._our_quantity(order)
        side = order.terms.position_side
        theirs = {
            (position.symbol, position.position_side): position.quantity for position in await self._reading.positions()
        }.get((order.key.symbol, side), ZERO)
        return theirs in {before, await self._our_quantity(order)}

    async def _our_quantity(self, order: Order) -> Decimal:
        stored = await self._positions.load(self._venue, self._account)
        side = order.terms.position_side
        return next((s.position.leg(side).quantity for s in stored if s.position.symbol == order.key.symbol), ZERO)

    # What the ledger is told.

    async def _report(self, tracked: Tracked, view: VenueView, source: Source) -> None:
        differing = mismatch(tracked.order, view)
        if differing is not None:
            await self._say_drift(tracked.order, view, differing)
            return
        await self._append(tracked, VenueReported(view=view, source=source, at_ms=self._clock.now_ms()))

    async def _append(self, tracked: Tracked, event: LaterEvent) -> None:
        try:
            entry = await append_evidence(self._ledger, tracked.entry, event)
        except TransitionRefused:
            return  # the order has moved on; what it is now is in the feed
        if entry is not tracked.entry:
            self._live.note(entry, self._clock.now_ms())
            tracked.entry = entry

    async def _restate_due(self) -> None:
        now_ms = self._clock.now_ms()
        for tracked in self._live.all():
            is_unknown = tracked.order.state is State.UNKNOWN
            period_ms = self._pace.restate_unknown_ms if is_unknown else self._pace.restate_live_ms
            if tracked.order.state in {State.APPROVED, State.SUBMITTING}:
                continue  # another's states, and this service may not write them; they last no day either
            if now_ms - tracked.restated_ms >= period_ms:
                tracked.restated_ms = now_ms
                await self._append(tracked, Restated(at_ms=now_ms))

    async def _say_drift(self, order: Order, view: VenueView, differing: str) -> None:
        order_id = order.key.client_order_id
        error_id = derive_error_id("drift", self._venue, self._account, order_id, view.venue_order_id, differing)
        if error_id in self._drifting:
            return  # said once by this process; it stands in AUDIT
        self._drifting.add(error_id)
        self._publisher.note_error(error_id, order.key)
        message = DriftMessage(
            venue=self._venue,
            account=self._account,
            what="orders",
            symbol=order.key.symbol,
            client_order_id=order_id,
            venue_order_id=view.venue_order_id,
            proposal="the venue shows another order under this clientOrderId: find out who placed it",
            message=f"the venue's order differs in {differing}; it is not taken for ours",
            error_id=error_id,
            at_ms=self._clock.now_ms(),
        )
        await self._publisher.answer(
            subjects.reconciliation(self._venue, self._account, "orders"),
            message.to_bytes(),
            message_id=f"drift:{error_id}",
        )


def _is_left_to_its_sender(tracked: Tracked, now_ms: int) -> bool:
    """Whether its last request is proven never to execute and another may be on its way: then "not found" says nothing."""
    return tracked.watch.left_until_ms is not None and now_ms < tracked.watch.left_until_ms


def _may_be_of(order: Order, trade: VenueTrade) -> bool:
    """A trade that names no order of ours may be any that fits."""
    if trade.client_order_id is not None:
        return trade.client_order_id == order.key.client_order_id
    since_ms = (order.first_attempt_ms or 0) - CLOCK_SLACK_MS
    return trade.side is order.terms.side and trade.venue_time_ms >= since_ms


def _adopted_request(key: OrderKey, view: VenueView) -> OrderRequest:
    return OrderRequest(
        key=key,
        strategy=StrategyName(EXTERNAL),
        intent_id=IntentId(view.venue_order_id),
        request_hash="",
        terms=Terms(
            side=view.side,
            type=view.type,
            quantity=view.quantity,
            price=view.price,
            stop_price=view.stop_price,
            position_side=view.position_side,
            reduce_only=view.reduce_only,
        ),
        created_at_ms=view.created_at_ms,
        valid_for_ms=0,
    )
