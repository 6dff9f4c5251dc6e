"""Signatures of a session's calls, checked with the keys' public halves."""

import base64
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_p256
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ordergate.access.keys import make_key
from ordergate.access.signing import hmac_sha256_hex
from ordergate.trading.errors import WrongKey
from ordergate.venues.binance.signing import QuerySigning, check_key

PARAMETERS = (("symbol", "这是测试币456"), ("side", "BUY"))
ENCODED = "symbol=%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456&side=BUY&recvWindow=5000&timestamp=1668481559918"
SIGN = QuerySigning(window_ms=5_000)


def secret_of(private: PrivateKeyTypes, encoding: Encoding) -> str:
    content = private.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
    return content.decode() if encoding is Encoding.PEM else base64.b64encode(content).decode()


def signed(secret: str) -> tuple[str, str]:
    query = SIGN(PARAMETERS, 1668481559918, make_key(public="api-" + secret[-20:-4], secret=secret))
    payload, _, signature = query.rpartition("&signature=")
    return payload, signature


def test_a_bare_secret_signs_with_hmac_in_hex_what_is_sent_percent_encoded() -> None:
    payload, signature = signed("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")
    assert payload == ENCODED
    assert signature == hmac_sha256_hex("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j", ENCODED)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_an_ed25519_key_signs_whether_it_is_pem_or_the_base64_of_its_der(encoding: Encoding) -> None:
    private = Ed25519PrivateKey.generate()
    payload, signature = signed(secret_of(private, encoding))
    private.public_key().verify(base64.b64decode(unquote(signature)), payload.encode())
    assert not set(signature) & set("+/="), "base64 stands percent-encoded in a query"


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65_537, key_size=2_048)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_an_rsa_key_signs_with_pkcs1_and_sha256(rsa: RSAPrivateKey, encoding: Encoding) -> None:
    payload, signature = signed(secret_of(rsa, encoding))
    rsa.public_key().verify(base64.b64decode(unquote(signature)), payload.encode(), PKCS1v15(), SHA256())


def test_a_key_that_cannot_sign_is_told_before_and_signs_nonsense_rather_than_end_a_call_that_is_written_ahead() -> (
    None
):
    damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    with pytest.raises(WrongKey):
        check_key(make_key(public="api", secret=damaged))
    with pytest.raises(WrongKey):
        check_key(make_key(public="api", secret=secret_of(generate_p256(SECP256R1()), Encoding.PEM)))
    payload, signature = signed(damaged)
    assert payload == ENCODED
    assert len(signature) == 64


def test_two_keys_with_one_name_do_not_sign_for_each_other() -> None:
    first, second = (make_key(public="the-same", secret=letter * 40) for letter in "ab")
    assert SIGN((), 1, first) != SIGN((), 1, second)
    assert SIGN((), 1, first) == QuerySigning(window_ms=5_000)((), 1, first)
