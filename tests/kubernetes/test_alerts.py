"""Alerts that can fire: of metrics that exist, in words that promtool takes, each with something to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kubernetes.manifests import Manifest, Rendered, labels, selects
from tests.queries import absent_in_text, absent_labels, asked, first_events, series, values_nobody_gives

OF_THE_CLUSTER = {
    "up",
    "kube_deployment_status_replicas_available",
    "kube_deployment_spec_replicas",
    "kube_statefulset_status_replicas_ready",
    "kube_statefulset_replicas",
    "kubelet_volume_stats_used_bytes",
    "kubelet_volume_stats_capacity_bytes",
}
"""Of kube-state-metrics, the kubelet and Prometheus itself, as their documentation names them."""
SCRAPED = frozenset(
    {
        "job",
        "instance",
        "namespace",
        "service",
        "endpoint",
        "pod",
        "container",
        "app_kubernetes_io_name",
        "ordergate_io_shard",
    }
)
"""Labels that the ServiceMonitor adds."""


def test_every_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do(production: Rendered) -> None:
    rules = _rules(production)
    assert len({rule["alert"] for rule in rules}) == len(rules) > 15
    for rule in rules:
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert {"summary", "action"} <= rule["annotations"].keys(), rule["alert"]


def test_every_series_label_and_value_of_an_alert_is_one_that_exists(production: Rendered) -> None:
    for rule in _rules(production):
        name, expression = rule["alert"], rule["expr"]
        named = asked(expression) | set(re.findall(r"\b(?:kube|kubelet)_\w+|\bup\b", expression))
        assert named, name
        assert named <= series().keys() | OF_THE_CLUSTER, name
        assert absent_labels(expression, scraped=SCRAPED) == set(), name
        assert values_nobody_gives(expression) == set(), name


def test_an_alert_names_only_labels_that_it_has(production: Rendered) -> None:
    for rule in _rules(production):
        if asked(rule["expr"]):
            for text in rule["annotations"].values():
                assert absent_in_text(rule["expr"], text, scraped=SCRAPED) == set(), rule["alert"]


@pytest.mark.parametrize(
    "sign",
    [
        "unknown_oldest_seconds", "differences", "throttled_total", "budget_standing", "key_age_seconds",
        "venue_clock_offset_seconds", "consumer_lag", "feed_silent_seconds", "stream_silent_seconds", "volume_stats_used",
        "kube_statefulset", "up{",
    ],
)  # fmt: skip
def test_what_an_operator_must_hear_of_has_an_alert(production: Rendered, sign: str) -> None:
    assert any(sign in rule["expr"] for rule in _rules(production))


def test_promtool_takes_the_rules(production: Rendered, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here: the package prometheus of Debian has one")
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(production.one("PrometheusRule", "ordergate")["spec"]))
    told = subprocess.run([promtool, "check", "rules", rules], check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{len(_rules(production))} rules found" in told.stdout


def test_the_first_event_of_a_process_is_heard_too(production: Rendered, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here: the package prometheus of Debian has one")
    rules, test = tmp_path / "rules.json", tmp_path / "test.json"
    rules.write_text(json.dumps(production.one("PrometheusRule", "ordergate")["spec"]))
    tried = first_events({rule["alert"]: rule["expr"] for rule in _rules(production)}, str(rules))
    assert len(tried["tests"]) > 2
    test.write_text(json.dumps(tried))
    told = subprocess.run([promtool, "test", "rules", test], check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_prometheus_finds_every_process_of_every_shard(production: Rendered) -> None:
    monitor = production.one("ServiceMonitor", "ordergate")["spec"]
    service = production.one("Service", "metrics")
    assert selects(monitor["selector"], service["metadata"]["labels"])
    assert [port["name"] for port in service["spec"]["ports"]] == [each["port"] for each in monitor["endpoints"]]
    assert {each["path"] for each in monitor["endpoints"]} == {"/metrics"}
    selector = {"matchLabels": service["spec"]["selector"]}
    assert all(selects(selector, labels(each)) for each in production.services().values())
    assert {"app.kubernetes.io/name", "ordergate.io/shard"} <= set(monitor["podTargetLabels"])


def _rules(rendered: Rendered) -> list[Manifest]:
    return [rule for group in rendered.one("PrometheusRule", "ordergate")["spec"]["groups"] for rule in group["rules"]]
