"""The bus is restored from an older state, or begun anew, while the venue has gone on: all is adopted from the venue before anything is sent again."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordergate.client import Gateway, connect
from ordergate.runtime.server import EmbeddedServer, free_port
from ordergate.wire.facts import OrderRecord
from services.development import Development, write_development
from services.supervisor import Ports, Supervisor
from tests.acceptance.desk import ACCOUNT, VENUE, Desk, now_ms, open_desk
from tests.acceptance.system import AMPLE

HOUR_MS = 3_600_000
DEVELOPMENT = Development(limits=AMPLE, deviation={"settle_ms": 200})


@contextmanager
def _simulator(document: Path, port: int) -> Iterator[None]:
    environment = {
        **os.environ,
        "ORDERGATE_SIMULATOR_CONFIG": str(document),
        "ORDERGATE_SIMULATOR_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "services.venue_simulator"], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _gateway(home: Path, installation: Path, simulator: int) -> Supervisor:
    """The services and their bus, without the venue: that outlives them."""
    ports = Ports(nats=0, simulator=simulator, health=0)
    return Supervisor(home=home, installation=installation, simulator_document=None, ports=ports)


async def _ordergate(*arguments: str, url: str, config: Path) -> str:
    """What the command says; it must end with 0."""
    environment = {**os.environ, "ORDERGATE_NATS_URL": url, "ORDERGATE_CONFIG": str(config)}
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "ordergate",
        *arguments,
        "--timeout=25",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def _provision(*, url: str, config: Path) -> None:
    environment = {**os.environ, "ORDERGATE_NATS_URL": url, "ORDERGATE_CONFIG": str(config)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.provision", env=environment)
    assert await process.wait() == 0


async def _approved_but_not_sent(desk: Desk, gateway: Supervisor) -> str:
    """The sender is frozen, so that the backup holds an order that was approved and, in truth, is sent right after it."""
    os.kill(gateway.pids()["order_submission"], signal.SIGSTOP)
    order_id = await desk.place(validForMs=HOUR_MS)
    await desk.wait_order(order_id, "approved")
    return order_id


async def _asked_but_not_decided(desk: Desk, gateway: Supervisor) -> str:
    os.kill(gateway.pids()["risk"], signal.SIGSTOP)
    return await desk.place(validForMs=HOUR_MS)


async def _executed(desk: Desk) -> dict[str, Decimal]:
    """What the venue executed, by clientOrderId; an id that stands there twice is a doubled order."""
    ledger = await desk.get("ledger")
    orders: list[dict[str, Any]] = ledger["orders"]
    names = [order["clientOrderId"] for order in orders]
    assert len(names) == len(set(names)), "an order was doubled"
    return {order["clientOrderId"]: Decimal(order["executedQuantity"]) for order in orders}


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """What the restored bus holds in an older state, or not at all; all but what rests was executed."""

    resting: str
    approved: str
    asked: str
    forgotten: str
    hidden: str  # came and went as maker: no trade of it is ever shown
    resting_since: str

    @property
    def traded(self) -> tuple[str, ...]:
        return (self.approved, self.asked, self.forgotten, self.hidden)


async def _trade(desk: Desk, gateway: Supervisor, backup: Path) -> _History:
    """Take the backup in the middle of it."""
    price = await desk.price()
    resting = await desk.place(price=f"{price * 0.95:.1f}")
    await desk.wait_order(resting, "accepted")
    approved = await _approved_but_not_sent(desk, gateway)
    asked = await _asked_but_not_decided(desk, gateway)
    shutil.copytree(gateway.home / "bus" / "store", backup)
    for name in ("risk", "order_submission"):
        os.kill(gateway.pids()[name], signal.SIGCONT)
    forgotten = await desk.place()
    for order_id in (approved, asked, forgotten):
        await desk.wait_order(order_id, "filled")
    hidden = await desk.place(price=f"{price * 0.97:.1f}")
    resting_since = await desk.place(price=f"{price * 0.94:.1f}")
    for order_id in (hidden, resting_since):
        await desk.wait_order(order_id, "accepted")
    await desk.post("price", {"symbol": "BTCUSDT", "price": f"{price * 0.965:.1f}"})
    await desk.wait_order(hidden, "filled")
    return _History(
        resting=resting,
        approved=approved,
        asked=asked,
        forgotten=forgotten,
        hidden=hidden,
        resting_since=resting_since,
    )


async def _restore(home: Path, backup: Path | None, installation: Path) -> None:
    """As docs/operations.md says: the older state (None: nothing), the bus alone, the epoch, and only then the services."""
    await asyncio.to_thread(shutil.rmtree, home / "bus" / "store")
    if backup is not None:
        await asyncio.to_thread(shutil.copytree, backup, home / "bus" / "store")
    bus = EmbeddedServer(home / "bus")
    await asyncio.to_thread(bus.start)
    try:
        if backup is None:
            await _provision(url=bus.url, config=installation)
        await _ordergate("restore", "begin", url=bus.url, config=installation)
    finally:
        await asyncio.to_thread(bus.stop)


async def _judge(desk: Desk, history: _History, *, adopted: set[str]) -> None:
    """adopted: the orders of which the restored bus knew nothing, nor whose they are."""
    traded, resting = history.traded, (history.resting, history.resting_since)
    found = {order_id: await desk.order(order_id) or {} for order_id in (*resting, *traded)}
    assert {order_id: order.get("state") for order_id, order in found.items()} == {
        **dict.fromkeys(resting, "accepted"),
        **dict.fromkeys(traded, "filled"),
    }
    assert {order_id for order_id, order in found.items() if order["strategy"] == "(external)"} == adopted
    position = await desk.last("POSITIONS", f"positions.{VENUE}.{ACCOUNT}.BTCUSDT")
    assert position is not None
    assert Decimal(position["quantity"]) == Decimal("0.040")
    fills = [message.body for message in await desk.stored("FILLS")]
    assert sum(Decimal(fill["quantity"]) for fill in fills) == Decimal("0.040")
    assert [fill["clientOrderId"] for fill in fills if fill["inferred"]] == [history.hidden]

    late = await desk.place(createdAtMs=now_ms() - 60_000, validForMs=HOUR_MS)
    refused = await desk.wait_order(late)
    assert (refused["state"], await desk.arrivals(late)) == ("refused", []), (
        "asked for before: nobody knows whether it was sent"
    )

    again = await desk.publish_place(clientOrderId=history.forgotten)
    answer = await desk.wait_answer(again["intentId"])
    assert answer["reason"] == "client_order_id_in_use", "an id that traded at the venue can never trade again"
    later = await desk.place()
    await desk.wait_order(later, "filled")
    executed = await _executed(desk)
    assert {order_id: executed[order_id] for order_id in (*traded, later)} == dict.fromkeys(
        (*traded, later), Decimal("0.010")
    )


@asynccontextmanager
async def _running(gateway: Supervisor, simulator_url: str) -> AsyncIterator[Desk]:
    try:
        await gateway.start()
        await gateway.ready(limit_seconds=25)
        async with open_desk(gateway.nats_url, simulator_url) as desk:
            yield desk
    finally:
        await gateway.stop()


async def test_a_bus_restored_from_an_older_state_adopts_what_the_venue_knows_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    written = write_development(tmp_path, DEVELOPMENT, simulator_port=port)
    backup = tmp_path / "backup"
    with _simulator(written.simulator, port):
        gateway = _gateway(tmp_path, written.installation, port)
        async with _running(gateway, url) as desk:
            history = await _trade(desk, gateway, backup)
        await _restore(tmp_path, backup, written.installation)
        gateway = _gateway(tmp_path, written.installation, port)
        async with _running(gateway, url) as desk:
            meanwhile = await desk.place(validForMs=1_000)
            said = await _ordergate("restore", "finish", url=gateway.nats_url, config=written.installation)
            assert "complete" in said
            await _judge(desk, history, adopted={*history.traded[1:], history.resting_since})
            refused = await desk.wait_order(meanwhile)
            assert (refused["state"], refused["reason"].partition(":")[0]) == ("refused", "expired")
            assert await desk.arrivals(meanwhile) == []


async def test_an_empty_bus_learns_from_the_venue_all_but_whose_the_orders_were(tmp_path: Path) -> None:
    """Nothing is left: positions are the venue's all the same, also of what it never shows as a trade, and no id can trade twice."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    written = write_development(tmp_path, DEVELOPMENT, simulator_port=port)
    with _simulator(written.simulator, port):
        gateway = _gateway(tmp_path, written.installation, port)
        async with _running(gateway, url) as desk:
            history = await _trade(desk, gateway, tmp_path / "unused")
        await _restore(tmp_path, None, written.installation)
        gateway = _gateway(tmp_path, written.installation, port)
        async with _running(gateway, url) as desk:
            await _ordergate("restore", "finish", url=gateway.nats_url, config=written.installation)
            await _judge(desk, history, adopted={*history.traded, history.resting, history.resting_since})


