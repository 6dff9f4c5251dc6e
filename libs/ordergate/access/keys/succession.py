"""How a running process changes its key without a gap: one step of looking, verifying, taking over and draining at a time.

The new key is loaded beside the old one and signs nothing but a read; only after that read the next attempt signs with it. Whatever goes wrong on the
way, the old key goes on. A key that leaked signs nothing more at once, whether or not another is there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ordergate.access.keys.key import Key
from ordergate.access.keys.keychain import Keychain
from ordergate.access.keys.rotation import HeldKey, KeyRing, KeyState
from ordergate.access.keys.standing import DAY_MS, Finding, Permissions, Severity, aged, judge
from ordergate.access.keys.watch import Replaced, TakenAway, Unreadable
from ordergate.ports.clock import Clock
from ordergate.trading.errors import ClockUnknown, Misconfigured, Unavailable, WrongKey
from ordergate.trading.ids import KeyId

Look = Callable[[], Awaitable[Replaced | TakenAway | Unreadable | None]]
Verify = Callable[[Key], Awaitable[Permissions]]
"""A signed read with this key. Raises WrongKey: refused; Unavailable: nothing is known of it."""
Admit = Callable[[Key], None]
"""May this process sign with it at all? Raises Misconfigured (WrongKey among them)."""

ASK_AGAIN_SECONDS = 2.0
REFUSED_AGAIN_SECONDS = 60.0
"""A key that was made a moment ago may not be known everywhere yet; one that is wrong is not asked about every second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The venue's, in ms: no request of a key executes later than window + settle after its timestamp. trading: whether this process may trade."""

    window_ms: int
    settle_ms: int
    trading: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a person should know of a key. severity None: all is well."""

    key_id: KeyId
    severity: Severity | None
    text: str


@dataclass(slots=True)
class _Candidate:
    key: Key
    ask_at: float = 0.0  # monotonic seconds
    problem: str = ""


class Succession:
    """The keys of one process for one account. tell: called once for each new thing that is to be said; it must not raise."""

    def __init__(
        self,
        key: Key,
        keychain: Keychain,
        *,
        created_at_ms: int | None,
        terms: Terms,
        look: Look,
        verify: Verify,
        venue_now_ms: Callable[[], int],
        clock: Clock,
        tell: Callable[[Told], None],
        admit: Admit = lambda _: None,
        tells_rights: bool = False,
    ) -> None:
        """tells_rights: the venue says what a key may do, so the key that the process starts with is asked about too."""
        now_ms = clock.now_ms()
        # The key that the process starts with is the installation's word; its first request shows what the venue says to it.
        first = HeldKey(id=key.id, state=KeyState.ACTIVE, since_ms=now_ms, created_at_ms=created_at_ms)
        self._ring = KeyRing((first,))
        self._keychain = keychain
        self._terms = terms
        self._look = look
        self._verify = verify
        self._venue_now_ms = venue_now_ms
        self._clock = clock
        self._tell = tell
        self._admit = admit
        self._candidate: _Candidate | None = None
        self._first = _Candidate(key) if tells_rights else None
        self._revoked: set[KeyId] = set()
        self._ready: set[KeyId] = set()
        self._told_day: tuple[KeyId, int] | None = None

    @property
    def keys(self) -> tuple[HeldKey, ...]:
        """Oldest first, with what is in flight now."""
        return tuple(self._seen(key) for key in self._ring.keys)

    @property
    def problem(self) -> str:
        """Why the newest key does not sign yet; empty: nothing stands in its way."""
        return "" if self._candidate is None else self._candidate.problem

    def is_ready_to_revoke(self, key_id: KeyId) -> bool:
        """Nothing that the key signed can be carried out any more: the venue may forget it."""
        return key_id in self._ready

    def holds(self, key_id: KeyId) -> bool:
        return self._ring.find(key_id) is not None

    def date(self, key_id: KeyId, created_at_ms: int) -> None:
        """A key is at least as old as anybody has ever seen it."""
        held = self._ring.find(key_id)
        if held is not None and (held.created_at_ms is None or created_at_ms < held.created_at_ms):
            self._put(replace(held, created_at_ms=created_at_ms))

    def revoke(self, key_id: KeyId) -> int:
        """Nothing more is signed with it, from this moment on. How many attempts have it, which may be on the wire already."""
        in_flight = self._keychain.stop(key_id)
        self._revoked.add(key_id)
        if self._candidate is not None and self._candidate.key.id == key_id:
            self._candidate = None
        held = self._ring.find(key_id)
        if held is not None and held.state is not KeyState.REVOKED:
            self._ring = self._ring.leak(key_id, at_ms=self._clock.now_ms())
            left = "nothing is signed until another key is there" if self._ring.signing is None else "another key signs"
            self._say(key_id, Severity.ALARM, f"it was revoked: nothing is signed with it any more; {left}")
        return in_flight

    async def step(self) -> None:
        """Do what there is to do now. Raises nothing that can happen to keys, files or the venue."""
        found = await self._look()
        match found:
            case Replaced():
                self._load(found)
            case TakenAway(key_id=key_id):
                if key_id not in self._revoked:
                    self.revoke(key_id)
            case Unreadable(new=True):
                self._complain(f"no key can be read: {found.reason}")
            case _:
                pass
        if self._first is not None and self._clock.monotonic() >= self._first.ask_at:
            await self._judge(self._first)
        if self._candidate is not None and self._clock.monotonic() >= self._candidate.ask_at:
            await self._try(self._candidate)
        self._drain()
        self._tell_age()

    def _load(self, found: Replaced) -> None:
        key, now_ms = found.key, self._clock.now_ms()
        try:
            self._refuse_revoked(key.id)
            if key.id != self._ring.signing:
                self._ring = self._without_rivals().load(key.id, at_ms=now_ms, created_at_ms=found.created_at_ms)
            self._ready.discard(key.id)
        except WrongKey as error:
            self._candidate = None
            self._say(key.id, Severity.ALARM, f"{error}; the key before goes on")
            return
        self._candidate = _Candidate(key)
        self._say(key.id, None, "a new key was loaded; it is verified before it signs")

    def _refuse_revoked(self, key_id: KeyId) -> None:
        if key_id in self._revoked:
            raise WrongKey(f"key {key_id} was revoked and does not come back; make a new one at the venue")

    def _without_rivals(self) -> KeyRing:
        """A key that never came to sign makes room for the next."""
        return KeyRing(tuple(key for key in self._ring.keys if key.state is not KeyState.NEW))

    async def _judge(self, first: _Candidate) -> None:
        """The key that the process started with. One that may do what no key here may do, or has expired, signs nothing more."""
        key = first.key
        try:
            permissions = await self._verify(key)
        except Misconfigured as error:
            self._first = None
            self._say(key.id, Severity.ALARM, f"{error}; put a key that the venue takes in its place")
            return
        except Unavailable:
            first.ask_at = self._clock.monotonic() + ASK_AGAIN_SECONDS
            return
        self._first = None
        if self._ring.signing != key.id:
            return  # another took over, or it was revoked, while we asked
        if permissions.created_at_ms is not None:
            self.date(key.id, permissions.created_at_ms)
        held = self._ring.find(key.id)
        now_ms, created_at_ms = self._clock.now_ms(), None if held is None else held.created_at_ms
        found = judge(permissions, trading=self._terms.trading, created_at_ms=created_at_ms, now_ms=now_ms)
        try:
            self._ring = self._ring.verify(key.id, at_ms=now_ms, findings=found)
        except WrongKey as error:
            self._say(key.id, Severity.ALARM, f"{error}; nothing is signed with it any more")
            self.revoke(key.id)
            return
        for each in found:
            self._say(key.id, each.severity, each.text)

    async def _try(self, candidate: _Candidate) -> None:
        key = candidate.key
        try:
            self._admit(key)
            permissions = await self._verify(key)
            if self._candidate is not candidate:
                return  # revoked while we asked
            self._take_over(key, permissions)
        except Misconfigured as error:
            self._fail(candidate, str(error), Severity.ALARM, REFUSED_AGAIN_SECONDS)
        except Unavailable as error:
            self._fail(candidate, str(error), Severity.WARNING, ASK_AGAIN_SECONDS)

    def _take_over(self, key: Key, permissions: Permissions) -> None:
        """Raises WrongKey. No await: no attempt begins in the middle of it."""
        now_ms = self._clock.now_ms()
        if permissions.created_at_ms is not None:
            self.date(key.id, permissions.created_at_ms)
        held = self._ring.find(key.id)
        created_at_ms = None if held is None else held.created_at_ms
        found = judge(permissions, trading=self._terms.trading, created_at_ms=created_at_ms, now_ms=now_ms)
        ring = self._ring.verify(key.id, at_ms=now_ms, findings=found)
        self._ring = ring if ring.signing == key.id else ring.activate(key.id, at_ms=now_ms)
        self._keychain.put_first(key)
        self._candidate = None
        self._say(key.id, None, "it is verified and signs from now on; the one before drains")
        for each in found:
            self._say(key.id, each.severity, each.text)

    def _fail(self, candidate: _Candidate, reason: str, severity: Severity, again_seconds: float) -> None:
        if self._candidate is not candidate:
            return
        candidate.ask_at = self._clock.monotonic() + again_seconds
        goes_on = "nothing is signed meanwhile" if self._ring.signing is None else "the key before goes on"
        if reason != candidate.problem:
            candidate.problem = reason
            self._say(
                candidate.key.id,
                severity,
                f"it does not sign: {reason}; {goes_on}. Put a key that the venue takes in its place; this one is tried again",
            )

    def _drain(self) -> None:
        try:
            venue_now_ms = self._venue_now_ms()
        except ClockUnknown:
            return
        window_ms, settle_ms = self._terms.window_ms, self._terms.settle_ms
        for held in self.keys:
            ring = KeyRing((held,))
            drained = ring.is_drained(held.id, venue_now_ms=venue_now_ms, window_ms=window_ms, settle_ms=settle_ms)
            if drained and held.id not in self._ready:
                self._ready.add(held.id)
                self._say(held.id, None, "nothing that it signed can be carried out any more; revoke it at the venue")

    def _tell_age(self) -> None:
        held = next((key for key in self._ring.keys if key.state is KeyState.ACTIVE), None)
        if held is None or held.created_at_ms is None:
            return
        now_ms = self._clock.now_ms()
        today = (held.id, now_ms // DAY_MS)
        if self._told_day != today and (found := aged(held.created_at_ms, now_ms)):
            self._told_day = today
            for each in found:
                self._say(held.id, each.severity, each.text)

    def _seen(self, key: HeldKey) -> HeldKey:
        return replace(
            key,
            in_flight=self._keychain.in_flight(key.id),
            last_timestamp_ms=self._keychain.last_timestamp_ms(key.id),
        )

    def _put(self, held: HeldKey) -> None:
        self._ring = KeyRing(tuple(held if key.id == held.id else key for key in self._ring.keys))

    def _complain(self, text: str) -> None:
        signing = self._ring.signing
        if signing is not None:
            self._say(signing, Severity.ALARM, f"{text}; the key that is loaded goes on")

    def _say(self, key_id: KeyId, severity: Severity | None, text: str) -> None:
        self._tell(Told(key_id=key_id, severity=severity, text=text))


def findings(held: HeldKey, now_ms: int) -> tuple[Finding, ...]:
    """What the age of a key says about it; nothing of one that signs nothing more."""
    if held.created_at_ms is None or held.state in {KeyState.DRAINING, KeyState.REVOKED}:
        return ()
    return tuple(aged(held.created_at_ms, now_ms))
