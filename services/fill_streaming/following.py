"""The private stream as fill_streaming hears it: a trade is stored the moment it is told, many at once, and every gap is read."""

import asyncio
from contextlib import aclosing

from ordergate.ports.control import Halts
from ordergate.ports.stream import Ended, Lost, Opened, PrivateStream, StreamEvent, TradeSeen
from services.fill_streaming.handlers import FillDesk

STORED_AT_ONCE = 250


class Following:
    """One account's stream."""

    def __init__(self, *, stream: PrivateStream, desk: FillDesk, halts: Halts) -> None:
        self._stream = stream
        self._desk = desk
        self._halts = halts
        self._slots = asyncio.Semaphore(STORED_AT_ONCE)

    async def follow(self) -> None:
        """For ever. Who owns a trade is asked of what is folded of ORDERS, so that comes first."""
        await self._desk.rebuilt.wait()
        async with asyncio.TaskGroup() as storing, aclosing(self._stream.events()) as told:
            async for event in told:
                await self._take(event, storing)

    async def _take(self, event: StreamEvent, storing: asyncio.TaskGroup) -> None:
        match event:
            case TradeSeen(trade=trade):
                await self._slots.acquire()
                storing.create_task(self._desk.store_told(trade)).add_done_callback(self._free)
            case Opened():
                self._desk.stream_opened()
                await self._halts.lift()
            case Lost():
                self._desk.stream_lost()
            case Ended():
                self._desk.stream_lost()
                if event.credentials:
                    await self._halts.halt(event.reason)
            case _:
                pass  # orders are status_polling's; what was set aside is counted by the stream

    def _free(self, _: asyncio.Task[None]) -> None:
        self._slots.release()
