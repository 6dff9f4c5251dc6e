"""python-binance, spot and USD-M futures, its REST and its sockets."""

import asyncio
from abc import abstractmethod
from typing import Any

import pytest

from tests.acceptance.peers.claims import QUANTITY, Claims, Peer, Refused
from tests.acceptance.peers.venue import FUTURES, KEY, SECRET, SPOT, SYMBOL, Served

binance = pytest.importorskip("binance", reason="no public clients here: make test-peers")
pytestmark = pytest.mark.filterwarnings("ignore")
EVENTS_SECONDS = 10


class _PythonBinance(Peer):
    prefix = ""

    def __init__(self, venue: Served, *, secret: str) -> None:
        super().__init__(venue, secret=secret)
        self.client = _pointed(binance.Client(KEY, secret, ping=False), venue)

    def close(self) -> None:
        self.client.session.close()

    def _ask(self, method: str, **fields: Any) -> Any:
        try:
            return getattr(self.client, f"{self.prefix}{method}")(**fields)
        except binance.exceptions.BinanceAPIException as error:
            raise Refused(error.code, error.message) from error

    def symbols(self) -> set[str]:
        return {row["symbol"] for row in self._ask(self.info)["symbols"]}

    info = "get_exchange_info"

    def place(self, side: str, price: float | None = None) -> str:
        return str(self._ask("create_order", **_fields(side, price))["orderId"])

    def status(self, order_id: str) -> str:
        return str(self._ask("get_order", symbol=SYMBOL, orderId=order_id)["status"])

    def cancel(self, order_id: str) -> None:
        self._ask("cancel_order", symbol=SYMBOL, orderId=order_id)

    def open_orders(self) -> set[str]:
        return {str(row["orderId"]) for row in self._ask("get_open_orders", symbol=SYMBOL)}

    def events_of_a_market_order(self) -> list[str]:
        return asyncio.run(self._events())

    async def _events(self) -> list[str]:
        client = _pointed(binance.AsyncClient(KEY, self.secret), self.venue)
        sockets = binance.BinanceSocketManager(client)
        sockets.FSTREAM_URL = f"{self.venue.sockets}/"
        heard: list[str] = []
        try:
            async with self._socket(sockets) as socket:  # it takes up to 10 s to let go of one
                placed = await getattr(client, f"{self.prefix}create_order")(**_fields("BUY", None))
                async with asyncio.timeout(EVENTS_SECONDS):
                    while not heard or heard[-1] != "FILLED":
                        report = self._report(await socket.recv())
                        if report.get("i") == placed["orderId"]:
                            heard.append(report["X"])
        finally:
            await client.close_connection()
        return heard

    @abstractmethod
    def _socket(self, sockets: Any) -> Any: ...
    @abstractmethod
    def _report(self, event: dict[str, Any]) -> dict[str, Any]:
        """The order in an event; empty where it is about something else."""


class PythonBinanceSpot(_PythonBinance):
    dialect = SPOT

    def server_time(self) -> int:
        return int(self._ask("get_server_time")["serverTime"])

    def replace(self, order_id: str, price: float) -> str:
        fields = _fields("BUY", price)
        mode = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": order_id}
        return str(self._ask("cancel_replace_order", **fields, **mode)["newOrderResponse"]["orderId"])

    def traded(self) -> dict[str, float]:
        return {str(row["orderId"]): float(row["qty"]) for row in self._ask("get_my_trades", symbol=SYMBOL)}

    def quote_balance(self) -> float:
        return next(float(row["free"]) for row in self._ask("get_account")["balances"] if row["asset"] == "USDT")

    def _socket(self, sockets: Any) -> Any:
        return sockets.user_socket()

    def _report(self, event: dict[str, Any]) -> dict[str, Any]:
        return event if event["e"] == "executionReport" else {}


class PythonBinanceFutures(_PythonBinance):
    dialect = FUTURES
    prefix = "futures_"
    info = "exchange_info"

    def server_time(self) -> int:
        return int(self._ask("time")["serverTime"])

    def replace(self, order_id: str, price: float) -> str:
        fields = {"symbol": SYMBOL, "side": "BUY", "quantity": QUANTITY, "price": f"{price:.1f}"}
        return str(self._ask("modify_order", orderId=order_id, **fields)["orderId"])

    def traded(self) -> dict[str, float]:
        return {str(row["orderId"]): float(row["qty"]) for row in self._ask("account_trades", symbol=SYMBOL)}

    def quote_balance(self) -> float:
        rows = self._ask("account_balance")
        return next(float(row["availableBalance"]) for row in rows if row["asset"] == "USDT")

    def _socket(self, sockets: Any) -> Any:
        return sockets.futures_user_socket()

    def _report(self, event: dict[str, Any]) -> dict[str, Any]:
        report: dict[str, Any] = event["o"] if event["e"] == "ORDER_TRADE_UPDATE" else {}
        return report


class TestPythonBinanceSpot(Claims):
    peer_class = PythonBinanceSpot
    secret = SECRET


class TestPythonBinanceFutures(Claims):
    peer_class = PythonBinanceFutures
    secret = SECRET


def _pointed(client: Any, venue: Served) -> Any:
    client.API_URL, client.FUTURES_URL = f"{venue.url}/api", f"{venue.url}/fapi"
    client.REQUEST_RECVWINDOW = 5_000
    client.ws_api._url = f"{venue.sockets}/ws-api/v3"
    return client


def _fields(side: str, price: float | None) -> dict[str, Any]:
    fields = {"symbol": SYMBOL, "side": side, "quantity": QUANTITY}
    if price is None:
        return {**fields, "type": "MARKET"}
    return {**fields, "type": "LIMIT", "timeInForce": "GTC", "price": f"{price:.1f}"}
