"""What the venue itself does in an account is said once an order, before its fill is stored."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ordergate.ports.venue import Declaration, VenueTrade
from ordergate.trading.errors import BusUnavailable
from ordergate.trading.fills import Fill, Liquidity
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId
from ordergate.trading.order import PositionSide, Side
from ordergate.venues.binance_futures.declaration import DECLARATION as FUTURES
from ordergate.venues.zetarium.declaration import DECLARATION as ZETARIUM
from ordergate.wire.messages import RiskMessage
from services.fill_streaming.handlers import FillDesk, Pace
from tests.unit.access.stage import ToldClock
from tests.unit.trading.making import ACCOUNT, BTC, VENUE

FORCED = ClientOrderId("autoclose-1600000")


@dataclass
class World:
    """A bus that stores fills and statements. order_id: what the venue says of the trade's order where the trade itself does not."""

    declaration: Declaration = FUTURES
    order_id: ClientOrderId | None = FORCED
    is_away: bool = False
    stored: list[Fill] = field(default_factory=list)
    said: dict[str, RiskMessage] = field(default_factory=dict)

    async def order(self, symbol: Symbol, name: VenueOrderId) -> Any:
        del symbol, name
        return SimpleNamespace(client_order_id=self.order_id)

    async def last(self, *_: object) -> None:
        return None

    async def store_fill(self, fill: Fill) -> bool:
        self.stored.append(fill)
        return True

    async def answer(self, subject: str, data: bytes, *, message_id: str) -> None:
        if self.is_away:
            raise BusUnavailable
        assert subject.endswith("forced_order")
        self.said[message_id] = RiskMessage.of(data)

    def desk(self) -> FillDesk:
        here = cast("Any", self)
        return FillDesk(
            venue=VENUE,
            account=ACCOUNT,
            symbols=[BTC],
            reading=here,
            ledger=here,
            feed=here,
            publisher=here,
            cursors=here,
            checkpoint=here,
            clock=ToldClock(),
            trace=cast("Any", SimpleNamespace(now_ns=lambda: 0, span=lambda *_, **__: None)),
            pace=Pace(read_seconds=0.0),
        )


def trade(number: int, **changes: Any) -> VenueTrade:
    made = VenueTrade(
        trade_id=TradeId(str(number)),
        venue_order_id=VenueOrderId("555"),
        client_order_id=None,
        symbol=BTC,
        side=Side.SELL,
        position_side=PositionSide.BOTH,
        price=Decimal(60000),
        quantity=Decimal("0.5"),
        fee=Decimal(3),
        fee_asset="USDT",
        liquidity=Liquidity.TAKER,
        venue_time_ms=1,
    )
    return replace(made, **changes)


async def test_a_liquidation_is_an_external_fill_and_is_said_once() -> None:
    world = World()
    desk = world.desk()
    for number in (1, 2):
        assert await desk._store_trade(trade(number))
    [(_, said)] = world.said.items()
    assert (said.client_order_id, said.symbol) == (FORCED, BTC)
    assert [(fill.client_order_id, fill.strategy) for fill in world.stored] == [(None, None)] * 2


@pytest.mark.parametrize("order_id", ["adl_autoclose", "settlement_autoclose-7"])
async def test_a_trade_that_names_its_order_itself_is_known_too(order_id: str) -> None:
    world = World(order_id=None)
    await world.desk()._store_trade(trade(1, client_order_id=ClientOrderId(order_id)))
    assert [each.client_order_id for each in world.said.values()] == [order_id]


@pytest.mark.parametrize(
    ("declaration", "order_id"), [(FUTURES, "web_autoclose-1"), (FUTURES, None), (ZETARIUM, "autoclose-1600000")]
)
async def test_a_strangers_trade_alarms_nobody(declaration: Declaration, order_id: str | None) -> None:
    world = World(declaration=declaration, order_id=None if order_id is None else ClientOrderId(order_id))
    assert await world.desk()._store_trade(trade(1))
    assert (world.said, len(world.stored)) == ({}, 1)


async def test_it_is_not_stored_before_it_is_said() -> None:
    world = World(is_away=True)
    with pytest.raises(BusUnavailable):
        await world.desk()._store_trade(trade(1))
    assert world.stored == []
