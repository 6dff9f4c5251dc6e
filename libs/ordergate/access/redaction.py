"""Text without secrets: whatever reaches a log, span, message or error goes through here.

`redact` knows secrets by three signs: the name before the value (`X-API-KEY: ...`, `signature=...`), the form of the value (a Zetarium key, any
run of 64 hex digits or more), and the values registered when a key was read. The registry is the one deliberate piece of process-wide state in this
package: a secret that was loaded is secret for every log line of the process, whoever writes it, and nobody can forget to pass it along.
"""

import re
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
SECRET_LENGTH_MIN = 8
"""Shorter values would mask ordinary words."""

_NAMED = re.compile(
    r"""(?ix)
    (?P<name> [\w-]* (?: api[-_]?key | apikey | secret | signature | passphrase | password | api[-_]?sign | private[-_]?key ) [\w-]* | authorization | listen[-_]?key )
    (?P<between> \\?["']? \s* (?: [:=] | ,\s ) \s* (?: b(?=["']) )? \\?["']? )
    (?P<scheme> (?: bearer | basic )\s+ )?
    (?P<value> [^\s"'\\,;&})\]]{4,} )
    """
)
_FORMS = re.compile(r"zd_[0-9a-fA-F]{40}|(?<![0-9a-zA-Z])[0-9a-fA-F]{64,}(?![0-9a-zA-Z])")

_registered: set[str] = set()


def register(*secrets: str) -> None:
    """Mask these values from now on, plain and URL-encoded. Values shorter than SECRET_LENGTH_MIN are not taken."""
    for secret in secrets:
        if len(secret) >= SECRET_LENGTH_MIN:
            _registered.update({secret, quote(secret, safe=""), quote_plus(secret)})


def redact(text: str) -> str:
    """`text` with every secret replaced by MASK. Applying it twice changes nothing more."""
    for secret in _registered:
        if secret in text:
            text = text.replace(secret, MASK)
    return _FORMS.sub(MASK, _NAMED.sub(_mask_value, text))


def _mask_value(found: re.Match[str]) -> str:
    if found["value"].startswith(MASK[:-1]):
        return found[0]
    return f"{found['name']}{found['between']}{found['scheme'] or ''}{MASK}"
