"""Which key signs: a pure state machine over the keys of one signer.

    NEW       beside the one in use; signs nothing but the read that verifies it
    ACTIVE    signs; at most one
    DRAINING  signs nothing more; requests signed with it may still be on the wire or be carried out late
    REVOKED   never again, whatever file it comes back in

A key is ready to be revoked at the venue when nothing that it signed is in flight and the venue's own clock has passed its last timestamp by the
window and the settle time: the same fence that is put behind an order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from ordergate.access.keys.standing import Finding, Severity
from ordergate.trading.errors import TransitionRefused, WrongKey
from ordergate.trading.ids import KeyId


class KeyState(StrEnum):
    NEW = "new"
    ACTIVE = "active"
    DRAINING = "draining"
    REVOKED = "revoked"


class KeyEvent(StrEnum):
    ACTIVATED = "activated"
    SUPERSEDED = "superseded"
    RETURNED = "returned"
    RETIRED = "retired"
    LEAKED = "leaked"


# fmt: off
TRANSITIONS: Mapping[tuple[KeyState, KeyEvent], KeyState] = MappingProxyType({
    (KeyState.NEW,      KeyEvent.ACTIVATED):  KeyState.ACTIVE,
    (KeyState.ACTIVE,   KeyEvent.SUPERSEDED): KeyState.DRAINING,
    (KeyState.DRAINING, KeyEvent.RETURNED):   KeyState.NEW,       # taken back into use; it is verified again
    (KeyState.DRAINING, KeyEvent.RETIRED):    KeyState.REVOKED,
    (KeyState.NEW,      KeyEvent.LEAKED):     KeyState.REVOKED,
    (KeyState.ACTIVE,   KeyEvent.LEAKED):     KeyState.REVOKED,   # nothing signs until another is active
    (KeyState.DRAINING, KeyEvent.LEAKED):     KeyState.REVOKED,
})
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """verified_at_ms: when a signed read with it succeeded and nothing about it was refused, None before. Times in ms."""

    id: KeyId
    state: KeyState
    since_ms: int
    created_at_ms: int | None
    verified_at_ms: int | None = None
    last_timestamp_ms: int = 0  # the venue's clock
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one signer, oldest first."""

    keys: tuple[HeldKey, ...] = ()

    @property
    def signing(self) -> KeyId | None:
        """The one that signs, None: nothing may be signed."""
        return next((key.id for key in self.keys if key.state is KeyState.ACTIVE), None)

    def find(self, key_id: KeyId) -> HeldKey | None:
        return next((key for key in self.keys if key.id == key_id), None)

    def load(self, key_id: KeyId, *, at_ms: int, created_at_ms: int | None) -> Self:
        """Beside the one in use. A key that is held already changes nothing, unless it drains: then it is new again. Raises WrongKey for one that was revoked."""
        held = self.find(key_id)
        if held is not None:
            if held.state is KeyState.REVOKED:
                raise WrongKey(f"key {key_id} was revoked and does not come back; make a new one at the venue")
            if held.state is KeyState.DRAINING:
                return self._with(replace(_moved(held, KeyEvent.RETURNED, at_ms), verified_at_ms=None))
            return self
        new = HeldKey(id=key_id, state=KeyState.NEW, since_ms=at_ms, created_at_ms=created_at_ms)
        return replace(self, keys=(*self.keys, new))

    def verify(self, key_id: KeyId, *, at_ms: int, findings: tuple[Finding, ...]) -> Self:
        """A signed read with it succeeded, and this is what was found out about it. Raises WrongKey if any of it is a refusal."""
        refusals = [finding.text for finding in findings if finding.severity is Severity.REFUSAL]
        if refusals:
            raise WrongKey(f"key {key_id} is refused: {'; '.join(refusals)}")
        return self._with(replace(self._held(key_id), verified_at_ms=at_ms))

    def activate(self, key_id: KeyId, *, at_ms: int) -> Self:
        """It signs from now on, and the one before drains. Raises TransitionRefused unless it is new and verified."""
        key = self._held(key_id)
        if key.verified_at_ms is None:
            raise TransitionRefused(key.state, KeyEvent.ACTIVATED, "it has not been verified by a signed read")
        before = [held for held in self.keys if held.state is KeyState.ACTIVE]
        superseded = [_moved(held, KeyEvent.SUPERSEDED, at_ms) for held in before]
        return self._with(*superseded, _moved(key, KeyEvent.ACTIVATED, at_ms))

    def signed(self, key_id: KeyId, *, timestamp_ms: int) -> Self:
        """A request goes out with it. Raises TransitionRefused unless it is the active one."""
        key = self._held(key_id)
        if key.state is not KeyState.ACTIVE:
            raise TransitionRefused(key.state, "signed", "only the active key signs")
        latest = max(key.last_timestamp_ms, timestamp_ms)
        return self._with(replace(key, last_timestamp_ms=latest, in_flight=key.in_flight + 1))

    def settled(self, key_id: KeyId) -> Self:
        """One of its requests has been answered, or given up as unknown. Raises TransitionRefused if none is out."""
        key = self._held(key_id)
        if key.in_flight == 0:
            raise TransitionRefused(key.state, "settled", "none of its requests is in flight")
        return self._with(replace(key, in_flight=key.in_flight - 1))

    def is_drained(self, key_id: KeyId, *, venue_now_ms: int, window_ms: int, settle_ms: int) -> bool:
        """Whether nothing that it signed can execute any more, so that the venue may be told to forget it."""
        key = self._held(key_id)
        passed = venue_now_ms > key.last_timestamp_ms + window_ms + settle_ms
        return key.state is KeyState.DRAINING and key.in_flight == 0 and passed

    def retire(self, key_id: KeyId, *, at_ms: int, venue_now_ms: int, window_ms: int, settle_ms: int) -> Self:
        """It is gone at the venue too. Raises TransitionRefused unless it is drained."""
        key = self._held(key_id)
        if not self.is_drained(key_id, venue_now_ms=venue_now_ms, window_ms=window_ms, settle_ms=settle_ms):
            raise TransitionRefused(key.state, KeyEvent.RETIRED, "a request that it signed may still be carried out")
        return self._with(_moved(key, KeyEvent.RETIRED, at_ms))

    def leak(self, key_id: KeyId, *, at_ms: int) -> Self:
        """It signs nothing more, at once and whatever is in flight. Leaked twice is leaked."""
        key = self._held(key_id)
        return self if key.state is KeyState.REVOKED else self._with(_moved(key, KeyEvent.LEAKED, at_ms))

    def _held(self, key_id: KeyId) -> HeldKey:
        found = self.find(key_id)
        if found is None:
            raise WrongKey(f"key {key_id} is not held here")
        return found

    def _with(self, *changed: HeldKey) -> Self:
        by_id = {key.id: key for key in changed}
        return replace(self, keys=tuple(by_id.get(key.id, key) for key in self.keys))


def _moved(key: HeldKey, event: KeyEvent, at_ms: int) -> HeldKey:
    state = TRANSITIONS.get((key.state, event))
    if state is None:
        raise TransitionRefused(key.state, event, "see the table of access.keys.rotation")
    return replace(key, state=state, since_ms=at_ms)
