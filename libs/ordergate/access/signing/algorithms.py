"""HMAC over bytes. What needs private keys stands in `asymmetric`."""

from ordergate.access.keys.hashing import HmacSha256


def hmac_sha256_hex(secret: str, text: str) -> str:
    """The lower-case hex HMAC-SHA256 of `text` under the UTF-8 text of `secret`."""
    return HmacSha256(secret.encode()).digest(text.encode()).hex()
