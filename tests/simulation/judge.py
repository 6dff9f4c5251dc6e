"""What a history came to: the oracle's story, read from the streams as any subscriber could, and what only the world can know."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import orjson

from ordergate.simulator.oracle import (
    Difference,
    FlatStatement,
    KillThrow,
    OrderId,
    PositionId,
    SentRequest,
    Story,
    by_order,
    differences,
)
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, ClientOrderId
from ordergate.trading.order import Order, State
from ordergate.wire import codec, streams
from ordergate.wire.subjects import IntentKind
from tests.simulation.plan import PLACING, legs_of
from tests.simulation.stream import Stored
from tests.simulation.world import Published, World, at_ms

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """differences: broken promises, the first one first; empty = the history kept them all."""

    differences: tuple[Difference, ...]
    orders: int
    executed: int
    digest: str


def agree(world: World) -> bool:
    """Whether all books tell the same story now."""
    return not differences(_story(world))


def judge(world: World) -> Verdict:
    """After the run."""
    story = _story(world)
    found = [*differences(story), *_of_the_world(world)]
    return Verdict(
        differences=tuple(found), orders=len(story.histories), executed=len(story.books.orders), digest=world.digest()
    )


def _of_the_world(world: World) -> Iterator[Difference]:
    """Liveness, and processes that fell over by themselves."""
    evidence = world.evidence
    nobody = world.plan.accounts[0]
    if not evidence.is_at_rest:
        yield Difference(
            promise="I2", account=nobody, client_order_id=None, what=f"it never came to rest: {world.unrest()}"
        )
    for failure in evidence.failures:
        what = f"{failure.node} fell over in {failure.what}: {failure.error!r}"
        yield Difference(promise="I7", account=nobody, client_order_id=None, what=what)
    for bug in world.venue.bugs:
        yield Difference(promise="I7", account=nobody, client_order_id=None, what=f"the simulator failed: {bug!r}")
    hiding = {(trade.account, trade.order_id) for trade in world.venue.executed().trades if trade.maker}
    for fill in _fills(world):
        if fill.is_reversal and (fill.account, fill.venue_order_id) not in hiding:
            what = f"{fill.trade_id}: the venue had hidden nothing, it was inferred too early"
            yield Difference(promise="I3", account=fill.account, client_order_id=fill.client_order_id, what=what)
    yield from _replaced(world)
    yield from _listed(world)
    if evidence.handler_failures:
        what = f"handlers failed {evidence.handler_failures} times"
        yield Difference(promise="I7", account=nobody, client_order_id=None, what=what)
    buried = list(world.bus.streams[streams.DEAD].messages.values())
    garbage = sum(1 for entry in world.published if entry.ask.garbage is not None)
    if len(buried) > garbage:
        what = f"{len(buried)} messages are in DEAD, {garbage} belong there"
        yield Difference(promise="I7", account=nobody, client_order_id=None, what=what)


def _replaced(world: World) -> Iterator[Difference]:
    """An order that took another's place did so because that one was canceled for it, so no other has."""
    at_venue = {(order.account, order.client_order_id): order.state for order in world.venue.executed().orders}
    replaced: dict[OrderId, ClientOrderId] = {}
    for order in _decoded(world, streams.ORDERS, _order):
        account, new, old = order.key.account, order.key.client_order_id, order.request.replaces
        if old is None or (account, new) not in at_venue:
            continue
        if at_venue.get((account, old)) is not State.CANCELED:
            what = f"it took the place of {old}, which is {at_venue.get((account, old))}"
            yield Difference(promise="I1", account=account, client_order_id=new, what=what)
        if replaced.setdefault((account, old), new) != new:
            what = f"{old} had been replaced by {replaced[account, old]}"
            yield Difference(promise="I1", account=account, client_order_id=new, what=what)


