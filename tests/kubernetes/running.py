"""The production overlay runs: Secrets made by the guide's own lines, three nodes of the bus that let in who has an identity, shard a beside them.

No cluster is needed: the rendered pods are processes of this machine (`pods`, `nodes`). Its venue is the simulator.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.client import Gateway, connect
from ordergate.runtime.connection import Access
from ordergate.runtime.connection import connect as connected
from ordergate.runtime.server import free_port
from ordergate.runtime.settings import Installation
from ordergate.trading.errors import Denied, Misconfigured
from ordergate.wire.facts import OrderRecord
from services.development import Development, write_development
from tests.kubernetes.guide import CERTIFICATES, IDENTITIES, INSTALLATION, KEYS, ORDERGATE, Operator
from tests.kubernetes.manifests import SIGNERS, Rendered, labels
from tests.kubernetes.nodes import Node, running_nodes
from tests.kubernetes.pods import Place

SHARD = "a"
VENUE, ACCOUNT = "binance-spot", "main"
EXCHANGE = "https://api.binance.com"
STRATEGY = "alpha"
FORGED = f"orders.{VENUE}.{ACCOUNT}.BTCUSDT.forged.approved"
ADDED = f"""
export ORDERGATE_CONFIG={INSTALLATION} ORDERGATE_IDENTITIES_FOLDER=secrets/identities
{ORDERGATE} identity add strategy {STRATEGY} --at {VENUE}/{ACCOUNT}
kubectl -n ordergate create secret generic nats-authorization --from-file=secrets/identities/authorization.conf
"""


@pytest.mark.timeout(240)
async def test_what_the_guide_makes_is_what_runs(production: Rendered, tmp_path: Path) -> None:
    """Provision, five services, a strategy added while all runs, an order, its fill; and the bus has denied nobody but strangers."""
    simulator_port = free_port()
    operator = _operator(production, tmp_path, simulator_port)
    document = _keys(operator, simulator_port)
    operator.follow([CERTIFICATES, IDENTITIES, KEYS])
    block = operator.secrets / "nats-authorization/authorization.conf"
    certificates = operator.secrets / "nats-tls"
    with (
        running_nodes(production, tmp_path, certificates=certificates, authorization=block.read_text()) as nodes,
        _simulator(document, simulator_port),
    ):
        for node in nodes:
            await node.listens()
        for node in nodes:
            await node.is_well()
        url = ",".join(node.url for node in nodes)
        changed = {production.configuration("bus-address")["url"]: url, EXCHANGE: f"http://127.0.0.1:{simulator_port}"}
        place = Place(rendered=production, home=tmp_path, secrets=operator.secrets, changed=changed)
        provision = place.start("provision", production.one("Job", "provision"))
        assert await provision.ended() == 0, provision.said
        of_shard = {
            name: each for name, each in production.services().items() if labels(each)["ordergate.io/shard"] == SHARD
        }
        pods = [place.start(name, deployment) for name, deployment in of_shard.items()]
        try:
            for pod in pods:
                await pod.ready()
            seed = await _add_strategy(operator, nodes)
            async with connect(
                url,
                venue=VENUE,
                account=ACCOUNT,
                strategy=STRATEGY,
                nkey_seed_file=seed,
                authority_file=certificates / "ca.crt",
            ) as gateway:
                await _trade(gateway)
            await _forge(url, Access(seed_file=seed, authority_file=certificates / "ca.crt"))
            with pytest.raises(Misconfigured, match="does not know this identity"):
                await connected(url, service="stranger", access=Access(authority_file=certificates / "ca.crt"))
        finally:
            codes = {pod.name: pod.stop() for pod in pods}
    assert set(codes.values()) == {0}, codes
    assert [pod.name for pod in pods if "denied" in pod.said] == []
    refused = [line for node in nodes for line in node.log.splitlines() if " Violation" in line]
    assert len(refused) == 1, refused
    assert f'Publish Violation - Subject "{FORGED}"' in refused[0]


async def _trade(gateway: Gateway) -> None:
    async with gateway.fills(since_sequence=0) as fills:
        bought = await gateway.submit(symbol="ETHUSDT", side="BUY", type="MARKET", quantity=Decimal("0.01"))
        update = await gateway.wait(bought)
        assert isinstance(update, OrderRecord), update
        assert update.order.state == "filled", update.order.reason
        assert (await anext(fills)).fill.client_order_id == bought.client_order_id


async def _forge(url: str, access: Access) -> None:
    """A strategy that approves its own order is told at once that it may not."""
    bus = await connected(url, service="forger", access=access)
    try:
        with pytest.raises(Denied, match="to publish to"):
            await bus.jetstream.publish(FORGED, b"{}")
    finally:
        await bus.close()


def _operator(rendered: Rendered, home: Path, simulator_port: int) -> Operator:
    """His configuration is the overlay's, with the simulator as exchange."""
    installation = home / "ordergate.toml"
    text = rendered.configuration("installation")["ordergate.toml"]
    installation.write_text(text.replace(EXCHANGE, f"http://127.0.0.1:{simulator_port}"))
    return Operator(home=home, installation=installation)


def _keys(operator: Operator, simulator_port: int) -> Path:
    """A key for each signing service of each account, where the guide's lines look for them; the simulator's document, which knows those of shard a."""
    installation = Installation.of(operator.installation.read_text())
    documents = {}
    for shard, (place,) in installation.shards.items():
        venue, account = place.split("/")
        home = operator.home / f"exchange-{shard}"
        written = write_development(home, Development(venue=venue, accounts=(account,)), simulator_port=simulator_port)
        documents[shard] = written.simulator
        for service in SIGNERS:
            folder = operator.home / f"secrets/keys/{service}-{shard}"
            folder.mkdir(parents=True)
            shutil.copy(home / f"keys/{account}-{service.replace('-', '_')}.json", folder / f"{venue}.{account}")
    return documents[SHARD]


async def _add_strategy(operator: Operator, nodes: list[Node]) -> Path:
    """By the guide's lines for an identity that is added later; the nodes read it while they run."""
    operator.type(ADDED)
    block = (operator.secrets / "nats-authorization/authorization.conf").read_text()
    for node in nodes:
        (node.folder / "authorization.conf").write_text(block)
        await node.reload()
    return operator.home / f"secrets/identities/{STRATEGY}.nk"


@contextmanager
def _simulator(document: Path, port: int) -> Iterator[None]:
    environ = {
        **os.environ,
        "ORDERGATE_SIMULATOR_CONFIG": str(document),
        "ORDERGATE_SIMULATOR_PORT": str(port),
    }
    with (document.parent / "log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.venue_simulator"], env=environ, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()
