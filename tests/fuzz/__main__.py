"""python -m tests.fuzz --cases 100000 [--gates intents,venue] [--seed 1]: every gate, then one JSON object as the last line."""

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.damage import Choices, be_quiet
from tests.fuzz.gates import GATES, Case, Gate


@dataclass(slots=True)
class Trials:
    """What became of one gate's cases."""

    became: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    find: str | None = None
    last: Case = ("", b"")


def try_gate(gate: Gate, *, cases: int, first: int) -> Trials:
    """Until something goes wrong, which is then made as small as it can be."""
    trials = Trials()

    @seed(first)
    @settings(
        max_examples=cases,
        database=None,
        report_multiple_bugs=False,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=8, max_size=64))
    def try_one(drawn: bytes) -> None:
        trials.last = gate.draw(Choices(drawn))
        trials.became[gate.try_(*trials.last)] += 1

    began = time.monotonic()
    try:
        for case in gate.found:
            trials.last = case
            gate.try_(*case)
        try_one()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the find
        trials.find = f"{type(error).__name__}: {str(error)[:300]} on {trials.last!r}"[:2_000]
    trials.seconds = time.monotonic() - began
    return trials


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=10_000, help="of each gate")
    parser.add_argument("--gates", default=",".join(GATES))
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    be_quiet()
    report: dict[str, object] = {}
    finds = 0
    for name in wanted.gates.split(","):
        trials = try_gate(GATES[name], cases=wanted.cases, first=wanted.seed)
        finds += trials.find is not None
        report[name] = {
            "cases": sum(trials.became.values()),
            "became": dict(trials.became.most_common(12)),
            "seconds": round(trials.seconds, 1),
            "find": trials.find,
        }
        print(name, json.dumps(report[name]), flush=True)
    print(json.dumps({"seed": wanted.seed, "finds": finds, "gates": report}))
    return 1 if finds else 0


if __name__ == "__main__":
    raise SystemExit(main())
