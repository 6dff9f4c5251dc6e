"""The canary: keys and secrets of the run, drawn at random, looked for in every file it left, the bus's store included."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

_SIGNATURE = re.compile(rb"signature=[0-9a-f]{16}")


def leaks(home: Path) -> list[str]:
    """Every file of the home (logs, every message of every stream as the bus stores it, diaries, cores) that holds what it must not."""
    canaries = list(_canaries(home))
    found = []
    for path in home.rglob("*"):
        if not path.is_file() or path.parent.name == "keys" or path.name == "simulator.json":
            continue
        data = path.read_bytes()
        if any(canary in data for canary in canaries) or _SIGNATURE.search(data):
            found.append(f"[I8] {path.relative_to(home)} holds a key, a secret or a signature")
        if path.name.startswith("core"):
            found.append(f"[I8] {path.relative_to(home)} looks like a core dump")
    return found if canaries else ["[I8] the run had no keys to look for"]


def _canaries(home: Path) -> Iterator[bytes]:
    for file in (home / "keys").glob("*.json"):
        document = json.loads(file.read_text())
        yield from (document["key"].encode(), document["secret"].encode())
