"""`make simulate [VENUE=zetarium|binance-spot|binance-futures] [ENTRY=socket, at binance-spot] SEEDS=n [FIRST_SEED=m]`, or `make simulate SEED=n` for one history, told.

Exit code 1: a promise was broken, a control was not found, or a seed did not give the same history twice.
"""

import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from ordergate.ports.venue import OrderEntry
from ordergate.trading.ids import VenueName
from ordergate.venues.registry import find_venue
from tests.simulation.controls import controls_at
from tests.simulation.plan import ZETARIUM
from tests.simulation.runner import Place, Tally, digests, digests_elsewhere, hunt, run_many, tell_history

SEEDS_DEFAULT = 500
TWICE = 12
OTHER_HASH_SEED = 4242
SHOWN_MAX = 50


def main() -> int:
    if sys.argv[1:2] == ["digests"]:
        place = Place(VenueName(sys.argv[2]), OrderEntry(sys.argv[3]))
        print(json.dumps(digests([int(seed) for seed in sys.argv[4:]], place)))
        return 0
    declaration = find_venue(VenueName(os.environ.get("VENUE") or ZETARIUM)).declaration
    place = Place(declaration.venue, OrderEntry(os.environ.get("ENTRY") or OrderEntry.REST))
    if place.entry not in declaration.order_entries:
        print(f"{place.venue} takes no orders by {place.entry}")
        return 2
    seed = os.environ.get("SEED")
    if seed:
        return tell(int(seed), os.environ.get("CONTROL") or None, place)
    return simulate(place, int(os.environ.get("FIRST_SEED") or 1), int(os.environ.get("SEEDS") or SEEDS_DEFAULT))


def tell(seed: int, control: str | None, place: Place) -> int:
    """One history, line by line: virtual seconds, who, what."""
    verdict, moments = tell_history(seed, control=control, place=place)
    for moment in moments:
        print(f"{moment.at:9.4f}  {moment.who:24}  {moment.what}")
    for each in verdict.differences:
        print(f"BROKEN [{each.promise}] {each.account} {each.client_order_id}: {each.what}")
    print(
        json.dumps(
            {
                "venue": place.venue,
                "entry": place.entry,
                "seed": seed,
                "orders": verdict.orders,
                "executed": verdict.executed,
                "violations": len(verdict.differences),
                "digest": verdict.digest,
            }
        )
    )
    return 1 if verdict.differences else 0


def simulate(place: Place, first: int, count: int) -> int:
    """Histories, controls and a sample run twice. The last line is the result as JSON."""
    workers = os.cpu_count() or 1
    began = time.monotonic()
    tally = Tally()
    with ProcessPoolExecutor(workers) as pool:
        for part in run_many(pool, first, count, place):
            tally.add(part)
            for broken in part.broken:
                print(
                    f"BROKEN seed {broken.seed}: {broken.what}\n    make simulate VENUE={place.venue} ENTRY={place.entry} SEED={broken.seed}",
                    flush=True,
                )
        seconds = time.monotonic() - began
        hunts = {name: pool.submit(hunt, name, place=place) for name in controls_at(place.venue)}
        same = _same_twice(pool, range(first, first + count), place)
        controls = {name: each.result() for name, each in hunts.items()}
    unfound = [name for name, found in controls.items() if not found.broken]
    for name in unfound:
        print(f"NOT FOUND the control {name} in {controls[name].histories} histories")
    print(
        json.dumps(
            {
                "venue": place.venue,
                "entry": place.entry,
                "histories": tally.histories,
                "orders": tally.orders,
                "executed": tally.executed,
                "violations": len(tally.broken),
                "firstSeed": first,
                "failingSeeds": [broken.seed for broken in tally.broken][:SHOWN_MAX],
                "controls": {
                    name: {
                        "found": len(found.broken),
                        "histories": found.histories,
                        "seed": found.broken[0].seed if found.broken else None,
                    }
                    for name, found in controls.items()
                },
                "sameTwice": same,
                "seconds": round(seconds, 1),
                "cores": workers,
                "per_second": round(tally.histories / seconds, 1),
                "per_second_per_core": round(tally.histories / seconds / workers, 1),
            }
        )
    )
    return 1 if tally.broken or unfound or not same else 0


def _same_twice(pool: ProcessPoolExecutor, seeds: range, place: Place) -> bool:
    """A sample of histories again: here, and in a process whose hashes differ."""
    sample = list(seeds)[:: max(1, len(seeds) // TWICE)][:TWICE]
    once, again = pool.submit(digests, sample, place), pool.submit(digests, sample, place)
    elsewhere = pool.submit(digests_elsewhere, sample, hash_seed=OTHER_HASH_SEED, place=place)
    first, second, other = once.result(), again.result(), elsewhere.result()
    for seed, *three in zip(sample, first, second, other, strict=True):
        if len(set(three)) > 1:
            print(f"NOT THE SAME TWICE: seed {seed}: {three}")
    return first == second == other


if __name__ == "__main__":
    sys.exit(main())
