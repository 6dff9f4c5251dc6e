"""Kraken Spot: HMAC-SHA512 over the path and the SHA-256 of nonce and form, under the base64-decoded secret."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from ordergate.access.keys.material import HmacSecret, Material
from ordergate.access.signing.asymmetric import base64_decoded, base64_text, wrong_kind
from ordergate.access.signing.encoding import form_encode
from ordergate.trading.errors import Unsignable

NONCE_MAX = 2**64 - 1


def sign_bytes(material: Material, message: bytes) -> str:
    """Base64 of the HMAC-SHA512. Raises WrongKey."""
    if not isinstance(material, HmacSecret):
        raise wrong_kind("kraken", material, HmacSecret)
    return base64_text(hmac.digest(base64_decoded(material), message, hashlib.sha512))


def sign_form(material: Material, path: str, parameters: Sequence[tuple[str, str]], *, nonce: int) -> tuple[str, str]:
    """(the body to send, the header API-Sign). path as it is called: `/0/private/AddOrder`. Raises Unsignable, WrongKey."""
    if any(name == "nonce" for name, _ in parameters):
        raise Unsignable("the nonce is given apart, not among the parameters")
    body = form_encode([("nonce", str(nonce)), *parameters])
    return body, sign_bytes(material, rest_payload(path, body.encode()))


def rest_payload(path: str, body: bytes) -> bytes:
    """What is signed. The nonce inside the body counts decoded, the body as it is sent. Raises Unsignable."""
    if not path.startswith("/") or "?" in path:
        raise Unsignable("kraken signs the path from its first slash on, without host and query: /0/private/AddOrder")
    return path.encode() + hashlib.sha256(nonce_of(body).encode() + body).digest()


def nonce_of(body: bytes) -> str:
    """The nonce that a form, or a JSON body, holds. Raises Unsignable unless there is exactly one, a number below 2**64."""
    found = _json_nonces(body) if body.lstrip().startswith(b"{") else _form_nonces(body)
    if len(found) != 1 or not found[0].isdecimal() or not found[0].isascii() or int(found[0]) > NONCE_MAX:
        raise Unsignable("kraken's body must hold one nonce, a whole number below 2**64: nonce=1616492376594&...")
    return found[0]


def _form_nonces(body: bytes) -> list[str]:
    text = body.decode("utf-8", "surrogateescape")
    return [value for name, value in parse_qsl(text, keep_blank_values=True) if name == "nonce"]


def _json_nonces(body: bytes) -> list[str]:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise Unsignable("kraken's body begins as JSON and is not") from None
    nonce = document.get("nonce")
    return [] if nonce is None or isinstance(nonce, bool) else [str(nonce)]
