"""The kill switch as risk and the senders see it."""

from dataclasses import dataclass
from typing import Protocol

from ordergate.trading.ids import AccountName, VenueName
from ordergate.trading.order import OrderRequest, OrderType
from ordergate.trading.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A throw of the switch. epoch grows with every throw and resume of the scope."""

    epoch: int
    scope: Scope
    reason: str
    thrown_at_ms: int
    flatten: bool = False
    restoring: bool = False
    """The bus was restored: nobody here knows yet what became of the order, so it is neither sent nor ended; its fate is read at the venue."""

    @property
    def closing_prefix(self) -> str:
        """How the intentId of an order begins by which this throw closes a position."""
        return f"flatten-{self.epoch}-"

    def closes_by(self, request: OrderRequest) -> bool:
        """Whether the order closes a position for this throw. It can only reduce, whoever wrote it."""
        terms = request.terms
        is_closing = terms.reduce_only and terms.type is OrderType.MARKET
        return self.flatten and is_closing and request.intent_id.startswith(self.closing_prefix)


class Halts(Protocol):
    """How a service that may not send stops the one that does: the venue refused a key of the account."""

    async def halt(self, reason: str) -> None:
        """Returns once the bus has it."""

    async def lift(self) -> None:
        """This service sees no reason any more. Whoever was halted stays so until it is started again."""


class KillSwitch(Protocol):
    def thrown(self, request: OrderRequest) -> Kill | None:
        """A throw that covers the order, None while it may trade."""

    def stops(self, request: OrderRequest) -> Kill | None:
        """As `thrown`, but an order by which a throw closes positions passes: for the sender, never for risk."""

    def standing(self, venue: VenueName, account: AccountName) -> tuple[Kill, ...]:
        """Every throw in force that touches the account."""

    def is_recovering(self) -> bool:
        """Whether the bus was restored and what the venue knows is not all adopted yet: nothing is decided now, for ids may be taken there."""

    def is_confirmed(self) -> bool:
        """Whether the state was read through the leader within the last second. False closes every sender."""

    async def changed(self) -> None:
        """Return at the next throw or resume."""
