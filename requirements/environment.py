"""Makes `.venv` hold exactly what a lock says, and does nothing when it already does.

Usage: `python3 requirements/environment.py dev|bench|peers|kubernetes`. Standard library only: it runs before anything is installed.

Every make target runs this first, so the common case is one small file compared. The file is written last, so an
interrupted installation is never taken for a finished one; a lock on the folder lets only one of two concurrent
`make` calls install.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON_MINIMUM = (3, 11)

COMMAND = """#!{python}
import sys

from ordergate.cli import main

sys.exit(main())
"""


def main(name: str) -> None:
    if sys.version_info < PYTHON_MINIMUM:
        sys.exit(f"ordergate needs Python 3.11 or later, this is {sys.version.split()[0]}: make PYTHON=python3.13 ...")
    if is_installed(name):
        return
    with (ROOT / ".venv.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not is_installed("dev"):
            make_environment()
            install("dev")
        if not is_installed(name):
            install(name)


def stamp(name: str) -> Path:
    return ENVIRONMENT / f"installed-{name}"


def fingerprint(name: str) -> str:
    """What the installation depends on: the lock, this file, the interpreter, and the folder (scripts hold its path)."""
    digest = hashlib.sha256()
    for part in (
        lock("build").read_bytes(),
        lock(name).read_bytes(),
        Path(__file__).read_bytes(),
        sys.version.encode(),
        os.fsencode(ROOT),
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def lock(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.lock"


def is_installed(name: str) -> bool:
    try:
        return stamp(name).read_text(encoding="ascii") == fingerprint(name)
    except FileNotFoundError:
        return False


def make_environment() -> None:
    """A fresh one each time: installing over an older lock would leave packages behind that no lock names."""
    say(f"making .venv with Python {sys.version.split()[0]} (once for each change of the lock, about a minute)")
    # --clear empties the folder, the stamps too.
    venv.create(ENVIRONMENT, clear=True, with_pip=True, symlinks=True)
    link_project()


def link_project() -> None:
    """What an editable installation would do, without a build backend: a path file and the console script."""
    site_packages = next((ENVIRONMENT / "lib").glob("python*/site-packages"))
    (site_packages / "ordergate.pth").write_text(f"{ROOT / 'libs'}\n{ROOT}\n", encoding="utf-8")
    command = ENVIRONMENT / "bin" / "ordergate"
    command.write_text(COMMAND.format(python=ENVIRONMENT / "bin" / "python"), encoding="utf-8")
    command.chmod(0o755)


def install(name: str) -> None:
    say(f"installing requirements/{name}.lock")
    pip_install("--only-binary", ":all:", "--requirement", lock("build"))
    # nkeys is the one package without a wheel; its source is held by its hash, and built by the line above.
    wheels = ("--only-binary", ":all:", "--no-binary", "nkeys", "--no-build-isolation")
    pip_install(*wheels, "--requirement", lock(name))
    stamp(name).write_text(fingerprint(name), encoding="ascii")


def pip_install(*arguments: str | Path) -> None:
    pip = (ENVIRONMENT / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    # Standard output belongs to the program that make runs next.
    subprocess.run((*pip, "--no-deps", "--require-hashes", *arguments), check=True, stdout=sys.stderr)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except subprocess.CalledProcessError as failure:
        sys.exit(failure.returncode)
