import copy
import json
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ordergate.access.keys import read_key
from ordergate.access.redaction import redact
from ordergate.trading.errors import UnsafeKeyFile

PUBLIC, SECRET = "zd_" + "ab" * 20, "Visible-but-secret-0123456789"


def key_file(directory: Path, text: str, mode: int = 0o400) -> Path:
    path = directory / "key"
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [json.dumps({"key": PUBLIC, "secret": SECRET}), f"{PUBLIC}\n{SECRET}\n"])
def test_both_forms_of_a_key_file_are_read(tmp_path: Path, text: str) -> None:
    key = read_key(key_file(tmp_path, text))
    assert (key.public, key.secret) == (PUBLIC, SECRET)


def test_a_private_key_stands_in_json_as_pem_and_every_line_of_it_is_masked(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = read_key(key_file(tmp_path, json.dumps({"key": PUBLIC, "secret": pem})))
    assert key.secret == pem
    assert pem not in redact(f"the key is {pem}")
    with pytest.raises(UnsafeKeyFile):
        read_key(key_file(tmp_path, json.dumps({"key": pem, "secret": SECRET}), 0o400))


@pytest.mark.parametrize("mode", [0o404, 0o644, 0o420, 0o402, 0o401])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(UnsafeKeyFile, match="0400"):
        read_key(key_file(tmp_path, f"{PUBLIC}\n{SECRET}", mode))


def test_a_group_may_read_because_mounted_secrets_are_so(tmp_path: Path) -> None:
    assert read_key(key_file(tmp_path, f"{PUBLIC}\n{SECRET}", 0o440)).public == PUBLIC


@pytest.mark.parametrize(
    "text",
    [
        "",
        PUBLIC,
        f"{PUBLIC} {SECRET} more",
        "{",
        '{"key": 1, "secret": 2}',
        '{"key": "a b", "secret": "c"}',
        "schlüssel\nx",
    ],
)
def test_what_is_not_a_key_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnsafeKeyFile) as caught:
        read_key(key_file(tmp_path, text))
    assert PUBLIC not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_overlong_or_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeKeyFile):
        read_key(key_file(tmp_path, "x" * 20_000))
    with pytest.raises(UnsafeKeyFile):
        read_key(tmp_path / "nothing")
    with pytest.raises(UnsafeKeyFile):
        read_key(tmp_path)


def test_a_key_never_shows_itself(tmp_path: Path) -> None:
    key = read_key(key_file(tmp_path, f"{PUBLIC}\n{SECRET}"))
    shown = f"{key} {key!r} {[key]} {redact(f'{key.public} {key.secret}')}"
    assert PUBLIC not in shown
    assert SECRET not in shown
    assert key.id in shown
    for leave in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="does not leave"):
            leave(key)
