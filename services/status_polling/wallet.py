"""What an account holds where the venue shows no positions: read from it and put where risk can see it."""

from collections.abc import Collection
from contextlib import suppress

from ordergate.ports.clock import Clock
from ordergate.ports.market import WalletBoard
from ordergate.ports.venue import Balance, Reading
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, Symbol, VenueName

WALLET_SECONDS = 5.0
"""20 of 6,000 a minute each time."""


class WalletDesk:
    """Of one account; only the assets that its symbols may be made of."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        symbols: Collection[Symbol],
        reading: Reading,
        board: WalletBoard,
        clock: Clock,
    ) -> None:
        self._venue = venue
        self._account = account
        self._symbols = frozenset(symbols)
        self._reading = reading
        self._board = board
        self._clock = clock

    async def keep(self) -> None:
        """For ever. While the venue is away nothing is posted, and risk sees the last one age."""
        while True:
            with suppress(Unavailable):
                await self.post()
            await self._clock.sleep(WALLET_SECONDS)

    async def post(self) -> None:
        """Raises Unavailable."""
        asked_at_ms = self._clock.now_ms()  # what comes later need not be in it
        balances = [each for each in await self._reading.balances() if self._is_part(each)]
        await self._board.post_wallet(self._venue, self._account, balances, asked_at_ms=asked_at_ms)

    def _is_part(self, balance: Balance) -> bool:
        return any(symbol.startswith(balance.asset) or symbol.endswith(balance.asset) for symbol in self._symbols)
