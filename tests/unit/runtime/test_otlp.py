from __future__ import annotations

import pytest

from ordergate.runtime.otlp import endpoint_from_environ, resource_from_environ
from ordergate.trading.errors import Misconfigured

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {BASE: ""},
        {BASE: "http://c:4318", "OTEL_SDK_DISABLED": "true"},
        {BASE: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_exported_unless_asked(environ: dict[str, str]) -> None:
    assert endpoint_from_environ(environ) is None


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({BASE: "http://c:4318"}, (False, "c", 4318, "/v1/traces")),
        ({BASE: "http://c:4318/otlp/"}, (False, "c", 4318, "/otlp/v1/traces")),
        ({BASE: "https://c"}, (True, "c", 443, "/v1/traces")),
        ({TRACES: "http://c/in"}, (False, "c", 80, "/in")),
        ({BASE: "http://other", TRACES: "http://[::1]:9"}, (False, "::1", 9, "/")),
    ],
)
def test_the_endpoint_is_where_the_standard_says(environ: dict[str, str], place: tuple[bool, str, int, str]) -> None:
    endpoint = endpoint_from_environ(environ)
    assert endpoint is not None
    assert (endpoint.secure, endpoint.host, endpoint.port, endpoint.path) == place
    assert (endpoint.tls is not None) == endpoint.secure


def test_headers_are_decoded_and_never_shown() -> None:
    endpoint = endpoint_from_environ(
        {BASE: "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cret-token, x-tenant=a=b,"}
    )
    assert endpoint is not None
    assert endpoint.headers == {"authorization": "Bearer s3cret-token", "x-tenant": "a=b"}
    assert "s3cret" not in repr(endpoint)


def test_what_is_said_for_traces_wins() -> None:
    endpoint = endpoint_from_environ(
        {
            BASE: "http://c",
            "OTEL_EXPORTER_OTLP_HEADERS": "a=1",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "b=2",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
        }
    )
    assert endpoint is not None
    assert endpoint.headers == {"b": "2"}
    assert endpoint.gzip


@pytest.mark.parametrize(
    "environ",
    [
        {BASE: "c:4318"},
        {BASE: "ftp://c"},
        {BASE: "http://"},
        {BASE: "http://c:port-s3cret"},
        {BASE: "http://user:s3cret@c"},
        {BASE: "http://c/?token=s3cret", TRACES: "http://c/?token=s3cret"},
        {BASE: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {BASE: "http://c", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"},
        {BASE: "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "s3cret"},
        {BASE: "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "a=s3cret%0d%0ax: y"},
        {BASE: "https://c", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"},
    ],
)
def test_what_can_never_work_is_refused_at_start_without_showing_it(environ: dict[str, str]) -> None:
    with pytest.raises(Misconfigured) as refused:
        endpoint_from_environ(environ)
    assert "s3cret" not in str(refused.value)


def test_resource_attributes_are_read() -> None:
    assert resource_from_environ({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=a%20b,x=1"}) == {
        "deployment.environment": "a b",
        "x": "1",
    }
    with pytest.raises(Misconfigured):
        resource_from_environ({"OTEL_RESOURCE_ATTRIBUTES": "nonsense"})
