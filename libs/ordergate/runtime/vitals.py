"""What the sessions to a venue show of themselves, as metrics and, when it matters, as a log line: clock, budget, connections.

A line is written when a bound is crossed, not each time it is looked at; it is written again only after the value has been below it.
"""

from dataclasses import dataclass, field
from typing import Any

from ordergate.access.opening import Vitals
from ordergate.access.streaming import KeptStream
from ordergate.runtime.metrics import Metrics

OFFSET_ALARM_MS = 2_000
CLOCK_ADVICE = "run chrony, ntpd or systemd-timesyncd on this host; nothing is placed while the two are 30 s apart"
RATE_WARNING_PPM = 500.0
"""A crystal is good to 50, NTP steers by at most 500: beyond that a clock is broken, or somebody sets it."""
BUDGET_WARNING = 0.7
BUDGET_ALARM = 0.8


@dataclass(slots=True, kw_only=True)
class StreamVitals:
    """Samples one private stream."""

    venue: str
    account: str
    stream: KeptStream
    metrics: Metrics

    def sample(self) -> None:
        counts = self.stream.counts
        name = f"stream.{self.venue}.{self.account}"
        self.metrics.reconnects(name, total=counts.lost)
        self.metrics.connections(
            self.venue, name, open_now=counts.open, opened=counts.handshakes, handshakes=counts.handshakes
        )
        self.metrics.stream(
            self.venue,
            self.account,
            messages=counts.messages,
            set_aside=counts.set_aside,
            silent_seconds=self.stream.silent_seconds,
        )


@dataclass(slots=True, kw_only=True)
class VenueVitals:
    """Samples one session. log: as structlog's, so that tests can listen."""

    venue: str
    account: str
    session: str
    vitals: Vitals
    metrics: Metrics
    log: Any
    _first_offset_ms: float | None = field(default=None, init=False)
    _alarmed: bool = field(default=False, init=False)
    _warned_of_rate: bool = field(default=False, init=False)
    _levels: dict[str, int] = field(default_factory=dict, init=False)

    def sample(self) -> None:
        counts = self.vitals.counts
        self.metrics.connections(
            self.venue, self.session, open_now=counts.open, opened=counts.connections, handshakes=counts.handshakes
        )
        limiter = self.vitals.limiter
        self.metrics.budget_waiting(self.venue, self.account, self.session, count=limiter.waiting)
        self._sample_clock()
        for scope in self.vitals.scopes:
            used, limit = limiter.used(scope)
            self.metrics.budget(self.venue, self.account, f"{self.session}.{scope.value}", used=used, limit=limit)
            self._tell_budget(scope.value, used, limit)

    def _sample_clock(self) -> None:
        ahead_ms = self.vitals.venue_clock.drift_ms()
        if ahead_ms is None:
            return
        offset_ms = -ahead_ms
        if self._first_offset_ms is None:
            self._first_offset_ms = offset_ms
        self.metrics.clock_offset(
            self.venue, milliseconds=offset_ms, moved_milliseconds=offset_ms - self._first_offset_ms
        )
        beyond = abs(offset_ms) > OFFSET_ALARM_MS
        if beyond and not self._alarmed:
            said = {"venue": self.venue, "offset_ms": offset_ms, "alarm": "clock_offset", "advice": CLOCK_ADVICE}
            self.log.error("this machine's clock is wrong", **said)
        self._alarmed = beyond
        self._sample_rate()

    def _sample_rate(self) -> None:
        rate_ppm = self.vitals.venue_clock.rate_ppm
        if rate_ppm is None:
            return
        self.metrics.clock_rate(self.venue, ppm=rate_ppm)
        beyond = abs(rate_ppm) > RATE_WARNING_PPM
        if beyond and not self._warned_of_rate:
            self.log.warning("this machine's clock and the venue's drift apart", venue=self.venue, rate_ppm=rate_ppm)
        self._warned_of_rate = beyond

    def _tell_budget(self, scope: str, used: int, limit: int) -> None:
        share = used / limit if limit else 0.0
        level = (share >= BUDGET_WARNING) + (share >= BUDGET_ALARM)
        if level > self._levels.get(scope, 0):
            say = self.log.error if share >= BUDGET_ALARM else self.log.warning
            said = {"venue": self.venue, "account": self.account, "scope": scope, "used": used, "limit": limit}
            say("a limit of the venue is nearly used up", **said)
        self._levels[scope] = level
