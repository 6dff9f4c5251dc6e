"""The keys of a running service: where they come from, how one takes over from another, and what is said of them on the bus.

The bus is told and heard beside the way of a key, never on it: with the bus away keys are changed, drained and taken away all the same.
"""

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, get_args

from ordergate.access.clock import Slot, slots
from ordergate.access.http import Engine, parse_origin
from ordergate.access.keys import Key, read_key
from ordergate.access.keys import watch as watching
from ordergate.access.keys.keychain import Keychain
from ordergate.access.keys.place import KeyPlace
from ordergate.access.keys.rotation import HeldKey, KeyState
from ordergate.access.keys.standing import Permissions, Severity
from ordergate.access.keys.store import SecretStore, key_of
from ordergate.access.keys.succession import Look, Succession, Terms, Told
from ordergate.access.keys.vault import KubernetesLogin, TokenLogin, Vault
from ordergate.access.keys.watch import KeyWatch, Replaced, TakenAway
from ordergate.access.nonces import Mark
from ordergate.ports.clock import Clock
from ordergate.ports.venue import Declaration
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings, Signer, VaultSettings
from ordergate.trading.errors import (
    Misconfigured,
    SecretStoreUnavailable,
    Unavailable,
    Unreadable,
    UnsafeKeyFile,
    WrongKey,
)
from ordergate.trading.ids import KeyId
from ordergate.wire import keys, streams, subjects
from ordergate.wire.messages import (
    KeyRevocation,
    KeyRevocationAcknowledgement,
    KeySighting,
    KeyStatement,
    RiskMessage,
    SigningKey,
)

LOOK_SECONDS = 0.5
"""A look at a file costs one stat; a secret store has a pace of its own (VaultSettings)."""
SAY_SECONDS = 2.0
SAY_TTL_SECONDS = 6
STATED_MAX = 8
TRADER = "order_submission"


class Verifier(Protocol):
    """An open client of the venue, whose session verifies. tells_rights: the venue says what a key may do."""

    @property
    def tells_rights(self) -> bool: ...
    async def verify(self, key: Key) -> Permissions: ...
    def venue_now_ms(self) -> int: ...


