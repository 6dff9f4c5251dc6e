"""The account as risk sees it: the book, fed from ORDERS and FILLS, kept over restarts by a checkpoint."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from pydantic import JsonValue

from ordergate.ports.bus import Feed
from ordergate.ports.checkpoint import DAMAGED, Checkpoint, Mark
from ordergate.ports.clock import Clock
from ordergate.ports.ledger import Entry, Ledger
from ordergate.ports.market import MarketData
from ordergate.ports.positions import Positions
from ordergate.trading.amounts import add, subtract, total
from ordergate.trading.book import Book
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol, VenueName
from ordergate.trading.order import ZERO, PositionSide, State
from ordergate.trading.position import PnlDay, Position, unrealised
from ordergate.wire.facts import decimal_text

EQUITY_SECONDS = 1.0
REACH_SECONDS = 2.0
"""Far more than the feed may be behind while the bus answers."""
UNREADABLE_PAUSE_SECONDS = 0.5


class AccountFold:
    """Feeds the book of one account. `caught_up` is set once both streams were read to their end."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        ledger: Ledger,
        feed: Feed,
        positions: Positions,
        market: MarketData,
        checkpoint: Checkpoint,
        clock: Clock,
    ) -> None:
        self.book = Book(venue, account)
        self._venue = venue
        self._account = account
        self._ledger = ledger
        self._feed = feed
        self._positions = positions
        self._market = market
        self._checkpoint = checkpoint
        self._clock = clock
        self._sequence = 0
        self._is_ours_missing = False
        self._awaiting: dict[ClientOrderId, Entry] = {}
        self._awaited = asyncio.Event()
        self._loaded = asyncio.Event()
        self._moved = asyncio.Event()
        self._orders_read = asyncio.Event()
        self._fills_read = asyncio.Event()

    async def caught_up(self) -> None:
        """Return once the book holds everything that stood in the streams when this process started."""
        await self._orders_read.wait()
        await self._fills_read.wait()

    @property
    def is_caught_up(self) -> bool:
        return self._orders_read.is_set() and self._fills_read.is_set()

    async def follow_orders(self) -> None:
        """Load the checkpoint, then fold ORDERS for ever."""
        await self._load()
        self._loaded.set()
        async for entry in self._feed.orders(self._venue, self._account, after=self._sequence):
            if entry is None:
                self._orders_read.set()
                continue
            self.note(entry)
            self._sequence = entry.sequence
            self._moved.set()

    async def follow_fills(self) -> None:
        await self._loaded.wait()
        if self._is_ours_missing:
            await self._read_ours()
        async for stored in self._feed.fills(self._venue, self._account, after=self.book.fills_sequence):
            if stored is None:
                self._fills_read.set()
                continue
            self.book.note_fill(stored.fill, sequence=stored.sequence)

    async def _read_ours(self) -> None:
        """Our part of the fills that stand before the mark, for a mark of a version that did not keep it."""
        async with aclosing(self._feed.fills(self._venue, self._account, after=0)) as fills:
            async for stored in fills:
                if stored is None or stored.sequence > self.book.fills_sequence:
                    return
                self.book.note_ours(stored.fill)

    async def reach(self, sequence: int | None) -> None:
        """Return once the book holds all that stands in ORDERS up to `sequence`. Raises Unavailable if that does not come about in time.

        None: it ends in what cannot be read, so nobody can say when all before that has come; it is on its way.
        """
        if sequence is None:
            await self._clock.sleep(UNREADABLE_PAUSE_SECONDS)
            return
        try:
            async with asyncio.timeout(REACH_SECONDS):
                while self._sequence < sequence:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError as late:
            raise Unavailable(f"the book does not come up to {sequence} in ORDERS") from late

    def note(self, entry: Entry) -> None:
        self.book.note_order(entry.order, sequence=entry.sequence)
        self._note_awaiting(entry)

    async def awaiting(self) -> Sequence[Entry]:
        """The orders that wait to pass once more: proven absent, not decided yet. Waits until there is one."""
        await self._awaited.wait()
        return list(self._awaiting.values())

    def _note_awaiting(self, entry: Entry) -> None:
        # The ledger itself says who waits, so a restart, or another replica, finds the same.
        order_id = entry.order.key.client_order_id
        known = self._awaiting.get(order_id)
        if known is not None and entry.sequence <= known.sequence:
            return
        self._awaiting.pop(order_id, None)
        if entry.order.state is State.UNKNOWN and entry.order.absence is not None:
            self._awaiting[order_id] = entry
        if self._awaiting:
            self._awaited.set()
        else:
            self._awaited.clear()

    async def follow_equity(self) -> None:
        """Sample what trading made, for the day's loss and the drawdown; and what the venue shows of a wallet, where it shows one."""
        await self.caught_up()
        while True:
            wallet = self._market.wallet(self._venue, self._account)
            if wallet is not None:
                self.book.note_wallet(wallet.assets, wallet.asked_at_ms)
            try:
                stored = await self._positions.load(self._venue, self._account)
            except Unavailable:
                stored = ()
            if stored:
                equity = total(self._equity_of(each.position) for each in stored)
                self.book.note_equity(equity, self._clock.now_ms())
            await self._clock.sleep(EQUITY_SECONDS)

    def mark(self) -> Mark | None:
        """For the checkpoint: how far both streams are folded, the positions, and every order that still counts."""
        if not self.is_caught_up:
            return None
        tracked = list(self.book.tracked())
        positions: list[JsonValue] = [
            [symbol, side.value, decimal_text(self.book.exposure(symbol, side).quantity)]
            for symbol, side in self.book.slots()
        ]
        folded: dict[str, JsonValue] = {
            each.order.key.client_order_id: [decimal_text(each.folded_quantity), decimal_text(each.folded_notional)]
            for each in tracked
            if each.folded_quantity
        }
        return Mark(
            sequence=self._sequence,
            live={each.order.key.client_order_id: each.sequence for each in tracked},
            state={
                "fillsSequence": self.book.fills_sequence,
                "positions": positions,
                "folded": folded,
                "day": _day_state(self.book.day),
                "ours": [
                    [symbol, asset or "", decimal_text(amount)]
                    for (symbol, asset), amount in self.book.holdings().items()
                ],
            },
        )

    async def _load(self) -> None:
        mark = await self._checkpoint.load()
        try:
            kept = None if mark is None else _Kept.of(mark)
        except DAMAGED:
            kept = None
        if mark is None or kept is None:
            return
        self._sequence = mark.sequence
        for (symbol, side), quantity in kept.positions.items():
            self.book.note_position(symbol, side, quantity)
        for order_id in mark.live:
            entry = await self._ledger.last(self._venue, self._account, ClientOrderId(order_id))
            if entry is None:
                continue
            self._note_awaiting(entry)
            self.book.note_order(entry.order, sequence=entry.sequence, folded=kept.folded.get(order_id, (ZERO, ZERO)))
        self.book.fills_sequence = kept.fills_sequence
        self.book.day = kept.day
        self._is_ours_missing = kept.ours is None
        for (symbol, asset), amount in (kept.ours or {}).items():
            self.book.note_holding(symbol, asset, amount)

    def _equity_of(self, position: Position) -> Decimal:
        equity = subtract(position.realised_pnl, total(position.fees.values()))
        price = self._market.reference_price(self._venue, position.symbol)
        return equity if price is None else add(equity, unrealised(position, price.price))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a mark says of the book. folded: of each live order, the quantity and notional of its fills that are in the positions."""

    positions: Mapping[tuple[Symbol, PositionSide], Decimal]
    folded: Mapping[str, tuple[Decimal, Decimal]]
    fills_sequence: int
    day: PnlDay | None
    ours: Mapping[tuple[Symbol, str | None], Decimal] | None

    @classmethod
    def of(cls, mark: Mark) -> Self:
        """Raises one of DAMAGED."""
        folded = mark.state["folded"]
        if not isinstance(folded, dict):
            raise TypeError("folded is no object")
        return cls(
            positions={
                (Symbol(symbol), PositionSide(side)): _amount(quantity)
                for symbol, side, quantity in _rows(mark.state["positions"])
            },
            folded={order: (_amount(sums[0]), _amount(sums[1])) for order, *sums in _rows_of(folded)},
            fills_sequence=_sequence(mark.state["fillsSequence"]),
            day=_day_of(mark.state["day"]),
            ours=_ours_of(mark.state.get("ours")),
        )


def _ours_of(state: JsonValue) -> Mapping[tuple[Symbol, str | None], Decimal] | None:
    """None: the mark does not say."""
    if state is None:
        return None
    return {(Symbol(symbol), asset or None): _amount(amount) for symbol, asset, amount in _rows(state)}


def _rows(state: JsonValue) -> list[tuple[str, str, str]]:
    if not isinstance(state, list):
        raise TypeError("not a list")
    return [(str(row[0]), str(row[1]), str(row[2])) for row in state if isinstance(row, list)]


def _rows_of(state: Mapping[str, JsonValue]) -> list[tuple[str, str, str]]:
    return [(name, str(row[0]), str(row[1])) for name, row in state.items() if isinstance(row, list)]


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError("not an amount")
    return amount


def _sequence(value: JsonValue) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError("not a sequence")
    return value


def _day_state(day: PnlDay | None) -> JsonValue:
    if day is None:
        return None
    amounts = (day.start_equity, day.equity, day.peak_equity)
    return [day.day, *(decimal_text(amount) for amount in amounts), day.sampled_at_ms]


def _day_of(state: JsonValue) -> PnlDay | None:
    if state is None:
        return None
    if not isinstance(state, list):
        raise TypeError("not a day")
    day, start, equity, peak, at_ms = (str(part) for part in state)
    return PnlDay(
        day=int(day),
        start_equity=_amount(start),
        equity=_amount(equity),
        peak_equity=_amount(peak),
        sampled_at_ms=int(at_ms),
    )
