"""POSITIONS: the last fold of each symbol, and how far the whole account was folded."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from ordergate.trading.ids import AccountName, VenueName
from ordergate.trading.position import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPosition:
    position: Position
    sequence: int


class Positions(Protocol):
    async def load(self, venue: VenueName, account: AccountName) -> Sequence[StoredPosition]:
        """The last message of every symbol of the account."""

    async def store(self, position: Position, *, mark_price: Decimal | None, after: int) -> int | None:
        """Compare-and-set on the symbol's subject; the new sequence, or None when somebody else wrote since.

        mark_price: the venue's at its last read, None where it showed no position; published with the unrealised profit that it makes.
        """
