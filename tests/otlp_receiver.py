"""A real OTLP/HTTP receiver on loopback, for tests: what a collector does with POST /v1/traces, and what a bad day does to it."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

WAIT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """Ids in lower hex; parent_span_id is "" for a root."""

    service: str
    resource: Mapping[str, str | int | bool]
    scope: str
    name: str
    trace_id: str
    span_id: str
    parent_span_id: str
    links: tuple[tuple[str, str], ...]
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, str | int | bool]
    failed: bool


@dataclass(slots=True)
class OtlpReceiver:
    """Set `refusals` to (how many requests, with which status) and `headers` to what they say; `rejected` to a partial success.
    Clear `open_gate` to let requests hang until it is set.
    """

    port: int
    refusals: tuple[int, int] = (0, 503)
    headers: dict[str, str] = field(default_factory=dict)
    rejected: int = 0
    open_gate: threading.Event = field(default_factory=threading.Event)
    requests: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    _spans: list[ReceivedSpan] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[ReceivedSpan]:
        with self._changed:
            return list(self._spans)

    def wait_for(self, fact: Callable[[OtlpReceiver], bool], *, limit_seconds: float = WAIT_SECONDS_MAX) -> None:
        """Blocks. Raises AssertionError when the fact did not come true in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: fact(self), timeout=limit_seconds):
                raise AssertionError(f"not seen in {limit_seconds} s; spans so far: {[s.name for s in self._spans]}")

    def wait_for_spans(self, count: int, *, limit_seconds: float = WAIT_SECONDS_MAX) -> list[ReceivedSpan]:
        self.wait_for(lambda receiver: len(receiver._spans) >= count, limit_seconds=limit_seconds)
        return self.spans

    def take(
        self, path: str, headers: Mapping[str, str], body: bytes, peer: tuple[str, int]
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one POST: status, headers, body."""
        with self._changed:
            self.requests.append({"path": path, **{name.lower(): value for name, value in headers.items()}})
            self.connections.add(peer)
            self._changed.notify_all()
        self.open_gate.wait(WAIT_SECONDS_MAX)
        with self._changed:
            left, status = self.refusals
            if left > 0:
                self.refusals = (left - 1, status)
                return status, self.headers, b""
            if path != "/v1/traces" or headers.get("Content-Type") != "application/x-protobuf":
                return 404, {}, b""
            raw = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
            self.bodies.append(raw)
            self._spans.extend(_spans(ExportTraceServiceRequest.FromString(raw)))
            self._changed.notify_all()
            partial = ExportTracePartialSuccess(rejected_spans=self.rejected) if self.rejected else None
            return 200, {}, ExportTraceServiceResponse(partial_success=partial).SerializeToString()


@contextmanager
def otlp_receiver(port: int = 0, host: str = "127.0.0.1") -> Iterator[OtlpReceiver]:
    """A receiver that listens (port 0: on a free port) until the end of the block."""
    server = _Server((host, port), _Handler)
    receiver = server.receiver = OtlpReceiver(port=server.server_address[1])
    receiver.open_gate.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.open_gate.set()
        server.shutdown()
        server.hang_up()
        server.server_close()
        thread.join(WAIT_SECONDS_MAX)


def wait_until(fact: Callable[[], bool], *, limit_seconds: float = WAIT_SECONDS_MAX) -> None:
    """For a fact that nobody announces, such as a metric's value. Blocks; raises AssertionError."""
    deadline = time.monotonic() + limit_seconds
    pause = threading.Event()
    while not fact():
        assert time.monotonic() < deadline, f"not true after {limit_seconds} s"
        pause.wait(0.01)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: OtlpReceiver
    _open: set[socket.socket]

    def server_activate(self) -> None:
        self._open = set()
        super().server_activate()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        request, peer = super().get_request()
        self._open.add(request)
        return request, peer

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """As a process that ends: kept connections end too."""
        for request in tuple(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle is part of the tests, not of their output."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, answer = self.server.receiver.take(
            self.path, dict(self.headers.items()), body, self.client_address
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for of_resource in request.resource_spans:
        resource = {item.key: _plain(item.value) for item in of_resource.resource.attributes}
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield ReceivedSpan(
                    service=str(resource.get("service.name", "")),
                    resource=resource,
                    scope=of_scope.scope.name,
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_span_id=span.parent_span_id.hex(),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    began_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                    attributes={item.key: _plain(item.value) for item in span.attributes},
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )


def _plain(value: AnyValue) -> str | int | bool:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return value.bool_value
    return value.int_value if kind == "int_value" else value.string_value
