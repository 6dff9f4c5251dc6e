"""The kill switch in the bucket CONTROL, as a sender sees it (ports.control.KillSwitch).

It is watched, and beside that the newest change is asked of the stream's leader at least every half second: a watch that is silently
behind, or a bus that is gone, must close every sender, not leave it open.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

import structlog

from ordergate.ports.clock import Clock
from ordergate.ports.control import Kill
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import WRONG_LAST_SEQUENCE, Ack, Refusal
from ordergate.runtime.lean import header_block
from ordergate.runtime.shelf import BusShelf, bucket_subject
from ordergate.trading.errors import BusUnavailable, Misconfigured, Unavailable, Unreadable
from ordergate.trading.ids import AccountName, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderRequest
from ordergate.trading.scope import Scope
from ordergate.wire import keys
from ordergate.wire.messages import (
    EXPECTED_LAST_SUBJECT_SEQUENCE,
    KillAcknowledgement,
    KillDocument,
    RestoreDocument,
)
from ordergate.wire.streams import CONTROL, FILLS, ORDERS

CONFIRM_SECONDS = 0.3
CONFIRMED_SECONDS = 1.0
"""How old a confirmation may be for a sender to send."""

WRITES_MAX = 20
_UNREADABLE = "a kill switch entry cannot be read"


def scope_of(document: KillDocument) -> Scope:
    return Scope(
        venue=None if document.venue is None else VenueName(document.venue),
        account=None if document.account is None else AccountName(document.account),
        strategy=None if document.strategy is None else StrategyName(document.strategy),
        symbol=None if document.symbol is None else Symbol(document.symbol),
    )


class BusKillSwitch:
    """Run `watch` and `confirm` beside each other for as long as the process lives. Until both have spoken nothing is confirmed."""

    def __init__(self, bus: Bus, *, clock: Clock) -> None:
        self._bus = bus
        self._shelf = BusShelf(bus, bucket=CONTROL)
        self._clock = clock
        self._kills: dict[Scope, Kill] = {}
        self._epochs: dict[Scope, int] = {}
        self._scopes: dict[str, Scope] = {}
        self._unreadable: dict[str, Kill] = {}
        self._sequences: dict[str, int] = {}
        self._restore: RestoreDocument | None = None
        self._seen = 0
        self._caught_up = False
        self._confirmed_at: float | None = None
        self._changed = asyncio.Event()

    def thrown(self, request: OrderRequest) -> Kill | None:
        restored = self._restored(request)
        return restored or next((kill for kill in self._in_force() if kill.scope.covers(request)), None)

    def stops(self, request: OrderRequest) -> Kill | None:
        restored = self._restored(request)
        if restored is not None:
            return restored
        if any(kill.closes_by(request) for kill in self._in_force()):
            return None
        return self.thrown(request)

    def standing(self, venue: VenueName, account: AccountName) -> tuple[Kill, ...]:
        return tuple(kill for kill in self._in_force() if kill.scope.touches(venue, account))

    def _restored(self, request: OrderRequest) -> Kill | None:
        """Everything waits while a restore goes on; what was asked for before it never goes, for this ledger may have forgotten that it did."""
        restore = self._restore
        if restore is None or not (restore.halted or request.created_at_ms <= restore.began_at_ms):
            return None
        return Kill(
            epoch=restore.epoch,
            scope=Scope(),
            reason=f"the bus was restored: {restore.reason}",
            thrown_at_ms=restore.began_at_ms,
            restoring=True,
        )

    def _in_force(self) -> tuple[Kill, ...]:
        return (*self._kills.values(), *self._unreadable.values())

    def is_recovering(self) -> bool:
        return self._restore is not None and self._restore.halted

    async def read_restore(self) -> None:
        """Know of a restore epoch before anything is heard, at a start. Raises BusUnavailable."""
        with contextlib.suppress(Unreadable):  # the watch takes that for a throw of everything
            self._restore = await restore_of(self._bus)

    def is_confirmed(self) -> bool:
        return self._confirmed_at is not None and self._clock.monotonic() - self._confirmed_at < CONFIRMED_SECONDS

    async def changed(self) -> None:
        await self._changed.wait()

    def throw_here(self, reason: str) -> Kill:
        """Close this process for everything, whatever becomes of the bus. Ends with the next throw or resume of everything that CONTROL shows."""
        now_ms = self._clock.now_ms()
        epoch = max(now_ms, self._epochs.get(Scope(), 0) + 1)
        self._set(KillDocument(epoch=epoch, thrown=True, reason=reason, at_ms=now_ms))
        return self._kills[Scope()]

    def take(self, document: KillDocument) -> None:
        """A throw or resume that came by core request, before the bucket shows it. An older epoch changes nothing."""
        self._set(document)

    async def watch(self) -> None:
        """Follow the bucket, for ever."""
        async with aclosing(self._shelf.changes(keys.ALL_KILLS)) as changes:
            async for change in changes:
                if change is None:
                    self._caught_up = True
                else:
                    self._apply(*change)

    async def confirm(self) -> None:
        """Ask the leader again and again, for ever."""
        while True:
            try:
                await self._confirm_once()
            except Unavailable as away:
                structlog.get_logger("control").warning("the kill switch is not confirmed", error=str(away))
            await self._clock.sleep(CONFIRM_SECONDS)

    async def _confirm_once(self) -> None:
        """What was true when the question left is confirmed for that moment, if we have seen everything up to the answer."""
        asked_at = self._clock.monotonic()
        subject = bucket_subject(CONTROL, keys.ALL_KILLS)
        last = await self._bus.jetstream.last(f"KV_{CONTROL}", subject)
        if last is not None and last.sequence > self._seen:
            key = last.subject.removeprefix(bucket_subject(CONTROL, ""))
            self._apply_value(key, last.data or None, last.sequence)
            # One change is known now, but there may be more between: only the watch can say that all were seen.
            return
        if self._caught_up:
            self._confirmed_at = asked_at

    def _apply(self, key: str, value: bytes | None, sequence: int) -> None:
        self._apply_value(key, value, sequence)
        self._seen = max(self._seen, sequence)

    def _apply_value(self, key: str, value: bytes | None, sequence: int) -> None:
        if sequence <= self._sequences.get(key, 0):
            return
        self._sequences[key] = sequence
        self._unreadable.pop(key, None)
        if value is None:
            scope = self._scopes.pop(key, None)
            if scope is not None:
                self._kills.pop(scope, None)
            self._rouse()
            return
        try:
            if key == keys.RESTORE:
                self._restore = RestoreDocument.of(value)
                self._rouse()
                return
            document = KillDocument.of(value)
        except Unreadable:
            # Somebody wanted to say something about the switch: the safe reading is that it is thrown, for everything.
            structlog.get_logger("control").error(_UNREADABLE, key=key)
            self._unreadable[key] = Kill(epoch=0, scope=Scope(), reason=_UNREADABLE, thrown_at_ms=self._clock.now_ms())
            self._rouse()
            return
        self._scopes[key] = scope_of(document)
        self._set(document)

    def _set(self, document: KillDocument) -> None:
        scope = scope_of(document)
        if document.epoch < self._epochs.get(scope, 0):
            return
        self._epochs[scope] = document.epoch
        if document.thrown:
            self._kills[scope] = Kill(
                epoch=document.epoch,
                scope=scope,
                reason=document.reason,
                thrown_at_ms=document.at_ms,
                flatten=document.flatten,
            )
        else:
            self._kills.pop(scope, None)
        self._rouse()

    def _rouse(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def turn_switch(
    bus: Bus,
    scope: Scope,
    *,
    thrown: bool,
    reason: str,
    clock: Clock,
    flatten: bool = False,
    above: int = 0,
) -> KillDocument:
    """Write the next epoch, one above `above`, by compare-and-set, so that of two who turn it at once both count, one after the other.

    Raises BusUnavailable, Misconfigured when the bus refuses.
    """
    subject = bucket_subject(CONTROL, keys.kill(scope))
    for _ in range(WRITES_MAX):
        last = await bus.jetstream.last(f"KV_{CONTROL}", subject)
        now_ms = clock.now_ms()
        document = KillDocument(
            # Not the old one plus one: senders remember epochs of a key that somebody has deleted meanwhile.
            epoch=max(_epoch(None if last is None else last.data) + 1, above + 1, now_ms),
            thrown=thrown,
            venue=scope.venue,
            account=scope.account,
            strategy=scope.strategy,
            symbol=scope.symbol,
            reason=reason,
            flatten=flatten,
            at_ms=now_ms,
        )
        payload = document.to_bytes()
        guard = header_block({EXPECTED_LAST_SUBJECT_SEQUENCE: str(0 if last is None else last.sequence)})
        answer = await bus.jetstream.publish(subject, payload, headers=guard)
        if isinstance(answer, Ack):
            return document
        if answer.error_code != WRONG_LAST_SEQUENCE:
            raise Misconfigured(f"the bus refuses the kill switch: {answer.description}")
        now = await bus.jetstream.last(f"KV_{CONTROL}", subject)
        if now is not None and now.data == payload:  # our own, whose answer was lost
            return document
    raise BusUnavailable(f"the switch was turned by others {WRITES_MAX} times while we tried")


def _epoch(data: bytes | None) -> int:
    try:
        return KillDocument.of(data).epoch if data else 0
    except Unreadable:
        return 0


async def turn_restore(
    bus: Bus, *, halted: bool, reason: str, clock: Clock, above: RestoreDocument | None
) -> RestoreDocument:
    """Begin a restore epoch, or finish the one given. Raises BusUnavailable, Misconfigured when the bus refuses."""
    now_ms = clock.now_ms()
    # What is begun anew before it was finished knows no more than it did then.
    known_ms = await _known_until_ms(bus) if above is None or not above.halted else above.known_until_ms
    began_ms = now_ms if halted or above is None else above.began_at_ms
    epoch = max(now_ms, 0 if above is None else above.epoch + 1) if halted or above is None else above.epoch
    document = RestoreDocument(
        epoch=epoch, halted=halted, reason=reason, began_at_ms=began_ms, known_until_ms=known_ms, at_ms=now_ms
    )
    answer = await bus.jetstream.publish(bucket_subject(CONTROL, keys.RESTORE), document.to_bytes())
    if not isinstance(answer, Ack):
        raise Misconfigured(f"the bus refuses the restore epoch: {answer.description}")
    return document


async def _known_until_ms(bus: Bus) -> int:
    """When the last order or fill was stored; 0 without any. Raises BusUnavailable, Misconfigured."""
    newest = 0
    for name in (ORDERS, FILLS):
        last = await bus.jetstream.api(f"STREAM.INFO.{name}")
        if isinstance(last, Refusal):
            raise Misconfigured(f"stream {name} cannot be read: {last.description}; run python -m services.provision")
        if last["state"]["messages"] > 0:
            newest = max(
                newest, int(datetime.fromisoformat(last["state"]["last_ts"][:19] + "+00:00").timestamp()) * 1000
            )
    return newest


async def restore_of(bus: Bus) -> RestoreDocument | None:
    """The last restore epoch, None if there never was one. Raises BusUnavailable, Unreadable."""
    last = await bus.jetstream.last(f"KV_{CONTROL}", bucket_subject(CONTROL, keys.RESTORE))
    return RestoreDocument.of(last.data) if last is not None and last.data else None


class KillResponder:
    """Answers the core request of a new epoch: from this answer on, this process sends nothing more in its scope.

    in_flight: how many orders of a scope are in this process's hands.
    """

    def __init__(
        self, switch: BusKillSwitch, *, service: str, instance: str, clock: Clock, in_flight: Callable[[Scope], int]
    ) -> None:
        self._switch = switch
        self._service = service
        self._instance = instance
        self._clock = clock
        self._in_flight = in_flight

    async def acknowledge(self, body: bytes) -> bytes:
        """A KillDocument in, a KillAcknowledgement out. Raises Unreadable."""
        document = KillDocument.of(body)
        self._switch.take(document)
        return KillAcknowledgement(
            service=self._service,
            instance=self._instance,
            epoch=document.epoch,
            in_flight=self._in_flight(scope_of(document)),
            at_ms=self._clock.now_ms(),
        ).to_bytes()
