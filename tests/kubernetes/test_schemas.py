"""Every object is one that Kubernetes takes: its own schemas, strictly, so that a misspelt field is an error."""

from __future__ import annotations

import pytest

from tests.kubernetes.conftest import Rendering
from tests.kubernetes.manifests import FOLDERS, Manifest, Rendered

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="no schemas here: make k8s-check")

VERSIONS = ("1.33", "1.37")
"""The oldest that still gets repairs, and the newest."""
OF_AN_OPERATOR = {"ServiceMonitor", "PrometheusRule"}
"""Their schemas come with the Prometheus operator; ours are held by rules of our own (test_alerts)."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_object_is_one_that_kubernetes_takes(rendering: Rendering, folder: str, version: str) -> None:
    objects = [each for each in rendering(folder).objects if each["kind"] not in OF_AN_OPERATOR]
    refused = {_name(each): told for each in objects if (told := _refusal(each, version))}
    assert refused == {}
    if folder != "base/monitoring":
        assert len(objects) >= 6


def test_a_misspelt_field_is_refused(production: Rendered) -> None:
    deployment = production.one("Deployment", "risk-a")
    assert _refusal({**deployment, "spec": {**deployment["spec"], "replica": 1}}, VERSIONS[-1])


def test_nothing_stands_twice(overlay: Rendered) -> None:
    names = [_name(each) for each in overlay.objects]
    assert sorted(set(names)) == sorted(names)


def _name(each: Manifest) -> str:
    return f"{each['kind']}/{each['metadata']['name']}"


def _refusal(each: Manifest, version: str) -> str | None:
    try:
        kubernetes_validate.validate(each, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return None
