"""What a call speaks of: its market, one of its account's orders, a span of time; as the call's sight shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from ordergate.simulator.binance.futures.intake import Reader, Refused
from ordergate.simulator.binance.futures.orders import AlgoOrder, AlgoStatus, FuturesOrder
from ordergate.simulator.binance.futures.refusals import BAD_COMBINATION, INVALID_SYMBOL, neither
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.orders import Order, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ordergate.simulator.binance.futures.accounts import FuturesAccount
    from ordergate.simulator.binance.futures.exchange import FuturesExchange
    from ordergate.simulator.binance.futures.intake import Fields
    from ordergate.simulator.binance.operations import Call
    from ordergate.simulator.market import Market
    from ordergate.simulator.symbols import Symbol

Listed = TypeVar("Listed")
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
UNFILLED_KEPT_MS = 3 * DAY_MS
"""A canceled or expired order without a trade is not found after that (query order)."""
KEPT_MS = 90 * DAY_MS


def account_of(call: Call) -> FuturesAccount:
    """The account of a signed call; the front has made sure of it."""
    account: FuturesAccount = call.account
    return account


def market_of(exchange: FuturesExchange, fields: Fields) -> Market[Order, Symbol] | Failure:
    """The market of a mandatory `symbol`."""
    return exchange.markets.get(fields.get("symbol", "")) or INVALID_SYMBOL


def markets_asked(exchange: FuturesExchange, fields: Fields) -> list[Market[Order, Symbol]] | Failure:
    """The market of an optional `symbol`, or all."""
    if not fields.get("symbol"):
        return list(exchange.markets.values())
    market = market_of(exchange, fields)
    return market if isinstance(market, Failure) else [market]


def seen(call: Call, orders: Iterable[Order]) -> Iterator[FuturesOrder]:
    """Orders as this call sees them; those that it does not see yet are left out."""
    for order in orders:
        shown = order if call.sight is None else call.sight.order(order, call.now_ms)
        if isinstance(shown, FuturesOrder):
            yield shown


def seen_algos(call: Call, algos: Iterable[AlgoOrder]) -> Iterator[AlgoOrder]:
    """Conditional orders as this call sees them."""
    moment_ms = call.now_ms - (call.sight.stale_ms if call.sight else 0)
    for algo in algos:
        if call.sight is None or algo.updated_ms <= moment_ms:
            yield algo
        elif algo.created_ms <= moment_ms:
            yield _as_of(algo, moment_ms)


def _as_of(algo: AlgoOrder, moment_ms: int) -> AlgoOrder:
    """One that has changed since: it waited, or had triggered and not yet ended."""
    triggered = algo.child is not None and 0 < algo.triggered_ms <= moment_ms
    return replace(
        algo,
        status=AlgoStatus.TRIGGERED if triggered else AlgoStatus.NEW,
        child=algo.child if triggered else None,
        triggered_ms=algo.triggered_ms if triggered else 0,
        updated_ms=algo.triggered_ms if triggered else algo.created_ms,
        reason="",
    )


def named_order(
    exchange: FuturesExchange, call: Call, fields: Fields, *, blind: bool = False
) -> FuturesOrder | Failure | None:
    """The order of `orderId`, which prevails, or `origClientOrderId`: the open one, else the latest. None: there is none.

    blind: as it is, not as the call sees it.
    """
    market = market_of(exchange, fields)
    if isinstance(market, Failure):
        return market
    account = account_of(call)
    reader = Reader(fields)
    try:
        order_id = reader.integer("orderId")
    except Refused as refused:
        return refused.failure
    client_id = fields.get("origClientOrderId")
    if order_id:
        found = account.order(order_id)
        candidates = [] if found is None else [found]
    elif client_id:
        candidates = [*reversed(account.by_client_id.get(client_id, []))]
        candidates.sort(key=lambda order: not order.is_open)
    else:
        return neither("origClientOrderId", "orderId")
    here = [order for order in candidates if order.symbol is market.symbol]
    shown = (order for order in here if isinstance(order, FuturesOrder)) if blind else seen(call, here)
    return next(iter(shown), None)


def is_forgotten(order: FuturesOrder, now_ms: int) -> bool:
    """Whether the venue's queries have lost sight of it for its age."""
    age = now_ms - order.created_ms
    unfilled = order.status in {Status.CANCELED, Status.EXPIRED, Status.EXPIRED_IN_MATCH} and not order.executed
    return age > KEPT_MS or (unfilled and age > UNFILLED_KEPT_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a listing call asks for. from_id: of the first row, 0 for none; latest: the last rows of the span instead of its first; limit: rows at most."""

    from_id: int
    start_ms: int
    end_ms: int
    limit: int
    latest: bool

    def holds(self, row_id: int, moment_ms: int) -> bool:
        """Whether a row is asked for."""
        return row_id >= self.from_id and self.start_ms <= moment_ms <= self.end_ms

    def cut(self, rows: list[Listed]) -> list[Listed]:
        """So many as were asked for, of rows in ascending order."""
        return rows[-self.limit :] if self.latest else rows[: self.limit]


def read_page(call: Call, id_name: str, *, limit: int, limit_max: int) -> Page | Failure:
    """startTime, endTime, limit and an id to begin with: a span of a week at most, the latest rows of the last week if nothing is said."""
    reader = Reader(call.parameters)
    try:
        from_id, most = reader.integer(id_name), reader.integer("limit", limit)
        start_ms, end_ms = reader.integer("startTime"), reader.integer("endTime", call.now_ms)
    except Refused as refused:
        return refused.failure
    timed = reader.sent("startTime") or reader.sent("endTime")
    if (timed and reader.sent("fromId")) or end_ms < start_ms or (start_ms and end_ms - start_ms > WEEK_MS):
        return BAD_COMBINATION
    numbered = reader.sent(id_name)
    return Page(
        from_id=from_id,
        start_ms=start_ms if start_ms or numbered else end_ms - WEEK_MS,
        end_ms=end_ms,
        limit=max(1, min(most, limit_max)),
        latest=not (numbered or start_ms),
    )
