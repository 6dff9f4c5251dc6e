"""When a signed request is in time: asked twice, when it arrives and when it reaches the matching engine.

A timestamp is in milliseconds or microseconds, told apart by its size; recvWindow in milliseconds with up to three decimals, 5000 by default, at most
60000. All reckoning is in microseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from ordergate.simulator.binance.failures import TOO_EARLY, TOO_LATE, WINDOW_TOO_LARGE, illegal, missing
from ordergate.simulator.binance.operations import Failure

WINDOW_DEFAULT = "5000"
WINDOW_MAX_US = 60_000_000
AHEAD_US = 1_000_000
# No venue's millisecond clock is there before the year 5138, and no microsecond clock was since 1973.
MICROSECONDS_FROM = 10**14
_TIMESTAMP = re.compile("[0-9]{1,20}").fullmatch
_WINDOW = re.compile(r"[0-9]{1,10}(\.[0-9]{1,3})?").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a request says it was made, and how long it wants to be good."""

    made_us: int
    window_us: int

    def refuse_arrival(self, now_ms: int) -> Failure | None:
        """The first check, at the door."""
        if self.made_us >= now_ms * 1000 + AHEAD_US:
            return TOO_EARLY
        return self.refuse_late(now_ms)

    def refuse_late(self, now_ms: int) -> Failure | None:
        """The second check, at the engine: only the age counts."""
        return TOO_LATE if now_ms * 1000 - self.made_us > self.window_us else None


def read_timing(parameters: dict[str, str]) -> Timing | Failure:
    """Take `timestamp` and `recvWindow` out of the parameters."""
    made, window = parameters.pop("timestamp", ""), parameters.pop("recvWindow", WINDOW_DEFAULT)
    if not made:
        return missing("timestamp")
    if not _TIMESTAMP(made):
        return illegal("timestamp", "^[0-9]{1,20}$")
    if not _WINDOW(window):
        return illegal("recvWindow", r"^[0-9]{1,5}(\.[0-9]{1,3})?$")
    window_us = int(Decimal(window) * 1000)
    if window_us > WINDOW_MAX_US:
        return WINDOW_TOO_LARGE
    number = int(made)
    return Timing(made_us=number if number >= MICROSECONDS_FROM else number * 1000, window_us=window_us)
