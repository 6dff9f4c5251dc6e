"""What dashboards and alerts ask for is what the services measure; an alert on a metric that nobody has never fires."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordergate.runtime.metrics import Metrics
from tests.queries import absent_in_text, absent_labels, asked, first_events, series, values_nobody_gives

DEPLOY = Path(__file__).parents[3] / "deploy"
BOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
ALERTS = DEPLOY / "prometheus/alerts.yml"
SCRAPED = frozenset({"job", "instance", "process"})
"""Labels that deploy/prometheus/prometheus.yml adds."""


def queries(board: Path) -> Iterator[str]:
    panels: list[dict[str, Any]] = json.loads(board.read_text())["panels"]
    return (target["expr"] for panel in panels for target in panel["targets"])


def alerts() -> list[tuple[str, str, str]]:
    """Name, expression, and all that follows."""
    rules = re.split(r"\n      - alert: ", ALERTS.read_text())[1:]
    found = [re.fullmatch(r"(\w+)\n +expr: ([^\n]*)\n(.*)", rule, re.DOTALL) for rule in rules]
    assert all(found)
    return [(each[1], each[2], each[3]) for each in found if each]


def unanswered(expression: str) -> set[object]:
    """What of an expression no series of ours can answer: names, labels, values."""
    names = asked(expression) - series().keys()
    return {*names} if names else {*absent_labels(expression, scraped=SCRAPED), *values_nobody_gives(expression)}


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_shows_only_what_is_measured(board: Path) -> None:
    expressions = list(queries(board))
    assert any(asked(each) for each in expressions)
    assert {each: found for each in expressions if (found := unanswered(each))} == {}


def test_an_alert_watches_only_what_is_measured() -> None:
    assert sum(bool(asked(expression)) for _, expression, _ in alerts()) > 10
    assert {name: found for name, expression, _ in alerts() if (found := unanswered(expression))} == {}


def test_an_alert_names_only_labels_that_it_has() -> None:
    assert {
        name: found
        for name, expression, text in alerts()
        if (found := absent_in_text(expression, text, scraped=SCRAPED))
    } == {}


def test_every_metric_is_measured_by_somebody() -> None:
    """A metric that no code moves is an empty panel and an alert that never fires."""
    code = [
        file.read_text()
        for folder in ("libs", "services")
        for file in (DEPLOY.parent / folder).rglob("*.py")
        if file.name != "metrics.py"
    ]
    moved = set().union(*(re.findall(r"metrics\.(\w+)\(", text) for text in code))
    ways = {name for name, each in vars(Metrics).items() if callable(each) and not name.startswith("_")}
    assert len(ways) > 20
    assert ways - moved - {"exposition"} == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    rules = re.split(r"\n      - alert: ", ALERTS.read_text())[1:]
    assert rules
    assert [rule.split("\n")[0] for rule in rules if not re.search(r"severity: (page|warning)", rule)] == []
    assert [rule.split("\n")[0] for rule in rules if 'action: "' not in rule or 'summary: "' not in rule] == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_reads_its_files_and_the_alerts_fire_when_they_should(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=ALERTS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_first_event_of_a_process_is_heard_too(tmp_path: Path) -> None:
    tried = first_events({name: expression for name, expression, _ in alerts()}, str(ALERTS))
    assert len(tried["tests"]) > 2
    test = tmp_path / "test.json"
    test.write_text(json.dumps(tried))
    done = subprocess.run(["promtool", "test", "rules", test], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
