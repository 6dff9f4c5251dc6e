"""USD-M futures of the simulator over real HTTP: what the venue does of itself, as a stream tells it and as REST then shows it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from tests.integration.test_binance_simulator import LIMIT_SECONDS, ORDER, connected, receive

RESTING = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.5"}


async def told(stream: aiohttp.ClientWebSocketResponse, kind: str, status: str) -> dict[str, Any]:
    """The body of the next event of this kind in which the order has this status."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            event = await receive(stream)
            if event["e"] == kind and event["o"]["X"] == status:
                body: dict[str, Any] = event["o"]
                return body


async def test_crowd_fills_a_resting_order_in_parts() -> None:
    async with connected("binance-futures", flow={"intervalMs": 10, "takerRate": 1, "volatilityBps": 3}) as client:
        stream = await client.user_stream()
        async with asyncio.timeout(LIMIT_SECONDS):
            status, book = await client.call("GET", "ticker/bookTicker", symbol="BTCUSDT")
            _, placed = await client.call("POST", "order", **{**RESTING, "price": book["askPrice"]})
        part = await told(stream, "ORDER_TRADE_UPDATE", "PARTIALLY_FILLED")
        assert (status, part["i"], part["m"]) == (200, placed["orderId"], True)
        _, trades = await client.call("GET", "userTrades", symbol="BTCUSDT", orderId=placed["orderId"])
        assert part["t"] in {trade["id"] for trade in trades}


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
        status, refusal = await client.call("POST", "batchOrders", batchOrders=legs)
        assert (status, refusal["code"]) == (429, -1015)
        assert await client.call("GET", "openOrders", symbol="BTCUSDT") == (200, [])
    async with connected("binance-futures", binanceLimits={"orders_1m": 1}) as client:
        status, rows = await client.call("POST", "batchOrders", batchOrders=legs)
        assert (status, [row["status"] for row in rows]) == (200, ["NEW", "NEW"])
