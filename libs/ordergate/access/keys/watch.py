"""A key file looked at again and again, so that a change is noticed without a restart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ordergate.access.keys.files import Version, read_key, version_of
from ordergate.access.keys.key import Key
from ordergate.trading.errors import UnsafeKeyFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The file holds another key than the one that is held."""

    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """The file is gone, half written, or lets others in. The key that is held stays in use. new: not said before."""

    reason: str
    new: bool


class KeyWatch:
    """Costs one stat a look where nothing changed. The links of a Kubernetes volume are followed: what counts is the file at their end."""

    def __init__(self, path: Path, held: Key, *, read: Callable[[Path], Key] = read_key) -> None:
        self._path = path
        self._read = read
        self._held = held
        self._version: Version | None = None  # of the content that was read last
        self._reason = ""

    def look(self) -> Replaced | Unreadable | None:
        """None: nothing new. What could not be read is read again at the next look."""
        version = version_of(self._path)
        if version == self._version:
            return None
        try:
            key = self._read(self._path)
        except UnsafeKeyFile as error:
            reason = str(error)
            found = Unreadable(reason=reason, new=reason != self._reason)
            self._reason = reason
            return found
        # The version from before the reading: a change in between is seen at the next look.
        self._version, self._reason = version, ""
        if key.id == self._held.id and key.secret == self._held.secret:
            return None
        self._held = key
        return Replaced(key=key)
