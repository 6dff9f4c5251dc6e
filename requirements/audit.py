"""Asks whether anything that runs has a vulnerability that the world knows of, in one question over all of runtime.lock.

Usage: `python3 requirements/audit.py`. Standard library only. Exit code 1: there is one, by name; 0: none, or nobody could be asked, which is
said as `skipped` and proves nothing. It never takes longer than LIMIT_SECONDS, also where names do not resolve.

The database is OSV (osv.dev), which holds PyPI's own advisories and GitHub's. ORDERGATE_AUDIT_URL names a mirror of it. What was looked at and
does not concern us stands in accepted-vulnerabilities.txt, one a line: its id, then why.
"""

from __future__ import annotations

import json
import os
import queue
import re
import sys
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

LOCK = Path(__file__).resolve().parent / "runtime.lock"
DATABASE = "https://api.osv.dev/v1/querybatch"
ACCEPTED = Path(__file__).resolve().parent / "accepted-vulnerabilities.txt"
LIMIT_SECONDS = 4.0


class Unanswered(Exception):
    """Nobody could be asked, or what came back is no answer."""


def main() -> int:
    """Ask, and say what was found."""
    try:
        accepted = set(accepted_ids(ACCEPTED.read_text("utf-8")))
    except ValueError as error:
        print(f"audit: {error}")
        return 1
    packages = locked(LOCK.read_text("utf-8"))
    url = os.environ.get("ORDERGATE_AUDIT_URL", DATABASE)
    try:
        found = in_time(url, packages)
    except Unanswered as reason:
        print(f"audit: skipped: {url} does not answer ({reason}); nothing is proven")
        return 0
    open_ones = {name: sorted(set(ids) - accepted) for name, ids in found.items()}
    for name, ids in open_ones.items():
        for each in ids:
            print(f"audit: {name} has {each}: https://osv.dev/vulnerability/{each}")
    if any(open_ones.values()):
        print(f"audit: upgrade it (make lock UPGRADE=--upgrade), or say in {ACCEPTED.name} why it does not concern us")
        return 1
    print(f"audit: {len(packages)} packages, no known vulnerability")
    return 0


def locked(lock: str) -> dict[str, str]:
    """The purls of all packages, by `name==version`."""
    found = re.findall(r"^([a-z0-9][\w.-]*)(?:\[[^]]*])?==([^\s;]+)", lock, re.MULTILINE)
    return {f"{name}=={version}": f"pkg:pypi/{name}@{version}" for name, version in found}


def in_time(url: str, packages: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """`ask`, given up after LIMIT_SECONDS: a resolver knows no limit of ours. Raises Unanswered."""
    answers: queue.SimpleQueue[Mapping[str, Sequence[str]] | Unanswered] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask(url, packages))
        except Unanswered as error:
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=LIMIT_SECONDS)
    except queue.Empty:
        raise Unanswered(f"not in {LIMIT_SECONDS:g} s") from None
    if isinstance(answer, Unanswered):
        raise answer
    return answer


def ask(url: str, packages: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """The ids of what is known of each package, by `name==version`. packages: their purls. Raises Unanswered."""
    question = {"queries": [{"package": {"purl": purl}} for purl in packages.values()]}
    request = urllib.request.Request(
        url, data=json.dumps(question).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:
            results = json.load(answer)["results"]
        found = [[str(each["id"]) for each in result.get("vulns") or ()] for result in results]
    except (OSError, HTTPException) as error:
        raise Unanswered(str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unanswered(f"what came back is no answer: {type(error).__name__}") from error
    if len(found) != len(packages):
        raise Unanswered(f"{len(found)} answers to {len(packages)} questions")
    return dict(zip(packages, found, strict=True))


def accepted_ids(text: str) -> list[str]:
    """Raises ValueError for one without a reason."""
    rows = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if bare := [row[0] for row in rows if len(row) == 1]:
        raise ValueError(f"{ACCEPTED.name}: say why {', '.join(bare)} does not concern us")
    return [row[0] for row in rows]


if __name__ == "__main__":
    sys.exit(main())
