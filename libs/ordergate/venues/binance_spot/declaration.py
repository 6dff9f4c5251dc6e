"""What Binance Spot is. Lag and fees are assumed (docs/venues/binance-spot.md).

lookup_is_witness: `GET /api/v3/order` by client id shows orders in every state, filled ones for ever and ended ones for 90 days, so an order that executed
in any way is found by it. That ids are free again after an order's end does not weaken this: a second order under the id hides the first one behind its
own view, which is a drift, and never behind "not found"; and our own ledger gives an id to one order only.
settle: a request may lie in the exchange for its own 10 s budget before -1007 (rest-api.md); a second for the read to show it (memory, then database).
"""

from decimal import Decimal

from ordergate.ports.venue import Declaration, IdScope, OrderEntry
from ordergate.trading.ids import VenueName
from ordergate.trading.order import ListKind, OrderType, PositionSide, SelfTradePrevention, TimeInForce

DECLARATION = Declaration(
    venue=VenueName("binance-spot"),
    id_scope=IdScope.OPEN_ONLY,
    window_ms=5_000,
    settle_ms=11_000,
    send_margin_ms=1_000,
    lookup_is_witness=True,
    orders_requests_by_nonce=False,
    private_stream=True,
    hides_maker_fills=False,
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
    fee_asset="USDT",
    trade_lag_ms=2_000,
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    post_only=True,
    quote_quantity=True,
    position_sides=frozenset({PositionSide.BOTH}),
    native_replace=True,
    error_id_prefix="oge",
    iceberg=True,
    trailing=True,
    self_trade_prevention=frozenset(SelfTradePrevention),
    order_lists=frozenset(ListKind),
    shows_positions=False,
    reduce_only=False,
    list_period_ms=2_000,  # 6 of 6,000 a minute for one symbol, 80 for all
    lists_by_symbol=True,
    sweep_period_ms=30_000,
    prices_period_ms=2_000,  # 4 of 6,000 a minute
    order_entries=(OrderEntry.REST, OrderEntry.SOCKET),
)
