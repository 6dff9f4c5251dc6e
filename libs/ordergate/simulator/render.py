"""The venue's JSON rows, as docs/venues/zetarium.md spells them. Decimals as strings, times as ISO-8601 UTC with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.simulator.accounts import Account
    from ordergate.simulator.config import FeesConfig
    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order, Trade
    from ordergate.simulator.positions import Episode, Position
    from ordergate.simulator.symbols import Symbol

Row = dict[str, object]

_CENT_OF_CENT = Decimal("0.00000001")
MAINTENANCE_RATE = Decimal("0.004")


def iso(ms: int) -> str:
    """Milliseconds since 1970 as `2026-01-02T03:04:05.678Z`."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def money(amount: Decimal) -> str:
    """An amount at eight decimals without trailing zeros, as the venue shows what it had to divide."""
    rounded = amount.quantize(_CENT_OF_CENT, rounding=ROUND_HALF_EVEN).normalize()
    return f"{rounded:f}" if rounded else "0"


def average_price(order: Order) -> str:
    """Average price of what was executed, 0 before the first trade."""
    return money(order.symbol.tick * order.cost / order.executed) if order.executed else "0"


def order_row(order: Order) -> Row:
    """An ORDER."""
    symbol = order.symbol
    created = iso(order.created_ms)
    return {
        "id": str(order.id),
        "accountId": order.account.name if order.account else "",
        "venue": "ZETARIUM",
        "symbol": symbol.name,
        "side": order.side,
        "type": order.type,
        "quantity": symbol.quantity_text(order.lots),
        "price": None if order.price is None else symbol.price_text(order.price),
        "stopPrice": None if order.stop_price is None else symbol.price_text(order.stop_price),
        "positionSide": order.position_side,
        "reduceOnly": order.reduce_only,
        "clientOrderId": order.client_order_id,
        "venueOrderId": f"Z-{order.id}",
        "status": order.status,
        "executedQuantity": symbol.quantity_text(order.executed) if order.executed else "0",
        "avgPrice": average_price(order),
        "source": "API",
        "createdAt": created,
        "updatedAt": created if order.updated_ms == order.created_ms else iso(order.updated_ms),
    }


def trade_row(trade: Trade, fees: FeesConfig) -> Row:
    """A TRADE."""
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
        "time": iso(trade.time_ms),
    }


def trade_fee(trade: Trade, fees: FeesConfig) -> Decimal:
    """Notional x rate, exactly."""
    notional = trade.order.symbol.notional(trade.price, trade.lots)
    return (notional * (fees.maker if trade.maker else fees.taker)).normalize()


def position_row(position: Position, account: Account, market: Market[Order, Symbol]) -> Row:
    """A POSITION that is open. The liquidation price is an estimate: the simulator never liquidates."""
    symbol = position.symbol
    notional = symbol.notional(market.mark, abs(position.lots))
    cushion = Decimal(1) / account.leverage - MAINTENANCE_RATE
    liquidation = position.entry_price * (1 - cushion if position.lots > 0 else 1 + cushion)
    return {
        "id": str(position.id),
        "accountId": account.name,
        "venuePositionId": f"ZP-{position.id}",
        "symbol": symbol.name,
        "quantity": symbol.quantity_text(position.lots),
        "avgEntryPrice": money(position.entry_price),
        "markPrice": symbol.price_text(market.mark),
        "liquidationPrice": money(max(liquidation, Decimal(0))),
        "unrealizedPnl": money(position.unrealized(market.mark)),
        "realizedPnl": money(position.episode_realized),
        "fundingFee": "0",
        "initialMargin": money(notional / account.leverage),
        "maintenanceMargin": money(notional * MAINTENANCE_RATE),
        "leverage": account.leverage,
        "marginMode": "CROSS",
        "positionSide": position.side,
        "status": "OPEN",
        "closeReason": None,
        "closedAt": None,
        "updatedAt": iso(position.updated_ms),
    }


def closed_position_row(episode: Episode, position: Position, account: Account, market: Market[Order, Symbol]) -> Row:
    """A POSITION that is over."""
    return {
        "id": str(episode.id),
        "accountId": account.name,
        "venuePositionId": f"ZP-{episode.id}",
        "symbol": position.symbol.name,
        "quantity": "0",
        "avgEntryPrice": money(episode.entry_price),
        "markPrice": position.symbol.price_text(market.mark),
        "liquidationPrice": None,
        "unrealizedPnl": "0",
        "realizedPnl": money(episode.realized),
        "fundingFee": "0",
        "initialMargin": "0",
        "maintenanceMargin": "0",
        "leverage": account.leverage,
        "marginMode": "CROSS",
        "positionSide": position.side,
        "status": "CLOSED",
        "closeReason": episode.reason,
        "closedAt": iso(episode.closed_ms),
        "updatedAt": iso(episode.closed_ms),
    }


def balance_row(account: Account, markets: Mapping[str, Market[Order, Symbol]]) -> Row:
    """The one asset of an account."""
    unrealized = account.unrealized(markets)
    return {
        "asset": "USDT",
        "walletBalance": money(account.wallet),
        "availableBalance": money(max(Decimal(0), account.available(markets))),
        "marginBalance": money(account.wallet + unrealized),
        "unrealizedProfit": money(unrealized),
        "crossWalletBalance": money(account.wallet),
    }


def symbol_row(market: Market[Order, Symbol]) -> Row:
    """A SYMBOL."""
    symbol = market.symbol
    return {
        "symbol": symbol.name,
        "baseAsset": symbol.base_asset,
        "quoteAsset": symbol.quote_asset,
        "status": "HALT" if market.halted else "TRADING",
        "tickSize": f"{symbol.tick:f}",
        "minPrice": f"{symbol.price_min:f}",
        "maxPrice": f"{symbol.price_max:f}",
        "stepSize": f"{symbol.lot:f}",
        "minQuantity": f"{symbol.quantity_min:f}",
        "maxQuantity": f"{symbol.quantity_max:f}",
        "marketMaxQuantity": f"{symbol.market_quantity_max:f}",
        "minNotional": f"{symbol.notional_min:f}",
        "maxOpenOrders": symbol.open_orders_max,
        "priceBandUp": f"{symbol.price_band_up:f}",
        "priceBandDown": f"{symbol.price_band_down:f}",
    }


def ticker_row(market: Market[Order, Symbol], now_ms: int) -> Row:
    """A ticker; an empty side of the book is null."""
    symbol = market.symbol
    bid, ask = market.book.bids.best_price(), market.book.asks.best_price()
    return {
        "symbol": symbol.name,
        "lastPrice": symbol.price_text(market.last),
        "markPrice": symbol.price_text(market.mark),
        "bidPrice": None if bid is None else symbol.price_text(bid),
        "askPrice": None if ask is None else symbol.price_text(ask),
        "time": iso(now_ms),
    }
