"""The dead-man's switch: held while this process can be commanded, and said aloud before it goes off."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from ordergate.ports.venue import DeadMansSwitch, Executed, Outcome, Unknown
from ordergate.runtime.settings import AccountSettings
from ordergate.trading.errors import BusUnavailable, Misconfigured
from ordergate.trading.ids import ErrorId, Symbol
from ordergate.venues.binance_futures.client import BinanceFuturesTrading
from ordergate.venues.zetarium.client import ZetariumTrading
from ordergate.wire.messages import RiskMessage
from services.order_submission.app import _arm
from services.order_submission.dead_man import ARMED, RUNNING_DOWN, DeadMansWatch
from tests.unit.access.stage import ToldClock, until
from tests.unit.trading.making import ACCOUNT, BTC, VENUE

ETH = Symbol("ETHUSDT")
LOST = Unknown(reason="timeout", error_id=ErrorId("oge-1"))


@dataclass
class Venue:
    """A venue and the process's surroundings. answers: by symbol, else it does as asked."""

    clock: ToldClock = field(default_factory=ToldClock)
    answers: dict[Symbol, Outcome] = field(default_factory=dict)
    asked: list[tuple[Symbol, int]] = field(default_factory=list)
    said: list[RiskMessage] = field(default_factory=list)
    confirmed: bool = True
    bus_is_away: bool = False

    async def cancel_all_after(self, symbol: Symbol, *, countdown_ms: int) -> Outcome:
        self.asked.append((symbol, countdown_ms))
        return self.answers.get(symbol, Executed(view=None))

    async def answer(self, subject: str, data: bytes, *, message_id: str) -> None:
        assert message_id
        if self.bus_is_away:
            raise BusUnavailable
        message = RiskMessage.of(data)
        assert subject.endswith(message.what)
        self.said.append(message)

    def watch(self, *symbols: Symbol) -> DeadMansWatch:
        return DeadMansWatch(
            venue=VENUE,
            account=ACCOUNT,
            symbols=symbols,
            countdown_ms=120_000,
            switch=self,
            kill=cast("Any", SimpleNamespace(is_confirmed=lambda: self.confirmed)),
            publisher=cast("Any", self),
            clock=self.clock,
        )

    @property
    def words(self) -> list[tuple[str | None, str]]:
        return [(each.symbol, each.what) for each in self.said]


async def test_every_symbol_is_refreshed_and_said_once_to_be_armed() -> None:
    venue = Venue()
    watch = venue.watch(BTC, ETH)
    for _ in range(3):
        await watch.refresh()
        venue.clock.pass_seconds(30)
    assert venue.asked == [(BTC, 120_000), (ETH, 120_000)] * 3
    assert venue.words == [(BTC, ARMED), (ETH, ARMED)]


async def test_while_nobody_could_stop_us_it_runs_down() -> None:
    venue = Venue()
    watch = venue.watch(BTC)
    await watch.refresh()
    venue.confirmed = False
    for _ in range(4):
        venue.clock.pass_seconds(30)
        await watch.refresh()
    assert len(venue.asked) == 1
    assert venue.words == [(BTC, ARMED), (BTC, RUNNING_DOWN)]
    venue.confirmed = True
    await watch.refresh()
    assert venue.words[-1] == (BTC, ARMED)


async def test_one_refresh_that_is_lost_is_not_worth_a_word_and_half_a_countdown_is() -> None:
    venue = Venue()
    watch = venue.watch(BTC, ETH)
    await watch.refresh()
    venue.answers[ETH] = LOST
    venue.clock.pass_seconds(30)
    await watch.refresh()
    assert len(venue.words) == 2
    venue.clock.pass_seconds(30)
    await watch.refresh()
    assert venue.words[2:] == [(ETH, RUNNING_DOWN)]
    assert "timeout" in venue.said[-1].message


async def test_what_the_bus_did_not_take_is_said_again() -> None:
    venue = Venue(bus_is_away=True)
    watch = venue.watch(BTC)
    await watch.refresh()
    venue.bus_is_away = False
    await watch.refresh()
    assert venue.words == [(BTC, ARMED)]


async def test_it_is_refreshed_four_times_a_countdown() -> None:
    venue = Venue()
    watch = venue.watch(BTC)

    keeping = asyncio.create_task(watch.keep())
    await until(lambda: len(venue.asked) >= 4)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert set(venue.clock.slept) == {30.0}


def test_only_a_venue_that_has_one_is_taken_for_one() -> None:
    assert issubclass(BinanceFuturesTrading, DeadMansSwitch)
    assert not issubclass(ZetariumTrading, DeadMansSwitch)


def account(venue: str) -> AccountSettings:
    return AccountSettings(
        venue=venue, account="main", base_url="http://127.0.0.1:1", symbols=("BTCUSDT",), dead_mans_switch_seconds=30
    )


def arm(trading: object, venue: str) -> list[str]:
    tasks: list[str] = []
    frame = SimpleNamespace(publisher=None, clock=ToldClock(), task=lambda name, _work: tasks.append(name))
    _arm(cast("Any", frame), account(venue), cast("Any", None), cast("Any", trading), countdown_ms=30_000)
    return tasks


def test_a_switch_that_the_venue_has_not_is_refused_at_start() -> None:
    assert arm(Venue(), "binance-futures") == ["dead-man:main"]
    with pytest.raises(Misconfigured, match="zetarium has no dead-man's switch"):
        arm(object(), "zetarium")


@pytest.mark.parametrize("seconds", [9, 3_601])
def test_a_countdown_that_no_restart_could_outrun_is_no_setting(seconds: int) -> None:
    given = account("binance-futures").model_dump() | {"dead_mans_switch_seconds": seconds}
    with pytest.raises(ValidationError):
        AccountSettings.model_validate(given)
