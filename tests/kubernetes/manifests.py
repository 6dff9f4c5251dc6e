"""Rendered manifests, and the few questions that the rules ask of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.kubectl import kubectl

yaml = pytest.importorskip("yaml", reason="no YAML here: make k8s-check")

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("base", "base/shard", "base/monitoring", "overlays/dev", "overlays/production")
SERVICES = ("risk", "order-submission", "status-polling", "fill-streaming", "position-tracking")
SIGNERS = SERVICES[1:]

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """All objects of a folder, in kustomize's order."""

    folder: str
    objects: tuple[Manifest, ...]

    def of(self, kind: str) -> dict[str, Manifest]:
        """By name."""
        return {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}

    def one(self, kind: str, name: str) -> Manifest:
        return self.of(kind)[name]

    def services(self) -> dict[str, Manifest]:
        """The Deployments of our services, of all shards."""
        return {
            name: each
            for name, each in self.of("Deployment").items()
            if each["metadata"]["labels"].get("ordergate.io/role") == "service"
        }

    def workloads(self) -> dict[str, Manifest]:
        """Whatever makes pods, by kind/name."""
        kinds = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")
        return {f"{kind}/{name}": each for kind in kinds for name, each in self.of(kind).items()}

    def configuration(self, name: str) -> dict[str, str]:
        """The data of a ConfigMap; kustomize ended its name with a hash."""
        found = [each["data"] for given, each in self.of("ConfigMap").items() if given.rpartition("-")[0] == name]
        assert len(found) == 1, name
        data: dict[str, str] = found[0]
        return data


def render(folder: str) -> Rendered:
    """By `kubectl kustomize`; its complaint fails the test."""
    command = [str(kubectl()), "kustomize", str(ROOT / "deploy/k8s" / folder)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not result.stderr, result.stderr
    return Rendered(folder=folder, objects=tuple(each for each in yaml.safe_load_all(result.stdout) if each))


def pod(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def labels(workload: Manifest) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def containers(workload: Manifest) -> list[Manifest]:
    spec = pod(workload)
    return [*spec.get("initContainers", ()), *spec["containers"]]


def environment(container: Manifest) -> dict[str, Manifest]:
    return {each["name"]: each for each in container.get("env", ())}


def secrets_of(workload: Manifest) -> Iterator[Manifest]:
    """Every Secret that a pod mounts, also within projected volumes."""
    for volume in pod(workload).get("volumes", ()):
        if "secret" in volume:
            yield {"name": volume["secret"]["secretName"], **volume["secret"]}
        for source in volume.get("projected", {}).get("sources", ()):
            if "secret" in source:
                yield {**source["secret"], "defaultMode": volume["projected"].get("defaultMode")}


def selects(selector: Manifest, given: dict[str, str]) -> bool:
    """matchLabels and In, which are all that ours use; an empty selector takes every pod."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    wanted = selector.get("matchLabels", {}).items() <= given.items()
    for rule in selector.get("matchExpressions", ()):
        assert rule["operator"] == "In"
        wanted = wanted and given.get(rule["key"]) in rule["values"]
    return bool(wanted)
