"""What every dialect's venue can do for the connection, the doors and the faults: the part of the simulator that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.limits import Window
    from ordergate.simulator.refusal import Refusal
    from ordergate.simulator.sight import Sight


@dataclass(slots=True, eq=False)
class Request:
    """One HTTP request as received: the query is raw, header names were lower-cased. refused_legs: what a fault does to a batch that is signed."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    address: str
    refused_legs: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class Response:
    """One HTTP response without its frame."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a request is about, before anything of it is believed: the call as faults and arrivals name it, and the order it speaks of."""

    call: str
    client_order_id: str | None
    order_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """An order of the venue's own making that a test asks for: a liquidation, or (adl) an auto-deleveraging of so much, None: of all."""

    account: str
    symbol: str
    position_side: str
    adl: bool
    quantity: Decimal | None


class Counted(Protocol):
    """Rate limits, for whoever looks."""

    def windows(self) -> list[Window]:
        """Those that are remembered, oldest first, with the present ones last."""


class Served(Protocol):
    """A venue of some dialect."""

    @property
    def limits(self) -> Counted:
        """Its counters."""

    def handle(
        self, request: Request, now_ms: int, sight: Sight | None = None, *, received_ms: int | None = None
    ) -> Response:
        """Answer one request of a client. received_ms: when it arrived, if it was held back since; sight: what a read of it sees."""

    def named(self, request: Request) -> Named:
        """What the request is about."""

    def advance(self, now_ms: int) -> None:
        """Let the rest of the world act up to this moment."""

    def revoke(self, key: str, *, revoked: bool) -> bool:
        """Take a key away, or give it back; False: there is no such key."""

    def halt(self, symbol: str, *, halted: bool) -> None:
        """Stop or resume trading of a symbol; one that is not there is left alone."""

    def fill(self, order_id: int, now_ms: int) -> bool:
        """Somebody trades with exactly this resting order, all of it. False: it is not resting."""

    def set_price(self, symbol: str, price: Decimal, now_ms: int) -> str | None:
        """Move a market; its mark price then as the venue prints it. None: no such symbol."""

    def force(self, forced: Forced, now_ms: int) -> str | None:
        """Close a position by an order of the venue's own; its id. None: there is none to close, or this venue does not do that."""

    def ledger(self, account: str | None) -> dict[str, object]:
        """The books of one account or all (docs/simulator.md)."""

    def refuse(self, refusal: Refusal) -> Response:
        """The dialect's own envelope of an error."""

    def refuse_by_limit(self, seconds: int, *, banned: bool) -> Response:
        """429, or 418 to one who went on."""

    def refuse_key(self) -> Response:
        """What a key that was taken away is told."""

    def failed(self, status: int, code: str) -> Response:
        """A 5xx of the venue's own making."""

    def without_legs(self, request: Request, legs: tuple[int, ...]) -> Request:
        """The batch with these legs made such that the venue refuses them, and only them."""
