"""What /metrics of the running services shows after orders, a refusal and a lost answer."""

import asyncio
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.desk import Desk, until
from tests.acceptance.system import System

SIGNERS = ("order_submission", "status_polling", "fill_streaming", "position_tracking")
READERS = ("risk", "status_polling", "fill_streaming", "position_tracking")
Samples = list[tuple[str, dict[str, str], float]]


async def _scrape(port: int) -> Samples:
    def get() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    text = await asyncio.to_thread(get)
    return [
        (sample.name.removeprefix("ordergate_"), sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def _value(samples: Samples, metric: str, **labels: str) -> float | None:
    found = [value for name, have, value in samples if name == metric and labels.items() <= have.items()]
    return sum(found) if found else None


async def _lost_and_found(desk: Desk) -> str:
    """An order that executed while its answer was lost: unknown, then found."""
    await desk.faults({"kind": "answer_lost", "call": "POST /v2/orders", "times": 1})
    lost = await desk.place()
    await desk.wait_order(lost, "filled")
    await desk.faults()
    assert "unknown" in await desk.states(lost)
    return lost


async def _fills_are_measured(system: System) -> bool:
    samples = await _scrape(system.health["position_tracking"])
    return (_value(samples, "stage_seconds_count", stage="fill_to_stored") or 0) >= 1


async def test_the_running_services_show_what_an_operator_must_see(desk: Desk, system: System) -> None:
    await desk.wait_order(await desk.place(), "filled")
    await desk.wait_order(await desk.place(createdAtMs=1), "refused")
    lost = await _lost_and_found(desk)
    refused = await desk.place(side="SELL", reduceOnly=True, positionSide="LONG", symbol="ETHUSDT")
    await desk.wait_order(refused, "rejected")

    async def shown() -> dict[str, Samples] | None:
        """After the next look of each service: gauges are set every few seconds."""
        seen = {name: await _scrape(port) for name, port in system.health.items()}
        looked = all(_value(seen[name], "venue_clock_offset_seconds") is not None for name in SIGNERS)
        aged = all(_value(seen[name], "feed_silent_seconds") is not None for name in READERS)
        return seen if looked and aged else None

    async def measured() -> bool | None:
        return await _fills_are_measured(system) or None

    await until(measured, what="a fill's way is measured", limit_seconds=15)
    seen = await until(shown, what="every service has looked at itself", limit_seconds=15)
    for signer in SIGNERS:
        samples = seen[signer]
        assert abs(_value(samples, "venue_clock_offset_seconds", venue="zetarium") or 0) < 2, signer
        assert _value(samples, "venue_clock_drift_seconds") is not None, signer
        assert (_value(samples, "venue_open_connections", venue="zetarium") or 0) > 0, signer
        assert _value(samples, "venue_handshakes", venue="zetarium") == 0, "plain text to this very machine"
        assert (_value(samples, "budget_limit", venue="zetarium") or 0) > 0, signer
        assert (_value(samples, "budget_wait_seconds_count") or 0) > 0, signer
        assert _value(samples, "budget_waiting") == 0, signer
    assert (_value(seen["order_submission"], "budget_used") or 0) > 0
    for budget in ("budget.zetarium.main", "budget.zetarium._.default"):
        owners = [_value(seen[name], "budget_standing", budget=budget, standing="owner") for name in SIGNERS]
        assert owners == [1, 0, 0, 0], budget
    assert _value(seen["status_polling"], "rain") == 0
    assert _value(seen["order_submission"], "rejects_total", by="zetarium", code="REDUCE_ONLY_REJECTED") == 1
    assert _value(seen["status_polling"], "unknown_orders", account="main") == 0
    assert _value(seen["position_tracking"], "differences", kind="position") == 0
    for reader in READERS:
        age = _value(seen[reader], "feed_silent_seconds")
        assert age is not None, reader
        assert age < 8 * 3, reader
        assert _value(seen[reader], "feed_lag") == 0, reader
        assert _value(seen[reader], "reconnects_total", to="bus") == 0, reader
    assert _value(seen["risk"], "consumer_lag", stream="INTENTS") == 0
    polled = seen["status_polling"]
    for stage in ("intent_to_decision", "approved_to_wire", "wire_to_answer"):
        assert (_value(polled, "stage_seconds_count", stage=stage) or 0) >= 2, stage
    assert _value(polled, "rejects_total", by="risk", code="expired") == 1
    assert _value(polled, "unknown_resolved_seconds_count", account="main") == 1, lost
    assert (_value(polled, "venue_orders_total", client_order_id="yes") or 0) >= 2
    assert _value(polled, "venue_orders_total", client_order_id="no") is None
    told = [value for samples in seen.values() for _, labels, _ in samples for value in labels.values()]
    assert not [value for value in told if refused in value], "a label never bears an order's id"
