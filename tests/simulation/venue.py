"""The venue of the simulated world: the simulator's pure exchange, and between it and every node a network that lies.

The exchange executes; this file decides when a request arrives, what becomes of its answer, and how old what is read may be. The rules
of arrival are the venue's (window and replay by the venue's own clock). The calls are those of ports.venue, and `place` is the sequence of
access.session: budget, timestamp, write-ahead, check, send with exactly that timestamp.

What the promise assumes of a venue is kept here too: what is executed shows in every read within the declared settle, a trade within the
declared lag, and the venue's clock is never set by more than the rest of the settle.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Generic, TypeVar

from ordergate.access.clock import Timestamps, VenueClock
from ordergate.ports.venue import (
    Balance,
    ClockRefused,
    Declaration,
    Executed,
    NotExecuted,
    NotSent,
    Outcome,
    Priority,
    Throttled,
    Unknown,
    VenuePosition,
    VenuePrice,
    VenueTrade,
    WriteAhead,
)
from ordergate.simulator import orders as books
from ordergate.simulator.accounts import Account
from ordergate.simulator.config import SimulatorConfig
from ordergate.simulator.exchange import Exchange, Placed
from ordergate.simulator.oracle import PositionId, VenueBooks, VenueBookTrade, VenueOrder
from ordergate.simulator.refusal import Refusal
from ordergate.simulator.render import trade_fee
from ordergate.trading.errors import ClockUnknown, VenueUnavailable
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import AccountName, ClientOrderId, ErrorId, KeyId, Symbol, TradeId, VenueOrderId
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import OrderRequest, OrderType, PositionSide, Side, State, VenueView
from ordergate.venues.zetarium.parse import STATES, difference
from tests.simulation.loop import EPOCH_MS, Node, Scheduler

Note = Callable[[str, str], None]
"""Tell the history: who, and what happened."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFaults:
    """Chances of what may become of one call, and how slow things are. All of them end when `calm` is called, but for the lags."""

    late_request: float = 0.0  # arrives up to late_seconds later, perhaps long after its sender gave up
    late_seconds: float = 6.0
    lost_request: float = 0.0
    lost_answer: float = 0.0  # executed, never answered
    error_after: float = 0.0  # executed, then a 5xx, a body nobody can read, or a reset
    wall: float = 0.0  # a 403 page from before the exchange: nothing executed, and nothing proves it
    throttled: float = 0.0  # 429 or 418
    read_failed: float = 0.0
    squeezed: float = 0.0  # the market takes an order just before its cancel arrives
    stale_ms_max: int = 0
    trade_late_ms_max: int = 0


CALM = VenueFaults()


@dataclass(slots=True)
class _Life:
    """Every version of one order with the world time from which it shows."""

    order: books.Order
    stands: tuple[books.Status, int] | None = None
    shown_from: list[float] = field(default_factory=list)
    views: list[VenueView] = field(default_factory=list)

    def at(self, moment: float) -> VenueView | None:
        place = bisect_right(self.shown_from, moment)
        return self.views[place - 1] if place else None


@dataclass(frozen=True, slots=True)
class _Shown:
    trade: VenueTrade
    maker: bool
    shown_from: float


