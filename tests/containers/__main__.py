"""`make docker-test`: the image is built, compose comes up, a bare client trades, containers are killed, all books are compared, all is taken down.

The last line is the result as JSON; exit code 0: no difference, within the limits. Without an engine it says `skipped: no engine` and ends with 0.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.evidence import Evidence, settle
from ordergate.client import connect
from ordergate.runtime.server import free_port
from ordergate.simulator.oracle import OrderId
from ordergate.trading.ids import AccountName, ClientOrderId
from tests.containers.contents import layers, unlike
from tests.containers.engine import Failed, Project, compose_command, composes, image_bytes, missing, run
from tests.containers.trader import (
    ACCOUNT,
    STRATEGY,
    VENUE,
    Bus,
    connected,
    fill_of,
    inbox_of,
    is_let_in_without_identity,
    place,
)
from tests.otlp_receiver import OtlpReceiver, otlp_receiver

IMAGE = "ordergate:docker-test"
FIRST_FILL_SECONDS_MAX = 20.0
BUS_IMAGE = "nats:2.15-alpine"
BUS_TESTS = ("ledger", "publisher", "provision", "lanes", "shelf", "feed", "connection", "client")
IMAGE_BYTES_MAX = 200_000_000
START_SECONDS = 120.0
RESTART_SECONDS = 60.0
SETTLE_SECONDS = 60.0
SPAN_SECONDS = 15.0
KILLED = ("risk", "order_submission", "status_polling", "fill_streaming", "position_tracking", "nats")
TRACED = frozenset({"risk", "order_submission"})
AUTHORITY = "/var/lib/ordergate/installation/authority.pem"
SEED = "/var/lib/ordergate/secrets/strategy/bus.nk"


@dataclass(slots=True)
class Run:
    """What was measured so far."""

    figures: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        print(text, flush=True)


def main() -> int:
    """0: as promised, or no engine. 1: a difference, a limit passed, or something could not be started."""
    reason = missing()
    if reason is not None:
        print(f"skipped: {reason}")
        return 0
    done = Run()
    try:
        _read_by_compose(done)
        _build(done)
        asyncio.run(_trade(done))
        _test_bus(done)
    except (Failed, TimeoutError, AssertionError) as error:
        done.faults.append(f"{type(error).__name__}: {error}")
    for fault in done.faults:
        done.say(fault)
    differences = done.figures.pop("differences", None)
    print(json.dumps({**done.figures, "faults": len(done.faults), "differences": differences}))
    return 1 if done.faults or differences != 0 else 0


def _read_by_compose(done: Run) -> None:
    """Every compose that is here takes the file, with all its profiles."""
    profiles = ("--profile", "observability", "--profile", "tools")
    for compose in composes():
        run(*compose, *profiles, "config", "--quiet")
    done.figures["compose"] = run(*compose_command(), "version").splitlines()[0].strip()
    done.say(f"{len(composes())} compose here take the file; {done.figures['compose']} runs it")


def _build(done: Run) -> None:
    began = time.monotonic()
    run("docker", "build", "--file", "deploy/Dockerfile", "--tag", IMAGE, ".")
    size = image_bytes(IMAGE)
    done.figures |= {"buildSeconds": round(time.monotonic() - began, 1), "imageBytes": size}
    done.say(f"image {size / 1e6:.0f} MB, built in {done.figures['buildSeconds']} s")
    if size >= IMAGE_BYTES_MAX:
        done.faults.append(f"the image has {size} bytes; less than {IMAGE_BYTES_MAX} are wanted")
    if os.environ.get("TWICE"):
        _build_again(done)


def _build_again(done: Run) -> None:
    again = f"{IMAGE}-again"
    run("docker", "build", "--no-cache", "--file", "deploy/Dockerfile", "--tag", again, ".")
    first, second = layers(IMAGE), layers(again)
    found = [] if first == second else unlike(IMAGE, again)
    run("docker", "image", "rm", again)
    done.figures |= {
        "layers": second,
        "layersUnlike": sum(one != other for one, other in zip(first, second, strict=True)),
    }
    done.say(
        f"built again without the cache: {done.figures['layersUnlike']} of {len(second)} layers differ {' '.join(found[:10])}"
    )
    if first != second:
        done.faults.append("two builds of one tree are not the same")


def _test_bus(done: Run) -> None:
    """The claims about the bus, at the image of the bus instead of the binary of the wheel."""
    files = [f"tests/integration/test_{name}.py" for name in BUS_TESTS]
    told = run(sys.executable, "-m", "pytest", "-q", *files, environment={"ORDERGATE_TEST_BUS_IMAGE": BUS_IMAGE})
    done.figures["busTests"] = told.strip().splitlines()[-1]
    done.say(f"the bus tests at {BUS_IMAGE}: {done.figures['busTests']}")


async def _trade(done: Run) -> None:
    gateway = run("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
    with otlp_receiver(host="0.0.0.0") as receiver, tempfile.TemporaryDirectory() as folder:  # noqa: S104 - containers reach it
        project = Project(
            f"ordergate-test-{secrets.token_hex(4)}",
            {
                "ORDERGATE_IMAGE": IMAGE,
                "ORDERGATE_NATS_PORT": str(free_port()),
                "ORDERGATE_SIMULATOR_PORT": str(free_port()),
                "ORDERGATE_EXAMPLE_PAUSE_SECONDS": "0.3",
                "ORDERGATE_OTLP_ENDPOINT": f"http://{gateway or '172.17.0.1'}:{receiver.port}",
            },
        )
        try:
            await _up_and_down(done, project, receiver, Path(folder))
        except (Failed, TimeoutError, AssertionError):
            done.say(project("ps"))
            done.say(project("logs", "--no-color", "--tail", "8"))
            raise
        finally:
            await asyncio.to_thread(project.down)


async def _up_and_down(done: Run, project: Project, receiver: OtlpReceiver, folder: Path) -> None:
    began = time.monotonic()
    starting = asyncio.create_task(asyncio.to_thread(project, "up", "-d", "--no-build"))
    bus = await _bus(project, folder, starting)
    async with connected(bus, limit_seconds=START_SECONDS) as client:
        await asyncio.to_thread(project.wait_well, "risk", limit_seconds=START_SECONDS)
        orders = [await place(client, limit_seconds=START_SECONDS)]
        fill = await fill_of(client, orders[0], limit_seconds=START_SECONDS)
        done.figures["firstFillSeconds"] = round(time.monotonic() - began, 1)
        done.say(
            f"first fill {done.figures['firstFillSeconds']} s after compose up: {fill['quantity']} at {fill['price']}"
        )
        await starting
        done.figures["upSeconds"] = round(time.monotonic() - began, 1)
        if done.figures["firstFillSeconds"] > FIRST_FILL_SECONDS_MAX:
            done.faults.append(f"the first fill took longer than {FIRST_FILL_SECONDS_MAX} s")
        if await is_let_in_without_identity(bus):
            done.faults.append("the bus lets in who has no identity")
        await _find_trace(done, receiver, orders[0])
        done.figures["restartSeconds"] = {}
        for service in KILLED:
            killed = await asyncio.to_thread(project.kill, service, IMAGE)
            orders.append(await place(client, limit_seconds=START_SECONDS))
            back = await asyncio.to_thread(project.wait_restarted, service, killed, limit_seconds=RESTART_SECONDS)
            await fill_of(client, orders[-1], limit_seconds=START_SECONDS)
            done.figures["restartSeconds"][service] = round(back, 1)
            done.say(f"killed {service}: well again after {back:.1f} s, and the order given meanwhile is filled")
    await asyncio.to_thread(project, "stop", "strategy")
    evidence = await _compare(project, bus, orders)
    for difference in evidence.differences:
        done.say(f"[{difference.promise}] {difference.client_order_id}: {difference.what}")
    done.figures |= {
        "orders": len(evidence.story.histories),
        "fills": len(evidence.fills),
        "kills": len(KILLED),
        "differences": len(evidence.differences),
    }


async def _bus(project: Project, folder: Path, starting: asyncio.Task[str]) -> Bus:
    """As soon as its certificate and our identity are there."""
    while not await asyncio.to_thread(project.has_ended, "prepare"):
        if starting.done():
            starting.result()
        await asyncio.sleep(0.2)
    authority = await asyncio.to_thread(project.read, "prepare", AUTHORITY, folder / "authority.pem")
    url = f"tls://localhost:{project.environment['ORDERGATE_NATS_PORT']}"
    seed = await asyncio.to_thread(project.read, "prepare", SEED, folder / "bus.nk")
    seed.chmod(0o400)
    return Bus(url=url, authority=authority, options={"nkeys_seed": str(seed), "inbox_prefix": inbox_of(seed)})


async def _find_trace(done: Run, receiver: OtlpReceiver, order: str) -> None:
    trace = hashlib.sha256(order.encode()).digest()[:16].hex()

    def services(received: OtlpReceiver) -> set[str]:
        return {span.service for span in received.spans if span.trace_id == trace}

    await asyncio.to_thread(
        receiver.wait_for,
        lambda received: {name for name in TRACED if any(name in each for each in services(received))} == TRACED,
        limit_seconds=SPAN_SECONDS,
    )
    done.figures["traced"] = sorted(services(receiver))
    done.say(f"trace {trace}: spans of {', '.join(done.figures['traced'])}")


async def _compare(project: Project, bus: Bus, orders: list[str]) -> Evidence:
    os.environ["SSL_CERT_FILE"] = str(bus.authority)  # of this process alone: the simulator's books are read over https
    placed: list[OrderId] = [(AccountName(ACCOUNT), ClientOrderId(order)) for order in orders]
    url = f"https://localhost:{project.environment['ORDERGATE_SIMULATOR_PORT']}"
    async with connect(
        bus.url, venue=VENUE, account=ACCOUNT, strategy=STRATEGY, tls=bus.tls(), **bus.options
    ) as gateway:
        return await settle([gateway], placed, url, limit_seconds=SETTLE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
