"""One trader at a venue: the clients that a service would have, opened with keys of their own."""

import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from ordergate.access.http import Engine, NothingSent, parse_origin
from ordergate.access.keys import make_key
from ordergate.access.opening import Opening
from ordergate.access.response import Response
from ordergate.access.session import Patience, RequestRecord, Session
from ordergate.ports.venue import Deviation, Executed, Outcome
from ordergate.runtime.clock import SystemClock
from ordergate.simulator.app import running_simulator
from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, KeyId, StrategyName, Symbol
from ordergate.trading.order import OrderKey, OrderRequest, OrderType, Side, Terms, VenueView
from ordergate.venues.client import VenueClient
from ordergate.venues.registry import OpenMarket, OpenReading, OpenTrading
from ordergate.venues.zetarium.client import ZetariumTrading
from tests.venue_cards.kits import Kit

BTC = Symbol("BTCUSDT")
REQUEST_SECONDS = 0.4
AS_DECLARED = Deviation()
KEYS = {
    name: (f"zd_{index:040x}", f"{index:064x}")
    for index, name in enumerate(
        ("main_trade", "main_read", "other_trade", "other_read", "expired", "elsewhere", "revoked"), 0xABC1
    )
}


@dataclass(slots=True)
class Desk:
    """What one account can do at one venue."""

    account: AccountName
    kit: Kit
    url: str
    trading: OpenTrading
    reading: OpenReading
    market: OpenMarket
    records: list[RequestRecord]
    write_aheads: list[tuple[int, KeyId]] = field(default_factory=list)

    @property
    def zetarium(self) -> ZetariumTrading:
        """What only this exchange has: batches, closing of positions."""
        assert isinstance(self.trading, ZetariumTrading)
        return self.trading

    @property
    def session(self) -> Session:
        """Of the trading client."""
        assert isinstance(self.trading, VenueClient)
        return self.trading.session

    async def write_ahead(self, timestamp_ms: int, key_id: KeyId) -> bool:
        self.write_aheads.append((timestamp_ms, key_id))
        return True

    def request(self, client_order_id: str, side: Side = Side.BUY, **terms: Any) -> OrderRequest:
        given = {"type": OrderType.LIMIT, "quantity": Decimal("0.010"), "price": Decimal(64000), **terms}
        if given["type"] is OrderType.MARKET:
            given["price"] = None
        return OrderRequest(
            key=OrderKey(
                venue=self.kit.name,
                account=self.account,
                symbol=BTC,
                client_order_id=ClientOrderId(client_order_id),
            ),
            strategy=StrategyName("cards"),
            intent_id=IntentId(client_order_id),
            request_hash="",
            terms=Terms(side=side, **given),
            created_at_ms=0,
            valid_for_ms=60_000,
        )

    async def place(self, client_order_id: str, side: Side = Side.BUY, **terms: Any) -> Outcome:
        request = self.request(client_order_id, side, **terms)
        return await self.trading.place(request, write_ahead=self.write_ahead, deadline_seconds=1.0)

    async def placed(self, client_order_id: str, side: Side = Side.BUY, **terms: Any) -> VenueView:
        return shown(await self.place(client_order_id, side, **terms))

    async def close(self) -> None:
        for client in (self.trading, self.reading, self.market):
            await client.close()


def shown(outcome: Outcome) -> VenueView:
    assert isinstance(outcome, Executed), outcome
    assert outcome.view is not None
    return outcome.view


@dataclass(slots=True)
class Exchange:
    """The simulator and its doors."""

    kit: Kit
    url: str
    deviation: Deviation = AS_DECLARED
    desks: list[Desk] = field(default_factory=list)

    async def desk(self, account: str, *, trade: str | None = None) -> Desk:
        desk = await open_desk(
            self.kit,
            self.url,
            account,
            trade=trade or f"{account}_trade",
            read=f"{account}_read",
            deviation=self.deviation,
        )
        self.desks.append(desk)
        return desk

    async def break_calls(self, *rules: Mapping[str, object]) -> None:
        await self.door("POST", "/simulator/faults", {"seed": 1, "rules": list(rules)})

    async def ledger(self) -> dict[str, Any]:
        return await self.door("GET", "/simulator/ledger")

    async def door(self, method: str, path: str, document: Mapping[str, object] | None = None) -> dict[str, Any]:
        body = b"" if document is None else orjson.dumps(document)
        head = f"{method} {path} HTTP/1.1\r\nHost: door\r\nContent-Length: {len(body)}\r\n\r\n"
        engine = Engine(parse_origin(self.url))
        connection = await engine.acquire(timeout_seconds=2)
        assert not isinstance(connection, NothingSent)
        found = await connection.exchange(head.encode() + body, timeout_seconds=5)
        engine.release(connection)
        await engine.close()
        assert isinstance(found, Response)
        assert found.status == 200, found.body
        answer: dict[str, Any] = orjson.loads(found.body)
        return answer


def opening_of(
    kit: Kit, url: str, key: str | None, records: list[RequestRecord], deviation: Deviation = AS_DECLARED
) -> Opening:
    return Opening(
        url=url,
        limits=kit.limits,
        clock=SystemClock(),
        record=records.append,
        draw=random.Random(1).random,  # noqa: S311 - seeded on purpose
        key=None if key is None else make_key(public=KEYS[key][0], secret=KEYS[key][1]),
        patience=Patience(request_seconds=REQUEST_SECONDS, read_seconds_max=3.0, first_pause_seconds=0.02),
        rest_ms=0,
        deviation=deviation,
        order_entry=kit.order_entry,
    )


async def open_desk(
    kit: Kit, url: str, account: str, *, trade: str, read: str, deviation: Deviation = AS_DECLARED
) -> Desk:
    records: list[RequestRecord] = []
    trading = kit.venue.trading(opening_of(kit, url, trade, records, deviation))
    reading = kit.venue.reading(opening_of(kit, url, read, records, deviation))
    market = kit.venue.market(opening_of(kit, url, None, records, deviation))
    for client in (trading, reading, market):
        assert await client.start()
    return Desk(AccountName(account), kit, url, trading, reading, market, records)


def configuration() -> dict[str, object]:
    """Two accounts and no background flow: nothing executes that a card did not ask for."""

    def key(name: str, *permissions: str, **more: object) -> dict[str, object]:
        return {"key": KEYS[name][0], "secret": KEYS[name][1], "permissions": permissions, **more}

    return {
        "seed": 7,
        "flow": {"enabled": False},
        "accounts": [
            {
                "account": "main",
                "balance": "100000000",
                "keys": [
                    key("main_trade", "TRADE"),
                    key("main_read", "READ_ONLY"),
                    key("expired", "TRADE", expiresAtMs=1_000),
                    key("elsewhere", "TRADE", addresses=["192.0.2.1"]),
                ],
            },
            {
                "account": "other",
                "balance": "100000000",
                "keys": [key("other_trade", "TRADE"), key("other_read", "READ_ONLY")],
            },
        ],
    }


@contextlib.asynccontextmanager
async def open_exchange(kit: Kit, *, deviation: Deviation = AS_DECLARED, **changes: object) -> AsyncIterator[Exchange]:
    """changes: of the simulator's document; deviation: what its desks are told of them."""
    async with running_simulator({**configuration(), **kit.simulator, **changes}) as simulator:
        exchange = Exchange(kit, simulator.url, deviation)
        yield exchange
        for desk in exchange.desks:
            await desk.close()
