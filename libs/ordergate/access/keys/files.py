"""Files that hold secrets: opened only when nobody else can read them, and looked at again when they change.

Symbolic links are followed, and what is judged is the file that was opened: a secret volume of Kubernetes is a link to `..data`, which is itself a link
that is exchanged when the secret changes.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ordergate.access.keys.key import Key, make_key
from ordergate.trading.errors import UnsafeKeyFile

KEY_FILE_BYTES_MAX = 16_384
_FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
"""Others nothing. The group may read: a secret that Kubernetes mounts for a non-root user is 0440."""


@dataclass(frozen=True, slots=True)
class Version:
    """Tells one content of a file from the next, without reading it. All zero: there is none."""

    device: int = 0
    inode: int = 0
    size: int = 0
    modified_ns: int = 0
    changed_ns: int = 0


def version_of(path: Path) -> Version:
    """Of the file that `path` leads to through all links. Never raises: what cannot be looked at has no version."""
    try:
        return _version(path.stat())
    except OSError:
        return Version()


def _version(found: os.stat_result) -> Version:
    return Version(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_key(path: Path) -> Key:
    """The key in a file: JSON `{"key": ..., "secret": ...}` or two lines, key and secret. Its values are masked in all logs from then on.

    In JSON the secret may be a private key as PEM, for venues whose keys are RSA or Ed25519; in two lines, as the base64 of its DER.
    Raises UnsafeKeyFile when others can read the file, or it is not a key; the message never holds any of its text.
    """
    public, secret = _parse(_ascii(read_private(path), path), path)
    if not _is_token(public) or not (_is_token(secret) or _is_pem(secret)):
        raise UnsafeKeyFile(f"{path}: key and secret must be visible ASCII without spaces")
    return make_key(public=public, secret=secret)


def read_private(path: Path) -> bytes:
    """The whole content of a secret file. Raises UnsafeKeyFile: missing, readable by others, no file, or longer than KEY_FILE_BYTES_MAX."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for its writer
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
        torn = _version(os.fstat(descriptor)) != _version(found)
    finally:
        os.close(descriptor)
    if torn:
        raise UnsafeKeyFile(f"{path}: was written while it was read; write a new file and move it into place")
    if len(content) > KEY_FILE_BYTES_MAX:
        raise UnsafeKeyFile(f"{path}: is too long for a key")
    return content


def _ascii(content: bytes, path: Path) -> str:
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise UnsafeKeyFile(f"{path}: is not ASCII text") from None


def _parse(text: str, path: Path) -> tuple[str, str]:
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            document = json.loads(stripped)
        except (ValueError, RecursionError):
            raise UnsafeKeyFile(f"{path}: is not JSON") from None  # the decoder's own message may quote the text
        public, secret = document.get("key"), document.get("secret")
        if isinstance(public, str) and isinstance(secret, str):
            return public, secret
        raise UnsafeKeyFile(f'{path}: must hold {{"key": text, "secret": text}}')
    lines = stripped.split()
    if len(lines) != len(("key", "secret")):
        raise UnsafeKeyFile(f"{path}: must hold two lines, key and secret")
    return lines[0], lines[1]


def _is_pem(text: str) -> bool:
    """Many lines; it signs and never stands in a header."""
    return text.startswith("-----BEGIN ") and text.rstrip().endswith(" PRIVATE KEY-----")


def _is_token(text: str) -> bool:
    # A line break in a key would be a header of its own on the wire.
    return bool(text) and all("!" <= character <= "~" for character in text)
