"""When status polling asks the venue for what: a pure schedule, and the fence.

The open-orders list, read every `list_period_ms`, covers all resting orders. A single lookup is for an order of which the list
says nothing: in flight, unknown, too young to be listed, or missing from the list (which proves nothing).

A lookup is a read, so asking early is always safe; it only costs budget. That is why `submitting` is left to the process that
sent it while it may still hold the request: normally the answer is there within milliseconds. Only *declaring* an order
not_placed needs the fence, and then counts only what was asked after it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ordergate.trading.lifecycle import LOOKUPS_FOR_PROOF
from ordergate.trading.order import AT_VENUE, Attempt, State


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """How often to ask; all in ms.

    lookup_delays_ms: from the moment an order needs lookups to the first, from the first to the second, ...; the last repeats.
    owner_hold_ms: how long a `submitting` is left to its owner before it is looked up.
    young_ms: how long after its last change an order may be missing from a list without that meaning anything.
    """

    owner_hold_ms: int
    list_period_ms: int = 1_000
    young_ms: int = 1_500
    lookup_delays_ms: tuple[int, ...] = (0, 500, 1_000, 2_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What polling knows about one live order. Times are the wall clock of the poller.

    since_ms: when the order came into this state. seen_ms: when a question was asked whose answer last showed it (list or
    lookup). missing_since_ms: when the first list was asked, after that, that did not show it. lookups, last_lookup_ms: those
    made since `since_ms` or since it went missing. owner_gone: the process that wrote `submitting` is known to be dead.
    fence_ms: about when, on this clock, the fence of its attempt passes: when to ask, never what the answer proves. left_until_ms: its last
    request is proven never to execute, and until then it is its sender's, to send another or to end it.
    """

    state: State
    since_ms: int
    seen_ms: int | None = None
    missing_since_ms: int | None = None
    lookups: int = 0
    last_lookup_ms: int | None = None
    owner_gone: bool = False
    fence_ms: int | None = None
    left_until_ms: int | None = None


def next_lookup_ms(watch: Watch, policy: PollPolicy) -> int | None:
    """When this order is to be looked up by itself; None while the open-orders list is enough."""
    needed_from = _needed_from_ms(watch, policy)
    if needed_from is None:
        return None
    delays = policy.lookup_delays_ms
    delay = delays[min(watch.lookups, len(delays) - 1)]
    if watch.lookups == 0 or watch.last_lookup_ms is None:
        return needed_from + delays[0]
    regular = max(needed_from, watch.last_lookup_ms + delay)
    return regular if watch.fence_ms is None else min(regular, _at_the_fence(watch.fence_ms, watch.last_lookup_ms))


FENCE_LOOKUP_AFTER_MS = 60
FENCE_LOOKUP_EVERY_MS = 300
FENCE_LATE_SHARE = 4
"""How late a lookup is behind the fence, divided by this, is the pause to the next."""


def _at_the_fence(fence_ms: int, last_ms: int) -> int:
    """Just after the fence, and again soon: the two lookups that may prove absence. Then ever more rarely, until the usual pace is enough:
    in an account that trades all the time, positions agree with the venue's only at some moments.
    """
    if last_ms < fence_ms + FENCE_LOOKUP_AFTER_MS:
        return fence_ms + FENCE_LOOKUP_AFTER_MS
    return last_ms + max(FENCE_LOOKUP_EVERY_MS, (last_ms - fence_ms) // FENCE_LATE_SHARE)


def due_lookups(watches: Iterable[Watch], policy: PollPolicy, now_ms: int) -> Sequence[int]:
    """Which of the watches, by their place in the sequence, are to be looked up now; the longest overdue first."""
    times = ((next_lookup_ms(watch, policy), place) for place, watch in enumerate(watches))
    due = sorted((at_ms, place) for at_ms, place in times if at_ms is not None and at_ms <= now_ms)
    return [place for _, place in due]


def next_wake_ms(watches: Iterable[Watch], policy: PollPolicy, *, last_list_ms: int | None, now_ms: int) -> int | None:
    """When anything is to be asked next, at the earliest now; None when nothing is live, so that nothing need be asked."""
    known = list(watches)
    if not any(_is_polled(watch.state) for watch in known):
        return None
    lookups = [at_ms for watch in known if (at_ms := next_lookup_ms(watch, policy)) is not None]
    listing = now_ms if last_list_ms is None else last_list_ms + policy.list_period_ms
    return max(now_ms, min([listing, *lookups]))


def is_missing(watch: Watch, *, list_asked_ms: int, policy: PollPolicy) -> bool:
    """Whether an open-orders list that does not show the order is a reason to look it up (it is never a proof)."""
    return watch.state in AT_VENUE and list_asked_ms >= watch.since_ms + policy.young_ms


def fence_ms(attempt: Attempt, *, window_ms: int, settle_ms: int) -> int:
    """The venue time after which this request can never execute, and would show if it had."""
    return attempt.timestamp_ms + window_ms + settle_ms


def proof_of_absence(fence: int, asked_at_ms: Iterable[int]) -> tuple[int, ...] | None:
    """The lookups (venue time just before each was asked, all having found nothing) that prove absence; None: not enough yet.

    The times must be the venue's own, from an answer received before the lookup was asked, not an estimate.
    """
    after = tuple(asked for asked in asked_at_ms if asked > fence)
    return after if len(after) >= LOOKUPS_FOR_PROOF else None


def _is_polled(state: State) -> bool:
    return not state.is_terminal and state is not State.APPROVED  # an approved order was never sent


def _needed_from_ms(watch: Watch, policy: PollPolicy) -> int | None:
    if watch.left_until_ms is not None:
        return watch.left_until_ms
    match watch.state:
        case State.UNKNOWN:
            return watch.since_ms
        case State.SUBMITTING:
            return watch.since_ms if watch.owner_gone else watch.since_ms + policy.owner_hold_ms
        case state if state in AT_VENUE:
            if watch.missing_since_ms is not None:
                return watch.missing_since_ms
            listed = watch.seen_ms is not None and watch.seen_ms >= watch.since_ms
            return None if listed else watch.since_ms + policy.young_ms
        case _:
            return None
