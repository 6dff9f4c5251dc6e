"""The simulated bus is held to the real one: the claims of tests/integration, the very same functions, over the simulated wire.

Whatever of them fails here is a bug of the simulated bus. Left out is what needs a server process (its restarts have claims of their
own in test_bus.py) or speaks of nats-py itself.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import product
from types import FunctionType, ModuleType
from typing import Any

import pytest

from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Limits
from ordergate.runtime.provision import provision, resources
from ordergate.wire import streams
from tests.integration import (
    test_feed,
    test_kill_switch,
    test_lanes,
    test_lean,
    test_ledger,
    test_publisher,
    test_shelf,
)
from tests.integration.orders_at_hand import ACCOUNT, VENUE
from tests.simulation.bus import SimBus
from tests.simulation.connection import connect
from tests.simulation.loop import Node, Scheduler

MODULES = (test_feed, test_kill_switch, test_lanes, test_ledger, test_lean, test_publisher, test_shelf)
SECONDS = 300.0
RESOURCES = resources(
    streams=streams.streams(),
    buckets=streams.buckets(),
    consumers=(*streams.consumers(VENUE, ACCOUNT), streams.strangers_consumer()),
)
OF_NATS_PY = {
    "test_a_socket_that_is_gone_before_nats_py_knows_it_is_as_no_connection",
    "test_ordinary_subscriptions_of_nats_py_still_work_beside_sinks",
    "test_a_sink_that_raises_is_told_and_the_next_message_arrives",
}
"""What speaks of the client library, not of the bus."""


def claims() -> Iterator[Any]:
    for module in MODULES:
        for name, claim in vars(module).items():
            if name.startswith("test_") and inspect.iscoroutinefunction(claim) and name not in OF_NATS_PY:
                if "server" in needs(module, claim):
                    continue
                for values in parameters(claim):
                    shown = "-".join(str(value)[:20] for value in values.values())
                    yield pytest.param(module, claim, values, id=f"{module.__name__[-8:]}-{name}-{shown}")


def needs(module: ModuleType, function: Callable[..., Any]) -> set[str]:
    """Names of all fixtures a function asks for, and of those they ask for."""
    asked = set(inspect.signature(function).parameters)
    for name in tuple(asked):
        if name not in {"bus", "connected"} and hasattr(module, name):
            asked |= needs(module, fixture(module, name))
    return asked


def fixture(module: ModuleType, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(module, name)._get_wrapped_function()
    return found


def parameters(claim: FunctionType) -> Iterator[dict[str, Any]]:
    """What @parametrize gives, as keyword arguments."""
    axes = []
    for mark in getattr(claim, "pytestmark", ()):
        if mark.name == "parametrize":
            names = mark.args[0] if isinstance(mark.args[0], tuple) else (mark.args[0],)
            axes.append([dict(zip(names, row if len(names) > 1 else (row,), strict=True)) for row in mark.args[1]])
    for rows in product(*axes):
        yield {name: value for row in rows for name, value in row.items()}


class Ground:
    """Gives a claim what it asks for, on one node of a simulated world."""

    def __init__(self, module: ModuleType, node: Node, server: SimBus, patch: pytest.MonkeyPatch) -> None:
        self._module = module
        self._node = node
        self._server = server
        self._given: dict[str, Any] = {"monkeypatch": patch, "connected": self.connected}
        self._endings: list[AsyncIterator[Any]] = []

    async def connected(self, service: str = "test", *, limits: Limits | None = None) -> Bus:
        return await connect(self._server, self._node, service=service, limits=limits)

    async def run(self, claim: Callable[..., Awaitable[None]], values: dict[str, Any]) -> None:
        self._given |= values
        try:
            await claim(**{name: await self._give(name) for name in inspect.signature(claim).parameters})
        finally:
            for ending in reversed(self._endings):
                assert await anext(ending, None) is None

    async def _give(self, name: str) -> Any:
        if name not in self._given:
            self._given[name] = await (self._provisioned() if name == "bus" else self._fixture(name))
        return self._given[name]

    async def _provisioned(self) -> Bus:
        bus = await self.connected()
        await provision(bus.jetstream, RESOURCES)
        return bus

    async def _fixture(self, name: str) -> Any:
        function = fixture(self._module, name)
        values = function(**{name: await self._give(name) for name in inspect.signature(function).parameters})
        self._endings.append(values)
        return await anext(values)


@pytest.mark.parametrize(("module", "claim", "values"), list(claims()))
def test_holds_on_the_simulated_bus(
    module: ModuleType, claim: FunctionType, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(1)
    node = scheduler.node("claim")
    monkeypatch.setattr(SystemClock, "monotonic", lambda _: node.clock.monotonic())
    monkeypatch.setattr(SystemClock, "now_ms", lambda _: node.clock.now_ms())
    ground = Ground(module, node, SimBus(scheduler), monkeypatch)
    try:
        scheduler.complete(node, ground.run(claim, values), seconds=SECONDS)
        assert not [failure for failure in scheduler.failures if failure.node == "world"]
    finally:
        scheduler.close()


def test_the_claims_are_found() -> None:
    found = list(claims())
    assert len(found) > 80
    assert {case.values[0] for case in found} == set(MODULES)
