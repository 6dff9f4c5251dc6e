"""The keys in use by one process for one account: what the sessions sign with at this moment, and what is still out with each.

An attempt takes its key once (`begin`) and gives it back when it is over. Another key may take over at any time between two attempts; one that is
stopped signs nothing more, not even for an attempt that has it already.
"""

import asyncio
from dataclasses import dataclass

from ordergate.access.keys.key import Key
from ordergate.trading.ids import KeyId


@dataclass(slots=True, eq=False)
class Wielded:
    """A key with what it is doing. last_timestamp_ms: the highest that it was used with, by the venue's clock."""

    key: Key
    in_flight: int = 0
    last_timestamp_ms: int = 0
    is_stopped: bool = False

    def end(self, timestamp_ms: int) -> None:
        """An attempt is over; 0: it never came to a timestamp."""
        self.in_flight -= 1
        self.last_timestamp_ms = max(self.last_timestamp_ms, timestamp_ms)


class Keychain:
    """Shared by every session of a process that signs for one account."""

    def __init__(self, key: Key | None = None) -> None:
        self._signing: Wielded | None = None
        self._others: list[Wielded] = []
        self._arrived = asyncio.Event()
        if key is not None:
            self.put_first(key)

    @property
    def signing(self) -> Wielded | None:
        """What the next attempt signs with; None: nothing may be signed."""
        return self._signing

    def begin(self) -> Wielded | None:
        """For one attempt, which calls `end`."""
        if self._signing is not None:
            self._signing.in_flight += 1
        return self._signing

    async def ready(self, *, timeout_seconds: float) -> bool:
        """Whether there is a key to sign with, after waiting for one if need be."""
        if self._signing is None:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._arrived.wait()
            except TimeoutError:
                return False
        return True

    def put_first(self, key: Key) -> None:
        """It signs from the next attempt on. Attempts that are under way go on with what they have."""
        if self._signing is not None:
            self._others.append(self._signing)
        self._signing = Wielded(key)
        self._arrived.set()

    def stop(self, key_id: KeyId) -> int:
        """Nothing that is not on the wire yet is signed with it any more. How many attempts have it now."""
        if self._signing is not None and self._signing.key.id == key_id:
            self._others.append(self._signing)
            self._signing = None
            self._arrived.clear()
        held = self._of(key_id)
        for each in held:
            each.is_stopped = True
        return sum(each.in_flight for each in held)

    def in_flight(self, key_id: KeyId) -> int:
        return sum(each.in_flight for each in self._of(key_id))

    def last_timestamp_ms(self, key_id: KeyId) -> int:
        return max((each.last_timestamp_ms for each in self._of(key_id)), default=0)

    def _of(self, key_id: KeyId) -> list[Wielded]:
        held = self._others if self._signing is None else [self._signing, *self._others]
        return [each for each in held if each.key.id == key_id]
