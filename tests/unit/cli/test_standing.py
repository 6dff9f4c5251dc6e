"""Claims about what `status` calls a problem."""

from dataclasses import replace

from ordergate.cli.killing import StandingKill
from ordergate.cli.standing import LAG_MAX, SILENT_MS, SPEAKING, LaneStanding, Requests, Standing, StreamStanding
from ordergate.wire import streams
from ordergate.wire.messages import DriftMessage

NOW_MS = 1_790_000_000_000
LANE = LaneStanding(durable="risk-z-main", waiting=0, unacknowledged=0, redelivered=0, listeners=1)
WELL = Standing(
    now_ms=NOW_MS,
    server="2.15.1",
    answer_ms=0.4,
    streams=(StreamStanding(name="ORDERS", messages=3),),
    lanes=(LANE,),
    missing_lanes=(),
    senders=("one",),
    requests={name: Requests(count=1, last_at_ms=NOW_MS - 1) for name in SPEAKING},
    live=(),
    kills=(),
    drift=(),
    lane_of={streams.RISK: LANE.durable},
)


def problem(standing: Standing) -> str:
    (only,) = standing.problems()
    return only


def test_where_all_is_well_there_is_no_problem() -> None:
    assert WELL.problems() == []


def test_a_missing_stream_or_consumer_is_named_with_what_to_do() -> None:
    missing = replace(WELL, streams=(StreamStanding(name="FILLS", messages=None),))
    assert problem(missing) == "the stream FILLS is missing: run `python -m services.provision`"
    assert problem(replace(WELL, missing_lanes=("strangers",))).startswith("the consumer strangers is missing")


def test_each_service_that_gives_no_sign_of_life_is_named() -> None:
    assert problem(replace(WELL, senders=())).startswith("order_submission gives no sign of life")
    assert problem(replace(WELL, lanes=(replace(LANE, listeners=0),))).startswith("risk gives no sign of life")
    silent = {name: Requests(count=1, last_at_ms=NOW_MS - SILENT_MS) for name in SPEAKING}
    assert len(replace(WELL, requests=silent).problems()) == len(SPEAKING)


def test_a_backlog_a_throw_drift_and_throttling_are_problems() -> None:
    assert "wait in risk-z-main" in problem(replace(WELL, lanes=(replace(LANE, waiting=LAG_MAX + 1),)))
    unreadable = StandingKill(key="kill.z.main", document=None)
    assert "everything, because kill.z.main cannot be read" in problem(replace(WELL, kills=(unreadable,)))
    drift = DriftMessage(venue="z", account="main", what="orders", proposal="adopt", message="a stranger", at_ms=1)
    assert problem(replace(WELL, drift=(drift,))) == "drift of orders: a stranger; proposal: adopt"
    polling = dict(WELL.requests)
    polling[streams.STATUS_POLLING] = Requests(count=2, throttled=1, last_at_ms=NOW_MS)
    assert "throttled 1 requests" in problem(replace(WELL, requests=polling))


def test_requests_are_counted_by_how_they_ended() -> None:
    heard = Requests()
    for status in (200, 429, 503, 0):
        heard.add({"status": status, "weight": 2, "atMs": status})
    assert (heard.count, heard.weight, heard.throttled, heard.failed, heard.last_at_ms) == (4, 8, 1, 2, 503)
