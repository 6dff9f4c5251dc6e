"""What runs in the simulation asks no real clock and draws no real chance, by name, at source level (tests/simulation refuses it at run time).

Time is ports.clock or the running loop's; chance and names are drawn by what is handed in. Who really knows the machine stands in
`ALLOWED` with the reason.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import python_files, tree

SIMULATED = (
    "libs/ordergate/trading",
    "libs/ordergate/wire",
    "libs/ordergate/ports",
    "services/*/*.py",
    "libs/ordergate/runtime/*.py",
    "tests/simulation",
)
FORBIDDEN = frozenset(
    {"time", "random", "secrets", "uuid", "threading", "concurrent.futures", "multiprocessing", "socket"}
)
CALLS = frozenset({"now", "today", "utcnow", "urandom", "to_thread", "run_in_executor", "getrandom"})
"""Of datetime, os, asyncio and loops."""

SIMULATED_RUNTIME = frozenset({
    "checkpoint", "connection", "control", "delivery", "feed", "graveyard", "intents", "jetstream", "lane",
    "lean", "ledger", "market", "ordered", "positions", "presence", "publisher", "pull", "shelf", "transport",
})  # fmt: skip
"""The modules of runtime/ that run unchanged over the simulated bus; the others are the machine's."""

ALLOWED = {
    # secrets.token_hex is what a real process is given where nothing else is handed in; the simulation hands in a seeded draw.
    ("libs/ordergate/runtime/connection.py", "secrets"),
    ("services/prepare/__main__.py", "now"),  # a command of one machine: certificates begin today
    ("libs/ordergate/runtime/lean.py", "secrets"),
    ("libs/ordergate/runtime/ledger.py", "secrets"),
}


OUTSIDE = frozenset({"__main__", "runner", "ambient"})
"""Of tests/simulation: what counts histories a second, spreads them over cores, and shuts the real world out."""


def simulated_files() -> list[Path]:
    return [path for path in python_files(*SIMULATED) if _is_simulated(path)]


def _is_simulated(path: Path) -> bool:
    match path.parent.name:
        case "runtime":
            return path.stem in SIMULATED_RUNTIME
        case "simulation":
            return path.stem not in OUTSIDE and not path.stem.startswith("test_")
        case _:
            return True


def uses(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each ambient thing."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in FORBIDDEN)
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN:
            if [alias.name for alias in node.names] != ["Random"]:
                yield node.lineno, str(node.module)
        elif isinstance(node, ast.Call):
            yield from _called(node)


def _called(call: ast.Call) -> Iterator[tuple[int, str]]:
    match call.func:
        case ast.Attribute(attr=name) if name in CALLS:
            yield call.lineno, name
        case ast.Name(id="Random") if not call.args:  # without a seed
            yield call.lineno, "Random()"
        case _:
            return


def test_nothing_simulated_asks_the_machine_for_time_or_chance() -> None:
    found = [
        f"{path}:{line} {name}"
        for path in simulated_files()
        for line, name in uses(tree(path))
        if (path.as_posix(), name) not in ALLOWED
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from random import random",
        "import uuid",
        "from concurrent.futures import ThreadPoolExecutor",
        "datetime.now()",
        "os.urandom(8)",
        "asyncio.to_thread(work)",
        "from random import Random, random",
        "draws = Random()",
    ],
)
def test_the_rule_sees(line: str) -> None:
    assert list(uses(ast.parse(line)))


def test_the_rule_lets_pass_what_is_handed_in_or_seeded_and_reads_the_files() -> None:
    assert not list(uses(ast.parse("from random import Random\nclock.now_ms(); loop.time(); Random(seed)")))
    assert len(simulated_files()) > 60
    assert {path.stem for path in simulated_files()} >= SIMULATED_RUNTIME
