"""What fills add up to: positions with their profit, for the account and for each strategy, and the day's profit and loss.

Quantity, fees, volume and cash flow come out the same in whatever order the fills arrive. Average price and realised profit
depend on the order by their nature (they are a convention about history): they are defined by the order of the stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ordergate.trading.amounts import add, divide, multiply, subtract, total
from ordergate.trading.errors import Misuse
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, StrategyName, Symbol, VenueName
from ordergate.trading.order import ZERO, PositionSide

EXTERNAL = StrategyName("(external)")
"""Under this name go the fills of orders that no strategy of ours placed. No strategy can have it: it is no plain name."""

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One position side. quantity is signed; cash_flow is what all fills paid (-) and brought (+), in quote units, fees apart.

    Cost and entry price are not stored: realised profit = cash flow + cost of what is open, always and exactly, so they follow.
    """

    quantity: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    cash_flow: Decimal = ZERO

    @property
    def cost(self) -> Decimal:
        """What the open quantity cost, signed like it: quantity times entry price."""
        return subtract(self.realised_pnl, self.cash_flow)

    @property
    def entry_price(self) -> Decimal:
        """Average price of the open quantity, to 18 places; zero when flat."""
        return ZERO if self.quantity == 0 else divide(self.cost, self.quantity)

    def unrealised(self, mark_price: Decimal) -> Decimal:
        return subtract(multiply(self.quantity, mark_price), self.cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The fold of one symbol's fills up to and with the stream sequence `up_to_sequence`.

    fees: by asset, positive = paid. traded_volume: base units. fill_count: every message, reversals too.
    by_strategy: the same fills apart by strategy. Quantities and cash flows of the parts sum to `legs` exactly; realised
    profits alone need not (two strategies may be long and short of one flat net), realised plus unrealised does at any price.
    """

    venue: VenueName
    account: AccountName
    symbol: Symbol
    legs: Mapping[PositionSide, Leg] = field(default_factory=dict)
    by_strategy: Mapping[StrategyName, Mapping[PositionSide, Leg]] = field(default_factory=dict)
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    fill_count: int = 0
    traded_volume: Decimal = ZERO
    up_to_sequence: int = 0

    @property
    def quantity(self) -> Decimal:
        """Net over the position sides, signed."""
        return total(leg.quantity for leg in self.legs.values())

    @property
    def realised_pnl(self) -> Decimal:
        return total(leg.realised_pnl for leg in self.legs.values())

    def leg(self, side: PositionSide = PositionSide.BOTH) -> Leg:
        return self.legs.get(side, _FLAT)


def apply_fill(position: Position, fill: Fill, sequence: int) -> Position:
    """The position after one fill of the stream FILLS; the same object when that sequence is folded already.

    Raises Misuse for a fill of another symbol, account or venue.
    """
    if (fill.venue, fill.account, fill.symbol) != (position.venue, position.account, position.symbol):
        raise Misuse(f"a fill of {fill.venue}/{fill.account}/{fill.symbol} is not one of {position.symbol}")
    if sequence <= position.up_to_sequence:
        return position
    strategy = fill.strategy or EXTERNAL
    return replace(
        position,
        legs=_with_fill(position.legs, fill),
        by_strategy={**position.by_strategy, strategy: _with_fill(position.by_strategy.get(strategy, {}), fill)},
        fees={**position.fees, fill.fee_asset: add(position.fees.get(fill.fee_asset, ZERO), fill.fee)},
        fill_count=position.fill_count + 1,
        traded_volume=add(position.traded_volume, fill.quantity),
        up_to_sequence=sequence,
    )


def unrealised(position: Position, mark_price: Decimal) -> Decimal:
    """What closing everything at `mark_price` would add to the realised profit, in quote units, fees apart."""
    return total(leg.unrealised(mark_price) for leg in position.legs.values())


def _with_fill(legs: Mapping[PositionSide, Leg], fill: Fill) -> Mapping[PositionSide, Leg]:
    leg = legs.get(fill.position_side, _FLAT)
    change, price = fill.signed_quantity, fill.price
    return {
        **legs,
        fill.position_side: _taken_back(leg, change, price) if fill.is_reversal else _traded(leg, change, price),
    }


def _traded(leg: Leg, change: Decimal, price: Decimal) -> Leg:
    if change * leg.quantity >= 0:  # opens, or adds
        return _moved(leg, change, price, cost=add(leg.cost, multiply(change, price)))
    if _is_less(change, leg.quantity):  # closes a part: the rest keeps its entry price
        return _moved(leg, change, price, cost=subtract(leg.cost, _share(leg, change)))
    # Closes all; what is left over, if anything, crosses zero and opens the other way at this price.
    return _moved(leg, change, price, cost=multiply(add(leg.quantity, change), price))


def _taken_back(leg: Leg, change: Decimal, price: Decimal) -> Leg:
    """Undo a fill, as far as the average tells what it had done; where it does not, trade it back."""
    if change * leg.quantity > 0:  # the fill had closed a part: that part is open again at the same entry price
        return _moved(leg, change, price, cost=add(leg.cost, _share(leg, change.copy_negate())))
    cost = add(leg.cost, multiply(change, price))
    if _is_less(change, leg.quantity) and cost * leg.quantity > 0:  # it had added: its own price leaves the average
        return _moved(leg, change, price, cost=cost)
    return _traded(leg, change, price)


def _share(leg: Leg, change: Decimal) -> Decimal:
    """The cost of as much of the open quantity as `change` closes (their signs differ), signed like the open quantity."""
    return divide(multiply(leg.cost, change.copy_negate()), leg.quantity)


def _moved(leg: Leg, change: Decimal, price: Decimal, *, cost: Decimal) -> Leg:
    cash_flow = subtract(leg.cash_flow, multiply(change, price))
    return Leg(quantity=add(leg.quantity, change), cash_flow=cash_flow, realised_pnl=add(cash_flow, cost))


def _is_less(change: Decimal, quantity: Decimal) -> bool:
    return change.copy_abs() < quantity.copy_abs()


_FLAT = Leg()


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlDay:
    """Equity over one UTC day, and its highest ever. All in quote units; equity counts from any zero, only differences matter.

    Equity must be what trading made (realised + unrealised - fees), not a wallet: a withdrawal is no loss.
    """

    day: int  # days since 1970-01-01 UTC
    start_equity: Decimal
    equity: Decimal
    peak_equity: Decimal
    sampled_at_ms: int

    @property
    def loss(self) -> Decimal:
        """Lost since the day began; zero when the day is in profit."""
        return max(ZERO, subtract(self.start_equity, self.equity))

    @property
    def drawdown(self) -> Decimal:
        """How far equity is below its peak."""
        return max(ZERO, subtract(self.peak_equity, self.equity))


def sample_equity(before: PnlDay | None, equity: Decimal, at_ms: int) -> PnlDay:
    """The day after one more sample; a sample older than the last one changes nothing.

    A new day begins with the last equity of the day before, so that what was lost between the two samples is in one of them.
    """
    day = at_ms // _DAY_MS
    if before is None:
        return PnlDay(day=day, start_equity=equity, equity=equity, peak_equity=equity, sampled_at_ms=at_ms)
    if at_ms < before.sampled_at_ms:
        return before
    return PnlDay(
        day=day,
        start_equity=before.start_equity if day == before.day else before.equity,
        equity=equity,
        peak_equity=max(before.peak_equity, equity),
        sampled_at_ms=at_ms,
    )
