"""`make chaos ROUNDS=n`: real processes, a real bus with fsync, a venue that lies, and everything that can die dying.

ROUNDS (3), SEED (1), VENUE (zetarium), ENTRY (rest; socket at binance-spot), SECONDS (11, of load a round), KINDS (a comma list in place of the usual order), CHAOS_HOME (where rounds live; a failed one is kept, with KEEP=1 every one).
`python -m tests.chaos --points` lists the crash points. The last line is the result as JSON; exit code 1 if any promise was broken.
"""

import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ordergate.ports.venue import OrderEntry
from ordergate.runtime.crash_points import crash_points
from services.development import VENUE
from tests.chaos.disturbances import CALLS, KINDS, ORDER
from tests.chaos.figures import recoveries, summary
from tests.chaos.round import LOAD_SECONDS, Result, Skipped, run_round

TOLD_MAX = 8


def main() -> int:
    if "--points" in sys.argv[1:]:
        for point in crash_points():
            print(f"{point.name:<46} {point.row}")
        return 0
    logging.getLogger().addHandler(logging.NullHandler())  # a lost connection is part of the plan, not of the output
    return asyncio.run(_run())


async def _run() -> int:
    rounds, seed = int(os.environ.get("ROUNDS", "3")), int(os.environ.get("SEED", "1"))
    venue = os.environ.get("VENUE", VENUE)
    if venue not in CALLS:
        print(f"no venue {venue!r}; there are {', '.join(CALLS)}")
        return 2
    ways = CALLS[venue]
    if (entry := os.environ.get("ENTRY", OrderEntry.REST)) not in ways:
        print(f"{venue} takes no orders by {entry!r}; there are {', '.join(ways)}")
        return 2
    seconds = float(os.environ.get("SECONDS", str(LOAD_SECONDS)))
    kinds = [kind for kind in os.environ.get("KINDS", "").split(",") if kind] or list(ORDER)
    if unknown := set(kinds) - KINDS.keys():
        print(f"no such kinds: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
        return 2
    folder = Path(os.environ.get("CHAOS_HOME") or tempfile.mkdtemp(prefix="ordergate-chaos-"))
    began, results, skipped, hits = time.monotonic(), list[Result](), list[str](), Counter[str]()
    for number in range(rounds):
        kind, home = kinds[number % len(kinds)], folder / f"round-{number + 1:03d}"
        try:
            result = await run_round(
                kind,
                seed=seed + number,
                home=home,
                hits=hits,
                venue=venue,
                entry=OrderEntry(entry),
                load_seconds=seconds,
            )
        except Skipped as reason:
            print(f"round {number + 1}/{rounds} {kind}: skipped: {reason}", flush=True)
            skipped.append(f"{kind}: {reason}")
            continue
        results.append(result)
        hits += result.hits
        _tell(result, number + 1, rounds)
        if not result.problems and not os.environ.get("KEEP"):
            shutil.rmtree(home, ignore_errors=True)
    found = summary(results, seconds=time.monotonic() - began, skipped=skipped)
    if not found["violations"] and not os.environ.get("CHAOS_HOME"):
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))
    return 1 if found["violations"] or not results else 0


def _tell(result: Result, number: int, rounds: int) -> None:
    killed = Counter(kill.target for kill in result.watch.kills) if result.watch else Counter[str]()
    told = ", ".join(f"{name} {count}" for name, count in sorted(killed.items())) or "nothing"
    verdict = "ok" if not result.problems else f"{len(result.problems)} PROBLEMS"
    print(
        f"round {number}/{rounds} {result.kind} seed {result.seed}: {result.orders} orders, killed {told}; "
        f"{verdict}, {result.seconds:.0f} s",
        flush=True,
    )
    slow = [f"slow: {each.kind} {each.ms} ms, {each.of}" for each in recoveries(result) if each.is_slow]
    for note in (*result.notes, *slow):
        print(f"    {note}")
    for problem in result.problems[:TOLD_MAX]:
        print(f"    {problem}")
    if result.problems:
        print(
            f"    kept in {result.home}; to look: ORDERGATE_HOME={result.home} make up, then ordergate explain <clientOrderId>"
        )


if __name__ == "__main__":
    sys.exit(main())
