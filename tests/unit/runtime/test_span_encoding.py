"""The bytes are read back with opentelemetry-proto: what it understands is what every receiver understands."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ordergate.access.redaction import redact
from ordergate.runtime.span_encoding import VALUE_CHARS_MAX, SpanEncoder, SpanNote, SpanRequest, traceparent
from ordergate.trading.ids import ClientOrderId, trace_id

ORDER = ClientOrderId("alpha-000017")
TRACE = hashlib.sha256(b"alpha-000017").digest()[:16]
FOREIGN = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


def encoder(opening_span: str | None = None) -> SpanEncoder:
    return SpanEncoder(redact=redact, opening_span=opening_span, random_ids=random.Random(7))  # noqa: S311 - repeatable


def note(
    name: str = "submit",
    *,
    attributes: Mapping[str, str | int | None] | None = None,
    error_id: str | None = None,
    parent: str | None = None,
    began_ns: int = 100,
    ended_ns: int = 250,
) -> SpanNote:
    return (name, ORDER, began_ns, ended_ns, attributes or {}, error_id, parent)


def read(*encoded: bytes) -> list[Span]:
    request = SpanRequest(resource={"service.name": "risk"}, scope_version="1.2.3").encode(encoded)
    return list(ExportTraceServiceRequest.FromString(request).resource_spans[0].scope_spans[0].spans)


def written(given_note: SpanNote, opening_span: str | None = None) -> Span:
    (span,) = read(encoder(opening_span).encode(given_note))
    return span


def attributes_of(span: Span) -> dict[str, str | int | bool]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value") for item in span.attributes}


def test_the_trace_is_the_hash_of_the_client_order_id() -> None:
    span = written(note())
    assert span.trace_id == TRACE == trace_id(ORDER).to_bytes(16, "big")
    assert (span.name, span.start_time_unix_nano, span.end_time_unix_nano) == ("submit", 100, 250)
    assert attributes_of(span) == {"ordergate.client_order_id": "alpha-000017"}
    assert span.parent_span_id == b""


def test_every_span_has_an_id_of_its_own() -> None:
    one = encoder()
    ids = {span.span_id for span in read(*[one.encode(note()) for _ in range(500)])}
    assert len(ids) == 500
    assert {len(span_id) for span_id in ids} == {8}


def test_an_error_id_fails_the_span() -> None:
    span = written(note(error_id="ze-42"))
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert attributes_of(span)["ordergate.error_id"] == "ze-42"
    assert written(note()).status.code == span.status.STATUS_CODE_UNSET


def test_a_name_without_a_dot_is_ours_and_none_is_left_out() -> None:
    given_attributes: Mapping[str, str | int | None] = {
        "account": "main",
        "attempt": 2,
        "venue_order_id": None,
        "http.response.status_code": 200,
    }
    assert attributes_of(written(note(attributes=given_attributes))) == {
        "ordergate.client_order_id": "alpha-000017",
        "ordergate.account": "main",
        "ordergate.attempt": 2,
        "http.response.status_code": 200,
    }


def test_a_clock_that_stepped_back_gives_no_negative_span() -> None:
    span = written(note(began_ns=900, ended_ns=100))
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (900, 900)


def test_a_parent_in_the_orders_trace_stands() -> None:
    span = written(note(parent=f"00-{TRACE.hex()}-00f067aa0ba902b7-01"))
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"
    assert not span.links


def test_a_parent_in_another_trace_becomes_a_link() -> None:
    span = written(note(parent=FOREIGN, attributes={"account": "main"}))
    assert span.parent_span_id == b""
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in span.links] == [("ab" * 16, "cd" * 8)]
    assert attributes_of(span)["ordergate.account"] == "main"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "garbage",
        FOREIGN.upper(),
        FOREIGN + "\n",
        "ff" + FOREIGN[2:],
        f"00-{'0' * 32}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'0' * 16}-01",
    ],
)
def test_a_header_that_is_no_traceparent_changes_nothing(header: str) -> None:
    span = written(note(parent=header))
    assert span.trace_id == TRACE
    assert span.parent_span_id == b""
    assert not span.links


def test_the_header_of_an_order_names_its_opening_span() -> None:
    opening = written(note("risk"), opening_span="risk")
    later = written(note("submit", parent=traceparent(ORDER)), opening_span="risk")
    assert traceparent(ORDER) == f"00-{TRACE.hex()}-{opening.span_id.hex()}-01"
    assert later.parent_span_id == opening.span_id != later.span_id
    assert written(note("risk", parent=traceparent(ORDER)), opening_span="risk").parent_span_id == b""


def test_no_secret_leaves_in_a_value() -> None:
    key = "zd_" + "a1" * 20
    encoded = encoder().encode(note(attributes={"message": f"refused: X-API-KEY: {key}"}, error_id=key))
    assert key.encode() not in encoded
    assert attributes_of(read(encoded)[0])["ordergate.message"] == "refused: X-API-KEY: [redacted]"


def test_a_secret_that_the_limit_cuts_in_two_is_not_half_told() -> None:
    key = "zd_" + "a1" * 20
    text = "é" * (VALUE_CHARS_MAX - 20) + " " + key
    assert key[:10].encode() not in encoder().encode(note(attributes={"message": text}))


def test_a_value_is_cut_at_its_limit() -> None:
    span = written(note(attributes={"message": "é" * 10_000}))
    assert attributes_of(span)["ordergate.message"] == "é" * VALUE_CHARS_MAX


@given(
    st.text(),
    st.dictionaries(st.text(), st.none() | st.booleans() | st.text(max_size=600) | st.integers(), max_size=6),
    st.none() | st.text(max_size=200),
    st.integers(0, 2**64 - 1),
)
def test_whatever_is_recorded_can_be_read(
    name: str, attributes: dict[str, str | int | None], parent: str | None, began_ns: int
) -> None:
    given_note: SpanNote = (name, ORDER, began_ns, began_ns, attributes, None, parent)
    first, second = read(encoder().encode(given_note), encoder().encode(note("neighbour")))
    assert first.name == name.encode(errors="replace").decode()
    assert len(first.attributes) == 1 + sum(value is not None for value in attributes.values())
    assert second.name == "neighbour"


@given(st.integers())
def test_a_number_keeps_its_value_as_far_as_the_wire_has_numbers(number: int) -> None:
    value = attributes_of(written(note(attributes={"n": number})))["ordergate.n"]
    assert value == (number if -(2**63) <= number < 2**63 else str(number)[:VALUE_CHARS_MAX])
