"""Numbers about numbers, and what the kernel says of a process."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

NS_PER_MS = 1_000_000
_TICKS = os.sysconf("SC_CLK_TCK")
_KIB_PER_MB = 1024

Figures = dict[str, float]
"""Figures of one measurement by name."""


def now_ns() -> int:
    """The clock that the simulator's arrivals are told in."""
    return time.monotonic_ns()


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> Figures:
    """p50 and p99."""
    return {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99)}


def medians(runs: Iterable[Mapping[str, float]]) -> Figures:
    """Figure by figure over the runs that have it."""
    told = list(runs)
    names = list(dict.fromkeys(name for run in told for name in run))
    return {name: median(run[name] for run in told if name in run) for name in names}


def cpu_seconds(pid: int) -> float:
    """User and system time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(pid: int) -> float:
    """Resident memory now."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / _KIB_PER_MB


def cpu_of(pids: Mapping[str, int]) -> Figures:
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def memory_of(pids: Mapping[str, int]) -> Figures:
    return {name: rss_mb(pid) for name, pid in pids.items()}


def since(before: Mapping[str, float], after: Mapping[str, float]) -> Figures:
    return {name: after[name] - before[name] for name in after if name in before}
