"""ZetariumDex v2: HMAC-SHA256 over the sorted query. The body is not signed; its integrity rests on TLS alone."""

from ordergate.access.keys.key import Key
from ordergate.access.signing.encoding import Parameters, form_encode


def sign_sorted_query(parameters: Parameters, timestamp_ms: int, key: Key) -> str:
    """The final query: all parameters sorted by name, form-urlencoded, signature last.

    A name that stands twice keeps the order it was given in, and names compare by UTF-16 code units: so sorts the venue's URLSearchParams.sort().
    """
    query = f"timestamp={timestamp_ms}"
    if pairs := list(parameters):  # none with an order, whose terms are in the body
        query = form_encode(sorted([*pairs, ("timestamp", str(timestamp_ms))], key=_name))
    return f"{query}&signature={key.hmac.digest(query.encode()).hex()}"


def _name(parameter: tuple[str, str]) -> bytes:
    return parameter[0].encode("utf-16-be", "surrogatepass")
