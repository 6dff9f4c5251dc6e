"""What a session shows of itself: gauges at each look, a log line when a bound is crossed and only then."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from ordergate.access.budget import Scope
from ordergate.access.clock import VenueClock
from ordergate.access.http import EngineCounts
from ordergate.access.limiter import Limiter
from ordergate.access.opening import Vitals
from ordergate.runtime.metrics import Metrics
from ordergate.runtime.vitals import VenueVitals


@dataclass
class Session:
    """The two things that are looked at, as they would answer."""

    ahead_ms: int | None = 0
    used_now: int = 0
    waiting: int = 0
    rate_ppm: float | None = None

    def drift_ms(self) -> int | None:
        return self.ahead_ms

    def used(self, _scope: Scope) -> tuple[int, int]:
        return self.used_now, 100


@dataclass
class Log:
    said: list[tuple[str, str]] = field(default_factory=list)

    def error(self, event: str, **_: Any) -> None:
        self.said.append(("error", event))

    def warning(self, event: str, **_: Any) -> None:
        self.said.append(("warning", event))


@pytest.fixture
def seen() -> tuple[Session, VenueVitals, Metrics, Log]:
    session, metrics, log = Session(), Metrics("status_polling"), Log()
    vitals = Vitals(
        counts=EngineCounts(open=3, connections=5, handshakes=5),
        venue_clock=cast("VenueClock", session),
        limiter=cast("Limiter", session),
        scopes=(Scope.ORDERS,),
    )
    return (
        session,
        VenueVitals(venue="z", account="main", session="polling-1", vitals=vitals, metrics=metrics, log=log),
        metrics,
        log,
    )


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"ordergate_{name}", labels)


def test_a_budget_warns_at_70_and_alarms_at_80_once_per_crossing(
    seen: tuple[Session, VenueVitals, Metrics, Log],
) -> None:
    session, watched, metrics, log = seen
    levels = []
    for used in (69, 70, 75, 80, 95, 60, 71, 99):
        session.used_now = used
        watched.sample()
        levels.append([level for level, _ in log.said])
        log.said.clear()
    assert levels == [[], ["warning"], [], ["error"], [], [], ["warning"], ["error"]]
    assert value(metrics, "budget_used", venue="z", account="main", bucket="polling-1.orders") == 99
    assert value(metrics, "budget_limit", venue="z", account="main", bucket="polling-1.orders") == 100


def test_a_clock_more_than_two_seconds_off_is_an_alarm_once(seen: tuple[Session, VenueVitals, Metrics, Log]) -> None:
    session, watched, metrics, log = seen
    lines = []
    for ahead in (None, 100, 2_001, 2_500, 50, -2_600):
        session.ahead_ms = ahead
        watched.sample()
        lines.append(len(log.said))
    assert lines == [0, 0, 1, 1, 1, 2]
    assert value(metrics, "venue_clock_offset_seconds", venue="z") == 2.6
    assert value(metrics, "venue_clock_drift_seconds", venue="z") == 2.7


def test_clocks_that_drift_apart_are_warned_of_once(seen: tuple[Session, VenueVitals, Metrics, Log]) -> None:
    session, watched, metrics, log = seen
    lines = []
    for rate in (None, 30.0, -501.0, 900.0, 10.0, 600.0):
        session.rate_ppm = rate
        watched.sample()
        lines.append(len(log.said))
    assert lines == [0, 0, 1, 1, 1, 2]
    assert value(metrics, "venue_clock_rate_ppm", venue="z") == 600


def test_connections_and_waits_are_shown(seen: tuple[Session, VenueVitals, Metrics, Log]) -> None:
    session, watched, metrics, _ = seen
    session.waiting = 7
    watched.sample()
    assert value(metrics, "venue_open_connections", venue="z", session="polling-1") == 3
    assert value(metrics, "venue_handshakes", venue="z", session="polling-1") == 5
    assert value(metrics, "budget_waiting", venue="z", account="main", session="polling-1") == 7
