"""One account's positions: FILLS folded in stream order, published, and held against the venue's own.

Folding starts where the last checkpoint says that every symbol was published. Each position carries the sequence up to which it is
folded, so a fill that comes again after a crash changes nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from ordergate.ports.bus import Feed, Publisher, StoredFill
from ordergate.ports.checkpoint import Checkpoint, Mark
from ordergate.ports.clock import Clock
from ordergate.ports.positions import Positions, StoredPosition
from ordergate.ports.trace import Trace
from ordergate.ports.venue import Reading, VenuePosition
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, Symbol, VenueName, derive_error_id
from ordergate.trading.order import ZERO, PositionSide
from ordergate.trading.position import Position, apply_fill
from ordergate.wire import subjects
from ordergate.wire.messages import DriftMessage
from ordergate.wire.streams import POSITION_TRACKING

PUBLISH_SECONDS = 0.05
"""Fills come in bursts; one message speaks for all fills of a symbol in this time."""

Quantities = Mapping[tuple[Symbol, PositionSide], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    compare_seconds: float = 4.0


class PositionDesk:
    """Folds, publishes and compares the positions of one account."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        feed: Feed,
        positions: Positions,
        reading: Reading,
        publisher: Publisher,
        checkpoint: Checkpoint,
        clock: Clock,
        trace: Trace,
        pace: Pace,
    ) -> None:
        self._venue = venue
        self._account = account
        self._feed = feed
        self._positions = positions
        self._reading = reading
        self._publisher = publisher
        self._checkpoint = checkpoint
        self._clock = clock
        self._trace = trace
        self._pace = pace
        self._folded: dict[Symbol, Position] = {}
        self._stored_at: dict[Symbol, int] = {}  # stream sequence of the last message of each symbol
        self._published: dict[Symbol, int] = {}  # how far that message is folded
        self._dirty: set[Symbol] = set()
        self._up_to = 0
        self._published_up_to = 0
        self._fold_count = 0
        self._marks: dict[Symbol, Decimal] = {}
        self._suspected: Quantities = {}
        self._alarmed: set[tuple[Symbol, PositionSide]] = set()
        self._changed = asyncio.Event()
        self._publishing = asyncio.Lock()
        self.rebuilt = asyncio.Event()

    async def follow_fills(self) -> None:
        """Load what was published, then fold FILLS for ever."""
        await self._load()
        async for stored in self._feed.fills(self._venue, self._account, after=self._up_to):
            if stored is None:
                self.rebuilt.set()
                continue
            self._fold(stored)

    async def publish_changes(self) -> None:
        """Publish changed positions for ever, at most one message a symbol in PUBLISH_SECONDS."""
        await self.rebuilt.wait()
        while True:
            await self._changed.wait()
            await self._clock.sleep(PUBLISH_SECONDS)
            self._changed.clear()
            try:
                await self.publish()
            except Unavailable:
                self._changed.set()  # what is not published stays dirty

    async def publish(self) -> None:
        async with self._publishing:
            up_to = self._up_to
            for symbol in sorted(self._dirty):
                self._dirty.discard(symbol)
                try:
                    await self._publish_symbol(symbol)
                except Unavailable:
                    self._dirty.add(symbol)
                    raise
            self._published_up_to = up_to

    async def compare_with_venue(self) -> None:
        """Compare for ever. A difference is an alarm only if it stands in two reads with no fill between.

        Where the venue shows no positions there is nothing to hold ours against: only the fills' own audit is left.
        """
        await self.rebuilt.wait()
        while True:
            try:
                await self.publish_lost()
                if self._reading.declaration.shows_positions:
                    await self.compare()
            except Unavailable:
                self._suspected = {}  # a comparison that did not happen confirms nothing
            await self._clock.sleep(self._pace.compare_seconds)

    async def publish_lost(self) -> None:
        """POSITIONS is written after its answer, so a bus that dies may lose the last of it: what stands there is looked at, and said again."""
        stored = await self._stored()
        for symbol, published in self._published.items():
            found = stored.get(symbol)
            if found is None or found.position.up_to_sequence < published:
                self._stored_at[symbol] = 0 if found is None else found.sequence
                self._published[symbol] = 0 if found is None else found.position.up_to_sequence
                self._dirty.add(symbol)
                self._changed.set()

    async def compare(self) -> None:
        folds_before = self._fold_count
        theirs = await self._reading.positions()
        self._note_marks(theirs)
        if self._fold_count != folds_before:
            self._suspected = {}
            return
        differing = _differences(self._quantities(), _venue_quantities(theirs))
        standing = {where: venue for where, venue in differing.items() if self._suspected.get(where) == venue}
        for where, venue in standing.items():
            if where not in self._alarmed:
                await self._report_drift(*where, venue)
        if self._alarmed and not differing:
            await self._report_agreement()
        self._alarmed = {*standing} if differing else set()
        self._suspected = differing

    @property
    def difference_count(self) -> int:
        """Symbols and sides where our fills and the venue disagree, in two reads with no fill between."""
        return len(self._alarmed)

    def mark(self) -> Mark | None:
        """For the checkpoint: how far *every* symbol is published; never more, or a symbol's first fill could be skipped."""
        published: dict[str, JsonValue] = dict(self._published.items())
        return Mark(sequence=self._published_up_to, state={"published": published}) if self.rebuilt.is_set() else None

    async def _load(self) -> None:
        for symbol, stored in (await self._stored()).items():
            self._folded[symbol] = stored.position
            self._stored_at[symbol] = stored.sequence
            self._published[symbol] = stored.position.up_to_sequence
        mark = await self._checkpoint.load()
        self._up_to = 0 if mark is None else self._folded_from(mark)
        self._published_up_to = self._up_to

    def _folded_from(self, mark: Mark) -> int:
        """The checkpoint's place, or before it where a position that was published then is lost."""
        published = mark.state.get("published")
        if not isinstance(published, dict):
            return 0
        lost = []
        for symbol, up_to in published.items():
            if not isinstance(up_to, int):
                return 0  # not what this service wrote: the beginning of the stream costs time and nothing else
            stands = self._published.get(Symbol(symbol), 0)
            if stands < up_to:
                lost.append(stands)
        return min((mark.sequence, *lost))

    async def _stored(self) -> dict[Symbol, StoredPosition]:
        return {stored.position.symbol: stored for stored in await self._positions.load(self._venue, self._account)}

    def _fold(self, stored: StoredFill) -> None:
        fill, began_ns = stored.fill, self._trace.now_ns()
        before = self._folded.get(fill.symbol) or Position(venue=self._venue, account=self._account, symbol=fill.symbol)
        after = apply_fill(before, fill, stored.sequence)
        self._up_to = stored.sequence
        if after is before:
            return
        self._folded[fill.symbol] = after
        self._fold_count += 1
        self._dirty.add(fill.symbol)
        self._changed.set()
        if fill.client_order_id is not None:
            self._trace.span(
                "position_tracking.fold",
                fill.client_order_id,
                began_ns,
                attributes={
                    "account": fill.account,
                    "venue_order_id": fill.venue_order_id,
                    "trade_id": fill.trade_id,
                },
            )

    async def _publish_symbol(self, symbol: Symbol) -> None:
        while True:
            position = self._folded[symbol]
            if self._published.get(symbol, 0) > position.up_to_sequence:
                return  # another replica is ahead: it speaks for both
            mark = self._marks.get(symbol)
            sequence = await self._positions.store(position, mark_price=mark, after=self._stored_at.get(symbol, 0))
            if sequence is not None:
                self._stored_at[symbol] = sequence
                self._published[symbol] = position.up_to_sequence
                return
            # Another replica wrote, or the bus lost its last moments. What is folded further counts; all fold the same stream, so none is wrong.
            stored = (await self._stored()).get(symbol)
            self._stored_at[symbol] = 0 if stored is None else stored.sequence
            if stored is not None and stored.position.up_to_sequence >= position.up_to_sequence:
                self._published[symbol] = stored.position.up_to_sequence
                return

    def _note_marks(self, theirs: Sequence[VenuePosition]) -> None:
        """A symbol that the venue no longer shows has no mark: an old one would pass for the present price."""
        marks = {position.symbol: position.mark_price for position in theirs}
        changed = {symbol for symbol in {*marks, *self._marks} if marks.get(symbol) != self._marks.get(symbol)}
        self._marks = marks
        self._dirty |= changed & self._folded.keys()
        if self._dirty:
            self._changed.set()

    def _quantities(self) -> Quantities:
        return {
            (symbol, side): leg.quantity
            for symbol, position in self._folded.items()
            for side, leg in position.legs.items()
        }

    async def _report_drift(self, symbol: Symbol, side: PositionSide, venue: Decimal) -> None:
        ours = self._quantities().get((symbol, side), ZERO)
        now_ms = self._clock.now_ms()
        error_id = derive_error_id(POSITION_TRACKING, self._venue, self._account, symbol, side, str(ours), str(venue))
        await self._report(
            DriftMessage(
                venue=self._venue,
                account=self._account,
                what="positions",
                symbol=symbol,
                ours=format(ours, "f"),
                theirs=format(venue, "f"),
                proposal="read the fills again from an older trade id; if they agree with ours, ask the venue",
                message=f"{symbol} {side}: our fills add up to {ours}, the venue shows {venue}, in two reads",
                error_id=error_id,
                at_ms=now_ms,
            )
        )

    async def _report_agreement(self) -> None:
        await self._report(
            DriftMessage(
                venue=self._venue,
                account=self._account,
                what="positions",
                proposal="none",
                message="our positions and the venue's agree again",
                at_ms=self._clock.now_ms(),
            )
        )

    async def _report(self, message: DriftMessage) -> None:
        await self._publisher.answer(
            subjects.reconciliation(self._venue, self._account, "positions"),
            message.to_bytes(),
            message_id=f"positions:{self._venue}:{self._account}:{message.error_id or ''}:{message.at_ms}",
        )


def _venue_quantities(theirs: Sequence[VenuePosition]) -> Quantities:
    return {(position.symbol, position.position_side): position.quantity for position in theirs}


def _differences(ours: Quantities, theirs: Quantities) -> dict[tuple[Symbol, PositionSide], Decimal]:
    """Where they differ, with the venue's quantity."""
    return {
        where: theirs.get(where, ZERO) for where in {*ours, *theirs} if ours.get(where, ZERO) != theirs.get(where, ZERO)
    }
