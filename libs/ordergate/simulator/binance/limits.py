"""Rate limits of both dialects: REQUEST_WEIGHT and RAW_REQUESTS of an address, ORDERS of an account, and bans for those who go on.

Windows are fixed and aligned to the venue's clock. A request is weighed before it is looked at; what it turns out not to cost is given back. The order
count goes up with each order and, on Spot, down by one when an order first trades as taker and by MAKER_CREDIT when it first trades while it rests (the
documents say "more than one"; how many is our assumption).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ordergate.simulator.binance.operations import Call, Engine, Failure, Operation, Security
from ordergate.simulator.limits import Window, Windows

if TYPE_CHECKING:
    from ordergate.simulator.config import BinanceLimitsConfig, DialectName

Kind = Literal["REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"]
Interval = Literal["SECOND", "MINUTE", "DAY"]
BAN_MAX_MS = 3 * 86_400_000
MAKER_CREDIT = 2
CONNECTIONS_5M = 300
_INTERVAL_MS: dict[Interval, int] = {"SECOND": 1_000, "MINUTE": 60_000, "DAY": 86_400_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One row of exchangeInfo.rateLimits."""

    kind: Kind
    interval: Interval
    number: int
    limit: int

    @property
    def length_ms(self) -> int:
        """Of its window."""
        return self.number * _INTERVAL_MS[self.interval]

    @property
    def suffix(self) -> str:
        """As headers spell it: 1M, 10S."""
        return f"{self.number}{self.interval[0]}"

    def row(self) -> dict[str, object]:
        """As exchangeInfo shows it."""
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }


def limits_of(dialect: DialectName, config: BinanceLimitsConfig) -> tuple[Limit, ...]:
    """The dialect's own numbers where the configuration has none."""
    spot = dialect == "binance-spot"
    rows: tuple[tuple[Kind, Interval, int, int | None], ...] = (
        ("REQUEST_WEIGHT", "MINUTE", 1, config.weight_1m or (6000 if spot else 2400)),
        ("ORDERS", "SECOND", 10, config.orders_10s or (100 if spot else 300)),
        ("ORDERS", "MINUTE", 1, config.orders_1m or (None if spot else 1200)),
        ("ORDERS", "DAY", 1, config.orders_1d or (200_000 if spot else None)),
        ("RAW_REQUESTS", "MINUTE", 5, config.raw_requests_5m or (300_000 if spot else None)),
    )
    return tuple(
        Limit(kind=kind, interval=interval, number=number, limit=most)
        for kind, interval, number, most in rows
        if most is not None
    )


@dataclass(slots=True)
class _Offender:
    strikes: int = 0
    bans: int = 0
    banned_until_ms: int = 0


