"""One account after a restore of the bus: everything that the venue knows and our books have forgotten is adopted before anything is sent.

The restored ledger is a true beginning of the account's history, not the whole of it. So it proves nothing about what came after: only the
venue does, once every request of the forgotten history is too old to execute there.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from decimal import Decimal

from ordergate.ports.bus import Feed, Publisher, Shelf
from ordergate.ports.clock import Clock
from ordergate.ports.positions import Positions
from ordergate.ports.venue import OrderHistory, Reading, VenueTrade
from ordergate.trading.errors import Unavailable, Unreadable
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, Symbol, TradeId, VenueName, VenueOrderId
from ordergate.trading.order import ZERO, PositionSide, VenueView
from ordergate.wire import keys, subjects
from ordergate.wire.messages import CursorDocument, RecoveryStatement, RestoreDocument
from services.status_polling.handlers import PollingDesk

CLOCKS_APART_MS = 60_000
"""Between the host that restored the bus and ours."""
AGAIN_SECONDS = 1.0
"""Between two looks; fill_streaming and position_tracking work meanwhile."""
TRADES_PAGE = 1000


class RecoveryDesk:
    """Waits for a restore epoch, then brings the account's books to what the venue shows and says how far it is."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        symbols: Sequence[Symbol],
        polling: PollingDesk,
        reading: Reading,
        feed: Feed,
        publisher: Publisher,
        positions: Positions,
        control: Shelf,
        cursors: Shelf,
        clock: Clock,
    ) -> None:
        self._venue = venue
        self._account = account
        self._symbols = tuple(symbols)
        self._polling = polling
        self._reading = reading
        self._feed = feed
        self._publisher = publisher
        self._positions = positions
        self._control = control
        self._cursors = cursors
        self._clock = clock
        self._epoch: RestoreDocument | None = None
        self._turned = asyncio.Event()
        self._recalled: set[tuple[Symbol, VenueOrderId]] = set()
        self._listed_to: VenueOrderId | None = None
        self._told: tuple[object, ...] = ()

    async def keep(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._watch())
            both.create_task(self._recover_for_ever())

    async def _watch(self) -> None:
        async with aclosing(self._control.watch(keys.RESTORE)) as changes:
            async for change in changes:
                if change is None or not change[1]:
                    continue
                try:
                    self._epoch = RestoreDocument.of(change[1])
                except Unreadable:
                    continue  # senders take it for a throw of everything, so nothing is to be made ready
                self._turned.set()

    async def _recover_for_ever(self) -> None:
        await self._polling.rebuilt.wait()
        while True:
            await self._turned.wait()
            self._turned.clear()
            self._recalled.clear()
            self._listed_to = None
            while self._epoch is not None and self._epoch.halted and not self._turned.is_set():
                try:
                    if await self._recover(self._epoch):
                        break
                except Unavailable:
                    pass  # nothing was learned
                await self._clock.sleep(AGAIN_SECONDS)

    async def _recover(self, epoch: RestoreDocument) -> bool:
        """One look at everything; True when nothing is left to be done in this epoch."""
        declaration = self._reading.declaration
        fence_ms = epoch.began_at_ms + declaration.window_ms + declaration.settle_ms + declaration.trade_lag_ms
        missing = 0
        # A request that the forgotten history signed may arrive until then, and show a while later.
        is_readable = await self._reading.venue_time_ms() > fence_ms
        if is_readable:
            for view in await self._reading.open_orders(None):
                await self._recall(view.symbol, view)
            await self._recall_hidden(epoch)
            missing = await self._missing_trades()
            await self._recall_orders_of_fills(epoch)
            if not missing:
                for tracked in self._polling.undecided(epoch.began_at_ms):
                    await self._polling.ask_undecided(tracked)
        unresolved = len(self._polling.undecided(epoch.began_at_ms))
        differing = await self._differing()
        is_complete = is_readable and not missing and not unresolved
        await self._say(epoch, is_complete=is_complete, missing=missing, unresolved=unresolved, differing=differing)
        return is_complete and not differing

    async def _recall(self, symbol: Symbol, view: VenueView) -> None:
        await self._polling.recall(view)
        self._recalled.add((symbol, view.venue_order_id))

    async def _recall_hidden(self, epoch: RestoreDocument) -> None:
        """Where the venue hides trades, an order that came and went in the forgotten time shows in the list of all orders only.

        fill_streaming then infers of each what no trade shows. Orders of before are left alone: of these the fills were stored, and may be
        older than FILLS remembers.
        """
        if not self._reading.declaration.hides_maker_fills or not isinstance(self._reading, OrderHistory):
            return
        since_ms = epoch.known_until_ms - CLOCKS_APART_MS
        while page := await self._reading.orders_after(self._listed_to):
            for view in page:
                if view.executed_quantity > 0 and view.updated_at_ms >= since_ms:
                    await self._recall(view.symbol, view)
                self._listed_to = view.venue_order_id

    async def _missing_trades(self) -> int:
        """How many trades the venue lists from the cursors on that FILLS does not hold; what lies before a cursor is stored."""
        stored = {(fill.symbol, fill.trade_id, fill.venue_order_id) for fill in await self._fills()}
        missing = 0
        for symbol in self._symbols:
            missing += sum(
                (trade.symbol, trade.trade_id, trade.venue_order_id) not in stored
                for trade in await self._trades(symbol)
            )
        return missing

    async def _trades(self, symbol: Symbol) -> Sequence[VenueTrade]:
        found: list[VenueTrade] = []
        from_id = await self._cursor(symbol)
        while True:
            page = await self._reading.trades(symbol, from_id=from_id, limit=TRADES_PAGE)
            found += page
            if len(page) < TRADES_PAGE or page[-1].trade_id == from_id:
                return found
            from_id = TradeId(page[-1].trade_id)

    async def _cursor(self, symbol: Symbol) -> TradeId | None:
        data = await self._cursors.get(keys.cursor(self._venue, self._account, symbol))
        try:
            from_id = None if data is None else CursorDocument.of(data).from_id
        except Unreadable:
            from_id = None  # then all trades are looked at
        return None if from_id is None else TradeId(from_id)

    async def _recall_orders_of_fills(self, epoch: RestoreDocument) -> None:
        """Whatever traded since the state that was restored has come into FILLS since; its order goes into the ledger."""
        since_ms = epoch.began_at_ms - CLOCKS_APART_MS
        traded = {
            (fill.symbol, fill.venue_order_id) for fill in await self._fills() if fill.received_time_ms >= since_ms
        }
        for symbol, venue_order_id in sorted(traded - self._recalled):
            view = await self._reading.order(symbol, venue_order_id)
            if view is not None:
                await self._recall(symbol, view)

    async def _fills(self) -> Sequence[Fill]:
        found: list[Fill] = []
        async with aclosing(self._feed.fills(self._venue, self._account, after=0)) as fills:
            async for stored in fills:
                if stored is None:
                    break
                found.append(stored.fill)
        return found

    async def _differing(self) -> tuple[str, ...]:
        """Where our fills do not add up to the venue's position; empty where the venue shows none."""
        if not self._reading.declaration.shows_positions:
            return ()
        ours: dict[tuple[Symbol, PositionSide], Decimal] = {}
        for stored in await self._positions.load(self._venue, self._account):
            for side, leg in stored.position.legs.items():
                ours[stored.position.symbol, side] = leg.quantity
        theirs = {(each.symbol, each.position_side): each.quantity for each in await self._reading.positions()}
        return tuple(
            f"{symbol} {side}: ours {ours.get((symbol, side), ZERO)}, the venue's {theirs.get((symbol, side), ZERO)}"
            for symbol, side in sorted({*ours, *theirs})
            if ours.get((symbol, side), ZERO) != theirs.get((symbol, side), ZERO)
        )

    async def _say(
        self, epoch: RestoreDocument, *, is_complete: bool, missing: int, unresolved: int, differing: tuple[str, ...]
    ) -> None:
        """Once for each change."""
        told = (epoch.epoch, is_complete, len(self._recalled), missing, unresolved, differing)
        if told == self._told:
            return
        now_ms = self._clock.now_ms()
        statement = RecoveryStatement(
            venue=self._venue,
            account=self._account,
            epoch=epoch.epoch,
            complete=is_complete,
            orders_shown=len(self._recalled),
            missing_trades=missing,
            unresolved=unresolved,
            differing=differing,
            at_ms=now_ms,
        )
        await self._publisher.answer(
            subjects.recovery(self._venue, self._account),
            statement.to_bytes(),
            message_id=f"recovery:{self._venue}:{self._account}:{epoch.epoch}:{now_ms}",
        )
        self._told = told
