"""Retry-After as it really comes: seconds, a date, or nonsense. What comes out is always a time that a process can wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

RETRY_AFTER_MS_DEFAULT = 60_000
"""Where the header is missing or says nothing: the window of every venue that we know is no longer."""
RETRY_AFTER_MS_MAX = 4 * 86_400_000
"""The longest ban that a venue documents is three days (Binance, 418). A venue that says a year is asked again before, and may say so again."""
RETRY_AFTER_MS_MIN = 1_000
_DIGITS_MAX = 12


def retry_after_ms(headers: Mapping[str, str], *, default_ms: int = RETRY_AFTER_MS_DEFAULT) -> int:
    """From an answer's headers, names in lower case (RFC 9110, 10.2.3).

    A date counts from the answer's own Date header: the venue's clock, not ours. Missing, negative, not a number, or a date without a Date beside it:
    default_ms. Never below RETRY_AFTER_MS_MIN, never above RETRY_AFTER_MS_MAX.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        wait_ms = int(text[:_DIGITS_MAX]) * 1_000
    else:
        left = _until(text, headers.get("date", ""))
        wait_ms = default_ms if left is None else int(left.total_seconds() * 1_000)
    return max(RETRY_AFTER_MS_MIN, min(wait_ms, RETRY_AFTER_MS_MAX))


def _until(text: str, now: str) -> timedelta | None:
    until, since = _moment(text), _moment(now)
    return None if until is None or since is None else until - since


def _moment(text: str) -> datetime | None:
    """An HTTP date with its zone, else None."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else None
