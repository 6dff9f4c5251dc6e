"""Bybit V5: hex of HMAC-SHA256 over time, key, window and then the query of a GET or the raw JSON body of a POST."""

from ordergate.access.keys.material import HmacSecret, Material, RsaKey
from ordergate.access.signing.asymmetric import base64_text, hmac_sha256, rsa_sha256, wrong_kind


def sign_bytes(material: Material, message: bytes) -> str:
    """Hex for HMAC, base64 for RSA (assumed: see docs/access.md). Raises WrongKey."""
    match material:
        case HmacSecret():
            return hmac_sha256(material, message).hex()
        case RsaKey():
            return base64_text(rsa_sha256(material, message))
        case _:
            raise wrong_kind("bybit", material, HmacSecret, RsaKey)


def rest_payload(timestamp_ms: int, api_key: str, recv_window_ms: int, sent: bytes) -> bytes:
    """sent: the query string without its `?` for a GET, the body for a POST; byte for byte as it is sent, and empty if there is none."""
    return f"{timestamp_ms}{api_key}{recv_window_ms}".encode() + sent


def websocket_payload(expires_ms: int) -> bytes:
    """For the login of the private WebSocket; expires_ms lies a little ahead."""
    return f"GET/realtime{expires_ms}".encode()
