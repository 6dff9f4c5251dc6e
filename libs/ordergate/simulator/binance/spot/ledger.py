"""The books in the shape of `/simulator/ledger` (docs/simulator.md). A position is what an account bought of a symbol less what it sold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.spot.symbols import amount_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.binance.spot.accounts import SpotAccount
    from ordergate.simulator.binance.spot.orders import SpotOrder, SpotTrade

Row = dict[str, object]


def ledger_rows(accounts: list[SpotAccount]) -> Row:
    """Everything that these accounts ordered, traded and have."""
    return {
        "orders": [_order(order, account) for account in accounts for order in account.orders],
        "trades": [_trade(trade, account) for account in accounts for trade in _trades(account)],
        "positions": [row for account in accounts for row in _positions(account)],
        "balances": [
            {
                "account": account.name,
                "asset": asset,
                "walletBalance": f"{total:f}",
                "free": amount_text(account.free(asset)),
                "locked": amount_text(account.locked[asset]),
            }
            for account in accounts
            for asset, total in account.totals.items()
        ],
    }


def _order(order: SpotOrder, account: SpotAccount) -> Row:
    symbol = order.symbol
    return {
        "account": account.name,
        "clientOrderId": order.client_order_id,
        "id": str(order.id),
        "symbol": symbol.name,
        "side": order.side,
        "type": order.type,
        "positionSide": "BOTH",
        "quantity": symbol.quantity_text(order.lots),
        "price": None if order.price is None else symbol.price_text(order.price),
        "stopPrice": None if order.stop_price is None else symbol.price_text(order.stop_price),
        "executedQuantity": symbol.quantity_text(order.executed) if order.executed else "0",
        "status": order.status,
        "createdAtMs": order.created_ms,
        "updatedAtMs": order.updated_ms,
    }


def _trade(trade: SpotTrade, account: SpotAccount) -> Row:
    order, symbol = trade.order, trade.order.symbol
    return {
        "account": account.name,
        "id": str(trade.id),
        "orderId": str(order.id),
        "clientOrderId": order.client_order_id,
        "symbol": symbol.name,
        "side": order.side,
        "positionSide": "BOTH",
        "price": symbol.price_text(trade.price),
        "quantity": symbol.quantity_text(trade.lots),
        "fee": f"{trade.commission:f}",
        "feeAsset": trade.commission_asset,
        "liquidity": "MAKER" if trade.maker else "TAKER",
        "timeMs": trade.time_ms,
    }


def _trades(account: SpotAccount) -> Iterable[SpotTrade]:
    for name in sorted(account.trades):
        yield from account.trades[name]


def _positions(account: SpotAccount) -> Iterable[Row]:
    for name in sorted(account.trades):
        trades = account.trades[name]
        symbol = trades[0].order.symbol
        lots = sum(trade.order.sign * trade.lots for trade in trades)
        yield {"account": account.name, "symbol": name, "positionSide": "BOTH", "quantity": symbol.quantity_text(lots)}
