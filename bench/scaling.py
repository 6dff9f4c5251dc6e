"""`python -m bench.scaling`: how many shards, cores and bus clusters so many accounts and orders need, from measured figures (docs/scaling.md).

Without a word it is arithmetic: nothing runs. ACCOUNTS and ORDERS_PER_SECOND (of all together) for one row; without, the three of the guide.

`python -m bench.scaling check` measures: the model is fitted to three loads of one shard, says what a fourth beyond them will cost, and that is
measured too. The last line is the result as JSON. FIT (2:0,2:100,4:0; accounts:orders a second, few, busy, more), CHECK (6:150), POINT_SECONDS (10, of each).
"""

import asyncio
import itertools
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one shard cost at one load. services, bus: CPU seconds a second of its five processes and of nats-server; mb: resident, the five."""

    accounts: int
    orders_per_second: float
    services: float
    bus: float
    mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One cost of a shard: base + each account + each order a second."""

    base: float
    account: float
    order: float

    def at(self, accounts: float, orders_per_second: float, *, shards: int = 1) -> float:
        return self.base * shards + self.account * accounts + self.order * orders_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The three costs of a shard: cores of its services, cores of the bus for it, resident MB."""

    services: Plane
    bus: Plane
    mb: Plane


def fit(few: Point, more: Point, busy: Point) -> Costs:
    """The costs that these three loads have exactly. Raises ValueError where they do not differ as they must."""
    return Costs(
        services=_plane(few, more, busy, (few.services, more.services, busy.services)),
        bus=_plane(few, more, busy, (few.bus, more.bus, busy.bus)),
        mb=_plane(few, more, busy, (few.mb, more.mb, busy.mb)),
    )


def _plane(few: Point, more: Point, busy: Point, costs: tuple[float, float, float]) -> Plane:
    if few.accounts == more.accounts or few.orders_per_second != more.orders_per_second:
        raise ValueError("the first two loads must differ in their accounts, and only in them")
    if few.accounts != busy.accounts or few.orders_per_second == busy.orders_per_second:
        raise ValueError("the first and the third load must differ in their orders, and only in them")
    account = (costs[1] - costs[0]) / (more.accounts - few.accounts)
    order = (costs[2] - costs[0]) / (busy.orders_per_second - few.orders_per_second)
    base = costs[0] - account * few.accounts - order * few.orders_per_second
    return Plane(base=base, account=account, order=order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Measured on one machine; another has others."""

    costs: Costs
    appends_per_order: float
    """To ORDERS, the fullest stream."""
    appends_per_second: float
    """What one stream with fsync takes."""
    busy_max: float = 0.6
    """Part of a core, and of a stream, that is planned with: the rest is for restarts, moves and bursts."""
    cores_per_shard: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """cores, bus_cores: as many as are busy_max busy. memory_gb: of the services."""

    cores: float
    shards: int
    bus_cores: float
    bus_clusters: int
    memory_gb: float


def needed(figures: Figures, *, accounts: int, orders_per_second: float) -> Needed:
    """Orders spread evenly over the accounts, and accounts over the shards."""
    costs, room = figures.costs, figures.busy_max
    load = costs.services.account * accounts + costs.services.order * orders_per_second
    shards = max(1, math.ceil(load / (figures.cores_per_shard * room - costs.services.base)))
    appends = orders_per_second * figures.appends_per_order
    return Needed(
        cores=costs.services.at(accounts, orders_per_second, shards=shards) / room,
        shards=shards,
        bus_cores=costs.bus.at(accounts, orders_per_second, shards=shards) / room,
        bus_clusters=max(1, math.ceil(appends / (figures.appends_per_second * room))),
        memory_gb=costs.mb.at(accounts, orders_per_second, shards=shards) / 1_000,
    )


MEASURED = Figures(
    costs=Costs(
        services=Plane(base=0.025, account=0.0030, order=0.0048),
        bus=Plane(base=0.014, account=0.0035, order=0.0030),
        mb=Plane(base=406, account=1.7, order=0.05),
    ),
    appends_per_order=3,
    appends_per_second=2_200,
)
"""On a 2-core VM with fsync on; docs/scaling.md says where each comes from."""

GUIDE = ((10, 20.0), (1_000, 500.0), (100_000, 10_000.0))


def table(rows: Sequence[tuple[int, float]]) -> list[str]:
    lines = ["accounts  orders/s     cores  shards  bus cores  bus clusters  memory GB"]
    for accounts, per_second in rows:
        found = needed(MEASURED, accounts=accounts, orders_per_second=per_second)
        lines.append(
            f"{accounts:8,}  {per_second:8,.0f}  {found.cores:8,.1f}  {found.shards:6,}  {found.bus_cores:9,.1f}"
            f"  {found.bus_clusters:12,}  {found.memory_gb:9,.1f}"
        )
    return lines


def verdict(costs: Costs, point: Point) -> dict[str, dict[str, float]]:
    """Of each cost what was computed, what was measured, and the first by the second."""
    measured = {"services": point.services, "bus": point.bus, "mb": point.mb}
    planes = {"services": costs.services, "bus": costs.bus, "mb": costs.mb}
    told = {}
    for name, plane in planes.items():
        predicted = plane.at(point.accounts, point.orders_per_second)
        told[name] = {
            "predicted": round(predicted, 3),
            "measured": round(measured[name], 3),
            "ratio": round(predicted / measured[name], 2),
        }
    return told


async def check(fitted: Sequence[tuple[int, float]], beyond: tuple[int, float], seconds: float) -> dict[str, object]:
    """Measure the loads it is fitted to (few, busy, more accounts) and the one beyond."""
    from bench.shards import costs_of  # noqa: PLC0415 - the arithmetic alone needs nothing that runs

    points: list[Point] = []
    for accounts, loads in itertools.groupby((*fitted, beyond), key=lambda load: load[0]):
        points += await costs_of(accounts, [per_second for _, per_second in loads], seconds)
    few, busy, more, last = points
    costs = fit(few, more, busy)
    return {
        "fittedTo": [asdict(each) for each in (few, busy, more)],
        "costs": asdict(costs),
        "checkedAt": asdict(last),
        "verdict": verdict(costs, last),
    }


def _loads(text: str) -> list[tuple[int, float]]:
    pairs = [each.split(":") for each in text.split(",")]
    return [(int(accounts), float(per_second)) for accounts, per_second in pairs]


def main() -> int:
    if sys.argv[1:] == ["check"]:
        fitted = _loads(os.environ.get("FIT", "2:0,2:100,4:0"))
        beyond = _loads(os.environ.get("CHECK", "6:150"))[0]
        told = asyncio.run(check(fitted, beyond, float(os.environ.get("POINT_SECONDS", "10"))))
        print(json.dumps(told))
        return 0
    accounts, rate = os.environ.get("ACCOUNTS"), os.environ.get("ORDERS_PER_SECOND")
    print("\n".join(table(((int(accounts), float(rate)),) if accounts and rate else GUIDE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
