"""Every shared budget of one process: one for each account it calls for, one for each venue's count by address."""

import asyncio
from dataclasses import dataclass, field

from ordergate.access.clock import VenueClock
from ordergate.access.limiter import Limiter
from ordergate.access.opening import BudgetTerms, ShareBudget
from ordergate.ports.clock import Clock
from ordergate.runtime.budget import Member, Pool, SharedBudget, Standing
from ordergate.runtime.budget_stock import StreamStock
from ordergate.runtime.connection import Bus
from ordergate.runtime.metrics import Metrics
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import subjects


@dataclass(slots=True)
class VenueTime:
    """A venue's time for counting, from whichever session knows it; before any does, the wall clock is near enough for the unsigned calls."""

    clock: Clock
    sessions: list[VenueClock] = field(default_factory=list)

    def now_ms(self) -> int:
        for session in self.sessions:
            if session.is_known:
                return session.now_ms()
        return self.clock.now_ms()


class SharedBudgets:
    """address: a name for the address that this process's calls leave from; processes with the same share what the venue counts by address."""

    def __init__(self, bus: Bus, *, member: Member, address: str, clock: Clock) -> None:
        self._bus = bus
        self._member = member
        self._address = address
        self._clock = clock
        self._times: dict[VenueName, VenueTime] = {}
        self._addresses: dict[VenueName, Pool] = {}
        self._accounts: dict[tuple[VenueName, AccountName], SharedBudget] = {}

    def of(self, venue: VenueName, account: AccountName) -> ShareBudget:
        """For access.opening.Opening: every session of the account calls through one limiter."""

        def join(terms: BudgetTerms, venue_clock: VenueClock) -> Limiter:
            self._time(venue).sessions.append(venue_clock)
            known = self._accounts.get((venue, account))
            if known is None:
                known = self._accounts[venue, account] = self._open(venue, account, terms)
            return known.limiter

        return join

    @property
    def pools(self) -> tuple[Pool, ...]:
        return (*self._addresses.values(), *(shared.account for shared in self._accounts.values()))

    def sample(self, metrics: Metrics) -> None:
        """Show how this process stands to each of its budgets."""
        for pool in self.pools:
            metrics.shared_budget(
                pool.budget,
                standings={each.value: each is pool.standing for each in Standing},
                alone=pool.counts.alone,
                freezes=pool.counts.freezes,
            )
        metrics.raining(is_so=any(pool.is_raining for pool in self.pools))

    async def run(self) -> None:
        """For as long as the process lives, once every session has been opened. What must be there before is leased from others, or the fall-back."""
        async with asyncio.TaskGroup() as group:
            for pool in self.pools:
                group.create_task(pool.run())

    def _time(self, venue: VenueName) -> VenueTime:
        return self._times.setdefault(venue, VenueTime(self._clock))

    def _open(self, venue: VenueName, account: AccountName, terms: BudgetTerms) -> SharedBudget:
        now_ms = self._time(venue).now_ms
        if venue not in self._addresses:
            subject = subjects.address_budget(venue, self._address)
            self._addresses[venue] = self._pool(venue, None, subject, terms)
        return SharedBudget(
            account=self._pool(venue, account, subjects.account_budget(venue, account), terms),
            address=self._addresses[venue],
            clock=self._clock,
            now_ms=now_ms,
        )

    def _pool(self, venue: VenueName, account: AccountName | None, subject: str, terms: BudgetTerms) -> Pool:
        return Pool(
            self._bus,
            subject,
            member=self._member,
            limits=[limit for limit in terms.limits if limit.per_address is (account is None)],
            shares=terms.shares,
            now_ms=self._time(venue).now_ms,
            clock=self._clock,
            take_stock=StreamStock(
                self._bus, venue=venue, account=account, order_weights=terms.order_weights, clock=self._clock
            ),
        )
