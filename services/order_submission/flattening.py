"""Closing positions after a throw: reduce-only market orders of our own, one at a time a position, each an order of the ledger as any other.

They ask risk nothing, because risk lets nothing pass in a killed scope, and need not: they can only reduce. Their ids follow from the
throw, so a process that dies here finds them when it starts again, and two replicas write the same ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ordergate.ports.bus import Feed
from ordergate.ports.clock import Clock
from ordergate.ports.control import Kill
from ordergate.ports.ledger import Entry, Ledger, Won
from ordergate.ports.venue import Reading
from ordergate.trading.amounts import add, subtract
from ordergate.trading.errors import Unavailable
from ordergate.trading.events import Approved
from ordergate.trading.ids import AccountName, IntentId, StrategyName, Symbol, VenueName, derive_client_order_id
from ordergate.trading.lifecycle import begin
from ordergate.trading.order import ZERO, OrderKey, OrderRequest, OrderType, PositionSide, Side, Terms

ROUNDS_MAX = 10
"""So often a position is tried to be closed, each time with what is left of it, before it is said that nothing helps."""
VALID_FOR_MS = 5_000
LOOK_AGAIN_SECONDS = 0.1
SETTLE_SECONDS = 2.0
"""A strategy's part of a position is the sum of its fills, and fills come after their orders: two sums this far apart must agree."""
CLOSING_STRATEGY = StrategyName("kill-switch")
"""Whose the closing orders of a scope are that names no strategy."""

Slot = tuple[Symbol, PositionSide]
Quantities = Mapping[Slot, Decimal]


@dataclass(slots=True)
class Closing:
    """What was done, and what is left; for people."""

    closed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(slots=True)
class _Work:
    """One throw's closing. executed: signed, by orders of this work; numbers: how many orders each slot had."""

    kill: Kill
    is_in_force: Callable[[], bool]
    numbers: dict[Slot, int] = field(default_factory=dict)
    executed: dict[Slot, Decimal] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


class Flattening:
    """Closes the positions of one account, as far as a throw covers them."""

    def __init__(
        self, *, venue: VenueName, account: AccountName, ledger: Ledger, reading: Reading, feed: Feed, clock: Clock
    ) -> None:
        self._venue = venue
        self._account = account
        self._ledger = ledger
        self._reading = reading
        self._feed = feed
        self._clock = clock

    async def close(self, kill: Kill, *, is_in_force: Callable[[], bool]) -> Closing:
        """Raises VenueUnavailable, BusUnavailable; to be called again then."""
        work = _Work(kill=kill, is_in_force=is_in_force)
        strategy = kill.scope.strategy
        parts = None if strategy is None else await self._settled_parts(strategy)
        held = await self._held(work, parts)
        for _ in range(ROUNDS_MAX):
            if not held or not is_in_force():
                break
            for slot, quantity in held.items():
                await self._close(work, slot, quantity)
            held = await self._held(work, parts)
        left = tuple(f"{quantity.normalize():f} {symbol} {side}" for (symbol, side), quantity in held.items())
        return Closing(closed=tuple(work.told), left=left)

    async def _held(self, work: _Work, parts: Quantities | None) -> dict[Slot, Decimal]:
        """What is to be closed now, signed: the venue's positions in scope, of a strategy no more than its own part."""
        symbol = work.kill.scope.symbol
        found: dict[Slot, Decimal] = {}
        for position in await self._reading.positions():
            if position.quantity == 0 or symbol not in {None, position.symbol}:
                continue
            slot = position.symbol, position.position_side
            quantity = position.quantity
            if parts is not None:
                part = add(parts.get(slot, ZERO), work.executed.get(slot, ZERO))
                quantity = _nearer_to_zero(quantity, part)
            if quantity != 0:
                found[slot] = quantity
        return found

    async def _settled_parts(self, strategy: StrategyName) -> Quantities:
        before = await self._parts(strategy)
        while True:
            await self._clock.sleep(SETTLE_SECONDS)
            now = await self._parts(strategy)
            if now == before:
                return now
            before = now

    async def _parts(self, strategy: StrategyName) -> Quantities:
        """The sum of the strategy's fills, as far back as the stream FILLS goes."""
        sums: dict[Slot, Decimal] = {}
        async for stored in self._feed.fills(self._venue, self._account, after=0):
            if stored is None:
                break
            fill = stored.fill
            if fill.strategy == strategy:
                slot = fill.symbol, fill.position_side
                sums[slot] = add(sums.get(slot, ZERO), fill.signed_quantity)
        return sums

    async def _close(self, work: _Work, slot: Slot, quantity: Decimal) -> None:
        """One order, to its end."""
        number = work.numbers[slot] = work.numbers.get(slot, 0) + 1
        entry = await self._written(self._request(work.kill, slot, quantity, number))
        while not entry.order.state.is_terminal:
            if not work.is_in_force():
                return
            await self._clock.sleep(LOOK_AGAIN_SECONDS)
            key = entry.order.key
            last = await self._ledger.last(key.venue, key.account, key.client_order_id)
            entry = last or entry
        order = entry.order
        executed = order.executed_quantity if order.terms.side is Side.BUY else subtract(ZERO, order.executed_quantity)
        work.executed[slot] = add(work.executed.get(slot, ZERO), executed)
        why = "" if order.reason is None else f", {order.reason}"
        work.told.append(
            f"{order.key.client_order_id} {order.terms.side} {order.executed_quantity.normalize():f} "
            f"{order.key.symbol} {order.state}{why}"
        )

    async def _written(self, request: OrderRequest) -> Entry:
        event = Approved(request=request, at_ms=self._clock.now_ms())
        answer = await self._ledger.append(begin(event), event, after=0)
        if isinstance(answer, Won):
            return answer.entry
        if answer.entry is None:
            raise Unavailable(f"the ledger no longer holds {request.key.client_order_id}")
        return answer.entry  # our own, before this process died, or a replica's

    def _request(self, kill: Kill, slot: Slot, quantity: Decimal, number: int) -> OrderRequest:
        symbol, position_side = slot
        strategy = kill.scope.strategy or CLOSING_STRATEGY
        intent_id = IntentId(f"{kill.closing_prefix}{symbol}-{position_side}-{number}")
        order_id = derive_client_order_id(self._account, strategy, intent_id)
        return OrderRequest(
            key=OrderKey(venue=self._venue, account=self._account, symbol=symbol, client_order_id=order_id),
            strategy=strategy,
            intent_id=intent_id,
            request_hash=intent_id,
            terms=Terms(
                side=Side.SELL if quantity > 0 else Side.BUY,
                type=OrderType.MARKET,
                quantity=abs(quantity),
                position_side=position_side,
                reduce_only=True,
            ),
            created_at_ms=self._clock.now_ms(),
            valid_for_ms=VALID_FOR_MS,
        )


def _nearer_to_zero(held: Decimal, part: Decimal) -> Decimal:
    """As much of the part as the account's net holds; nothing where the net is flat or on the other side."""
    if (held > 0) != (part > 0) or part == 0:
        return ZERO
    return min(held, part) if held > 0 else max(held, part)
