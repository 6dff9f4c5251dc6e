"""What ordergate cannot mend by itself is said, with a reason, and made no worse."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import StreamConfig

from ordergate.runtime.exits import EXIT_MISCONFIGURED, EXIT_STOPPED
from services.development import Development, write_development
from tests.acceptance.desk import ACCOUNT, VENUE, Desk, now_ms, open_desk, until
from tests.acceptance.system import AMPLE, System, running_system

COMPARE_MS = 4_000
"""Between two comparisons with the venue's positions."""


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"expiresAtMs": 1_000}, "API_KEY_EXPIRED"),
    "denied": ({"permissions": ["READ_ONLY"]}, "PERMISSION_DENIED"),
}
"""Accounts whose key for order submission is, at the venue, not what it should be; what the venue says of it."""


def _with_refused_keys(home: Path) -> Development:
    plain = Development(limits=AMPLE, accounts=tuple(REFUSED))
    document = json.loads(write_development(home, plain, simulator_port=1).simulator.read_text())
    for account in document["accounts"]:
        changes, _ = REFUSED[account["account"]]
        account["keys"] = [{**key, **(changes if key["permissions"] == ["TRADE"] else {})} for key in account["keys"]]
    return replace(plain, simulator={"accounts": document["accounts"]})


@pytest.mark.timeout(90)
async def test_an_account_whose_key_is_refused_halts_and_says_why(tmp_path: Path) -> None:
    with running_system(tmp_path, _with_refused_keys(tmp_path)) as system:
        for account, (_, reason) in REFUSED.items():
            async with open_desk(system.nats_url, system.simulator_url, account=account) as desk:
                await _halts(desk, reason)


async def _halts(desk: Desk, reason: str) -> None:
    first = await desk.wait_order(await desk.place())
    assert first["state"] == "rejected"
    assert reason.lower() in first["reason"].lower()
    assert first["errorId"]
    said = await until(lambda: desk.last("AUDIT", f"risk.{VENUE}.{desk.account}.halted"), what="the halt is said")
    assert reason.lower() in said["message"].lower()
    assert said["errorId"] == first["errorId"]
    second = await desk.wait_order(await desk.place())
    assert (second["state"], second["reason"]) == ("canceled", "halted")
    assert await desk.arrivals(second["clientOrderId"]) == []


async def test_a_position_that_our_fills_do_not_explain_is_reported_after_two_reads(desk: Desk, system: System) -> None:
    """A stranger's order rests and is filled at once: the venue hides maker fills, so only the position tells."""
    price = await desk.price()
    traded_ms = now_ms()
    await desk.place_at_venue(system.home, price=f"{price * 0.97:.1f}", quantity="0.040")
    await desk.post("price", {"symbol": "BTCUSDT", "price": f"{price * 0.96:.1f}"})

    async def drift() -> dict[str, Any] | None:
        return await desk.last("AUDIT", f"reconciliation.{VENUE}.{ACCOUNT}.positions")

    said = await until(drift, what="the drift is reported", limit_seconds=20)
    assert said["atMs"] >= traded_ms + COMPARE_MS, "one read proves nothing"
    assert (Decimal(said["ours"]), Decimal(said["theirs"])) == (Decimal(0), Decimal("0.040"))
    assert said["errorId"]
    assert await desk.stored("FILLS") == [], "nobody invents a trade"


async def test_a_service_without_its_consumer_ends_and_says_that_provisioning_is_needed(
    desk: Desk, system: System
) -> None:
    filled = [await desk.place() for _ in range(5)]
    for order_id in filled:
        await desk.wait_order(order_id, "filled")
    await desk.jetstream.delete_consumer("INTENTS", f"risk-{VENUE}-{ACCOUNT}")
    reason = await asyncio.wait_for(asyncio.to_thread(lambda: system.run(system.supervisor.failed())), 25)
    assert "risk refused to start" in reason
    log = system.logs()["risk"]
    assert "is gone" in log
    assert "services.provision" in log

    assert await _run(system, "provision") == EXIT_STOPPED
    async with _running(system, "risk"):
        await desk.wait_order(await desk.place(), "filled", limit_seconds=20)
        # The new consumer began at the first intent of all: each met its own decision in the ledger.
        for order_id in filled:
            assert len(await desk.venue_orders(order_id)) == 1
            assert await desk.states(order_id) == ["approved", "submitting", "filled"]


async def test_a_stream_that_was_changed_makes_a_service_refuse_to_start(desk: Desk, system: System) -> None:
    found = await desk.jetstream.stream_info("AUDIT")
    await desk.jetstream.update_stream(_with_age(found.config, 3_600))
    for name in ("risk", "status_polling", "provision"):
        assert await _run(system, name) == EXIT_MISCONFIGURED
    now = await desk.jetstream.stream_info("AUDIT")
    assert now.config.max_age == 3_600, "drift is refused, never silently rewritten"


def _with_age(config: StreamConfig, seconds: float) -> StreamConfig:
    return config.evolve(max_age=seconds)


def _environment(system: System) -> dict[str, str]:
    return {
        **os.environ,
        "ORDERGATE_CONFIG": str(system.supervisor.installation),
        "ORDERGATE_NATS_URL": system.nats_url,
    }


async def _start(system: System, name: str) -> asyncio.subprocess.Process:
    part = system.supervisor.parts["risk"]
    with (system.home / "logs" / f"{name}-by-hand.log").open("ab") as output:
        return await asyncio.create_subprocess_exec(
            part.command[0], "-m", f"services.{name}", env=_environment(system), stdout=output, stderr=output
        )


async def _run(system: System, name: str) -> int:
    """A process of ours as an operator starts it; its exit code."""
    process = await _start(system, name)
    return await asyncio.wait_for(process.wait(), 20)


@asynccontextmanager
async def _running(system: System, name: str) -> AsyncIterator[None]:
    process = await _start(system, name)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert await asyncio.wait_for(process.wait(), 15) == EXIT_STOPPED
        assert time.monotonic() - began < 10
