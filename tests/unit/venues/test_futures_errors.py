"""The tables of docs/venues/binance-futures.md, row by row."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.budget import Scope
from ordergate.access.response import Response
from ordergate.access.session import Answered, Call
from ordergate.ports.venue import ClockRefused, NotExecuted, Priority, Throttled, Unknown
from ordergate.trading.ids import ErrorId
from ordergate.venues.binance.errors import TEXT_LENGTH_MAX, Proof
from ordergate.venues.binance_futures.errors import NOTHING_TO_CHANGE, TABLE, Purpose, classify, classify_leg

CHANGES = [each for each in Purpose if each is not Purpose.READ]
OWN = ErrorId("oge-own")


def verdict(status: int, body: object, *, purpose: Purpose = Purpose.PLACE, **headers: str) -> object:
    call = Call(method="POST", path="/fapi/v1/x", purpose=purpose, priority=Priority.PLACE, weights={Scope.ADDRESS: 1})
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(call, Response(status=status, headers=named, body=data), lambda: OWN)


def failure(code: int, message: str = "text") -> dict[str, object]:
    return {"code": code, "msg": message}


@pytest.mark.parametrize("purpose", CHANGES)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504])
def test_what_is_not_the_venues_answer_proves_nothing_but_a_throttling(status: int, purpose: Purpose) -> None:
    for body in (
        b"<html>",
        b"",
        b"[]",
        b"{}",
        b'"x"',
        b'{"msg":"x"}',
        b'{"code":"x"}',
        b'{"code":[-2011]}',
        b'{"code":true}',
    ):
        expected = Throttled if status == 429 else Unknown
        assert isinstance(verdict(status, body, purpose=purpose), expected)


@pytest.mark.parametrize("body", [{}, [], [{"code": -2011, "msg": "x"}], {"code": 200, "msg": "done"}, {"code": "200"}])
def test_a_success_hands_on_its_document(body: object) -> None:
    assert verdict(200, body) == Answered(document=body)  # type: ignore[arg-type]


def test_a_success_that_cannot_be_read_is_unknown() -> None:
    for body in (b"", b"<html>", b"5", b"null"):
        assert isinstance(verdict(200, body), Unknown)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-4014, "PRICE_FILTER"), (-4013, "PRICE_FILTER"), (-4023, "LOT_SIZE"), (-4003, "LOT_SIZE"), (-4004, "LOT_SIZE"),
        (-4005, "LOT_SIZE"), (-4016, "PERCENT_PRICE"), (-4024, "PERCENT_PRICE"), (-4131, "PERCENT_PRICE"),
        (-4164, "MIN_NOTIONAL"), (-2025, "MAX_NUM_ORDERS"), (-4045, "MAX_NUM_ALGO_ORDERS"), (-2018, "BALANCE_NOT_SUFFICIENT"),
        (-2019, "MARGIN_NOT_SUFFICIENT"), (-2020, "UNABLE_TO_FILL"), (-2021, "WOULD_TRIGGER_IMMEDIATELY"),
        (-2022, "REDUCE_ONLY_REJECTED"), (-2027, "MAX_LEVERAGE_RATIO"), (-4015, "INVALID_CL_ORD_ID_LEN"),
        (-4061, "POSITION_SIDE_NOT_MATCH"), (-4120, "STOP_ORDER_SWITCH_ALGO"), (-5021, "FOK_ORDER_REJECT"),
        (-5022, "GTX_ORDER_REJECT"), (-1121, "BAD_SYMBOL"), (-1102, "REQUEST_REFUSED"), (-4531, "DUAL_SIDE_POSITION_REJECTED"),
        (-2026, "REDUCE_ONLY_CONFLICT"),
    ],
)  # fmt: skip
def test_a_refusal_of_the_table_is_no_execution_and_has_a_name(code: int, reason: str) -> None:
    found = verdict(400, failure(code, "why not"))
    assert isinstance(found, NotExecuted)
    assert (found.reason, found.message, found.credentials, found.not_found) == (
        reason,
        "why not",
        False,
        False,
    )
    assert found.error_id == OWN


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -4115, -4116, -4117, -9999, -4999, -1])
def test_what_may_have_executed_is_unknown_in_every_phase(code: int, purpose: Purpose) -> None:
    assert isinstance(verdict(400, failure(code), purpose=purpose), Unknown)


@pytest.mark.parametrize("code", [-2011, -2012, -2013])
def test_not_found_never_answers_an_order(code: int) -> None:
    for purpose in (Purpose.PLACE, Purpose.BATCH):
        assert isinstance(verdict(400, failure(code), purpose=purpose), Unknown)


def test_not_found_answers_cancels_and_reads() -> None:
    for code, purpose in (
        (-2011, Purpose.CANCEL),
        (-2013, Purpose.CANCEL),
        (-2013, Purpose.READ),
        (-1125, Purpose.LISTEN),
    ):
        found = verdict(400, failure(code), purpose=purpose)
        assert isinstance(found, NotExecuted)
        assert found.not_found
    assert isinstance(verdict(400, failure(-2011), purpose=Purpose.READ), Unknown)


@pytest.mark.parametrize("code", [-1002, -1022, -2014, -2015, -2017])
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_key_halts_the_account_whatever_the_status(code: int, status: int) -> None:
    found = verdict(status, failure(code))
    assert isinstance(found, NotExecuted)
    assert found.credentials


@pytest.mark.parametrize("code", [-1021, -5028])
def test_a_refused_timestamp_is_a_clock_error_at_the_gate_and_at_the_engine(code: int) -> None:
    assert verdict(400, failure(code)) == ClockRefused(error_id=OWN)


@pytest.mark.parametrize(
    ("message", "executed"),
    [
        ("Unknown error, please check your request or try again later.", Unknown),
        ("Service Unavailable.", Throttled),
        ("Internal error; unable to process your request. Please try again.", Throttled),
        (
            "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
            Throttled,
        ),
        ("Something else.", Unknown),
        ("", Unknown),
    ],
)
def test_a_503_is_read_by_its_message(message: str, executed: type) -> None:
    for code in (-1000, -1008, -1, -2015):
        assert isinstance(verdict(503, {"code": code, "msg": message}), executed)
    for body in ({"msg": message}, message.encode()):
        assert isinstance(verdict(503, body), Unknown), "not the venue's own answer"


def test_overload_is_waited_out_shortly() -> None:
    found = verdict(503, failure(-1001, "Service Unavailable."))
    assert isinstance(found, Throttled)
    assert found.retry_after_ms == 400


@pytest.mark.parametrize(
    ("headers", "message", "milliseconds"),
    [
        ({"retry_after": "30"}, "", 30_000),
        ({"retry_after": "soon"}, "", None),
        ({}, "Too many requests", None),
        ({"date": "Sat, 21 Nov 2026 18:00:00 GMT"}, "Way too many requests; IP banned until 1795284120000. Please", 120_000),
        ({"date": "Sat, 21 Nov 2026 18:00:00 GMT"}, "IP banned until 1795284000000", 1_000),
        ({"date": "Sat, 21 Nov 2026 18:00:00 GMT"}, "IP banned until 9999999999999", 4 * 86_400_000),
        ({"date": "nonsense"}, "IP banned until 1795284120000", 120_000),
        ({}, "IP banned until 1795284120000", 120_000),
    ],
)  # fmt: skip
def test_the_wait_is_the_header_else_the_end_of_the_ban_else_a_window(
    headers: dict[str, str], message: str, milliseconds: int | None
) -> None:
    for status, shortest in ((429, 60_000), (418, 120_000)):
        found = verdict(status, failure(-1003, message), purpose=Purpose.READ, **headers)
        assert isinstance(found, Throttled)
        assert found.retry_after_ms == (milliseconds or shortest)


@pytest.mark.parametrize("code", [-1003, -1015, -1034])
def test_a_used_up_limit_is_no_execution_whatever_the_status(code: int) -> None:
    found = verdict(400, failure(code), retry_after="7")
    assert isinstance(found, Throttled)
    assert found.retry_after_ms == 7_000


@pytest.mark.parametrize("code", [-4046, -4059])
def test_a_setting_that_is_as_asked_for_is_told_apart(code: int) -> None:
    found = verdict(400, failure(code), purpose=Purpose.SETTING)
    assert isinstance(found, NotExecuted)
    assert found.reason in NOTHING_TO_CHANGE
    assert isinstance(verdict(400, failure(code), purpose=Purpose.PLACE), Unknown)


def test_a_duplicate_in_any_words_is_unknown() -> None:
    assert isinstance(verdict(400, failure(-2010, "Duplicate order sent.")), Unknown)
    assert isinstance(verdict(400, failure(-2010, "NEW_ORDER_REJECTED")), NotExecuted)


@given(st.sampled_from(CHANGES), st.sampled_from([408, *range(500, 503), *range(504, 600)]), st.integers(-6000, -1))
def test_no_5xx_nor_408_ever_proves_anything_whatever_its_code(purpose: Purpose, status: int, code: int) -> None:
    assert isinstance(verdict(status, failure(code), purpose=purpose), Unknown)


@given(st.sampled_from([Purpose.PLACE, Purpose.BATCH]), st.integers(-9999, -1), st.text(max_size=40))
def test_only_what_the_table_names_refuses_an_order(purpose: Purpose, code: int, message: str) -> None:
    named = {each for row in TABLE if row.proof not in {Proof.NONE, Proof.NOT_FOUND} for each in row.codes}
    assert code in named or isinstance(verdict(400, failure(code, message), purpose=purpose), Unknown)
    assert code in named or isinstance(classify_leg(purpose, failure(code, message), OWN), Unknown)


@pytest.mark.parametrize("code", [-1021, -4116, -1000, -9999])
def test_a_leg_is_refused_only_by_a_code_that_proves_it(code: int) -> None:
    refused = classify_leg(Purpose.BATCH, failure(-2022), OWN)
    assert isinstance(refused, NotExecuted)
    assert refused.reason == "REDUCE_ONLY_REJECTED"
    assert isinstance(classify_leg(Purpose.BATCH, failure(code), OWN), Unknown)
    assert isinstance(classify_leg(Purpose.BATCH, {"orderId": 1}, OWN), Unknown)


def test_no_code_stands_in_two_rows_that_speak_of_the_same_phase_and_differ() -> None:
    for row in TABLE:
        for code in row.codes:
            rows = [each for each in TABLE if code in each.codes and not each.text]
            assert len({each.proof for each in rows if each.purposes == rows[0].purposes}) == 1


def test_what_the_venue_quotes_of_our_key_goes_no_further() -> None:
    key, signature = "k" * 64, "2e" * 32
    found = verdict(400, failure(-1102, f"apiKey={key}&signature={signature} " + "x" * 10_000))
    assert isinstance(found, NotExecuted)
    assert signature not in repr(found)
    assert len(found.message) <= TEXT_LENGTH_MAX
