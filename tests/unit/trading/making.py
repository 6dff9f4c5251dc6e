"""Orders, views and fills for tests of the core: one account, plain numbers, everything else a keyword."""

from decimal import Decimal
from typing import Any

from ordergate.trading.fills import Fill, Liquidity
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    IntentId,
    KeyId,
    StrategyName,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import (
    Attempt,
    Order,
    OrderKey,
    OrderRequest,
    OrderType,
    PositionSide,
    Side,
    State,
    Terms,
    VenueView,
)

VENUE, ACCOUNT, BTC = VenueName("zetarium"), AccountName("main"), Symbol("BTCUSDT")
ALPHA = StrategyName("alpha")
SENT_AT = 10_000


def terms(**changes: Any) -> Terms:
    values: dict[str, Any] = {
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": Decimal(10),
        "price": Decimal(100),
    }
    return Terms(**(values | changes))


def market(quantity: int, side: Side = Side.BUY, **changes: Any) -> Terms:
    return terms(type=OrderType.MARKET, price=None, quantity=Decimal(quantity), side=side, **changes)


def request(
    number: int = 1, *, resubmit: bool = False, asked: Terms | None = None, symbol: Symbol = BTC
) -> OrderRequest:
    return OrderRequest(
        key=OrderKey(venue=VENUE, account=ACCOUNT, symbol=symbol, client_order_id=ClientOrderId(f"alpha-{number}")),
        strategy=ALPHA,
        intent_id=IntentId(f"a-{number}"),
        request_hash="hash",
        terms=asked or terms(),
        created_at_ms=1_000,
        valid_for_ms=60_000,
        resubmit=resubmit,
    )


def order(state: State = State.APPROVED, *, number: int = 1, asked: Terms | None = None, **changes: Any) -> Order:
    """A snapshot in any state, as the ledger could hold it."""
    values: dict[str, Any] = {
        "request": request(number, asked=asked),
        "state": state,
        "revised_at_ms": 20_000,
    }
    if state not in {State.APPROVED, State.REFUSED, State.ADOPTED}:
        values |= {"attempt": attempt(1), "first_attempt_ms": SENT_AT}
    if state not in {State.APPROVED, State.REFUSED, State.SUBMITTING, State.UNKNOWN, State.NOT_PLACED}:
        values["venue_order_id"] = venue_order_id(number)
    return Order(**(values | changes))


def venue_order_id(number: int = 1) -> VenueOrderId:
    return VenueOrderId(f"{500 + number}")


def attempt(number: int) -> Attempt:
    return Attempt(number=number, timestamp_ms=SENT_AT + number, key_id=KeyId("k"), began_at_ms=SENT_AT + number)


def view(status: State, executed: int = 0, *, at_ms: int = SENT_AT + 50, **changes: Any) -> VenueView:
    values: dict[str, Any] = {
        "venue_order_id": venue_order_id(),
        "client_order_id": ClientOrderId("alpha-1"),
        "symbol": BTC,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": Decimal(10),
        "price": Decimal(100),
        "stop_price": None,
        "position_side": PositionSide.BOTH,
        "reduce_only": False,
        "status": status,
        "executed_quantity": Decimal(executed),
        "created_at_ms": SENT_AT + 20,
        "updated_at_ms": at_ms,
    }
    return VenueView(**(values | changes))


def fill(number: int, quantity: Decimal | int = 1, price: Decimal | int = 100, **changes: Any) -> Fill:
    """The trade `number` of the order alpha-1."""
    values: dict[str, Any] = {
        "venue": VENUE,
        "account": ACCOUNT,
        "symbol": BTC,
        "trade_id": TradeId(str(number)),
        "venue_order_id": venue_order_id(),
        "client_order_id": ClientOrderId("alpha-1"),
        "strategy": ALPHA,
        "side": Side.BUY,
        "position_side": PositionSide.BOTH,
        "price": Decimal(price),
        "quantity": Decimal(quantity),
        "fee": Decimal("0.01"),
        "fee_asset": "USDT",
        "liquidity": Liquidity.TAKER,
        "venue_time_ms": 30_000,
        "received_time_ms": 30_010,
    }
    return Fill(**(values | changes))


def instrument(**changes: Any) -> Instrument:
    values: dict[str, Any] = {
        "symbol": BTC,
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "trading": True,
        "tick_size": Decimal("0.1"),
        "price_min": Decimal("0.1"),
        "price_max": Decimal(1_000_000),
        "step_size": Decimal("0.001"),
        "quantity_min": Decimal("0.001"),
        "quantity_max": Decimal(1000),
        "market_quantity_max": Decimal(120),
        "notional_min": Decimal(5),
        "open_orders_max": 200,
        "price_band_up": Decimal("1.1"),
        "price_band_down": Decimal("0.9"),
    }
    return Instrument(**(values | changes))
