"""The oracle: do intents, ledger, the venue's books, fills and positions tell one and the same story?

Pure. It is given all five as they stand when nothing moves any more, checks the promises I1 to I5 of the design, and names every
difference with its clientOrderId. The demo, the tests and the safety suites all judge by it. What a caller cannot know (who sent what when,
when a kill switch was confirmed) it leaves out, and that is then not judged.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol
from ordergate.trading.order import ZERO, Order, PositionSide, State

_VENUE_STATE = {
    "NEW": State.ACCEPTED,
    "PENDING_NEW": State.PENDING,
    "PARTIALLY_FILLED": State.PARTIALLY_FILLED,
    "FILLED": State.FILLED,
    "CANCELED": State.CANCELED,
    "REJECTED": State.REJECTED,
    "EXPIRED": State.EXPIRED,
    "EXPIRED_IN_MATCH": State.EXPIRED,
}
_NEVER_AT_VENUE = frozenset({State.REFUSED, State.NOT_PLACED, State.REJECTED})

OrderId = tuple[AccountName, ClientOrderId]
PositionId = tuple[AccountName, Symbol, PositionSide]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two accounts of the same thing that disagree. `promise` is the invariant of the design that is broken."""

    promise: str
    account: AccountName
    client_order_id: ClientOrderId | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    account: AccountName
    client_order_id: ClientOrderId
    order_id: str
    symbol: Symbol
    quantity: Decimal
    executed: Decimal
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBookTrade:
    account: AccountName
    trade_id: str
    order_id: str
    symbol: Symbol
    position_side: PositionSide
    signed_quantity: Decimal
    price: Decimal
    fee: Decimal
    maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBooks:
    """What the simulator says it executed (`GET /simulator/ledger`)."""

    orders: tuple[VenueOrder, ...]
    trades: tuple[VenueBookTrade, ...]
    positions: Mapping[PositionId, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """An order request as it reached the venue, refused or not: whose, and the timestamp it was signed with. sent_at_ms: when it left `sender`.

    knowing: the sender knew by then that the kill switch stops it.
    """

    account: AccountName
    client_order_id: ClientOrderId
    timestamp_ms: int
    sent_at_ms: float
    sender: str = ""
    knowing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KillThrow:
    """A throw of the kill switch, from when it was acknowledged until it was lifted (None: never). account None: all of them.

    sender: the one that acknowledged it; None: every living sender had.
    """

    account: AccountName | None
    confirmed_at_ms: float
    lifted_at_ms: float | None
    sender: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatStatement:
    """`kill_flat` was said of an account while the venue had these orders open."""

    account: AccountName
    open_orders: Sequence[ClientOrderId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything that is known at the end.

    placed: the clientOrderId of every `place` intent whose publish was acknowledged, less those answered on `answers.*`;
    histories: every ORDERS message of an order, oldest first; positions: our own signed quantity; unanswered: acknowledged
    intents that neither ledger nor `answers.*` says anything about.
    """

    placed: frozenset[OrderId]
    histories: Mapping[OrderId, Sequence[Order]]
    books: VenueBooks
    fills: Sequence[Fill]
    positions: Mapping[PositionId, Decimal]
    requests: Sequence[SentRequest] = ()
    throws: Sequence[KillThrow] = ()
    flats: Sequence[FlatStatement] = ()
    unanswered: Sequence[tuple[AccountName, str]] = ()


def read_books(document: Mapping[str, Any]) -> VenueBooks:
    """The books from the JSON of the simulator's ledger door."""
    return VenueBooks(
        orders=tuple(_read_order(row) for row in document["orders"]),
        trades=tuple(_read_trade(row) for row in document["trades"]),
        positions={
            (AccountName(row["account"]), Symbol(row["symbol"]), PositionSide(row["positionSide"])): Decimal(
                row["quantity"]
            )
            for row in document["positions"]
        },
    )


def differences(story: Story) -> list[Difference]:
    """Everything on which the accounts disagree; empty when ordergate kept its promises."""
    return [
        *_executed_once(story),
        *_sent_as_written(story),
        *_every_intent_ended(story),
        *_every_intent_answered(story),
        *_steps_follow(story),
        *_ended_as_the_venue_says(story),
        *_every_trade_stored_once(story),
        *_fills_name_their_order(story),
        *_fills_add_up(story),
        *_positions_agree(story),
        *_killed_means_killed(story),
    ]


def _executed_once(story: Story) -> Iterator[Difference]:
    times = Counter((order.account, order.client_order_id) for order in story.books.orders)
    for (account, order_id), count in times.items():
        if count > 1:
            yield _differs("I1", account, order_id, f"the venue holds {count} orders of this clientOrderId")


def _sent_as_written(story: Story) -> Iterator[Difference]:
    """Each request that left was written ahead with exactly its timestamp, and left once."""
    written = {
        (*key, order.attempt.timestamp_ms)
        for key, history in story.histories.items()
        for order in history
        if order.attempt is not None
    }
    times = Counter((sent.account, sent.client_order_id, sent.timestamp_ms) for sent in story.requests)
    for (account, order_id, timestamp_ms), count in times.items():
        if (account, order_id, timestamp_ms) not in written:
            yield _differs("I1", account, order_id, f"a request signed {timestamp_ms} left without its write-ahead")
        if count > 1:
            yield _differs("I1", account, order_id, f"the request signed {timestamp_ms} left {count} times")


def _every_intent_answered(story: Story) -> Iterator[Difference]:
    for account, intent_id in story.unanswered:
        yield _differs("I7", account, None, f"nobody said what became of the intent {intent_id}")


def _steps_follow(story: Story) -> Iterator[Difference]:
    """Executed quantity never falls, the venue's id never changes, attempts are counted one by one."""
    for (account, order_id), history in story.histories.items():
        for before, after in itertools.pairwise(history):
            if after.executed_quantity < before.executed_quantity:
                fell = f"{before.executed_quantity} to {after.executed_quantity}"
                yield _differs("I3", account, order_id, f"its executed quantity fell from {fell}")
            if before.venue_order_id not in {None, after.venue_order_id}:
                changed = f"{before.venue_order_id} to {after.venue_order_id}"
                yield _differs("I3", account, order_id, f"its id at the venue changed from {changed}")
            if _attempts(after) - _attempts(before) not in {0, 1}:
                yield _differs(
                    "I1", account, order_id, f"attempt {_attempts(before)} is followed by {_attempts(after)}"
                )


def _attempts(order: Order) -> int:
    return 0 if order.attempt is None else order.attempt.number


def _killed_means_killed(story: Story) -> Iterator[Difference]:
    for sent in story.requests:
        if sent.knowing:
            yield _differs("I5", sent.account, sent.client_order_id, "it left although its sender knew of the kill")
    for throw in story.throws:
        for sent in story.requests:
            in_scope = throw.account in {None, sent.account} and throw.sender in {None, sent.sender}
            if not in_scope or sent.sent_at_ms <= throw.confirmed_at_ms:
                continue
            if throw.lifted_at_ms is None or sent.sent_at_ms < throw.lifted_at_ms:
                late = f"{sent.sent_at_ms - throw.confirmed_at_ms:.1f}"
                yield _differs("I5", sent.account, sent.client_order_id, f"it left {late} ms after a confirmed kill")
    for flat in story.flats:
        for order_id in flat.open_orders:
            yield _differs("I5", flat.account, order_id, "the account was said to be flat while it was open")


def _every_intent_ended(story: Story) -> Iterator[Difference]:
    for account, order_id in sorted(story.placed - story.histories.keys()):
        yield _differs("I2", account, order_id, "an acknowledged intent has no order in the ledger")
    for (account, order_id), history in story.histories.items():
        if not history[-1].state.is_terminal:
            yield _differs("I2", account, order_id, f"it still is {history[-1].state}")
        for before, after in itertools.pairwise(history):
            if (
                before.state.is_terminal
                and after.executed_quantity <= before.executed_quantity
                and after.state.is_terminal
            ):
                yield _differs("I2", account, order_id, f"it ended twice: {before.state}, then {after.state}")


def _ended_as_the_venue_says(story: Story) -> Iterator[Difference]:
    shown = {(order.account, order.client_order_id): order for order in story.books.orders}
    for key, order in shown.items():
        if key not in story.histories:
            yield _differs("I2", *key, f"the venue has an order the ledger does not know ({order.order_id})")
    for key, history in story.histories.items():
        last, venue = history[-1], shown.get(key)
        if venue is None:
            if last.executed_quantity > 0 or last.state is State.FILLED or last.venue_order_id is not None:
                yield _differs("I3", *key, f"{last.state} with {last.executed_quantity} executed, unknown to the venue")
        elif last.state in _NEVER_AT_VENUE and venue.state is not State.REJECTED:
            yield _differs("I3", *key, f"{last.state}, but the venue has it as {venue.state}")
        elif last.venue_order_id is None and venue.state is not State.REJECTED:
            yield _differs("I3", *key, f"{last.state} as if never sent, but the venue has it as {venue.state}")
        elif last.state is not venue.state or last.executed_quantity != venue.executed:
            yield _differs(
                "I3",
                *key,
                f"{last.state} with {last.executed_quantity} executed; the venue: {venue.state} with {venue.executed}",
            )


def _every_trade_stored_once(story: Story) -> Iterator[Difference]:
    stored = Counter((fill.account, fill.symbol, fill.trade_id, fill.venue_order_id) for fill in story.fills)
    for (account, symbol, trade_id, order_id), count in stored.items():
        if count > 1:
            yield _differs(
                "I4", account, None, f"{symbol} trade {trade_id} of order {order_id} is stored {count} times"
            )
    real = {(trade.account, trade.symbol, trade.trade_id, trade.order_id): trade for trade in story.books.trades}
    names = {(order.account, order.order_id): order.client_order_id for order in story.books.orders}
    for key, trade in real.items():
        if not trade.maker and key not in stored:
            order = names.get((trade.account, trade.order_id))
            yield _differs("I4", trade.account, order, f"{trade.symbol} trade {trade.trade_id} is in no fill")
    for fill in story.fills:
        if fill.inferred or fill.quantity < 0:
            continue
        found = real.get((fill.account, fill.symbol, fill.trade_id, fill.venue_order_id))
        if found is None:
            yield _differs("I4", fill.account, fill.client_order_id, f"fill {fill.trade_id} is no trade of the venue")
        elif (found.signed_quantity, found.price, found.fee) != (fill.signed_quantity, fill.price, fill.fee):
            yield _differs("I4", fill.account, fill.client_order_id, f"fill {fill.trade_id} differs from its trade")


def _fills_name_their_order(story: Story) -> Iterator[Difference]:
    """A fill of a stranger's order may be stored before the order is adopted, and then names none."""
    names = {(order.account, order.order_id): order.client_order_id for order in story.books.orders}
    for fill in story.fills:
        name = names.get((fill.account, fill.venue_order_id))
        if name is None or fill.client_order_id == name:
            continue
        if fill.client_order_id is not None or (fill.account, name) in story.placed:
            said = fill.client_order_id or "no order"
            yield _differs("I4", fill.account, name, f"fill {fill.trade_id} of this order says that it is of {said}")


def _fills_add_up(story: Story) -> Iterator[Difference]:
    filled: defaultdict[tuple[AccountName, str], Decimal] = defaultdict(Decimal)
    for fill in story.fills:
        filled[fill.account, fill.venue_order_id] += fill.quantity
    for order in story.books.orders:
        total = filled.pop((order.account, order.order_id), ZERO)
        if total != order.executed:
            yield _differs(
                "I4", order.account, order.client_order_id, f"fills of {total}, executed at the venue {order.executed}"
            )
    for (account, order_id), total in filled.items():
        yield _differs(
            "I4", account, None, f"fills of {total} for venue order {order_id}, which the venue does not have"
        )


def _positions_agree(story: Story) -> Iterator[Difference]:
    summed: defaultdict[PositionId, Decimal] = defaultdict(Decimal)
    for fill in story.fills:
        summed[fill.account, fill.symbol, fill.position_side] += fill.signed_quantity
    for key in sorted({*summed, *story.positions, *story.books.positions}):
        account, symbol, side = key
        ours, venue = story.positions.get(key, ZERO), story.books.positions.get(key, ZERO)
        if not summed[key] == ours == venue:
            yield _differs(
                "I4", account, None, f"{symbol} {side}: fills {summed[key]}, our position {ours}, the venue's {venue}"
            )


def _read_order(row: Mapping[str, Any]) -> VenueOrder:
    return VenueOrder(
        account=AccountName(row["account"]),
        client_order_id=ClientOrderId(row["clientOrderId"]),
        order_id=row["id"],
        symbol=Symbol(row["symbol"]),
        quantity=Decimal(row["quantity"]),
        executed=Decimal(row["executedQuantity"]),
        state=_VENUE_STATE[row["status"]],
    )


def _read_trade(row: Mapping[str, Any]) -> VenueBookTrade:
    sign = 1 if row["side"] == "BUY" else -1
    return VenueBookTrade(
        account=AccountName(row["account"]),
        trade_id=row["id"],
        order_id=row["orderId"],
        symbol=Symbol(row["symbol"]),
        position_side=PositionSide(row["positionSide"]),
        signed_quantity=sign * Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        fee=Decimal(row["fee"]),
        maker=row["liquidity"] == "MAKER",
    )


def _differs(promise: str, account: AccountName, order: ClientOrderId | None, what: str) -> Difference:
    return Difference(promise=promise, account=account, client_order_id=order, what=what)


def by_order(orders: Iterable[Order]) -> dict[OrderId, list[Order]]:
    """Group a whole ledger's messages, in stream order, by order."""
    histories: defaultdict[OrderId, list[Order]] = defaultdict(list)
    for order in orders:
        histories[order.key.account, order.key.client_order_id].append(order)
    return dict(histories)
