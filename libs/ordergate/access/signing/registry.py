"""Every scheme by its name: how the text of a payload becomes the message, and what signs it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ordergate.access.keys.material import Ed25519Key, HmacSecret, Material
from ordergate.access.signing import binance, bybit, coinbase, kraken, okx
from ordergate.access.signing.asymmetric import ed25519, hmac_sha256, wrong_kind
from ordergate.access.signing.encoding import encode_above_ascii
from ordergate.trading.errors import Unsignable


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """message: from (payload, path) to the bytes that are signed; only `takes_path` schemes look at the path."""

    payload: str  # what the payload is, for people
    sign: Callable[[Material, bytes], str]
    message: Callable[[bytes, str], bytes]
    takes_path: bool = False


def signature(scheme: str, payload: bytes, material: Material, *, path: str = "") -> str:
    """The bare signature of `payload` under a scheme's name. Raises Unsignable (no such scheme, a payload it cannot sign), WrongKey."""
    found = find_scheme(scheme)
    return found.sign(material, found.message(payload, path))


def find_scheme(name: str) -> Scheme:
    """Raises Unsignable."""
    found = SCHEMES.get(name)
    if found is None:
        raise Unsignable(f"no signing scheme {name!r}; there are {', '.join(SCHEMES)}")
    return found


def _as_it_is(payload: bytes, _path: str) -> bytes:
    return payload


def _percent_encoded(payload: bytes, _path: str) -> bytes:
    return encode_above_ascii(payload)


def _sorted_parameters(payload: bytes, _path: str) -> bytes:
    """The joined text, or the JSON object of the parameters; sorted by name, and without a signature, whatever order they came in."""
    if not payload.lstrip().startswith(b"{"):
        return _sorted_text(payload)
    try:
        parameters: Any = json.loads(payload, parse_float=Decimal, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        raise Unsignable("the payload begins as JSON and is not") from None
    return binance.websocket_payload(parameters)


def _sorted_text(payload: bytes) -> bytes:
    """A text whose parts are not all `name=value` holds a `&` inside a value: it cannot be taken apart, and is signed as it is."""
    parts = [part.partition(b"=") for part in payload.split(b"&")]
    if not all(equals for _, equals, _ in parts):
        return payload
    parts.sort(key=lambda part: part[0])
    return b"&".join(b"".join(part) for part in parts if part[0] != b"signature")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Unsignable("a parameter stands twice")
    return dict(pairs)


def _path_and_form(payload: bytes, path: str) -> bytes:
    """The path may also stand before the form: `/0/private/AddOrder?nonce=...`."""
    found = _LEADING_PATH.match(payload)
    if found is None:
        return kraken.rest_payload(path, payload)
    return kraken.rest_payload(found[1].decode(), payload[found.end() :])


_LEADING_PATH = re.compile(rb"(/[A-Za-z0-9/_-]+?)(?:[?\s]|(?=nonce=))")


def _hmac_hex(material: Material, message: bytes) -> str:
    if not isinstance(material, HmacSecret):
        raise wrong_kind("this scheme", material, HmacSecret)
    return hmac_sha256(material, message).hex()


def _primitive(material: Material, message: bytes) -> str:
    return ed25519(material, message).hex() if isinstance(material, Ed25519Key) else _hmac_hex(material, message)


_JOINED = "time, method, path with query and body, joined"

# fmt: off
SCHEMES: Mapping[str, Scheme] = MappingProxyType({
    "zetarium-v2":       Scheme(payload="the sorted query without its signature", sign=_hmac_hex, message=_as_it_is),
    "binance-rest":      Scheme(payload="query and body as sent, without the signature", sign=binance.sign_bytes, message=_percent_encoded),
    "binance-wsapi":     Scheme(payload="the parameters joined by &, or their JSON object", sign=binance.sign_bytes, message=_sorted_parameters),
    "kraken-rest":       Scheme(payload="the body with its nonce; the path apart", sign=kraken.sign_bytes, message=_path_and_form, takes_path=True),
    "coinbase-exchange": Scheme(payload=_JOINED, sign=coinbase.sign_exchange_bytes, message=_as_it_is),
    "coinbase-advanced": Scheme(payload="the first two parts of the token with their dot", sign=coinbase.sign_token_bytes, message=_as_it_is),
    "okx-v5":            Scheme(payload=_JOINED, sign=okx.sign_bytes, message=_as_it_is),
    "bybit-v5":          Scheme(payload="time, key, window and query or body, joined", sign=bybit.sign_bytes, message=_as_it_is),
    "primitive":         Scheme(payload="any text: HMAC-SHA256 or Ed25519 in hex", sign=_primitive, message=_as_it_is),
})
# fmt: on
