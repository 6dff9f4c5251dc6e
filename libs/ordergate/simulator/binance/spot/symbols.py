"""A symbol of Binance Spot: what its filters say, in ticks and lots where the engine counts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.filters import Filters, spot_filters

if TYPE_CHECKING:
    from ordergate.simulator.config import FilterFields, SymbolConfig

SMALLEST = Decimal("0.00000001")


def amount_text(amount: Decimal) -> str:
    """As the venue prints every price, quantity and amount: with eight decimals."""
    return f"{amount:.8f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotSymbol:
    """`filters` are the rows of exchangeInfo; what is checked and what is shown is the same."""

    name: str
    base_asset: str
    quote_asset: str
    tick: Decimal
    lot: Decimal
    filters: Filters

    def price_text(self, ticks: int) -> str:
        """Ticks as the venue prints a price."""
        return amount_text(self.tick * ticks)

    def quantity_text(self, lots: int) -> str:
        """Lots as the venue prints a quantity."""
        return amount_text(self.lot * lots)

    def notional_text(self, ticks_x_lots: int) -> str:
        """A sum of ticks x lots in the quote asset."""
        return amount_text(self.tick * self.lot * ticks_x_lots)

    def notional(self, ticks: int, lots: int) -> Decimal:
        """Price x quantity in the quote asset, exactly."""
        return self.tick * self.lot * (ticks * lots)

    def nearest_ticks(self, price: Decimal) -> int:
        """The price in ticks, rounded to the nearest and never below one."""
        return max(1, int((price / self.tick).to_integral_value()))

    def number(self, name: str, field: str) -> Decimal | None:
        """A filter's number; None: there is no such filter."""
        fields = self.filters.get(name)
        return None if fields is None else decimal_field(fields, field)


def build_symbol(row: SymbolConfig) -> SpotSymbol:
    """A tick or step of 0 switches that rule off (filters.md): then the engine counts in the smallest amount there is."""
    filters = spot_filters(row)
    tick = decimal_field(filters.get("PRICE_FILTER", {}), "tickSize")
    lot = decimal_field(filters.get("LOT_SIZE", {}), "stepSize")
    return SpotSymbol(
        name=row.symbol,
        base_asset=row.base_asset or row.symbol.removesuffix(row.quote_asset),
        quote_asset=row.quote_asset,
        tick=tick or SMALLEST,
        lot=lot or SMALLEST,
        filters=filters,
    )


def decimal_field(fields: FilterFields, name: str) -> Decimal:
    """A number of a filter's row; 0, which means off, if it is not there."""
    return Decimal(str(fields.get(name, 0)))
