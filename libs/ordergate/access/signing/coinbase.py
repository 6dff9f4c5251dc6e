"""Coinbase: Exchange signs each request with HMAC, Advanced shows a JSON Web Token that is made for one request and lives two minutes."""

import base64
import binascii

from ordergate.access.keys.material import Ed25519Key, HmacSecret, Material, P256Key, ed25519_of
from ordergate.access.signing.asymmetric import base64_decoded, base64_text, ed25519, es256, hmac_sha256, wrong_kind
from ordergate.access.signing.encoding import compact_json
from ordergate.trading.errors import Unsignable

TOKEN_SECONDS = 120
_ISSUER = "cdp"


def sign_exchange_bytes(material: Material, message: bytes) -> str:
    """Exchange: base64 of HMAC-SHA256 under the base64-decoded secret. Raises WrongKey."""
    if not isinstance(material, HmacSecret):
        raise wrong_kind("coinbase-exchange", material, HmacSecret)
    return base64_text(hmac_sha256(HmacSecret(base64_decoded(material)), message))


def exchange_payload(timestamp: str, method: str, request_path: str, body: bytes = b"") -> bytes:
    """timestamp: seconds, the same text as in the header CB-ACCESS-TIMESTAMP. request_path with `?` and query if there is one."""
    return f"{timestamp}{method.upper()}{request_path}".encode() + body


def sign_token_bytes(material: Material, message: bytes) -> str:
    """Advanced: the third part of the token, base64url without padding; ES256 or EdDSA by the key. message: its first two parts, with their dot.

    Raises WrongKey.
    """
    match _private(material):
        case P256Key() as key:
            return _url(es256(key, message))
        case Ed25519Key() as key:
            return _url(ed25519(key, message))


def token(material: Material, *, key_name: str, method: str, host: str, path: str, nonce: str, now_seconds: int) -> str:
    """The token of one request, valid from now_seconds on. path: a query behind it is not part of the token. nonce: fresh each time.

    Raises Unsignable, WrongKey.
    """
    if not path.startswith("/") or "/" in host or not nonce:
        raise Unsignable("a token names METHOD, host and path from its first slash on, and has a fresh nonce")
    algorithm = "ES256" if isinstance(_private(material), P256Key) else "EdDSA"
    header = {"alg": algorithm, "kid": key_name, "nonce": nonce, "typ": "JWT"}
    claims = {
        "iss": _ISSUER,
        "sub": key_name,
        "nbf": now_seconds,
        "exp": now_seconds + TOKEN_SECONDS,
        "uri": f"{method.upper()} {host}{path.partition('?')[0]}",
    }
    signed = f"{_url(compact_json(header).encode())}.{_url(compact_json(claims).encode())}"
    return f"{signed}.{sign_token_bytes(material, signed.encode())}"


def _private(material: Material) -> P256Key | Ed25519Key:
    """Coinbase gives Ed25519 keys out as bare base64 of seed and public key, which a key file cannot tell from an HMAC secret; as it cannot
    tell a bare seed in hex.
    """
    match material:
        case P256Key() | Ed25519Key():
            return material
        case HmacSecret():
            for decode in (bytes.fromhex, base64.b64decode):
                try:
                    raw = decode(material.secret.decode("ascii"))
                except (binascii.Error, ValueError):
                    continue
                if len(raw) in _ED25519_BYTES:
                    return ed25519_of(raw)
    raise wrong_kind("coinbase-advanced", material, P256Key, Ed25519Key)


def _url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")


_ED25519_BYTES = frozenset({32, 64})
