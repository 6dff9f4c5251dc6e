"""What Spot's tests trade with: an exchange without wire, asked by the table of its operations, and everything that it told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ordergate.simulator.binance.operations import Call, Failure, Listeners, MarketEvent, Operation, UserEvent, reckon
from ordergate.simulator.binance.spot.dialect import OPERATIONS, build
from ordergate.simulator.binance.spot.exchange import SpotExchange
from ordergate.simulator.config import SimulatorConfig
from ordergate.simulator.sight import Sight

NOW = 1_790_000_000_000
START = {"USDT": Decimal(10_000), "BTC": Decimal(100)}
BTC: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "price": "100",
    "tickSize": "0.1",
    "minPrice": "0.1",
    "maxPrice": "1000",
    "stepSize": "0.001",
    "minQuantity": "0.001",
    "maxQuantity": "1000",
    "marketMaxQuantity": "120",
    "minNotional": "5",
    "maxOpenOrders": 50,
    "priceBandUp": "1.5",
    "priceBandDown": "0.5",
    "filters": {"MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": 50}},
}
_BY_NAME: dict[str, Operation[SpotExchange]] = {operation.name: operation for operation in OPERATIONS}


def spot_config(**changes: Any) -> SimulatorConfig:
    """Two accounts in one quiet market at 100; no fees unless they are asked for."""
    document: dict[str, Any] = {
        "dialect": "binance-spot",
        "symbols": [BTC],
        "accounts": [{"account": name, "balances": START} for name in ("main", "other")],
        "fees": {"maker": "0", "taker": "0"},
        "flow": {"enabled": False},
    }
    return SimulatorConfig.model_validate({**document, **changes})


class SpotDesk:
    """An exchange and a hand that calls it in few words."""

    def __init__(self, **changes: Any) -> None:
        self.events: list[UserEvent] = []
        self.prints: list[MarketEvent] = []
        listeners = Listeners(user=self.events.append, market=self.prints.append)
        self.exchange = build(spot_config(**changes), listeners).engine
        self.now_ms = NOW
        self.sight: Sight | None = None

    def ask(self, name: str, *, account: str = "main", limited: Any = None, **parameters: object) -> Any:
        """The answer of one call, a Failure too; names that Python does not like end in `_`."""
        operation = _BY_NAME[name]
        sent = {key.rstrip("_"): str(value) for key, value in parameters.items()}
        # What the front would refuse does not come here.
        known = {*operation.required, *(operation.optional or sent)}
        assert sent.keys() <= known, sent.keys() - known
        assert sent.keys() >= set(operation.required), set(operation.required) - sent.keys()
        call = Call(
            account=self.exchange.accounts[account],
            parameters=sent,
            now_ms=self.now_ms,
            sight=self.sight,
            order_limit=limited,
        )
        return operation.answer(self.exchange, call)

    def do(self, name: str, *, account: str = "main", **parameters: Any) -> Any:
        """The answer of a call that is not refused."""
        answer = self.ask(name, account=account, **parameters)
        assert not isinstance(answer, Failure), answer
        return answer

    def refused(self, name: str, *, account: str = "main", **parameters: Any) -> tuple[int, str]:
        """Code and text of a refusal."""
        answer = self.ask(name, account=account, **parameters)
        assert isinstance(answer, Failure), answer
        return answer.code, answer.msg

    def place(self, side: str, quantity: str, price: str | None = None, **more: object) -> Any:
        """A new order's FULL answer: a GTC limit order if it has a price, else a market order, unless `type` says otherwise."""
        return self.do("order", **order_fields(side, quantity, price, **more))

    def refused_order(self, side: str, quantity: str, price: str | None = None, **more: object) -> tuple[int, str]:
        return self.refused("order", **order_fields(side, quantity, price, **more))

    def query(self, order_id: int, *, account: str = "main") -> Any:
        return self.do("queryOrder", account=account, symbol="BTCUSDT", orderId=order_id)

    def status(self, order_id: int, *, account: str = "main") -> str:
        return str(self.query(order_id, account=account)["status"])

    def cancel(self, order_id: int, *, account: str = "main", **more: object) -> Any:
        return self.do("cancel", account=account, symbol="BTCUSDT", orderId=order_id, **more)

    def trade_at(self, price: str, quantity: str = "0.1") -> None:
        """Two strangers of one account trade at this price, so that the last price is there; nothing else is touched if it rests elsewhere."""
        self.place("SELL", quantity, price, account="other")
        self.place("BUY", quantity, price, account="other", timeInForce="IOC")

    def money(self, asset: str, *, account: str = "main") -> tuple[Decimal, Decimal]:
        """Free and locked, as the account shows them."""
        rows = self.do("account", account=account)["balances"]
        row = next(row for row in rows if row["asset"] == asset)
        return Decimal(row["free"]), Decimal(row["locked"])

    def reports(self, order_id: int) -> list[dict[str, Any]]:
        """Every execution report of an order."""
        return [e.payload for e in self.events if e.kind == "executionReport" and e.payload["i"] == order_id]

    def told(self, order_id: int) -> list[tuple[str, str]]:
        """Execution type and status of every report of an order."""
        return [(report["x"], report["X"]) for report in self.reports(order_id)]


def order_fields(side: str, quantity: str, price: str | None = None, **more: object) -> dict[str, Any]:
    """Parameters of an order; None takes one away."""
    fields: dict[str, Any] = {"symbol": "BTCUSDT", "side": side, "quantity": quantity, "newOrderRespType": "FULL"}
    if price is None:
        fields["type"] = "MARKET"
    else:
        fields |= {"type": "LIMIT", "timeInForce": "GTC", "price": price}
    return {name: value for name, value in {**fields, **more}.items() if value is not None}


def weight(name: str, answer: object = None, **parameters: str) -> int:
    """What a call costs: documented without an answer, charged with one."""
    operation = _BY_NAME[name]
    if answer is not None and operation.weight_done is not None and not isinstance(answer, Failure):
        return operation.weight_done(answer)
    return reckon(operation.weight, parameters)
