"""The books of perpetual futures as the door `/simulator/ledger` shows them; spot shows rows of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordergate.simulator.render import trade_fee

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.accounts import Account
    from ordergate.simulator.config import FeesConfig
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.perpetual import Perpetual
    from ordergate.simulator.render import Row


def ledger(exchange: Perpetual[Any], wanted: str | None) -> Row:
    """Of one account or all; an account that is not there has no rows."""
    accounts = [account for account in exchange.accounts.values() if wanted in {None, account.name}]
    return {
        "orders": [_order(order, account) for account in accounts for order in account.orders],
        "trades": [
            {"account": account.name, **_trade(trade, exchange.fees)}
            for account in accounts
            for trade in _trades(account)
        ],
        "positions": [row for account in accounts for row in _positions(account)],
        "balances": [
            {"account": account.name, "asset": "USDT", "walletBalance": f"{account.wallet:f}"} for account in accounts
        ],
    }


def _trade(trade: Trade, fees: FeesConfig) -> Row:
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
        "fee": f"{trade_fee(trade, fees):f}",
        "feeAsset": symbol.quote_asset,
        "liquidity": "MAKER" if trade.maker else "TAKER",
        "timeMs": trade.time_ms,
    }


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
