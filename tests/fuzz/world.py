"""What the services' desks need to decide an intent, without a bus: every answer they give is kept, so that none can be missing."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeVar

from ordergate.ports.bus import StoredFill
from ordergate.ports.checkpoint import Mark
from ordergate.ports.control import Kill
from ordergate.ports.ledger import Entry, Lost, Won
from ordergate.ports.positions import StoredPosition
from ordergate.ports.venue import NotSent, Outcome
from ordergate.runtime.market import ShelfMarketData
from ordergate.runtime.tracing import NoTrace
from ordergate.trading.events import Event
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, ClientOrderId, ErrorId, Symbol, TradeId, VenueName, VenueOrderId
from ordergate.trading.order import Order, OrderKey, OrderRequest, OrderType, PositionSide, Side, State, VenueView
from ordergate.trading.position import Position
from ordergate.trading.risk import RiskLimits
from ordergate.venues.zetarium.declaration import DECLARATION
from ordergate.wire import subjects
from ordergate.wire.facts import EVENT_KINDS
from ordergate.wire.messages import AnswerMessage
from services.order_submission.cancels import CancelDesk
from services.order_submission.live import LiveOrders
from services.risk.fold import AccountFold
from services.risk.handlers import RiskDesk, StrangersDesk
from tests.integration import orders_at_hand

VENUE, ACCOUNT = VenueName("zetarium"), AccountName("main")
NOW_MS = 1_790_000_000_500
INSTRUMENT = (
    b'{"schema":1,"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT","trading":true,"tickSize":"0.1","priceMin":"0.1","priceMax":"1000000",'
    b'"stepSize":"0.001","quantityMin":"0.001","quantityMax":"1000","marketQuantityMax":"120","notionalMin":"5","openOrdersMax":200,'
    b'"priceBandUp":"1.1","priceBandDown":"0.9","atMs":1790000000000}'
)
PRICE = b'{"schema":1,"symbol":"BTCUSDT","price":"64250.5","venueTimeMs":1790000000400}'
VIEW = VenueView(
    venue_order_id=VenueOrderId("555"),
    client_order_id=ClientOrderId("alpha-000017"),
    symbol=orders_at_hand.BTC,
    side=Side.BUY,
    type=OrderType.LIMIT,
    quantity=Decimal("0.010"),
    price=Decimal("64250.5"),
    stop_price=None,
    position_side=PositionSide.BOTH,
    reduce_only=False,
    status=State.PARTIALLY_FILLED,
    executed_quantity=Decimal("0.004"),
    created_at_ms=1_790_000_000_000,
    updated_at_ms=1_790_000_000_100,
    error_id=None,
)
FILL = orders_at_hand.fill(918_273)
T = TypeVar("T")
TURNS_MAX = 100


class Waited(AssertionError):
    """What has everything at hand waited for something."""


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run what has everything at hand: a few turns of a loop of its own, and no waiting for anything."""
    with closing(asyncio.new_event_loop()) as loop:
        task = loop.create_task(work)
        for _ in range(TURNS_MAX):
            loop.call_soon(loop.stop)
            loop.run_forever()
            if task.done():
                return task.result()
        task.cancel()
        loop.run_until_complete(asyncio.wait({task}))
        raise Waited


@dataclass(slots=True)
class Delivery:
    """One intent, and how it was answered."""

    subject: str
    data: bytes
    sequence: int = 7
    number: int = 1
    stored_at_ms: int = NOW_MS - 60_000
    delivery_count: int = 1
    answer: Literal["", "acked", "retried", "buried"] = ""
    reason: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    async def ack(self) -> None:
        self._settle("acked")

    async def retry(self, *, after_seconds: float) -> None:
        assert after_seconds >= 0
        self._settle("retried")

    async def bury(self, *, reason: str, error_id: str) -> None:
        assert reason
        assert error_id
        self.reason = reason
        self._settle("buried")

    def _settle(self, answer: Literal["acked", "retried", "buried"]) -> None:
        assert not self.answer, "answered twice"
        self.answer = answer


