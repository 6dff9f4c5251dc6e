"""Many histories on many cores: each seed is run and judged by itself, so any order and any number of workers give the same result."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from ordergate.ports.venue import OrderEntry
from ordergate.trading.ids import VenueName
from tests.simulation.ambient import quiet_graves, simulated
from tests.simulation.controls import CONTROLS
from tests.simulation.judge import Verdict, agree, judge
from tests.simulation.plan import ZETARIUM, draw_plan
from tests.simulation.world import Moment, World

CHUNK = 20
FOUND_ENOUGH = 3
"""So many histories that give a control away are enough."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A history that broke a promise; `what` is its first difference."""

    seed: int
    what: str


@dataclass(slots=True)
class Tally:
    """What a number of histories came to."""

    histories: int = 0
    orders: int = 0
    executed: int = 0
    broken: list[Broken] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.histories += other.histories
        self.orders += other.orders
        self.executed += other.executed
        self.broken += other.broken


@dataclass(frozen=True, slots=True)
class Place:
    """Where histories happen: a venue, and by which way its orders are sent."""

    venue: VenueName = ZETARIUM
    entry: OrderEntry = OrderEntry.REST


AT_ZETARIUM = Place()


def run_history(seed: int, *, control: str | None = None, place: Place = AT_ZETARIUM) -> Verdict:
    """One history from its seed."""
    verdict, _ = _run(seed, place, control=control, record=False)
    return verdict


def tell_history(seed: int, *, control: str | None = None, place: Place = AT_ZETARIUM) -> tuple[Verdict, list[Moment]]:
    """One history with everything that happened in it."""
    return _run(seed, place, control=control, record=True)


def _run(seed: int, place: Place, *, control: str | None, record: bool) -> tuple[Verdict, list[Moment]]:
    plan = draw_plan(seed, place.venue, place.entry)
    with (
        simulated(feed_pace_seconds=plan.feed_pace_seconds),
        CONTROLS[control].built_in() if control else nullcontext(),
    ):
        world = World(plan, record=record)
        world.run(agree)
        verdict = judge(world)
        world.close()
    return verdict, world.moments


def run_chunk(first: int, count: int, control: str | None = None, place: Place = AT_ZETARIUM) -> Tally:
    """So many seeds, one after the other. With a control only what gives it away counts as broken."""
    tally = Tally()
    with _throwing_worlds_away(), quiet_graves():
        for seed in range(first, first + count):
            verdict = run_history(seed, control=control, place=place)
            tally.histories += 1
            tally.orders += verdict.orders
            tally.executed += verdict.executed
            gives_away = CONTROLS[control].gives_away if control else None
            found = [each for each in verdict.differences if gives_away is None or gives_away(each)]
            if found:
                first_one = found[0]
                what = f"[{first_one.promise}] {first_one.account} {first_one.client_order_id}: {first_one.what}"
                tally.broken.append(Broken(seed, what))
            gc.collect()
            gc.freeze()  # what is left is known for good: names, caches
    return tally


@contextmanager
def _throwing_worlds_away() -> Iterator[None]:
    """A world is one heap of cycles, thrown away as a whole after its end; what was there before it is not looked through each time."""
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


def run_many(pool: ProcessPoolExecutor, first: int, count: int, place: Place = AT_ZETARIUM) -> Iterator[Tally]:
    """As they are done."""
    chunks = [
        pool.submit(run_chunk, start, min(CHUNK, first + count - start), None, place)
        for start in range(first, first + count, CHUNK)
    ]
    waiting: set[Future[Tally]] = set(chunks)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for each in done:
            yield each.result()


def hunt(name: str, *, first: int = 1, enough: int = FOUND_ENOUGH, place: Place = AT_ZETARIUM) -> Tally:
    """Run a control until it is found often enough, or its histories are used up. Always the same seeds, so that what is found stays found."""
    tally = Tally()
    control = CONTROLS[name]
    while len(tally.broken) < enough and tally.histories < control.histories_max:
        left = control.histories_max - tally.histories
        tally.add(run_chunk(first + tally.histories, min(CHUNK, left), name, place))
    return tally


def digests(seeds: Sequence[int], place: Place = AT_ZETARIUM) -> list[str]:
    """What each of these histories comes to, in this process."""
    with quiet_graves():
        return [run_history(seed, place=place).digest for seed in seeds]


def digests_elsewhere(seeds: Sequence[int], *, hash_seed: int, place: Place = AT_ZETARIUM) -> list[str]:
    """The same in another process, whose sets and dicts of strings are in another order."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "digests", place.venue, place.entry, *map(str, seeds)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    answer = json.loads(told.stdout.splitlines()[-1])
    return [str(each) for each in answer]
