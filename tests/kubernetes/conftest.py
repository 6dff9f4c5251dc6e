"""What `make k8s-check` checks: each folder of deploy/k8s rendered by the real kustomize, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tests.kubernetes.manifests import Rendered, render

Rendering = Callable[[str], Rendered]


@pytest.fixture(scope="session")
def rendering() -> Rendering:
    return cache(render)


@pytest.fixture(scope="session")
def production(rendering: Rendering) -> Rendered:
    return rendering("overlays/production")


@pytest.fixture(scope="session")
def development(rendering: Rendering) -> Rendered:
    return rendering("overlays/dev")


@pytest.fixture(params=["overlays/production", "overlays/dev"], scope="session")
def overlay(request: pytest.FixtureRequest, rendering: Rendering) -> Rendered:
    folder: str = request.param
    return rendering(folder)
