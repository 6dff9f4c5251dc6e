"""Who may do what on the bus: the one matrix, as data, from which the server's configuration and docs/identities.md are generated.

What is not granted is denied. Reading is by consumers: a service may make ordered readings of the streams that it needs; a strategy or a
consumer only ones whose filter stands in the subject of the request, where the server compares it with its permissions and with the request.
Durable consumers are another's work, so their names are denied to everybody but their owner: NATS has no wildcard within a token, and the
names of ordered readings are drawn at random.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ordergate.trading.errors import Misuse
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.trading.order import State
from ordergate.wire import streams, subjects
from ordergate.wire.subjects import IntentKind, token

Place = tuple[VenueName, AccountName]
"""An account at a venue."""

EVERY: Place = (VenueName("*"), AccountName("*"))
RESPONSE_SECONDS = 30
"""How long who was asked may answer."""


class Kind(StrEnum):
    """What sort of program bears the identity."""

    PROVISION = "provision"
    RISK = streams.RISK
    ORDER_SUBMISSION = streams.ORDER_SUBMISSION
    STATUS_POLLING = streams.STATUS_POLLING
    FILL_STREAMING = streams.FILL_STREAMING
    POSITION_TRACKING = streams.POSITION_TRACKING
    OPERATOR = "operator"
    STRATEGY = "strategy"
    CONSUMER = "consumer"


SERVICES = (Kind.RISK, Kind.ORDER_SUBMISSION, Kind.STATUS_POLLING, Kind.FILL_STREAMING, Kind.POSITION_TRACKING)
CALLERS = SERVICES[1:]
"""Those that speak to a venue: they share its budget and hold keys."""
SINGLE = (Kind.PROVISION, *SERVICES)
"""One identity of each, of this name."""

SAYS = {
    Kind.PROVISION: "makes what is absent, renews the consumers of an earlier version; changes nothing else, deletes nothing",
    Kind.RISK: "decides: `approved`, `refused`, and that nothing is sent again",
    Kind.ORDER_SUBMISSION: "sends; writes every state that its answers prove, and `approved` only to close positions at the kill switch",
    Kind.STATUS_POLLING: "writes every state that the venue shows, and adopts strangers' orders",
    Kind.FILL_STREAMING: "stores fills and states their sums",
    Kind.POSITION_TRACKING: "folds fills into positions",
    Kind.OPERATOR: "the `ordergate` command: reads everything, asks as any strategy, turns the switches; writes no order and no fill",
    Kind.STRATEGY: "asks under its own name on its own accounts, and reads these",
    Kind.CONSUMER: "reads its own accounts",
}

_SHOWN = (
    State.PENDING,
    State.ACCEPTED,
    State.PARTIALLY_FILLED,
    State.FILLED,
    State.CANCELED,
    State.EXPIRED,
    State.REJECTED,
)

STATES: dict[Kind, tuple[State, ...]] = {
    Kind.RISK: (State.APPROVED, State.REFUSED, State.NOT_PLACED),
    Kind.ORDER_SUBMISSION: tuple(state for state in State if state is not State.REFUSED),
    Kind.STATUS_POLLING: (*_SHOWN, State.UNKNOWN, State.NOT_PLACED, State.ADOPTED),
}
"""Which states of an order each may write; who is not named writes none."""

_WRITES: dict[Kind, tuple[str, ...]] = {
    Kind.RISK: ("answers.*.*.*.*",),
    Kind.ORDER_SUBMISSION: ("answers.*.*.*.*", "risk.*.*.*", "$KV.CONTROL.kill.>"),
    Kind.STATUS_POLLING: (
        "reconciliation.*.*.orders",
        "reconciliation.*.*.recovery",
        "$KV.INSTRUMENTS.>",
        "$KV.CURSORS.trades.>",
    ),
    Kind.FILL_STREAMING: (
        *subjects.ALL_FILLS,
        f"reconciliation.*.*.{subjects.FILLS_STATEMENT}",
        "$KV.CURSORS.trades.>",
    ),
    Kind.POSITION_TRACKING: (*subjects.ALL_POSITIONS, "reconciliation.*.*.positions"),
    Kind.OPERATOR: (
        *subjects.ALL_INTENTS,
        "$KV.CONTROL.>",
        subjects.KILL_REQUEST,
        "control.keys.*.*",
        "control.statement.*.*",
    ),
}
"""What each may publish beside its states and what it shares with its like."""

_READS: dict[Kind, tuple[str, ...]] = {
    Kind.RISK: (streams.INTENTS, streams.ORDERS, streams.FILLS, streams.POSITIONS),
    Kind.ORDER_SUBMISSION: (streams.INTENTS, streams.ORDERS, streams.FILLS, streams.POSITIONS, streams.AUDIT),
    Kind.STATUS_POLLING: (streams.ORDERS, streams.FILLS, streams.POSITIONS),
    Kind.FILL_STREAMING: (streams.ORDERS, streams.FILLS),
    Kind.POSITION_TRACKING: (streams.FILLS, streams.POSITIONS),
    Kind.OPERATOR: ("*",),
}
"""The streams that each reads; buckets come to it."""

_BUCKETS: dict[Kind, tuple[str, ...]] = {
    Kind.RISK: (streams.CHECKPOINTS, streams.INSTRUMENTS, streams.CONTROL),
    Kind.ORDER_SUBMISSION: (streams.CHECKPOINTS, streams.INSTRUMENTS, streams.CONTROL, streams.LEASES),
    Kind.STATUS_POLLING: (streams.CHECKPOINTS, streams.INSTRUMENTS, streams.CONTROL, streams.LEASES, streams.CURSORS),
    Kind.FILL_STREAMING: (streams.CHECKPOINTS, streams.CONTROL, streams.LEASES, streams.CURSORS),
    Kind.POSITION_TRACKING: (streams.CHECKPOINTS, streams.INSTRUMENTS, streams.CONTROL, streams.LEASES),
}

_API = "$JS.API"
_OF_CONSUMER = ("CONSUMER.INFO", "CONSUMER.MSG.NEXT", "CONSUMER.DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One bearer of a key. name: of its files; accounts and strategy: of strategies and consumers only.

    Raises Misuse for a combination that makes no sense.
    """

    name: str
    kind: Kind
    accounts: tuple[Place, ...] = ()
    strategy: StrategyName | None = None

    def __post_init__(self) -> None:
        is_outsider = self.kind in {Kind.STRATEGY, Kind.CONSUMER}
        if is_outsider is not bool(self.accounts):
            raise Misuse(
                f"{self.kind} {self.name}: " + ("name its accounts" if is_outsider else "it has no accounts of its own")
            )
        if (self.kind is Kind.STRATEGY) is not (self.strategy is not None):
            raise Misuse(f"{self.kind} {self.name}: only a strategy, and each, has a strategy's name")
        if (self.kind in SINGLE) is not (self.name in SINGLE) or (self.kind in SINGLE and self.name != self.kind):
            raise Misuse(f"{self.name} is no name for {self.kind}: services bear their own, and nobody else does")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """As the server takes them: what is denied goes before what is allowed. answers: to whoever asked, for a while."""

    publish: tuple[str, ...]
    denied: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool


def inbox(public_key: str) -> str:
    """The prefix of every answer to the bearer of this key; nobody else may hear it."""
    return f"_INBOX_{public_key}"


def permissions(identity: Identity, *, public_key: str, served: Sequence[Place]) -> Permissions:
    """served: every account of the installation, for the names of the durable consumers."""
    return Permissions(
        publish=tuple(dict.fromkeys(_publish(identity, served))),
        denied=tuple(_denied(identity, served)),
        subscribe=(f"{inbox(public_key)}.>", *_subscribe(identity.kind)),
        answers=identity.kind in CALLERS,
    )


def _publish(identity: Identity, served: Sequence[Place]) -> Iterator[str]:
    kind = identity.kind
    yield from (f"orders.*.*.*.*.{state}" for state in STATES.get(kind, ()))
    yield from _WRITES.get(kind, ())
    if kind is Kind.PROVISION:
        yield from _provisions()
    if kind in SERVICES:
        yield from _shared_by_services(kind)
    if kind in CALLERS:
        yield from _shared_by_callers(kind)
    if kind is Kind.ORDER_SUBMISSION:
        yield from ("budget.*.*.owner", f"budget.*.{subjects.NONE}.*.owner", "$KV.LEASES.owner.>")
    if kind in {*SERVICES, Kind.OPERATOR}:
        yield from _reads(kind)
        yield from _works(kind, served)
    if kind is Kind.OPERATOR:
        yield f"{_API}.CONSUMER.CREATE.*.*.>"  # as strategies do it
        yield from (
            f"{_API}.{call}" for call in ("INFO", "STREAM.LIST", "STREAM.NAMES", "CONSUMER.LIST.*", "CONSUMER.NAMES.*")
        )
        yield from (f"{_API}.STREAM.MSG.DELETE.{streams.DEAD}", f"{_API}.STREAM.PURGE.{streams.DEAD}")
    if identity.accounts:
        yield from _outsider(identity)


def _provisions() -> Iterator[str]:
    names = (*(spec.name for spec in streams.streams()), *(f"KV_{spec.name}" for spec in streams.buckets()))
    for name in names:
        yield f"{_API}.STREAM.INFO.{name}"
        yield f"{_API}.STREAM.CREATE.{name}"
    for name in (streams.INTENTS, streams.ORDERS):
        yield f"{_API}.CONSUMER.INFO.{name}.*"
        yield f"{_API}.CONSUMER.CREATE.{name}.*"


def _shared_by_services(kind: Kind) -> Iterator[str]:
    yield f"dead.{kind}.*"
    yield f"$KV.CHECKPOINTS.{kind}.*.*"
    yield f"$KV.LEASES.presence.{kind}.*"
    yield "$KV.ERRORS.*"


