"""An account that halts says so once, in AUDIT: the venue refuses its key, so nothing leaves until an operator has looked."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ordergate.ports.bus import Publisher
from ordergate.ports.clock import Clock
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, ErrorId, VenueName
from ordergate.wire import subjects
from ordergate.wire.messages import HaltDocument, RiskMessage
from services.order_submission.handlers import Halt

AGAIN_SECONDS = 0.5


class HaltDesk:
    """Publishes the halt of one account on `risk.<venue>.<account>.halted`."""

    def __init__(
        self, *, venue: VenueName, account: AccountName, halt: Halt, publisher: Publisher, clock: Clock
    ) -> None:
        self._venue = venue
        self._account = account
        self._halt = halt
        self._publisher = publisher
        self._clock = clock

    async def watch(self) -> None:
        """Wait for the halt, say it until the bus has taken it, then wait for ever: only a restart ends a halt."""
        await self._halt.wait()
        while not await self._say():
            await self._clock.sleep(AGAIN_SECONDS)
        await asyncio.Event().wait()

    async def hear(self, halts: AsyncGenerator[HaltDocument, None]) -> None:
        """For ever: what the services say that hear the venue by themselves. Theirs may be another key of the account: somebody must look all the same."""
        async with aclosing(halts) as heard:
            async for halt in heard:
                if self._halt.reason is None:
                    self._halt.throw(
                        f"credentials refused on the private stream: {halt.reason}", ErrorId(halt.error_id)
                    )

    async def _say(self) -> bool:
        statement = RiskMessage(
            venue=self._venue,
            account=self._account,
            what="halted",
            message=f"{self._halt.reason}; nothing is sent for this account until it is restarted with a good key",
            error_id=self._halt.error_id,
            at_ms=self._clock.now_ms(),
        )
        try:
            await self._publisher.answer(
                subjects.risk(self._venue, self._account, "halted"),
                statement.to_bytes(),
                message_id=f"halted:{self._venue}:{self._account}:{self._halt.error_id}",
            )
        except Unavailable:
            return False
        return True