def _listed(world: World) -> Iterator[Difference]:
    """All orders of a list are at the venue, or none."""
    at_venue = {(order.account, order.client_order_id) for order in world.venue.executed().orders}
    lists = {
        (order.key.account, order.request.order_list.legs)
        for order in _decoded(world, streams.ORDERS, _order)
        if order.request.order_list is not None
    }
    for account, legs in lists:
        there = [leg for leg in legs if (account, leg) in at_venue]
        if there and len(there) < len(legs):
            what = f"of the list {', '.join(legs)} only {', '.join(there)} went to the venue"
            yield Difference(promise="I1", account=account, client_order_id=there[0], what=what)


def _story(world: World) -> Story:
    orders = _decoded(world, streams.ORDERS, _order)
    return Story(
        placed=frozenset(_placed(world)),
        histories=by_order(orders),
        books=world.venue.executed(),
        fills=_fills(world),
        positions=_positions(world),
        requests=tuple(
            SentRequest(
                account=arrival.account,
                client_order_id=arrival.client_order_id,
                timestamp_ms=arrival.timestamp_ms,
                sent_at_ms=at_ms(arrival.sent_at),
                sender=arrival.sender,
                knowing=arrival.knowing,
            )
            for arrival in world.venue.arrivals
        ),
        throws=tuple(_throws(world)),
        flats=tuple(
            FlatStatement(account=said.account, open_orders=tuple(ClientOrderId(each) for each in said.open_orders))
            for said in world.evidence.flats
        ),
        unanswered=tuple(_unanswered(world)),
    )


def _throws(world: World) -> Iterator[KillThrow]:
    """From when its operator knew of every sender, and for each sender from its own word on."""
    for throw in world.evidence.throws:
        lifted = None if throw.lifted_at is None else at_ms(throw.lifted_at)
        confirmed = {None: throw.confirmed_at, **throw.acknowledged_at}
        for sender, at in confirmed.items():
            if at is not None:
                yield KillThrow(account=throw.account, confirmed_at_ms=at_ms(at), lifted_at_ms=lifted, sender=sender)


def _placed(world: World) -> Iterator[OrderId]:
    for entry in world.published:
        ask = entry.ask
        if ask.kind in PLACING and ask.garbage is None and entry.sequence is not None:
            names = legs_of(ask) if "list" in ask.fields else [ask.fields["clientOrderId"]]
            yield from ((ask.account, ClientOrderId(name)) for name in names)


def _fills(world: World) -> list[Fill]:
    return _decoded(world, streams.FILLS, _fill)


def _order(message: Stored) -> Order:
    stored_at_ms = message.at_ns // 1_000_000
    return codec.decode_order(
        message.data, sequence=message.sequence, stored_at_ms=stored_at_ms, subject=message.subject
    ).order


def _fill(message: Stored) -> Fill:
    return codec.decode_fill(message.data, subject=message.subject)


def _decoded(world: World, stream: str, decode: Callable[[Stored], T]) -> list[T]:
    """Every message of a stream, each read once however often the story is told."""
    known: dict[int, T] = world.decoded.setdefault(stream, {})
    for sequence, message in world.bus.streams[stream].messages.items():
        if sequence not in known:
            known[sequence] = decode(message)
    return list(known.values())


def _positions(world: World) -> dict[PositionId, Decimal]:
    found: dict[PositionId, Decimal] = {}
    for message in world.bus.streams[streams.POSITIONS].messages.values():
        position = codec.decode_position(message.data)
        for side, leg in position.legs.items():
            found[AccountName(position.account), position.symbol, side] = leg.quantity
    return found


def _unanswered(world: World) -> Iterator[tuple[AccountName, str]]:
    """Intents that must be answered on `answers.*`, and are not. AUDIT may lose its last moments when its server is killed."""
    if any(trouble.what == "bus_restart" for trouble in world.plan.troubles):
        return
    answered = {
        orjson.loads(message.data).get("intentSequence")
        for message in world.bus.streams[streams.AUDIT].messages.values()
        if message.subject.startswith("answers.")
    }
    for entry in world.published:
        if _needs_answer(entry) and entry.sequence not in answered:
            yield entry.ask.account, entry.ask.intent_id


def _needs_answer(entry: Published) -> bool:
    return entry.sequence is not None and (
        entry.ask.kind in {IntentKind.CANCEL, IntentKind.CANCEL_ALL} or entry.ask.garbage is not None
    )
