"""What a strategy or a fill consumer holds: intents go out, orders, fills and positions come in."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from nats.aio.client import Client

from ordergate.client.connection import TOTAL_SECONDS, Connection
from ordergate.client.fills import Fills
from ordergate.client.intents import (
    VALID_FOR_MS,
    LegTerms,
    PlacedTerms,
    build,
    build_list,
    message_id,
    new_intent_id,
)
from ordergate.client.replay import Received, Replay, Start, last
from ordergate.trading.errors import BusUnavailable, InvalidIntent, Misuse, StillWaiting
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    IntentId,
    StrategyName,
    Symbol,
    VenueName,
    derive_client_order_id,
    derive_leg_id,
)
from ordergate.trading.order import TERMINAL, ListKind, Order, State
from ordergate.trading.position import Position
from ordergate.wire import facts, streams, subjects
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import (
    AnswerMessage,
    CancelAllIntent,
    CancelIntent,
    CancelScope,
    CloseIntent,
    Intent,
    PlaceIntent,
    ReplaceIntent,
)
from ordergate.wire.subjects import IntentKind

INTENT_BYTES_MAX = next(spec.max_message_bytes for spec in streams.streams() if spec.name == streams.INTENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An intent that is durably taken (not: sent). client_order_id: the order it is about, None for cancel_all.

    sequence: its INTENTS stream sequence. duplicate: this very intent had been taken before.
    """

    kind: IntentKind
    intent_id: IntentId
    client_order_id: ClientOrderId | None
    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionUpdate:
    position: Position
    sequence: int


OrderUpdate = OrderRecord
"""One message of an order's life: order, event_kind, event, evidence, correction, sequence, stored_at_ms."""


