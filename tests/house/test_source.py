"""Rules about code that neither ruff nor an import contract can see. Each names its offenders as file:line."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from tests.house.source import imports, python_files, spoken_strings, tree

CORE = "libs/ordergate/trading"
SUBJECT = re.compile(
    r"(intents|orders|fills|positions|reconciliation|answers|dead|budget)\.(\w|[*>{]|$)"
    # also words of other trades (a span, a metric), so only where a pattern or a template follows
    r"|(risk|requests)\.([*>{]|$)"
)
STREAMS = {"INTENTS", "ORDERS", "FILLS", "POSITIONS", "AUDIT", "DEAD"}
BUCKETS = {"CONTROL", "CURSORS", "LEASES", "CHECKPOINTS", "INSTRUMENTS", "ERRORS"}


def test_the_core_imports_nothing_but_the_standard_library() -> None:
    offenders = [
        f"{path}:{line} {name}"
        for path in python_files(CORE)
        for line, name in imports(tree(path))
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("ordergate.trading")
    ]
    assert offenders == []


def test_money_is_never_a_float_in_the_core() -> None:
    offenders = [
        f"{path}:{node.lineno}"
        for path in python_files(CORE)
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    ]
    assert offenders == []


def test_a_venue_adapter_turns_nothing_into_a_float() -> None:
    offenders = [
        f"{path}:{call.lineno}"
        for path in python_files("libs/ordergate/venues")
        for call in _calls(tree(path))
        if isinstance(call.func, ast.Name) and call.func.id == "float"
    ]
    assert offenders == []


def test_the_core_and_the_handlers_are_told_the_time() -> None:
    offenders = [
        f"{path}:{call.lineno}"
        for path in python_files(CORE, "services/*/handlers.py")
        for call in _calls(tree(path))
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"now", "utcnow", "today"}
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"datetime", "date"}
    ]
    assert offenders == []


def test_the_core_and_the_handlers_draw_no_chance() -> None:
    offenders = [
        f"{path}:{line} {name}"
        for path in python_files(CORE, "services/*/handlers.py")
        for line, name in imports(tree(path))
        if name.split(".")[0] in {"random", "secrets", "time", "uuid"}
    ]
    assert offenders == []


def test_only_the_wire_spells_a_subject_a_stream_or_a_bucket() -> None:
    """Rooms that know no bus may say an exchange's word that happens to be one of ours: Binance has a limit called ORDERS."""
    wire = python_files("libs/ordergate/wire")
    busless = python_files("libs/ordergate/venues", "libs/ordergate/simulator")
    offenders = [
        f"{path}:{line} {value!r}"
        for path in python_files("libs", "services")
        if path not in wire
        for line, value in spoken_strings(tree(path))
        if SUBJECT.match(value) or (value in STREAMS | BUCKETS and path not in busless)
    ]
    assert offenders == []


def test_only_the_ledger_writes_orders_and_only_the_publisher_fills() -> None:
    """One unguarded message on ORDERS voids the compare-and-set of its order, one on FILLS stores a trade twice: so the subjects of both
    are made where their guard is, and nowhere that could publish.
    """
    homes = {
        "order_address": {"libs/ordergate/runtime/ledger.py"},
        "order": {"libs/ordergate/runtime/ledger.py"},
        "encode_order": {"libs/ordergate/runtime/ledger.py"},
        "fill": {"libs/ordergate/runtime/publisher.py"},
        "encode_fill": {"libs/ordergate/runtime/publisher.py"},
    }
    production = [
        path
        for path in python_files("libs", "services")
        if path.parent.as_posix() not in {"libs/ordergate/wire", "libs/ordergate/simulator"}
    ]
    asked = {
        (call.func.attr, path.as_posix()): call.lineno
        for path in production
        for call in _calls(tree(path))
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"subjects", "codec", "facts"}
        and call.func.attr in homes
    }
    offenders = [f"{path}:{line} {name}" for (name, path), line in asked.items() if path not in homes[name]]
    assert offenders == []
    assert {path for _, path in asked} == {home for each in homes.values() for home in each}


def test_the_subject_of_an_order_or_a_fill_is_taken_from_the_wire_by_its_full_name() -> None:
    """`from ordergate.wire.subjects import order_address` would hide from the rule above."""
    offenders = [
        f"{path}:{node.lineno}"
        for path in python_files("libs", "services")
        if path.parent.as_posix() != "libs/ordergate/wire"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom)
        and node.module in {"ordergate.wire.subjects", "ordergate.wire.codec"}
        and {alias.name for alias in node.names} & {"order_address", "order", "fill", "encode_order", "encode_fill"}
    ]
    assert offenders == []


def test_every_room_states_its_law() -> None:
    rooms = [path for path in python_files("libs", "services") if path.name == "__init__.py"]
    assert rooms
    assert [str(path) for path in rooms if not ast.get_docstring(tree(path))] == []


def test_nothing_is_left_unwritten() -> None:
    offenders = [
        f"{path}:{node.lineno}"
        for path in python_files("libs", "services", "bench", "examples")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    assert offenders == []


def test_no_test_sleeps() -> None:
    """A test waits for a fact, with a limit. `asyncio.sleep(0)` waits for nothing: it lets the loop turn once.

    In the simulation time is virtual: a sleep there is a date, and takes none.
    """
    offenders = [
        f"{path}:{call.lineno}"
        for path in python_files("tests")
        if path.name.startswith("test_") and path.parent.name != "simulation"
        for call in _calls(tree(path))
        if isinstance(call.func, ast.Attribute) and call.func.attr == "sleep" and not _is_zero(call)
        if isinstance(call.func.value, ast.Name) and call.func.value.id in {"asyncio", "time"}
    ]
    assert offenders == []


def _calls(module: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module) if isinstance(node, ast.Call))


def _is_zero(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
