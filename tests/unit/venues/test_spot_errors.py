"""Binance Spot's error table, call by call."""

import orjson
import pytest

from ordergate.access.response import Response
from ordergate.access.session import Answered, Call, Verdict
from ordergate.ports.venue import ClockRefused, NotExecuted, Priority, Throttled, Unknown
from ordergate.trading.ids import ErrorId
from ordergate.venues.binance_spot.errors import TABLE, Purpose, classify, judge_leg

EVERY = tuple(Purpose)  # in an order: two processes must collect the same tests
BEGINS = (Purpose.PLACE, Purpose.TEST, Purpose.LIST, Purpose.REPLACE)


def judge(
    code: int, text: str = "why", *, purpose: Purpose = Purpose.PLACE, status: int = 400, retry: str | None = None
) -> Verdict:
    call = Call(method="POST", path="/x", purpose=purpose, priority=Priority.PLACE, weights={})
    headers = {} if retry is None else {"retry-after": retry}
    body = orjson.dumps({"code": code, "msg": text})
    return classify(call, Response(status=status, headers=headers, body=body), lambda: ErrorId("ours"))


def refused(verdict: object) -> NotExecuted:
    assert isinstance(verdict, NotExecuted), verdict
    return verdict


@pytest.mark.parametrize("purpose", EVERY)
@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1016, -1099, -2099, -4000])
def test_what_says_nothing_of_the_execution_is_unknown(code: int, purpose: Purpose) -> None:
    assert isinstance(judge(code, purpose=purpose), Unknown)


@pytest.mark.parametrize("purpose", EVERY)
@pytest.mark.parametrize("code", [-1013, -1010, -2010, -2011, -2038])
def test_an_id_in_use_is_unknown_because_it_may_be_our_own(code: int, purpose: Purpose) -> None:
    assert isinstance(judge(code, "Duplicate order sent.", purpose=purpose), Unknown)


@pytest.mark.parametrize("purpose", EVERY)
@pytest.mark.parametrize(
    "code", [-1013, -1014, -1020, -1100, -1102, -1104, -1106, -1111, -1116, -1121, -1128, -1130, -1145, -1165, -1199]
)
def test_what_never_reached_the_engine_did_nothing(code: int, purpose: Purpose) -> None:
    found = refused(judge(code, purpose=purpose))
    assert (found.credentials, found.not_found, found.too_late) == (False, False, False)


@pytest.mark.parametrize("purpose", BEGINS)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Account has insufficient balance for requested action.", "insufficient_balance"),
        ("Market is closed.", "market_closed"),
        ("Order would immediately match and take.", "would_match_immediately"),
        ("Order would trigger immediately.", "would_trigger_immediately"),
        ("This action is disabled on this account.", "account_disabled"),
        ("Filter failure: LOT_SIZE", "LOT_SIZE"),
        ("Iceberg orders are not supported for this symbol.", "iceberg_orders_are_not_supported_for_this_symbol"),
        ("A reason of next year.", "a_reason_of_next_year"),
    ],
)
def test_the_engine_names_its_reason(text: str, reason: str, purpose: Purpose) -> None:
    for code in (-2010, -1013, -1010):
        assert refused(judge(code, text, purpose=purpose)).reason == reason


@pytest.mark.parametrize("purpose", EVERY)
@pytest.mark.parametrize("code", [-1002, -1022, -2014, -2015])
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_key_that_is_refused_is_known_by_the_code_whatever_the_status(
    code: int, status: int, purpose: Purpose
) -> None:
    assert refused(judge(code, purpose=purpose, status=status)).credentials


def test_a_timestamp_that_is_refused_proves_that_nothing_was_done() -> None:
    for text in ("Timestamp for this request is outside of the recvWindow.", "ahead of the server's time."):
        assert isinstance(judge(-1021, text), ClockRefused)


@pytest.mark.parametrize(("code", "status"), [(-1003, 429), (-1003, 418), (-1015, 429), (-1008, 429), (-1034, 429)])
def test_who_is_throttled_waits(code: int, status: int) -> None:
    assert judge(code, status=status, retry="3") == Throttled(retry_after_ms=3_000, error_id=ErrorId("ours"))
    assert isinstance(judge(code, status=400), Throttled)


