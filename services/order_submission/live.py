"""The account's live orders, read on demand: cancel_all and the kill switch need them, the way of an order does not."""

from contextlib import aclosing

from ordergate.ports.bus import Feed
from ordergate.ports.checkpoint import Checkpoint
from ordergate.ports.ledger import Entry, Ledger
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName


class LiveOrders:
    """Reads the ledger from the checkpoint that status_polling keeps, without one from its beginning; the next time from where it was then.

    Readings beside each other are each complete; the one that came furthest is remembered.
    """

    def __init__(
        self, *, venue: VenueName, account: AccountName, ledger: Ledger, feed: Feed, checkpoint: Checkpoint
    ) -> None:
        self._venue = venue
        self._account = account
        self._ledger = ledger
        self._feed = feed
        self._checkpoint = checkpoint
        self._live: dict[ClientOrderId, Entry] = {}
        self._read_to: int | None = None

    async def read(self) -> list[Entry]:
        """Every order of the account that has not ended, as the ledger has it now."""
        known, after = await self._begin()
        reading = self._feed.orders(self._venue, self._account, after=after)
        async with aclosing(reading) as entries:
            async for entry in entries:
                if entry is None:
                    break
                known[entry.order.key.client_order_id] = entry
                after = entry.sequence
        for order, entry in known.items():
            if entry is None:  # nothing new since the checkpoint: its last message is older than that
                known[order] = await self._ledger.last(self._venue, self._account, order)
        live = {
            order: entry for order, entry in known.items() if entry is not None and not entry.order.state.is_terminal
        }
        if self._read_to is None or after >= self._read_to:
            self._live, self._read_to = live, after
        return list(live.values())

    async def _begin(self) -> tuple[dict[ClientOrderId, Entry | None], int]:
        """What was live at a sequence, and that sequence; None: live then, its entry not known."""
        if self._read_to is not None:
            return dict(self._live), self._read_to
        mark = await self._checkpoint.load()
        return ({}, 0) if mark is None else ({ClientOrderId(order): None for order in mark.live}, mark.sequence)