def _client_at_spot(gateway: Supervisor) -> AbstractAsyncContextManager[Gateway]:
    return connect(gateway.nats_url, venue="binance-spot", account=ACCOUNT, strategy="alpha")


async def _bought(client: Gateway, order_id: str) -> None:
    ticket = await client.submit(
        symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal("0.010"), client_order_id=order_id
    )
    update = await client.wait(ticket)
    assert isinstance(update, OrderRecord)
    assert update.order.state == "filled"


async def test_an_empty_bus_at_a_venue_that_shows_every_trade(tmp_path: Path) -> None:
    port = free_port()
    spot = Development(venue="binance-spot", symbols=("BTCUSDT",), deviation={"settle_ms": 200})
    written = write_development(tmp_path, spot, simulator_port=port)
    with _simulator(written.simulator, port):
        gateway = _gateway(tmp_path, written.installation, port)
        async with _running(gateway, f"http://127.0.0.1:{port}"), _client_at_spot(gateway) as client:
            await _bought(client, "before")
        await _restore(tmp_path, None, written.installation)
        gateway = _gateway(tmp_path, written.installation, port)
        async with _running(gateway, f"http://127.0.0.1:{port}"):
            await _ordergate("restore", "finish", url=gateway.nats_url, config=written.installation)
            async with _client_at_spot(gateway) as client:
                forgotten = await client.order("before")
                assert forgotten is not None
                assert (forgotten.state, forgotten.request.strategy) == ("filled", "(external)")
                async with client.fills(since_sequence=0) as fills:
                    assert (await anext(fills)).fill.quantity == Decimal("0.010")
                await _bought(client, "after")
                async with client.fills(since_sequence=0) as fills:
                    quantities = [(await anext(fills)).fill.quantity for _ in range(2)]
                assert sum(quantities) == Decimal("0.020")
