"""Parameters as text. Every venue has its own idea of it, and the one that is signed is the one that is sent."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

from ordergate.trading.errors import Unsignable

Parameters = Iterable[tuple[str, str]]


def form_encode(parameters: Parameters) -> str:
    """`a=1&b=2` in the order given, as WHATWG URLSearchParams writes it: space as `+`, `*-._` kept, all else percent-encoded UTF-8."""
    pairs = list(parameters)
    joined = "&".join([f"{name}={value}" for name, value in pairs])
    if _is_plain(joined, len(pairs), _FORM_KEPT):
        return joined
    return "&".join(f"{_form(name)}={_form(value)}" for name, value in pairs)


def percent_encode(parameters: Parameters) -> str:
    """`a=1&b=2` in the order given, as RFC 3986 has it: letters, digits and `-._~` kept, all else percent-encoded UTF-8, also space."""
    pairs = list(parameters)
    joined = "&".join([f"{name}={value}" for name, value in pairs])
    if _is_plain(joined, len(pairs), _PERCENT_KEPT):
        return joined
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


def encode_above_ascii(text: bytes) -> bytes:
    """Every byte above 0x7F as `%XX`; ASCII stays as it is, so a text that is percent-encoded already is not encoded twice."""
    return (
        text if text.isascii() else b"".join(b"%%%02X" % byte if byte > _ASCII_MAX else bytes((byte,)) for byte in text)
    )


def compact_json(value: Any) -> str:
    """Without spaces and with UTF-8 as it is, which is what clients in other languages write. Decimals become strings, without an exponent.

    Raises Unsignable for what JSON has no form for (a float that is no number, another type).
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_json_value)
    except (TypeError, ValueError):
        raise Unsignable(
            "the body holds a value that JSON cannot say; give decimals, texts, integers and lists"
        ) from None


def decimal_text(value: Decimal) -> str:
    """Plain digits: no exponent, and the zeros that were given. Raises Unsignable unless it is finite."""
    if not value.is_finite():
        raise Unsignable("an amount must be a number")
    return format(value, "f")


def _json_value(value: object) -> str:
    if isinstance(value, Decimal):
        return decimal_text(value)
    raise TypeError


def _form(text: str) -> str:
    # quote_plus keeps `~`, which URLSearchParams encodes, and encodes `*`, which it keeps.
    return quote_plus(text, safe="*").replace("~", "%7E")


def _is_plain(joined: str, count: int, kept: bytes) -> bool:
    """Nearly every call: symbols, sides, amounts. Nothing in them has another form, and no name or value holds a sign that joins."""
    if joined.encode("utf-8", "surrogatepass").translate(None, kept):
        return False
    return joined.count("=") == count and joined.count("&") == max(0, count - 1)


_PLAIN = b"=&ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"
_FORM_KEPT = _PLAIN + b"*"
_PERCENT_KEPT = _PLAIN + b"~"
_ASCII_MAX = 0x7F
