"""What signs: the secret of an HMAC key, or an RSA, Ed25519 or P-256 private key, read from any of the forms that venues give out.

* PEM: PKCS#8, PKCS#1 or SEC1, encrypted or not; the same as bare DER or as the base64 of it
* text: the secret in one line; two lines, key and secret; three, with the passphrase
* JSON: `{"key": ..., "secret": ..., "passphrase"?: ...}`, or as Coinbase gives it, `{"name": ..., "privateKey": PEM}`
* `ed25519:` and the seed as 64 hex digits or as base64; 32 bytes that are no text are a seed too
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from ordergate.access import redaction
from ordergate.access.keys.files import read_private
from ordergate.access.keys.hashing import HmacSha256
from ordergate.trading.errors import WrongKey

RSA_BITS_MIN, RSA_BITS_MAX = 2_048, 4_096
"""What Binance takes (rest-api.md); below, a signature could be forged."""
_SEED_BYTES = 32
_SEED_AND_PUBLIC_BYTES = 64
_DER_SEQUENCE = b"\x30"
_ED25519 = "ed25519:"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Secretive:
    """No copy and no pickle: a key does not leave its process."""

    __slots__ = ()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key does not leave its process")


@dataclass(frozen=True, slots=True)
class HmacSecret(_Secretive):
    """The secret as the venue shows it; a scheme that wants it base64-decoded does that itself."""

    secret: bytes = field(repr=False)
    sha256: HmacSha256 = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", HmacSha256(self.secret))


@dataclass(frozen=True, slots=True)
class RsaKey(_Secretive):
    private: RSAPrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ed25519Key(_Secretive):
    private: Ed25519PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class P256Key(_Secretive):
    private: EllipticCurvePrivateKey = field(repr=False)


Material = HmacSecret | RsaKey | Ed25519Key | P256Key
KINDS: dict[type[Material], str] = {
    HmacSecret: "an HMAC secret",
    RsaKey: "an RSA key",
    Ed25519Key: "an Ed25519 key",
    P256Key: "a P-256 key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials(_Secretive):
    """All that a key file says. public is the API key or the key's name, None where the file holds the secret alone."""

    material: Material = field(repr=False)
    public: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)


def read_credentials(path: Path, *, password_file: Path | None = None) -> Credentials:
    """What a file signs with. Its texts are masked in all logs from then on.

    Raises UnsafeKeyFile (others can read one of the files), WrongKey (empty, damaged, locked with another password); neither quotes a byte of them.
    """
    password = None if password_file is None else _password(password_file)
    try:
        return parse_credentials(read_private(path), password=password)
    except WrongKey as error:
        raise WrongKey(f"{path}: {error}") from None


def parse_credentials(content: bytes, *, password: bytes | None = None) -> Credentials:
    """See the head of this file for the forms. Raises WrongKey."""
    if not content.strip():
        raise WrongKey("is empty; write the key into it")
    found = _parse(content, password)
    if password is not None and isinstance(found.material, HmacSecret):
        raise WrongKey("holds a plain secret, which no password locks; leave the password out")
    return found


def _parse(content: bytes, password: bytes | None) -> Credentials:
    if b"-----BEGIN" in content and not content.lstrip().startswith(b"{"):
        return Credentials(material=_pem(content, password))
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return Credentials(material=_binary(content, password))
    if text.startswith("{"):
        return _document(text, password)
    return _lines(text, password)


def _document(text: str, password: bytes | None) -> Credentials:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongKey("begins as JSON and is not") from None  # the decoder's own message may quote the text
    public = _text_of(document, "key", "apiKey", "api_key", "name", "id")
    secret = _text_of(document, "secret", "privateKey", "private_key", "apiSecret", "api_secret", "secretKey")
    if secret is None or not secret.strip():
        raise WrongKey('is JSON without a "secret" (or "privateKey")')
    passphrase = _text_of(document, "passphrase")
    redaction.register(*(text for text in (public, passphrase) if text))
    return Credentials(material=_material(secret.strip(), password), public=public, passphrase=passphrase)


def _text_of(document: Any, *names: str) -> str | None:
    found = next((document[name] for name in names if name in document), None)
    if found is None:
        return None
    if not isinstance(found, str) or _LONE_SURROGATE.search(found):
        raise WrongKey("is JSON in which a part of the key is no text")
    return found


def _lines(text: str, password: bytes | None) -> Credentials:
    lines = text.split()
    redaction.register(*lines)
    match lines:
        case [secret]:
            return Credentials(material=_material(secret, password))
        case [public, secret]:
            return Credentials(material=_material(secret, password), public=public)
        case [public, secret, passphrase]:
            return Credentials(material=_material(secret, password), public=public, passphrase=passphrase)
        case _:
            raise WrongKey(
                "must hold one line (the secret), two (key, secret) or three (key, secret, passphrase), or PEM"
            )


