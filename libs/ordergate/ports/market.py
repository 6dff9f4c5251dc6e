"""Filters and reference prices, as status_polling last read them from the venue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from ordergate.ports.venue import Balance, VenuePrice
from ordergate.trading.ids import AccountName, Symbol, VenueName
from ordergate.trading.instrument import Instrument, ReferencePrice


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What an account holds of each asset, free and locked, as of a moment of our own clock. An asset that is not there is not held."""

    assets: Mapping[str, Decimal]
    asked_at_ms: int


class MarketData(Protocol):
    def instrument(self, venue: VenueName, symbol: Symbol) -> Instrument | None: ...

    def reference_price(self, venue: VenueName, symbol: Symbol) -> ReferencePrice | None: ...

    def awaits(self, venue: VenueName, symbol: Symbol) -> bool:
        """Whether nobody has said yet if the venue has this symbol. False: what `instrument` shows now is an answer."""

    def knows_any(self, venue: VenueName) -> bool:
        """Whether filters of any symbol of the venue are at hand."""

    def awaits_price(self, venue: VenueName, symbol: Symbol) -> bool:
        """Whether no price of it has come yet, since this process began."""

    def wallet(self, venue: VenueName, account: AccountName) -> Wallet | None:
        """None: nobody has shown it."""


class WalletBoard(Protocol):
    async def post_wallet(
        self, venue: VenueName, account: AccountName, balances: Sequence[Balance], *, asked_at_ms: int
    ) -> None: ...


class MarketBoard(Protocol):
    """The writing side."""

    async def post_instruments(self, venue: VenueName, instruments: list[Instrument]) -> None: ...

    async def withdraw_instruments(self, venue: VenueName, symbols: list[Symbol]) -> None:
        """Say that the venue's list does not have them."""

    async def post_prices(self, venue: VenueName, prices: list[VenuePrice]) -> None:
        """A price is as old as the moment when its venue time was last seen to move, so a venue that repeats itself is noticed."""
