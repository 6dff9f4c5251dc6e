"""How many orders are open, by what venues limit: all of them, conditional ones, icebergs; of one symbol and of the whole account."""

from collections import Counter
from enum import StrEnum

from ordergate.trading.ids import Symbol
from ordergate.trading.order import Terms


class OpenKind(StrEnum):
    """The value is the venues' filter of it."""

    ORDER = "MAX_NUM_ORDERS"
    CONDITIONAL = "MAX_NUM_ALGO_ORDERS"
    ICEBERG = "MAX_NUM_ICEBERG_ORDERS"

    @property
    def noun(self) -> str:
        return {
            OpenKind.ORDER: "orders",
            OpenKind.CONDITIONAL: "conditional orders",
            OpenKind.ICEBERG: "iceberg orders",
        }[self]


def kinds_of(terms: Terms) -> list[OpenKind]:
    """What an order of these terms counts as, while it is open. A conditional order does so after its trigger too: nobody says when it no longer does."""
    is_one = {
        OpenKind.ORDER: True,
        OpenKind.CONDITIONAL: terms.type.has_stop_price,
        OpenKind.ICEBERG: terms.iceberg_quantity is not None,
    }
    return [kind for kind, found in is_one.items() if found]


class OpenCounts:
    """Running counts; what is taken out must have been put in with the same terms."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Symbol | None, OpenKind]] = Counter()

    def put(self, symbol: Symbol, terms: Terms) -> None:
        self._add(symbol, terms, 1)

    def take(self, symbol: Symbol, terms: Terms) -> None:
        self._add(symbol, terms, -1)

    def of(self, symbol: Symbol | None, kind: OpenKind = OpenKind.ORDER) -> int:
        """symbol None: of all."""
        return self._counts[symbol, kind]

    def _add(self, symbol: Symbol, terms: Terms, change: int) -> None:
        for kind in kinds_of(terms):
            self._counts[symbol, kind] += change
            self._counts[None, kind] += change
