"""Access to a venue over HTTP: signing, the venue's clock, the budget, the call.

Law of this room: it knows HTTP, not trading. It signs what it is given, sends it at most once, and says which of three things happened:
nothing was sent, the venue answered, or nobody knows. What an answer means is the venue's room to say; time, randomness and sinks are handed in.

What others need of it is named here and loaded when it is asked for, so that who only signs loads no sockets. No bus is needed for any of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ordergate.access.budget import Budget, Limit, Published, Scope, Usage, Weights, divided
    from ordergate.access.clock import LastTimestamp, Slot, Timestamps, VenueClock, slots
    from ordergate.access.http import Engine, EngineLimits, parse_origin
    from ordergate.access.keys.files import read_key
    from ordergate.access.keys.key import Key, make_key
    from ordergate.access.keys.keychain import Keychain
    from ordergate.access.keys.material import Credentials, parse_credentials, read_credentials
    from ordergate.access.keys.rotation import KeyRing
    from ordergate.access.keys.store import SecretStore
    from ordergate.access.keys.vault import Vault
    from ordergate.access.keys.watch import KeyWatch
    from ordergate.access.limiter import Denied, Freeze, Granted, Limiter
    from ordergate.access.nonces import Mark, Nonces
    from ordergate.access.opening import Opening, open_session
    from ordergate.access.redaction import redact
    from ordergate.access.response import Response
    from ordergate.access.retry_after import retry_after_ms
    from ordergate.access.session import Answered, Call, Patience, RequestRecord, Session, VenueManners
    from ordergate.access.signing.registry import SCHEMES, signature

_ROOM_OF = {
    name: room
    for room, names in {
        "budget": ("Budget", "Limit", "Published", "Scope", "Usage", "Weights", "divided"),
        "clock": ("LastTimestamp", "Slot", "Timestamps", "VenueClock", "slots"),
        "http": ("Engine", "EngineLimits", "parse_origin"),
        "keys.files": ("read_key",),
        "keys.key": ("Key", "make_key"),
        "keys.keychain": ("Keychain",),
        "keys.material": ("Credentials", "parse_credentials", "read_credentials"),
        "keys.rotation": ("KeyRing",),
        "keys.store": ("SecretStore",),
        "keys.vault": ("Vault",),
        "keys.watch": ("KeyWatch",),
        "limiter": ("Denied", "Freeze", "Granted", "Limiter"),
        "nonces": ("Mark", "Nonces"),
        "opening": ("Opening", "open_session"),
        "redaction": ("redact",),
        "response": ("Response",),
        "retry_after": ("retry_after_ms",),
        "session": ("Answered", "Call", "Patience", "RequestRecord", "Session", "VenueManners"),
        "signing.registry": ("SCHEMES", "signature"),
    }.items()
    for name in names
}

__all__ = [
    "SCHEMES",
    "Answered",
    "Budget",
    "Call",
    "Credentials",
    "Denied",
    "Engine",
    "EngineLimits",
    "Freeze",
    "Granted",
    "Key",
    "KeyRing",
    "KeyWatch",
    "Keychain",
    "LastTimestamp",
    "Limit",
    "Limiter",
    "Mark",
    "Nonces",
    "Opening",
    "Patience",
    "Published",
    "RequestRecord",
    "Response",
    "Scope",
    "SecretStore",
    "Session",
    "Slot",
    "Timestamps",
    "Usage",
    "Vault",
    "VenueClock",
    "VenueManners",
    "Weights",
    "divided",
    "make_key",
    "open_session",
    "parse_credentials",
    "parse_origin",
    "read_credentials",
    "read_key",
    "redact",
    "retry_after_ms",
    "signature",
    "slots",
]


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{room}"), name)
