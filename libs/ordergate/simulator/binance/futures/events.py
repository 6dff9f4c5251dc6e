"""The user events of USD-M futures, told as things happen. E and T are the same moment: nothing lies between engine and stream here.

For each execution TRADE_LITE goes first, then ACCOUNT_UPDATE, then ORDER_TRADE_UPDATE; the venue promises no order between kinds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures.accounts import owner_of
from ordergate.simulator.binance.futures.orders import AlgoType, FuturesOrder
from ordergate.simulator.binance.futures.spelling import (
    ASSET,
    average_price,
    event_type,
    money,
    plain,
    price_text,
    quantity_text,
    rounded,
    stop_price,
)
from ordergate.simulator.binance.operations import MarketEvent, UserEvent
from ordergate.simulator.orders import Status
from ordergate.simulator.render import trade_fee

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.binance.futures.accounts import FuturesAccount
    from ordergate.simulator.binance.futures.orders import AlgoOrder
    from ordergate.simulator.binance.operations import Listeners
    from ordergate.simulator.config import FeesConfig
    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.positions import Position
    from ordergate.simulator.symbols import Symbol

Body = dict[str, object]
_ENDED = {
    Status.CANCELED: "CANCELED",
    Status.EXPIRED: "EXPIRED",
    # The enumeration of execution types has no other word for self-trade prevention.
    Status.EXPIRED_IN_MATCH: "EXPIRED",
}


class Events:
    """Spells what happened and hands it to the listeners."""

    def __init__(self, listeners: Listeners, fees: FeesConfig, markets: dict[str, Market[Order, Symbol]]) -> None:
        """markets: the exchange's own, for mark prices."""
        self._listeners = listeners
        self._fees = fees
        self._markets = markets

    def accepted(self, order: FuturesOrder, now_ms: int) -> None:
        """A new order, before it trades."""
        self._order(order, "NEW", now_ms)

    def amended(self, order: FuturesOrder, now_ms: int, modify_id: int | None) -> None:
        """An order was modified, before it trades again. modify_id: the client's own mark, told if there is one."""
        mark: Body = {} if modify_id is None else {"M": str(modify_id)}
        self._order(order, "AMENDMENT", now_ms, mark)

    def order_ended(self, order: FuturesOrder, now_ms: int) -> None:
        """An order is over without being filled."""
        self._order(order, _ENDED.get(order.status, "EXPIRED"), now_ms)

    def traded(self, trade: Trade) -> None:
        """One side of an execution; the account has it in its books already."""
        order = trade.order
        if not isinstance(order, FuturesOrder):
            return
        account = owner_of(order)
        account.updated_ms = trade.time_ms
        self._tell(account, "TRADE_LITE", _trade_lite(order, trade), trade.time_ms)
        position = account.positions[order.symbol.name, order.position_side]
        self.account_changed(account, "ORDER", [position], trade.time_ms)
        part = self._trade_part(order, trade)
        self._order(order, "CALCULATED" if order.forced else "TRADE", trade.time_ms, part)

    def account_changed(self, account: FuturesAccount, reason: str, positions: Iterable[Position], now_ms: int) -> None:
        """Balances and the positions that changed."""
        balance = {
            "a": ASSET,
            "wb": money(account.wallet),
            "cw": money(account.crossed_wallet()),
            "bc": "0",
        }
        rows = [self._position(account, position) for position in positions]
        self._tell(account, "ACCOUNT_UPDATE", {"T": now_ms, "a": {"m": reason, "B": [balance], "P": rows}}, now_ms)

    def leverage_changed(self, account: FuturesAccount, symbol: str, now_ms: int) -> None:
        """Of one symbol."""
        body: Body = {"T": now_ms, "ac": {"s": symbol, "l": account.leverage_in(symbol)}}
        self._tell(account, "ACCOUNT_CONFIG_UPDATE", body, now_ms)

    def multi_assets_changed(self, account: FuturesAccount, now_ms: int) -> None:
        """Of the account."""
        body: Body = {"T": now_ms, "ai": {"j": account.multi_assets}}
        self._tell(account, "ACCOUNT_CONFIG_UPDATE", body, now_ms)

    def algo_changed(self, algo: AlgoOrder, now_ms: int) -> None:
        """A conditional order began, triggered or ended."""
        self._tell(algo.account, "ALGO_UPDATE", {"T": now_ms, "o": algo_body(algo)}, now_ms)

    def market_traded(self, market: Market[Order, Symbol], lots: int, *, buyer_is_maker: bool, now_ms: int) -> None:
        """Any execution, the crowd's too; it was at the last price, under the last trade id."""
        symbol = market.symbol
        payload: Body = {
            "e": "trade",
            "E": now_ms,
            "T": now_ms,
            "s": symbol.name,
            "t": market.trade_id,
            "p": symbol.price_text(market.last),
            "q": symbol.quantity_text(lots),
            "X": "MARKET",
            "m": buyer_is_maker,
        }
        self._listeners.market(
            MarketEvent(symbol=symbol.name, stream=f"{symbol.name.lower()}@trade", payload=payload, at_ms=now_ms)
        )

    def _order(self, order: FuturesOrder, execution: str, now_ms: int, part: Body | None = None) -> None:
        account = owner_of(order)
        body = _order_body(order, execution, now_ms)
        body |= _open_notionals(account, order.symbol)
        body |= part or {}
        self._tell(account, "ORDER_TRADE_UPDATE", {"T": now_ms, "o": body}, now_ms)

    def _trade_part(self, order: FuturesOrder, trade: Trade) -> Body:
        return {
            "l": quantity_text(order, trade.lots),
            "L": price_text(order, trade.price),
            "N": ASSET,
            "n": plain(trade_fee(trade, self._fees)),
            "T": trade.time_ms,
            "t": trade.id,
            "m": trade.maker,
            "rp": rounded(trade.profit),
        }

    def _position(self, account: FuturesAccount, position: Position) -> Body:
        symbol = position.symbol
        isolated = symbol.name in account.isolated
        return {
            "s": symbol.name,
            "pa": symbol.quantity_text(position.lots) if position.lots else "0",
            "ep": rounded(position.entry_price),
            "bep": rounded(break_even(position, self._fees)),
            "cr": rounded(position.realized),
            "up": rounded(position.unrealized(self._markets[symbol.name].mark)),
            "mt": "isolated" if isolated else "cross",
            "iw": rounded(account.isolated_wallet(position)),
            "ps": str(position.side),
        }

    def _tell(self, account: FuturesAccount, kind: str, body: Body, now_ms: int) -> None:
        payload: Body = {"e": kind, "E": now_ms, **body}
        self._listeners.user(UserEvent(account=account.name, kind=kind, payload=payload, at_ms=now_ms))


