"""How many orders are open, by what venues limit: all of them, conditional ones, icebergs, lists; of one symbol and of the whole account."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from ordergate.trading.ids import ClientOrderId, Symbol
from ordergate.trading.order import OrderRequest


class OpenKind(StrEnum):
    """The value is the venues' filter of it."""

    ORDER = "MAX_NUM_ORDERS"
    CONDITIONAL = "MAX_NUM_ALGO_ORDERS"
    ICEBERG = "MAX_NUM_ICEBERG_ORDERS"
    LIST = "MAX_NUM_ORDER_LISTS"

    @property
    def noun(self) -> str:
        return {
            OpenKind.ORDER: "orders",
            OpenKind.CONDITIONAL: "conditional orders",
            OpenKind.ICEBERG: "iceberg orders",
            OpenKind.LIST: "order lists",
        }[self]


class OpenCounts:
    """Running counts; what is taken out must have been put in. A list is open while one of its orders is."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Symbol | None, OpenKind]] = Counter()
        self._legs: Counter[ClientOrderId] = Counter()  # open orders of each list

    def put(self, request: OrderRequest) -> None:
        for kind in self.adds(request):
            self._add(request.key.symbol, kind, 1)
        if request.order_list is not None:
            self._legs[request.order_list.list_client_order_id] += 1

    def take(self, request: OrderRequest) -> None:
        if request.order_list is not None:
            name = request.order_list.list_client_order_id
            self._legs[name] -= 1
            if not self._legs[name]:
                del self._legs[name]
        for kind in self.adds(request):
            self._add(request.key.symbol, kind, -1)

    def adds(self, request: OrderRequest) -> list[OpenKind]:
        """What one more order is one more of."""
        return [OpenKind.ORDER, *self._special(request)]

    def of(self, symbol: Symbol | None, kind: OpenKind = OpenKind.ORDER) -> int:
        """symbol None: of all."""
        return self._counts[symbol, kind]

    def _special(self, request: OrderRequest) -> Iterator[OpenKind]:
        terms, listed = request.terms, request.order_list
        if terms.type.has_stop_price:  # after its trigger too: nobody says when it no longer counts as one
            yield OpenKind.CONDITIONAL
        if terms.iceberg_quantity is not None:
            yield OpenKind.ICEBERG
        if listed is not None and not self._legs[listed.list_client_order_id]:
            yield OpenKind.LIST

    def _add(self, symbol: Symbol, kind: OpenKind, change: int) -> None:
        self._counts[symbol, kind] += change
        self._counts[None, kind] += change
