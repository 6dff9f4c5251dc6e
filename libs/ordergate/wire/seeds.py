"""nkey seeds in files: whose bearer one is. Who can read the file is who bears the identity."""

import stat
from pathlib import Path
from typing import Any

from ordergate.trading.errors import Misconfigured, UnsafeKeyFile

_FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
"""As of venue keys: others nothing, and the group may only read."""


def public_key_of(seed_file: Path) -> str:
    """Raises UnsafeKeyFile for a file that others can read or that holds no user's seed, Misconfigured where nkeys is not installed."""
    try:
        mode, text = seed_file.stat().st_mode, seed_file.read_bytes().strip()
    except OSError as error:
        raise UnsafeKeyFile(f"the seed file {seed_file} cannot be read: {error.strerror}") from None
    if mode & _FORBIDDEN_MODE:
        raise UnsafeKeyFile(f"the seed file {seed_file} is open to others; set its mode to 0400")
    nkeys = nkeys_library()
    try:
        pair = nkeys.from_seed(bytearray(text))
        public_key: str = pair.public_key.decode()
        pair.wipe()
    except Exception:  # noqa: BLE001 - the library raises what it likes, with the seed in its reach
        raise UnsafeKeyFile(f"{seed_file} does not hold the seed of an nkey") from None
    if not public_key.startswith("U"):
        raise UnsafeKeyFile(f"{seed_file} does not hold the seed of a user's nkey")
    return public_key


def nkeys_library() -> Any:
    """Raises Misconfigured where it is not installed."""
    try:
        import nkeys  # noqa: PLC0415 - only who has a seed needs it
    except ImportError as error:
        raise Misconfigured("an nkey seed needs the package nkeys: pip install 'nats-py[nkeys]'") from error
    return nkeys
