"""Every vector of tests/unit/access/vectors is a case of its own, through the library and through the command."""

import base64
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ordergate.access.keys.material import Material, ed25519_of, parse_credentials
from ordergate.access.signing import binance
from ordergate.access.signing.registry import SCHEMES, signature
from ordergate.cli.app import run

FOLDER = Path(__file__).parent / "vectors"
VECTORS = [vector for file in sorted(FOLDER.glob("*.json")) for vector in json.loads(file.read_text())["vectors"]]
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])


def payload_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["payload_hex"]) if "payload_hex" in vector else vector["payload"].encode()


def key_text(vector: dict[str, Any]) -> str:
    """The key file as an operator would have it."""
    if "private_key_der_base64" in vector:
        name = "ENCRYPTED PRIVATE KEY" if vector["private_key_encrypted"] else "PRIVATE KEY"
        body = "\n".join(textwrap.wrap(vector["private_key_der_base64"], 64))
        return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n"
    if "private_seed_hex" in vector:
        return f"ed25519:{vector['private_seed_hex']}\n"
    return f"{vector['secret']}\n"


def material_of(vector: dict[str, Any]) -> Material:
    password = vector.get("private_key_password")
    return parse_credentials(key_text(vector).encode(), password=password.encode() if password else None).material


def test_the_vectors_are_there() -> None:
    assert len(VECTORS) >= 83
    assert {vector["scheme"] for vector in VECTORS} <= set(SCHEMES)


@each_vector
def test_the_published_signature_is_found(vector: dict[str, Any]) -> None:
    made = signature(vector["scheme"], payload_of(vector), material_of(vector), path=vector.get("path", ""))
    assert made == vector["expected_signature"]


@each_vector
def test_the_command_prints_the_bare_signature(
    vector: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(key_text(vector))
    (tmp_path / "key").chmod(0o600)
    options = [
        "--scheme",
        vector["scheme"],
        "--key-file",
        str(tmp_path / "key"),
        "--payload",
        payload_of(vector).decode(),
    ]
    if "private_key_password" in vector:
        (tmp_path / "password").write_text(vector["private_key_password"] + "\n")
        (tmp_path / "password").chmod(0o400)
        options += ["--password-file", str(tmp_path / "password")]
    if SCHEMES[vector["scheme"]].takes_path:
        options += ["--path", vector["path"]]
    assert run(["sign", *options]) == 0
    assert capsys.readouterr() == (vector["expected_signature"] + "\n", "")


@pytest.mark.parametrize("vector", [v for v in VECTORS if "params" in v], ids=lambda vector: vector["id"])
def test_the_payload_of_the_websocket_api_follows_from_its_parameters(vector: dict[str, Any]) -> None:
    assert binance.websocket_payload(vector["params"]) == payload_of(vector)
    as_json = json.dumps(vector["params"]).encode()
    assert signature(vector["scheme"], as_json, material_of(vector)) == vector["expected_signature"]


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "query" in v and "body" in v], ids=lambda vector: vector["id"]
)
def test_query_and_body_are_joined_without_a_sign_between(vector: dict[str, Any]) -> None:
    assert binance.rest_payload(vector["query"], vector["body"]) == payload_of(vector)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "private_key_der_base64" in v], ids=lambda vector: vector["id"]
)
def test_a_private_key_is_read_as_der_and_as_its_bare_base64_too(vector: dict[str, Any]) -> None:
    text = vector["private_key_der_base64"]
    password = vector["private_key_password"].encode() if vector["private_key_encrypted"] else None
    for content in (text.encode(), base64.b64decode(text)):
        material = parse_credentials(content, password=password).material
        assert signature(vector["scheme"], payload_of(vector), material) == vector["expected_signature"]


def test_a_raw_seed_is_a_key() -> None:
    seed = next(vector for vector in VECTORS if vector["id"] == "rfc8032-ed25519-2")
    raw = bytes.fromhex(seed["private_seed_hex"])
    for material in (ed25519_of(raw), parse_credentials(b"ed25519:" + base64.b64encode(raw)).material):
        assert signature("primitive", b"\x72", material) == seed["expected_signature"]
