import hashlib
import hmac
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.keys import make_key
from ordergate.access.signing import form_encode, hmac_sha256_hex, sign_sorted_query

KEY = make_key(public="zd_" + "1a" * 20, secret="0f" * 32)
names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", min_size=1, max_size=10)


def test_signed_text_is_every_parameter_sorted_by_name() -> None:
    final = sign_sorted_query([("symbol", "BTCUSDT"), ("limit", "5")], 1_790_000_000_000, KEY)
    query, _, signature = final.rpartition("&signature=")
    assert query == "limit=5&symbol=BTCUSDT&timestamp=1790000000000"
    assert signature == hmac.new(KEY.secret.encode(), query.encode(), hashlib.sha256).hexdigest()


def test_hmac_agrees_with_the_published_rfc_4231_vector() -> None:
    published = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_sha256_hex("Jefe", "what do ya want for nothing?") == published


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("*-._", "*-._"),
        ("~", "%7E"),
        ("ü", "%C3%BC"),
        ("a&b=c", "a%26b%3Dc"),
        ("", ""),
    ],
)
def test_values_are_encoded_as_urlsearchparams_does(value: str, encoded: str) -> None:
    assert form_encode([("x", value)]) == f"x={encoded}"


@given(st.dictionaries(names, st.text(max_size=20), max_size=6), st.integers(0, 2**45))
def test_a_server_that_parses_and_sorts_finds_the_same_signature(parameters: dict[str, str], timestamp: int) -> None:
    parameters = {name: value for name, value in parameters.items() if name not in {"signature", "timestamp"}}
    try:
        "".join(parameters.values()).encode()
    except UnicodeEncodeError:
        return
    received = parse_qsl(sign_sorted_query(parameters.items(), timestamp, KEY), keep_blank_values=True)
    signature = received.pop()
    assert dict(received) == {**parameters, "timestamp": str(timestamp)}
    assert signature == ("signature", hmac_sha256_hex(KEY.secret, form_encode(sorted(received))))


def test_another_timestamp_is_another_signature() -> None:
    assert sign_sorted_query([], 1, KEY) != sign_sorted_query([], 2, KEY)
