"""Who may speak to whom, read from the policies as Kubernetes reads them: what no policy names does not pass."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from tests.kubernetes.manifests import SERVICES, SIGNERS, Manifest, Rendered, labels, selects

BUS, PEERS, MONITORING, HEALTH, DNS, TRACES = 4222, 6222, 8222, 8720, 53, 4318
INSIDE = ("10.96.0.1", "172.20.4.4", "192.168.1.1", "169.254.169.254", "100.64.0.9", "fd00::1", "fe80::1")
EXCHANGE = ("52.84.150.34", "2600:9000:2200::1")


def test_everything_is_denied_that_nobody_names(overlay: Rendered) -> None:
    deny = overlay.one("NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_service_reaches_the_bus_and_only_by_its_port(overlay: Rendered) -> None:
    bus = _labels(overlay, "StatefulSet/nats")
    for name in (*(f"Deployment/{each}" for each in overlay.services()), "Job/provision"):
        own = _labels(overlay, name)
        assert _passes(overlay, own, bus, BUS), name
        assert not _passes(overlay, own, bus, PEERS), name
        assert not _passes(overlay, own, bus, MONITORING), name


def test_the_nodes_of_the_bus_reach_each_other(overlay: Rendered) -> None:
    bus = _labels(overlay, "StatefulSet/nats")
    assert _passes(overlay, bus, bus, PEERS)
    assert not _passes(overlay, bus, bus, MONITORING)


def test_only_who_has_keys_reaches_the_internet(production: Rendered) -> None:
    for name, workload in production.workloads().items():
        signs = workload["metadata"]["labels"]["app.kubernetes.io/name"] in SIGNERS
        assert _reached(production, labels(workload)) == (
            {(address, 443) for address in EXCHANGE} if signs else set()
        ), name


def test_in_development_nobody_reaches_the_internet(development: Rendered) -> None:
    for name, workload in development.workloads().items():
        assert _reached(development, labels(workload)) == set(), name
    simulator = _labels(development, "Deployment/simulator")
    for service in SERVICES:
        reached = _passes(development, _labels(development, f"Deployment/{service}"), simulator, 8700)
        assert reached is (service in SIGNERS)


def test_services_cannot_speak_to_each_other_past_the_bus(overlay: Rendered) -> None:
    everybody = {name: labels(each) for name, each in overlay.services().items()}
    for name, own in everybody.items():
        for other in everybody.values():
            assert not any(_passes(overlay, own, other, port) for port in (HEALTH, 443, BUS)), name


def test_names_are_asked_of_the_cluster_alone(overlay: Rendered) -> None:
    for name, workload in overlay.workloads().items():
        ways = [
            rule["to"]
            for policy in _policies(overlay, labels(workload), "Egress")
            for rule in policy["spec"].get("egress", ())
            if any(port["port"] == DNS for port in rule["ports"])
        ]
        expected = 0 if name == "Deployment/simulator" else 1
        assert len(ways) == expected, name
        for (peer,) in ways:
            assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
            assert peer["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}


def test_metrics_are_read_by_prometheus_and_by_nobody_else(overlay: Rendered) -> None:
    for name, deployment in overlay.services().items():
        readers = [
            (peer, rule["ports"])
            for policy in _policies(overlay, labels(deployment), "Ingress")
            for rule in policy["spec"].get("ingress", ())
            for peer in rule["from"]
        ]
        assert readers == [
            (
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
                },
                [{"protocol": "TCP", "port": HEALTH}],
            )
        ], name


def test_every_rule_names_its_ports(overlay: Rendered) -> None:
    for name, policy in overlay.of("NetworkPolicy").items():
        for rule in (*policy["spec"].get("egress", ()), *policy["spec"].get("ingress", ())):
            assert rule["ports"], name
            assert rule.get("to") or rule.get("from"), name  # without peers a rule is for the whole world


def _labels(rendered: Rendered, workload: str) -> dict[str, str]:
    return labels(rendered.workloads()[workload])


def _policies(rendered: Rendered, own: dict[str, str], direction: str) -> Iterator[Manifest]:
    for policy in rendered.of("NetworkPolicy").values():
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], own):
            yield policy


def _passes(rendered: Rendered, source: dict[str, str], target: dict[str, str], port: int) -> bool:
    """From a pod to a pod of the namespace: both sides must allow it."""
    out = any(
        _names_pod(rule["to"], target) and _names_port(rule, port)
        for policy in _policies(rendered, source, "Egress")
        for rule in policy["spec"].get("egress", ())
    )
    into = any(
        _names_pod(rule["from"], source) and _names_port(rule, port)
        for policy in _policies(rendered, target, "Ingress")
        for rule in policy["spec"].get("ingress", ())
    )
    return out and into


def _names_pod(peers: list[Manifest], other: dict[str, str]) -> bool:
    return any(
        "podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], other)
        for peer in peers
    )


def _names_port(rule: Manifest, port: int) -> bool:
    return any(each["port"] == port and each["protocol"] == "TCP" for each in rule["ports"])


def _reached(rendered: Rendered, own: dict[str, str]) -> set[tuple[str, int]]:
    """Which of some addresses, inside and outside, a pod may call, and where."""
    return {
        (address, port["port"])
        for policy in _policies(rendered, own, "Egress")
        for rule in policy["spec"].get("egress", ())
        for peer in rule["to"]
        for port in rule["ports"]
        for address in (*INSIDE, *EXCHANGE)
        if "ipBlock" in peer and _in_block(address, peer["ipBlock"])
    }


def _in_block(address: str, block: Manifest) -> bool:
    given = ip_address(address)
    return given in ip_network(block["cidr"]) and not any(given in ip_network(each) for each in block["except"])
