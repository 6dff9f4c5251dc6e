"""Keys of a venue, read from files that nobody else can read, and never shown."""

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ordergate.access import redaction
from ordergate.trading.errors import UnsafeKeyFile
from ordergate.trading.ids import KeyId

KEY_FILE_BYTES_MAX = 16_384
_FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
"""Others nothing. The group may read: a secret that Kubernetes mounts for a non-root user is 0440."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key pair of one account. Only `id` may be shown: a short digest of the public part."""

    id: KeyId
    public: str = field(repr=False)
    secret: str = field(repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key does not leave its process")


def read_key(path: Path) -> Key:
    """The key in a file: JSON `{"key": ..., "secret": ...}` or two lines, key and secret. Its values are masked in all logs from then on.

    Raises UnsafeKeyFile when others can read the file, or it is not a key; the message never holds any of its text.
    """
    text = _read_private(path)
    public, secret = _parse(text, path)
    if not _is_token(public) or not _is_token(secret):
        raise UnsafeKeyFile(f"{path}: key and secret must be visible ASCII without spaces")
    return make_key(public=public, secret=secret)


def make_key(*, public: str, secret: str) -> Key:
    """A key from its parts, registered with redaction."""
    redaction.register(public, secret)
    return Key(id=KeyId(hashlib.sha256(public.encode()).hexdigest()[:10]), public=public, secret=secret)


def _read_private(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UnsafeKeyFile(f"{path}: cannot be read: {error.strerror}") from error
    try:
        # The mode of the opened file, not of the path: the path may be exchanged between two looks.
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UnsafeKeyFile(f"{path}: is not a file")
        if found.st_mode & _FORBIDDEN_MODE:
            raise UnsafeKeyFile(f"{path}: mode {stat.S_IMODE(found.st_mode):04o} lets others in; set it to 0400")
        content = os.read(descriptor, KEY_FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > KEY_FILE_BYTES_MAX:
        raise UnsafeKeyFile(f"{path}: is too long for a key")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise UnsafeKeyFile(f"{path}: is not ASCII text") from None


def _parse(text: str, path: Path) -> tuple[str, str]:
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            document = json.loads(stripped)
        except ValueError:
            raise UnsafeKeyFile(f"{path}: is not JSON") from None  # the decoder's own message may quote the text
        public, secret = document.get("key"), document.get("secret")
        if isinstance(public, str) and isinstance(secret, str):
            return public, secret
        raise UnsafeKeyFile(f'{path}: must hold {{"key": text, "secret": text}}')
    lines = stripped.split()
    if len(lines) != len(("key", "secret")):
        raise UnsafeKeyFile(f"{path}: must hold two lines, key and secret")
    return lines[0], lines[1]


def _is_token(text: str) -> bool:
    # A line break in a key would be a header of its own on the wire.
    return bool(text) and all("!" <= character <= "~" for character in text)
