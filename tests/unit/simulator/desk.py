"""What the simulator's tests trade with: an engine without wire, and a client that signs on its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from decimal import Decimal
from typing import Any

from ordergate.simulator.config import SimulatorConfig
from ordergate.simulator.exchange import Exchange, Placed
from ordergate.simulator.orders import Order, OrderRequest, OrderType, PositionSide, Side
from ordergate.simulator.refusal import Refusal
from ordergate.simulator.served import Request, Response
from ordergate.simulator.venue import Venue

NOW = 1_790_000_000_000
QUIET: dict[str, Any] = {"enabled": False}
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
    "maxOpenOrders": 5,
    "priceBandUp": "1.1",
    "priceBandDown": "0.9",
}


def engine_config(**changes: Any) -> SimulatorConfig:
    """Two accounts at 10x in one quiet market at 100."""
    document: dict[str, Any] = {
        "symbols": [BTC],
        "accounts": [
            {"account": "main", "balance": "10000", "leverage": 10},
            {"account": "other", "balance": "10000", "leverage": 10},
        ],
        "flow": QUIET,
    }
    return SimulatorConfig.model_validate({**document, **changes})


class Desk:
    """An exchange and a hand that places orders in few words."""

    def __init__(self, **changes: Any) -> None:
        self.exchange = Exchange(engine_config(**changes))
        self.now_ms = NOW

    def try_place(self, side: str, quantity: str, *, account: str = "main", **fields: Any) -> Placed | Refusal:
        """A limit order if it has a price, else a market order, unless `type` says otherwise."""
        kind = fields.get("type", "LIMIT" if "price" in fields else "MARKET")
        request = OrderRequest(
            symbol=fields.get("symbol", "BTCUSDT"),
            side=Side(side),
            type=OrderType(kind),
            quantity=Decimal(quantity),
            price=Decimal(fields["price"]) if "price" in fields else None,
            stop_price=Decimal(fields["stop"]) if "stop" in fields else None,
            position_side=PositionSide(fields.get("position_side", "BOTH")),
            reduce_only=fields.get("reduce_only", False),
            client_order_id=fields.get("client_order_id"),
        )
        return self.exchange.place(self.exchange.accounts[account], request, self.now_ms)

    def place(self, side: str, quantity: str, *, account: str = "main", **fields: Any) -> Order:
        """The order of a placement that is accepted."""
        placed = self.try_place(side, quantity, account=account, **fields)
        assert isinstance(placed, Placed), placed
        return placed.order

    def refused(self, side: str, quantity: str, *, account: str = "main", **fields: Any) -> str:
        """The code of a placement that is refused, with its reason if there is one."""
        refusal = self.try_place(side, quantity, account=account, **fields)
        assert isinstance(refusal, Refusal), refusal
        return refusal.code if refusal.reason is None else f"{refusal.code} {refusal.reason}"

    def cancel(self, order: Order) -> None:
        assert order.account is not None
        assert self.exchange.cancel(order.account, order.id, self.now_ms) is order

    def price(self, price: str) -> None:
        assert self.exchange.set_price("BTCUSDT", Decimal(price), self.now_ms)

    def lots(self, account: str = "main", side: str = "BOTH") -> int:
        """The signed position, in lots of 0.001."""
        position = self.exchange.accounts[account].positions.get(("BTCUSDT", PositionSide(side)))
        return position.lots if position else 0

    def fills(self, account: str = "main") -> list[tuple[str, str, bool]]:
        """Price, quantity, maker of every trade, in the order of their ids."""
        owner = self.exchange.accounts[account]
        trades = [*owner.taker_trades.get("BTCUSDT", []), *owner.maker_trades.get("BTCUSDT", [])]
        trades.sort(key=lambda trade: trade.id)
        return [(t.order.symbol.price_text(t.price), t.order.symbol.quantity_text(t.lots), t.maker) for t in trades]


class VenueClient:
    """A client of the venue's front, without sockets; keys are made at run time."""

    def __init__(self, *, key: dict[str, Any] | None = None, **changes: Any) -> None:
        self.key, self.secret = f"zd_{secrets.token_hex(20)}", secrets.token_hex(32)
        self.other_key, self.other_secret = f"zd_{secrets.token_hex(20)}", secrets.token_hex(32)
        document: dict[str, Any] = {
            "symbols": [BTC],
            "flow": QUIET,
            "accounts": [
                {"account": "main", "keys": [{"key": self.key, "secret": self.secret, **(key or {})}]},
                {"account": "other", "keys": [{"key": self.other_key, "secret": self.other_secret}]},
            ],
        }
        self.venue = Venue(SimulatorConfig.model_validate({**document, **changes}))
        self.now_ms = NOW
        self.timestamp = NOW
        self.address = "127.0.0.1"

    def send(
        self, method: str, path: str, *, query: str = "", body: object = None, key: str | None = None, **signing: Any
    ) -> Response:
        """Sign and send at the venue's present; each call has a timestamp of its own."""
        self.timestamp += 1
        parts = [part for part in query.split("&") if part]
        parts.append(f"timestamp={signing.get('timestamp', self.timestamp)}")
        text = "&".join(sorted(parts))
        secret = signing.get("secret", self.secret)
        signature = signing.get("signature", hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest())
        raw = signing.get("raw_query", f"{text}&signature={signature}")
        headers = {"x-api-key": self.key if key is None else key}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.venue.handle(Request(method, path, raw, headers, content, self.address), self.now_ms)

    def open(self, path: str, query: str = "") -> Response:
        """An unsigned call."""
        return self.venue.handle(Request("GET", path, query, {}, b"", self.address), self.now_ms)

    def place(self, **fields: Any) -> Response:
        """POST /v2/orders with a sensible order changed by `fields`; None takes a field out."""
        return self.send("POST", "/v2/orders", body=order_fields(**fields))


def order_fields(**fields: Any) -> dict[str, Any]:
    """A buy of 1 at 99."""
    body = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "99", **fields}
    return {name: value for name, value in body.items() if value is not None}


def read(response: Response) -> dict[str, Any]:
    """The JSON object of an answer."""
    value = json.loads(response.body)
    assert isinstance(value, dict)
    return value


def code(response: Response) -> tuple[int, str | None]:
    """Status and code of a refusal, which always carries an errorId."""
    body = read(response)
    assert body["ok"] is False
    assert body["error"]
    assert body["errorId"]
    return response.status, body.get("code")
