"""What a key of each kind makes of a message. All are deterministic: the same bytes under the same key give the same signature."""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ordergate.access.keys.material import KINDS, Ed25519Key, HmacSecret, Material, P256Key, RsaKey
from ordergate.trading.errors import WrongKey

_COORDINATE_BYTES = 32
_BASE64_GROUP = 4


def hmac_sha256(secret: HmacSecret, message: bytes) -> bytes:
    """Under the secret as it is written, as UTF-8."""
    return secret.sha256.digest(message)


def base64_decoded(secret: HmacSecret) -> bytes:
    """The key inside a secret that the venue gives out as base64. Raises WrongKey.

    The `=` at its end may be missing, if what is there can only be the whole: signs that were cut off leave bits that no encoder writes.
    """
    text = secret.secret
    padded = text if text.endswith(b"=") else text + b"=" * (-len(text) % _BASE64_GROUP)
    try:
        decoded = base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        raise WrongKey("the secret is no base64; copy it whole, with the = at its end, as the venue shows it") from None
    if padded != text and base64.b64encode(decoded) != padded:
        raise WrongKey("the secret was cut off; copy it whole, with the = at its end, as the venue shows it")
    if not decoded:
        raise WrongKey("the secret is empty")
    return decoded


def rsa_sha256(key: RsaKey, message: bytes) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2)."""
    return key.private.sign(message, PKCS1v15(), SHA256())


def ed25519(key: Ed25519Key, message: bytes) -> bytes:
    """RFC 8032, 5.1."""
    return key.private.sign(message)


def es256(key: P256Key, message: bytes) -> bytes:
    """ECDSA on P-256 with SHA-256 as JWS wants it: r and s, 32 bytes each (RFC 7518, 3.4); the nonce is that of RFC 6979."""
    r, s = decode_dss_signature(key.private.sign(message, ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


def base64_text(signature: bytes) -> str:
    """Standard alphabet, with padding. In a URL it is still to be percent-encoded: it holds `+`, `/` and `=`."""
    return base64.b64encode(signature).decode("ascii")


def wrong_kind(scheme: str, given: Material, *taken: type[Material]) -> WrongKey:
    """The error of a key that the scheme has no algorithm for."""
    known = " or ".join(KINDS[kind] for kind in taken)
    return WrongKey(f"{scheme} signs with {known}, and this is {KINDS[type(given)]}")
