"""One order is one trace, whatever carried it; and the keys of the run show nowhere."""

import asyncio
import hashlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.development import Development
from tests.acceptance.desk import Desk
from tests.acceptance.system import AMPLE, System, running_system
from tests.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver

EVERY_PART = {"risk", "order_submission", "status_polling", "fill_streaming", "position_tracking"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, receiver: OtlpReceiver) -> Iterator[System]:
    """As everywhere, but all services export their spans."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "ORDERGATE_LOG_LEVEL": "DEBUG"}
    home = tmp_path_factory.mktemp("traced")
    with running_system(home, Development(limits=AMPLE), environment=environment) as running:
        yield running


@pytest.mark.parametrize("headers", [{}, {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}, {"traceparent": "torn"}])
async def test_the_spans_of_one_order_share_the_trace_that_its_id_names(
    desk: Desk, receiver: OtlpReceiver, headers: dict[str, str]
) -> None:
    """With no header, with a stranger's, with a broken one: the trace id is the first half of SHA-256(clientOrderId)."""
    body = desk.place_body()
    order_id = body["clientOrderId"]
    # So that status polling has to look for it as well.
    await desk.faults({"kind": "answer_lost", "call": "POST /v2/orders", "clientOrderId": order_id, "times": 1})
    await desk.publish(desk.subject(body), body, headers=headers)
    await desk.wait_order(order_id, "filled", limit_seconds=15)
    trace = hashlib.sha256(order_id.encode()).digest()[:16].hex()

    def of_order(received: OtlpReceiver) -> list[ReceivedSpan]:
        return [span for span in received._spans if span.attributes.get("ordergate.client_order_id") == order_id]

    await asyncio.to_thread(
        receiver.wait_for, lambda received: {span.service for span in of_order(received)} >= EVERY_PART
    )
    spans = of_order(receiver)
    assert {span.trace_id for span in spans} == {trace}
    names = {span.name for span in spans}
    assert {
        "risk.decide",
        "order_submission.submit",
        "order_submission.venue_request",
        "status_polling.lookup",
        "fill_streaming.store",
        "position_tracking.fold",
    } <= names
    (opening,) = [span for span in spans if span.name == "risk.decide"]
    assert opening.span_id == hashlib.sha256(order_id.encode()).digest()[16:24].hex()
    assert all(span.parent_span_id in {"", opening.span_id} for span in spans if span is not opening)
    requests = [span for span in spans if span.name == "order_submission.venue_request"]
    assert all("ordergate.budget_wait_ms" in span.attributes for span in requests)


async def test_a_refused_orders_span_carries_its_error_id(desk: Desk, receiver: OtlpReceiver) -> None:
    by_risk = await desk.place(symbol="DOGEUSDT")
    by_venue = await desk.place(side="SELL", reduceOnly=True, positionSide="LONG", symbol="ETHUSDT")
    for order_id, name in ((by_risk, "risk.decide"), (by_venue, "order_submission.submit")):
        error_id = (await desk.wait_order(order_id))["errorId"]
        trace = hashlib.sha256(order_id.encode()).digest()[:16].hex()

        def told(received: OtlpReceiver, *, name: str = name, trace: str = trace, error_id: str = error_id) -> bool:
            return any(
                (span.name, span.trace_id, span.attributes.get("ordergate.error_id")) == (name, trace, error_id)
                and span.failed
                for span in received._spans
            )

        await asyncio.to_thread(receiver.wait_for, told)


@pytest.mark.timeout(90)
async def test_no_key_and_no_secret_of_this_run_shows_anywhere(
    desk: Desk, system: System, receiver: OtlpReceiver
) -> None:
    """After orders, refusals, lost answers, a clock error and a restart: everything that came out is searched."""
    await desk.post("clock", {"offsetMs": 9_000})
    await desk.wait_order(await desk.place(), "filled", limit_seconds=20)
    await desk.post("clock", {"offsetMs": 0})
    pid = system.kill("order_submission")
    await asyncio.to_thread(system.wait_restarted, "order_submission", pid)
    await desk.wait_order(await desk.place(), "filled", limit_seconds=20)
    canaries = _canaries(system.home)
    assert len(canaries) == 8, "a key and a secret for each of the four that sign"
    searched = {
        **{f"log {name}": text.encode() for name, text in system.logs().items()},
        **{f"spans {number}": body for number, body in enumerate(receiver.bodies)},
        **{f"metrics {name}": await asyncio.to_thread(_metrics, port) for name, port in system.health.items()},
    }
    for stream in await desk.jetstream.streams_info():
        name = stream.config.name
        for message in await desk.stored(str(name)):
            searched[f"{name} {message.sequence}"] = b"\n".join(
                (message.subject.encode(), message.data, json.dumps(dict(message.headers)).encode())
            )
    assert len([where for where in searched if where.startswith("log ")]) >= 7
    assert len(receiver.bodies) > 0
    assert sum(where.startswith("AUDIT") for where in searched) > 0
    leaks = [where for where, data in searched.items() if any(canary in data for canary in canaries)]
    assert leaks == []
    assert not [where for where, data in searched.items() if b"signature=" in data]


def _canaries(home: Path) -> list[bytes]:
    keys = [json.loads(file.read_text()) for file in (home / "keys").glob("*.json")]
    return [value.encode() for key in keys for value in (key["key"], key["secret"])]


def _metrics(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: bytes = answer.read()
        return text
