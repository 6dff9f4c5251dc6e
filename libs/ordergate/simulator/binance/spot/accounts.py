"""An account: what it has of each asset, its orders for ever, its trades and its order lists."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from ordergate.simulator.binance.spot.orders import ALGOS, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ordergate.simulator.binance.spot.orders import OrderList, SpotOrder, SpotTrade

Kind = Literal["order", "algo", "iceberg"]
"""What filters count: every order, those with a trigger, those that show a part of themselves."""
_BY_ID = attrgetter("id")


class SpotAccount:
    """`totals` change with trades, `locked` with open orders; free is the difference."""

    __slots__ = (
        "_counts",
        "_held",
        "_named",
        "_told",
        "lists",
        "locked",
        "name",
        "open_orders",
        "orders",
        "totals",
        "trades",
        "uid",
        "updated_ms",
    )

    def __init__(self, name: str, *, uid: int, balances: Mapping[str, Decimal], now_ms: int = 0) -> None:
        """An account that holds nothing but money."""
        self.name = name
        self.uid = uid
        self.totals = dict(balances)
        self.locked: dict[str, Decimal] = dict.fromkeys(balances, ZERO)
        self.orders: list[SpotOrder] = []
        self.open_orders: dict[int, SpotOrder] = {}
        self.trades: dict[str, list[SpotTrade]] = {}
        self.lists: list[OrderList] = []
        self.updated_ms = now_ms
        self._counts: Counter[tuple[str | None, Kind]] = Counter()
        self._named: dict[str, list[SpotOrder]] = {}
        self._held: dict[int, Decimal] = {}
        self._told = {asset: (amount, ZERO) for asset, amount in balances.items()}

    def free(self, asset: str) -> Decimal:
        """What a new order may use."""
        return self.totals.get(asset, ZERO) - self.locked.get(asset, ZERO)

    def order(self, order_id: int) -> SpotOrder | None:
        """One of this account's orders, open or not."""
        at = bisect_left(self.orders, order_id, key=_BY_ID)
        if at < len(self.orders) and self.orders[at].id == order_id:
            return self.orders[at]
        return None

    def orders_from(self, order_id: int) -> Iterator[SpotOrder]:
        """Orders with at least this id, oldest first."""
        for at in range(bisect_left(self.orders, order_id, key=_BY_ID), len(self.orders)):
            yield self.orders[at]

    def trades_from(self, symbol: str, trade_id: int) -> Iterator[SpotTrade]:
        """Trades with at least this id, oldest first."""
        trades = self.trades.get(symbol, [])
        for at in range(bisect_left(trades, trade_id, key=_BY_ID), len(trades)):
            yield trades[at]

    def open_in(self, symbol: str | None) -> list[SpotOrder]:
        """Open orders of one symbol or of all, oldest first."""
        return [order for order in self.open_orders.values() if symbol in {None, order.symbol.name}]

    def count_open(self, symbol: str | None, kind: Kind) -> int:
        """How many orders of this kind are open in one symbol or in all."""
        return self._counts[symbol, kind]

    def named(self, client_order_id: str) -> list[SpotOrder]:
        """Every order that has this clientOrderId now, oldest first; more than one where a finished order frees its id."""
        return [order for order in self._named.get(client_order_id, ()) if order.client_order_id == client_order_id]

    def add(self, order: SpotOrder) -> None:
        """Keep a new order, open."""
        self.orders.append(order)
        self.open_orders[order.id] = order
        self._count(order, 1)
        self.name_order(order)

    def name_order(self, order: SpotOrder) -> None:
        """The order is found under its present clientOrderId from now on."""
        self._named.setdefault(order.client_order_id, []).append(order)

    def forget_open(self, order: SpotOrder) -> None:
        """The order is over."""
        if self.open_orders.pop(order.id, None) is not None:
            self._count(order, -1)

    def held(self, key: int) -> Decimal:
        """What is locked for the order, or the pair of orders, of this key."""
        return self._held.get(key, ZERO)

    def hold(self, key: int, asset: str, amount: Decimal) -> None:
        """Lock so much for the order, or the pair of orders, of this key, instead of what was locked for it before."""
        before = self._held.pop(key, ZERO)
        if amount:
            self._held[key] = amount
        self.locked[asset] = self.locked.get(asset, ZERO) + amount - before

    def move(self, asset: str, amount: Decimal) -> None:
        """Add to what the account has, or take away."""
        self.totals[asset] = self.totals.get(asset, ZERO) + amount
        self.locked.setdefault(asset, ZERO)

    def changed(self, assets: Iterable[str]) -> list[str]:
        """Which of these stand differently than when they were last asked for here; from now on they do not."""
        found = []
        for asset in assets:
            now = (self.free(asset), self.locked.get(asset, ZERO))
            if self._told.get(asset) != now:
                self._told[asset] = now
                found.append(asset)
        return found

    def _count(self, order: SpotOrder, change: int) -> None:
        kinds: tuple[tuple[Kind, bool], ...] = (
            ("order", True),
            ("algo", order.type in ALGOS),
            ("iceberg", bool(order.iceberg_lots)),
        )
        for kind, is_one in kinds:
            if is_one:
                self._counts[order.symbol.name, kind] += change
                self._counts[None, kind] += change
