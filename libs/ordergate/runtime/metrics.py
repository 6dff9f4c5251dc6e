"""What a service counts, each thing by an exact method, in a registry of its own process.

A label's values must be few, for each makes a time series that lives as long as the process: messages are counted by lane, and a
label whose values come from outside (a venue's reject code) stops at LABEL_SETS_MAX and goes on as "other".
Counting costs 0.5-1 us, observing 1-2 us.
"""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LABEL_SETS_MAX = 256
_OTHER = "other"

# Seconds. From an append to the ledger (0.3 ms) to a venue that lets us wait for its time-out.
_STAGE_BUCKETS = (0.0005, 0.001, 0.002, 0.0035, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGE_BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600)

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


class Metrics:
    """Every metric of one service. Method arguments are label values unless they are named as an amount with its unit."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        self._service = service
        self._stages = _histogram(
            registry, "stage_seconds", "How long one stage of an order's way took.", "service", "stage"
        )
        self._requests = _histogram(
            registry,
            "venue_request_seconds",
            "Calls to a venue, from the first byte sent to the answer.",
            "venue",
            "endpoint",
            "status",
        )
        self._clock_offset = _gauge(registry, "venue_clock_offset_seconds", "The venue's clock minus ours.", "venue")
        self._clock_drift = _gauge(
            registry, "venue_clock_drift_seconds", "How far the offset has moved since it was first read.", "venue"
        )
        self._clock_rate = _gauge(
            registry,
            "venue_clock_rate_ppm",
            "How much faster the venue's clock runs than ours, in millionths.",
            "venue",
        )
        self._budget_used = _gauge(
            registry, "budget_used", "Units of a limit used in its window.", "venue", "account", "bucket"
        )
        self._budget_limit = _gauge(
            registry, "budget_limit", "Units of a limit in its window.", "venue", "account", "bucket"
        )
        self._budget_waits = _histogram(
            registry, "budget_wait_seconds", "How long a call waited for budget.", "venue", "endpoint"
        )
        self._throttled = _counter(registry, "throttled", "Calls that a venue answered 429 or 418.", "venue", "status")
        self._throttle_seconds = _counter(
            registry, "throttle_wait_seconds", "Seconds that a venue told us to wait.", "venue"
        )
        self._rejects = _counter(registry, "rejects", "Orders refused, by risk or by a venue.", "by", "code")
        self._unknown = _gauge(registry, "unknown_orders", "Orders whose fate is not known.", "venue", "account")
        self._unknown_oldest = _gauge(
            registry, "unknown_oldest_seconds", "Age of the oldest unknown order.", "venue", "account"
        )
        self._unknown_resolved = _histogram(
            registry,
            "unknown_resolved_seconds",
            "How long an order stayed unknown.",
            "venue",
            "account",
            buckets=_AGE_BUCKETS,
        )
        self._reconnects = _counter(registry, "reconnects", "Connections made again, to the bus or a stream.", "to")
        self._lag = _gauge(registry, "consumer_lag", "Messages not yet delivered.", "stream", "consumer")
        self._unacknowledged = _gauge(
            registry, "consumer_unacknowledged", "Messages delivered, not acknowledged.", "stream", "consumer"
        )
        self._differences = _gauge(
            registry, "differences", "Differences against a venue that stand now.", "venue", "account", "kind"
        )
        self._orders = _counter(
            registry, "venue_orders", "Orders seen at a venue, with a clientOrderId or not.", "venue", "client_order_id"
        )
        self._open = _gauge(registry, "venue_open_connections", "Connections to a venue now.", "venue", "session")
        self._connections = _gauge(
            registry, "venue_connections", "Connections opened to a venue since the start.", "venue", "session"
        )
        self._handshakes = _gauge(
            registry, "venue_handshakes", "TLS handshakes with a venue since the start.", "venue", "session"
        )
        self._budget_waiting = _gauge(
            registry, "budget_waiting", "Calls that wait for budget now.", "venue", "account", "session"
        )
        self._budget_standing = _gauge(
            registry,
            "budget_standing",
            "1 for how this process stands to a shared budget (owner, leasing, alone, frozen, starting), else 0.",
            "budget",
            "standing",
        )
        self._budget_alone = _gauge(
            registry, "budget_alone", "Times since the start that no owner of a shared budget answered.", "budget"
        )
        self._budget_freezes = _gauge(
            registry, "budget_freezes", "Times since the start that the venue told this process to stop.", "budget"
        )
        self._rain = _gauge(registry, "rain", "1 while rain mode is on, else 0.")
        self._feed_silence = _gauge(
            registry, "feed_silent_seconds", "Since a followed stream was last heard, its idle signs included.", "feed"
        )
        self._stream_messages = _gauge(
            registry, "stream_messages", "Messages of a private stream since the start.", "venue", "account"
        )
        self._stream_set_aside = _gauge(
            registry, "stream_set_aside", "Events of a private stream that could not be read.", "venue", "account"
        )
        self._stream_silence = _gauge(
            registry,
            "stream_silent_seconds",
            "Since a private stream was last heard, pongs included.",
            "venue",
            "account",
        )
        self._feed_lag = _gauge(registry, "feed_lag", "Messages of a followed stream not yet handed on.", "feed")
        self._reconnects_told: dict[str, int] = {}
        self._key_age = _gauge(registry, "key_age_seconds", "Since when a key is known.", "venue", "account", "key")
        self._key_state = _gauge(
            registry, "key_state", "1 for the state that a key is in, else 0.", "venue", "account", "key", "state"
        )
        self._messages = _counter(
            registry, "messages", "Messages of a lane, by what became of them.", "consumer", "outcome"
        )
        self._messages_told: dict[tuple[str, str], int] = {}
        self._spans_exported = _counter(registry, "spans_exported", "Spans that a receiver took.")
        self._dropped = _counter(registry, "dropped", "Records and spans that were given up.", "what", "reason")
        self._restarts = _counter(registry, "task_restarts", "Tasks started again after a failure.", "task")

    def exposition(self) -> bytes:
        """The body of /metrics, of the type CONTENT_TYPE."""
        return generate_latest(self.registry)

    def stage_took(self, stage: str, seconds: float) -> None:
        self._stages.of(self._service, stage).observe(seconds)

    def lane(self, consumer: str, *, totals: Mapping[str, int]) -> None:
        """totals: by outcome, since the start of the process; they only grow."""
        for outcome, total in totals.items():
            told = self._messages_told.get((consumer, outcome), 0)
            self._messages.of(consumer, outcome).inc(total - told)
            self._messages_told[consumer, outcome] = total

    def venue_request(self, venue: str, endpoint: str, status: int, *, seconds: float) -> None:
        """endpoint: the route without its parameters. status: 0 when no answer came."""
        self._requests.of(venue, endpoint, str(status)).observe(seconds)

    def connections(self, venue: str, session: str, *, open_now: int, opened: int, handshakes: int) -> None:
        """session: the n-th that this process opened there. The two totals only grow while it lives."""
        self._open.of(venue, session).set(open_now)
        self._connections.of(venue, session).set(opened)
        self._handshakes.of(venue, session).set(handshakes)

    def stream(self, venue: str, account: str, *, messages: int, set_aside: int, silent_seconds: float) -> None:
        """A private stream. The two totals only grow while the process lives."""
        self._stream_messages.of(venue, account).set(messages)
        self._stream_set_aside.of(venue, account).set(set_aside)
        self._stream_silence.of(venue, account).set(silent_seconds)

    def feed(self, feed: str, *, silent_seconds: float, lag: int) -> None:
        self._feed_silence.of(feed).set(silent_seconds)
        self._feed_lag.of(feed).set(lag)

    def clock_offset(self, venue: str, *, milliseconds: float, moved_milliseconds: float) -> None:
        """Venue minus ours; and how far that has moved since it was first read."""
        self._clock_offset.of(venue).set(milliseconds / 1000)
        self._clock_drift.of(venue).set(moved_milliseconds / 1000)

    def clock_rate(self, venue: str, *, ppm: float) -> None:
        self._clock_rate.of(venue).set(ppm)

    def key(self, venue: str, account: str, key: str, *, states: Mapping[str, bool], age_seconds: float | None) -> None:
        """key: its id. states: each state that there is, and whether it is in it."""
        for state, is_in in states.items():
            self._key_state.of(venue, account, key, state).set(is_in)
        if age_seconds is not None:
            self._key_age.of(venue, account, key).set(age_seconds)

    def budget_waiting(self, venue: str, account: str, session: str, *, count: int) -> None:
        self._budget_waiting.of(venue, account, session).set(count)

    def budget(self, venue: str, account: str, bucket: str, *, used: float, limit: float) -> None:
        self._budget_used.of(venue, account, bucket).set(used)
        self._budget_limit.of(venue, account, bucket).set(limit)

    def shared_budget(self, budget: str, *, standings: Mapping[str, bool], alone: int, freezes: int) -> None:
        """budget: its subject. standings: each that there is, and whether it is this process's; at most one process in the world is its owner."""
        for standing, is_so in standings.items():
            self._budget_standing.of(budget, standing).set(is_so)
        self._budget_alone.of(budget).set(alone)
        self._budget_freezes.of(budget).set(freezes)

    def raining(self, *, is_so: bool) -> None:
        self._rain.of().set(is_so)

    def budget_waited(self, venue: str, endpoint: str, *, seconds: float) -> None:
        self._budget_waits.of(venue, endpoint).observe(seconds)

    def throttled(self, venue: str, status: int, *, retry_after_seconds: float) -> None:
        """A 429 or 418 of the venue."""
        self._throttled.of(venue, str(status)).inc()
        self._throttle_seconds.of(venue).inc(max(0.0, retry_after_seconds))

    def rejected(self, by: str, code: str) -> None:
        """by: "risk" or the venue's name. code: the name of the limit, or the venue's own code."""
        self._rejects.of(by, code).inc()

    def unknowns(self, venue: str, account: str, *, count: int, oldest_seconds: float) -> None:
        """How many orders are unknown now; oldest_seconds is 0 when none is."""
        self._unknown.of(venue, account).set(count)
        self._unknown_oldest.of(venue, account).set(oldest_seconds)

    def unknown_resolved(self, venue: str, account: str, *, seconds: float) -> None:
        self._unknown_resolved.of(venue, account).observe(seconds)

    def reconnects(self, to: str, *, total: int) -> None:
        """to: "bus", or the name of a stream. total: since the start of the process; it only grows."""
        self._reconnects.of(to).inc(total - self._reconnects_told.get(to, 0))
        self._reconnects_told[to] = total

    def consumer(self, stream: str, consumer: str, *, lag: int, unacknowledged: int) -> None:
        self._lag.of(stream, consumer).set(lag)
        self._unacknowledged.of(stream, consumer).set(unacknowledged)

    def differences(self, venue: str, account: str, kind: str, *, count: int) -> None:
        """The differences of this kind that stand now."""
        self._differences.of(venue, account, kind).set(count)

    def order_seen(self, venue: str, *, has_client_order_id: bool) -> None:
        """Once per order; the share without a clientOrderId must be zero."""
        self._orders.of(venue, "yes" if has_client_order_id else "no").inc()

    def dropped(self, what: str, reason: str, *, count: int = 1) -> None:
        """what: "span", "request_record"."""
        self._dropped.of(what, reason).inc(count)

    def spans_exported(self, count: int) -> None:
        self._spans_exported.of().inc(count)

    def task_restarted(self, task: str) -> None:
        self._restarts.of(task).inc()


class _Labelled(Generic[_Metric]):
    """The children of one metric, found by a dict instead of the library's lock; LABEL_SETS_MAX of them, then "other"."""

    def __init__(self, metric: _Metric) -> None:
        self._metric: _Metric = metric
        self._children: dict[tuple[str, ...], _Metric] = {}

    def of(self, *values: str) -> _Metric:
        child = self._children.get(values)
        if child is None:
            if len(self._children) >= LABEL_SETS_MAX:
                values = (_OTHER,) * len(values)
            child = self._children[values] = self._metric.labels(*values) if values else self._metric
        return child


def _counter(registry: CollectorRegistry, name: str, meaning: str, *labels: str) -> _Labelled[Counter]:
    return _Labelled(Counter(f"ordergate_{name}", meaning, labels, registry=registry))


def _gauge(registry: CollectorRegistry, name: str, meaning: str, *labels: str) -> _Labelled[Gauge]:
    return _Labelled(Gauge(f"ordergate_{name}", meaning, labels, registry=registry))


def _histogram(
    registry: CollectorRegistry, name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _STAGE_BUCKETS
) -> _Labelled[Histogram]:
    return _Labelled(Histogram(f"ordergate_{name}", meaning, labels, buckets=buckets, registry=registry))
