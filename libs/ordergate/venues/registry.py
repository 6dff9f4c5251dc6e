"""Which venues there are: one line each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from ordergate.access.budget import CEILINGS, PLAN, Limit, Scope
from ordergate.access.keys import Key
from ordergate.access.keys.standing import Permissions
from ordergate.access.opening import Opening
from ordergate.access.session import Session
from ordergate.access.streaming import KeptStream, StreamOpening
from ordergate.ports.venue import Declaration, Market, Priority, Reading, Trading
from ordergate.trading.errors import Misconfigured, UnknownVenue
from ordergate.trading.ids import VenueName
from ordergate.venues.binance_futures import client as futures
from ordergate.venues.binance_futures import stream as futures_stream
from ordergate.venues.binance_futures.declaration import DECLARATION as FUTURES
from ordergate.venues.binance_futures.limits import LIMITS as FUTURES_LIMITS
from ordergate.venues.binance_spot import client as spot
from ordergate.venues.binance_spot import stream as spot_stream
from ordergate.venues.binance_spot.declaration import DECLARATION as SPOT
from ordergate.venues.binance_spot.limits import LIMITS as SPOT_LIMITS
from ordergate.venues.zetarium import client as zetarium
from ordergate.venues.zetarium.declaration import DECLARATION as ZETARIUM
from ordergate.venues.zetarium.limits import LIMITS as ZETARIUM_LIMITS


class _Opened(Protocol):
    """A client with sockets of its own. `start` warms it up (False: the venue is not there yet, it goes on trying), `close` ends it."""

    @property
    def tells_rights(self) -> bool:
        """Whether `verify` finds out what a key may do."""

    async def start(self, *, timeout_seconds: float = ...) -> bool: ...
    async def close(self) -> None: ...

    async def verify(self, key: Key) -> Permissions:
        """One signed read with another key than the client's own. Raises WrongKey (refused), VenueUnavailable, ClockUnknown (not known)."""

    def venue_now_ms(self) -> int:
        """Raises ClockUnknown."""


class OpenTrading(Trading, _Opened, Protocol):
    """A trading client that its service opens and closes."""


class OpenReading(Reading, _Opened, Protocol):
    """A reading client that its service opens and closes."""

    @property
    def session(self) -> Session: ...


class _OpenStream(Protocol):
    def __call__(
        self, session: Session, opening: StreamOpening, *, trades: bool = True, orders: bool = True
    ) -> KeptStream: ...


class OpenMarket(Market, _Opened, Protocol):
    """A market client that its service opens and closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """open: upon the session of a reading client. url: where the streams of a REST address are."""

    open: _OpenStream
    url: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    declaration: Declaration
    trading: Callable[[Opening], OpenTrading]
    reading: Callable[[Opening], OpenReading]
    market: Callable[[Opening], OpenMarket]
    limits: Sequence[Limit]
    trades_weight: int = 1
    """What a page of the trade list counts among the requests."""
    streaming: Streaming | None = None
    """None where the declaration has no private stream."""

    def seconds_between_requests(self, requests_limit: int | None, share: float) -> float:
        """How far apart reconciling reads must be so that a share of the plan lasts its window.

        requests_limit: where it differs from the published one.
        """
        published = next(each for each in self.limits if each.scope is Scope.REQUESTS)
        plan = (requests_limit or published.limit) * PLAN * share * CEILINGS[Priority.RECONCILE]
        return published.window_ms / 1000 / plan * self.trades_weight


# fmt: off
VENUES: Mapping[str, Venue] = MappingProxyType({
    "zetarium": Venue(declaration=ZETARIUM, trading=zetarium.open_trading, reading=zetarium.open_reading, market=zetarium.open_market, limits=ZETARIUM_LIMITS),
    "binance-spot": Venue(declaration=SPOT, trading=spot.open_trading, reading=spot.open_reading, market=spot.open_market, limits=SPOT_LIMITS, trades_weight=20, streaming=Streaming(open=spot_stream.open_stream, url=spot_stream.stream_url)),
    "binance-futures": Venue(declaration=FUTURES, trading=futures.open_trading, reading=futures.open_reading, market=futures.open_market, limits=FUTURES_LIMITS, trades_weight=5, streaming=Streaming(open=futures_stream.open_stream, url=futures_stream.stream_url)),
})
# fmt: on


def find_venue(venue: VenueName) -> Venue:
    """Raises UnknownVenue."""
    found = VENUES.get(venue)
    if found is None:
        raise UnknownVenue(f"no adapter for {venue!r}; there are {', '.join(VENUES)}")
    return found


def open_trading(venue: VenueName, opening: Opening) -> OpenTrading:
    """With a key that may trade. Raises UnknownVenue, Misconfigured (also for a way that orders cannot go there)."""
    found = find_venue(venue)
    entries = found.declaration.order_entries
    entry = opening.order_entry or entries[0]
    if entry not in entries:
        raise Misconfigured(f"{venue} takes no orders by {entry}; leave order_entry out")
    return found.trading(replace(opening, order_entry=entry))


def open_reading(venue: VenueName, opening: Opening) -> OpenReading:
    """With a read-only key. Raises UnknownVenue, Misconfigured."""
    return find_venue(venue).reading(opening)


def open_market(venue: VenueName, opening: Opening) -> OpenMarket:
    """Without a key. Raises UnknownVenue, Misconfigured."""
    return find_venue(venue).market(opening)


def open_stream(
    venue: VenueName, reading: OpenReading, opening: StreamOpening, *, trades: bool = True, orders: bool = True
) -> KeptStream:
    """The private stream, with key, clock and budget of an open reading client. trades, orders: what is wanted of it. Raises UnknownVenue, Misconfigured."""
    streaming = find_venue(venue).streaming
    if streaming is None:
        raise Misconfigured(f"{venue} has no private stream")
    return streaming.open(reading.session, opening, trades=trades, orders=orders)


def stream_url(venue: VenueName, base_url: str) -> str | None:
    """Where the private streams of a REST address are; None: there are none. Raises UnknownVenue."""
    streaming = find_venue(venue).streaming
    return None if streaming is None else streaming.url(base_url)
