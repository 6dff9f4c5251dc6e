"""The bodies of intents, for whoever hears only their subjects."""

from ordergate.runtime.connection import Bus
from ordergate.wire.streams import INTENTS


class IntentBodies:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def read(self, sequence: int) -> bytes | None:
        """The intent at this stream sequence, None if it is there no more. Raises BusUnavailable."""
        message = await self._bus.jetstream.message(INTENTS, sequence)
        return None if message is None else message.data
