"""Signatures as pure functions over bytes: no clock, no chance, no file, no network.

Law of this room: what is signed is, byte for byte, what is sent. One file a family of schemes holds how a venue wants its payload put together and
signed; `registry` names them all. Rules and their sources: docs/access.md.
"""

from collections.abc import Callable

from ordergate.access.keys.key import Key
from ordergate.access.signing.algorithms import hmac_sha256_hex
from ordergate.access.signing.encoding import Parameters, form_encode
from ordergate.access.signing.zetarium import sign_sorted_query

__all__ = ["Parameters", "Sign", "form_encode", "hmac_sha256_hex", "sign_sorted_query"]

Sign = Callable[[Parameters, int, Key], str]
"""(parameters of the call, timestamp in ms of the venue's clock, key) -> the final query string, signature included."""
