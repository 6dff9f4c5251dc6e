"""From settings to a session: the parts of this room put together once, the same way for every venue."""

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ordergate.access.budget import Limit, Scope, Weights, divided
from ordergate.access.clock import HighMark, LastTimestamp, Slot, Timestamps, VenueClock
from ordergate.access.http import Engine, EngineCounts, EngineLimits, parse_origin
from ordergate.access.keys import Key
from ordergate.access.keys.keychain import Keychain
from ordergate.access.limiter import Limiter
from ordergate.access.session import Patience, RequestRecord, Session, VenueManners
from ordergate.access.upkeep import Rhythm, Upkeep
from ordergate.ports.clock import Clock
from ordergate.ports.venue import Deviation, OrderEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What an open session shows of itself, to be looked at now and then."""

    counts: EngineCounts
    venue_clock: VenueClock
    limiter: Limiter
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a client of a venue is opened with.

    record must not raise and must not wait. request_share: this process's part of the account's planned requests, 0..1. limits: limits other than the
    venue's own (a simulator that was told so); deviation: the same for what the adapter declares. rest_ms: a key that signed in an earlier process rests this long before its first signature (see Timestamps).
    """

    url: str
    clock: Clock
    record: Callable[[RequestRecord], None]
    watched: Callable[[Vitals], None] | None = None
    """Told once of each session that is opened."""
    draw: Callable[[], float]
    key: Key | None = None
    keychain: Keychain | None = None
    """Instead of `key`, where the key may change while the sessions live; shared as last_timestamp is."""
    slot: Slot = field(default_factory=Slot)
    mark: HighMark | None = None
    request_share: float = 1.0
    limits: Mapping[Scope, int] = field(default_factory=dict)
    window_ms: int | None = None
    """Of a simulator with shorter windows than the venue's."""
    budget: "ShareBudget | None" = None
    """None: this process divides the limits by its shares and speaks to nobody."""
    patience: Patience = field(default_factory=Patience)
    rhythm: Rhythm = field(default_factory=Rhythm)
    engine_limits: EngineLimits = field(default_factory=EngineLimits)
    ssl_context: ssl.SSLContext | None = None
    rest_ms: int | None = None
    deviation: Deviation = field(default_factory=Deviation)
    order_entry: OrderEntry | None = OrderEntry.REST
    """One that the adapter declares; None: the first of them."""
    socket_url: str | None = None
    """Of OrderEntry.SOCKET, where it is not beside `url`."""
    last_timestamp: LastTimestamp = field(default_factory=LastTimestamp)
    """Shared by every session made of this opening or of a `replace` of it: they sign with one key, and a timestamp used twice is a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTerms:
    """What a venue says of its limits, with this process's shares. order_weights: what the write-ahead of an order stands for."""

    limits: tuple[Limit, ...]
    shares: Mapping[Scope, float]
    order_weights: Weights


ShareBudget = Callable[[BudgetTerms, VenueClock], Limiter]
"""The limiter through which the sessions of a process share one budget with other processes. Each session brings its knowledge of the venue's clock."""

AskSession = Callable[[Session], Awaitable[int]]
"""One unsigned request for the venue's time."""


def open_session(
    opening: Opening,
    *,
    manners: VenueManners,
    limits: Sequence[Limit],
    shares: Mapping[Scope, float],
    order_weights: Weights,
    ask: AskSession,
    rest_ms: int,
    replay_memory_ms: int,
) -> tuple[Session, Upkeep]:
    """Nothing is connected yet; the upkeep's `start` does that. Raises Misconfigured for an address that may not be used."""
    engine = Engine(parse_origin(opening.url), limits=opening.engine_limits, ssl_context=opening.ssl_context)
    venue_clock = VenueClock(opening.clock)
    effective = tuple(
        replace(
            each,
            limit=opening.limits.get(each.scope, each.limit),
            window_ms=each.window_ms if opening.window_ms is None else opening.window_ms,
        )
        for each in limits
    )

    def counting_ms() -> int:
        # Before the venue's clock is known only unsigned calls are counted, and the wall clock is near enough for them.
        return venue_clock.now_ms() if venue_clock.is_known else opening.clock.now_ms()

    if opening.budget is None:
        limiter = Limiter(divided(effective, shares=shares), clock=opening.clock, now_ms=counting_ms)
    else:
        limiter = opening.budget(BudgetTerms(limits=effective, shares=shares, order_weights=order_weights), venue_clock)
    if opening.watched is not None:
        scopes = tuple(limit.scope for limit in effective)
        opening.watched(Vitals(counts=engine.counts, venue_clock=venue_clock, limiter=limiter, scopes=scopes))
    public = Session(
        engine=engine,
        manners=manners,
        limiter=limiter,
        clock=opening.clock,
        venue_clock=venue_clock,
        timestamps=Timestamps(
            opening.clock,
            venue_clock,
            rest_ms=_rest_ms(opening, rest_ms),
            replay_memory_ms=replay_memory_ms,
            last=opening.last_timestamp,
            slot=opening.slot,
            mark=opening.mark,
        ),
        keychain=None,
        record=opening.record,
        upkeep=None,
        draw=opening.draw,
        patience=replace(opening.patience, read_attempts_max=1),  # a repeated question would not measure a round trip
    )
    upkeep = Upkeep(
        engine=engine,
        venue_clock=venue_clock,
        ask=lambda: ask(public),
        rhythm=opening.rhythm,
        is_frozen=lambda: limiter.is_frozen,
    )
    keychain = Keychain(opening.key) if opening.keychain is None else opening.keychain
    return replace(public, keychain=keychain, upkeep=upkeep, patience=opening.patience), upkeep


def _rest_ms(opening: Opening, rest_ms: int) -> int:
    if opening.mark is not None and opening.mark.value > 0:
        return 0  # whatever a predecessor signed is below the mark
    return rest_ms if opening.rest_ms is None else opening.rest_ms
