from __future__ import annotations

import threading

import pytest

from ordergate.ports.trace import Trace
from ordergate.runtime.metrics import Metrics
from ordergate.runtime.tracing import QUEUE_SPANS_MAX, LossLog, NoTrace, OrderTrace, order_trace
from ordergate.trading.errors import Misconfigured
from ordergate.trading.ids import ClientOrderId, trace_id

ORDER = ClientOrderId("alpha-000017")


def trace_of(environ: dict[str, str], metrics: Metrics) -> OrderTrace | NoTrace:
    return order_trace(environ, service="risk", version="1", instance="risk-0", metrics=metrics)


def dropped(metrics: Metrics, reason: str) -> float:
    return metrics.registry.get_sample_value("ordergate_dropped_total", {"what": "span", "reason": reason}) or 0


async def test_without_an_endpoint_there_is_no_thread_and_nothing_is_kept() -> None:
    threads = threading.active_count()
    metrics = Metrics("risk")
    trace: Trace = trace_of({}, metrics)
    assert isinstance(trace, NoTrace)
    trace.start()
    trace.span("risk", ORDER, trace.now_ns(), attributes={"account": "main"})
    assert threading.active_count() == threads
    await trace.stop()
    assert metrics.registry.get_sample_value("ordergate_spans_exported_total") == 0
    assert int(trace.traceparent(ORDER).split("-")[1], 16) == trace_id(ORDER)


def test_a_wrong_configuration_is_said_at_start() -> None:
    with pytest.raises(Misconfigured):
        trace_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, Metrics("risk"))


def test_a_full_queue_drops_and_counts_and_keeps_its_size() -> None:
    metrics = Metrics("risk")
    trace = trace_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, metrics)
    assert isinstance(trace, OrderTrace)
    for _ in range(QUEUE_SPANS_MAX + 5):
        trace.span("risk", ORDER, 1, attributes={})
    assert dropped(metrics, "queue_full") == 5
    assert len(trace._notes) == QUEUE_SPANS_MAX


async def test_spans_after_stop_are_dropped_and_counted() -> None:
    metrics = Metrics("risk")
    trace = trace_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, metrics)
    trace.start()
    await trace.stop(limit_seconds=5)
    trace.span("risk", ORDER, 1, attributes={})
    assert dropped(metrics, "stopped") == 1


async def test_a_trace_that_was_never_started_can_be_stopped() -> None:
    metrics = Metrics("risk")
    trace = trace_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, metrics)
    trace.span("risk", ORDER, 1, attributes={})
    await trace.stop()
    assert dropped(metrics, "stopped") == 1


def test_losses_are_told_once_a_minute() -> None:
    now = [1000.0]
    told: list[object] = []
    log = LossLog(lambda _event, **facts: told.append(facts), monotonic=lambda: now[0])
    log.tell()
    assert told == []
    for _ in range(3):
        log.note(512, "ConnectionRefusedError")
        log.tell()
        now[0] += 25
    assert told == [{"count": 512, "last_cause": "ConnectionRefusedError"}]
    now[0] += 10
    log.tell()
    log.tell()
    assert told[1:] == [{"count": 1024, "last_cause": "ConnectionRefusedError"}]