def _shared_by_callers(kind: Kind) -> Iterator[str]:
    """Requests told, the shared budget, the state of the keys, and a halt of one's own making."""
    yield f"requests.*.*.{kind}"
    yield "risk.*.*.key"
    yield from ("budget.*.*", f"budget.*.{subjects.NONE}.*", "budget.*.*.freeze", f"budget.*.{subjects.NONE}.*.freeze")
    yield from ("$KV.LEASES.freeze.budget.>", "$KV.CONTROL.limits.budget.>")
    yield from (f"$KV.LEASES.alone.budget.*.*.{kind}.*", f"$KV.LEASES.alone.budget.*.{subjects.NONE}.*.{kind}.*")
    yield f"$KV.LEASES.signing.*.*.{kind}.*"
    yield "$KV.CONTROL.key.*.sighted"
    if kind in {Kind.STATUS_POLLING, Kind.FILL_STREAMING}:
        yield f"$KV.CONTROL.halt.*.*.{kind}"
    if kind is Kind.FILL_STREAMING:
        yield "risk.*.*.forced_order"  # what the venue itself closed


def _reads(kind: Kind) -> Iterator[str]:
    """Streams as declared (checked at each start), and readings of those that are needed."""
    yield from (f"{_API}.STREAM.INFO.*", f"{_API}.CONSUMER.INFO.*.*")
    for name in (*_READS[kind], *(f"KV_{bucket}" for bucket in _BUCKETS.get(kind, ()))):
        yield f"{_API}.STREAM.MSG.GET.{name}"
        yield f"{_API}.CONSUMER.CREATE.{name}.*"
        yield f"{_API}.CONSUMER.MSG.NEXT.{name}.*"
        yield f"{_API}.CONSUMER.DELETE.{name}.*"


def _works(kind: Kind, served: Iterable[Place]) -> Iterator[str]:
    """The durable consumers of one's own. Acks in both forms that servers have used: with and without domain and account."""
    for stream, name, owner in durables(served):
        if owner is kind:
            yield f"{_API}.CONSUMER.MSG.NEXT.{stream}.{name}"
            yield f"$JS.ACK.{stream}.{name}.>"
            yield f"$JS.ACK.*.*.{stream}.{name}.>"


def _outsider(identity: Identity) -> Iterator[str]:
    for venue, account in identity.accounts:
        place = f"{token(venue)}.{token(account)}"
        filters = [
            (streams.ORDERS, subjects.orders_of(venue, account)),
            (streams.FILLS, f"fills.{place}.*.*"),
            (streams.POSITIONS, subjects.positions_of(venue, account)),
            (streams.AUDIT, f"reconciliation.{place}.*"),
        ]
        if identity.strategy is not None:
            filters.append((streams.AUDIT, subjects.answers_of(venue, account, identity.strategy)))
            yield from (f"intents.{place}.{token(identity.strategy)}.{kind}.*" for kind in IntentKind)
        yield subjects.statement_request(venue, account)
        yield from (f"{_API}.CONSUMER.CREATE.{stream}.*.{subject}" for stream, subject in filters)
    for stream in (streams.ORDERS, streams.FILLS, streams.POSITIONS, streams.AUDIT):
        yield from (f"{_API}.{call}.{stream}.*" for call in _OF_CONSUMER)


def _denied(identity: Identity, served: Iterable[Place]) -> Iterator[str]:
    if identity.kind is Kind.PROVISION:
        return
    for stream, name, owner in durables(served):
        yield f"{_API}.CONSUMER.CREATE.{stream}.{name}"
        yield f"{_API}.CONSUMER.CREATE.{stream}.{name}.>"
        yield f"{_API}.CONSUMER.DELETE.{stream}.{name}"
        if owner is not identity.kind:
            yield f"{_API}.CONSUMER.MSG.NEXT.{stream}.{name}"


def _subscribe(kind: Kind) -> Iterator[str]:
    """What is heard beside the own inbox."""
    if kind in CALLERS:
        yield "control.keys.*.*"
        yield from (
            "budget.*.*.freeze",
            f"budget.*.{subjects.NONE}.*.freeze",
            "budget.*.*.owner",
            f"budget.*.{subjects.NONE}.*.owner",
        )
    if kind is Kind.ORDER_SUBMISSION:
        yield from (subjects.KILL_REQUEST, "budget.*.*", f"budget.*.{subjects.NONE}.*")
    if kind is Kind.FILL_STREAMING:
        yield "control.statement.*.*"


def durables(served: Iterable[Place]) -> list[tuple[str, str, Kind]]:
    """(stream, name, owner) of every durable consumer."""
    found = [(streams.INTENTS, streams.STRANGERS, Kind.RISK)]
    for venue, account in served:
        owners = (Kind.RISK, Kind.ORDER_SUBMISSION, Kind.ORDER_SUBMISSION)
        found += [
            (spec.stream, spec.durable, owner)
            for spec, owner in zip(streams.consumers(venue, account), owners, strict=True)
        ]
    return found
