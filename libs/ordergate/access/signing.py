"""Signatures as pure functions. Each returns the final query: what is signed here is, byte for byte, what is sent."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from urllib.parse import quote_plus

from ordergate.access.keys import Key

Parameters = Iterable[tuple[str, str]]

Sign = Callable[[Parameters, int, Key], str]
"""(parameters of the call, timestamp in ms of the venue's clock, key) -> the final query string, signature included."""


def form_encode(parameters: Parameters) -> str:
    """`a=1&b=2` in the order given, as WHATWG URLSearchParams writes it: space as `+`, `*-._` kept, all else percent-encoded UTF-8."""
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in parameters)


def hmac_sha256_hex(secret: str, text: str) -> str:
    """The lower-case hex HMAC-SHA256 of `text` under the UTF-8 text of `secret`."""
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()


def sign_sorted_query(parameters: Parameters, timestamp_ms: int, key: Key) -> str:
    """ZetariumDex v2: HMAC-SHA256 over all parameters but the signature, sorted by name, form-urlencoded; signature last. The body is not signed.

    Names are ASCII and each occurs once, so sorting by code point is what the venue's URLSearchParams.sort() does.
    """
    query = form_encode(sorted([*parameters, ("timestamp", str(timestamp_ms))]))
    return f"{query}&signature={hmac_sha256_hex(key.secret, query)}"


def _encode(text: str) -> str:
    # quote_plus keeps `~`, which URLSearchParams encodes, and encodes `*`, which it keeps.
    return quote_plus(text, safe="*").replace("~", "%7E")
