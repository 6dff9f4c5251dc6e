"""`python -m services`: everything on this machine. With ORDERGATE_CONFIG it serves that installation, else a simulated one."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from ordergate.runtime.identities import Identities
from ordergate.runtime.server import free_port
from ordergate.trading.errors import OrdergateError
from ordergate.trading.ids import VenueName
from ordergate.venues.registry import find_venue
from services.development import VENUE, Development, write_development
from services.identities import OPERATOR, write_identities
from services.supervisor import Ports, Supervisor

READY_SECONDS = 30.0
ENVIRONMENT = """environment:
  ORDERGATE_HOME            folder of all files, .ordergate
  ORDERGATE_CONFIG          an installation of your own instead of the simulated one
  ORDERGATE_VENUE           which venue is simulated: zetarium, binance-spot or binance-futures
  ORDERGATE_NATS_PORT       4222; 0 picks one, as for the next two
  ORDERGATE_SIMULATOR_PORT  8700
  ORDERGATE_METRICS_PORT    8720 and up
  ORDERGATE_IDENTITIES      1: the bus lets in only who has an identity, each with its own rights; an operator's is made too
  ORDERGATE_SYNC            always: the bus writes to disk before it acknowledges; anything else: relaxed
"""


def supervisor_from_environment() -> Supervisor:
    """ORDERGATE_HOME, ORDERGATE_CONFIG, ORDERGATE_VENUE, ORDERGATE_NATS_PORT, ORDERGATE_SIMULATOR_PORT, ORDERGATE_METRICS_PORT, ORDERGATE_SYNC.

    Raises UnknownVenue.
    """
    home = Path(os.environ.get("ORDERGATE_HOME", ".ordergate")).resolve()
    ports = Ports(
        nats=int(os.environ.get("ORDERGATE_NATS_PORT", "4222")),
        simulator=int(os.environ.get("ORDERGATE_SIMULATOR_PORT", "8700")) or free_port(),
        health=int(os.environ.get("ORDERGATE_METRICS_PORT", "8720")),
    )
    sync_always = os.environ.get("ORDERGATE_SYNC", "always") == "always"
    configured = os.environ.get("ORDERGATE_CONFIG")
    if configured:
        return Supervisor(
            home=home,
            installation=Path(configured),
            simulator_document=None,
            ports=ports,
            sync_always=sync_always,
            identities=_identities(home, Path(configured)),
        )
    venue = find_venue(VenueName(os.environ.get("ORDERGATE_VENUE", VENUE))).declaration.venue
    written = write_development(home, Development(venue=venue), simulator_port=ports.simulator)
    return Supervisor(
        home=home,
        installation=written.installation,
        simulator_document=written.simulator,
        ports=ports,
        sync_always=sync_always,
        identities=_identities(home, written.installation),
    )


def _identities(home: Path, installation: Path) -> Identities | None:
    """Those in the home's folder `identities`, with what is missing made; None where they are not wanted."""
    if os.environ.get("ORDERGATE_IDENTITIES", "0") in {"", "0"}:
        return None
    return write_identities(home, installation)


async def main() -> int:
    """Run until SIGTERM or SIGINT; 1 if a part cannot be kept running."""
    try:
        supervisor = supervisor_from_environment()
    except OrdergateError as error:
        _say(f"ordergate could not start: {error}")
        return 1
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, supervisor.call_emergency)
    try:
        await supervisor.start()
        await supervisor.ready(limit_seconds=READY_SECONDS)
        _say_where(supervisor)
        failure = asyncio.create_task(supervisor.failed())
        stop = asyncio.create_task(stopped.wait())
        await asyncio.wait({failure, stop}, return_when=asyncio.FIRST_COMPLETED)
        if failure.done():
            _say(f"ordergate stops: {failure.result()}")
        return 1 if failure.done() else 0
    except OrdergateError as error:
        _say(f"ordergate could not start: {error}")
        return 1
    finally:
        await supervisor.stop()


def _say_where(supervisor: Supervisor) -> None:
    simulator = supervisor.simulator_url if supervisor.simulator_document else "none: your own configuration"
    _say(f"bus        {supervisor.nats_url}")
    _say(f"simulator  {simulator}")
    if supervisor.identities is not None:
        _say(f"identities {supervisor.identities.folder}; for the command: ORDERGATE_NATS_SEED_FILE=.../{OPERATOR}.nk")
    for name, port in supervisor.health.items():
        _say(f"{name:<18} http://127.0.0.1:{port}/ready  /live  /metrics")
    _say(f"files      {supervisor.home}")
    _say("ready")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _read_arguments() -> None:
    """There are none, but --help; whatever else is typed is refused instead of ignored."""
    parser = argparse.ArgumentParser(
        prog="python -m services",
        description="Start everything on this machine; ends with Ctrl-C.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()


if __name__ == "__main__":
    _read_arguments()
    sys.exit(asyncio.run(main()))
