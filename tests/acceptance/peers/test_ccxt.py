"""ccxt, spot and USD-M futures, its REST and its "pro" half."""

import asyncio
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from tests.acceptance.peers.claims import QUANTITY, Claims, Peer, Refused
from tests.acceptance.peers.venue import FUTURES, KEY, SECRET, SPOT, Served

ccxt = pytest.importorskip("ccxt", reason="no public clients here: make test-peers")
pro = pytest.importorskip("ccxt.pro", reason="no public clients here: make test-peers")
pytestmark = pytest.mark.filterwarnings("ignore")
EVENTS_SECONDS = 10
CODES: dict[str, int] = {"InvalidNonce": -1021, "DDoSProtection": -1003, "RateLimitExceeded": -1003}


class _Ccxt(Peer):
    symbol: ClassVar[str]
    options: ClassVar[dict[str, Any]]

    def __init__(self, venue: Served, *, secret: str) -> None:
        super().__init__(venue, secret=secret)
        self.exchange = self._made(ccxt)

    def _made(self, module: Any) -> Any:
        made = module.binance({"apiKey": KEY, "secret": self.secret, "options": self.options, "enableRateLimit": False})
        _redirect(made.urls["api"], self.venue)
        return made

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self.exchange, method)(*arguments)
        except ccxt.ExchangeError as error:
            raise _refused(error) from error
        except ccxt.NetworkError as error:
            raise _refused(error) from error

    def server_time(self) -> int:
        return int(self._ask("fetch_time"))

    def symbols(self) -> set[str]:
        return {market["id"] for market in self._ask("load_markets", True).values()}

    def place(self, side: str, price: float | None = None) -> str:
        kind = "market" if price is None else "limit"
        return str(self._ask("create_order", self.symbol, kind, side.lower(), QUANTITY, price)["id"])

    def status(self, order_id: str) -> str:
        return str(self._ask("fetch_order", order_id, self.symbol)["info"]["status"])

    def cancel(self, order_id: str) -> None:
        self._ask("cancel_order", order_id, self.symbol)

    def replace(self, order_id: str, price: float) -> str:
        return str(self._ask("edit_order", order_id, self.symbol, "limit", "buy", QUANTITY, price)["id"])

    def open_orders(self) -> set[str]:
        return {str(order["id"]) for order in self._ask("fetch_open_orders", self.symbol)}

    def traded(self) -> dict[str, float]:
        return {str(trade["order"]): trade["amount"] for trade in self._ask("fetch_my_trades", self.symbol)}

    def quote_balance(self) -> float:
        return float(self._ask("fetch_balance")["USDT"]["free"])

    def events_of_a_market_order(self) -> list[str]:
        return asyncio.run(self._events())

    async def _events(self) -> list[str]:
        streaming = self._made(pro)
        heard: list[str] = []
        try:
            async with asyncio.timeout(EVENTS_SECONDS):
                await streaming.load_markets()
                watching = asyncio.create_task(streaming.watch_orders(self.symbol))
                # It subscribes in its own time and says nothing of it: an order that nobody hears of is followed by another.
                while not heard or heard[-1] != "FILLED":
                    order = await streaming.create_order(self.symbol, "market", "buy", QUANTITY)
                    await asyncio.wait({watching}, timeout=1)
                    while watching.done():
                        heard += [each["info"]["X"] for each in watching.result() if each["id"] == order["id"]]
                        watching = asyncio.create_task(streaming.watch_orders(self.symbol))
                        await asyncio.wait({watching}, timeout=0.3)
                watching.cancel()
        finally:
            await streaming.close()
        return heard


class CcxtSpot(_Ccxt):
    dialect = SPOT
    symbol = "BTC/USDT"
    options: ClassVar[dict[str, Any]] = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}


class CcxtFutures(_Ccxt):
    dialect = FUTURES
    symbol = "BTC/USDT:USDT"
    options: ClassVar[dict[str, Any]] = {"defaultType": "swap", "fetchMarkets": {"types": ["linear"]}}


class TestCcxtSpot(Claims):
    peer_class = CcxtSpot
    secret = SECRET


class TestCcxtFutures(Claims):
    peer_class = CcxtFutures
    secret = SECRET


def _redirect(addresses: dict[str, Any], venue: Served) -> None:
    for name, address in addresses.items():
        if isinstance(address, dict):
            _redirect(address, venue)
            continue
        parts = urlsplit(address)
        base = venue.sockets if parts.scheme == "wss" else venue.url
        addresses[name] = f"{base}{parts.path}"


def _refused(error: Exception) -> Refused:
    text = str(error)
    _, found, rest = text.partition('"code":')
    if found:
        return Refused(int(rest.split(",")[0]), text)
    # Of some refusals it keeps the words alone.
    return Refused(-1013 if "Filter failure" in text else CODES.get(type(error).__name__, 0), text)
