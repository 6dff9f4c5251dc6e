"""What an image holds: two builds of one commit must not differ, and where they do, which files it is."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

from tests.containers.engine import run

Entry = tuple[int, int, str, str, int]
"""Mode, owner, where a link leads, hash of the content, date."""


def contents(image: str) -> dict[tuple[int, str], Entry]:
    """By layer and path."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "image.tar"
        run("docker", "save", "--output", str(saved), image)
        with tarfile.open(saved) as archive:
            manifest = json.load(_opened(archive, "manifest.json"))
            layers: list[str] = manifest[0]["Layers"]
            return {
                (number, member.name): _entry(layer, member)
                for number, name in enumerate(layers)
                for layer in [tarfile.open(fileobj=_opened(archive, name))]
                for member in layer
            }


def layers(image: str) -> list[str]:
    """The digest of each: of the bytes of its tar file, in which names, owners, modes and dates stand too."""
    told: list[str] = json.loads(run("docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image))
    return told


def unlike(first: str, second: str) -> list[str]:
    """The paths of which content, mode, owner, link or date are not the same."""
    one, other = contents(first), contents(second)
    return sorted(
        {path for number, path in one.keys() | other.keys() if one.get((number, path)) != other.get((number, path))}
    )


def _entry(layer: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    content = layer.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
    return (member.mode, member.uid, member.linkname, hashlib.sha256(content).hexdigest(), int(member.mtime))


def _opened(archive: tarfile.TarFile, name: str) -> tarfile.ExFileObject:
    file = archive.extractfile(name)
    if file is None:
        raise FileNotFoundError(name)
    return file  # type: ignore[return-value]
