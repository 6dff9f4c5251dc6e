"""The promises of deploy/k8s, an assertion each: what runs where, how it is updated, what it may touch."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from typing import Any

import pytest

from ordergate.runtime.settings import Environment, Installation
from services.venue_simulator.settings import Settings as SimulatorSettings
from tests.kubernetes.manifests import (
    ROOT,
    SERVICES,
    SIGNERS,
    Manifest,
    Rendered,
    containers,
    environment,
    labels,
    pod,
    secrets_of,
    selects,
)

SHARD = "ordergate.io/shard"
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "": 1}
PODS_MAX_IN_AN_UPDATE = 2
"""Two of any service are safe beside each other (docs/chaos.md, replicas); three were never tried."""


# What runs: a process of each service for each shard.


def test_each_shard_of_the_configuration_has_one_deployment_of_each_service(production: Rendered) -> None:
    shards = _installation(production).shards
    assert len(shards) > 1
    assert set(production.services()) == {f"{service}-{shard}" for service in SERVICES for shard in shards}


def test_a_process_knows_its_shard_from_its_own_label(production: Rendered) -> None:
    for name, deployment in production.services().items():
        shard = environment(_service(deployment))["ORDERGATE_SHARD"]["valueFrom"]["fieldRef"]["fieldPath"]
        assert shard == f"metadata.labels['{SHARD}']"
        assert name == f"{_component(deployment)}-{labels(deployment)[SHARD]}"
        assert deployment["spec"]["selector"]["matchLabels"][SHARD] == labels(deployment)[SHARD]


def test_without_shards_one_process_serves_all(development: Rendered) -> None:
    assert not _installation(development).shards
    assert set(development.services()) == set(SERVICES)
    assert all(SHARD not in labels(each) for each in development.services().values())


def test_every_process_runs_the_command_of_its_service(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        module = _component(deployment).replace("-", "_")
        assert _service(deployment)["command"] == ["python", "-m", f"services.{module}"]
        assert (ROOT / "services" / module / "__main__.py").is_file()


def test_the_streams_are_made_by_a_job_that_takes_a_refusal_for_an_answer(overlay: Rendered) -> None:
    job = overlay.one("Job", "provision")
    assert containers(job)[0]["command"] == ["python", "-m", "services.provision"]
    assert pod(job)["restartPolicy"] == "Never"
    final = [rule for rule in job["spec"]["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert [rule["onExitCodes"]["values"] for rule in final] == [[2]]
    assert final[0]["onExitCodes"]["containerName"] == containers(job)[0]["name"]


def test_the_configuration_is_one_that_services_take(overlay: Rendered) -> None:
    installation = _installation(overlay)
    assert installation.accounts
    assert installation.bus.replicas == overlay.one("StatefulSet", "nats")["spec"]["replicas"]


def test_every_setting_is_one_that_exists(overlay: Rendered) -> None:
    known = {f"ORDERGATE_{name}".upper() for name in Environment.model_fields}
    known |= {f"ORDERGATE_SIMULATOR_{name}".upper() for name in SimulatorSettings.model_fields}
    for workload in overlay.workloads().values():
        for container in containers(workload):
            assert {name for name in environment(container) if name.startswith("ORDERGATE_")} <= known


def test_every_process_says_which_it_is(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        given = environment(_service(deployment))["ORDERGATE_INSTANCE"]
        assert given["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


# How it is updated and how much of it there is.


def test_there_are_never_more_than_two_processes_of_a_service_for_a_shard(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        assert _processes_max(deployment) <= PODS_MAX_IN_AN_UPDATE
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_all_processes_of_an_update_stay_inside_the_fall_back_of_the_budget(overlay: Rendered) -> None:
    most = {_component(each).replace("-", "_"): _processes_max(each) for each in overlay.services().values()}
    for account in _installation(overlay).accounts:
        assert sum(share * most[signer] for signer, share in account.shares.items()) <= 1 + 1e-9


def test_a_stop_has_the_time_it_needs(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        seconds = float(environment(_service(deployment))["ORDERGATE_STOP_SECONDS"]["value"])
        assert pod(deployment)["terminationGracePeriodSeconds"] > 2 * seconds  # lanes, then tasks


def test_nothing_is_scaled_by_itself_and_each_says_why_not(overlay: Rendered) -> None:
    assert not overlay.of("HorizontalPodAutoscaler")
    for deployment in overlay.of("Deployment").values():
        verdict, _, reason = deployment["metadata"]["annotations"]["ordergate.io/autoscaling"].partition(": ")
        assert verdict == "no"
        assert len(reason) > 20
    assert set(SERVICES) <= set(re.findall(r"`([\w-]+)`", _section("Autoscaling")))


def test_every_process_is_under_a_disruption_budget_that_lets_a_node_be_drained(overlay: Rendered) -> None:
    budgets = overlay.of("PodDisruptionBudget").values()
    guarded = {**overlay.services(), "nats": overlay.one("StatefulSet", "nats")}
    for name, workload in guarded.items():
        mine = [each for each in budgets if selects(each["spec"]["selector"], labels(workload))]
        assert len(mine) == 1, name  # of two the eviction is refused for ever
        assert mine[0]["spec"]["maxUnavailable"] == 1


def test_a_disruption_budget_of_a_shard_is_that_shards_alone(production: Rendered) -> None:
    for name, budget in production.of("PodDisruptionBudget").items():
        if name.startswith("shard"):
            chosen = {labels(each)[SHARD] for each in _all_chosen(production, budget)}
            assert chosen == {name.removeprefix("shard-")}


def test_the_processes_of_a_shard_are_spread_over_nodes_and_zones(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        spread = pod(deployment)["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        for each in spread:
            assert selects(each["labelSelector"], labels(deployment))
            others = [other for other in overlay.services().values() if selects(each["labelSelector"], labels(other))]
            assert len(others) == len(SERVICES)


def test_a_lost_node_is_left_soon(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        stays = {each["key"].rpartition("/")[2]: each["tolerationSeconds"] for each in pod(deployment)["tolerations"]}
        assert stays == {"not-ready": 10, "unreachable": 10}


def test_every_container_asks_for_what_was_measured_and_has_a_limit(overlay: Rendered) -> None:
    measured = _measured_bytes()
    for name, workload in overlay.workloads().items():
        for container in containers(workload):
            asked, most = container["resources"]["requests"], container["resources"]["limits"]
            assert {"cpu", "memory"} <= asked.keys() & most.keys(), name
            assert _bytes(asked["memory"]) <= _bytes(most["memory"])
            if (known := measured.get(labels(workload)["app.kubernetes.io/name"])) is not None:
                assert known <= _bytes(asked["memory"]), name
                assert 2 * known <= _bytes(most["memory"]), name


# The probes.


def test_probes_ask_what_the_service_itself_finds_wrong(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        container = _service(deployment)
        assert container["livenessProbe"]["httpGet"] == {"path": "/live", "port": "health"}
        assert container["startupProbe"]["httpGet"]["path"] == "/live"
        assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "health"}
        port = environment(container)["ORDERGATE_HEALTH_PORT"]["value"]
        assert container["ports"] == [{"name": "health", "containerPort": int(port)}]
        assert environment(container)["ORDERGATE_HEALTH_HOST"]["value"] == "0.0.0.0"  # noqa: S104 - of a pod


def test_a_deaf_consumer_is_noticed_in_half_a_minute(overlay: Rendered) -> None:
    for deployment in overlay.services().values():
        probe = _service(deployment)["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] <= 30


# The namespace and what a container may do: Pod Security "restricted".


def test_the_namespace_enforces_restricted(overlay: Rendered) -> None:
    (namespace,) = overlay.of("Namespace").values()
    told = namespace["metadata"]["labels"]
    modes = ("enforce", "audit", "warn")
    assert [told[f"pod-security.kubernetes.io/{mode}"] for mode in modes] == ["restricted"] * 3
    name = namespace["metadata"]["name"]
    elsewhere = [each for each in overlay.objects if each["metadata"].get("namespace", name) != name]
    assert elsewhere == []
    assert all("namespace" in each["metadata"] for each in overlay.objects if each["kind"] != "Namespace")


def test_no_process_is_root_or_can_become_it(overlay: Rendered) -> None:
    for name, workload in overlay.workloads().items():
        context = pod(workload)["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert min(context["runAsUser"], context["runAsGroup"]) > 10_000, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(workload):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert own.get("runAsUser", 10_001) > 10_000, name
            assert not own.get("privileged", False), name


def test_no_process_shares_anything_with_its_node(overlay: Rendered) -> None:
    harmless = {"configMap", "secret", "emptyDir", "projected"}
    for name, workload in overlay.workloads().items():
        spec = pod(workload)
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys(), name
        assert all(volume.keys() - {"name"} <= harmless for volume in spec["volumes"]), name
        assert not any("hostPort" in port for each in containers(workload) for port in each.get("ports", ())), name


def test_no_container_can_write_to_its_image(overlay: Rendered) -> None:
    for name, workload in overlay.workloads().items():
        for container in containers(workload):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
            assert writable <= {"/tmp", "/data"}, name  # noqa: S108 - memory of the pod's own


def test_nobody_has_a_token_for_the_api(overlay: Rendered) -> None:
    accounts = overlay.of("ServiceAccount")
    assert {"default", "ordergate"} <= accounts.keys()
    assert all(each["automountServiceAccountToken"] is False for each in accounts.values())
    for name, workload in overlay.workloads().items():
        assert pod(workload)["automountServiceAccountToken"] is False, name
        assert pod(workload)["serviceAccountName"] == "ordergate", name
    assert not {each["kind"] for each in overlay.objects} & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


# Images.


def test_production_runs_images_by_digest(production: Rendered) -> None:
    for name, workload in production.workloads().items():
        for container in containers(workload):
            assert re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", container["image"]), name


# Secrets.


def test_no_secret_is_in_the_repository(overlay: Rendered) -> None:
    assert not overlay.of("Secret")
    told = str(list(overlay.objects))
    assert "PRIVATE KEY" not in told
    assert not re.search(r"\bS[UNAO][A-Z2-7]{56}\b", told)


def test_secrets_are_files_never_environment(overlay: Rendered) -> None:
    for name, workload in overlay.workloads().items():
        for container in containers(workload):
            assert "envFrom" not in container, name
            assert not any("secretKeyRef" in each.get("valueFrom", {}) for each in container.get("env", ())), name


def test_without_its_secrets_nothing_starts(overlay: Rendered) -> None:
    """Identities above all: a bus without its authorization would let in everybody."""
    for name, workload in overlay.workloads().items():
        assert not any(secret.get("optional", False) for secret in secrets_of(workload)), name
    assert "nats-authorization" in {each["name"] for each in secrets_of(overlay.one("StatefulSet", "nats"))}


def test_secret_files_are_read_by_their_own_group_alone(overlay: Rendered) -> None:
    for name, workload in overlay.workloads().items():
        modes = {secret["defaultMode"] for secret in secrets_of(workload)}
        assert modes == {0o440}, name
        assert pod(workload)["securityContext"]["fsGroup"] == pod(workload)["securityContext"]["runAsGroup"], name


def test_each_process_mounts_its_own_secrets_and_no_others(overlay: Rendered) -> None:
    for name, deployment in overlay.services().items():
        service = _component(deployment)
        shard = labels(deployment).get(SHARD)
        own = {"nats-tls", f"bus-{service}"}
        if service in SIGNERS:
            own.add(f"keys-{service}" + (f"-{shard}" if shard else ""))
        assert {each["name"] for each in secrets_of(deployment)} == own, name
    assert {each["name"] for each in secrets_of(overlay.one("Job", "provision"))} == {"bus-provision", "nats-tls"}
    assert {each["name"] for each in secrets_of(overlay.one("StatefulSet", "nats"))} == {
        "nats-authorization",
        "nats-tls",
    }


def test_only_the_bus_has_the_key_of_its_certificate(overlay: Rendered) -> None:
    for name, workload in overlay.workloads().items():
        for secret in secrets_of(workload):
            if secret["name"] == "nats-tls" and name != "StatefulSet/nats":
                assert [item["key"] for item in secret["items"]] == ["ca.crt"], name


def test_every_key_that_the_configuration_names_is_mounted_where_it_says(overlay: Rendered) -> None:
    installation = _installation(overlay)
    for deployment in overlay.services().values():
        signer = _component(deployment).replace("-", "_")
        mounts = [each["mountPath"] for each in _service(deployment)["volumeMounts"] if each["name"] == "keys"]
        for account in installation.served_by(labels(deployment).get(SHARD, "")):
            named = [str(path.parent) for name, path in account.keys.items() if name == signer]
            assert named == mounts
            assert account.sharers(signer) == (signer,) if signer in account.keys else True  # type: ignore[arg-type]


def test_the_bus_is_spoken_to_over_tls_with_an_identity(overlay: Rendered) -> None:
    urls = overlay.configuration("bus-address")["url"].split(",")
    assert all(url.startswith("tls://") for url in urls)
    for workload in (*overlay.services().values(), overlay.one("Job", "provision")):
        container = _service(workload)
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert environment(container)["ORDERGATE_NATS_SEED_FILE"]["value"] == f"{mounts['bus']}/seed"
        assert environment(container)["ORDERGATE_NATS_CA_FILE"]["value"] == f"{mounts['bus-ca']}/ca.crt"


def test_the_guide_makes_every_secret_that_is_mounted(overlay: Rendered) -> None:
    guide = (ROOT / "docs/kubernetes.md").read_text()
    for workload in overlay.workloads().values():
        for secret in secrets_of(workload):
            stem = re.sub(r"^(bus|keys)-.*", r"\1-$", secret["name"])
            assert f"secret generic {stem}" in guide, secret["name"]


def _service(workload: Manifest) -> Manifest:
    (found,) = [each for each in containers(workload) if each["name"] == "service"]
    return found


def _component(deployment: Manifest) -> str:
    return labels(deployment)["app.kubernetes.io/name"]


def _processes_max(deployment: Manifest) -> int:
    spec = deployment["spec"]
    most: int = spec["replicas"] + spec["strategy"]["rollingUpdate"]["maxSurge"]
    return most


def _all_chosen(rendered: Rendered, budget: Manifest) -> list[Manifest]:
    return [each for each in rendered.services().values() if selects(budget["spec"]["selector"], labels(each))]


def _installation(rendered: Rendered) -> Installation:
    text = rendered.configuration("installation")["ordergate.toml"]
    assert "secret" not in {key for account in tomllib.loads(text)["accounts"] for key in account}
    return Installation.of(text)


def _bytes(quantity: str) -> Decimal:
    number, unit = re.fullmatch(r"(\d+)(\D*)", quantity).groups()  # type: ignore[union-attr]
    return Decimal(number) * UNITS[unit]


def _measured_bytes() -> dict[str, int]:
    """The last row of docs/benchmarks.md's table of memory, in MB: after the most orders."""
    rows: list[list[str]] = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs/benchmarks.md").read_text().partition("## Memory")[2].splitlines()
        if line.startswith("|")
    ]
    heads, last = rows[0], next(row for row in reversed(rows) if row[0] == "200,000")
    names: dict[str, Any] = {"nats-server": "nats"}
    return {
        names.get(head, head.replace(" ", "-")): int(cell) * 1_000_000
        for head, cell in zip(heads[1:], last[1:], strict=True)
    }


def _section(title: str) -> str:
    return (ROOT / "docs/kubernetes.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_figures_of_memory_were_found() -> None:
    assert {*SERVICES, "nats"} <= _measured_bytes().keys()


@pytest.mark.parametrize(("quantity", "bytes_"), [("128Mi", 134_217_728), ("2Gi", 2_147_483_648), ("7", 7)])
def test_quantities_are_read_as_kubernetes_reads_them(quantity: str, bytes_: int) -> None:
    assert _bytes(quantity) == bytes_