def break_even(position: Position, fees: FeesConfig) -> Decimal:
    """Where closing with a taker fee loses nothing; our reading of `breakEvenPrice`, without the fees already paid for what was closed."""
    if not position.lots:
        return Decimal(0)
    rate = fees.taker * 2
    return position.entry_price * (1 + rate if position.lots > 0 else 1 - rate)


def algo_body(algo: AlgoOrder) -> Body:
    """`o` of ALGO_UPDATE. What is of the matching engine stands there once the order is in it."""
    symbol = algo.symbol
    child = algo.child
    body: Body = {
        "caid": algo.client_id,
        "aid": algo.id,
        "at": "CONDITIONAL",
        "o": str(algo.type),
        "s": symbol.name,
        "S": str(algo.side),
        "ps": str(algo.position_side),
        "f": str(algo.time_in_force),
        "q": "0" if algo.lots is None else symbol.quantity_text(algo.lots),
        "X": str(algo.status),
        "ai": "" if child is None else str(child.id),
        "tp": "0" if algo.trigger is None else symbol.price_text(algo.trigger),
        "p": "0" if algo.price is None else symbol.price_text(algo.price),
        "V": str(algo.self_trade),
        "wt": str(algo.working_type),
        "pm": str(algo.price_match),
        "cp": algo.lots is None,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
        "rm": algo.reason,
        "ia": algo.extreme is not None,
    }
    if child is not None:
        body |= {"ap": average_price(child), "aq": quantity_text(child, child.executed), "act": str(child.type)}
    if algo.type is AlgoType.TRAILING_STOP_MARKET:
        body |= {
            "AP": "0" if algo.activate is None else symbol.price_text(algo.activate),
            "cr": "0" if algo.callback_rate is None else plain(algo.callback_rate),
        }
    return body


def _order_body(order: FuturesOrder, execution: str, now_ms: int) -> Body:
    """`o` of ORDER_TRADE_UPDATE as it is without a trade."""
    return {
        "s": order.symbol.name,
        "c": order.client_order_id,
        "S": str(order.side),
        "o": event_type(order),
        "f": str(order.time_in_force),
        "q": quantity_text(order, order.lots),
        "p": price_text(order, order.price),
        "ap": average_price(order) if order.executed else "0",
        "sp": stop_price(order),
        "x": execution,
        "X": str(order.status),
        "i": order.id,
        "l": "0",
        "z": quantity_text(order, order.executed),
        "L": "0",
        "N": ASSET,
        "n": "0",
        "T": now_ms,
        "t": 0,
        "b": "0",
        "a": "0",
        "m": False,
        "R": order.reduce_only,
        "wt": str(order.working_type),
        "ot": event_type(order) if order.forced else order.original_type,
        "ps": str(order.position_side),
        "cp": order.close_position,
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "rp": "0",
        "V": str(order.self_trade),
        "pm": str(order.price_match),
        "gtd": order.good_till_ms,
        "er": str(order.expiry),
    }


def _open_notionals(account: FuturesAccount, symbol: Symbol) -> Body:
    """`b` and `a`: what rests on both sides of the symbol."""
    sums = {1: 0, -1: 0}
    for order in account.open_orders.values():
        if order.symbol is symbol and order.price is not None:
            sums[order.sign] += order.price * order.remaining
    return {"b": plain(symbol.notional(sums[1], 1)), "a": plain(symbol.notional(sums[-1], 1))}


def _trade_lite(order: FuturesOrder, trade: Trade) -> Body:
    return {
        "T": trade.time_ms,
        "s": order.symbol.name,
        "q": quantity_text(order, order.lots),
        "p": price_text(order, order.price),
        "m": trade.maker,
        "c": order.client_order_id,
        "S": str(order.side),
        "L": price_text(order, trade.price),
        "l": quantity_text(order, trade.lots),
        "t": trade.id,
        "i": order.id,
    }
