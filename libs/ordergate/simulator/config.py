"""What a simulator is made of: one JSON document or dict, checked here and trusted afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from ordergate.simulator.symbols import Symbol

Positive = Annotated[Decimal, Field(gt=0)]
ClientIds = Literal["forever", "open_only", "none"]
"""How long a clientOrderId is taken: for ever (a second order with it returns the first), while its order is open (a duplicate is refused, a finished
order frees its id, as Binance does: there a blind resend really doubles), or never."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,36}$")]


class _Section(BaseModel):
    model_config = ConfigDict(
        hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class SymbolConfig(_Section):
    """A SYMBOL row and the price its market starts at."""

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,20}$")]
    price: Positive
    base_asset: str = ""
    quote_asset: Literal["USDT"] = "USDT"
    status: Literal["TRADING", "HALT"] = "TRADING"
    tick_size: Positive = Decimal("0.01")
    min_price: Positive = Decimal("0.01")
    max_price: Positive = Decimal(1000000)
    step_size: Positive = Decimal("0.001")
    min_quantity: Positive = Decimal("0.001")
    max_quantity: Positive = Decimal(100000)
    market_max_quantity: Positive = Decimal(10000)
    min_notional: Decimal = Decimal(5)
    max_open_orders: int = Field(default=200, ge=1)
    price_band_up: Positive = Decimal("1.1")
    price_band_down: Positive = Decimal("0.9")

    def build(self) -> Symbol:
        """The engine's own view of the row."""
        return Symbol(
            name=self.symbol,
            base_asset=self.base_asset or self.symbol.removesuffix(self.quote_asset),
            quote_asset=self.quote_asset,
            tick=self.tick_size,
            price_min=self.min_price,
            price_max=self.max_price,
            lot=self.step_size,
            quantity_min=self.min_quantity,
            quantity_max=self.max_quantity,
            market_quantity_max=self.market_max_quantity,
            notional_min=self.min_notional,
            open_orders_max=self.max_open_orders,
            price_band_up=self.price_band_up,
            price_band_down=self.price_band_down,
        )


class KeyConfig(_Section):
    """An API key. No addresses = any address."""

    key: str = Field(min_length=1, repr=False)
    secret: str = Field(min_length=1, repr=False)
    permissions: tuple[Literal["TRADE", "READ_ONLY"], ...] = ("TRADE",)
    expires_at_ms: int | None = None
    addresses: tuple[str, ...] = ()


class AccountConfig(_Section):
    """An account with its money and keys."""

    account: Name
    balance: Decimal = Decimal(1000000)
    leverage: int = Field(default=20, ge=1, le=125)
    keys: tuple[KeyConfig, ...] = ()


class LimitsConfig(_Section):
    """Calls a minute: `requests` for each account and for each address, the others for each account.

    window_ms: another window than the venue's minute, so that several pass in a short test; retry-after and reset are whole seconds, rounded up.
    """

    requests: int = Field(default=1000, ge=1)
    orders: int = Field(default=300, ge=1)
    batch: int = Field(default=100, ge=1)
    close: int = Field(default=300, ge=1)
    window_ms: int = Field(default=60_000, ge=100)


class FeesConfig(_Section):
    """Rates of the notional."""

    maker: Decimal = Field(default=Decimal("0.0002"), ge=0)
    taker: Decimal = Field(default=Decimal("0.0005"), ge=0)


class FlowConfig(_Section):
    """The background flow: a ladder of quotes around a random walk, and takers. Basis points are of the price."""

    enabled: bool = True
    interval_ms: int = Field(default=100, ge=1)
    levels: int = Field(default=10, ge=1, le=200)
    level_notional: Positive = Decimal(20000)
    spread_bps: float = Field(default=1.0, gt=0)
    level_gap_bps: float = Field(default=1.0, gt=0)
    volatility_bps: float = Field(default=1.5, ge=0)
    taker_rate: float = Field(default=0.5, ge=0, le=1)
    """Chance of one taker in a symbol at each step."""
    taker_notional_min: Positive = Decimal(100)
    taker_notional_max: Positive = Decimal(20000)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> FlowConfig:
        if self.taker_notional_min > self.taker_notional_max:
            message = "takerNotionalMin is above takerNotionalMax"
            raise ValueError(message)
        return self


DEFAULT_SYMBOLS = (
    SymbolConfig(
        symbol="BTCUSDT",
        price=Decimal(64250),
        tick_size=Decimal("0.1"),
        min_price=Decimal("0.1"),
        max_quantity=Decimal(1000),
        market_max_quantity=Decimal(120),
    ),
    SymbolConfig(symbol="ETHUSDT", price=Decimal(3200), max_quantity=Decimal(10000), market_max_quantity=Decimal(2000)),
    SymbolConfig(symbol="SOLUSDT", price=Decimal(150), step_size=Decimal("0.01"), min_quantity=Decimal("0.01")),
)


class SimulatorConfig(_Section):
    """The whole document."""

    seed: int = 1
    symbols: tuple[SymbolConfig, ...] = DEFAULT_SYMBOLS
    accounts: tuple[AccountConfig, ...] = ()
    client_ids: ClientIds = "forever"
    trade_id_gap_max: int = Field(default=0, ge=0, le=1_000_000)
    """Up to so many ids are left out between two trades of a symbol, drawn from the seed."""
    limits: LimitsConfig = LimitsConfig()
    max_order_notional: Positive = Decimal(10000000)
    fees: FeesConfig = FeesConfig()
    flow: FlowConfig = FlowConfig()

    @model_validator(mode="after")
    def _names_are_unique(self) -> SimulatorConfig:
        named = {
            "symbol": [row.symbol for row in self.symbols],
            "account": [row.account for row in self.accounts],
            "key": [key.key for row in self.accounts for key in row.keys],
        }
        for what, names in named.items():
            if len(set(names)) != len(names):
                message = f"a {what} stands there twice"
                raise ValueError(message)
        return self
