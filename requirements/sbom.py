"""Writes the bill of materials of what runs, CycloneDX 1.6: every package of runtime.lock with its version, hashes, licence and who needs it.

Usage: `python3 requirements/sbom.py [FILE]` (default build/sbom.cdx.json). Standard library only. Two runs over the same lock write the same
bytes: there is no time stamp, and the serial number is made of the lock. Licences are those of docs/dependencies.md, which a test compares
with what the packages say of themselves.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "runtime.lock"
LICENCES = ROOT / "docs" / "dependencies.md"

Document = dict[str, Any]


def main() -> int:
    """Write the file and say where."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "sbom.cdx.json"
    bill = bill_of_materials()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(bill['components'])} packages")
    return 0


def bill_of_materials() -> Document:
    """The document. Raises KeyError for a package whose licence nobody wrote down."""
    lock = LOCK.read_text(encoding="utf-8")
    packages = locked(lock)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    licences = written_licences()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
            }
        },
        "components": [_component(name, licences[name], **found) for name, found in packages.items()],
        "dependencies": [
            _needs(own, packages, None),
            *(_needs(found["ref"], packages, name) for name, found in packages.items()),
        ],
    }


def locked(lock: str) -> dict[str, Document]:
    """By name: ref, version, hashes, marker, and by whom it is needed (`None`: by the project itself)."""
    found: dict[str, Document] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", lock):
        head = re.match(r"([a-z0-9][\w.-]*)(?:\[[^]]*])?==([^\s;]+)(?:\s*;\s*([^\\\n]+?))?\s*\\?\n", entry)
        if head is None:
            continue
        name, version, marker = head.groups()
        via = re.findall(r"^    #   (?:via )?(\S+.*)$|^    # via (\S+.*)$", entry, re.MULTILINE)
        users = {first or second for first, second in via}
        found[name] = {
            "ref": f"pkg:pypi/{name}@{version}",
            "version": version,
            "marker": marker,
            "hashes": re.findall(r"--hash=sha256:([0-9a-f]{64})", entry),
            "needed_by": {None if user.startswith("-r ") else user for user in users if not user.startswith("-c ")},
        }
    return found


def written_licences() -> dict[str, str]:
    """From the tables of docs/dependencies.md: package, licence."""
    return dict(re.findall(r"^\| `([\w.-]+)` \| ([^|]+?) \|", LICENCES.read_text(encoding="utf-8"), re.MULTILINE))


def _component(
    name: str,
    licence: str,
    *,
    ref: str,
    version: str,
    hashes: list[str],
    marker: str | None,
    needed_by: set[str | None],
) -> Document:
    component: Document = {
        "type": "library",
        "bom-ref": ref,
        "name": name,
        "version": version,
        "purl": ref,
        "scope": "required" if marker is None else "optional",
        # Of every file of the release: which of them is installed depends on the machine.
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in hashes],
        "licenses": [{"expression": licence}],
        "properties": [{"name": "ordergate:direct", "value": str(None in needed_by).lower()}],
    }
    if marker is not None:
        component["properties"].append({"name": "ordergate:marker", "value": marker})
    return component


def _needs(ref: str, packages: dict[str, Document], name: str | None) -> Document:
    return {"ref": ref, "dependsOn": [found["ref"] for found in packages.values() if name in found["needed_by"]]}


if __name__ == "__main__":
    sys.exit(main())
