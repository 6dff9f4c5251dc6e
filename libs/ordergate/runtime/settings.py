"""What a process is told: ORDERGATE_* in the environment, and one TOML file that lists the accounts.

No secret stands in either: keys are named by file, and only the service that signs opens the file.
"""

import secrets
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from ordergate.ports.venue import Deviation, IdScope, OrderEntry
from ordergate.runtime.connection import Access
from ordergate.trading.errors import Misconfigured
from ordergate.trading.ids import AccountName, Symbol, VenueName
from ordergate.trading.risk import RiskLimits

Limit = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Signer = Literal["order_submission", "status_polling", "fill_streaming", "position_tracking"]
"""The services that speak to the venue for an account."""
Port = Annotated[int, Field(ge=0, le=65_535)]
ShardName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
"""Also the end of the names of its Deployments."""


class Environment(BaseSettings):
    """ORDERGATE_CONFIG, ORDERGATE_SHARD, ORDERGATE_NATS_URL, ORDERGATE_NATS_SEED_FILE, ORDERGATE_NATS_CA_FILE, ORDERGATE_INSTANCE, ORDERGATE_HEALTH_PORT, ORDERGATE_LOG_LEVEL.

    shard: whose accounts this process serves; empty: all. nats_url: one address of the bus, or those of its nodes with commas between.
    health_port 0: the system picks one, and the log says which.
    """

    model_config = SettingsConfigDict(env_prefix="ORDERGATE_", frozen=True, extra="ignore")

    config: Path
    shard: str = ""
    nats_url: str = "nats://127.0.0.1:4222"
    nats_seed_file: Path | None = None
    nats_ca_file: Path | None = None
    instance: str = Field(default_factory=lambda: secrets.token_hex(4), min_length=1)
    health_host: str = "127.0.0.1"
    health_port: Port = 0
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    stop_seconds: float = Field(default=10.0, gt=0)

    @classmethod
    def read(cls) -> Self:
        """What the process was given. Raises Misconfigured, naming each variable that is missing or wrong but not its value."""
        try:
            return cls()
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            told = "; ".join(f"ORDERGATE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in faults)
            raise Misconfigured(f"the environment is wrong: {told}") from None

    @property
    def access(self) -> Access:
        """Who this process is on the bus."""
        return Access(seed_file=self.nats_seed_file, authority_file=self.nats_ca_file)

    def installation(self) -> "Installation":
        """The TOML file. Raises Misconfigured, also where it names no such shard as this process is of."""
        try:
            installation = Installation.of(self.config.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{self.config} cannot be read: {error}") from error
        installation.served_by(self.shard)
        return installation


class _Section(BaseModel):
    """A misspelt setting is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RiskSettings(_Section):
    """See trading.risk.RiskLimits. A limit that is not given does not apply, but the notional of one order, which always has one."""

    max_order_notional: Limit = Decimal(10_000_000)
    max_position_notional: Limit | None = None
    max_position_quantity: Mapping[str, Limit] = Field(default_factory=dict)
    max_open_orders: int | None = Field(default=None, ge=0)
    max_orders_per_window: int | None = Field(default=None, ge=1)
    window_ms: int = Field(default=1_000, ge=1)
    price_band: Limit | None = None
    max_daily_loss: Limit | None = None
    max_drawdown: Limit | None = None
    reference_price_age_max_ms: int = Field(default=10_000, ge=1)
    self_trade: bool = True

    def limits(self, symbols: tuple[str, ...]) -> RiskLimits:
        """With the account's symbols as the only ones allowed."""
        given = self.model_dump(exclude={"max_position_quantity"})
        return RiskLimits(
            **given,
            max_position_quantity={Symbol(name): most for name, most in self.max_position_quantity.items()},
            allowed_symbols=frozenset(Symbol(name) for name in symbols),
        )


DEFAULT_SHARES: Mapping[Signer, float] = {
    "order_submission": 0.46,
    "status_polling": 0.22,
    "fill_streaming": 0.24,
    "position_tracking": 0.08,
}
"""Which part of the account's request budget each plans with. Together at most 1."""


class DeviationSettings(_Section):
    """See ports.venue.Deviation: where this exchange is not what its adapter declares."""

    id_scope: IdScope | None = None
    settle_ms: int | None = Field(default=None, ge=0)
    lookup_is_witness: bool | None = None


class AccountSettings(_Section):
    """One account at one venue."""

    venue: str = Field(min_length=1)
    account: str = Field(min_length=1)
    base_url: str
    stream_url: str | None = None  # of the private stream, where it is not beside base_url
    symbols: tuple[str, ...] = Field(min_length=1)
    keys: Mapping[Signer, Path] = Field(
        default_factory=dict
    )  # a key of its own for each: only order_submission's may trade. Services that name the same file share its milliseconds
    secrets: Mapping[Signer, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict
    )  # instead of a file, the name of a secret in [vault] with the fields key and secret
    marks: Path | None = (
        None  # a folder for the highest timestamp of each key: no rest at a start, no key in two processes
    )
    risk: RiskSettings = RiskSettings()
    shares: Mapping[Signer, Annotated[float, Field(gt=0, le=1)]] = DEFAULT_SHARES
    limits: Mapping[
        Literal["requests", "orders", "orders_long", "batch", "close", "address"], Annotated[int, Field(ge=1)]
    ] = Field(
        default_factory=dict
    )  # where they differ from the venue's published ones, e.g. a simulator that was told so
    deviation: DeviationSettings = DeviationSettings()
    order_entry: OrderEntry | None = (
        None  # how orders and cancels reach the venue; None: the first way that it declares
    )
    position_mode: Literal["one_way", "hedge"] | None = (
        None  # with the two below: as it shall be at the venue; None: anything
    )
    margin_type: Literal["crossed", "isolated"] | None = None
    leverage: Mapping[str, Annotated[int, Field(ge=1, le=150)]] = Field(default_factory=dict)  # by symbol
    dead_mans_switch_seconds: int | None = Field(
        default=None, ge=10, le=3_600
    )  # the venue cancels the account's symbols when it hears nothing of order_submission for so long; None: it does not. Of all orders there, not only ours

    @field_validator("base_url")
    @classmethod
    def _encrypted(cls, url: str) -> str:
        """https, or plain text to this very machine (the simulator)."""
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return url.rstrip("/")
        if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
            return url.rstrip("/")
        raise ValueError("must be https, or http to a loopback address")

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: Mapping[Signer, float]) -> Mapping[Signer, float]:
        whole = {**DEFAULT_SHARES, **shares}
        if sum(whole.values()) > 1 + 1e-9:
            raise ValueError("the shares of the request budget are more than the whole")
        return whole

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.keys.keys() & self.secrets.keys():
            raise ValueError("a key is in a file or in a secret store, not in both")
        return self

    def sharers(self, signer: Signer) -> tuple[Signer, ...]:
        """The services that sign with the same key as this one, itself among them, always in the same order."""
        path, secret = self.keys.get(signer), self.secrets.get(signer)
        return tuple(
            name
            for name in get_args(Signer)
            if name == signer
            or (path is not None and self.keys.get(name) == path)
            or (secret is not None and self.secrets.get(name) == secret)
        )

    @property
    def venue_name(self) -> VenueName:
        return VenueName(self.venue)

    @property
    def account_name(self) -> AccountName:
        return AccountName(self.account)

    @property
    def place(self) -> str:
        """As shards name it: venue/account."""
        return f"{self.venue}/{self.account}"

    @property
    def venue_deviation(self) -> Deviation:
        return Deviation(**self.deviation.model_dump())

    @property
    def risk_limits(self) -> RiskLimits:
        return self.risk.limits(self.symbols)


class BusSettings(_Section):
    """replicas: 1 on one machine, 3 in a cluster. audit_bytes_max: where AUDIT begins to forget its oldest."""

    replicas: int = Field(default=1, ge=1, le=5)
    audit_bytes_max: int = Field(default=1024**3, ge=1024**2)


class VaultSettings(_Section):
    """HashiCorp Vault, key/value engine 2, by a token file or a Kubernetes role. ask_seconds: between two looks for a new version."""

    url: str
    mount: str = "secret"
    namespace: str | None = None
    token_file: Path | None = None
    role: str | None = None
    ask_seconds: float = Field(default=15.0, ge=1, le=3_600)

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.token_file is None) == (self.role is None):
            raise ValueError("name a token_file or a role")
        return self