@dataclass(slots=True)
class _Shelf:
    """What the venue has of one account, as reads may show it."""

    account: Account
    lives: list[_Life] = field(default_factory=list)
    by_id: dict[str, _Life] = field(default_factory=dict)
    open: list[_Life] = field(default_factory=list)
    trades: dict[str, list[_Shown]] = field(default_factory=dict)
    taken: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One signed order request as it reached the exchange. `sent_at`, `arrived_at`: world seconds."""

    account: AccountName
    client_order_id: ClientOrderId
    timestamp_ms: int
    sender: str
    knowing: bool
    sent_at: float
    arrived_at: float
    executed: bool


class SimulatedVenue:
    """All of the venue. Root callbacks of the scheduler move it; nodes reach it through `Line` only."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        config: SimulatorConfig,
        declaration: Declaration,
        faults: VenueFaults,
        offset_ms: int,
        note: Note,
    ) -> None:
        self.scheduler = scheduler
        self.declaration = declaration
        self.exchange = Exchange(config)
        self.faults = faults
        self.arrivals: list[Arrival] = []
        self.bugs: list[Exception] = []  # of the simulator itself; what its exchange raises ends the run here
        self.note = note
        self.draw: Random = scheduler.draws("venue")
        self._offset_ms = offset_ms
        self._lag = VenueFaults(stale_ms_max=faults.stale_ms_max, trade_late_ms_max=faults.trade_late_ms_max)
        self._shelves = {name: _Shelf(account) for name, account in self.exchange.accounts.items()}
        self._signatures: set[tuple[str, int]] = set()
        self._errors = 0
        self.on_the_way = 0  # requests that change something and have not arrived yet
        self._symbols = {name: market.symbol for name, market in self.exchange.markets.items()}

    def now_ms(self) -> int:
        return EPOCH_MS + self._offset_ms + int(self.scheduler.now * 1000.0 + 1e-6)

    def set_clock(self, by_ms: int) -> None:
        self._offset_ms += by_ms
        self.note("venue", f"its clock is set by {by_ms} ms")

    def calm(self) -> None:
        """Faults end. A venue's reads still lag: that is how it is, not a fault."""
        self.faults = self._lag

    def error_id(self) -> ErrorId:
        self._errors += 1
        return ErrorId(f"zerr-{self._errors}")

    # What requests do, at the moment they arrive.

    def place(
        self,
        account: AccountName,
        request: OrderRequest,
        timestamp_ms: int,
        *,
        sender: str,
        knowing: bool,
        sent_at: float,
    ) -> Outcome:
        now_ms = self._turn()
        outcome = self._place(account, request, timestamp_ms, now_ms)
        self._journal(self._shelves[account])
        self.arrivals.append(
            Arrival(
                account=account,
                client_order_id=request.key.client_order_id,
                timestamp_ms=timestamp_ms,
                sender=sender,
                knowing=knowing,
                sent_at=sent_at,
                arrived_at=self.scheduler.now,
                executed=isinstance(outcome, Executed),
            )
        )
        self.note(
            "venue",
            f"request {request.key.client_order_id} of ts {timestamp_ms % 1_000_000} arrives: {_brief(outcome)}",
        )
        return outcome

    def cancel(self, account: AccountName, venue_order_id: VenueOrderId) -> Outcome:
        shelf = self._shelves[account]
        life = shelf.by_id.get(venue_order_id)
        if life is not None and self.faults.squeezed and self.draw.random() < self.faults.squeezed:
            self._squeeze(life.order)
        now_ms = self._turn()
        answer = self.exchange.cancel(shelf.account, int(venue_order_id), now_ms)
        self._journal(shelf)
        outcome = self._cancel_outcome(answer)
        self.note("venue", f"cancel of {venue_order_id} arrives: {_brief(outcome)}")
        return outcome

    def cancel_all(self, account: AccountName, symbol: Symbol | None) -> Outcome:
        shelf = self._shelves[account]
        canceled = self.exchange.cancel_all(shelf.account, symbol, self._turn())
        self._journal(shelf)
        self.note("venue", f"cancel-all of {account} arrives: {len(canceled)} canceled")
        return Executed(view=None)

    # What reads show. `stale` seconds old.

    def lookup(self, account: AccountName, client_order_id: ClientOrderId) -> VenueView | None:
        self._turn()
        moment = self.scheduler.now - self._staleness()
        shown = [
            view
            for life in self._shelves[account].lives
            if life.order.client_order_id == client_order_id and (view := life.at(moment)) is not None
        ]
        return shown[-1] if shown else None

    def order(self, account: AccountName, venue_order_id: VenueOrderId) -> VenueView | None:
        self._turn()
        life = self._shelves[account].by_id.get(venue_order_id)
        return None if life is None else life.at(self.scheduler.now - self._staleness())

    def open_orders(self, account: AccountName, symbol: Symbol | None) -> list[VenueView]:
        self._turn()
        now = self.scheduler.now
        moment = now - self._staleness()
        shelf = self._shelves[account]
        # A finished order may still be shown as open by a read that is old, but never by one older than any read is.
        shelf.open = [
            life
            for life in shelf.open
            if life.order.is_open or life.shown_from[-1] > now - self._lag.stale_ms_max / 1000 - 1
        ]
        views = [view for life in shelf.open if (view := life.at(moment)) is not None]
        return [view for view in views if not view.status.is_terminal and symbol in {None, view.symbol}]

    def trades(self, account: AccountName, symbol: Symbol, from_id: TradeId | None, limit: int) -> list[VenueTrade]:
        self._turn()
        first = int(from_id or 0)
        now, hides = self.scheduler.now, self.declaration.hides_maker_fills
        shown = [
            each.trade
            for each in self._shelves[account].trades.get(symbol, ())
            if int(each.trade.trade_id) >= first and each.shown_from <= now and not (hides and each.maker)
        ]
        return shown[:limit]

    def positions(self, account: AccountName) -> list[VenuePosition]:
        self._turn()
        held = self._shelves[account].account.positions
        return [
            VenuePosition(
                position_id=str(position.id),
                symbol=Symbol(name),
                position_side=PositionSide(side.value),
                quantity=position.symbol.lot * position.lots,
                entry_price=position.entry_price,
                mark_price=position.symbol.tick * self.exchange.markets[name].mark,
                unrealised_pnl=Decimal(0),
                realised_pnl=position.realized,
            )
            for (name, side), position in held.items()
            if position.lots
        ]

    def prices(self) -> list[VenuePrice]:
        now_ms = self._turn()
        return [
            VenuePrice(
                symbol=Symbol(name), price=market.symbol.tick * market.mark, venue_time_ms=now_ms - self._offset_ms
            )
            for name, market in self.exchange.markets.items()
        ]

    def instruments(self) -> list[Instrument]:
        return [
            Instrument(
                symbol=Symbol(symbol.name),
                base_asset=symbol.base_asset,
                quote_asset=symbol.quote_asset,
                trading=True,
                tick_size=symbol.tick,
                price_min=symbol.price_min,
                price_max=symbol.price_max,
                step_size=symbol.lot,
                quantity_min=symbol.quantity_min,
                quantity_max=symbol.quantity_max,
                market_quantity_max=symbol.market_quantity_max,
                notional_min=symbol.notional_min,
                open_orders_max=symbol.open_orders_max,
                price_band_up=symbol.price_band_up,
                price_band_down=symbol.price_band_down,
            )
            for symbol in self._symbols.values()
        ]

    def move(self, symbol: str, share: Decimal) -> None:
        """The market goes there: its price changes by that share."""
        market = self.exchange.markets[symbol]
        price = market.symbol.tick * market.mark * (1 + share)
        self.exchange.set_price(symbol, price, self.now_ms())
        for shelf in self._shelves.values():
            self._journal(shelf)
        self.note("venue", f"{symbol} moves to {market.symbol.price_text(market.mark)}")

    def executed(self) -> VenueBooks:
        """What it executed, for the oracle."""
        self._turn()
        return VenueBooks(
            orders=tuple(
                VenueOrder(
                    account=AccountName(name),
                    client_order_id=ClientOrderId(life.order.client_order_id),
                    order_id=str(life.order.id),
                    symbol=Symbol(life.order.symbol.name),
                    quantity=life.views[-1].quantity,
                    executed=life.views[-1].executed_quantity,
                    state=life.views[-1].status,
                )
                for name, shelf in self._shelves.items()
                for life in shelf.lives
            ),
            trades=tuple(
                _book_trade(AccountName(name), each)
                for name, shelf in self._shelves.items()
                for trades in shelf.trades.values()
                for each in trades
            ),
            positions=self._book_positions(),
        )

    def _book_positions(self) -> dict[PositionId, Decimal]:
        return {
            (AccountName(name), Symbol(symbol), PositionSide(side.value)): position.symbol.lot * position.lots
            for name, shelf in self._shelves.items()
            for (symbol, side), position in shelf.account.positions.items()
        }

    def _turn(self) -> int:
        """Let the market come up to now; its time."""
        now_ms = self.now_ms()
        self.exchange.advance(now_ms)
        for shelf in self._shelves.values():
            self._journal(shelf)
        return now_ms

    def _place(self, account: AccountName, request: OrderRequest, timestamp_ms: int, now_ms: int) -> Outcome:
        if abs(now_ms - timestamp_ms) > self.declaration.window_ms:
            return ClockRefused(error_id=self.error_id())
        if (account, timestamp_ms) in self._signatures:
            return Unknown(reason="401_REPLAYED_REQUEST", error_id=self.error_id())
        self._signatures.add((account, timestamp_ms))
        answer = self.exchange.place(self._shelves[account].account, _asked(request), now_ms)
        if isinstance(answer, Placed):
            shown = view_of(answer.order)
            differing = difference(request, shown)
            if differing is None:
                return Executed(view=shown)
            return Unknown(reason=f"answer_differs_{differing}", error_id=self.error_id())
        if answer.status == 409:
            return Unknown(reason=f"409_{answer.code}", error_id=self.error_id())
        return NotExecuted(reason=answer.reason or answer.code, message=answer.error, error_id=self.error_id())

    def _cancel_outcome(self, answer: books.Order | Refusal) -> Outcome:
        if isinstance(answer, books.Order):
            return Executed(view=view_of(answer))
        return NotExecuted(
            reason=answer.code,
            message=answer.error,
            error_id=self.error_id(),
            not_found=answer.status == 404,
            too_late=answer.status == 409,
            view=None if answer.order is None else view_of(answer.order),
        )

    def _squeeze(self, order: books.Order) -> None:
        if order.is_open and order.price is not None and order.status is not books.Status.PENDING_NEW:
            self.exchange.set_price(order.symbol.name, order.symbol.tick * order.price, self.now_ms())

    def _staleness(self) -> float:
        most = self.faults.stale_ms_max
        return self.draw.random() * most / 1000 if most and self.draw.random() < 0.5 else 0.0

    def _journal(self, shelf: _Shelf) -> None:
        """Note what changed, with the moment of the change: reads may show it only later."""
        account = shelf.account
        for order in account.orders[len(shelf.lives) :]:
            life = _Life(order)
            shelf.lives.append(life)
            shelf.open.append(life)
            shelf.by_id[str(order.id)] = life
        for life in shelf.open:
            order = life.order
            stands = order.status, order.executed
            if stands != life.stands:
                life.stands = stands
                view = view_of(order)
                life.views.append(view)
                happened = self._moment(view.updated_at_ms)
                life.shown_from.append(max(happened, life.shown_from[-1] if life.shown_from else 0.0))
        for name in self._symbols:
            self._journal_trades(shelf, name)

    def _journal_trades(self, shelf: _Shelf, name: str) -> None:
        takers, makers = shelf.account.taker_trades.get(name, ()), shelf.account.maker_trades.get(name, ())
        seen_takers, seen_makers = shelf.taken.get(name, (0, 0))
        if len(takers) == seen_takers and len(makers) == seen_makers:
            return
        shelf.taken[name] = len(takers), len(makers)
        fresh = [*takers[seen_takers:], *makers[seen_makers:]]
        kept = shelf.trades.setdefault(name, [])
        for trade in fresh:
            late = self.draw.random() * self._lag.trade_late_ms_max / 1000 if self.draw.random() < 0.3 else 0.0
            kept.append(_Shown(self._trade(trade), trade.maker, self._moment(trade.time_ms) + late))
        kept.sort(key=lambda each: int(each.trade.trade_id))

    def _moment(self, venue_ms: int) -> float:
        """World time of a venue time that lies in the past."""
        return self.scheduler.now - max(0, self.now_ms() - venue_ms) / 1000

    def _trade(self, trade: books.Trade) -> VenueTrade:
        order, symbol = trade.order, trade.order.symbol
        return VenueTrade(
            trade_id=TradeId(str(trade.id)),
            venue_order_id=VenueOrderId(str(order.id)),
            client_order_id=ClientOrderId(order.client_order_id),
            symbol=Symbol(symbol.name),
            side=Side(order.side.value),
            position_side=PositionSide(order.position_side.value),
            price=symbol.tick * trade.price,
            quantity=symbol.lot * trade.lots,
            fee=trade_fee(trade, self.exchange.fees),
            fee_asset="USDT",
            liquidity=Liquidity.MAKER if trade.maker else Liquidity.TAKER,
            venue_time_ms=trade.time_ms,
        )


