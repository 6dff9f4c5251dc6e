"""The bus beside the ledger: work that arrives, facts that leave, small state that survives a restart."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ordergate.ports.ledger import Entry
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, ErrorId, Symbol, TradeId, VenueName, VenueOrderId
from ordergate.trading.order import OrderKey


class Delivery(Protocol):
    """One message of a durable consumer, to be answered exactly one way. Unanswered, it comes again after the ack wait."""

    @property
    def subject(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def sequence(self) -> int:
        """Stream sequence."""

    @property
    def number(self) -> int:
        """Counts the deliveries of this consumer to all who hear it: after number n, n + 1 means that nobody else was handed any between."""

    @property
    def stored_at_ms(self) -> int: ...
    @property
    def delivery_count(self) -> int: ...

    async def ack(self) -> None: ...
    async def retry(self, *, after_seconds: float) -> None: ...
    async def bury(self, *, reason: str, error_id: str) -> None:
        """Store the message in DEAD with the reason, then end its delivery."""


Handler = Callable[[Delivery], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFill:
    fill: Fill
    sequence: int


class Publisher(Protocol):
    """Guarded publications, each repeated with the same guard until answered. All raise BusUnavailable at their limit."""

    async def store_fill(self, fill: Fill) -> bool:
        """True: stored now. False: the same trade was stored before (success as well)."""

    async def stored_fill(
        self, venue: VenueName, account: AccountName, symbol: Symbol, trade_id: TradeId, venue_order_id: VenueOrderId
    ) -> Fill | None:
        """The fill as it is stored, read through the stream's leader. Raises Unreadable where something else stands in its place."""

    async def answer(self, subject: str, payload: bytes, *, message_id: str) -> None:
        """A durable answer or statement in AUDIT; the same message_id is stored once."""

    def record(self, subject: str, payload: bytes) -> None:
        """A record in AUDIT that may be lost with the process (request log); never waits, bounded, drops counted."""

    def note_error(self, error_id: ErrorId, key: OrderKey) -> None:
        """Remember in the bucket ERRORS which order an errorId speaks of; never waits, like `record`."""


class Feed(Protocol):
    """Ordered replay, then live: no ack, gaps detected and read again. Who reads no further closes it: it holds a consumer of the bus."""

    def orders(self, venue: VenueName, account: AccountName, *, after: int) -> AsyncGenerator[Entry | None, None]:
        """Every ORDERS entry of the account after stream sequence `after`. A None marks that the end was reached for now."""

    def fills(self, venue: VenueName, account: AccountName, *, after: int) -> AsyncGenerator[StoredFill | None, None]:
        """Every FILLS message of the account after stream sequence `after`, None once the end is reached."""


class Progress(Protocol):
    """How far the consumer of another service has come."""

    async def has_passed(self, sequence: int) -> bool:
        """Whether every message that it hears, up to this stream sequence, has been acknowledged. Raises BusUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIntent:
    """A message of INTENTS as it stands there."""

    subject: str
    data: bytes
    sequence: int


class IntentLog(Protocol):
    """The intents of one account that risk decides, whoever they were handed to. All raise BusUnavailable."""

    async def answered(self) -> int:
        """Every one up to this stream sequence has been acknowledged, and so its decision was stored before."""

    async def between(self, after: int, before: int) -> Sequence[StoredIntent]:
        """Those that stand between two stream sequences, in order."""

    async def end_of_orders(self) -> int | None:
        """The ORDERS sequence of the account's last message, 0 without any; None where that one cannot be read."""


class Shelf(Protocol):
    """A key-value bucket. Values are small JSON documents."""

    async def get(self, key: str) -> bytes | None: ...
    async def put(self, key: str, value: bytes) -> None: ...
    async def delete(self, key: str) -> None: ...
    def watch(self, pattern: str) -> AsyncGenerator[tuple[str, bytes | None] | None, None]:
        """Present entries, then None, then changes (value None: deleted)."""
