import base64
import copy
import json
import os
import pickle
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.keys.material import Ed25519Key, HmacSecret, P256Key, parse_credentials, read_credentials
from ordergate.access.redaction import redact
from ordergate.cli.app import run
from ordergate.trading.errors import UnsafeKeyFile, WrongKey

CANARY = "Canary0Secret0Canary0Secret0Canary0Secret0"
EDWARDS = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
LOCKED = EDWARDS.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"right")
)
OPEN = EDWARDS.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def private_file(path: Path, content: bytes | str, mode: int = 0o400) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def pem(key: object) -> bytes:
    assert hasattr(key, "private_bytes")
    made: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made


@pytest.mark.parametrize(
    ("content", "public", "secret", "passphrase"),
    [
        ("the-secret", None, "the-secret", None),
        ("the-secret\r\n", None, "the-secret", None),
        ("\ufeffthe-secret\n", None, "the-secret", None),
        ("the-key\nthe-secret\n", "the-key", "the-secret", None),
        ("the-key\nthe-secret\nphrase\n", "the-key", "the-secret", "phrase"),
        ('{"key":"the-key","secret":"the-secret"}', "the-key", "the-secret", None),
        ('{"apiKey":"k","apiSecret":" s ","passphrase":"p q"}', "k", "s", "p q"),
    ],
)
def test_a_secret_is_read_in_every_form(content: str, public: str | None, secret: str, passphrase: str | None) -> None:
    found = parse_credentials(content.encode())
    assert found.material == HmacSecret(secret.encode())
    assert (found.public, found.passphrase) == (public, passphrase)


def test_the_key_file_of_coinbase_is_read_as_it_is_downloaded() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sec1 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    found = parse_credentials(json.dumps({"name": "organizations/x/apiKeys/y", "privateKey": sec1.decode()}).encode())
    assert found.public == "organizations/x/apiKeys/y"
    assert isinstance(found.material, P256Key)
    assert found.material.private.private_numbers() == key.private_numbers()


@pytest.mark.parametrize(
    ("content", "password", "advice"),
    [
        (b"", None, "is empty"),
        (b" \n\t\n", None, "is empty"),
        (b'{"secret":""}', None, "secret"),
        (b'{"key":"k"}', None, "secret"),
        (b'{"secret":5}', None, "no text"),
        (rb'{"key":"\ud800","secret":"s"}', None, "no text"),
        (rb'{"secret":"\ud800-----BEGIN"}', None, "no text"),
        (b'{"secret":', None, "JSON"),
        (b"[" * 5, b"x", "leave the password out"),
        (b"a b c d", None, "one line"),
        (b"a\x00b", None, "no secret has"),
        (b"\xff\xfe\x00", None, "neither text"),
        (b"0" + b"\xff" * 60, None, "damaged"),
        (b"ed25519:00", None, "seed"),
        (b"ed25519:" + b"zz" * 32, None, "seed"),
        (LOCKED, None, "give its password"),
        (LOCKED, b"wrong", "password is wrong"),
        (LOCKED[:90] + b"\n-----END ENCRYPTED PRIVATE KEY-----\n", b"right", "damaged"),
        (OPEN, b"right", "leave the password out"),
        (OPEN.replace(b"MC4C", b"AAAA"), None, "damaged"),
        (b"secret", b"right", "leave the password out"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", None, "no private key"),
    ],
)
def test_a_key_that_is_none_is_refused_with_what_to_do(content: bytes, password: bytes | None, advice: str) -> None:
    with pytest.raises(WrongKey, match=advice):
        parse_credentials(content, password=password)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (pem(rsa.generate_private_key(65_537, 1_024)), "1024 bits"),  # noqa: S505 - that is the claim
        (pem(ec.generate_private_key(ec.SECP384R1())), "no venue"),
        (pem(ed448.Ed448PrivateKey.generate()), "no venue"),
    ],
    ids=["short rsa", "p384", "ed448"],
)
def test_a_key_that_no_venue_takes_is_refused(content: bytes, advice: str) -> None:
    with pytest.raises(WrongKey, match=advice):
        parse_credentials(content)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=62, max_size=62))
def test_a_secret_that_happens_to_look_like_der_is_still_a_secret(rest: str) -> None:
    for start in ("MC", "MI"):
        assert parse_credentials((start + rest).encode()).material == HmacSecret((start + rest).encode())


def test_a_locked_key_opens_with_the_password_of_a_file(tmp_path: Path) -> None:
    key = private_file(tmp_path / "key", LOCKED)
    for ending in ("", "\n", "\r\n"):
        password = private_file(tmp_path / f"password{len(ending)}", f"right{ending}")
        found = read_credentials(key, password_file=password).material
        assert isinstance(found, Ed25519Key)
        assert found.private.private_bytes_raw() == b"\x09" * 32
    with pytest.raises(WrongKey, match="password is empty"):
        read_credentials(key, password_file=private_file(tmp_path / "empty", "\n"))


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    password = private_file(tmp_path / "password", "right", 0o444)
    with pytest.raises(UnsafeKeyFile, match="0400"):
        read_credentials(private_file(tmp_path / "key", LOCKED), password_file=password)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440])