@pytest.mark.parametrize("code", [-1008, -1015, -1021, -1121, -2010, -2013, -2015])
def test_no_code_makes_a_5xx_certain(code: int) -> None:
    for status in (500, 502, 503, 504):
        assert isinstance(judge(code, status=status), Unknown)


def test_an_order_that_is_not_there_answers_reads_and_ends_and_nothing_else() -> None:
    for purpose in (Purpose.READ, Purpose.CANCEL, Purpose.CANCEL_ALL, Purpose.CANCEL_LIST):
        assert refused(judge(-2013, "Order does not exist.", purpose=purpose)).not_found
        assert refused(judge(-2026, purpose=purpose)).not_found
    for purpose in (Purpose.PLACE, Purpose.TEST, Purpose.LIST):
        assert isinstance(judge(-2013, "Order does not exist.", purpose=purpose), Unknown)
        assert isinstance(judge(-2011, "Unknown order sent.", purpose=purpose), Unknown)
    assert isinstance(judge(-2011, "Unknown order sent.", purpose=Purpose.READ), Unknown)


def test_a_cancel_that_met_nothing_speaks_of_the_cancel_alone() -> None:
    found = refused(judge(-2011, "Unknown order sent.", purpose=Purpose.CANCEL))
    assert (found.not_found, found.too_late, found.view) == (True, False, None)
    other = refused(judge(-2011, "Order was not canceled due to cancel restrictions.", purpose=Purpose.CANCEL))
    assert (other.not_found, other.reason) == (False, "cancel_restrictions")


def test_an_amendment_is_refused_by_its_own_code() -> None:
    assert refused(judge(-2038, "Unknown order sent.", purpose=Purpose.AMEND)).not_found
    text = "The requested action would change no state; rejecting."
    assert not refused(judge(-2038, text, purpose=Purpose.AMEND)).not_found
    assert isinstance(judge(-2038, text, purpose=Purpose.PLACE), Unknown)


@pytest.mark.parametrize(("code", "status"), [(-2021, 409), (-2022, 400)])
def test_a_replacement_is_read_by_its_data(code: int, status: int) -> None:
    body = {"code": code, "msg": "failed", "data": {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED"}}
    call = Call(method="POST", path="/x", purpose=Purpose.REPLACE, priority=Priority.PLACE, weights={})
    response = Response(status=status, headers={}, body=orjson.dumps(body))
    assert classify(call, response, lambda: ErrorId("ours")) == Answered(document=body)
    assert isinstance(judge(code, status=status, purpose=Purpose.REPLACE), Unknown), "without data nothing is known"
    assert isinstance(judge(code, status=status), Unknown)


def test_a_leg_that_is_throttled_or_refused_did_nothing() -> None:
    limit = {"code": -1015, "msg": "Too many new orders; current limit is 1 orders per 10 SECOND."}
    assert refused(judge_leg(Purpose.PLACE, limit, ErrorId("leg"))).message.startswith("Too many")
    gone = {"code": -2011, "msg": "Unknown order sent."}
    assert refused(judge_leg(Purpose.CANCEL, gone, ErrorId("leg"))).not_found
    assert isinstance(judge_leg(Purpose.PLACE, {"code": -1006, "msg": ""}, ErrorId("leg")), Unknown)
    assert isinstance(judge_leg(Purpose.PLACE, None, ErrorId("leg")), Unknown)


def test_every_code_that_the_documentation_gives_to_rest_calls_has_its_row() -> None:
    documented = {
        -1000, -1001, -1002, -1003, -1006, -1007, -1008, -1013, -1014, -1015, -1016, -1020, -1021, -1022, -1034,
        -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1111, -1112, -1114, -1115, -1116, -1117, -1118,
        -1119, -1120, -1121, -1122, -1125, -1127, -1128, -1130, -1134, -1135, -1139, -1145, -1151, -1158, -1160,
        -1165, -1166, -1168, -1194, -1196, -1197, -1198, -1199, -1210, -1211, -1220, -1222, -1223, -1224, -1225,
        -2010, -2011, -2013, -2014, -2015, -2016, -2021, -2022, -2026, -2038, -2039,
    }  # fmt: skip
    assert documented <= TABLE.codes
