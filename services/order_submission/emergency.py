"""Stop and cancel without the bus: what an operator still has when nothing else answers.

Nothing new leaves this process from the call on; every open order of its accounts is canceled until the exchange shows none, twice; and the
switch is thrown for everybody as soon as the bus takes it, so that its return does not start the trade again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ordergate.ports.clock import Clock
from ordergate.ports.control import Kill
from ordergate.ports.venue import Reading, Trading
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, VenueName

PAUSE_SECONDS = 0.5
EMPTY_READS_FOR_CLEAR = 2


class Log(Protocol):
    def warning(self, event: str, **fields: object) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """What reaches the exchange for one account, without anything of the bus."""

    venue: VenueName
    account: AccountName
    trading: Trading
    reading: Reading


class EmergencyDesk:
    """throw_here: closes this process's own switch. tell: throws it for everybody; raises Unavailable while the bus is away."""

    def __init__(
        self,
        accounts: Sequence[Clients],
        *,
        throw_here: Callable[[], Kill],
        tell: Callable[[Kill], Awaitable[None]],
        clock: Clock,
        log: Log,
    ) -> None:
        self._accounts = accounts
        self._throw_here = throw_here
        self._tell = tell
        self._clock = clock
        self._log = log
        self._thrown: Kill | None = None
        self._called = asyncio.Event()

    def call(self) -> None:
        """May come from a signal: closes the switch at once, the rest follows in `watch`."""
        self._thrown = self._throw_here()
        self._log.warning("emergency: nothing more is sent, everything open is canceled", epoch=self._thrown.epoch)
        self._called.set()

    async def watch(self) -> None:
        """Wait for calls for ever. A second one cancels again."""
        while True:
            await self._called.wait()
            self._called.clear()
            async with asyncio.TaskGroup() as work:
                if self._thrown is not None:
                    work.create_task(self._tell_all(self._thrown))
                for clients in self._accounts:
                    work.create_task(self._clear(clients))

    async def _tell_all(self, kill: Kill) -> None:
        while True:
            try:
                await self._tell(kill)
            except Unavailable:
                await self._clock.sleep(PAUSE_SECONDS)
            else:
                self._log.warning("emergency: the kill switch is thrown for everybody")
                return

    async def _clear(self, clients: Clients) -> None:
        """Until the exchange has shown nothing open, of all kinds, twice after it would take anything that was on the wire at the call."""
        declaration = clients.trading.declaration
        last_arrival = self._clock.monotonic() + (declaration.window_ms + declaration.settle_ms) / 1000
        empty_reads = canceled = 0
        while empty_reads < EMPTY_READS_FOR_CLEAR:
            try:
                left = len(await clients.reading.open_orders())
                if left:
                    canceled += left
                    await clients.trading.cancel_all(None)
            except Unavailable as away:
                self._log.warning("emergency: the exchange does not answer", account=clients.account, error=str(away))
                left = 1
            is_final = not left and self._clock.monotonic() > last_arrival
            empty_reads = empty_reads + 1 if is_final else 0
            await self._clock.sleep(PAUSE_SECONDS)
        self._log.warning(
            "emergency: the exchange shows nothing open",
            venue=clients.venue,
            account=clients.account,
            canceled=canceled,
        )
