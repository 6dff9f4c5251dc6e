"""The private stream as status_polling hears it: an order that an event shows is folded at once, those of different orders beside each other.

Of one order the views are folded in turn, and one that tells nothing that a later one does not tell too is left out: events come faster than appends.
"""

import asyncio
from collections import deque
from contextlib import aclosing

from ordergate.ports.control import Halts
from ordergate.ports.stream import Ended, Lost, Opened, OrderSeen, PrivateStream, StreamEvent
from ordergate.trading.ids import VenueOrderId
from ordergate.trading.order import VenueView
from services.status_polling.handlers import PollingDesk

FOLDED_AT_ONCE = 64
VIEWS_WAITING_MAX = 32
"""Of one order. The oldest are left out beyond that: the list tells what they told."""


class Following:
    """One account's stream."""

    def __init__(self, *, stream: PrivateStream, desk: PollingDesk, halts: Halts) -> None:
        self._stream = stream
        self._desk = desk
        self._halts = halts
        self._slots = asyncio.Semaphore(FOLDED_AT_ONCE)
        self._waiting: dict[VenueOrderId, deque[VenueView]] = {}  # of orders that are being folded

    async def follow(self) -> None:
        """For ever, once the ledger has been read to its end."""
        await self._desk.rebuilt.wait()
        async with asyncio.TaskGroup() as folding, aclosing(self._stream.events()) as told:
            async for event in told:
                await self._take(event, folding)

    async def _take(self, event: StreamEvent, folding: asyncio.TaskGroup) -> None:
        match event:
            case OrderSeen(view=view):
                await self._queue(view, folding)
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
                pass  # trades are fill_streaming's; what was set aside is counted by the stream

    async def _queue(self, view: VenueView, folding: asyncio.TaskGroup) -> None:
        waiting = self._waiting.get(view.venue_order_id)
        if waiting is None:
            await self._slots.acquire()
            self._waiting[view.venue_order_id] = deque([view], maxlen=VIEWS_WAITING_MAX)
            folding.create_task(self._fold(view.venue_order_id))
        elif waiting and _tells_as_much(view, waiting[-1]):
            waiting[-1] = view
        else:
            waiting.append(view)

    async def _fold(self, order: VenueOrderId) -> None:
        waiting = self._waiting[order]
        try:
            while waiting:
                await self._desk.take_told(waiting.popleft())
        finally:
            del self._waiting[order]
            self._slots.release()


def _tells_as_much(later: VenueView, earlier: VenueView) -> bool:
    return (
        later.executed_quantity >= earlier.executed_quantity
        and later.updated_at_ms >= earlier.updated_at_ms
        and (later.status.is_terminal or not earlier.status.is_terminal)
    )
