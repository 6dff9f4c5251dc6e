"""What every client of a venue is: an open session, the upkeep that it needs, and what it declares."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import ClassVar, Self, TypeVar

from ordergate.access.keys import Key
from ordergate.access.keys.keychain import Keychain
from ordergate.access.keys.standing import Permissions
from ordergate.access.session import Answer, Answered, Call, Session
from ordergate.access.upkeep import Upkeep
from ordergate.ports.venue import Declaration, NotExecuted
from ordergate.trading.errors import Unreadable, VenueUnavailable, WrongKey

VERIFY_SECONDS = 5.0
Fact = TypeVar("Fact")


@dataclass(slots=True, kw_only=True)
class VenueClient:
    """The base of a venue's trading, reading and market clients. proof_of_key: a signed read that a key of any rights may make; tells_rights:
    whether `verify` finds out what a key may do.
    """

    session: Session
    upkeep: Upkeep
    declaration: Declaration
    proof_of_key: ClassVar[Call]
    tells_rights: ClassVar[bool] = False

    async def start(self, *, timeout_seconds: float = 5.0) -> bool:
        """Warm sockets and read the venue's clock. False: the venue is not there yet; it goes on trying, and calls say NotSent or ClockUnknown."""
        return await self.upkeep.start(timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        await self.upkeep.close()
        await self.session.engine.close()

    async def verify(self, key: Key) -> Permissions:
        """One signed read with a key that the session does not sign with, through the session's own budget, clock and sockets.

        Raises WrongKey (the exchange refuses it), VenueUnavailable (nothing is known of it). The exchange tells nothing of what a key may do.
        """
        trial = replace(self.session, keychain=Keychain(key))
        match await trial.change(self.proof_of_key, deadline_seconds=VERIFY_SECONDS):
            case Answered():
                return Permissions()
            case NotExecuted(credentials=True) as refused:
                raise WrongKey(f"the exchange refuses key {key.id}: {refused.reason}")
            case other:
                raise VenueUnavailable(f"key {key.id} could not be verified: {getattr(other, 'reason', 'throttled')}")

    def venue_now_ms(self) -> int:
        """The exchange's clock as the session knows it. Raises ClockUnknown."""
        return self.session.venue_clock.now_ms()

    async def read(self, call: Call, parse: Callable[[Answer], Fact]) -> Fact:
        """Raises VenueUnavailable, also for an answer that cannot be one, and ClockUnknown."""
        return parsed(call, await self.session.read(call), parse)

    async def find(self, call: Call, parse: Callable[[Answer], Fact]) -> Fact | None:
        """As `read`; None: the venue says that there is no such thing."""
        answer = await self.session.find(call)
        return None if answer is None else parsed(call, answer, parse)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def parsed(call: Call, answer: Answer, parse: Callable[[Answer], Fact]) -> Fact:
    """Raises VenueUnavailable for an answer that cannot be one."""
    try:
        return parse(answer)
    except Unreadable as error:
        raise VenueUnavailable(f"{call.method} {call.path}: {error}") from error
