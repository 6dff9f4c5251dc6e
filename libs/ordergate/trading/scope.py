"""What a throw of the kill switch is about."""

from dataclasses import dataclass

from ordergate.trading.ids import AccountName, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """An order is in scope when it agrees with everything that is named; nothing named: everything."""

    venue: VenueName | None = None
    account: AccountName | None = None
    strategy: StrategyName | None = None
    symbol: Symbol | None = None

    def covers(self, request: OrderRequest) -> bool:
        key = request.key
        return (
            self.touches(key.venue, key.account)
            and self.strategy in {None, request.strategy}
            and self.symbol in {None, key.symbol}
        )

    def touches(self, venue: VenueName, account: AccountName) -> bool:
        """Whether orders of that account can be in scope."""
        return self.venue in {None, venue} and self.account in {None, account}

    def __str__(self) -> str:
        place = None if self.venue is None and self.account is None else f"{self.venue or '*'}/{self.account or '*'}"
        narrowed = [
            f"{kind} {name}"
            for kind, name in (("strategy", self.strategy), ("symbol", self.symbol))
            if name is not None
        ]
        if not narrowed:
            return place or "everything"
        return f"{', '.join(narrowed)} of {place or 'every account'}"
