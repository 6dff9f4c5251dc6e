"""The venue's clock as we know it, and timestamps that never repeat.

Venue time = offset + a monotonic clock. The offset comes from asking the venue for its time: the answer is taken to belong to the middle of the round
trip, so the error is at most half of it, and the fastest of several samples counts. A step of the machine's wall clock changes nothing.
A machine that slept has a monotonic clock that stood still: its timestamps are then old, which the venue refuses, and never too new.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ordergate.ports.clock import Clock
from ordergate.trading.errors import ClockUnknown, Misconfigured

AskTime = Callable[[], Awaitable[int]]
"""One request for the venue's time, in ms. Raises what a failed read raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """venue ms = offset_ms + 1000 x monotonic, to within uncertainty_ms, as of taken_at (monotonic seconds)."""

    offset_ms: float
    uncertainty_ms: float
    taken_at: float


class VenueClock:
    """Knows the venue's time between `measure` and age_seconds_max later, unless `distrust` says otherwise."""

    def __init__(self, clock: Clock, *, age_seconds_max: float = 300.0, uncertainty_ms_max: float = 1_000.0) -> None:
        self._clock = clock
        self._age_seconds_max = age_seconds_max
        self._uncertainty_ms_max = uncertainty_ms_max
        self._measurement: Measurement | None = None
        self._paced: Measurement | None = None
        self.rate_ppm: float | None = None
        """How much faster the venue's clock runs than this machine's, as of the last two readings that were far enough apart."""

    @property
    def is_known(self) -> bool:
        found = self._measurement
        return found is not None and self._clock.monotonic() - found.taken_at <= self._age_seconds_max

    def now_ms(self) -> int:
        """The venue's time. Raises ClockUnknown when it was never measured, too long ago, or is distrusted."""
        found = self._measurement
        monotonic = self._clock.monotonic()
        if found is None:
            raise ClockUnknown("the venue's clock has not been read")
        if monotonic - found.taken_at > self._age_seconds_max:
            raise ClockUnknown(f"the venue's clock was read {monotonic - found.taken_at:.0f} s ago")
        return int(found.offset_ms + monotonic * 1_000)

    def drift_ms(self) -> int | None:
        """How far this machine's wall clock is ahead of the venue's, for people; None while unknown."""
        return self._clock.now_ms() - self.now_ms() if self.is_known else None

    def distrust(self) -> None:
        """The venue refused a timestamp: nothing is signed until the clock has been read again."""
        self._measurement = None

    async def measure(self, ask: AskTime, *, samples: int) -> Measurement:
        """Ask `samples` times and keep the fastest answer.

        Raises ClockUnknown when even that one took so long that it says too little; what `ask` raises passes through, the old measurement stays.
        """
        best = await self._sample(ask)
        for _ in range(samples - 1):
            found = await self._sample(ask)
            if found.uncertainty_ms < best.uncertainty_ms:
                best = found
        if best.uncertainty_ms > self._uncertainty_ms_max:
            raise ClockUnknown(f"the venue's clock is known only to {best.uncertainty_ms:.0f} ms")
        self._measurement = best
        self._pace(best)
        return best

    def _pace(self, found: Measurement) -> None:
        before = self._paced
        if before is not None:
            seconds = found.taken_at - before.taken_at
            if seconds < RATE_SECONDS_MIN:
                return
            self.rate_ppm = (found.offset_ms - before.offset_ms) / seconds * 1_000
        self._paced = found

    async def _sample(self, ask: AskTime) -> Measurement:
        asked_at = self._clock.monotonic()
        venue_ms = await ask()
        answered_at = self._clock.monotonic()
        return Measurement(
            offset_ms=venue_ms - (asked_at + answered_at) / 2 * 1_000,
            uncertainty_ms=(answered_at - asked_at) / 2 * 1_000,
            taken_at=answered_at,
        )


RATE_SECONDS_MIN = 30.0
"""Readings nearer to each other say more of the network than of the clocks."""


class HighMark(Protocol):
    """A number on disk that only grows; see nonces.Mark."""

    @property
    def value(self) -> int: ...

    def raise_to(self, value: int) -> None:
        """Durable when it returns."""