@asynccontextmanager
async def connect(
    url: str,
    *,
    venue: str,
    account: str,
    strategy: str,
    limit_seconds: float = TOTAL_SECONDS,
    nkey_seed_file: Path | None = None,
    authority_file: Path | None = None,
    now_ms: Callable[[], int] | None = None,
    **options: Any,
) -> AsyncGenerator["Gateway", None]:
    """A gateway for one strategy on one account.

    limit_seconds: how long a call may wait for the bus. nkey_seed_file: of the strategy's identity, where the bus asks for one; answers then go
    to an inbox of its own. authority_file: certificates of those whose word on the bus's certificate counts (tls://). options go to nats-py.
    Raises InvalidToken for a name that cannot stand on the bus, BusUnavailable when there is no bus within the limit, UnsafeKeyFile, Misconfigured
    when the bus does not know the identity. What an identity may not do raises Denied, here and in every call.
    """
    for name in (venue, account, strategy):
        subjects.token(name)
    connection = Connection(Client(), total_seconds=limit_seconds)
    await connection.open(
        url,
        name=f"strategy {strategy}",
        options=options,
        nkey_seed_file=nkey_seed_file,
        authority_file=authority_file,
    )
    gateway = Gateway(
        connection,
        venue=VenueName(venue),
        account=AccountName(account),
        strategy=StrategyName(strategy),
        now_ms=now_ms or _wall_clock_ms,
    )
    try:
        yield gateway
    finally:
        await connection.close()


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Gateway:
    """Made by `connect`. Every publication is repeated with the same id until acknowledged.

    Each raises InvalidIntent or IntentTooLarge (nothing was published), Misconfigured, or BusUnavailable at the limit: then it is not
    known whether the intent was taken; repeat the call with the same intent_id and created_at_ms.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        venue: VenueName,
        account: AccountName,
        strategy: StrategyName,
        now_ms: Callable[[], int],
    ) -> None:
        self.venue = venue
        self.account = account
        self.strategy = strategy
        self._connection = connection
        self._now_ms = now_ms

    # Intents.

    async def submit(self, **terms: Unpack[PlacedTerms]) -> Ticket:
        """Place an order, once."""
        return await self._place(build(PlaceIntent, self._placed(IntentKind.PLACE, dict(terms))))

    async def submit_list(
        self, kind: ListKind | str, *others: LegTerms, **first: Unpack[PlacedTerms]
    ) -> tuple[Ticket, ...]:
        """Place two or three orders in one request to the venue, or none of them; a ticket for each, the first one's first.

        OCO: each of the two ends the other. OTO: the other goes to the market once `first`, a LIMIT order, is filled whole; OTOCO: so do
        the two others, an OCO. To cancel one is to cancel all.
        """
        fields = self._placed(IntentKind.PLACE, dict(first))
        ticket = await self._place(build(PlaceIntent, fields | {"order_list": build_list(kind, others)}))
        named = [other.get("client_order_id") for other in others]
        return (
            ticket,
            *(
                dataclasses.replace(
                    ticket,
                    client_order_id=derive_leg_id(self.account, self.strategy, ticket.intent_id, place)
                    if name is None
                    else ClientOrderId(name),
                )
                for place, name in enumerate(named, 2)
            ),
        )

    async def replace(self, client_order_id_of_old: str, **terms: Unpack[PlacedTerms]) -> Ticket:
        """Place a new order in the place of an old one of this strategy and symbol, in one request to the venue. The ticket is about the new order.

        It is not placed unless that request canceled the old one; where both halves differ each order tells its own. A venue that has no such
        request refuses it (`unsupported_by_venue`).
        """
        fields = self._placed(IntentKind.REPLACE, dict(terms)) | {"replaces": client_order_id_of_old}
        return await self._place(build(ReplaceIntent, fields))

    async def close(self, symbol: str, **fields: Any) -> Ticket:
        """Close a position, or `quantity` of it. Also takes position_side, client_order_id, intent_id, created_at_ms, valid_for_ms."""
        return await self._place(build(CloseIntent, self._placed(IntentKind.CLOSE, fields | {"symbol": symbol})))

    async def cancel(
        self,
        order: Ticket | str,
        *,
        symbol: str | None = None,
        intent_id: str | None = None,
        valid_for_ms: int | None = None,
    ) -> Ticket:
        """Ask for the end of one order, by its ticket or its clientOrderId."""
        order_id = order.client_order_id if isinstance(order, Ticket) else order
        if order_id is None:
            raise InvalidIntent("that ticket is about no single order")
        fields = self._who(IntentKind.CANCEL, intent_id, valid_for_ms)
        intent = build(CancelIntent, fields | {"client_order_id": order_id, "symbol": symbol})
        return await self._send(intent, ClientOrderId(order_id))

    async def cancel_all(
        self,
        *,
        symbol: str | None = None,
        scope: CancelScope | str = CancelScope.STRATEGY,
        intent_id: str | None = None,
        valid_for_ms: int | None = None,
    ) -> Ticket:
        """Ask for the end of every open order of this strategy, or (scope `account`) of the account; of one symbol or of all."""
        if scope not in set(CancelScope):
            raise InvalidIntent(f"scope: {scope!r} is none of {', '.join(CancelScope)}")
        fields = self._who(IntentKind.CANCEL_ALL, intent_id, valid_for_ms)
        intent = build(CancelAllIntent, fields | {"symbol": symbol, "scope": CancelScope(scope)})
        return await self._send(intent, None)

    async def publish(
        self,
        kind: IntentKind | str,
        body: bytes,
        *,
        intent_id: str,
        symbol: str | None = None,
        client_order_id: str | None = None,
    ) -> Ticket:
        """Publish an intent's bytes as they are, for those who write their own JSON; the gate judges them."""
        subject = subjects.intent(
            self.venue, self.account, self.strategy, IntentKind(kind), None if symbol is None else Symbol(symbol)
        )
        order = None if client_order_id is None else ClientOrderId(client_order_id)
        return await self._publish(subject, body, IntentKind(kind), intent_id, order)

    # What becomes of them.

    async def wait(
        self, ticket: Ticket, until: Iterable[State | str] | None = None, *, timeout_seconds: float = 10.0
    ) -> OrderUpdate | AnswerMessage:
        """The first message of the order that shows a state of `until`, or any terminal state; or the answer to the intent itself.

        until None: a terminal state. A cancel is also over when it is answered, a cancel_all only then.
        Raises StillWaiting when the time is over; the order goes on without you.
        """
        wanted = TERMINAL | {State(state) for state in until or ()}
        waits: list[Coroutine[Any, Any, OrderUpdate | AnswerMessage]] = [self._answer(ticket)]
        if ticket.client_order_id is not None:
            waits.append(self._state(ticket.client_order_id, wanted))
        tasks = [asyncio.create_task(wait) for wait in waits]
        try:
            done, _ = await asyncio.wait(tasks, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not done:
            raise StillWaiting(f"intent {ticket.intent_id} has no such end within {timeout_seconds} s")
        # The ledger's word goes before an answer that came in the same instant.
        return next(task for task in reversed(tasks) if task in done).result()

    def orders(
        self,
        *,
        since_sequence: int | None = None,
        since_ms: int | None = None,
        symbol: str | None = None,
        everyone: bool = False,
        follow: bool = True,
    ) -> Replay[OrderUpdate]:
        """The orders of this strategy (everyone: of the account), from an ORDERS sequence (inclusive), from a time, or from now on.

        `async with` pins the beginning at once; a plain `async for` pins it at its first step. follow False: only what is stored.
        """

        def read(received: Received) -> OrderUpdate | None:
            update = _order_update(received)
            own = everyone or update.order.request.strategy == self.strategy
            return update if own and symbol in {None, update.order.key.symbol} else None

        return Replay(
            self._connection,
            stream=streams.ORDERS,
            filters=(subjects.orders_of(self.venue, self.account),),
            start=_start(since_sequence, since_ms),
            read=read,
            follow=follow,
        )

    def fills(
        self,
        *,
        since_sequence: int | None = None,
        since_ms: int | None = None,
        symbol: str | None = None,
        follow: bool = True,
    ) -> Fills:
        """The account's fills, each once, from a FILLS sequence (inclusive, 0: all), from a time, or from now on; see Fills.verify."""
        return Fills(
            self._connection,
            self.venue,
            self.account,
            start=_start(since_sequence, since_ms),
            symbol=None if symbol is None else Symbol(symbol),
            follow=follow,
        )

    def positions(self, *, follow: bool = True) -> Replay[PositionUpdate]:
        """The account's positions as they stand, then (follow) every change."""

        def read(received: Received) -> PositionUpdate:
            position = facts.position_from(facts.parse(received.data))
            return PositionUpdate(position=position, sequence=received.sequence)

        return Replay(
            self._connection,
            stream=streams.POSITIONS,
            filters=(subjects.positions_of(self.venue, self.account),),
            start=Start(last_per_subject=True),
            read=read,
            follow=follow,
        )

    async def order(self, client_order_id: str) -> Order | None:
        """The order as the ledger has it now; None: the ledger has none of that id. Raises BusUnavailable."""
        guard = subjects.order_guard(self.venue, self.account, ClientOrderId(client_order_id))
        data = await last(self._connection, streams.ORDERS, guard)
        return None if data is None else facts.order_record(facts.parse(data), sequence=0, stored_at_ms=0).order

    # Below.

    def _who(self, kind: IntentKind, intent_id: str | None, valid_for_ms: int | None) -> dict[str, Any]:
        now_ms = self._now_ms()
        return {
            "schema_number": 1,
            "kind": kind,
            "intent_id": intent_id or new_intent_id(now_ms),
            "venue": self.venue,
            "account": self.account,
            "strategy": self.strategy,
            "created_at_ms": now_ms,
            "valid_for_ms": valid_for_ms,
        }

    def _placed(self, kind: IntentKind, terms: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in terms.items() if value is not None}
        return self._who(kind, None, VALID_FOR_MS) | given

    async def _place(self, intent: PlaceIntent | ReplaceIntent | CloseIntent) -> Ticket:
        intent_id = IntentId(intent.intent_id)
        derived = derive_client_order_id(self.account, self.strategy, intent_id)
        return await self._send(intent, ClientOrderId(intent.client_order_id or derived))

    async def _send(self, intent: Intent, order: ClientOrderId | None) -> Ticket:
        symbol = None if intent.symbol is None else Symbol(intent.symbol)
        subject = subjects.intent(self.venue, self.account, self.strategy, intent.kind, symbol)
        return await self._publish(subject, intent.to_bytes(), intent.kind, intent.intent_id, order)

    async def _publish(
        self, subject: str, body: bytes, kind: IntentKind, intent_id: str, order: ClientOrderId | None
    ) -> Ticket:
        ack = await self._connection.publish(
            subject, body, message_id=message_id(subject, intent_id, body), size_max=INTENT_BYTES_MAX
        )
        return Ticket(
            kind=kind,
            intent_id=IntentId(intent_id),
            client_order_id=order,
            sequence=ack.seq,
            duplicate=bool(ack.duplicate),
        )

    async def _state(self, order: ClientOrderId, wanted: frozenset[State]) -> OrderUpdate:
        async with Replay(
            self._connection,
            stream=streams.ORDERS,
            filters=(subjects.order_guard(self.venue, self.account, order),),
            start=Start(sequence=0),
            read=_order_update,
        ) as updates:
            async for update in updates:
                if update.order.state in wanted:
                    return update
        raise BusUnavailable("the gateway was closed while waiting")

    async def _answer(self, ticket: Ticket) -> AnswerMessage:
        subject = subjects.answer(self.venue, self.account, self.strategy, ticket.intent_id)
        async with Replay(
            self._connection,
            stream=streams.AUDIT,
            filters=(subject,),
            start=Start(sequence=0),
            read=lambda received: AnswerMessage.of(received.data),
        ) as answers:
            async for answer in answers:
                # Another body under the same intentId is answered on the same subject.
                if answer.intent_sequence in {None, ticket.sequence}:
                    return answer
        raise BusUnavailable("the gateway was closed while waiting")


def _order_update(received: Received) -> OrderUpdate:
    return facts.order_record(
        facts.parse(received.data), sequence=received.sequence, stored_at_ms=received.stored_at_ms
    )


def _start(since_sequence: int | None, since_ms: int | None) -> Start:
    if since_sequence is not None and since_ms is not None:
        raise Misuse("since_sequence or since_ms, not both")
    return Start(sequence=since_sequence, time_ms=since_ms)
