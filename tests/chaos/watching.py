"""Who died when, and when it was back: by its pid and by what it says of itself, looked at fifty times a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from services.supervisor import BUS, SIMULATOR, Supervisor

LOOK_AGAIN_SECONDS = 0.02
ASK_SECONDS = 0.5
ALONE_MS = 1_500
"""What was killed so long ago has started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """way: `kill` (kill -9 from outside), a crash point's name, or `stop` (frozen, not dead). Times: wall clock of this machine."""

    target: str
    at_ms: int
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """A new process of the target is ready (the bus: takes connections)."""

    target: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    target: str
    from_ms: int
    to_ms: int


@dataclass(slots=True)
class Watch:
    """Runs beside a round. outages: those that a disturbance makes without killing (a proxy, a full disk)."""

    supervisor: Supervisor
    kills: list[Kill] = field(default_factory=list)
    backs: list[Back] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        for name in [name for name in self.supervisor.parts if name != SIMULATOR]:
            self.follow(name)
        self._tasks.append(asyncio.create_task(self._follow(BUS, self._bus_answers)))

    def follow(self, name: str) -> None:
        """A part that came later."""
        self._tasks.append(asyncio.create_task(self._follow(name, lambda: self._is_ready(name))))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def note(self, target: str, way: str) -> None:
        self.kills.append(Kill(target=target, at_ms=now_ms(), way=way))

    def read_diary(self, diary: Path) -> None:
        """What processes did to themselves: `<point>:<passage>=<way> <pid> <ms>` a line."""
        for place, _pid, at_ms in diary_lines(diary):
            point = place.split(":", 1)[0]
            way = "stop" if place.endswith("=stop") else point
            self.kills.append(Kill(target=point.split(".", 1)[0], at_ms=at_ms, way=way))
        self.kills.sort(key=lambda kill: kill.at_ms)

    def recoveries(self) -> Iterable[tuple[Kill, int, bool]]:
        """Each kill with the milliseconds until its target was ready, and whether nothing else was starting meanwhile.

        Left out are those that another kill of the same target or of the bus disturbed.
        """
        for kill in self.kills:
            if kill.way == "stop":
                continue
            back = next((b for b in self.backs if b.target == kill.target and b.at_ms > kill.at_ms), None)
            if back is not None and not self._disturbed(kill, back):
                others = [o for o in self.kills if o is not kill and kill.at_ms - ALONE_MS <= o.at_ms <= back.at_ms]
                yield kill, back.at_ms - kill.at_ms, not others

    def all_outages(self) -> list[Outage]:
        """Of every target, those made by kills too."""
        made = [
            Outage(target=kill.target, from_ms=kill.at_ms, to_ms=back.at_ms)
            for kill in self.kills
            if (back := next((b for b in self.backs if b.target == kill.target and b.at_ms > kill.at_ms), None))
        ]
        return [*self.outages, *made]

    def _disturbed(self, kill: Kill, back: Back) -> bool:
        others = [k for k in self.kills if k is not kill and k.target in {kill.target, BUS}]
        if any(kill.at_ms - 500 <= other.at_ms <= back.at_ms for other in others):
            return True
        overlap = (o for o in self.all_outages() if o.target == BUS and kill.target != BUS)
        return any(o.from_ms <= back.at_ms and o.to_ms >= kill.at_ms for o in overlap)

    async def _follow(self, name: str, is_back: Callable[[], Awaitable[bool]]) -> None:
        pid = self.supervisor.pids().get(name)
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            now = self.supervisor.pids().get(name)
            if now == pid:
                continue
            while now is None or not await is_back():
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
                now = self.supervisor.pids().get(name)
            self.backs.append(Back(target=name, at_ms=now_ms()))
            pid = now

    async def _is_ready(self, name: str) -> bool:
        return await _answers(self.supervisor.health[name], b"GET /ready HTTP/1.0\r\n\r\n", b" 200 ")

    async def _bus_answers(self) -> bool:
        return await _answers(int(self.supervisor.nats_url.rsplit(":", 1)[1]), b"", b"INFO ")


def diary_lines(diary: Path) -> list[tuple[str, int, int]]:
    """(place, pid, ms) of each strike so far."""
    lines = diary.read_text().splitlines() if diary.exists() else []
    return [(place, int(pid), int(at)) for place, pid, at in (line.split(" ") for line in lines)]


async def _answers(port: int, question: bytes, wanted: bytes) -> bool:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(question)
                return wanted in await reader.read(200)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def now_ms() -> int:
    return time.time_ns() // 1_000_000
