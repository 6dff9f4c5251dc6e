"""What a venue tells one account by itself, as facts in the order in which they came. A stream may lose anything: who needs all of it also reads."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from ordergate.ports.venue import VenueTrade
from ordergate.trading.order import VenueView


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """From here on everything is seen, until Lost or Ended. since_ms: our wall clock when the last connection still showed everything;

    what happened after it must be read from the venue. None: nothing was seen before.
    """

    since_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nothing is seen until the next Opened, which the stream works at by itself."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The venue will have this stream no longer: nothing comes after it until a key can be used again (then Opened).

    credentials: the key itself was refused or revoked, the account must halt.
    """

    reason: str
    credentials: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """An order as an event shows it. May be older than what is known, double, or about an order that is not ours."""

    view: VenueView


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSeen:
    """A trade of the account. May come twice and in any order."""

    trade: VenueTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """An event that could not be read, or that means nothing to us that we know of. reason: without any of its values."""

    reason: str


StreamEvent = Opened | Lost | Ended | OrderSeen | TradeSeen | SetAside


class PrivateStream(Protocol):
    """One account's stream. One reader at a time."""

    def events(self) -> AsyncGenerator[StreamEvent, None]:
        """For ever. The stream connects when this is first read, and reconnects by itself with jittered pauses.

        One report of the venue may yield a TradeSeen and then an OrderSeen. Duplicates are harmless and do come.
        """

    def doubt(self, reason: str) -> None:
        """Something happened that this stream should have told and did not: it begins again, and says so."""

    async def close(self) -> None:
        """Ends `events`. Leaves nothing open."""
