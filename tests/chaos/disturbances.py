"""What goes wrong in a round: one kind a round, drawn from its seed, beside the faults that the simulated venue makes all the time."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ordergate.ports.venue import OrderEntry
from ordergate.runtime.crash_points import crash_points
from ordergate.trading.ids import VenueName
from ordergate.venues.registry import find_venue
from services.supervisor import BUS, SERVICES, Supervisor
from tests.chaos.evidence import post_json
from tests.chaos.proxy import BLACK_HOLE, DEAF, MUTE, NONE, Proxy, Trouble
from tests.chaos.watching import LOOK_AGAIN_SECONDS, Outage, Watch, diary_lines, now_ms

VENUE_LINK = "venue"
FROZEN_SECONDS = 10.0
AWAKE_SECONDS = 3.0
KILL_PAUSE_SECONDS = 1.2
TROUBLE_SECONDS = 1.5
STREAM_PAUSE_SECONDS = 5.0
FULL_SECONDS = 5.0
FULL_ROOM_BYTES = 4096
CLOCK_JUMPS_MS = (9_000, 0, -7_000, 1_500, -900, 0)
POINTS_PER_SERVICE = 5
_FREQUENT = ("append.approved", "append.submitting", "send.place", "ack.intents", "ack.orders", "store")

CALLS: Mapping[str, Mapping[OrderEntry, tuple[str, str]]] = {
    "zetarium": {OrderEntry.REST: ("POST /v2/orders", "DELETE /v2/orders/:id")},
    "binance-spot": {
        OrderEntry.REST: ("POST /api/v3/order", "DELETE /api/v3/order"),
        OrderEntry.SOCKET: ("WS order.place", "WS order.cancel"),
    },
    "binance-futures": {OrderEntry.REST: ("POST /fapi/v1/order", "DELETE /fapi/v1/order")},
}
"""What a venue calls placing and canceling an order, on each way that it takes them."""
STREAM_FAULTS = (
    {"kind": "stream_doubled", "rate": 0.03},
    {"kind": "stream_late", "rate": 0.03, "delayMs": 700},
    {"kind": "stream_reordered", "rate": 0.03, "delayMs": 60},
    {"kind": "stream_cut", "rate": 0.01},
)
SOCKET_FAULTS = (
    {"kind": "answer_doubled", "call": "WS order.place", "rate": 0.01},
    {"kind": "answer_misnamed", "call": "WS order.place", "rate": 0.01},
    {"kind": "black_hole", "call": "WS order.place", "rate": 0.005, "phase": "after"},
    {"kind": "slow", "call": "WS order.cancel", "rate": 0.03, "delayMs": 400, "phase": "after"},
)
"""What only a connection with many requests under way at once can suffer, or suffers otherwise."""


def venue_faults(venue: str, entry: OrderEntry = OrderEntry.REST) -> list[dict[str, object]]:
    """Executed and not said, said to have failed, never arrived, late, half of an answer; told twice, late, in another order, not at all.

    With the socket both ways suffer: while it is not there orders go over REST.
    """
    calls: list[dict[str, object]] = [
        {"kind": "reset", "rate": 0.005, "phase": "after"},
        {"kind": "error_after_execution", "rate": 0.005, "status": 502, "body": "html"},
    ]
    for way in {OrderEntry.REST: 0, entry: 0}:
        calls += _call_faults(*CALLS[venue][way])
    calls += SOCKET_FAULTS if entry is OrderEntry.SOCKET else ()
    streams = find_venue(VenueName(venue)).declaration.private_stream
    return [*calls, *STREAM_FAULTS] if streams else calls


def _call_faults(place: str, cancel: str) -> list[dict[str, object]]:
    return [
        {"kind": "answer_lost", "call": place, "rate": 0.04},
        {"kind": "error_after_execution", "call": place, "rate": 0.03, "status": 503},
        {"kind": "reset", "call": place, "rate": 0.03, "phase": "before"},
        {"kind": "slow", "call": place, "rate": 0.05, "delayMs": 400, "phase": "before"},
        {"kind": "answer_lost", "call": cancel, "rate": 0.05},
    ]


@dataclass(slots=True, kw_only=True)
class Ground:
    """A running system and the levers on it. links: the proxies, by what stands behind each."""

    home: Path
    supervisor: Supervisor
    watch: Watch
    drawn: random.Random
    seconds: float
    diary: Path
    replicas: Sequence[Path] = ()
    links: Mapping[str, Proxy] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def kill(self, name: str) -> None:
        pid = self.supervisor.pids().get(name)
        if pid is not None:
            self.watch.note(name, "kill")
            os.kill(pid, signal.SIGKILL)


Disturb = Callable[[Ground], Awaitable[None]]


def armed_points(drawn: random.Random, hits: Counter[str]) -> dict[str, str]:
    """For each service a few points, those that were hit least first, each at some early passage."""
    armed = {}
    for service in SERVICES:
        names = [point.name for point in crash_points() if point.service == service]
        drawn.shuffle(names)
        chosen = sorted(names, key=lambda name: hits[name])[:POINTS_PER_SERVICE]
        armed[service] = ",".join(f"{name}:{drawn.randint(1, _passages(name))}" for name in chosen)
    return armed


def _passages(name: str) -> int:
    return 20 if name.split(".", 1)[1].rsplit(".", 1)[0] in _FREQUENT else 2


def freezing_point(drawn: random.Random) -> str:
    """Somewhere between the write-ahead and what becomes of it."""
    place = drawn.choice(
        ("append.submitting.before", "append.submitting.during", "append.submitting.after",
         "send.place.before", "send.place.during", "send.place.after")
    )  # fmt: skip
    return f"order_submission.{place}:{drawn.randint(5, 25)}=stop"


async def points(ground: Ground) -> None:
    """The services kill themselves, as their environment says; in every other such round the bus dies once among them."""
    killed_after = ground.drawn.uniform(0.2, 1.8) * ground.seconds
    await asyncio.sleep(min(killed_after, ground.seconds))
    if killed_after < ground.seconds:
        ground.kill(BUS)
        await asyncio.sleep(ground.seconds - killed_after)


async def kills(ground: Ground) -> None:
    """kill -9 of one part after the other, the bus as often as all services together nearly."""
    async with _limit(ground.seconds):
        while True:
            await asyncio.sleep(ground.drawn.uniform(0.3, 1.7) * KILL_PAUSE_SECONDS)
            ground.kill(ground.drawn.choice([*ground.supervisor.health, BUS, BUS]))


async def replicas(ground: Ground) -> None:
    """Two of every service; whichever dies, the other is there."""
    await kills(ground)


async def frozen(ground: Ground) -> None:
    """An owner that stops in mid-submit, is taken over, and wakes up again."""
    stopped = await _stopped(ground)
    if stopped is None:
        ground.notes.append("nobody came to the point where it was to freeze")
        return
    place, pid = stopped
    try:
        await asyncio.sleep(FROZEN_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    ground.notes.append(f"{place} woke after {FROZEN_SECONDS:.0f} s")
    await asyncio.sleep(AWAKE_SECONDS)


async def _stopped(ground: Ground) -> tuple[str, int] | None:
    """Who has frozen itself, and its pid; None if nobody does in time."""
    for _ in range(int(ground.seconds / LOOK_AGAIN_SECONDS)):
        for place, pid, _ in diary_lines(ground.diary):
            if place.endswith("=stop"):
                return place, pid
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return None


async def proxied(ground: Ground) -> None:
    """Every connection through a proxy; one after the other is slow, deaf, mute, cut, refused or reset."""
    troubles = (
        BLACK_HOLE, DEAF, MUTE, Trouble(latency_seconds=0.25), Trouble(refuse=True),
        Trouble(cut_after_bytes=2_000), Trouble(cut_after_bytes=300),
    )  # fmt: skip
    names = [*ground.links, VENUE_LINK]
    try:
        async with _limit(ground.seconds):
            while True:
                name, trouble = ground.drawn.choice(names), ground.drawn.choice(troubles)
                link, began_ms = ground.links[name], now_ms()
                link.trouble = trouble
                if trouble.refuse or ground.drawn.random() < 0.2:
                    link.reset_all()
                await asyncio.sleep(TROUBLE_SECONDS)
                link.trouble = NONE
                target = name if name == VENUE_LINK else BUS
                ground.watch.outages.append(Outage(target=target, from_ms=began_ms, to_ms=now_ms()))
    finally:
        for link in ground.links.values():
            link.trouble = NONE
            link.reset_all()  # what a black hole has eaten of a stream of bytes cannot be read on


async def streams(ground: Ground) -> None:
    """The venue's private streams are cut, fall silent (with and without pings), and are shut down, while everything else is well."""
    door = f"{ground.supervisor.simulator_url}/simulator/streams"
    actions: tuple[dict[str, object], ...] = (
        {"action": "cut"},
        {"action": "silence"},
        {"action": "silence", "pings": True},
        {"action": "shutdown", "delayMs": 1_500},
    )
    changes = 0
    async with _limit(ground.seconds):
        while True:
            await asyncio.sleep(ground.drawn.uniform(0.5, 1.5) * STREAM_PAUSE_SECONDS)
            await asyncio.to_thread(post_json, door, ground.drawn.choice(actions))
            changes += 1
    ground.notes.append(f"{changes} times the streams were cut, silenced or shut down")


