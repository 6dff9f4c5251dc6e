"""The table of docs/venues/zetarium.md, row by row."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.budget import Scope
from ordergate.access.response import Response
from ordergate.access.session import Answered, Call
from ordergate.ports.venue import ClockRefused, NotExecuted, Priority, Throttled, Unknown
from ordergate.trading.ids import ErrorId
from ordergate.venues.zetarium.errors import TEXT_LENGTH_MAX, Purpose, classify, classify_leg

WRITES = [Purpose.PLACE, Purpose.BATCH, Purpose.CANCEL, Purpose.CANCEL_ALL, Purpose.CLOSE]
OWN = ErrorId("oge-own")


def judge(status: int, body: object, *, purpose: Purpose = Purpose.PLACE, **headers: str) -> object:
    call = Call(method="POST", path="/v2/x", purpose=purpose, priority=Priority.PLACE, weights={Scope.REQUESTS: 1})
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(call, Response(status=status, headers=named, body=data), lambda: OWN)


def failure(code: str | None = None, **more: str) -> dict[str, object]:
    return {"ok": False, "error": "text", "errorId": "zd-1", **({"code": code} if code else {}), **more}


@pytest.mark.parametrize("purpose", WRITES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 200, 302, 500, 503])
def test_what_is_not_the_venues_envelope_proves_nothing_but_a_throttling(status: int, purpose: Purpose) -> None:
    for body in (b"<html>", b"", b"[]", b'{"ok":"false"}', b'{"error":"x"}'):
        expected = Throttled if status == 429 else Unknown
        assert isinstance(judge(status, body, purpose=purpose), expected)


@pytest.mark.parametrize(
    "code",
    ["VALIDATION_ERROR", "FILTER_FAILURE", "RISK_REJECTED", "INSUFFICIENT_BALANCE", "REDUCE_ONLY_REJECTED",
     "SYMBOL_HALTED", "WOULD_TRIGGER_IMMEDIATELY", None],
)  # fmt: skip
def test_every_400_of_the_venue_is_no_execution(code: str | None) -> None:
    found = judge(400, failure(code))
    assert isinstance(found, NotExecuted)
    assert (found.error_id, found.credentials) == ("zd-1", False)


def test_the_reason_is_the_venues_most_exact_word() -> None:
    capped = judge(400, failure("RISK_REJECTED", reason="max_order_notional_exceeded"))
    assert isinstance(capped, NotExecuted)
    assert capped.reason == "max_order_notional_exceeded"
    plain = judge(400, failure())
    assert isinstance(plain, NotExecuted)
    assert plain.reason == "http_400"


@pytest.mark.parametrize("code", ["INVALID_API_KEY", "INVALID_SIGNATURE", "API_KEY_EXPIRED", "IP_NOT_ALLOWED"])
def test_a_refused_key_halts_the_account(code: str) -> None:
    found = judge(401, failure(code))
    assert isinstance(found, NotExecuted)
    assert found.credentials


@pytest.mark.parametrize(
    "body", [failure("INVALID_TIMESTAMP"), {"ok": False, "error": "Invalid or expired timestamp", "errorId": "zd-1"}]
)
def test_a_refused_timestamp_is_a_clock_error(body: dict[str, object]) -> None:
    assert judge(401, body) == ClockRefused(error_id=ErrorId("zd-1"))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "REPLAYED_REQUEST"),
        (401, "SOMETHING_NEW"),
        (401, None),
        (409, "CLIENT_ORDER_ID_IN_USE"),
        (409, "SOMETHING_NEW"),
        (404, "ROUTE_NOT_FOUND"),
        (404, "ORDER_NOT_FOUND"),
        (500, "VALIDATION_ERROR"),
        (503, None),
        (408, None),
        (200, None),
    ],
)
def test_for_a_place_the_rest_is_unknown(status: int, code: str | None) -> None:
    found = judge(status, failure(code))
    assert isinstance(found, Unknown)
    assert found.error_id == "zd-1"


def test_codes_speak_only_of_the_calls_they_belong_to() -> None:
    gone = judge(404, failure("ORDER_NOT_FOUND"), purpose=Purpose.CANCEL)
    assert isinstance(gone, NotExecuted)
    assert gone.not_found
    late = judge(409, failure("ORDER_NOT_CANCELABLE"), purpose=Purpose.CANCEL)
    assert isinstance(late, NotExecuted)
    assert late.too_late
    assert isinstance(judge(409, failure("ORDER_NOT_CANCELABLE"), purpose=Purpose.PLACE), Unknown)
    closed = judge(404, failure("POSITION_NOT_FOUND"), purpose=Purpose.CLOSE)
    assert isinstance(closed, NotExecuted)


@pytest.mark.parametrize("code", ["OPEN_POSITION_LEVERAGE_GUARD", "OPEN_POSITION_MARGIN_GUARD"])
def test_the_guards_are_no_execution(code: str) -> None:
    assert isinstance(judge(409, failure(code)), NotExecuted)


@pytest.mark.parametrize(
    ("header", "milliseconds"),
    [("30", 30_000), ("0", 1_000), ("soon", 60_000), ("-5", 60_000), ("999999999999", 345_600_000)],
)
def test_retry_after_is_read_and_bounded(header: str, milliseconds: int) -> None:
    found = judge(429, failure(), retry_after=header)
    assert isinstance(found, Throttled)
    assert found.retry_after_ms == milliseconds


def test_an_answer_without_error_id_gets_one_of_ours() -> None:
    found = judge(500, {"ok": False})
    assert isinstance(found, Unknown)
    assert found.error_id == OWN
    endless = judge(400, {"ok": False, "error": "x" * 10_000, "errorId": "y" * 10_000})
    assert isinstance(endless, NotExecuted)
    assert endless.error_id == OWN
    assert len(endless.message) == TEXT_LENGTH_MAX


def test_a_leg_is_refused_only_by_a_code_that_proves_it() -> None:
    assert isinstance(classify_leg(failure("FILTER_FAILURE"), OWN), NotExecuted)
    for code in ("CLIENT_ORDER_ID_IN_USE", "INTERNAL", None):
        assert isinstance(classify_leg(failure(code), OWN), Unknown)
    assert isinstance(classify_leg({"ok": True, "code": "FILTER_FAILURE"}, OWN), Unknown)


@given(st.sampled_from(WRITES), st.integers(500, 599), st.binary(max_size=40) | st.just(b'{"ok":true,"order":{}}'))
def test_no_5xx_is_ever_an_answer(purpose: Purpose, status: int, body: bytes) -> None:
    assert isinstance(judge(status, body, purpose=purpose), Unknown)


def test_a_success_hands_on_its_document() -> None:
    assert judge(200, {"ok": True, "order": 1}) == Answered(document={"ok": True, "order": 1})


def test_what_the_venue_quotes_of_our_key_goes_no_further() -> None:
    key, signature = "zd_" + "1f" * 20, "2e" * 32
    found = judge(400, {"ok": False, "error": f"{key} signed {signature}", "errorId": key, "reason": f"secret={key}"})
    assert isinstance(found, NotExecuted)
    assert key not in repr(found)
    assert signature not in repr(found)
    assert found.error_id == OWN


def test_a_code_that_is_no_text_proves_nothing() -> None:
    """Found by the fuzzer: a list cannot be looked up in a set."""
    assert isinstance(judge(401, {"ok": False, "code": ["INVALID_API_KEY"]}), Unknown)
    assert isinstance(classify_leg({"ok": False, "code": ["FILTER_FAILURE"]}, OWN), Unknown)
