"""Binance, Spot and USD-M futures: one rule for REST, another for the WebSocket API. HMAC, RSA and Ed25519 keys; sources in docs/access.md.

REST signs the query and the body, one after the other with nothing between, percent-encoded and in the order in which they are sent.
The WebSocket API signs all parameters, the API key too, sorted by name, as raw UTF-8 that is not percent-encoded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import quote

from ordergate.access.keys.material import Ed25519Key, HmacSecret, Material, RsaKey
from ordergate.access.signing.asymmetric import base64_text, ed25519, hmac_sha256, rsa_sha256, wrong_kind
from ordergate.access.signing.encoding import compact_json, decimal_text, percent_encode
from ordergate.trading.errors import Unsignable

Value = str | int | bool | Decimal | Sequence[object]
_RESERVED = frozenset({"timestamp", "recvWindow", "signature"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """The very text to send: behind the `?`, and as a form in the body. The signature is the last parameter of the last of them that is not empty."""

    query: str = field(repr=False)
    body: str = field(repr=False)


def sign_bytes(material: Material, message: bytes) -> str:
    """Hex for HMAC; base64 for RSA and Ed25519, still to be percent-encoded where it stands in a URL or form. Raises WrongKey."""
    match material:
        case HmacSecret():
            return hmac_sha256(material, message).hex()
        case RsaKey():
            return base64_text(rsa_sha256(material, message))
        case Ed25519Key():
            return base64_text(ed25519(material, message))
        case _:
            raise wrong_kind("binance", material, HmacSecret, RsaKey, Ed25519Key)


def sign_request(
    material: Material,
    *,
    timestamp: int,
    query: Sequence[tuple[str, str]] = (),
    body: Sequence[tuple[str, str]] = (),
    recv_window_ms: int | Decimal | None = None,
) -> SignedRequest:
    """A REST request. timestamp in ms or us of the venue's clock; it and the window join the body if there is one, else the query.

    Raises Unsignable for a name that stands twice (Binance would take one of the two and not say which) or is ours to write, WrongKey.
    """
    names = {name for name, _ in query} | {name for name, _ in body}
    if len(names) < len(query) + len(body) or not _RESERVED.isdisjoint(names):
        raise Unsignable("each parameter once, and none of timestamp, recvWindow, signature")
    ours = [("timestamp", str(timestamp))]
    if recv_window_ms is not None:
        ours.insert(0, ("recvWindow", _window(recv_window_ms)))
    sent_query = percent_encode(query if body else [*query, *ours])
    sent_body = percent_encode([*body, *ours]) if body else ""
    signature = sign_bytes(material, rest_payload(sent_query, sent_body))
    ending = "&signature=" + (signature if isinstance(material, HmacSecret) else quote(signature, safe=""))
    return SignedRequest(query=sent_query if body else sent_query + ending, body=sent_body + ending if body else "")


def rest_payload(query: str, body: str) -> bytes:
    """What REST signs: no `&`, nothing at all, between query and body. Both percent-encoded already."""
    return (query + body).encode()


def websocket_payload(parameters: Mapping[str, Value]) -> bytes:
    """What the WebSocket API signs, of all parameters with apiKey and timestamp and without signature. Raises Unsignable."""
    return "&".join(f"{name}={_raw(parameters[name])}" for name in sorted(parameters) if name != "signature").encode()


def _window(milliseconds: int | Decimal) -> str:
    """recvWindow: at most 60,000, up to three decimals."""
    text = str(milliseconds) if isinstance(milliseconds, int) else decimal_text(milliseconds)
    if not 0 < milliseconds <= _RECV_WINDOW_MS_MAX or milliseconds != round(milliseconds, 3):
        raise Unsignable(f"recvWindow is above 0 and at most {_RECV_WINDOW_MS_MAX} ms, with up to three decimals")
    return text


def _raw(value: Value) -> str:
    """As JSON writes it, without the quotes of a text. Lists as compact JSON (assumed: the documentation signs none)."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return decimal_text(value)
        case list() | tuple():
            return compact_json(value)
        case _:
            raise Unsignable("a parameter is a text, a decimal, an integer, true, false or a list")


_RECV_WINDOW_MS_MAX = 60_000
