"""Who is let in, and what the others are told."""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ordergate.simulator.binance.gate import Caller, Gate
from ordergate.simulator.binance.operations import Failure, Security
from ordergate.simulator.config import AccountConfig

NOW = 1_790_000_000_000
SECRET = "of-this-test"
ED25519 = Ed25519PrivateKey.generate()
PEM = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
KEYS: list[dict[str, Any]] = [
    {"key": "trader", "secret": SECRET},
    {"key": "reader", "secret": SECRET, "permissions": ["READ_ONLY"]},
    {"key": "homebound", "secret": SECRET, "addresses": ["10.0.0.1"]},
    {"key": "old", "secret": SECRET, "expiresAtMs": NOW},
    {"key": "modern", "publicKey": PEM},
]


def gate() -> Gate:
    return Gate([AccountConfig.model_validate({"account": "main", "keys": KEYS})])


def signature(text: str, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def ask(query: str, **changes: Any) -> Caller | Failure:
    asked: dict[str, Any] = {"security": Security.SIGNED_TRADE, "key": "trader", "body": b"", "address": "10.0.0.9"}
    asked |= {"now_ms": NOW, **changes}
    return gate().admit_rest(asked.pop("security"), query=query, **asked)


def ask_signed(text: str = f"symbol=BTCUSDT&timestamp={NOW}", **changes: Any) -> Caller | Failure:
    return ask(f"{text}&signature={signature(text)}", **changes)


def refused(answer: Caller | Failure) -> tuple[int, int]:
    assert isinstance(answer, Failure)
    return answer.code, answer.status


def test_signed_request_enters_with_what_the_operation_reads() -> None:
    caller = ask_signed(f"symbol=BTCUSDT&recvWindow=3000&timestamp={NOW}")
    assert isinstance(caller, Caller)
    assert caller.key is not None
    assert (caller.key.account, caller.parameters) == ("main", {"symbol": "BTCUSDT"})


def test_raw_json_enters_only_where_nothing_must_be_encoded() -> None:
    text = f'batchOrders=[{{"symbol":"BTCUSDT"}}]&timestamp={NOW}'
    signed = {"body": f"{text}&signature={signature(text)}".encode()}
    assert refused(ask("", **signed)) == (-1022, 400)
    lenient = Gate([AccountConfig.model_validate({"account": "main", "keys": KEYS})], encoded_only=False)
    caller = lenient.admit_rest(Security.SIGNED_TRADE, key="trader", query="", address="10.0.0.9", now_ms=NOW, **signed)
    assert isinstance(caller, Caller)
    assert caller.parameters == {"batchOrders": '[{"symbol":"BTCUSDT"}]'}


@pytest.mark.parametrize("key", ["unknown", "homebound", "old"])
def test_unknown_foreign_and_expired_key_get_one_answer(key: str) -> None:
    assert refused(ask_signed(key=key)) == (-2015, 401)


def test_allowed_address_enters() -> None:
    assert isinstance(ask_signed(key="homebound", address="10.0.0.1"), Caller)


@pytest.mark.parametrize("key", [None, "", "a b", "é"])
def test_what_is_no_key_is_told_so(key: str | None) -> None:
    assert refused(ask_signed(key=key)) == (-2014, 401)


def test_reader_reads_and_does_not_trade() -> None:
    assert refused(ask_signed(key="reader")) == (-2015, 401)
    assert isinstance(ask_signed(key="reader", security=Security.SIGNED_READ), Caller)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbol=BTCUSDT", -1102),
        (f"timestamp={NOW}", -1102),
        (f"timestamp={NOW}&signature=", -1102),
        (f"timestamp={NOW}&signature=00", -1022),
        (f"timestamp={NOW - 5001}&signature=00", -1021),
        (f"a=1&a=2&timestamp={NOW}&signature=00", -1101),
        ("timestamp", -1100),
    ],
)
def test_what_is_wrong_is_named(query: str, code: int) -> None:
    assert refused(ask(query)) == (code, 400)


def test_order_of_parameters_is_free_but_what_was_signed_is_what_was_sent() -> None:
    assert isinstance(ask_signed(f"timestamp={NOW}&symbol=BTCUSDT&a=1"), Caller)
    text = f"a=1&timestamp={NOW}"
    assert refused(ask(f"timestamp={NOW}&a=1&signature={signature(text)}"))[0] == -1022


def test_raw_text_is_refused_though_it_was_signed_so() -> None:
    text = f"symbol=币&timestamp={NOW}"
    sent = text.encode().decode("latin-1")
    assert refused(ask(f"{sent}&signature={signature(text)}"))[0] == -1022
    assert isinstance(ask_signed(f"symbol={quote('币')}&timestamp={NOW}"), Caller)


def test_key_alone_is_enough_where_nothing_is_signed() -> None:
    assert isinstance(ask("", security=Security.KEY), Caller)
    assert refused(ask("", security=Security.KEY, key="unknown"))[0] == -2015
    assert isinstance(ask("limit=5", security=Security.NONE, key=None), Caller)


def test_revoked_key_is_refused_until_it_is_given_back() -> None:
    doors = gate()
    assert doors.revoke("trader", revoked=True)
    assert refused(doors.key("trader", "", NOW)) == (-2015, 401)  # type: ignore[arg-type]
    assert doors.revoke("trader", revoked=False)
    assert not isinstance(doors.key("trader", "", NOW), Failure)
    assert not doors.revoke("nobody", revoked=True)


# --- WebSocket API


def ask_socket(parameters: dict[str, str], **changes: Any) -> Caller | Failure:
    asked: dict[str, Any] = {"session": None, "address": "", "now_ms": NOW, **changes}
    return gate().admit_socket(Security.SIGNED_TRADE, dict(parameters), **asked)


def test_socket_checks_the_sorted_text() -> None:
    text = f"apiKey=trader&symbol=币&timestamp={NOW}"
    parameters = {"symbol": "币", "timestamp": str(NOW), "apiKey": "trader", "signature": signature(text)}
    caller = ask_socket(parameters)
    assert isinstance(caller, Caller)
    assert caller.parameters == {"symbol": "币"}
    assert refused(ask_socket({**parameters, "symbol": "X"}))[0] == -1022


def test_socket_takes_an_ed25519_signature_as_it_stands() -> None:
    text = f"apiKey=modern&timestamp={NOW}"
    made = b64encode(ED25519.sign(text.encode())).decode()
    assert isinstance(ask_socket({"apiKey": "modern", "timestamp": str(NOW), "signature": made}), Caller)


def test_session_needs_a_timestamp_and_no_signature() -> None:
    session = gate().key("modern", "", NOW)
    assert not isinstance(session, Failure)
    assert isinstance(ask_socket({"timestamp": str(NOW)}, session=session), Caller)
    assert refused(ask_socket({}, session=session))[0] == -1102
    assert refused(ask_socket({"timestamp": str(NOW - 6000)}, session=session))[0] == -1021


def test_explicit_key_goes_before_the_session() -> None:
    session = gate().key("modern", "", NOW)
    text = f"apiKey=reader&timestamp={NOW}"
    parameters = {"apiKey": "reader", "timestamp": str(NOW), "signature": signature(text)}
    assert refused(ask_socket(parameters, session=session))[0] == -2015


def test_without_session_the_key_is_mandatory() -> None:
    assert refused(ask_socket({"timestamp": str(NOW)}))[0] == -1102
