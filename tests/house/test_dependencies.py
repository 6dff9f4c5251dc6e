"""What is said of the dependencies is true: named once with licence and reason, and in the bill of materials with their hashes."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tests.house.source import ROOT

LOCK = (ROOT / "requirements/runtime.lock").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
LOCKED = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.MULTILINE))
ROWS = re.findall(r"^\| `([\w.-]+)` \| ([^|]+?) \| ([^|]+?) \|$", PAGE, re.MULTILINE)


def test_every_locked_package_stands_on_the_page_once_and_no_other() -> None:
    assert sorted(name for name, _, _ in ROWS) == sorted(LOCKED)


def test_chosen_are_those_that_the_ranges_name() -> None:
    chosen = PAGE[PAGE.index("## Chosen") : PAGE.index("## Brought along")]
    asked = "\n".join((ROOT / f"requirements/{name}.in").read_text(encoding="utf-8") for name in ("client", "runtime"))
    assert set(re.findall(r"^\| `([\w.-]+)`", chosen, re.MULTILINE)) == set(
        re.findall(r"^([a-z][\w.-]*)", asked, re.MULTILINE)
    )


def test_a_licence_is_what_the_package_says_of_itself() -> None:
    """Where it says it as an SPDX expression; older metadata is prose that somebody has read."""
    told = {name: licence for name, licence, _ in ROWS}
    said = {
        each.metadata["Name"].lower().replace("_", "-"): each.metadata.json.get("license_expression")
        for each in metadata.distributions()
    }
    compared = {name: said[name] for name in told if said.get(name)}
    assert len(compared) > len(told) // 2
    assert {name: told[name] for name in compared} == compared


def test_the_bill_of_materials_names_every_package_with_hashes_licence_and_its_place(tmp_path: Path) -> None:
    written = [tmp_path / "one.json", tmp_path / "two.json"]
    for target in written:
        subprocess.run([sys.executable, "-I", ROOT / "requirements/sbom.py", target], check=True, capture_output=True)
    assert written[0].read_bytes() == written[1].read_bytes()
    bill = json.loads(written[0].read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {each["name"]: each["version"] for each in bill["components"]} == LOCKED
    assert all(each["hashes"] and each["licenses"][0]["expression"] for each in bill["components"])
    assert sum(len(each["hashes"]) for each in bill["components"]) == LOCK.count("--hash=sha256:")
    references = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    reached = {needed for each in bill["dependencies"] for needed in each["dependsOn"]}
    assert {each["ref"] for each in bill["dependencies"]} == references
    assert reached == references - {bill["metadata"]["component"]["bom-ref"]}, "somebody needs every one of them"