def view_of(order: books.Order) -> VenueView:
    symbol = order.symbol
    return VenueView(
        venue_order_id=VenueOrderId(str(order.id)),
        client_order_id=ClientOrderId(order.client_order_id),
        symbol=Symbol(symbol.name),
        side=Side(order.side.value),
        type=OrderType(order.type.value),
        quantity=symbol.lot * order.lots,
        price=None if order.price is None else symbol.tick * order.price,
        stop_price=None if order.stop_price is None else symbol.tick * order.stop_price,
        position_side=PositionSide(order.position_side.value),
        reduce_only=order.reduce_only,
        status=STATES[order.status.value],
        executed_quantity=symbol.lot * order.executed,
        created_at_ms=order.created_ms,
        updated_at_ms=order.updated_ms,
    )


def _asked(request: OrderRequest) -> books.OrderRequest:
    terms = request.terms
    return books.OrderRequest(
        symbol=request.key.symbol,
        side=books.Side(terms.side.value),
        type=books.OrderType(terms.type.value),
        quantity=terms.quantity or Decimal(0),
        price=terms.price,
        stop_price=terms.stop_price,
        position_side=books.PositionSide(terms.position_side.value),
        reduce_only=terms.reduce_only,
        client_order_id=request.key.client_order_id,
    )


