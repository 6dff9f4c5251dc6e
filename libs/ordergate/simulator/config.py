"""What a simulator is made of: one JSON document or dict, checked here and trusted afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from ordergate.simulator.symbols import Symbol

Positive = Annotated[Decimal, Field(gt=0)]
ClientIds = Literal["forever", "open_only", "none"]
"""How long a clientOrderId is taken: for ever (a second order with it returns the first), while its order is open (a duplicate is refused, a finished
order frees its id, as Binance does: there a blind resend really doubles), or never."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
DialectName = Literal["zetarium", "binance-spot", "binance-futures"]
FilterFields = dict[str, str | int | bool]


class _Section(BaseModel):
    model_config = ConfigDict(
        hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class SymbolConfig(_Section):
    """A SYMBOL row and the price its market starts at."""

    # Letters of any script: Binance has had symbols that are not ASCII since 2025-12-02.
    symbol: Annotated[str, Field(pattern=r"^[^\W_a-z]{2,20}$")]
    price: Positive
    base_asset: str = ""
    quote_asset: str = "USDT"
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
    filters: dict[str, FilterFields | None] = {}
    """Binance's dialects: filters in the venue's own fields, by filterType, instead of or beside those that the fields above make; null takes one away."""

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
    """An API key. No addresses = any address. Either a secret (HMAC) or, in Binance's dialects, a public key (PEM; RSA or Ed25519)."""

    key: str = Field(min_length=1, repr=False)
    secret: str = Field(default="", repr=False)
    public_key: str = Field(default="", repr=False)
    permissions: tuple[Literal["TRADE", "READ_ONLY"], ...] = ("TRADE",)
    expires_at_ms: int | None = None
    addresses: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _signs_in_one_way(self) -> Self:
        if bool(self.secret) == bool(self.public_key):
            message = "a key has either a secret or a publicKey"
            raise ValueError(message)
        return self


class AccountConfig(_Section):
    """An account with its money and keys."""

    account: Name
    balance: Decimal = Decimal(1000000)
    balances: dict[str, Decimal] = {}
    """Spot: free amounts by asset. An asset that is not named has `balance` if it is some symbol's quote asset, else what that buys at the start price."""
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


class BinanceLimitsConfig(_Section):
    """Binance's dialects: what `exchangeInfo.rateLimits` says. None = the dialect's own number, or no such limit.

    An address that was answered 429 `strikes` times in a row without waiting is banned (418) for ban_ms, doubled with each further ban up to three days.
    """

    weight_1m: int | None = Field(default=None, ge=1)
    raw_requests_5m: int | None = Field(default=None, ge=1)
    orders_10s: int | None = Field(default=None, ge=1)
    orders_1m: int | None = Field(default=None, ge=1)
    orders_1d: int | None = Field(default=None, ge=1)
    strikes: int = Field(default=10, ge=1)
    ban_ms: int = Field(default=120_000, ge=1)


class StreamsConfig(_Section):
    """Binance's dialects: life of WebSocket connections and listen keys, in milliseconds. None = as the dialect's venue has it."""

    ping_ms: int | None = Field(default=None, ge=10)
    pong_ms: int | None = Field(default=None, ge=10)
    life_ms: int = Field(default=86_400_000, ge=10)
    listen_key_ms: int = Field(default=3_600_000, ge=10)


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

    dialect: DialectName = "zetarium"
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
    binance_limits: BinanceLimitsConfig = BinanceLimitsConfig()
    streams: StreamsConfig = StreamsConfig()

    @model_validator(mode="before")
    @classmethod
    def _binance_frees_ids(cls, given: object) -> object:
        """There an id is taken while its order is open, unless the document says otherwise."""
        if isinstance(given, dict) and given.get("dialect", "zetarium") != "zetarium" and "clientIds" not in given:
            return {"client_ids": "open_only", **given}
        return given

    @model_validator(mode="after")
    def _dialect_knows_its_keys_and_assets(self) -> SimulatorConfig:
        if self.dialect == "zetarium" and any(key.public_key for row in self.accounts for key in row.keys):
            message = "zetarium has no keys but those with a secret"
            raise ValueError(message)
        if self.dialect != "binance-spot" and any(row.quote_asset != "USDT" for row in self.symbols):
            message = "only binance-spot quotes in another asset than USDT"
            raise ValueError(message)
        return self

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
