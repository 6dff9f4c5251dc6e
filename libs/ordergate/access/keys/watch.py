"""A key file looked at again and again, so that a change is noticed without a restart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ordergate.access.keys.files import Version, read_key, version_of
from ordergate.access.keys.key import Key
from ordergate.trading.errors import UnsafeKeyFile
from ordergate.trading.ids import KeyId

REVOKED = "revoked"
"""The ending of a key file that was taken away after a leak."""
_NS_PER_MS = 1_000_000


def beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The file holds another key than the one that is held."""

    key: Key
    created_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenAway:
    """The file is gone and stands beside its place as `<file>.revoked` (keys.place): somebody wants the key that is held to sign nothing more."""

    key_id: KeyId


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

    def look(self) -> Replaced | TakenAway | Unreadable | None:
        """None: nothing new. What could not be read is read again at the next look."""
        version = version_of(self._path)
        if version == self._version:
            return None
        try:
            key = self._read(self._path)
        except UnsafeKeyFile as error:
            if version == Version() and self._was_taken_away():
                return TakenAway(key_id=self._held.id)
            reason = str(error)
            found = Unreadable(reason=reason, new=reason != self._reason)
            self._reason = reason
            return found
        # The version from before the reading: a change in between is seen at the next look.
        self._version, self._reason = version, ""
        if key.id == self._held.id and key.secret == self._held.secret:
            return None
        self._held = key
        return Replaced(key=key, created_at_ms=version.modified_ns // _NS_PER_MS)

    def _was_taken_away(self) -> bool:
        try:
            return self._read(beside(self._path, REVOKED)).id == self._held.id
        except UnsafeKeyFile:
            return False
