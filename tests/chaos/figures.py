"""What all rounds together came to, as the one JSON object at the end."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ordergate.runtime.crash_points import crash_points
from ordergate.trading.order import IN_FLIGHT, State
from ordergate.trading.schedule import fence_ms
from ordergate.venues.registry import find_venue
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import EventKind
from ordergate.wire.streams import ORDER_SUBMISSION, RISK, STATUS_POLLING
from services.supervisor import BUS
from tests.chaos.disturbances import VENUE_LINK
from tests.chaos.round import Result
from tests.chaos.watching import Back, Kill, Outage, Watch

TARGETS_MS = {
    "service": 3_000,
    "bus": 1_000,
    "takeover": 3_000,
    "unknownExecuted": 2_000,
    "notExecutedAfterFence": 2_000,
}
PROMISES = ("duplicates", "lost", "fillsLost", "fillsDoubled")
_BY_FENCE = (EventKind.PROVEN_NOT_PLACED, EventKind.REAPPROVED)


def summary(results: Sequence[Result], *, seconds: float, skipped: Sequence[str] = ()) -> dict[str, Any]:
    """The first seven are the promise: rounds, kills by target, orders, then four that must be 0; violations counts every problem."""
    promised = Counter[str]()
    for result in results:
        if result.evidence is not None:
            promised.update(result.evidence.counts)
    recovery, resolved = defaultdict[str, list[int]](list), Counter[str]()
    for result in results:
        for each in recoveries(result):
            recovery[each.kind].append(each.ms)
        resolved.update(resolutions(result))
    hits = sum((result.hits for result in results), Counter[str]())
    points = [point.name for point in crash_points()]
    asked = sum(len(load.placed) for result in results for load in result.loads)
    return {
        "rounds": len(results),
        "kills": dict(sorted(kills(results).items())),
        "orders": sum(result.orders for result in results),
        **{name: promised[name] for name in PROMISES},
        "violations": sum(len(result.problems) for result in results),
        "recoveryMs": {kind: _spread(times) for kind, times in sorted(recovery.items())},
        "overTarget": {kind: sum(ms > most for ms in recovery[kind]) for kind, most in TARGETS_MS.items()},
        "ended": dict(sorted(endings(results).items())),
        "unknowns": dict(sorted(resolved.items())),
        "arrived": dict(sorted(sum((result.arrived for result in results), Counter[str]()).items())),
        "struck": dict(sorted(sum((result.struck for result in results), Counter[str]()).items())),
        "crashPoints": {
            "named": len(points),
            "hit": sum(1 for name in points if hits[name]),
            "strikes": sum(hits.values()),
            "never": [name for name in points if not hits[name]],
        },
        "cancels": sum(load.cancels for result in results for load in result.loads),
        "repeatedIntents": sum(load.repeated for result in results for load in result.loads),
        "unreadableIntents": sum(load.poison for result in results for load in result.loads),
        "kinds": dict(Counter(result.kind for result in results)),
        "skipped": list(skipped),
        "ordersPerSecond": round(asked / load, 1) if (load := sum(result.load_seconds for result in results)) else 0.0,
        "seconds": round(seconds, 1),
    }


def kills(results: Iterable[Result]) -> Counter[str]:
    """By target, frozen ones apart."""
    found = Counter[str]()
    for result in results:
        for kill in result.watch.kills if result.watch else ():
            name = kill.target.rstrip("-0123456789")
            found[f"{name} (frozen)" if kill.way == "stop" else name] += 1
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """`of`: which part, or which order."""

    kind: str
    ms: int
    of: str

    @property
    def is_slow(self) -> bool:
        return self.ms > TARGETS_MS.get(self.kind, self.ms)


def recoveries(result: Result) -> Iterator[Recovery]:
    """A service from its kill to ready; the bus from its return to the next write-ahead; doubts from the moment they could end."""
    if result.watch is None or result.evidence is None:
        return
    for kill, ms, is_alone in result.watch.recoveries():
        if kill.target == BUS:
            yield Recovery(kind="busReturn", ms=ms, of=kill.way)
        else:
            yield Recovery(kind="service" if is_alone else "serviceAmongOthers", ms=ms, of=f"{kill.target} {kill.way}")
    records = [record for each in result.evidence.records.values() for record in each]
    yield from (Recovery(kind="bus", ms=ms, of=BUS) for ms in _bus_to_work(result.watch, records))
    outages = result.watch.all_outages()
    for (_account, order), history in result.evidence.records.items():
        found = [
            *_doubts(history, outages, is_steady=result.kind != "clock_jumps"),
            *(("takeover", ms) for ms in _takeovers(result.watch, history)),
        ]
        yield from (Recovery(kind=kind, ms=ms, of=order) for kind, ms in found)


def endings(results: Iterable[Result]) -> Counter[str]:
    """The last state of each order, and of those refused or never sent why."""
    found = Counter[str]()
    for result in results:
        for history in result.evidence.records.values() if result.evidence else ():
            order = history[-1].order
            why = (order.reason or "").partition(":")[0]
            found[f"{order.state} {why}".strip()] += 1
    return found


def resolutions(result: Result) -> Counter[str]:
    """How each order of unknown fate was found out."""
    found = Counter[str]()
    for history in result.evidence.records.values() if result.evidence else ():
        for doubt, end in _pairs(history):
            name = "unknown" if doubt.order.state is State.UNKNOWN else "submitting"
            found[f"{name}ResolvedBy{_who(end)}"] += 1
    return found


def _bus_to_work(watch: Watch, records: Sequence[OrderRecord]) -> Iterator[int]:
    """From each return of the bus to the next write-ahead in the ledger: strategy, risk, submission and the bus all work then."""
    began = sorted(r.stored_at_ms for r in records if r.event_kind is EventKind.SUBMISSION_BEGAN)
    for back in watch.backs:
        if back.target != BUS:
            continue
        after = next((at for at in began if at >= back.at_ms), None)
        if after is not None and not any(back.at_ms - 3_000 <= k.at_ms <= after for k in _of_order_path(watch, back)):
            yield after - back.at_ms


def _of_order_path(watch: Watch, back: Back) -> list[Kill]:
    """Kills that an order would notice by themselves; not the one of the bus that this return ended."""
    ended = max((k.at_ms for k in watch.kills if k.target == BUS and k.at_ms <= back.at_ms), default=0)
    return [
        kill
        for kill in watch.kills
        if kill.target.startswith((RISK, ORDER_SUBMISSION)) or (kill.target == BUS and kill.at_ms != ended)
    ]


def _takeovers(watch: Watch, history: Sequence[OrderRecord]) -> Iterator[int]:
    """An order that was approved when an owner froze, or might still have been handed to it: until somebody wrote its write-ahead."""
    approved = next((r.stored_at_ms for r in history if r.event_kind is EventKind.APPROVED), None)
    began = next((r.stored_at_ms for r in history if r.event_kind is EventKind.SUBMISSION_BEGAN), None)
    for stop in (kill.at_ms for kill in watch.kills if kill.way == "stop"):
        if approved is not None and began is not None and approved <= stop + 1_000 and stop < began:
            yield began - max(stop, approved)


def _pairs(history: Sequence[OrderRecord]) -> Iterator[tuple[OrderRecord, OrderRecord]]:
    """(the message that left the order in doubt, the one that ended the doubt)."""
    doubt: OrderRecord | None = None
    for before, record in zip([None, *history], history, strict=False):
        if record.order.state is State.UNKNOWN and (before is None or before.order.state is not State.UNKNOWN):
            doubt = doubt or record
        elif doubt is None and before is not None and before.order.state is State.SUBMITTING and _is_polled(record):
            doubt = before
        if doubt is not None and record.order.state not in IN_FLIGHT:
            yield doubt, record
            doubt = None


def _is_polled(record: OrderRecord) -> bool:
    return record.event.get("source") in {"open_orders", "lookup"} or record.event_kind in _BY_FENCE


def _who(record: OrderRecord) -> str:
    if record.event_kind in _BY_FENCE:
        return "Fence" if record.event_kind is EventKind.PROVEN_NOT_PLACED else "FenceAndSentAgain"
    if record.event_kind is EventKind.VENUE_REPORTED:
        source = str(record.event.get("source", "venue"))
        return "".join(word.capitalize() for word in source.split("_"))
    return "".join(word.capitalize() for word in record.event_kind.value.split("_"))


def _doubts(history: Sequence[OrderRecord], outages: Sequence[Outage], *, is_steady: bool) -> Iterator[tuple[str, int]]:
    for doubt, end in _pairs(history):
        if end.event_kind in _BY_FENCE and doubt.order.attempt is not None:
            if not is_steady:
                continue  # the fence stands in the venue's time, which jumped
            declared = find_venue(doubt.order.key.venue).declaration
            fence = fence_ms(doubt.order.attempt, window_ms=declared.window_ms, settle_ms=declared.settle_ms)
            yield "notExecutedAfterFence", max(0, end.stored_at_ms - _free(fence, end.stored_at_ms, outages))
        else:
            kind = "unknownExecuted" if doubt.order.state is State.UNKNOWN else "submittingExecuted"
            yield kind, max(0, end.stored_at_ms - _free(doubt.stored_at_ms, end.stored_at_ms, outages))


def _free(from_ms: int, until_ms: int, outages: Sequence[Outage]) -> int:
    """From when on nothing that the answer needs was away: the last end of an outage inside, or the beginning."""
    needed = {BUS, VENUE_LINK, STATUS_POLLING}
    ends = [o.to_ms for o in outages if o.target in needed and o.from_ms <= until_ms and from_ms < o.to_ms <= until_ms]
    return max([from_ms, *ends])


def _spread(times: Sequence[int]) -> dict[str, int]:
    ordered = sorted(times)
    return {
        "n": len(ordered),
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)) - 1)],
        "max": ordered[-1],
    }
