"""What every client can do, and how orders are found: the two kinds of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ordergate.access.budget import Weights
from ordergate.access.keys import Key
from ordergate.access.keys.standing import Permissions
from ordergate.access.session import Call
from ordergate.ports.venue import Priority
from ordergate.trading.errors import VenueUnavailable
from ordergate.trading.ids import Symbol
from ordergate.trading.order import VenueView
from ordergate.venues.binance.fields import check, check_rows
from ordergate.venues.binance.signing import check_key
from ordergate.venues.binance_futures import limits, models, parse
from ordergate.venues.binance_futures.calls import BALANCES, get, read_time, seen
from ordergate.venues.binance_futures.children import Children
from ordergate.venues.binance_futures.parse import Fields
from ordergate.venues.client import VenueClient

ORDER_PATH, ALGO_PATH = "/fapi/v1/order", "/fapi/v1/algoOrder"


@dataclass(slots=True, kw_only=True)
class FuturesClient(VenueClient):
    """A session with Binance USD-M futures, and what it has learned of conditional orders."""

    proof_of_key: ClassVar[Call] = BALANCES
    children: Children = field(default_factory=Children)

    async def verify(self, key: Key) -> Permissions:
        """As of every venue; and WrongKey, too, for a key of a kind that Binance does not take. The futures API tells nothing of what a key may do."""
        check_key(key)
        return await VenueClient.verify(self, key)  # a class with slots knows no bare super()

    async def venue_time_ms(self) -> int:
        """`GET /fapi/v1/time`: not earlier than the exchange's clock showed when this was called."""
        return await read_time(self.session)

    # What both kinds of keys read. All raise VenueUnavailable, ClockUnknown.

    async def order_row(self, symbol: str, named: tuple[str, str], priority: Priority) -> models.OrderRow | None:
        """named: `orderId` or `origClientOrderId`, with its value."""
        call = get(ORDER_PATH, priority, limits.LIGHT, (("symbol", symbol), named))
        row = await self.find(call, lambda answer: check(models.OrderRow, answer))
        if row is not None and (row.symbol != symbol or named[1] not in {row.orderId, row.clientOrderId}):
            raise VenueUnavailable(f"GET {ORDER_PATH}: the answer is about another order than asked for")
        return row

    async def algo_row(self, named: tuple[str, str], priority: Priority) -> models.AlgoRow | None:
        """named: `algoId` or `clientAlgoId`, with its value."""
        call = get(ALGO_PATH, priority, limits.LIGHT, (named,))
        row = await self.find(call, lambda answer: check(models.AlgoRow, answer))
        if row is not None and named[1] not in {row.algoId, row.clientAlgoId}:
            raise VenueUnavailable(f"GET {ALGO_PATH}: the answer is about another order than asked for")
        if row is not None:
            self.children.note(row)
        return row

    async def past_algo_row(self, symbol: str, algo_id: str, priority: Priority) -> models.AlgoRow | None:
        """A conditional order of which `GET /fapi/v1/algoOrder` knows nothing any more: it was seen to forget ended ones before the history does."""
        query = (("symbol", symbol), ("algoId", algo_id), ("limit", "1"))
        call = get("/fapi/v1/allAlgoOrders", priority, limits.MEDIUM, query)
        rows = await self.read(call, lambda answer: check_rows(models.AlgoRow, answer))
        return next((row for row in rows if row.algoId == algo_id), None)

    async def with_child(
        self, row: models.AlgoRow, priority: Priority, child: models.OrderRow | None = None
    ) -> VenueView:
        if child is None and row.actualOrderId is not None:
            child = await self.order_row(row.symbol, ("orderId", row.actualOrderId), priority)
        return seen(lambda: parse.algo_view(row, child))

    async def conditional(self, symbol: Symbol, algo_id: str, priority: Priority) -> VenueView | None:
        """By its own number."""
        row = await self.algo_row(("algoId", algo_id), priority) or await self.past_algo_row(symbol, algo_id, priority)
        return None if row is None or row.symbol != symbol else await self.with_child(row, priority)

    async def ordinary(self, symbol: Symbol, order_id: str, priority: Priority) -> VenueView | None:
        """By its number. A child is shown as the conditional order that it belongs to."""
        row = await self.order_row(symbol, ("orderId", order_id), priority)
        if row is None:
            return None
        parent = await self.parent_of(row, priority)
        if parent is None:
            self.children.note_plain(row)
            return seen(lambda: parse.view(row))
        return await self.with_child(parent, priority, row)

    async def parent_of(self, row: models.OrderRow, priority: Priority) -> models.AlgoRow | None:
        known = self.children.parent(row.symbol, row.orderId)
        if known is not None or self.children.is_plain(row) or row.clientOrderId is None:
            return known
        found = await self.algo_row(("clientAlgoId", row.clientOrderId), priority)
        is_its = found is not None and (found.symbol, found.actualOrderId) == (row.symbol, row.orderId)
        return found if is_its else None

    async def open_algo_rows(self, symbol: Symbol | None, priority: Priority) -> list[models.AlgoRow]:
        call = get("/fapi/v1/openAlgoOrders", priority, _list_weights(symbol), _scope(symbol))
        rows = await self.read(call, lambda answer: check_rows(models.AlgoRow, answer))
        _check_scope(rows, symbol, "openAlgoOrders")
        return rows

    async def open_order_rows(self, symbol: Symbol | None, priority: Priority) -> list[models.OrderRow]:
        call = get("/fapi/v1/openOrders", priority, _list_weights(symbol), _scope(symbol))
        rows = await self.read(call, lambda answer: check_rows(models.OrderRow, answer))
        _check_scope(rows, symbol, "openOrders")
        return rows


def _check_scope(rows: Sequence[models.OrderRow | models.AlgoRow], symbol: Symbol | None, what: str) -> None:
    if symbol is not None and any(row.symbol != symbol for row in rows):
        raise VenueUnavailable(f"GET /fapi/v1/{what}: the answer is about other symbols than asked for")


def _scope(symbol: Symbol | None) -> Fields:
    return () if symbol is None else (("symbol", symbol),)


def _list_weights(symbol: Symbol | None) -> Weights:
    return limits.ALL_OPEN if symbol is None else limits.LIGHT
