"""Rate limits: what counts where, what the headers say, and when a minute begins."""

from __future__ import annotations

import pytest

from ordergate.simulator.served import Response
from tests.unit.simulator.desk import NOW, VenueClient, order_fields, read

MINUTE = NOW - NOW % 60_000
BALANCE = "/v2/futures/balance"


def _limited(**limits: int) -> VenueClient:
    client = VenueClient(limits=limits)
    client.now_ms = client.timestamp = MINUTE + 12_345
    return client


def _headers(response: Response) -> dict[str, str]:
    return dict(response.headers)


def test_headers_count_down_and_say_when_the_minute_ends() -> None:
    client = _limited(requests=3)
    assert _headers(client.send("GET", BALANCE)) == {
        "x-ratelimit-limit": "3",
        "x-ratelimit-remaining": "2",
        "x-ratelimit-reset": "48",
    }


def test_request_over_the_limit_is_refused_with_retry_after() -> None:
    client = _limited(requests=2)
    assert [client.send("GET", BALANCE).status for _ in range(3)] == [200, 200, 429]
    refused = client.send("GET", BALANCE)
    assert _headers(refused)["retry-after"] == "48"
    assert _headers(refused)["x-ratelimit-remaining"] == "0"
    assert read(refused)["error"] == "Rate limit exceeded, retry in 1 minute"
    assert read(refused)["errorId"]
    [window] = client.venue.limits.windows()
    assert (window.used, window.refused) == (4, 2)


def test_new_minute_of_the_venues_clock_begins_at_zero() -> None:
    client = _limited(requests=1)
    client.now_ms = client.timestamp = MINUTE + 59_000
    assert [client.send("GET", BALANCE).status for _ in range(2)] == [200, 429]
    client.now_ms = MINUTE + 60_000
    assert client.send("GET", BALANCE).status == 200


@pytest.mark.parametrize(
    ("path", "body", "bucket"),
    [
        ("/v2/orders", order_fields(), "orders"),
        ("/v2/orders/batch", {"orders": [order_fields()]}, "batch"),
        ("/v2/positions/close", {"positionId": "1"}, "close"),
    ],
)
def test_call_with_a_bucket_of_its_own_counts_in_both(path: str, body: object, bucket: str) -> None:
    client = _limited(**{"requests": 100, bucket: 2})
    statuses = [client.send("POST", path, body=body).status for _ in range(3)]
    assert 429 not in statuses[:2]
    assert statuses[2] == 429
    assert {w.bucket: (w.used, w.refused) for w in client.venue.limits.windows()} == {
        "requests": (3, 0),
        bucket: (3, 1),
    }
    assert client.send("GET", BALANCE).status == 200


def test_headers_speak_of_the_narrowest_bucket() -> None:
    client = _limited(requests=100, orders=7)
    headers = _headers(client.place())
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("7", "6")


def test_refused_order_is_not_executed() -> None:
    client = _limited(orders=1)
    client.place(clientOrderId="one")
    assert client.place(clientOrderId="two").status == 429
    rows = read(client.send("GET", "/v2/orders"))["orders"]
    assert [row["clientOrderId"] for row in rows] == ["one"]


def test_accounts_do_not_share_a_limit() -> None:
    client = _limited(requests=1)
    client.send("GET", BALANCE)
    assert client.send("GET", BALANCE).status == 429
    assert client.send("GET", BALANCE, key=client.other_key, secret=client.other_secret).status == 200


def test_unsigned_requests_count_for_their_address_and_health_for_nobody() -> None:
    client = _limited(requests=1)
    assert client.open("/v2/platform/status").status == 200
    assert client.open("/v2/symbols").status == 429
    assert client.open("/health").status == 200
    assert client.send("GET", BALANCE).status == 200
    client.address = "10.0.0.2"
    assert client.open("/v2/symbols").status == 200


def test_request_that_fails_the_gate_counts_nowhere() -> None:
    client = _limited(requests=1)
    assert client.send("GET", BALANCE, secret="wrong").status == 401
    assert client.send("GET", BALANCE).status == 200


def test_past_windows_are_remembered() -> None:
    client = _limited(requests=5)
    client.send("GET", BALANCE)
    client.now_ms = client.timestamp = MINUTE + 60_001
    client.send("GET", BALANCE)
    assert [(w.start_ms, w.used) for w in client.venue.limits.windows()] == [(MINUTE, 1), (MINUTE + 60_000, 1)]
