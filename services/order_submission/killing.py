"""What the kill switch does to one account: nothing new leaves, everything open is canceled, and "flat" is said with evidence.

Only the venue can say that nothing is open: "flat" needs a ledger in which nothing is approved, in flight or unknown, and after that two
reads of all open orders, both empty.
"""

from ordergate.ports.bus import Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.control import Kill, KillSwitch
from ordergate.ports.ledger import Entry
from ordergate.ports.venue import Reading, Trading
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import subjects
from ordergate.wire.messages import RiskMessage
from services.order_submission.cancels import CancelDesk
from services.order_submission.handlers import OrderDesk
from services.order_submission.live import LiveOrders

ROUND_SECONDS = 0.5
EMPTY_READS_FOR_FLAT = 2


class KillDesk:
    """Carries out every throw of the switch that covers this account."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        kill: KillSwitch,
        orders: OrderDesk,
        cancels: CancelDesk,
        live: LiveOrders,
        trading: Trading,
        reading: Reading,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._venue = venue
        self._account = account
        self._kill = kill
        self._orders = orders
        self._cancels = cancels
        self._live = live
        self._trading = trading
        self._reading = reading
        self._publisher = publisher
        self._clock = clock

    async def watch(self) -> None:
        """Wait for throws for ever. A throw that stood before this process started is carried out as well."""
        done_epoch = 0
        while True:
            kill = self._kill.thrown(self._venue, self._account)
            if kill is None or kill.epoch == done_epoch:
                await self._kill.changed()
                continue
            if await self._carry_out(kill):
                done_epoch = kill.epoch

    async def _carry_out(self, kill: Kill) -> bool:
        """True once flat was said; False when the switch was turned again before."""
        in_flight = len(self._orders.in_hand())
        ended = await self._orders.end_unsent_in_hand("killed")
        await self._say(
            kill,
            "kill_thrown",
            f"{kill.reason}; {ended} waiting orders ended, {in_flight - ended} requests were on the wire at the throw",
        )
        empty_reads = 0
        while self._is_in_force(kill):
            try:
                empty_reads = await self._round(empty_reads)
            except Unavailable:
                empty_reads = 0
            if empty_reads >= EMPTY_READS_FOR_FLAT:
                await self._say(
                    kill,
                    "kill_flat",
                    f"nothing approved, in flight or unknown in the ledger; {empty_reads} reads of open orders at the venue were empty",
                )
                return True
            await self._clock.sleep(ROUND_SECONDS)
        return False

    async def _round(self, empty_reads: int) -> int:
        """Cancel what is live; then, if the ledger holds nothing that could still come to be, ask the venue. The empty reads so far."""
        live = await self._live.read()
        if live:
            await self._cancel(live)
            return 0
        if await self._reading.open_orders():
            await self._trading.cancel_all(None)  # a stranger's, which status_polling has not adopted yet
            return 0
        return empty_reads + 1

    async def _cancel(self, live: list[Entry]) -> None:
        if any(entry.order.state.is_at_venue for entry in live):
            await self._trading.cancel_all(None)  # one call for all; the calls below read each order's own answer
        await self._cancels.cancel_orders(live, "killed")

    def _is_in_force(self, kill: Kill) -> bool:
        now = self._kill.thrown(self._venue, self._account)
        return now is not None and now.epoch == kill.epoch

    async def _say(self, kill: Kill, what: str, message: str) -> None:
        now_ms = self._clock.now_ms()
        statement = RiskMessage(venue=self._venue, account=self._account, what=what, message=message, at_ms=now_ms)
        await self._publisher.answer(
            subjects.risk(self._venue, self._account, what),
            statement.to_bytes(),
            message_id=f"{what}:{self._venue}:{self._account}:{kill.epoch}:{now_ms}",
        )
