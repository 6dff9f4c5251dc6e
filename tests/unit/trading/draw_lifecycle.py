"""Draws docs/lifecycle.md from the one table that moves orders, so that the picture cannot lie: `python -m tests.unit.trading.draw_lifecycle`."""

from collections import defaultdict
from pathlib import Path

from ordergate.trading.lifecycle import TRANSITIONS
from ordergate.trading.order import TERMINAL, State

PAGE = Path(__file__).parents[3] / "docs" / "lifecycle.md"

_HEAD = """# The life of an order

Generated from `TRANSITIONS` in `libs/ordergate/trading/lifecycle.py` by
`python -m tests.unit.trading.draw_lifecycle`; a test fails when it differs.

An order begins as `approved`, `refused` or `adopted`. An arrow is an event that may move it; everything without an arrow is
refused by name, and news that is old changes nothing. What a venue reports about an order that is over (a *correction*) is left
out of the picture and stands in the table below it.

An order that replaces another (`replaces`) has a life of its own in this picture, and so has the one that it replaces: that one's cancel
is asked for, and whether it ended the venue's answer, or a read, says (docs/decisions/0009).

So has every order of a list (`list`): they are approved and sent together, and one that ended before all were written ahead ends the
others unsent (docs/decisions/0010).
"""

_CORRECTIONS = """
## Corrections

A terminal state is left, or its executed quantity raised, only by a venue report that shows the order open or with more executed
than known; never by less.

| from | by | to |
|---|---|---|
"""

_STAYS = """
## Events that leave the state as it is

They may still say more (a cancel was asked for, the age of an unknown), or repeat what the snapshot holds already.

| state | events |
|---|---|
"""


def render() -> str:
    """The whole page."""
    return f"{_HEAD}\n```mermaid\n{_picture()}\n```\n{_CORRECTIONS}{_corrections()}\n{_STAYS}{_stays()}\n"


def _picture() -> str:
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {first}" for first in (State.APPROVED, State.REFUSED, State.ADOPTED)]
    for state, row in TRANSITIONS.items():
        if state in TERMINAL:
            lines.append(f"    {state} --> [*]")
            continue
        causes: dict[State, list[str]] = defaultdict(list)
        for event, targets in row.items():
            for target in targets:
                causes[target].append(event.__name__)
        lines += [f"    {state} --> {target}: {', '.join(causes[target])}" for target in State if target in causes]
    return "\n".join(lines)


def _corrections() -> str:
    rows = [
        f"| {state} | {event.__name__} | {', '.join(target for target in State if target in targets)} |"
        for state, row in TRANSITIONS.items()
        if state in TERMINAL
        for event, targets in row.items()
        if targets
    ]
    return "\n".join(rows)


def _stays() -> str:
    rows = [
        f"| {state} | {', '.join(event.__name__ for event, targets in row.items() if not targets)} |"
        for state, row in TRANSITIONS.items()
        if not all(row.values())
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
