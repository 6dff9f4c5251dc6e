"""`ordergate sign`: one signature on the terminal, to compare with what a venue says it expected."""

from dataclasses import dataclass, field
from pathlib import Path

from ordergate.access.keys.material import read_credentials
from ordergate.access.signing.registry import find_scheme, signature
from ordergate.cli import say
from ordergate.cli.exits import Exit, WrongUsage

KRAKEN_PATH = "/0/private/AddOrder"
"""Assumed, and said, where a scheme signs the path and none is given: the call that is asked about most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    scheme: str
    key_file: Path
    password_file: Path | None
    payload: bytes = field(repr=False)
    path: str | None


def sign(wanted: Wanted, *, as_json: bool) -> Exit:
    """Nothing but the signature goes to stdout. Raises Unsignable, UnsafeKeyFile, WrongKey."""
    scheme = find_scheme(wanted.scheme)
    if wanted.path is not None and not scheme.takes_path:
        raise WrongUsage(f"{wanted.scheme} has no path of its own: its payload is {scheme.payload}")
    credentials = read_credentials(wanted.key_file, password_file=wanted.password_file)
    path = wanted.path or KRAKEN_PATH
    if scheme.takes_path and wanted.path is None and not wanted.payload.startswith(b"/"):
        say.error_line(f"no --path given, so {path} is signed")
    made = signature(wanted.scheme, wanted.payload, credentials.material, path=path)
    if as_json:
        say.document({"scheme": wanted.scheme, "signature": made})
    else:
        say.line(made)
    return Exit.DONE
