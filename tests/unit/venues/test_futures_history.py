"""A venue that shows seven days at a time, in either of the two ways that its documents leave open."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.ports.venue import VenueTrade
from ordergate.trading.ids import Symbol, TradeId
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_futures import models, parse
from ordergate.venues.binance_futures.history import DAY_MS, KEPT_MS, PAGE_MAX, WINDOW_MS, TradeHistory
from ordergate.venues.binance_futures.parse import Fields
from tests.unit.venues.futures_rows import BTC, TRADE

NOW = 1_790_000_000_000


@dataclass(slots=True)
class Kept:
    """trades: (id, time) ascending. newest: whether a full answer holds the newest of the window, not its oldest. forgets: fromId shows seven days only."""

    trades: list[tuple[int, int]]
    newest: bool = False
    forgets: bool = True
    now_ms: int = NOW
    asked: list[dict[str, str]] = field(default_factory=list)

    async def read(self, symbol: Symbol, parameters: Fields) -> list[VenueTrade]:
        assert symbol == BTC
        asked = dict(parameters)
        self.asked.append(asked)
        limit = int(asked["limit"])
        if "fromId" in asked:
            assert "startTime" not in asked
            shown = [each for each in self.trades if each[0] >= int(asked["fromId"])]
            shown = [each for each in shown if not self.forgets or each[1] >= self.now_ms - WINDOW_MS][:limit]
        else:
            start, end = int(asked["startTime"]), int(asked["endTime"])
            assert 0 <= end - start < WINDOW_MS
            assert start >= self.now_ms - 90 * DAY_MS, "the venue would refuse it"
            inside = [each for each in self.trades if start <= each[1] <= end]
            shown = inside[-limit:] if self.newest else inside[:limit]
        return [parse.trade(check(models.TradeRow, {**TRADE, "id": each, "time": at})) for each, at in shown]


async def walk(kept: Kept, *, from_id: int | None = None, limit: int = PAGE_MAX) -> list[int]:
    """As fill_streaming reads: page after page, each from the last trade of the one before."""
    history = TradeHistory(kept.read)
    found: list[int] = []
    start = None if from_id is None else TradeId(str(from_id))
    while True:
        page = await history.since(BTC, from_id=start, limit=limit, now_ms=kept.now_ms)
        numbers = [int(each.trade_id) for each in page]
        assert all(earlier < later for earlier, later in pairwise(numbers))
        found += [each for each in numbers if not found or each > found[-1]]
        if len(page) < limit or page[-1].trade_id == start:
            return found
        start = page[-1].trade_id


times = st.lists(st.integers(NOW - KEPT_MS, NOW), max_size=30)


@given(times, st.booleans(), st.booleans(), st.integers(2, 7))
@settings(max_examples=150, deadline=None)
async def test_no_trade_that_the_venue_keeps_is_stepped_over(
    at: list[int],
    newest: bool,  # noqa: FBT001 - drawn
    forgets: bool,  # noqa: FBT001
    limit: int,
) -> None:
    trades = [(10 * number + 5, each) for number, each in enumerate(sorted(at))]
    kept = Kept(trades, newest=newest, forgets=forgets)
    assert await walk(kept, limit=limit) == [number for number, _ in trades]
    for number, _ in trades:
        expected = [each for each, _ in trades if each >= number]
        assert await walk(Kept(trades, newest=newest, forgets=forgets), from_id=number, limit=limit) == expected


@pytest.mark.parametrize("newest", [True, False])
async def test_a_week_with_more_trades_than_an_answer_holds_is_halved(newest: bool) -> None:  # noqa: FBT001
    old = NOW - 20 * DAY_MS
    trades = [(number, old + number * 100_000) for number in range(1, 2_501)]
    kept = Kept(trades, newest=newest)
    history = TradeHistory(kept.read)
    page = await history.since(BTC, from_id=None, limit=PAGE_MAX, now_ms=NOW)
    assert [int(each.trade_id) for each in page] == list(range(1, 1_001))
    assert await walk(kept) == [number for number, _ in trades]


async def test_a_quiet_symbol_costs_one_question_after_the_first_walk() -> None:
    kept = Kept([])
    history = TradeHistory(kept.read)
    assert await history.since(BTC, from_id=None, limit=100, now_ms=NOW) == []
    first = len(kept.asked)
    assert first == 13
    for later in (10_000, 20_000):
        assert await history.since(BTC, from_id=None, limit=100, now_ms=NOW + later) == []
    assert len(kept.asked) == first + 2
    kept.trades.append((7, NOW + 25_000))
    kept.now_ms = NOW + 30_000
    [found] = await history.since(BTC, from_id=None, limit=100, now_ms=NOW + 30_000)
    assert found.trade_id == "7"


async def test_a_cursor_older_than_a_week_finds_what_came_after_it() -> None:
    """`fromId` alone would show only the trade of yesterday, as if there were no other."""
    trades = [(1, NOW - 40 * DAY_MS), (2, NOW - 39 * DAY_MS), (3, NOW - 1 * DAY_MS)]
    assert await walk(Kept(trades), from_id=1) == [1, 2, 3]
    assert await walk(Kept(trades), from_id=2) == [2, 3]


async def test_a_cursor_inside_the_week_costs_one_question() -> None:
    kept = Kept([(1, NOW - DAY_MS), (2, NOW - 1_000)])
    assert await walk(kept, from_id=2) == [2]
    assert [set(each) for each in kept.asked] == [{"fromId", "limit"}]


async def test_a_trade_that_shows_late_is_still_found() -> None:
    kept = Kept([])
    history = TradeHistory(kept.read)
    assert await history.since(BTC, from_id=None, limit=100, now_ms=NOW) == []
    kept.trades.append((7, NOW - 5_000))
    [found] = await history.since(BTC, from_id=None, limit=100, now_ms=NOW + 1_000)
    assert found.trade_id == "7"


async def test_a_trade_that_shows_later_than_a_younger_one_is_still_found() -> None:
    kept = Kept([(8, NOW - 4_000)])
    history = TradeHistory(kept.read)
    assert len(await history.since(BTC, from_id=None, limit=100, now_ms=NOW)) == 1
    kept.trades.insert(0, (7, NOW - 5_000))
    found = await history.since(BTC, from_id=None, limit=100, now_ms=NOW + 1_000)
    assert [each.trade_id for each in found] == ["7", "8"]