def _book_trade(account: AccountName, shown: _Shown) -> VenueBookTrade:
    trade = shown.trade
    return VenueBookTrade(
        account=account,
        trade_id=trade.trade_id,
        order_id=trade.venue_order_id,
        symbol=trade.symbol,
        position_side=trade.position_side,
        signed_quantity=trade.side.sign * trade.quantity,
        price=trade.price,
        fee=trade.fee,
        maker=shown.maker,
    )


def _brief(outcome: Outcome) -> str:
    match outcome:
        case Executed():
            view = outcome.view
            return "executed" if view is None else f"executed, order {view.venue_order_id} is {view.status}"
        case NotExecuted() | Unknown():
            return f"{type(outcome).__name__} {outcome.reason}"
        case _:
            return type(outcome).__name__


class _Lost:
    """No answer came in time, or the connection broke."""


LOST = _Lost()


@dataclass(frozen=True, slots=True)
class _Broken:
    """An answer that proves nothing."""

    reason: str


@dataclass(slots=True)
class _Fate(Generic[T]):
    """One request on its way and back."""

    future: "asyncio.Future[T | _Lost | _Broken | Throttled]"
    act: Callable[[], T]


class Line:
    """One process's way to the venue with one key. cut: a partition, nothing gets through either way."""

    def __init__(self, venue: SimulatedVenue, node: Node, *, account: AccountName, timeout_seconds: float) -> None:
        self.venue = venue
        self.node = node
        self.account = account
        self.cut = False
        self.frozen_until = 0.0  # after a 429
        self._timeout_seconds = timeout_seconds

    async def ask(self, act: Callable[[], T]) -> T:
        """A read. Raises VenueUnavailable."""
        answer = await self.exchange(act, reads=True)
        if isinstance(answer, _Lost | _Broken | Throttled):
            raise VenueUnavailable(f"a read failed: {type(answer).__name__}")
        return answer

    async def exchange(self, act: Callable[[], T], *, reads: bool) -> T | _Lost | _Broken | Throttled:
        """Send now, without an await before it leaves; what came back."""
        loop = self.node.loop
        future: asyncio.Future[T | _Lost | _Broken | Throttled] = loop.create_future()
        if not self.node.effect():
            return await future  # a dead process
        fate = _Fate(future, act)
        self._send(fate, reads=reads)
        timer = loop.call_later(self._timeout_seconds, _give_up, future)
        try:
            return await future
        finally:
            timer.cancel()

    def _send(self, fate: _Fate[T], *, reads: bool) -> None:
        venue, draw = self.venue, self.venue.draw
        faults = venue.faults
        delay = 0.001 + draw.random() * 0.02
        chance = draw.random()
        if self.cut:
            venue.note(self.node.name, "the network is cut: a request is lost")
            return
        if reads:
            if chance < faults.read_failed:
                venue.scheduler.at(delay, _answer, fate.future, _Broken("reset"))
                return
        elif chance < faults.lost_request:
            venue.note(self.node.name, "a request is lost on its way")
            return
        elif (chance := chance - faults.lost_request) < faults.late_request:
            delay += draw.random() * faults.late_seconds
        elif (chance := chance - faults.late_request) < faults.throttled:
            pause = 200 + int(draw.random() * 1500)
            venue.scheduler.at(delay, _answer, fate.future, Throttled(retry_after_ms=pause, error_id=venue.error_id()))
            return
        elif chance - faults.throttled < faults.wall:
            venue.scheduler.at(delay, _answer, fate.future, _Broken("unreadable_403"))
            return
        venue.on_the_way += not reads
        venue.scheduler.at(delay, self._arrive, fate, reads)

    def _arrive(self, fate: _Fate[T], reads: bool) -> None:  # noqa: FBT001 - a callback's arguments are positional
        venue, draw = self.venue, self.venue.draw
        venue.on_the_way -= not reads
        result = fate.act()
        faults = venue.faults
        delay = 0.001 + draw.random() * 0.02
        if self.cut:
            return
        if not reads:
            chance = draw.random()
            if chance < faults.lost_answer:
                venue.note("venue", "its answer is lost")
                return
            if chance - faults.lost_answer < faults.error_after:
                venue.note("venue", "its answer says nothing")
                venue.scheduler.at(delay, _answer, fate.future, _Broken(draw.choice(_SAYS_NOTHING)))
                return
        venue.scheduler.at(delay, _answer, fate.future, result)


