"""`python -m bench.scaling`: how many shards, cores and bus clusters so many orders need, from measured figures (docs/scaling.md).

Pure arithmetic: nothing runs. ACCOUNTS and ORDERS_PER_SECOND (of all together) for one row; without, the three of the guide. What an account costs
that does nothing is not in it: `python -m bench.shards` measures that (`idle`).
"""

import math
import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Measured on one machine; another has others."""

    order_cpu_seconds: float
    """Of everything that works for one order."""
    shard_mb: float
    """The five services of a shard of few accounts, together."""
    appends_per_order: float
    """To ORDERS, the fullest stream."""
    appends_per_second: float
    """What one stream with fsync takes."""
    busy_max: float = 0.6
    """Part of a core, and of a stream, that is planned with: the rest is for restarts, moves and bursts."""
    cores_per_shard: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """cores: as many as are busy_max busy."""

    cores: float
    shards: int
    bus_clusters: int
    memory_gb: float


def needed(figures: Figures, *, orders_per_second: float) -> Needed:
    """Orders spread evenly over the accounts, and accounts over the shards."""
    cores = orders_per_second * figures.order_cpu_seconds / figures.busy_max
    shards = max(1, math.ceil(cores / figures.cores_per_shard))
    appends = orders_per_second * figures.appends_per_order
    return Needed(
        cores=cores,
        shards=shards,
        bus_clusters=max(1, math.ceil(appends / (figures.appends_per_second * figures.busy_max))),
        memory_gb=shards * figures.shard_mb / 1_000,
    )


MEASURED = Figures(order_cpu_seconds=0.0033, shard_mb=440, appends_per_order=3, appends_per_second=2_200)
"""On a 2-core VM with fsync on; docs/scaling.md says where each comes from."""

GUIDE = ((10, 20.0), (1_000, 500.0), (100_000, 10_000.0))


def main() -> int:
    accounts, rate = os.environ.get("ACCOUNTS"), os.environ.get("ORDERS_PER_SECOND")
    rows = ((int(accounts), float(rate)),) if accounts and rate else GUIDE
    print("accounts  orders/s   cores  shards  bus clusters  memory GB  accounts a shard")
    for count, per_second in rows:
        found = needed(MEASURED, orders_per_second=per_second)
        print(
            f"{count:8,}  {per_second:8,.0f}  {found.cores:6,.1f}  {found.shards:6,}  {found.bus_clusters:12,}"
            f"  {found.memory_gb:9,.1f}  {math.ceil(count / found.shards):16,}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
