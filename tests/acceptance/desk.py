"""What a stranger has: a bare NATS client, hand-written JSON, and (because this is a test) the simulator's doors.

Nothing here uses ordergate's client or codecs, but for the story that the oracle judges.
"""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from ordergate.simulator.oracle import Difference, Story, by_order, differences, read_books
from ordergate.trading.ids import AccountName, ClientOrderId
from ordergate.trading.order import PositionSide
from ordergate.wire.codec import decode_fill, decode_order, decode_position

Document = dict[str, Any]
T = TypeVar("T")
LIMIT_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.01
VENUE = "zetarium"
ACCOUNT = "main"
LIVE = {"approved", "submitting", "unknown", "pending", "accepted", "partially_filled", "adopted"}
TERMINAL = {"filled", "canceled", "expired", "rejected", "not_placed", "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One stored message."""

    subject: str
    sequence: int
    data: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Document:
        found: Document = json.loads(self.data)
        return found


@dataclass(slots=True)
class Desk:
    """Publishes, listens, and asks the simulator. One strategy name a desk, so that desks do not hear each other's answers."""

    client: Client
    jetstream: JetStreamContext
    http: aiohttp.ClientSession
    simulator_url: str
    account: str = ACCOUNT
    strategy: str = field(default_factory=lambda: f"s{uuid.uuid4().hex[:8]}")
    placed: set[str] = field(default_factory=set)
    _count: int = 0

    # Intents.

    def place_body(self, **terms: Any) -> Document:
        """A BUY MARKET of 0.010 BTCUSDT, unless told otherwise; None leaves a field out."""
        self._count += 1
        body: Document = {
            "schema": 1,
            "kind": "place",
            "intentId": f"{self.strategy}-{self._count}",
            "venue": VENUE,
            "account": self.account,
            "strategy": self.strategy,
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "MARKET",
            "quantity": "0.010",
            "clientOrderId": f"{self.strategy}-{self._count}",
            "validForMs": 30_000,
            "createdAtMs": now_ms(),
        }
        if "price" in terms:
            body |= {"type": "LIMIT", "timeInForce": "GTC"}
        body |= terms
        return {name: value for name, value in body.items() if value is not None}

    async def place(self, **terms: Any) -> str:
        """Publish a place intent until it is acknowledged; its clientOrderId."""
        body = self.place_body(**terms)
        await self.publish(self.subject(body), body)
        self.placed.add(body["clientOrderId"])
        return str(body["clientOrderId"])

    async def publish_place(self, **terms: Any) -> Document:
        """As `place`, for an intent that is not expected to become an order; its body."""
        body = self.place_body(**terms)
        await self.publish(self.subject(body), body)
        return body

    async def ask(self, kind: str, **fields: Any) -> str:
        """Publish an intent of another kind; its intentId."""
        self._count += 1
        body = {
            "schema": 1,
            "kind": kind,
            "intentId": f"{self.strategy}-{self._count}",
            "venue": VENUE,
            "account": self.account,
            "strategy": self.strategy,
            **fields,
        }
        await self.publish(self.subject(body), body)
        return str(body["intentId"])

    async def ask_now(self, kind: str, **fields: Any) -> str:
        """As `ask`, for kinds that must have a time to live."""
        return await self.ask(kind, createdAtMs=now_ms(), validForMs=30_000, **fields)

    async def cancel(self, client_order_id: str) -> str:
        """Publish a cancel of one order; its intentId."""
        return await self.ask("cancel", symbol="BTCUSDT", clientOrderId=client_order_id)

    def subject(self, body: Mapping[str, Any]) -> str:
        symbol = body.get("symbol", "_")
        return f"intents.{body['venue']}.{body['account']}.{body['strategy']}.{body['kind']}.{symbol}"

    async def publish(
        self, subject: str, body: Mapping[str, Any] | bytes, *, headers: dict[str, str] | None = None
    ) -> int:
        """Publish until acknowledged, over restarts of the bus; the stream sequence."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def once() -> int | None:
            try:
                return (await self.jetstream.publish(subject, data, timeout=1, headers=headers)).seq
            except (NatsTimeoutError, NatsError) as error:
                if _is_refused(error):
                    raise
                return None

        return await until(once, what=f"the publish to {subject} is acknowledged", limit_seconds=20)

    # What the bus holds.

    async def stored(self, stream: str, subject: str = ">") -> list[Message]:
        """Every message of a stream whose subject matches, oldest first."""
        config = ConsumerConfig(filter_subject=subject, deliver_policy=DeliverPolicy.ALL)
        subscription = await self.jetstream.subscribe(subject, stream=stream, ordered_consumer=True, config=config)
        try:
            info = await subscription.consumer_info()
            delivered = 0 if info.delivered is None else info.delivered.consumer_seq
            wanted = (info.num_pending or 0) + delivered
            found: list[Message] = []
            while len(found) < wanted:
                message = await subscription.next_msg(timeout=5)
                found.append(
                    Message(
                        subject=message.subject,
                        sequence=message.metadata.sequence.stream,
                        data=message.data,
                        headers=dict(message.headers or {}),
                    )
                )
            return found
        finally:
            await subscription.unsubscribe()

    async def last(self, stream: str, subject: str) -> Document | None:
        """The newest message of a subject with wildcards, if there is one."""
        with suppress(nats.js.errors.NotFoundError):
            found = await self.jetstream.get_last_msg(stream, subject)
            document: Document = json.loads(found.data or b"null")
            return document
        return None

    async def order(self, client_order_id: str) -> Document | None:
        """Its last snapshot."""
        return await self.last("ORDERS", f"orders.{VENUE}.{self.account}.*.{client_order_id}.*")

    async def history(self, client_order_id: str) -> list[Document]:
        """Every snapshot of an order, oldest first."""
        found = await self.stored("ORDERS", f"orders.{VENUE}.{self.account}.*.{client_order_id}.*")
        return [message.body for message in found]

    async def states(self, client_order_id: str) -> list[str]:
        """The states it went through, repeats left out."""
        states: list[str] = []
        for document in await self.history(client_order_id):
            if states[-1:] != [document["state"]]:
                states.append(document["state"])
        return states

    async def wait_order(self, client_order_id: str, *states: str, limit_seconds: float = LIMIT_SECONDS) -> Document:
        """Wait until the order is in one of these states (none given: in a terminal one)."""
        wanted = set(states) or TERMINAL
        seen: list[Document | None] = [None]

        async def reached() -> Document | None:
            seen[0] = await self.order(client_order_id)
            return seen[0] if seen[0] is not None and seen[0]["state"] in wanted else None

        return await until(
            reached, what=lambda: f"{client_order_id} is {wanted}; it is {seen[0]}", limit_seconds=limit_seconds
        )

    async def wait_answer(
        self,
        intent_id: str | None,
        *,
        account: str | None = None,
        venue: str = VENUE,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> Document:
        """The answer to an intent that the ledger could not answer. intent_id None: one whose id could not be read."""
        subject = f"answers.{venue}.{account or self.account}.{self.strategy}.{intent_id or '_'}"
        return await until(
            lambda: self.last("AUDIT", subject), what=f"an answer on {subject}", limit_seconds=limit_seconds
        )

    async def fills(self, client_order_id: str) -> list[Document]:
        """Stored fills of one order."""
        found = [message.body for message in await self.stored("FILLS", f"fills.{VENUE}.{self.account}.*.*")]
        return [fill for fill in found if fill.get("clientOrderId") == client_order_id]

    # The simulator.

    async def get(self, door: str) -> Document:
        async with self.http.get(f"{self.simulator_url}/simulator/{door}") as answer:
            assert answer.status == 200, await answer.text()
            found: Document = await answer.json(content_type=None)
            return found

    async def post(self, door: str, body: Mapping[str, Any]) -> Document:
        async with self.http.post(f"{self.simulator_url}/simulator/{door}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            found: Document = await answer.json(content_type=None)
            return found

    async def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put a plan in force; no rules: all is well again."""
        await self.post("faults", {"seed": 7, "rules": list(rules)})

    async def price(self, symbol: str = "BTCUSDT") -> float:
        """The venue's mark price now; for choosing prices of test orders only."""
        async with self.http.get(f"{self.simulator_url}/v2/tickers") as answer:
            rows = (await answer.json(content_type=None))["tickers"]
        return float(next(row["markPrice"] for row in rows if row["symbol"] == symbol))

    async def place_at_venue(self, home: Path, **terms: Any) -> Document:
        """What somebody else with a key of this account does, past ordergate; the venue's order."""
        key = json.loads((home / "keys" / f"{self.account}-order_submission.json").read_text())
        order_id = f"stranger-{uuid.uuid4().hex[:12]}"
        body = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "clientOrderId": order_id, **terms}
        if "price" in terms:
            body["type"] = "LIMIT"
        query = f"timestamp={now_ms()}"
        signature = hmac.new(key["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
        async with self.http.post(
            f"{self.simulator_url}/v2/orders?{query}&signature={signature}",
            json=body,
            headers={"X-API-KEY": key["key"]},
        ) as answer:
            assert answer.status == 200, await answer.text()
            shown: Document = (await answer.json(content_type=None))["order"]
            return shown

    async def venue_orders(self, client_order_id: str) -> list[Document]:
        """What the venue's books hold under a clientOrderId."""
        books = await self.get(f"ledger?account={self.account}")
        return [order for order in books["orders"] if order["clientOrderId"] == client_order_id]

    async def arrivals(
        self, client_order_id: str | None = None, *, after: int = 0
    ) -> list[tuple[int, int, str, str, int]]:
        """(sequence, monotonic ns, call, clientOrderId, status) of requests that reached the venue."""
        found = (await self.get(f"arrivals?afterSequence={after}"))["arrivals"]
        return [tuple(row) for row in found if client_order_id in {None, row[3]}]

    # The oracle.

    async def story(self, placed: Sequence[str] = ()) -> Story:
        """Everything as it stands now."""
        orders = [
            decode_order(message.data, sequence=message.sequence, stored_at_ms=0).order
            for message in await self.stored("ORDERS")
        ]
        fills = [decode_fill(message.data) for message in await self.stored("FILLS")]
        positions = [decode_position(message.data) for message in await self.stored("POSITIONS")]
        return Story(
            placed=frozenset((AccountName(self.account), ClientOrderId(each)) for each in (*placed, *self.placed)),
            histories=by_order(orders),
            books=read_books(await self.get("ledger")),
            fills=fills,
            positions={
                (position.account, position.symbol, PositionSide(side)): leg.quantity
                for position in positions
                for side, leg in position.legs.items()
            },
        )

    async def wait_no_differences(self, *, limit_seconds: float = 20.0) -> None:
        """Wait until every account of what happened agrees, and nothing of ours is live."""
        seen: list[list[Difference]] = [[]]

        async def agreed() -> bool | None:
            seen[0] = differences(await self.story())
            return None if seen[0] else True

        await until(agreed, what=lambda: f"no differences; there are {seen[0][:5]}", limit_seconds=limit_seconds)

    async def cancel_everything(self) -> None:
        """cancel_all of the account, answered."""
        intent = await self.ask("cancel_all", scope="account")
        answer = await self.wait_answer(intent, limit_seconds=20)
        assert answer["outcome"] == "done", answer


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def until(
    fact: Callable[[], Awaitable[T | None]], *, what: str | Callable[[], str], limit_seconds: float = LIMIT_SECONDS
) -> T:
    """Ask until there is an answer. Raises AssertionError at the limit."""
    deadline = time.monotonic() + limit_seconds
    while (found := await fact()) is None:
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"not true after {limit_seconds} s: {said}")
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return found


def _is_refused(error: Exception) -> bool:
    """Whether the server said no, rather than nothing."""
    return getattr(error, "code", None) is not None or "maximum payload" in str(error).lower()


@asynccontextmanager
async def open_desk(nats_url: str, simulator_url: str, *, account: str = ACCOUNT) -> AsyncIterator[Desk]:
    async def quiet(error: Exception) -> None:
        """A bus that is killed is part of the tests, not of their output."""

    client = await nats.connect(
        nats_url, reconnect_time_wait=0.05, max_reconnect_attempts=-1, error_cb=quiet, allow_reconnect=True
    )
    try:
        async with aiohttp.ClientSession() as http:
            yield Desk(
                client=client, jetstream=client.jetstream(), http=http, simulator_url=simulator_url, account=account
            )
    finally:
        await client.close()
