"""The simulator as a running server: the only place of this room that opens sockets and reads the wall clock."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ordergate.simulator.arrivals import Arrivals
from ordergate.simulator.binance.front import BinanceVenue
from ordergate.simulator.clock import VenueClock
from ordergate.simulator.config import SimulatorConfig
from ordergate.simulator.connection import Wire
from ordergate.simulator.dialects import build_venue
from ordergate.simulator.doors import Doors
from ordergate.simulator.faults import Faults
from ordergate.simulator.websocket import SocketHouse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ordergate.simulator.served import Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A simulator that takes requests."""

    url: str
    venue: Served
    clock: VenueClock
    faults: Faults
    arrivals: Arrivals


@asynccontextmanager
async def running_simulator(
    config: SimulatorConfig | Mapping[str, object],
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Simulator]:
    """Serve on a port (0 = pick one) until the context ends; with tls, over https and wss only.

    Raises pydantic.ValidationError for a wrong config, OSError for a taken port.
    """
    checked = config if isinstance(config, SimulatorConfig) else SimulatorConfig.model_validate(config)
    wire = _build(checked)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(wire.connect, host, port, ssl=tls)
    flow = asyncio.create_task(_let_flow(wire, checked.flow.interval_ms / 1000), name="simulator-flow")
    bound = server.sockets[0].getsockname()[1]
    try:
        yield Simulator(
            url=f"{'http' if tls is None else 'https'}://{host}:{bound}",
            venue=wire.venue,
            clock=wire.clock,
            faults=wire.faults,
            arrivals=wire.arrivals,
        )
    finally:
        flow.cancel()
        server.close()
        for connection in list(wire.connections):
            connection.close()
        for socket in list(wire.house.sockets) if wire.house else ():
            socket.cut()
        await server.wait_closed()


def wall_clock_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def _build(config: SimulatorConfig) -> Wire:
    venue, faults, arrivals = build_venue(config), Faults(), Arrivals()
    clock = VenueClock(wall_clock_ms)
    house = None
    if isinstance(venue, BinanceVenue):
        house = SocketHouse(venue, faults, clock, arrivals, time.monotonic_ns, set())
    return Wire(
        venue=venue,
        doors=Doors(venue, clock, faults, arrivals, house),
        faults=faults,
        clock=clock,
        arrivals=arrivals,
        monotonic_ns=time.monotonic_ns,
        house=house,
    )


async def _let_flow(wire: Wire, interval_seconds: float) -> None:
    while True:
        wire.venue.advance(wire.clock.now_ms())
        await asyncio.sleep(interval_seconds)
