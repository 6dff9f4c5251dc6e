"""What Binance USD-M futures are. The settle is the time that Spot takes for a request at most (10 s) and a second for reads; it, lag and fees are assumed (docs/venues/binance-futures.md)."""

from decimal import Decimal

from ordergate.ports.venue import Declaration, IdScope
from ordergate.trading.ids import VenueName
from ordergate.trading.order import OrderType, PositionSide, SelfTradePrevention, TimeInForce
from ordergate.venues.binance_futures.parse import OWN_PREFIXES

DECLARATION = Declaration(
    venue=VenueName("binance-futures"),
    id_scope=IdScope.OPEN_ONLY,
    window_ms=5_000,
    settle_ms=11_000,
    send_margin_ms=1_000,
    lookup_is_witness=True,
    orders_requests_by_nonce=False,
    private_stream=True,
    hides_maker_fills=False,
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    fee_asset="USDT",
    trade_lag_ms=2_000,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    post_only=True,
    quote_quantity=False,
    position_sides=frozenset(PositionSide),
    native_replace=False,
    error_id_prefix="oge",
    trailing=True,
    list_period_ms=2_000,  # twice 1 of 2,400 a minute for one symbol, twice 40 for all
    lists_by_symbol=True,
    sweep_period_ms=60_000,
    own_order_prefixes=OWN_PREFIXES,
    prices_period_ms=5_000,  # 10 of 2,400 a minute
    self_trade_prevention=frozenset(
        {
            SelfTradePrevention.NONE,
            SelfTradePrevention.EXPIRE_MAKER,
            SelfTradePrevention.EXPIRE_TAKER,
            SelfTradePrevention.EXPIRE_BOTH,
        }
    ),
)