_SAYS_NOTHING = ("unreadable_503", "unreadable_200", "reset", "500_INTERNAL")


def _answer(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _give_up(future: "asyncio.Future[object]") -> None:
    if not future.done():
        future.set_result(LOST)


class SimTrading:
    """ports.venue.Trading over a line, with the sequence of access.session."""

    def __init__(
        self, line: Line, *, budget_seconds: Callable[[], float], is_killed: Callable[[OrderRequest], bool]
    ) -> None:
        self._is_killed = is_killed
        self.declaration = line.venue.declaration
        self._line = line
        self._budget_seconds = budget_seconds
        self._key_id = KeyId(f"{line.account}-trading")
        self._venue_clock = VenueClock(line.node.clock)
        self._timestamps = Timestamps(line.node.clock, self._venue_clock, rest_ms=500, replay_memory_ms=65_000)

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        line = self._line
        until = line.node.clock.monotonic() + deadline_seconds
        if not await self._budget(until):
            return NotSent(reason="budget_deadline", retriable=True)
        try:
            timestamp_ms = await self._next_timestamp()
            if not await write_ahead(timestamp_ms, self._key_id):
                return NotSent(reason="write_ahead_refused", retriable=False)
            if self._is_too_late(timestamp_ms):
                return NotSent(reason="window_passed", retriable=True)
        except ClockUnknown:
            return NotSent(reason="clock_unknown", retriable=True)
        venue, sent_at, knowing = line.venue, line.venue.scheduler.now, self._is_killed(request)
        venue.note(line.node.name, f"sends {request.key.client_order_id} with ts {timestamp_ms % 1_000_000}")
        return await self._change(
            lambda: venue.place(
                line.account, request, timestamp_ms, sender=line.node.name, knowing=knowing, sent_at=sent_at
            )
        )

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:  # noqa: ARG002 - ids are the account's
        line = self._line
        return await self._change(lambda: line.venue.cancel(line.account, venue_order_id))

    async def cancel_all(self, symbol: Symbol | None) -> Outcome:
        line = self._line
        return await self._change(lambda: line.venue.cancel_all(line.account, symbol))

    async def _change(self, act: Callable[[], Outcome]) -> Outcome:
        answer = await self._line.exchange(act, reads=False)
        match answer:
            case _Lost():
                return Unknown(reason="timeout", error_id=self._line.venue.error_id())
            case _Broken():
                return Unknown(reason=answer.reason, error_id=self._line.venue.error_id())
            case Throttled():
                self._line.frozen_until = self._line.node.clock.monotonic() + answer.retry_after_ms / 1000
            case ClockRefused():
                self._venue_clock.distrust()
            case _:
                pass
        return answer

    async def _budget(self, until: float) -> bool:
        """Wait for budget, and for the end of a Retry-After; False: not before the deadline."""
        clock = self._line.node.clock
        ready = max(clock.monotonic() + self._budget_seconds(), self._line.frozen_until)
        await clock.sleep(max(0.0, min(ready, until) - clock.monotonic()))
        return ready < until

    async def _next_timestamp(self) -> int:
        if not self._venue_clock.is_known:
            try:
                await self._venue_clock.measure(self._ask_time, samples=1)
            except VenueUnavailable:
                raise ClockUnknown from None
        return await self._timestamps.next()

    async def _ask_time(self) -> int:
        return await self._line.ask(self._line.venue.now_ms)

    def _is_too_late(self, timestamp_ms: int) -> bool:
        declaration = self.declaration
        return self._venue_clock.now_ms() >= timestamp_ms + declaration.window_ms - declaration.send_margin_ms


class SimReading:
    """ports.venue.Reading over a line."""

    def __init__(self, line: Line) -> None:
        self.declaration = line.venue.declaration
        self._line = line

    async def lookup(
        self,
        symbol: Symbol,  # noqa: ARG002 - ids are the account's, whatever the symbol
        client_order_id: ClientOrderId,
        *,
        priority: Priority = Priority.RESOLVE,  # noqa: ARG002 - reads have no budget here
    ) -> VenueView | None:
        line = self._line
        return await line.ask(lambda: line.venue.lookup(line.account, client_order_id))

    async def order(self, symbol: Symbol, venue_order_id: VenueOrderId) -> VenueView | None:  # noqa: ARG002
        line = self._line
        return await line.ask(lambda: line.venue.order(line.account, venue_order_id))

    async def open_orders(self, symbol: Symbol | None = None) -> Sequence[VenueView]:
        line = self._line
        return await line.ask(lambda: line.venue.open_orders(line.account, symbol))

    async def trades(self, symbol: Symbol, *, from_id: TradeId | None, limit: int) -> Sequence[VenueTrade]:
        line = self._line
        return await line.ask(lambda: line.venue.trades(line.account, symbol, from_id, limit))

    async def positions(self) -> Sequence[VenuePosition]:
        line = self._line
        return await line.ask(lambda: line.venue.positions(line.account))

    async def balances(self) -> Sequence[Balance]:
        return ()

    async def venue_time_ms(self) -> int:
        return await self._line.ask(self._line.venue.now_ms)


class SimMarket:
    """ports.venue.Market over a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def instruments(self) -> Sequence[Instrument]:
        return await self._line.ask(self._line.venue.instruments)

    async def prices(self) -> Sequence[VenuePrice]:
        return await self._line.ask(self._line.venue.prices)


__all__ = [
    "CALM",
    "Arrival",
    "Line",
    "SimMarket",
    "SimReading",
    "SimTrading",
    "SimulatedVenue",
    "State",
    "VenueFaults",
]