async def full_disk(ground: Ground) -> None:
    """The bus's disk fills up under load, stays full, and is emptied."""
    bus = ground.home / "bus"
    filler = bus / "filler"
    loop = asyncio.get_running_loop()
    end = loop.time() + ground.seconds
    async with _limit(ground.seconds / 2):  # where nothing is stored, it fills up all the same
        before = orders_bytes(bus)
        while True:
            if orders_bytes(bus) > before:
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    began_ms = now_ms()
    try:
        await asyncio.to_thread(fill_disk, filler)
        await asyncio.sleep(FULL_SECONDS)
    finally:
        filler.unlink(missing_ok=True)
        ground.watch.outages.append(Outage(target=BUS, from_ms=began_ms, to_ms=now_ms()))
    await asyncio.sleep(max(1.0, end - loop.time()))


def orders_bytes(bus: Path) -> int:
    """What the server keeps of ORDERS on its disk: more than before says that orders are on their way now."""
    found = 0
    for block in bus.glob("store/jetstream/*/streams/ORDERS/msgs/*.blk"):
        with suppress(FileNotFoundError):  # the server takes blocks away, too
            found += block.stat().st_size
    return found


def fill_disk(path: Path) -> None:
    with path.open("wb") as filler:
        block = b"\0" * 65_536
        while len(block) >= FULL_ROOM_BYTES:
            try:
                os.write(filler.fileno(), block)
            except OSError:
                block = block[: len(block) // 2]


async def clock_jumps(ground: Ground) -> None:
    """The venue's clock jumps forth and back, and after each jump some service has to begin anew with it."""
    door = f"{ground.supervisor.simulator_url}/simulator/clock"
    try:
        for offset_ms in CLOCK_JUMPS_MS:
            await asyncio.to_thread(post_json, door, {"offsetMs": offset_ms})
            await asyncio.sleep(ground.seconds / len(CLOCK_JUMPS_MS) / 2)
            ground.kill(ground.drawn.choice(list(ground.supervisor.health)))
            await asyncio.sleep(ground.seconds / len(CLOCK_JUMPS_MS) / 2)
    finally:
        await asyncio.to_thread(post_json, door, {"offsetMs": 0})


class _limit:  # noqa: N801 - it reads as what it is
    """Ends the block after so many seconds, without a word."""

    def __init__(self, seconds: float) -> None:
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *error: object) -> bool:
        with suppress(TimeoutError):
            await self._timeout.__aexit__(*error)  # type: ignore[arg-type]
        return self._timeout.expired()


KINDS: Mapping[str, Disturb] = {
    "points": points,
    "kills": kills,
    "frozen": frozen,
    "proxied": proxied,
    "full_disk": full_disk,
    "clock_jumps": clock_jumps,
    "replicas": replicas,
    "streams": streams,
}

ORDER = (
    "points", "kills", "frozen", "points", "proxied", "full_disk", "points", "replicas", "clock_jumps", "points",
)  # fmt: skip
"""The kinds of ten rounds. `streams` is played where it is asked for, at a venue that has them."""
