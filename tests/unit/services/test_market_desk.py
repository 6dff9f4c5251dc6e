"""When the venue's list of symbols is read again: what was refused there although risk let it pass may have met another rule."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from ordergate.ports.ledger import Entry
from ordergate.trading.ids import Symbol
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import State
from ordergate.venues.binance_futures.declaration import DECLARATION as FUTURES
from services.status_polling.market import MarketDesk, MarketPace
from tests.unit.services.test_lists import Lists, desk
from tests.unit.trading.making import BTC, VENUE, instrument, order

PACE = MarketPace(instruments_seconds=1_800, missing_seconds=30, again_seconds=10)


class TheEnd(Exception):
    """Enough was seen."""


@dataclass
class Hours:
    """The venue, the board and the time, as the desk meets them. asked_at: when somebody asks for the list; reads: when it was read."""

    shown: list[Instrument]
    until: float
    asked_at: tuple[float, ...] = ()
    now: float = 0.0
    reads: list[float] = field(default_factory=list)
    withdrawn: list[Symbol] = field(default_factory=list)
    desk: MarketDesk = field(init=False)

    def __post_init__(self) -> None:
        here = cast("Any", self)
        self.desk = MarketDesk(venue=VENUE, symbols=[BTC], market=here, board=here, clock=here, pace=PACE)

    async def instruments(self) -> list[Instrument]:
        self.reads.append(self.now)
        return self.shown

    async def post_instruments(self, *_: object) -> None:
        """Nobody looks."""

    async def withdraw_instruments(self, _venue: object, symbols: list[Symbol]) -> None:
        self.withdrawn += symbols

    async def sleep(self, seconds: float) -> None:
        for at in self.asked_at:
            if self.now < at <= self.now + seconds:
                self.desk.ask_again()
        self.now += seconds
        if self.now > self.until:
            raise TheEnd

    async def pass_by(self) -> list[float]:
        try:
            await self.desk.post_instruments()
        except TheEnd:
            return self.reads
        raise AssertionError


async def test_the_list_is_read_each_half_hour() -> None:
    assert await Hours([instrument()], until=4_000).pass_by() == [0, 1_800, 3_600]


async def test_after_a_rejection_it_is_read_within_ten_seconds_and_once_for_many() -> None:
    rejections = (101.0, 102.0, 103.0, 500.0)
    assert await Hours([instrument()], until=1_000, asked_at=rejections).pass_by() == [0, 110, 500]


async def test_while_a_symbol_is_halted_it_is_read_each_half_minute() -> None:
    assert await Hours([instrument(trading=False)], until=100).pass_by() == [0, 30, 60, 90]


async def test_a_symbol_that_the_list_lacks_is_withdrawn_but_not_by_an_empty_list() -> None:
    lacking, empty = Hours([instrument(symbol=Symbol("ETHUSDT"))], until=70), Hours([], until=70)
    assert await lacking.pass_by() == await empty.pass_by() == [0, 30, 60]
    assert (lacking.withdrawn, empty.withdrawn) == ([BTC] * 3, [])


async def test_who_polls_tells_of_rejections_since_the_start_and_of_no_earlier_ones() -> None:
    told: list[str] = []

    async def orders(*_: object, **__: object) -> AsyncIterator[Entry | None]:
        for number, each in enumerate((State.REJECTED, None, State.FILLED, State.REJECTED), start=1):
            yield (
                None
                if each is None
                else Entry(
                    order=order(each, number=number), sequence=number, append_id="a", event_kind="x", stored_at_ms=0
                )
            )
            told.append("-")

    async def nothing(*_: object) -> None:
        return None

    made = desk(Lists(FUTURES), sweep_seconds=60)
    made._feed = cast("Any", SimpleNamespace(orders=orders))
    made._checkpoint = cast("Any", SimpleNamespace(load=nothing))
    made.rebuilt.clear()
    made.rejected = lambda: told.append("rejected")
    await made.follow_orders()
    assert told == ["-", "-", "-", "rejected", "-"]
