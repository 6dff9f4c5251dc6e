"""What the streams know of the requests in the windows that run: AUDIT of every request that was recorded, ORDERS of every write-ahead."""

from collections.abc import Sequence
from contextlib import aclosing

import orjson

from ordergate.access.allowance import windows_of
from ordergate.access.budget import Limit, Scope, Weights
from ordergate.access.treasury import Stock
from ordergate.ports.clock import Clock
from ordergate.runtime.connection import Bus
from ordergate.runtime.ordered import OrderedRead, Read
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import subjects
from ordergate.wire.streams import AUDIT, ORDERS

BACK_MS_MAX = 600_000
"""Longer windows (a day) are only looked at so far back: a header tells of the rest with the first answer."""
SLACK_MS = 2_000
"""Records are stored a little after the request, by another clock."""


class StreamStock:
    """Takes stock for one pool. account None: of everybody's requests and orders at the venue, for what counts by address."""

    def __init__(
        self, bus: Bus, *, venue: VenueName, account: AccountName | None, order_weights: Weights, clock: Clock
    ) -> None:
        self._bus = bus
        self._venue = venue
        self._account = account
        self._order_weights = order_weights
        self._clock = clock

    async def __call__(self, stock: Stock, limits: Sequence[Limit], now_ms: int) -> None:
        ahead_ms = self._clock.now_ms() - now_ms  # our wall clock before the venue's
        back_ms = min(BACK_MS_MAX, max((now_ms % limit.window_ms for limit in limits), default=0) + SLACK_MS)
        since_ms = now_ms + ahead_ms - back_ms
        account = self._account
        if account is None:
            requests, orders = subjects.requests_at(self._venue), subjects.submitting_at(self._venue)
        else:
            requests = subjects.requests_of(self._venue, account)
            orders = subjects.submitting_of(self._venue, account)
        if any(limit.scope in self._order_weights for limit in limits):
            for message in await self._read(ORDERS, orders, since_ms):
                _count_order(stock, limits, self._order_weights, message)
        for message in await self._read(AUDIT, requests, since_ms):
            _count_request(stock, limits, message, ahead_ms)

    async def _read(self, stream: str, subject: str, since_ms: int) -> list[Read]:
        found = []
        reading = OrderedRead(self._bus, stream=stream, filters=(subject,), after=None, since_ms=since_ms)
        async with aclosing(reading.messages()) as messages:
            async for message in messages:
                if message is None:
                    break
                found.append(message)
        return found


def _count_order(stock: Stock, limits: Sequence[Limit], weights: Weights, message: Read) -> None:
    try:
        timestamp_ms = int(orjson.loads(message.data)["attempt"]["timestampMs"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return  # who reads the ledger for its orders will say so
    stock.write_ahead(windows_of(limits, weights, timestamp_ms))


def _count_request(stock: Stock, limits: Sequence[Limit], message: Read, ahead_ms: int) -> None:
    try:
        record = orjson.loads(message.data)
        if record.get("outcome") == "not_sent":
            return
        sent_at_ms = int(record["atMs"]) - int(record["latencyMs"]) - ahead_ms
        weights = {Scope(scope): int(weight) for scope, weight in record.get("weights", {}).items()}
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return
    windows = windows_of(limits, weights, sent_at_ms)
    stock.record(str(record.get("service")), windows, order=Scope.ORDERS in weights)
