"""Which ordinary orders are children of conditional ones: made by their trigger, with a number of their own.

What the venue documents is `actualOrderId` of the conditional order. What it does not, and public reports show, is that the child bears the conditional
order's client id: used here only to ask the right question, never as the answer.
"""

from collections.abc import Iterable
from typing import Any

from ordergate.venues.binance_futures.models import AlgoRow, OrderRow
from ordergate.venues.binance_futures.parse import OPEN_ALGO

REMEMBERED_MAX = 20_000

ChildKey = tuple[str, str]
"""Symbol and orderId: numbers are promised to grow by symbol only."""


class Children:
    """What this process has seen; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._parents: dict[ChildKey, AlgoRow] = {}
        self._plain: dict[ChildKey, None] = {}
        self._open: dict[str, AlgoRow] = {}

    def note(self, row: AlgoRow) -> None:
        """A conditional order as an answer or an event shows it."""
        if row.algoStatus in OPEN_ALGO and row.actualOrderId is None:
            self._open[row.algoId] = row
            _trim(self._open)
            return
        self._open.pop(row.algoId, None)
        if row.actualOrderId is None:
            return
        self._parents.pop((row.symbol, row.actualOrderId), None)
        self._parents[row.symbol, row.actualOrderId] = row
        _trim(self._parents)

    def note_plain(self, row: OrderRow) -> None:
        """An order that was looked at and is no child."""
        self._plain[_key(row)] = None
        _trim(self._plain)

    def parent(self, symbol: str, order_id: str) -> AlgoRow | None:
        """The conditional order as last seen; its state may be older than its child's."""
        return self._parents.get((symbol, order_id))

    def is_plain(self, row: OrderRow) -> bool:
        return _key(row) in self._plain

    def unknown(self, rows: Iterable[OrderRow]) -> list[OrderRow]:
        """Those of which it is not known yet whether they are children."""
        return [row for row in rows if _key(row) not in self._plain and _key(row) not in self._parents]

    def listed(self, rows: Iterable[AlgoRow], *, symbol: str | None) -> list[AlgoRow]:
        """Note a complete list of open conditional orders; those that were in the last and are in this no more."""
        now = {row.algoId: row for row in rows}
        before = {name: row for name, row in self._open.items() if symbol in {None, row.symbol}}
        self._open = {name: row for name, row in self._open.items() if name not in before} | now
        for row in now.values():
            self.note(row)
        return [row for name, row in before.items() if name not in now]

    def expects(self, row: OrderRow) -> bool:
        """Whether an open conditional order may be about to turn out to be its parent: same symbol, side and client id, and no child known."""
        return any(
            each.algoStatus in OPEN_ALGO
            and each.actualOrderId is None
            and (each.symbol, each.side, each.clientAlgoId) == (row.symbol, row.side, row.clientOrderId)
            for each in self._open.values()
        )


def may_be_child(algo: AlgoRow, row: OrderRow) -> bool:
    """Whether the order's terms are those that the conditional order's trigger would give it."""
    quantities = {row.origQty, None, 0}
    return (algo.symbol, algo.side, algo.positionSide) == (row.symbol, row.side, row.positionSide) and (
        algo.quantity in quantities
    )


def _key(row: OrderRow) -> ChildKey:
    return row.symbol, row.orderId


def _trim(kept: dict[Any, Any]) -> None:
    while len(kept) > REMEMBERED_MAX:
        del kept[next(iter(kept))]
