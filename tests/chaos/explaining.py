"""`explain` over every order of a run: a whole life, each step with its evidence (I9).

Each stream is read once for all orders, and whose each message is, is judged by the words of the command itself (`cli.life`): reading each life from the bus by
itself takes a time that grows with the square of the run's length. Of some orders that is done too, and must come to the same.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal

from ordergate.cli import life, reading, telling
from ordergate.cli.caller import Caller, Line, open_line
from ordergate.cli.life import Life, Stored
from ordergate.client.replay import Start
from ordergate.simulator.oracle import OrderId
from ordergate.trading.errors import OrdergateError
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.trading.order import ZERO, Order
from ordergate.wire import facts, streams, subjects
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import EventKind
from ordergate.wire.subjects import IntentKind
from tests.chaos.evidence import Evidence

ASKED_OF_THE_BUS = 40
"""So many orders are explained by the command's own way, taken evenly."""
LIMIT_SECONDS = 30.0


async def unexplained(url: str, evidence: Evidence, *, venue: str) -> list[str]:
    """What `explain` could not tell of which order."""
    name = VenueName(venue)
    caller = Caller(
        url=url, venue=name, account=AccountName("main"), strategy=StrategyName("chaos"),
        as_json=True, timeout_seconds=None,
    )  # fmt: skip
    async with open_line(caller, limit_seconds=LIMIT_SECONDS) as line:
        shelf = await _read(line, name, {account for account, _ in evidence.story.histories})
        orders = list(evidence.story.histories)
        found = [problem for order in orders for problem in _told(order, shelf.life(order), evidence)]
        for order in orders[:: max(1, -(-len(orders) // ASKED_OF_THE_BUS))]:
            found += await _by_the_command(line, name, order, shelf, evidence)
    return found


def _told(order: OrderId, told: Life | None, evidence: Evidence) -> list[str]:
    faults = ["explain does not know it"] if told is None else _faults_of(told, evidence.records[order])
    return [f"[I9] {order[0]} {order[1]}: {what}" for what in faults]


async def _by_the_command(
    line: Line, venue: VenueName, order: OrderId, shelf: "Shelf", evidence: Evidence
) -> list[str]:
    try:
        told = await life.gather(line, venue, *order, found_by="clientOrderId")
    except OrdergateError as error:
        return [f"[I9] {order[0]} {order[1]}: explain failed: {error!r}"]
    found = _told(order, told, evidence)
    expected = shelf.life(order)
    if told is not None and expected is not None and told.intents != expected.intents:
        found.append(
            f"[I9] {order[0]} {order[1]}: explain tells {len(told.intents)} of {len(expected.intents)} intents"
        )
    return found


def _faults_of(told: Life, records: Sequence[OrderRecord]) -> list[str]:
    faults = list(_faults(told))
    if len(told.records) != len(records):
        faults.append(f"{len(told.records)} of {len(records)} messages")
    text = "\n".join(telling.text(told))
    telling.document(told)
    if "NOT explained" in text:
        faults.append("part of what executed has no fill")
    return faults


# Everything that is stored, by what it speaks of.


@dataclass(slots=True)
class Shelf:
    """Messages by the names in them; `life` takes those that may speak of an order, and asks of each whether it does."""

    messages: dict[OrderId, list[tuple[OrderRecord, Stored]]] = field(default_factory=lambda: defaultdict(list))
    intents: dict[tuple[str, str], list[Stored]] = field(default_factory=lambda: defaultdict(list))
    sweeps: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    audit: dict[tuple[str, str], list[Stored]] = field(default_factory=lambda: defaultdict(list))
    fills: dict[tuple[str, str], list[Stored]] = field(default_factory=lambda: defaultdict(list))

    def note_intent(self, stored: Stored) -> None:
        account = str(stored.body.get("account"))
        if stored.body.get("kind") == IntentKind.CANCEL_ALL:
            self.sweeps[account].append(stored)
            return
        for name in _names(stored, "clientOrderId", "replaces", "intentId", "orderIntentId"):
            self.intents[account, name].append(stored)

    def note_audit(self, stored: Stored) -> None:
        account = str(stored.body.get("account"))
        tail = str(stored.body.get("path", "")).rpartition("/")[2]
        for name in {*_names(stored, "clientOrderId", "intentId", "venueOrderId"), tail} - {""}:
            self.audit[account, name].append(stored)

    def note_fill(self, stored: Stored) -> None:
        account = str(stored.body.get("account"))
        for name in _names(stored, "clientOrderId", "venueOrderId"):
            self.fills[account, name].append(stored)

    def life(self, order_id: OrderId) -> Life | None:
        known = self.messages.get(order_id)
        if not known:
            return None
        records = tuple(record for record, _ in known)
        order, account = records[-1].order, order_id[0]
        asked = _distinct(self.intents[account, name] for name in (order_id[1], order.request.intent_id))
        intents = [each for each in _sorted([*asked, *self.sweeps[account]]) if life._asks_about(each, order)]
        about = self._about(order, intents)
        return Life(
            found_by="clientOrderId",
            messages=tuple(stored for _, stored in known),
            records=records,
            intents=tuple(intents),
            requests=tuple(each for each in about if "path" in each.body),
            answers=tuple(each for each in about if "outcome" in each.body and "path" not in each.body),
            statements=tuple(each for each in about if "outcome" not in each.body and "path" not in each.body),
            fills=tuple(
                each
                for each in _sorted(
                    _distinct(self.fills[account, name] for name in (order_id[1], order.venue_order_id or ""))
                )
                if each.body.get("symbol") == order.key.symbol
            ),
        )

    def _about(self, order: Order, intents: Sequence[Stored]) -> list[Stored]:
        account, ids = order.key.account, {order.request.intent_id, *life._texts(intents, "intentId")}
        names = {order.key.client_order_id, order.venue_order_id or "", *ids} - {""}
        found = _sorted(_distinct(self.audit[account, name] for name in names))
        return [each for each in found if life.speaks_of(each.body, order, frozenset(ids))]


def _names(stored: Stored, *fields: str) -> set[str]:
    return {value for name in fields if isinstance(value := stored.body.get(name), str) and value}


def _distinct(found: Iterable[list[Stored]]) -> list[Stored]:
    return list({stored.sequence: stored for each in found for stored in each}.values())


def _sorted(found: Iterable[Stored]) -> list[Stored]:
    return sorted(found, key=lambda stored: stored.sequence)


async def _read(line: Line, venue: VenueName, accounts: Iterable[AccountName]) -> Shelf:
    shelf = Shelf()
    for account in sorted(accounts):
        async for stored in _stored(line, streams.ORDERS, subjects.orders_of(venue, account)):
            record = facts.order_record(stored.body, sequence=stored.sequence, stored_at_ms=stored.stored_at_ms)
            shelf.messages[account, record.order.key.client_order_id].append((record, stored))
        async for stored in _stored(line, streams.FILLS, subjects.fills_of(venue, account)):
            shelf.note_fill(stored)
        for subject in subjects.intents_of(venue, account):
            async for stored in _stored(line, streams.INTENTS, subject):
                shelf.note_intent(stored)
    for subject in subjects.ALL_AUDIT:
        async for stored in _stored(line, streams.AUDIT, subject):
            shelf.note_audit(stored)
    return shelf


async def _stored(line: Line, stream: str, subject: str) -> AsyncGenerator[Stored, None]:
    """What is readable there, oldest first."""
    async with aclosing(reading.stored(line, stream, (subject,), Start(sequence=0))) as messages:
        async for message in messages:
            if (stored := life._stored(stream, message)) is not None:
                yield stored


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
