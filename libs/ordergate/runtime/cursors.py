"""How far each symbol's trade list has been read, in the bucket CURSORS."""

from ordergate.ports.bus import Shelf
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import AccountName, Symbol, VenueName
from ordergate.wire import keys
from ordergate.wire.messages import CursorDocument


class Cursors:
    """A cursor that is lost or old only means reading again what is stored already."""

    def __init__(self, shelf: Shelf, *, venue: VenueName, account: AccountName) -> None:
        self._shelf = shelf
        self._venue = venue
        self._account = account

    async def load(self, symbol: Symbol) -> CursorDocument | None:
        """Raises BusUnavailable."""
        data = await self._shelf.get(keys.cursor(self._venue, self._account, symbol))
        if data is None:
            return None
        try:
            return CursorDocument.of(data)
        except Unreadable:
            return None

    async def save(self, symbol: Symbol, cursor: CursorDocument) -> None:
        """Raises BusUnavailable."""
        await self._shelf.put(keys.cursor(self._venue, self._account, symbol), cursor.to_bytes())
