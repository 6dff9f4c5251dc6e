"""The files of the repository as the house rules read them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Everything tracked or about to be: what git ignores is not ours to judge. Relative to the root."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = {Path(name) for name in names.split("\0") if name}
    return tuple(sorted(path for path in found if (ROOT / path).is_file()))


def python_files(*folders: str) -> list[Path]:
    """Python files below the folders; a folder may be a glob: `services/*/handlers.py`."""
    return [path for path in files() if path.suffix == ".py" and any(_below(path, folder) for folder in folders)]


def _below(path: Path, folder: str) -> bool:
    return path.match(folder) or any(parent.as_posix() == folder for parent in path.parents)


def text(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path), filename=str(path))


def imports(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of each absolute import."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def spoken_strings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and value of each string the program uses: not its docstrings and comments."""
    silent = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.lineno, node.value
