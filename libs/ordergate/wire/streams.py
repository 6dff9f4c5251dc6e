"""All streams, durable consumers and buckets, as data.

One command applies them (`python -m services.provision`), every service checks them at its start. Nothing else creates a stream.
Names of fields carry their units; -1 in a size or count means no limit, as on the server.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import subjects
from ordergate.wire.subjects import IntentKind

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR
UNLIMITED = -1

INTENTS = "INTENTS"
ORDERS = "ORDERS"
FILLS = "FILLS"
POSITIONS = "POSITIONS"
AUDIT = "AUDIT"
DEAD = "DEAD"

CONTROL = "CONTROL"
CURSORS = "CURSORS"
LEASES = "LEASES"
CHECKPOINTS = "CHECKPOINTS"
INSTRUMENTS = "INSTRUMENTS"
ERRORS = "ERRORS"

RISK = "risk"
ORDER_SUBMISSION = "order_submission"
STATUS_POLLING = "status_polling"
FILL_STREAMING = "fill_streaming"
POSITION_TRACKING = "position_tracking"
CANCELS = "order_submission_cancels"
STRANGERS = "strangers"
CANCELS_WAITING_MAX = 512
"""Cancels of one account that wait for the fate of their orders. Each looks again twice a second, so that many cost what a lane can bear."""


class Discard(StrEnum):
    """What a full stream does: refuse the new message, or forget the oldest."""

    NEW = "new"
    OLD = "old"


class PersistMode(StrEnum):
    """ASYNC answers before the write; only for what can be rebuilt, and only on one replica."""

    DEFAULT = "default"
    ASYNC = "async"


class AckPolicy(StrEnum):
    """ALL: an ack speaks for every earlier message too."""

    EXPLICIT = "explicit"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """A stream on disk, retention by limits. Publishers read through the leader, so allow_direct is off where a decision hangs on it."""

    name: str
    description: str
    subjects: tuple[str, ...]
    max_age_seconds: float  # 0: for ever
    max_message_bytes: int
    discard: Discard
    replicas: int
    max_messages_per_subject: int = UNLIMITED
    discard_new_per_subject: bool = False
    max_bytes: int = UNLIMITED
    duplicate_window_seconds: float = 2 * MINUTE
    persist_mode: PersistMode = PersistMode.DEFAULT
    allow_direct: bool = False
    deny_delete: bool = False
    deny_purge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSpec:
    """A durable pull consumer of one service for one account, from the stream's beginning. Its filters never change.

    max_deliver is UNLIMITED everywhere: the service itself buries what it cannot read, the server never drops anything silently.
    """

    durable: str
    stream: str
    description: str
    filter_subjects: tuple[str, ...]
    ack_wait_seconds: float
    max_ack_pending: int
    replicas: int
    ack_policy: AckPolicy = AckPolicy.EXPLICIT
    max_deliver: int = UNLIMITED
    headers_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSpec:
    """A key-value bucket on disk, history 1, read through the leader.

    per_key_ttl allows a time to live on single keys. No limit markers: with them an expired key cannot be created again in time.
    """

    name: str
    description: str
    replicas: int
    max_value_bytes: int = UNLIMITED
    ttl_seconds: float = 0
    per_key_ttl: bool = False


def streams(*, replicas: int = 1, audit_bytes_max: int = GIB) -> tuple[StreamSpec, ...]:
    """The streams for a bus of 1 or 3 nodes. audit_bytes_max: AUDIT is the one stream that forgets its oldest when it is full."""
    specs = (
        StreamSpec(
            name=INTENTS,
            description="What strategies ask for; the publish ack means durably taken, not sent",
            subjects=subjects.ALL_INTENTS,
            max_age_seconds=7 * DAY,
            max_message_bytes=16 * KIB,
            discard=Discard.NEW,
            replicas=replicas,
            deny_delete=True,
            deny_purge=True,
        ),
        StreamSpec(
            name=ORDERS,
            description="The ledger: the messages under one order are its life, appended by compare-and-set",
            subjects=subjects.ALL_ORDERS,
            max_age_seconds=7 * DAY,
            max_message_bytes=32 * KIB,
            discard=Discard.NEW,
            replicas=replicas,
            deny_delete=True,
            deny_purge=True,
        ),
        StreamSpec(
            name=FILLS,
            description="Every venue trade, one message a subject, once",
            subjects=subjects.ALL_FILLS,
            max_age_seconds=90 * DAY,
            max_message_bytes=8 * KIB,
            discard=Discard.NEW,
            replicas=replicas,
            max_messages_per_subject=1,
            discard_new_per_subject=True,
            deny_delete=True,
            deny_purge=True,
        ),
        StreamSpec(
            name=POSITIONS,
            description="The last word on each position, folded from FILLS",
            subjects=subjects.ALL_POSITIONS,
            max_age_seconds=0,
            max_message_bytes=32 * KIB,
            discard=Discard.NEW,
            replicas=replicas,
            max_messages_per_subject=1,
            persist_mode=PersistMode.ASYNC,
        ),
        StreamSpec(
            name=AUDIT,
            description="Answers, requests to venues, risk and reconciliation statements",
            subjects=subjects.ALL_AUDIT,
            max_age_seconds=30 * DAY,
            max_message_bytes=32 * KIB,
            max_bytes=audit_bytes_max,
            discard=Discard.OLD,
            replicas=replicas,
            duplicate_window_seconds=10 * MINUTE,
            persist_mode=PersistMode.ASYNC,
            deny_delete=True,
            deny_purge=True,
        ),
        StreamSpec(
            name=DEAD,
            description="Messages that could not be read, with the reason; an operator may delete them",
            subjects=subjects.ALL_DEAD,
            max_age_seconds=30 * DAY,
            max_message_bytes=48 * KIB,
            discard=Discard.NEW,
            replicas=replicas,
            duplicate_window_seconds=HOUR,
        ),
    )
    return specs if replicas == 1 else tuple(replace(spec, persist_mode=PersistMode.DEFAULT) for spec in specs)


def durable_name(service: str, venue: VenueName, account: AccountName) -> str:
    """E.g. `risk-zetarium-main`. A dash inside the venue's name is escaped, so two accounts never share a consumer."""
    return f"{service}-{subjects.token(venue).replace('-', '=2D')}-{subjects.token(account)}"


