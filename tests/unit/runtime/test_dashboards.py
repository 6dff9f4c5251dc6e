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

DEPLOY = Path(__file__).parents[3] / "deploy"
BOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
ALERTS = DEPLOY / "prometheus/alerts.yml"


def measured() -> set[str]:
    """The names of all series; _bucket, _count and _sum of histograms too."""
    found = set()
    for family in Metrics("test").registry.collect():
        ending = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        found |= {family.name + each for each in ending}
    return found


def queries(board: Path) -> Iterator[str]:
    panels: list[dict[str, Any]] = json.loads(board.read_text())["panels"]
    return (target["expr"] for panel in panels for target in panel["targets"])


def asked(text: str) -> set[str]:
    return set(re.findall(r"\bordergate_[a-z_]+", text))


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_shows_only_what_is_measured(board: Path) -> None:
    wanted = set().union(*map(asked, queries(board)))
    assert wanted
    assert wanted - measured() == set()


def test_an_alert_watches_only_what_is_measured() -> None:
    wanted = set().union(*map(asked, re.findall(r"^ +expr: (.*)$", ALERTS.read_text(), re.MULTILINE)))
    assert len(wanted) > 10
    assert wanted - measured() == set()


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
