"""The fence, branch by branch: what it takes before polling says that an order is not at the venue, and that each piece of it is needed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ordergate.ports.ledger import Entry, Lost, Won
from ordergate.ports.venue import Declaration, Priority, VenuePosition, VenueTrade
from ordergate.trading.events import Event, OutcomeLost, ProvenUnexecuted, SubmissionBegan
from ordergate.trading.fills import Liquidity
from ordergate.trading.ids import ClientOrderId, ErrorId, Symbol, TradeId, VenueOrderId
from ordergate.trading.lifecycle import apply
from ordergate.trading.order import NonExecution, Order, PositionSide, Side, State, VenueView
from ordergate.trading.schedule import PollPolicy
from ordergate.venues.zetarium.declaration import DECLARATION
from services.status_polling.handlers import Pace, PollingDesk
from services.status_polling.tracked import LEFT_AFTER_MS, Tracked
from tests.unit.trading.making import ACCOUNT, BTC, SENT_AT, VENUE, attempt, order, request, view

FENCE = SENT_AT + 1 + DECLARATION.window_ms + DECLARATION.settle_ms
OURS = ClientOrderId("alpha-1")


@dataclass
class World:
    """A venue and a bus as plain values. The venue's clock is our own plus venue_ahead_ms."""

    now: int = SENT_AT + 10
    venue_ahead_ms: int = 0
    declaration: Declaration = DECLARATION
    shown: VenueView | None = None
    named: dict[VenueOrderId, VenueView] = field(default_factory=dict)  # what is shown by the venue's id
    trades_shown: list[VenueTrade] = field(default_factory=list)
    positions_shown: list[VenuePosition] = field(default_factory=list)
    disagreements: int | None = (
        None  # how often positions_shown is shown before the position is what our fills say; None: for ever
    )
    during_lookup: Callable[[], None] = lambda: None
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    entry: Entry | None = None

    # ports.clock
    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000

    async def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1_000)

    # ports.venue.Reading
    async def venue_time_ms(self) -> int:
        self.asked.append("time")
        return self.now + self.venue_ahead_ms

    async def lookup(self, symbol: Symbol, name: ClientOrderId, *, priority: Priority) -> VenueView | None:
        assert (symbol, name, priority) == (BTC, OURS, Priority.RESOLVE)
        self.asked.append("client id")
        self.during_lookup()
        return self.shown

    async def order(self, symbol: Symbol, name: VenueOrderId) -> VenueView | None:
        assert symbol == BTC
        self.asked.append(f"venue id {name}")
        return self.named.get(name, self.shown)

    async def trades(self, symbol: Symbol, *, from_id: TradeId | None, limit: int) -> Sequence[VenueTrade]:
        assert (symbol, from_id) == (BTC, None)
        return self.trades_shown[:limit]

    async def positions(self) -> Sequence[VenuePosition]:
        return self.positions_shown if self.disagreements is None or self._disagree_once_more() else []

    def _disagree_once_more(self) -> bool:
        assert self.disagreements is not None
        self.disagreements -= 1
        return self.disagreements >= 0

    # ports.ledger.Ledger
    async def append(self, moved: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        assert not correction
        assert self.entry is not None
        if after != self.entry.sequence:
            return Lost(entry=self.entry)
        self.entry = Entry(
            order=moved, sequence=after + 1, append_id="x", event_kind=type(event).__name__, stored_at_ms=self.now
        )
        return Won(entry=self.entry)

    # ports.bus.Publisher
    def note_error(self, *_: object) -> None:
        """Nobody looks."""

    async def answer(self, subject: str, _: bytes, *, message_id: str) -> None:
        assert message_id
        self.said.append(subject)

    def state(self) -> State:
        assert self.entry is not None
        return self.entry.order.state

    def desk(self, found: Order) -> tuple[PollingDesk, Tracked]:
        async def nothing(*_: object) -> None:
            return None

        async def none(*_: object) -> tuple[()]:
            return ()

        self.entry = Entry(order=found, sequence=7, append_id="a", event_kind="x", stored_at_ms=self.now)
        here = cast("Any", self)
        desk = PollingDesk(
            venue=VENUE,
            account=ACCOUNT,
            reading=here,
            ledger=here,
            feed=here,
            publisher=here,
            positions=cast("Any", SimpleNamespace(load=none)),
            cursors=cast("Any", SimpleNamespace(get=nothing)),
            checkpoint=here,
            clock=here,
            trace=cast("Any", SimpleNamespace(now_ns=lambda: 0, span=lambda *_, **__: None)),
            pace=Pace(policy=PollPolicy(owner_hold_ms=2_000)),
        )
        desk._note(self.entry)
        tracked = desk._live.get(found.key.client_order_id)
        assert tracked is not None
        return desk, tracked


def unknown(**changes: Any) -> Order:
    found = order(State.APPROVED, **changes)
    found = apply(found, SubmissionBegan(attempt=attempt(1), at_ms=SENT_AT + 1))
    return apply(found, OutcomeLost(attempt=1, reason="timeout", error_id=ErrorId("e"), at_ms=SENT_AT + 1))


def look(world: World, found: Order, *times: int) -> None:
    """Look the order up at each of these moments of our own clock, with one and the same desk."""

    async def looking() -> None:
        desk, _ = world.desk(found)
        for at_ms in times:
            world.now = at_ms
            tracked = desk._live.get(OURS)
            if tracked is not None:
                await desk._look_up(tracked)

    asyncio.run(looking())


def test_two_lookups_asked_after_the_fence_prove_that_it_is_not_there() -> None:
    world = World()
    look(world, unknown(), FENCE + 1)
    assert world.state() is State.UNKNOWN, "one is not enough"
    look(world, unknown(), FENCE + 1, FENCE + 2)
    assert world.state() is State.NOT_PLACED


def test_an_order_that_the_venue_would_not_take_is_left_to_its_sender_while_it_lives() -> None:
    """Not found is true of it, and says nothing: its next attempt may be waiting out a Retry-After far longer than the fence."""
    world = World()
    throttled = ProvenUnexecuted(
        attempt=1, proof=NonExecution.THROTTLED, at_ms=SENT_AT + 2, error_id=ErrorId("e"), retry_at_ms=SENT_AT + 50_000
    )
    waiting = apply(unknown(), throttled)
    end = waiting.request.expires_at_ms
    look(world, waiting, FENCE + 1, FENCE + 2, end - 1, end + LEFT_AFTER_MS - 1)
    assert world.state() is State.UNKNOWN
    look(world, waiting, end + LEFT_AFTER_MS, end + LEFT_AFTER_MS + 1)
    assert world.state() is State.NOT_PLACED, "its sender is gone for good"


def test_lookups_before_the_fence_prove_nothing_however_many() -> None:
    world = World()
    look(world, unknown(), *range(SENT_AT + 100, FENCE + 1, 250), FENCE)
    assert world.state() is State.UNKNOWN
    look(world, unknown(), SENT_AT + 100, FENCE, FENCE + 300)
    assert world.state() is State.UNKNOWN, "one of them came before"


def test_the_venues_clock_counts_as_it_was_read_before_the_question() -> None:
    """A lookup that takes so long that the fence passes meanwhile was asked before it."""
    world = World()

    def slow() -> None:
        world.now = max(world.now, FENCE + 1)

    world.during_lookup = slow
    look(world, unknown(), FENCE - 1, FENCE + 400)
    assert world.state() is State.UNKNOWN
    assert world.asked[:2] == ["time", "client id"]


def test_the_venues_clock_and_not_ours_says_when_the_fence_has_passed() -> None:
    world = World(venue_ahead_ms=-3_000)
    look(world, unknown(), FENCE + 500, FENCE + 1_000, FENCE + 2_900)
    assert world.state() is State.UNKNOWN
    look(world, unknown(), FENCE + 3_100, FENCE + 3_200)
    assert world.state() is State.NOT_PLACED


def test_a_venue_clock_that_jumped_ahead_is_not_believed_before_our_own_has_waited_too() -> None:
    """It may jump back, and a request that was late meets its window again."""
    world = World(venue_ahead_ms=60_000)
    look(world, unknown(), SENT_AT + 500, SENT_AT + 1_000, SENT_AT + 3_000)
    assert world.state() is State.UNKNOWN


def test_our_own_wait_begins_with_the_write_ahead_also_for_a_poller_that_came_later() -> None:
    """It was restarted and called the order unknown four seconds after; that took nothing from the time that has passed."""
    found = order(State.APPROVED)
    began = replace(attempt(1), began_at_ms=SENT_AT)
    found = apply(found, SubmissionBegan(attempt=began, at_ms=SENT_AT))
    found = apply(found, OutcomeLost(attempt=1, reason="no_answer", error_id=ErrorId("e"), at_ms=SENT_AT + 4_000))
    world = World(now=SENT_AT + 4_000)
    look(world, found, FENCE + 10, FENCE + 310)
    assert world.state() is State.NOT_PLACED


def test_without_a_witness_an_unknown_order_stays_unknown() -> None:
    world = World(declaration=replace(DECLARATION, lookup_is_witness=False))
    look(world, unknown(), *range(FENCE + 1, FENCE + 60_000, 5_000))
    assert world.state() is State.UNKNOWN


@pytest.mark.parametrize(("name", "side"), [(OURS, Side.SELL), (None, Side.BUY)], ids=["ours", "of nobody, but fits"])
def test_a_trade_that_may_be_its_own_speaks_against_absence(name: ClientOrderId | None, side: Side) -> None:
    world = World(trades_shown=[trade(name, side)])
    look(world, unknown(), FENCE + 1, FENCE + 2, FENCE + 3)
    assert world.state() is State.UNKNOWN
    world.trades_shown = [trade(ClientOrderId("beta-1"), side)]
    look(world, unknown(), FENCE + 1, FENCE + 2)
    assert world.state() is State.NOT_PLACED


def test_a_trade_that_bears_no_client_id_is_known_by_its_order() -> None:
    """Binance's trade lists name the venue's order alone: what fits in side and time is not for that ours."""
    world = World(trades_shown=[trade(None, Side.BUY)])
    for name, state in ((OURS, State.UNKNOWN), (None, State.UNKNOWN), (ClientOrderId("beta-1"), State.NOT_PLACED)):
        world.named = {VenueOrderId("900"): view(State.FILLED, 10, client_order_id=name)}
        look(world, unknown(), FENCE + 1, FENCE + 2, FENCE + 3)
        assert world.state() is state, name


def test_whose_a_trade_is_needs_to_be_asked_once() -> None:
    world = World(trades_shown=[trade(None, Side.BUY)], positions_shown=[position(10)])
    world.named = {VenueOrderId("900"): view(State.FILLED, 10, client_order_id=ClientOrderId("beta-1"))}
    look(world, unknown(), FENCE + 1, FENCE + 2, FENCE + 3)
    assert world.asked.count("venue id 900") == 1


def test_where_the_venue_shows_no_positions_its_trades_are_the_second_witness_and_must_hide_none() -> None:
    spot = replace(DECLARATION, shows_positions=False, hides_maker_fills=False)
    for declaration, state in ((spot, State.NOT_PLACED), (replace(spot, hides_maker_fills=True), State.UNKNOWN)):
        world = World(declaration=declaration, positions_shown=[position(10)])
        look(world, unknown(), FENCE + 1, FENCE + 2, FENCE + 3)
        assert world.state() is state


def test_a_position_that_our_fills_do_not_explain_speaks_against_absence() -> None:
    world = World(positions_shown=[position(10)])
    look(world, unknown(), FENCE + 1, FENCE + 2, FENCE + 3)
    assert world.state() is State.UNKNOWN


def test_a_position_that_ran_ahead_of_our_fills_for_a_moment_delays_the_proof_by_no_more_than_that() -> None:
    world = World(positions_shown=[position(10)], disagreements=2)
    look(world, unknown(), FENCE + 1, FENCE + 2)
    assert world.state() is State.NOT_PLACED
    assert world.now <= FENCE + 2 + 500


def test_an_order_that_is_found_is_what_the_venue_shows() -> None:
    world = World(shown=view(State.FILLED, 10))
    look(world, unknown(), SENT_AT + 100)
    assert world.state() is State.FILLED


@pytest.mark.parametrize(
    "differing",
    [
        {"side": Side.SELL},
        {"quantity": Decimal(9)},
        {"price": Decimal(99)},
        {"created_at_ms": SENT_AT - 60_000},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_order_under_our_id_is_drift_and_neither_found_nor_absent(differing: dict[str, Any]) -> None:
    world = World(shown=view(State.FILLED, 9, **differing))
    look(world, unknown(), FENCE + 1, FENCE + 2, FENCE + 3)
    assert world.state() is State.UNKNOWN
    assert world.said == [f"reconciliation.{VENUE}.{ACCOUNT}.orders"], "said once"


def test_a_proven_absence_of_an_order_that_may_be_sent_again_is_left_to_risk() -> None:
    world = World()
    look(world, unknown(request=request(resubmit=True)), FENCE + 1, FENCE + 2, FENCE + 3)
    assert world.entry is not None
    assert world.entry.order.state is State.UNKNOWN
    assert world.entry.order.absence is not None
    asked = world.entry.order.absence.asked_at_ms
    assert len(asked) == 2
    assert min(asked) > FENCE


def test_a_proven_absence_after_the_time_to_live_is_the_end_whatever_the_flag() -> None:
    world = World()
    late = request(resubmit=True).expires_at_ms
    look(world, unknown(request=request(resubmit=True)), late, late + 1)
    assert world.state() is State.NOT_PLACED


def test_an_order_whose_venue_id_is_known_is_looked_up_by_it() -> None:
    """A client id may be free again, and an adopted order may have none of ours."""
    world = World(shown=view(State.CANCELED))
    look(world, order(State.ACCEPTED), SENT_AT + 100)
    assert world.asked == ["venue id 501"]
    assert world.state() is State.CANCELED


def test_not_found_by_the_venues_id_proves_nothing_about_an_order_that_was_there() -> None:
    world = World()
    look(world, order(State.ACCEPTED), FENCE + 1, FENCE + 2, FENCE + 60_000)
    assert world.state() is State.ACCEPTED


def test_an_unknown_order_is_said_again_with_its_age() -> None:
    world = World(declaration=replace(DECLARATION, lookup_is_witness=False))

    async def restating() -> None:
        desk, _ = world.desk(unknown())
        world.now = SENT_AT + 30_000
        await desk._restate_due()

    asyncio.run(restating())
    assert world.entry is not None
    assert (world.entry.event_kind, world.entry.order.unknown_since_ms) == ("Restated", SENT_AT + 1)


def trade(name: ClientOrderId | None, side: Side) -> VenueTrade:
    return VenueTrade(
        trade_id=TradeId("9"),
        venue_order_id=VenueOrderId("900"),
        client_order_id=name,
        symbol=BTC,
        side=side,
        position_side=PositionSide.BOTH,
        price=Decimal(100),
        quantity=Decimal(10),
        fee=Decimal(0),
        fee_asset="USDT",
        liquidity=Liquidity.TAKER,
        venue_time_ms=SENT_AT + 50,
    )


def position(quantity: int) -> VenuePosition:
    return VenuePosition(
        position_id="1",
        symbol=BTC,
        position_side=PositionSide.BOTH,
        quantity=Decimal(quantity),
        entry_price=Decimal(100),
        mark_price=Decimal(100),
        unrealised_pnl=Decimal(0),
        realised_pnl=Decimal(0),
    )
