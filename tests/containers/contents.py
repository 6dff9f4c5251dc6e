"""What an image holds, file by file: two builds of one commit must not differ."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

Entry = tuple[int, int, str, str, int]
"""Mode, owner, where a link leads, hash of the content, date."""


def contents(image: str) -> dict[tuple[int, str], Entry]:
    """By layer and path."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "image.tar"
        subprocess.run(["docker", "save", "--output", str(saved), image], check=True)
        with tarfile.open(saved) as archive:
            manifest = json.load(_opened(archive, "manifest.json"))
            layers: list[str] = manifest[0]["Layers"]
            return {
                (number, member.name): _entry(layer, member)
                for number, name in enumerate(layers)
                for layer in [tarfile.open(fileobj=_opened(archive, name))]
                for member in layer
            }


def unlike(first: str, second: str) -> list[str]:
    """The paths of which content, mode, owner or link are not the same."""
    one, other = contents(first), contents(second)
    names = sorted(one.keys() | other.keys())
    return [
        path for number, path in names if _but_date(one.get((number, path))) != _but_date(other.get((number, path)))
    ]


def _but_date(entry: Entry | None) -> Entry | None:
    return None if entry is None else (*entry[:4], 0)


def _entry(layer: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    content = layer.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
    return (member.mode, member.uid, member.linkname, hashlib.sha256(content).hexdigest(), int(member.mtime))


def _opened(archive: tarfile.TarFile, name: str) -> tarfile.ExFileObject:
    file = archive.extractfile(name)
    if file is None:
        raise FileNotFoundError(name)
    return file  # type: ignore[return-value]
