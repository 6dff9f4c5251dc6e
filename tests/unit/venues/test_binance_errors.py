"""The rules that Spot and futures share, with a table of three."""

import orjson
import pytest

from ordergate.access.response import Response
from ordergate.access.session import Answered, Call, Verdict
from ordergate.ports.venue import ClockRefused, NotExecuted, Priority, Throttled, Unknown
from ordergate.trading.ids import ErrorId
from ordergate.venues.binance.errors import ErrorTable, Failure, Proof, Rule, failure_of, reason_of

TABLE = ErrorTable(
    (
        Rule(code=-1121, proof=Proof.NOT_EXECUTED, reason="bad_symbol"),
        Rule(code=-1021, proof=Proof.CLOCK),
        Rule(code=-1003, proof=Proof.THROTTLED),
        Rule(code=-2015, proof=Proof.CREDENTIALS),
        Rule(code=-2013, proof=Proof.NOT_FOUND, purposes=frozenset({"read"})),
        Rule(code=-2010, proof=Proof.NONE, text="Duplicate order sent."),
        Rule(code=-2010, proof=Proof.NOT_EXECUTED),
        Rule(code=-2021, proof=Proof.BY_DATA, purposes=frozenset({"replace"})),
    )
)


def judge(status: int, body: object, *, purpose: str = "place", headers: dict[str, str] | None = None) -> Verdict:
    call = Call(method="POST", path="/x", purpose=purpose, priority=Priority.PLACE, weights={})
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return TABLE.classify(call, Response(status=status, headers=headers or {}, body=data), lambda: ErrorId("ours"))


def says(code: int, message: str = "why") -> dict[str, object]:
    return {"code": code, "msg": message}


@pytest.mark.parametrize("body", [{"orderId": 1}, [], [{"orderId": 1}], {}, {"code": 200, "msg": "done"}])
def test_an_object_or_an_array_without_a_failure_is_an_answer(body: object) -> None:
    assert judge(200, body) == Answered(document=body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""), (200, b"{"), (200, b"7"), (200, says(-1121)), (302, b""),
        (403, b"<html>blocked</html>"), (400, b"not json"), (400, []), (400, {"msg": "no code"}),
        (400, says(-9999)), (400, says(-2013)), (409, says(-2021)), (408, b"timeout"),
        (500, says(-1121)), (502, b"<html>"), (503, says(-1003)), (504, says(-1021)), (599, says(-2015)),
    ],
)  # fmt: skip
def test_what_proves_nothing_is_unknown(status: int, body: object) -> None:
    assert isinstance(judge(status, body), Unknown)


def test_a_rule_says_what_its_code_proves_whatever_the_status_below_500() -> None:
    for status in (400, 401, 403, 404):
        assert judge(status, says(-1121, "Invalid symbol.")) == NotExecuted(
            reason="bad_symbol", message="Invalid symbol.", error_id=ErrorId("ours")
        )
    assert isinstance(judge(400, says(-1021)), ClockRefused)
    refused = judge(401, says(-2015))
    assert isinstance(refused, NotExecuted)
    assert refused.credentials


def test_a_code_proves_something_only_of_the_calls_it_is_about() -> None:
    found = judge(400, says(-2013, "Order does not exist."), purpose="read")
    assert isinstance(found, NotExecuted)
    assert found.not_found
    assert isinstance(judge(400, says(-2013, "Order does not exist.")), Unknown)


def test_an_id_in_use_may_be_our_own() -> None:
    assert isinstance(judge(400, says(-2010, "Duplicate order sent.")), Unknown)
    refused = judge(400, says(-2010, "Account has insufficient balance for requested action."))
    assert isinstance(refused, NotExecuted)
    assert refused.reason == "account_has_insufficient_balance_for_requested_action"


@pytest.mark.parametrize("status", [418, 429])
def test_who_is_throttled_waits_as_long_as_he_is_told(status: int) -> None:
    found = judge(status, b"<html>", headers={"retry-after": "7"})
    assert found == Throttled(retry_after_ms=7_000, error_id=ErrorId("ours"))


def test_a_ban_without_a_time_is_at_least_the_shortest_ban() -> None:
    found = judge(418, says(-1003, "Way too much request weight used; IP banned until 1659146400000."))
    assert found == Throttled(retry_after_ms=120_000, error_id=ErrorId("ours"))
    assert judge(400, says(-1003, "Too many requests queued.")) == Throttled(
        retry_after_ms=60_000, error_id=ErrorId("ours")
    )


def test_what_became_of_each_part_is_read_from_the_data() -> None:
    body = {"code": -2021, "msg": "partially", "data": {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE"}}
    assert judge(409, body, purpose="replace") == Answered(document=body)
    assert isinstance(judge(409, body), Unknown), "only of a call that asked for several things"


def test_a_leg_is_judged_by_its_code_alone() -> None:
    refused = TABLE.judge_leg("place", says(-1121), ErrorId("leg"))
    assert isinstance(refused, NotExecuted)
    doubts: tuple[object, ...] = (says(-2010, "Duplicate order sent."), says(-9999), {}, None, [], "text")
    for doubtful in doubts:
        assert isinstance(TABLE.judge_leg("place", doubtful, ErrorId("leg")), Unknown)


def test_a_5xx_means_something_only_where_the_venue_says_so() -> None:
    def read(_: Call, failure: Failure, error_id: ErrorId) -> Verdict | None:
        if failure.message != "Service Unavailable.":
            return None
        return NotExecuted(reason="unavailable", message=failure.message, error_id=error_id)

    call = Call(method="POST", path="/x", purpose="place", priority=Priority.PLACE, weights={})
    table = ErrorTable((), server_error=read)

    def said(text: str) -> Verdict:
        body = orjson.dumps(says(-1, text))
        return table.classify(call, Response(status=503, headers={}, body=body), lambda: ErrorId("ours"))

    assert isinstance(said("Service Unavailable."), NotExecuted)
    assert isinstance(said("Unknown error"), Unknown)


@pytest.mark.parametrize("code", [0, 200, None, True, 1.5, "x", "", [], "-"])
def test_only_a_number_below_zero_is_a_failure(code: object) -> None:
    assert failure_of({"code": code, "msg": "m"}) is None


def test_a_code_may_come_as_text() -> None:
    assert failure_of({"code": "-1121", "msg": "m"}) == Failure(code=-1121, message="m")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Filter failure: LOT_SIZE", "LOT_SIZE"),
        ("Market is closed.", "market_is_closed"),
        ("", "code_1013"),
        ("\n.", "code_1013"),
    ],
)
def test_a_reason_is_a_stable_word(message: str, reason: str) -> None:
    assert reason_of(Failure(code=-1013, message=message)) == reason
