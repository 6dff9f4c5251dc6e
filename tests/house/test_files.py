"""Rules about what the repository may hold."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.house.source import ROOT, files, text

# Where packages come from is the business of whoever installs them: their mirror, not ours.
DOWNLOAD_ADDRESS = re.compile(
    r"pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org|--(?:(?:extra-)?index-url|find-links|trusted-host)"
)
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(root|home|Users|work)/[\w.]")
DECISION_HEADINGS = ["## Context", "## Measurement", "## Decision", "## Enforced by"]
# Each lock is a part of the next, with the same versions.
LOCKS = ["runtime", "dev", "bench"]
RANGES = ["client", *LOCKS]
PEERS = "peers"
"""Beside the others: dev with the public clients, whose releases nothing of ours depends on."""
BESIDE = [PEERS, "kubernetes", "build"]
"""kubernetes: what comes to dev for `make k8s-check`; build: with what the one package without a wheel is built."""


def test_no_file_holds_a_download_address() -> None:
    assert [str(path) for path in files() if path.name == "uv.lock" or _holds(path, DOWNLOAD_ADDRESS)] == []


def test_no_requirement_says_where_from() -> None:
    requirements = [path for path in files() if path.parent.name == "requirements" and path.suffix in {".in", ".lock"}]
    assert requirements
    assert [str(path) for path in requirements if "://" in text(path)] == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    assert [str(path) for path in files() if _holds(path, MACHINE_PATH)] == []


def test_every_decision_says_what_was_measured_and_what_enforces_it() -> None:
    decisions = [path for path in files() if path.parent == Path("docs/decisions")]
    assert len(decisions) > 1
    offenders = [
        str(page) for page in decisions if re.findall(r"^## .*", text(page), re.MULTILINE) != DECISION_HEADINGS
    ]
    assert offenders == []


@pytest.mark.parametrize("lock", [*LOCKS, *BESIDE])
def test_every_locked_package_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\w)", (ROOT / f"requirements/{lock}.lock").read_text(encoding="utf-8"))
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_all_that_its_ranges_ask_for(lock: str) -> None:
    locked = _locked(lock)
    asked = [need for name in RANGES[: RANGES.index(lock) + 1] for need in _asked(name)]
    offenders = [str(need) for need in asked if not need.specifier.contains(locked.get(need.name, Version("0")))]
    assert asked
    assert offenders == []


@pytest.mark.parametrize(("part", "whole"), [*pairwise(LOCKS), ("dev", PEERS)])
def test_what_is_run_is_what_was_tested_and_measured(part: str, whole: str) -> None:
    assert _locked(part).items() <= _locked(whole).items()


def _holds(path: Path, pattern: re.Pattern[str]) -> bool:
    return pattern.search(text(path)) is not None


def _asked(name: str) -> list[Requirement]:
    lines = (ROOT / f"requirements/{name}.in").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def _locked(name: str) -> dict[str, Version]:
    lines = (ROOT / f"requirements/{name}.lock").read_text(encoding="utf-8")
    return {package: Version(version) for package, version in re.findall(r"^([\w.-]+)==([\w.]+)", lines, re.MULTILINE)}
