"""The budget that processes share, over the bus: who owns it, leases from the owner, and a freeze that everybody hears.

What is decided stands in access.treasury and access.allowance, without a bus. Here a pool (an account's buckets, or an address's) gets its owner by a
lease in LEASES, its leases by core requests, and its freezes by a core announcement for speed and a key in LEASES for who was not there to hear.
A process that reaches no owner goes on with its part of the fall-back, and asks again twice a second.

Nothing is given to anybody before it is known what LEASES and CONTROL say: a process that is started again in a ban, in a window in which its
predecessor has spent the fall-back, or after the venue lowered a limit, begins there and not afresh.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum

import structlog
from nats.errors import Error as NatsError

from ordergate.access.allowance import Allowance, Allowances
from ordergate.access.budget import Limit, Published, Scope
from ordergate.access.limiter import Freeze, Limiter
from ordergate.access.treasury import Lease, Seen, Stock, Treasury, Windowed, Wish
from ordergate.ports.clock import Clock
from ordergate.ports.venue import Priority
from ordergate.runtime.connection import Bus
from ordergate.runtime.lean import Reply, Unanswered
from ordergate.runtime.ownership import Ownership
from ordergate.runtime.shelf import BusShelf
from ordergate.runtime.transport import Sink
from ordergate.trading.errors import BusUnavailable, Unreadable, WrongLimit
from ordergate.wire import keys, subjects
from ordergate.wire.messages import (
    BudgetAlone,
    BudgetAnswer,
    BudgetFreeze,
    BudgetLater,
    BudgetLease,
    BudgetOwner,
    BudgetRequest,
    BudgetUse,
    BudgetWish,
    LimitsDocument,
    PublishedLimit,
    RainDocument,
)
from ordergate.wire.streams import CONTROL, LEASES

ANSWER_SECONDS = 0.25
PROBE_SECONDS = 0.2
"""How long after it was alone a process asks whether there is an owner again; with ANSWER_SECONDS less than it is alone for."""
REPORTS_SECONDS = 0.15
"""How long a fresh owner listens to what the others have used. Who is slower than that is known by the records of his requests."""
FREEZE_SECONDS_MAX = 4 * 86_400
LISTEN_AGAIN_SECONDS = 0.2


class Standing(StrEnum):
    """How a process stands to a budget at this moment."""

    STARTING = "starting"  # it does not know yet what holds, and calls nobody
    OWNER = "owner"
    LEASING = "leasing"
    ALONE = "alone"  # it reaches no owner, and lives on its part of the fall-back
    FROZEN = "frozen"  # the venue said when to come back


TakeStock = Callable[[Stock, Sequence[Limit], int], Awaitable[None]]
"""Fill in what the streams know of the windows that run; the number is the venue's time."""


