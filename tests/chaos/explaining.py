"""`explain` over every order of a run: a whole life, each step with its evidence (I9)."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from ordergate.cli import life, telling
from ordergate.cli.caller import Caller, Line, open_line
from ordergate.cli.life import Life
from ordergate.simulator.oracle import OrderId
from ordergate.trading.errors import OrdergateError
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.trading.order import ZERO
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import EventKind
from tests.chaos.evidence import Evidence

AT_ONCE = 4
EXPLAINED_MAX = 2_000
"""Of a run of many minutes only so many orders, taken evenly: each life is read from the bus by itself."""
LIMIT_SECONDS = 30.0


async def unexplained(url: str, evidence: Evidence, *, venue: str) -> list[str]:
    """What `explain` could not tell of which order."""
    slots = asyncio.Semaphore(AT_ONCE)
    caller = Caller(
        url=url, venue=VenueName(venue), account=AccountName("main"), strategy=StrategyName("chaos"),
        as_json=True, timeout_seconds=None,
    )  # fmt: skip
    async with open_line(caller, limit_seconds=LIMIT_SECONDS) as line:

        async def explain(order: OrderId) -> list[str]:
            async with slots:
                return [
                    f"[I9] {order[0]} {order[1]}: {what}"
                    for what in await _faults_of(line, VenueName(venue), order, evidence)
                ]

        orders = list(evidence.story.histories)
        chosen = orders[:: max(1, -(-len(orders) // EXPLAINED_MAX))]
        found = await asyncio.gather(*(explain(order) for order in chosen))
    return [problem for each in found for problem in each]


async def _faults_of(line: Line, venue: VenueName, order: OrderId, evidence: Evidence) -> list[str]:
    account, order_id = order
    try:
        told = await life.gather(line, venue, account, order_id, found_by="clientOrderId")
    except OrdergateError as error:
        return [f"explain failed: {error!r}"]
    if told is None:
        return ["explain does not know it"]
    faults = list(_faults(told))
    if len(told.records) != len(evidence.records[order]):
        faults.append(f"{len(told.records)} of {len(evidence.records[order])} messages")
    text = "\n".join(telling.text(told))
    telling.document(told)
    if "NOT explained" in text:
        faults.append("part of what executed has no fill")
    return faults


def _faults(told: Life) -> Iterator[str]:
    first = told.records[0]
    if first.event_kind not in {EventKind.APPROVED, EventKind.REFUSED, EventKind.ADOPTED}:
        yield f"its life begins with {first.event_kind}"
    if first.event_kind is not EventKind.ADOPTED and not told.intents:
        yield "no intent"
    if not told.order.state.is_terminal:
        yield f"its life does not end: {told.order.state}"
    signed = sum((Decimal(fill.body["quantity"]) for fill in told.fills), ZERO)
    if signed != told.order.executed_quantity:
        yield f"fills of {signed}, executed {told.order.executed_quantity}"
    for record in told.records:
        yield from _without_evidence(record)


def _without_evidence(record: OrderRecord) -> Iterator[str]:
    """What each kind of step must bring to be believed (I3)."""
    evidence, where = record.evidence, f"message {record.sequence} ({record.event_kind})"
    needed = _NEEDED.get(record.event_kind, ())
    for name in needed:
        if evidence.get(name) is None:
            yield f"{where} says no {name}"
    if record.event_kind is EventKind.OUTCOME_LOST and not record.event.get("errorId"):
        yield f"{where} has no errorId"


_NEEDED: Mapping[EventKind, Sequence[str]] = {
    EventKind.ADOPTED: ("view",),
    EventKind.SUBMISSION_BEGAN: ("attempt",),
    EventKind.ENDED_UNSENT: ("proof",),
    EventKind.VENUE_REPORTED: ("view",),
    EventKind.VENUE_REJECTED: ("attempt",),
    EventKind.OUTCOME_LOST: ("attempt",),
    EventKind.PROVEN_NOT_PLACED: ("attempt", "fenceMs", "askedAtMs"),
}
