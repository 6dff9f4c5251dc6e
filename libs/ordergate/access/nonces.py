"""Numbers that only grow for a key, also across restarts and whatever the machine's clock does.

What was given out is never written one by one: the mark on disk runs a block ahead of it, and a successor starts above the mark. A crash at any point
wastes at most one block. The mark belongs to one process at a time; a second one that would sign with the same key is refused, not slowed down.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ordergate.trading.errors import ClockUnknown, Misconfigured
from ordergate.trading.ids import KeyId

NONCE_MAX = 2**64 - 1
BLOCK = 1_000
"""In units of the nonce: one write to disk for so many, or for so many milliseconds."""


class Mark:
    """The highest number that may have been used with a key: a file named after the key's id, held by one process until `close`."""

    def __init__(self, folder: Path, key_id: KeyId) -> None:
        """Raises Misconfigured: held by another process, not writable, or not a mark."""
        self._path = folder / f"{key_id}.mark"
        try:
            self._lock = os.open(folder / f"{key_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(f"{folder}: marks cannot be kept there: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._value = self._read()
        except BlockingIOError:
            os.close(self._lock)
            raise Misconfigured(
                f"key {key_id} is in use by another process on this machine; give each process a key of its own"
            ) from None
        except Misconfigured:
            os.close(self._lock)
            raise

    @property
    def value(self) -> int:
        return self._value

    def raise_to(self, value: int) -> None:
        """Durable when it returns. A smaller value changes nothing. Raises ClockUnknown when it cannot be kept; nothing may be signed then."""
        if value <= self._value:
            return
        try:
            self._write(value)
        except OSError as error:
            raise ClockUnknown(f"{self._path}: the mark cannot be kept: {error.strerror}") from error
        self._value = value

    def close(self) -> None:
        os.close(self._lock)

    def _write(self, value: int) -> None:
        written = self._path.with_suffix(".new")
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, str(value).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        written.replace(self._path)
        _sync(self._path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> int:
        try:
            text = self._path.read_text("ascii", errors="replace").strip()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Misconfigured(f"{self._path}: cannot be read: {error.strerror}") from error
        if not text.isdecimal() or int(text) > NONCE_MAX:
            raise Misconfigured(
                f"{self._path}: is not a mark; write the last number that was used with the key into it"
            )
        return int(text)


class Nonces:
    """Nonces of one key (Kraken): the clock where it has moved on, one more than the last where it has not.

    now gives the unit in which the key has always been used: a key that saw microseconds takes no milliseconds any more.
    """

    def __init__(self, mark: Mark, now: Callable[[], int], *, block: int = BLOCK) -> None:
        self._mark = mark
        self._now = now
        self._block = block
        self._last = mark.value

    def next(self) -> int:
        """Above all that were ever given out for the key. Raises ClockUnknown when the mark cannot be kept, Misconfigured at the end of the numbers."""
        nonce = max(self._now(), self._last + 1)
        if nonce + self._block > NONCE_MAX:
            raise Misconfigured("the nonces of this key have come to their end; make another key")
        if nonce > self._mark.value:
            self._mark.raise_to(nonce + self._block)
        self._last = nonce
        return nonce


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