@dataclass(slots=True)
class PoolCounts:
    """For metrics; they only grow."""

    asked: int = 0
    answered: int = 0
    alone: int = 0  # times that no owner answered
    owned: int = 0  # times that this process became the owner
    freezes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One process."""

    service: str
    instance: str
    may_own: bool


class Pool:
    """One process's end of one shared budget. `budget` is its subject. limits and shares as in Allowance; now_ms: the venue's time."""

    def __init__(
        self,
        bus: Bus,
        budget: str,
        *,
        member: Member,
        limits: Sequence[Limit],
        shares: Mapping[Scope, float],
        now_ms: Callable[[], int],
        clock: Clock,
        take_stock: TakeStock,
    ) -> None:
        self._bus = bus
        self._budget = budget
        self._member = member
        self._now_ms = now_ms
        self._clock = clock
        self._take_stock = take_stock
        self._limiters: list[Limiter] = []
        self._asking = False
        self._epoch = 0
        self._stock: Stock | None = None
        self._raining = False
        self._log = structlog.get_logger("budget")
        self._telling: set[asyncio.Task[None]] = set()
        self._recalling: asyncio.Task[None] | None = None
        self._recalled = False
        self._listening: list[int] = []
        self._keeping_alone = False
        self._spent_before: dict[
            tuple[Scope, int], int
        ] = {}  # of the fall-back, by those of this service that were before
        self._probing: asyncio.TimerHandle | None = None
        self._ended = False
        self._published: dict[Scope, Published] = {}
        self._frozen_until = 0.0  # monotonic seconds
        self.counts = PoolCounts()
        self.allowance = Allowance(
            limits, shares=shares, monotonic=clock.monotonic, ask=self._ask_soon, note_alone=self._keep_alone_soon
        )

    @property
    def budget(self) -> str:
        return self._budget

    @property
    def is_owner(self) -> bool:
        return self.allowance.treasury is not None

    @property
    def is_raining(self) -> bool:
        return self._raining

    @property
    def standing(self) -> Standing:
        if not self._recalled:
            return Standing.STARTING
        if self._clock.monotonic() < self._frozen_until:
            return Standing.FROZEN
        if self.is_owner:
            return Standing.OWNER
        return Standing.ALONE if self.allowance.is_alone else Standing.LEASING

    @property
    def is_writing(self) -> bool:
        """Something that others must know is not stored yet."""
        return bool(self._telling)

    def join(self, limiter: Limiter) -> None:
        """Its waiters are asked for, and it is frozen with the others, also by what they were told before it came."""
        self._limiters.append(limiter)
        limiter.rain(self._raining)
        left_ms = int((self._frozen_until - self._clock.monotonic()) * 1_000)
        if left_ms > 0:
            limiter.freeze(for_ms=left_ms)

    async def run(self) -> None:
        """Listen, and own the budget when nobody else does, until cancelled."""
        try:
            await self._recall_soon()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_freezes())
                group.create_task(self._watch_control())
                if self._member.may_own:
                    group.create_task(self._campaign())
        finally:
            self._ended = True
            for number in self._listening:
                await self._silence(number)

    # Starting.

    def _recall_soon(self) -> "asyncio.Task[None]":
        if self._recalling is None:
            self._recalling = asyncio.ensure_future(self._recall())
        return self._recalling

    async def _recall(self) -> None:
        """What was said before this process was there, and what the one before it has spent. Listening comes first, so nothing falls between."""
        self._listening = [
            await self._listen(subjects.budget_freeze(self._budget), self._hear_freeze),
            await self._listen(subjects.budget_owner(self._budget), self._hear_owner),
        ]
        self._take(self._heed_freeze, await self._stored(LEASES, keys.budget_freeze(self._budget)))
        await self._recall_alone()
        self._take(self._heed_limits, await self._stored(CONTROL, keys.budget_limits(self._budget)))
        self._take(self._heed_rain, await self._stored(CONTROL, keys.RAIN))
        self._recalled = True
        self._rouse()

    async def _recall_alone(self) -> None:
        pattern = keys.all_budget_alone(self._budget, self._member.service)
        async with aclosing(BusShelf(self._bus, bucket=LEASES).watch(pattern)) as changes:
            async for change in changes:
                if change is None:
                    break
                self._take(self._heed_alone, change[1])
        self.allowance.begin_alone_with(self._spent_before)

    async def _stored(self, bucket: str, key: str) -> bytes | None:
        while True:
            try:
                return await BusShelf(self._bus, bucket=bucket).get(key)
            except BusUnavailable as away:
                self._log.warning("the bus is away", error=str(away))
                await self._clock.sleep(LISTEN_AGAIN_SECONDS)

    def _take(self, heed: Callable[[bytes | None], None], value: bytes | None) -> None:
        """What cannot be read changes nothing, and stops nobody."""
        try:
            heed(value)
        except (Unreadable, ValueError) as error:
            self._log.warning("a word on the budget cannot be read", error=str(error))

    def _heed_freeze(self, value: bytes | None) -> None:
        if value is not None:
            freeze = BudgetFreeze.of(value)
            # Who is told late freezes for what is left, but never for longer than the venue said, whatever his clock is.
            left_ms = min(freeze.until_ms - self._now_ms(), freeze.for_ms, FREEZE_SECONDS_MAX * 1_000)
            if left_ms > 0:
                self._freeze(left_ms)

    def _heed_alone(self, value: bytes | None) -> None:
        for each in () if value is None else BudgetAlone.of(value).used:
            window = Scope(each.scope), each.window
            self._spent_before[window] = self._spent_before.get(window, 0) + each.amount

    def _heed_limits(self, value: bytes | None) -> None:
        for each in () if value is None else LimitsDocument.of(value).limits:
            published = Published(scope=Scope(each.scope), limit=each.limit, window_ms=each.window_ms, at_ms=each.at_ms)
            try:
                self.allowance.adopt(published, self._now_ms())
            except WrongLimit as wrong:
                self._log.warning("a published limit is refused", error=str(wrong))
            else:
                self._published[published.scope] = published
        self._rouse()

    def _heed_rain(self, value: bytes | None) -> None:
        self._raining = value is not None and RainDocument.of(value).falling
        self.allowance.rain(self._raining)
        for limiter in self._limiters:
            limiter.rain(self._raining)
        self._rouse()

    async def _listen(self, subject: str, sink: Sink) -> int:
        """Until the bus has heard it. A subscription that a lost connection left behind only answers twice."""
        while True:
            try:
                return await self._bus.client.listen(subject, sink)
            except (NatsError, OSError, TimeoutError) as away:
                self._log.warning("the bus is away", error=repr(away))
                await self._clock.sleep(LISTEN_AGAIN_SECONDS)

    async def _silence(self, number: int) -> None:
        try:
            await self._bus.client.silence(number)
        except (NatsError, OSError, TimeoutError) as away:
            self._log.warning("the bus is away", error=repr(away))

    # Asking.

    def _ask_soon(self) -> None:
        if not self._asking:
            self._asking = True
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        if not self._recalled:
            self._asking = False
            self._recall_soon()  # it rouses those who wait
            return
        wishes = self.allowance.wishes(self._demand(), self._now_ms())
        if not wishes or self.is_owner:
            self._asking = False
            self._rouse_owner()
            return
        self.counts.asked += 1
        request = BudgetRequest(
            service=self._member.service,
            instance=self._member.instance,
            epoch=self._epoch,
            wishes=tuple(map(_wish, wishes)),
            seen=tuple(map(_seen, self.allowance.seen())),
        )
        answer = self._bus.requests.ask(self._budget, request.to_bytes(), seconds=ANSWER_SECONDS)
        answer.add_done_callback(self._hear_answer)

    def _rouse_owner(self) -> None:
        """It became the owner while somebody waited for a lease."""
        if self.is_owner:
            self._rouse()

    def _hear_answer(self, future: "asyncio.Future[Reply]") -> None:
        self._asking = False
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            try:
                self._receive(BudgetAnswer.of(future.result().data))
            except Unreadable as unreadable:
                self._log.warning("an answer about the budget cannot be read", error=str(unreadable))
                self._be_alone()
        elif isinstance(error, Unanswered):
            self.counts.alone += 1
            self._be_alone()
        else:
            raise error
        self._rouse()

    def _receive(self, answer: BudgetAnswer) -> None:
        if answer.epoch < self._epoch:
            return  # from an owner that is none any more
        self._meet(answer.epoch)
        if not answer.ready or not (answer.leases or answer.later):
            self._be_alone()
            return
        self.counts.answered += 1
        leases = [_lease_of(lease) for lease in answer.leases]
        later = {(Scope(each.scope), Priority(each.priority)): each.at_ms for each in answer.later}
        self.allowance.receive(leases, later)

    def _be_alone(self) -> None:
        """Live on the fall-back, and go on asking beside it: nobody who calls meanwhile waits for an answer that does not come."""
        self.allowance.owner_is_away()
        if self._probing is None:
            self._probing = asyncio.get_running_loop().call_later(PROBE_SECONDS, self._probe)

    def _probe(self) -> None:
        self._probing = None
        if self._ended or self.is_owner or not self.allowance.is_alone:
            return
        request = BudgetRequest(service=self._member.service, instance=self._member.instance, epoch=self._epoch)
        answer = self._bus.requests.ask(self._budget, request.to_bytes(), seconds=ANSWER_SECONDS)
        answer.add_done_callback(self._hear_sign)

    def _hear_sign(self, future: "asyncio.Future[Reply]") -> None:
        if future.cancelled():
            return
        try:
            answer = BudgetAnswer.of(future.result().data)
        except (Unanswered, Unreadable):
            self._be_alone()
            return
        if not answer.ready or answer.epoch < self._epoch:
            self._be_alone()
            return
        self._meet(answer.epoch)
        self.allowance.owner_is_back()
        self._rouse()

    def _meet(self, epoch: int) -> None:
        if epoch > self._epoch:
            self._epoch = epoch
            self.allowance.another_owner()

    def _demand(self) -> dict[tuple[Scope, Priority], int]:
        total: dict[tuple[Scope, Priority], int] = {}
        for limiter in self._limiters:
            for wish, amount in limiter.demand().items():
                total[wish] = total.get(wish, 0) + amount
        return total

    def _rouse(self) -> None:
        for limiter in self._limiters:
            limiter.rouse()

    def _hear_owner(self, _subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
        """A fresh owner: what it gives counts from now on, and it wants to know what was used."""
        try:
            owner = BudgetOwner.of(data)
        except Unreadable as error:
            self._log.warning("a fresh owner cannot be read", error=str(error))
            return
        self._meet(owner.epoch)
        report = BudgetRequest(
            service=self._member.service,
            instance=self._member.instance,
            epoch=owner.epoch,
            used=_uses(self.allowance.spent_and_held(self._now_ms())),
            seen=tuple(map(_seen, self.allowance.seen())),
        )
        self._bus.client.post(self._budget, report.to_bytes())
        self._rouse()

    # Owning.

    async def _campaign(self) -> None:
        ownership = Ownership(
            self._bus, keys.budget_owner(self._budget), instance=self._member.instance, clock=self._clock
        )
        try:
            while True:
                await ownership.win()
                await self._reign(ownership)
        finally:
            await self._withdraw(ownership)

    async def _withdraw(self, ownership: Ownership) -> None:
        self.allowance.disown()
        if not self._bus.client.is_connected:
            return
        try:
            await ownership.withdraw()
        except BusUnavailable as away:
            self._log.warning("the ownership ends by itself", error=str(away))

    async def _reign(self, ownership: Ownership) -> None:
        stock = self._stock = Stock()
        number = await self._listen(self._budget, self._serve)
        keeping = asyncio.ensure_future(ownership.keep())
        opening = asyncio.ensure_future(self._open(stock, ownership))
        try:
            done, _ = await asyncio.wait({keeping, opening}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await keeping
        finally:
            for task in (keeping, opening):
                task.cancel()
            self._stock = None
            self.allowance.disown()
            await self._silence(number)
            self._rouse()

    async def _open(self, stock: Stock, ownership: Ownership) -> None:
        """Find out what was used before, then give."""
        self._epoch = ownership.epoch
        announcement = BudgetOwner(owner=self._member.instance, epoch=ownership.epoch)
        self._bus.client.post(subjects.budget_owner(self._budget), announcement.to_bytes())
        reading = self._take_stock(stock, self.allowance.limits, self._now_ms())
        await asyncio.gather(reading, self._clock.sleep(REPORTS_SECONDS))
        treasury = Treasury(self.allowance.limits)
        treasury.rain(self._raining)
        treasury.begin_with(stock.used())
        for seen in self.allowance.seen():
            treasury.see(seen)
        self.allowance.own(treasury, ownership)
        self._stock = None
        self.counts.owned += 1
        self._log.info("owns the budget", budget=self._budget, epoch=ownership.epoch, used=_told(stock.used()))
        self._rouse()

    def _serve(self, _subject: bytes, reply: bytes, data: bytes, _headers: bytes | None) -> None:
        try:
            request = BudgetRequest.of(data)
            wishes = [_wish_of(wish) for wish in request.wishes]
            seen = [_seen_of(each) for each in request.seen]
            used = {(Scope(each.scope), each.window): each.amount for each in request.used}
        except (Unreadable, ValueError) as error:
            self._log.warning("a request for budget cannot be read", error=str(error))
            return
        if self._stock is not None:
            self._stock.report(request.service, request.instance, used)
        treasury = self.allowance.treasury
        if treasury is None and self._stock is None:
            return  # not the owner any more; silence sends the asker to the next
        for each in seen if treasury is not None else ():
            self._see(treasury, each)
        if reply:
            self._bus.client.post(reply.decode(), self._answer(treasury, wishes).to_bytes())

    @staticmethod
    def _see(treasury: Treasury | None, seen: Seen) -> None:
        if treasury is not None:
            treasury.see(seen)

    def _answer(self, treasury: Treasury | None, wishes: Sequence[Wish]) -> BudgetAnswer:
        if treasury is None:
            return BudgetAnswer(owner=self._member.instance, epoch=self._epoch, ready=False)
        now_ms = self._now_ms()
        found = [treasury.lease(wish, now_ms) for wish in wishes]
        return BudgetAnswer(
            owner=self._member.instance,
            epoch=self._epoch,
            ready=True,
            leases=tuple(_lease(each) for each in found if isinstance(each, Lease)),
            later=tuple(
                BudgetLater(scope=each.scope, priority=each.priority, at_ms=each.at_ms)
                for each in found
                if not isinstance(each, Lease)
            ),
        )

    # Freezing.

    def tell(self, freeze: Freeze) -> None:
        """The venue told this process to stop: now everybody, and, for who does not hear it, a key that lives as long."""
        self.counts.freezes += 1
        for_ms = min(freeze.for_ms, FREEZE_SECONDS_MAX * 1_000)
        message = BudgetFreeze(
            instance=self._member.instance, for_ms=for_ms, until_ms=self._now_ms() + for_ms, banned=freeze.banned
        )
        body = message.to_bytes()
        self._bus.client.post(subjects.budget_freeze(self._budget), body)
        self._freeze(for_ms)
        seconds = max(1, math.ceil(for_ms / 1_000))
        self._keep(LEASES, keys.budget_freeze(self._budget), body, ttl_seconds=seconds)

    def _hear_freeze(self, _subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
        try:
            message = BudgetFreeze.of(data)
        except Unreadable as error:
            self._log.warning("a freeze cannot be read", error=str(error))
            return
        if message.instance != self._member.instance:
            self._freeze(message.for_ms)

    def _freeze(self, for_ms: int) -> None:
        self._frozen_until = max(self._frozen_until, self._clock.monotonic() + for_ms / 1_000)
        for limiter in self._limiters:
            limiter.freeze(for_ms=for_ms)

    async def _watch_freezes(self) -> None:
        async for _, value in self._values(LEASES, keys.budget_freeze(self._budget)):
            self._take(self._heed_freeze, value)

    async def _watch_control(self) -> None:
        limits = keys.budget_limits(self._budget)
        async for key, value in self._values(CONTROL, keys.RAIN, limits):
            self._take(self._heed_limits if key == limits else self._heed_rain, value)

    async def _values(self, bucket: str, *wanted: str) -> AsyncGenerator[tuple[str, bytes | None], None]:
        async with aclosing(BusShelf(self._bus, bucket=bucket).watch(*wanted)) as changes:
            async for change in changes:
                if change is not None:
                    yield change

    # Writing down.

    def publish(self, limits: Iterable[Published]) -> None:
        """The venue publishes these limits: everybody who shares the budget, and who starts later, holds to them."""
        fresh = {each.scope: each for each in limits if not self._knows(each)}
        if not fresh:
            return
        self._published.update(fresh)
        parts = [
            PublishedLimit(scope=each.scope.value, limit=each.limit, window_ms=each.window_ms, at_ms=each.at_ms)
            for each in self._published.values()
        ]
        document = LimitsDocument(limits=tuple(parts))
        self._keep(CONTROL, keys.budget_limits(self._budget), document.to_bytes(), ttl_seconds=None)

    def _knows(self, published: Published) -> bool:
        known = self._published.get(published.scope)
        return known is not None and known.limit == published.limit

    def _keep_alone_soon(self) -> None:
        """Written once a turn of the event loop at most, and one at a time: what is spent meanwhile is in the next."""
        if not self._keeping_alone:
            self._keeping_alone = True
            self._run(self._keep_alone())

    async def _keep_alone(self) -> None:
        written: Windowed = {}
        seconds = max(1, math.ceil(2 * max(limit.window_ms for limit in self.allowance.limits) / 1_000))
        try:
            while (spent := self._spent_alone()) != written:
                document = BudgetAlone(instance=self._member.instance, used=_uses(spent))
                key = keys.budget_alone(self._budget, self._member.service, self._member.instance)
                await BusShelf(self._bus, bucket=LEASES).put(key, document.to_bytes(), ttl_seconds=seconds)
                written = spent
        except BusUnavailable as away:
            self._log.warning("what was spent alone was not stored", error=str(away))
        finally:
            self._keeping_alone = False

    def _spent_alone(self) -> Windowed:
        spent, before = self.allowance.spent_alone(), self._spent_before
        return {window: own for window, amount in spent.items() if (own := amount - before.get(window, 0)) > 0}

    def _keep(self, bucket: str, key: str, body: bytes, *, ttl_seconds: int | None) -> None:
        self._run(self._put(bucket, key, body, ttl_seconds))

    async def _put(self, bucket: str, key: str, body: bytes, ttl_seconds: int | None) -> None:
        try:
            await BusShelf(self._bus, bucket=bucket).put(key, body, ttl_seconds=ttl_seconds)
        except BusUnavailable as away:
            self._log.warning("a word on the budget was not stored", key=key, error=str(away))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


@dataclass(slots=True, kw_only=True)
class SharedBudget:
    """What one account's sessions in one process call through: the account's pool, and the address's.

    queue_max: of calls that wait.
    """

    account: Pool
    address: Pool
    clock: Clock
    now_ms: Callable[[], int]
    queue_max: int = 1_000
    limiter: Limiter = field(init=False)
    _allowances: Allowances = field(init=False)
    _refused: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._allowances = Allowances((self.account.allowance, self.address.allowance))
        self.limiter = Limiter(
            self._allowances,
            clock=self.clock,
            now_ms=self.now_ms,
            queue_max=self.queue_max,
            when_frozen=self._tell,
            when_published=self._publish,
            when_refused=self._refuse,
        )
        self.account.join(self.limiter)
        self.address.join(self.limiter)

    def _refuse(self, wrong: WrongLimit) -> None:
        """Said once: a venue publishes the same nonsense at each reading."""
        if str(wrong) not in self._refused:
            self._refused.add(str(wrong))
            structlog.get_logger("budget").error("a published limit is refused", reason=str(wrong), alarm="wrong_limit")

    def _publish(self, limits: Sequence[Published]) -> None:
        for pool in (self.account, self.address):
            pool.publish(each for each in limits if each.scope in pool.allowance.scopes)

    def _tell(self, freeze: Freeze) -> None:
        """A ban is about the address; anything else about what the call counts in."""
        pools = {id(pool.allowance): pool for pool in (self.account, self.address)}
        told = {id(allowance) for allowance in self._allowances.of(freeze.weights)}
        if freeze.banned:
            told |= pools.keys()
        for name in told:
            pools[name].tell(freeze)


def _told(used: Windowed) -> dict[str, int]:
    return {f"{scope.value}.{window}": amount for (scope, window), amount in used.items()}


def _wish(wish: Wish) -> BudgetWish:
    return BudgetWish(scope=wish.scope.value, priority=int(wish.priority), amount=wish.amount)


def _wish_of(wish: BudgetWish) -> Wish:
    return Wish(scope=Scope(wish.scope), priority=Priority(wish.priority), amount=wish.amount)


def _seen(seen: Seen) -> BudgetUse:
    return BudgetUse(scope=seen.scope.value, window=seen.window, amount=seen.used, limit=seen.limit)


def _seen_of(use: BudgetUse) -> Seen:
    return Seen(scope=Scope(use.scope), window=use.window, used=use.amount, limit=use.limit)


def _uses(used: Windowed) -> tuple[BudgetUse, ...]:
    return tuple(BudgetUse(scope=scope.value, window=window, amount=amount) for (scope, window), amount in used.items())


def _lease(lease: Lease) -> BudgetLease:
    return BudgetLease(
        scope=lease.scope.value,
        priority=int(lease.priority),
        amount=lease.amount,
        from_ms=lease.from_ms,
        until_ms=lease.until_ms,
    )


def _lease_of(lease: BudgetLease) -> Lease:
    return Lease(
        scope=Scope(lease.scope),
        priority=Priority(lease.priority),
        amount=lease.amount,
        from_ms=lease.from_ms,
        until_ms=lease.until_ms,
    )
