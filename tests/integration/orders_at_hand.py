"""Orders, fills and patience for tests on the bus."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from ordergate.trading.events import Approved, CancelRequested
from ordergate.trading.fills import Fill, Liquidity
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    IntentId,
    StrategyName,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.lifecycle import apply, begin
from ordergate.trading.order import Order, OrderKey, OrderRequest, OrderType, PositionSide, Side, Terms

VENUE = VenueName("zetarium")
ACCOUNT = AccountName("main")
BTC = Symbol("BTCUSDT")
ETH = Symbol("ETHUSDT")
LOOK_AGAIN_SECONDS = 0.005


def request(number: int, *, symbol: Symbol = BTC, reason: str = "") -> OrderRequest:
    return OrderRequest(
        key=OrderKey(venue=VENUE, account=ACCOUNT, symbol=symbol, client_order_id=ClientOrderId(f"alpha-{number:06d}")),
        strategy=StrategyName("alpha"),
        intent_id=IntentId(f"a-{number}"),
        request_hash=reason or "hash",
        terms=Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal("0.010"), price=Decimal("64250.5")),
        created_at_ms=1_790_000_000_000,
        valid_for_ms=5_000,
    )


def approved(number: int, *, symbol: Symbol = BTC, reason: str = "") -> tuple[Order, Approved]:
    event = Approved(request=request(number, symbol=symbol, reason=reason), at_ms=1_790_000_000_001)
    return begin(event), event


def cancel_requested(order: Order, *, at_ms: int = 1_790_000_000_002) -> tuple[Order, CancelRequested]:
    event = CancelRequested(at_ms=at_ms)
    return apply(order, event), event


def fill(number: int) -> Fill:
    return Fill(
        venue=VENUE,
        account=ACCOUNT,
        symbol=BTC,
        trade_id=TradeId(str(number)),
        venue_order_id=VenueOrderId("555"),
        client_order_id=ClientOrderId("alpha-000001"),
        strategy=StrategyName("alpha"),
        side=Side.BUY,
        position_side=PositionSide.BOTH,
        price=Decimal("64250.5"),
        quantity=Decimal("0.004"),
        fee=Decimal("0.0257"),
        fee_asset="USDT",
        liquidity=Liquidity.MAKER,
        venue_time_ms=1_790_000_000_000,
        received_time_ms=1_790_000_000_001,
    )


def other_quantity(of: Fill) -> Fill:
    return replace(of, quantity=Decimal(1))


async def eventually(fact: Callable[[], bool], *, seconds: float = 5.0) -> float:
    """Wait for a fact; returns how long it took. Fails after the limit."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 - a fact of another process sets no event
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return loop.time() - began


async def holds(fact: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """As `eventually`, for a fact that the bus must be asked for."""
    async with asyncio.timeout(seconds):
        while not await fact():  # noqa: ASYNC110 - a fact of another process sets no event
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
