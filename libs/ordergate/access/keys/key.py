"""A key pair of one account, as a session holds it."""

import hashlib
from dataclasses import dataclass, field

from ordergate.access import redaction
from ordergate.access.keys.hashing import HmacSha256
from ordergate.trading.ids import KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key pair of one account. Only `id` may be shown: a short digest of the public part."""

    id: KeyId
    public: str = field(repr=False)
    secret: str = field(repr=False)
    hmac: HmacSha256 = field(init=False, repr=False, compare=False)  # under the secret as UTF-8 text

    def __post_init__(self) -> None:
        object.__setattr__(self, "hmac", HmacSha256(self.secret.encode()))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key does not leave its process")


def make_key(*, public: str, secret: str) -> Key:
    """A key from its parts, registered with redaction."""
    redaction.register(public, secret)
    return Key(id=key_id(public), public=public, secret=secret)


def key_id(public: str) -> KeyId:
    """What a key is called in logs and lists: ten hex digits that say nothing about it."""
    return KeyId(hashlib.sha256(public.encode()).hexdigest()[:10])
