"""A scripted exchange: it answers each route as it is told, and remembers what it was asked."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from ordergate.access.keys import make_key
from ordergate.access.opening import Opening
from ordergate.access.session import Patience, RequestRecord
from ordergate.runtime.clock import SystemClock
from ordergate.trading.ids import KeyId
from ordergate.venues.binance_futures.client import (
    BinanceFuturesMarket,
    BinanceFuturesReading,
    BinanceFuturesTrading,
    open_market,
    open_reading,
    open_trading,
)
from tests.unit.access.stage import answer, say, serving

KEY, SECRET = "k" * 64, "s" * 64
Says = tuple[int, Any] | Callable[[Mapping[str, str]], tuple[int, Any]]
"""Status and JSON body, or what makes them of the parameters."""


@dataclass(slots=True)
class Asked:
    route: str
    parameters: dict[str, str]
    head: str
    body: bytes


@dataclass(slots=True)
class Exchange:
    """routes: `GET /fapi/v1/order` -> what it says, the last of several for ever."""

    url: str = ""
    routes: dict[str, list[Says]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    records: list[RequestRecord] = field(default_factory=list)
    write_aheads: list[int] = field(default_factory=list)
    now_ms: int = 1_790_000_000_000

    def says(self, route: str, *answers: Says) -> None:
        self.routes[route] = list(answers)

    def calls(self, route: str) -> list[dict[str, str]]:
        return [each.parameters for each in self.asked if each.route == route]

    def routes_asked(self) -> list[str]:
        return [each.route for each in self.asked if each.route != "GET /fapi/v1/time"]

    async def write_ahead(self, timestamp_ms: int, _key_id: KeyId) -> bool:
        self.write_aheads.append(timestamp_ms)
        return True

    def respond(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        first, _, rest = head.decode().partition("\r\n")
        method, target, _ = first.split(" ")
        parts = urlsplit(target)
        route = f"{method} {parts.path}"
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.asked.append(Asked(route, parameters, rest, body))
        status, document = self._say(route, parameters)
        text = "200 OK" if status == 200 else f"{status} No"
        return answer(orjson.dumps(document), status=text)

    def _say(self, route: str, parameters: Mapping[str, str]) -> tuple[int, Any]:
        if route == "GET /fapi/v1/time":
            return 200, {"serverTime": self.now_ms}
        told = self.routes.get(route, [(404, {"code": -1, "msg": "no route"})])
        said = told.pop(0) if len(told) > 1 else told[0]
        return said(parameters) if callable(said) else said


@contextlib.asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    found = Exchange()

    async def script(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, found.respond(peer.requests[-1]))

    async with serving(script) as peer:
        found.url = f"http://127.0.0.1:{peer.origin.port}"
        yield found


def opening(venue: Exchange) -> Opening:
    return Opening(
        url=venue.url,
        clock=SystemClock(),
        record=venue.records.append,
        draw=random.Random(1).random,  # noqa: S311 - seeded on purpose
        key=make_key(public=KEY, secret=SECRET),
        patience=Patience(request_seconds=1.0, read_seconds_max=1.0, read_attempts_max=2, first_pause_seconds=0.01),
    )


@contextlib.asynccontextmanager
async def trading_at(venue: Exchange) -> AsyncIterator[BinanceFuturesTrading]:
    async with open_trading(opening(venue)) as client:
        yield client


@contextlib.asynccontextmanager
async def reading_at(venue: Exchange) -> AsyncIterator[BinanceFuturesReading]:
    async with open_reading(opening(venue)) as client:
        yield client


@contextlib.asynccontextmanager
async def market_at(venue: Exchange) -> AsyncIterator[BinanceFuturesMarket]:
    async with open_market(opening(venue)) as client:
        yield client