@dataclass(slots=True)
class Books:
    """Ledger, publisher, feed, checkpoint, positions, kill switch, clock and venue in one: everything is empty, known and at hand."""

    entries: list[Entry] = field(default_factory=list)
    answers: list[AnswerMessage] = field(default_factory=list)

    # The ledger.

    async def append(self, order: Order, event: Event, *, after: int, correction: bool = False) -> Won | Lost:
        assert not correction
        address = subjects.order_address(order)
        assert " " not in address.subject
        entry = Entry(
            order=order, sequence=after + 1, append_id="a", event_kind=EVENT_KINDS[type(event)], stored_at_ms=NOW_MS
        )
        self.entries.append(entry)
        return Won(entry=entry)

    async def last(self, venue: VenueName, account: AccountName, order: ClientOrderId) -> Entry | None:
        subjects.order_guard(venue, account, order)
        return None

    async def has_passed(self, sequence: int) -> bool:
        assert sequence > 0
        return True

    # The publisher.

    async def store_fill(self, fill: Fill) -> bool:
        raise AssertionError(fill)

    async def stored_fill(
        self, venue: VenueName, account: AccountName, symbol: Symbol, trade_id: TradeId, venue_order_id: VenueOrderId
    ) -> Fill | None:
        raise AssertionError(venue, account, symbol, trade_id, venue_order_id)

    async def answer(self, subject: str, payload: bytes, *, message_id: str) -> None:
        assert subject.startswith("answers.")
        assert message_id
        assert " " not in subject
        self.answers.append(AnswerMessage.of(payload))

    def record(self, subject: str, payload: bytes) -> None:
        raise AssertionError(subject, payload)

    def note_error(self, error_id: ErrorId, key: OrderKey) -> None:
        assert error_id
        assert key.client_order_id

    # Feed, checkpoint, positions.

    async def orders(
        self, _venue: VenueName, _account: AccountName, *, after: int
    ) -> AsyncGenerator[Entry | None, None]:
        assert after == 0
        yield None

    async def fills(
        self, _venue: VenueName, _account: AccountName, *, after: int
    ) -> AsyncGenerator[StoredFill | None, None]:
        assert after == 0
        yield None

    async def load(self, *_whose: str) -> None:
        return None

    async def save(self, mark: Mark) -> None:
        raise AssertionError(mark)

    # The kill switch and the clock.

    def thrown(self, _request: OrderRequest) -> Kill | None:
        return None

    def stops(self, _request: OrderRequest) -> Kill | None:
        return None

    def standing(self, _venue: VenueName, _account: AccountName) -> tuple[Kill, ...]:
        return ()

    def is_recovering(self) -> bool:
        return False

    def is_confirmed(self) -> bool:
        return True

    async def changed(self) -> None:
        raise AssertionError

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0

    # The venue, for cancels.

    async def cancel(self, _symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:
        raise AssertionError(venue_order_id)

    async def cancel_all(self, _symbol: Symbol | None) -> Outcome:
        return NotSent(reason="nothing", retriable=False)


class NoPositions:
    async def load(self, _venue: VenueName, _account: AccountName) -> Sequence[StoredPosition]:
        return ()

    async def store(self, position: Position, *, mark_price: Decimal | None, after: int) -> int | None:
        raise AssertionError(position, mark_price, after)


@dataclass(slots=True)
class Bodies:
    data: bytes

    async def read(self, _sequence: int) -> bytes:
        return self.data


def market() -> ShelfMarketData:
    """One symbol, as the venue describes it."""
    board = ShelfMarketData(None)  # type: ignore[arg-type]  # nothing is watched
    board._has_read = True
    board._take("rules.zetarium.BTCUSDT", INSTRUMENT)
    board._take("price.zetarium.BTCUSDT", PRICE)
    return board


def risk_desk(books: Any, data: ShelfMarketData) -> RiskDesk:
    fold = AccountFold(
        venue=VENUE, account=ACCOUNT, ledger=books, feed=books, positions=NoPositions(), market=data, checkpoint=books, clock=books
    )  # fmt: skip
    finish(fold.follow_orders())
    finish(fold.follow_fills())
    return RiskDesk(
        venue=VENUE,
        account=ACCOUNT,
        declaration=DECLARATION,
        limits=RiskLimits(),
        fold=fold,
        intents=books,
        ledger=books,
        publisher=books,
        market=data,
        kill=books,
        clock=books,
        trace=NoTrace(),
    )


def cancel_desk(books: Any) -> CancelDesk:
    live = LiveOrders(venue=VENUE, account=ACCOUNT, ledger=books, feed=books, checkpoint=books)
    return CancelDesk(
        venue=VENUE,
        account=ACCOUNT,
        trading=books,
        ledger=books,
        live=live,
        decided=books,
        publisher=books,
        clock=books,
        trace=NoTrace(),
    )


def strangers_desk(books: Any, data: bytes) -> StrangersDesk:
    return StrangersDesk(served=frozenset({(VENUE, ACCOUNT)}), bodies=Bodies(data), publisher=books, clock=books)
