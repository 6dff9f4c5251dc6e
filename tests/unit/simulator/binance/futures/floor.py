"""A futures exchange, what it told, and calls in few words: the front's part (keys, limits, names of parameters) left out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ordergate.simulator.binance.futures.dialect import build
from ordergate.simulator.binance.futures.orders import FuturesOrder
from ordergate.simulator.binance.operations import Call, Failure, Listeners, MarketEvent, UserEvent
from ordergate.simulator.config import SimulatorConfig
from ordergate.simulator.sight import Sight
from tests.unit.simulator.desk import BTC, NOW, QUIET

Row = dict[str, Any]


class Floor:
    """Two accounts at 10x in one quiet market at 100, unless `changes` say otherwise."""

    def __init__(self, **changes: Any) -> None:
        document: Row = {
            "dialect": "binance-futures",
            "symbols": [{**BTC, "maxOpenOrders": 20}],
            "accounts": [
                {"account": "main", "balance": "5000", "leverage": 10},
                {"account": "other", "balance": "100000", "leverage": 10},
            ],
            "flow": QUIET,
        }
        self.told: list[UserEvent] = []
        self.public: list[MarketEvent] = []
        listeners = Listeners(user=self.told.append, market=self.public.append)
        self.dialect = build(SimulatorConfig.model_validate({**document, **changes}), listeners)
        self.exchange = self.dialect.engine
        self.now_ms = NOW
        self._table = {(each.method, each.path.removeprefix("/fapi/")): each for each in self.dialect.operations}

    def call(self, what: str, *, account: str = "main", sight: Sight | None = None, **parameters: Any) -> Any:
        """`POST v1/order` with its parameters; the JSON of the answer, or the Failure."""
        method, path = what.split()
        call = Call(
            account=self.exchange.accounts[account],
            parameters={name: str(value) for name, value in parameters.items() if value is not None},
            now_ms=self.now_ms,
            sight=sight,
        )
        return self._table[method, path].answer(self.exchange, call)

    def try_place(self, side: str, quantity: str, price: str | None = None, **fields: Any) -> Row | Failure:
        """A limit order good till canceled if it has a price, else a market order."""
        limit = price is not None or "priceMatch" in fields
        fields.setdefault("type", "LIMIT" if limit else "MARKET")
        if limit:
            fields.setdefault("timeInForce", "GTC")
        answer: Row | Failure = self.call(
            "POST v1/order", symbol="BTCUSDT", side=side, quantity=quantity, price=price, **fields
        )
        return answer

    def place(self, side: str, quantity: str, price: str | None = None, **fields: Any) -> FuturesOrder:
        """The order of a placement that is accepted."""
        row = self.try_place(side, quantity, price, **fields)
        assert not isinstance(row, Failure), row
        order = self.exchange.accounts[fields.get("account", "main")].order(row["orderId"])
        assert isinstance(order, FuturesOrder)
        return order

    def refused(self, side: str, quantity: str, price: str | None = None, **fields: Any) -> int:
        """The code of a placement that is refused; nothing of it is kept."""
        kept = len(self.exchange.accounts[fields.get("account", "main")].orders)
        failure = self.try_place(side, quantity, price, **fields)
        assert isinstance(failure, Failure), failure
        assert len(self.exchange.accounts[fields.get("account", "main")].orders) == kept
        return failure.code

    def algo(self, side: str, kind: str, *, account: str = "main", **fields: Any) -> Row:
        """A conditional order that is accepted; of 1 unless it closes the position."""
        if "closePosition" not in fields:
            fields.setdefault("quantity", "1")
        row = self.call(
            "POST v1/algoOrder",
            algoType="CONDITIONAL",
            symbol="BTCUSDT",
            side=side,
            type=kind,
            account=account,
            **fields,
        )
        assert not isinstance(row, Failure), row
        assert isinstance(row, dict)
        return row

    def algo_status(self, row: Row) -> str:
        """Of a conditional order, as a query has it."""
        return str(self.call("GET v1/algoOrder", algoId=row["algoId"])["algoStatus"])

    def price(self, price: str) -> None:
        """The market goes there."""
        assert self.exchange.set_price("BTCUSDT", Decimal(price), self.now_ms)

    def hold(self, quantity: str, *, price: str = "100", **fields: Any) -> None:
        """`main` buys from `other`, both at once."""
        opposite = {"positionSide": "SHORT"} if "positionSide" in fields else {}
        self.place("SELL", quantity, price, account="other", **opposite)
        self.place("BUY", quantity, **fields)

    def lots(self, account: str = "main", side: str = "BOTH") -> int:
        """The signed position, in lots of 0.001."""
        positions = self.exchange.accounts[account].positions.values()
        return next((position.lots for position in positions if position.side == side), 0)

    def events(self, kind: str | None = None, account: str = "main") -> list[Row]:
        """What an account was told since it was asked last, oldest first."""
        mine = [event for event in self.told if event.account == account and kind in {None, event.kind}]
        self.told[:] = [event for event in self.told if event not in mine]
        return [dict(event.payload) for event in mine]

    def steps(self, account: str = "main") -> list[tuple[str, str]]:
        """Execution type and status of every order event since the last question."""
        bodies = [event["o"] for event in self.events("ORDER_TRADE_UPDATE", account)]
        return [(body["x"], body["X"]) for body in bodies]

    def algo_steps(self) -> list[str]:
        """Status of every event of a conditional order."""
        return [event["o"]["X"] for event in self.events("ALGO_UPDATE")]
