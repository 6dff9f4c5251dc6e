"""The rules of each venue, checked against implementations written here from the rule alone: hashlib, base64 and arithmetic."""

import base64
import copy
import hashlib
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.keys.hashing import HmacSha256
from ordergate.access.keys.key import make_key
from ordergate.access.keys.material import Ed25519Key, HmacSecret, P256Key, RsaKey, parse_credentials
from ordergate.access.signing import binance, bybit, coinbase, kraken, okx, sign_sorted_query
from ordergate.access.signing.asymmetric import es256
from ordergate.access.signing.encoding import compact_json, encode_above_ascii, percent_encode
from ordergate.access.signing.registry import SCHEMES, signature
from ordergate.trading.errors import Unsignable, WrongKey

SECRET = HmacSecret(b"a-secret-of-a-test")
BASE64_SECRET = HmacSecret(base64.b64encode(b"\x00\xff any bytes"))
RSA = RsaKey(rsa.generate_private_key(65_537, 2_048))
EDWARDS = Ed25519Key(ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))
P256 = P256Key(
    ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1())
)
OWN = frozenset({"timestamp", "recvWindow", "signature", "nonce"})

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text("abcXYZ_09", min_size=1, max_size=6).filter(lambda name: name not in OWN)
parameters = st.lists(st.tuples(names, text), max_size=5, unique_by=lambda pair: pair[0])


def plain_hmac(algorithm: str, key: bytes, message: bytes) -> bytes:
    """RFC 2104, step by step."""
    size = hashlib.new(algorithm).block_size
    key = (hashlib.new(algorithm, key).digest() if len(key) > size else key).ljust(size, b"\0")
    inner = hashlib.new(algorithm, bytes(each ^ 0x36 for each in key) + message).digest()
    return hashlib.new(algorithm, bytes(each ^ 0x5C for each in key) + inner).digest()


