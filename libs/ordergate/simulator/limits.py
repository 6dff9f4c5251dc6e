"""Rate limits: fixed windows of one minute (or as configured), aligned to the venue's clock.

A request counts in every bucket it names, refused or not. The headers speak of the narrowest bucket it counts in, and on a refusal of the bucket that
refused.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordergate.simulator.config import LimitsConfig

Scope = Literal["account", "address"]
Bucket = Literal["requests", "orders", "batch", "close"]
PAST_WINDOWS_MAX = 2_000


@dataclass(slots=True, eq=False)
class Window:
    """What one subject used of one bucket in one window; `used` includes the refused."""

    scope: Scope
    subject: str
    bucket: str
    start_ms: int
    limit: int
    used: int = 0
    refused: int = 0


class Windows:
    """Fixed windows, aligned to the venue's clock, of whatever is counted."""

    __slots__ = ("_past", "_present")

    def __init__(self) -> None:
        """Nothing was counted yet."""
        self._present: dict[tuple[Scope, str, str], Window] = {}
        self._past: deque[Window] = deque(maxlen=PAST_WINDOWS_MAX)

    def at(self, scope: Scope, subject: str, bucket: str, *, limit: int, length_ms: int, now_ms: int) -> Window:
        """The window of this moment."""
        start_ms = now_ms - now_ms % length_ms
        key = (scope, subject, bucket)
        window = self._present.get(key)
        if window is None or window.start_ms != start_ms:
            if window is not None:
                self._past.append(window)
            window = self._present[key] = Window(scope, subject, bucket, start_ms, limit)
        return window

    def listed(self) -> list[Window]:
        """The windows that are remembered, oldest first, with the present ones last."""
        return [*self._past, *self._present.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the headers say, and whether the request may go on."""

    refused: bool
    limit: int
    remaining: int
    reset_seconds: int


class RateLimits:
    """Every bucket of every account and address."""

    __slots__ = ("_limits", "_window_ms", "_windows")

    def __init__(self, limits: LimitsConfig) -> None:
        """Limits a window, by bucket."""
        self._window_ms = limits.window_ms
        self._limits: dict[Bucket, int] = {
            "requests": limits.requests,
            "orders": limits.orders,
            "batch": limits.batch,
            "close": limits.close,
        }
        self._windows = Windows()

    def take(self, scope: Scope, subject: str, buckets: Sequence[Bucket], now_ms: int) -> Verdict:
        """Count one request. `buckets` from the widest to the narrowest; the widest that is used up refuses."""
        windows = [self._window(scope, subject, bucket, now_ms) for bucket in buckets]
        for window in windows:
            window.used += 1
        full = next((window for window in windows if window.used > window.limit), None)
        spoken = full or windows[-1]
        if full is not None:
            full.refused += 1
        return Verdict(
            refused=full is not None,
            limit=spoken.limit,
            remaining=max(0, spoken.limit - spoken.used),
            reset_seconds=-((now_ms - spoken.start_ms - self._window_ms) // 1000),
        )

    def windows(self) -> list[Window]:
        """The windows that are remembered, oldest first, with the present ones last."""
        return self._windows.listed()

    def _window(self, scope: Scope, subject: str, bucket: Bucket, now_ms: int) -> Window:
        limit = self._limits[bucket]
        return self._windows.at(scope, subject, bucket, limit=limit, length_ms=self._window_ms, now_ms=now_ms)
