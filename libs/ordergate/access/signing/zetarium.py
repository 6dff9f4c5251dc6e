"""ZetariumDex v2: HMAC-SHA256 over the sorted query. The body is not signed; its integrity rests on TLS alone."""

from ordergate.access.keys.key import Key
from ordergate.access.signing.algorithms import hmac_sha256_hex
from ordergate.access.signing.encoding import Parameters, form_encode


def sign_sorted_query(parameters: Parameters, timestamp_ms: int, key: Key) -> str:
    """The final query: all parameters sorted by name, form-urlencoded, signature last.

    A name that stands twice keeps the order it was given in, and names compare by UTF-16 code units: so sorts the venue's URLSearchParams.sort().
    """
    query = form_encode(sorted([*parameters, ("timestamp", str(timestamp_ms))], key=_name))
    return f"{query}&signature={hmac_sha256_hex(key.secret, query)}"


def _name(parameter: tuple[str, str]) -> bytes:
    return parameter[0].encode("utf-16-be", "surrogatepass")
