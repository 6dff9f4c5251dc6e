"""What is told of each venue request: one log line, one AUDIT record, one metric, and a span in the order's trace.

On the way of every order, so it is lean: the line and the record are the same few fields, none of which can hold a secret (the session
hands over no query, no header and no key), written without the logging pipeline.
"""

import re
import sys
from dataclasses import dataclass
from typing import TextIO

import orjson

from ordergate.access.session import RequestRecord
from ordergate.ports.bus import Publisher
from ordergate.ports.trace import Trace
from ordergate.runtime.metrics import Metrics
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.wire import subjects
from ordergate.wire.messages import SCHEMA

_ID = re.compile(r"/[0-9][^/]*$")
_NANOSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestJournal:
    """A sink for the sessions of one account in one service."""

    venue: VenueName
    account: AccountName
    service: str
    instance: str
    publisher: Publisher
    trace: Trace
    metrics: Metrics
    output: TextIO = sys.stdout

    def __call__(self, record: RequestRecord) -> None:
        status = record.status or 0
        latency_ms = 0 if record.latency_ms is None else round(record.latency_ms)
        body = {
            "schema": SCHEMA,
            "venue": self.venue,
            "account": self.account,
            "service": self.service,
            "atMs": record.at_ms,
            "method": record.method,
            "path": record.path,
            "status": status,
            "latencyMs": latency_ms,
            "weight": sum(record.weights.values()),
            "weights": {scope.value: weight for scope, weight in record.weights.items()},
            "outcome": record.outcome,
            "waitedMs": record.waited_ms,
        }
        if record.error_id is not None:
            body["errorId"] = record.error_id
        if record.client_order_id is not None:
            body["clientOrderId"] = record.client_order_id
        self.publisher.record(subjects.requests(self.venue, self.account, self.service), orjson.dumps(body))
        line = {"level": "info", "logger": "venue", "event": "request", "instance": self.instance, **body}
        self.output.write(orjson.dumps(line).decode() + "\n")
        endpoint = f"{record.method} {_ID.sub('/:id', record.path)}"
        self.metrics.venue_request(self.venue, endpoint, status, seconds=(record.latency_ms or 0) / 1000)
        self.metrics.budget_waited(self.venue, endpoint, seconds=record.waited_ms / 1000)
        if record.outcome == "not_executed" and record.client_order_id is not None:
            self.metrics.rejected(self.venue, record.reason or "none")
        if record.outcome == "throttled":
            self.metrics.throttled(self.venue, status, retry_after_seconds=(record.retry_after_ms or 0) / 1000)
        if record.client_order_id is not None and record.outcome != "not_sent":
            self._trace_request(record, endpoint, status)

    def _trace_request(self, record: RequestRecord, endpoint: str, status: int) -> None:
        began_ns = self.trace.now_ns() - int((record.latency_ms or 0) * _NANOSECONDS)
        self.trace.span(
            f"{self.service}.venue_request",
            ClientOrderId(record.client_order_id or ""),
            began_ns,
            attributes={
                "account": self.account,
                "http.route": endpoint,
                "http.response.status_code": status,
                "outcome": record.outcome,
                "budget_wait_ms": record.waited_ms,
            },
            error_id=record.error_id,
        )
