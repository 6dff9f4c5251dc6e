"""Another version of ordergate, to run beside this one: the tree of a revision, unpacked where nobody looks for it."""

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def tree_of(revision: str) -> Iterator[Path]:
    """The files of a git revision, until the end of the block. Raises ValueError where there is no such revision."""
    with tempfile.TemporaryDirectory(prefix="ordergate-tree-") as folder:
        packed = Path(folder) / "tree.tar"
        made = subprocess.run(
            ["git", "-C", str(ROOT), "archive", "--format=tar", f"--output={packed}", revision],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise ValueError(f"there is no revision {revision}: {made.stderr.strip()}")
        tree = Path(folder) / "tree"
        with tarfile.open(packed) as archive:
            archive.extractall(tree, filter="data")
        yield tree
