"""What was measured, as a table for people and as one line of JSON for programs."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

MODES = ("durable", "relaxed")
ACCESS = ("signing", "budgetDecisionUs", "rotation", "budget")
"""What does not depend on how the bus stores."""
TARGETS: Mapping[str, Mapping[str, float]] = {
    "intentToWireMs.p50": {"durable": 3.5, "relaxed": 2.0},
    "ordersPerSecond": {"durable": 300, "relaxed": 1_000},
    "fillsPerSecond": {"durable": 2_000, "relaxed": 5_000},
}


def rounded(figure: Any) -> Any:
    """Three significant decimals at most: more would pretend."""
    if isinstance(figure, Mapping):
        return {name: rounded(part) for name, part in figure.items()}
    if isinstance(figure, float):
        return round(figure, 3) if abs(figure) < 100 else round(figure)  # noqa: PLR2004
    return figure


def show(result: Mapping[str, Any], *, notes: list[str]) -> None:
    """The table, the notes, and the JSON as the last line."""
    console = Console(width=130)
    table = Table(title="ordergate, everything on this machine", title_justify="left")
    table.add_column("figure")
    for mode in MODES:
        table.add_column(f"{mode} (fsync {'on' if mode == 'durable' else 'off'})", justify="right")
        table.add_column("target", justify="right")
    for name, figure in result.items():
        if isinstance(figure, Mapping) and set(figure) == set(MODES):
            for path in _paths(figure[MODES[0]]):
                cells = [name + path]
                for mode in MODES:
                    target = TARGETS.get(name + path, {}).get(mode)
                    cells += [_text(_at(figure[mode], path)), "" if target is None else f"{target:g}"]
                table.add_row(*cells)
    console.print(table)
    for part in ACCESS:
        if isinstance(result.get(part), Mapping):
            console.print(part, _plain(result[part]), sep="\n", highlight=False)
    for note in notes:
        console.print(note, highlight=False)
    sys.stdout.write(json.dumps(rounded(result)) + "\n")


def _plain(figures: Mapping[str, Any]) -> Table:
    """Figures that have no mode: one row each, or, of runs that are compared, one row a run."""
    rows = {name: each if isinstance(each, Mapping) else {"": each} for name, each in figures.items()}
    columns = list(dict.fromkeys(name for row in rows.values() for name, each in row.items() if _is_number(each)))
    table = Table()
    for heading in ("", *columns):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in rows.items():
        table.add_row(name, *(_text(row.get(column)) for column in columns))
    return table


def _is_number(figure: Any) -> bool:
    return isinstance(figure, int | float)


def _paths(figure: Any) -> list[str]:
    if not isinstance(figure, Mapping):
        return [""]
    return [f".{name}{below}" for name, part in figure.items() for below in _paths(part)]


def _at(figure: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        figure = figure.get(name) if isinstance(figure, Mapping) else None
    return figure


def _text(figure: Any) -> str:
    value = rounded(figure)
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def show_soak(memory: Mapping[str, Mapping[str, float]]) -> None:
    """Resident MB of each process by how many orders it had seen, and the same as JSON."""
    table = Table(title="resident memory, MB", title_justify="left")
    table.add_column("after orders")
    names = list(next(iter(memory.values())))
    for name in names:
        table.add_column(name, justify="right")
    for orders, parts in memory.items():
        table.add_row(f"{int(orders):,}", *(f"{parts[name]:.0f}" for name in names))
    Console(width=130).print(table)
    sys.stdout.write(json.dumps({"rssMbAfterOrders": rounded(memory)}) + "\n")
