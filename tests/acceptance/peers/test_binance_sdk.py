"""Binance's own connectors: binance-sdk-spot (REST, WebSocket API) and binance-sdk-derivatives-trading-usds-futures (REST, user streams)."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.peers.claims import QUANTITY, Claims, Peer, Refused
from tests.acceptance.peers.venue import FUTURES, KEY, SECRET, SPOT, SYMBOL, Served

configuration = pytest.importorskip("binance_common.configuration", reason="no public clients here: make test-peers")
errors = pytest.importorskip("binance_common.errors", reason="no public clients here: make test-peers")
spot = pytest.importorskip("binance_sdk_spot.spot", reason="no public clients here: make test-peers")
futures = pytest.importorskip(
    "binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures",
    reason="no public clients here: make test-peers",
)
pytestmark = pytest.mark.filterwarnings("ignore")
EVENTS_SECONDS = 10
CODES = {"RateLimitBanError": -1003, "TooManyRequestsError": -1003}


class _Sdk(Peer):
    rest: Any

    def _rest_configuration(self) -> Any:
        return configuration.ConfigurationRestAPI(
            api_key=KEY, api_secret=self.secret, base_path=self.venue.url, retries=0
        )

    def _ask(self, method: str, **fields: Any) -> Any:
        return _asked(lambda: getattr(self.rest, method)(**fields).data())

    def place(self, side: str, price: float | None = None) -> str:
        return str(self._ask("new_order", **_fields(side, price)).order_id)

    def open_orders(self) -> set[str]:
        return {str(row.order_id) for row in self._ask(self.listing, symbol=SYMBOL)}

    listing = ""

    def events_of_a_market_order(self) -> list[str]:
        return asyncio.run(self._events())

    @abstractmethod
    async def _events(self) -> list[str]: ...


class SdkSpot(_Sdk):
    dialect = SPOT
    listing = "get_open_orders"

    def __init__(self, venue: Served, *, secret: str) -> None:
        super().__init__(venue, secret=secret)
        self.rest = spot.Spot(config_rest_api=self._rest_configuration()).rest_api

    def server_time(self) -> int:
        return int(self._ask("time").server_time)

    def symbols(self) -> set[str]:
        return {row.symbol for row in self._ask("exchange_info").symbols}

    def status(self, order_id: str) -> str:
        return str(self._ask("get_order", symbol=SYMBOL, order_id=int(order_id)).status)

    def cancel(self, order_id: str) -> None:
        self._ask("delete_order", symbol=SYMBOL, order_id=int(order_id))

    def replace(self, order_id: str, price: float) -> str:
        mode = {"cancel_replace_mode": "STOP_ON_FAILURE", "cancel_order_id": int(order_id)}
        answer = self._ask("order_cancel_replace", **_fields("BUY", price), **mode)
        return str(answer.new_order_response.order_id)

    def traded(self) -> dict[str, float]:
        return {str(row.order_id): float(row.qty) for row in self._ask("my_trades", symbol=SYMBOL)}

    def quote_balance(self) -> float:
        return next(float(row.free) for row in self._ask("get_account").balances if row.asset == "USDT")

    async def _events(self) -> list[str]:
        """All of it over the WebSocket API: subscribed, placed and heard."""
        address = f"{self.venue.sockets}/ws-api/v3"
        made = spot.Spot(
            config_ws_api=configuration.ConfigurationWebSocketAPI(
                api_key=KEY, api_secret=self.secret, stream_url=address
            )
        ).websocket_api
        heard: asyncio.Queue[Any] = asyncio.Queue()
        try:
            async with asyncio.timeout(EVENTS_SECONDS):
                connection = await made.create_connection()
                subscribed = await connection.user_data_stream_subscribe_signature()
                subscribed.stream.on("message", heard.put_nowait)
                placed = (await connection.order_place(**_fields("BUY", None))).data().result
                return await _statuses(heard, lambda event: event if event.i == placed.order_id else None)
        finally:
            await made.close_connection()


class SdkFutures(_Sdk):
    dialect = FUTURES
    listing = "current_all_open_orders"

    def __init__(self, venue: Served, *, secret: str) -> None:
        super().__init__(venue, secret=secret)
        self.rest = futures.DerivativesTradingUsdsFutures(config_rest_api=self._rest_configuration()).rest_api

    def server_time(self) -> int:
        return int(self._ask("check_server_time").server_time)

    def symbols(self) -> set[str]:
        return {row.symbol for row in self._ask("exchange_information").symbols}

    def status(self, order_id: str) -> str:
        return str(self._ask("query_order", symbol=SYMBOL, order_id=int(order_id)).status)

    def cancel(self, order_id: str) -> None:
        self._ask("cancel_order", symbol=SYMBOL, order_id=int(order_id))

    def replace(self, order_id: str, price: float) -> str:
        fields = {"symbol": SYMBOL, "side": "BUY", "quantity": QUANTITY, "price": price}
        return str(self._ask("modify_order", order_id=int(order_id), **fields).order_id)

    def traded(self) -> dict[str, float]:
        return {str(row.order_id): float(row.qty) for row in self._ask("account_trade_list", symbol=SYMBOL)}

    def quote_balance(self) -> float:
        rows = self._ask("futures_account_balance_v3")
        return next(float(row.available_balance) for row in rows if row.asset == "USDT")

    async def _events(self) -> list[str]:
        made = futures.DerivativesTradingUsdsFutures(
            config_ws_streams=configuration.ConfigurationWebSocketStreams(stream_url=self.venue.sockets)
        ).websocket_streams
        heard: asyncio.Queue[Any] = asyncio.Queue()
        listen_key = self._ask("start_user_data_stream").listen_key
        try:
            async with asyncio.timeout(EVENTS_SECONDS):
                connection = await made.create_connection()
                stream = await connection.user_data(listen_key)
                stream.on("message", heard.put_nowait)
                placed = await asyncio.to_thread(self.place, "BUY")
                return await _statuses(heard, lambda event: event.o if str(event.o.i) == placed else None)
        finally:
            await made.close_connection()


class TestBinanceSdkSpot(Claims):
    peer_class = SdkSpot
    secret = SECRET


class TestBinanceSdkFutures(Claims):
    peer_class = SdkFutures
    secret = SECRET


async def _statuses(heard: "asyncio.Queue[Any]", report_of: Callable[[Any], Any]) -> list[str]:
    """Of one order, until it is filled. Events come wrapped in the model of all kinds there are."""
    statuses: list[str] = []
    while not statuses or statuses[-1] != "FILLED":
        event = getattr(found := await heard.get(), "actual_instance", found)
        if type(event).__name__.lower() not in {"executionreport", "ordertradeupdate"}:
            continue
        report = report_of(event)
        if report is not None:
            statuses.append(report.X)
    return statuses


def _fields(side: str, price: float | None) -> dict[str, Any]:
    fields = {"symbol": SYMBOL, "side": side, "quantity": QUANTITY}
    if price is None:
        return {**fields, "type": "MARKET"}
    return {**fields, "type": "LIMIT", "time_in_force": "GTC", "price": price}


def _asked(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except errors.Error as error:
        code = CODES.get(type(error).__name__) or int(getattr(error, "status_code", None) or 0)
        raise Refused(code, str(error)) from error
