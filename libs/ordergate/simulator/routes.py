"""The routes of docs/venues/zetarium.md as one table, and what each answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ordergate.simulator.exchange import Exchange, Placed
from ordergate.simulator.intake import CLIENT_ORDER_ID, read_id, read_integer, read_object, read_order
from ordergate.simulator.orders import Order, Status
from ordergate.simulator.refusal import ORDER_NOT_FOUND, Refusal, invalid
from ordergate.simulator.render import (
    Row,
    balance_row,
    closed_position_row,
    order_row,
    position_row,
    symbol_row,
    ticker_row,
    trade_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.accounts import Account
    from ordergate.simulator.limits import Bucket
    from ordergate.simulator.sight import Sight

Answer = dict[str, object]
BATCH_MAX = 10
ORDERS_MAX = 500
TRADES_MAX = 1000
ID_MAX = 10**15
# Without those of other venues, which no order of this one ever has.
_STATUSES = frozenset(Status) - {Status.EXPIRED, Status.EXPIRED_IN_MATCH}


@dataclass(slots=True, eq=False)
class Call:
    """A request that passed the gate. `parameters` are those of the query without `timestamp` and `signature`."""

    account: Account | None
    parameters: dict[str, str]
    body: bytes
    now_ms: int
    path_id: int | None = None
    sight: Sight | None = None

    @property
    def owner(self) -> Account:
        """The account of a signed call; the gate has made sure of it."""
        if self.account is None:
            message = "an unsigned call has no account"
            raise LookupError(message)
        return self.account


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. `buckets` from the widest to the narrowest."""

    name: str
    answer: Callable[[Exchange, Call], Answer | Refusal]
    buckets: tuple[Bucket, ...] = ("requests",)
    signed: bool = True
    trades: bool = False


def find_route(method: str, path: str) -> tuple[Route | None, int | None]:
    """The route of a request, and the id in its path."""
    route = ROUTES.get((method, path))
    if route is not None:
        return route, None
    head, _, tail = path.rpartition("/")
    if head == "/v2/orders" and tail:
        # An id that is no number is no order: the same 404 as an unknown one.
        return ROUTES.get((method, "/v2/orders/:id")), read_id(tail)
    return None, None


def _health(exchange: Exchange, call: Call) -> Answer:
    del exchange, call
    return {"ok": True}


def _status(exchange: Exchange, call: Call) -> Answer:
    del exchange
    return {"ok": True, "status": "ONLINE", "serverTime": call.now_ms}


def _symbols(exchange: Exchange, call: Call) -> Answer:
    del call
    return {"ok": True, "symbols": [symbol_row(market) for market in exchange.markets.values()]}


def _tickers(exchange: Exchange, call: Call) -> Answer:
    return {"ok": True, "tickers": [ticker_row(market, call.now_ms) for market in exchange.markets.values()]}


def _place(exchange: Exchange, call: Call) -> Answer | Refusal:
    fields = read_object(call.body)
    return fields if isinstance(fields, Refusal) else _place_one(exchange, call, fields)


def _place_one(exchange: Exchange, call: Call, fields: object) -> Answer | Refusal:
    if not isinstance(fields, dict):
        return invalid("Order is not an object")
    request = read_order(fields)
    if isinstance(request, Refusal):
        return request
    placed = exchange.place(call.owner, request, call.now_ms)
    if isinstance(placed, Refusal):
        return placed
    return _placed_row(placed)


def _placed_row(placed: Placed) -> Answer:
    row = order_row(placed.order)
    answer: Answer = {"ok": True, "order": row, "venue": {"orderId": row["venueOrderId"], "status": row["status"]}}
    if placed.idempotent:
        answer["idempotent"] = True
    return answer


def _place_batch(exchange: Exchange, call: Call) -> Answer | Refusal:
    fields = read_object(call.body)
    if isinstance(fields, Refusal):
        return fields
    rows = fields.get("orders")
    if len(fields) != 1 or not isinstance(rows, list) or not 1 <= len(rows) <= BATCH_MAX:
        return invalid(f"orders must be a list of 1 to {BATCH_MAX}")
    return {"ok": True, "results": [_place_one(exchange, call, row) for row in rows]}


def _get_order(exchange: Exchange, call: Call) -> Answer | Refusal:
    del exchange
    order = _seen(call, call.owner.order(call.path_id or 0))
    return ORDER_NOT_FOUND if order is None else {"ok": True, "order": order_row(order)}


def _list_orders(exchange: Exchange, call: Call) -> Answer | Refusal:
    parameters = call.parameters
    if not {"clientOrderId", "symbol", "status", "limit", "afterId"}.issuperset(parameters):
        return invalid("Unknown query parameter")
    limit = read_integer(parameters, "limit", default=100, lowest=1, highest=ORDERS_MAX)
    after = read_integer(parameters, "afterId", default=0, lowest=0, highest=ID_MAX)
    status, symbol = parameters.get("status"), parameters.get("symbol")
    if limit is None or after is None or not (status in {None, "OPEN"} or status in _STATUSES):
        return invalid("limit, afterId or status is wrong")
    rows = (
        order_row(order)
        for order in _candidates(exchange, call, status, after)
        if order.id > after
        and (symbol is None or order.symbol.name == symbol)
        and (order.is_open if status == "OPEN" else status is None or order.status == status)
    )
    return {"ok": True, "orders": list(islice(rows, limit))}


