"""User events as user-data-stream.md spells them: executionReport, listStatus, outboundAccountPosition, balanceUpdate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.operations import MarketEvent, UserEvent
from ordergate.simulator.binance.spot.orders import (
    NO_LIST,
    NO_TIME,
    ZERO,
    ListStatus,
    OrderType,
    PreventedMatch,
    SpotTrade,
)
from ordergate.simulator.binance.spot.symbols import amount_text

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.binance.operations import Listeners
    from ordergate.simulator.binance.spot.accounts import SpotAccount
    from ordergate.simulator.binance.spot.market import Print, SpotMarket
    from ordergate.simulator.binance.spot.orders import OrderList, SpotOrder

Payload = dict[str, object]
REJECT_REASONS = {
    "Account has insufficient balance for requested action.": "INSUFFICIENT_BALANCES",
    "Order would trigger immediately.": "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    "Order would immediately match and take.": "WOULD_MATCH_IMMEDIATELY",
    "The relationship of the prices for the orders is not correct.": "OCO_BAD_PRICES",
}


class Reports:
    """Tells the listeners, and numbers what it tells."""

    __slots__ = ("_execution_id", "_listeners")

    def __init__(self, listeners: Listeners) -> None:
        """Execution ids count up from 1 for all symbols."""
        self._listeners = listeners
        self._execution_id = 0

    def order(self, order: SpotOrder, execution: str, now_ms: int, *, trade: SpotTrade | None = None) -> int:
        """NEW, TRADE, EXPIRED: something happened to the order. The id of the execution."""
        return self._report(order, execution, now_ms, trade=trade)

    def canceled(self, order: SpotOrder, cancel_id: str, now_ms: int) -> None:
        """`c` is the id of the cancel, `C` the order's."""
        self._report(order, "CANCELED", now_ms, changes={"c": cancel_id, "C": order.client_order_id})

    def replaced(self, order: SpotOrder, old_client_order_id: str, now_ms: int) -> int:
        """The order was amended; it may have another clientOrderId now."""
        return self._report(order, "REPLACED", now_ms, changes={"C": old_client_order_id})

    def rejected(self, order: SpotOrder, message: str, now_ms: int) -> None:
        """An order that the engine did not take after it had carried out the cancel before it."""
        self._report(order, "REJECTED", now_ms, changes={"r": REJECT_REASONS.get(message, "NONE")})

    def prevented(self, order: SpotOrder, match: PreventedMatch, now_ms: int) -> None:
        """Self-trade prevention took something of the order away."""
        is_taker = order is match.taker
        lots = match.taker_lots if is_taker else match.maker_lots
        counter = match.maker if is_taker else match.taker
        symbol = order.symbol
        changes: Payload = {
            "B": symbol.quantity_text(lots),
            "u": -1,
            "U": counter.id,
            "Cs": symbol.name,
            "pl": symbol.quantity_text(lots),
            "pL": symbol.price_text(match.price),
            "pY": symbol.notional_text(match.price * lots),
        }
        self._report(order, "TRADE_PREVENTION", now_ms, changes=changes)

    def listed(self, listed: OrderList, now_ms: int) -> None:
        """The state of an order list."""
        payload: Payload = {
            "e": "listStatus",
            "E": now_ms,
            "s": listed.symbol.name,
            "g": listed.id,
            "c": listed.contingency,
            "l": listed.status,
            "L": "ALL_DONE" if listed.status is ListStatus.ALL_DONE else "EXECUTING",
            "r": "NONE",
            "C": listed.client_id,
            "T": now_ms,
            "O": [{"s": each.symbol.name, "i": each.id, "c": each.client_order_id} for each in listed.orders],
        }
        self._listeners.user(UserEvent(account=listed.account.name, kind="listStatus", payload=payload, at_ms=now_ms))

    def balances(self, account: SpotAccount, assets: tuple[str, ...], now_ms: int) -> None:
        """Those that were possibly changed, if one of them was."""
        if not account.changed(assets):
            return
        account.updated_ms = now_ms
        payload: Payload = {
            "e": "outboundAccountPosition",
            "E": now_ms,
            "u": now_ms,
            "B": [
                {"a": name, "f": amount_text(account.free(name)), "l": amount_text(account.locked.get(name, ZERO))}
                for name in assets
            ],
        }
        self._user(account, payload, now_ms)

    def deposited(self, account: SpotAccount, asset: str, amount: Decimal, now_ms: int) -> None:
        """Money came from outside, or left."""
        payload: Payload = {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": amount_text(amount), "T": now_ms}
        self._user(account, payload, now_ms)

    def printed(self, market: SpotMarket, printed: Print) -> None:
        """A public trade."""
        symbol = market.symbol
        payload: Payload = {
            "e": "trade",
            "E": printed.time_ms,
            "s": symbol.name,
            "t": printed.id,
            "p": symbol.price_text(printed.price),
            "q": symbol.quantity_text(printed.lots),
            "T": printed.time_ms,
            "m": printed.buyer_is_maker,
            "M": True,
        }
        stream = f"{symbol.name.lower()}@trade"
        self._listeners.market(MarketEvent(symbol=symbol.name, stream=stream, payload=payload, at_ms=printed.time_ms))

    def _report(
        self,
        order: SpotOrder,
        execution: str,
        now_ms: int,
        *,
        trade: SpotTrade | None = None,
        changes: Payload | None = None,
    ) -> int:
        self._execution_id += 1
        if order.account is None:  # nobody listens to the crowd
            return self._execution_id
        payload: Payload = {
            **_of_order(order, execution),
            **_of_trade(order, trade),
            "e": "executionReport",
            "E": now_ms,
            "x": execution,
            "T": now_ms,
            "I": self._execution_id,
            **_conditional(order),
            **(changes or {}),
        }
        self._user(order.account, payload, now_ms)
        return self._execution_id

    def _user(self, account: SpotAccount, payload: Payload, now_ms: int) -> None:
        self._listeners.user(UserEvent(account=account.name, kind=str(payload["e"]), payload=payload, at_ms=now_ms))


def _of_order(order: SpotOrder, execution: str) -> Payload:
    symbol = order.symbol
    is_first = execution == "NEW"
    return {
        "s": symbol.name,
        "c": order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": symbol.quantity_text(order.lots),
        "p": symbol.price_text(order.price or 0),
        "P": symbol.price_text(order.stop_price or 0),
        "F": symbol.quantity_text(order.iceberg_lots),
        "g": NO_LIST if order.order_list is None else order.order_list.id,
        "C": "",
        "X": order.status,
        "r": "NONE",
        "i": order.id,
        "z": symbol.quantity_text(order.executed),
        # A market order is on the book for no longer than its first report (market_orders_faq.md).
        "w": order.is_open and order.is_working and (is_first or order.type is not OrderType.MARKET),
        "O": order.created_ms,
        "Z": symbol.notional_text(order.cost),
        "Q": amount_text(order.quote_quantity),
        "V": order.self_trade,
    }


def _of_trade(order: SpotOrder, trade: SpotTrade | None) -> Payload:
    symbol = order.symbol
    zero = amount_text(ZERO)
    if trade is None:
        return {"l": zero, "L": zero, "Y": zero, "n": "0", "N": None, "t": -1, "m": False, "M": False}
    return {
        "l": symbol.quantity_text(trade.lots),
        "L": symbol.price_text(trade.price),
        "Y": symbol.notional_text(trade.price * trade.lots),
        "n": amount_text(trade.commission),
        "N": trade.commission_asset,
        "t": trade.id,
        "m": trade.maker,
        "M": True,
    }


def _conditional(order: SpotOrder) -> Payload:
    fields: Payload = {}
    if order.is_working:
        fields["W"] = order.working_ms
    if order.trailing_delta is not None:
        fields["d"] = order.trailing_delta
        if order.trailing_ms != NO_TIME:
            fields["D"] = order.trailing_ms
    if order.strategy_id is not None:
        fields["j"] = order.strategy_id
    if order.strategy_type is not None:
        fields["J"] = order.strategy_type
    if order.prevented:
        fields["v"] = order.prevented_matches[-1].id
        fields["A"] = order.symbol.quantity_text(order.prevented)
    if order.expiry is not None:
        fields["eR"] = order.expiry
    return fields