@dataclass(slots=True, kw_only=True)
class LastTimestamp:
    """The last timestamp that a key was used with, in venue ms. All sessions of a key in one process share one.

    replay_memory_ms is the longest that any of them needs: a reader beside a trading client must be as careful as that.
    """

    value_ms: int = 0
    replay_memory_ms: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """One process's part of a key that `of` processes share: the milliseconds that leave `number` when divided by `of`.

    No two processes then ever sign the same millisecond, without asking each other. Each signs at most 1000 / of requests a second.
    """

    number: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of <= SLOTS_MAX:
            raise Misconfigured(f"a key is shared by 1 to {SLOTS_MAX} processes, numbered from 0")

    def at_or_after(self, ms: int) -> int:
        return ms + (self.number - ms) % self.of


def slots(processes: int, *, orders_requests_by_nonce: bool) -> tuple[Slot, ...]:
    """A slot for each process that signs with one key. Raises Misconfigured where the venue takes requests of a key in order only: one
    process's request would make those of another that are still on the wire too old.
    """
    if orders_requests_by_nonce and processes > 1:
        raise Misconfigured("this venue orders the requests of a key by nonce; give each process a key of its own")
    return tuple(Slot(number, processes) for number in range(processes))


class Timestamps:
    """Strictly increasing timestamps of one key, in venue ms; at most lead_ms_max ahead of the venue's clock (then it waits).

    A POST of Zetarium signs nothing but the timestamp, so two requests of one key in the same millisecond would have the same signature and the
    second would be refused as a replay. Within a process the counter sees to that. Across a restart the clock does: a successor starts at the
    clock, and only a predecessor that was signing faster than one request a millisecond can have been ahead of it, by lead_ms_max at the most. A
    key whose repeated timestamp would do harm (a trading key: the refusal would leave an order unknown) therefore rests that long first.

    When the venue's clock goes back, milliseconds come again. replay_memory_ms is how long the venue remembers a signature: a larger jump is followed
    at once, a smaller one is waited for. 0 for a key that only reads: a read that is refused as a replay is asked again.

    slot: this process's part of a key that several share. mark: where the highest timestamp stands on disk, so that a successor starts above it and
    need not rest; every MARK_BLOCK_MS of signing it is written once, at a pause of one fsync.
    """

    def __init__(
        self,
        clock: Clock,
        venue_clock: VenueClock,
        *,
        lead_ms_max: int = 500,
        rest_ms: int = 0,
        replay_memory_ms: int = 0,
        last: LastTimestamp | None = None,
        slot: Slot | None = None,
        mark: HighMark | None = None,
    ) -> None:
        self._clock = clock
        self._venue_clock = venue_clock
        self._lead_ms_max = lead_ms_max
        self._rest_until = clock.monotonic() + rest_ms / 1_000
        self._last = last or LastTimestamp()
        self._last.replay_memory_ms = max(self._last.replay_memory_ms, replay_memory_ms)
        self._slot = slot or Slot()
        self._mark = mark
        if mark is not None:
            self._last.value_ms = max(self._last.value_ms, mark.value)

    async def next(self) -> int:
        """The next timestamp. Raises ClockUnknown."""
        while (rest := self._rest_until - self._clock.monotonic()) > 0:
            await self._clock.sleep(rest)
        while (lead_ms := self._lead_ms()) > self._lead_ms_max:
            await self._clock.sleep((lead_ms - self._lead_ms_max) / 1_000)
        # No await from here on: two callers never get the same millisecond.
        timestamp_ms = self._slot.at_or_after(max(self._venue_clock.now_ms(), self._last.value_ms + 1))
        if self._mark is not None and timestamp_ms > self._mark.value:
            self._mark.raise_to(timestamp_ms + MARK_BLOCK_MS)
        self._last.value_ms = timestamp_ms
        return timestamp_ms

    def _lead_ms(self) -> int:
        """How far the next timestamp is ahead of the venue's clock. Raises ClockUnknown when that is more than is worth waiting for."""
        now_ms = self._venue_clock.now_ms()
        lead_ms = self._slot.at_or_after(self._last.value_ms + 1) - now_ms
        if lead_ms <= self._lead_ms_max + LEAD_WAIT_MS_MAX:
            return lead_ms
        if lead_ms <= self._last.replay_memory_ms:
            raise ClockUnknown(f"the venue's clock went back: our timestamps are {lead_ms} ms ahead of it")
        self._last.value_ms = now_ms - 1
        return 0


LEAD_WAIT_MS_MAX = 2_000
SLOTS_MAX = 100
MARK_BLOCK_MS = 250
"""How far above its timestamps a process writes its mark: less than the lead that is allowed, so that a successor starts at once."""