def _material(text: str, password: bytes | None) -> Material:
    """One text: PEM, base64 of DER, a marked seed, or else the secret of HMAC."""
    if "-----BEGIN" in text:
        return _pem(text.encode(), password)
    if text.lower().startswith(_ED25519):
        return _seed(text[len(_ED25519) :])
    if text.startswith("M") and (der := _base64(text)) is not None and _is_der(der):
        key = _loaded(load_der_private_key, der, password, locked=password is not None)
        redaction.register(text)
        return key
    if not text.isprintable():
        raise WrongKey("holds signs that no secret has; is it the right file?")
    redaction.register(text)
    return HmacSecret(text.encode())


def _pem(content: bytes, password: bytes | None) -> Material:
    if b"PRIVATE KEY-----" not in content:
        raise WrongKey("holds no private key (a public key or a certificate?); the private one signs")
    if b"\\n" in content:  # a PEM that went through a variable of the shell
        content = content.replace(b"\\n", b"\n")
    redaction.register(*(line.decode("ascii", "replace") for line in content.split() if len(line) >= _PEM_LINE_MIN))
    return _loaded(load_pem_private_key, content.strip() + b"\n", password, locked=b"ENCRYPTED" in content)


def _binary(content: bytes, password: bytes | None) -> Material:
    if len(content) == _SEED_BYTES:
        return Ed25519Key(Ed25519PrivateKey.from_private_bytes(content))
    if content.startswith(_DER_SEQUENCE):
        return _loaded(load_der_private_key, content, password, locked=password is not None)
    raise WrongKey("is neither text, PEM nor DER")


def _loaded(load: Any, content: bytes, password: bytes | None, *, locked: bool) -> Material:
    try:
        key = load(content, password)
    except TypeError:
        raise WrongKey(
            "is locked; give its password in a file" if password is None else "is not locked; leave the password out"
        ) from None
    except UnsupportedAlgorithm:
        raise WrongKey("is a key of a kind, or locked in a way, that is not supported here") from None
    except ValueError:
        what = (
            "does not open: the password is wrong, or the file is damaged"
            if locked
            else "is damaged, or no private key"
        )
        raise WrongKey(f"{what}; compare it with what the venue or your key tool gave out") from None
    return _judged(key)


def _judged(key: object) -> Material:
    match key:
        case Ed25519PrivateKey():
            return Ed25519Key(key)
        case EllipticCurvePrivateKey() if isinstance(key.curve, SECP256R1):
            return P256Key(key)
        case RSAPrivateKey() if RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
            return RsaKey(key)
        case RSAPrivateKey():
            raise WrongKey(f"is an RSA key of {key.key_size} bits; make one of {RSA_BITS_MIN} to {RSA_BITS_MAX}")
        case _:
            raise WrongKey("is a key of a kind that no venue here takes; make an Ed25519, RSA or P-256 one")


def _seed(text: str) -> Ed25519Key:
    redaction.register(text)
    try:
        seed: bytes | None = bytes.fromhex(text)
    except ValueError:
        seed = _base64(text)
    if seed is None or len(seed) not in {_SEED_BYTES, _SEED_AND_PUBLIC_BYTES}:
        raise WrongKey("is no Ed25519 seed: 64 hex digits, or base64 of 32 or 64 bytes, after `ed25519:`")
    return ed25519_of(seed)


def ed25519_of(raw: bytes) -> Ed25519Key:
    """From a seed of 32 bytes, or 64 with the public key behind it, which must belong to it. Raises WrongKey."""
    private = Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES])
    if len(raw) == _SEED_AND_PUBLIC_BYTES and private.public_key().public_bytes_raw() != raw[_SEED_BYTES:]:
        raise WrongKey("is damaged: the public half does not belong to the private one")
    return Ed25519Key(private)


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_der(content: bytes) -> bool:
    """A sequence of exactly this length that begins as private keys do. One secret in 256 looks like base64 of the first two bytes alone."""
    if len(content) < _DER_BYTES_MIN or not content.startswith(_DER_SEQUENCE):
        return False
    long = content[1] & 0x80
    lengths = content[1] & 0x7F if long else 0
    length = int.from_bytes(content[2 : 2 + lengths], "big") if long else content[1]
    inside = content[2 + lengths :]
    return len(inside) == length and inside.startswith((b"\x02\x01", b"\x30"))


def _password(path: Path) -> bytes:
    content = read_private(path).removesuffix(b"\n").removesuffix(b"\r")
    if not content:
        raise WrongKey(f"{path}: the password is empty; write it into the file")
    redaction.register(content.decode("utf-8", "replace"))
    return content


_PEM_LINE_MIN = 20
_DER_BYTES_MIN = 32
