"""What `watch` shows: live orders, the last endings, the last fills, positions. Pure: messages go in, a picture comes out."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.cli import say, shown
from ordergate.trading.fills import Fill
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.order import IN_FLIGHT, Order, State
from ordergate.trading.position import Position

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

FILLS_KEPT = 50
ENDINGS_KEPT = 50
DISPENSABLE = (
    "sequence", "", "of", "why", "fills", "strategy", "fee", "fees", "type", "time (UTC)", "realised", "mark", "age", "price",
)  # fmt: skip
"""Columns that a narrow terminal does without, the first first; half a number would be worse than none."""
LINES_BESIDE_TABLES = 14
"""Titles, headers and empty lines."""


@dataclass(slots=True)
class Board:
    """Bounded: orders leave it when they end, of fills and endings only the last stay."""

    title: str
    live: dict[ClientOrderId, Order] = field(default_factory=dict)
    ended: deque[Order] = field(default_factory=lambda: deque(maxlen=ENDINGS_KEPT))
    fills: deque[tuple[int, Fill]] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    positions: dict[str, Position] = field(default_factory=dict)
    marks: dict[str, Decimal | None] = field(default_factory=dict)
    problem: str = ""

    def note_order(self, order: Order) -> None:
        name = order.key.client_order_id
        if order.state.is_terminal:
            self.live.pop(name, None)
            self.ended.append(order)
        else:
            self.live[name] = order

    def note_fill(self, fill: Fill, sequence: int) -> None:
        self.fills.append((sequence, fill))

    def note_position(self, position: Position) -> None:
        self.positions[position.symbol] = position

    @property
    def unknown(self) -> list[Order]:
        return [order for order in self.live.values() if order.state is State.UNKNOWN]

    def picture(self, now_ms: int, height: int, width: int) -> "RenderableType":
        from rich.console import Group  # noqa: PLC0415 - see the law of this room
        from rich.text import Text  # noqa: PLC0415

        positions = [
            row
            for symbol in sorted(self.positions)
            for row in shown.position_rows(self.positions[symbol], self.marks.get(symbol), by_strategy=False)
        ]
        room = max(3, height - LINES_BESIDE_TABLES - len(positions))
        orders = self._orders(room // 2)
        below = max(1, (room - len(orders)) // 2)
        endings = list(self.ended)[-below:]
        fills = list(self.fills)[-below:]
        return Group(
            Text(self.headline(now_ms), style="bold red" if self.problem or self.unknown else "bold"),
            _table("live orders", shown.ORDER_COLUMNS, [shown.order_row(order, now_ms) for order in orders], width),
            Text(),
            _table(
                "ended last",
                shown.ORDER_COLUMNS,
                [shown.order_row(order, now_ms) for order in reversed(endings)],
                width,
            ),
            Text(),
            _table(
                "fills", shown.FILL_COLUMNS, [shown.fill_row(fill, number) for number, fill in reversed(fills)], width
            ),
            Text(),
            _table("positions", shown.POSITION_COLUMNS, positions, width),
        )

    def headline(self, now_ms: int) -> str:
        """The counts that matter; unknown orders with the age of the oldest."""
        in_flight = sum(1 for order in self.live.values() if order.state in IN_FLIGHT)
        text = f"{self.title}  {say.clock(now_ms)} UTC  {len(self.live)} live, {in_flight} in flight"
        since = [order.unknown_since_ms or order.revised_at_ms for order in self.unknown]
        if since:
            text += f", {len(since)} UNKNOWN for up to {say.duration(max(0, now_ms - min(since)))}"
        return f"{text}  {self.problem}".rstrip()

    def _orders(self, most: int) -> list[Order]:
        """The unknown first: those are what an operator looks for."""
        ranked = sorted(
            self.live.values(),
            key=lambda order: (order.state is not State.UNKNOWN, -order.request.created_at_ms),
        )
        return ranked[: max(1, most)]


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> "Table":
    fitting, cells = say.fitted(columns, rows, width=width, dispensable=DISPENSABLE)
    return say.table(fitting, cells, title=title)
