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

# Linear in the text, whatever it holds: a keyword has a bounded length, the word it stands in is looked at once, and no repetition is
# ever gone back into (all are possessive). Whoever can make us log a long line could otherwise stop the process with it.
_KEYWORD = re.compile(
    r"(?i)api[-_]?key|secret|signature|passphrase|password|api[-_]?sign|private[-_]?key|authorization|listen[-_]?key"
)
_WORD_END = re.compile(r"[\w-]*+")
_VALUE = re.compile(
    r"""(?ix)
    \\?["']? \s*+ (?: [:=] | ,\s ) \s*+ (?: b(?=["']) )? \\?["']?
    (?: (?: bearer | basic )\s++ )?
    (?P<value> [^\s"'\\,;&})\]]{4,}+ )
    """
)
_FORMS = re.compile(r"zd_[0-9a-fA-F]{40}|(?<![0-9a-zA-Z])[0-9a-fA-F]{64,}+(?![0-9a-zA-Z])")

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
    return _FORMS.sub(MASK, _mask_named(text))


def _mask_named(text: str) -> str:
    """Every value whose name says that it is a secret. A name may stand anywhere in a word: `zetariumApiKeyId`."""
    parts: list[str] = []
    kept = looked = 0  # up to where the text is in `parts`, and up to where it has been judged
    for keyword in _KEYWORD.finditer(text):
        if keyword.start() < looked:
            continue
        word_end = _WORD_END.match(text, keyword.end()).end()  # type: ignore[union-attr]  # it matches nothing, too
        found = _VALUE.match(text, word_end)
        looked = word_end if found is None else found.end()
        if found is not None and not found["value"].startswith(MASK[:-1]):
            parts += text[kept : found.start("value")], MASK
            kept = found.end()
    return "".join((*parts, text[kept:])) if parts else text
