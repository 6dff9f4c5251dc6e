"""The bus of the manifests: three nodes with disks of their own, and a configuration with which three real nats-servers form a cluster."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import StreamConfig

from ordergate.runtime.server import MAX_PAYLOAD_BYTES
from tests.kubernetes.guide import CERTIFICATES, INSTALLATION, Operator
from tests.kubernetes.manifests import ROOT, Rendered, containers, labels, pod, selects
from tests.kubernetes.nodes import FORMED_SECONDS, NODES, running_nodes


def test_three_nodes_each_with_a_disk_of_its_own(production: Rendered) -> None:
    spec = production.one("StatefulSet", "nats")["spec"]
    assert spec["replicas"] == NODES
    (claim,) = spec["volumeClaimTemplates"]
    (container,) = containers(production.one("StatefulSet", "nats"))
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == _value(production, "store_dir")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_the_disk_holds_more_than_jetstream_may_fill(overlay: Rendered) -> None:
    claim = overlay.one("StatefulSet", "nats")["spec"]["volumeClaimTemplates"][0]
    volume = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 2**30
    assert int(_value(overlay, "max_file_store").removesuffix("GB")) * 10**9 < 0.9 * volume


def test_no_two_nodes_share_a_machine_and_zones_share_them_evenly(production: Rendered) -> None:
    workload = production.one("StatefulSet", "nats")
    (apart,) = pod(workload)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["topologyKey"] == "kubernetes.io/hostname"
    assert selects(apart["labelSelector"], labels(workload))
    (zones,) = pod(workload)["topologySpreadConstraints"]
    assert (zones["topologyKey"], zones["maxSkew"]) == ("topology.kubernetes.io/zone", 1)
    assert zones["whenUnsatisfiable"] == "DoNotSchedule"
    assert selects(zones["labelSelector"], labels(workload))


def test_nodes_have_names_also_before_they_are_ready(overlay: Rendered) -> None:
    stateful, service = overlay.one("StatefulSet", "nats"), overlay.one("Service", "nats-headless")
    assert stateful["spec"]["serviceName"] == "nats-headless"
    assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
    assert selects({"matchLabels": service["spec"]["selector"]}, labels(stateful))
    assert stateful["spec"]["podManagementPolicy"] == "Parallel"


def test_clients_and_routes_name_every_node(overlay: Rendered) -> None:
    replicas = overlay.one("StatefulSet", "nats")["spec"]["replicas"]
    hosts = [f"nats-{node}.nats-headless" for node in range(replicas)]
    urls = overlay.configuration("bus-address")["url"].split(",")
    assert urls == [f"tls://{host}:4222" for host in hosts]
    routes = re.findall(r"nats-route://([^:]+):6222", overlay.configuration("nats-configuration")["cluster.conf"])
    assert routes == (hosts if replicas > 1 else [])


def test_an_acknowledged_message_is_on_disk(overlay: Rendered) -> None:
    assert _value(overlay, "sync_interval") == "always"


def test_a_message_is_as_large_as_on_one_machine(overlay: Rendered) -> None:
    assert int(_value(overlay, "max_payload")) == MAX_PAYLOAD_BYTES


def test_the_next_node_is_updated_only_when_this_one_has_its_streams(overlay: Rendered) -> None:
    (container,) = containers(overlay.one("StatefulSet", "nats"))
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
    monitor = next(port for port in container["ports"] if port["name"] == "monitor")
    assert f":{monitor['containerPort']}" in _value(overlay, "http")


def test_a_node_hands_over_before_it_ends(overlay: Rendered) -> None:
    workload = overlay.one("StatefulSet", "nats")
    (container,) = containers(workload)
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command[1:] == ["--signal", f"ldm={_value(overlay, 'pid_file')}"]
    seconds = int(_value(overlay, "lame_duck_duration").removesuffix("s"))
    assert pod(workload)["terminationGracePeriodSeconds"] > seconds + 10


def test_the_configuration_is_mounted_where_the_server_looks(overlay: Rendered) -> None:
    workload = overlay.one("StatefulSet", "nats")
    (container,) = containers(workload)
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert container["command"][-1] == f"{mounts['configuration']}/nats.conf"
    configuration = overlay.configuration("nats-configuration")
    certificates = set(re.findall(r'_file: "(.+)/[\w.]+"', configuration["nats.conf"] + configuration["cluster.conf"]))
    assert certificates - {"/tmp"} == {mounts["tls"]}  # noqa: S108 - of the pod
    assert 'include "authorization.conf"' in configuration["nats.conf"]


async def test_three_servers_with_this_configuration_form_a_cluster_over_tls(
    production: Rendered, tmp_path: Path
) -> None:
    certificates = _certificates(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13, which the image has, does by itself
    with running_nodes(production, tmp_path, certificates=certificates) as nodes:
        for node in nodes:
            await node.listens()
        client = await nats.connect([node.url for node in nodes], tls=trust)
        try:
            async with asyncio.timeout(FORMED_SECONDS):
                assert await _replicas(client) == NODES
        finally:
            await client.close()


async def test_nobody_speaks_to_the_bus_whose_certificate_is_not_of_the_authority(
    production: Rendered, tmp_path: Path
) -> None:
    with running_nodes(production, tmp_path, certificates=_certificates(tmp_path)) as nodes:
        await nodes[0].listens()
        with pytest.raises((ssl.SSLError, NatsError, OSError)):
            await nats.connect(nodes[0].url, tls=ssl.create_default_context(), allow_reconnect=False)


def _certificates(home: Path) -> Path:
    """By the very lines of the guide."""
    operator = Operator(home=home, installation=ROOT / INSTALLATION)
    operator.follow([CERTIFICATES])
    return operator.secrets / "nats-tls"


async def _replicas(client: Client) -> int:
    """Replicas of a stream, once there is a leader that makes one."""
    stream = client.jetstream()
    while True:
        try:
            made = await stream.add_stream(StreamConfig(name="TRIED", subjects=["tried"], num_replicas=NODES))
        except (NatsError, TimeoutError):
            continue  # no leader yet: the server answers so, or not within the client's time
        await stream.publish("tried", b"", timeout=10)
        return 1 + len(made.cluster.replicas or ()) if made.cluster else 0


def _value(rendered: Rendered, name: str) -> str:
    found = re.search(rf"^\s*{name}: (.+)$", rendered.configuration("nats-configuration")["nats.conf"], re.MULTILINE)
    assert found, name
    return found[1].strip('"')
