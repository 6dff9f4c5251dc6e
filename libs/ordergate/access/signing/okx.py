"""OKX V5: base64 of HMAC-SHA256 over time, method, path with its query, and body. The passphrase goes along in a header, unsigned."""

from datetime import UTC, datetime

from ordergate.access.keys.material import HmacSecret, Material
from ordergate.access.signing.asymmetric import base64_text, hmac_sha256, wrong_kind

WEBSOCKET_LOGIN_PATH = "/users/self/verify"


def sign_bytes(material: Material, message: bytes) -> str:
    """Raises WrongKey."""
    if not isinstance(material, HmacSecret):
        raise wrong_kind("okx", material, HmacSecret)
    return base64_text(hmac_sha256(material, message))


def rest_payload(timestamp: str, method: str, request_path: str, body: bytes = b"") -> bytes:
    """timestamp as `iso_time` writes it, the same text as in the header. request_path with `?` and query if there is one; a GET has no body."""
    return f"{timestamp}{method.upper()}{request_path}".encode() + body


def websocket_payload(timestamp_seconds: int) -> bytes:
    """For the login of the private WebSocket, whose time is in whole seconds."""
    return rest_payload(str(timestamp_seconds), "GET", WEBSOCKET_LOGIN_PATH)


def iso_time(at_ms: int) -> str:
    """2020-12-08T09:08:57.715Z: UTC, always three decimals."""
    moment = datetime.fromtimestamp(at_ms // 1_000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"
