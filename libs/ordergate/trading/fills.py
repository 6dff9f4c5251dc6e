"""What a venue trade is to us, and what may be inferred when a venue hides one.

Nothing stored is ever changed. An inferred fill that turns out to be a real trade is taken back by a reversal, and every
id here is a pure function of what it is about, so that doing anything a second time stores nothing new.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from ordergate.trading.amounts import add, multiply, subtract
from ordergate.trading.errors import Misuse
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    StrategyName,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.order import ZERO, Order, PositionSide, Side


class Liquidity(StrEnum):
    MAKER = "maker"
    TAKER = "taker"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """A trade of ours as the venue tells it, in a list, an event or an answer. quantity in base units; fee in fee_asset, positive = paid."""

    trade_id: TradeId
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    symbol: Symbol
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: Liquidity
    venue_time_ms: int


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
        return self.quantity if self.side is Side.BUY else self.quantity.copy_negate()  # a minus would round

    @property
    def is_reversal(self) -> bool:
        return self.quantity < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSums:
    """What the stored fills of one order add up to, reversals included; the same in whatever order they are added.

    quantity: base units, positive for either side. notional: quote units. fees: by asset. inferred_count: how many fills
    were ever inferred (reversed ones too), the n of the next one is one more.
    """

    quantity: Decimal = ZERO
    notional: Decimal = ZERO
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    count: int = 0
    inferred_count: int = 0

    def add(self, fill: Fill) -> "FillSums":
        """The sums with one more stored fill. Each stored fill is added once: the store sees to that, not this fold."""
        return FillSums(
            quantity=add(self.quantity, fill.quantity),
            notional=add(self.notional, multiply(fill.quantity, fill.price)),
            fees={**self.fees, fill.fee_asset: add(self.fees.get(fill.fee_asset, ZERO), fill.fee)},
            count=self.count + 1,
            inferred_count=self.inferred_count + (fill.inferred and not fill.is_reversal),
        )


def infer(
    order: Order, *, stored: Decimal, inferred_count: int, maker_fee: Decimal, fee_asset: str, now_ms: int
) -> Fill | None:
    """The fill that the venue hides: executed quantity minus everything stored, at the order's own limit price.

    stored, inferred_count: of the FillSums of this order, read from FILLS (never from what one meant to store: after a lost
    answer an earlier inference may stand there with the same id and another quantity). maker_fee: fraction of notional.
    None: nothing is missing, or the order has no limit price, so that its trades are taker trades and will show themselves.
    """
    missing = subtract(order.executed_quantity, stored)
    price = order.terms.price
    if missing <= 0 or price is None or order.venue_order_id is None:
        return None
    return Fill(
        venue=order.key.venue,
        account=order.key.account,
        symbol=order.key.symbol,
        trade_id=inferred_id(order.venue_order_id, inferred_count + 1),
        venue_order_id=order.venue_order_id,
        client_order_id=order.key.client_order_id,
        strategy=order.request.strategy,
        side=order.terms.side,
        position_side=order.terms.position_side,
        price=price,
        quantity=missing,
        fee=multiply(multiply(missing, price), maker_fee),
        fee_asset=fee_asset,
        liquidity=Liquidity.MAKER,
        venue_time_ms=now_ms if order.venue_updated_at_ms is None else order.venue_updated_at_ms,
        received_time_ms=now_ms,
        inferred=True,
    )


def inferred_id(order: VenueOrderId, number: int) -> TradeId:
    """The id of the order's n-th inferred fill, n = 1, 2, ..."""
    return TradeId(f"inferred-{order}-{number}")


def reverse(fill: Fill, now_ms: int) -> Fill:
    """The fill that takes an inferred one back. Raises Misuse for anything else: a real trade is never taken back."""
    if not fill.inferred or fill.is_reversal:
        raise Misuse(f"only an inferred fill can be reversed, not {fill.trade_id}")
    return replace(
        fill,
        trade_id=reversal_id(fill.trade_id),
        quantity=fill.quantity.copy_negate(),
        fee=fill.fee.copy_negate(),
        received_time_ms=now_ms,
    )


def reversal_id(trade: TradeId) -> TradeId:
    return TradeId(f"{trade}-reversed")


def reversals_needed(stored: Iterable[Fill], trade: Fill, *, now_ms: int) -> tuple[Fill, ...]:
    """What must be stored before `trade`, a real trade of an order some of whose fills were inferred: their reversals.

    stored: the order's fills in FILLS, of which inferred ones and reversals count (with the real ones among them a trade
    stored before asks for nothing). All inferred fills go, not just as much as the trade covers: what is then missing is
    inferred anew, under a new id, once the order's trades were read again. So a crash after any of these stores is harmless:
    the reversal that stands is not asked for again, and the trade is stored once because its id is its own.
    """
    known = {fill.trade_id: fill for fill in stored}
    if trade.trade_id in known:
        return ()
    standing = [fill for fill in known.values() if fill.inferred and not fill.is_reversal]
    return tuple(reverse(fill, now_ms) for fill in standing if reversal_id(fill.trade_id) not in known)
