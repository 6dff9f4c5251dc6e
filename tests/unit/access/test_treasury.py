"""Whatever is leased, lost, killed or told late: the venue never counts more than its limit."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.access.allowance import AWAY_MS, Allowance, Allowances, windows_of
from ordergate.access.budget import CANCEL_EXTRA, PLAN, UNSPENT, Limit, Published, Scope, Usage, Weights
from ordergate.access.treasury import Later, Lease, Purse, Seen, Stock, Treasury, Wish
from ordergate.ports.venue import Priority

WINDOW = 10_000
GUARD = 250
MIDDLE = 5_000
REQUEST: Weights = {Scope.REQUESTS: 1}
ORDER: Weights = {Scope.ORDERS: 1, Scope.REQUESTS: 1}


def limits(requests: int = 1_000, orders: int = 400) -> tuple[Limit, ...]:
    return (
        Limit(scope=Scope.REQUESTS, limit=requests, window_ms=WINDOW, contested=True),
        Limit(scope=Scope.ORDERS, limit=orders, window_ms=WINDOW),
    )


def wish(amount: int, priority: Priority = Priority.POLL, scope: Scope = Scope.REQUESTS) -> Wish:
    return Wish(scope=scope, priority=priority, amount=amount)


def leased(of: Treasury, asked: Wish, now_ms: int = MIDDLE) -> int:
    found = of.lease(asked, now_ms)
    return found.amount if isinstance(found, Lease) else 0


def test_a_lease_is_never_larger_than_what_may_lie_unspent() -> None:
    assert leased(Treasury(limits()), wish(500)) == 1_000 * UNSPENT


def test_what_was_leased_is_used_for_everybody() -> None:
    treasury = Treasury(limits())
    leased(treasury, wish(30))
    assert treasury.used(Scope.REQUESTS, MIDDLE) == (30, 1_000)


def test_polls_are_told_to_come_later_while_lookups_are_served() -> None:
    treasury = Treasury(limits())
    while leased(treasury, wish(30, Priority.RECONCILE)):
        pass
    assert isinstance(treasury.lease(wish(1, Priority.POLL), MIDDLE), Later)
    assert leased(treasury, wish(10, Priority.RESOLVE)) == 10


def test_a_lease_ends_before_the_window_can_turn_at_the_venue() -> None:
    lease = Treasury(limits()).lease(wish(3), MIDDLE)
    assert isinstance(lease, Lease)
    assert (lease.from_ms, lease.until_ms) == (GUARD, WINDOW - GUARD)


def test_a_lease_over_the_turn_of_a_window_counts_on_both_sides() -> None:
    treasury = Treasury(limits())
    lease = treasury.lease(wish(3), WINDOW - 10)
    assert isinstance(lease, Lease)
    assert (lease.from_ms, lease.until_ms) == (WINDOW - GUARD, WINDOW + GUARD)
    assert treasury.used(Scope.REQUESTS, MIDDLE) == (3, 1_000)
    assert treasury.used(Scope.REQUESTS, WINDOW + MIDDLE) == (3, 1_000)


def test_an_unknown_bucket_is_not_leased() -> None:
    assert isinstance(Treasury(limits()).lease(wish(1, scope=Scope.BATCH), MIDDLE), Later)


def test_what_headers_told_others_raises_the_count() -> None:
    treasury = Treasury(limits())
    treasury.see(Seen(scope=Scope.REQUESTS, window=0, used=795, limit=1_000))
    treasury.see(Seen(scope=Scope.REQUESTS, window=0, used=10, limit=0))
    assert treasury.used(Scope.REQUESTS, MIDDLE) == (795, 1_000)
    assert isinstance(treasury.lease(wish(9, Priority.PLACE), MIDDLE), Lease)
    assert isinstance(treasury.lease(wish(9, Priority.PLACE), MIDDLE), Later)


def test_a_limit_that_the_venue_lowers_in_mid_window_holds_at_once() -> None:
    treasury = Treasury(limits())
    for _ in range(10):
        leased(treasury, wish(30))
    treasury.see(Seen(scope=Scope.REQUESTS, window=0, used=300, limit=300))
    assert isinstance(treasury.lease(wish(1, Priority.CANCEL), MIDDLE), Later)


def test_a_purse_spends_the_strictest_lease_first_and_leaves_the_others_for_worse_calls() -> None:
    purse = Purse(limits(), shares={})
    purse.add(
        Lease(scope=Scope.REQUESTS, priority=priority, amount=1, from_ms=0, until_ms=WINDOW)
        for priority in (Priority.POLL, Priority.RESOLVE)
    )
    assert not purse.take({Scope.REQUESTS: 2}, Priority.POLL, 1)
    assert purse.take(REQUEST, Priority.RESOLVE, 1)
    assert purse.take(REQUEST, Priority.POLL, 1)
    assert not purse.take(REQUEST, Priority.RESOLVE, 1)


def test_a_lease_is_worth_nothing_after_its_window() -> None:
    purse = Purse(limits(), shares={})
    purse.add([Lease(scope=Scope.REQUESTS, priority=Priority.POLL, amount=5, from_ms=GUARD, until_ms=9_750)])
    assert not purse.take(REQUEST, Priority.POLL, 9_750)
    assert purse.held(Scope.REQUESTS, 9_750) == 0


def test_a_purse_asks_for_the_best_first_and_for_no_more_than_may_lie_in_it() -> None:
    purse = Purse(limits(), shares={Scope.REQUESTS: 0.2})
    wishes = purse.wishes({(Scope.REQUESTS, Priority.POLL): 50, (Scope.REQUESTS, Priority.RESOLVE): 4}, MIDDLE)
    assert (wishes[0].priority, wishes[0].amount) == (Priority.RESOLVE, 4)
    assert sum(each.amount for each in wishes) == 1_000 * UNSPENT * 0.2


def test_a_fresh_owner_counts_the_larger_of_word_and_record_for_each_service() -> None:
    stock = Stock()
    here = {(Scope.REQUESTS, 7): 10}
    stock.report("status_polling", "a", here)
    stock.report("status_polling", "a", {(Scope.REQUESTS, 7): 12})
    for _ in range(5):
        stock.record("status_polling", {(Scope.REQUESTS, 7): 1}, order=False)
        stock.record("dead", {(Scope.REQUESTS, 7): 1}, order=False)
    assert stock.used() == {(Scope.REQUESTS, 7): 17}


def test_an_order_that_was_written_ahead_counts_also_if_nobody_recorded_it() -> None:
    stock = Stock()
    order = {(Scope.ORDERS, 7): 1, (Scope.REQUESTS, 7): 1}
    for _ in range(3):
        stock.write_ahead(order)
    stock.record("order_submission", order, order=True)
    assert stock.used() == {(Scope.ORDERS, 7): 3, (Scope.REQUESTS, 7): 3}


def test_a_request_near_the_turn_is_counted_in_both_windows() -> None:
    assert windows_of(limits(), REQUEST, MIDDLE) == {(Scope.REQUESTS, 0): 1}
    assert windows_of(limits(), REQUEST, WINDOW + 1) == {(Scope.REQUESTS, 0): 1, (Scope.REQUESTS, 1): 1}


# One process.


@dataclass(slots=True)
class Tenure:
    until: float = 0.0


@dataclass(slots=True)
class Member:
    """An allowance whose time only moves when told."""

    seconds: float = 100.0
    asked: int = 0
    allowance: Allowance = field(init=False)

    def __post_init__(self) -> None:
        self.allowance = Allowance(
            limits(), shares={Scope.REQUESTS: 0.25}, monotonic=lambda: self.seconds, ask=self._ask
        )

    def _ask(self) -> None:
        self.asked += 1


def test_the_owner_takes_at_once_and_asks_nobody() -> None:
    member = Member()
    member.allowance.own(Treasury(limits()), Tenure(until=200.0))
    assert member.allowance.take(ORDER, Priority.PLACE, MIDDLE) == 0
    assert member.asked == 0


def test_an_owner_whose_time_is_over_gives_nothing_any_more() -> None:
    member = Member()
    member.allowance.own(Treasury(limits()), Tenure(until=100.5))
    member.seconds = 100.5
    assert member.allowance.treasury is None
    assert member.allowance.take(ORDER, Priority.PLACE, MIDDLE) > 0


def test_without_an_owner_a_process_has_its_part_of_the_fall_back_and_asks_again() -> None:
    member = Member()
    assert member.allowance.take(REQUEST, Priority.RESOLVE, MIDDLE) > 0
    assert member.asked == 1
    member.allowance.owner_is_away()
    passed = 0
    while not (wait_ms := member.allowance.take(REQUEST, Priority.RESOLVE, MIDDLE)):
        passed += 1
    assert passed == 17  # a quarter of 7 % of 1,000
    assert wait_ms <= AWAY_MS + 1
    member.seconds += AWAY_MS / 1_000
    member.allowance.take(REQUEST, Priority.RESOLVE, MIDDLE)
    assert member.asked == 2


def test_cancels_find_room_also_without_an_owner() -> None:
    member = Member()
    member.allowance.owner_is_away()
    for priority in (Priority.POLL, Priority.PLACE, Priority.RESOLVE):
        while not member.allowance.take(REQUEST, priority, MIDDLE):
            pass
    passed = 0
    while not member.allowance.take(REQUEST, Priority.CANCEL, MIDDLE):
        passed += 1
    assert passed >= 1_000 * CANCEL_EXTRA


def test_leases_of_an_owner_that_is_none_any_more_are_void() -> None:
    member = Member()
    lease = Lease(scope=Scope.REQUESTS, priority=Priority.POLL, amount=3, from_ms=GUARD, until_ms=9_750)
    member.allowance.receive([lease], {})
    assert member.allowance.take(REQUEST, Priority.POLL, MIDDLE) == 0
    assert member.allowance.spent_and_held(MIDDLE) == {(Scope.REQUESTS, 0): 3}
    member.allowance.another_owner()
    assert member.allowance.take(REQUEST, Priority.POLL, MIDDLE) > 0
    assert member.allowance.spent_and_held(MIDDLE) == {(Scope.REQUESTS, 0): 1}


def test_a_process_that_is_started_again_has_no_second_fall_back() -> None:
    first, again = Member(), Member()
    first.allowance.owner_is_away()
    while not first.allowance.take(REQUEST, Priority.RESOLVE, MIDDLE):
        pass
    again.allowance.begin_alone_with(first.allowance.spent_alone())
    again.allowance.owner_is_away()
    assert again.allowance.take(REQUEST, Priority.RESOLVE, MIDDLE) > 0
    assert again.allowance.take(REQUEST, Priority.RESOLVE, MIDDLE + WINDOW) == 0, "the next window has its own"


def test_what_was_leased_is_not_counted_as_spent_alone() -> None:
    member = Member()
    lease = Lease(scope=Scope.REQUESTS, priority=Priority.POLL, amount=3, from_ms=GUARD, until_ms=9_750)
    member.allowance.receive([lease], {})
    assert member.allowance.take(REQUEST, Priority.POLL, MIDDLE) == 0
    assert member.allowance.spent_alone() == {}


def published(limit: int, at_ms: int) -> Published:
    return Published(scope=Scope.REQUESTS, limit=limit, window_ms=WINDOW, at_ms=at_ms)


def test_a_lower_published_limit_lowers_owner_fall_back_and_purse_at_once() -> None:
    owner, other = Member(), Member()
    owner.allowance.own(Treasury(limits()), Tenure(until=200.0))
    for member in (owner, other):
        member.allowance.adopt(published(100, MIDDLE), MIDDLE)
    treasury = owner.allowance.treasury
    assert treasury is not None
    assert leased(treasury, wish(500)) == 3
    assert other.allowance.wishes({(Scope.REQUESTS, Priority.POLL): 50}, MIDDLE) == [wish(1)]
    other.allowance.owner_is_away()
    passed = 0
    while not other.allowance.take(REQUEST, Priority.RESOLVE, MIDDLE):
        passed += 1
    assert passed == 1  # a quarter of 7 % of 100


def test_a_fresh_owner_begins_with_the_limit_that_was_published_before() -> None:
    member = Member()
    member.allowance.adopt(published(2_000, MIDDLE), MIDDLE)
    member.allowance.own(Treasury(limits()), Tenure(until=200.0))
    assert member.allowance.used(Scope.REQUESTS, MIDDLE) == (0, 1_000)
    passed = 0
    while not member.allowance.take(REQUEST, Priority.CANCEL, MIDDLE + WINDOW):
        passed += 1
    assert passed == 2_000 * PLAN + 2_000 * CANCEL_EXTRA


def test_a_call_that_needs_two_budgets_gets_both_or_neither() -> None:
    account, address = Member(), Member()
    address.allowance = Allowance(
        (Limit(scope=Scope.ADDRESS, limit=100, window_ms=WINDOW),),
        shares={},
        monotonic=lambda: 100.0,
        ask=lambda: None,
    )
    both = Allowances((account.allowance, address.allowance))
    account.allowance.own(Treasury(limits()), Tenure(until=200.0))
    weights = {Scope.REQUESTS: 1, Scope.ADDRESS: 4}
    assert both.take(weights, Priority.PLACE, MIDDLE) > 0
    assert account.allowance.used(Scope.REQUESTS, MIDDLE) == (0, 1_000)
    address.allowance.own(Treasury(address.allowance.limits), Tenure(until=200.0))
    assert both.take(weights, Priority.PLACE, MIDDLE) == 0
    assert account.allowance.used(Scope.REQUESTS, MIDDLE) == (1, 1_000)
    assert address.allowance.used(Scope.ADDRESS, MIDDLE) == (4, 100)


# All of them against the venue.

SHARES = (0.46, 0.22, 0.24, 0.08)


@dataclass(slots=True)
class World:
    """Four processes, one of which owns the budget (or none), and a venue that counts by its own clock. Only the first cancels."""

    now_ms: int = MIDDLE
    seconds: float = 100.0
    owner: int | None = None
    epoch: int = 0
    skews: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    tenure: Tenure = field(default_factory=Tenure)
    members: list[Allowance] = field(default_factory=list)
    counted: dict[int, int] = field(default_factory=dict)
    records: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.members = [self.fresh(number) for number in range(4)]

    def fresh(self, number: int) -> Allowance:
        return Allowance(
            limits(), shares={Scope.REQUESTS: SHARES[number]}, monotonic=lambda: self.seconds, ask=lambda: None
        )

    def time(self, number: int) -> int:
        return self.now_ms + self.skews[number]

    def call(self, number: int, priority: Priority, count: int, late_ms: int) -> None:
        """As many as may; each arrives late_ms after it was sent, which with the error of the clock stays within the guard."""
        if number and priority is Priority.CANCEL:
            priority = Priority.RESOLVE
        for _ in range(count):
            if self.members[number].take(REQUEST, priority, self.time(number)):
                return
            arrives = (self.now_ms + late_ms) // WINDOW
            self.counted[arrives] = self.counted.get(arrives, 0) + 1
            self.records.append((number, self.time(number)))

    def ask(self, number: int, priority: Priority, amount: int) -> None:
        """For leases; the answer is lost where there is no owner."""
        member = self.members[number]
        owner = None if self.owner is None else self.members[self.owner].treasury
        if owner is None:
            member.owner_is_away()
            return
        wishes = member.wishes({(Scope.REQUESTS, priority): amount}, self.time(number))
        found = [owner.lease(each, self.time(self.owner or 0)) for each in wishes]
        member.receive([each for each in found if isinstance(each, Lease)], {})

    def header(self, number: int, age_ms: int) -> None:
        """What the venue counted so far, in an answer that may come late."""
        usage = Usage(scope=Scope.REQUESTS, limit=1_000, used=self.counted.get(self.now_ms // WINDOW, 0))
        now_ms = self.time(number)
        self.members[number].observe(usage, sent_at_ms=now_ms - age_ms, now_ms=now_ms)

    def die(self, number: int) -> None:
        """And start again, with nothing in memory."""
        if self.owner == number:
            self.owner = None
        self.members[number] = self.fresh(number)

    def elect(self, number: int, deaf: int) -> None:
        """A fresh owner hears everybody but `deaf`, of whom it knows by his records."""
        if self.owner is not None:
            self.members[self.owner].disown()
        stock = Stock()
        for each, member in enumerate(self.members):
            if each != deaf or each == number:
                member.another_owner()
                stock.report(f"s{each}", "i", member.spent_and_held(self.time(each)))
        for each, at_ms in self.records:
            stock.record(f"s{each}", windows_of(limits(), REQUEST, at_ms), order=False)
        treasury = Treasury(limits())
        treasury.begin_with(stock.used())
        self.owner, self.tenure = number, Tenure(until=self.seconds + 2.0)
        self.members[number].own(treasury, self.tenure)

    def go_on(self, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.seconds += passed_ms / 1_000
        if self.owner is not None and passed_ms < 1_000:
            self.tenure.until = self.seconds + 2.0


numbers = st.integers(0, 3)
priorities = st.sampled_from(Priority)
steps = st.one_of(
    st.tuples(st.just("call"), numbers, priorities, st.integers(1, 400), st.integers(0, 120)),
    st.tuples(st.just("ask"), numbers, priorities, st.integers(1, 60)),
    st.tuples(st.just("header"), numbers, st.integers(0, 6_000)),
    st.tuples(st.just("die"), numbers),
    st.tuples(st.just("elect"), numbers, numbers),
    st.tuples(st.just("skew"), numbers, st.integers(-120, 120)),
    st.tuples(st.just("go_on"), st.integers(1, 4_000)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=120))
def test_no_history_of_leases_deaths_late_headers_and_clock_steps_passes_the_limit(
    history: list[tuple[str, int] | tuple[str, int, Priority]],
) -> None:
    world = World()
    for step, *what in history:
        if step == "skew":
            world.skews[what[0]] = what[1]
        else:
            getattr(world, step)(*what)
    assert all(count <= 1_000 for count in world.counted.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, st.integers(1, 200)), min_size=60, max_size=120))
def test_with_an_owner_that_lives_the_plan_is_used_and_not_passed(asked: list[tuple[int, int]]) -> None:
    world = World()
    world.elect(0, 0)
    for number, amount in asked:
        world.ask(number, Priority.PLACE, amount)
        world.call(number, Priority.PLACE, amount, 0)
    used = world.counted.get(0, 0)
    assert used <= 1_000 * PLAN
    assert used >= min(700, sum(min(amount, 2) for _, amount in asked))
