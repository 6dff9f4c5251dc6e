"""What a throw of the kill switch does to one account: nothing new leaves in its scope, what is open there is canceled, and "flat" is
said with evidence.

Only the venue can say that nothing is open: "flat" needs a ledger that holds nothing approved, in flight or unknown in scope, and after
that two reads of the open orders, both empty. The venue knows no strategies: there an open order is a strategy's if the ledger says so.
"""

import asyncio

from ordergate.ports.bus import Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.control import Kill, KillSwitch
from ordergate.ports.ledger import Entry, Ledger
from ordergate.ports.venue import Reading, Trading
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.trading.order import VenueView
from ordergate.trading.scope import Scope
from ordergate.wire import keys, subjects
from ordergate.wire.messages import RiskMessage
from services.order_submission.cancels import CancelDesk
from services.order_submission.flattening import Flattening
from services.order_submission.handlers import OrderDesk
from services.order_submission.live import LiveOrders

ROUND_SECONDS = 0.5
EMPTY_READS_FOR_FLAT = 2

NOT_REDUCIBLE = (
    "reduce_only_unsupported: this venue has no orders that can only reduce, so a throw sells nothing; everything is canceled, "
    "what is held stays: lift the throw for what shall be sold, and close it by a close intent"
)


class KillDesk:
    """Carries out every throw of the switch that touches this account."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        kill: KillSwitch,
        orders: OrderDesk,
        cancels: CancelDesk,
        live: LiveOrders,
        ledger: Ledger,
        trading: Trading,
        reading: Reading,
        flattening: Flattening,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._venue = venue
        self._account = account
        self._kill = kill
        self._orders = orders
        self._cancels = cancels
        self._live = live
        self._ledger = ledger
        self._trading = trading
        self._reading = reading
        self._flattening = flattening
        self._publisher = publisher
        self._clock = clock

    async def watch(self) -> None:
        """Wait for throws for ever. A throw that stood before this process started is carried out as well; several go side by side."""
        taken: frozenset[Kill] = frozenset()
        async with asyncio.TaskGroup() as throws:
            while True:
                standing = frozenset(self._kill.standing(self._venue, self._account))
                for kill in sorted(standing - taken, key=lambda kill: kill.thrown_at_ms):
                    throws.create_task(self._carry_out(kill))
                taken = standing
                await self._kill.changed()

    async def _carry_out(self, kill: Kill) -> None:
        """To the word "flat", or until the switch is turned again."""
        in_flight = sum(kill.scope.covers(order.request) for order in self._orders.in_hand())
        ended = await self._end_unsent(kill)
        await self._say(
            kill,
            "kill_thrown",
            f"{kill.reason}; {ended} waiting orders ended, {in_flight - ended} requests were on the wire at the throw",
        )
        if not await self._empty(kill):
            return
        await self._say(
            kill,
            "kill_flat",
            f"{kill.scope}: nothing approved, in flight or unknown in the ledger; "
            f"{EMPTY_READS_FOR_FLAT} reads of open orders at the venue were empty",
        )
        if kill.flatten:
            await self._flatten(kill)

    async def _end_unsent(self, kill: Kill) -> int:
        while True:
            try:
                return await self._orders.end_unsent_in_hand(kill.scope, "killed")
            except Unavailable:
                await self._clock.sleep(ROUND_SECONDS)

    async def _empty(self, kill: Kill) -> bool:
        """Cancel until nothing is open in scope. False: the switch was turned again before."""
        empty_reads = 0
        while self._is_in_force(kill):
            try:
                empty_reads = await self._round(kill.scope, empty_reads)
            except Unavailable:
                empty_reads = 0
            if empty_reads >= EMPTY_READS_FOR_FLAT:
                return True
            await self._clock.sleep(ROUND_SECONDS)
        return False

    async def _round(self, scope: Scope, empty_reads: int) -> int:
        """Cancel what is live; then, if the ledger holds nothing that could still come to be, ask the venue. The empty reads so far."""
        live = [entry for entry in await self._live.read() if scope.covers(entry.order.request)]
        if live:
            await self._cancel(scope, live)
            return 0
        left = await self._open_at_venue(scope)
        if left:
            await self._cancel_at_venue(scope, left)
            return 0
        return empty_reads + 1

    async def _cancel(self, scope: Scope, live: list[Entry]) -> None:
        if scope.strategy is None and any(entry.order.state.is_at_venue for entry in live):
            # One call for all; the calls below read each order's own answer.
            await self._trading.cancel_all(scope.symbol)
        await self._cancels.cancel_orders(live, "killed")

    async def _open_at_venue(self, scope: Scope) -> list[VenueView]:
        views = await self._reading.open_orders(scope.symbol)
        if scope.strategy is None:
            return list(views)
        return [view for view in views if await self._is_of(scope.strategy, view)]

    async def _is_of(self, strategy: StrategyName, view: VenueView) -> bool:
        if view.client_order_id is None:
            return False
        entry = await self._ledger.last(self._venue, self._account, view.client_order_id)
        return entry is not None and entry.order.request.strategy == strategy

    async def _cancel_at_venue(self, scope: Scope, left: list[VenueView]) -> None:
        """Strangers' orders, which status_polling has not adopted yet, and such as the ledger takes for ended."""
        if scope.strategy is None:
            await self._trading.cancel_all(scope.symbol)
            return
        for view in left:
            await self._trading.cancel(view.symbol, venue_order_id=view.venue_order_id)

    async def _flatten(self, kill: Kill) -> None:
        """Close the positions in scope by orders that can only reduce, until there are none or nothing helps.

        Where no order can be reduce-only nothing is sold: what is held may be more than was bought here, and nobody could say afterwards whose it was.
        """
        if not self._reading.declaration.reduce_only:
            await self._say(kill, "kill_not_flattened", f"{kill.scope}: {NOT_REDUCIBLE}")
            return
        told: tuple[str, ...] = ()
        while self._is_in_force(kill):
            try:
                result = await self._flattening.close(kill, is_in_force=lambda: self._is_in_force(kill))
            except Unavailable:
                await self._clock.sleep(ROUND_SECONDS)
                continue
            told += result.closed
            done = "; ".join(told) or "there was no position"
            if not result.left:
                await self._say(kill, "kill_flattened", f"{kill.scope}: no position is left; {done}")
            elif self._is_in_force(kill):
                await self._say(kill, "kill_not_flattened", f"{kill.scope}: left are {', '.join(result.left)}; {done}")
            return

    def _is_in_force(self, kill: Kill) -> bool:
        return kill in self._kill.standing(self._venue, self._account)

    async def _say(self, kill: Kill, what: str, message: str) -> None:
        now_ms = self._clock.now_ms()
        statement = RiskMessage(
            venue=self._venue,
            account=self._account,
            what=what,
            strategy=kill.scope.strategy,
            symbol=kill.scope.symbol,
            message=message,
            at_ms=now_ms,
        )
        message_id = f"{keys.kill_statement(what, kill.scope, self._account, kill.epoch)}{now_ms}"
        subject = subjects.risk(self._venue, self._account, what)
        while True:
            try:
                return await self._publisher.answer(subject, statement.to_bytes(), message_id=message_id)
            except Unavailable:
                await self._clock.sleep(ROUND_SECONDS)
