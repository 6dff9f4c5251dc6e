"""The simulator's own doors (DESIGN 10): its books and counters for whoever compares, and its levers for whoever tests.

Unsigned, uncounted, on the same port. Everything they show is of real accounts; the background flow is nobody's business.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ordergate.simulator.faults import FaultPlan, Faults
from ordergate.simulator.refusal import Refusal, invalid
from ordergate.simulator.render import trade_fee
from ordergate.simulator.signing import parse_query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.accounts import Account
    from ordergate.simulator.arrivals import Arrivals
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.render import Row
    from ordergate.simulator.venue import Request, Venue

PREFIX = "/simulator/"


class _Gate(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class ClockChange(_Gate):
    """The venue's clock = given clock + offset."""

    offset_ms: int = Field(ge=-(10**12), le=10**12)


class PriceChange(_Gate):
    """Where a market is to be."""

    symbol: str
    price: Annotated[Decimal, Field(gt=0, max_digits=20)]


class KeyChange(_Gate):
    """An API key that its owner takes away at the exchange, or gives back."""

    key: str
    revoked: bool


class Doors:
    """Answers for every path below /simulator/."""

    def __init__(self, venue: Venue, clock: VenueClock, faults: Faults, arrivals: Arrivals) -> None:
        """The parts that the doors show and move."""
        self._venue = venue
        self._clock = clock
        self._faults = faults
        self._arrivals = arrivals
        self._table = {
            ("GET", "/simulator/ledger"): self._ledger,
            ("GET", "/simulator/requests"): self._requests,
            ("GET", "/simulator/arrivals"): self._recent_arrivals,
            ("GET", "/simulator/faults"): self._show_faults,
            ("POST", "/simulator/faults"): self._set_faults,
            ("POST", "/simulator/clock"): self._set_clock,
            ("POST", "/simulator/price"): self._set_price,
            ("POST", "/simulator/keys"): self._set_key,
        }

    def handle(self, request: Request) -> bytes | Refusal:
        """The JSON body of the answer, or a refusal."""
        door = self._table.get((request.method, request.path))
        if door is None:
            return Refusal(status=404, code="ROUTE_NOT_FOUND", error="No such door")
        try:
            parameters = dict(parse_query(request.query))
            answer = door(parameters, request.body)
        except ValidationError as error:
            # Without the input: a posted document may hold what does not belong in an answer.
            return invalid(error.json(include_url=False, include_input=False, include_context=False))
        except ValueError:
            return invalid("Malformed query")
        return answer if isinstance(answer, Refusal) else orjson.dumps(answer)

    def _ledger(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del body
        exchange = self._venue.exchange
        wanted = parameters.get("account")
        accounts = [account for account in exchange.accounts.values() if wanted in {None, account.name}]
        return {
            "orders": [_order(order, account) for account in accounts for order in account.orders],
            "trades": [
                {"account": account.name, **self._trade(trade)} for account in accounts for trade in _trades(account)
            ],
            "positions": [row for account in accounts for row in _positions(account)],
            "balances": [
                {"account": account.name, "asset": "USDT", "walletBalance": f"{account.wallet:f}"}
                for account in accounts
            ],
        }

    def _trade(self, trade: Trade) -> Row:
        order, symbol = trade.order, trade.order.symbol
        return {
            "id": str(trade.id),
            "orderId": str(order.id),
            "clientOrderId": order.client_order_id,
            "symbol": symbol.name,
            "side": order.side,
            "positionSide": order.position_side,
            "price": symbol.price_text(trade.price),
            "quantity": symbol.quantity_text(trade.lots),
            "fee": f"{trade_fee(trade, self._venue.exchange.fees):f}",
            "feeAsset": symbol.quote_asset,
            "liquidity": "MAKER" if trade.maker else "TAKER",
            "timeMs": trade.time_ms,
        }

    def _requests(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters, body
        return {
            "windows": [
                {
                    "scope": window.scope,
                    "subject": window.subject,
                    "bucket": window.bucket,
                    "windowStartMs": window.start_ms,
                    "used": window.used,
                    "limit": window.limit,
                    "refused": window.refused,
                }
                for window in self._venue.limits.windows()
            ]
        }

    def _recent_arrivals(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del body
        after = parameters.get("afterSequence", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 16):  # noqa: PLR2004
            return invalid("afterSequence is not a number")
        return {"arrivals": self._arrivals.after(int(after)), "lastSequence": self._arrivals.last_sequence}

    def _show_faults(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters, body
        return self._faults.report()

    def _set_faults(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters
        self._faults.replace(FaultPlan.model_validate_json(body))
        return self._faults.report()

    def _set_clock(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters
        self._clock.offset_ms = ClockChange.model_validate_json(body).offset_ms
        return {"ok": True, "offsetMs": self._clock.offset_ms, "serverTime": self._clock.now_ms()}

    def _set_price(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del parameters
        change = PriceChange.model_validate_json(body)
        exchange = self._venue.exchange
        if not exchange.set_price(change.symbol, change.price, self._clock.now_ms()):
            return invalid("Unknown symbol")
        market = exchange.markets[change.symbol]
        return {"ok": True, "symbol": change.symbol, "price": market.symbol.price_text(market.mark)}

    def _set_key(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del parameters
        change = KeyChange.model_validate_json(body)
        if not self._venue.revoke(change.key, revoked=change.revoked):
            return invalid("Unknown key")
        return {"ok": True, "revoked": change.revoked}


def _order(order: Order, account: Account) -> Row:
    symbol = order.symbol
    return {
        "account": account.name,
        "clientOrderId": order.client_order_id,
        "id": str(order.id),
        "symbol": symbol.name,
        "side": order.side,
        "type": order.type,
        "positionSide": order.position_side,
        "quantity": symbol.quantity_text(order.lots),
        "price": None if order.price is None else symbol.price_text(order.price),
        "stopPrice": None if order.stop_price is None else symbol.price_text(order.stop_price),
        "executedQuantity": symbol.quantity_text(order.executed) if order.executed else "0",
        "status": order.status,
        "createdAtMs": order.created_ms,
        "updatedAtMs": order.updated_ms,
    }


def _trades(account: Account) -> Iterable[Trade]:
    for name in sorted(account.taker_trades.keys() | account.maker_trades.keys()):
        trades = [*account.taker_trades.get(name, []), *account.maker_trades.get(name, [])]
        yield from sorted(trades, key=lambda trade: trade.id)


def _positions(account: Account) -> Iterable[Row]:
    for (name, side), position in account.positions.items():
        yield {
            "account": account.name,
            "symbol": name,
            "positionSide": side,
            "quantity": position.symbol.quantity_text(position.lots),
            "avgEntryPrice": f"{position.entry_price:f}",
            "realizedPnl": f"{position.realized:f}",
            "fees": f"{position.fees:f}",
        }
