"""The whole product with identities on: nobody is denied what he needs, and an order's whole life goes as ever."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.cli.app import run
from ordergate.client import Gateway, Ticket, connect
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.wire.facts import OrderRecord
from ordergate.wire.identities import Identity, Kind
from tests.acceptance.system import BUS, System, running_system

MAIN = (VenueName("zetarium"), AccountName("main"))
SERVICES = ("risk", "order_submission", "status_polling", "fill_streaming", "position_tracking")


def _command(system: System, *arguments: str) -> Any:
    """The `ordergate` command as an operator; its document."""
    identities = system.supervisor.identities
    assert identities is not None
    seed_file = str(identities.seed_file("operator"))
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = run(("--json", "--url", system.nats_url, "--seed-file", seed_file, *arguments))
    assert code == 0, (arguments, out.getvalue(), err.getvalue())
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def _end(gateway: Gateway, ticket: Ticket) -> str:
    """The state in which the order ended."""
    update = await gateway.wait(ticket)
    assert isinstance(update, OrderRecord)
    return update.order.state


async def test_an_order_lives_and_the_switch_stops_with_identities_on(tmp_path: Path) -> None:
    """Place, fill, cancel, explain, restart from the checkpoint, kill switch: and the bus has denied nothing."""
    with running_system(tmp_path, identities=True, sync_always=False) as system:
        identities = system.supervisor.identities
        assert identities is not None
        alpha = Identity(name="alpha", kind=Kind.STRATEGY, accounts=(MAIN,), strategy=StrategyName("alpha"))
        seed = identities.add(alpha, served=(MAIN,))
        system.reload_bus()
        async with connect(
            system.nats_url, venue="zetarium", account="main", strategy="alpha", nkey_seed_file=seed
        ) as gateway:
            async with gateway.fills(since_sequence=0) as fills:
                filled = await gateway.submit(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal("0.010"))
                assert await _end(gateway, filled) == "filled"
                assert (await anext(fills)).fill.client_order_id == filled.client_order_id
                assert (await fills.verify()).agrees
            resting = await gateway.submit(
                symbol="BTCUSDT",
                side="BUY",
                type="LIMIT",
                quantity=Decimal("0.010"),
                price=Decimal(60000),
                time_in_force="GTC",
            )
            await gateway.wait(resting, until=["accepted"])
            await gateway.wait(await gateway.cancel(resting))
            order = await gateway.order(str(resting.client_order_id))
            assert order is not None
            assert order.state == "canceled"
            life = await asyncio.to_thread(_command, system, "explain", str(filled.client_order_id))
            assert life
            killed = {name: system.kill(name) for name in SERVICES}
            for name, pid in killed.items():
                system.wait_restarted(name, pid)
            system.wait_restarted(BUS, system.kill(BUS))
            again = await gateway.submit(symbol="ETHUSDT", side="BUY", type="MARKET", quantity=Decimal("0.010"))
            assert await _end(gateway, again) == "filled"
            await asyncio.to_thread(_command, system, "status")
            await asyncio.to_thread(_command, system, "orders", "--all")
            await asyncio.to_thread(_command, system, "kill", "--reason", "a test")
            stopped = await gateway.submit(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal("0.010"))
            assert await _end(gateway, stopped) in {"refused", "canceled"}
            await asyncio.to_thread(_command, system, "rain", "on")
        logs = system.logs()
        denied = {
            name: [line for line in text.splitlines() if "denied" in line or "Denied" in line]
            for name, text in logs.items()
        }
        violations = [line for line in logs["nats-server"].splitlines() if " Violation" in line]
    assert {name: lines for name, lines in denied.items() if lines} == {}
    assert violations == []


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
