from __future__ import annotations

import prometheus_client

from ordergate.runtime.metrics import LABEL_SETS_MAX, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"ordergate_{name}", labels)


def test_a_stage_is_observed_in_seconds() -> None:
    metrics = Metrics("risk")
    for seconds in (0.0004, 0.004, 20):
        metrics.stage_took("append", seconds)
    assert value(metrics, "stage_seconds_count", service="risk", stage="append") == 3
    assert value(metrics, "stage_seconds_bucket", service="risk", stage="append", le="0.005") == 2
    assert value(metrics, "stage_seconds_bucket", service="risk", stage="append", le="10.0") == 2


def test_a_lane_tells_totals_and_they_are_counted_once() -> None:
    metrics = Metrics("risk")
    metrics.lane("risk-zetarium-main", totals={"handled": 3, "buried": 0})
    metrics.lane("risk-zetarium-main", totals={"handled": 5, "buried": 1})
    assert value(metrics, "messages_total", consumer="risk-zetarium-main", outcome="handled") == 5
    assert value(metrics, "messages_total", consumer="risk-zetarium-main", outcome="buried") == 1


def test_codes_that_others_make_up_end_in_one_series() -> None:
    metrics = Metrics("risk")
    for n in range(LABEL_SETS_MAX + 50):
        metrics.rejected("zetarium", f"made-up-{n}")
    assert value(metrics, "rejects_total", by="zetarium", code="made-up-0") == 1
    assert value(metrics, "rejects_total", by="other", code="other") == 50
    assert metrics.exposition().count(b"ordergate_rejects_total{") == LABEL_SETS_MAX + 1


def test_two_registries_of_one_process_do_not_meet() -> None:
    one, two = Metrics("risk"), Metrics("risk")
    one.dropped("span", "queue_full", count=7)
    assert value(one, "dropped_total", what="span", reason="queue_full") == 7
    assert value(two, "dropped_total", what="span", reason="queue_full") is None
    assert b"ordergate_" not in prometheus_client.generate_latest()


def test_every_method_moves_its_metric() -> None:
    metrics = Metrics("status_polling")
    metrics.venue_request("zetarium", "order", 200, seconds=0.01)
    metrics.connections("zetarium", "polling-1", open_now=1, opened=2, handshakes=1)
    metrics.clock_offset("zetarium", milliseconds=-250, moved_milliseconds=-50)
    metrics.budget_waiting("zetarium", "main", "polling-1", count=4)
    metrics.feed("ORDERS:orders.zetarium.main.>", silent_seconds=0.5, lag=3)
    metrics.budget("zetarium", "main", "orders", used=81, limit=300)
    metrics.budget_waited("zetarium", "GET /v2/orders", seconds=0.2)
    metrics.throttled("zetarium", 429, retry_after_seconds=3)
    metrics.unknowns("zetarium", "main", count=2, oldest_seconds=9.5)
    metrics.unknown_resolved("zetarium", "main", seconds=9.5)
    metrics.reconnects("bus", total=2)
    metrics.reconnects("bus", total=3)
    metrics.consumer("S", "c", lag=5, unacknowledged=1)
    metrics.differences("zetarium", "main", "position", count=1)
    metrics.order_seen("zetarium", has_client_order_id=True)
    metrics.order_seen("zetarium", has_client_order_id=False)
    metrics.spans_exported(3)
    metrics.task_restarted("poll")

    venue, account = {"venue": "zetarium"}, {"venue": "zetarium", "account": "main"}
    assert value(metrics, "venue_request_seconds_count", **venue, endpoint="order", status="200") == 1
    session = {**venue, "session": "polling-1"}
    assert value(metrics, "venue_open_connections", **session) == 1
    assert value(metrics, "venue_connections", **session) == 2
    assert value(metrics, "venue_handshakes", **session) == 1
    assert value(metrics, "budget_waiting", **account, session="polling-1") == 4
    assert value(metrics, "feed_silent_seconds", feed="ORDERS:orders.zetarium.main.>") == 0.5
    assert value(metrics, "feed_lag", feed="ORDERS:orders.zetarium.main.>") == 3
    assert value(metrics, "venue_clock_drift_seconds", **venue) == -0.05
    assert value(metrics, "venue_clock_offset_seconds", **venue) == -0.25
    assert value(metrics, "budget_used", **account, bucket="orders") == 81
    assert value(metrics, "budget_limit", **account, bucket="orders") == 300
    assert value(metrics, "budget_wait_seconds_sum", **venue, endpoint="GET /v2/orders") == 0.2
    assert value(metrics, "throttled_total", **venue, status="429") == 1
    assert value(metrics, "throttle_wait_seconds_total", **venue) == 3
    assert value(metrics, "unknown_orders", **account) == 2
    assert value(metrics, "unknown_oldest_seconds", **account) == 9.5
    assert value(metrics, "unknown_resolved_seconds_count", **account) == 1
    assert value(metrics, "reconnects_total", to="bus") == 3
    assert value(metrics, "consumer_lag", stream="S", consumer="c") == 5
    assert value(metrics, "consumer_unacknowledged", stream="S", consumer="c") == 1
    assert value(metrics, "differences", **account, kind="position") == 1
    assert value(metrics, "venue_orders_total", **venue, client_order_id="yes") == 1
    assert value(metrics, "venue_orders_total", **venue, client_order_id="no") == 1
    assert value(metrics, "spans_exported_total") == 3
    assert value(metrics, "task_restarts_total", task="poll") == 1
