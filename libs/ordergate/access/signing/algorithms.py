"""HMAC over bytes. What needs private keys stands in `asymmetric`."""

import hashlib
import hmac


def hmac_sha256_hex(secret: str, text: str) -> str:
    """The lower-case hex HMAC-SHA256 of `text` under the UTF-8 text of `secret`."""
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()
