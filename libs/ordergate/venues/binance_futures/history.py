"""Trades from an id on, although the venue shows seven days at a time.

`fromId` and times cannot be asked for together, and without times the last seven days are all there is. So an answer that does not begin with the very trade
that was asked for may have a gap before it: then the time is walked through, week by week, from where the venue begins to keep trades. A week with more trades
than fit one answer is halved: whether the venue then shows its oldest or its newest is not documented, and does not matter so.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ordergate.ports.venue import VenueTrade
from ordergate.trading.ids import Symbol, TradeId
from ordergate.venues.binance_futures.parse import Fields

DAY_MS = 86_400_000
WINDOW_MS = 7 * DAY_MS
KEPT_MS = 89 * DAY_MS
"""Three months are kept; a day less, so that a question on its way is not refused for its beginning."""
SETTLED_MS = 60_000
"""A trade of the last minute may still come to show; what was empty before that stays so."""
AHEAD_MS = 10_000
"""The venue's clock may be ahead of what we believe of it, and its trades with it."""
PAGE_MAX = 1_000

ReadPage = Callable[[Symbol, Fields], Awaitable[list[VenueTrade]]]
"""One answer of `GET /fapi/v1/userTrades`, checked and ascending. Raises VenueUnavailable, ClockUnknown."""


@dataclass(frozen=True, slots=True)
class _Walked:
    """No trade whose id is at least from_id is older than since_ms."""

    from_id: int
    since_ms: int


class TradeHistory:
    """One account's trades. Remembers for each symbol how far it has walked, so that a quiet one costs one question."""

    def __init__(self, read: ReadPage) -> None:
        self._read = read
        self._walked: dict[Symbol, _Walked] = {}

    async def since(self, symbol: Symbol, *, from_id: TradeId | None, limit: int, now_ms: int) -> list[VenueTrade]:
        """Ascending by id, from_id inclusive; fewer than `limit` only where there are no more. now_ms: the venue's clock."""
        number = 0 if from_id is None else int(from_id)
        if from_id is not None and not self._is_walked(symbol, number):
            page = await self._read(symbol, (("fromId", from_id), ("limit", str(limit))))
            if page and page[0].trade_id == from_id:
                return page
        return await self._walk(symbol, number, limit, now_ms)

    def _is_walked(self, symbol: Symbol, number: int) -> bool:
        """Whether the trade was looked for and is older than what `fromId` shows."""
        walked = self._walked.get(symbol)
        return walked is not None and walked.from_id == number

    async def _walk(self, symbol: Symbol, number: int, limit: int, now_ms: int) -> list[VenueTrade]:
        walked = self._walked.get(symbol)
        start = now_ms - KEPT_MS
        if walked is not None and number >= walked.from_id:
            start = max(start, walked.since_ms)
        found: list[VenueTrade] = []
        until_ms = now_ms + AHEAD_MS
        windows = [(begin, min(begin + WINDOW_MS - 1, until_ms)) for begin in range(start, until_ms + 1, WINDOW_MS)]
        while windows and len(found) < limit:
            begin, end = windows.pop(0)
            page = await self._read(symbol, _window(begin, end))
            if len(page) >= PAGE_MAX and begin < end:
                middle = (begin + end) // 2
                windows[:0] = [(begin, middle), (middle + 1, end)]
                continue
            found += [each for each in page if int(each.trade_id) >= number]
        self._remember(symbol, number, found, start=start, now_ms=now_ms)
        return found[:limit]

    def _remember(self, symbol: Symbol, number: int, found: list[VenueTrade], *, start: int, now_ms: int) -> None:
        # One that is older than what was found may still come to show, too.
        since_ms = min((each.venue_time_ms for each in found), default=now_ms)
        since_ms = min(since_ms, now_ms - SETTLED_MS)
        self._walked[symbol] = _Walked(number, max(start, since_ms))


def _window(begin: int, end: int) -> Fields:
    return (("startTime", str(begin)), ("endTime", str(end)), ("limit", str(PAGE_MAX)))