def rsa_accepts(message: bytes, signature_bytes: bytes) -> bool:
    """RFC 8017, 8.2.2: the power, and the padding compared as a whole."""
    numbers = RSA.private.public_key().public_numbers()
    opened = pow(int.from_bytes(signature_bytes, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
    return opened == b"\x00\x01" + b"\xff" * (256 - 3 - len(digest)) + b"\x00" + digest


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_with_its_key_prepared_is_hmac(key: bytes, message: bytes) -> None:
    prepared = HmacSha256(key)
    assert [prepared.digest(message) for _ in range(2)] == [plain_hmac("sha256", key, message)] * 2
    with pytest.raises(TypeError, match="does not leave"):
        copy.copy(prepared)


# Binance, REST


@given(parameters, parameters, st.integers(10**12, 10**16))
def test_binance_verifies_what_arrives_query_then_body(
    query: list[tuple[str, str]], body: list[tuple[str, str]], timestamp: int
) -> None:
    body = [pair for pair in body if pair[0] not in dict(query)]
    made = binance.sign_request(SECRET, timestamp=timestamp, query=query, body=body)
    last = made.body or made.query
    signed, _, found = last.rpartition("&signature=")
    received = (made.query + signed if made.body else signed).encode()
    assert received.isascii()
    assert found == plain_hmac("sha256", SECRET.secret, received).hex()
    arrived = [*parse_qsl(made.query, keep_blank_values=True), *parse_qsl(made.body, keep_blank_values=True)]
    assert arrived == [*query, *body, ("timestamp", str(timestamp)), ("signature", found)]


@pytest.mark.parametrize("material", [RSA, EDWARDS], ids=["rsa", "ed25519"])
def test_a_base64_signature_is_percent_encoded_in_the_url(material: RsaKey | Ed25519Key) -> None:
    for timestamp in range(20):  # some of these signatures hold `+`, `/` and `=`
        made = binance.sign_request(material, timestamp=timestamp, query=[("symbol", "这是测试币456")])
        signed, _, found = made.query.rpartition("&signature=")
        assert not set(found) & set("+/=")
        raw = base64.b64decode(unquote(found), validate=True)
        if isinstance(material, RsaKey):
            assert rsa_accepts(signed.encode(), raw)
        else:
            material.private.public_key().verify(raw, signed.encode())


def test_binance_encodes_before_it_signs() -> None:
    made = binance.sign_request(
        SECRET, timestamp=1, body=[("symbol", "这是测试币456"), ("a", "x y+z&=~"), ("list", compact_json([1, "é"]))]
    )
    assert made.query == ""
    assert made.body.startswith(
        "symbol=%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456&a=x%20y%2Bz%26%3D~&list=%5B1%2C%22%C3%A9%22%5D&timestamp=1&signature="
    )


def test_a_raw_symbol_signs_as_the_encoded_one_that_is_sent() -> None:
    raw, sent = (
        "symbol=这是测试币456&side=BUY".encode(),
        b"symbol=%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456&side=BUY",
    )
    assert signature("binance-rest", raw, SECRET) == signature("binance-rest", sent, SECRET)
    assert signature("binance-rest", sent, SECRET) == plain_hmac("sha256", SECRET.secret, sent).hex()


@given(st.binary(max_size=30))
def test_encoding_above_ascii_is_done_once_and_can_be_undone(content: bytes) -> None:
    encoded = encode_above_ascii(content)
    assert encoded.isascii()
    assert encode_above_ascii(encoded) == encoded
    assert b"%" in content or unquote_to_bytes(encoded) == content


@given(parameters)
def test_percent_encoding_agrees_with_a_plain_reading_of_rfc_3986(pairs: list[tuple[str, str]]) -> None:
    kept = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

    def encode(value: str) -> str:
        return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in value.encode())

    assert percent_encode(pairs) == "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs)


@pytest.mark.parametrize(
    "query", [[("a", "1"), ("a", "2")], [("signature", "x")], [("timestamp", "1")], [("recvWindow", "1")]]
)
def test_binance_refuses_a_name_that_would_stand_twice(query: list[tuple[str, str]]) -> None:
    with pytest.raises(Unsignable):
        binance.sign_request(SECRET, timestamp=1, query=query)
    with pytest.raises(Unsignable):
        binance.sign_request(SECRET, timestamp=1, query=query, body=[("b", "1")])


@pytest.mark.parametrize(("window", "text_sent"), [("5000", "5000"), ("1E+3", "1000"), ("0.125", "0.125")])
def test_recv_window_is_plain_digits(window: str, text_sent: str) -> None:
    made = binance.sign_request(SECRET, timestamp=1, recv_window_ms=Decimal(window))
    assert made.query.startswith(f"recvWindow={text_sent}&timestamp=1&signature=")


@pytest.mark.parametrize("window", ["0", "-1", "60000.001", "1.0001", "NaN", "Infinity"])
def test_a_window_that_binance_does_not_take_is_refused(window: str) -> None:
    with pytest.raises(Unsignable):
        binance.sign_request(SECRET, timestamp=1, recv_window_ms=Decimal(window))


def test_a_call_without_parameters_is_signed_too() -> None:
    made = binance.sign_request(SECRET, timestamp=7)
    assert made.query == "timestamp=7&signature=" + plain_hmac("sha256", SECRET.secret, b"timestamp=7").hex()


def test_a_signed_request_does_not_show_itself() -> None:
    assert "signature" not in repr(binance.sign_request(SECRET, timestamp=7))


# Binance, WebSocket API


@given(st.dictionaries(names, text | st.integers() | st.booleans(), max_size=6))
def test_the_websocket_api_signs_sorted_raw_utf8(given_parameters: dict[str, Any]) -> None:
    def raw(value: Any) -> str:
        return json.dumps(value).lower() if isinstance(value, bool) else str(value)

    expected = "&".join(f"{name}={raw(value)}" for name, value in sorted(given_parameters.items())).encode()
    shuffled = dict(reversed([*given_parameters.items(), ("signature", "old")]))
    assert binance.websocket_payload(shuffled) == expected


@given(parameters)
def test_the_text_of_the_websocket_api_is_sorted_whatever_order_it_came_in(pairs: list[tuple[str, str]]) -> None:
    pairs = [(name, value.replace("&", "")) for name, value in pairs] or [("apiKey", "k")]
    by_name = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    for order in (pairs, pairs[::-1], [("signature", "old"), *pairs]):
        joined = "&".join(f"{name}={value}" for name, value in order)
        assert signature("binance-wsapi", joined.encode(), SECRET) == signature("primitive", by_name.encode(), SECRET)


def test_a_text_of_the_websocket_api_that_cannot_be_taken_apart_is_signed_as_it_is() -> None:
    assert signature("binance-wsapi", b"z=1&odd&a=2", SECRET) == signature("primitive", b"z=1&odd&a=2", SECRET)


def test_amounts_of_the_websocket_api_keep_their_digits() -> None:
    payload = binance.websocket_payload(
        {"quantity": Decimal("0.00000100"), "price": Decimal("1E+2"), "symbol": "１２３４５６"}
    )
    assert payload.decode() == "price=100&quantity=0.00000100&symbol=１２３４５６"
    as_json = b'{"symbol":"BTCUSDT","quantity":0.10}'
    assert signature("binance-wsapi", as_json, SECRET) == signature(
        "binance-wsapi", b"quantity=0.10&symbol=BTCUSDT", SECRET
    )


@pytest.mark.parametrize(
    "body", [b"{", b'{"a":1,"a":2}', b'{"a":null}', b'{"a":{"b":1}}', b'{"a":NaN}', b"{" * 100_000]
)
def test_parameters_that_have_no_text_are_refused(body: bytes) -> None:
    with pytest.raises(Unsignable):
        signature("binance-wsapi", body, SECRET)


# Zetarium


@given(st.lists(st.tuples(names, text), max_size=6))
def test_zetarium_sorts_by_name_and_keeps_the_order_of_equal_names(pairs: list[tuple[str, str]]) -> None:
    key = make_key(public="zd_" + "2b" * 20, secret="0e" * 32)
    query, _, found = sign_sorted_query(pairs, 1_790_000_000_000, key).rpartition("&signature=")
    arrived = parse_qsl(query, keep_blank_values=True)
    assert arrived == sorted([*pairs, ("timestamp", "1790000000000")], key=lambda pair: pair[0])
    assert found == plain_hmac("sha256", key.secret.encode(), query.encode()).hex()
    assert found == signature("zetarium-v2", query.encode(), HmacSecret(key.secret.encode()))


def test_zetarium_sorts_names_as_javascript_does() -> None:
    key = make_key(public="zd_" + "2b" * 20, secret="0e" * 32)
    query = sign_sorted_query([("\uffee", "2"), ("\U0001f600", "1")], 1, key)
    assert query.startswith("timestamp=1&%F0%9F%98%80=1&%EF%BF%AE=2&signature=")


# Kraken


@given(parameters, st.integers(0, 2**64 - 1), st.sampled_from(["/0/private/AddOrder", "/0/private/Balance"]))
def test_kraken_signs_path_and_hash_of_nonce_and_body(pairs: list[tuple[str, str]], nonce: int, path: str) -> None:
    body, header = kraken.sign_form(BASE64_SECRET, path, pairs, nonce=nonce)
    assert parse_qsl(body, keep_blank_values=True) == [("nonce", str(nonce)), *pairs]
    message = path.encode() + hashlib.sha256(str(nonce).encode() + body.encode()).digest()
    assert base64.b64decode(header) == plain_hmac("sha512", base64.b64decode(BASE64_SECRET.secret), message)
    for payload, given_path in ((body, path), (f"{path}?{body}", ""), (f"{path}\n{body}", ""), (f"{path}{body}", "")):
        assert signature("kraken-rest", payload.encode(), BASE64_SECRET, path=given_path) == header


@pytest.mark.parametrize(
    "body",
    [
        "nonce=16164923765%39%34&a=1",
        "a=1&nonce=1616492376594",
        '{"nonce":"1616492376594"}',
        '{"nonce":1616492376594,"a":"é"}',
    ],
)
def test_krakens_nonce_counts_decoded_wherever_it_stands(body: str) -> None:
    assert kraken.nonce_of(body.encode()) == "1616492376594"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "a=1",
        "nonce=",
        "nonce=1&nonce=2",
        "nonce=-1",
        "nonce=1.5",
        "nonce=٣",
        f"nonce={2**64}",
        "{",
        '{"nonce":true}',
        '{"a":1}',
        '{"nonce":1e3}',
    ],
)
def test_a_body_without_one_nonce_is_refused(body: str) -> None:
    with pytest.raises(Unsignable, match=r"nonce|JSON"):
        signature("kraken-rest", body.encode(), BASE64_SECRET, path="/0/private/Balance")