def _seen(call: Call, order: Order | None) -> Order | None:
    return order if order is None or call.sight is None else call.sight.order(order, call.now_ms)


def _candidates(exchange: Exchange, call: Call, status: str | None, after: int) -> Iterable[Order]:
    account, client_order_id = call.owner, call.parameters.get("clientOrderId")
    if client_order_id is not None:
        known = exchange.orders_by_client_id(account, client_order_id) if CLIENT_ORDER_ID(client_order_id) else []
        found: Iterable[Order] = known
    elif status == "OPEN" and call.sight is None:
        return account.open_orders.values()
    else:
        found = account.orders_after(after)
    return (seen for order in found if (seen := _seen(call, order)) is not None)


def _cancel(exchange: Exchange, call: Call) -> Answer | Refusal:
    order = exchange.cancel(call.owner, call.path_id or 0, call.now_ms)
    return order if isinstance(order, Refusal) else {"ok": True, "order": order_row(order)}


def _cancel_all(exchange: Exchange, call: Call) -> Answer | Refusal:
    if not {"symbol"}.issuperset(call.parameters):
        return invalid("Unknown query parameter")
    orders = exchange.cancel_all(call.owner, call.parameters.get("symbol"), call.now_ms)
    return {"ok": True, "orders": [order_row(order) for order in orders]}


def _my_trades(exchange: Exchange, call: Call) -> Answer | Refusal:
    parameters = call.parameters
    limit = read_integer(parameters, "limit", default=500, lowest=1, highest=TRADES_MAX)
    from_id = read_integer(parameters, "fromId", default=0, lowest=0, highest=ID_MAX)
    symbol = parameters.get("symbol", "")
    if not {"symbol", "fromId", "limit"}.issuperset(parameters) or limit is None or from_id is None:
        return invalid("limit, fromId or another query parameter is wrong")
    if symbol not in exchange.markets:
        return invalid("Unknown symbol")
    shown = call.owner.takes_from(symbol, from_id)
    if call.sight is None:
        trades = list(islice(shown, limit))
    else:
        trades = call.sight.arranged(list(islice(call.sight.trades(shown, call.now_ms), limit)))
    return {"ok": True, "trades": [trade_row(trade, exchange.fees) for trade in trades]}


def _positions(exchange: Exchange, call: Call) -> Answer | Refusal:
    status = call.parameters.get("status", "OPEN")
    if not {"status"}.issuperset(call.parameters) or status not in {"OPEN", "CLOSED"}:
        return invalid("status must be OPEN or CLOSED")
    rows: list[Row] = []
    held = call.owner.positions.values() if call.sight is None else call.sight.positions(call.owner, call.now_ms)
    for position in held:
        market = exchange.markets[position.symbol.name]
        if status == "CLOSED":
            rows += [closed_position_row(episode, position, call.owner, market) for episode in position.closed]
        elif position.lots:
            rows.append(position_row(position, call.owner, market))
    return {"ok": True, "positions": rows}


def _close_position(exchange: Exchange, call: Call) -> Answer | Refusal:
    fields = read_object(call.body)
    if isinstance(fields, Refusal):
        return fields
    position_id = fields.get("positionId")
    if len(fields) != 1 or not isinstance(position_id, str):
        return invalid("positionId is missing, not a string or not alone")
    order = exchange.close_position(call.owner, read_id(position_id), call.now_ms)
    return order if isinstance(order, Refusal) else {"ok": True, "order": order_row(order)}


def _balance(exchange: Exchange, call: Call) -> Answer:
    return {"ok": True, "balances": {"assets": [balance_row(call.owner, exchange.markets)]}}


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/health"): Route(name="GET /health", answer=_health, buckets=(), signed=False),
    ("GET", "/v2/platform/status"): Route(name="GET /v2/platform/status", answer=_status, signed=False),
    ("GET", "/v2/symbols"): Route(name="GET /v2/symbols", answer=_symbols, signed=False),
    ("GET", "/v2/tickers"): Route(name="GET /v2/tickers", answer=_tickers, signed=False),
    ("POST", "/v2/orders"): Route(name="POST /v2/orders", answer=_place, buckets=("requests", "orders"), trades=True),
    ("POST", "/v2/orders/batch"): Route(
        name="POST /v2/orders/batch", answer=_place_batch, buckets=("requests", "batch"), trades=True
    ),
    ("GET", "/v2/orders"): Route(name="GET /v2/orders", answer=_list_orders),
    ("GET", "/v2/orders/:id"): Route(name="GET /v2/orders/:id", answer=_get_order),
    ("DELETE", "/v2/orders/:id"): Route(name="DELETE /v2/orders/:id", answer=_cancel, trades=True),
    ("DELETE", "/v2/orders"): Route(name="DELETE /v2/orders", answer=_cancel_all, trades=True),
    ("GET", "/v2/futures/myTrades"): Route(name="GET /v2/futures/myTrades", answer=_my_trades),
    ("GET", "/v2/positions"): Route(name="GET /v2/positions", answer=_positions),
    ("POST", "/v2/positions/close"): Route(
        name="POST /v2/positions/close", answer=_close_position, buckets=("requests", "close"), trades=True
    ),
    ("GET", "/v2/futures/balance"): Route(name="GET /v2/futures/balance", answer=_balance),
}
