"""What a venue trade is to us, and what may be inferred when a venue hides one."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    StrategyName,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.order import PositionSide, Side


class Liquidity(StrEnum):
    MAKER = "maker"
    TAKER = "taker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One venue trade of ours. Quantity in base units, negative only in a reversal; fee in fee_asset, positive = paid.

    strategy is None where the trade belongs to no order of ours (external).
    """

    venue: VenueName
    account: AccountName
    symbol: Symbol
    trade_id: TradeId
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    strategy: StrategyName | None
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: Liquidity
    venue_time_ms: int
    received_time_ms: int
    inferred: bool = False

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity * self.side.sign