@pytest.mark.parametrize("whole", [b"A", b"AB", b"\x00\xff any bytes", b"k" * 64])
def test_a_secret_that_lost_its_padding_is_still_whole(whole: bytes) -> None:
    written = base64.b64encode(whole)
    for scheme in ("kraken-rest", "coinbase-exchange"):
        found = [
            signature(scheme, b"nonce=1", HmacSecret(secret), path="/0/private/Balance")
            for secret in (written, written.rstrip(b"="))
        ]
        assert found[0] == found[1]


@pytest.mark.parametrize("secret", [b"not base64!", b"QUJD\xff", b"QUJ", b"QR", b"Q", b"QUI==", b"="])
def test_a_secret_that_was_cut_off_is_refused_and_not_guessed(secret: bytes) -> None:
    for scheme in ("kraken-rest", "coinbase-exchange"):
        with pytest.raises(WrongKey):
            signature(scheme, b"nonce=1", HmacSecret(secret), path="/0/private/Balance")


# OKX, Bybit, Coinbase Exchange


@given(text, st.sampled_from(["get", "POST"]), st.integers(0, 4_102_444_800_000))
def test_okx_signs_iso_time_method_path_and_body(value: str, method: str, at_ms: int) -> None:
    path, body = "/api/v5/trade/order?instId=BTC-USDT", compact_json({"clOrdId": value}).encode()
    payload = okx.rest_payload(okx.iso_time(at_ms), method, path, body)
    assert payload == okx.iso_time(at_ms).encode() + method.upper().encode() + path.encode() + body
    assert (
        signature("okx-v5", payload, SECRET) == base64.b64encode(plain_hmac("sha256", SECRET.secret, payload)).decode()
    )


