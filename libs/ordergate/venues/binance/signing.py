"""How a session signs for Binance: everything in the query, percent-encoded before it is signed, signature last, whatever the method and the kind of key."""

from ordergate.access.keys import Key
from ordergate.access.keys.material import Ed25519Key, HmacSecret, Material, RsaKey, parse_credentials
from ordergate.access.signing import Parameters
from ordergate.access.signing.asymmetric import wrong_kind
from ordergate.access.signing.binance import sign_request
from ordergate.trading.errors import WrongKey
from ordergate.trading.ids import KeyId


class Materials:
    """What each key signs with, read once. Never raises for a key that cannot sign: see QuerySigning."""

    def __init__(self) -> None:
        self._known: dict[KeyId, tuple[str, Material]] = {}

    def of(self, key: Key) -> Material:
        known = self._known.get(key.id)
        if known is not None and known[0] is key.secret:
            return known[1]
        try:
            material = check_key(key)
        except WrongKey:
            material = HmacSecret(key.secret.encode())
        self._known[key.id] = key.secret, material
        return material


class QuerySigning:
    """The signature of a call and the recvWindow that it carries. Signs with a key of any kind that Binance takes.

    A session calls it after the write-ahead, so it never raises for a key that cannot sign: the exchange then refuses a signature of nonsense, which is
    an answer. `check_key` says so before.
    """

    def __init__(self, *, window_ms: int) -> None:
        self._window_ms = window_ms
        self._materials = Materials()

    def __call__(self, parameters: Parameters, timestamp_ms: int, key: Key) -> str:
        """The final query: what is signed is what is sent."""
        return sign_request(
            self._materials.of(key), timestamp=timestamp_ms, query=list(parameters), recv_window_ms=self._window_ms
        ).query


def check_key(key: Key) -> Material:
    """What the key signs with: a bare secret, or a private key as PEM, as base64 of its DER, or as a marked Ed25519 seed. Raises WrongKey."""
    found = parse_credentials(key.secret.encode())
    if not isinstance(found.material, HmacSecret | RsaKey | Ed25519Key):
        raise wrong_kind("binance", found.material, HmacSecret, RsaKey, Ed25519Key)
    return found.material
