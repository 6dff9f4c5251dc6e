"""Conditional orders in the books that the door `/simulator/ledger` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.orders import AlgoStatus
from ordergate.simulator.orders import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.binance.futures.accounts import FuturesAccount
    from ordergate.simulator.binance.futures.orders import AlgoOrder
    from ordergate.simulator.binance.futures.rows import Row

_ENDED = {
    AlgoStatus.CANCELED: Status.CANCELED,
    AlgoStatus.REJECTED: Status.REJECTED,
    AlgoStatus.EXPIRED: Status.EXPIRED,
}


def childless_rows(accounts: Iterable[FuturesAccount]) -> list[Row]:
    """Those that made no order: the others are in the books by the order that they made."""
    return [_row(algo, account) for account in accounts for algo in account.algo_orders.values() if algo.child is None]


def _row(algo: AlgoOrder, account: FuturesAccount) -> Row:
    symbol = algo.symbol
    return {
        "account": account.name,
        "clientOrderId": algo.client_id,
        "id": f"algo-{algo.id}",
        "symbol": symbol.name,
        "side": algo.side,
        "type": algo.type,
        "positionSide": algo.position_side,
        "quantity": "0" if algo.lots is None else symbol.quantity_text(algo.lots),
        "price": None if algo.price is None else symbol.price_text(algo.price),
        "stopPrice": None if algo.trigger is None else symbol.price_text(algo.trigger),
        "executedQuantity": "0",
        "status": _ENDED.get(algo.status, Status.NEW),
        "createdAtMs": algo.created_ms,
        "updatedAtMs": algo.updated_ms,
    }
