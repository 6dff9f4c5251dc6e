"""The account's live orders, read on demand: cancel_all and the kill switch need them, the way of an order does not."""

from contextlib import aclosing

from ordergate.ports.bus import Feed
from ordergate.ports.checkpoint import Checkpoint
from ordergate.ports.ledger import Entry, Ledger
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName


class LiveOrders:
    """Reads the ledger from the checkpoint that status_polling keeps; without one, from its beginning."""

    def __init__(
        self, *, venue: VenueName, account: AccountName, ledger: Ledger, feed: Feed, checkpoint: Checkpoint
    ) -> None:
        self._venue = venue
        self._account = account
        self._ledger = ledger
        self._feed = feed
        self._checkpoint = checkpoint

    async def read(self) -> list[Entry]:
        """Every order of the account that has not ended, as the ledger has it now."""
        mark = await self._checkpoint.load()
        known: dict[ClientOrderId, Entry | None] = {}
        if mark is not None:
            known = {ClientOrderId(order): None for order in mark.live}
        reading = self._feed.orders(self._venue, self._account, after=mark.sequence if mark else 0)
        async with aclosing(reading) as entries:
            async for entry in entries:
                if entry is None:
                    break
                known[entry.order.key.client_order_id] = entry
        for order, entry in known.items():
            if entry is None:  # nothing new since the checkpoint: its last message is older than that
                known[order] = await self._ledger.last(self._venue, self._account, order)
        return [entry for entry in known.values() if entry is not None and not entry.order.state.is_terminal]
