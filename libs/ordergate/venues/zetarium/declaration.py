"""What ZetariumDex v2 is. Settle, lag and fees are assumed (docs/venues/zetarium.md)."""

from decimal import Decimal

from ordergate.ports.venue import Declaration, IdScope
from ordergate.trading.ids import VenueName
from ordergate.trading.order import OrderType, PositionSide, TimeInForce

DECLARATION = Declaration(
    venue=VenueName("zetarium"),
    id_scope=IdScope.FOREVER,
    window_ms=5_000,
    settle_ms=1_000,
    send_margin_ms=1_000,
    lookup_is_witness=True,
    orders_requests_by_nonce=False,
    private_stream=False,
    hides_maker_fills=True,
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    fee_asset="USDT",
    trade_lag_ms=1_000,
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.GTC}),
    post_only=False,
    quote_quantity=False,
    position_sides=frozenset(PositionSide),
    native_replace=False,
    error_id_prefix="zd",
)