class Marks:
    """The marks of all keys that this process may sign with, as one that only grows: timestamps go up across the change of a key, too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marks: dict[KeyId, Mark] = {}

    @property
    def value(self) -> int:
        return max((mark.value for mark in self._marks.values()), default=0)

    def add(self, key_id: KeyId) -> None:
        """Hold this key's mark, and so the key itself on this machine. Raises Misconfigured where another process holds it."""
        if key_id not in self._marks:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise Misconfigured(f"{self._folder}: marks cannot be kept there: {error.strerror}") from error
            self._marks[key_id] = Mark(self._folder, key_id)

    def raise_to(self, value: int) -> None:
        for mark in self._marks.values():
            mark.raise_to(value)

    async def close(self) -> None:
        for mark in self._marks.values():
            mark.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the key of a service is looked for, and what was found there at the start."""

    key: Key
    created_at_ms: int | None
    look: Look


@dataclass(slots=True, kw_only=True)
class AccountKeys:
    """What one process signs with for one account. `keep` begins to follow changes."""

    frame: Frame
    account: AccountSettings
    terms: Terms
    source: Source
    keychain: Keychain
    slot: Slot
    marks: Marks | None

    def keep(self, verifier: Verifier) -> Succession:
        """From the start of the service on: changes are noticed, revocations heard, states told."""
        frame, name = self.frame, self.account.account
        succession = Succession(
            self.source.key,
            self.keychain,
            created_at_ms=self.source.created_at_ms,
            terms=self.terms,
            look=self.source.look,
            verify=verifier.verify,
            venue_now_ms=verifier.venue_now_ms,
            clock=frame.clock,
            tell=self._tell,
            admit=self._admit,
            tells_rights=verifier.tells_rights,
        )
        desk = KeyDesk(frame, self.account, succession)
        frame.task(f"keys:{name}", desk.follow)
        frame.task(f"keys-revoked:{name}", desk.watch_revocations)
        frame.task(f"keys-told:{name}", desk.state)
        frame.answer(subjects.key_revocation(self.account.venue_name, self.account.account_name), desk.acknowledge)
        frame.at_stop(desk.withdraw)
        frame.sample(desk.sample)
        return succession

    def _admit(self, key: Key) -> None:
        if self.marks is not None:
            self.marks.add(key.id)

    def _tell(self, told: Told) -> None:
        log: Any = self.frame.log.bind(venue=self.account.venue, account=self.account.account, key_id=told.key_id)
        match told.severity:
            case None:
                log.info("key", what=told.text)
            case Severity.WARNING:
                log.warning("key", what=told.text)
            case _:
                log.error("key", what=told.text, alarm="key")
                self._record(told)

    def _record(self, told: Told) -> None:
        """In AUDIT; it may be lost with the process, whose statement says the same for as long as it lives."""
        venue, account = self.account.venue_name, self.account.account_name
        statement = RiskMessage(
            venue=venue,
            account=account,
            what="key",
            message=f"{self.frame.name}, key {told.key_id}: {told.text}",
            at_ms=self.frame.clock.now_ms(),
        )
        self.frame.publisher.record(subjects.risk(venue, account, "key"), statement.to_bytes())


class KeyDesk:
    """The bus's side of the keys of one account in one process."""

    def __init__(self, frame: Frame, account: AccountSettings, succession: Succession) -> None:
        self._frame = frame
        self._account = account
        self._succession = succession
        self._control = frame.shelf(streams.CONTROL)
        self._leases = frame.shelf(streams.LEASES)
        self._place = keys.signing_keys(account.venue_name, account.account_name, frame.name, frame.instance)
        self._sighted: set[KeyId] = set()

    async def follow(self) -> None:
        """For ever: look, verify, take over, drain."""
        while True:
            await self._succession.step()
            await self._frame.clock.sleep(LOOK_SECONDS)

    async def watch_revocations(self) -> None:
        """For ever: what was revoked by the command, also while this process was away."""
        async with aclosing(self._control.watch(keys.ALL_KEY_REVOCATIONS)) as changes:
            async for change in changes:
                if change is None or change[1] is None:
                    continue
                # The key's name says it, whatever the document holds: unreadable is revoked.
                self._succession.revoke(KeyId(change[0].split(".")[1]))

    async def acknowledge(self, body: bytes) -> bytes:
        """A KeyRevocation in, a KeyRevocationAcknowledgement out. Raises Unreadable."""
        revocation = KeyRevocation.of(body)
        key_id = KeyId(revocation.key_id)
        held = self._succession.holds(key_id)
        return KeyRevocationAcknowledgement(
            service=self._frame.name,
            instance=self._frame.instance,
            key_id=key_id,
            held=held,
            in_flight=self._succession.revoke(key_id),
            at_ms=self._frame.clock.now_ms(),
        ).to_bytes()

    async def state(self) -> None:
        """For ever: say which keys there are. What is said dies with the process."""
        while True:
            try:
                await self._say()
            except Unavailable as away:
                self._frame.log.warning("the states of the keys are not told", error=str(away))
            await self._frame.clock.sleep(SAY_SECONDS)

    async def withdraw(self) -> None:
        await self._leases.delete(self._place)

    def sample(self) -> None:
        now_ms = self._frame.clock.now_ms()
        for held in self._succession.keys:
            age_ms = None if held.created_at_ms is None else max(0, now_ms - held.created_at_ms)
            self._frame.metrics.key(
                self._account.venue,
                self._account.account,
                held.id,
                states={state.value: held.state is state for state in KeyState},
                age_seconds=None if age_ms is None else age_ms / 1_000,
            )

    async def _say(self) -> None:
        for held in self._succession.keys:
            if held.id not in self._sighted:
                await self._sight(held)
        statement = KeyStatement(
            service=self._frame.name,
            instance=self._frame.instance,
            keys=tuple(self._stated(held) for held in self._succession.keys[-STATED_MAX:]),
            problem=self._succession.problem[:500],
            at_ms=self._frame.clock.now_ms(),
        )
        await self._leases.put(self._place, statement.to_bytes(), ttl_seconds=SAY_TTL_SECONDS)

    async def _sight(self, held: HeldKey) -> None:
        """The oldest word on a key's age counts, whoever said it."""
        place, created_at_ms = keys.key_sighted(held.id), held.created_at_ms
        known = await self._control.get(place)
        before = None if known is None else _sighted_at(known)
        if before is not None:
            self._succession.date(held.id, before)
        if created_at_ms is not None and (before is None or created_at_ms < before):
            await self._control.put(place, KeySighting(key_id=held.id, created_at_ms=created_at_ms).to_bytes())
        self._sighted.add(held.id)

    def _stated(self, held: HeldKey) -> SigningKey:
        return SigningKey(
            id=held.id,
            state=held.state.value,
            since_ms=held.since_ms,
            created_at_ms=held.created_at_ms,
            verified_at_ms=held.verified_at_ms,
            in_flight=held.in_flight,
            ready_to_revoke=self._succession.is_ready_to_revoke(held.id),
        )


