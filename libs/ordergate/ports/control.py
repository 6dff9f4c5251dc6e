"""The kill switch as the senders see it, and who else is alive."""

from dataclasses import dataclass
from typing import Protocol

from ordergate.trading.ids import AccountName, VenueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A throw of the switch. epoch grows with every throw and resume; scope None = everything."""

    epoch: int
    venue: VenueName | None
    account: AccountName | None
    reason: str
    thrown_at_ms: int
    flatten: bool = False


class KillSwitch(Protocol):
    def thrown(self, venue: VenueName, account: AccountName) -> Kill | None:
        """The throw that covers this account, None while it trades."""

    def is_confirmed(self) -> bool:
        """Whether the state was read through the leader within the last second. False closes every sender."""

    async def changed(self) -> None:
        """Return at the next throw or resume."""