def test_a_secret_volume_of_kubernetes_is_read_through_its_links(tmp_path: Path, mode: int) -> None:
    data = tmp_path / "..2026_01_01"
    data.mkdir()
    private_file(data / "key", CANARY, mode)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "key").symlink_to("..data/key")
    assert read_credentials(tmp_path / "key").material == HmacSecret(CANARY.encode())
    (data / "key").chmod(0o644)
    with pytest.raises(UnsafeKeyFile, match="0644"):
        read_credentials(tmp_path / "key")


def test_a_pipe_or_a_missing_file_is_refused_and_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "nothing", "."):
        with pytest.raises(UnsafeKeyFile):
            read_credentials(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        CANARY,
        f"public-{CANARY}\n{CANARY}\n{CANARY}",
        json.dumps({"key": CANARY, "secret": CANARY, "passphrase": CANARY}),
    ],
)
def test_credentials_never_show_or_leave(content: str) -> None:
    found = parse_credentials(content.encode())
    for shown in (f"{found} {found!r}", f"{found.material} {found.material!r}", redact(content)):
        assert CANARY not in shown
    for leaving in (found, found.material):
        for leave in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="does not leave"):
                leave(leaving)


BROKEN = [
    f"{CANARY} {CANARY} {CANARY} {CANARY}",
    f'{{"secret": "{CANARY}", ',
    f'{{"key": "{CANARY}", "secret": 7}}',
    f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n",
    f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n{CANARY}\n-----END RSA PRIVATE KEY-----\n",
    f"ed25519:{CANARY}",
    f"{CANARY}\x01",
    base64.b64encode(b"0" + CANARY.encode()).decode() + "\x7f",
]


@pytest.mark.parametrize("content", BROKEN)
def test_no_error_shows_the_key_not_even_its_traceback(content: str) -> None:
    for password in (None, CANARY.encode()):
        with pytest.raises(WrongKey) as caught:
            parse_credentials(content.encode(), password=password)
        told = "".join(traceback.format_exception(caught.value))
        assert CANARY not in told


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("content", [*BROKEN, CANARY])
def test_the_command_never_shows_the_key(
    content: str,
    debug: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORDERGATE_DEBUG", debug)
    key = private_file(tmp_path / "key", content, 0o600)
    password = private_file(tmp_path / "password", CANARY)
    for scheme in ("kraken-rest", "binance-rest", "coinbase-advanced"):
        for more in ([], ["--password-file", str(password)]):
            run(["sign", "--scheme", scheme, "--key-file", str(key), "--payload", "nonce=1", *more])
            shown = capsys.readouterr()
            assert CANARY not in shown.out + shown.err
            assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("scheme", "content", "mode", "payload", "code", "advice"),
    [
        ("binance-rest", CANARY, 0o644, "a=1", 1, "0400"),
        ("binance-rest", "", 0o600, "a=1", 1, "empty"),
        ("okx-v5", OPEN, 0o600, "a=1", 1, "HMAC secret"),
        ("kraken-rest", "not/base64!", 0o600, "nonce=1", 1, "base64"),
        ("kraken-rest", "QUJD", 0o600, "a=1", 2, "nonce"),
        ("binance", CANARY, 0o600, "a=1", 2, "binance-rest"),
    ],
)
def test_what_cannot_be_signed_ends_with_advice_and_a_code(  # noqa: PLR0917 - a row of the table
    scheme: str,
    content: str | bytes,
    mode: int,
    payload: str,
    code: int,
    advice: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = private_file(tmp_path / "key", content, mode)
    assert run(["sign", "--scheme", scheme, "--key-file", str(key), "--payload", payload]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert advice in err


def test_the_path_that_is_assumed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = private_file(tmp_path / "key", "QUJD")
    made = []
    for more in (["nonce=1"], ["nonce=1", "--path", "/0/private/AddOrder"], ["/0/private/AddOrder?nonce=1"]):
        assert run(["sign", "--scheme", "kraken-rest", "--key-file", str(key), "--payload", *more]) == 0
        made.append(capsys.readouterr())
    assert len({shown.out for shown in made}) == 1
    assert [bool(shown.err) for shown in made] == [True, False, False]
    assert "/0/private/AddOrder" in made[0].err


def test_a_path_is_refused_where_none_is_signed_apart(tmp_path: Path) -> None:
    key = private_file(tmp_path / "key", CANARY)
    assert run(["sign", "--scheme", "okx-v5", "--key-file", str(key), "--payload", "a", "--path", "/a"]) == 2
