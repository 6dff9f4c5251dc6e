"""What a service says on /ready: a feed or lane that has fallen silent is a problem by name, unless the bus itself is away."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ordergate.runtime.service import SILENCE_MAX_SECONDS, Frame, Service
from ordergate.runtime.settings import Environment

SILENT = SILENCE_MAX_SECONDS + 1


@dataclass(frozen=True, slots=True)
class Source:
    """A feed or a lane."""

    name: str
    silent_seconds: float


@dataclass(slots=True)
class Standing:
    """As much of a frame as readiness looks at."""

    feeds: tuple[Source, ...] = ()
    lanes: tuple[Source, ...] = ()
    connected: bool = True
    readiness: dict[str, Any] = field(default_factory=dict)

    @property
    def bus(self) -> Any:
        return SimpleNamespace(client=SimpleNamespace(is_connected=self.connected))

    @property
    def feed(self) -> Any:
        return SimpleNamespace(readings=self.feeds)


def _service() -> Service:
    async def compose(_frame: Frame) -> None:
        raise AssertionError

    return Service("risk", compose, environment=Environment(config=Path("/nowhere")))


def _problems(standing: Standing) -> dict[str, str]:
    service = _service()
    service._started = True
    return service._unready(standing)  # type: ignore[arg-type]


def test_a_service_whose_feeds_and_lanes_are_heard_is_ready() -> None:
    heard = Source("x", SILENCE_MAX_SECONDS / 2)
    assert _problems(Standing(feeds=(heard,), lanes=(heard,))) == {}


@pytest.mark.parametrize("what", ["feed", "lane"])
def test_what_has_fallen_silent_is_named_with_its_age_and_its_neighbours_are_not(what: str) -> None:
    sources = (Source("heard", 0.1), Source("deaf", SILENT))
    standing = Standing(feeds=sources) if what == "feed" else Standing(lanes=sources)
    assert _problems(standing) == {f"{what} deaf": f"silent for {SILENT:.1f} s"}


def test_while_the_bus_is_away_nothing_else_is_blamed() -> None:
    deaf = Source("deaf", SILENT)
    assert _problems(Standing(feeds=(deaf,), lanes=(deaf,), connected=False)) == {"bus": "not connected"}


@pytest.mark.parametrize(("connected_seconds", "deaf"), [(0.0, False), (0.5, False), (SILENT, True)])
def test_who_heard_nothing_while_the_bus_was_away_is_given_time_when_it_is_back(
    connected_seconds: float,
    deaf: bool,  # noqa: FBT001
) -> None:
    bus: Any = SimpleNamespace(
        bus=SimpleNamespace(client=SimpleNamespace(connected_seconds=connected_seconds)), replicas=1
    )
    assert _service()._is_deaf(bus, 50.0) is deaf


def test_a_condition_that_does_not_hold_is_named() -> None:
    assert _problems(Standing(readiness={"caught up": lambda: False, "sure": lambda: True})) == {"caught up": "not yet"}
