"""What docs/kubernetes.md tells an operator to type, typed: its lines run as they stand, against a `kubectl` that keeps the Secrets in a folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kubernetes.manifests import ROOT

CERTIFICATES = "2. Certificates of the bus"
IDENTITIES = "3. Configuration, identities"
KEYS = "4. Keys of the exchange"
PAGE = ROOT / "docs/kubernetes.md"
INSTALLATION = "deploy/k8s/overlays/production/ordergate.toml"
ORDERGATE = ".venv/bin/ordergate"

KUBECTL = """#!/bin/bash
# -n NAMESPACE create secret generic NAME --from-file=[KEY=]PATH...
[ "$3 $4 $5" = "create secret generic" ] || exit 2
secret="$SECRETS/$6"
shift 6
mkdir -p "$secret"
for each; do
  from="${each#--from-file=}"
  case "$from" in
    *=*) cp "${from#*=}" "$secret/${from%%=*}" ;;
    */) cp "$from"* "$secret/" ;;
    *) cp "$from" "$secret/" ;;
  esac || exit 1
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who follows the guide. home: where he types, instead of the repository's root; installation: his ordergate.toml."""

    home: Path
    installation: Path

    @property
    def secrets(self) -> Path:
        """A folder for each Secret, in it a file for each key."""
        return self.home / "cluster"

    def follow(self, titles: Sequence[str]) -> None:
        """All lines of these sections. localhost is one more name of the nodes, as the guide allows."""
        if shutil.which("openssl") is None:
            pytest.skip("no openssl here")
        lines = "\n".join(
            block for title in titles for block in re.findall(r"```sh\n(.*?)```", section(title), re.DOTALL)
        )
        assert lines
        self.type(lines.replace("NAMES=", "NAMES=DNS:localhost,", 1))

    def type(self, lines: str) -> None:
        """Raises AssertionError with what was said where a line fails."""
        binaries = self.home / "bin"
        binaries.mkdir(exist_ok=True)
        (binaries / "kubectl").write_text(KUBECTL)
        (binaries / "kubectl").chmod(0o755)
        lines = lines.replace(INSTALLATION, str(self.installation))
        lines = lines.replace(ORDERGATE, str(Path(sys.executable).with_name("ordergate")))
        environ = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "SECRETS": str(self.secrets)}
        told = subprocess.run(
            ["bash", "-euc", lines], cwd=self.home, env=environ, check=False, capture_output=True, text=True
        )
        assert told.returncode == 0, told.stdout + told.stderr


def section(title: str) -> str:
    """Its text."""
    return PAGE.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
