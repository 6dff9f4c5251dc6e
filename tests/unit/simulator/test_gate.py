"""Who is let in: keys, addresses, expiry, signatures, the clock window, replays and permissions, in this order."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tests.unit.simulator.desk import NOW, VenueClient, code, read

BALANCE = "/v2/futures/balance"


def _sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_signed_request_is_let_in() -> None:
    assert VenueClient().send("GET", BALANCE).status == 200


@pytest.mark.parametrize(
    "spelling",
    [
        "timestamp={now}&signature={signature}&status=OPEN&limit=5",
        "signature={signature}&status=OPEN&limit=5&timestamp={now}",
        "limit=5&status=OPEN&timestamp={now}&signature={signature}",
    ],
)
def test_parameters_may_come_in_any_order_and_the_signature_anywhere(spelling: str) -> None:
    client = VenueClient()
    signature = _sign(client.secret, f"limit=5&status=OPEN&timestamp={NOW}")
    assert client.send("GET", "/v2/orders", raw_query=spelling.format(now=NOW, signature=signature)).status == 200


def test_signature_is_over_the_form_urlencoded_text() -> None:
    client = VenueClient()
    text = f"symbol=A+B%7E%C3%A9*&timestamp={NOW}"
    signature = _sign(client.secret, text)
    # However the sender spelled it: the text that is signed is the one in form encoding.
    raw = f"symbol=A%20B~%c3%a9*&timestamp={NOW}&signature={signature}"
    assert client.send("GET", "/v2/orders", raw_query=raw).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "timestamp=1790000000000",
        "timestamp=1790000000000&signature=",
        "timestamp=1790000000000&signature=%C3%A9",
        "timestamp=1790000000000&signature=00&signature=00",
        "timestamp&signature=00",
        "&".join(f"p{n}=1" for n in range(60)),
        "timestamp=%FF&signature=00",
    ],
)
def test_query_without_a_readable_signature_is_refused(raw: str) -> None:
    assert code(VenueClient().send("GET", BALANCE, raw_query=raw)) == (401, "INVALID_SIGNATURE")


def test_wrong_secret_upper_case_or_changed_parameter_is_refused() -> None:
    client = VenueClient()
    text = f"status=OPEN&timestamp={NOW}"
    signature = _sign(client.secret, text)
    assert code(client.send("GET", BALANCE, secret=client.other_secret)) == (401, "INVALID_SIGNATURE")
    changed = f"status=NEW&timestamp={NOW}&signature={signature}"
    assert code(client.send("GET", "/v2/orders", raw_query=changed)) == (401, "INVALID_SIGNATURE")
    upper = f"{text}&signature={signature.upper()}"
    assert code(client.send("GET", "/v2/orders", raw_query=upper)) == (401, "INVALID_SIGNATURE")


def test_body_is_not_signed() -> None:
    client = VenueClient()
    body = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "2", "price": "98"}
    raw = f"timestamp={NOW}&signature={_sign(client.secret, f'timestamp={NOW}')}"
    assert read(client.send("POST", "/v2/orders", body=body, raw_query=raw))["order"]["quantity"] == "2.000"


@pytest.mark.parametrize(("offset", "status"), [(-5000, 200), (5000, 200), (-5001, 401), (5001, 401)])
def test_timestamp_is_accepted_within_five_seconds_of_the_venues_clock(offset: int, status: int) -> None:
    answer = VenueClient().send("GET", BALANCE, timestamp=NOW + offset)
    assert answer.status == status
    if status == 401:
        assert code(answer) == (401, "INVALID_TIMESTAMP")
        assert read(answer)["error"] == "Invalid or expired timestamp"


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e12", "17900000000000000000"])
def test_malformed_timestamp_is_refused(timestamp: str) -> None:
    assert code(VenueClient().send("GET", BALANCE, timestamp=timestamp)) == (401, "INVALID_TIMESTAMP")


def test_signature_is_accepted_once() -> None:
    client = VenueClient()
    assert client.send("GET", BALANCE, timestamp=NOW).status == 200
    assert code(client.send("GET", BALANCE, timestamp=NOW)) == (401, "REPLAYED_REQUEST")


def test_another_keys_equal_timestamp_is_no_replay() -> None:
    client = VenueClient()
    assert client.send("GET", BALANCE, timestamp=NOW).status == 200
    answer = client.send("GET", BALANCE, timestamp=NOW, key=client.other_key, secret=client.other_secret)
    assert answer.status == 200


def test_two_orders_in_one_millisecond_are_one_replay() -> None:
    client = VenueClient()
    body = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "98"}
    assert client.send("POST", "/v2/orders", body=body, timestamp=NOW).status == 200
    answer = client.send("POST", "/v2/orders", body={**body, "quantity": "2"}, timestamp=NOW)
    assert code(answer) == (401, "REPLAYED_REQUEST")


def test_unknown_or_missing_key_is_refused() -> None:
    assert code(VenueClient().send("GET", BALANCE, key="zd_nobody")) == (401, "INVALID_API_KEY")
    assert code(VenueClient().send("GET", BALANCE, key="")) == (401, "INVALID_API_KEY")


def test_key_is_used_from_its_addresses_only() -> None:
    client = VenueClient(key={"addresses": ["10.0.0.1"]})
    assert code(client.send("GET", BALANCE)) == (401, "IP_NOT_ALLOWED")
    client.address = "10.0.0.1"
    assert client.send("GET", BALANCE).status == 200


def test_key_ends_with_its_expiry() -> None:
    client = VenueClient(key={"expiresAtMs": NOW + 1})
    assert client.send("GET", BALANCE).status == 200
    client.now_ms = NOW + 1
    assert code(client.send("GET", BALANCE)) == (401, "API_KEY_EXPIRED")


def test_read_only_key_reads_and_does_not_trade() -> None:
    client = VenueClient(key={"permissions": ["READ_ONLY"]})
    assert client.send("GET", "/v2/orders").status == 200
    for method, path in (
        ("POST", "/v2/orders"),
        ("POST", "/v2/orders/batch"),
        ("DELETE", "/v2/orders/1"),
        ("DELETE", "/v2/orders"),
        ("POST", "/v2/positions/close"),
    ):
        assert code(client.send(method, path, body={})) == (403, "PERMISSION_DENIED")


def test_key_without_any_permission_does_not_even_read() -> None:
    assert code(VenueClient(key={"permissions": []}).send("GET", BALANCE)) == (403, "PERMISSION_DENIED")


def test_checks_come_in_the_documented_order() -> None:
    """Each request fails one check more than the one before, and is told the earliest."""
    expired = {"addresses": ["10.0.0.1"], "expiresAtMs": NOW, "permissions": ["READ_ONLY"]}
    client = VenueClient(key=expired)
    stale = NOW - 9000
    assert code(client.send("POST", "/v2/orders", body=b"?", secret="x", timestamp=stale)) == (401, "IP_NOT_ALLOWED")
    client.address = "10.0.0.1"
    assert code(client.send("POST", "/v2/orders", body=b"?", secret="x", timestamp=stale)) == (401, "API_KEY_EXPIRED")
    client = VenueClient(key={"permissions": ["READ_ONLY"]})
    assert code(client.send("POST", "/v2/orders", body=b"?", secret="x", timestamp=stale)) == (401, "INVALID_SIGNATURE")
    assert code(client.send("POST", "/v2/orders", body=b"?", timestamp=stale)) == (401, "INVALID_TIMESTAMP")
    assert code(client.send("POST", "/v2/orders", body=b"?", timestamp=NOW)) == (403, "PERMISSION_DENIED")
    assert code(client.send("POST", "/v2/orders", body=b"?", timestamp=NOW)) == (401, "REPLAYED_REQUEST")


def test_no_secret_in_a_repr() -> None:
    client = VenueClient()
    gate = client.venue._gate
    assert client.secret not in repr(gate._keys)
