"""The gate of Binance USD-M futures: every answer that its adapter reads, damaged, under any status and for any call."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ordergate.access.response import Response
from ordergate.access.session import Answered, Call
from ordergate.ports.venue import Priority
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import ErrorId, Symbol, TradeId
from ordergate.trading.order import VenueView
from ordergate.venues.binance import limits as binance
from ordergate.venues.binance.fields import check, check_rows
from ordergate.venues.binance_futures import limits, models, parse
from ordergate.venues.binance_futures.children import Children
from ordergate.venues.binance_futures.errors import Purpose, classify, classify_leg
from tests.fuzz.told import check_view
from tests.unit.venues import futures_rows

BALANCE = {
    "accountAlias": "x",
    "asset": "USDT",
    "balance": "23.7",
    "crossWalletBalance": "23.7",
    "updateTime": 1617939110373,
}
PREMIUM = {
    "symbol": "BTCUSDT",
    "markPrice": "64047.59",
    "indexPrice": "64040.0",
    "lastFundingRate": "0.0001",
    "time": 1767323045900,
}
INFO = {
    "timezone": "UTC",
    "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}],
    "symbols": [futures_rows.SYMBOL, {**futures_rows.SYMBOL, "symbol": "ETHUSDT"}],
}
ANSWERS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "order": (futures_rows.ORDER, futures_rows.CHILD),
        "algo": (futures_rows.ALGO, futures_rows.TRIGGERED),
        "orders": ([futures_rows.ORDER, futures_rows.CHILD],),
        "algos": ([futures_rows.ALGO, futures_rows.TRIGGERED],),
        "trades": ([futures_rows.TRADE, {**futures_rows.TRADE, "id": 698760}],),
        "positions": ([futures_rows.POSITION],),
        "balances": ([BALANCE],),
        "info": (INFO,),
        "prices": ([PREMIUM], PREMIUM),
        "listen_key": ({"listenKey": "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"},),
        "mode": ({"dualSidePosition": True},),
    }
)
REFUSALS: tuple[Any, ...] = (
    {"code": -1111, "msg": "Precision is over the maximum defined for this asset."},
    {"code": -4116, "msg": "ClientOrderId is duplicated."},
    {"code": -1000, "msg": "Unknown error, please check your request or try again later."},
    [{"code": -2022, "msg": "ReduceOnly Order is rejected."}, futures_rows.ORDER],
)


def _orders(document: Any) -> None:
    """As the list of open orders is read, the children of conditional orders among them."""
    children = Children()
    rows = check_rows(models.OrderRow, document)
    children.unknown(rows)
    for row in rows:
        if not children.expects(row):
            children.note_plain(row)
            _view(lambda row=row: parse.view(row))  # type: ignore[misc]


def _algos(document: Any) -> None:
    children = Children()
    rows = check_rows(models.AlgoRow, document)
    children.listed(rows, symbol=None)
    child = check(models.OrderRow, futures_rows.CHILD)
    for row in rows:
        children.note(row)
        parent = children.parent(child.symbol, child.orderId)
        _view(lambda row=row: parse.algo_view(row, None))  # type: ignore[misc]
        if parent is not None:
            _view(lambda parent=parent: parse.algo_view(parent, child))  # type: ignore[misc]


def _view(read: Callable[[], VenueView]) -> None:
    try:
        view = read()
    except Unreadable:
        return
    check_view(view)


_PARSERS: Mapping[str, Callable[[Any], object]] = MappingProxyType(
    {
        "order": lambda document: _view(lambda: parse.view(check(models.OrderRow, document))),
        "algo": lambda document: _view(lambda: parse.algo_view(check(models.AlgoRow, document), None)),
        "orders": _orders,
        "algos": _algos,
        "trades": lambda document: parse.trades_answer(document, symbol=Symbol("BTCUSDT"), from_id=TradeId("5")),
        "positions": parse.positions_answer,
        "balances": parse.balances_answer,
        "info": lambda document: (binance.published(document, limits.SCOPES), parse.instruments_answer(document)),
        "prices": parse.prices_answer,
        "listen_key": lambda document: check(models.ListenKeyAnswer, document),
        "mode": lambda document: check(models.PositionMode, document),
    }
)


def try_futures(name: str, data: bytes) -> str:
    """name: status and answer. Raises only for what is a find."""
    status, _, what = name.partition(" ")
    headers = {
        "retry-after": data[:12].decode("latin-1"),
        "date": data[:29].decode("latin-1"),
        "x-mbx-used-weight-1m": data[:9].decode("latin-1"),
    }
    response = Response(status=int(status), headers=headers, body=data)
    verdict = None
    for purpose in Purpose:
        call = Call(method="GET", path="/x", purpose=purpose, priority=Priority.POLL, weights=limits.LIGHT)
        verdict = classify(call, response, lambda: ErrorId("ours"))
        limits.read_usage(call, response)
    if not isinstance(verdict, Answered):
        return type(verdict).__name__
    document = verdict.document
    for leg in document if isinstance(document, list) else [document]:
        if parse.shown_order(leg) is None and parse.shown_algo(leg) is None:
            classify_leg(Purpose.BATCH, leg, ErrorId("leg"))
    try:
        _PARSERS[what](document)
    except Unreadable:
        return "unreadable"
    return "read"
