"""Where secrets come from when not from files: the port, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ordergate.access.keys.key import Key, make_key
from ordergate.trading.errors import WrongKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One version of a secret. created_at_ms: when this version was stored, None where the store does not say."""

    version: int
    created_at_ms: int | None
    fields: Mapping[str, str] = field(repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret does not leave its process")


class SecretStore(Protocol):
    """A place that keeps secrets by name."""

    async def read(self, name: str) -> Secret:
        """The newest version. Raises WrongKey (there is none, or we may not have it), SecretStoreUnavailable (ask again)."""


def key_of(secret: Secret) -> Key:
    """From the fields `key` and `secret`. Raises WrongKey; masked in all logs from then on."""
    public, private = secret.fields.get("key", ""), secret.fields.get("secret", "")
    for text in (public, private):
        if not text or not all("!" <= character <= "~" for character in text):
            raise WrongKey("the stored secret needs the fields `key` and `secret`, visible ASCII without spaces")
    return make_key(public=public, secret=private)