@dataclass(slots=True, eq=False)
class Limits:
    """What every address and account used."""

    limits: tuple[Limit, ...]
    strikes_max: int
    ban_ms: int
    _windows: Windows = field(default_factory=Windows)
    _offenders: dict[str, _Offender] = field(default_factory=dict)

    def weigh(self, address: str, weight: int, now_ms: int) -> Failure | None:
        """Count one request of an address, or refuse it: 429, and 418 for who was told so too often."""
        banned = self.banned(address, now_ms)
        if banned is not None:
            return banned
        for limit in self.limits:
            if limit.kind == "ORDERS":
                continue
            window = self._window(limit, address, now_ms)
            window.used += weight if limit.kind == "REQUEST_WEIGHT" else 1
            if window.used > limit.limit:
                window.refused += 1
                return self._strike(address, limit, window, now_ms)
        return None

    def connect(self, address: str, now_ms: int) -> Failure | None:
        """Count one attempt to open a WebSocket."""
        limit, length_ms = CONNECTIONS_5M, 300_000
        window = self._windows.at("address", address, "CONNECTIONS-5M", limit=limit, length_ms=length_ms, now_ms=now_ms)
        window.used += 1
        if window.used <= limit:
            return self.banned(address, now_ms)
        window.refused += 1
        return Failure(
            code=-1034,
            msg=f"Too many connection attempts from IP; current limit is {limit} per '5 MINUTE'.",
            status=429,
            retry_after_seconds=-((now_ms - window.start_ms - length_ms) // 1000),
        )

    def give_back(self, address: str, weight: int, now_ms: int) -> None:
        """What a request that succeeded did not cost."""
        for limit in self.limits:
            if limit.kind == "REQUEST_WEIGHT":
                window = self._window(limit, address, now_ms)
                window.used = max(0, window.used - weight)

    def banned(self, address: str, now_ms: int) -> Failure | None:
        """418 while the ban lasts."""
        offender = self._offenders.get(address)
        if offender is None or now_ms >= offender.banned_until_ms:
            return None
        return _ban(offender.banned_until_ms, now_ms)

    def count_orders(self, account: str, orders: int, now_ms: int, *, in_minute: int | None = None) -> Failure | None:
        """Count orders of an account; 429 / -1015 when a window is used up: then nothing is counted."""
        rows = [(limit, self._window(limit, account, now_ms)) for limit in self.limits if limit.kind == "ORDERS"]
        for limit, window in rows:
            if window.used + _orders_in(limit, orders, in_minute) > limit.limit:
                window.refused += 1
                return _too_many_orders(limit, window, now_ms)
        for limit, window in rows:
            window.used += _orders_in(limit, orders, in_minute)
        return None

    def traded_first(self, account: str, now_ms: int, *, maker: bool) -> None:
        """An order traded for the first time: the account may place more."""
        for limit in self.limits:
            if limit.kind == "ORDERS":
                window = self._window(limit, account, now_ms)
                window.used = max(0, window.used - (MAKER_CREDIT if maker else 1))

    def used(
        self, kinds: tuple[Kind, ...], *, address: str, account: str | None, now_ms: int
    ) -> list[tuple[Limit, int]]:
        """The present counts, as headers and `rateLimits` show them."""
        return [
            (limit, self._window(limit, account if limit.kind == "ORDERS" and account else address, now_ms).used)
            for limit in self.limits
            if limit.kind in kinds and (limit.kind != "ORDERS" or account is not None)
        ]

    def windows(self) -> list[Window]:
        """All that are remembered."""
        return self._windows.listed()

    def _window(self, limit: Limit, subject: str, now_ms: int) -> Window:
        bucket = f"{limit.kind}-{limit.suffix}"
        return self._windows.at(
            "account" if limit.kind == "ORDERS" else "address",
            subject,
            bucket,
            limit=limit.limit,
            length_ms=limit.length_ms,
            now_ms=now_ms,
        )

    def _strike(self, address: str, limit: Limit, window: Window, now_ms: int) -> Failure:
        offender = self._offenders.setdefault(address, _Offender())
        offender.strikes = 1 if window.refused == 1 else offender.strikes + 1
        if offender.strikes > self.strikes_max:
            offender.bans += 1
            offender.strikes = 0
            offender.banned_until_ms = now_ms + min(BAN_MAX_MS, self.ban_ms * 2 ** (offender.bans - 1))
            return _ban(offender.banned_until_ms, now_ms)
        what = "request weight" if limit.kind == "REQUEST_WEIGHT" else "raw requests"
        return Failure(
            code=-1003,
            msg=f"Too much {what} used; current limit is {limit.limit} {what} per {limit.number} {limit.interval}. "
            "Please use WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            retry_after_seconds=_seconds_left(limit, window, now_ms),
        )


def _orders_in(limit: Limit, orders: int, in_minute: int | None) -> int:
    return orders if in_minute is None or limit.interval != "MINUTE" else in_minute


def _too_many_orders(limit: Limit, window: Window, now_ms: int) -> Failure:
    return Failure(
        code=-1015,
        msg=f"Too many new orders; current limit is {limit.limit} orders per {limit.number} {limit.interval}.",
        status=429,
        retry_after_seconds=_seconds_left(limit, window, now_ms),
    )


def _ban(until_ms: int, now_ms: int) -> Failure:
    return Failure(
        code=-1003,
        msg=f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        status=418,
        retry_after_seconds=-((now_ms - until_ms) // 1000),
    )


def _seconds_left(limit: Limit, window: Window, now_ms: int) -> int:
    return -((now_ms - window.start_ms - limit.length_ms) // 1000)


def limit_operations(limits: Limits) -> tuple[Operation[Engine], ...]:
    """Spot's reading of an account's own order counts; futures show theirs without counts, by a call of their own."""

    def order_counts(engine: Engine, call: Call) -> object:
        del engine
        used = limits.used(("ORDERS",), address="", account=call.account.name, now_ms=call.now_ms)
        return [{**limit.row(), "count": count} for limit, count in used]

    return (
        Operation(
            name="rateLimit/order",
            method="GET",
            path="/api/v3/rateLimit/order",
            ws="account.rateLimits.orders",
            answer=order_counts,
            security=Security.SIGNED_READ,
            weight=40,
        ),
    )
