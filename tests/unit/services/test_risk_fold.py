"""What our own fills bought, and cost, is known again after a restart; also from a mark of a version that did not keep it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from ordergate.ports.bus import StoredFill
from ordergate.ports.checkpoint import Mark
from ordergate.trading.ids import TradeId
from services.risk.fold import AccountFold
from tests.unit.trading.making import ACCOUNT, BTC, VENUE, fill


class Bus:
    """FILLS with three fills, the second a stranger's; an empty ORDERS; a checkpoint."""

    def __init__(self) -> None:
        ours = replace(fill(1, Decimal(2), fee=Decimal("0.002"), fee_asset="BTC"), client_order_id=None)
        theirs = replace(ours, trade_id=TradeId("2"), strategy=None)
        later = replace(ours, trade_id=TradeId("3"), quantity=Decimal(1), fee=Decimal("0.001"))
        self.fills_stored = [StoredFill(fill=each, sequence=n) for n, each in enumerate((ours, theirs, later), start=1)]
        self.mark: Mark | None = None
        self.reads: list[int] = []

    async def fills(self, *_: object, after: int) -> AsyncIterator[StoredFill | None]:
        self.reads.append(after)
        for each in self.fills_stored:
            if each.sequence > after:
                yield each
        yield None

    async def orders(self, *_: object, after: int) -> AsyncIterator[None]:
        assert after >= 0
        yield None

    async def load(self) -> Mark | None:
        return self.mark

    async def fold(self) -> AccountFold:
        here = cast("Any", self)
        made = AccountFold(
            venue=VENUE,
            account=ACCOUNT,
            ledger=here,
            feed=here,
            positions=here,
            market=here,
            checkpoint=here,
            clock=here,
        )
        await made.follow_orders()
        await made.follow_fills()
        return made


def ours(fold: AccountFold) -> tuple[Decimal, Decimal, Decimal]:
    return fold.book.bought(BTC), fold.book.fees_paid(BTC, "BTC"), fold.book.exposure(BTC).quantity


async def test_after_a_restart_it_is_what_it_was() -> None:
    bus = Bus()
    last = bus.fills_stored.pop()
    first = await bus.fold()
    assert ours(first) == (Decimal(2), Decimal("0.002"), Decimal(4))
    bus.mark = first.mark()
    bus.fills_stored.append(last)
    assert ours(await bus.fold()) == (Decimal(3), Decimal("0.003"), Decimal(5))
    assert bus.reads == [0, 2], "only what came since"


async def test_a_mark_that_does_not_say_it_has_the_fills_read_again() -> None:
    bus = Bus()
    last = bus.fills_stored.pop()
    mark = (await bus.fold()).mark()
    assert mark is not None
    bus.mark = replace(mark, state={name: value for name, value in mark.state.items() if name != "ours"})
    bus.fills_stored.append(last)
    assert ours(await bus.fold()) == (Decimal(3), Decimal("0.003"), Decimal(5))
    assert bus.reads == [0, 0, 2]
