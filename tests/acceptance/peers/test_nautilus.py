"""NautilusTrader's Binance adapter: its HTTP and WebSocket clients, spot and USD-M futures, on one loop."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.acceptance.peers.claims import QUANTITY, Claims, Peer, Refused
from tests.acceptance.peers.venue import FUTURES, KEY, SECRET, SPOT, SYMBOL, Served

WHY = "no public clients here: make test-peers"
component = pytest.importorskip("nautilus_trader.common.component", reason=WHY)
enums = pytest.importorskip("nautilus_trader.adapters.binance.common.enums", reason=WHY)
http = pytest.importorskip("nautilus_trader.adapters.binance.http.client", reason=WHY)
errors = pytest.importorskip("nautilus_trader.adapters.binance.http.error", reason=WHY)
spot_account = pytest.importorskip("nautilus_trader.adapters.binance.spot.http.account", reason=WHY)
spot_market = pytest.importorskip("nautilus_trader.adapters.binance.spot.http.market", reason=WHY)
futures_account = pytest.importorskip("nautilus_trader.adapters.binance.futures.http.account", reason=WHY)
futures_market = pytest.importorskip("nautilus_trader.adapters.binance.futures.http.market", reason=WHY)
futures_user = pytest.importorskip("nautilus_trader.adapters.binance.futures.http.user", reason=WHY)
sockets = pytest.importorskip("nautilus_trader.adapters.binance.websocket.client", reason=WHY)
pytestmark = pytest.mark.filterwarnings("ignore")
EVENTS_SECONDS = 10


class _Nautilus(Peer):
    account: Any
    market: Any

    def __init__(self, venue: Served, *, secret: str) -> None:
        super().__init__(venue, secret=secret)
        self.loop = asyncio.new_event_loop()
        self.clock = component.LiveClock()
        self.client = http.BinanceHttpClient(clock=self.clock, api_key=KEY, api_secret=secret, base_url=venue.url)
        self._open()

    def close(self) -> None:
        self.loop.close()

    def _open(self) -> None:
        """Make `account` and `market`."""

    def _ask(self, call: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.loop.run_until_complete(call)
        except (errors.BinanceClientError, errors.BinanceServerError) as error:
            raise Refused(int(error.message["code"]), str(error.message["msg"])) from error

    def server_time(self) -> int:
        return int(self._ask(self.market.request_server_time()))

    def place(self, side: str, price: float | None = None) -> str:
        return str(self._ask(self.account.new_order(**_fields(side, price))).orderId)

    def status(self, order_id: str) -> str:
        return str(self._ask(self.account.query_order(symbol=SYMBOL, order_id=int(order_id))).status.value)

    def cancel(self, order_id: str) -> None:
        self._ask(self.account.cancel_order(symbol=SYMBOL, order_id=int(order_id)))

    def open_orders(self) -> set[str]:
        return {str(order.orderId) for order in self._ask(self.account.query_open_orders(symbol=SYMBOL))}

    def traded(self) -> dict[str, float]:
        trades = self._ask(self.account.query_user_trades(symbol=SYMBOL))
        return {str(trade.orderId): float(trade.qty) for trade in trades}


class NautilusSpot(_Nautilus):
    dialect = SPOT

    def _open(self) -> None:
        kind = enums.BinanceAccountType.SPOT
        self.market = spot_market.BinanceSpotMarketHttpAPI(client=self.client, account_type=kind)
        self.account = spot_account.BinanceSpotAccountHttpAPI(client=self.client, clock=self.clock, account_type=kind)

    def symbols(self) -> set[str]:
        return {row.symbol for row in self._ask(self.market.query_spot_exchange_info()).symbols}

    def replace(self, order_id: str, price: float) -> str:
        del order_id, price
        pytest.skip("the adapter has no call that replaces on Spot")

    def quote_balance(self) -> float:
        balances = self._ask(self.account.query_spot_account_info()).balances
        return next(float(row.free) for row in balances if row.asset == "USDT")

    def events_of_a_market_order(self) -> list[str]:
        pytest.skip("its adapter listens on Spot by listen key, which Binance ended on 2026-02-20")


class NautilusFutures(_Nautilus):
    dialect = FUTURES

    def _open(self) -> None:
        kind = enums.BinanceAccountType.USDT_FUTURES
        self.market = futures_market.BinanceFuturesMarketHttpAPI(client=self.client, account_type=kind)
        self.account = futures_account.BinanceFuturesAccountHttpAPI(
            client=self.client, clock=self.clock, account_type=kind
        )
        self.user = futures_user.BinanceFuturesUserDataHttpAPI(client=self.client, account_type=kind)

    def symbols(self) -> set[str]:
        return {row.symbol for row in self._ask(self.market.query_futures_exchange_info()).symbols}

    def replace(self, order_id: str, price: float) -> str:
        fields = {"symbol": SYMBOL, "side": enums.BinanceOrderSide.BUY, "quantity": str(QUANTITY), "price": str(price)}
        return str(self._ask(self.account.modify_order(order_id=int(order_id), **fields)).orderId)

    def quote_balance(self) -> float:
        assets = self._ask(self.account.query_futures_account_info(recv_window="5000")).assets
        return next(float(row.availableBalance) for row in assets if row.asset == "USDT")

    def events_of_a_market_order(self) -> list[str]:
        return self.loop.run_until_complete(self._events())

    async def _events(self) -> list[str]:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        listen_key = (await self.user.create_listen_key()).listenKey
        listening = sockets.BinanceWebSocketClient(
            clock=self.clock,
            base_url=f"{self.venue.sockets}/private",  # its own default is the address that Binance ended on 2026-04-23
            handler=heard.put_nowait,
            handler_reconnect=None,
            loop=self.loop,
        )
        statuses: list[str] = []
        try:
            async with asyncio.timeout(EVENTS_SECONDS):
                await listening.subscribe_listen_key(listen_key)
                placed = await self.account.new_order(**_fields("BUY", None))
                while not statuses or statuses[-1] != "FILLED":
                    event = json.loads(await heard.get())
                    event = event.get("data", event)
                    if event.get("e") == "ORDER_TRADE_UPDATE" and event["o"]["i"] == placed.orderId:
                        statuses.append(event["o"]["X"])
        finally:
            await listening.disconnect()
        return statuses


class TestNautilusSpot(Claims):
    peer_class = NautilusSpot
    secret = SECRET


class TestNautilusFutures(Claims):
    peer_class = NautilusFutures
    secret = SECRET


def _fields(side: str, price: float | None) -> dict[str, Any]:
    fields = {
        "symbol": SYMBOL,
        "side": enums.BinanceOrderSide(side),
        "quantity": str(QUANTITY),
        "recv_window": "5000",
    }
    if price is None:
        return {**fields, "order_type": enums.BinanceOrderType.MARKET}
    limit = {"order_type": enums.BinanceOrderType.LIMIT, "time_in_force": enums.BinanceTimeInForce.GTC}
    return {**fields, **limit, "price": f"{price:.1f}"}