@pytest.mark.parametrize(
    ("at_ms", "written"),
    [
        (1_607_418_537_715, "2020-12-08T09:08:57.715Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (1_000_000_000_005, "2001-09-09T01:46:40.005Z"),
    ],
)
def test_okx_time_has_always_three_decimals(at_ms: int, written: str) -> None:
    assert okx.iso_time(at_ms) == written


def test_okx_login_of_the_websocket() -> None:
    assert okx.websocket_payload(1_607_418_537) == b"1607418537GET/users/self/verify"


@given(text)
def test_bybit_signs_the_query_of_a_get_and_the_raw_body_of_a_post(value: str) -> None:
    for sent in (percent_encode([("symbol", value)]).encode(), compact_json({"symbol": value}).encode(), b""):
        payload = bybit.rest_payload(1_700_000_000_000, "key", 5_000, sent)
        assert payload == b"1700000000000key5000" + sent
        assert signature("bybit-v5", payload, SECRET) == plain_hmac("sha256", SECRET.secret, payload).hex()


def test_bybit_takes_rsa_keys_in_base64() -> None:
    payload = bybit.websocket_payload(1_700_000_000_000)
    assert rsa_accepts(payload, base64.b64decode(signature("bybit-v5", payload, RSA), validate=True))


def test_coinbase_exchange_decodes_its_secret() -> None:
    payload = coinbase.exchange_payload("1700000000", "post", "/orders?a=1", '{"size":"0.01","é":1}'.encode())
    assert payload == '1700000000POST/orders?a=1{"size":"0.01","é":1}'.encode()
    expected = plain_hmac("sha256", base64.b64decode(BASE64_SECRET.secret), payload)
    assert signature("coinbase-exchange", payload, BASE64_SECRET) == base64.b64encode(expected).decode()


# Coinbase Advanced


def unpadded(part: str) -> bytes:
    assert "=" not in part
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def token(material: P256Key | Ed25519Key | HmacSecret, path: str = "/api/v3/brokerage/orders?limit=1") -> str:
    return coinbase.token(
        material,
        key_name="organizations/x/apiKeys/y",
        method="get",
        host="api.coinbase.com",
        path=path,
        nonce="0a1b",
        now_seconds=1_700_000_000,
    )


@pytest.mark.parametrize(("material", "algorithm"), [(P256, "ES256"), (EDWARDS, "EdDSA")], ids=["ES256", "EdDSA"])
def test_a_token_names_one_request_and_lives_two_minutes(material: P256Key | Ed25519Key, algorithm: str) -> None:
    header, claims, _ = token(material).split(".")
    assert json.loads(unpadded(header)) == {
        "alg": algorithm,
        "kid": "organizations/x/apiKeys/y",
        "nonce": "0a1b",
        "typ": "JWT",
    }
    assert json.loads(unpadded(claims)) == {
        "iss": "cdp",
        "sub": "organizations/x/apiKeys/y",
        "nbf": 1_700_000_000,
        "exp": 1_700_000_120,
        "uri": "GET api.coinbase.com/api/v3/brokerage/orders",
    }


def test_a_token_verifies_under_the_public_key() -> None:
    for material in (P256, EDWARDS):
        signed, _, last = token(material).rpartition(".")
        raw = unpadded(last)
        assert signature("coinbase-advanced", signed.encode(), material) == last
        if isinstance(material, Ed25519Key):
            material.private.public_key().verify(raw, signed.encode())
        else:
            assert p256_accepts(signed.encode(), raw)


def test_the_bare_base64_that_coinbase_gives_out_is_an_ed25519_key() -> None:
    seed = EDWARDS.private.private_bytes_raw()
    public = EDWARDS.private.public_key().public_bytes_raw()
    for raw in (seed, seed + public):
        assert token(HmacSecret(base64.b64encode(raw))) == token(EDWARDS)
    with pytest.raises(WrongKey, match="damaged"):
        token(HmacSecret(base64.b64encode(seed + bytes(32))))
    with pytest.raises(WrongKey, match="HMAC"):
        token(SECRET)


@pytest.mark.parametrize("path", ["", "api", "?a=1"])
def test_a_token_without_a_path_is_refused(path: str) -> None:
    with pytest.raises(Unsignable):
        token(P256, path)


def test_es256_agrees_with_the_published_rfc_6979_vector() -> None:
    # RFC 6979, A.2.5: SHA-256, message "sample"
    r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    s = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    assert es256(P256, b"sample").hex() == r + s


def p256_accepts(message: bytes, raw: bytes) -> bool:
    """FIPS 186-4, 6.4, in affine coordinates."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    base = (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    )
    numbers = P256.private.public_key().public_numbers()

    def add(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
        if a is None or b is None:
            return a or b
        if a[0] == b[0] and (a[1] + b[1]) % p == 0:
            return None
        slope = (3 * a[0] ** 2 - 3) * pow(2 * a[1], -1, p) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
        x = (slope**2 - a[0] - b[0]) % p
        return x, (slope * (a[0] - x) - a[1]) % p

    def times(factor: int, point: tuple[int, int]) -> tuple[int, int] | None:
        result, step = None, point
        while factor:
            if factor & 1:
                result = add(result, step)
            doubled = add(step, step)
            assert doubled is not None
            step, factor = doubled, factor >> 1
        return result

    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    inverse = pow(s, -1, n)
    found = add(times(digest * inverse % n, base), times(r * inverse % n, (numbers.x, numbers.y)))
    return found is not None and found[0] % n == r


# All


TAKEN: dict[str, set[type]] = {
    "zetarium-v2": {HmacSecret},
    "binance-rest": {HmacSecret, RsaKey, Ed25519Key},
    "binance-wsapi": {HmacSecret, RsaKey, Ed25519Key},
    "kraken-rest": {HmacSecret},
    "coinbase-exchange": {HmacSecret},
    "coinbase-advanced": {P256Key, Ed25519Key},
    "okx-v5": {HmacSecret},
    "bybit-v5": {HmacSecret, RsaKey},
    "primitive": {HmacSecret, Ed25519Key},
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("material", [BASE64_SECRET, RSA, EDWARDS, P256], ids=["hmac", "rsa", "ed25519", "p256"])
def test_a_key_of_another_kind_is_refused_by_its_kind(scheme: str, material: Any) -> None:
    if type(material) in TAKEN[scheme]:
        made = [signature(scheme, b"nonce=1", material, path="/0/private/Balance") for _ in range(2)]
        assert made[0] == made[1] != signature(scheme, b"nonce=2", material, path="/0/private/Balance")
        return
    with pytest.raises(WrongKey) as caught:
        signature(scheme, b"nonce=1", material, path="/0/private/Balance")
    assert "signs with" in str(caught.value)


def test_an_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Unsignable, match=r"binance-rest.*bybit-v5"):
        signature("binance", b"", SECRET)


@pytest.mark.parametrize("value", [{"a": {1}}, Decimal("NaN"), [float("nan")]])
def test_a_body_has_no_number_that_is_not_exact(value: Any) -> None:
    with pytest.raises(Unsignable):
        compact_json(value)


def test_pem_of_every_dress_signs_the_same() -> None:
    encrypted = serialization.BestAvailableEncryption(b"pass word")
    for key, dresses in (
        (RSA.private, ("PKCS8", "TraditionalOpenSSL")),
        (EDWARDS.private, ("PKCS8",)),
        (P256.private, ("PKCS8", "TraditionalOpenSSL")),
    ):
        scheme = "coinbase-advanced" if key is P256.private else "binance-rest"
        made = set()
        for dress in dresses:
            for lock, password in ((serialization.NoEncryption(), None), (encrypted, b"pass word")):
                pem = key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, dress), lock)
                for content in (pem, pem.replace(b"\n", b"\r\n"), b"\n\n" + pem.rstrip(), pem.replace(b"\n", b"\\n")):
                    made.add(signature(scheme, b"a=1", parse_credentials(content, password=password).material))
        assert len(made) == 1
