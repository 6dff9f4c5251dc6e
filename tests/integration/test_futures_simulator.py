"""USD-M futures of the simulator over real HTTP: what the venue does of itself, as a stream tells it and as REST then shows it."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.integration.test_binance_simulator import LIMIT_SECONDS, ORDER, SECRET, Client, connected, receive

RESTING = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.5"}


async def post_form(client: Client, path: str, **parameters: Any) -> tuple[int, Any]:
    """Parameters in the body, byte for byte as they were signed: an HTTP library may respell what it finds in a URL."""
    text = urlencode({**parameters, "timestamp": int(time.time() * 1000)})
    signature = hmac.digest(SECRET.encode(), text.encode(), "sha256").hex()
    headers = {"X-MBX-APIKEY": "trader", "Content-Type": "application/x-www-form-urlencoded"}
    url, body = f"{client.url}/fapi/v1/{path}", f"{text}&signature={signature}".encode()
    async with client.session.post(url, data=body, headers=headers) as response:
        return response.status, await response.json()


async def told(stream: aiohttp.ClientWebSocketResponse, kind: str, status: str) -> dict[str, Any]:
    """The body of the next event of this kind in which the order has this status."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            event = await receive(stream)
            if event["e"] == kind and event["o"]["X"] == status:
                body: dict[str, Any] = event["o"]
                return body


async def test_crowd_fills_resting_orders_in_parts() -> None:
    async with connected("binance-futures", flow={"intervalMs": 10, "takerRate": 1, "volatilityBps": 3}) as client:
        stream = await client.user_stream()
        _, book = await client.call("GET", "ticker/bookTicker", symbol="BTCUSDT")
        # Best on both sides: wherever the market goes from here, one of them is met, and 0.5 is more than any of the crowd takes at once.
        for side, price in (("BUY", book["bidPrice"]), ("SELL", book["askPrice"])):
            await client.call("POST", "order", **{**RESTING, "side": side, "price": price})
        part = await told(stream, "ORDER_TRADE_UPDATE", "PARTIALLY_FILLED")
        _, trades = await client.call("GET", "userTrades", symbol="BTCUSDT", orderId=part["i"])
        assert part["t"] in {trade["id"] for trade in trades}
        assert part["m"]


async def test_switch_of_a_dead_man_is_thrown_by_the_venues_clock() -> None:
    async with connected("binance-futures") as client:
        stream = await client.user_stream()
        _, placed = await client.call("POST", "order", **ORDER)
        await client.call("POST", "countdownCancelAll", symbol="BTCUSDT", countdownTime=200)
        ended = await told(stream, "ORDER_TRADE_UPDATE", "CANCELED")
        assert ended["i"] == placed["orderId"]
        assert await client.call("GET", "openOrders", symbol="BTCUSDT") == (200, [])


async def test_liquidation_and_deleveraging_come_from_a_door() -> None:
    flow = {"intervalMs": 10}
    async with connected("binance-futures", flow=flow) as client:
        stream = await client.user_stream()
        await client.call("POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.3")
        taken = {"account": "main", "symbol": "BTCUSDT"}
        adl = await client.door("force", {**taken, "kind": "adl", "quantity": "0.1"})
        liquidated = await client.door("force", {**taken, "kind": "liquidation"})
        names = [(await told(stream, "ORDER_TRADE_UPDATE", "FILLED"))["c"] for _ in range(3)]
        assert names[1] == "adl_autoclose"
        assert names[2].startswith("autoclose-")
        status, rows = await client.call("GET", "forceOrders", symbol="BTCUSDT")
        assert status == 200
        assert [str(row["orderId"]) for row in rows] == [liquidated["orderId"], adl["orderId"]]
        ledger = await client.door("ledger")
        assert [row["quantity"] for row in ledger["positions"]] == ["0.000"]
        async with client.session.post(
            f"{client.url}/simulator/force", json={**taken, "kind": "liquidation"}
        ) as response:
            assert response.status == 400


async def test_batch_counts_five_orders_in_ten_seconds_and_one_in_a_minute() -> None:
    legs = json.dumps([{**ORDER, "price": str(price)} for price in (60000, 60001)])
    async with connected("binance-futures", binanceLimits={"orders_10s": 4}) as client:
        status, refusal = await post_form(client, "batchOrders", batchOrders=legs)
        assert (status, refusal["code"]) == (429, -1015)
        assert await client.call("GET", "openOrders", symbol="BTCUSDT") == (200, [])
    async with connected("binance-futures", binanceLimits={"orders_1m": 1}) as client:
        status, rows = await post_form(client, "batchOrders", batchOrders=legs)
        assert (status, [row["status"] for row in rows]) == (200, ["NEW", "NEW"])
