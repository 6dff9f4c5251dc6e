"""What is sent, and what is seen of it on the bus.

The mix: half small MARKET orders, half LIMIT orders priced through the book, over two symbols. All of them end at once, so what is measured is the
gateway and not somebody's patience. An account is on one side of a symbol only: risk refuses an order that might meet one of the account's own.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import nats
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from bench.figures import now_ns
from bench.installation import ACCOUNTS, VENUE
from ordergate.trading.ids import AccountName, StrategyName, Symbol, VenueName
from ordergate.trading.order import TERMINAL, State
from ordergate.wire import streams, subjects
from ordergate.wire.subjects import IntentKind

MIX = "half MARKET, half LIMIT priced 1 % through the book, all filled at once; half BTCUSDT 0.002, half ETHUSDT 0.04; half BUY, half SELL"
STRATEGY = "bench"
VALID_FOR_MS = 300_000
_NUMBERS = itertools.count(1)
_THROUGH_THE_BOOK = {
    ("BTCUSDT", "BUY"): "64892.5",
    ("BTCUSDT", "SELL"): "63607.5",
    ("ETHUSDT", "BUY"): "3232",
    ("ETHUSDT", "SELL"): "3168",
}
_QUANTITY = {"BTCUSDT": "0.002", "ETHUSDT": "0.04"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An order to be: the account it is for, and the terms as strings."""

    account: str
    client_order_id: str
    terms: dict[str, str]

    def for_client(self) -> dict[str, Any]:
        """As the client's submit takes it."""
        terms: dict[str, Any] = {**self.terms, "client_order_id": self.client_order_id, "valid_for_ms": VALID_FOR_MS}
        return terms | {name: Decimal(self.terms[name]) for name in ("quantity", "price") if name in self.terms}

    def subject(self, *, account: str | None = None) -> str:
        return subjects.intent(
            VenueName(VENUE),
            AccountName(account or self.account),
            StrategyName(STRATEGY),
            IntentKind.PLACE,
            Symbol(self.terms["symbol"]),
        )

    def document(self) -> dict[str, Any]:
        """The intent as JSON, made now."""
        return {
            "schema": 1,
            "kind": "place",
            "intentId": f"i-{self.client_order_id}",
            "venue": VENUE,
            "account": self.account,
            "strategy": STRATEGY,
            **self.terms,
            "clientOrderId": self.client_order_id,
            "validForMs": VALID_FOR_MS,
            "createdAtMs": time.time_ns() // 1_000_000,
        }

    def body(self) -> bytes:
        return orjson.dumps(self.document())


def plan(count: int) -> list[Planned]:
    """Orders of the mix, spread evenly over the accounts; no id is ever made twice in this process."""
    return [
        Planned(
            account=ACCOUNTS[place % len(ACCOUNTS)],
            client_order_id=f"b-{next(_NUMBERS)}",
            terms=_terms(account=place % len(ACCOUNTS), turn=place // len(ACCOUNTS)),
        )
        for place in range(count)
    ]


def _terms(*, account: int, turn: int) -> dict[str, str]:
    symbol = "BTCUSDT" if turn % 2 else "ETHUSDT"
    side = "BUY" if (account + turn) % 2 else "SELL"
    terms = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": _QUANTITY[symbol]}
    return terms if turn % 4 < 2 else {**terms, "type": "LIMIT", "price": _THROUGH_THE_BOOK[symbol, side]}  # noqa: PLR2004


@dataclass(slots=True)
class Watcher:
    """Hears the subjects of messages, no bodies, and notes when (monotonic ns) each order was first seen in a state."""

    seen: dict[State, dict[str, int]] = field(default_factory=lambda: {state: {} for state in State})
    ended: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, message: Msg) -> None:
        at_ns = now_ns()
        *_, order_id, state_token = message.subject.split(".")
        state = State(state_token)
        if order_id not in self.seen[state]:
            self.seen[state][order_id] = at_ns
            if state.is_terminal:
                self.ended += 1
        self._changed.set()

    def acknowledged_ns(self, order_id: str) -> int | None:
        """When the first message came that only the venue's answer can cause."""
        answered = (State.ACCEPTED, State.PARTIALLY_FILLED, State.FILLED, State.REJECTED)
        return min((self.seen[state][order_id] for state in answered if order_id in self.seen[state]), default=None)

    async def until(self, fact: Callable[[], bool], *, limit_seconds: float) -> bool:
        """Wait for a fact about what was seen; whether it came true in time."""
        if fact():
            return True
        try:
            async with asyncio.timeout(limit_seconds):
                while not fact():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def watching(url: str, *, only_ends: bool) -> AsyncGenerator[Watcher, None]:
    """A bare NATS subscriber of every account's orders. only_ends: one message an order, so that watching costs little."""
    watcher = Watcher()
    states = sorted(TERMINAL) if only_ends else ["*"]
    filters = [pattern.removesuffix("*") + state for pattern in subjects.ALL_ORDERS for state in states]
    client = await nats.connect(url)
    try:
        await subscribe(client, streams.ORDERS, filters, watcher.hear)
        yield watcher
    finally:
        await client.close()


async def subscribe(client: Client, stream: str, filters: list[str], hear: Any, *, headers_only: bool = True) -> None:
    """A push consumer without acks from now on: the cheapest delivery that JetStream has."""
    inbox = client.new_inbox()
    await client.subscribe(inbox, cb=hear, pending_msgs_limit=-1, pending_bytes_limit=-1)
    await client.jetstream().add_consumer(
        stream,
        ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.NEW,
            ack_policy=AckPolicy.NONE,
            filter_subjects=filters,
            headers_only=headers_only,
            mem_storage=True,
            num_replicas=1,
        ),
    )
