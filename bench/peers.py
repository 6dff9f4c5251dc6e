"""The same orders sent directly: by ccxt's own machinery, and by nothing but aiohttp."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from ccxt.async_support.base.exchange import Exchange
from ccxt.base.types import Entry

from bench.figures import NS_PER_MS, Figures, now_ns, spread
from bench.installation import Key, Running, Timestamps
from bench.orders import Planned, plan

AT_ONCE = 20

Place = Callable[[Planned], Awaitable[None]]


class CcxtZetarium(Exchange):  # type: ignore[misc] # ccxt is not followed by mypy
    """As ccxt writes an exchange: describe, sign, fetch_markets, create_order."""

    timestamps: Timestamps
    public_get_symbols = Entry("symbols", "public", "GET", {"cost": 1})
    private_post_orders = Entry("orders", "private", "POST", {"cost": 1})

    def describe(self) -> dict[str, Any]:
        described: dict[str, Any] = self.deep_extend(
            super().describe(),
            {
                "id": "zetarium",
                "name": "ZetariumDex",
                "enableRateLimit": False,
                "has": {"createOrder": True, "fetchMarkets": True},
            },
        )
        return described

    def sign(  # noqa: PLR0917 - ccxt calls it so
        self,
        path: str,
        api: str = "public",
        method: str = "GET",
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> dict[str, Any]:
        url = f"{self.urls['api']}/v2/{path}"
        if api == "private":
            query = self.urlencode({"timestamp": self.timestamps.next()})
            signature = self.hmac(self.encode(query), self.encode(self.secret), hashlib.sha256)
            url = f"{url}?{query}&signature={signature}"
            headers = {"X-API-KEY": self.apiKey, "Content-Type": "application/json"}
            body = self.json(params)
        return {"url": url, "method": method, "body": body, "headers": headers}

    async def fetch_markets(self, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        response = await self.public_get_symbols(params or {})
        return [
            self.safe_market_structure(
                {
                    "id": row["symbol"],
                    "symbol": f"{row['baseAsset']}/{row['quoteAsset']}",
                    "base": row["baseAsset"],
                    "quote": row["quoteAsset"],
                    "type": "spot",
                    "spot": True,
                    "active": True,
                    "precision": {
                        "price": self.parse_number(row["tickSize"]),
                        "amount": self.parse_number(row["stepSize"]),
                    },
                }
            )
            for row in response["symbols"]
        ]

    async def create_order(  # noqa: PLR0917 - ccxt's own signature
        self,
        symbol: str,
        type: str,  # noqa: A002
        side: str,
        amount: float,
        price: float | None = None,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        await self.load_markets()
        market = self.market(symbol)
        request = {
            "symbol": market["id"],
            "side": side.upper(),
            "type": type.upper(),
            "quantity": self.amount_to_precision(symbol, amount),
        }
        if price is not None:
            request["price"] = self.price_to_precision(symbol, price)
        response = await self.private_post_orders(self.extend(request, params or {}))
        row = response["order"]
        placed: dict[str, Any] = self.safe_order(
            {
                "id": row["id"],
                "clientOrderId": row["clientOrderId"],
                "timestamp": self.parse8601(row["createdAt"]),
                "symbol": market["symbol"],
                "type": type,
                "side": side,
                "price": self.safe_string(row, "price"),
                "amount": self.safe_string(row, "quantity"),
                "filled": self.safe_string(row, "executedQuantity"),
                "average": self.safe_string(row, "avgPrice"),
                "status": "closed" if row["status"] == "FILLED" else "open",
                "info": row,
            },
            market,
        )
        return placed


async def ccxt_figures(running: Running, *, calls: int, orders: int) -> Figures:
    """create_order -> wire (p50, p99, one at a time) and orders a second with AT_ONCE calls under way."""
    exchange = CcxtZetarium({"apiKey": running.peer.key, "secret": running.peer.secret})
    exchange.timestamps = running.peer.timestamps
    exchange.urls["api"] = running.simulator_url
    try:
        await exchange.load_markets()

        async def place(order: Planned) -> None:
            base = order.terms["symbol"].removesuffix("USDT")
            price = order.terms.get("price")
            await exchange.create_order(
                f"{base}/USDT",
                order.terms["type"].lower(),
                order.terms["side"].lower(),
                float(order.terms["quantity"]),
                None if price is None else float(price),
                {"clientOrderId": order.client_order_id},
            )

        return await _figures(running, place, calls=calls, orders=orders)
    finally:
        await exchange.close()


async def aiohttp_figures(running: Running, *, calls: int, orders: int) -> Figures:
    """The same with a signed POST and nothing around it."""
    key = running.peer
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http:

        async def place(order: Planned) -> None:
            body = orjson.dumps({**order.terms, "clientOrderId": order.client_order_id})
            url = f"{running.simulator_url}/v2/orders?{_signed(key)}"
            headers = {"X-API-KEY": key.key, "Content-Type": "application/json"}
            async with http.post(url, data=body, headers=headers) as answer:
                answer.raise_for_status()
                orjson.loads(await answer.read())

        return await _figures(running, place, calls=calls, orders=orders)


def _signed(key: Key) -> str:
    query = urlencode({"timestamp": key.timestamps.next()})
    return f"{query}&signature={hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()}"


async def _figures(running: Running, place: Place, *, calls: int, orders: int) -> Figures:
    for order in plan(AT_ONCE):
        await place(order)
    _, before = await running.arrivals()
    began: dict[str, int] = {}
    for order in plan(calls):
        began[order.client_order_id] = now_ns()
        await place(order)
    arrived, _ = await running.arrivals(after=before)
    to_wire = spread([(arrived[name] - at_ns) / NS_PER_MS for name, at_ns in began.items()])
    planned = iter(plan(orders))

    async def work() -> None:
        for order in planned:
            await place(order)

    start_ns = now_ns()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return {**to_wire, "perSecond": orders / ((now_ns() - start_ns) / 1e9)}