def consumers(venue: VenueName, account: AccountName, *, replicas: int = 1) -> tuple[ConsumerSpec, ...]:
    """The durable consumers of one account. Every other service replays in order from its checkpoint."""
    return (
        risk_consumer(venue, account, replicas=replicas),
        submission_consumer(venue, account, replicas=replicas),
        cancels_consumer(venue, account, replicas=replicas),
    )


def earlier_consumers(venue: VenueName, account: AccountName, *, replicas: int = 1) -> tuple[ConsumerSpec, ...]:
    """As versions before this one declared those that have changed since. Only an upgrade changes a filter, and keeps the consumer's place.

    Where a kind goes to another consumer, that one comes first: for a moment both are handed it, never neither.
    """
    place = (IntentKind.PLACE, IntentKind.CLOSE)
    cancel = (IntentKind.CANCEL, IntentKind.CANCEL_ALL, IntentKind.REPLACE)
    return (
        replace(
            risk_consumer(venue, account, replicas=replicas),
            description="place and close intents, decided one at a time",
            filter_subjects=subjects.intents_of(venue, account, *place),
        ),
        replace(
            cancels_consumer(venue, account, replicas=replicas),
            description="cancel, cancel_all and replace intents",
            filter_subjects=subjects.intents_of(venue, account, *cancel),
            max_ack_pending=64,
        ),
    )


def risk_consumer(venue: VenueName, account: AccountName, *, replicas: int = 1) -> ConsumerSpec:
    """What needs a decision. Few in flight: risk decides one at a time, and each must be decided inside the ack wait."""
    return ConsumerSpec(
        durable=durable_name(RISK, venue, account),
        stream=INTENTS,
        description="place, replace and close intents, decided one at a time",
        filter_subjects=subjects.intents_of(venue, account, IntentKind.PLACE, IntentKind.REPLACE, IntentKind.CLOSE),
        ack_wait_seconds=2,
        max_ack_pending=64,
        replicas=replicas,
    )


def submission_consumer(venue: VenueName, account: AccountName, *, replicas: int = 1) -> ConsumerSpec:
    """What may be sent. Handlers that wait for budget or the venue say so (in progress), so the ack wait stays short."""
    return ConsumerSpec(
        durable=durable_name(ORDER_SUBMISSION, venue, account),
        stream=ORDERS,
        description="approved orders, each sent at most once",
        filter_subjects=(subjects.approved_of(venue, account),),
        ack_wait_seconds=2,
        max_ack_pending=256,
        replicas=replicas,
    )


def cancels_consumer(venue: VenueName, account: AccountName, *, replicas: int = 1) -> ConsumerSpec:
    """A lane of its own: a cancel never waits behind orders, nor asks risk.

    A cancel whose order is not decided yet, or in doubt, comes again until it is: it stays unacknowledged and must not keep the next ones out.
    """
    return ConsumerSpec(
        durable=durable_name(CANCELS, venue, account),
        stream=INTENTS,
        description="cancel and cancel_all intents",
        filter_subjects=subjects.intents_of(venue, account, IntentKind.CANCEL, IntentKind.CANCEL_ALL),
        ack_wait_seconds=2,
        max_ack_pending=CANCELS_WAITING_MAX,
        replicas=replicas,
    )


def strangers_consumer(*, replicas: int = 1) -> ConsumerSpec:
    """All intents, by subject only: whoever reads it answers those of accounts that nobody serves, and passes over the rest.

    A filter cannot say "all but these accounts", and a filter that names them would have to change with every account.
    """
    return ConsumerSpec(
        durable=STRANGERS,
        stream=INTENTS,
        description="intents of accounts that nobody serves",
        filter_subjects=subjects.ALL_INTENTS,
        ack_wait_seconds=30,
        max_ack_pending=10_000,
        replicas=replicas,
        ack_policy=AckPolicy.ALL,
        headers_only=True,
    )


def buckets(*, replicas: int = 1) -> tuple[BucketSpec, ...]:
    return (
        BucketSpec(name=CONTROL, description="Kill epoch, mode, halts", replicas=replicas, max_value_bytes=16 * KIB),
        BucketSpec(
            name=CURSORS,
            description="How far each symbol's trade list has been read",
            replicas=replicas,
            max_value_bytes=4 * KIB,
        ),
        BucketSpec(
            name=LEASES,
            description="Who owns what until when; each key has its own time to live",
            replicas=replicas,
            max_value_bytes=4 * KIB,
            per_key_ttl=True,
        ),
        BucketSpec(
            name=CHECKPOINTS,
            description="Per service and account: ORDERS sequence and live orders, to start from",
            replicas=replicas,
        ),
        BucketSpec(
            name=INSTRUMENTS, description="The venues' filters and prices", replicas=replicas, max_value_bytes=16 * KIB
        ),
        BucketSpec(
            name=ERRORS,
            description="errorId to the order it struck",
            replicas=replicas,
            max_value_bytes=4 * KIB,
            ttl_seconds=30 * DAY,
        ),
    )
