"""A key file and what stands beside it while keys change: rotation with files alone.

    <file>          the key that signs            ACTIVE
    <file>.next     put there to take over        NEW
    <file>.old      the one before                DRAINING
    <file>.revoked  taken away after a leak       REVOKED
    <file>.state    what is known of them: ids and times, no key

Which key is in which state is read from where it stands; the record only adds what a file cannot say. A step that was cut off is done again safely.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ordergate.access.keys.files import read_key, version_of
from ordergate.access.keys.key import Key
from ordergate.access.keys.rotation import HeldKey, KeyRing, KeyState
from ordergate.access.keys.watch import REVOKED, beside
from ordergate.trading.errors import UnsafeKeyFile, WrongKey
from ordergate.trading.ids import KeyId

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """One signer's key file."""

    path: Path

    def beside(self, ending: str) -> Path:
        return beside(self.path, ending)

    def ring(self) -> KeyRing:
        """What stands here. Raises UnsafeKeyFile, WrongKey for a key that was revoked and came back."""
        known = self._record()
        held: list[HeldKey] = []
        for ending, state in (("old", KeyState.DRAINING), ("next", KeyState.NEW), ("", KeyState.ACTIVE)):
            path = self.beside(ending) if ending else self.path
            if (key := read_if_there(path)) is not None:
                # A rotation that was cut off leaves one key in two files; the later of them says its state.
                held = [each for each in held if each.id != key.id]
                held.append(_held(key, path, state, known.get(key.id)))
        here = {key.id for key in held}
        revoked = [key for key in known.values() if key.state is KeyState.REVOKED and key.id not in here]
        return KeyRing((*revoked, *held))

    def save(self, ring: KeyRing) -> None:
        """The record, whole or not at all. Raises UnsafeKeyFile where this folder cannot be written."""
        written = self.beside("state-new")
        try:
            written.write_text(json.dumps({"keys": [asdict(key) for key in ring.keys]}, indent=1))
            written.replace(self.beside("state"))
        except OSError as error:
            raise self._unwritable(error) from error

    def promote(self, ring: KeyRing) -> None:
        """Let `<file>.next` sign and keep the one before as `<file>.old`. ring: as it is after that.

        Raises WrongKey while an earlier key still stands in `<file>.old`, UnsafeKeyFile where this folder cannot be written.
        """
        old, current = self.beside("old"), read_if_there(self.path)
        before = read_if_there(old)
        if before is not None and (current is None or before.id != current.id):
            raise WrongKey(f"{old} still holds an earlier key; revoke that at the venue, then remove the file")
        try:
            if current is not None and before is None:
                os.link(self.path, old)
            self.beside("next").replace(self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        self.save(ring)

    def disable(self, key_id: KeyId, ring: KeyRing) -> None:
        """Take the files that hold this key away, so that nothing reads it again. ring: as it is after that."""
        try:
            for path in (self.path, self.beside("next"), self.beside("old")):
                if (key := read_if_there(path)) is not None and key.id == key_id:
                    path.replace(self.beside(REVOKED))
        except OSError as error:
            raise self._unwritable(error) from error
        self.save(ring)

    def _record(self) -> dict[KeyId, HeldKey]:
        path = self.beside("state")
        try:
            document: Any = json.loads(path.read_text())
            keys = [HeldKey(**{**key, "state": KeyState(key["state"])}) for key in document["keys"]]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise UnsafeKeyFile(
                f"{path}: is not a record of keys; remove it (ages and verifications are lost)"
            ) from error
        return {key.id: key for key in keys}

    def _unwritable(self, error: OSError) -> UnsafeKeyFile:
        return UnsafeKeyFile(
            f"{self.path.parent}: cannot be written ({error.strerror}); where a secret is mounted read-only, change the secret itself"
        )


def read_if_there(path: Path) -> Key | None:
    """None if there is no such file. Raises UnsafeKeyFile."""
    return read_key(path) if path.exists() else None


def _held(key: Key, path: Path, state: KeyState, known: HeldKey | None) -> HeldKey:
    """The file's time stands for the key's age until a better one is known: a key is at least as old."""
    if known is not None and known.state is KeyState.REVOKED:
        raise WrongKey(f"{path}: key {key.id} was revoked and does not come back; put a new one there")
    modified_ms = version_of(path).modified_ns // _NS_PER_MS
    if known is None:
        return HeldKey(id=key.id, state=state, since_ms=modified_ms, created_at_ms=modified_ms)
    return known if known.state is state else replace(known, state=state)
