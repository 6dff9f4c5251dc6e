"""Filters and reference prices of one venue, read from it and put where risk can see them."""

from collections.abc import Collection
from dataclasses import dataclass

from ordergate.ports.clock import Clock
from ordergate.ports.market import MarketBoard
from ordergate.ports.venue import Market
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import Symbol, VenueName


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPace:
    prices_seconds: float = 1.0
    instruments_seconds: float = 1800.0
    retry_seconds: float = 1.0
    missing_seconds: float = 30.0
    """Until the list is read again that lacked a symbol which is traded here, or showed it halted."""
    again_seconds: float = 10.0
    """Between two reads at least, however often somebody asks for one."""


class MarketDesk:
    """Posts what the venue publishes about the symbols that are traded here."""

    def __init__(
        self,
        *,
        venue: VenueName,
        symbols: Collection[Symbol],
        market: Market,
        board: MarketBoard,
        clock: Clock,
        pace: MarketPace,
    ) -> None:
        self._venue = venue
        self._symbols = frozenset(symbols)
        self._market = market
        self._board = board
        self._clock = clock
        self._pace = pace
        self._is_asked = False

    def ask_again(self) -> None:
        """The venue refused what we took for legal: its rules may have changed, or a symbol's status."""
        self._is_asked = True

    async def post_instruments(self) -> None:
        """Read and post the filters for ever."""
        while True:
            try:
                pause = await self._post_instruments()
            except Unavailable:
                pause = self._pace.retry_seconds
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        """Until the list is due, or somebody has asked for it."""
        while seconds > 0:
            await self._clock.sleep(min(seconds, self._pace.again_seconds))
            seconds -= self._pace.again_seconds
            if self._is_asked:
                break
        self._is_asked = False

    async def _post_instruments(self) -> float:
        """Read the list and post it; how long it is good for."""
        instruments = await self._market.instruments()
        await self._board.post_instruments(self._venue, [each for each in instruments if each.symbol in self._symbols])
        missing = sorted(self._symbols - {each.symbol for each in instruments})
        # An empty list is no list: it says nothing about any symbol.
        if instruments and missing:
            await self._board.withdraw_instruments(self._venue, missing)
        is_halted = any(not each.trading for each in instruments if each.symbol in self._symbols)
        return self._pace.missing_seconds if missing or is_halted else self._pace.instruments_seconds

    async def post_prices(self) -> None:
        """Read and post the reference prices for ever. While the venue is away nothing is posted, and risk sees the price age."""
        while True:
            try:
                prices = await self._market.prices()
                await self._board.post_prices(self._venue, [each for each in prices if each.symbol in self._symbols])
            except Unavailable:
                pass  # the last price stands, with its time
            await self._clock.sleep(self._pace.prices_seconds)
