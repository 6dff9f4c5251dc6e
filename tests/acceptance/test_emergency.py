"""Stop and cancel while the bus is away: an operator's signal to the sender, and nothing else."""

import json
import threading

import pytest

from ordergate.runtime.server import EmbeddedServer
from services.supervisor import BUS
from tests.acceptance.desk import ACCOUNT, VENUE, Desk, now_ms, until
from tests.acceptance.system import System

OPEN = {"NEW", "PENDING_NEW", "PARTIALLY_FILLED"}


async def test_without_the_bus_a_signal_cancels_everything_and_its_return_starts_nothing(
    desk: Desk, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = await desk.price()
    resting = [await desk.place(price=f"{price * 0.95:.1f}") for _ in range(3)]
    for order_id in resting:
        await desk.wait_order(order_id, "accepted")
    room = threading.Event()
    start = EmbeddedServer.start
    monkeypatch.setattr(EmbeddedServer, "start", lambda server: (room.wait(60), start(server)))
    sender = system.pids()["order_submission"]
    system.kill(BUS)
    system.supervisor.call_emergency()

    async def nothing_open() -> bool | None:
        books = await desk.get(f"ledger?account={ACCOUNT}")
        return not [row for row in books["orders"] if row["status"] in OPEN] or None

    await until(nothing_open, what="the exchange shows nothing open", limit_seconds=15)
    assert BUS not in system.pids(), "the bus is still away"
    seen = (await desk.get("arrivals"))["lastSequence"]
    called_ms = now_ms()

    async def said() -> bool | None:
        return "emergency: the exchange shows nothing open" in system.logs()["order_submission"] or None

    await until(said, what="the sender says so, after the window of the last request", limit_seconds=20)
    assert BUS not in system.pids(), "without any help of the bus"
    room.set()

    async def thrown_for_all() -> bool | None:
        entry = await desk.last("KV_CONTROL", "$KV.CONTROL.kill.all")
        return (entry is not None and entry["thrown"]) or None

    async def connected() -> bool | None:
        return desk.client.is_connected or None

    await until(connected, what="the bus is back", limit_seconds=20)
    await until(thrown_for_all, what="the switch is thrown for everybody", limit_seconds=20)
    flat = await until(
        lambda: desk.last("AUDIT", f"risk.{VENUE}.{ACCOUNT}.kill_flat"), what="flat is said", limit_seconds=20
    )
    assert flat["atMs"] >= called_ms
    late = await desk.wait_order(await desk.place(), limit_seconds=15)
    assert late["state"] in {"refused", "canceled"}
    for order_id in resting:
        assert (await desk.wait_order(order_id, limit_seconds=15))["state"] == "canceled"
    assert [row for row in await desk.arrivals(after=seen) if row[2] == "POST /v2/orders"] == []
    assert system.pids()["order_submission"] == sender, "it has lived through all of it"


async def test_after_a_resume_it_trades_again(desk: Desk) -> None:
    document = {"schema": 1, "epoch": now_ms() + 1_000, "thrown": False, "reason": "a test", "atMs": now_ms()}
    await (await desk.jetstream.key_value("CONTROL")).put("kill.all", json.dumps(document).encode())

    async def filled() -> bool | None:
        return (await desk.wait_order(await desk.place()))["state"] == "filled" or None

    await until(filled, what="orders flow again", limit_seconds=15)
    await desk.wait_no_differences(limit_seconds=30)
