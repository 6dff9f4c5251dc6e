"""The venue's check of signatures, against vectors that others published."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from ordergate.simulator.binance.signing import (
    Verify,
    hmac_verifier,
    is_ed25519,
    public_key_verifier,
    read_signed,
    sorted_text,
)

VECTORS = Path(__file__).parents[2] / "access" / "vectors" / "signatures.json"
ROWS: list[dict[str, Any]] = [
    row
    for row in json.loads(VECTORS.read_text())["vectors"]
    if row["scheme"].startswith("binance") and "docs-bug" not in row["id"]
]


def pem(row: dict[str, Any]) -> str:
    password = row.get("private_key_password")
    private = load_der_private_key(b64decode(row["private_key_der_base64"]), password and password.encode())
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def verifier(row: dict[str, Any]) -> Verify:
    return hmac_verifier(row["secret"]) if "secret" in row else public_key_verifier(pem(row))


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_published_signature_is_the_keys_over_its_text_and_over_no_other(row: dict[str, Any]) -> None:
    verify = verifier(row)
    assert verify(row["payload"].encode(), row["expected_signature"])
    assert not verify(row["payload"].encode() + b"0", row["expected_signature"])


def test_hex_may_be_in_either_case_and_base64_may_not() -> None:
    hex_row = next(row for row in ROWS if "secret" in row)
    assert verifier(hex_row)(hex_row["payload"].encode(), hex_row["expected_signature"].upper())
    other = next(row for row in ROWS if row["algorithm"] == "Ed25519")
    assert not verifier(other)(other["payload"].encode(), other["expected_signature"].upper())


@pytest.mark.parametrize("signature", ["", "é", "not base64!", "AAAA", "=" * 8])
def test_what_is_no_signature_holds_for_no_key(signature: str) -> None:
    assert not any(verifier(row)(row["payload"].encode(), signature) for row in ROWS)


def test_only_ed25519_logs_on() -> None:
    kinds = {row["algorithm"].split(maxsplit=1)[0]: is_ed25519(pem(row)) for row in ROWS if "secret" not in row}
    assert kinds == {"Ed25519": True, "RSASSA-PKCS1-v1_5": False}


def test_key_of_another_kind_is_refused() -> None:
    public = generate_private_key(SECP256R1()).public_key()
    with pytest.raises(ValueError, match="RSA or Ed25519"):
        public_key_verifier(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("a=1&b=2&signature=ff", ""),
        ("signature=ff&a=1&b=2", ""),
        ("a=1&signature=ff&b=2", ""),
        ("", "a=1&b=2&signature=ff"),
    ],
)
def test_signature_may_stand_anywhere(query: str, body: str) -> None:
    signed = read_signed(query, body.encode())
    assert signed is not None
    assert (signed.text, signed.signature, signed.parameters()) == (b"a=1&b=2", "ff", {"a": "1", "b": "2"})


def test_query_and_body_are_joined_without_a_separator() -> None:
    signed = read_signed("a=1&b=2", b"c=3&signature=ff")
    assert signed is not None
    assert signed.text == b"a=1&b=2c=3"
    assert signed.parameters() == {"a": "1", "b": "2", "c": "3"}


def test_order_and_encoding_are_as_received() -> None:
    signed = read_signed(f"z=1&symbol={quote('这是测试币456')}&a=%5B1%5D", b"")
    assert signed is not None
    assert signed.text.startswith(b"z=1&symbol=%E8%BF%99")
    assert signed.text.endswith(b"&a=%5B1%5D")
    assert signed.is_encoded
    assert signed.parameters() == {"z": "1", "symbol": "这是测试币456", "a": "[1]"}


@pytest.mark.parametrize("query", ["symbol=这".encode().decode("latin-1"), 'a=["x"]', "a=1 2", "a={}"])
def test_what_is_not_percent_encoded_is_seen(query: str) -> None:
    signed = read_signed(query, b"")
    assert signed is not None
    assert not signed.is_encoded


def test_query_goes_before_body_and_twice_in_one_is_refused() -> None:
    both = read_signed("a=1", b"a=2&b=3")
    assert both is not None
    assert both.parameters() == {"a": "1", "b": "3"}
    twice = read_signed("a=1&a=1", b"")
    assert twice is not None
    assert twice.parameters() is None


@pytest.mark.parametrize("query", ["a", "a=1&&b=2", "a=1&", "a=%ff"])
def test_what_is_no_query_string_is_none(query: str) -> None:
    assert read_signed(query, b"") is None


def test_signature_is_decoded_before_it_is_used() -> None:
    text = b64encode(b"\xfb\xff").decode()
    signed = read_signed(f"a=1&signature={quote(text, safe='')}", b"")
    assert signed is not None
    assert signed.signature == text == "+/8="


def test_socket_signs_names_in_order_as_raw_text() -> None:
    assert sorted_text({"symbol": "这", "apiKey": "k", "signature": "s", "B": "1"}) == "B=1&apiKey=k&symbol=这".encode()
