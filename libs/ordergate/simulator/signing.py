"""The venue's own check of a signature, written from its documentation and from nothing of ours.

Signed text: all query parameters but `signature`, sorted by name, form-urlencoded. Key of the HMAC-SHA256: the secret's UTF-8 text. Signature: lower-case
hex. The check works on the query string as it was received; only a string with characters outside the plain set is decoded and encoded again (as a
browser's URLSearchParams would: space is `+`, `~` is `%7E`, `*` stays), because that is the text the venue would compare.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote_plus

_PLAIN = re.compile(r"[A-Za-z0-9_.*&=-]*").fullmatch
_PARAMETERS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedQuery:
    """A query string taken apart: the text that was to be signed, the signature, and the parameters by name."""

    text: str
    signature: str | None
    parameters: dict[str, str]


def read_query(raw: str) -> SignedQuery | None:
    """Take a raw query string apart; None when it is malformed, too long or names a parameter twice."""
    try:
        pairs = parse_query(raw)
    except ValueError:
        return None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        return None
    signature = parameters.pop("signature", None)
    encode = (lambda text: text) if _PLAIN(raw) else _form_encode
    text = "&".join([f"{encode(name)}={encode(parameters[name])}" for name in sorted(parameters)])
    return SignedQuery(text=text, signature=signature, parameters=parameters)


def parse_query(raw: str) -> list[tuple[str, str]]:
    """Name and value pairs in the order sent. Raises ValueError for a part without `=` or bytes that are not UTF-8."""
    if not raw:
        return []
    if _PLAIN(raw):
        pairs = [tuple(part.split("=", 1)) for part in raw.split("&")]
        if len(pairs) > _PARAMETERS_MAX or any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004
            message = "malformed query"
            raise ValueError(message)
        return [(pair[0], pair[1]) for pair in pairs]
    return parse_qsl(raw, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_PARAMETERS_MAX)


def is_signed_by(secret: bytes, query: SignedQuery) -> bool:
    """Whether the signature is this secret's over this text."""
    if query.signature is None or not query.signature.isascii():
        return False
    return hmac.compare_digest(hmac.digest(secret, query.text.encode(), "sha256").hex(), query.signature)


def _form_encode(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")
