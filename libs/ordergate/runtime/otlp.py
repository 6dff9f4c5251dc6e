"""Where spans go: an OTLP/HTTP receiver, named by the standard environment of OpenTelemetry, and one kept connection to it.

Read: OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_RESOURCE_ATTRIBUTES, and of OTEL_EXPORTER_OTLP_* the variables ENDPOINT, HEADERS,
COMPRESSION, PROTOCOL, CERTIFICATE, CLIENT_CERTIFICATE and CLIENT_KEY, each also as OTEL_EXPORTER_OTLP_TRACES_*, which wins. TIMEOUT is
not read: the specification counts it in milliseconds and Python's SDK in seconds. Nor is OTEL_SERVICE_NAME: all services of a machine
share one environment and must not share one name.

The connection is `http.client` and not the SDK's exporter: that takes only spans of its own kind (`span_encoding` says what they cost)
and brings 9 MB of modules into every service.
"""

import gzip
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from ordergate.trading.errors import Misconfigured

_TRACES_PATH: Final = "v1/traces"
_ANSWER_BYTES_MAX = 64 * 1024
_RETRIABLE: Final = frozenset({429, 502, 503, 504})  # the OTLP specification, "Retryable Response Codes"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpEndpoint:
    """A receiver and how to reach it. Headers may hold a credential and stay out of repr."""

    secure: bool
    host: str
    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = False
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpAnswer:
    """retriable: the same request may succeed later. rejected: spans that the receiver took delivery of and threw away."""

    status: int
    retriable: bool
    retry_after_seconds: float | None
    rejected: int

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004


def endpoint_from_environ(environ: Mapping[str, str]) -> OtlpEndpoint | None:
    """None: tracing is not configured, or switched off. Raises Misconfigured for a configuration that could never work."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() not in {"", "otlp"}:
        return None
    url = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not url and base:
        url = f"{base.rstrip('/')}/{_TRACES_PATH}"
    if not url:
        return None
    protocol = _option(environ, "PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        raise Misconfigured(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol[:40]!r}; spans go by http/protobuf only")
    compression = _option(environ, "COMPRESSION") or "none"
    if compression not in {"none", "gzip"}:
        raise Misconfigured(f"OTEL_EXPORTER_OTLP_COMPRESSION is {compression[:40]!r}; it may be none or gzip")
    secure, host, port, path = _place(url)
    return OtlpEndpoint(
        secure=secure,
        host=host,
        port=port,
        path=path,
        headers=_headers(_option(environ, "HEADERS")),
        gzip=compression == "gzip",
        tls=_tls(environ) if secure else None,
    )


def resource_from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """OTEL_RESOURCE_ATTRIBUTES. Raises Misconfigured."""
    return _pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""), "OTEL_RESOURCE_ATTRIBUTES")


class OtlpConnection:
    """One connection, kept alive between posts and made anew after any failure. Used by one thread."""

    def __init__(self, endpoint: OtlpEndpoint) -> None:
        self._endpoint = endpoint
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes, *, timeout_seconds: float) -> OtlpAnswer:
        """Raises OSError or http.client.HTTPException when no answer came. timeout_seconds bounds each wait on the socket."""
        endpoint = self._endpoint
        headers = {"Content-Type": "application/x-protobuf", **endpoint.headers}
        if endpoint.gzip:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        try:
            connection = self._connected(timeout_seconds)
            connection.request("POST", endpoint.path, body, headers)
            response = connection.getresponse()
            content = response.read(_ANSWER_BYTES_MAX)
            if not response.isclosed():
                self.close()  # the rest is not worth reading
        except BaseException:
            self.close()
            raise
        return OtlpAnswer(
            status=response.status,
            retriable=response.status in _RETRIABLE,
            retry_after_seconds=_seconds(response.getheader("Retry-After")),
            rejected=_rejected(content) if response.status == http.client.OK else 0,
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, timeout_seconds: float) -> http.client.HTTPConnection:
        if self._connection is None:
            endpoint = self._endpoint
            if endpoint.secure:
                self._connection = http.client.HTTPSConnection(endpoint.host, endpoint.port, context=endpoint.tls)
            else:
                self._connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
        self._connection.timeout = timeout_seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_seconds)
        return self._connection


def _option(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or environ.get(f"OTEL_EXPORTER_OTLP_{name}") or "").strip()


def _place(url: str) -> tuple[bool, str, int, str]:
    # The URL itself stays out of the message: it may hold a credential.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Misconfigured("the OTLP endpoint is not a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise Misconfigured(
            "the OTLP endpoint must be http(s)://host[:port][/path]; credentials go in OTEL_EXPORTER_OTLP_HEADERS"
        )
    secure = parts.scheme == "https"
    return secure, parts.hostname, port or (443 if secure else 80), parts.path or "/"


def _headers(text: str) -> dict[str, str]:
    headers = _pairs(text, "OTEL_EXPORTER_OTLP_HEADERS")
    # Checked here, because http.client's own error would show the value.
    if any(not (name + value).isprintable() or not (name + value).isascii() for name, value in headers.items()):
        raise Misconfigured("OTEL_EXPORTER_OTLP_HEADERS holds a character that no header can carry")
    return headers


def _pairs(text: str, variable: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not part.strip():
            continue
        if not equals or not name.strip():
            raise Misconfigured(f"{variable} must be name=value,name=value")
        pairs[unquote(name.strip())] = unquote(value.strip())
    return pairs


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=_option(environ, "CERTIFICATE") or None)
        certificate = _option(environ, "CLIENT_CERTIFICATE")
        if certificate:
            context.load_cert_chain(certificate, _option(environ, "CLIENT_KEY") or None)
    except OSError as error:  # ssl.SSLError is one
        raise Misconfigured("a certificate file named in OTEL_EXPORTER_OTLP_* cannot be read") from error
    return context


def _seconds(retry_after: str | None) -> float | None:
    # The other form, a date, is left to our own back-off.
    return float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else None


def _rejected(content: bytes) -> int:
    if not content:
        return 0  # the usual answer, so that the message's module is rarely loaded
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse  # noqa: PLC0415

    try:
        return int(ExportTraceServiceResponse.FromString(content).partial_success.rejected_spans)
    except DecodeError:
        return 0  # some receivers answer 200 with words
