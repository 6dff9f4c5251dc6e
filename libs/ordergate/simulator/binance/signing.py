"""The venue's own check of a signature, written from its documents and from nothing of ours.

REST: the signed text is the query string and the body as they were received, joined without a separator, `signature` taken out wherever it stands. What
is not percent-encoded was not signed by the rules (enforced since 2026-01-15). WebSocket API: all parameters but `signature`, sorted by name, raw UTF-8.
HMAC: hex, in either case. RSA (PKCS #1 v1.5, SHA-256) and Ed25519: base64.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Verify = Callable[[bytes, str], bool]
"""Whether this signature, as sent, is the key's over these bytes."""
_SIGNATURE = b"signature="
_ENCODED = re.compile(
    rb"[!#-;=?-\[\]_a-z~]*"
).fullmatch  # printable ASCII but space, `"`, `<`, `>`, `\`, `^`, backtick, braces and the bar
_PARAMETERS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request's parameters taken apart. in_query, in_body: decoded, in the order sent, without the signature."""

    text: bytes
    signature: str | None
    in_query: list[tuple[str, str]]
    in_body: list[tuple[str, str]]
    is_encoded: bool

    def parameters(self) -> dict[str, str] | None:
        """By name; what stands in query and body counts as the query has it. None: a name stands twice in one of them."""
        query, body = dict(self.in_query), dict(self.in_body)
        if len(query) != len(self.in_query) or len(body) != len(self.in_body):
            return None
        return {**query, **{name: value for name, value in body.items() if name not in query}}


def read_signed(query: str, body: bytes) -> Signed | None:
    """Take a request apart; None when it is no query string at all. `query` is raw, as latin-1 text."""
    query_text, query_signatures = _without_signature(query.encode("latin-1"))
    body_text, body_signatures = _without_signature(body)
    try:
        in_query, in_body = _pairs(query_text), _pairs(body_text)
        signatures = [value for part in (*query_signatures, *body_signatures) for _, value in _pairs(part)]
    except ValueError:
        return None
    text = query_text + body_text
    return Signed(
        text=text,
        signature=signatures[0] if signatures else None,
        in_query=in_query,
        in_body=in_body,
        is_encoded=_ENCODED(text) is not None,
    )


def sorted_text(parameters: dict[str, str]) -> bytes:
    """What is signed on the WebSocket API."""
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "signature").encode()


def hmac_verifier(secret: str) -> Verify:
    """Of a key with a secret."""
    key = secret.encode()

    def verify(text: bytes, signature: str) -> bool:
        return signature.isascii() and hmac.compare_digest(hmac.digest(key, text, "sha256").hex(), signature.lower())

    return verify


def public_key_verifier(pem: str) -> Verify:
    """Of an RSA or Ed25519 key. Raises ValueError for anything else."""
    key = load_pem_public_key(pem.encode())
    if isinstance(key, Ed25519PublicKey):
        return lambda text, signature: _holds(lambda given: key.verify(given, text), signature)
    if isinstance(key, RSAPublicKey):
        return lambda text, signature: _holds(lambda given: key.verify(given, text, PKCS1v15(), SHA256()), signature)
    message = "a public key is RSA or Ed25519"
    raise ValueError(message)


def is_ed25519(pem: str) -> bool:
    """Whether this key may log a session on."""
    return isinstance(load_pem_public_key(pem.encode()), Ed25519PublicKey)


def _holds(check: Callable[[bytes], None], signature: str) -> bool:
    try:
        check(b64decode(signature, validate=True))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _without_signature(raw: bytes) -> tuple[bytes, list[bytes]]:
    parts = raw.split(b"&")
    kept = [part for part in parts if not part.startswith(_SIGNATURE)]
    return b"&".join(kept), [part for part in parts if part.startswith(_SIGNATURE)]


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    if not raw:
        return []
    return parse_qsl(
        raw.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_PARAMETERS_MAX
    )