class Installation(_Section):
    """The TOML file: `[bus]`, one `[[accounts]]` per account, and `[shards]` where they are split over several processes of each service.

    address: any name for the address that the venues see; installations behind the same one share what a venue counts by address.
    shards: for each its accounts as venue/account; every account is in exactly one. Without any, a process of a service serves all.
    """

    bus: BusSettings = BusSettings()
    vault: VaultSettings | None = None
    address: str = Field(default="default", min_length=1, max_length=64)
    accounts: tuple[AccountSettings, ...] = Field(min_length=1)
    shards: Mapping[ShardName, tuple[str, ...]] = Field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises Misconfigured, naming each wrong field but not its value."""
        try:
            return cls.model_validate(tomllib.loads(text))
        except RecursionError as error:
            raise Misconfigured("the configuration is nested too deeply to be read") from error
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            told = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}" for fault in faults
            )
            raise Misconfigured(f"the configuration is wrong: {told}") from error
        except ValueError as error:  # also a number of more digits than the interpreter reads
            raise Misconfigured(f"the configuration is not TOML: {error}") from error

    @field_validator("accounts")
    @classmethod
    def _distinct(cls, accounts: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
        if len({(entry.venue, entry.account) for entry in accounts}) < len(accounts):
            raise ValueError("an account stands here twice")
        return accounts

    @field_validator("shards")
    @classmethod
    def _each_account_once(
        cls, shards: Mapping[str, tuple[str, ...]], others: ValidationInfo
    ) -> Mapping[str, tuple[str, ...]]:
        """Nobody serves an account by guess, nor do two for long."""
        if not shards or "accounts" not in others.data:
            return shards
        known = [account.place for account in others.data["accounts"]]
        given = [place for places in shards.values() for place in places]
        if strange := sorted(set(given) - set(known)):
            raise ValueError(f"there is no account {', '.join(strange)}; there are {', '.join(known)}")
        if twice := sorted({place for place in given if given.count(place) > 1}):
            raise ValueError(f"{', '.join(twice)} stands in the shards twice")
        if missing := [place for place in known if place not in given]:
            raise ValueError(f"no shard serves {', '.join(missing)}; add it to one of {', '.join(shards)}")
        return shards

    @property
    def places(self) -> tuple[tuple[VenueName, AccountName], ...]:
        """Every account by its names."""
        return tuple((account.venue_name, account.account_name) for account in self.accounts)

    def served_by(self, shard: str) -> tuple[AccountSettings, ...]:
        """The accounts of a shard; of the empty name all of them. Raises Misconfigured where there is no such shard."""
        if not shard:
            return self.accounts
        if shard not in self.shards:
            there_are = f"there are {', '.join(self.shards)}" if self.shards else "the configuration names none"
            raise Misconfigured(f"ORDERGATE_SHARD is {shard!r}, and there is no such shard: {there_are}")
        return tuple(account for account in self.accounts if account.place in self.shards[shard])

    def shard_of(self, account: AccountSettings) -> str:
        """Empty where nothing is split."""
        return next((shard for shard, places in self.shards.items() if account.place in places), "")

    def answers_strangers(self, shard: str) -> bool:
        """One shard tells those who name no account of ours: of two, each could acknowledge what the other has not answered yet."""
        return not shard or shard == min(self.shards)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
