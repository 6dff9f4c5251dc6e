"""The operations guide speaks of what there is."""

import re

from tests.house.source import ROOT

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_every_alarm_says_what_to_do() -> None:
    alarms = re.findall(r"alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    assert alarms
    assert re.findall(r"^\| `(Ordergate\w+)` \|", PAGE, re.MULTILINE) == alarms


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:docs|deploy)/[\w./-]+)`", PAGE))
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_every_command_that_it_names_is_there() -> None:
    source = (ROOT / "libs/ordergate/cli/app.py").read_text(encoding="utf-8")
    there = set(re.findall(r"^def (\w+)\(", source, re.MULTILINE)) | set(re.findall(r'name="(\w+)"', source))
    named = set(re.findall(r"`ordergate (\w+)", PAGE))
    assert {"restore", "doctor", "kill"} <= named
    assert named <= there