def _sighted_at(document: bytes) -> int | None:
    try:
        return KeySighting.of(document).created_at_ms
    except Unreadable:
        return None  # it is written anew


async def open_keys(frame: Frame, account: AccountSettings, declaration: Declaration) -> AccountKeys:
    """The key of this service for the account. Raises UnsafeKeyFile, WrongKey (revoked, not in the store), Misconfigured (none is named, one for
    several processes where that cannot be, held by another process), SecretStoreUnavailable, BusUnavailable.
    """
    signer = next((name for name in get_args(Signer) if name == frame.name), None)
    if signer is None:
        raise Misconfigured(f"{frame.name} signs nothing")
    sharers = account.sharers(signer)
    slot = slots(len(sharers), orders_requests_by_nonce=declaration.orders_requests_by_nonce)[sharers.index(signer)]
    source = await _source(frame, account, signer)
    if await frame.shelf(streams.CONTROL).get(keys.key_revoked(source.key.id)) is not None:
        raise WrongKey(
            f"key {source.key.id} of {frame.name} was revoked and does not come back; put a new one in its place"
        )
    marks = None
    if account.marks is not None:
        # Sharers of a key have a mark each: none of them ever signs a millisecond of another.
        marks = Marks(account.marks if len(sharers) == 1 else account.marks / signer)
        marks.add(source.key.id)
        frame.at_stop(marks.close)
    declared = account.venue_deviation.of(declaration)
    return AccountKeys(
        frame=frame,
        account=account,
        terms=Terms(window_ms=declared.window_ms, settle_ms=declared.settle_ms, trading=TRADER in sharers),
        source=source,
        keychain=Keychain(source.key),
        slot=slot,
        marks=marks,
    )


async def _source(frame: Frame, account: AccountSettings, signer: Signer) -> Source:
    path, secret = account.keys.get(signer), account.secrets.get(signer)
    if path is not None:
        key = read_key(path)
        watch = KeyWatch(path, key)

        async def look() -> Replaced | TakenAway | watching.Unreadable | None:
            return watch.look()

        return Source(key=key, created_at_ms=_age(path, key.id), look=look)
    vault = frame.installation.vault
    if secret is None or vault is None:
        raise Misconfigured(f"account {account.venue}/{account.account} names no key file or secret for {signer}")
    store, engine = open_vault(vault, frame.clock)
    frame.at_stop(engine.close)
    found = await store.read(secret)
    key = key_of(found)
    watching_store = StoreWatch(store, secret, key, frame.clock, every_seconds=vault.ask_seconds)
    return Source(key=key, created_at_ms=found.created_at_ms, look=watching_store.look)


def _age(path: Path, key_id: KeyId) -> int | None:
    """By the record of `ordergate keys` beside the file, else by the file's time."""
    try:
        held = KeyPlace(path).ring().find(key_id)
    except Misconfigured:
        return None
    return None if held is None else held.created_at_ms


def open_vault(settings: VaultSettings, clock: Clock) -> tuple[Vault, Engine]:
    """The engine is closed by whoever asked. Raises Misconfigured."""
    engine = Engine(parse_origin(settings.url))
    login = TokenLogin(file=settings.token_file) if settings.token_file else KubernetesLogin(role=settings.role or "")
    return Vault(engine, login, clock=clock, mount=settings.mount, namespace=settings.namespace), engine


class StoreWatch:
    """As access.keys.watch.KeyWatch, for a secret store, which is not asked at every look."""

    def __init__(self, store: SecretStore, name: str, held: Key, clock: Clock, *, every_seconds: float) -> None:
        self._store = store
        self._name = name
        self._held = held
        self._clock = clock
        self._every_seconds = every_seconds
        self._ask_at = clock.monotonic() + every_seconds
        self._reason = ""

    async def look(self) -> Replaced | watching.Unreadable | None:
        if self._clock.monotonic() < self._ask_at:
            return None
        self._ask_at = self._clock.monotonic() + self._every_seconds
        try:
            found = await self._store.read(self._name)
            key = key_of(found)
        except (SecretStoreUnavailable, UnsafeKeyFile, WrongKey) as error:
            reason = str(error)
            unreadable = watching.Unreadable(reason=reason, new=reason != self._reason)
            self._reason = reason
            return unreadable
        self._reason = ""
        if key.id == self._held.id and key.secret == self._held.secret:
            return None
        self._held = key
        return Replaced(key=key, created_at_ms=found.created_at_ms)
