"""Spans through a real socket to a real OTLP/HTTP receiver."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator

import pytest

from ordergate.runtime.metrics import Metrics
from ordergate.runtime.tracing import BATCH_SPANS_MAX, QUEUE_SPANS_MAX, NoTrace, OrderTrace, order_trace
from ordergate.trading.ids import ClientOrderId
from tests.otlp_receiver import OtlpReceiver, otlp_receiver, wait_until

ORDER = ClientOrderId("alpha-000017")
TRACE = hashlib.sha256(b"alpha-000017").hexdigest()[:32]
STOP_SECONDS = 10.0


class Warnings:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def warning(self, event: str, **facts: object) -> None:
        self.lines.append((event, facts))


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


def started(
    url: str,
    service: str,
    metrics: Metrics,
    *,
    log: Warnings | None = None,
    opening: str | None = None,
    environ: dict[str, str] | None = None,
) -> OrderTrace | NoTrace:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **(environ or {})}
    warn = (log or Warnings()).warning
    trace = order_trace(
        environ, service=service, version="1.2.3", instance="one", metrics=metrics, opening_span=opening, warn=warn
    )
    trace.start()
    return trace


def dropped(metrics: Metrics, reason: str) -> float:
    return metrics.registry.get_sample_value("ordergate_dropped_total", {"what": "span", "reason": reason}) or 0


def exported(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("ordergate_spans_exported_total") or 0


async def test_the_spans_of_one_order_from_two_services_meet_in_its_trace(receiver: OtlpReceiver) -> None:
    risk = started(receiver.url, "risk", Metrics("risk"), opening="risk")
    submission = started(receiver.url, "order_submission", Metrics("order_submission"))
    risk.span("risk", ORDER, risk.now_ns(), attributes={"account": "main"})
    header = risk.traceparent(ORDER)
    submission.span("submit", ORDER, submission.now_ns(), attributes={"attempt": 1}, parent=header)
    submission.span("without a header", ORDER, submission.now_ns(), attributes={})
    await risk.stop(limit_seconds=STOP_SECONDS)
    await submission.stop(limit_seconds=STOP_SECONDS)

    spans = {span.name: span for span in receiver.spans}
    assert {span.service for span in spans.values()} == {"risk", "order_submission"}
    assert {span.trace_id for span in spans.values()} == {TRACE}
    assert spans["submit"].parent_span_id == spans["risk"].span_id
    assert spans["without a header"].parent_span_id == ""
    assert spans["risk"].attributes == {"ordergate.client_order_id": ORDER, "ordergate.account": "main"}


async def test_the_resource_says_which_process_it_was(receiver: OtlpReceiver) -> None:
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test,service.name=of-all"}
    trace = started(receiver.url, "risk", Metrics("risk"), environ=environ)
    trace.span("risk", ORDER, trace.now_ns(), attributes={})
    await trace.stop(limit_seconds=STOP_SECONDS)
    (span,) = receiver.spans
    assert span.scope == "ordergate"
    assert span.resource == {
        "deployment.environment": "test",
        "service.name": "risk",
        "service.version": "1.2.3",
        "service.instance.id": "one",
    }


async def test_a_refused_orders_span_carries_its_error_id(receiver: OtlpReceiver) -> None:
    trace = started(receiver.url, "risk", Metrics("risk"))
    began_ns = trace.now_ns()
    trace.span("risk", ORDER, began_ns, attributes={}, error_id="oge-abc")
    await trace.stop(limit_seconds=STOP_SECONDS)
    (span,) = receiver.spans
    assert span.failed
    assert span.attributes["ordergate.error_id"] == "oge-abc"
    assert began_ns == span.began_ns <= span.ended_ns <= time.time_ns()


async def test_spans_leave_without_a_stop_over_one_connection(receiver: OtlpReceiver) -> None:
    trace = started(receiver.url, "risk", Metrics("risk"))
    trace.span("first", ORDER, trace.now_ns(), attributes={})
    await asyncio.to_thread(receiver.wait_for_spans, 1)
    trace.span("second", ORDER, trace.now_ns(), attributes={})
    await asyncio.to_thread(receiver.wait_for_spans, 2)
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert [span.name for span in receiver.spans] == ["first", "second"]
    assert len(receiver.connections) == 1


async def test_headers_and_compression_of_the_environment_are_used(receiver: OtlpReceiver) -> None:
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
    trace = started(receiver.url, "risk", Metrics("risk"), environ=environ)
    trace.span("risk", ORDER, trace.now_ns(), attributes={})
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert [span.name for span in receiver.spans] == ["risk"]
    assert receiver.requests[0]["x-tenant"] == "a b"
    assert receiver.requests[0]["content-encoding"] == "gzip"


async def test_stop_exports_all_that_is_queued(receiver: OtlpReceiver) -> None:
    metrics = Metrics("risk")
    trace = started(receiver.url, "risk", metrics)
    for n in range(3000):
        trace.span(f"span-{n}", ORDER, 1, attributes={})
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert [span.name for span in receiver.spans] == [f"span-{n}" for n in range(3000)]
    assert exported(metrics) == 3000


async def test_a_receiver_that_is_busy_for_a_while_loses_nothing(receiver: OtlpReceiver) -> None:
    receiver.refusals, receiver.headers = (2, 503), {"Retry-After": "0"}
    metrics = Metrics("risk")
    trace = started(receiver.url, "risk", metrics)
    trace.span("risk", ORDER, 1, attributes={})
    await asyncio.to_thread(receiver.wait_for_spans, 1)
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert len(receiver.requests) == 3
    assert exported(metrics) == 1
    assert dropped(metrics, "export_failed") == 0


async def test_a_batch_is_given_up_after_its_attempts_and_the_next_goes_through(receiver: OtlpReceiver) -> None:
    receiver.refusals, receiver.headers = (4, 503), {"Retry-After": "0"}
    metrics, log = Metrics("risk"), Warnings()
    trace = started(receiver.url, "risk", metrics, log=log)
    trace.span("lost", ORDER, 1, attributes={})
    await asyncio.to_thread(wait_until, lambda: dropped(metrics, "export_failed") == 1)
    trace.span("next", ORDER, 1, attributes={})
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert [span.name for span in receiver.spans] == ["next"]
    assert log.lines == [("spans were lost", {"count": 1, "last_cause": "HTTP 503"})]


async def test_a_refusal_is_not_repeated(receiver: OtlpReceiver) -> None:
    receiver.refusals = (1, 400)
    metrics = Metrics("risk")
    trace = started(receiver.url, "risk", metrics)
    trace.span("risk", ORDER, 1, attributes={})
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert len(receiver.requests) == 1
    assert dropped(metrics, "refused_by_receiver") == 1


async def test_spans_that_the_receiver_threw_away_count_as_dropped(receiver: OtlpReceiver) -> None:
    receiver.rejected = 2
    metrics = Metrics("risk")
    trace = started(receiver.url, "risk", metrics)
    for _ in range(5):
        trace.span("risk", ORDER, 1, attributes={})
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert (exported(metrics), dropped(metrics, "refused_by_receiver")) == (3, 2)


async def test_no_receiver_costs_spans_and_nothing_else() -> None:
    with otlp_receiver() as gone:
        url = gone.url
    metrics, log = Metrics("risk"), Warnings()
    trace = started(url, "risk", metrics, log=log)
    for _ in range(QUEUE_SPANS_MAX + 100):
        trace.span("risk", ORDER, 1, attributes={})
    await asyncio.to_thread(wait_until, lambda: dropped(metrics, "export_failed") >= 1)
    await trace.stop(limit_seconds=STOP_SECONDS)
    lost = dropped(metrics, "queue_full") + dropped(metrics, "export_failed") + dropped(metrics, "stopped")
    assert lost == QUEUE_SPANS_MAX + 100
    assert exported(metrics) == 0
    assert len(log.lines) == 1
    assert log.lines[0][1]["last_cause"] == "ConnectionRefusedError"


async def test_a_receiver_that_comes_back_gets_the_next_spans() -> None:
    with otlp_receiver() as first:
        port = first.port
        metrics = Metrics("risk")
        trace = started(first.url, "risk", metrics)
        trace.span("before", ORDER, 1, attributes={})
        await asyncio.to_thread(wait_until, lambda: exported(metrics) == 1)
    with otlp_receiver(port) as second:
        trace.span("after", ORDER, 1, attributes={})
        await asyncio.to_thread(second.wait_for_spans, 1)
        await trace.stop(limit_seconds=STOP_SECONDS)
        assert [span.name for span in second.spans] == ["after"]
    assert exported(metrics) == 2


async def test_a_receiver_that_hangs_does_not_hold_up_the_stop(receiver: OtlpReceiver) -> None:
    receiver.open_gate.clear()
    metrics = Metrics("risk")
    trace = started(receiver.url, "risk", metrics)
    for _ in range(2000):
        trace.span("risk", ORDER, 1, attributes={})
    await asyncio.to_thread(receiver.wait_for, lambda seen: len(seen.requests) == 1)
    began = time.monotonic()
    await trace.stop(limit_seconds=0.3)
    assert time.monotonic() - began < 3
    # One batch is still under way; all others are accounted for.
    assert 2000 - BATCH_SPANS_MAX <= dropped(metrics, "stopped") < 2000


async def test_one_span_that_cannot_be_written_costs_only_itself(receiver: OtlpReceiver) -> None:
    metrics = Metrics("risk")
    trace = started(receiver.url, "risk", metrics)
    trace.span("began before time", ORDER, -1, attributes={})
    trace.span("good", ORDER, 1, attributes={})
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert [span.name for span in receiver.spans] == ["good"]
    assert dropped(metrics, "unreadable") == 1


async def test_no_key_leaves_the_process(receiver: OtlpReceiver) -> None:
    key = "zd_" + "c4" * 20
    trace = started(receiver.url, "order_submission", Metrics("order_submission"))
    trace.span("call", ORDER, 1, attributes={"message": f"refused {key}"}, error_id="ze-1")
    await trace.stop(limit_seconds=STOP_SECONDS)
    assert receiver.spans[0].attributes["ordergate.message"] == "refused [redacted]"
    assert all(key.encode() not in body for body in receiver.bodies)
