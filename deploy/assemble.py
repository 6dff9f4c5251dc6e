"""What goes into the image, laid out below a folder. Runs in the build stage of deploy/Dockerfile; standard library only.

`assemble.py packages FOLDER`  the packages installed there: byte code, one date
`assemble.py system FOLDER`    this interpreter, its standard library, every shared library that they and the packages load, certificates
`assemble.py code FOLDER`      our code: byte code, one date; the command; the folders that volumes are mounted over
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1700000000"))
USER = 10_001
UNUSED = (
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "pydoc_data",
    "site-packages",
    "dist-packages",
)
"""Of the standard library."""
NEVER_RUN = ("__pycache__", "config-*", "*.a", "_test*.so", "_tkinter*.so", "turtle.py")
LOADED_LATER = ("libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2")
"""Opened by name at run time, so that no file says that it needs them."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CONFIGURATION = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/ssl/openssl.cnf",
)
PACKAGES = Path("/image/packages/opt/packages")
OWNERS = (
    "provision",
    "risk",
    "order_submission",
    "status_polling",
    "fill_streaming",
    "position_tracking",
    "strategy",
    "fills",
    "operator",
)
VOLUMES = ("installation", "simulator", "bus", "bus-data", "identities", *(f"secrets/{owner}" for owner in OWNERS))
COMMAND = """#!/opt/bin/python
import sys

from ordergate.cli import main

sys.exit(main())
"""


def packages(root: Path) -> None:
    for folder in root.rglob("tests"):  # of the packages; nothing at run time imports them
        shutil.rmtree(folder)
    compile_tree(root / "opt")


def system(root: Path) -> None:
    interpreter = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, below(root, library), symlinks=True, ignore=shutil.ignore_patterns(*UNUSED, *NEVER_RUN))
    compile_tree(below(root, library))
    for link in ("lib", "lib64", "bin"):
        if Path("/", link).is_symlink():
            (root / link).symlink_to(Path("/", link).readlink())
    loaders = [interpreter, *library.rglob("*.so*"), *PACKAGES.rglob("*.so*")]
    for file in sorted({interpreter, *needed(loaders), *later(), *map(Path, CONFIGURATION), CERTIFICATES}):
        if file.exists():
            copy(file, root)
    (root / "opt/bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (root / "opt/bin" / name).symlink_to(interpreter)
    (root / "etc/passwd").write_text(f"root:x:0:0::/:/nonexistent\nordergate:x:{USER}:{USER}::/tmp:/nonexistent\n")
    (root / "etc/group").write_text(f"root:x:0:\nordergate:x:{USER}:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


def code(root: Path) -> None:
    compile_tree(root / "opt")
    command = root / "opt/bin/ordergate"
    command.parent.mkdir()
    command.write_text(COMMAND)
    command.chmod(0o755)
    for volume in VOLUMES:
        (root / "var/lib/ordergate" / volume).mkdir(parents=True)
    for folder in [root / "var/lib/ordergate", *(root / "var/lib/ordergate").rglob("*")]:
        os.chown(folder, USER, USER)  # a named volume that is mounted over it takes its owner


def compile_tree(folder: Path) -> None:
    """Byte code that names its source by a hash and is not compared with it: the same at each build, and read-only roots need no other."""
    strip = str(folder).removesuffix(str(Path("/", *folder.parts[3:])))
    compileall.compile_dir(
        folder, quiet=2, stripdir=strip, prependdir="/", invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


def needed(files: list[Path]) -> Iterator[Path]:
    """The shared libraries that the dynamic linker would load for them, the linker itself too."""
    for start in range(0, len(files), 50):
        told = subprocess.run(
            ["ldd", *map(str, files[start : start + 50])], capture_output=True, text=True, check=False
        )
        for line in told.stdout.splitlines():
            found = re.search(r"(?:=> )?(/\S+) \(0x", line)
            if found and not Path(found[1]).resolve().is_relative_to(PACKAGES):
                yield Path(found[1])


def later() -> Iterator[Path]:
    for folder in (Path("/lib"), Path("/usr/lib")):
        for name in LOADED_LATER:
            yield from folder.glob(f"*-linux-gnu*/{name}")


def copy(file: Path, root: Path) -> None:
    """At its own path, with the file that it is a link to."""
    where = below(root, file.parent.resolve() / file.name)
    where.parent.mkdir(parents=True, exist_ok=True)
    if where.is_symlink() or where.exists():
        return
    here = file.parent.resolve() / file.name
    if here.is_symlink():
        where.symlink_to(here.readlink())
        copy(here.parent / here.readlink(), root)
    else:
        shutil.copy2(here, where)


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def date(root: Path) -> None:
    """One date, and modes that no umask has changed."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink() and path.name != "tmp":
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


if __name__ == "__main__":
    kind, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    {"packages": packages, "system": system, "code": code}[kind](folder)
    date(folder)
